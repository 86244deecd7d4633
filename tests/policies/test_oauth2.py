"""OAuth 2.0: one fetch for all, against a token server on a loopback port."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from contexter_nb.core import (
    ConnectionFailedError,
    ConnectionLostError,
    Headers,
    InvalidArgumentError,
    Secret,
    SystemClock,
    Timeouts,
    Token,
    TokenFetchError,
    WireRequest,
    WireResponse,
)
from contexter_nb.policies._auth_drive import drive_flow
from contexter_nb.policies._oauth2 import OAuth2AuthHandler
from contexter_nb.policies._shared_fetch import SharedFetch
from contexter_nb.transport._http import HTTPTransport
from tests.loops import FakeClock, VirtualClock, run, run_really
from tests.policies.token_server import CLIENT_ID, CLIENT_SECRET, TokenServer

URL = "https://login.example.org/token"


def handler_at(url: str, **others: Any) -> OAuth2AuthHandler:
    """Return a handler with the test client's credentials and a seeded chance."""
    settings: dict[str, Any] = {
        "client_secret": CLIENT_SECRET,
        "chance": random.Random(7),
    }
    return OAuth2AuthHandler(url, CLIENT_ID, **(settings | others))


@asynccontextmanager
async def wired(**others: Any) -> AsyncIterator[Any]:
    """Give a server, a handler bound to it, and a call of its API."""
    transport = HTTPTransport(max_connections=64)
    async with TokenServer() as server:
        handler = handler_at(server.token_url, **others)
        handler.bind(transport)

        async def send(request: WireRequest) -> WireResponse:
            return await transport(request, Timeouts())

        async def call() -> tuple[int, bool]:
            request = WireRequest("GET", server.api_url)
            answer, again = await drive_flow(handler, request, send)
            return answer.status_code, again

        try:
            yield server, handler, call
        finally:
            await transport.aclose()


def test_fifty_cold_calls_make_one_token_request() -> None:
    """The endpoint is asked once, with its form and the client's authorization."""

    async def main() -> None:
        async with wired(scope="read write", audience="api", resource="urn:a") as (
            server,
            _,
            call,
        ):
            assert (
                await asyncio.gather(*(call() for _ in range(50)))
                == [(200, False)] * 50
            )
            assert server.token_requests == [
                {
                    "grant_type": "client_credentials",
                    "scope": "read write",
                    "audience": "api",
                    "resource": "urn:a",
                }
            ]

    run_really(main())


def test_after_a_revocation_fifty_calls_succeed_with_one_refresh() -> None:
    """Every 401 is met, and all of them by one newer token."""

    async def main() -> None:
        async with wired() as (server, _, call):
            await call()
            server.revoke()
            answers = await asyncio.gather(*(call() for _ in range(50)))
            assert answers == [(200, True)] * 50
            assert len(server.token_requests) == 2

    run_really(main())


def test_late_refusals_of_an_old_token_cause_no_fetch() -> None:
    """A 401 that comes after the refresh finds the newer token there."""

    async def main() -> None:
        async with wired() as (server, handler, _):
            old = await handler.token()
            newer = await handler.token(newer_than=old)
            late = [await handler.token(newer_than=old) for _ in range(50)]
            assert late == [newer] * 50
            assert len(server.token_requests) == 2

    run_really(main())


def test_a_service_that_refuses_every_token_gets_one_redo() -> None:
    """The second 401 is the answer."""

    async def main() -> None:
        async with wired() as (server, _, call):
            server.valid = frozenset()
            server.__dict__["_issue"] = lambda *_: (
                200,
                {},
                b'{"access_token": "refused-%d"}' % len(server.token_requests),
            )
            assert await call() == (401, True)
            assert (len(server.api_requests), len(server.token_requests)) == (2, 2)

    run_really(main())


def test_a_token_of_five_minutes_serves_until_its_last_tenth() -> None:
    """Then one fetch begins, and calls go on with the old token meanwhile."""

    async def main() -> None:
        clock = FakeClock()
        async with wired(clock=clock) as (server, handler, _):
            first = await handler.token()
            clock.instant += 269.0
            assert await handler.token() is first
            clock.instant += 2.0
            early = [await handler.token() for _ in range(20)]
            assert early == [first] * 20
            async with asyncio.timeout(5):
                while await handler.token() is first:
                    await SystemClock().sleep(0.001)
            assert len(server.token_requests) == 2

    run_really(main())


def test_an_ended_token_is_not_sent() -> None:
    """A call waits for the next one."""

    async def main() -> None:
        clock = FakeClock()
        async with wired(clock=clock) as (server, handler, call):
            first = await handler.token()
            server.revoke()
            clock.instant += 300.0
            assert await call() == (200, False)
            assert await handler.token() is not first

    run_really(main())


@pytest.mark.parametrize("stated", ["300", None, "soon", -1, [3]])
def test_every_form_of_a_life_is_taken(stated: Any) -> None:
    """A life as a text, missing or senseless breaks no call."""

    async def main() -> None:
        async with wired() as (server, _, call):
            server.expires_in = stated
            assert [await call() for _ in range(3)] == [(200, False)] * 3
            assert len(server.token_requests) == 1

    run_really(main())


@pytest.mark.parametrize("way", ["basic", "post"])
def test_the_client_is_known_either_way(way: Any) -> None:
    """Secrets with plus signs, slashes and colons pass by header and by form."""

    async def main() -> None:
        async with wired(client_auth=way) as (server, _, call):
            assert await call() == (200, False)
            assert ("client_secret" in server.token_requests[0]) == (way == "post")

    run_really(main())


def test_a_refresh_token_is_used_and_rotated() -> None:
    """Each answer's refresh token is what the next request sends."""

    async def main() -> None:
        given = "refresh-given"
        async with wired(grant="refresh_token", refresh_token=given) as (
            server,
            handler,
            _,
        ):
            server.refresh_token, server.rotates = given, True
            first = await handler.token()
            await handler.token(newer_than=first)
            sent = [each["refresh_token"] for each in server.token_requests]
            assert sent == ["refresh-given", "refresh-0001"]
            assert server.grants == ["refresh_token"] * 2

    run_really(main())


def test_a_refresh_token_that_is_not_rotated_goes_on() -> None:
    """Without a new one in the answer, the old one is sent again."""

    async def main() -> None:
        async with wired(refresh_token="refresh-given") as (server, handler, _):
            server.refresh_token = "refresh-given"
            await handler.token(newer_than=await handler.token())
            assert server.grants == ["refresh_token"] * 2

    run_really(main())


def test_a_revoked_refresh_token_falls_back_to_the_clients_own_credentials() -> None:
    """``invalid_grant`` is no failure where there is a secret, and comes once."""

    async def main() -> None:
        async with wired(refresh_token="refresh-revoked") as (server, handler, call):
            assert await call() == (200, False)
            await handler.token(newer_than=await handler.token())
            assert server.grants == ["refresh_token"] + ["client_credentials"] * 2

    run_really(main())


def test_a_public_client_with_a_revoked_refresh_token_is_told_to_sign_in() -> None:
    """There is nothing to fall back to."""

    async def main() -> None:
        async with wired(
            grant="refresh_token", refresh_token="refresh-over", client_secret=None
        ) as (server, handler, _):
            server.scripted = [(400, {}, b'{"error": "invalid_grant"}')]
            with pytest.raises(
                TokenFetchError, match="invalid_grant; .* sign in again"
            ):
                await handler.token()
            assert server.token_requests[0]["client_id"] == CLIENT_ID

    run_really(main())


def test_all_who_wait_are_told_of_a_failure_and_the_next_call_tries_again() -> None:
    """One request fails for fifty; the next begins a second later and succeeds."""

    async def main() -> None:
        clock = FakeClock()
        async with wired(clock=clock, service="docs") as (server, handler, call):
            server.scripted = [(400, {}, b'{"error": "invalid_scope"}')]
            failed = await asyncio.gather(
                *(call() for _ in range(50)), return_exceptions=True
            )
            assert {type(each) for each in failed} == {TokenFetchError}
            assert len(set(map(id, failed))) == 50
            assert {str(each) for each in failed} == {
                "The token endpoint 127.0.0.1/token answered 400: invalid_scope; "
                "check scope."
            }
            assert {each.service for each in failed} == {"docs"}
            assert len(server.token_requests) == 1
            assert await call() == (200, False)
            assert clock.slept == [pytest.approx(1.0)]

    run_really(main())


def test_errors_of_the_server_are_met_with_two_more_attempts() -> None:
    """Two 503 and then a token: the call knows nothing of it."""

    async def main() -> None:
        clock = FakeClock()
        async with wired(clock=clock) as (server, handler, call):
            server.scripted = [(503, {}, b""), (500, {}, b"")]
            assert await call() == (200, False)
            assert len(clock.slept) == 2
            assert 0 <= clock.slept[0] <= 0.5
            assert 0 <= clock.slept[1] <= 1.0
            server.scripted = [(503, {}, b"")] * 9
            with pytest.raises(TokenFetchError, match="answered 503; try again later"):
                await handler.token(newer_than=await handler.token())
            assert len(server.token_requests) == 6

    run_really(main())


def test_no_connection_is_met_with_two_more_attempts_and_wrapped() -> None:
    """The sentence names the endpoint, and the cause is the transport's error."""

    async def main() -> None:
        async with TokenServer() as server:
            url = server.token_url
        transport = HTTPTransport()
        clock = FakeClock()
        handler = handler_at(url, clock=clock)
        handler.bind(transport)
        with pytest.raises(TokenFetchError, match="127.0.0.1/token gave no") as caught:
            await handler.token()
        assert isinstance(caught.value.__cause__, ConnectionFailedError)
        assert len(clock.slept) == 2
        await transport.aclose()

    run_really(main())


def scripted(*answers: WireResponse | Exception) -> Any:
    """Return a sender that gives these in turn, and the requests it got."""
    got: list[WireRequest] = []
    left = list(answers)

    async def send(
        request: WireRequest, timeouts: Timeouts, max_bytes: int
    ) -> WireResponse:
        got.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return send, got


def granted(token: str, expires_in: int = 300) -> WireResponse:
    """Return a token endpoint's yes."""
    body = f'{{"access_token": "{token}", "expires_in": {expires_in}}}'
    return WireResponse(200, Headers(), body.encode())


def test_a_request_that_may_have_arrived_is_not_sent_again() -> None:
    """A lost connection could have used up a refresh token."""
    send, got = scripted(ConnectionLostError("it broke"), granted("never"))
    handler = handler_at(URL, clock=FakeClock())
    handler.bind(send)
    with pytest.raises(TokenFetchError, match="gave no answer: it broke"):
        run(handler.token())
    assert len(got) == 1


def test_a_hanging_endpoint_is_given_up() -> None:
    """After 15 seconds an attempt ends, and the call with it."""

    async def main() -> float:
        async def send(*_: Any) -> WireResponse:
            return await asyncio.get_running_loop().create_future()

        clock = VirtualClock()
        handler = handler_at(URL, clock=clock)
        handler.bind(send)
        started = clock.now()
        with pytest.raises(TokenFetchError, match="within 15 s"):
            await handler.token()
        return clock.now() - started

    assert run(main()) == pytest.approx(15.0)


def test_an_endpoint_that_fails_slowly_is_given_up() -> None:
    """Attempts, waits and fallbacks together take 45 seconds at most."""

    async def main() -> float:
        clock = VirtualClock()

        async def send(*_: Any) -> WireResponse:
            await clock.sleep(14.9)
            return WireResponse(503 if clock.now() < 1_040 else 400)

        handler = handler_at(
            URL, clock=clock, chance=random.Random(7), refresh_token="refresh-1"
        )
        handler.bind(send)
        started = clock.now()
        with pytest.raises(TokenFetchError, match="issued no token within 45 s|400"):
            await handler.token()
        return clock.now() - started

    assert run(main()) <= 45.01


def test_a_failed_early_fetch_hurts_no_call() -> None:
    """While the old token lives, it serves, and the endpoint is asked once a second."""

    async def main() -> None:
        clock = VirtualClock()
        send, got = scripted(granted("one"), *[WireResponse(400)] * 9)
        handler = handler_at(URL, clock=clock)
        handler.bind(send)
        first = await handler.token()
        await clock.sleep(271.0)
        for _ in range(50):
            assert await handler.token() is first
            await clock.sleep(0.1)
        assert 5 <= len(got) - 1 <= 7

    run(main())


def test_a_cancelled_caller_does_not_end_the_fetch_of_the_others() -> None:
    """The first caller goes away; the second gets the token of the same request."""

    async def main() -> None:
        asked, may_answer = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            asked.set()
            await may_answer.wait()

        async with wired() as (server, handler, _):
            server.before_token = hold
            first = asyncio.create_task(handler.token())
            await asked.wait()
            second = asyncio.create_task(handler.token())
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            may_answer.set()
            assert (await second).access == Secret("access-token-0001")
            assert len(server.token_requests) == 1

    run_really(main())


def in_thread(main: Callable[[], Awaitable[Any]], results: list[Any]) -> Any:
    """Start a thread with a loop of its own that appends what `main` returns."""

    async def wait() -> None:
        results.append(await main())

    thread = threading.Thread(target=lambda: run_really(wait()), daemon=True)
    thread.start()
    return thread


def test_loops_of_several_threads_share_one_fetch() -> None:
    """Twenty callers on four loops at once: one request, one token."""
    everybody = threading.Barrier(4)
    asked: list[WireRequest] = []
    results: list[list[Token]] = []

    async def send(request: WireRequest, *_: Any) -> WireResponse:
        asked.append(request)
        await SystemClock().sleep(0.05)
        return granted("shared")

    handler = handler_at(URL)
    handler.bind(send)

    async def main() -> list[Token]:
        everybody.wait(10)
        return await asyncio.gather(*(handler.token() for _ in range(5)))

    threads = [in_thread(main, results) for _ in range(4)]
    for each in threads:
        each.join(10)
    assert len(asked) == 1
    assert [len(set(map(id, tokens))) for tokens in results] == [1] * 4


def test_a_loop_that_ends_under_a_fetch_leaves_it_to_the_others() -> None:
    """A waiter on another loop fetches itself when the first loop goes away."""
    asked = threading.Event()
    waits = threading.Event()
    count: list[int] = []

    async def send(*_: Any) -> WireResponse:
        count.append(1)
        if len(count) == 1:
            asked.set()
            await asyncio.get_running_loop().create_future()
        return granted("second")

    handler = handler_at(URL)
    handler.bind(send)

    async def leave() -> None:
        task = asyncio.create_task(handler.token())
        while not waits.is_set():
            await SystemClock().sleep(0.001)
        task.cancel()

    async def stay() -> Token:
        waiting = asyncio.create_task(handler.token())
        await SystemClock().sleep(0)
        waits.set()
        return await waiting

    first = in_thread(leave, [])
    assert asked.wait(10)
    results: list[Token] = []
    in_thread(stay, results).join(10)
    first.join(10)
    assert [each.access for each in results] == [Secret("second")]
    assert len(count) == 2


def test_a_loop_that_stands_still_is_not_waited_for() -> None:
    """A fetch left behind by a loop that is not running is begun anew."""

    async def send(*_: Any) -> WireResponse:
        if stuck:
            await asyncio.get_running_loop().create_future()
        return granted("fresh")

    stuck = True
    handler = handler_at(URL)
    handler.bind(send)
    loop = asyncio.new_event_loop()

    async def begin() -> Any:
        task = asyncio.ensure_future(handler.token())
        for _ in range(5):
            await SystemClock().sleep(0)
        return task

    task = loop.run_until_complete(begin())
    stuck = False

    async def elsewhere() -> Token:
        async with asyncio.timeout(5):
            return await handler.token()

    assert run_really(elsewhere()).access == Secret("fresh")

    async def finish() -> Token:
        return await task  # type: ignore[no-any-return]

    assert loop.run_until_complete(finish()).access == Secret("fresh")
    for each in asyncio.all_tasks(loop):
        each.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(each)
    loop.close()


def test_a_waiter_whose_loop_was_closed_disturbs_nobody() -> None:
    """The fetch ends and the others get its value."""
    closed = asyncio.new_event_loop()
    future: Any = closed.create_future()
    closed.close()

    async def main() -> str:
        async def fetch() -> str:
            assert shared._flight is not None
            shared._flight.waiting.add(future)
            return "value"

        shared = SharedFetch(fetch, lambda value: None)
        return await shared.get(lambda: None)

    assert run(main()) == "value"
    assert not future.done()


def test_a_lost_fetch_is_taken_over_after_a_while() -> None:
    """Who has waited longer than a fetch can take begins another, which counts."""

    async def main() -> None:
        clock = VirtualClock()
        kept: list[str] = []
        count: list[int] = []

        async def fetch() -> str:
            count.append(1)
            number = len(count)
            await clock.sleep(10_000.0 if number == 1 else 1.0)
            return f"value {number}"

        shared = SharedFetch(fetch, kept.append, patience_seconds=90.0)
        started = clock.now()
        assert await shared.get(lambda: None) == "value 2"
        assert clock.now() - started == pytest.approx(91.0)
        await clock.sleep(20_000.0)
        assert kept == ["value 2"]

    run(main())


def test_a_programming_error_in_a_sender_is_not_dressed_up() -> None:
    """A KeyError stays a KeyError."""
    send, _ = scripted(KeyError("oops"))
    handler = handler_at(URL, clock=FakeClock())
    handler.bind(send)
    with pytest.raises(KeyError, match="oops"):
        run(handler.token())


def test_without_a_sender_the_handler_says_what_it_lacks() -> None:
    """And the first sender bound stays."""
    handler = handler_at(URL, clock=FakeClock())
    with pytest.raises(TokenFetchError, match="nothing to ask for a token with"):
        run(handler.token())
    first, got = scripted(granted("one"))
    handler.bind(first)
    handler.bind(scripted()[0])
    run(handler.token())
    assert len(got) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"client_secret": None}, "client_secret"),
        ({"grant": "refresh_token"}, "refresh_token"),
        ({"grant": "password"}, "grant is 'password'"),
        ({"client_auth": "jwt"}, "client_auth"),
        ({"client_secret": ""}, "empty"),
    ],
)
def test_what_cannot_work_is_refused_at_once(settings: Any, said: str) -> None:
    """A missing secret or refresh token, an unknown grant or way."""
    with pytest.raises(InvalidArgumentError, match=said):
        handler_at(URL, **settings)


def test_the_token_request_holds_no_header_of_the_api_and_short_timeouts() -> None:
    """It is sent by the handler's own sender, within seconds and a small body."""
    seen: list[Any] = []

    async def send(*arguments: Any) -> WireResponse:
        seen.append(arguments)
        return granted("one")

    handler = handler_at(URL, clock=FakeClock())
    handler.bind(send)
    run(handler.token())
    ((request, timeouts, max_bytes),) = seen
    assert (request.method, request.url) == ("POST", URL)
    assert set(request.headers) == {"accept", "content-type", "authorization"}
    assert timeouts.attempt_seconds <= 15
    assert max_bytes <= 2**20


def test_fingerprints_tell_clients_and_scopes_apart() -> None:
    """Tokens that come and go do not change it."""
    handler = handler_at(URL, clock=FakeClock())
    before = handler.fingerprint()
    handler.bind(scripted(granted("one"))[0])
    run(handler.token())
    assert handler.fingerprint() == before == handler_at(URL).fingerprint()
    others = [
        handler_at(URL, scope="write"),
        handler_at(URL, audience="write"),
        handler_at(URL, client_secret="other-secret"),
        handler_at(URL + "2"),
    ]
    assert len({before, *(each.fingerprint() for each in others)}) == 5
