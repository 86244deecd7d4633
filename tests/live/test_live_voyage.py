"""Voyage AI itself: a few calls of some hundred tokens, far below a cent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import contexter_nb as cx
from contexter_nb.clients import usd_of
from tests.live.settings import STORES, need

pytestmark = pytest.mark.live
TEXTS = ["An apple keeps all winter.", "A pear is soft.", "Plums are dried."]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a person's own collections and caches out of it."""
    for name in STORES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def nb(tmp_path: Path) -> Iterator[Any]:
    """Give a session by the key of the environment, with a home of its own."""
    need("VOYAGE_API_KEY")
    with cx.connect(home=tmp_path) as opened:
        yield opened


def test_the_key_is_taken_and_asking_costs_nothing(nb: Any) -> None:
    """The health check is no call that is charged."""
    status = nb.status().set_index("service")
    assert status.loc["embedder", "healthy"], status.loc["embedder", "detail"]
    assert nb.costs().empty


def test_texts_are_embedded_once_at_the_list_price(nb: Any) -> None:
    """Vectors of length 1, and the second time from the cache."""
    found = nb.embed(TEXTS)
    assert found["embedding"].map(len).eq(1024).all()
    lengths = np.linalg.norm(np.stack(found["embedding"]), axis=1)
    assert lengths == pytest.approx(np.ones(3), abs=1e-3)
    assert nb.embed(TEXTS)["cached"].all()
    (spent,) = nb.costs().to_dict("records")
    assert (spent["model"], spent["calls"]) == ("voyage-4", 1)
    assert spent["usd"] == pytest.approx(usd_of("voyage-4", spent["tokens"]), abs=1e-8)


def test_a_table_is_indexed_searched_and_reranked(nb: Any) -> None:
    """The fruit that is dried is found, with and without the reranker."""
    report = nb.index(pd.DataFrame({"text": TEXTS}), name="fruit", budget_usd=0.01)
    assert report["new"].tolist() == [3]
    assert "Plums" in nb.search("prunes", mode="dense")["text"].iloc[0]
    ranked = nb.search("prunes", rerank=True)
    assert "Plums" in ranked["text"].iloc[0]
    assert 0 < ranked.attrs["usd"] < 0.01


def test_a_wrong_key_is_told(tmp_path: Path) -> None:
    """By the service, in one sentence."""
    need("VOYAGE_API_KEY")
    wrong = "-".join(["pa", "wrong", "0123456789"])
    with cx.connect(home=tmp_path, voyage_api_key=wrong) as nb:
        told = nb.status().set_index("service").loc["embedder"]
    assert not told["healthy"]
    assert wrong not in told["detail"]
