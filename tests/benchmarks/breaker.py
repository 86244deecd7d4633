"""Circuit breakers side by side: who reaches a sick service, and what a call costs.

Each opens after 5 failures for 0.3 s. Then 50 calls come at once to a service that is
still sick and takes 20 ms to say so. The peers look at the wall clock, so this is done
in real time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from contexter_nb.core import ServerError
from contexter_nb.policies._breaker import BreakerConfig
from contexter_nb.policies._breaker_outcome import breaker_outcome
from contexter_nb.policies._breaker_registry import BreakerRegistry

THRESHOLD = 5
OPEN_SECONDS = 0.3
CALLS = 50
ROUNDS = 20_000

Work = Callable[[], Awaitable[Any]]
Guard = Callable[[Work], Awaitable[Any]]


class Refused(Exception):
    """The breaker did not let the call through."""


async def ours() -> Guard:
    """Return a call through our breaker: look it up, peek, admit, report."""
    breakers = BreakerRegistry(
        BreakerConfig(minimum_calls=THRESHOLD, open_seconds=OPEN_SECONDS)
    )
    now = time.monotonic

    async def guard(work: Work) -> Any:
        breaker = breakers.get("service", "host")
        if breaker.peek(now()) > 0:
            raise Refused
        permit = breaker.admit(now())
        if permit is None:
            raise Refused
        error: BaseException | None = None
        try:
            return await work()
        except BaseException as exc:
            error = exc
            raise
        finally:
            breaker.report(permit, breaker_outcome(error), now())

    return guard


async def purgatory() -> Guard:
    """Return a call through purgatory's breaker, looked up as its manual does."""
    from purgatory import AsyncCircuitBreakerFactory
    from purgatory.domain.model import OpenedState

    factory = AsyncCircuitBreakerFactory(
        default_threshold=THRESHOLD, default_ttl=OPEN_SECONDS
    )

    async def guard(work: Work) -> Any:
        try:
            async with await factory.get_breaker("service"):
                return await work()
        except OpenedState as exc:
            raise Refused from exc

    return guard


async def aiobreaker() -> Guard:
    """Return a call through aiobreaker's breaker; it has no look-up."""
    import aiobreaker

    breaker = aiobreaker.CircuitBreaker(
        fail_max=THRESHOLD, timeout_duration=timedelta(seconds=OPEN_SECONDS)
    )

    async def guard(work: Work) -> Any:
        try:
            return await breaker.call_async(work)
        except aiobreaker.CircuitBreakerError as exc:
            # What opens it comes wrapped; what was refused has no cause.
            if isinstance(exc.__cause__, ServerError):
                raise exc.__cause__ from exc
            raise Refused from exc

    return guard


class SickService:
    """Counts who reaches it, takes a while, and fails."""

    def __init__(self) -> None:
        self.reached = 0

    async def __call__(self) -> None:
        self.reached += 1
        await asyncio.sleep(0.02)
        raise ServerError("sick", status_code=503)


async def opened(guard: Guard, service: SickService) -> int:
    """Call until nothing gets through; return how many did, and wait the open time."""
    for _ in range(CALLS):
        with contextlib.suppress(ServerError, Refused):
            await guard(service)
    reached, service.reached = service.reached, 0
    await asyncio.sleep(OPEN_SECONDS * 1.1)
    return reached


async def at_once(guard: Guard, service: SickService) -> int:
    """Make all calls at once; return how many reached the service."""
    await asyncio.gather(
        *(guard(service) for _ in range(CALLS)), return_exceptions=True
    )
    return service.reached


async def after_a_cancelled_probe(guard: Guard, service: SickService) -> int:
    """Cancel the first probe under way, then make all calls at once."""
    probe = asyncio.ensure_future(guard(service))
    await asyncio.sleep(0.005)
    probe.cancel()
    await asyncio.wait([probe])
    service.reached = 0
    return await at_once(guard, service)


async def microseconds_a_call(guard: Guard) -> float:
    """Return the cost of a call that does nothing, above doing nothing bare."""

    async def nothing() -> None:
        pass

    async def timed(call: Callable[[], Awaitable[Any]]) -> float:
        best = float("inf")
        for _ in range(5):
            started = time.perf_counter()
            for _ in range(ROUNDS):
                await call()
            best = min(best, time.perf_counter() - started)
        return best / ROUNDS * 1e6

    return await timed(lambda: guard(nothing)) - await timed(nothing)


async def measured(make: Callable[[], Awaitable[Guard]]) -> tuple[int, int, int, float]:
    """Return the four figures of one breaker."""
    guard, service = await make(), SickService()
    opened_after = await opened(guard, service)
    reached = await at_once(guard, service)
    guard, service = await make(), SickService()
    await opened(guard, service)
    cancelled = await after_a_cancelled_probe(guard, service)
    return opened_after, reached, cancelled, await microseconds_a_call(await make())


def rows(folder: Path) -> Iterator[str]:
    """Yield a Markdown table, a line for each breaker.

    Parameters
    ----------
    folder : pathlib.Path
        Not used: nothing is written.
    """
    yield (
        f"| breaker | opened after | of {CALLS} reach a sick service (want 1) "
        "| the same after a cancelled probe (want 1) | us a call | of ours |"
    )
    yield "|---|---|---|---|---|---|"
    base = 0.0
    for make in (ours, purgatory, aiobreaker):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with asyncio.Runner() as runner:
                after, reached, cancelled, cost = runner.run(measured(make))
        base = base or cost
        yield (
            f"| {make.__name__} | {after} | {reached} | {cancelled} "
            f"| {cost:.2f} | {cost / base:.1f} x |"
        )
