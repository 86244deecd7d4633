"""An embedder that fails on everything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from contexter_nb.core import EmbedderError
from contexter_nb.notebook import connect
from contexter_nb.retrieval import Embedded, InputType


class BrokenEmbedder:
    """Refuses every text and counts how often it was asked."""

    identity = "broken"
    dimension = 4
    asked = 0

    async def embed(self, texts: Sequence[str], input_type: InputType) -> Embedded:
        """Fail."""
        BrokenEmbedder.asked += 1
        raise EmbedderError("no model")


def test_an_embedder_that_fails_on_everything_ends_the_job(tmp_path: Path) -> None:
    """One error with its reason, and not a row and a call for each of 600 texts."""
    for page in range(600):
        (tmp_path / f"p{page}.md").write_text(f"page {page}")
    with connect(home=tmp_path / "home", embedder=BrokenEmbedder()) as nb:
        with pytest.raises(EmbedderError, match=r"failed on each of .* no model"):
            nb.index(tmp_path)
        assert nb.contents().empty
    assert BrokenEmbedder.asked < 600
