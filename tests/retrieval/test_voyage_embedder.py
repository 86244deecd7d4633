"""What the embedder of Voyage AI says of its pace, before anything is sent."""

from __future__ import annotations

import pytest

from contexter_nb.clients import VoyageAIClient
from contexter_nb.core import InvalidArgumentError
from contexter_nb.retrieval import VoyageEmbedder

KEY = "pa-" + "0" * 12


def embedder(tier: str) -> VoyageEmbedder:
    """Return one of an account of that tier; nothing is sent."""
    return VoyageEmbedder(VoyageAIClient(KEY, tier=tier))


def test_the_free_tier_is_estimated_at_the_pace_that_it_has() -> None:
    """Below 3 requests and 10,000 tokens a minute, in requests that pass the limit."""
    free = embedder("free")
    assert free.pace.requests_per_minute == pytest.approx(2.9)
    assert free.pace.tokens_per_minute == pytest.approx(9_700)
    assert free.pace.burst_requests == 1
    assert free.packing.max_tokens == 3_300


@pytest.mark.parametrize("tier", ["tier 1", "tier 2", "tier 3"])
def test_a_pace_never_passes_the_limit_and_uses_most_of_it(tier: str) -> None:
    """What goes through for good is the limit but for what passes at once."""
    paid = embedder(tier)
    limit = paid.client.limit_of(paid.model)
    assert limit is not None
    for rate, most in (
        (paid.pace.requests_per_minute, limit.requests_per_minute),
        (paid.pace.tokens_per_minute, limit.tokens_per_minute),
    ):
        assert rate is not None and most is not None
        assert 0.9 * most <= rate < most
    assert paid.packing.max_tokens == 120_000


def test_a_misspelt_model_is_told_with_the_near_one_and_the_way_out() -> None:
    """A model that is not known needs its dimension, in the form of connect."""
    client = VoyageAIClient(KEY)
    with pytest.raises(InvalidArgumentError, match=r"'voyage-4-large'.*-larg@1024"):
        VoyageEmbedder(client, model="voyage-4-larg")
    assert VoyageEmbedder(client, model="voyage-9", dimension=64).dimension == 64


def test_a_dimension_that_a_model_has_not_is_refused() -> None:
    """Before anything is sent, with those that it has."""
    with pytest.raises(InvalidArgumentError, match=r"300 dimensions; give 1024 or"):
        VoyageEmbedder(VoyageAIClient(KEY), model="voyage-4", dimension=300)
