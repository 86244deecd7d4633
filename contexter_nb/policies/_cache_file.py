"""The SQLite file of a cache: made private, opened lazily, set aside when damaged."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

T = TypeVar("T")

BUSY_SECONDS = 5.0
APPLICATION_ID = 0x63786361  # "cxca"
FORMAT = 2
_WAL_TRIES = 20
_WAL_BYTES = 16 * 1024 * 1024
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
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
_log = logging.getLogger(__name__)


class _ForeignFile(Exception):
    """A database of something else, or of another format."""


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
        self._path = path
        self._name = name
        self._database: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` makes of the connection.

        A damaged or foreign file is set aside, and `work` is done once more with a
        new one; what else fails is raised (sqlite3.Error, OSError).
        """
        try:
            return work(self._opened())
        except (sqlite3.DatabaseError, _ForeignFile) as error:
            if not _is_damage(error):
                raise
            self._set_aside(error)
        return work(self._opened())

    def close(self) -> None:
        """Close the connection; a later use opens it again."""
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(sqlite3.Error):  # nothing is left to be saved
                database.close()

    def _opened(self) -> sqlite3.Connection:
        if self._database is not None and self._on_disk() != self._identity:
            self.close()  # somebody deleted it; what we write there would be lost
        if self._database is None:
            self._database = self._connect()
            self._identity = self._on_disk()
        return self._database

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            # Never open one that exists: closing it would end SQLite's locks on it.
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
            os.close(os.open(self._path, flags, 0o600))
        with contextlib.suppress(OSError):  # it may be another's, and usable still
            os.chmod(self._path, 0o600)
        # Autocommit: transactions are begun by hand, as IMMEDIATE.
        database = sqlite3.connect(
            self._path,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        database.text_factory = _as_text
        if _pragma(database, "application_id") != APPLICATION_ID:
            with self._lock():
                self._create(database)
        if _pragma(database, "user_version") == 1:
            with self._lock():
                _upgrade(database)
        if _pragma(database, "user_version") != FORMAT:
            raise _ForeignFile("it is of another format")
        _switch_to_wal(database)
        database.execute("PRAGMA synchronous=NORMAL")
        database.execute(f"PRAGMA journal_size_limit={_WAL_BYTES}")

    def _create(self, database: sqlite3.Connection) -> None:
        if _pragma(database, "application_id") == APPLICATION_ID:
            return  # another process was faster
        if database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            raise _ForeignFile("it is a database of something else")
        database.execute("PRAGMA page_size=16384")
        database.execute("PRAGMA auto_vacuum=INCREMENTAL")
        with immediate(database):
            for statement in _statements(_SCHEMA + _USES):
                database.execute(statement)
            database.execute(f"PRAGMA user_version={FORMAT}")
            database.execute(f"PRAGMA application_id={APPLICATION_ID}")

    def _set_aside(self, error: Exception) -> None:
        damaged = self._identity if self._database is not None else self._on_disk()
        self.close()
        with self._lock():
            if damaged is None or self._on_disk() != damaged:
                return  # another process did it
            aside = self._path.with_name(f"{self._path.name}.damaged-{self._name}")
            os.replace(self._path, aside)
            for suffix in ("-wal", "-shm", "-journal"):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{self._path}{suffix}", f"{aside}{suffix}")
        _log.warning(
            "The cache file %s was damaged or foreign (%s); it is kept as %s, and a "
            "new one is used.",
            self._path,
            error,
            aside.name,
        )

    def _on_disk(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _lock(self) -> FileLock:
        return FileLock(f"{self._path}.lock", timeout=BUSY_SECONDS, mode=0o600)


@contextlib.contextmanager
def immediate(database: sqlite3.Connection) -> Iterator[None]:
    """Run a transaction that waits for its turn at once.

    A deferred one that reads first and then writes fails without waiting.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # a full disk has ended it already
            database.execute("ROLLBACK")
        raise


def _upgrade(database: sqlite3.Connection) -> None:
    with immediate(database):
        if _pragma(database, "user_version") != 1:
            return  # another process was faster
        for statement in _statements(_FROM_FORMAT_1 + _USES + _WITHOUT_USES):
            database.execute(statement)
        database.execute(f"PRAGMA user_version={FORMAT}")


def _switch_to_wal(database: sqlite3.Connection) -> None:
    # The switch ignores the busy timeout; a network folder refuses it for good, and
    # the rollback journal works there, too.
    for _ in range(_WAL_TRIES):
        try:
            database.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            threading.Event().wait(0.02)


def _is_damage(error: Exception) -> bool:
    if isinstance(error, _ForeignFile):
        return True
    # A table or column of ours that is missing: somebody changed the file.
    return _primary_code(error) in _DAMAGED or str(error).startswith("no such ")


def is_locked(error: BaseException) -> bool:
    """Tell whether another process held the file for too long."""
    return _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _primary_code(error: BaseException) -> int:
    return getattr(error, "sqlite_errorcode", -1) & 0xFF


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def _as_text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _statements(script: str) -> Iterator[str]:
    # executescript would commit the transaction it stands in.
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
