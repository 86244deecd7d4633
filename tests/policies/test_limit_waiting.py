"""The limiter in one process: who is let through, when, and in which order."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from itertools import pairwise

import pytest

from contexter_nb.core import (
    ClientClosedError,
    InvalidArgumentError,
    RateLimitExceededError,
    SystemClock,
)
from contexter_nb.policies._limit import TokenBucketRateLimiter
from contexter_nb.policies._limit_config import RateLimitConfig
from tests.loops import FakeClock, VirtualClock, run, run_really

HUNDRED = RateLimitConfig(requests_per_minute=6_010, burst_size=10)  # 100/s


def limiter_of(config: RateLimitConfig = HUNDRED, **options) -> TokenBucketRateLimiter:
    """Return a limiter on virtual time."""
    return TokenBucketRateLimiter(config, clock=VirtualClock(), **options)


def now() -> float:
    """Return the virtual instant."""
    return asyncio.get_running_loop().time()


def over_admitted(instants: list[float], per_second: float, burst: float) -> int:
    """Return the most that any span of time had beyond rate * span + burst."""
    most = 0.0
    for first in range(len(instants)):
        for last in range(first, len(instants)):
            span = instants[last] - instants[first]
            most = max(most, last - first + 1 - burst - per_second * span)
    return round(most)


def test_two_hundred_waiters_are_served_in_order_and_on_time() -> None:
    """The last of 200 at 100 a second, 10 at once, goes at 1.90 s, all in order."""

    async def main() -> None:
        limiter, order, started = limiter_of(), [], now()

        async def one(number: int) -> None:
            await limiter.acquire()
            order.append((number, now() - started))

        await asyncio.gather(*(one(number) for number in range(200)))
        assert [number for number, _ in order] == list(range(200))
        assert order[-1][1] == pytest.approx(1.9, rel=0.01)
        assert over_admitted([at for _, at in order], 100, 10) == 0

    run(main())


def test_more_than_the_burst_waits_instead_of_being_refused() -> None:
    """Ten calls through a limit of one a second take as long as the limit says."""

    async def main() -> None:
        limiter = limiter_of(RateLimitConfig(requests_per_minute=61, burst_size=1))
        started = now()
        for _ in range(10):
            await limiter.acquire()
        assert now() - started == pytest.approx(9)

    run(main())


def test_a_heavy_call_is_not_starved_by_light_ones() -> None:
    """A call of weight 8 waits for those before it, not for those after it."""

    async def main() -> None:
        limiter, stop = limiter_of(), False

        async def light() -> None:
            while not stop:
                await limiter.acquire()

        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(light())
            await asyncio.sleep(0.5)
            grant = await limiter.acquire({"requests": 8})
            stop = True
        assert grant.waited_seconds == pytest.approx(0.28, abs=0.02)

    run(main())


def test_a_newcomer_does_not_overtake() -> None:
    """A light call that comes while a heavy one waits goes after it."""

    async def main() -> None:
        limiter, order = limiter_of(), []

        async def one(name: str, weight: float) -> None:
            await limiter.acquire({"requests": weight})
            order.append(name)

        await limiter.acquire({"requests": 8})
        heavy = asyncio.create_task(one("heavy", 10))
        await asyncio.sleep(0.01)
        assert limiter.try_acquire() is None
        await one("light", 1)
        await heavy
        assert order == ["heavy", "light"]

    run(main())


def test_no_minute_passes_the_limit() -> None:
    """However calls come, no window of 60 s holds more than the limit."""

    async def main() -> None:
        config = RateLimitConfig(requests_per_minute=60, tokens_per_minute=6_000)
        limiter, chance = limiter_of(config), random.Random(7)
        sent: list[tuple[float, float]] = []
        while now() < 1_000 + 1_800:
            cost = chance.randint(1, 600)
            await limiter.acquire({"tokens": cost})
            sent.append((now(), cost))
            if chance.random() < 0.05:
                await asyncio.sleep(chance.uniform(0, 120))
        for start, _ in sent:
            window = [cost for at, cost in sent if start <= at <= start + 60]
            assert len(window) <= 60
            assert sum(window) <= 6_000.01

    run(main())


def test_the_default_burst_is_a_small_part_of_the_limit() -> None:
    """Sixty a minute admits six at once, and the seventh waits."""

    async def main() -> None:
        limiter = limiter_of(RateLimitConfig(requests_per_minute=60))
        grants = [limiter.try_acquire() for _ in range(7)]
        assert [grant is not None for grant in grants] == [True] * 6 + [False]

    run(main())


@pytest.mark.parametrize("limit", [0.5, 1, 1.5, 2])
def test_the_lowest_limits_let_one_through_at_a_time(limit: float) -> None:
    """Below two a minute the calls are a minute apart or more, and none is stuck."""

    async def main() -> None:
        limiter, instants = limiter_of(RateLimitConfig(requests_per_minute=limit)), []
        for _ in range(4):
            await limiter.acquire()
            instants.append(now())
        gaps = [later - earlier for earlier, later in pairwise(instants)]
        assert gaps == pytest.approx([60 / min(limit, 1)] * 3)

    run(main())


def test_requests_and_tokens_are_paid_together() -> None:
    """A call that waits for tokens has not taken a request meanwhile."""

    async def main() -> None:
        config = RateLimitConfig(
            requests_per_minute=70,
            burst_size=10,
            tokens_per_minute=700,
            burst_tokens=100,
        )
        limiter = limiter_of(config)
        await limiter.acquire({"tokens": 100})
        waiting = asyncio.create_task(limiter.acquire({"tokens": 50}))
        await asyncio.sleep(1)
        dimensions = limiter.get_status().dimensions
        assert dimensions["requests"].available == 10
        assert dimensions["tokens"].available == pytest.approx(10)
        grant = await waiting
        assert grant.waited_seconds == pytest.approx(5)

    run(main())


def test_one_key_never_waits_behind_another() -> None:
    """Key B goes at once while key A has a long queue."""

    async def main() -> None:
        config = RateLimitConfig(requests_per_minute=60, per_key_limit=True)
        limiter = limiter_of(config)
        queue = [asyncio.create_task(limiter.acquire(key="A")) for _ in range(30)]
        await asyncio.sleep(0)
        grant = await limiter.acquire(key="B")
        assert grant.waited_seconds == 0
        assert limiter.get_status("A").waiting == 24
        assert limiter.get_status().waiting == 24
        await asyncio.gather(*queue)

    run(main())


def test_a_limit_a_key_demands_a_key() -> None:
    """A call that names no key does not use a silent common bucket."""

    async def main() -> None:
        limiter = limiter_of(RateLimitConfig(per_key_limit=True))
        for key in (None, ""):
            with pytest.raises(InvalidArgumentError, match="give key="):
                await limiter.acquire(key=key)
            with pytest.raises(InvalidArgumentError, match="give key="):
                limiter.try_acquire(key=key)
        assert limiter.keys() == ()

    run(main())


def test_without_a_limit_a_key_all_share_one() -> None:
    """Where keys have no limit of their own, naming one makes no bucket."""

    async def main() -> None:
        limiter = limiter_of(RateLimitConfig(requests_per_minute=60))
        for number in range(6):
            assert limiter.try_acquire(key=str(number))
        assert limiter.try_acquire(key="another") is None

    run(main())


def test_what_can_never_be_admitted_is_refused_at_once() -> None:
    """A cost above the burst is an error that says what the burst is."""

    async def main() -> None:
        limiter = limiter_of()
        with pytest.raises(InvalidArgumentError, match="at most 10 .* burst_size"):
            await limiter.acquire({"requests": 11})
        with pytest.raises(InvalidArgumentError, match="never be admitted"):
            limiter.try_acquire({"requests": 11})

    run(main())


def test_a_wait_that_is_too_long_is_refused_at_once_and_pays_nothing() -> None:
    """The error comes without waiting and tells when there will be room."""

    async def main() -> None:
        limiter = limiter_of(name="voyage")
        waiting = [asyncio.create_task(limiter.acquire()) for _ in range(60)]
        await asyncio.sleep(0)
        started = now()
        with pytest.raises(RateLimitExceededError) as caught:
            await limiter.acquire(max_wait_seconds=0.3)
        assert now() == started
        assert caught.value.retry_after_seconds == pytest.approx(0.51)
        assert caught.value.service == "voyage"
        grant = await limiter.acquire(max_wait_seconds=0.52)
        assert grant.waited_seconds == pytest.approx(0.51)
        assert limiter.get_status().refused == 1
        await asyncio.gather(*waiting)

    run(main())


def test_the_configured_bound_of_waiting_holds_beside_the_calls() -> None:
    """The smaller of the two bounds decides."""

    async def main() -> None:
        config = RateLimitConfig(
            requests_per_minute=61, burst_size=1, max_wait_seconds=0.5
        )
        limiter = limiter_of(config)
        await limiter.acquire()
        for own in (None, 10, 0):
            with pytest.raises(RateLimitExceededError):
                await limiter.acquire(max_wait_seconds=own)
        with pytest.raises(InvalidArgumentError, match="max_wait_seconds"):
            await limiter.acquire(max_wait_seconds=-1)

    run(main())


def test_cancelled_waiters_pay_nothing_and_block_nobody() -> None:
    """Of 100 waiters every second is cancelled; the others go as if alone."""

    async def main() -> None:
        limiter, started, done = limiter_of(), now(), []

        async def one(number: int) -> None:
            await limiter.acquire()
            done.append((number, now() - started))

        tasks = [asyncio.create_task(one(number)) for number in range(100)]
        await asyncio.sleep(0)
        for task in tasks[10::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(done) == 55
        assert done == sorted(done)
        assert done[-1][1] == pytest.approx(0.45, rel=0.01)
        status = limiter.get_status()
        assert (status.waiting, status.granted) == (0, 55)

    run(main())


def test_the_head_of_the_line_being_cancelled_wakes_the_next() -> None:
    """A light call behind a heavy one goes at once when the heavy one gives up."""

    async def main() -> None:
        limiter = limiter_of()
        await limiter.acquire({"requests": 8})
        heavy = asyncio.create_task(limiter.acquire({"requests": 10}))
        await asyncio.sleep(0)
        light = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0.01)
        heavy.cancel()
        started = now()
        await light
        assert now() == started

    run(main())


def test_what_was_granted_to_a_cancelled_call_is_given_back() -> None:
    """A call cancelled in the moment it was granted leaves the bucket as it was."""

    async def main() -> None:
        limiter = limiter_of()
        first = await limiter.acquire({"requests": 10})
        waiting = asyncio.create_task(limiter.acquire({"requests": 5}))
        await asyncio.sleep(0)
        first.give_back()  # grants to the one waiting, which has not run yet
        assert limiter.get_status().dimensions["requests"].available == 5
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        status = limiter.get_status()
        assert status.dimensions["requests"].available == 10
        assert (status.granted, status.waiting) == (1, 0)

    run(main())


def test_giving_back_twice_gives_back_once() -> None:
    """A grant that is void credits nothing more."""

    async def main() -> None:
        limiter = limiter_of()
        await limiter.acquire({"requests": 5})
        grant = await limiter.acquire({"requests": 2})
        grant.give_back()
        grant.give_back()
        assert limiter.get_status().dimensions["requests"].available == 5

    run(main())


def test_settling_charges_what_was_used() -> None:
    """More than estimated is owed and delays the next; less lets it go sooner."""

    async def main() -> None:
        config = RateLimitConfig(
            requests_per_minute=None, tokens_per_minute=700, burst_tokens=100
        )
        limiter = limiter_of(config)
        grant = await limiter.acquire({"tokens": 50})
        grant.settle({"tokens": 150})
        assert limiter.get_status().dimensions["tokens"].available == -50
        waiting = asyncio.create_task(limiter.acquire({"tokens": 10}))
        await asyncio.sleep(1)
        grant.settle({"tokens": 50})  # the true number came later still
        assert (await waiting).waited_seconds == pytest.approx(1)
        grant.settle({})
        with pytest.raises(InvalidArgumentError, match="no dimension 'token'"):
            grant.settle({"token": 3})

    run(main())


def test_a_debt_is_bounded_by_a_minutes_limit() -> None:
    """A usage beyond all measure delays by two minutes at most, not for ever."""

    async def main() -> None:
        config = RateLimitConfig(
            requests_per_minute=None, tokens_per_minute=700, burst_tokens=100
        )
        limiter = limiter_of(config)
        (await limiter.acquire({"tokens": 1})).settle({"tokens": 10**12})
        assert (await limiter.acquire({"tokens": 1})).waited_seconds < 120

    run(main())


def test_a_pause_holds_everybody_and_the_longest_wins() -> None:
    """After a 429 nobody goes before the longest pause asked for is over."""

    async def main() -> None:
        limiter, started = limiter_of(), now()
        limiter.pause(30)
        limiter.pause(5)
        assert limiter.get_status().paused_seconds == pytest.approx(30)
        assert limiter.try_acquire() is None
        await asyncio.gather(*(limiter.acquire() for _ in range(10)))
        assert now() - started == pytest.approx(30)

    run(main())


def test_a_pause_holds_those_who_wait_already() -> None:
    """A pause that comes while calls wait moves them, too."""

    async def main() -> None:
        limiter, started = limiter_of(), now()
        await limiter.acquire({"requests": 10})
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        limiter.pause(2)
        await waiting
        assert now() - started == pytest.approx(2)

    run(main())


def test_a_pause_is_bounded() -> None:
    """Whatever a server asks for, an hour is the most; nonsense is refused."""

    async def main() -> None:
        limiter = limiter_of()
        limiter.pause(-5)
        limiter.pause(0)
        assert limiter.get_status().paused_seconds == 0
        with pytest.raises(InvalidArgumentError, match="pause"):
            limiter.pause(float("nan"))
        limiter.pause(float("inf"))
        assert limiter.get_status().paused_seconds == 3600

    run(main())


def test_a_pause_of_a_key_leaves_the_others_and_one_of_all_does_not() -> None:
    """A pause without a key holds keys that are not known yet, too."""

    async def main() -> None:
        limiter = limiter_of(RateLimitConfig(per_key_limit=True))
        limiter.pause(10, key="A")
        assert limiter.try_acquire(key="A") is None
        assert limiter.try_acquire(key="B")
        limiter.pause(20)
        assert limiter.try_acquire(key="B") is None
        assert limiter.try_acquire(key="new") is None
        assert limiter.get_status("A").paused_seconds == pytest.approx(20)

    run(main())


def test_ten_thousand_keys_are_bounded() -> None:
    """No more keys are kept than asked for, those used last."""

    async def main() -> None:
        config = RateLimitConfig(per_key_limit=True, max_keys=100)
        limiter = limiter_of(config)
        for number in range(10_000):
            await limiter.acquire(key=str(number))
        assert limiter.keys() == tuple(str(n) for n in range(9_900, 10_000))
        assert limiter.get_status().granted == 10_000
        assert limiter.get_status().keys == 100

    run(main())


def test_a_key_that_is_forgotten_gets_no_second_burst() -> None:
    """A used bucket that had to be dropped does not come back full."""

    async def main() -> None:
        config = RateLimitConfig(per_key_limit=True, max_keys=2)
        limiter = limiter_of(config)
        await limiter.acquire({"requests": 6}, key="A")
        for key in ("B", "C"):
            limiter.try_acquire(key=key)
        assert limiter.keys() == ("B", "C")
        assert limiter.try_acquire({"requests": 6}, key="A") is None

    run(main())


def test_a_full_bucket_is_dropped_before_a_used_one() -> None:
    """Of the longest unused keys, one that equals a new key goes first."""

    async def main() -> None:
        config = RateLimitConfig(per_key_limit=True, max_keys=2)
        limiter = limiter_of(config)
        await limiter.acquire({"requests": 6}, key="used")
        (await limiter.acquire(key="full")).give_back()
        await limiter.acquire(key="new")
        assert limiter.keys() == ("used", "new")
        assert limiter.get_status("other").dimensions["requests"].available == 6

    run(main())


def test_keys_that_wait_are_not_dropped() -> None:
    """A key somebody waits for stays, and its waiter is served."""

    async def main() -> None:
        config = RateLimitConfig(per_key_limit=True, max_keys=1)
        limiter = limiter_of(config)
        await limiter.acquire({"requests": 6}, key="A")
        waiting = asyncio.create_task(limiter.acquire(key="A"))
        await asyncio.sleep(0)
        await limiter.acquire(key="B")
        assert limiter.keys() == ("A", "B")
        await waiting

    run(main())


def test_a_step_of_the_wall_clock_changes_nothing() -> None:
    """Set an hour back, the machine's date delays nobody."""
    clock = FakeClock()
    limiter = TokenBucketRateLimiter(HUNDRED, clock=clock)
    for _ in range(10):
        assert limiter.try_acquire()
    clock.wall_step_seconds = -3600
    clock.instant += 0.1
    assert limiter.get_status().dimensions["requests"].available == pytest.approx(10)


def test_an_instant_that_lies_back_takes_nothing() -> None:
    """Even a monotonic clock that jumped back leaves the bucket and goes on."""
    clock = FakeClock()
    limiter = TokenBucketRateLimiter(HUNDRED, clock=clock)
    for _ in range(10):
        assert limiter.try_acquire()
    clock.instant -= 500
    assert limiter.try_acquire() is None
    clock.instant += 0.05
    assert limiter.get_status().dimensions["requests"].available == pytest.approx(5)


def test_status_is_fresh_and_makes_nothing() -> None:
    """What is available is refilled to now; asking for an unknown key adds none."""
    clock = FakeClock()
    config = RateLimitConfig(requests_per_minute=60, per_key_limit=True)
    limiter = TokenBucketRateLimiter(config, name="service", clock=clock)
    limiter.try_acquire({"requests": 6}, key="A")
    clock.instant += 2
    status = limiter.get_status("A")
    assert status.name == "service"
    assert status.key == "A"
    assert status.dimensions["requests"].available == pytest.approx(1.8)
    assert status.dimensions["requests"].capacity == 6
    assert status.dimensions["requests"].limit_per_minute == 60
    assert status.dimensions["requests"].refill_per_second == pytest.approx(0.9)
    assert status.shared == "not shared"
    unknown = limiter.get_status("B")
    assert unknown.dimensions["requests"].available == 6
    assert (unknown.granted, limiter.keys()) == (0, ("A",))


def test_waited_seconds_add_up() -> None:
    """The status tells how long all calls have waited together."""

    async def main() -> None:
        limiter = limiter_of()
        await asyncio.gather(*(limiter.acquire() for _ in range(13)))
        status = limiter.get_status()
        assert status.granted == 13
        assert status.waited_seconds == pytest.approx(0.01 + 0.02 + 0.03)

    run(main())


def test_no_limit_lets_everything_through() -> None:
    """With neither limit set nothing waits, whatever it costs."""

    async def main() -> None:
        limiter = limiter_of(RateLimitConfig(requests_per_minute=None))
        for _ in range(1_000):
            await limiter.acquire({"tokens": 10**9})
        limiter.pause(3)
        assert (await limiter.acquire()).waited_seconds == pytest.approx(3)

    run(main())


def test_closing_refuses_newcomers_and_those_who_wait() -> None:
    """Nobody hangs on a limiter that was closed."""

    async def main() -> None:
        limiter = limiter_of(name="voyage")
        await limiter.acquire({"requests": 10})
        waiting = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        await limiter.close()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in ended] == [ClientClosedError] * 3
        with pytest.raises(ClientClosedError, match="voyage"):
            await limiter.acquire()
        with pytest.raises(ClientClosedError):
            limiter.try_acquire()

    run(main())


def test_a_clock_that_fails_is_told_to_the_caller() -> None:
    """An error of the timer reaches the one who waits, and the next goes on."""

    class Broken(VirtualClock):
        broken = True

        async def sleep(self, seconds: float) -> None:
            if self.broken:
                raise OSError("no timer")
            await super().sleep(seconds)

    async def main() -> None:
        clock = Broken()
        limiter = TokenBucketRateLimiter(HUNDRED, clock=clock)
        await limiter.acquire({"requests": 10})
        with pytest.raises(OSError, match="no timer"):
            await limiter.acquire()
        clock.broken = False
        await limiter.acquire()

    run(main())


def test_two_loops_in_two_threads_share_one_limit() -> None:
    """Calls from two loops at once keep to the limit together, and all go through."""
    limiter = TokenBucketRateLimiter(HUNDRED)
    instants: list[float] = []

    async def many() -> None:
        async def one() -> None:
            await limiter.acquire()
            instants.append(time.monotonic())

        await asyncio.gather(*(one() for _ in range(40)))

    threads = [threading.Thread(target=run_really, args=(many(),)) for _ in range(2)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(instants) == 80
    assert limiter.get_status().granted == 80
    assert 0.69 <= max(instants) - started < 5


def test_a_blocked_loop_does_not_hold_up_another() -> None:
    """Behind a waiter whose loop is blocked, one on another loop still goes."""
    limiter = TokenBucketRateLimiter(HUNDRED)
    for _ in range(10):
        limiter.try_acquire()
    in_line, release = threading.Event(), threading.Event()

    async def blocked() -> None:
        task = asyncio.create_task(limiter.acquire())
        await SystemClock().sleep(0)
        in_line.set()
        assert release.wait(20)  # nothing runs on this loop meanwhile
        await task

    thread = threading.Thread(target=run_really, args=(blocked(),))
    thread.start()
    assert in_line.wait(20)

    async def other() -> None:
        async with asyncio.timeout(10):
            await limiter.acquire()

    run_really(other())
    assert thread.is_alive()
    release.set()
    thread.join(20)
    assert limiter.get_status().granted == 12


def test_a_loop_that_ended_leaves_nobody_in_the_line() -> None:
    """A waiter whose loop was closed under it does not hold up those behind it."""
    limiter = TokenBucketRateLimiter(HUNDRED)
    for _ in range(10):
        limiter.try_acquire()
    loop = asyncio.new_event_loop()
    waiting = limiter.acquire({"requests": 10})

    async def begin() -> None:
        waiting.send(None)

    loop.run_until_complete(begin())
    timers = asyncio.all_tasks(loop)
    for timer in timers:
        timer.cancel()
    loop.run_until_complete(asyncio.gather(*timers, return_exceptions=True))
    loop.close()

    async def other() -> float:
        async with asyncio.timeout(10):
            return (await limiter.acquire()).waited_seconds

    assert run_really(other()) < 5
    waiting.close()
    assert limiter.get_status().waiting == 0
