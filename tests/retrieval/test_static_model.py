"""The keyless embedder: what its vectors promise."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest

from contexter_nb.core import EmbedderError, InvalidArgumentError
from contexter_nb.retrieval import Embedder, StaticEmbedder
from contexter_nb.retrieval._static_model import MAX_CHARS


@pytest.fixture(scope="module")
def model() -> StaticEmbedder:
    """Give the loaded model."""
    return StaticEmbedder()


def test_vectors_are_float32_of_length_one(model: StaticEmbedder) -> None:
    """Each text has one row of 256 numbers and of length 1."""
    answer = model.embed_now(["join two tables", "x", "a" * 50])
    assert answer.vectors.dtype == np.float32
    assert answer.vectors.shape == (3, 256) == (3, model.dimension)
    np.testing.assert_allclose(np.linalg.norm(answer.vectors, axis=1), 1, atol=1e-5)
    assert answer.usd == 0
    assert all(count > 0 for count in answer.token_counts)


def test_an_empty_text_is_zeros(model: StaticEmbedder) -> None:
    """Nothing has no direction: all zeros, never NaN."""
    answer = model.embed_now(["", "table"])
    assert not answer.vectors[0].any()
    assert answer.vectors[1].any()
    assert answer.token_counts[0] == 0


def test_no_texts_give_no_rows(model: StaticEmbedder) -> None:
    """An empty batch is an answer of shape (0, 256)."""
    answer = asyncio.run(model.embed([], "document"))
    assert answer.vectors.shape == (0, 256)
    assert answer.token_counts == []


def test_a_text_has_one_vector_alone_and_in_any_batch(model: StaticEmbedder) -> None:
    """Rows come in the texts' order and do not depend on their neighbours."""
    texts = [f"text number {number}" for number in range(1_100)]
    together = asyncio.run(model.embed(texts, "document"))
    alone = asyncio.run(StaticEmbedder().embed([texts[700]], "query"))
    np.testing.assert_array_equal(together.vectors[700], alone.vectors[0])
    assert len(together.token_counts) == 1_100


def test_the_identity_names_model_dimension_and_version(model: StaticEmbedder) -> None:
    """Vectors of another release of the wheel are never mixed with these."""
    version = metadata.version("wordllama")
    assert model.identity == f"wordllama-l2_supercat-256@{version}"
    assert isinstance(model, Embedder)


def test_similar_words_are_near(model: StaticEmbedder) -> None:
    """The table is the right one: meaning is what decides."""
    remove, delete, paint = model.embed_now(["remove", "delete", "paint"]).vectors
    assert remove @ delete > remove @ paint


def test_a_text_of_ten_megabytes_counts_by_its_beginning(model: StaticEmbedder) -> None:
    """What stands far down a text does not change its vector, nor cost seconds."""
    text = "word " * 2_000_000
    answer = model.embed_now([text, text[:MAX_CHARS]])
    np.testing.assert_array_equal(answer.vectors[0], answer.vectors[1])


@pytest.mark.parametrize("text", ["a\x00b", "\x1b[31m", "\ufffd", "\U0001f40d"])
def test_any_text_has_a_vector(model: StaticEmbedder, text: str) -> None:
    """Control characters and the like are no reason to fail."""
    answer = asyncio.run(model.embed([text], "query"))
    assert np.isfinite(answer.vectors).all()


def test_a_lone_surrogate_costs_no_more_than_its_text(model: StaticEmbedder) -> None:
    """Where such a text cannot be embedded, the error is the embedder's own."""
    with contextlib.suppress(EmbedderError):
        assert model.embed_now(["\ud800"]).vectors.shape == (1, 256)


def test_the_model_is_loaded_without_importing_wordllama() -> None:
    """Importing wordllama would set up the root logger and an HTTP client."""
    code = (
        "import sys, logging\n"
        "from contexter_nb.retrieval import StaticEmbedder\n"
        "StaticEmbedder().embed_now(['x'])\n"
        "assert 'wordllama' not in sys.modules\n"
        "assert not logging.getLogger().handlers\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("dimension", [64, 128])
def test_a_shorter_vector_is_the_beginning_of_a_longer_one(
    model: StaticEmbedder, dimension: int
) -> None:
    """It is brought to length one again, and has an identity of its own."""
    short = StaticEmbedder(dimension)
    assert (short.dimension, f"-{dimension}@" in short.identity) == (dimension, True)
    texts = ["join two tables", ""]
    found = asyncio.run(short.embed(texts, "query")).vectors
    whole = asyncio.run(model.embed(texts, "query")).vectors[:, :dimension]
    np.testing.assert_allclose(
        found[0], whole[0] / np.linalg.norm(whole[0]), rtol=1e-5, atol=1e-6
    )
    assert not found[1].any()


def test_a_dimension_it_was_not_trained_for_is_refused() -> None:
    """Those there are are named."""
    with pytest.raises(InvalidArgumentError, match="64 or 128 or 256"):
        StaticEmbedder(100)


def test_all_embedders_of_a_process_read_the_model_once(model: StaticEmbedder) -> None:
    """A variant with another dimension costs no second table in memory."""
    assert StaticEmbedder(64).table is model.table
