"""Those who wait for one bucket, first come first served, on any number of loops."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from contexter_nb.policies._bucket import Amounts, Bucket, Rates


class Waiter:
    """One call that waits; it is woken to look again at how things stand.

    Parameters
    ----------
    cost : tuple of float
    loop : asyncio.AbstractEventLoop
        Where it waits.
    """

    __slots__ = ("cost", "expected_at", "future", "granted", "loop")

    def __init__(self, cost: Amounts, loop: asyncio.AbstractEventLoop) -> None:
        self.cost = cost
        self.loop = loop
        self.future: asyncio.Future[None] | None = None
        self.granted = False
        self.expected_at = 0.0

    def wake(self) -> None:
        """Have it look again, from whichever thread this is called."""
        future = self.future
        if future is None or future.done():
            return
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self.loop:
            future.set_result(None)
        elif not self.loop.is_closed():
            self.loop.call_soon_threadsafe(_finish, future)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Line:
    """A bucket and its waiters; the caller holds a lock round every method.

    Any loop that has waiters here grants to all who are due, also to those of other
    loops: a loop that is blocked keeps nobody else from going on.

    Parameters
    ----------
    bucket : Bucket
    """

    __slots__ = ("_tail", "bucket", "granted", "refused", "waited_seconds", "waiters")

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.waiters: OrderedDict[Waiter, None] = OrderedDict()
        self.granted = 0
        self.refused = 0
        self.waited_seconds = 0.0
        self._tail: Bucket | None = None

    def expect(self, now: float, cost: Amounts) -> float:
        """Return how long a newcomer would wait, those before it included.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        cost : tuple of float
        """
        return self._booked_tail(now).copy().book(now, cost) - now

    def join(self, waiter: Waiter, now: float) -> None:
        """Put a newcomer at the end.

        Parameters
        ----------
        waiter : Waiter
        now : float
            A monotonic instant, seconds.
        """
        waiter.expected_at = self._booked_tail(now).book(now, waiter.cost)
        self.waiters[waiter] = None

    def _booked_tail(self, now: float) -> Bucket:
        """Return the bucket as it will be when all who wait have been granted."""
        if self._tail is None:
            self._tail = self.bucket.copy()
            for waiter in self.waiters:
                waiter.expected_at = self._tail.book(now, waiter.cost)
        return self._tail

    def grant_due(self, now: float) -> None:
        """Pay for and wake all at the head whose turn has come.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        served: set[asyncio.AbstractEventLoop] = set()
        while self.waiters:
            head = next(iter(self.waiters))
            if head.loop.is_closed():
                self._remove(head)
                continue
            if self.bucket.take(now, head.cost) > 0:
                break
            head.granted = True
            self.granted += 1
            del self.waiters[head]
            head.wake()
            served.add(head.loop)
        if not self.waiters:
            self._tail = None
        for loop in served:
            self._wake_first_of(loop)

    def leave(self, waiter: Waiter, now: float) -> None:
        """Take out one that gave up; what it was granted meanwhile is given back.

        Parameters
        ----------
        waiter : Waiter
        now : float
            A monotonic instant, seconds.
        """
        if waiter.granted:
            self.granted -= 1
            self.change(waiter.cost, now)
        elif waiter in self.waiters:
            self._remove(waiter)
            self.grant_due(now)
            self._wake_first_of(waiter.loop)

    def _remove(self, waiter: Waiter) -> None:
        del self.waiters[waiter]
        self._tail = None

    def _wake_first_of(self, loop: asyncio.AbstractEventLoop) -> None:
        for waiter in self.waiters:
            if waiter.loop is loop:
                waiter.wake()
                return

    def timer_seconds(self, waiter: Waiter, now: float) -> float | None:
        """Return when a waiter looks again by itself; None where another does for it.

        Parameters
        ----------
        waiter : Waiter
            Not yet granted.
        now : float
            A monotonic instant, seconds; `grant_due` was called with it.
        """
        for first in self.waiters:
            if first.loop is waiter.loop:
                break
        if first is not waiter:
            return None
        head = next(iter(self.waiters))
        wait = self.bucket.wait_seconds(head.cost)
        if head is waiter:
            return wait
        self._booked_tail(now)
        return max(wait, waiter.expected_at - now)

    def change(self, amounts: Amounts, now: float) -> None:
        """Add to what is left, and grant to those whose turn comes by that.

        Parameters
        ----------
        amounts : tuple of float
            Negative for what was used.
        now : float
            A monotonic instant, seconds.
        """
        self.bucket.refill(now)
        self.bucket.change(amounts)
        self._look_again(now)

    def pause(self, until: float, now: float) -> None:
        """Grant nothing before `until`, or before a later instant set earlier.

        Parameters
        ----------
        until, now : float
            Monotonic instants, seconds.
        """
        self.bucket.refill(now)
        self.bucket.paused_until = max(self.bucket.paused_until, until)
        self._look_again(now)

    def _look_again(self, now: float) -> None:
        self._tail = None
        if not self.waiters:
            return
        self.grant_due(now)
        for loop in {waiter.loop for waiter in self.waiters}:
            self._wake_first_of(loop)

    def wake_all(self) -> None:
        """Have every waiter look again."""
        for waiter in self.waiters:
            waiter.wake()

    def is_idle(self, now: float) -> bool:
        """Tell whether nobody waits here and no pause is on.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        return not self.waiters and self.bucket.paused_until <= now


def new_line(rates: Rates, now: float) -> Line:
    """Return a line before a full bucket.

    Parameters
    ----------
    rates : tuple of Rate
    now : float
        A monotonic instant, seconds.
    """
    return Line(Bucket(rates, now))
