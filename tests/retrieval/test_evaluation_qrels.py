"""TREC files are written and read as every other tool does."""

from __future__ import annotations

from pathlib import Path

import ir_measures
import pytest

from contexter_nb.core import InvalidArgumentError
from contexter_nb.retrieval._evaluation_qrels import (
    QrelsLine,
    parse_qrels,
    parse_queries,
    qrels_text,
    queries_text,
)

LINES = [QrelsLine("q1", "a" * 16, 3), QrelsLine("q2", "b" * 16, 0)]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """By us, and by ir-measures."""
    assert parse_qrels(qrels_text(LINES), "f") == LINES
    path = tmp_path / "f.qrels"
    path.write_text(qrels_text(LINES), encoding="utf-8")
    theirs = list(ir_measures.read_trec_qrels(str(path)))
    assert [(each.query_id, each.doc_id, each.relevance) for each in theirs] == LINES
    queries = {"q1": "join two\ttables\n", "q2": "plot"}
    assert parse_queries(queries_text(queries), "f") == {
        "q1": "join two tables",
        "q2": "plot",
    }


def test_files_of_other_tools_are_read() -> None:
    """A byte order mark, tabs, CRLF, empty lines and grades as 2.0 do no harm."""
    text = "\ufeffq1\t0\td\t2.0\r\n\r\nq2 Q0 e 0\r\n"
    assert parse_qrels(text, "f") == [QrelsLine("q1", "d", 2), QrelsLine("q2", "e", 0)]
    queries = parse_queries("\ufeffq1\tplot\r\nq2\tjoin\r\n", "f")
    assert queries == {"q1": "plot", "q2": "join"}


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x1e", "\x85", "\u2028"])
def test_only_a_line_break_ends_a_query(mark: str) -> None:
    """What Python's splitlines would break at as well is a part of it."""
    query = f"plot{mark}a line"
    assert parse_queries(f"q1\t{query}\n", "f") == {"q1": query}


@pytest.mark.parametrize(
    "line",
    ["q1 0 d", "q1 0 d 1.5", "q1 0 d nan", "q1 0 d high", "q1 0 d 1 run", "words"],
)
def test_a_line_that_is_no_judgment_is_named(line: str) -> None:
    """The message has the number of the line and what a line is."""
    with pytest.raises(InvalidArgumentError, match=r"^Line 2 of f is no judgment"):
        parse_qrels(f"q1 0 d 1\n{line}\n", "f")


@pytest.mark.parametrize("line", ["q1 no tab", "\tquery", "q1\t "])
def test_a_line_that_is_no_query_is_named(line: str) -> None:
    """The message has the number of the line and what a line is."""
    with pytest.raises(InvalidArgumentError, match=r"^Line 3 of f is no query"):
        parse_queries(f"q0\tplot\n\n{line}\n", "f")
