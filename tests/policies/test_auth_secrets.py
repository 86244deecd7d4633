"""Credentials in no repr, no message and no variable of a raised error's frames."""

from __future__ import annotations

import base64
import contextlib
import io
import random
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType
from typing import Any
from urllib.parse import quote_plus

import jwt
import pytest
from rich.console import Console
from rich.traceback import Traceback

from contexter_nb.core import (
    AuthenticationError,
    ConnectionFailedError,
    Headers,
    InvalidArgumentError,
    TokenFetchError,
    WireRequest,
    WireResponse,
)
from contexter_nb.policies._api_key import APIKeyAuthHandler, BasicAuthHandler
from contexter_nb.policies._auth_drive import drive_flow
from contexter_nb.policies._jwt import JWTAuthHandler
from contexter_nb.policies._oauth2 import OAuth2AuthHandler
from contexter_nb.transport._http import HTTPTransport
from contexter_nb.transport._httpx_auth import httpx_auth
from tests.loops import FakeClock, run, run_really
from tests.policies.token_server import TokenServer

REQUEST = WireRequest("GET", "https://api.example.org/v1")


def planted(name: str) -> str:
    """Return a credential that no frame of the tests holds as a variable."""
    return f"planted+{name}/0123456789abcdefghijkl"


def every_form(name: str) -> list[str]:
    """Return the ways a planted credential may show, its 8 middle letters included."""
    plain = planted(name)
    return [
        plain,
        quote_plus(plain),
        base64.b64encode(plain.encode()).decode()[:-4],
        base64.b64encode(f"reader:{quote_plus(plain)}".encode()).decode()[:-4],
        base64.b64encode(f"reader:{plain}".encode()).decode()[:-4],
        "0123456789abcdefg",
    ]


def frames_of(error: BaseException | None) -> Iterator[FrameType]:
    """Yield the frames of an error, of its causes and of its contexts."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        waiting += [each.__cause__, each.__context__]
        trace = each.__traceback__
        while trace is not None:
            yield trace.tb_frame
            trace = trace.tb_next


def shown_by(error: BaseException) -> str:
    """Return all that a traceback with local variables could show."""
    told = [repr(error), str(error)]
    for frame in frames_of(error):
        for value in frame.f_locals.values():
            with contextlib.suppress(AttributeError):  # of an object half built
                told.append(repr(value))
            if type(value).__module__.startswith("contexter_nb"):
                told.append(repr(getattr(value, "__dict__", None)))
    screen = Console(file=io.StringIO(), width=300)
    screen.print(
        Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True
        )
    )
    assert isinstance(screen.file, io.StringIO)
    return "\n".join(told) + screen.file.getvalue()


async def refuse(request: WireRequest) -> WireResponse:
    """Fail as a client does after a refusal, with the sent request in its frame."""
    raise AuthenticationError("refused", status_code=401)


def oauth2(url: str = "https://login.example.org/token", **more: Any) -> Any:
    """Return a handler that holds two planted credentials."""
    return OAuth2AuthHandler(
        url,
        "reader",
        planted("client"),
        refresh_token=planted("refresh"),
        clock=FakeClock(),
        chance=random.Random(7),
        **more,
    )


def signing() -> JWTAuthHandler:
    """Return a handler with a planted shared secret."""
    return JWTAuthHandler(
        planted("signing"), algorithm="HS256", issuer="a", audience="b"
    )


def bound_to(answer: WireResponse | Exception) -> Any:
    """Return an OAuth 2.0 handler whose endpoint answers so."""

    async def send(request: WireRequest, *_: Any) -> WireResponse:
        if isinstance(answer, Exception):
            raise answer
        return answer

    handler = oauth2()
    handler.bind(send)
    return handler


def with_token() -> Any:
    """Return an OAuth 2.0 handler whose endpoint issues a planted token."""
    content = f'{{"access_token": "{planted("access")}", "expires_in": 300}}'
    return bound_to(WireResponse(200, Headers(), content.encode()))


def echoing() -> Any:
    """Return an OAuth 2.0 handler whose endpoint repeats what it was sent."""
    content = (
        f'{{"error": "invalid_client", "error_description": "{planted("client")} and '
        f'{planted("refresh")}"}}'
    )
    return bound_to(WireResponse(401, Headers(), content.encode()))


@pytest.mark.parametrize(
    "make",
    [
        lambda: APIKeyAuthHandler(planted("key")),
        lambda: APIKeyAuthHandler(planted("key"), header="X-Gate", scheme=None),
        lambda: BasicAuthHandler("reader", planted("key")),
        signing,
        with_token,
        echoing,
        lambda: bound_to(WireResponse(200, Headers(), b"<html>")),
        lambda: bound_to(ConnectionFailedError("no route")),
        lambda: bound_to(KeyError("oops")),
        oauth2,
    ],
)
def test_no_frame_of_a_failed_call_shows_a_credential(make: Callable[[], Any]) -> None:
    """However the call fails, its error can be shown with all local variables."""
    handler = make()
    with pytest.raises(Exception) as caught:
        run(drive_flow(handler, REQUEST, refuse))
    shown = shown_by(caught.value) + repr(handler) + repr(vars(handler))
    for name in ("key", "client", "refresh", "access", "signing"):
        for form in every_form(name):
            assert form not in shown
    current = getattr(handler, "_current", None)
    if current is not None:
        assert current.access.reveal() not in shown


@pytest.mark.parametrize(
    "make",
    [
        lambda: APIKeyAuthHandler(planted("key"), header="Content-Type"),
        lambda: APIKeyAuthHandler(planted("key"), scheme="a b"),
        lambda: BasicAuthHandler("rea:der", planted("key")),
        lambda: BasicAuthHandler("reader", planted("key") + "\n"),
        lambda: oauth2("http://login.example.org/token"),
        lambda: oauth2(grant="password"),
        lambda: JWTAuthHandler(
            planted("key"), algorithm="none", issuer="a", audience="b"
        ),
        lambda: JWTAuthHandler(
            planted("key"), algorithm="HS512", issuer="a", audience="b"
        ),
        lambda: JWTAuthHandler(
            planted("key"), algorithm="ES256", issuer="a", audience="b"
        ),
        lambda: JWTAuthHandler(
            planted("key"), algorithm="HS256", issuer="", audience="b"
        ),
    ],
)
def test_no_frame_of_a_refused_argument_shows_a_credential(
    make: Callable[[], Any],
) -> None:
    """A wrong setting beside the credential does not show the credential."""
    with pytest.raises(InvalidArgumentError) as caught:
        make()
    shown = shown_by(caught.value)
    for name in ("key", "client", "refresh"):
        for form in every_form(name):
            assert form not in shown


def test_the_planted_credentials_are_really_sent() -> None:
    """The tests above would pass for a handler that sends nothing; it does send."""
    seen: list[str] = []

    async def send(request: WireRequest) -> WireResponse:
        seen.append(request.headers["authorization"])
        return WireResponse(200)

    run(drive_flow(with_token(), REQUEST, send))
    run(drive_flow(signing(), REQUEST, send))
    assert seen[0] == f"Bearer {planted('access')}"
    jwt.decode(seen[1][7:], planted("signing"), ["HS256"], audience="b")


def test_the_frames_of_httpx_hold_the_token_and_the_transport_drops_them() -> None:
    """On a real socket a token request that fails shows no secret."""

    async def main() -> BaseException:
        async with TokenServer() as server:
            url = server.token_url
        transport = HTTPTransport(library="httpx")
        handler = oauth2(url)
        handler.bind(transport)
        try:
            await drive_flow(handler, REQUEST, refuse)
        except Exception as exc:
            return exc
        finally:
            await transport.aclose()
        raise AssertionError

    shown = shown_by(run_really(main()))
    for name in ("client", "refresh"):
        for form in every_form(name):
            assert form not in shown


def test_the_variables_of_a_careless_sender_are_dropped() -> None:
    """A sender that keeps the form in a variable while it fails gives nothing away."""

    async def send(request: WireRequest, *_: Any) -> WireResponse:
        kept = request.content.decode() + str(dict(request.headers))
        raise ConnectionFailedError(f"no route for {len(kept)} letters")

    handler = oauth2()
    handler.bind(send)
    with pytest.raises(TokenFetchError) as caught:
        run(handler.token())
    shown = shown_by(caught.value)
    for form in every_form("client") + every_form("refresh"):
        assert form not in shown


def test_an_auth_made_for_a_client_shows_no_credential() -> None:
    """Neither its repr nor its variables."""
    auth = httpx_auth(APIKeyAuthHandler(planted("key")))
    assert planted("key") not in repr(auth) + repr(vars(auth))


def test_a_waiting_refresh_shows_no_credential() -> None:
    """The shared fetch and its tasks can be printed while they run."""
    import asyncio

    async def main() -> str:
        asked: Any = asyncio.get_running_loop().create_future()

        async def send(request: WireRequest, *_: Any) -> WireResponse:
            asked.set_result(repr(request) + repr(asyncio.all_tasks()))
            return await asyncio.get_running_loop().create_future()

        handler = oauth2()
        handler.bind(send)
        waiting: Awaitable[Any] = asyncio.create_task(handler.token())
        shown: str = await asked
        del waiting
        return shown + repr(vars(handler))

    shown = run(main())
    for name in ("client", "refresh"):
        for form in every_form(name):
            assert form not in shown
