"""What every bridge does, so that the rooms above need not know which one it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")
Closer = Callable[[], Awaitable[object]]


class Bridge(Protocol):
    """A way from synchronous code to coroutines and back."""

    def run(self, coro: Awaitable[T], timeout: float | None = None) -> T:
        """Block until `coro` is done; cancel it on an interrupt or a timeout."""

    async def arun(self, coro: Awaitable[T]) -> T:
        """Await `coro` from any loop; a kernel interrupt gets through."""

    def add_closer(self, closer: Closer) -> Callable[[], None]:
        """Have `closer` awaited by `close`; return what takes it off again."""

    def close(self) -> None:
        """End everything the bridge has begun; a second call does nothing."""
