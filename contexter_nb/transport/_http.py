"""Send one request over HTTP and read the whole answer, within limits."""

from __future__ import annotations

import asyncio
import ssl
import threading
import weakref
from typing import Any

from contexter_nb.core import (
    DEFAULT_MAX_BYTES,
    ClientClosedError,
    Headers,
    ResponseTooLargeError,
    Timeouts,
    WireRequest,
    WireResponse,
    without_frames,
)
from contexter_nb.transport._failures import place, raise_failure
from contexter_nb.transport._library import http_library, shared_ssl_context

KEEP_ALIVE_SECONDS = 30.0
_CLOSED = "The client was closed; make a new one."


class HTTPTransport:
    """A `Sender` over httpx or httpx2, usable from any number of event loops.

    Each loop gets a client and a pool of its own, since connections cannot be shared
    between loops; all share one TLS context. Redirects are not followed.

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
        self._wraps = wraps
        self._verify = verify
        self._options: dict[str, Any] = {
            "http2": http2,
            "proxy": proxy,
            "trust_env": trust_env,
            "limits": self._http.Limits(
                max_connections=max_connections,
                max_keepalive_connections=max_connections,
                keepalive_expiry=KEEP_ALIVE_SECONDS,
            ),
        }
        self._lock = threading.Lock()
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any]
        self._clients = weakref.WeakKeyDictionary()
        self._timeouts: dict[Timeouts, Any] = {}
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
        client = self._client()
        try:
            return await self._exchange(client, request, timeouts, max_bytes)
        except Exception as exc:
            if self._closed:
                without_frames(exc)
                raise ClientClosedError(_CLOSED) from exc
            raise_failure(self._http, exc, request.url)
        except asyncio.CancelledError as exc:
            # Without the frames of the library, whose variables hold the credential.
            raise exc.with_traceback(None) from None

    async def _exchange(
        self,
        client: Any,
        request: WireRequest,
        timeouts: Timeouts | None,
        max_bytes: int,
    ) -> WireResponse:
        prepared = client.build_request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.content or None,
            timeout=self._timeout(timeouts or Timeouts()),
        )
        answer = await client.send(prepared, stream=True)
        try:
            content = await _read(answer, max_bytes, request.url)
        finally:
            await answer.aclose()
        return WireResponse(
            answer.status_code,
            Headers(answer.headers.multi_items()),
            content,
            answer.http_version,
        )

    def _client(self) -> Any:
        loop = asyncio.get_running_loop()
        found = self._clients.get(loop)
        if found is not None:
            return found
        with self._lock:
            if self._closed:
                raise ClientClosedError(_CLOSED)
            for each in [each for each in self._clients if each.is_closed()]:
                del self._clients[each]
            made = self._clients[loop] = self._make_client()
        return made

    def _make_client(self) -> Any:
        if self._wraps is not None:
            return self._http.AsyncClient(transport=self._wraps, trust_env=False)
        verify = self._verify
        if verify is True:
            verify = shared_ssl_context(self._http)
        return self._http.AsyncClient(
            verify=verify, follow_redirects=False, headers=_NO_HEADERS, **self._options
        )

    def _timeout(self, timeouts: Timeouts) -> Any:
        found = self._timeouts.get(timeouts)
        if found is None:
            if len(self._timeouts) > 100:
                self._timeouts.clear()
            found = self._timeouts[timeouts] = self._http.Timeout(
                connect=timeouts.connect_seconds,
                read=timeouts.read_seconds,
                write=timeouts.write_seconds,
                pool=timeouts.pool_seconds,
            )
        return found

    async def aclose(self) -> None:
        """Close all connections; those of other running loops on their own loop."""
        with self._lock:
            self._closed = True
            clients = list(self._clients.items())
            self._clients.clear()
        here = asyncio.get_running_loop()
        for loop, client in clients:
            if loop is here:
                await client.aclose()
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(client.aclose(), loop)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<HTTPTransport {self._http.__name__} {state}>"


_NO_HEADERS: dict[str, str] = {}


async def _read(answer: Any, max_bytes: int, url: str) -> bytes:
    declared = answer.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(url, max_bytes)
    pieces: list[bytes] = []
    length = 0
    async for piece in answer.aiter_bytes():
        length += len(piece)
        if length > max_bytes:
            raise _too_large(url, max_bytes)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(url: str, max_bytes: int) -> ResponseTooLargeError:
    return ResponseTooLargeError(
        f"The answer of {place(url)} is longer than {max_bytes:,} bytes; ask for less, "
        "or allow more with max_response_bytes."
    )
