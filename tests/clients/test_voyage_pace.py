"""The pace of the Voyage client, by an account's quotas, in virtual time."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from contexter_nb.clients._voyage import VoyageAIClient
from contexter_nb.core import (
    APIIntegrationError,
    CircuitOpenError,
    RateLimitedError,
    WireResponse,
)
from contexter_nb.policies import APIMonitor, RateLimitConfig
from tests.clients.voyage_wire import KEY, VoyageWire, quarter
from tests.loops import VirtualClock, run


def client_of(wire: VoyageWire, **options: Any) -> VoyageAIClient:
    """Return a client in virtual time that asks this wire."""
    clock = VirtualClock()
    options.setdefault("monitor", APIMonitor(clock=clock, telemetry=False))
    options.setdefault("rng", random.Random(7))
    return VoyageAIClient(KEY, transport=wire, clock=clock, **options)


def said(text: str) -> int:
    """Return the tokens that a text of these tests says it has."""
    return int(text.split()[1])


def saying(count: int, sizes: Sequence[int]) -> list[str]:
    """Return different texts that say how many tokens they have."""
    around = itertools.islice(itertools.cycle(sizes), count)
    return [f"text {size} {place}" for place, size in enumerate(around)]


def told(texts: Sequence[str]) -> list[int]:
    """Count as the wire does."""
    return [said(each) for each in texts]


def busiest(at: Sequence[float], window_seconds: float = 60.0) -> int:
    """Return the most requests in any window of 60 s, both ends included."""
    return max(
        sum(start <= each <= start + window_seconds for each in at) for start in at
    )


def test_free_tier_is_slow_and_is_never_refused() -> None:
    """3 requests and 10,000 tokens a minute are kept in every window, and used."""

    async def main() -> None:
        wire = VoyageWire(
            tokens_of=said,
            requests_per_minute=3,
            tokens_per_minute=10_000,
            latency_seconds=0.1,
        )
        client = client_of(wire, tier="free", count_tokens=told)
        texts = saying(400, (330, 110, 220))
        found = await client.generate_embeddings(texts, dimension=256)
        assert set(wire.statuses) == {200}
        assert busiest(wire.at) == 3
        minutes = (wire.at[-1] - wire.at[0]) / 60
        assert (len(wire.at) - 1) / minutes >= 0.9 * 3
        last = wire.used[-1][1]
        assert (wire.billed - last) / minutes >= 0.9 * 10_000
        assert not np.isnan(found.vectors).any()

    run(main())


def test_free_tier_fills_its_batches_better_once_it_has_learned() -> None:
    """Counted too high by half, batches grow to what the account lets through."""

    async def main() -> None:
        wire = VoyageWire(
            tokens_of=said, requests_per_minute=3, tokens_per_minute=10_000
        )
        client = client_of(
            wire,
            tier="free",
            count_tokens=lambda texts: [said(each) * 3 // 2 for each in texts],
        )
        await client.generate_embeddings(saying(300, (200,)), dimension=256)
        assert set(wire.statuses) == {200}
        sizes = [len(body["input"]) for body in wire.bodies]
        assert sizes[0] == 11
        assert max(sizes) >= 15

    run(main())


@pytest.mark.parametrize(
    ("tier", "model", "tokens_per_minute"),
    [
        ("tier 1", "voyage-4-large", 3_000_000),
        ("tier 2", "voyage-4", 16_000_000),
    ],
)
def test_quotas_of_a_tier_are_used_to_nine_tenths_with_no_refusal(
    tier: str, model: str, tokens_per_minute: int
) -> None:
    """Over ten minutes nine tenths of the tokens are used, and no call refused."""

    async def main() -> None:
        wire = VoyageWire(
            tokens_of=said,
            context_tokens=32_000,
            requests_per_minute=2_000 * (2 if tier == "tier 2" else 1),
            tokens_per_minute=tokens_per_minute,
            latency_seconds=0.5,
        )
        client = client_of(wire, tier=tier, model=model, count_tokens=told)
        count = 12 * tokens_per_minute // 10_000
        texts = saying(count, (12_000, 8_000))
        await client.generate_embeddings(texts, dimension=256)
        assert set(wire.statuses) == {200}
        minutes = (wire.at[-1] - wire.at[0]) / 60
        assert wire.billed / minutes >= 0.9 * tokens_per_minute
        monitor = client.client.monitor
        assert isinstance(monitor, APIMonitor)
        assert sum(each.retries for each in monitor.get_metrics()) == 0

    run(main())


def test_counting_too_high_does_not_waste_the_quota() -> None:
    """What was paid in advance and not billed is given back."""

    async def main() -> None:
        wire = VoyageWire(tokens_of=said, tokens_per_minute=300_000, latency_seconds=1)
        client = client_of(
            wire,
            tier=RateLimitConfig(
                requests_per_minute=None,
                tokens_per_minute=300_000,
                burst_tokens=15_000,
            ),
            count_tokens=lambda texts: [said(each) * 2 for each in texts],
        )
        await client.generate_embeddings(saying(3_000, (1_000,)), dimension=256)
        assert set(wire.statuses) == {200}
        minutes = (wire.at[-1] - wire.at[0]) / 60
        assert wire.billed / minutes >= 0.9 * 300_000

    run(main())


def test_counting_too_low_is_paid_back_and_ends_the_refusals() -> None:
    """What was billed beyond the count is owed to the limiter."""

    async def main() -> None:
        wire = VoyageWire(tokens_of=said, tokens_per_minute=300_000)
        client = client_of(
            wire,
            tier=RateLimitConfig(
                requests_per_minute=None,
                tokens_per_minute=300_000,
                burst_tokens=15_000,
            ),
            count_tokens=lambda texts: [said(each) // 2 for each in texts],
        )
        found = await client.generate_embeddings(saying(1_500, (1_000,)), dimension=256)
        assert not np.isnan(found.vectors).any()
        assert wire.statuses.count(429) <= 3

    run(main())


def test_other_kernels_on_the_same_free_account_are_waited_for() -> None:
    """A 429 without Retry-After means 20 s at least before the next request."""

    async def main() -> None:
        wire = VoyageWire(requests_per_minute=3, tokens_per_minute=10_000)
        wire.used.extend([(1_000.0, 100)] * 3)  # another kernel was here
        client = client_of(wire, tier="free")
        await client.generate_embeddings(["a"], dimension=256)
        assert wire.statuses[-1] == 200
        assert wire.statuses.count(429) <= 4
        waits = [after - before for before, after in itertools.pairwise(wire.at)]
        assert min(waits) >= 20

    run(main())


def test_storm_without_end_is_an_error_and_no_loop() -> None:
    """A service that refuses for ever is asked a bounded number of times."""

    async def main() -> None:
        wire = VoyageWire(requests_per_minute=0)
        client = client_of(wire, tier="free")
        with pytest.raises(RateLimitedError):
            await client.generate_embeddings(["a"], dimension=256)
        assert len(wire.at) == 6

    run(main())


def test_quick_limit_of_ones_own_is_kept() -> None:
    """A RateLimitConfig bounds batches by what it lets through at once."""

    async def main() -> None:
        wire = VoyageWire(requests_per_minute=60, tokens_per_minute=6_000)
        client = client_of(
            wire,
            tier=RateLimitConfig(
                requests_per_minute=60, tokens_per_minute=6_000, burst_tokens=600
            ),
            count_tokens=lambda texts: [quarter(each) for each in texts],
        )
        texts = [f"{place} ".ljust(400, "x") for place in range(100)]
        await client.generate_embeddings(texts, dimension=256)
        assert set(wire.statuses) == {200}
        assert max(len(body["input"]) for body in wire.bodies) == 6

    run(main())


def test_rerank_is_paced_by_its_own_model() -> None:
    """A reranker's tokens count for its own limit, by the formula of its bill."""

    async def main() -> None:
        wire = VoyageWire(tokens_of=said, tokens_per_minute=4_000_000)
        client = client_of(wire, tier="tier 1", count_tokens=told)
        documents = saying(40, (20_000,))
        for number in range(12):
            found = await client.rerank(f"query 100 {number}", documents)
            assert found.total_tokens == 40 * 20_100
        assert set(wire.statuses) == {200}

    run(main())


def test_free_limit_is_shown_as_the_account_has_it() -> None:
    """The status says 3 requests and 10,000 tokens, whatever model is asked about."""

    async def main() -> None:
        limiter = client_of(VoyageWire(), tier="free").client.limiter
        assert limiter is not None
        for key in (None, "rerank-2.5"):
            dimensions = limiter.get_status(key).dimensions
            limits = {name: each.limit_per_minute for name, each in dimensions.items()}
            assert limits == {"requests": 3, "tokens": 10_000}

    run(main())


def test_client_is_light_to_import() -> None:
    """Neither numpy nor an HTTP library is loaded before the first call."""
    code = (
        "import sys, contexter_nb.clients._voyage as v; "
        "v.VoyageAIClient('pa-0123456789abcdef', transport=print); "
        "print([m for m in ('numpy', 'pandas', 'httpx', 'httpx2') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_after_an_outage_the_first_call_goes_on() -> None:
    """While one batch tries out whether the service is back, the others wait for it."""

    class Ailing(VoyageWire):
        down = True

        async def __call__(self, *asked: Any) -> WireResponse:
            if self.down:
                return WireResponse(503)
            await VirtualClock().sleep(0.3)
            return await super().__call__(*asked)

    async def main() -> None:
        wire = Ailing()
        client = client_of(wire, tier=None, max_batch_tokens=100, max_concurrency=4)
        texts = [f"text {number} of many" for number in range(60)]
        with pytest.raises(APIIntegrationError):
            await client.generate_embeddings(texts)
        with pytest.raises(CircuitOpenError, match="Last it failed so: .*503"):
            await client.generate_embeddings(texts)
        wire.down = False
        await VirtualClock().sleep(60)
        found = await client.generate_embeddings(texts)
        assert found.vectors.shape[0] == len(texts)
        await client.close()

    run(main())
