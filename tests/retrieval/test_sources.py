"""Files and rows as documents: each becomes one, or a problem that says why not."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from contexter_nb.core import SourceError
from contexter_nb.retrieval import (
    MARKUP_BY_ENDING,
    Chunk,
    Collected,
    FolderSource,
    RowsSource,
    _sources,
    chunk_document,
)


def collect(path: Path) -> Collected:
    """Collect a folder or a file."""
    return asyncio.run(FolderSource(path=path, library="notes").collect())


def told(collected: Collected) -> list[tuple[str, str]]:
    """Return title and error of each problem."""
    return [(each.title, each.error) for each in collected.problems]


def found(collected: Collected) -> dict[str, str]:
    """Return the text of each document by title."""
    return {each.title: each.text for each in collected.documents}


def test_a_folder_gives_a_document_for_each_file_of_documentation(
    tmp_path: Path,
) -> None:
    """Every known ending, in any case and any depth; nothing else."""
    notebook = json.dumps({"cells": []})
    names = ["a.md", "b.RST", "c.txt", "deep/er/d.html", "deep/e.htm", "f.ipynb"]
    for name in [*names, "x.py", "y.csv", "md", "z.md.bak"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(notebook if name.endswith("ipynb") else name)
    collected = collect(tmp_path)
    assert sorted(found(collected)) == sorted(names)
    assert {each.title: each.markup for each in collected.documents} == {
        "a.md": "markdown",
        "b.RST": "rst",
        "c.txt": "text",
        "deep/e.htm": "html",
        "deep/er/d.html": "html",
        "f.ipynb": "notebook",
    }
    assert {each.kind for each in collected.documents} == {"page"}
    assert (collected.source, collected.library) == ("folder", "notes")
    assert collected.complete
    assert collected.fingerprint


@pytest.mark.parametrize("ending", MARKUP_BY_ENDING)
def test_a_single_file_is_a_source_too(tmp_path: Path, ending: str) -> None:
    """A file's title is its name."""
    path = tmp_path / f"guide{ending}"
    path.write_text("{}")
    assert found(collect(path)) == {path.name: "{}"}


@pytest.mark.parametrize(
    "folder", [".git", ".hidden", "node_modules", "__pycache__", "site-packages"]
)
def test_folders_of_no_documentation_are_skipped(tmp_path: Path, folder: str) -> None:
    """Hidden folders and those of tools hold nothing that a person wrote."""
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "x.md").write_text("x")
    (tmp_path / "a.md").write_text("a")
    assert list(found(collect(tmp_path))) == ["a.md"]


def test_an_empty_folder_is_a_problem(tmp_path: Path) -> None:
    """The message names the endings that were looked for."""
    collected = collect(tmp_path)
    assert told(collected) == [
        (tmp_path.name, "no file with one of .htm .html .ipynb .md .rst .txt in it")
    ]
    assert not collected.fingerprint


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """A link into nowhere costs its own document only."""
    (tmp_path / "a.md").write_text("a")
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere.md")
    collected = collect(tmp_path)
    assert found(collected) == {"a.md": "a"}
    ((title, error),) = told(collected)
    assert title == "gone.md"
    assert error.startswith("cannot be read: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_a_problem(tmp_path: Path) -> None:
    """What the system refuses is told in its words."""
    (tmp_path / "a.md").write_text("a")
    (tmp_path / "a.md").chmod(0)
    ((title, error),) = told(collect(tmp_path))
    assert title == "a.md"
    assert "Permission denied" in error


def test_a_pipe_is_a_problem_and_not_a_hang(tmp_path: Path) -> None:
    """What is no regular file is not waited for."""
    (tmp_path / "a.md").write_text("a")
    os.mkfifo(tmp_path / "pipe.md")
    answers: list[Collected] = []
    reader = threading.Thread(
        target=lambda: answers.append(collect(tmp_path)), daemon=True
    )
    reader.start()
    reader.join(2)
    hung = reader.is_alive()
    if hung:  # let it end
        os.close(os.open(tmp_path / "pipe.md", os.O_WRONLY))
        reader.join()
    assert not hung
    assert [title for title, _ in told(answers[0])] == ["pipe.md"]


def test_a_file_that_is_too_large_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is not read where its size alone says that it is no documentation."""
    monkeypatch.setattr(_sources, "MAX_FILE_BYTES", 1_000)
    (tmp_path / "a.md").write_text("x" * 1_001)
    (tmp_path / "b.md").write_text("x" * 1_000)
    collected = collect(tmp_path)
    assert list(found(collected)) == ["b.md"]
    assert told(collected) == [
        ("a.md", "cannot be read: it has 1,001 bytes, more than 1,000")
    ]


def test_too_many_files_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever indexes the root of a disk is told to choose."""
    monkeypatch.setattr(_sources, "MAX_FILES", 2)
    for name in "abc":
        (tmp_path / f"{name}.md").write_text(name)
    with pytest.raises(SourceError, match="more than 2 documents; index its folders"):
        collect(tmp_path)


@pytest.mark.parametrize(
    ("data", "text", "problem"),
    [
        (b"caf\xe9", "caf\ufffd", True),
        ("caf\u00e9".encode("utf-16"), None, True),
        ("caf\u00e9".encode(), "caf\u00e9", False),
        (b"\xef\xbb\xbfa", "a", False),
        ("\ufffd".encode(), "\ufffd", False),
        (b"", "", False),
        (b"a\x00b", "a\x00b", False),
    ],
)
def test_a_file_that_is_not_utf8_is_read_and_told(
    tmp_path: Path, data: bytes, text: str | None, problem: bool
) -> None:
    """Unreadable bytes are replaced, the rest is there, and the problem says so."""
    (tmp_path / "a.txt").write_bytes(data)
    collected = collect(tmp_path)
    assert text is None or found(collected) == {"a.txt": text}
    expected = [("a.txt", "is not UTF-8; unreadable bytes are replaced")]
    assert told(collected) == expected * problem
    assert bool(collected.fingerprint) == (not problem)


def test_a_folders_fingerprint_changes_when_a_file_does(tmp_path: Path) -> None:
    """A touched, changed, new or removed file, and nothing else."""
    source = FolderSource(path=tmp_path, library="notes")
    path = tmp_path / "a.md"
    path.write_text("a")
    seen = [source.fingerprint()]
    assert source.fingerprint() == seen[0]
    (tmp_path / "a.py").write_text("no documentation")
    assert source.fingerprint() == seen[0]
    for change in (
        lambda: os.utime(path, ns=(1, 1)),
        lambda: path.write_text("longer"),
        lambda: (tmp_path / "b.md").write_text("b"),
        path.unlink,
    ):
        change()
        seen.append(source.fingerprint())
    assert len(set(seen)) == len(seen)


def collect_rows(*rows: dict[Any, Any]) -> Collected:
    """Collect some rows."""
    return asyncio.run(RowsSource(rows=rows, library="faq").collect())


def chunks_of(collected: Collected) -> dict[str, Chunk]:
    """Return the passages of documents by id."""
    chunks = [each for one in collected.documents for each in chunk_document(one)]
    return {each.chunk_id: each for each in chunks}


def ids_of(*rows: dict[Any, Any]) -> dict[str, str]:
    """Return what is embedded of each row, by the id of its passage."""
    chunks = chunks_of(collect_rows(*rows))
    return {key: each.embedded_text for key, each in chunks.items()}


def test_each_row_is_a_document() -> None:
    """Title, kind and page come from the row where it has them."""
    collected = collect_rows(
        {"text": "one"},
        {"text": "two", "title": "Second", "url": "https://x.org", "kind": "answer"},
    )
    assert [
        (each.title, each.kind, each.text, each.url) for each in collected.documents
    ] == [("row 0", "row", "one", ""), ("Second", "answer", "two", "https://x.org")]
    assert collected.source == "frame"
    assert collected.fingerprint


@pytest.mark.parametrize("text", [None, "", "  \n", 5, float("nan"), ["x"]])
def test_a_row_without_text_is_a_problem(text: object) -> None:
    """What is no text is told by its row, and the others are there."""
    collected = collect_rows({"text": "a"}, {"text": text, "title": "bad"}, {"x": 1})
    assert list(found(collected)) == ["row 0"]
    assert told(collected) == [
        ("bad", "row 1 has no text"),
        ("row 2", "row 2 has no text"),
    ]
    assert not collected.fingerprint


@pytest.mark.parametrize(
    "titles",
    [["a", "a", "a"], ["a", "a", "a (2)"], ["a (2)", "a", "a"], ["row 1", None]],
)
def test_rows_of_one_title_are_documents_of_their_own(titles: list[str | None]) -> None:
    """No two rows are the same passage, whatever their titles and texts."""
    rows = [{"text": "x", "title": each} for each in titles]
    assert len(ids_of(*rows)) == len(titles)


@pytest.mark.parametrize("title", [None, "of all", "of {at} alone"])
def test_rows_that_come_and_go_change_no_others(title: str | None) -> None:
    """Sorted, or with some left out, each row keeps its id and what is embedded."""
    rows = [
        {"text": f"text {at}", "title": title and title.format(at=at)}
        for at in range(9)
    ]
    before = ids_of(*rows)
    assert ids_of(*rows[::-1]) == before
    assert ids_of(*rows[1:5], *rows[7:]).items() <= before.items()


def test_rows_of_a_key_are_known_by_it() -> None:
    """A title or a text that changes makes no other passage of it."""
    before, after = (
        asyncio.run(RowsSource(rows=rows, library="faq", keys=["T1", "T2"]).collect())
        for rows in (
            [{"text": "a", "title": "x"}, {"text": "b", "title": "x"}],
            [{"text": "c", "title": "y"}, {"text": "c"}],
        )
    )
    assert set(chunks_of(before)) == set(chunks_of(after))


def test_titles_that_several_rows_have_are_told_apart() -> None:
    """By their key, or by what they say; what tells them apart is not embedded."""
    rows = [{"text": "a", "title": "x"}, {"text": "b", "title": "x"}]
    keyed = asyncio.run(RowsSource(rows, "faq", keys=["T1", "T2"]).collect())
    assert [each.title for each in keyed.documents] == ["x · T1", "x · T2"]
    first, second = collect_rows(*rows).documents
    assert first.title != second.title
    assert [first.title, second.title] == [
        each.title for each in collect_rows(*rows[::-1]).documents[::-1]
    ]
    assert [each.embedded_text for each in chunks_of(keyed).values()] == [
        "x\na",
        "x\nb",
    ]


def test_a_title_that_only_counts_is_not_embedded() -> None:
    """Of a row without a title its text is, and nothing else; it is found by both."""
    (chunk,) = chunks_of(collect_rows({"text": "an apple"})).values()
    assert (chunk.title, chunk.embedded_text) == ("row 0", "an apple")
    assert "row" not in chunk.gist
    assert chunk.lexical_text == "row 0\nan apple"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://x.org", "http://x.org"),
        ("javascript:alert(1)", ""),
        ("file:///etc/passwd", ""),
        (None, ""),
        (5, ""),
    ],
)
def test_a_rows_page_is_http_or_nothing(url: object, kept: str) -> None:
    """No other scheme ever becomes a link."""
    (document,) = collect_rows({"text": "x", "url": url}).documents
    assert document.url == kept


def test_the_fingerprint_of_rows_changes_when_one_does() -> None:
    """Any value of any row, and the order of the rows, but not that of the columns."""
    rows = [{"text": "a", "title": "x"}, {"text": "b"}]
    fingerprints = {
        RowsSource(rows=each, library="faq").fingerprint()
        for each in (rows, rows[::-1], rows[:1], [{"text": "A", "title": "x"}, rows[1]])
    }
    assert len(fingerprints) == 4
    turned = [{"title": "x", "text": "a"}, {"text": "b"}]
    assert RowsSource(rows=turned, library="faq").fingerprint() in fingerprints


def test_rows_may_have_columns_of_any_name() -> None:
    """Columns that are not asked for are no reason to fail."""
    collected = collect_rows({"text": "a", 0: "x", None: "y"})
    assert list(found(collected)) == ["row 0"]
