"""The limit of one process: buckets in memory, waiters in line."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AbstractContextManager
from math import inf

from contexter_nb.core import ClientClosedError, Clock, RateLimitExceededError
from contexter_nb.policies._bucket import TOLERANCE_SECONDS, Amounts, Rates
from contexter_nb.policies._limit_grant import Grant
from contexter_nb.policies._limit_keys import KeyedLines
from contexter_nb.policies._limit_line import Line, Waiter


class LocalLimit:
    """Grants from buckets in memory; used from any loops and threads at once.

    Parameters
    ----------
    rates : tuple of Rate
    max_keys : int
    name : str
        For messages.
    clock : Clock
    """

    def __init__(self, rates: Rates, max_keys: int, name: str, clock: Clock) -> None:
        self.rates = rates
        self.closed = False
        self._name = name
        self._clock = clock
        # One that the same thread may take again: collecting a waiter that was
        # abandoned may call back in here at any allocation.
        self._lock = threading.RLock()
        self._keys = KeyedLines(rates, max_keys)

    def take(self, cost: Amounts, key: str | None) -> Grant | None:
        """Grant at once, or not: never past those who wait.

        Parameters
        ----------
        cost : tuple of float
        key : str or None
        """
        with self._lock:
            if self.closed:
                raise closed_error(self._name)
            now = self._clock.now()
            line = self._keys.get(key, now)
            if line.waiters:
                line.grant_due(now)
            if not line.waiters and line.bucket.take(now, cost) == 0.0:
                line.granted += 1
                return Grant(self, key, cost)
        return None

    async def wait(
        self, cost: Amounts, key: str | None, max_wait_seconds: float
    ) -> Grant:
        """Wait in line until all can be paid.

        Parameters
        ----------
        cost : tuple of float
        key : str or None
        max_wait_seconds : float
            Where it would take longer, it is refused at once.
        """
        waiter = Waiter(cost, asyncio.get_running_loop())
        with self._lock:
            started = now = self._clock.now()
            line = self._keys.get(key, now)
            self._refuse_if_long(line, cost, now, max_wait_seconds)
            line.join(waiter, now)
        try:
            while True:
                with self._lock:
                    if self.closed:
                        raise closed_error(self._name)
                    now = self._clock.now()
                    line.grant_due(now)
                    if waiter.granted:
                        line.waited_seconds += now - started
                        break
                    seconds = line.timer_seconds(waiter, now)
                    future = waiter.future = waiter.loop.create_future()
                await wait_for(future, self._clock, seconds)
        except BaseException:
            with self._lock:
                line.leave(waiter, self._clock.now())
            raise
        return Grant(self, key, cost, now - started)

    def _refuse_if_long(
        self, line: Line, cost: Amounts, now: float, max_wait_seconds: float
    ) -> None:
        if max_wait_seconds == inf:
            return
        expected = line.expect(now, cost)
        if expected > max_wait_seconds + TOLERANCE_SECONDS:
            line.refused += 1
            raise refusal(self._name, expected, max_wait_seconds)

    def change(self, key: str | None, amounts: Amounts) -> None:
        """Add to what is left for a key.

        Parameters
        ----------
        key : str or None
        amounts : tuple of float
            Negative for what was used.
        """
        with self._lock:
            now = self._clock.now()
            self._keys.get(key, now).change(amounts, now)

    def pause(self, seconds: float, key: str | None, *, all_keys: bool) -> None:
        """Let nobody through for some time; the longest pause wins.

        Parameters
        ----------
        seconds : float
        key : str or None
        all_keys : bool
        """
        with self._lock:
            now = self._clock.now()
            self._keys.pause(key, now + seconds, now, all_keys=all_keys)

    @property
    def keyed(self) -> KeyedLines:
        """The lines by key; to be read under `guard`."""
        return self._keys

    @property
    def guard(self) -> AbstractContextManager[object]:
        """The lock round every line, for moments only."""
        return self._lock

    def close(self) -> None:
        """Refuse newcomers and those who wait."""
        with self._lock:
            self.closed = True
            for line in self._keys.lines.values():
                line.wake_all()


async def wait_for(
    future: asyncio.Future[None], clock: Clock, seconds: float | None
) -> None:
    """Wait until a future is done or some time has passed.

    Parameters
    ----------
    future : asyncio.Future
        Done afterwards.
    clock : Clock
    seconds : float or None
        None waits for the future alone.
    """
    if seconds is None or seconds == inf:
        await future
        return
    # A Clock can only sleep, so the sleep is a task that ends the future.
    timer = asyncio.ensure_future(clock.sleep(seconds))
    timer.add_done_callback(lambda ended: _end(future, ended))
    try:
        await future
    finally:
        timer.cancel()


def _end(future: asyncio.Future[None], timer: asyncio.Future[None]) -> None:
    error = None if timer.cancelled() else timer.exception()
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def refusal(
    name: str, expected_seconds: float, max_wait_seconds: float
) -> RateLimitExceededError:
    """Return the error of a call that would wait too long.

    Parameters
    ----------
    name : str
        Of the limiter.
    expected_seconds, max_wait_seconds : float
    """
    whose = f" of {name}" if name else ""
    return RateLimitExceededError(
        f"The rate limit{whose} is used up for {expected_seconds:.3g} s, and the call "
        f"may wait {max_wait_seconds:.3g} s; try again later or allow a longer wait.",
        service=name,
        retry_after_seconds=expected_seconds,
    )


def closed_error(name: str) -> ClientClosedError:
    """Return the error of a call after `close`.

    Parameters
    ----------
    name : str
        Of the limiter.
    """
    whose = f" of {name}" if name else ""
    return ClientClosedError(
        f"The rate limiter{whose} was closed; make a new one.", service=name
    )
