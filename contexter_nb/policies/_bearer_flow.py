"""The flow of every access token: one request, and one more where a 401 came."""

from __future__ import annotations

from contexter_nb.core import (
    AuthFlow,
    GetToken,
    SendRequest,
    Token,
    WireRequest,
    WireResponse,
)

UNAUTHORIZED = 401


def bearer_flow(request: WireRequest) -> AuthFlow:
    """Yield the steps that send a request with an access token.

    A token refused with 401 is replaced once; where no other one can be had, the 401
    is the answer.

    Parameters
    ----------
    request : WireRequest
        Without authorization; it is not changed.
    """
    token = _token((yield GetToken()))
    response = yield SendRequest(_with_token(request, token))
    if not isinstance(response, WireResponse) or response.status_code != UNAUTHORIZED:
        return
    newer = _token((yield GetToken(newer_than=token)))
    if newer.access != token.access:
        yield SendRequest(_with_token(request, newer))


def _token(answer: WireResponse | Token) -> Token:
    if not isinstance(answer, Token):
        raise TypeError("a GetToken step is answered with a Token")
    return answer


def _with_token(request: WireRequest, token: Token) -> WireRequest:
    # In one expression: a variable of this frame would show in a rich traceback.
    return request.with_headers(
        {"authorization": f"{token.scheme} {token.access.reveal()}"}
    )
