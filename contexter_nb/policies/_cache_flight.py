"""One fetch for all who miss the same key at the same time, and its error for each."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")
Loop = asyncio.AbstractEventLoop


class _Flight(Generic[T]):
    """A fetch under way in a task of its own."""

    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.waiting = 0
        self.joined = 0


class Flights(Generic[T]):
    """The fetches under way, of each loop by key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loops: WeakKeyDictionary[Loop, dict[str, _Flight[T]]]
        self._loops = WeakKeyDictionary()

    async def join(
        self, key: str, start: Callable[[], Coroutine[Any, Any, T]]
    ) -> tuple[T, bool]:
        """Return what the fetch gives, and whether somebody else had begun it.

        A caller who is cancelled leaves the others their fetch; with the last of them
        it is cancelled, and its clean-up waited for.
        """
        flights = self._of_this_loop()
        flight = flights.get(key)
        followed = flight is not None
        if flight is None:
            flight = flights[key] = _Flight(asyncio.create_task(start()))
            flight.task.add_done_callback(lambda task: _landed(flights, key, task))
        flight.waiting += 1
        flight.joined += 1
        try:
            await asyncio.wait([flight.task])
        except asyncio.CancelledError:
            if flight.waiting == 1 and not flight.task.done():
                _forget(flights, key, flight.task)
                flight.task.cancel()
                await asyncio.wait([flight.task])
            raise
        finally:
            flight.waiting -= 1
        return _outcome(flight), followed

    def _of_this_loop(self) -> dict[str, _Flight[T]]:
        with self._lock:
            return self._loops.setdefault(asyncio.get_running_loop(), {})


def _outcome(flight: _Flight[T]) -> T:
    error = None if flight.task.cancelled() else flight.task.exception()
    if error is not None and flight.joined > 1:
        raise own_copy(error)
    return flight.task.result()


def _landed(flights: dict[str, _Flight[T]], key: str, task: asyncio.Task[T]) -> None:
    _forget(flights, key, task)
    if not task.cancelled():
        task.exception()  # seen, should nobody be left to see it


def _forget(flights: dict[str, _Flight[T]], key: str, task: asyncio.Task[T]) -> None:
    if key in flights and flights[key].task is task:
        del flights[key]


def own_copy(error: BaseException) -> BaseException:
    """Return an error of the same class and content with a traceback of its own.

    Raising one object in several tasks would grow one traceback from all of them.
    """
    twin = _twin(error)
    if twin is None:
        return error
    for name, value in vars(error).items():
        # Notes and headers are lists and dictionaries that a caller may change.
        twin.__dict__[name] = copy.copy(value) if _is_mutable(value) else value
    twin.__cause__, twin.__context__ = error.__cause__, error.__context__
    twin.__suppress_context__ = error.__suppress_context__
    return twin.with_traceback(error.__traceback__)


def _twin(error: BaseException) -> BaseException | None:
    try:
        twin = copy.copy(error)
        if type(twin) is type(error) and twin.args == error.args and twin is not error:
            return twin
    except Exception:  # its class cannot be made from its arguments alone
        pass
    try:
        twin = type(error).__new__(type(error), *error.args)
    except Exception:
        return None
    twin.args = error.args
    return twin


def _is_mutable(value: object) -> bool:
    return isinstance(value, (dict, list, set, bytearray))


class LoopLeases:
    """Who fetches what among the loops of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[str, Loop]] = {}

    def claim(self, key: str, holder: str) -> bool:
        """Take the lease of a key; one of a loop that has ended is free."""
        with self._lock:
            held = self._held.get(key)
            if held is not None and held[1].is_running():
                return False
            self._held[key] = (holder, asyncio.get_running_loop())
            return True

    def release(self, key: str, holder: str) -> None:
        """Give a lease back."""
        with self._lock:
            if key in self._held and self._held[key][0] == holder:
                del self._held[key]
