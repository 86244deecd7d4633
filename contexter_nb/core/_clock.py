"""The only door to time: everything else takes a Clock."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where instants, dates and waits come from."""

    def now(self) -> float:
        """Return a monotonic instant in seconds."""

    def wall(self) -> datetime:
        """Return the aware UTC time."""

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking the loop.

        Parameters
        ----------
        seconds : float
            How long; 0 or less gives the other tasks one turn.
        """


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return a monotonic instant in seconds."""
        return time.monotonic()

    def wall(self) -> datetime:
        """Return the aware UTC time."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking the loop.

        Parameters
        ----------
        seconds : float
            How long; 0 or less gives the other tasks one turn.
        """
        await asyncio.sleep(seconds)
