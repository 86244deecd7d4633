"""The SQLite file of a ledger: sums by day, service and model, in whole nano-dollars.

Whole numbers, since a sum of floats depends on the order in which kernels come.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from filelock import FileLock

from contexter_nb.policies._cache_file import BUSY_SECONDS, immediate

T = TypeVar("T")

APPLICATION_ID = 0x63786C67  # "cxlg"
FORMAT = 1
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SCHEMA = """
CREATE TABLE costs (
    day TEXT NOT NULL, service TEXT NOT NULL, model TEXT NOT NULL,
    calls INTEGER NOT NULL, tokens INTEGER NOT NULL, nano_usd INTEGER NOT NULL,
    saved_calls INTEGER NOT NULL, saved_tokens INTEGER NOT NULL,
    saved_nano_usd INTEGER NOT NULL,
    PRIMARY KEY (day, service, model)
) WITHOUT ROWID
"""
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


class _ForeignFile(Exception):
    """A database of something else."""


class LedgerFile:
    """One connection, used by one thread at a time.

    Parameters
    ----------
    path : pathlib.Path
        Made with mode 0600, and its folder with 0700, where they are missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

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

        self._use(work)

    def read(self, since: str) -> dict[Account, Sums]:
        """Return the sums from a day on; a file that is not there has none.

        Raises
        ------
        sqlite3.Error
            The file cannot be opened or read.
        OSError
            The folder or the file cannot be made.
        """

        def work(database: sqlite3.Connection) -> dict[Account, Sums]:
            rows = database.execute("SELECT * FROM costs WHERE day >= ?", (since,))
            return {Account(*row[:3]): Sums(*row[3:]) for row in rows}

        try:
            os.stat(self._path)
        except FileNotFoundError:
            return {}
        return self._use(work)

    def close(self) -> None:
        """Close the connection; a later use opens it again."""
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(sqlite3.Error):  # nothing is left to be saved
                database.close()

    def _use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._opened())
        except (sqlite3.DatabaseError, _ForeignFile) as error:
            if not _is_damage(error):
                raise
            self._set_aside(error)
        try:
            return work(self._opened())
        except _ForeignFile as error:
            raise sqlite3.DatabaseError(f"{self._path} is not ours twice") from error

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
        if _pragma(database, "application_id") != APPLICATION_ID:
            with self._lock():
                self._create(database)
        if _pragma(database, "user_version") != FORMAT:
            # Money is not set aside because a newer version of us wrote it.
            raise sqlite3.OperationalError("another version of contexter_nb made it")
        with contextlib.suppress(sqlite3.OperationalError):
            # A network folder refuses it; the rollback journal works there, too.
            database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")

    def _create(self, database: sqlite3.Connection) -> None:
        if _pragma(database, "application_id") == APPLICATION_ID:
            return  # another process was faster
        if database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            raise _ForeignFile("it is a database of something else")
        with immediate(database):
            database.execute(_SCHEMA)
            database.execute(f"PRAGMA user_version={FORMAT}")
            database.execute(f"PRAGMA application_id={APPLICATION_ID}")

    def _set_aside(self, error: Exception) -> None:
        damaged = self._identity if self._database is not None else self._on_disk()
        self.close()
        with self._lock():
            if damaged is None or self._on_disk() != damaged:
                return  # another process did it
            aside = self._free_name()
            os.replace(self._path, aside)
            for suffix in ("-wal", "-shm", "-journal"):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{self._path}{suffix}", f"{aside}{suffix}")
        _log.warning(
            "The ledger of costs %s was damaged or foreign (%s); it is kept as %s, and "
            "a new one is begun.",
            self._path,
            error,
            aside.name,
        )

    def _free_name(self) -> Path:
        # An earlier one is somebody's only record of what was spent: never replaced.
        number = 1
        while (
            aside := self._path.with_name(f"{self._path.name}.damaged-{number}")
        ).exists():
            number += 1
        return aside

    def _on_disk(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _lock(self) -> FileLock:
        return FileLock(f"{self._path}.lock", timeout=BUSY_SECONDS, mode=0o600)


def _is_damage(error: Exception) -> bool:
    if isinstance(error, _ForeignFile):
        return True
    code = getattr(error, "sqlite_errorcode", -1) & 0xFF
    # A table or column of ours that is missing: somebody changed the file.
    return code in _DAMAGED or str(error).startswith("no such ")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
