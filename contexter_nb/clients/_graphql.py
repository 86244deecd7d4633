"""A client of any GraphQL service."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal

from contexter_nb.clients._client import APIClient
from contexter_nb.clients._graphql_answer import (
    GraphQLPage,
    GraphQLResult,
    connection_at,
    only_list,
    page_of,
    result_of,
)
from contexter_nb.clients._graphql_document import chosen_operation
from contexter_nb.clients._graphql_errors import (
    ACCEPT,
    graphql_error,
    hidden_error,
    is_answer,
)
from contexter_nb.clients._graphql_request import (
    body_of,
    check_on_errors,
    check_pages,
    fields_of,
    gotten,
    operation_name_of,
    posted,
    split_url,
    tag_of,
)
from contexter_nb.clients._health import HealthCheck
from contexter_nb.clients._pipeline import Knowledge
from contexter_nb.clients._service_client import ServiceClient
from contexter_nb.core import (
    APIIntegrationError,
    Clock,
    DecodingError,
    InvalidArgumentError,
    SystemClock,
)

MAX_PAGES = 1_000
OnErrors = Literal["keep", "raise"]


class GraphQLClient(ServiceClient):
    """Ask a GraphQL service over HTTP.

    Queries may be repeated after a failure; mutations are sent once, unless they carry
    an idempotency key. Data that came beside errors is kept.

    Parameters
    ----------
    url : str
        Of the service's endpoint; a slash or a query at its end is kept, the query out
        of sight.
    service : str, default "graphql"
        A short name for messages and metrics.
    **options
        As of `APIClient`: auth, headers, limiter, cache, transport and so on, without
        ``knowledge`` and ``health``.

    Raises
    ------
    InvalidArgumentError
        The URL is none.

    Source
    ------
    GraphQL over HTTP, stage 2 draft, github.com/graphql/graphql-over-http, read
    2026-11-23.
    """

    def __init__(self, url: str, *, service: str = "graphql", **options: Any) -> None:
        base_url, self._endpoint = split_url(url)
        given = {
            # Spelled as the client's own fields, whose place they take.
            name.title(): value
            for name, value in (options.pop("headers", None) or {}).items()
        }
        clock: Clock = options.get("clock") or SystemClock()
        probe = posted({"query": "{ __typename }"}, "health_check", repeatable=True)
        self._client = APIClient(
            service,
            base_url,
            headers={"Accept": ACCEPT, **given},
            knowledge=Knowledge(
                is_answer=is_answer,
                inspect=hidden_error(str(service).strip(), clock.wall),
            ),
            health=probe.with_(endpoint=self._endpoint),
            **options,
        )

    @property
    def url(self) -> str:
        """Where its requests go, without a query."""
        path = self._endpoint.partition("?")[0]
        base = self._client.base_url
        return f"{base}/{path}" if path else base

    async def execute_query(
        self,
        query: str | None = None,
        variables: Mapping[str, Any] | None = None,
        *,
        operation_name: str | None = None,
        document_id: str | None = None,
        extensions: Mapping[str, Any] | None = None,
        on_errors: OnErrors = "keep",
        use_get: bool = False,
        cache_ttl_seconds: float | None = None,
        deadline_seconds: float | None = None,
    ) -> GraphQLResult:
        """Ask for something; may be sent again where an attempt fails.

        Parameters
        ----------
        query : str, optional
            GraphQL source, sent as it is; None with a `document_id`.
        variables : mapping, optional
        operation_name : str, optional
            Which operation, where the document has several.
        document_id : str, optional
            Of a persisted document, ``sha256:`` and 64 hexadecimal digits, say.
        extensions : mapping, optional
            Sent as they are.
        on_errors : str, default "keep"
            ``keep`` returns data and errors side by side, where there is data;
            ``raise`` raises at any error.
        use_get : bool, default False
            Send it by GET where it is short enough, for caches on the way; its
            variables are then in the URL, which proxies log.
        cache_ttl_seconds : float, optional
            How long the answer may be cached; one with errors is not.
        deadline_seconds : float, optional
            For the whole call.

        Returns
        -------
        GraphQLResult

        Raises
        ------
        GraphQLError
            There are errors and no data, or ``on_errors="raise"``.
        RateLimitedError
            The service's limit is used up, and waiting did not help.
        InvalidArgumentError
            The document is no query. What a `document_id` stands for is not known here.
        APIIntegrationError
            The call failed.
        """
        check_on_errors(on_errors)
        body = body_of(query, variables, operation_name, document_id, extensions)
        name = operation_name_of(query, operation_name, "query")
        request = posted(body, name, repeatable=True)
        if use_get:
            request = gotten(body, name) or request
        tags: tuple[str, ...] = ()
        if cache_ttl_seconds is not None:
            tags = (tag_of(body),)
        response = await self._client.execute_request(
            request.with_(
                endpoint=self._endpoint,
                cache_ttl_seconds=cache_ttl_seconds,
                cache_tags=tags,
                deadline_seconds=deadline_seconds,
            )
        )
        result = result_of(response, on_errors="keep")
        cache = self._client.cache
        if result.errors and tags and cache is not None:
            # What failed may not fail again, so it is not for those who ask next.
            await cache.clear(tag=tags[0])
        return result if on_errors == "keep" else result_of(response, on_errors="raise")

    async def execute_mutation(
        self,
        mutation: str | None = None,
        variables: Mapping[str, Any] | None = None,
        *,
        operation_name: str | None = None,
        document_id: str | None = None,
        extensions: Mapping[str, Any] | None = None,
        on_errors: OnErrors = "keep",
        idempotency_key: str | None = None,
        deadline_seconds: float | None = None,
    ) -> GraphQLResult:
        """Change something; sent again only where it surely was not executed.

        Parameters
        ----------
        mutation : str, optional
            GraphQL source, sent as it is; None with a `document_id`.
        variables : mapping, optional
        operation_name : str, optional
            Which operation, where the document has several.
        document_id : str, optional
            Of a persisted document.
        extensions : mapping, optional
            Sent as they are.
        on_errors : str, default "keep"
            ``keep`` returns data and errors side by side; ``raise`` raises.
        idempotency_key : str, optional
            By which the service knows it again; makes it repeatable.
        deadline_seconds : float, optional
            For the whole call.

        Returns
        -------
        GraphQLResult

        Raises
        ------
        GraphQLError
            There are errors and no data; its ``executed`` says whether something may
            have changed all the same.
        InvalidArgumentError
            The document is no mutation.
        APIIntegrationError
            The call failed.
        """
        check_on_errors(on_errors)
        body = body_of(mutation, variables, operation_name, document_id, extensions)
        name = operation_name_of(mutation, operation_name, "mutation")
        response = await self._client.execute_request(
            posted(body, name, repeatable=False).with_(
                endpoint=self._endpoint,
                idempotency_key=idempotency_key,
                deadline_seconds=deadline_seconds,
            )
        )
        return result_of(response, on_errors=on_errors)

    async def paginate(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        path: str | Sequence[str] | None = None,
        cursor_variable: str = "after",
        max_pages: int = MAX_PAGES,
        **options: Any,
    ) -> AsyncGenerator[GraphQLPage, None]:
        """Yield the pages of a connection, each fetched when it is asked for.

        Parameters
        ----------
        query : str
            With a variable for the cursor, and ``pageInfo { hasNextPage endCursor }``
            beside the nodes.
        variables : mapping, optional
            The cursor among them begins there.
        path : str or sequence of str, optional
            Where the connection stands: ``"repository.issues"``; by default the only
            list of the answer, or, where there is none, the whole answer as one node.
        cursor_variable : str, default "after"
            Set to each page's end cursor for the next.
        max_pages : int, default 1000
            Where to stop at the latest; the last page's `has_next` says whether there
            was more.
        **options
            As of `execute_query`.

        Yields
        ------
        GraphQLPage

        Raises
        ------
        InvalidArgumentError
            The query has no such variable or does not ask for the cursor, no list
            stands at the path, or none is named and there are several.
        DecodingError
            The service gives one cursor twice, so that there would be no end.
        GraphQLError, APIIntegrationError
            As of `execute_query`, and where a later page has no list in its answer;
            pages yielded before are not lost.
        """
        check_pages(max_pages)
        operation = chosen_operation(query, options.get("operation_name"))
        fields = fields_of(path)
        body_of(query, variables, None, None, None)  # refuses what is no mapping
        asked = dict(variables or {})
        begin = asked.get(cursor_variable)
        seen = {begin} if isinstance(begin, str) else set()
        for number in range(1, max_pages + 1):
            result = await self.execute_query(query, asked, **options)
            if fields is None:
                fields = only_list(result.data)
            if number > 1 and connection_at(result.data, fields) is None:
                raise self._no_page(result, number)
            page = page_of(result, fields, number)
            yield page
            if not page.has_next or number == max_pages:
                return
            if page.end_cursor is None or cursor_variable not in operation.variables:
                raise InvalidArgumentError(
                    f"There are more pages, but the query asks for no endCursor or "
                    f"declares no ${cursor_variable}; ask for pageInfo {{ hasNextPage "
                    f"endCursor }}, add (${cursor_variable}: String), and give it to "
                    "the connection as after."
                )
            if page.end_cursor in seen:
                raise DecodingError(
                    f"{self._client.service} gave the cursor of page {number} twice; "
                    "its pages have no end, so ask for fewer (max_pages) or tell its "
                    "makers.",
                    service=self._client.service,
                    operation=result.response.operation,
                    request_id=result.response.request_id,
                )
            seen.add(page.end_cursor)
            asked[cursor_variable] = page.end_cursor

    def _no_page(self, result: GraphQLResult, number: int) -> APIIntegrationError:
        """Return the error of a later page that came without its list."""
        response = result.response
        where: dict[str, Any] = {
            "service": response.service,
            "operation": response.operation,
            "request_id": response.request_id,
            "trace": response.trace,
        }
        if result.errors:
            return graphql_error(response.data, where)
        return DecodingError(
            f"{response.service} gave page {number} of {response.operation} without "
            "the list that the pages before it had; ask again.",
            **where,
        )

    async def health_check(self) -> HealthCheck:
        """Ask the service for its query type's name, past cache, limit and breaker."""
        return await self._client.health_check()

    def __repr__(self) -> str:
        state = " closed" if self._client.closed else ""
        return f"<GraphQLClient {self._client.service} {self.url}{state}>"
