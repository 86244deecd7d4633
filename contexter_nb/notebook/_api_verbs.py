"""The verbs about the API core: what it did, and any GraphQL service as a frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any

from contexter_nb.clients import GraphQLClient, GraphQLPage, open_clients
from contexter_nb.core import (
    APIIntegrationError,
    InvalidArgumentError,
    Secret,
    SessionClosedError,
    type_in_words,
)
from contexter_nb.frames import make_frame, nodes_frame
from contexter_nb.notebook._api_records import (
    alert_record,
    embeddings_record,
    limit_records,
    metrics_record,
    request_record,
    tier_record,
)
from contexter_nb.notebook._arguments import check_count, check_seconds
from contexter_nb.notebook._remote import Remote
from contexter_nb.policies import APICache, APIKeyAuthHandler
from contexter_nb.retrieval import EmbeddingCache, in_thread

if TYPE_CHECKING:
    import pandas as pd

MAX_GRAPHQL_CLIENTS = 20
MAX_SHOWN_ERRORS = 100
_CLOSED = "This session is closed; open a new one with contexter_nb.connect()."


class APIVerbs:
    """The part of a session's verbs that shows what the API core did.

    Parameters
    ----------
    remote : Remote
        What the session's clients share; closed with it.
    cache : EmbeddingCache
    """

    def __init__(self, *, remote: Remote, cache: EmbeddingCache) -> None:
        self.remote = remote
        self.monitor = remote.monitor
        self.answers = remote.answers
        self.cache = cache
        self.closed = False
        self._graphql: dict[tuple[str, Secret | None], GraphQLClient] = {}
        self._in_use: Counter[GraphQLClient] = Counter()

    def _open(self) -> None:
        if self.closed:
            raise SessionClosedError(_CLOSED)

    async def requests(
        self, limit: int = 100, service: str | None = None
    ) -> pd.DataFrame:
        """Show the latest calls of remote services, of this kernel.

        Parameters
        ----------
        limit : int, default 100
            Rows at most; the last 1,000 calls are kept.
        service : str, optional
            Only this one's.

        Returns
        -------
        pandas.DataFrame
            A row per call, the latest first: when, what, outcome, attempts, where the
            time went (ms), bytes, tokens, usd; ``trace`` has each attempt.
            `contexter_nb.frames.describe` lists the columns.

        Raises
        ------
        InvalidArgumentError
            `limit` is no number from 1, or `service` is no text.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     nb.requests(service="nobody").shape[0]
        0
        """
        self._open()
        check_text("service", service)
        calls = self.monitor.requests(check_count("limit", limit), service=service)
        return make_frame("requests", [request_record(each) for each in calls])

    async def metrics(
        self, window_seconds: float | None = None, service: str | None = None
    ) -> pd.DataFrame:
        """Show counts, times, waits and costs of each operation of each service.

        Parameters
        ----------
        window_seconds : float, optional
            Of the last seconds, at most 3,600; by default all since the kernel began.
        service : str, optional
            Only this one's.

        Returns
        -------
        pandas.DataFrame
            A row per service and operation: calls, errors, retries, percentiles (ms),
            waits (s), tokens, usd, and what the cache saved.

        Raises
        ------
        InvalidArgumentError
            `window_seconds` is out of its range, or `service` is no text.
        """
        self._open()
        check_text("service", service)
        window = None
        if window_seconds is not None:
            window = check_seconds("window_seconds", window_seconds, 3600.0)
        found = self.monitor.get_metrics(window_seconds=window, service=service)
        return make_frame("metrics", [metrics_record(each) for each in found])

    async def alerts(self) -> pd.DataFrame:
        """Show what deserves attention, and what did, in this kernel.

        All its sessions and clients are watched together, as `requests` and `metrics`
        show them together; ``own`` tells those that concern this session.

        Nothing is printed when one is raised; it goes to the log ``contexter_nb``, too,
        for whoever gives that a handler (``logging.basicConfig()``).

        Returns
        -------
        pandas.DataFrame
            A row per alert, open ones first: service, kind, state, own (whether this
            session's clients had asked the service before it was over), value,
            threshold, message, opened_at, closed_at.
        """
        self._open()
        found = sorted(
            self.monitor.alerts(),
            key=lambda each: (each.closed_at is None, each.opened_at),
            reverse=True,
        )
        asked = self.remote.first_calls
        return make_frame("alerts", [alert_record(each, asked) for each in found])

    async def limits(self) -> pd.DataFrame:
        """Show how the rate limits and the circuit breakers stand now.

        Returns
        -------
        pandas.DataFrame
            A row per limited dimension and per breaker of every open client.
        """
        self._open()
        return make_frame("limits", list(limit_records(open_clients())))

    async def cache_stats(self) -> pd.DataFrame:
        """Show what the caches hold, how often they helped, and what that saved.

        Returns
        -------
        pandas.DataFrame
            A row per tier of the cache of answers, then one for the embeddings on
            disk; hit rates with their denominators. Counts are of this session, sizes
            of all kernels that share the home.
        """
        self._open()
        return make_frame("cache_stats", await self.tier_rows())

    def caches(self) -> dict[str, APICache]:
        """Return the caches of answers by name: this session's, then the clients'."""
        found = {"answers": self.answers}
        seen = {id(self.answers)}
        for client in open_clients():
            cache = client.cache
            if cache is None or id(cache) in seen:
                continue
            seen.add(id(cache))
            kind = "vectors" if cache is self.remote.vectors else client.service
            name, number = kind, 2
            while name in found:
                name, number = f"{kind} {number}", number + 1
            found[name] = cache
        return found

    async def tier_rows(self) -> list[dict[str, Any]]:
        """Return the counts of each tier, as rows of the frame ``cache_stats``.

        Sizes are looked up now. The embeddings on disk come last.
        """
        rows = [
            tier_record(name, tier)
            for name, cache in self.caches().items()
            for tier in await cache.measure()
        ]
        return [*rows, embeddings_record(await in_thread(self.cache.counts))]

    async def graphql(
        self,
        url: str,
        query: str,
        variables: Mapping[str, Any] | None = None,
        path: str | None = None,
        *,
        api_key: str | Secret | None = None,
        max_pages: int = 100,
        cache_seconds: float | None = None,
    ) -> pd.DataFrame:
        """Ask any GraphQL service; the pages of a connection are followed.

        Parameters
        ----------
        url : str
            Of the service's endpoint.
        query : str
            GraphQL source. To have pages followed, declare ``$after: String``, pass it
            to the connection, and ask for ``pageInfo { hasNextPage endCursor }``.
        variables : mapping, optional
        path : str, optional
            Where the rows stand in the answer, ``"repository.issues"``; by default the
            only list there is, or the whole answer as one row.
        api_key : str or Secret, optional
            Sent as ``Authorization: Bearer``.
        max_pages : int, default 100
            Where to stop.
        cache_seconds : float, optional
            How long pages may be taken from the cache.

        Returns
        -------
        pandas.DataFrame
            A row per node in the service's order, a column per field, nested ones by
            dotted paths; ``error`` (str) is missing where a node came whole. ``attrs``
            has url, pages, complete (whether that is all; None where the service does
            not say), errors (what concerns no single row, 100 at most) and, where a
            later page failed, ``failure``.

        Raises
        ------
        InvalidArgumentError
            The URL, the query or the path cannot be used, or there are several lists
            and no path.
        GraphQLError
            The service answered the first page with errors and no data.
        APIIntegrationError
            The first page could not be had.
        """
        self._open()
        pages_at_most = check_count("max_pages", max_pages)
        if cache_seconds is not None:
            cache_seconds = check_seconds("cache_seconds", cache_seconds, 30 * 86400.0)
        check_text("path", path)
        client = self._graphql_client(url, api_key)
        self._in_use[client] += 1
        try:
            await self._close_oldest()
            return await self._followed(
                client.paginate(
                    query,
                    variables,
                    path=path,
                    max_pages=pages_at_most,
                    cache_ttl_seconds=cache_seconds,
                ),
                client.url,
            )
        finally:
            self._in_use[client] -= 1
            if not self._in_use[client]:
                del self._in_use[client]
                if client not in self._graphql.values():
                    await client.close()

    @staticmethod
    async def _followed(
        pages: AsyncGenerator[GraphQLPage, None], url: str
    ) -> pd.DataFrame:
        """Return the nodes of some pages, as many as could be had."""
        nodes: list[Any] = []
        said: list[str | None] = []
        attrs: dict[str, Any] = {"url": url, "pages": 0}
        attrs |= {"complete": False, "errors": ()}
        try:
            async for page in pages:
                nodes += page.nodes
                said += [page.node_errors.get(at) for at in range(len(page.nodes))]
                attrs["pages"] = page.number
                attrs["complete"] = None if page.has_next is None else not page.has_next
                room = MAX_SHOWN_ERRORS - len(attrs["errors"])
                attrs["errors"] += page.unplaced_errors[:room]
        except APIIntegrationError as exc:
            if not attrs["pages"]:
                raise
            attrs["failure"] = f"{type(exc).__name__}: {exc}"
        finally:
            await pages.aclose()
        return nodes_frame(nodes, said, attrs)

    def _graphql_client(self, url: str, api_key: str | Secret | None) -> GraphQLClient:
        """Return the client of a service and an account, made at the first use."""
        check_text("url", url)  # None is refused by the client
        key = Secret.of(api_key) if api_key is not None else None
        found = self._graphql.pop((url, key), None) or GraphQLClient(
            url,
            auth=APIKeyAuthHandler(key) if key is not None else None,
            cache=self.answers,
            monitor=self.remote.booking,
        )
        self._graphql[url, key] = found
        return found

    async def _close_oldest(self) -> None:
        """Close clients that were not used for long; one in use when that has ended."""
        while len(self._graphql) > MAX_GRAPHQL_CLIENTS:
            oldest = self._graphql.pop(next(iter(self._graphql)))
            if oldest not in self._in_use:
                await oldest.close()

    async def _close_clients(self) -> None:
        """Close what this session opened; caches and monitor may have other users."""
        for client in {*self._graphql.values(), *self._in_use}:
            await client.close()
        self._graphql.clear()
        await self.remote.close()


def check_text(name: str, value: object) -> None:
    """Refuse what is no text, where None is nothing at all."""
    if value is not None and not isinstance(value, str):
        raise InvalidArgumentError(f"{name} is {type_in_words(value)}; give a text.")
