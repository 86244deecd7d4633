"""Cards show what documents say and let nothing that documents hold act."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexter_nb import Cards
from contexter_nb.frames import make_frame
from tests.notebook.frame import fruit
from tests.notebook.markup import read
from tests.notebook.sentence import refusal

PROBES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</pre></div><svg/onload=alert(1)>",
    "<style>*{display:none}</style>",
    "<!-- <iframe src=javascript:alert(1)> -->",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<a href='javascript:alert(1)'>shorten</a>",
    "]]><![CDATA[<b>",
    "{{constructor.constructor('alert(1)')()}}<b>",
]
FIELDS = ["library", "version", "title", "kind", "text", "aliases", "query"]


def hits(query: str = "shorten", rows: int = 1, **changed: Any) -> pd.DataFrame:
    """Return hits of harmless values, some of them changed."""
    record = {
        "score": 0.5,
        "library": "textwrap",
        "version": "3.11",
        "title": "textwrap.shorten",
        "aliases": ("shorten", "cut"),
        "kind": "function",
        "text": "Collapse and truncate.",
        "dense_rank": 1,
        "text_rank": None,
        "url": "https://docs.python.org/3/library/textwrap.html#textwrap.shorten",
        "chunk_id": "0" * 16,
        **changed,
    }
    records = [{**record, "rank": rank} for rank in range(1, rows + 1)]
    return make_frame("search", records, {"query": query})


def placed(field: str, probe: str) -> pd.DataFrame:
    """Return hits with a probe in one field."""
    if field == "aliases":
        return hits(aliases=(probe, probe))
    return hits(**{field: probe})


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("probe", PROBES)
def test_markup_is_shown_and_does_nothing(field: str, probe: str) -> None:
    """A probe in any field adds no tag and no attribute, and reads as it is."""
    html = placed(field, probe).contexter.cards().to_html()
    page = read(html)
    plain = read(hits().contexter.cards().to_html())
    tags = [tag for tag in page.tags if tag != "mark"]
    assert tags == [tag for tag in plain.tags if tag != "mark"]
    assert probe in page.text


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example",
        "/relative",
        "https",
        "http://[broken",
        "",
        "missing",
    ],
)
def test_a_url_that_is_no_page_is_no_link(url: str) -> None:
    """Only http, https and mailto become links; the title stays as text."""
    page = read(hits(url=None if url == "missing" else url).contexter.cards().to_html())
    assert page.links == []
    assert "textwrap.shorten" in page.text


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a?b=1&c=2#d",
        "HTTP://example.org",
        "mailto:someone@example.org",
        "https://example.org/'\" onmouseover=alert(1)<b>",
    ],
)
def test_a_url_of_a_page_is_a_link_and_nothing_else(url: str) -> None:
    """The link goes where it says, in a tab of its own that cannot reach back."""
    html = hits(url=url).contexter.cards().to_html()
    assert read(html).links == [url]
    assert 'rel="noopener noreferrer"' in html


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.text(max_size=40), min_size=8, max_size=8))
def test_no_text_whatever_breaks_the_cards(values: list[str]) -> None:
    """Whatever stands in all fields at once, tags are balanced and few."""
    library, version, title, kind, text, alias, url, query = values
    frame = hits(
        query=query,
        library=library,
        version=version,
        title=title,
        kind=kind,
        text=text,
        aliases=(alias,),
        url=url,
    )
    cards = frame.contexter.cards()
    read(cards.to_html())
    assert isinstance(repr(cards), str)


def test_hostile_documents_stay_harmless_through_the_index(session: Any) -> None:
    """Indexed, searched and shown, markup in a table is still only text."""
    table = fruit(
        name="<b>fruit</b>",
        title=[f"{probe} apple" for probe in PROBES[:3]],
        text=[f"apple {probe}" for probe in PROBES[:3]],
        url=["javascript:alert(1)", "https://example.org/?<b>", "data:x"],
    )
    session.index(table)
    found = session.search("apple <script>alert(1)</script>")
    page = read(found.contexter.cards().to_html())
    assert len(found) == 3
    assert all(link.startswith("https://example.org/") for link in page.links)
    assert PROBES[0] in page.text
    read(session._repr_html_())


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("shorten a text", "Shorten the TEXT, textual", ["Shorten", "TEXT"]),
        ("joining columns", "join one column; joined", ["join", "column", "joined"]),
        ("tables", "a table of tables", ["table", "tables"]),
        ("merge", "merging, merged, merges", ["merging", "merged", "merges"]),
        ("query", "two queries", ["queries"]),
        ("größe", "Die Größe <b>", ["Größe"]),
        ("a < b & c", "a < b & c", []),
        ("nothing here", "quite another thing", []),
        ("lt amp", "< & > lt", ["lt"]),
    ],
)
def test_words_of_the_query_are_marked(
    query: str, text: str, expected: list[str]
) -> None:
    """A word is marked in any case and in its other forms, and no other is.

    Escapes are no words, and words of one or two letters are too common to mark.
    """
    expected = [word for word in expected if len(word) > 2]
    page = read(hits(query=query, text=text).contexter.cards().to_html())
    assert page.marked == expected
    assert text in page.text


def test_ranks_and_score_are_shown() -> None:
    """A part that found the hit shows its rank, one that did not a dash."""
    page = read(hits(rows=2).contexter.cards().to_html())
    assert "score 0.500 · by meaning #1 · by words –" in page.text
    assert "textwrap 3.11 · function" in page.text
    assert "also shorten, cut" in page.text


def test_ranks_are_shown_when_a_frame_was_put_together() -> None:
    """Rows of several searches below each other show their ranks as before."""
    both = pd.concat([hits(), hits(dense_rank=7)], ignore_index=True)
    text = read(both.contexter.cards().to_html()).text
    assert "by meaning #1" in text
    assert "by meaning #7" in text


def test_as_many_cards_are_shown_as_the_limit_says() -> None:
    """The rest is counted; there are never more than a hundred."""
    frame = hits(rows=120)
    few = read(frame.contexter.cards(limit=3).to_html())
    assert few.tags.count("pre") == 3
    assert "117 more not shown" in few.text
    assert read(frame.contexter.cards().to_html()).tags.count("pre") == 10
    assert read(frame.contexter.cards(limit=10_000).to_html()).tags.count("pre") == 100
    assert "more not shown" not in read(hits().contexter.cards().to_html()).text


def test_a_long_text_is_cut_and_a_short_one_is_whole() -> None:
    """A passage of pages shows its beginning, with a sign that it goes on."""
    long = "\n".join(f"line {number}" for number in range(400))
    text = read(hits(text=long).contexter.cards().to_html()).text
    assert "line 0\nline 1\n" in text
    assert "line 399" not in text
    assert "…" in text


def test_an_empty_frame_says_that_there_are_no_hits() -> None:
    """No hits are no error, in HTML and in text."""
    cards = hits(rows=0).contexter.cards()
    assert "No hits." in read(cards.to_html()).text
    assert repr(cards) == "Hits for 'shorten'\nNo hits."


def test_cards_read_as_text_in_a_terminal() -> None:
    """The repr has query, rank, title, library, version, kind and passage."""
    told = repr(hits(rows=2).contexter.cards(limit=1))
    assert told.splitlines() == [
        "Hits for 'shorten'",
        "1. textwrap.shorten  (textwrap 3.11, function)",
        "   Collapse and truncate.",
    ]


def test_a_notebook_shows_the_html(reader: Any) -> None:
    """A real search's cards display as harmless HTML with links to its pages."""
    cards = reader.search("shorten a text to a width").contexter.cards()
    assert isinstance(cards, Cards)
    page = read(cards._repr_html_())
    assert page.tags.count("pre") >= 5
    assert any(link.startswith("https://docs.python.org/3") for link in page.links)
    assert {word.lower() for word in page.marked} >= {"shorten", "text", "width"}


def test_rows_chosen_from_a_search_are_cards_too(reader: Any) -> None:
    """Filtered, sorted or widened hits are hits; the query is still shown."""
    found = reader.search("shorten a text")
    chosen = found[found["kind"] == "function"].sort_values("title")
    page = read(chosen.assign(mine=1).contexter.cards().to_html())
    assert page.tags.count("pre") == min(10, len(chosen))
    assert "Hits for shorten a text" in page.text


def test_other_frames_are_refused_in_a_sentence(reader: Any) -> None:
    """The message says what cards are of, and what the frame lacks."""
    told = refusal(lambda: reader.contents().contexter.cards())
    assert "nb.search(" in told
    assert "score" in told
    refusal(lambda: pd.DataFrame().contexter.cards())


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "3", None])
def test_a_bad_limit_is_refused_in_a_sentence(limit: Any) -> None:
    """A limit is a whole number from 1 on."""
    assert "limit is" in refusal(lambda: hits().contexter.cards(limit=limit))


def test_a_frame_knows_its_kind(reader: Any) -> None:
    """The accessor names the verb's frame, and nothing for other frames."""
    assert reader.contents().contexter.kind == "contents"
    assert reader.search("text").contexter.kind == "search"
    assert pd.DataFrame({"a": [1]}).contexter.kind is None
