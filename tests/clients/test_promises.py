"""What the client promises as a whole, over real sockets and a real cache."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from contexter_nb.clients import APIClient
from contexter_nb.core import (
    APIRequest,
    CircuitOpenError,
    ConnectionLostError,
    NotFoundError,
    ServerError,
)
from contexter_nb.policies import (
    APICache,
    APIKeyAuthHandler,
    APIMonitor,
    BreakerConfig,
    OAuth2AuthHandler,
    RateLimitConfig,
    RetryPolicy,
    TokenBucketRateLimiter,
)
from contexter_nb.transport import HTTPTransport
from tests.loops import run_really
from tests.world.faults import (
    ByRequest,
    Held,
    Ok,
    ResetInBody,
    Seen,
    Status,
    fault_server,
)

ONCE = RetryPolicy(max_attempts=1)
QUICK = RetryPolicy(base_seconds=0.001, throttled_base_seconds=0.001)
libraries = pytest.mark.parametrize("library", ["httpx", "httpx2"])


def client_of(url: str, library: str = "httpx", **options: Any) -> APIClient:
    """Return a client with a monitor of its own."""
    options.setdefault("monitor", APIMonitor())
    transport = HTTPTransport(library=library)
    _transports.append(transport)
    return APIClient("demo", url, transport=transport, **options)


_transports: list[HTTPTransport] = []


def run_to_its_end(main: Coroutine[Any, Any, None]) -> None:
    """Run a test and close the connections that it opened."""

    async def closing() -> None:
        try:
            await main
        finally:
            while _transports:
                await _transports.pop().aclose()

    run_really(closing())


@libraries
def test_fifty_misses_on_one_key_make_one_request(library: str) -> None:
    """Who asks while an answer is fetched gets that answer, as data of their own."""

    async def main() -> None:
        async with fault_server(Held(Ok({"list": [1]}))) as server:
            client = client_of(server.url, library, cache=APICache())
            request = APIRequest(endpoint="/x", cache_ttl_seconds=60)
            asked = [
                asyncio.create_task(client.execute_request(request)) for _ in range(50)
            ]
            await server.wait_requests(1)
            server.release(1)
            answers = await asyncio.gather(*asked)
            assert len(server.requests) == 1
            answers[0].data["list"].append(2)
            assert [each.data for each in answers[1:]] == [{"list": [1]}] * 49
            assert sum(each.trace.coalesced for each in answers) == 49
            again = await client.execute_request(request)
            assert (again.trace.cache_tier, again.cached) == ("memory", True)
            assert len(server.requests) == 1

    run_to_its_end(main())


def test_a_cancelled_leader_does_not_kill_its_followers() -> None:
    """The one who asked first gives up; the others get the answer it began to fetch."""

    async def main() -> None:
        async with fault_server(Held(Ok(1))) as server:
            client = client_of(server.url, cache=APICache())
            request = APIRequest(endpoint="/x", cache_ttl_seconds=60)
            leader = asyncio.create_task(client.execute_request(request))
            await server.wait_requests(1)
            followers = [
                asyncio.create_task(client.execute_request(request)) for _ in range(5)
            ]
            await asyncio.sleep(0)
            leader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leader
            server.release(1)
            assert [each.data for each in await asyncio.gather(*followers)] == [1] * 5
            assert len(server.requests) == 1

    run_to_its_end(main())


def test_the_last_one_who_gives_up_ends_the_request_on_the_wire() -> None:
    """Nobody waits any more, so the service sees the connection go."""

    async def main() -> None:
        async with fault_server(Held(Ok(1))) as server:
            client = client_of(server.url, cache=APICache())
            request = APIRequest(endpoint="/x", cache_ttl_seconds=60)
            asked = asyncio.create_task(client.execute_request(request))
            await server.wait_requests(1)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            await server.wait_disconnect()

    run_to_its_end(main())


def whoami(seen: Seen) -> Any:
    """Answer who asked, by the key."""
    return Ok({"you": seen.headers["authorization"]})


def test_an_answer_to_one_account_never_reaches_another(tmp_path: Path) -> None:
    """Two keys on one cache get two answers, unless the answer is declared shared."""

    async def main() -> None:
        cache = APICache(path=tmp_path / "answers.sqlite")
        async with fault_server(default=ByRequest(whoami)) as server:
            alice = client_of(server.url, cache=cache, auth=APIKeyAuthHandler("alice"))
            bob = client_of(server.url, cache=cache, auth=APIKeyAuthHandler("bob"))
            request = APIRequest(endpoint="/me", cache_ttl_seconds=60)
            mine = await alice.execute_request(request)
            theirs = await bob.execute_request(request)
            assert mine.data != theirs.data
            assert (await bob.execute_request(request)).data == theirs.data
            assert len(server.requests) == 2
            shared = APIRequest(
                endpoint="/news", cache_ttl_seconds=60, cache_shared=True
            )
            await alice.execute_request(shared)
            assert (await bob.execute_request(shared)).cached
        await cache.close()

    run_to_its_end(main())


def test_half_open_lets_one_of_fifty_through() -> None:
    """A service that failed is asked by one call; the others are refused at once."""

    async def main() -> None:
        plan = [Status(500)] * 10 + [Held(Ok(1))]
        async with fault_server(*plan, Ok(2)) as server:
            client = client_of(
                server.url,
                retry=ONCE,
                breaker=BreakerConfig(minimum_calls=10, open_seconds=0.01),
            )
            request = APIRequest(endpoint="/x")
            for _ in range(10):
                with pytest.raises(ServerError):
                    await client.execute_request(request)
            with pytest.raises(CircuitOpenError) as refused:
                await client.execute_request(request)
            await asyncio.sleep(refused.value.retry_after_seconds + 0.005)
            asked = [
                asyncio.create_task(client.execute_request(request)) for _ in range(50)
            ]
            await server.wait_requests(11)
            done, waiting = await asyncio.wait(asked, timeout=0.2)
            assert (len(done), len(waiting)) == (49, 1)
            assert all(isinstance(each.exception(), CircuitOpenError) for each in done)
            server.release(1)
            assert (await next(iter(waiting))).data == 1
            assert (await client.execute_request(request)).data == 2

    run_to_its_end(main())


def test_a_probe_that_is_cancelled_does_no_harm() -> None:
    """The next call is the probe then."""

    async def main() -> None:
        plan = [Status(500)] * 10 + [Held(Ok(1)), Ok(2)]
        async with fault_server(*plan) as server:
            client = client_of(
                server.url,
                retry=ONCE,
                breaker=BreakerConfig(minimum_calls=10, open_seconds=0.01),
            )
            request = APIRequest(endpoint="/x")
            for _ in range(10):
                with pytest.raises(ServerError):
                    await client.execute_request(request)
            await asyncio.sleep(0.03)
            probe = asyncio.create_task(client.execute_request(request))
            await server.wait_requests(11)
            probe.cancel()
            with pytest.raises(asyncio.CancelledError):
                await probe
            assert (await client.execute_request(request)).data == 2

    run_to_its_end(main())


@libraries
def test_a_mutation_is_sent_once_and_a_reading_post_again(library: str) -> None:
    """After a lost connection a POST is repeated only where that does no harm."""

    async def main() -> None:
        async with fault_server(ResetInBody(), ResetInBody(), Ok(1)) as server:
            client = client_of(server.url, library, retry=QUICK)
            post = APIRequest(method="POST", endpoint="/x", json_data={})
            with pytest.raises(ConnectionLostError) as lost:
                await client.execute_request(post)
            assert len(server.requests) == 1
            assert lost.value.trace is not None
            assert len(lost.value.trace.attempts) == 1
            reading = post.with_(idempotent=True)
            assert (await client.execute_request(reading)).data == 1
            assert len(server.requests) == 3

    run_to_its_end(main())


def test_an_answer_past_its_time_is_better_than_none(tmp_path: Path) -> None:
    """While the service is down, the cache answers and says that it is stale."""

    async def main() -> None:
        cache = APICache(path=tmp_path / "answers.sqlite")
        async with fault_server(Ok("old"), Status(503)) as server:
            client = client_of(server.url, retry=QUICK, cache=cache)
            request = APIRequest(endpoint="/x", cache_ttl_seconds=0.02)
            assert (await client.execute_request(request)).data == "old"
            await asyncio.sleep(0.05)
            stale = await client.execute_request(request)
            assert (stale.data, stale.trace.stale) == ("old", True)
            with pytest.raises(ServerError):
                await client.execute_request(request.with_(endpoint="/y"))
        await cache.close()

    run_to_its_end(main())


def test_what_is_not_there_is_remembered_for_a_while() -> None:
    """A 404 is asked for once; it is an error each time."""

    async def main() -> None:
        async with fault_server(Status(404)) as server:
            client = client_of(server.url, cache=APICache())
            request = APIRequest(endpoint="/x", cache_ttl_seconds=3600)
            for _ in range(3):
                with pytest.raises(NotFoundError):
                    await client.execute_request(request)
            assert len(server.requests) == 1

    run_to_its_end(main())


def token_endpoint(tokens: list[str]) -> Callable[[Seen], Any]:
    """Return what issues numbered tokens."""

    def answer(seen: Seen) -> Any:
        tokens.append(f"token-{len(tokens)}")
        return Ok(
            {"access_token": tokens[-1], "token_type": "bearer", "expires_in": "3600"}
        )

    return answer


@libraries
def test_fifty_cold_calls_fetch_one_token_and_a_revoked_one_is_renewed_once(
    library: str,
) -> None:
    """All calls share one token request, and one refresh after it was revoked."""

    async def main() -> None:
        tokens: list[str] = []
        valid = {"token-0"}

        def guarded(seen: Seen) -> Any:
            token = seen.headers.get("authorization", "").removeprefix("Bearer ")
            return Ok(1) if token in valid else Status(401)

        async with fault_server(
            paths={"/token": ByRequest(token_endpoint(tokens))},
            default=ByRequest(guarded),
        ) as server:
            auth = OAuth2AuthHandler(f"{server.url}/token", "id", "client-secret-value")
            client = client_of(server.url, library, auth=auth)

            async def fifty() -> list[Any]:
                request = APIRequest(endpoint="/x")
                calls: list[Awaitable[Any]] = [
                    client.execute_request(request) for _ in range(50)
                ]
                return [each.data for each in await asyncio.gather(*calls)]

            assert await fifty() == [1] * 50
            assert tokens == ["token-0"]
            valid.symmetric_difference_update({"token-0", "token-1"})
            assert await fifty() == [1] * 50
            assert tokens == ["token-0", "token-1"]

    run_to_its_end(main())


def test_a_429_makes_everybody_wait() -> None:
    """The service's Retry-After pauses the limiter that the calls share."""

    async def main() -> None:
        async with fault_server(
            Status(429, headers=(("Retry-After", "0.3"),)), Ok(1)
        ) as server:
            limiter = TokenBucketRateLimiter(
                RateLimitConfig(requests_per_minute=60_000, burst_size=100)
            )
            client = client_of(server.url, limiter=limiter)
            request = APIRequest(endpoint="/x")
            first = asyncio.create_task(client.execute_request(request))
            await server.wait_requests(1)
            while not limiter.get_status().paused_seconds:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            second = await client.execute_request(request)
            assert second.trace.limiter_wait_seconds > 0.15
            assert (await first).trace.retries == 1

    run_to_its_end(main())
