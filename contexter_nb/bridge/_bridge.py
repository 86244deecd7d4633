"""What every bridge does, so that the rooms above need not know which one it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")
Closer = Callable[[], Awaitable[object]]


class Bridge(Protocol):
    """A way from synchronous code to coroutines and back."""

    def run(self, coro: Awaitable[T], timeout: float | None = None) -> T:
        """Block until `coro` is done; cancel it on an interrupt or a timeout.

        Parameters
        ----------
        coro : coroutine or other awaitable
            Not a future or a task: those belong to the loop that made them.
        timeout : float, optional
            Seconds; None waits as long as it takes.

        Returns
        -------
        object
            What `coro` returned.

        Raises
        ------
        TimeoutError
            When the time is up.
        BridgeError
            When a synchronous call cannot be made from here, or after `close`.
        InvalidArgumentError
            When `coro` is nothing that can be awaited on this bridge.
        """

    async def arun(self, coro: Awaitable[T]) -> T:
        """Await `coro` from any loop; a kernel interrupt gets through.

        Parameters
        ----------
        coro : coroutine or other awaitable
            As for `run`.

        Returns
        -------
        object
            What `coro` returned.

        Raises
        ------
        InvalidArgumentError
            When `coro` is nothing that can be awaited on this bridge.
        """

    def add_closer(self, closer: Closer) -> Callable[[], None]:
        """Have `closer` awaited by `close`; return what takes it off again.

        Parameters
        ----------
        closer : callable
            Takes nothing and returns an awaitable; a client's ``aclose``, say.

        Returns
        -------
        callable
            Takes the closer off again, without calling it.

        Raises
        ------
        BridgeError
            After `close`.
        """

    def close(self) -> None:
        """End everything the bridge has begun; a second call does nothing."""
