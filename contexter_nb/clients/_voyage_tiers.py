"""What a Voyage account may use in a minute, by its tier."""

from __future__ import annotations

from contexter_nb.clients._voyage_models import (
    REQUESTS_PER_MINUTE,
    VoyageModel,
)
from contexter_nb.core import InvalidArgumentError, did_you_mean
from contexter_nb.policies import RateLimitConfig

FREE = "free"
FREE_REQUESTS_PER_MINUTE = 3
FREE_TOKENS_PER_MINUTE = 10_000
# Three of them in a minute stay below its tokens.
FREE_BATCH_TOKENS = 3_300
# Whatever model: a size that all take, and of which many can be under way at once.
USUAL_BATCH_TOKENS = 120_000
_FACTORS = {"tier 1": 1, "tier 2": 2, "tier 3": 3}
_BURST_REQUESTS = 100


def checked_tier(tier: str) -> str:
    """Return a tier's name as it stands in the table.

    Parameters
    ----------
    tier : str

    Raises
    ------
    InvalidArgumentError
        There is no such tier.

    Examples
    --------
    >>> checked_tier("Tier 2")
    'tier 2'
    """
    name = " ".join(tier.lower().split())
    if name != FREE and name not in _FACTORS:
        known = (FREE, *_FACTORS)
        raise InvalidArgumentError(
            f"tier is {tier!r}; give 'free' (an account without a payment method), "
            f"'tier 1', 'tier 2', 'tier 3', a RateLimitConfig, or None for no limit."
            f"{did_you_mean(name, known)}"
        )
    return name


def is_shared_by_models(tier: str) -> bool:
    """Tell whether all models of an account use up one limit.

    Parameters
    ----------
    tier : str
        As of `checked_tier`.
    """
    return tier == FREE


def rate_limit(tier: str, model: VoyageModel) -> RateLimitConfig:
    """Return the limits of a tier for a model.

    Parameters
    ----------
    tier : str
        As of `checked_tier`.
    model : VoyageModel

    Examples
    --------
    >>> from contexter_nb.clients._voyage_models import find_model
    >>> rate_limit("tier 2", find_model("voyage-4", "embedding")).tokens_per_minute
    16000000

    Source
    ------
    docs.voyageai.com/docs/rate-limits, read 2026-11-23; the card-less limits stand in
    the text of the service's own 429, too.
    """
    if tier == FREE:
        return _free_limit()
    factor = _FACTORS[tier]
    # What passes at once is taken off the rate: more than a tenth would waste quota.
    tenth = model.tokens_per_minute // 10
    largest = max(USUAL_BATCH_TOKENS, min(model.batch_tokens, tenth))
    return RateLimitConfig(
        requests_per_minute=REQUESTS_PER_MINUTE * factor,
        burst_size=_BURST_REQUESTS * factor,
        tokens_per_minute=model.tokens_per_minute * factor,
        burst_tokens=largest,
    )


def _free_limit() -> RateLimitConfig:
    """Return a pace of one request in 20.7 s.

    A bucket of rate (limit - burst) would use two thirds of 3 a minute. So few can be
    spaced exactly instead: with more than 20 s between them no minute holds four, and
    three of `FREE_BATCH_TOKENS` pass no minute's tokens. The numbers given are those
    that come out at this pace: 3.9 - 1 requests, and 9,700 tokens, a minute.
    """
    return RateLimitConfig(
        requests_per_minute=FREE_REQUESTS_PER_MINUTE + 0.9,
        burst_size=1,
        tokens_per_minute=FREE_BATCH_TOKENS + 9_700,
        burst_tokens=FREE_BATCH_TOKENS,
    )
