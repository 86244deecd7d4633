"""Relevance judgments, kept with who, when and which text."""

from __future__ import annotations

import dataclasses
import hashlib
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from contexter_nb.retrieval._judgments_file import JudgmentsFile

ORIGINS = ("person", "imported", "generated")
_HASH_BYTES = 16
_COLUMNS = (
    "query_id, query, chunk_id, grade, title, library, version, text_hash, origin, "
    "judged_by, judged_at"
)
_ADD = f"INSERT INTO judgments ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_NAMES = tuple(_COLUMNS.split(", "))
_ALL = f"SELECT id, {_COLUMNS} FROM judgments ORDER BY id"
# The place of a pair is that of its first judgment: judging again moves no row.
_CURRENT = f"""
SELECT id, {_COLUMNS} FROM judgments AS own
JOIN (SELECT max(id) AS last, min(id) AS first FROM judgments
      {{where}}
      GROUP BY query_id, chunk_id) AS pair ON own.id = pair.last
WHERE grade IS NOT NULL ORDER BY first
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """How well one passage answers one query.

    Attributes
    ----------
    query_id : str
        As `query_id` gives it.
    grade : int or None
        0 (not relevant) to 3; None takes an earlier one back.
    title, library, version, text_hash : str
        The passage as it was when it was judged; empty where it was not indexed.
    origin : str
        ``person``, ``imported`` or ``generated``.
    judged_at : str
        UTC time, ISO 8601.
    superseded : bool
        Whether a later one of the same query and passage counts instead.
    """

    query_id: str
    query: str
    chunk_id: str
    grade: int | None
    title: str = ""
    library: str = ""
    version: str = ""
    text_hash: str = ""
    origin: str = "person"
    judged_by: str = ""
    judged_at: str = ""
    superseded: bool = False


def text_hash(text: str) -> str:
    """Return what tells whether a passage says something else than it did.

    Parameters
    ----------
    text : str
        The passage as it is shown.

    Examples
    --------
    >>> text_hash("a") == text_hash("a ")
    False
    """
    content = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=_HASH_BYTES).hexdigest()


class JudgmentStore:
    """Judgments in one SQLite file; several kernels may judge at once.

    What `add` has returned from is on disk: a kernel killed with -9 loses none of it.
    A damaged file is set aside with a warning. The file's mode is 0600.

    Parameters
    ----------
    path : pathlib.Path
        The file; made with the first judgment, and its folder too.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = JudgmentStore(Path(folder, "judgments.sqlite"))
    ...     one = Judgment(query_id="q1", query="a", chunk_id="f" * 16, grade=1)
    ...     store.add([one, dataclasses.replace(one, grade=3)])
    ...     current = store.current()
    ...     store.close()
    >>> [each.grade for each in current]
    [3]
    """

    def __init__(self, path: Path) -> None:
        self._file = JudgmentsFile(path)

    def add(self, judgments: Iterable[Judgment]) -> None:
        """Keep judgments, all of them or none; a later one of a pair replaces.

        Parameters
        ----------
        judgments : iterable of Judgment
            In the order in which they were made.

        Raises
        ------
        HomeError
            The file cannot be opened or written.
        """
        rows = [
            (
                each.query_id,
                each.query,
                each.chunk_id,
                each.grade,
                each.title,
                each.library,
                each.version,
                each.text_hash,
                each.origin,
                each.judged_by,
                each.judged_at,
            )
            for each in judgments
        ]

        def work(database: sqlite3.Connection) -> None:
            database.executemany(_ADD, rows)

        self._file.write(work)

    def current(self, query_id: str | None = None) -> list[Judgment]:
        """Return what counts now, in the order in which pairs were first judged.

        Parameters
        ----------
        query_id : str, optional
            Only of this query; others are not read.

        Raises
        ------
        HomeError
            The file cannot be opened or read.
        """
        query = _CURRENT.format(where="" if query_id is None else "WHERE query_id = ?")
        values = () if query_id is None else (query_id,)
        return [_judgment(row) for row in self._rows(query, values)]

    def history(self) -> list[Judgment]:
        """Return every judgment ever made, the oldest first.

        Raises
        ------
        HomeError
            The file cannot be opened or read.
        """
        rows = self._rows(_ALL)
        last = {(row[1], row[3]): row[0] for row in rows}
        return [
            dataclasses.replace(
                _judgment(row), superseded=last[row[1], row[3]] != row[0]
            )
            for row in rows
        ]

    def _rows(
        self, query: str, values: tuple[str, ...] = ()
    ) -> list[tuple[object, ...]]:
        def work(database: sqlite3.Connection) -> list[tuple[object, ...]]:
            return database.execute(query, values).fetchall()

        return self._file.read(work, [])

    def close(self) -> None:
        """Close the file; a later use opens it again."""
        self._file.close()


def _judgment(row: tuple[object, ...]) -> Judgment:
    _, *values = row
    return Judgment(**dict(zip(_NAMES, values, strict=True)))  # type: ignore[arg-type]
