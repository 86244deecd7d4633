"""The SQLite file of a cache: all that is lost with a damaged one can be had anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from contexter_nb.core import SQLiteFile, SQLiteFormat

T = TypeVar("T")

BUSY_SECONDS = 5.0
APPLICATION_ID = 0x63786361  # "cxca"
_SCHEMA = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL,
    expires_at REAL NOT NULL, value BLOB NOT NULL
);
CREATE INDEX entries_expires ON entries (expires_at);
CREATE TABLE tags (tag TEXT, key TEXT, PRIMARY KEY (tag, key)) WITHOUT ROWID;
CREATE INDEX tags_key ON tags (key);
CREATE TABLE leases (key TEXT PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL)
    WITHOUT ROWID;
CREATE TABLE total (entries INTEGER NOT NULL, bytes INTEGER NOT NULL,
    generation INTEGER NOT NULL);
INSERT INTO total VALUES (0, 0, 0);
CREATE TRIGGER added AFTER INSERT ON entries BEGIN
    UPDATE total SET entries = entries + 1, bytes = bytes + new.bytes;
END;
CREATE TRIGGER replaced AFTER UPDATE OF bytes ON entries BEGIN
    UPDATE total SET bytes = bytes + new.bytes - old.bytes;
END;
"""
# Apart from the values, so that counting a hit does not write these again.
_USES = """
CREATE TABLE uses (id INTEGER PRIMARY KEY, used_at REAL NOT NULL,
    hits INTEGER NOT NULL DEFAULT 0);
CREATE INDEX uses_used ON uses (used_at);
CREATE TRIGGER dropped AFTER DELETE ON entries BEGIN
    UPDATE total SET entries = entries - 1, bytes = bytes - old.bytes;
    DELETE FROM tags WHERE key = old.key;
    DELETE FROM uses WHERE id = old.id;
END;
"""
_FROM_FORMAT_1 = """
DROP TRIGGER dropped;
DROP INDEX entries_used;
"""
_WITHOUT_USES = """
INSERT INTO uses SELECT id, used_at, hits FROM entries;
ALTER TABLE entries DROP COLUMN used_at;
ALTER TABLE entries DROP COLUMN hits;
"""
_FORMAT = SQLiteFormat(
    what="The cache file",
    application_id=APPLICATION_ID,
    number=2,
    schema=_SCHEMA + _USES,
    upgrades={1: _FROM_FORMAT_1 + _USES + _WITHOUT_USES},
    sets_others_aside=True,
    new_pragmas={"page_size": 16384, "auto_vacuum": "INCREMENTAL"},
    pragmas={"synchronous": "NORMAL", "journal_size_limit": 16 * 1024 * 1024},
)


class CacheFile:
    """One connection, for one thread.

    Parameters
    ----------
    path : pathlib.Path
        Made with mode 0600, and its folder with 0700, where they are missing.
    name : str
        Goes into the name of a damaged file that is set aside.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._file = SQLiteFile(
            path,
            _FORMAT,
            busy_seconds=BUSY_SECONDS,
            aside=f"{path.name}.damaged-{name}",
        )

    def use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` makes of the connection.

        A damaged or foreign file is set aside, and `work` is done once more with a
        new one; what else fails is raised (sqlite3.Error, OSError).
        """
        return self._file.use(work)

    def close(self) -> None:
        """Close the connection; a later use opens it again."""
        self._file.close()


def is_locked(error: BaseException) -> bool:
    """Tell whether another process held the file for too long."""
    code = getattr(error, "sqlite_errorcode", -1) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
