"""Never more at once than the limit, in order of arrival, whoever is cancelled."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import weakref
from random import Random

import pytest

from contexter_nb.core import InvalidArgumentError, PoolExhaustedError
from contexter_nb.policies._bulkhead import Bulkhead
from tests.loops import VirtualLoop, run, run_really


async def settle() -> None:
    """Let every task that is ready take its turns."""
    for _ in range(5):
        await asyncio.sleep(0)


async def is_free(bulkhead: Bulkhead, places: int) -> None:
    """Check that just so many places are free and nobody waits."""
    assert (bulkhead.in_use, bulkhead.waiting) == (bulkhead.limit - places, 0)
    for _ in range(places):
        await bulkhead.acquire(0)
    with pytest.raises(PoolExhaustedError):
        await bulkhead.acquire(0)
    for _ in range(places):
        bulkhead.release()


def test_no_more_than_the_limit_at_once_and_all_in_the_end() -> None:
    """Of 40 calls through 4 places never more than 4 run, and none is forgotten."""

    async def main() -> None:
        bulkhead, inside, most = Bulkhead(4), 0, 0

        async def call() -> None:
            nonlocal inside, most
            async with bulkhead as entered:
                assert entered is bulkhead
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(1)
                inside -= 1

        started = asyncio.get_running_loop().time()
        await asyncio.gather(*(call() for _ in range(40)))
        assert most == 4
        assert asyncio.get_running_loop().time() - started == pytest.approx(10)
        await is_free(bulkhead, 4)

    run(main())


def test_places_are_given_in_order_of_arrival() -> None:
    """A newcomer cannot overtake those who wait, not even at the moment of release."""

    async def main() -> None:
        bulkhead, order = Bulkhead(1), list[int]()

        async def call(number: int) -> None:
            await bulkhead.acquire()
            order.append(number)
            bulkhead.release()

        await bulkhead.acquire()
        tasks = [asyncio.ensure_future(call(number)) for number in range(20)]
        await settle()
        assert (bulkhead.in_use, bulkhead.waiting) == (1, 20)
        assert repr(bulkhead) == "<Bulkhead 1 of 1, 20 waiting>"
        bulkhead.release()
        with pytest.raises(PoolExhaustedError):
            await bulkhead.acquire(0)
        await asyncio.gather(*tasks)
        assert order == list(range(20))
        await is_free(bulkhead, 1)

    run(main())


def test_a_wait_ends_when_its_time_is_up() -> None:
    """Too long a wait is an error of its own, after that time and not before."""

    async def main() -> None:
        bulkhead, loop = Bulkhead(1), asyncio.get_running_loop()
        await bulkhead.acquire()
        started = loop.time()
        with pytest.raises(PoolExhaustedError, match=r"All 1 .* for 2\.5 s"):
            await bulkhead.acquire(2.5)
        assert loop.time() - started == pytest.approx(2.5)
        for none in (0, -1, math.nan):
            with pytest.raises(PoolExhaustedError, match=r"in use;"):
                await bulkhead.acquire(none)
        assert loop.time() - started == pytest.approx(2.5)
        loop.call_later(1, bulkhead.release)
        await bulkhead.acquire(2.5)
        assert loop.time() - started == pytest.approx(3.5)
        bulkhead.release()
        await is_free(bulkhead, 1)

    run(main())


def test_a_place_that_comes_with_the_end_of_the_wait_is_not_lost() -> None:
    """Release and time-out in one turn of the loop: the place goes to one of two."""

    async def main() -> None:
        loop, failures = asyncio.get_running_loop(), list[object]()
        loop.set_exception_handler(lambda _, context: failures.append(context))
        for first in ("release", "wait"):
            bulkhead = Bulkhead(1)
            await bulkhead.acquire()
            if first == "release":
                loop.call_later(1, bulkhead.release)
            waiting = asyncio.ensure_future(bulkhead.acquire(1))
            await asyncio.sleep(0)
            if first == "wait":
                loop.call_later(1, bulkhead.release)
            await asyncio.wait([waiting])
            await settle()
            if waiting.exception() is None:
                bulkhead.release()
            await is_free(bulkhead, 1)
        assert failures == []

    run(main())


def test_whoever_is_cancelled_while_waiting_leaves_the_queue() -> None:
    """The place goes to the next who still wants it."""

    async def main() -> None:
        bulkhead = Bulkhead(1)
        await bulkhead.acquire()
        first = asyncio.ensure_future(bulkhead.acquire())
        second = asyncio.ensure_future(bulkhead.acquire())
        await settle()
        first.cancel()
        bulkhead.release()
        await second
        assert first.cancelled()
        bulkhead.release()
        await is_free(bulkhead, 1)

    run(main())


def test_a_place_just_handed_to_a_cancelled_waiter_is_passed_on() -> None:
    """Handed over and cancelled before its next turn: the next in line gets it."""

    async def main() -> None:
        bulkhead = Bulkhead(1)
        await bulkhead.acquire()
        first = asyncio.ensure_future(bulkhead.acquire())
        second = asyncio.ensure_future(bulkhead.acquire(10))
        await settle()
        bulkhead.release()
        first.cancel()
        await second
        assert first.cancelled()
        assert bulkhead.in_use == 1
        bulkhead.release()
        await is_free(bulkhead, 1)

    run(main())


def test_a_wait_that_was_too_long_and_cancelled_gives_nothing_back() -> None:
    """Out of time and cancelled in one turn, it had no place to pass on."""

    async def main() -> None:
        bulkhead, loop = Bulkhead(1), asyncio.get_running_loop()
        await bulkhead.acquire()
        waiting = asyncio.ensure_future(bulkhead.acquire(1))
        await asyncio.sleep(0)
        loop.call_later(1, waiting.cancel)
        await asyncio.wait([waiting])
        assert bulkhead.in_use == 1
        bulkhead.release()
        await is_free(bulkhead, 1)

    run(main())


@pytest.mark.parametrize("seed", range(20))
def test_a_storm_of_cancellations_leaves_the_count_exact(seed: int) -> None:
    """Cancelled at any await, waiting, working or in between: all places are free."""

    async def main() -> None:
        rng = Random(seed)
        bulkhead = Bulkhead(rng.randint(1, 5))
        inside, entered = 0, 0

        async def call() -> None:
            nonlocal inside, entered
            wait = rng.choice([None, None, 0.0, 0.1, 0.5])
            await bulkhead.acquire(wait)
            try:
                inside += 1
                entered += 1
                assert inside <= bulkhead.limit
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(rng.choice([0, 0, 0.1, 0.2]))
            finally:
                inside -= 1
                bulkhead.release()

        tasks = []
        for _ in range(300):
            tasks.append(asyncio.ensure_future(call()))
            for _ in range(rng.randrange(3)):
                rng.choice(tasks[-12:]).cancel()
            await asyncio.sleep(rng.choice([0, 0, 0, 0.05, 0.1]))
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        allowed = (asyncio.CancelledError, PoolExhaustedError, type(None))
        assert all(isinstance(end, allowed) for end in ends)
        assert entered > 30
        assert any(isinstance(end, asyncio.CancelledError) for end in ends)
        await is_free(bulkhead, bulkhead.limit)

    run(main())


def test_a_wait_that_is_over_leaves_no_timer() -> None:
    """Whoever got a place or was cancelled is not held for the rest of their time."""

    async def main() -> None:
        bulkhead, loop = Bulkhead(1), asyncio.get_running_loop()
        await bulkhead.acquire()
        served = asyncio.ensure_future(bulkhead.acquire(3600))
        cancelled = asyncio.ensure_future(bulkhead.acquire(3600))
        await settle()
        cancelled.cancel()
        bulkhead.release()
        await asyncio.wait([served, cancelled])
        timers = loop._scheduled  # type: ignore[attr-defined]
        assert [timer for timer in timers if not timer.cancelled()] == []

    run(main())


def test_cancelled_waiters_take_no_room() -> None:
    """Ten thousand who gave up while one place is held leave nothing behind."""

    async def main() -> None:
        bulkhead = Bulkhead(1)
        await bulkhead.acquire()
        tasks = [asyncio.ensure_future(bulkhead.acquire(1)) for _ in range(10_000)]
        await asyncio.wait(tasks)
        assert all(task.exception() for task in tasks)
        assert bulkhead.waiting == 0
        bulkhead.release()
        await is_free(bulkhead, 1)

    run(main())


def test_two_loops_in_two_threads_have_places_of_their_own() -> None:
    """Each loop fills its own places at the same time, and none wakes the other's."""
    bulkhead = Bulkhead(3)
    gate = threading.Barrier(2, timeout=20)
    failures: list[BaseException] = []

    async def main() -> None:
        inside, most = 0, 0

        async def call(number: int) -> None:
            nonlocal inside, most
            async with bulkhead:
                inside += 1
                most = max(most, inside)
                for _ in range(number % 5):
                    await asyncio.sleep(0)
                inside -= 1

        for _ in range(3):
            await bulkhead.acquire(0)
        gate.wait()
        assert bulkhead.in_use == 6
        gate.wait()
        for _ in range(3):
            bulkhead.release()
        await asyncio.gather(*(call(number) for number in range(2_000)))
        assert most == 3

    def work() -> None:
        try:
            run_really(main())
        except BaseException as exc:
            failures.append(exc)
            gate.abort()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    gc.collect()
    assert (bulkhead.in_use, bulkhead.waiting) == (0, 0)


def test_one_bulkhead_serves_one_loop_after_another() -> None:
    """Nothing of it is bound to the loop of its first use."""
    bulkhead = Bulkhead(2)

    async def main() -> None:
        async with bulkhead, bulkhead:
            with pytest.raises(PoolExhaustedError):
                await bulkhead.acquire(0.01)

    for _ in range(3):
        run(main())


def test_a_dead_loop_leaves_nothing() -> None:
    """A loop that died with its place taken is collected, and its places with it."""
    bulkhead = Bulkhead(1)

    async def main() -> weakref.ref[asyncio.AbstractEventLoop]:
        await bulkhead.acquire()
        return weakref.ref(asyncio.get_running_loop())

    gone = run(main())
    gc.collect()
    assert gone() is None
    assert bulkhead.in_use == 0


def test_waiters_of_a_closed_loop_do_not_keep_it() -> None:
    """Where a loop was closed under its waiters, the next loop's first call clears."""
    bulkhead = Bulkhead(1)
    loop = VirtualLoop()
    waiting = loop.create_task(bulkhead.acquire())
    loop.run_until_complete(waiting)
    stuck = loop.create_task(bulkhead.acquire())
    loop.run_until_complete(settle())
    assert bulkhead.waiting == 1
    loop.close()
    gone = weakref.ref(loop)

    async def main() -> None:
        await bulkhead.acquire(0)
        assert (bulkhead.in_use, bulkhead.waiting) == (1, 0)

    run(main())
    coroutine = stuck.get_coro()
    assert coroutine is not None
    coroutine.close()  # as the interpreter does when it collects the task
    stuck._log_destroy_pending = False  # type: ignore[attr-defined]
    del loop, waiting, stuck, coroutine
    gc.collect()
    assert gone() is None


def test_giving_back_too_often_is_told() -> None:
    """A place that was not taken on this loop cannot be given back."""

    async def main() -> None:
        bulkhead = Bulkhead(1)
        with pytest.raises(InvalidArgumentError, match="more places"):
            bulkhead.release()
        async with bulkhead:
            pass
        with pytest.raises(InvalidArgumentError, match="more places"):
            bulkhead.release()

    run(main())


def test_after_the_loop_has_stopped_there_is_nothing_to_give_back() -> None:
    """A coroutine that is closed with its loop leaves without an error."""
    bulkhead = Bulkhead(1)

    async def hold() -> None:
        async with bulkhead:
            await asyncio.sleep(0)

    held = hold()
    loop = VirtualLoop()

    async def begin() -> None:
        held.send(None)

    loop.run_until_complete(begin())
    loop.close()
    held.close()


@pytest.mark.parametrize("limit", [0, -1])
def test_a_bulkhead_without_places_is_refused(limit: int) -> None:
    """With no place nothing could ever be sent."""
    with pytest.raises(InvalidArgumentError, match="limit"):
        Bulkhead(limit)
