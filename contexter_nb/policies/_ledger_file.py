"""The SQLite file of a ledger: sums by day, service and model, in whole nano-dollars.

Whole numbers, since a sum of floats depends on the order in which kernels come.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from contexter_nb.core import SQLiteFile, SQLiteFormat, immediate

BUSY_SECONDS = 5.0
_FORMAT = SQLiteFormat(
    what="The ledger of costs",
    application_id=0x63786C67,  # "cxlg"
    schema="""
CREATE TABLE costs (
    day TEXT NOT NULL, service TEXT NOT NULL, model TEXT NOT NULL,
    calls INTEGER NOT NULL, tokens INTEGER NOT NULL, nano_usd INTEGER NOT NULL,
    saved_calls INTEGER NOT NULL, saved_tokens INTEGER NOT NULL,
    saved_nano_usd INTEGER NOT NULL,
    PRIMARY KEY (day, service, model)
) WITHOUT ROWID
""",
    pragmas={"synchronous": "NORMAL"},
)
_ADD = """
INSERT INTO costs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (day, service, model) DO UPDATE SET
    calls = calls + excluded.calls,
    tokens = tokens + excluded.tokens,
    nano_usd = nano_usd + excluded.nano_usd,
    saved_calls = saved_calls + excluded.saved_calls,
    saved_tokens = saved_tokens + excluded.saved_tokens,
    saved_nano_usd = saved_nano_usd + excluded.saved_nano_usd
"""


_READ = """
SELECT day, service, model, calls, tokens, nano_usd, saved_calls, saved_tokens,
    saved_nano_usd FROM costs WHERE day >= ?
"""
_log = logging.getLogger(__name__)


class Account(NamedTuple):
    """What is added up together; `day` is an ISO date, UTC."""

    day: str
    service: str
    model: str


class Sums(NamedTuple):
    """What was booked on one account."""

    calls: int = 0
    tokens: int = 0
    nano_usd: int = 0
    saved_calls: int = 0
    saved_tokens: int = 0
    saved_nano_usd: int = 0

    def plus(self, other: Sums) -> Sums:
        """Return both together."""
        return Sums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class LedgerFile:
    """One connection, used by one thread at a time.

    Parameters
    ----------
    path : pathlib.Path
        Made with mode 0600, and its folder with 0700, where they are missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = SQLiteFile(path, _FORMAT, busy_seconds=BUSY_SECONDS)
        self._told = False

    def add(self, booked: Mapping[Account, Sums]) -> None:
        """Add sums to those on disk, all of them or none.

        Raises
        ------
        sqlite3.Error
            The file cannot be opened or written: locked for long, a full disk.
        OSError
            The folder or the file cannot be made.
        """

        def work(database: sqlite3.Connection) -> None:
            with immediate(database):
                database.executemany(
                    _ADD, ((*account, *sums) for account, sums in booked.items())
                )

        self._file.use(work)

    def read(self, since: str) -> dict[Account, Sums]:
        """Return the sums from a day on; a file that is not there has none.

        A damaged row is left out, with a warning.

        Raises
        ------
        sqlite3.Error
            The file cannot be opened or read.
        OSError
            The folder or the file cannot be made.
        """

        def work(database: sqlite3.Connection) -> dict[Account, Sums]:
            rows = database.execute(_READ, (since,)).fetchall()
            whole = [row for row in rows if _is_whole(row)]
            self._tell_of_damage(len(rows) - len(whole))
            return {Account(*row[:3]): Sums(*row[3:]) for row in whole}

        try:
            os.stat(self._path)
        except FileNotFoundError:
            return {}
        return self._file.use(work)

    def _tell_of_damage(self, rows: int) -> None:
        if rows and not self._told:
            _log.warning(
                "%d rows of the ledger of costs %s are damaged and left out.",
                rows,
                self._path,
            )
        self._told = rows > 0

    def close(self) -> None:
        """Close the connection; a later use opens it again."""
        self._file.close()


def _is_whole(row: tuple[object, ...]) -> bool:
    day, *names = row[:3]
    try:
        date.fromisoformat(day)  # type: ignore[arg-type]  # what is no text raises
    except (TypeError, ValueError):
        return False
    return all(isinstance(each, str) for each in names) and all(
        isinstance(each, int) and each >= 0 for each in row[3:]
    )
