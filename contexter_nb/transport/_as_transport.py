"""A transport for other people's HTTP clients, sending by a way of ours."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from contexter_nb.core import (
    APIIntegrationError,
    ConnectionFailedError,
    DecodingError,
    Headers,
    PoolExhaustedError,
    RequestTimeoutError,
    UnsendableRequestError,
    WireRequest,
    WireResponse,
)

# The body is handed on unpacked, so what told of its packing is not true any more.
_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})
# How an answer is packed is between us and the service, whatever an SDK could unpack.
_OF_THE_CLIENT = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "transfer-encoding"}
)


def as_httpx_transport(
    send: Callable[[WireRequest], Awaitable[WireResponse]], library: Any
) -> Any:
    """Return an ``AsyncBaseTransport`` of a library that sends by `send`.

    Parameters
    ----------
    send : callable
        Takes a `WireRequest`, answers a `WireResponse` of any status, or raises an
        error of our tree, which is raised as the library's own exception.
    library : module
        httpx or httpx2; that of the client which gets the transport.
    """

    class PoliciesTransport(library.AsyncBaseTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            # Whoever asks wants answers and exceptions of their own library.
            theirs = sys.modules[type(request).__module__.partition(".")[0]]
            content = await request.aread()
            fields = [
                (name, value)
                for name, value in request.headers.multi_items()
                if name.lower() not in _OF_THE_CLIENT
            ]
            asked = WireRequest(
                request.method, str(request.url), Headers(fields), content
            )
            try:
                answer = await send(asked)
            except APIIntegrationError as exc:
                raise _foreign(theirs, exc, request) from exc
            return theirs.Response(
                answer.status_code,
                headers=[
                    (name, value)
                    for name, value in answer.headers.items()
                    if name not in _OF_THE_WIRE
                ],
                content=answer.content,
                request=request,
            )

    return PoliciesTransport()


def _foreign(library: Any, error: APIIntegrationError, request: Any) -> Exception:
    """Return the exception that the library's users expect for an error of ours."""
    kind = library.TransportError
    if isinstance(error, RequestTimeoutError):
        kind = (
            library.ConnectTimeout if error.phase == "connect" else library.ReadTimeout
        )
    elif isinstance(error, PoolExhaustedError):
        kind = library.PoolTimeout
    elif isinstance(error, ConnectionFailedError):
        kind = library.ConnectError
    elif isinstance(error, UnsendableRequestError):
        kind = library.LocalProtocolError
    elif isinstance(error, DecodingError):
        kind = library.DecodingError
    elif isinstance(error, TimeoutError):
        kind = library.ReadTimeout
    elif isinstance(error, ConnectionError):
        kind = library.ReadError
    made: Exception = kind(str(error), request=request)
    return made
