"""What the cache keeps for a client, and for whom."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from contexter_nb.clients import APIClient, Knowledge
from contexter_nb.core import (
    APIRequest,
    CircuitOpenError,
    DeadlineExceededError,
    NotFoundError,
    ServerError,
    Usage,
)
from contexter_nb.policies import (
    APICache,
    APIKeyAuthHandler,
    APIMonitor,
    BreakerConfig,
    Entry,
    RetryPolicy,
)
from tests.clients.scripted import Later, Scripted, client_of, ok, status
from tests.loops import FakeClock, VirtualClock, run, run_really
from tests.world.faults import Ok, fault_server

ONCE = RetryPolicy(max_attempts=1)
GET = APIRequest(endpoint="x", cache_ttl_seconds=1_000)


def memory() -> APICache:
    """Return a cache in virtual time."""
    return APICache(clock=VirtualClock(), rng=random.Random(7))


async def count(sender: Scripted, *requests: APIRequest, **options: Any) -> int:
    """Return how many requests reach the service for these, one after another."""
    client = client_of(sender, cache=options.pop("cache", None) or memory(), **options)
    for each in requests:
        await client.execute_request(each)
    return len(sender.requests)


def test_only_what_asks_for_it_is_cached() -> None:
    """GET or POST, with a time to live; without a cache everything is sent."""

    async def main() -> None:
        post = GET.with_(method="POST", json_data={"q": 1})
        assert await count(Scripted(), GET, GET) == 1
        assert await count(Scripted(), post, post) == 1
        never = GET.with_(cache_ttl_seconds=None)
        assert await count(Scripted(), never, never) == 2
        assert await count(Scripted(), GET, never) == 2
        sender = Scripted()
        client = client_of(sender)
        for _ in range(2):
            await client.execute_request(GET)
        assert len(sender.requests) == 2

    run(main())


@pytest.mark.parametrize(
    "other",
    [
        GET.with_(endpoint="y"),
        GET.with_(params={"a": 1}),
        GET.with_(headers={"Accept": "text/plain"}),
        GET.with_(method="POST"),
        GET.with_(method="POST", json_data=None),
        GET.with_(json_data={"a": 1}),
        GET.with_(operation="other"),
    ],
)
def test_what_may_change_the_answer_is_asked_apart(other: APIRequest) -> None:
    """Path, parameters, Accept, method, body, operation."""
    assert run(count(Scripted(), GET, other, GET, other)) == 2


def test_services_versions_and_accounts_are_kept_apart() -> None:
    """On one cache; unless an answer is declared the same for all accounts."""

    async def main() -> None:
        cache, sender = memory(), Scripted()
        alice = APIKeyAuthHandler("alice-key-1234")
        bob = APIKeyAuthHandler("bob-key-123456")
        for options in ({}, {"version": "v2"}, {"auth": alice}, {"auth": bob}):
            before = len(sender.requests)
            assert await count(sender, GET, GET, cache=cache, **options) == before + 1
        other = APIClient(
            "other", "https://api.example.org/v1", transport=sender, cache=cache
        )
        before = len(sender.requests)
        await other.execute_request(GET)
        assert len(sender.requests) == before + 1
        shared = GET.with_(cache_shared=True, endpoint="news")
        await count(sender, shared, cache=cache, auth=alice)
        sent = len(sender.requests)
        assert await count(sender, shared, cache=cache, auth=bob) == sent

    run(main())


def test_a_hit_is_recorded_with_its_tier_and_what_it_saved() -> None:
    """The call counts; nothing is charged for it."""

    async def main() -> None:
        knowledge = Knowledge(usage=lambda request, data: Usage(70, 0.5, "m"))
        sender = Scripted(Later(2, ok([1])))
        client = client_of(sender, cache=memory(), knowledge=knowledge)
        first = await client.execute_request(GET)
        hit = await client.execute_request(GET)
        assert (first.cached, hit.cached, hit.trace.cache_tier) == (
            False,
            True,
            "memory",
        )
        assert hit.trace.attempts == () and hit.request_id != first.request_id
        assert isinstance(client.monitor, APIMonitor)
        record, paid = client.monitor.requests()
        assert (record.usage.tokens, record.saved.tokens, record.saved.usd) == (
            0,
            70,
            0.5,
        )
        assert record.saved_seconds == pytest.approx(2)
        assert (paid.usage.tokens, paid.saved.tokens) == (70, 0)
        (metrics,) = client.get_metrics(None).operations
        assert (metrics.cache_hits, metrics.cache_lookups) == (1, 2)

    run(main())


def test_each_caller_gets_data_of_their_own() -> None:
    """What one changes, no other sees, then or later."""

    async def main() -> None:
        client = client_of(Scripted(Later(1, ok({"list": [1]}))), cache=memory())
        together = await asyncio.gather(
            *(client.execute_request(GET) for _ in range(5))
        )
        together[0].data["list"].append("changed")
        assert [each.data for each in together[1:]] == [{"list": [1]}] * 4
        later = await client.execute_request(GET)
        later.data.clear()
        assert (await client.execute_request(GET)).data == {"list": [1]}

    run(main())


@pytest.mark.parametrize(
    ("headers", "after_seconds", "sent"),
    [
        ({}, 500, 1),
        ({}, 1_200, 2),
        ({"cache_control": "no-store"}, 0, 2),
        ({"cache_control": "private, NO-STORE"}, 0, 2),
        ({"cache_control": "no-cache"}, 0, 2),
        ({"vary": "*"}, 0, 2),
        ({"vary": "Accept, *"}, 0, 2),
        ({"cache_control": "max-age=100"}, 50, 1),
        ({"cache_control": "max-age=100"}, 150, 2),
        ({"cache_control": "public, max-age=0"}, 0, 2),
        ({"cache_control": "max-age=100", "age": "90"}, 50, 2),
        ({"cache_control": "max-age=9999999"}, 1_200, 2),
    ],
)
def test_a_service_may_shorten_how_long_its_answer_is_kept(
    headers: dict[str, str], after_seconds: float, sent: int
) -> None:
    """It can forbid and shorten, and never lengthen what the caller asked for."""

    async def main() -> int:
        sender = Scripted(ok(1, **headers))
        client = client_of(sender, cache=memory())
        await client.execute_request(GET)
        await asyncio.sleep(after_seconds)
        await client.execute_request(GET)
        return len(sender.requests)

    assert run(main()) == sent


def test_an_old_answer_is_confirmed_by_its_tag() -> None:
    """304 makes it good again, with the fields that the service renewed."""

    async def main() -> None:
        sender = Scripted(
            ok("kept", etag='"1"', x_a="old"),
            status(304, None, x_a="new"),
            ok("other", etag='"2"'),
        )
        client = client_of(sender, cache=memory())
        await client.execute_request(GET)
        await asyncio.sleep(1_200)
        again = await client.execute_request(GET)
        assert (again.data, again.status_code, again.headers["x-a"]) == (
            "kept",
            200,
            "new",
        )
        assert sender.requests[1].headers["if-none-match"] == '"1"'
        assert "if-none-match" not in sender.requests[0].headers
        assert (await client.execute_request(GET)).cached
        await asyncio.sleep(1_200)
        assert (await client.execute_request(GET)).data == "other"
        assert len(sender.requests) == 3

    run(main())


def test_a_confirmed_answer_still_saves_what_it_first_cost() -> None:
    """304 is an answer and no error, and a later hit saves the first fetch's cost."""

    async def main() -> None:
        sender = Scripted(
            Later(2, ok("kept", etag='"1"')), Later(0.5, status(304, None)), status(500)
        )
        client = client_of(
            sender,
            cache=memory(),
            knowledge=Knowledge(usage=lambda request, data: Usage(7, 0.25)),
        )
        await client.execute_request(GET)
        await asyncio.sleep(1_200)
        confirmed = await client.execute_request(GET)
        (attempt,) = confirmed.trace.attempts
        assert (attempt.status_code, attempt.error_type) == (304, None)
        await client.execute_request(GET)
        assert isinstance(client.monitor, APIMonitor)
        hit, question, _ = client.monitor.requests()
        assert (hit.saved.tokens, hit.saved.usd) == (7, 0.25)
        assert hit.saved_seconds == pytest.approx(2)
        assert question.usage == Usage()

    run(main())


@pytest.mark.parametrize("max_memory_bytes", [0, 10**6])
def test_a_call_is_one_lookup_however_it_ends(
    tmp_path: Path, max_memory_bytes: int
) -> None:
    """A miss, a confirmation and an answer past its time are one lookup each."""

    async def main() -> None:
        clock = FakeClock()
        sender = Scripted(ok("kept", etag='"1"'), status(304, None), status(500))
        cache = APICache(
            path=tmp_path / "home" / "cache.sqlite",
            max_memory_bytes=max_memory_bytes,
            clock=clock,
            rng=random.Random(7),
        )
        async with cache:
            client = client_of(sender, cache=cache, retry=ONCE)
            for lookups in (1, 2, 3):
                await client.execute_request(GET)
                clock.instant += 1_200
                each = [tier.lookups for tier in cache.stats()]
                assert each == [lookups, lookups]
            assert sum(tier.stale for tier in cache.stats()) == 1

    run_really(main())


def test_callers_who_wait_together_are_one_lookup_each() -> None:
    """Where their one fetch fails, each is answered past the time and counted once."""

    async def main() -> None:
        cache = memory()
        sender = Scripted(ok("old"), Later(1, status(500)))
        client = client_of(sender, cache=cache, retry=ONCE)
        await client.execute_request(GET)
        await asyncio.sleep(1_200)
        calls = [client.execute_request(GET) for _ in range(5)]
        assert all(each.trace.stale for each in await asyncio.gather(*calls))
        (tier,) = cache.stats()
        assert (tier.lookups, tier.misses, tier.stale) == (6, 1, 5)

    run(main())


def test_that_nothing_is_there_is_kept_for_a_minute() -> None:
    """404 is an error each time, asked for once a minute; the record tells it."""

    async def main() -> None:
        sender = Scripted(status(404))
        client = client_of(sender, cache=memory())
        for pause in (1, 1, 70, 1):
            with pytest.raises(NotFoundError):
                await client.execute_request(GET)
            await asyncio.sleep(pause)
        assert len(sender.requests) == 2
        assert isinstance(client.monitor, APIMonitor)
        codes = [each.status_code for each in client.monitor.requests()]
        assert codes == [404] * 4

    run(main())


@pytest.mark.parametrize("code", [201, 204, 400, 401, 403, 429, 500, 503])
def test_no_other_status_is_kept(code: int) -> None:
    """Each call asks anew."""

    async def main() -> None:
        sender = Scripted(status(code), ok("good"))
        client = client_of(sender, cache=memory(), retry=ONCE)
        with_error = code >= 400
        try:
            await client.execute_request(GET)
            assert not with_error
        except Exception:
            assert with_error
        assert (await client.execute_request(GET)).data == "good"

    run(main())


def test_an_old_answer_serves_while_the_service_is_down() -> None:
    """Also when the breaker is open and when the deadline passes, never for 404."""

    async def main() -> None:
        sender = Scripted(ok("old"), status(500), status(500), Later(500), status(404))
        client = client_of(
            sender, cache=memory(), retry=ONCE, breaker=BreakerConfig(minimum_calls=4)
        )
        await client.execute_request(GET)
        await asyncio.sleep(1_200)
        for _ in range(2):
            stale = await client.execute_request(GET)
            assert (stale.data, stale.trace.stale) == ("old", True)
        late = await client.execute_request(GET.with_(deadline_seconds=5))
        assert (late.data, late.trace.stale) == ("old", True)
        assert len(sender.requests) == 4
        with pytest.raises((NotFoundError, CircuitOpenError)):
            await client.execute_request(GET.with_(endpoint="y"))

    run(main())


def test_an_open_breaker_leaves_the_cache_open() -> None:
    """What is kept is answered; what is not is refused."""

    async def main() -> None:
        sender = Scripted(ok("kept"), status(500))
        client = client_of(
            sender, cache=memory(), retry=ONCE, breaker=BreakerConfig(minimum_calls=2)
        )
        await client.execute_request(GET)
        for _ in range(3):
            with pytest.raises((ServerError, CircuitOpenError)):
                await client.execute_request(GET.with_(endpoint="y"))
        with pytest.raises(CircuitOpenError):
            await client.execute_request(GET.with_(endpoint="y"))
        assert (await client.execute_request(GET)).data == "kept"

    run(main())


def test_a_follower_keeps_to_a_deadline_of_its_own() -> None:
    """It leaves earlier than the one who asked first, whose answer still comes."""

    async def main() -> None:
        sender = Scripted(Later(20, ok("late")))
        client = client_of(sender, cache=memory())
        leader = asyncio.create_task(client.execute_request(GET))
        await asyncio.sleep(1)
        started = asyncio.get_running_loop().time()
        with pytest.raises(DeadlineExceededError):
            await client.execute_request(GET.with_(deadline_seconds=5))
        assert asyncio.get_running_loop().time() - started == pytest.approx(5)
        assert (await leader).data == "late"
        assert len(sender.requests) == 1

    run(main())


def test_a_follower_with_more_time_is_not_ended_by_the_leaders_deadline() -> None:
    """It asks for itself once the other has given up."""

    async def main() -> None:
        sender = Scripted(Later(50), ok("second"))
        client = client_of(sender, cache=memory(), retry=ONCE)
        leader = asyncio.create_task(
            client.execute_request(GET.with_(deadline_seconds=5))
        )
        await asyncio.sleep(1)
        follower = asyncio.create_task(client.execute_request(GET))
        with pytest.raises(DeadlineExceededError):
            await leader
        assert (await follower).data == "second"

    run(main())


def test_an_entry_that_is_no_answer_is_fetched_anew() -> None:
    """As an older release, or a stranger, may have left it there."""

    async def main() -> None:
        cache, sender = memory(), Scripted(ok("fresh"))
        client = client_of(sender, cache=cache)
        await client.execute_request(GET)
        (entry,) = await cache.entries()
        for garbage in (b"", b"garbage", b"\x93\x01"):
            await cache.set(entry.key, Entry(garbage, ttl_seconds=100))
            answer = await client.execute_request(GET)
            assert (answer.data, answer.cached) == ("fresh", False)
        assert (await client.execute_request(GET)).cached

    run(main())


def test_a_damaged_file_costs_a_request_and_nothing_else(tmp_path: Path) -> None:
    """The client answers as if nothing had been kept."""

    async def main() -> None:
        path = tmp_path / "answers.sqlite"
        async with fault_server(Ok("fresh")) as server:
            for _ in range(2):
                path.write_bytes(b"this is no database" * 100)
                async with (
                    APICache(path=path) as cache,
                    APIClient("demo", server.url, cache=cache) as client,
                ):
                    assert (await client.execute_request(GET)).data == "fresh"
            assert len(server.requests) == 2

    run_really(main())


def test_the_file_answers_after_a_restart(tmp_path: Path) -> None:
    """A new cache on the same file, and a new client: no request."""

    async def main() -> None:
        async with fault_server(Ok({"a": 1})) as server:
            for tier in (None, "disk"):
                async with (
                    APICache(path=tmp_path / "answers.sqlite") as cache,
                    APIClient("demo", server.url, cache=cache) as client,
                ):
                    answer = await client.execute_request(GET)
                    assert (answer.data, answer.trace.cache_tier) == ({"a": 1}, tier)
            assert len(server.requests) == 1

    run_really(main())


def test_health_is_never_answered_by_the_cache() -> None:
    """Though the same request is kept."""

    async def main() -> None:
        sender = Scripted(ok(1), status(500))
        client = client_of(sender, cache=memory(), health=GET)
        await client.execute_request(GET)
        assert (await client.execute_request(GET)).cached
        assert not (await client.health_check()).healthy

    run(main())


def test_fifty_misses_that_fail_fail_for_each_with_an_error_of_its_own() -> None:
    """One request; nobody changes the error of another."""

    async def main() -> None:
        sender = Scripted(Later(1, status(503)))
        client = client_of(sender, cache=memory(), retry=ONCE)
        errors = await asyncio.gather(
            *(client.execute_request(GET) for _ in range(50)), return_exceptions=True
        )
        assert len(sender.requests) == 1
        assert all(isinstance(each, ServerError) for each in errors)
        assert len({id(each) for each in errors}) == 50

    run(main())
