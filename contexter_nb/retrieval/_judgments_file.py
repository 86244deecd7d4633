"""The SQLite file of judgments: private, shared by kernels, set aside when damaged."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from contexter_nb.core import HomeError

T = TypeVar("T")

BUSY_SECONDS = 10.0
APPLICATION_ID = 0x63786A67  # "cxjg"
FORMAT = 1
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_WAL_TRIES = 20
# Rows are only ever added, so that what was thought before is never lost; the last row
# of a query and a passage counts, and one without a grade takes it back.
_SCHEMA = (
    """
    CREATE TABLE judgments (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        query_id TEXT NOT NULL, query TEXT NOT NULL,
        chunk_id TEXT NOT NULL, grade INTEGER,
        title TEXT NOT NULL, library TEXT NOT NULL, version TEXT NOT NULL,
        text_hash TEXT NOT NULL, origin TEXT NOT NULL,
        judged_by TEXT NOT NULL, judged_at TEXT NOT NULL
    )
    """,
    "CREATE INDEX judgments_pair ON judgments (query_id, chunk_id, id)",
)
_log = logging.getLogger(__name__)


class _ForeignFile(Exception):
    """A database of something else."""


class JudgmentsFile:
    """One connection, used by one thread at a time.

    Parameters
    ----------
    path : pathlib.Path
        Made with mode 0600, and its folder with 0700, where they are missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mutex = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._process = 0

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` answers, done in one transaction that waits its turn.

        Raises
        ------
        HomeError
            The file cannot be opened or written.
        """

        def transaction(database: sqlite3.Connection) -> T:
            with _immediate(database):
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
        with self._mutex:
            self._close()

    def _close(self) -> None:
        database, self._database = self._database, None
        # A fork must not close its parent's connection: that would end its locks.
        if database is not None and self._process == os.getpid():
            with contextlib.suppress(sqlite3.Error):  # nothing is left to be saved
                database.close()

    def _use(self, work: Callable[[sqlite3.Connection], T], done: str) -> T:
        with self._mutex:
            try:
                return self._tried_twice(work)
            except (OSError, sqlite3.Error, Timeout) as exc:
                raise HomeError(
                    f"The judgments in {self._path} cannot be {done} ({exc}); free "
                    "some space, or choose another home with connect(home=...)."
                ) from exc

    def _tried_twice(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._opened())
        except (sqlite3.DatabaseError, _ForeignFile) as error:
            if not _is_damage(error):
                raise
            self._set_aside(error)
        try:
            return work(self._opened())
        except _ForeignFile as error:
            raise sqlite3.DatabaseError("it is not ours twice") from error

    def _opened(self) -> sqlite3.Connection:
        moved = self._on_disk() != self._identity  # deleted: writes would be lost
        if self._database is not None and (moved or self._process != os.getpid()):
            self._close()
        if self._database is None:
            self._database = self._connect()
            self._identity = self._on_disk()
            self._process = os.getpid()
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
            # A person's work is not set aside because a newer version of us wrote it.
            raise sqlite3.OperationalError("another version of contexter_nb made it")
        _switch_to_wal(database)
        # Judgments are few and dear: each is on disk before it is answered.
        database.execute("PRAGMA synchronous=FULL")

    def _create(self, database: sqlite3.Connection) -> None:
        if _pragma(database, "application_id") == APPLICATION_ID:
            return  # another process was faster
        if database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
            raise _ForeignFile("it is a database of something else")
        with _immediate(database):
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute(f"PRAGMA user_version={FORMAT}")
            database.execute(f"PRAGMA application_id={APPLICATION_ID}")

    def _set_aside(self, error: Exception) -> None:
        damaged = self._identity if self._database is not None else self._on_disk()
        self._close()
        with self._lock():
            if damaged is None or self._on_disk() != damaged:
                return  # another process did it
            aside = self._free_name()
            os.replace(self._path, aside)
            for suffix in ("-wal", "-shm", "-journal"):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{self._path}{suffix}", f"{aside}{suffix}")
        _log.warning(
            "The judgments in %s were damaged or foreign (%s); the file is kept as %s, "
            "and a new one is begun.",
            self._path,
            error,
            aside.name,
        )

    def _free_name(self) -> Path:
        # An earlier one is somebody's work: never replaced.
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


@contextlib.contextmanager
def _immediate(database: sqlite3.Connection) -> Iterator[None]:
    # A deferred transaction that reads first and then writes fails without waiting.
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # a full disk has ended it already
            database.execute("ROLLBACK")
        raise


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
    code = getattr(error, "sqlite_errorcode", -1) & 0xFF
    # A table or column of ours that is missing: somebody changed the file.
    return code in _DAMAGED or str(error).startswith("no such ")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
