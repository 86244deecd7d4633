"""Models of fastembed: absent they are one sentence, present they are embedders."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import contexter_nb as cx
from contexter_nb.core import EmbedderError
from contexter_nb.retrieval import Embedder, EmbeddingCache, FastEmbedder, embed_cached
from tests.loops import run_really
from tests.notebook.sentence import refusal

MODEL = "BAAI/bge-small-en-v1.5"


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the package be missing, also where it is installed."""
    monkeypatch.setitem(sys.modules, "fastembed", None)


@pytest.mark.usefixtures("absent")
def test_where_it_is_not_installed_one_sentence_says_how(tmp_path: Path) -> None:
    """Already when a session is opened, with what to run."""
    for act in (
        lambda: FastEmbedder(MODEL),
        lambda: cx.connect(home=tmp_path, embedder=f"fastembed:{MODEL}"),
    ):
        told = refusal(act)
        assert MODEL in told
        assert 'pip install "contexter_nb[fastembed]"' in told


class TextEmbedding:
    """Stands for fastembed's own, whose models have to be downloaded."""

    downloads = 0
    fails = False

    def __init__(self, name: str) -> None:
        if type(self).fails:
            raise ValueError("Could not load model from any source.\n" + "x" * 500)
        type(self).downloads += 1

    @staticmethod
    def list_supported_models() -> list[dict[str, Any]]:
        return [{"model": MODEL, "dim": 4}, {"model": "other/model", "dim": 8}]

    def query_embed(self, texts: list[str]) -> Iterator[np.ndarray]:
        yield from (np.array([0, 0, 0, len(text)], np.float32) for text in texts)

    def passage_embed(self, texts: list[str]) -> Iterator[np.ndarray]:
        yield from (np.array([len(text), 1, 0, 0], np.float32) for text in texts)


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> type[TextEmbedding]:
    """Put a library of that form in the place of fastembed."""

    class Own(TextEmbedding):
        downloads = 0

    module = ModuleType("fastembed")
    module.TextEmbedding = Own  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fastembed", module)
    return Own


def test_a_model_that_there_is_not_is_one_sentence(
    library: type[TextEmbedding],
) -> None:
    """With the nearest name."""
    told = refusal(lambda: FastEmbedder("BAAI/bge-small-en"))
    assert f"Did you mean {MODEL!r}?" in told
    assert "list_supported_models()" in told


def test_it_embeds_documents_and_queries_apart(library: type[TextEmbedding]) -> None:
    """Rows of length 1 in their order, free, and the model is loaded once, at first."""
    embedder = FastEmbedder(MODEL)
    assert isinstance(embedder, Embedder)
    assert library.downloads == 0
    assert (embedder.identity, embedder.dimension) == (f"fastembed/{MODEL}@4", 4)
    texts = [f"{'x' * at}!" for at in range(40)]
    documents = run_really(embedder.embed(texts, "document"))
    assert documents.vectors.shape == (40, 4)
    assert np.linalg.norm(documents.vectors, axis=1) == pytest.approx(np.ones(40))
    assert (np.diff(documents.vectors[:, 0]) > 0).all()
    assert documents.usd == 0.0
    assert len(documents.token_counts) == 40
    queries = run_really(embedder.embed(["what"], "query"))
    assert queries.vectors.tolist() == [[0, 0, 0, 1]]
    assert run_really(embedder.embed([], "query")).vectors.shape == (0, 4)
    assert library.downloads == 1
    assert embedder.usd_at_most(["a", "b"]) == [0.0, 0.0]


def test_a_download_that_fails_is_one_sentence(
    library: type[TextEmbedding], tmp_path: Path
) -> None:
    """It says what to check, and a later call tries again."""
    embedder = FastEmbedder(MODEL)
    library.fails = True
    told = refusal(lambda: run_really(embedder.embed(["a"], "document")))
    assert "check the network" in told
    with pytest.raises(EmbedderError):
        run_really(embedder.embed(["a"], "document"))
    library.fails = False
    cache = EmbeddingCache(tmp_path / "embeddings.sqlite")
    for _ in range(2):
        found = run_really(embed_cached(["a"], "document", embedder, cache))
        assert found.vectors.shape == (1, 4)
    assert found.cached == [True]
    cache.close()


def test_a_session_has_an_index_of_its_own_for_it(
    library: type[TextEmbedding], tmp_path: Path
) -> None:
    """Beside the keyless model's, and its vectors are kept in the home."""
    with cx.connect(home=tmp_path, embedder=f"fastembed:{MODEL}") as nb:
        assert nb.index("textwrap")["failed"].tolist() == [0]
        assert len(nb.search("dedent"))
        assert nb.estimate("textwrap")["unchanged"].iloc[0] > 0
        assert nb.status()["healthy"].all()
        assert f"fastembed/{MODEL}@4" in repr(nb)
    with cx.connect(home=tmp_path) as nb:
        assert nb.contents().empty


@pytest.mark.skipif(find_spec("fastembed") is None, reason="fastembed is not installed")
def test_the_real_library_has_the_form_that_is_used() -> None:
    """Where it is installed: the list of its models is read, and one is an embedder."""
    embedder = FastEmbedder(MODEL)
    assert (embedder.dimension, embedder.identity) == (384, f"fastembed/{MODEL}@384")
    told = refusal(lambda: FastEmbedder("BAAI/bge-smal-en-v1.5"))
    assert MODEL in told
