"""A clock that tests turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class TurnedClock:
    """Time passes only while somebody sleeps; `on_sleep` runs at each sleep."""

    def __init__(self, on_sleep: Callable[[int], None] | None = None) -> None:
        self.slept: list[float] = []
        self._on_sleep = on_sleep

    def now(self) -> float:
        return sum(self.slept)

    def wall(self) -> datetime:
        return datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=self.now())

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self._on_sleep:
            self._on_sleep(len(self.slept))
        await asyncio.sleep(0)
