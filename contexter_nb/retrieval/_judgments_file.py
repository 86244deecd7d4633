"""The SQLite file of judgments: each is on disk before it is answered."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from contexter_nb.core import HomeError, SQLiteFile, SQLiteFormat, immediate

T = TypeVar("T")

BUSY_SECONDS = 10.0
# Rows are only ever added, so that what was thought before is never lost; the last row
# of a query and a passage counts, and one without a grade takes it back.
_SCHEMA = """
CREATE TABLE judgments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    query_id TEXT NOT NULL, query TEXT NOT NULL,
    chunk_id TEXT NOT NULL, grade INTEGER,
    title TEXT NOT NULL, library TEXT NOT NULL, version TEXT NOT NULL,
    text_hash TEXT NOT NULL, origin TEXT NOT NULL,
    judged_by TEXT NOT NULL, judged_at TEXT NOT NULL
);
CREATE INDEX judgments_pair ON judgments (query_id, chunk_id, id);
"""
_FORMAT = SQLiteFormat(
    what="The file of judgments",
    application_id=0x63786A67,  # "cxjg"
    schema=_SCHEMA,
    # Judgments are few and dear.
    pragmas={"synchronous": "FULL"},
)


class JudgmentsFile:
    """One connection, used by one thread at a time.

    Parameters
    ----------
    path : pathlib.Path
        Made with mode 0600, and its folder with 0700, where they are missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = SQLiteFile(path, _FORMAT, busy_seconds=BUSY_SECONDS)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` answers, done in one transaction that waits its turn.

        Raises
        ------
        HomeError
            The file cannot be opened or written.
        """

        def transaction(database: sqlite3.Connection) -> T:
            with immediate(database):
                return work(database)

        return self._use(transaction, "written")

    def read(self, work: Callable[[sqlite3.Connection], T], empty: T) -> T:
        """Return what `work` answers, or `empty` where there is no file yet.

        Raises
        ------
        HomeError
            The file cannot be opened or read.
        """
        return self._use(work, "read") if self._path.exists() else empty

    def close(self) -> None:
        """Close the connection; a later use opens it again."""
        self._file.close()

    def _use(self, work: Callable[[sqlite3.Connection], T], done: str) -> T:
        try:
            return self._file.use(work)
        except (OSError, sqlite3.Error) as exc:
            raise HomeError(
                f"The judgments in {self._path} cannot be {done} ({exc}); free "
                "some space, or choose another home with connect(home=...)."
            ) from exc
