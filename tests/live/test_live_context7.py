"""Context7 itself: a handful of requests, with a key or without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import contexter_nb as cx
from contexter_nb.core import NotFoundError
from tests.live.settings import STORES, need

pytestmark = pytest.mark.live


@pytest.fixture
def nb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a session with the keyless model, away from a person's own stores."""
    need("CONTEXT7_API_KEY", "CONTEXTER_LIVE")
    for name in STORES:
        monkeypatch.delenv(name, raising=False)
    with cx.connect(home=tmp_path, embedder="static") as opened:
        yield opened


def test_a_library_is_found_shown_indexed_and_searched(nb: Any) -> None:
    """From its name to a hit, by the id that the service gives it."""
    found = nb.libraries("httpx", source="context7")
    assert len(found)
    id_ = found["library"].iloc[0]
    assert id_.startswith("/")
    shown = nb.docs(id_, topics="timeouts")
    assert shown["text"].str.contains("timeout", case=False).any()
    assert nb.index(id_, topics="timeouts")["chunks"].iloc[0] > 0
    assert len(nb.search("set a timeout", where={"library": id_}))


def test_a_library_that_there_is_not_is_told(nb: Any) -> None:
    """As an error of our own."""
    with pytest.raises(NotFoundError):
        nb.docs("/contexter-nb-no-such-owner/no-such-library", topics="anything")
