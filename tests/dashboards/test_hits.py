"""Hits as values: escaped nowhere, dangerous nowhere, and true to their frame."""

from __future__ import annotations

from typing import Any

import pytest

from contexter_nb.dashboards._hits import (
    hit_values,
    overlap,
    split_signature,
    web_url,
    with_moves,
)
from contexter_nb.frames import make_frame


def hit(**fields: Any) -> dict[str, Any]:
    """Return a row of a search."""
    return {
        "rank": 1,
        "score": 0.5,
        "library": "pandas",
        "version": "3.1",
        "title": "pandas.merge",
        "aliases": (),
        "kind": "function",
        "text": "Joins two tables.",
        "dense_rank": 1,
        "text_rank": None,
        "url": "https://pandas.pydata.org",
        "chunk_id": "0" * 16,
        **fields,
    }


def values(*rows: dict[str, Any], query: str = "", mode: str = "hybrid") -> Any:
    """Return the values of a frame with some rows."""
    return hit_values(make_frame("search", rows), query, mode)


def test_runs_put_together_are_the_text() -> None:
    """Marking cuts a text and loses nothing of it; every second run is a match."""
    (value,) = values(hit(), query="joining a table")
    assert "".join(value["text"]) == "Joins two tables."
    assert value["text"][1::2] == ["Joins", "tables"]


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "mailto:a@b.c", "//x", "", " ftp://x"],
)
def test_only_pages_are_linked(url: str) -> None:
    """A source link is http or https, or there is none."""
    assert web_url(url) == values(hit(url=url))[0]["url"] == ""


def test_unseen_characters_are_seen() -> None:
    """Controls and marks that turn text around are replaced in every field."""
    fields = dict.fromkeys(("title", "text", "kind", "library"), "a\x00b\u202ec")
    (value,) = values(hit(**fields, aliases=("x\u2066y",)))
    shown = [value["kind"], value["library"], value["also"], *value["title"]]
    assert not set("".join([*shown, *value["text"]])) & {"\x00", "\u202e", "\u2066"}


def test_bars_compare_with_the_best() -> None:
    """A fused score's bar is its share of the first; a cosine's is the cosine."""
    rows = [hit(score=0.8), hit(rank=2, score=0.2, chunk_id="1" * 16)]
    assert [each["share"] for each in values(*rows)] == [1.0, 0.25]
    assert [each["share"] for each in values(*rows, mode="dense")] == [0.8, 0.2]
    assert values(hit(score=-0.1))[0]["share"] == 0.0


def test_parts_are_those_that_found_something() -> None:
    """A part that ranked none of the hits has no bar; one missing rank is a dash."""
    rows = [hit(), hit(rank=2, dense_rank=None, chunk_id="1" * 16)]
    first, second = values(*rows)
    assert first["parts"] == [["meaning", 1, 1.0]]
    assert second["parts"] == [["meaning", None, 0.0]]


def test_a_long_passage_is_cut() -> None:
    """A passage of a megabyte does not travel to the browser."""
    (value,) = values(hit(text="x" * 1_000_000))
    assert len("".join(value["text"])) < 5_000


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        ("merge(a, b=')') -> DataFrame\n\nJoin.", "merge(a, b=')') -> DataFrame"),
        ("f(a,\n  b)\n\nText.", "f(a, b)"),
        ("See Also\n--------\nmerge", ""),
        ("f(a)", ""),
        ("Some prose (really)\n\nmore", ""),
    ],
)
def test_a_signature_is_told_from_prose(text: str, signature: str) -> None:
    """Only a call's form before a blank line is one."""
    found, rest = split_signature(text)
    assert found == signature
    assert rest in text


def test_moves_are_ranks_in_the_other_list() -> None:
    """Each hit says where it was; what was not there says None."""
    one = [{"id": "a", "rank": 1}, {"id": "b", "rank": 2}]
    other = [{"id": "b", "rank": 1}, {"id": "c", "rank": 2}]
    assert [each["was"] for each in with_moves(one, other)] == [None, 1]
    assert overlap(one, other) == 1


def test_no_hits_are_no_values() -> None:
    """An empty frame gives an empty list."""
    assert values() == []
