"""Run coroutines on a loop whose time jumps to the next timer: hours in a moment."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class _JumpingSelector(selectors.BaseSelector):
    """Advances the loop's time in place of waiting."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.skipped_seconds = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = self._real.select(0)
        if ready:
            return ready
        if timeout is None:  # only another thread can wake the loop now
            return self._real.select(None)
        self.skipped_seconds += max(0.0, timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> Any:
        return self._real.unregister(fileobj)

    def get_map(self) -> Any:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits for a timer; it begins at 1,000 seconds."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for threads as long as they take: their time is no virtual one."""
        await super().shutdown_default_executor()

    def time(self) -> float:
        return 1_000.0 + self._jumping.skipped_seconds


class VirtualClock:
    """A Clock on the running virtual loop; its wall clock can be set back."""

    def __init__(self) -> None:
        self.wall_step_seconds = 0.0

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now() - 1_000.0 + self.wall_step_seconds)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FakeClock:
    """A Clock that stands still until it is moved; its sleeps are noted, not waited."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.instant = now
        self.wall_step_seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.instant

    def wall(self) -> datetime:
        return EPOCH + timedelta(
            seconds=self.instant - 1_000.0 + self.wall_step_seconds
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.instant += max(0.0, seconds)
        await asyncio.sleep(0)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time; real sockets do not work here."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def run_really(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on an ordinary loop, for real sockets and files."""
    with asyncio.Runner() as runner:
        return runner.run(main)
