"""One fetch for all who miss at once; nobody ends another's, but the last ends it."""

from __future__ import annotations

import asyncio
import threading
import traceback

import pytest

from contexter_nb.core import HTTPError, InvalidArgumentError, RequestTimeoutError
from contexter_nb.policies._cache import APICache
from contexter_nb.policies._cache_entry import Entry, Fetched
from contexter_nb.policies._cache_flight import own_copy
from tests.loops import FakeClock, VirtualClock, run, run_really

KEY = "s/op/1"


class Upstream:
    """Counts what is begun, finished and cancelled; takes a second."""

    def __init__(self, ttl: float = 60.0, error: Exception | None = None) -> None:
        self.ttl = ttl
        self.error = error
        self.begun = self.finished = self.cancelled = 0

    async def __call__(self) -> Entry:
        self.begun += 1
        try:
            await asyncio.sleep(1.0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.finished += 1
        if self.error is not None:
            raise self.error
        return Entry(b"%d" % self.begun, self.ttl, tokens=5, usd=0.25, seconds=1.0)


def test_fifty_misses_at_once_make_one_fetch() -> None:
    """All get the one answer, and what 49 of them saved is counted."""
    upstream = Upstream()

    async def main() -> tuple[list[Fetched], APICache]:
        cache = APICache(clock=VirtualClock())
        calls = [cache.get_or_fetch(KEY, upstream) for _ in range(50)]
        return await asyncio.gather(*calls), cache

    answers, cache = run(main())
    assert upstream.begun == 1
    assert {each.value for each in answers} == {b"1"}
    assert sum(each.coalesced for each in answers) == 49
    (memory,) = cache.stats()
    assert (memory.coalesced, memory.misses, memory.saved_tokens) == (49, 50, 245)


def test_one_after_the_other_is_answered_from_memory() -> None:
    """What was fetched once is found, and says where and what it had cost."""
    upstream = Upstream()

    async def main() -> tuple[Fetched, Fetched]:
        cache = APICache(clock=VirtualClock())
        return await cache.get_or_fetch(KEY, upstream), await cache.get_or_fetch(
            KEY, upstream
        )

    first, second = run(main())
    assert (first.tier, first.coalesced) == (None, False)
    assert (second.tier, second.coalesced, second.tokens) == ("memory", False, 5)


def test_a_cancelled_leader_leaves_the_fetch_to_the_others() -> None:
    """Who came first is cancelled; those who follow get the answer all the same."""
    upstream = Upstream()

    async def main() -> Fetched:
        cache = APICache(clock=VirtualClock())
        leader = asyncio.create_task(cache.get_or_fetch(KEY, upstream))
        await asyncio.sleep(0.1)
        follower = asyncio.create_task(cache.get_or_fetch(KEY, upstream))
        await asyncio.sleep(0.1)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        return await follower

    assert run(main()).value == b"1"
    assert (upstream.begun, upstream.finished, upstream.cancelled) == (1, 1, 0)


def test_with_the_last_caller_the_fetch_is_cancelled() -> None:
    """Nobody is interested any more: the fetch ends before the last caller returns."""
    upstream = Upstream()

    async def main() -> Fetched:
        cache = APICache(clock=VirtualClock())
        calls = [asyncio.create_task(cache.get_or_fetch(KEY, upstream)) for _ in "abc"]
        await asyncio.sleep(0.1)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert (upstream.begun, upstream.cancelled) == (1, 1)
        return await cache.get_or_fetch(KEY, upstream)

    assert run(main()).value == b"2"


def test_a_deadline_of_one_caller_is_not_that_of_the_others() -> None:
    """A caller with little time times out, and the others get their answer."""
    upstream = Upstream()

    async def hasty(cache: APICache) -> None:
        async with asyncio.timeout(0.5):
            await cache.get_or_fetch(KEY, upstream)

    async def main() -> list[object]:
        cache = APICache(clock=VirtualClock())
        calls = hasty(cache), cache.get_or_fetch(KEY, upstream)
        return await asyncio.gather(*calls, return_exceptions=True)

    timed_out, answer = run(main())
    assert isinstance(timed_out, TimeoutError)
    assert isinstance(answer, Fetched)
    assert upstream.begun == 1


def test_an_error_reaches_all_who_wait_each_with_its_own_object() -> None:
    """The same class, text and fields, but no shared traceback, notes or headers."""
    error = HTTPError("down", status_code=503, headers={"a": "1"}, service="s")
    error.add_note("try later")
    upstream = Upstream(error=error)

    async def main() -> list[BaseException | Fetched]:
        cache = APICache(clock=VirtualClock())
        calls = [cache.get_or_fetch(KEY, upstream) for _ in range(5)]
        return await asyncio.gather(*calls, return_exceptions=True)

    caught = run(main())
    assert upstream.begun == 1
    assert len({id(each) for each in caught}) == 5
    for each in caught:
        assert isinstance(each, HTTPError)
        assert (str(each), each.status_code, each.service) == ("down", 503, "s")
        assert each.__notes__ == ["try later"]
        assert "__call__" in "".join(traceback.format_tb(each.__traceback__))
    one, other = caught[:2]
    assert isinstance(one, HTTPError)
    assert isinstance(other, HTTPError)
    one.headers["b"] = "2"
    one.add_note("mine")
    assert other.headers == {"a": "1"}
    assert other.__notes__ == ["try later"]
    depths = {len(traceback.extract_tb(e.__traceback__)) for e in caught if e}  # type: ignore[union-attr]
    assert len(depths) == 1


def test_an_error_of_a_single_caller_is_the_one_raised() -> None:
    """Where nobody else waits, the error is handed on as it is."""
    error = RuntimeError("down")

    async def main() -> None:
        await APICache(clock=VirtualClock()).get_or_fetch(KEY, Upstream(error=error))

    with pytest.raises(RuntimeError) as caught:
        run(main())
    assert caught.value is error


class Picky(Exception):
    """Cannot be made from its `args` alone."""

    def __init__(self, one: str, *, other: str) -> None:
        super().__init__(f"{one} {other}")
        self.other = other


@pytest.mark.parametrize(
    "error",
    [
        Picky("a", other="b"),
        FileNotFoundError(2, "gone", "/x"),
        RequestTimeoutError("slow", phase="connect"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        ExceptionGroup("many", [ValueError("a")]),
        KeyError("k"),
    ],
)
def test_every_kind_of_error_can_be_given_to_many(error: Exception) -> None:
    """A copy has class, text, fields and cause, however the class is made."""
    error.__cause__ = ValueError("why")
    twin = own_copy(error)
    assert twin is not error
    assert type(twin) is type(error)
    assert (str(twin), twin.args, vars(twin)) == (str(error), error.args, vars(error))
    assert twin.__cause__ is error.__cause__


@pytest.mark.parametrize("ttl", [0.0, -5.0])
def test_an_answer_not_to_be_kept_is_handed_out(ttl: float) -> None:
    """Without a time to live it goes to all who wait, and the next one fetches."""
    upstream = Upstream(ttl=ttl)

    async def main() -> list[bytes]:
        cache = APICache(clock=VirtualClock())
        calls = [cache.get_or_fetch(KEY, upstream) for _ in range(3)]
        values = [each.value for each in await asyncio.gather(*calls)]
        assert await cache.get(KEY) is None
        return [*values, (await cache.get_or_fetch(KEY, upstream)).value]

    assert run(main()) == [b"1", b"1", b"1", b"2"]


def test_nothing_to_give_is_nothing_for_all() -> None:
    """A fetch that gives None gives it to all who wait and keeps nothing."""

    async def nothing() -> Entry | None:
        await asyncio.sleep(1.0)
        return None

    async def main() -> list[Fetched | None]:
        cache = APICache(clock=VirtualClock())
        return await asyncio.gather(*(cache.get_or_fetch(KEY, nothing) for _ in "ab"))

    assert run(main()) == [None, None]


def test_an_answer_past_its_time_is_given_where_fetching_fails() -> None:
    """Stale on the errors named and within the bound; otherwise the error is raised."""
    clock = FakeClock()

    async def fails() -> Entry:
        raise ConnectionError("away")

    async def main() -> None:
        cache = APICache(clock=clock, stale_seconds=100)
        await cache.set(KEY, Entry(b"old", 60, tokens=5))
        clock.instant += 70
        assert await cache.get(KEY) is None
        with pytest.raises(ConnectionError):
            await cache.get_or_fetch(KEY, fails)
        with pytest.raises(ConnectionError):
            await cache.get_or_fetch(KEY, fails, stale_on=(ValueError,))
        kept = await cache.get_or_fetch(KEY, fails, stale_on=(OSError,))
        assert (kept.value, kept.stale, kept.tier) == (b"old", True, "memory")
        found = await cache.get(KEY, allow_stale=True)
        assert found is not None
        assert (found.stale, found.age_seconds) == (True, 70)
        (memory,) = cache.stats()
        assert (memory.stale, memory.hits, memory.saved_tokens) == (2, 0, 10)
        clock.instant += 100
        with pytest.raises(ConnectionError):
            await cache.get_or_fetch(KEY, fails, stale_on=(OSError,))

    run(main())


def test_a_cancellation_is_never_met_with_a_stale_answer() -> None:
    """Even where stale_on names every exception, a cancelled caller is cancelled."""

    async def main() -> None:
        cache = APICache(clock=VirtualClock())
        await cache.set(KEY, Entry(b"old", 1))
        await asyncio.sleep(2)
        call = asyncio.create_task(
            cache.get_or_fetch(KEY, Upstream(), stale_on=(BaseException,))
        )
        await asyncio.sleep(0.1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    run(main())


def test_what_was_fetched_before_a_clearing_is_not_kept_after_it() -> None:
    """Cleared while the fetch is under way: handed out, but looked for in vain."""
    upstream = Upstream()

    async def main() -> None:
        cache = APICache(clock=VirtualClock())
        call = asyncio.create_task(cache.get_or_fetch(KEY, upstream))
        await asyncio.sleep(0.5)
        await cache.clear()
        assert (await call).value == b"1"
        assert await cache.get(KEY) is None

    run(main())


def test_two_loops_in_two_threads_make_one_fetch() -> None:
    """The lease among loops makes the second wait for what the first fetches."""
    cache = APICache()
    started, release = threading.Event(), threading.Event()
    begun: list[int] = []
    answers: list[Fetched] = []

    async def fetch() -> Entry:
        begun.append(1)
        started.set()
        await asyncio.to_thread(release.wait, 10)
        return Entry(b"v", 60)

    async def main() -> None:
        answers.append(await cache.get_or_fetch(KEY, fetch))

    threads = [threading.Thread(target=run_really, args=(main(),)) for _ in "ab"]
    threads[0].start()
    assert started.wait(10)
    threads[1].start()
    while cache.stats()[0].misses < 2:
        started.wait(0)
    release.set()
    for thread in threads:
        thread.join(10)
    assert len(begun) == 1
    assert sorted(each.coalesced for each in answers) == [False, True]


def test_a_loop_that_ended_holds_up_nobody() -> None:
    """A fetch left behind on a loop that is gone does not block the next loop."""
    cache = APICache(clock=FakeClock())

    async def main() -> bytes:
        return (await cache.get_or_fetch(KEY, Upstream(ttl=0))).value

    abandoned = asyncio.new_event_loop()
    task = abandoned.create_task(main())
    abandoned.call_later(0.01, abandoned.stop)
    abandoned.run_forever()
    assert run(main()) == b"1"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        abandoned.run_until_complete(task)
    abandoned.close()


def test_a_closed_cache_ends_no_call() -> None:
    """After close lookups miss, nothing is kept, and fetches go through."""

    async def main() -> None:
        cache = APICache(clock=VirtualClock())
        await cache.set(KEY, Entry(b"v", 60))
        await cache.close()
        await cache.close()
        assert await cache.get(KEY) is None
        await cache.set(KEY, Entry(b"v", 60))
        await cache.delete(KEY)
        assert await cache.get_many([KEY]) == {}
        assert await cache.clear() == 0
        assert (await cache.get_or_fetch(KEY, Upstream())).value == b"1"
        assert "closed" in repr(cache)

    run(main())


class Stubborn(Exception):
    """Refuses every way of being made again."""

    made = False

    def __new__(cls, *args: object) -> Stubborn:
        if cls.made:
            raise TypeError("one is enough")
        cls.made = True
        return super().__new__(cls, *args)


def test_an_error_that_cannot_be_copied_is_given_as_it_is() -> None:
    """Better one object for all than another error than the one that happened."""
    error = Stubborn("a")
    assert own_copy(error) is error


@pytest.mark.parametrize(
    "options", [{"max_memory_bytes": -1}, {"max_disk_bytes": -1}, {"stale_seconds": -1}]
)
def test_negative_sizes_and_times_are_refused(options: dict[str, int]) -> None:
    """The sentence names the argument."""
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        APICache(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"order": "warm"}, {"limit": 0}])
def test_an_unknown_order_and_no_limit_are_refused(options: dict[str, object]) -> None:
    """Entries are shown hot or cold, one or more."""
    with pytest.raises(InvalidArgumentError, match="'hot' or 'cold'"):
        run(APICache(clock=VirtualClock()).entries(**options))  # type: ignore[arg-type]


def test_the_hottest_are_shown_without_a_disk_and_nothing_after_closing() -> None:
    """Memory alone answers; a closed cache has no entries but keeps its counts."""

    async def main() -> None:
        cache = APICache(clock=VirtualClock())
        await cache.set(KEY, Entry(b"v", 60))
        await cache.get(KEY)
        assert [each.hits for each in await cache.entries()] == [1]
        await cache.close()
        assert await cache.entries() == []
        (memory,) = await cache.measure()
        assert (memory.hits, memory.entries) == (1, 0)

    run(main())


def test_a_fetch_of_nothing_goes_through_a_closed_cache() -> None:
    """None is handed on there, too."""

    async def nothing() -> Entry | None:
        return None

    async def main() -> Fetched | None:
        cache = APICache(clock=VirtualClock())
        await cache.close()
        return await cache.get_or_fetch(KEY, nothing)

    assert run(main()) is None
