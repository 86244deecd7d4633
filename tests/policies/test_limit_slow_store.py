"""A shared limiter whose store is slow to answer: nothing is lost meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from contexter_nb.core import RateLimitExceededError
from contexter_nb.policies._limit import TokenBucketRateLimiter
from contexter_nb.policies._limit_config import RateLimitConfig
from contexter_nb.policies._limit_sqlite import SQLiteLimitStore
from contexter_nb.policies._limit_store import Booking, StoreAwayError
from tests.loops import run_really

SLOW = RateLimitConfig(requests_per_minute=60, burst_size=6)


class GatedStore(SQLiteLimitStore):
    """Books only when it is let, and then fails where it is told to."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.fails = False

    async def book(self, *arguments: Any, **options: Any) -> Booking:
        self.asked.set()
        await self.gate.wait()
        if self.fails:
            raise StoreAwayError("It is away.")
        return await super().book(*arguments, **options)


def test_a_booking_that_comes_after_the_cancellation_is_given_back(
    tmp_path: Path,
) -> None:
    """Cancelled while the store is asked, a call leaves the whole burst to others."""

    async def main() -> None:
        store = GatedStore(tmp_path / "limits.sqlite")
        limiter = TokenBucketRateLimiter(SLOW, store=store)
        task = asyncio.create_task(limiter.acquire({"requests": 6}))
        await store.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        store.gate.set()
        await limiter.close()
        again = TokenBucketRateLimiter(SLOW, store=store)
        assert (await again.acquire({"requests": 6})).waited_seconds < 1
        await again.close()

    run_really(main())


def test_what_is_owed_outlives_a_store_that_fails(tmp_path: Path) -> None:
    """A debt that could not be told is told with the next booking that can."""

    async def main() -> None:
        store = GatedStore(tmp_path / "limits.sqlite")
        store.gate.set()
        limiter = TokenBucketRateLimiter(SLOW, store=store, retry_store_seconds=0)
        (await limiter.acquire()).settle({"requests": 12})
        store.fails = True
        await limiter.acquire()
        store.fails = False
        with pytest.raises(RateLimitExceededError) as caught:
            await limiter.acquire(max_wait_seconds=0)
        assert caught.value.retry_after_seconds == pytest.approx(7 / 0.9, abs=0.5)
        await limiter.close()

    run_really(main())


def test_behind_a_slow_store_a_bounded_wait_ends_in_time(tmp_path: Path) -> None:
    """One that waits behind a call the store does not answer is refused in time."""

    async def main() -> None:
        store = GatedStore(tmp_path / "limits.sqlite")
        limiter = TokenBucketRateLimiter(SLOW, store=store)
        first = asyncio.create_task(limiter.acquire())
        await store.asked.wait()
        async with asyncio.timeout(5):
            with pytest.raises(RateLimitExceededError):
                await limiter.acquire(max_wait_seconds=0.05)
        store.gate.set()
        await first
        await limiter.close()

    run_really(main())
