"""Documents cut into chunks: the budget kept, nothing lost, ids that stay."""

from __future__ import annotations

import dataclasses
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexter_nb.retrieval import Chunk, Document, chunk_document
from contexter_nb.retrieval._chunking import BUDGET_TOKENS, prior_of, summary_of
from contexter_nb.retrieval._text import count_tokens

PAGE = """# Guide
Lead.

## Install
Use pip.

## Use
Call it.
"""
OBJECT = """Join two tables.

More of it.

Parameters
----------
on : str
    The key.

Returns
-------
DataFrame
"""


def page(text: str, markup: str = "markdown", **fields: Any) -> Document:
    """Return a page of a folder."""
    return Document(
        **{
            "library": "guide",
            "version": "1",
            "source": "folder",
            "title": "a.md",
            "kind": "page",
            "text": text,
            "markup": markup,
            **fields,
        }
    )


def documented(text: str, **fields: Any) -> Document:
    """Return a documented function."""
    told = {"title": "pkg.Frame.merge_on", "kind": "method", **fields}
    return page(text, "docstring", **told)


def texts(chunks: list[Chunk]) -> list[str]:
    """Return the passages."""
    return [chunk.text for chunk in chunks]


def test_a_page_gives_a_chunk_for_each_section() -> None:
    """A page's chunks are titled by their heading paths, in reading order."""
    chunks = chunk_document(page(PAGE))
    assert [(chunk.title, chunk.section, chunk.text) for chunk in chunks] == [
        ("a.md › Guide", "Guide", "Lead."),
        ("a.md › Guide › Install", "Guide › Install", "Use pip."),
        ("a.md › Guide › Use", "Guide › Use", "Call it."),
    ]
    assert chunks[1].embedded_text == "a.md › Guide › Install\nUse pip."
    assert {chunk.document for chunk in chunks} == {"a.md"}


def test_an_object_gives_its_signature_with_its_lead() -> None:
    """The first chunk shows how it is called; short sections are put together."""
    chunks = chunk_document(documented(OBJECT, signature="(right, on=None)"))
    assert texts(chunks) == [
        "merge_on(right, on=None)\n\nJoin two tables.\n\nMore of it.",
        "Parameters\n----------\non : str\n    The key.\n\nReturns\n-------\nDataFrame",
    ]
    assert {chunk.title for chunk in chunks} == {"pkg.Frame.merge_on"}


def test_each_part_of_an_object_is_embedded_with_its_summary() -> None:
    """A parameter list alone says little; the summary stands before it."""
    lead, rest = chunk_document(documented(OBJECT, described=("Glue frames.",)))
    assert lead.embedded_text.startswith("Join two tables. Glue frames. Join")
    assert rest.embedded_text.startswith("Join two tables. Parameters")
    assert "merge on" in lead.lexical_text
    assert lead.gist.startswith("Frame merge on Glue frames.")


def test_an_object_without_text_but_a_signature_has_a_chunk() -> None:
    """What is known of an object is searchable, even if it is only its call."""
    assert texts(chunk_document(documented("", signature="(x)"))) == ["merge_on(x)"]


@pytest.mark.parametrize("markup", ["docstring", "markdown", "rst", "html", "text"])
def test_a_blank_document_has_no_chunk(markup: str) -> None:
    """Nothing is made of nothing."""
    assert chunk_document(page(" \n\n ", markup)) == []


def test_a_code_block_stays_whole_where_it_fits() -> None:
    """A fenced block is not broken at its blank lines."""
    code = "```python\na = 1\n\nb = 2\n\nc = 3\n```"
    text = "word " * 20 + "\n\n" + code + "\n\n" + "word " * 20
    chunks = chunk_document(page(text, "text"), budget_tokens=25)
    assert code in texts(chunks)


def test_a_code_block_that_is_too_long_is_cut_at_line_ends() -> None:
    """Of a code block over the budget every line stays whole."""
    lines = [f"value_{number} = {number}" for number in range(100)]
    chunks = chunk_document(page("\n".join(["```", *lines, "```"])), 30)
    assert len(chunks) > 5
    assert [line for text in texts(chunks) for line in text.split("\n")][1:-1] == lines


WORDS = st.lists(st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,4}){0,3}", fullmatch=True))
BLOCKS = st.one_of(
    WORDS.map(" ".join),
    WORDS.map("\n".join),
    WORDS.map(lambda words: "```\n" + "\n\n".join(words) + "\n```"),
    st.integers(1, 4).map(lambda level: "#" * level + f" head{level}\nbody{level}"),
    st.text("ab .!?,()\n", max_size=60),
)


@pytest.mark.parametrize("markup", ["markdown", "text"])
@settings(deadline=None)
@given(
    blocks=st.lists(BLOCKS, max_size=8),
    budget_tokens=st.sampled_from([4, 10, 40, BUDGET_TOKENS]),
)
def test_chunks_lose_no_word_and_keep_the_budget(
    markup: str, blocks: list[str], budget_tokens: int
) -> None:
    """Each word of a document is in a chunk, ids are unique, none is too long."""
    text = "\n\n".join(blocks)
    chunks = chunk_document(page(text, markup), budget_tokens)
    kept = " ".join(f"{chunk.section} {chunk.text}" for chunk in chunks)
    assert set(re.findall(r"\w+", text)) <= set(re.findall(r"\w+", kept))
    assert all(count_tokens(chunk.text) <= budget_tokens for chunk in chunks)
    assert all(chunk.text.strip() for chunk in chunks)
    assert len({chunk.chunk_id for chunk in chunks}) == len(chunks)


@pytest.mark.parametrize(
    ("line", "markup"),
    [
        pytest.param("word " * 2_000_000, "markdown", id="words"),
        pytest.param("x" * 10_000_000, "docstring", id="one-word"),
        pytest.param("!" * 1_000_000, "docstring", id="marks"),
        pytest.param('{"a":1,"b":[2,3]},' * 50_000, "markdown", id="minified"),
        pytest.param("a.b.c.d.e.f.g.h " * 60_000, "markdown", id="dotted"),
    ],
)
def test_megabytes_on_one_line_are_cut_within_the_budget(
    line: str, markup: str
) -> None:
    """The longest line becomes passages of the common size, in seconds."""
    started = time.perf_counter()
    chunks = chunk_document(page(line, markup))
    assert time.perf_counter() - started < 20
    longest = max(chunks, key=lambda chunk: len(chunk.text)).text
    assert len(longest) <= BUDGET_TOKENS * 40
    assert max(count_tokens(chunk.text) for chunk in chunks) <= BUDGET_TOKENS


def test_a_run_of_blanks_is_cut_in_time_that_grows_with_it() -> None:
    """A line that ends on many blanks is cut; backtracking would take minutes."""
    text = "word " * (BUDGET_TOKENS + 1) + " " * 150_000 + "\nmore"
    started = time.perf_counter()
    chunk_document(page(text, "text"))
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize("document", [page(PAGE), documented(OBJECT)])
def test_ids_stay_when_the_text_changes(document: Document) -> None:
    """A passage is known by its place, so that judgments outlive an edit."""
    changed = dataclasses.replace(document, text=document.text.replace(".", "!"))
    before, after = chunk_document(document), chunk_document(changed)
    assert texts(before) != texts(after)
    assert before[0].chunk_id == after[0].chunk_id
    assert before[0].content_hash != after[0].content_hash


def test_a_pages_other_sections_keep_their_ids_when_one_is_added() -> None:
    """A new section in front leaves the ids of the others as they are."""
    longer = page(PAGE.replace("## Install", "## News\nHot.\n\n## Install"))
    ids = {chunk.title: chunk.chunk_id for chunk in chunk_document(longer)}
    for chunk in chunk_document(page(PAGE)):
        assert ids[chunk.title] == chunk.chunk_id


def test_chunks_of_an_object_share_their_first_twelve_digits() -> None:
    """The id tells the object, and 0000 the passage that it begins with."""
    chunks = chunk_document(documented(OBJECT))
    assert len({chunk.chunk_id[:12] for chunk in chunks}) == 1
    assert chunks[0].chunk_id.endswith("0000")
    assert not chunks[1].chunk_id.endswith("0000")


def test_ids_are_unique_where_headings_repeat() -> None:
    """Hundreds of sections of the same name are told apart."""
    chunks = chunk_document(page("# Same\nbody\n" * 700))
    assert len(chunks) == 700
    assert len({chunk.chunk_id for chunk in chunks}) == 700


@pytest.mark.parametrize(
    "change",
    [
        {"library": "other"},
        {"version": "2"},
        {"source": "frame"},
        {"title": "b.md"},
        {"kind": "row"},
        {"text": "# Guide\nLead!"},
        {"aliases": ("x",)},
        {"url": "https://x.org"},
        {"mentions": 5},
    ],
)
def test_the_content_hash_changes_with_all_that_is_stored(
    change: dict[str, Any],
) -> None:
    """Whatever of a document is stored, a change of it is a change of the chunk."""
    document = page("# Guide\nLead.")
    changed = dataclasses.replace(document, **change)
    (before,), (after,) = chunk_document(document), chunk_document(changed)
    assert before.content_hash != after.content_hash


@pytest.mark.parametrize(
    "change", [{"signature": "(x)"}, {"described": ("Glue.",)}, {"mentions": 5}]
)
def test_the_content_hash_changes_with_what_is_said_of_an_object(
    change: dict[str, Any],
) -> None:
    """Signature, descriptions and mentions are part of what is searched."""
    document = documented("Join two tables.")
    changed = dataclasses.replace(document, **change)
    (before,), (after,) = chunk_document(document), chunk_document(changed)
    assert before.chunk_id == after.chunk_id
    assert before.content_hash != after.content_hash


def test_the_same_document_gives_the_same_chunks() -> None:
    """Nothing of the cutting depends on chance."""
    assert chunk_document(page(PAGE)) == chunk_document(page(PAGE))


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("", ""),
        ("One\nline.\n\nTwo.", "One line."),
        ("dot(a, b)\n\nDot product.", "Dot product."),
        ("dot(a, b)", "dot(a, b)"),
        ("x" * 900, "x" * 300),
    ],
)
def test_the_summary_is_the_first_prose(text: str, summary: str) -> None:
    """A signature that a docstring opens on is no summary."""
    assert summary_of(text) == summary


@pytest.mark.parametrize(
    ("title", "mentions", "prior"),
    [
        ("pkg.a", 0, 1.0),
        ("pkg.a.b", 0, 1.0),
        ("pkg.a.b.c", 0, 0.8),
        ("p.a.b.c.d.e.f.g.h", 0, 0.2),
        ("pkg.a", 19, 1.2996),
    ],
)
def test_the_prior_falls_with_depth_and_grows_with_mentions(
    title: str, mentions: int, prior: float
) -> None:
    """A deeply nested object is sought less, an often mentioned one more."""
    document = documented("x", title=title, mentions=mentions)
    assert prior_of(document) == pytest.approx(prior)
