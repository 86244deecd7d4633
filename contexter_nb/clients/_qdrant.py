"""A client of the vector database Qdrant: a server, a cluster, or points in memory."""

from __future__ import annotations

from collections.abc import (
    Callable,
    Iterable,
    Mapping,
)
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

from contexter_nb.clients._guarded_call import GuardedClient
from contexter_nb.clients._health import HealthCheck
from contexter_nb.clients._qdrant_asking import condition_of, from_one
from contexter_nb.clients._qdrant_collections import QdrantCollections
from contexter_nb.clients._qdrant_connection import (
    Connection,
    GrpcConnection,
    LocalConnection,
    RestConnection,
    make_sure_installed,
    models,
    read,
)
from contexter_nb.clients._qdrant_errors import checked_name
from contexter_nb.clients._qdrant_filters import Where
from contexter_nb.clients._qdrant_ids import Key, point_id_of
from contexter_nb.clients._qdrant_points import (
    TEXT,
    Ready,
)
from contexter_nb.clients._qdrant_reading import IDS_AT_ONCE, QdrantReading
from contexter_nb.clients._qdrant_upsert import Points, Upsert, UpsertResult
from contexter_nb.clients._qdrant_version import ServerVersion
from contexter_nb.clients._service_client import ServiceClient
from contexter_nb.clients._url import BaseURL
from contexter_nb.core import (
    APIIntegrationError,
    APIRequest,
    ClientClosedError,
    Clock,
    InvalidArgumentError,
    Secret,
    SystemClock,
    Timeouts,
    new_id,
)
from contexter_nb.policies import APIKeyAuthHandler

T = TypeVar("T")

MEMORY = ":memory:"
DEFAULT_TIMEOUT_SECONDS = 30.0
DEFAULT_MAX_PARALLEL = 4
DEFAULT_BATCH_POINTS = 100
GRPC_PORT = 6334
HEALTH_SECONDS = 10.0


class QdrantAPIClient(QdrantCollections, QdrantReading, ServiceClient):
    """Store vectors with payloads in Qdrant, and search them by meaning and by words.

    Every call passes the policies of `APIClient`: retry, rate limit, breaker, monitor,
    deadline. All calls may be repeated without harm: a point is stored under its id.
    Nothing is sent when a client is made.

    A collection has up to two vectors for each point, named as in the embedded index:
    ``dense``, and ``text``, which holds the sparse vectors of BM25. Make these by
    ``qdrant_edge.Bm25`` with the embedded index's parameters; their weighting by
    rarity is the collection's.

    Parameters
    ----------
    url : str, optional
        ``https://host:6333`` or with a path. Without a port it is the scheme's own
        (80 or 443), never 6333.
    api_key : str or Secret, optional
    location : str, optional
        ``:memory:`` for a Qdrant within this process, for tests and small things: it
        compares all points (10 ms at 20,000), and forgets them when it is closed.
    prefer_grpc : bool, default False
        Points go by gRPC to `grpc_port` of the same host.
    grpc_port : int, default 6334
    grpc_options : mapping, optional
        Of the channels.
    timeout_seconds : float, default 30
        For one attempt; the server is told to give up a second earlier.
    max_parallel : int, default 4
        Batches of one upsert on their way at once.
    batch_points : int, default 100
        Points in one request; it becomes less where the server refuses so many.
    allow_key_over_http : bool, default False
        Whether the key may travel unencrypted to another machine.
    headers : mapping, optional
        Header fields, or metadata, of every call.
    service : str, default "qdrant"
        A short name for messages and metrics.
    **options
        As of `APIClient`: limiter, breaker, retry, monitor, transport, clock and so on.

    Raises
    ------
    InvalidArgumentError
        An argument cannot be used; the key would travel unencrypted; or qdrant_client
        is not installed.

    Examples
    --------
    >>> from contexter_nb.bridge import run
    >>> from contexter_nb.clients import Point
    >>> async def demo():
    ...     async with QdrantAPIClient(location=":memory:") as client:
    ...         await client.ensure_collection("docs", dimension=2, identity="demo/2")
    ...         points = [Point(id="a", dense=[1, 0]), Point(id="b", dense=[0, 1])]
    ...         await client.upsert_vectors("docs", points)
    ...         return await client.search_vectors("docs", dense=[0.9, 0.1], limit=1)
    >>> run(demo())[0].key
    'a'
    """

    _client: GuardedClient

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | Secret | None = None,
        location: str | None = None,
        prefer_grpc: bool = False,
        grpc_port: int = GRPC_PORT,
        grpc_options: Mapping[str, Any] | None = None,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        max_parallel: int = DEFAULT_MAX_PARALLEL,
        batch_points: int = DEFAULT_BATCH_POINTS,
        allow_key_over_http: bool = False,
        headers: Mapping[str, str] | None = None,
        service: str = "qdrant",
        **options: Any,
    ) -> None:
        key = Secret.of(api_key) if api_key is not None else None
        del api_key  # an error from here on shows this frame
        _check_place(url, location, prefer_grpc, key)
        make_sure_installed()
        self._max_parallel = from_one("max_parallel", max_parallel)
        self._batch_points = from_one("batch_points", batch_points)
        if not timeout_seconds > 0:
            raise InvalidArgumentError(
                f"timeout_seconds is {timeout_seconds!r}; give seconds above 0."
            )
        self._server_seconds = max(1, int(timeout_seconds) - 1)
        self._local = location is not None
        self._clock: Clock = options.get("clock") or SystemClock()
        self._make_id: Callable[[], str] = options.get("make_id") or new_id
        options.setdefault(
            "timeouts",
            Timeouts(read_seconds=timeout_seconds, attempt_seconds=timeout_seconds),
        )
        if key is not None and not prefer_grpc:
            options["auth"] = APIKeyAuthHandler(key, header="api-key", scheme=None)
        base = BaseURL.parse(url or "http://memory")
        if key is not None and not allow_key_over_http:
            _refuse_open_key(base.url)
        self._client = GuardedClient(
            service,
            base.url,
            headers=headers,
            health=APIRequest(endpoint="/readyz"),
            **options,
        )
        self._asks_rest = not self._local and not prefer_grpc
        self._connection: Connection
        if self._local:
            self._connection = LocalConnection(self._client)
        elif prefer_grpc:
            self._connection = GrpcConnection(
                self._client,
                timeout_seconds,
                headers or {},
                key,
                grpc_port=grpc_port,
                grpc_options=dict(grpc_options or {}),
            )
        else:
            self._connection = RestConnection(
                self._client, timeout_seconds, headers or {}
            )

    @property
    def place(self) -> str:
        """Where the points are: the server's address, or ``:memory:``."""
        return MEMORY if self._local else self._client.base_url

    async def upsert_vectors(
        self, name: str, points: Points, *, wait: bool = True
    ) -> UpsertResult:
        """Store points, in batches, several of them at once.

        Points are read as they are needed. A batch that is too large for the server is
        sent in halves. Of two points with one id the later one is kept.

        Parameters
        ----------
        name : str
            Of the collection or an alias.
        points : iterable or async iterable of Point
        wait : bool, default True
            Whether a batch counts as stored only when it can be searched; without,
            when the server has written it down.

        Returns
        -------
        UpsertResult
            What was stored, and each point that was not with its error.

        Raises
        ------
        NotFoundError
            There is no such collection.
        APIIntegrationError
            Nothing was stored, since the service cannot be used.
        InvalidArgumentError
            `points` is no iterable.
        """
        state = await self.fetch_state(name)
        kinds = models()

        async def send(batch: list[Ready]) -> bool:
            structs = [_struct(kinds, each) for each in batch]
            done = await self._run(
                read("upsert"),
                lambda library: library.upsert(
                    name, points=structs, wait=wait, timeout=self._server_seconds
                ),
            )
            return str(getattr(done.status, "value", done.status)) == "completed"

        run = Upsert(
            send,
            max_parallel=self._max_parallel,
            batch_points=self._batch_points,
            dimension=state.dimension,
            clock=self._clock,
        )
        return await run.run(points)

    async def delete(
        self,
        name: str,
        *,
        where: Where | None = None,
        ids: Iterable[Key] | None = None,
        wait: bool = True,
    ) -> None:
        """Delete points, by a filter or by their keys.

        Parameters
        ----------
        name : str
            Of the collection or an alias.
        where : mapping, optional
            See `filter_of`; one that matches everything is refused.
        ids : iterable of int, str or uuid.UUID, optional
            Keys that there are no points of do no harm.
        wait : bool, default True
            Whether it returns only when no search finds them.

        Raises
        ------
        InvalidArgumentError
            Both are given, or none, or the filter matches everything.
        APIIntegrationError
            The call failed.
        """
        checked_name(name)
        kinds = models()
        if (where is None) == (ids is None):
            raise InvalidArgumentError("Give where or ids, one of both.")
        selectors: list[Any] = []
        if ids is not None:
            wanted = [point_id_of(each) for each in ids]
            selectors = [
                kinds.PointIdsList(points=wanted[start : start + IDS_AT_ONCE])
                for start in range(0, len(wanted), IDS_AT_ONCE)
            ]
        else:
            condition = condition_of(where)
            if condition is None:
                raise InvalidArgumentError(
                    f"where matches everything in {name!r}; to delete all, drop the "
                    "collection."
                )
            selectors = [kinds.FilterSelector(filter=condition)]
        for selector in selectors:
            await self._deleted(name, selector, wait)

    async def fetch_server_version(self) -> ServerVersion:
        """Return the server's version and the library's, asked like all else.

        Raises
        ------
        APIIntegrationError
            The call failed.
        """
        found = await self._run(read("version"), lambda library: library.info())
        return ServerVersion(server=found.version, library=version("qdrant-client"))

    async def health_check(self) -> HealthCheck:
        """Ask whether the server can serve; in memory, always.

        Returns
        -------
        HealthCheck
            A failure is an answer here, too, and not raised. By REST it is
            ``/readyz``, which needs no key, so it says nothing of the key.
        """
        if self._asks_rest:
            return await self._client.health_check()
        started = self._clock.now()
        healthy, detail = True, "answers"
        asked = read("health_check", deadline_seconds=HEALTH_SECONDS, max_attempts=1)
        try:
            await self._run(asked, lambda library: library.info())
        except ClientClosedError:
            raise
        except APIIntegrationError as exc:
            healthy, detail = False, str(exc)
        return HealthCheck(
            service=self._client.service,
            healthy=healthy,
            latency_ms=round((self._clock.now() - started) * 1000, 2),
            detail=detail,
            checked_at=self._clock.wall(),
        )

    async def close(self) -> None:
        """Close the connections; calls after it are refused."""
        if self._client.closed:
            return
        await self._client.close()
        await self._connection.close()

    def __repr__(self) -> str:
        state = " closed" if self._client.closed else ""
        return f"<QdrantAPIClient {self._client.service} {self.place}{state}>"

    async def _deleted(self, name: str, selector: Any, wait: bool) -> None:
        await self._run(
            read("delete"),
            lambda library: library.delete(
                name,
                points_selector=selector,
                wait=wait,
                timeout=self._server_seconds,
            ),
        )


def _struct(kinds: Any, point: Ready) -> Any:
    vector: dict[str, Any] = dict(point.vector)
    sparse = vector.get(TEXT)
    if sparse is not None:
        vector[TEXT] = kinds.SparseVector(
            indices=list(sparse.indices), values=list(sparse.values)
        )
    return kinds.PointStruct(id=point.id, vector=vector, payload=point.payload)


def _check_place(
    url: str | None, location: str | None, prefer_grpc: bool, key: Secret | None
) -> None:
    if (url is None) == (location is None):
        raise InvalidArgumentError(
            "Give the url of a Qdrant server, or location=':memory:', one of both."
        )
    if location is None:
        return
    if location != MEMORY:
        raise InvalidArgumentError(
            f"location is {str(location)[:80]!r}; only ':memory:' is there. A server "
            "is given by url, and points in files are the embedded index's."
        )
    if prefer_grpc or key is not None:
        raise InvalidArgumentError(
            "In memory there is neither gRPC nor a key; leave prefer_grpc and api_key "
            "out."
        )


def _refuse_open_key(url: str) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or host == "localhost":
        return
    try:
        if ip_address(host).is_loopback:
            return
    except ValueError:
        pass  # a name
    raise InvalidArgumentError(
        f"The key would travel to {host} unencrypted; use https, or say that this "
        "network may read it with allow_key_over_http=True."
    )
