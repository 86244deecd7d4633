"""One beat for all panels of a session, which stops when nobody looks."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from contexter_nb.core import Clock
from contexter_nb.notebook import Feed

T = TypeVar("T")
Start = Callable[[Coroutine[Any, Any, None]], Future[None]]

PERIOD_SECONDS = 1.0


class Reading:
    """What was read at one beat, so that ten panels read it once.

    Parameters
    ----------
    number : int
        Of the beat, from 0.
    """

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self._read: dict[tuple[object, ...], Any] = {}

    def once(self, read: Callable[..., T], *given: Any) -> T:
        """Return what `read` gives for some arguments, called at most once.

        Parameters
        ----------
        read : callable
        *given
            Hashable.
        """
        key = (read, *given)
        if key not in self._read:
            self._read[key] = read(*given)
        found: T = self._read[key]
        return found

    async def once_awaited(self, read: Callable[..., Awaitable[T]], *given: Any) -> T:
        """Return what awaiting `read` gives, awaited at most once.

        Parameters
        ----------
        read : callable
        *given
            Hashable.
        """
        key = (read, *given)
        if key not in self._read:
            self._read[key] = await read(*given)
        found: T = self._read[key]
        return found


class Watched(Protocol):
    """Something to be kept up to date while somebody looks at it."""

    def is_watched(self, now: float) -> bool:
        """Tell whether it wants the next beat.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """

    async def refresh(self, reading: Reading) -> None:
        """Show what is so now; must not raise.

        Parameters
        ----------
        reading : Reading
            Of this beat.
        """


class Refresher:
    """Refreshes panels once a period, in one task, only while there is one to refresh.

    Parameters
    ----------
    clock : Clock
    start : callable
        Begins a coroutine on the loop thread, from any thread.
    period_seconds : float, default 1
        From the end of a beat to the next one.
    """

    def __init__(
        self, clock: Clock, start: Start, *, period_seconds: float = PERIOD_SECONDS
    ) -> None:
        self._clock = clock
        self._start = start
        self._period_seconds = period_seconds
        self._lock = threading.Lock()
        self._panels: list[Watched] = []
        self._beating = False
        self.beats = 0

    @property
    def beating(self) -> bool:
        """Whether its task runs."""
        return self._beating

    def watch(self, panel: Watched) -> None:
        """Refresh a panel from now on, until it is not watched any more.

        Parameters
        ----------
        panel : Watched
            One that is refreshed already is so once.
        """
        with self._lock:
            if panel not in self._panels:
                self._panels.append(panel)
            if self._beating:
                return
            self._beating = True
        try:
            self._start(self._run())
        except BaseException:
            with self._lock:
                self._beating = False
            raise

    async def _run(self) -> None:
        try:
            while panels := self._watched():
                reading = Reading(self.beats)
                self.beats += 1
                for panel in panels:
                    await panel.refresh(reading)
                await self._clock.sleep(self._period_seconds)
        except BaseException:
            # The loop is closed under it: the next to be shown begins anew.
            with self._lock:
                self._beating = False
            raise

    def _watched(self) -> list[Watched]:
        """Return who wants this beat; with the last one the task ends."""
        now = self._clock.now()
        with self._lock:
            self._panels = [each for each in self._panels if each.is_watched(now)]
            if not self._panels:
                self._beating = False
            return list(self._panels)


_lock = threading.Lock()
_of_feed: WeakKeyDictionary[Feed, Refresher] = WeakKeyDictionary()


def refresher_of(feed: Feed) -> Refresher:
    """Return the one refresher of a session.

    Parameters
    ----------
    feed : Feed
        The session's.
    """
    with _lock:
        found = _of_feed.get(feed)
        if found is None:
            found = _of_feed[feed] = Refresher(feed.clock, feed.submit)
        return found
