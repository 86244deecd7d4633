"""The Redis tier, with a real server: shared, away at times, with garbage in it."""

from __future__ import annotations

import asyncio
import builtins
import pickle
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis

from contexter_nb.core import InvalidArgumentError
from contexter_nb.policies._cache import APICache
from contexter_nb.policies._cache_entry import Entry
from contexter_nb.policies._cache_key import cache_key
from contexter_nb.policies._cache_redis import PAUSE_SECONDS
from contexter_nb.policies._cache_stats import TierStats
from tests.loops import FakeClock, run_really
from tests.policies.redis_server import RedisServer, start_redis

T = TypeVar("T")
KEY = "s/op/1"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """Give one server for all tests here."""
    with start_redis() as running:
        yield running


@pytest.fixture(autouse=True)
def empty(server: RedisServer) -> Iterator[redis.Redis]:
    """Empty it before each test, and give a client to look in from outside."""
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        yield client


def using(
    server: RedisServer, work: Callable[[APICache], Awaitable[T]], **options: Any
) -> T:
    """Do something with a cache on Redis, without the memory tier, and close it."""

    async def main() -> T:
        options.setdefault("max_memory_bytes", 0)
        async with APICache(redis_url=server.url, **options) as cache:
            return await work(cache)

    return run_really(main())


def last(cache: APICache) -> TierStats:
    """Return the counts of the Redis tier."""
    return cache.stats()[-1]


async def fetch() -> Entry:
    """Give an answer."""
    return Entry(b"fetched", 60)


def test_what_one_machine_has_fetched_another_finds(server: RedisServer) -> None:
    """Bytes, costs and age travel; the second cache shares nothing but Redis."""
    clock = FakeClock()
    entry = Entry(bytes(range(256)), 600, ("t",), 7, 0.5, 1.5)
    using(server, lambda cache: cache.set(KEY, entry), clock=clock)
    clock.instant += 20
    found = using(server, lambda cache: cache.get(KEY), clock=clock)
    assert found is not None
    assert (found.value, found.tier, found.age_seconds) == (entry.value, "redis", 20)
    assert (found.tokens, found.usd, found.seconds) == (7, 0.5, 1.5)


def test_many_are_read_and_written_in_few_trips(server: RedisServer) -> None:
    """A thousand keys come back exact."""
    entries = {f"s/op/{n}": Entry(b"%d" % n, 600) for n in range(1234)}

    async def work(cache: APICache) -> None:
        await cache.set_many(entries)
        found = await cache.get_many([*entries, "unknown"])
        assert {k: f.value for k, f in found.items()} == {
            k: e.value for k, e in entries.items()
        }
        stats = (await cache.measure())[-1]
        assert (stats.hits, stats.misses, stats.entries) == (1234, 1, 1234)
        assert stats.bytes > 0

    using(server, work)


def test_an_entry_has_an_end_in_redis(server: RedisServer, empty: redis.Redis) -> None:
    """Every key of an entry, tag or lease expires by itself."""
    entry = Entry(b"v", 60, ("t",))
    using(server, lambda cache: cache.set(KEY, entry), stale_seconds=10)
    left = {
        name: int(empty.ttl(name))  # type: ignore[arg-type]
        for name in empty.scan_iter()
        if b"generation" not in name
    }
    assert len(left) == 2
    assert all(50 < seconds <= 76 for seconds in left.values())


def test_promotion_from_redis_does_not_restart_the_time(
    server: RedisServer, tmp_path: Path
) -> None:
    """Found after 50 of 60 s and kept in memory and on disk, it ends after 60."""
    clock = FakeClock()
    using(server, lambda cache: cache.set(KEY, Entry(b"v", 60)), clock=clock)
    clock.instant += 50

    async def work(cache: APICache) -> None:
        tiers = [found.tier for _ in "ab" if (found := await cache.get(KEY))]
        assert tiers == ["redis", "memory"]
        await cache.measure()
        assert cache.stats()[1].entries == 1
        clock.instant += 20
        assert await cache.get(KEY) is None

    path = tmp_path / "cache.sqlite"
    using(server, work, clock=clock, max_memory_bytes=10**6, path=path)


@pytest.mark.parametrize(
    "garbage", [b"garbage", b"", pickle.dumps({"a": 1}), b"cxc\x01\x00" + b"x" * 90]
)
def test_garbage_in_redis_is_a_miss_that_is_counted_and_dropped(
    server: RedisServer, empty: redis.Redis, garbage: bytes
) -> None:
    """Foreign bytes, a pickle among them, are never handed out and never run."""

    async def work(cache: APICache) -> None:
        await cache.set(KEY, Entry(b"v", 600))
        (name,) = empty.scan_iter("*entry*")
        empty.set(name, garbage)
        assert await cache.get(KEY) is None
        assert (last(cache).errors, last(cache).misses) == (1, 1)
        assert empty.exists(name) == 0
        assert (await cache.get_or_fetch(KEY, fetch)).value == b"fetched"

    using(server, work)


def test_a_key_of_another_type_is_a_miss(
    server: RedisServer, empty: redis.Redis
) -> None:
    """Somebody keeps a list where our entry or our generation was."""

    async def work(cache: APICache) -> None:
        await cache.set(KEY, Entry(b"v", 600))
        (name,) = empty.scan_iter("*entry*")
        empty.delete(name, "contexter:generation")
        empty.rpush(name, "a")
        empty.rpush("contexter:generation", "a")
        assert await cache.get(KEY) is None
        assert (await cache.get_or_fetch(KEY, fetch)).value == b"fetched"

    using(server, work)


def test_alice_never_gets_what_is_bobs(server: RedisServer) -> None:
    """The same question by two accounts is kept twice."""

    async def work(cache: APICache) -> None:
        alice, bob = (cache_key("s", "/me", {}, account=a) for a in ("alice", "bob"))
        await cache.set(alice, Entry(b"alice", 600))
        assert await cache.get(bob) is None
        assert bob not in await cache.get_many([alice, bob])

    using(server, work)


@pytest.mark.parametrize(
    ("tag", "prefix", "gone"),
    [
        ("red", None, {"a/1", "b/1"}),
        (None, "a/", {"a/1", "a/2"}),
        ("red", "a/", {"a/1"}),
        (None, None, {"a/1", "a/2", "b/1", "a*/1"}),
        (None, "a*", {"a*/1"}),
        ("green", None, set()),
    ],
)
@pytest.mark.parametrize("tiers", [1, 2, 3])
def test_clearing_takes_tag_and_prefix_in_all_tiers(
    server: RedisServer,
    tmp_path: Path,
    tag: str | None,
    prefix: str | None,
    gone: set[str],
    tiers: int,
) -> None:
    """What has the tag and begins with the prefix goes, foreign keys stay."""

    async def work(cache: APICache) -> set[str]:
        await cache.set("a/1", Entry(b"", 60, ("red",)))
        await cache.set("a/2", Entry(b"", 60, ("blue",)))
        await cache.set("b/1", Entry(b"", 60, ("red", "blue")))
        await cache.set("a*/1", Entry(b"", 60))
        count = await cache.clear(tag=tag, prefix=prefix)
        if tiers > 1 or tag or prefix:
            assert count == len(gone)
        return {k for k in ("a/1", "a/2", "b/1", "a*/1") if not await cache.get(k)}

    with redis.Redis.from_url(server.url) as client:
        client.set("foreign", "x")
        options: dict[str, Any] = {"max_memory_bytes": 10**6 if tiers > 2 else 0}
        if tiers > 1:
            options["path"] = tmp_path / "cache.sqlite"
        assert using(server, work, **options) == gone
        assert client.get("foreign") == b"x"


def test_keys_is_never_asked(server: RedisServer, empty: redis.Redis) -> None:
    """Clearing in every way uses no command that blocks the server."""

    async def work(cache: APICache) -> None:
        await cache.set(KEY, Entry(b"", 60, ("t",)))
        await cache.clear(tag="t")
        await cache.clear(prefix="s/")
        await cache.clear()
        await cache.measure()

    empty.config_resetstat()
    using(server, work)
    used = empty.info("commandstats")
    assert isinstance(used, dict)
    assert not {"cmdstat_keys", "cmdstat_flushall", "cmdstat_flushdb"} & set(used)


def test_other_machines_forget_what_one_has_cleared(server: RedisServer) -> None:
    """A second later the memory of the other is empty, also after tag and delete."""
    clock = FakeClock()

    async def work(one: APICache) -> None:
        async with APICache(redis_url=server.url, clock=clock) as other:
            for drop in (one.clear(), one.clear(tag="t"), one.delete(KEY)):
                await other.set(KEY, Entry(b"v", 600, ("t",)))
                found = await other.get(KEY)
                assert found is not None
                assert found.tier == "memory"
                await drop
                clock.instant += 1.01
                assert await other.get(KEY) is None

    using(server, work, clock=clock)


def test_a_fetch_begun_before_another_machine_cleared_is_not_kept(
    server: RedisServer,
) -> None:
    """Cleared by tag meanwhile: handed out, and not written."""

    async def work(cache: APICache) -> None:
        async def slow() -> Entry:
            async with APICache(redis_url=server.url) as other:
                await other.clear(tag="t")
            return Entry(b"old", 60, ("t",))

        assert (await cache.get_or_fetch(KEY, slow)).value == b"old"
        assert await cache.get(KEY) is None

    using(server, work)


def test_two_machines_that_miss_the_same_key_make_one_fetch(
    server: RedisServer,
) -> None:
    """The second waits for the lease and takes the answer from Redis."""
    begun: list[int] = []

    async def slow() -> Entry:
        begun.append(1)
        await asyncio.sleep(0.2)
        return Entry(b"v", 60)

    async def work(one: APICache) -> None:
        async with APICache(redis_url=server.url) as other:
            answers = await asyncio.gather(
                one.get_or_fetch(KEY, slow), other.get_or_fetch(KEY, slow)
            )
            assert [each.value for each in answers] == [b"v", b"v"]
            assert sorted(each.coalesced for each in answers) == [False, True]
            assert last(one).coalesced + last(other).coalesced == 1

    using(server, work)
    assert len(begun) == 1


def test_a_lease_is_given_back(server: RedisServer, empty: redis.Redis) -> None:
    """After a fetch, a failure and a cancellation none is left."""

    async def fails() -> Entry:
        raise ConnectionError

    async def hangs() -> Entry:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def work(cache: APICache) -> None:
        await cache.get_or_fetch("a", fetch)
        with pytest.raises(ConnectionError):
            await cache.get_or_fetch("b", fails)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await cache.get_or_fetch("c", hangs)

    using(server, work)
    assert list(empty.scan_iter("*lease*")) == []


def test_redis_away_and_back() -> None:
    """Away: counted once, not asked for a while, calls go on; back: used again."""
    clock = FakeClock()

    async def work(cache: APICache) -> None:
        await cache.set(KEY, Entry(b"v", 600))
        server.kill()
        assert await cache.get(KEY) is None
        errors = last(cache).errors
        assert errors >= 1
        for _ in range(20):
            await cache.set("other", Entry(b"v", 600))
            assert await cache.get(KEY) is None
        assert (await cache.get_or_fetch(KEY, fetch)).value == b"fetched"
        assert last(cache).errors == errors
        assert last(cache).lookups == 0
        server.start()
        clock.instant += PAUSE_SECONDS + 0.1
        await cache.set(KEY, Entry(b"w", 600))
        found = await cache.get(KEY)
        assert found is not None
        assert (found.value, last(cache).errors) == (b"w", errors)

    with start_redis() as server:
        using(server, work, clock=clock)


def test_a_clearing_while_redis_is_away_is_done_when_it_is_back(
    server: RedisServer,
) -> None:
    """What could not be cleared is not found afterwards either."""
    clock = FakeClock()

    async def work(cache: APICache) -> None:
        await cache.set(KEY, Entry(b"v", 600))
        assert cache._redis is not None
        cache._redis._pause_until = clock.instant + PAUSE_SECONDS
        await cache.clear(prefix="other/")
        clock.instant += PAUSE_SECONDS + 0.1
        assert await cache.get(KEY) is None
        await cache.set(KEY, Entry(b"w", 600))
        assert await cache.get(KEY) is not None

    using(server, work, clock=clock)


def test_a_redis_that_never_answers_is_not_waited_for() -> None:
    """A server that takes connections and says nothing costs seconds at most once."""

    async def main() -> float:
        writers: list[asyncio.StreamWriter] = []
        quiet = await asyncio.start_server(
            lambda reader, writer: writers.append(writer), "127.0.0.1", 0
        )
        port = quiet.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with APICache(redis_url=f"redis://127.0.0.1:{port}/0") as cache:
            for number in range(50):
                assert await cache.get(f"k{number}") is None
            assert last(cache).errors == 1
        quiet.close()
        for each in writers:
            each.close()
            await each.wait_closed()
        return loop.time() - began

    assert run_really(main()) < 3.0


def test_each_loop_has_connections_of_its_own(server: RedisServer) -> None:
    """One cache serves two loops in two threads, and a loop after another."""
    cache = APICache(redis_url=server.url, max_memory_bytes=0)
    found: list[bytes] = []

    async def work(name: str) -> None:
        for number in range(20):
            await cache.set(f"{name}{number}", Entry(name.encode(), 60))
            answer = await cache.get(f"{name}{number}")
            assert answer is not None
            found.append(answer.value)
        assert cache._redis is not None
        await cache._redis.close()

    run_really(work("a"))
    threads = [threading.Thread(target=run_really, args=(work(n),)) for n in "bc"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found) == [b"a"] * 20 + [b"b"] * 20 + [b"c"] * 20
    assert last(cache).errors == 0


def test_without_the_package_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The extra is named where redis cannot be imported."""
    real = builtins.__import__

    def no_redis(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("redis"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", no_redis)
    with pytest.raises(InvalidArgumentError, match=r"contexter_nb\[redis\]"):
        APICache(redis_url="redis://localhost")


def test_a_bad_url_is_refused_without_its_password() -> None:
    """The sentence says what a URL looks like, and neither it nor a cause quotes it."""
    with pytest.raises(InvalidArgumentError, match="redis://") as caught:
        APICache(redis_url="http://user:hunter2secret@host")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_password_is_in_no_display(server: RedisServer) -> None:
    """Neither the cache nor its tiers show the URL."""
    cache = APICache(redis_url="redis://user:hunter2secret@localhost")
    assert "hunter2" not in repr(cache) + repr(vars(cache)) + repr(vars(cache._redis))


def test_a_deletion_while_redis_is_away_is_made_good(server: RedisServer) -> None:
    """What could not be deleted is not found when Redis is back."""
    clock = FakeClock()

    async def work(cache: APICache) -> None:
        await cache.set(KEY, Entry(b"v", 600))
        assert cache._redis is not None
        cache._redis._pause_until = clock.instant + PAUSE_SECONDS
        await cache.delete(KEY)
        clock.instant += PAUSE_SECONDS + 0.1
        assert await cache.get(KEY) is None

    using(server, work, clock=clock)


def test_a_long_fetch_keeps_its_lease_in_redis(server: RedisServer) -> None:
    """Renewed again and again: the lease in Redis lasts as long as the fetch."""
    clock = FakeClock()

    async def slow() -> Entry:
        with redis.Redis.from_url(server.url) as client:
            (lease,) = client.scan_iter("*lease*")
            client.pexpire(lease, 500)
            begun = clock.instant
            while clock.instant < begun + 10:
                await asyncio.to_thread(client.ping)
            assert int(client.pttl(lease)) > 5_000  # type: ignore[arg-type]
        return Entry(b"v", 60)

    using(server, lambda cache: cache.get_or_fetch(KEY, slow), clock=clock)


def test_a_stale_answer_is_had_from_redis(server: RedisServer) -> None:
    """Kept past its time, it is given where fetching fails."""
    clock = FakeClock()

    async def fails() -> Entry:
        raise ConnectionError

    async def work(cache: APICache) -> None:
        await cache.set(KEY, Entry(b"v", 60))
        clock.instant += 100
        answer = await cache.get_or_fetch(KEY, fails, stale_on=(ConnectionError,))
        assert (answer.value, answer.tier, answer.stale) == (b"v", "redis", True)
        assert last(cache).stale == 1

    using(server, work, clock=clock)
