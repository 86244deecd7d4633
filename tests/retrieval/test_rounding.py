"""Vectors in fewer bits: of length one, as near as their bits allow."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from contexter_nb.core import EmbedderError, InvalidArgumentError
from contexter_nb.retrieval import (
    Embedded,
    Embedder,
    RoundedEmbedder,
    StaticEmbedder,
    check_dtype,
)
from contexter_nb.retrieval._rounding import rounded
from tests.retrieval.embedder import CountingEmbedder

NUMBERS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(0, 4), st.integers(1, 16)),
    elements=st.floats(-1, 1, width=32),
)


@given(NUMBERS, st.sampled_from(["int8", "binary"]))
def test_rows_have_length_one_or_are_zeros(vectors: np.ndarray, dtype: str) -> None:
    """Rounding changes no shape, no type and no length, and a row of zeros stays."""
    found = rounded(vectors, dtype)
    assert (found.shape, found.dtype) == (vectors.shape, np.float32)
    lengths = np.linalg.norm(found, axis=1)
    some = np.abs(vectors).max(axis=1, initial=0) > 0
    np.testing.assert_allclose(lengths, some.astype(float), atol=1e-5)


@given(NUMBERS)
def test_bits_are_signs_and_steps_are_even(vectors: np.ndarray) -> None:
    """Binary has one size of number in a row, int8 whole shares of the largest."""
    for row, bits, steps in zip(
        vectors, rounded(vectors, "binary"), rounded(vectors, "int8"), strict=True
    ):
        if not row.any():
            continue
        assert ((bits > 0) == (row > 0)).all()
        assert np.ptp(np.abs(bits)) < 1e-6
        shares = steps / np.abs(steps).max() * 127
        np.testing.assert_allclose(shares, np.rint(shares), atol=1e-3)
        np.testing.assert_allclose(shares, row / np.abs(row).max() * 127, atol=0.51)


def test_its_neighbours_are_those_of_the_signs() -> None:
    """A rounded query is compared with rounded passages, not with exact ones."""
    embedder = RoundedEmbedder(StaticEmbedder(), "binary")
    assert isinstance(embedder, Embedder)
    found = asyncio.run(embedder.embed(["join two tables", "plot a line"], "query"))
    exact = asyncio.run(
        StaticEmbedder().embed(["join two tables", "plot a line"], "query")
    )
    cosine = float(found.vectors[0] @ found.vectors[1])
    signs = np.sign(exact.vectors)
    assert cosine == pytest.approx(float(signs[0] @ signs[1]) / 256, abs=1e-5)
    assert found.token_counts == exact.token_counts


def test_what_it_costs_is_what_the_other_costs() -> None:
    """Price, pace and packing are asked of the other; so is who has none."""
    free = RoundedEmbedder(StaticEmbedder(), "int8")
    assert (free.usd_per_million_tokens, free.usd_at_most(["a"])) == (0.0, [0.0])
    assert free.packing == StaticEmbedder().packing
    unknown = RoundedEmbedder(CountingEmbedder(), "int8")
    assert (unknown.usd_per_million_tokens, unknown.usd_at_most(["a"])) == (None, None)
    assert asyncio.run(unknown.embed(["a"], "query")).usd == 0.5


def test_nonsense_of_the_other_is_not_rounded() -> None:
    """A row too few is an error that names the other."""

    class Short(CountingEmbedder):
        async def embed(self, texts: object, input_type: str) -> Embedded:
            return await super().embed(["one"], input_type)

    with pytest.raises(EmbedderError, match="'counting' answered vectors of shape"):
        asyncio.run(RoundedEmbedder(Short(), "int8").embed(["a", "b"], "query"))


@pytest.mark.parametrize("dtype", ["uint8", "ubinary", "flaot", 8, None])
def test_another_dtype_is_refused(dtype: object) -> None:
    """The three are named."""
    with pytest.raises(InvalidArgumentError, match="'float', 'int8', 'binary'"):
        check_dtype(dtype)
