"""Send one request over HTTP and read the whole answer, within limits."""

from __future__ import annotations

import asyncio
import functools
import ssl
import threading
import weakref
from functools import partial
from typing import Any

from contexter_nb.core import (
    DEFAULT_MAX_BYTES,
    ClientClosedError,
    Headers,
    LoopEnd,
    ResponseTooLargeError,
    Timeouts,
    WireRequest,
    WireResponse,
    at_loop_end,
    without_frames,
)
from contexter_nb.transport._failures import check_fields, place, raise_failure
from contexter_nb.transport._library import (
    http_library,
    shared_ssl_context,
)
from contexter_nb.transport._proxies import Proxies
from contexter_nb.transport._quiet_log import scrub_logs
from contexter_nb.transport._unpack import ACCEPTED, Unpacker

KEEP_ALIVE_SECONDS = 30.0
URLS_KEPT = 256
_CLOSED = "The client was closed; make a new one."


class HTTPTransport:
    """A `Sender` over httpx or httpx2, usable from any number of event loops.

    Each loop gets a client and a pool of its own, since connections cannot be shared
    between loops; all share one TLS context. Redirects are not followed and cookies
    not kept. It stands on the library's own transport, one layer below its client.

    Parameters
    ----------
    library : module or str, optional
        httpx or httpx2; None takes httpx2 where it is installed.
    max_connections : int, default 16
        Of one loop's pool. Plain httpx gets slow above 16 (design.md, section 6).
    wraps : object, optional
        A transport of that library to send by, in place of the network:
        ``httpx.MockTransport(...)``, say.
    verify : ssl.SSLContext or False, optional
        A TLS context of your own; False checks no certificate, for tests only.
    http2 : bool, default False
        Whether to offer HTTP/2; the library needs its own extra for it.
    proxy : str, optional
        In place of the environment's ``HTTPS_PROXY`` and its like.
    trust_env : bool, default True
        Whether the environment's proxies count.

    Examples
    --------
    >>> import httpx
    >>> from contexter_nb.bridge import run
    >>> from contexter_nb.core import WireRequest
    >>> transport = HTTPTransport(
    ...     library=httpx,
    ...     wraps=httpx.MockTransport(lambda asked: httpx.Response(200, text="hello")),
    ... )
    >>> run(transport(WireRequest("GET", "https://example.org/"))).content
    b'hello'
    """

    def __init__(
        self,
        *,
        library: Any = None,
        max_connections: int = 16,
        wraps: Any = None,
        verify: ssl.SSLContext | bool = True,
        http2: bool = False,
        proxy: str | None = None,
        trust_env: bool = True,
    ) -> None:
        named = library is None or isinstance(library, str)
        self._http = http_library(library) if named else library
        scrub_logs(self._http)
        self._wraps = wraps
        self._verify = verify
        self._http2 = http2
        try:
            self._proxies = Proxies(proxy, trust_env=trust_env)
        finally:
            del proxy  # it may hold a password, and rich tracebacks show variables
        self._limits = self._http.Limits(
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
        )
        self._url = functools.lru_cache(maxsize=URLS_KEPT)(self._http.URL)
        self._lock = threading.Lock()
        # A pool for each loop, and in it one for each proxy.
        self._pools: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[str | None, Any]
        ] = weakref.WeakKeyDictionary()
        self._ends: dict[asyncio.AbstractEventLoop, LoopEnd] = {}
        self._closed = False

    async def __call__(
        self,
        request: WireRequest,
        timeouts: Timeouts | None = None,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> WireResponse:
        """Send a request and read the whole answer.

        Parameters
        ----------
        request : WireRequest
            Complete, with its authorization.
        timeouts : Timeouts, optional
            Of the phases; ``attempt_seconds`` is kept by who calls.
        max_bytes : int
            Of the unpacked body.

        Returns
        -------
        WireResponse
            Whatever its status.

        Raises
        ------
        TransportError
            No whole answer came; its classes say in which way.
        DecodingError
            The body's compression is broken.
        ClientClosedError
            After `aclose`.
        """
        pool = await self._pool(request.url)
        try:
            return await self._exchange(pool, request, timeouts, max_bytes)
        except Exception as exc:
            if self._closed:
                without_frames(exc)
                raise ClientClosedError(_CLOSED) from exc
            raise_failure(self._http, exc, request)
        except asyncio.CancelledError as exc:
            # Without the frames of the library, whose variables hold the credential.
            raise exc.with_traceback(None) from None

    async def _exchange(
        self,
        pool: Any,
        request: WireRequest,
        timeouts: Timeouts | None,
        max_bytes: int,
    ) -> WireResponse:
        check_fields(request.headers)
        fields = {"accept-encoding": ACCEPTED, **request.headers}
        answer = await pool.handle_async_request(
            self._http.Request(
                request.method,
                self._url(request.url),
                headers=fields,
                content=request.content or None,
                extensions={"timeout": _as_extension(timeouts or _DEFAULT_TIMEOUTS)},
            )
        )
        try:
            content = await _read(answer, request, max_bytes)
        finally:
            await answer.aclose()
        return WireResponse(
            answer.status_code,
            Headers(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in answer.headers.raw
            ),
            content,
            answer.http_version,
        )

    async def _pool(self, url: str) -> Any:
        """Return what sends to a URL from the running loop."""
        if self._wraps is not None and not self._closed:
            return self._wraps
        loop = asyncio.get_running_loop()
        proxy = self._proxies.of(url)
        found = self._pools.get(loop, _NO_POOLS).get(proxy)
        if found is not None:
            return found
        with self._lock:
            if self._closed:
                raise ClientClosedError(_CLOSED)
            for each in [each for each in self._pools if each.is_closed()]:
                del self._pools[each]
                self._ends.pop(each, None)
            is_new = loop not in self._pools
            pools = self._pools.setdefault(loop, {})
            pool = pools.get(proxy)
            if pool is None:
                pool = pools[proxy] = self._make_pool(proxy)
        if is_new:
            self._ends[loop] = await at_loop_end(partial(self._end, loop))
        return pool

    async def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close a loop's connections, on this loop of theirs."""
        with self._lock:
            pools = self._pools.pop(loop, _NO_POOLS)
            self._ends.pop(loop, None)
        for pool in pools.values():
            await pool.aclose()

    def _make_pool(self, proxy: str | None) -> Any:
        verify = self._verify
        return self._http.AsyncHTTPTransport(
            verify=shared_ssl_context(self._http) if verify is True else verify,
            http2=self._http2,
            limits=self._limits,
            proxy=proxy,
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close all connections; those of other running loops on their own loop."""
        with self._lock:
            self._closed = True
            pools = list(self._pools.items())
            self._pools.clear()
            ends = dict(self._ends)
            self._ends.clear()
        here = asyncio.get_running_loop()
        for loop, by_proxy in pools:
            for pool in by_proxy.values():
                if loop is here:
                    await pool.aclose()
                elif loop.is_running():
                    asyncio.run_coroutine_threadsafe(pool.aclose(), loop)
        if here in ends:
            await ends[here].aclose()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<HTTPTransport {self._http.__name__} {state}>"


_DEFAULT_TIMEOUTS = Timeouts()
_NO_POOLS: dict[str | None, Any] = {}


@functools.lru_cache(maxsize=100)
def _as_extension(timeouts: Timeouts) -> dict[str, float | None]:
    return {
        "connect": timeouts.connect_seconds,
        "read": timeouts.read_seconds,
        "write": timeouts.write_seconds,
        "pool": timeouts.pool_seconds,
    }


async def _read(answer: Any, request: WireRequest, max_bytes: int) -> bytes:
    declared = answer.headers.get("content-length", "")
    # Without a body it tells how long the answer to a GET would be.
    has_body = request.method != "HEAD" and answer.status_code != 304
    if has_body and declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(request.url, max_bytes)
    encoding = answer.headers.get("content-encoding", "").strip().lower()
    unpacker = None if encoding in ("", "identity") else Unpacker(encoding)
    pieces: list[bytes] = []
    length = 0
    async for raw in answer.stream:
        for piece in (raw,) if unpacker is None else unpacker.feed(raw):
            length += len(piece)
            if length > max_bytes:
                raise _too_large(request.url, max_bytes)
            pieces.append(piece)
    if unpacker is not None:
        pieces.append(unpacker.end())
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(url: str, max_bytes: int) -> ResponseTooLargeError:
    return ResponseTooLargeError(
        f"The answer of {place(url)} is longer than {max_bytes:,} bytes; ask for less, "
        "or allow more with max_response_bytes."
    )
