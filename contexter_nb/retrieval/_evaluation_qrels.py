"""Judgments as TREC files: qrels, and the text of the queries beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from contexter_nb.core import InvalidArgumentError


class QrelsLine(NamedTuple):
    """What one line of a qrels file says; its iteration says nothing."""

    query_id: str
    chunk_id: str
    grade: int


def queries_path(path: Path) -> Path:
    """Return where the text of the queries of a qrels file is kept.

    Parameters
    ----------
    path : pathlib.Path
        Of the qrels file.

    Examples
    --------
    >>> queries_path(Path("mine.qrels")).name
    'mine.queries.tsv'
    """
    return path.with_name(f"{path.stem}.queries.tsv")


def qrels_text(lines: Iterable[QrelsLine]) -> str:
    r"""Return judgments as a qrels file, which trec_eval and ir-measures read.

    Parameters
    ----------
    lines : iterable of QrelsLine

    Examples
    --------
    >>> qrels_text([QrelsLine("q1", "aa2ade7828a60000", 2)])
    'q1 0 aa2ade7828a60000 2\n'
    """
    return "".join(
        f"{each.query_id} 0 {each.chunk_id} {each.grade}\n" for each in lines
    )


def queries_text(queries: Mapping[str, str]) -> str:
    """Return queries by id as tab-separated lines; white space in them is made one.

    Parameters
    ----------
    queries : mapping of str to str
        Query id to text.
    """
    return "".join(
        f"{key}\t{' '.join(query.split())}\n" for key, query in queries.items()
    )


def parse_qrels(text: str, name: str) -> list[QrelsLine]:
    """Return the judgments of a qrels file.

    Parameters
    ----------
    text : str
        Four fields a line: query id, iteration (not looked at), chunk id, grade, which
        may be written as ``2.0``. Empty lines are passed over.
    name : str
        Of the file, for messages.

    Raises
    ------
    InvalidArgumentError
        A line has another form; it is named.
    """
    return [
        _line(number, fields, name)
        for number, line in _lines(text)
        if (fields := line.split())
    ]


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Return lines with their numbers, as editors and grep count them.

    `str.splitlines` would break a query at a form feed, too.
    """
    return enumerate(text.removeprefix("\ufeff").split("\n"), start=1)


def _line(number: int, fields: list[str], name: str) -> QrelsLine:
    grade = _whole(fields[3]) if len(fields) == 4 else None
    if grade is not None:
        return QrelsLine(fields[0], fields[2], grade)
    raise InvalidArgumentError(
        f"Line {number} of {name} is no judgment; a line is: query id, 0, chunk id, "
        "grade, which is a whole number."
    )


def _whole(number: str) -> int | None:
    try:
        value = float(number)
    except ValueError:
        return None
    return int(value) if value.is_integer() else None


def parse_queries(text: str, name: str) -> dict[str, str]:
    """Return the queries of a tab-separated file by their ids.

    Parameters
    ----------
    text : str
        Query id, tab, query; a line each. Empty lines are passed over.
    name : str
        Of the file, for messages.

    Raises
    ------
    InvalidArgumentError
        A line has no tab, or nothing on one side of it.
    """
    queries: dict[str, str] = {}
    for number, line in _lines(text):
        if not line.strip():
            continue
        key, _, query = line.partition("\t")
        if not key.strip() or not query.strip():
            raise InvalidArgumentError(
                f"Line {number} of {name} is no query; a line is: query id, tab, query."
            )
        queries[key.strip()] = query.strip()
    return queries
