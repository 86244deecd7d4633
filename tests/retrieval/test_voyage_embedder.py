"""What the embedder of Voyage AI says before anything is sent, and what it asks."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from contexter_nb.clients import VoyageAIClient
from contexter_nb.core import InvalidArgumentError
from contexter_nb.policies import APICache
from contexter_nb.retrieval import VoyageEmbedder
from contexter_nb.sandbox import sandbox

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


@pytest.mark.parametrize("dtype", ["int8", "binary"])
def test_fewer_bits_are_asked_of_the_service_and_kept_apart(dtype: str) -> None:
    """Its rows point where the exact ones do, and no exact row is taken for one."""
    texts = ["join two tables", "plot a line", "read a file"]

    async def main() -> tuple[np.ndarray, np.ndarray, list[list[bool]]]:
        with sandbox("voyage") as box:
            given = box.arguments()
            client = VoyageAIClient(
                given["voyage_api_key"],
                base_url=str(given["voyage_base_url"]),
                cache=APICache(),
            )
            exact, less = VoyageEmbedder(client), VoyageEmbedder(client, dtype=dtype)
            assert less.identity == f"{exact.identity}+{dtype}"
            first = await exact.embed(texts, "document")
            kept = [await each.kept(texts, "document") for each in (exact, less)]
            second = await less.embed(texts, "document")
            kept.append(await less.kept(texts, "document"))
            await client.close()
        return first.vectors, second.vectors, kept

    exact, less, kept = asyncio.run(main())
    assert kept == [[True] * 3, [False] * 3, [True] * 3]
    assert (less.shape, less.dtype) == (exact.shape, np.float32)
    np.testing.assert_allclose(np.linalg.norm(less, axis=1), 1, rtol=1e-5)
    nearest = (less @ exact.T).argmax(axis=1)
    assert nearest.tolist() == [0, 1, 2]
    assert np.diag(less @ exact.T).min() > (0.99 if dtype == "int8" else 0.6)


def test_a_dtype_that_is_another_coding_is_refused() -> None:
    """The one that holds the same numbers is named."""
    with pytest.raises(InvalidArgumentError, match="same numbers as int8"):
        VoyageEmbedder(VoyageAIClient(KEY), dtype="uint8")
