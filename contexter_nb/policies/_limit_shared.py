"""A limit shared with other processes: in line here, then booked in the store."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from math import inf
from typing import Any

from contexter_nb.core import Clock, RateLimitExceededError, scrub
from contexter_nb.policies._bucket import TOLERANCE_SECONDS, Amounts, Bucket, Rates
from contexter_nb.policies._limit_grant import Grant
from contexter_nb.policies._limit_line import Waiter
from contexter_nb.policies._limit_local import (
    LocalLimit,
    closed_error,
    refusal,
    wait_for,
)
from contexter_nb.policies._limit_store import (
    Booking,
    LimitStore,
    StoreAwayError,
    line_id,
)

_log = logging.getLogger(__name__)
STORE_ERRORS = (StoreAwayError, OSError)


class SharedLine:
    """What this process knows of one shared bucket, and who waits here, by loop.

    Parameters
    ----------
    name : str
        Its id in the store.
    seen : Bucket
        What the store said last, at best.
    """

    __slots__ = (
        "granted",
        "lanes",
        "local_grants",
        "name",
        "owed",
        "paused_until",
        "refused",
        "seen",
        "unsent_pause_until",
        "waited_seconds",
    )

    def __init__(self, name: str, seen: Bucket) -> None:
        self.name = name
        self.seen = seen
        self.owed: Amounts = tuple(0.0 for _ in seen.rates)
        self.paused_until = -inf
        self.unsent_pause_until = -inf
        # A lane a loop: the store decides between them, so none waits for another.
        self.lanes: dict[asyncio.AbstractEventLoop, deque[Waiter]] = {}
        self.granted = self.refused = self.local_grants = 0
        self.waited_seconds = 0.0

    def waiting(self) -> int:
        """Return how many wait here."""
        return sum(map(len, self.lanes.values()))

    def expect(self, now: float, cost: Amounts, lane: deque[Waiter]) -> float:
        """Return how long a newcomer waits at least: as long as if alone.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        cost : tuple of float
        lane : deque of Waiter
            Those before it; the first has booked.
        """
        trial = self.seen.copy()
        trial.paused_until = max(trial.paused_until, self.paused_until)
        for waiter in lane:
            if not waiter.granted:
                trial.book(now, waiter.cost)
        return trial.book(now, cost) - now

    def is_idle(self, now: float) -> bool:
        """Tell whether nobody waits here and no pause is on.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        return not self.lanes and self.paused_until <= now


class SharedLimit:
    """Grants what a store has booked, and goes on alone while the store is away.

    Parameters
    ----------
    rates : tuple of Rate
    max_keys : int
    name : str
        Processes whose limiters have the same name share.
    clock : Clock
    store : LimitStore
    expected_processes : int
        While the store is away, this process keeps to its part of the limit.
    retry_store_seconds : float
        When a store that was away is tried again.
    """

    def __init__(
        self,
        rates: Rates,
        max_keys: int,
        name: str,
        clock: Clock,
        store: LimitStore,
        expected_processes: int,
        retry_store_seconds: float,
    ) -> None:
        self.rates = rates
        self.failures = 0
        self._max_keys = max_keys
        self._name = name
        self._clock = clock
        self._store = store
        self._retry_store_seconds = retry_store_seconds
        self._away_until: float | None = None
        self._lock = threading.RLock()
        self.lines: OrderedDict[str | None, SharedLine] = OrderedDict()
        self.gone = SharedLine("", Bucket((), 0.0))
        self._all_paused_until = -inf
        self._errands: set[asyncio.Future[Any]] = set()
        parts = tuple(rate.shared_by(expected_processes) for rate in rates)
        self._alone = LocalLimit(parts, max_keys, name, clock)
        self.closed = False
        self._left: asyncio.Future[None] | None = None

    @property
    def away(self) -> bool:
        """Whether the store could not be used the last time."""
        return self._away_until is not None

    def line(self, key: str | None, now: float) -> SharedLine:
        """Return a key's line, made if there is none; the caller holds the lock.

        Parameters
        ----------
        key : str or None
        now : float
            A monotonic instant, seconds.
        """
        found = self.lines.get(key)
        if found is None:
            self._make_room(now)
            seen = Bucket(self.rates, now)
            found = self.lines[key] = SharedLine(line_id(self._name, key), seen)
            found.paused_until = found.unsent_pause_until = self._all_paused_until
        else:
            self.lines.move_to_end(key)
        return found

    def _make_room(self, now: float) -> None:
        if len(self.lines) < self._max_keys:
            return
        for key, line in self.lines.items():
            if line.is_idle(now):
                del self.lines[key]
                if any(line.owed) and not self.away:
                    self._send(self._pay(line))
                self.gone.granted += line.granted
                self.gone.refused += line.refused
                self.gone.local_grants += line.local_grants
                self.gone.waited_seconds += line.waited_seconds
                return

    async def wait(
        self, cost: Amounts, key: str | None, max_wait_seconds: float
    ) -> Grant:
        """Wait in line, book, and wait until the instant that was booked.

        Parameters
        ----------
        cost : tuple of float
        key : str or None
        max_wait_seconds : float
        """
        waiter = Waiter(cost, asyncio.get_running_loop())
        with self._lock:
            if self.closed:
                raise closed_error(self._name)
            started = self._clock.now()
            line = self.line(key, started)
            lane = line.lanes.setdefault(waiter.loop, deque())
            lane.append(waiter)
        try:
            if max_wait_seconds < inf:
                self._refuse_if_long(line, waiter, started, max_wait_seconds)
            until = started + max_wait_seconds
            await self._first_in(lane, line, waiter, until)
            grant = await self._granted(line, waiter, key, until)
        finally:
            with self._lock:
                lane.remove(waiter)
                if lane:
                    lane[0].wake()
                else:
                    del line.lanes[waiter.loop]
                    self._tell_if_left(waiter.loop)
        grant.waited_seconds = self._clock.now() - started
        with self._lock:
            line.granted += 1
            line.waited_seconds += grant.waited_seconds
        return grant

    def _tell_if_left(self, loop: asyncio.AbstractEventLoop) -> None:
        left = self._left
        if left is None or left.get_loop() is not loop or left.done():
            return
        if not any(loop in line.lanes for line in self.lines.values()):
            left.set_result(None)

    def _refuse_if_long(
        self, line: SharedLine, waiter: Waiter, now: float, max_wait_seconds: float
    ) -> None:
        with self._lock:
            before = deque(each for each in line.lanes[waiter.loop])
            before.remove(waiter)
            # While the store is away its last answer says nothing.
            expected = 0.0 if self.away else line.expect(now, waiter.cost, before)
            if expected > max_wait_seconds + TOLERANCE_SECONDS:
                line.refused += 1
                raise refusal(self._name, expected, max_wait_seconds)

    async def _first_in(
        self, lane: deque[Waiter], line: SharedLine, waiter: Waiter, until: float
    ) -> None:
        while lane[0] is not waiter:
            now = self._clock.now()
            left = until - now
            if left <= 0:
                with self._lock:
                    line.refused += 1
                    expected = line.expect(now, waiter.cost, lane)
                raise refusal(self._name, expected, 0)
            waiter.future = waiter.loop.create_future()
            await wait_for(waiter.future, self._clock, left)
            if self.closed:
                raise closed_error(self._name)

    async def _granted(
        self, line: SharedLine, waiter: Waiter, key: str | None, until: float
    ) -> Grant:
        left = max(0.0, until - self._clock.now())
        booking = await self._booking(line, waiter.cost, left)
        if booking is None:
            return await self._granted_alone(line, waiter.cost, key, left)
        now = self._clock.now()
        if not booking.booked:
            with self._lock:
                line.refused += 1
            raise refusal(self._name, booking.wait_seconds, left)
        start = now + booking.wait_seconds
        with self._lock:
            line.seen = Bucket(self.rates, start, booking.levels)
            waiter.granted = True
        try:
            await self._sleep_until(start, line, waiter)
        except BaseException:
            self._send(self._store.give_back(line.name, self.rates, booking))
            raise
        return Grant(self, key, waiter.cost)

    async def _granted_alone(
        self, line: SharedLine, cost: Amounts, key: str | None, max_wait_seconds: float
    ) -> Grant:
        try:
            grant = self._alone.take(cost, key)
            grant = grant or await self._alone.wait(cost, key, max_wait_seconds)
        except RateLimitExceededError:
            with self._lock:
                line.refused += 1
            raise
        with self._lock:
            line.local_grants += 1
        return grant

    async def _sleep_until(
        self, start: float, line: SharedLine, waiter: Waiter
    ) -> None:
        while True:
            if self.closed:
                raise closed_error(self._name)
            left = max(start, line.paused_until) - self._clock.now()
            if left <= TOLERANCE_SECONDS:
                return
            waiter.future = waiter.loop.create_future()
            await wait_for(waiter.future, self._clock, left)

    async def _booking(
        self, line: SharedLine, cost: Amounts, max_wait_seconds: float
    ) -> Booking | None:
        """Return what the store booked, or None where it cannot be used."""
        with self._lock:
            now = self._clock.now()
            if self._away_until is not None and now < self._away_until:
                return None
            if self._away_until is not None:  # one asks, the others wait for it
                self._away_until = now + self._retry_store_seconds
            owed, line.owed = line.owed, tuple(0.0 for _ in self.rates)
        asked = asyncio.ensure_future(
            self._ask(line, cost, owed=owed, max_wait_seconds=max_wait_seconds)
        )
        try:
            booking = await asyncio.shield(asked)
        except STORE_ERRORS as exc:
            self._owe(line, owed)
            self._went_away(exc)
            return None
        except asyncio.CancelledError:
            self._send(self._undo(line, asked, owed))
            raise
        self._came_back()
        return booking

    async def _ask(
        self, line: SharedLine, cost: Amounts, *, owed: Amounts, max_wait_seconds: float
    ) -> Booking:
        await self._tell_pause(line)
        return await self._store.book(
            line.name,
            self.rates,
            cost,
            owed=owed,
            max_wait_seconds=max_wait_seconds,
        )

    async def _tell_pause(self, line: SharedLine) -> None:
        until = line.unsent_pause_until
        seconds = until - self._clock.now()
        if seconds > 0:
            await self._store.pause(line.name, seconds)
        if line.unsent_pause_until == until:
            line.unsent_pause_until = -inf

    async def _undo(
        self, line: SharedLine, asked: asyncio.Future[Booking], owed: Amounts
    ) -> None:
        try:
            booking = await asked
        except STORE_ERRORS:
            self._owe(line, owed)
            raise
        if booking.booked:
            await self._store.give_back(line.name, self.rates, booking)

    def _send(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do something in the store that nobody waits for."""
        try:
            task = asyncio.get_running_loop().create_task(self._run(errand))
        except RuntimeError:
            errand.close()
            return
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _run(self, errand: Coroutine[Any, Any, None]) -> None:
        try:
            await errand
        except STORE_ERRORS as exc:
            self._went_away(exc)

    async def _pay(self, line: SharedLine) -> None:
        """Tell the store what is owed, where no booking will do so."""
        nothing = tuple(0.0 for _ in self.rates)
        owed, line.owed = line.owed, nothing
        await self._store.book(
            line.name, self.rates, nothing, owed=owed, max_wait_seconds=inf
        )

    def _owe(self, line: SharedLine, amounts: Amounts) -> None:
        with self._lock:
            line.owed = tuple(a + b for a, b in zip(line.owed, amounts, strict=True))

    def _went_away(self, error: Exception) -> None:
        with self._lock:
            self.failures += 1
            first = self._away_until is None
            self._away_until = self._clock.now() + self._retry_store_seconds
        if first:
            _log.warning(
                "The store of the rate limit %s is away (%s); this process keeps to "
                "its own part of the limit until it is back.",
                self._name or "without a name",
                scrub(str(error))[:200],
            )

    def _came_back(self) -> None:
        with self._lock:
            was_away, self._away_until = self._away_until is not None, None
        if was_away:
            _log.info("The store of the rate limit %s is back.", self._name)

    def change(self, key: str | None, amounts: Amounts) -> None:
        """Have the next booking for a key pay what is owed, or credit it.

        Parameters
        ----------
        key : str or None
        amounts : tuple of float
            Negative for what was used.
        """
        with self._lock:
            now = self._clock.now()
            line = self.line(key, now)
            self._owe(line, tuple(-amount for amount in amounts))
            line.seen.refill(max(now, line.seen.at))
            line.seen.change(amounts)

    def pause(self, seconds: float, key: str | None, *, all_keys: bool) -> None:
        """Let nobody through for some time, here and, by the store, elsewhere.

        Parameters
        ----------
        seconds : float
        key : str or None
        all_keys : bool
            All that this process knows; those to come are paused with their first call.
        """
        self._alone.pause(seconds, key, all_keys=all_keys)
        with self._lock:
            now = self._clock.now()
            if all_keys:
                self._all_paused_until = max(self._all_paused_until, now + seconds)
                lines = list(self.lines.values())
            else:
                lines = [self.line(key, now)]
            for line in lines:
                line.paused_until = max(line.paused_until, now + seconds)
                line.unsent_pause_until = max(line.unsent_pause_until, now + seconds)
        if self._away_until is None:
            for line in lines:
                self._send(self._tell_pause(line))

    async def close(self) -> None:
        """Tell the store what is owed, refuse those who wait, and let go of it."""
        here = asyncio.get_running_loop()
        left = here.create_future()
        with self._lock:
            self.closed = True
            self._left = left
            lines = list(self.lines.values())
            lanes = [lane for line in lines for lane in line.lanes.values()]
            for waiter in [each for lane in lanes for each in lane]:
                waiter.wake()
            self._tell_if_left(here)
        self._alone.close()
        # Those who wait on this loop give back what they booked before it ends.
        await left
        try:
            for line in lines:
                if any(line.owed) and not self.away:
                    await self._pay(line)
            mine = [task for task in self._errands if task.get_loop() is here]
            await asyncio.gather(*mine, return_exceptions=True)
            await self._store.close()
        except STORE_ERRORS as exc:
            self._went_away(exc)

    @property
    def guard(self) -> AbstractContextManager[object]:
        """The lock round every line, for moments only."""
        return self._lock

    def view(self, key: str | None, now: float) -> tuple[Bucket, float]:
        """Return what is left at best, and until when a pause is on.

        Parameters
        ----------
        key : str or None
        now : float
            A monotonic instant, seconds.
        """
        line = self.lines.get(key)
        if line is None:
            return Bucket(self.rates, now), self._all_paused_until
        bucket = line.seen.copy()
        bucket.refill(max(now, bucket.at))
        return bucket, line.paused_until
