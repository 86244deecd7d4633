"""All policies together through an outage under load, in virtual time."""

from __future__ import annotations

import pytest

from tests.benchmarks.outage import simulate


@pytest.mark.parametrize("seed", range(3))
def test_a_service_that_is_down_is_left_alone(seed: int) -> None:
    """Of 225 calls in an outage of 15 s few are sent, and no quota is passed."""
    found = simulate("APIClient", seed)
    assert found.throttled == 0
    assert found.into_outage <= 40
    assert found.ok >= 600
    assert found.p99_seconds < 2.5


def test_the_limiter_outside_the_retry_multiplies_the_load() -> None:
    """The order that is not ours passes the quota and floods the sick service."""
    other = simulate("limiter(retry), no breaker", 0)
    assert other.throttled > 100
    assert other.into_outage > 10 * simulate("APIClient", 0).into_outage
