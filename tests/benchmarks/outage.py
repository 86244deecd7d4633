"""An outage under load, in virtual time: what a service has to bear, order by order.

900 calls at 15 a second, at random instants. The service answers in 0.1 s, allows 20
requests in any second (429 above), and is down from second 10 to 25 (503). Each call
may make 4 attempts; the client's own limit is 18 a second.
"""

from __future__ import annotations

import asyncio
import statistics
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

from contexter_nb.clients import APIClient
from contexter_nb.core import (
    APIIntegrationError,
    APIRequest,
    Timeouts,
    WireRequest,
    WireResponse,
)
from contexter_nb.policies import RateLimitConfig, TokenBucketRateLimiter
from tests.loops import VirtualClock, run

CALLS = 900
CALLS_PER_SECOND = 15
ALLOWED_PER_SECOND = 20
DOWN_FROM, DOWN_UNTIL = 10.0, 25.0
LATENCY_SECONDS = 0.1
ATTEMPTS = 4
# 18 a second and 2 at once: 20 in any second.
LIMIT = RateLimitConfig(requests_per_minute=18 * 60 + 2, burst_size=2)

Order = Literal["limiter(retry), no breaker", "APIClient"]
ORDERS: tuple[Order, ...] = ("limiter(retry), no breaker", "APIClient")
Call = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What one run came to.

    Attributes
    ----------
    sent, throttled, into_outage : int
        Requests that reached the service; of these answered 429; of these while down.
    ok : int
        Calls that got their answer.
    p99_seconds : float
        Of the time until a call ended, well or not.
    """

    sent: int
    throttled: int
    into_outage: int
    ok: int
    p99_seconds: float


class Service:
    """Allows so much, and is down for a while."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._began = clock.now()
        self._allowed: deque[float] = deque()
        self.sent = self.throttled = self.into_outage = 0

    async def __call__(
        self, request: WireRequest, timeouts: Timeouts, max_bytes: int
    ) -> WireResponse:
        at = self._clock.now() - self._began
        self.sent += 1
        status = self._status(at)
        await self._clock.sleep(LATENCY_SECONDS)
        return WireResponse(status)

    def _status(self, at: float) -> int:
        if DOWN_FROM <= at < DOWN_UNTIL:
            self.into_outage += 1
            return 503
        # A hair less than a second, so that exactly a second apart is apart.
        while self._allowed and self._allowed[0] <= at - 1 + 1e-9:
            self._allowed.popleft()
        if len(self._allowed) >= ALLOWED_PER_SECOND:
            self.throttled += 1
            return 429
        self._allowed.append(at)
        return 200


def limiter_outside(service: Service, clock: VirtualClock) -> Call:
    """Return a call that pays once and then retries 1, 2 and 4 seconds later."""
    limiter = TokenBucketRateLimiter(LIMIT, clock=clock)

    async def call() -> bool:
        await limiter.acquire()
        for attempt in range(ATTEMPTS):
            if attempt:
                await clock.sleep(2.0 ** (attempt - 1))
            answer = await service(WireRequest("GET", ""), Timeouts(), 0)
            if answer.is_success:
                return True
        return False

    return call


def api_client(service: Service, clock: VirtualClock, rng: Random) -> Call:
    """Return a call of the client as it is, with nothing set but the limit."""
    client = APIClient(
        "service",
        "https://api.example.org",
        transport=service,
        limiter=TokenBucketRateLimiter(LIMIT, clock=clock),
        monitor=None,
        clock=clock,
        rng=rng,
    )

    async def call() -> bool:
        try:
            await client.execute_request(APIRequest(endpoint="/things"))
        except APIIntegrationError:
            return False
        return True

    return call


def simulate(order: Order, seed: int) -> Outage:
    """Run all calls in virtual time.

    Parameters
    ----------
    order : str
        One of `ORDERS`.
    seed : int
        Of the instants of the calls, and of the client's jitter.
    """

    async def main() -> Outage:
        clock, rng = VirtualClock(), Random(seed)
        service = Service(clock)
        if order == "APIClient":
            call = api_client(service, clock, Random(seed))
        else:
            call = limiter_outside(service, clock)
        lasted: list[float] = []

        async def timed() -> bool:
            began = clock.now()
            try:
                return await call()
            finally:
                lasted.append(clock.now() - began)

        tasks = []
        for _ in range(CALLS):
            tasks.append(asyncio.ensure_future(timed()))
            await clock.sleep(rng.expovariate(CALLS_PER_SECOND))
        ok = sum(await asyncio.gather(*tasks))
        return Outage(
            sent=service.sent,
            throttled=service.throttled,
            into_outage=service.into_outage,
            ok=ok,
            p99_seconds=sorted(lasted)[int(0.99 * CALLS)],
        )

    return run(main())


def rows(folder: Path) -> Iterator[str]:
    """Yield a Markdown table, a line for each order: medians of 5 seeds.

    Parameters
    ----------
    folder : pathlib.Path
        Not used: nothing is written.
    """
    yield f"| order, {CALLS} calls | sent | 429s | into the outage | ok | p99 |"
    yield "|---|---|---|---|---|---|"
    for order in ORDERS:
        found = [simulate(order, seed) for seed in range(5)]

        def median(name: str, found: list[Outage] = found) -> float:
            return statistics.median(getattr(each, name) for each in found)

        yield (
            f"| {order} | {median('sent'):.0f} | {median('throttled'):.0f} "
            f"| {median('into_outage'):.0f} | {median('ok'):.0f} "
            f"| {median('p99_seconds'):.1f} s |"
        )
