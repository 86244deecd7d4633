"""A client of any GraphQL service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

from contexter_nb.clients._client import APIClient
from contexter_nb.clients._graphql_answer import (
    ACCEPT,
    GraphQLPage,
    GraphQLResult,
    hidden_error,
    is_answer,
    only_list,
    page_of,
    result_of,
)
from contexter_nb.clients._graphql_document import chosen_operation
from contexter_nb.clients._health import HealthCheck
from contexter_nb.clients._pipeline import Knowledge
from contexter_nb.core import APIMethod, APIRequest, DecodingError, InvalidArgumentError

MAX_PAGES = 1_000
MAX_GET_CHARS = 2_000
OnErrors = Literal["keep", "raise"]


class GraphQLClient:
    """Ask a GraphQL service over HTTP.

    Queries may be repeated after a failure; mutations are sent once, unless they carry
    an idempotency key. Data that came beside errors is kept.

    Parameters
    ----------
    url : str
        Of the service's endpoint.
    service : str, default "graphql"
        A short name for messages and metrics.
    **options
        As of `APIClient`: auth, headers, limiter, cache, transport and so on.

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
        headers = {"Accept": ACCEPT, **(options.pop("headers", None) or {})}
        self._client = APIClient(
            service,
            url,
            headers=headers,
            knowledge=Knowledge(is_answer=is_answer, inspect=hidden_error),
            health=_posted(
                {"query": "{ __typename }"}, "health_check", repeatable=True
            ),
            **options,
        )

    @property
    def client(self) -> APIClient:
        """The client underneath, with its metrics."""
        return self._client

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
            Send it by GET where it is short enough, for caches on the way.
        cache_ttl_seconds : float, optional
            How long the answer may be cached.
        deadline_seconds : float, optional
            For the whole call.

        Returns
        -------
        GraphQLResult

        Raises
        ------
        GraphQLError
            There are errors and no data, or ``on_errors="raise"``.
        InvalidArgumentError
            The document is no query.
        APIIntegrationError
            The call failed.
        """
        if query is not None:
            self._check_kind(query, operation_name, "query")
        body = _body(query, variables, operation_name, document_id, extensions)
        name = operation_name or _name_of(query) or "query"
        request = _posted(body, name, repeatable=True)
        if use_get:
            request = _gotten(body, name) or request
        request = request.with_(
            cache_ttl_seconds=cache_ttl_seconds, deadline_seconds=deadline_seconds
        )
        return await self._result(request, on_errors)

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
        if mutation is not None:
            self._check_kind(mutation, operation_name, "mutation")
        body = _body(mutation, variables, operation_name, document_id, extensions)
        name = operation_name or _name_of(mutation) or "mutation"
        request = _posted(body, name, repeatable=False).with_(
            idempotency_key=idempotency_key, deadline_seconds=deadline_seconds
        )
        return await self._result(request, on_errors)

    async def paginate(
        self,
        query: str,
        variables: Mapping[str, Any] | None = None,
        *,
        path: str | Sequence[str] | None = None,
        cursor_variable: str = "after",
        max_pages: int = MAX_PAGES,
        **options: Any,
    ) -> AsyncIterator[GraphQLPage]:
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
            Where to stop at the latest.
        **options
            As of `execute_query`.

        Yields
        ------
        GraphQLPage

        Raises
        ------
        InvalidArgumentError
            The query has no such variable, no list stands at the path, or none is
            named and there are several.
        DecodingError
            The service gives one cursor twice, so that there would be no end.
        GraphQLError, APIIntegrationError
            As of `execute_query`; pages yielded before are not lost.
        """
        operation = chosen_operation(query, options.get("operation_name"))
        fields = _fields(path)
        asked = dict(variables or {})
        seen: set[str] = set()
        for number in range(1, max_pages + 1):
            result = await self.execute_query(query, asked, **options)
            if fields is None:
                fields = only_list(result.data)
            page = page_of(result, fields, number)
            yield page
            if not page.has_next or page.end_cursor is None:
                return
            if cursor_variable not in operation.variables:
                raise InvalidArgumentError(
                    f"There are more pages, but the query declares no "
                    f"${cursor_variable}; add (${cursor_variable}: String) and pass it "
                    "on as the connection's after."
                )
            if page.end_cursor in seen:
                raise DecodingError(
                    f"{self._client.service} gave the cursor of page {number} twice; "
                    "its pages have no end.",
                    service=self._client.service,
                )
            seen.add(page.end_cursor)
            asked[cursor_variable] = page.end_cursor

    async def health_check(self) -> HealthCheck:
        """Ask the service for its query type's name, past cache, limit and breaker."""
        return await self._client.health_check()

    async def close(self) -> None:
        """Close the connections; calls after it are refused."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()

    def __repr__(self) -> str:
        return f"<GraphQLClient {self._client.service} {self._client.base_url}>"

    async def _result(self, request: APIRequest, on_errors: str) -> GraphQLResult:
        if on_errors not in ("keep", "raise"):
            raise InvalidArgumentError(
                f"on_errors is {on_errors!r}; use 'keep' or 'raise'."
            )
        response = await self._client.execute_request(request)
        return result_of(response, on_errors=on_errors)

    @staticmethod
    def _check_kind(document: str, name: str | None, wanted: str) -> None:
        if not isinstance(document, str):
            raise InvalidArgumentError(
                f"The GraphQL document is {type(document).__name__}; give its source."
            )
        kind = chosen_operation(document, name).kind
        if kind == "subscription":
            raise InvalidArgumentError(
                "Subscriptions are not answered over plain HTTP; ask with a query."
            )
        if kind != wanted:
            method = "execute_mutation" if kind == "mutation" else "execute_query"
            raise InvalidArgumentError(
                f"The document is a {kind}; send it with {method}(...)."
            )


def _fields(path: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if path is None:
        return None
    return tuple(path.split(".")) if isinstance(path, str) else tuple(path)


def _name_of(document: str | None) -> str | None:
    return chosen_operation(document, None).name if document is not None else None


def _body(
    document: str | None,
    variables: Mapping[str, Any] | None,
    operation_name: str | None,
    document_id: str | None,
    extensions: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the request's fields, those that are set."""
    if (document is None) == (document_id is None):
        raise InvalidArgumentError("Give a document or a document_id, one of them.")
    if variables is not None and not isinstance(variables, Mapping):
        raise InvalidArgumentError(
            f"variables is {type(variables).__name__}; give a mapping of names to "
            "values."
        )
    fields = {
        "query": document,
        "documentId": document_id,
        "operationName": operation_name,
        "variables": dict(variables) if variables else None,
        "extensions": dict(extensions) if extensions else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _posted(body: dict[str, Any], name: str, *, repeatable: bool) -> APIRequest:
    return APIRequest(
        method=APIMethod.POST, json_data=body, operation=name, idempotent=repeatable
    )


def _gotten(body: dict[str, Any], name: str) -> APIRequest | None:
    """Return a query as a GET, or None where its URL would be too long."""
    params = {
        key: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if isinstance(value, dict)
        else value
        for key, value in body.items()
    }
    if sum(len(key) + len(value) for key, value in params.items()) > MAX_GET_CHARS:
        return None
    return APIRequest(method=APIMethod.GET, params=params, operation=name)
