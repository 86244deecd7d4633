"""One fetch at a time, shared by callers of any event loop in any thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from contexter_nb.core import TokenFetchError

T = TypeVar("T")

DEFAULT_PATIENCE_SECONDS = 90.0


@dataclass(frozen=True, slots=True, repr=False)
class _Outcome(Generic[T]):
    """What a fetch ended with; neither where its loop went away under it."""

    value: T | None = None
    error: Exception | None = None


@dataclass(eq=False, slots=True, repr=False)
class _Flight(Generic[T]):
    """One fetch under way, and the futures of those who wait for it."""

    loop: asyncio.AbstractEventLoop
    waiting: set[asyncio.Future[_Outcome[T]]] = field(default_factory=set)
    task: asyncio.Task[None] | None = None  # the loop itself holds tasks weakly


class SharedFetch(Generic[T]):
    """Fetch a value once for all who want it at the same time.

    The fetch is a task of its own on the loop of whoever came first: who is cancelled
    only stops waiting. Each waits on a future of its own loop, and the lock is held
    for set operations only. Where the fetching loop ends or stands still, another
    caller fetches.

    Parameters
    ----------
    fetch : callable
        Takes nothing, returns an awaitable of the value.
    keep : callable
        Takes the value, before anybody who waits goes on; must neither wait nor raise.
    patience_seconds : float, default 90
        How long a fetch is waited for before it is taken for lost; longer than
        `fetch` may take.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[T]],
        keep: Callable[[T], None],
        patience_seconds: float = DEFAULT_PATIENCE_SECONDS,
    ) -> None:
        self._fetch = fetch
        self._keep = keep
        self._patience = patience_seconds
        self._lock = threading.Lock()
        self._flight: _Flight[T] | None = None

    async def get(self, ready: Callable[[], T | None]) -> T:
        """Return what is ready, or wait for the fetch under way, or for a new one.

        Parameters
        ----------
        ready : callable
            Returns a value that will do, or None; called under the lock.

        Returns
        -------
        object
            What `ready` or the fetch returned; what the fetch raised is raised here,
            to everybody who waited for it.
        """
        loop = asyncio.get_running_loop()
        while True:
            future: asyncio.Future[_Outcome[T]] = loop.create_future()
            with self._lock:
                found = ready()
                if found is not None:
                    return found
                flight, lost = self._board(loop)
                flight.waiting.add(future)
            self._take_off(flight, lost)
            outcome = await self._landing(flight, future)
            if isinstance(outcome.error, TokenFetchError):
                # Raised itself in many tasks, it would collect the frames of all.
                raise TokenFetchError(
                    str(outcome.error), service=outcome.error.service
                ) from outcome.error.__cause__
            if outcome.error is not None:
                raise outcome.error
            if outcome.value is not None:
                return outcome.value

    def start(self) -> None:
        """Begin a fetch on the running loop, unless one is under way; wait for none."""
        with self._lock:
            flight, lost = self._board(asyncio.get_running_loop())
        self._take_off(flight, lost)

    def _board(
        self, loop: asyncio.AbstractEventLoop
    ) -> tuple[_Flight[T], _Flight[T] | None]:
        flight = self._flight
        if flight is not None and flight.loop.is_running():
            return flight, None
        self._flight = _Flight(loop)
        return self._flight, flight

    def _take_off(self, flight: _Flight[T], lost: _Flight[T] | None) -> None:
        if lost is not None:
            self._land(lost, _Outcome())
        # Not under the lock: an eager task may run to its end here.
        if flight.task is None and flight.loop is asyncio.get_running_loop():
            flight.task = flight.loop.create_task(self._fly(flight))

    async def _fly(self, flight: _Flight[T]) -> None:
        outcome: _Outcome[T] = _Outcome()
        try:
            outcome = _Outcome(value=await self._fetch())
        except Exception as exc:
            outcome = _Outcome(error=exc)
        finally:
            self._land(flight, outcome)

    def _land(self, flight: _Flight[T], outcome: _Outcome[T]) -> None:
        with self._lock:
            if self._flight is flight:
                self._flight = None
                if outcome.value is not None:
                    self._keep(outcome.value)
            waiting, flight.waiting = flight.waiting, set()
        for future in waiting:
            try:
                future.get_loop().call_soon_threadsafe(_settle, future, outcome)
            except RuntimeError:  # its loop was closed, and nobody waits any more
                continue

    async def _landing(
        self, flight: _Flight[T], future: asyncio.Future[_Outcome[T]]
    ) -> _Outcome[T]:
        try:
            async with asyncio.timeout(self._patience):
                return await future
        except TimeoutError:
            self._land(flight, _Outcome())
            return _Outcome()
        finally:
            with self._lock:
                flight.waiting.discard(future)


def _settle(future: asyncio.Future[_Outcome[T]], outcome: _Outcome[T]) -> None:
    if not future.done():
        future.set_result(outcome)
