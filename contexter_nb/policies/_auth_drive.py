"""Take the steps of an authorization flow: ask for tokens, send, hand back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from contexter_nb.core import (
    AuthHandler,
    SendRequest,
    Token,
    WireRequest,
    WireResponse,
)


async def drive_flow(
    handler: AuthHandler,
    request: WireRequest,
    send: Callable[[WireRequest], Awaitable[WireResponse]],
) -> tuple[WireResponse, bool]:
    """Authorize and send one request.

    Nothing is locked while it waits, so any number of flows of one handler may run at
    once. However it ends, the flow is closed; errors of the handler and of `send`
    come through as they are.

    Parameters
    ----------
    handler : AuthHandler
    request : WireRequest
        Without authorization; it is not changed.
    send : callable
        Takes a WireRequest, returns an awaitable of its WireResponse.

    Returns
    -------
    WireResponse
        The answer to the last request sent, whatever its status.
    bool
        Whether it was authorized again after an answer 401.

    Raises
    ------
    RuntimeError
        The flow sent nothing.

    Examples
    --------
    >>> from contexter_nb.bridge import run
    >>> from contexter_nb.core import WireRequest, WireResponse
    >>> from contexter_nb.policies._api_key import APIKeyAuthHandler
    >>> async def send(request):
    ...     return WireResponse(200, request.headers)
    >>> handler = APIKeyAuthHandler("pa-0123456789abcdef")
    >>> request = WireRequest("GET", "https://example.org/")
    >>> answer, again = run(drive_flow(handler, request, send))
    >>> answer.headers, again
    (Headers({'authorization': '***'}), False)
    """
    flow = handler.flow(request)
    response: WireResponse | None = None
    sent = 0
    try:
        step = next(flow)
        while True:
            taken: WireResponse | Token
            if isinstance(step, SendRequest):
                taken = response = await send(step.request)
                sent += 1
            else:
                taken = await handler.token(step.newer_than)
            step = flow.send(taken)
    except StopIteration:
        pass
    finally:
        flow.close()
    if response is None:
        raise RuntimeError(
            f"the flow of {type(handler).__name__} sent nothing; it must yield a "
            "SendRequest"
        )
    return response, sent > 1
