"""Authorization flows, step by step and driven."""

from __future__ import annotations

import asyncio
import base64

import pytest

from contexter_nb.core import (
    AuthHandler,
    ConnectionLostError,
    GetToken,
    InvalidArgumentError,
    Secret,
    SendRequest,
    Token,
    TokenFetchError,
    WireRequest,
    WireResponse,
)
from contexter_nb.policies._api_key import APIKeyAuthHandler, BasicAuthHandler
from contexter_nb.policies._auth_drive import drive_flow
from contexter_nb.policies._bearer_flow import bearer_flow
from tests.loops import run

KEY = "pa-" + "planted-0123456789abcdef"
REQUEST = WireRequest("GET", "https://api.example.org/v1/models")
OLD = Token(Secret("access-token-old"))
NEW = Token(Secret("access-token-new"))


def sent_by(handler: AuthHandler) -> WireRequest:
    """Return the request a one-step flow sends."""
    step = next(handler.flow(REQUEST))
    assert isinstance(step, SendRequest)
    return step.request


def authorization(step: object) -> str:
    """Return what a step authorizes with."""
    assert isinstance(step, SendRequest)
    return step.request.headers["authorization"]


def test_an_api_key_is_sent_as_bearer_by_default() -> None:
    """The key is on the wire without anybody wiring a handler to it."""
    assert sent_by(APIKeyAuthHandler(KEY)).headers["authorization"] == f"Bearer {KEY}"


def test_an_api_key_can_stand_alone_in_a_field_of_its_own() -> None:
    """Without a scheme, the field's value is the key."""
    sent = sent_by(APIKeyAuthHandler(KEY, header="X-API-Key", scheme=None))
    assert dict(sent.headers) == {"x-api-key": KEY}


@pytest.mark.parametrize(
    "handler", [APIKeyAuthHandler(KEY), BasicAuthHandler("reader", "pass word")]
)
def test_the_callers_request_stays_as_it_was(handler: AuthHandler) -> None:
    """Authorization goes on a copy, and nothing but its own field is added."""
    sent = sent_by(handler)
    assert dict(REQUEST.headers) == {}
    assert set(sent.headers) == {"authorization"}
    assert (sent.method, sent.url, sent.content) == ("GET", REQUEST.url, b"")


@pytest.mark.parametrize("header", ["Content-Type", "content-length", "a b", "", "a\n"])
def test_a_field_that_cannot_hold_a_key_is_refused(header: str) -> None:
    """Fields that describe the body, and what is no field name, take no key."""
    with pytest.raises(InvalidArgumentError, match="cannot hold a key"):
        APIKeyAuthHandler(KEY, header=header)


def test_a_scheme_is_one_word() -> None:
    """A line break in the scheme would start another header field."""
    with pytest.raises(InvalidArgumentError, match="is no word"):
        APIKeyAuthHandler(KEY, scheme="Bearer\r\nX-Evil: 1")


def test_a_key_in_an_unknown_field_shows_in_no_repr() -> None:
    """Whatever the header field is called, a request's repr does not give it away."""
    handler = APIKeyAuthHandler(KEY, header="X-Gate", scheme=None)
    sent = sent_by(handler)
    assert sent.headers["x-gate"] == KEY
    assert KEY not in repr(sent) + repr(sent.headers.shown()) + repr(handler)


def test_a_password_may_hold_blanks_and_any_letters() -> None:
    """Name and password travel as UTF-8."""
    header = sent_by(BasicAuthHandler("reader", "größe: 1")).headers["authorization"]
    decoded = base64.b64decode(header.removeprefix("Basic ")).decode()
    assert decoded == "reader:größe: 1"


@pytest.mark.parametrize(
    ("name", "password"), [("a:b", "x"), ("a", "x\ny"), ("\0", "x")]
)
def test_what_basic_authorization_cannot_carry_is_refused(
    name: str, password: str
) -> None:
    """A colon in the name would move the border, a line break the header."""
    with pytest.raises(InvalidArgumentError):
        BasicAuthHandler(name, password)


def test_a_password_given_as_a_secret_is_the_same_account() -> None:
    """Text and Secret make one fingerprint."""
    plain, hidden = (
        BasicAuthHandler("a", each) for each in ("pw1234", Secret("pw1234"))
    )
    assert plain.fingerprint() == hidden.fingerprint()


def test_fingerprints_tell_accounts_apart_and_hold_no_key() -> None:
    """16 digits, equal for one key, different for another and for another kind."""
    mine = APIKeyAuthHandler(KEY).fingerprint()
    assert mine == APIKeyAuthHandler(Secret(KEY), header="X-API-Key").fingerprint()
    assert mine != APIKeyAuthHandler(KEY + "x").fingerprint()
    assert mine != BasicAuthHandler("a", KEY).fingerprint()
    assert len(mine) == 16
    assert set(mine) <= set("0123456789abcdef")


def test_a_fixed_credential_has_no_token() -> None:
    """Who asks an API key for a token is told so; a 401 is final."""
    handler = APIKeyAuthHandler(KEY)
    handler.bind(None)  # type: ignore[arg-type]
    with pytest.raises(TokenFetchError, match="no tokens"):
        run(handler.token())
    flow = handler.flow(REQUEST)
    next(flow)
    with pytest.raises(StopIteration):
        flow.send(WireResponse(401))


def test_a_bearer_flow_ends_with_the_first_answer_that_is_not_401() -> None:
    """Token, request, done: 403 and 500 are not met with another token."""
    for status in (200, 403, 500):
        flow = bearer_flow(REQUEST)
        assert next(flow) == GetToken()
        assert authorization(flow.send(OLD)) == "Bearer access-token-old"
        with pytest.raises(StopIteration):
            flow.send(WireResponse(status))


def test_a_refused_token_is_replaced_once() -> None:
    """After 401 a newer token is asked for, and its 401 is the answer."""
    flow = bearer_flow(REQUEST)
    next(flow)
    flow.send(OLD)
    assert flow.send(WireResponse(401)) == GetToken(newer_than=OLD)
    assert authorization(flow.send(NEW)) == "Bearer access-token-new"
    with pytest.raises(StopIteration):
        flow.send(WireResponse(401))


def test_the_refused_token_is_not_sent_again() -> None:
    """Where the service hands out the same token, the 401 is the answer."""
    flow = bearer_flow(REQUEST)
    next(flow)
    flow.send(OLD)
    flow.send(WireResponse(401))
    with pytest.raises(StopIteration):
        flow.send(Token(Secret("access-token-old")))


def test_a_step_answered_with_the_wrong_thing_is_a_programming_error() -> None:
    """A driver that mixes up the steps is told at once."""
    flow = bearer_flow(REQUEST)
    next(flow)
    with pytest.raises(TypeError, match="answered with a Token"):
        flow.send(WireResponse(200))


class TwoTokens:
    """A handler with an old and a new token that notes what happens to its flow."""

    def __init__(self) -> None:
        self.closed = 0
        self.asked: list[Token | None] = []

    def flow(self, request: WireRequest):  # type: ignore[no-untyped-def]
        try:
            yield from bearer_flow(request)
        finally:
            self.closed += 1

    async def token(self, newer_than: Token | None = None) -> Token:
        self.asked.append(newer_than)
        return OLD if newer_than is None else NEW

    def bind(self, send: object) -> None: ...

    def fingerprint(self) -> str:
        return "two"


def test_a_driven_flow_tells_whether_it_was_authorized_again() -> None:
    """The answer is the last one, and the flag says that a 401 was met."""
    handler = TwoTokens()

    async def send(request: WireRequest) -> WireResponse:
        fresh = request.headers["authorization"].endswith("new")
        return WireResponse(200 if fresh else 401)

    answer, again = run(drive_flow(handler, REQUEST, send))
    assert (answer.status_code, again) == (200, True)
    assert handler.asked == [None, OLD]
    assert handler.closed == 1


def test_an_error_while_sending_comes_through_and_the_flow_is_closed() -> None:
    """Nothing is wrapped or retried here."""
    handler = TwoTokens()
    error = ConnectionLostError("gone")

    async def send(request: WireRequest) -> WireResponse:
        raise error

    with pytest.raises(ConnectionLostError) as caught:
        run(drive_flow(handler, REQUEST, send))
    assert caught.value is error
    assert handler.closed == 1


def test_a_cancelled_call_closes_its_flow() -> None:
    """A cancellation while sending ends the flow at once."""
    handler = TwoTokens()

    async def main() -> None:
        sending = asyncio.Event()

        async def send(request: WireRequest) -> WireResponse:
            sending.set()
            await asyncio.Event().wait()
            raise AssertionError

        task = asyncio.create_task(drive_flow(handler, REQUEST, send))
        await sending.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert handler.closed == 1


def test_a_flow_that_sends_nothing_is_a_programming_error() -> None:
    """There is no answer to hand back, and the handler is named."""

    class Silent(TwoTokens):
        def flow(self, request: WireRequest):  # type: ignore[no-untyped-def]
            yield GetToken()

    async def send(request: WireRequest) -> WireResponse:
        raise AssertionError

    with pytest.raises(RuntimeError, match="Silent sent nothing"):
        run(drive_flow(Silent(), REQUEST, send))
