"""A bound on how many requests are under way at once: first come, first served."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections import OrderedDict
from types import TracebackType
from typing import Self

from contexter_nb.core import InvalidArgumentError, PoolExhaustedError


class _Places:
    """The places of one event loop; touched by that loop's thread alone."""

    __slots__ = ("in_use", "waiters")

    def __init__(self) -> None:
        self.in_use = 0
        # In order of arrival. The result tells whether a place was handed over (True)
        # or the wait became too long (False), whichever came first.
        self.waiters: OrderedDict[asyncio.Future[bool], None] = OrderedDict()

    def leave(self) -> None:
        """Hand the place to whoever waits the longest, else have it free."""
        while self.waiters:
            waiter, _ = self.waiters.popitem(last=False)
            if not waiter.done():
                waiter.set_result(True)
                return
        self.in_use -= 1


class Bulkhead:
    """At most `limit` at once on each event loop, in order of arrival.

    A pool of connections belongs to one loop, so each loop has places of its own; of a
    loop that is gone nothing is kept. A pool as large as the bulkhead never queues.

    Parameters
    ----------
    limit : int, default 16
        From 1 on.

    Raises
    ------
    InvalidArgumentError
        `limit` is below 1.

    Examples
    --------
    >>> from contexter_nb.bridge import run
    >>> async def one_at_a_time():
    ...     bulkhead = Bulkhead(1)
    ...     async with bulkhead:
    ...         return bulkhead.in_use, bulkhead.waiting
    >>> run(one_at_a_time())
    (1, 0)
    """

    def __init__(self, limit: int = 16) -> None:
        if limit < 1:
            raise InvalidArgumentError(f"limit is {limit!r}; give 1 or more.")
        self.limit = limit
        self._lock = threading.Lock()
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Places] = (
            weakref.WeakKeyDictionary()
        )

    async def acquire(self, max_wait_seconds: float | None = None) -> None:
        """Wait for a place and take it; give it back with `release`.

        Whoever is cancelled while waiting leaves the queue, and passes on a place
        that was just handed over.

        Parameters
        ----------
        max_wait_seconds : float, optional
            0 or less does not wait at all; None waits as long as it takes.

        Raises
        ------
        PoolExhaustedError
            No place became free in time.
        """
        loop = asyncio.get_running_loop()
        places = self._loops.get(loop) or self._add(loop)
        if places.in_use < self.limit:
            places.in_use += 1
            return
        if max_wait_seconds is None:
            await self._queue(loop, places)
            return
        # Not ">": no timer can be set for nan.
        if not max_wait_seconds > 0:
            raise self._exhausted(max_wait_seconds)
        if not await self._queue(loop, places, max_wait_seconds):
            raise self._exhausted(max_wait_seconds)

    def release(self) -> None:
        """Give a place back, on the loop that took it.

        Outside a loop it does nothing: the loop that took the place has stopped.

        Raises
        ------
        InvalidArgumentError
            More was given back than taken on this loop.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        places = self._loops.get(loop)
        if places is None or places.in_use == 0:
            raise InvalidArgumentError(
                "A bulkhead got back more places than were taken on this event loop; "
                "release once for each acquire."
            )
        places.leave()

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    @property
    def in_use(self) -> int:
        """Places taken, on all loops together."""
        with self._lock:
            return sum(each.in_use for each in self._loops.values())

    @property
    def waiting(self) -> int:
        """How many wait for a place, on all loops together."""
        with self._lock:
            return sum(len(each.waiters) for each in self._loops.values())

    def __repr__(self) -> str:
        return f"<Bulkhead {self.in_use} of {self.limit}, {self.waiting} waiting>"

    def _add(self, loop: asyncio.AbstractEventLoop) -> _Places:
        with self._lock:
            # Waiters that nobody cancelled would keep their closed loop alive.
            for closed in [each for each in self._loops if each.is_closed()]:
                del self._loops[closed]
            return self._loops.setdefault(loop, _Places())

    async def _queue(
        self,
        loop: asyncio.AbstractEventLoop,
        places: _Places,
        max_wait_seconds: float | None = None,
    ) -> bool:
        """Return True with a place, or False without one when the time is up."""
        waiter: asyncio.Future[bool] = loop.create_future()
        places.waiters[waiter] = None
        timer = None
        if max_wait_seconds is not None:
            timer = loop.call_later(max_wait_seconds, _give_up, waiter)
        try:
            return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.result():
                places.leave()
            raise
        finally:
            places.waiters.pop(waiter, None)
            if timer is not None:
                timer.cancel()

    def _exhausted(self, max_wait_seconds: float) -> PoolExhaustedError:
        waited = f" for {max_wait_seconds:g} s" if max_wait_seconds > 0 else ""
        return PoolExhaustedError(
            f"All {self.limit} connections were in use{waited}; make fewer calls at "
            "once, or allow more time."
        )


def _give_up(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)
