"""The limiter against an exact model, whatever calls come, wait and give up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contexter_nb.policies._limit import TokenBucketRateLimiter
from contexter_nb.policies._limit_config import RateLimitConfig
from tests.loops import VirtualClock, VirtualLoop

CAPACITY = (Fraction(4), Fraction(20))
PER_SECOND = (Fraction(1), Fraction(8))
CONFIG = RateLimitConfig(
    requests_per_minute=64, burst_size=4, tokens_per_minute=500, burst_tokens=20
)
SLACK = 1e-3


@dataclass(eq=False)
class Call:
    """One call as the model sees it."""

    cost: tuple[int, int]
    task: asyncio.Task[None] | None = None
    granted_at: float | None = None


class LoopClock(VirtualClock):
    """A clock that can be asked outside of its loop, too."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def now(self) -> float:
        return self._loop.time()


class LimiterMachine(RuleBasedStateMachine):
    """Events lie on eighths of a second; the model counts in exact fractions."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.limiter = TokenBucketRateLimiter(CONFIG, clock=LoopClock(self.loop))
        self.now = Fraction(1_000)
        self.levels = list(CAPACITY)
        self.paused_until = Fraction(0)
        self.queue: list[Call] = []
        self.expected: list[tuple[Call, Fraction]] = []
        self.seen: list[Call] = []

    def _run(self, seconds: Fraction = Fraction(0)) -> None:
        async def turns() -> None:
            if seconds:
                # One moment later than the events that fall on the same instant.
                end = 1_000 + float(self.now - 1_000) + 1e-4
                await asyncio.sleep(max(0.0, end - self.loop.time()))
            for _ in range(12):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())

    def _refill(self, seconds: Fraction) -> None:
        self.levels = [
            min(full, level + seconds * rate)
            for level, full, rate in zip(self.levels, CAPACITY, PER_SECOND, strict=True)
        ]

    def _serve(self) -> None:
        while self.queue and self._wait() == 0:
            call = self.queue.pop(0)
            self.levels = [
                level - amount
                for level, amount in zip(self.levels, call.cost, strict=True)
            ]
            self.expected.append((call, self.now))

    def _wait(self) -> Fraction:
        waits = [max(Fraction(0), self.paused_until - self.now)]
        for at, amount in enumerate(self.queue[0].cost):
            if amount:
                waits.append(
                    max(Fraction(0), amount - self.levels[at]) / PER_SECOND[at]
                )
        return max(waits)

    @rule(requests=st.integers(0, 4), tokens=st.integers(0, 20))
    def call(self, requests: int, tokens: int) -> None:
        call = Call((requests, tokens))

        async def one() -> None:
            await self.limiter.acquire({"requests": requests, "tokens": tokens})
            call.granted_at = self.loop.time()
            self.seen.append(call)

        call.task = self.loop.create_task(one())
        self.queue.append(call)
        self._run()
        self._serve()

    @rule(eighths=st.integers(1, 80))
    def pass_time(self, eighths: int) -> None:
        end = self.now + Fraction(eighths, 8)
        while self.queue and self.now + self._wait() <= end:
            wait = self._wait()
            self._refill(wait)
            self.now += wait
            self._serve()
        self._refill(end - self.now)
        self.now = end
        self._run(Fraction(eighths, 8))

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        call = self.queue.pop(data.draw(st.integers(0, len(self.queue) - 1)))
        assert call.task is not None
        call.task.cancel()
        self._serve()
        self._run()

    @rule(eighths=st.integers(1, 24))
    def pause(self, eighths: int) -> None:
        until = self.now + Fraction(eighths, 8)
        self.paused_until = max(self.paused_until, until)
        self.limiter.pause(float(eighths) / 8)
        self._run()

    @precondition(lambda self: not self.queue)
    @rule(tokens=st.integers(1, 20), actual=st.integers(0, 30))
    def try_and_settle(self, tokens: int, actual: int) -> None:
        grant = self.limiter.try_acquire({"requests": 0, "tokens": tokens})
        free = self.levels[1] - tokens
        if grant is None:
            assert free < SLACK or self.paused_until >= self.now - Fraction(1, 100)
            return
        assert free > -SLACK
        assert self.paused_until <= self.now + Fraction(1, 100)
        grant.settle({"tokens": actual})
        self.levels[1] = min(CAPACITY[1], self.levels[1] - actual)

    @invariant()
    def same_grants_in_the_same_order(self) -> None:
        # A grant due in this very moment may be seen by one side only.
        soon = self.queue[0] if self.queue and self._wait() < SLACK else None
        seen = [call for call in self.seen if call is not soon]
        due = [call for call, at in self.expected if at <= self.now - Fraction(1, 100)]
        expected = [call for call, _ in self.expected]
        assert seen == expected[: len(seen)]
        assert len(seen) >= len(due)
        for call, at in self.expected:
            if call.granted_at is not None:
                assert abs(call.granted_at - float(at)) < SLACK

    @invariant()
    def nothing_is_lost_or_made(self) -> None:
        if len(self.seen) != len(self.expected):
            return
        status = self.limiter.get_status()
        for level, name in zip(self.levels, ("requests", "tokens"), strict=True):
            assert abs(status.dimensions[name].available - float(level)) < 1e-2
        assert status.waiting == len(self.queue)

    def teardown(self) -> None:
        for call in self.queue:
            assert call.task is not None
            call.task.cancel()
        self._run()
        self.loop.close()


TestLimiterMachine = LimiterMachine.TestCase
TestLimiterMachine.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None
)
