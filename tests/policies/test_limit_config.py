"""The settings of a limiter: what is refused, and what follows from them."""

from __future__ import annotations

from math import inf, nan

import pytest

from contexter_nb.core import InvalidArgumentError
from contexter_nb.policies._limit import TokenBucketRateLimiter
from contexter_nb.policies._limit_config import RateLimitConfig


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("requests_per_minute", bad) for bad in (0, -1, nan, inf, "60", True)),
        *(("tokens_per_minute", bad) for bad in (0, -1, nan, inf, "60", True)),
        *(("burst_size", bad) for bad in (0, 0.5, -1, 60, 61, nan, "5")),
        *(("burst_tokens", bad) for bad in (5,)),
        *(("max_keys", bad) for bad in (0, -1, 1.5, True)),
        *(("max_wait_seconds", bad) for bad in (-1, nan, "5")),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    """A setting that cannot be used says which and what would do, in one sentence."""
    with pytest.raises(InvalidArgumentError, match=name) as caught:
        RateLimitConfig(**{name: value})
    assert str(caught.value).endswith(".")
    assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize("burst", [0, -1, nan, 1_000, "5"])
def test_a_burst_of_tokens_lies_below_the_limit(burst: object) -> None:
    """A burst of nothing is not taken for the default, nor one of the whole limit."""
    with pytest.raises(InvalidArgumentError, match="burst_tokens"):
        RateLimitConfig(tokens_per_minute=1_000, burst_tokens=burst)


@pytest.mark.parametrize("limit", [2, 10, 60, 2_000, 100_000])
@pytest.mark.parametrize("burst", [None, 1, 1.5])
def test_burst_and_a_minutes_refill_make_the_limit(
    limit: float, burst: float | None
) -> None:
    """What is admitted at once and in the minute after it is the limit, exactly."""
    config = RateLimitConfig(requests_per_minute=limit, burst_size=burst)
    (rate,) = config.rates()
    assert rate.capacity + 60 * rate.per_second == pytest.approx(limit)
    assert rate.per_second > 0
    assert 1 <= rate.capacity <= max(10, limit / 10)


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        ({"request": 1}, "Did you mean 'requests'"),
        ({"requests": -1}, "requests is -1"),
        ({"tokens": nan}, "tokens is nan"),
        ({"tokens": "5"}, "tokens is '5'"),
        ({"tokens": True}, "tokens is True"),
    ],
)
def test_a_cost_that_is_none_is_refused(cost: dict[str, float], message: str) -> None:
    """An unknown dimension or a negative amount is an error, never a free call."""
    limiter = TokenBucketRateLimiter()
    with pytest.raises(InvalidArgumentError, match=message):
        limiter.try_acquire(cost)


@pytest.mark.parametrize(
    "options", [{"expected_processes": 0}, {"retry_store_seconds": -1}]
)
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    """A limiter cannot be made with nonsense about its store."""
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        TokenBucketRateLimiter(**options)
