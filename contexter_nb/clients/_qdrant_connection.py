"""Three ways to reach Qdrant, each under the same policies: REST, gRPC, in memory."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from importlib import import_module
from typing import Any, Protocol, TypeVar, cast

from contexter_nb.clients._guarded_call import GuardedClient
from contexter_nb.clients._qdrant_errors import of_grpc, of_local, of_rest
from contexter_nb.core import (
    APIMethod,
    APIRequest,
    InvalidArgumentError,
    Secret,
    WireRequest,
    WireResponse,
)
from contexter_nb.transport import as_httpx_transport, http_library

T = TypeVar("T")
Ask = Callable[[Any], Awaitable[T]]

# Which call of ours the library is about to write a request for.
_asked: ContextVar[APIRequest] = ContextVar("qdrant_call")


class Connection(Protocol):
    """Asks the library something, under the policies of a client."""

    async def run(self, request: APIRequest, ask: Ask[T]) -> T:
        """Ask it.

        Parameters
        ----------
        request : APIRequest
            Operation, deadline, whether it may be repeated.
        ask : callable
            Takes the ``AsyncQdrantClient``, returns a new coroutine each time.
        """

    async def close(self) -> None:
        """Close the library's client."""


class RestConnection:
    """HTTP: the library writes requests and reads answers, our transport sends."""

    def __init__(
        self, guard: GuardedClient, timeout_seconds: float, headers: Mapping[str, str]
    ) -> None:
        self._guard = guard
        self._client = make_client(
            url=guard.base_url,
            port=None,
            timeout=math.ceil(timeout_seconds),
            headers=dict(headers),
            transport=as_httpx_transport(self._send, http_library("httpx")),
        )

    async def run(self, request: APIRequest, ask: Ask[T]) -> T:
        """Ask, the library's own request going through `_send`."""
        token = _asked.set(request)
        try:
            return await ask(self._client)
        except Exception as exc:
            told = of_rest(exc, self._guard.service, request.name)
            if told is exc:
                raise
            raise told from told.__cause__
        finally:
            _asked.reset(token)

    async def _send(self, wire: WireRequest) -> WireResponse:
        return await self._guard.execute_wire(_asked.get(), wire)

    async def close(self) -> None:
        """Close the library's client; the transport is closed with ours."""
        await self._client.close()


class GrpcConnection:
    """gRPC: a channel belongs to one event loop, so each loop has a client."""

    def __init__(
        self,
        guard: GuardedClient,
        timeout_seconds: float,
        headers: Mapping[str, str],
        key: Secret | None,
        **options: Any,
    ) -> None:
        self._guard = guard
        self._timeout = math.ceil(timeout_seconds)
        self._headers = dict(headers)
        self._key = key
        self._options = options
        self._lock = threading.Lock()
        self._clients: dict[asyncio.AbstractEventLoop, Any] = {}

    async def run(self, request: APIRequest, ask: Ask[T]) -> T:
        """Ask, each attempt by a new call."""
        client = self._client()
        return await self._guard.execute_call(
            request, lambda: ask(client), scheme="GRPC", translate=of_grpc
        )

    def _client(self) -> Any:
        loop = asyncio.get_running_loop()
        with self._lock:
            self._clients = {
                each: client
                for each, client in self._clients.items()
                if not each.is_closed()
            }
            if loop not in self._clients:
                self._clients[loop] = self._made()
            return self._clients[loop]

    def _made(self) -> Any:
        headers = dict(self._headers)
        if self._key is not None:  # as metadata: there is no request of ours to sign
            headers["api-key"] = self._key.reveal()
        return make_client(
            url=self._guard.base_url,
            port=None,
            prefer_grpc=True,
            timeout=self._timeout,
            headers=headers,
            **self._options,
        )

    async def close(self) -> None:
        """Close the channels of the running loop, and let go of the others."""
        with self._lock:
            clients, self._clients = self._clients, {}
        mine = clients.pop(asyncio.get_running_loop(), None)
        if mine is not None:
            await mine.close()


class LocalConnection:
    """In memory: the library works in a thread of its own, one call after another.

    Its coroutines never wait; on the loop, each would hold it up as long as it works.
    """

    def __init__(self, guard: GuardedClient) -> None:
        self._guard = guard
        self._client = make_client(location=":memory:")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="qdrant-memory")

    async def run(self, request: APIRequest, ask: Ask[T]) -> T:
        """Ask, off the loop."""

        async def call() -> T:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._thread, _finished, ask, self._client
            )

        return await self._guard.execute_call(
            request, call, scheme="LOCAL", translate=of_local
        )

    async def close(self) -> None:
        """Forget all points, and end the thread."""
        self._thread.shutdown(wait=False)
        await self._client.close()


def read(operation: str, **options: Any) -> APIRequest:
    """Return a call that may be sent again at any time.

    Parameters
    ----------
    operation : str
        Its name in the metrics.
    **options
        As of `APIRequest`.
    """
    return APIRequest(
        method=APIMethod.POST, operation=operation, idempotent=True, **options
    )


def models() -> Any:
    """Return the module of the library's models."""
    make_sure_installed()
    return import_module("qdrant_client.models")


def make_sure_installed() -> Any:
    """Return the library.

    Raises
    ------
    InvalidArgumentError
        It is not installed.
    """
    try:
        return import_module("qdrant_client")
    except ImportError as exc:
        raise InvalidArgumentError(
            "qdrant_client is not installed, which talks to a Qdrant server; "
            "pip install 'contexter_nb[qdrant]'."
        ) from exc


def make_client(**options: Any) -> Any:
    """Return an ``AsyncQdrantClient`` that asks nobody at its construction.

    Parameters
    ----------
    **options
        As of ``AsyncQdrantClient``.

    Raises
    ------
    InvalidArgumentError
        An option cannot be used.
    """
    library = make_sure_installed()
    try:
        # With the check, a thread would ask the server's root past every policy.
        return library.AsyncQdrantClient(check_compatibility=False, **options)
    except (TypeError, ValueError) as exc:
        raise InvalidArgumentError(f"qdrant_client refuses its options: {exc}") from exc


def _finished(ask: Ask[T], client: Any) -> T:
    """Run a coroutine that never waits to its end."""
    coroutine = cast("Coroutine[Any, Any, T]", ask(client))
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    coroutine.close()
    raise RuntimeError("qdrant_client waited for something in memory")
