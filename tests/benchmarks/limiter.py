"""The rate limiter beside aiolimiter and pyrate-limiter: on time, in order, cheap."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from contexter_nb.policies._limit import TokenBucketRateLimiter
from contexter_nb.policies._limit_config import RateLimitConfig
from contexter_nb.policies._limit_sqlite import SQLiteLimitStore

RATE = 100
BURST = 10
WAITERS = 200
IDEAL_SECONDS = (WAITERS - BURST) / RATE
HEAVY = 8
GIVE_UP_SECONDS = 5.0
FREE_CALLS = 20_000

Take = Callable[[float], Awaitable[object]]
Maker = Callable[..., Any]


@asynccontextmanager
async def _ours(rate: float, burst: float) -> AsyncIterator[Take]:
    config = RateLimitConfig(requests_per_minute=rate * 60 + burst, burst_size=burst)
    limiter = TokenBucketRateLimiter(config)

    async def take(weight: float) -> object:
        return await limiter.acquire(None if weight == 1 else {"requests": weight})

    # The bare method where it takes one: a wrapper would be measured, too.
    take.bare = limiter.acquire  # type: ignore[attr-defined]
    yield take
    await limiter.close()


def _ours_shared(folder: Path) -> Maker:
    @asynccontextmanager
    async def make(rate: float, burst: float) -> AsyncIterator[Take]:
        config = RateLimitConfig(
            requests_per_minute=rate * 60 + burst, burst_size=burst
        )
        store = SQLiteLimitStore(folder / "limits.sqlite")
        limiter = TokenBucketRateLimiter(config, name=f"{rate} {burst}", store=store)

        async def take(weight: float) -> object:
            return await limiter.acquire({"requests": weight})

        yield take
        await limiter.close()

    return make


@asynccontextmanager
async def _aiolimiter(rate: float, burst: float) -> AsyncIterator[Take]:
    from aiolimiter import AsyncLimiter

    limiter = AsyncLimiter(burst, burst / rate)
    take = limiter.acquire
    yield take


def _pyrate(**options: int) -> Maker:
    @asynccontextmanager
    async def make(rate: float, burst: float) -> AsyncIterator[Take]:
        from pyrate_limiter import InMemoryBucket, Limiter
        from pyrate_limiter import Rate as PyrateRate

        bucket = InMemoryBucket([PyrateRate(int(burst), int(1000 * burst / rate))])
        limiter = Limiter(bucket, **options)

        async def take(weight: float) -> object:
            return await limiter.try_acquire_async("x", int(weight))

        yield take
        limiter.close()

    return make


async def _crowd(make: Maker) -> tuple[float, int, int]:
    """Return the last grant's seconds, inversions of order, and the over-admitted."""
    times: list[tuple[int, float]] = []
    async with make(RATE, BURST) as take:
        started = time.perf_counter()

        async def one(number: int) -> None:
            await take(1)
            times.append((number, time.perf_counter() - started))

        await asyncio.gather(*(one(number) for number in range(WAITERS)))
    order = [number for number, _ in times]
    inversions = sum(
        earlier > later for at, earlier in enumerate(order) for later in order[at + 1 :]
    )
    # A millisecond for the reading of the clock: the span counts, not the stamp.
    over = max(
        at + 1 - BURST - RATE * (instant + 0.001)
        for at, (_, instant) in enumerate(times)
    )
    return times[-1][1], inversions, max(0, round(over))


async def _heavy(make: Maker) -> float | None:
    """Return how long a heavy call waits under 20 loops of light ones."""
    async with make(RATE, BURST) as take:

        async def light() -> None:
            while True:
                await take(1)

        tasks = [asyncio.ensure_future(light()) for _ in range(20)]
        await asyncio.sleep(0.3)
        started = time.perf_counter()
        try:
            await asyncio.wait_for(take(HEAVY), GIVE_UP_SECONDS)
            return time.perf_counter() - started
        except TimeoutError:
            return None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _free(make: Maker, calls: int) -> float:
    """Return the microseconds of a call that need not wait, best of three."""
    best = float("inf")
    for _ in range(3):
        async with make(1e6, 5e5) as take:
            bare = getattr(take, "bare", None)
            started = time.perf_counter()
            if bare is not None:
                for _ in range(calls):
                    await bare()
            else:
                for _ in range(calls):
                    await take(1)
            best = min(best, (time.perf_counter() - started) / calls * 1e6)
    return best


def rows(folder: Path) -> Iterator[str]:
    """Yield the lines of a Markdown table.

    Parameters
    ----------
    folder : pathlib.Path
        For the file of the shared limit.
    """
    peers: dict[str, tuple[Maker, int]] = {
        "ours": (_ours, FREE_CALLS),
        "ours, shared by SQLite": (_ours_shared(folder), 500),
        "aiolimiter": (_aiolimiter, FREE_CALLS),
        "pyrate-limiter": (_pyrate(), FREE_CALLS // 4),
        "pyrate-limiter, buffer_ms=1": (_pyrate(buffer_ms=1), FREE_CALLS // 4),
    }
    yield (
        f"| limiter, {RATE}/s, {BURST} at once, {WAITERS} wait | last grant / ideal "
        f"{IDEAL_SECONDS:.2f} s | inversions | over-admitted | weight {HEAVY} waits s "
        "| free call us | free call / ours |"
    )
    yield "|---|---|---|---|---|---|---|"
    ours_us = 0.0
    for name, (make, calls) in peers.items():
        last, inversions, over = asyncio.run(_crowd(make))
        heavy = asyncio.run(_heavy(make))
        free_us = asyncio.run(_free(make, calls))
        ours_us = ours_us or free_us
        waits = f"starved (> {GIVE_UP_SECONDS:g})" if heavy is None else f"{heavy:.2f}"
        yield (
            f"| {name} | {last / IDEAL_SECONDS:.3f} | {inversions} | {over} | {waits} "
            f"| {free_us:.2f} | {free_us / ours_us:.1f} |"
        )
