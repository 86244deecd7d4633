"""A SQLite file that processes share: private, made once, set aside when damaged."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from filelock import FileLock

T = TypeVar("T")

_WAL_TRIES = 20
_WAL_WAIT_SECONDS = 0.02
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BESIDE = ("-wal", "-shm", "-journal")
_log = logging.getLogger(__name__)


def _readable(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class SQLiteFormat:
    """What tells the files of one kind from all others, and how one is made.

    Attributes
    ----------
    what : str
        How the log calls such a file; its path follows.
    application_id : int
        Kept in each file; one with another is foreign, unless it is empty.
    number : int
        Of the format, from 1 on; kept as ``user_version``.
    schema : str
        The statements that fill a new file.
    upgrades : mapping of int to str
        By the number of a format, the statements that make the next one of it.
    sets_others_aside : bool
        Whether a file of a format to which no upgrade leads is treated as damaged;
        else it is refused and left as it is.
    unmarked : str
        A query that works only on files from before there was an application id; they
        are taken over, as of format 1. Empty where there were none.
    new_pragmas, pragmas : mapping of str to str or int
        Set before a new file is filled; set whenever a file is opened.
    text_factory : callable
        What makes a value of the bytes of a text; by default a text, in which what is
        damaged is replaced by U+FFFD.
    """

    what: str
    application_id: int
    number: int = 1
    schema: str
    upgrades: Mapping[int, str] = field(default_factory=dict)
    sets_others_aside: bool = False
    unmarked: str = ""
    new_pragmas: Mapping[str, str | int] = field(default_factory=dict)
    pragmas: Mapping[str, str | int] = field(default_factory=dict)
    text_factory: Callable[[bytes], Any] = _readable


class SQLiteFile:
    """One connection to a file that other threads and processes use, too.

    The file is made with mode 0600 when it is used first, and keeps a write-ahead log
    where the folder allows that. A damaged or foreign file is set aside under a free
    name, with a warning; one that somebody deleted is made anew. A forked child has a
    connection of its own.

    Parameters
    ----------
    path : pathlib.Path or str
        ``<path>.lock`` beside it is held while the file is made or set aside.
    kind : SQLiteFormat
    busy_seconds : float, default 5.0
        How long another process is waited for.
    aside : str
        The name under which a damaged file is kept in its folder. Empty, or where that
        is taken: ``<name>.damaged-1``, ``-2`` and so on.
    makes_folder : bool, default True
        Whether a folder that is not there is made, with mode 0700; else that is an
        error.

    Examples
    --------
    >>> import tempfile
    >>> notes = SQLiteFormat(
    ...     what="The file of notes",
    ...     application_id=0x6E6F7465,
    ...     schema="CREATE TABLE notes (text TEXT NOT NULL)",
    ... )
    >>> def add(database):
    ...     with immediate(database):
    ...         database.execute("INSERT INTO notes VALUES ('join')")
    ...         return database.execute("SELECT text FROM notes").fetchall()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = SQLiteFile(Path(folder, "notes.sqlite"), notes)
    ...     added = file.use(add)
    ...     file.close()
    >>> added
    [('join',)]
    """

    def __init__(
        self,
        path: Path | str,
        kind: SQLiteFormat,
        *,
        busy_seconds: float = 5.0,
        aside: str = "",
        makes_folder: bool = True,
    ) -> None:
        self._path = Path(path)
        self._name = os.fspath(path)  # looked at whenever it is used
        self._kind = kind
        self._busy_seconds = busy_seconds
        self._aside = aside
        self._makes_folder = makes_folder
        self._begin()
        _files.add(self)

    def _begin(self) -> None:
        self._mutex = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` answers; one thread after the other.

        Parameters
        ----------
        work : callable
            Takes the open connection, in autocommit mode. Called once more, with a new
            file, where the first one turns out to be damaged.

        Raises
        ------
        sqlite3.Error
            The file cannot be opened, read or written: locked for long, a full disk,
            of a format that is refused.
        OSError
            The folder, the file or its lock cannot be made.
        """
        with self._mutex:
            try:
                return work(self._opened())
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if not _is_damage(error):
                    raise
                self._set_aside(error)
            return work(self._opened())

    def close(self) -> None:
        """Close the connection; a later use opens it again."""
        with self._mutex:
            self._disconnect()

    def _disconnect(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(sqlite3.Error):  # nothing is left to be saved
                database.close()

    def __del__(self) -> None:
        """Close it: from Python 3.13 on a connection that is left open warns."""
        with contextlib.suppress(Exception):  # also of one that was not begun
            self._disconnect()

    def _opened(self) -> sqlite3.Connection:
        if self._database is not None and self._on_disk() != self._identity:
            self._disconnect()  # somebody deleted it; what we write would be lost
        if self._database is None:
            self._database = self._connect()
        return self._database

    def _connect(self) -> sqlite3.Connection:
        if self._makes_folder:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            # Never open one that exists: closing it would end SQLite's locks on it.
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
            # Where a link leads to, too: SQLite would make that for all to read.
            os.close(os.open(os.path.realpath(self._path), flags, 0o600))
        with contextlib.suppress(OSError):  # it may be another's, and usable still
            if self._path.is_file():  # a folder could not be entered any more
                os.chmod(self._path, 0o600)
        # Looked at before it is opened: where it is replaced in between, the next use
        # sees a difference.
        self._identity = self._on_disk()
        # Autocommit: transactions are begun by hand, as IMMEDIATE.
        database = sqlite3.connect(
            self._path,
            timeout=self._busy_seconds,
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
        kind = self._kind
        if _pragma(database, "application_id") != kind.application_id:
            with self._lock():
                self._mark(database)
        if _pragma(database, "user_version") in kind.upgrades:
            with self._lock():
                self._upgrade(database)
        if _pragma(database, "user_version") != kind.number:
            if kind.sets_others_aside:
                raise _ForeignFileError("it is of another format")
            raise sqlite3.OperationalError("another version of contexter_nb made it")
        self._switch_to_wal(database)
        _set_pragmas(database, kind.pragmas)
        database.text_factory = kind.text_factory

    def _mark(self, database: sqlite3.Connection) -> None:
        """Fill an empty file, or take over one of ours that has no mark."""
        kind = self._kind
        if _pragma(database, "application_id") == kind.application_id:
            return  # another process was faster
        empty = not database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        if empty:
            _set_pragmas(database, kind.new_pragmas)
        elif not self._is_unmarked(database):
            raise _ForeignFileError("it is a database of something else")
        with immediate(database):
            if empty:
                _run_statements(database, kind.schema)
            number = kind.number if empty else 1
            _set_pragmas(
                database,
                {"user_version": number, "application_id": kind.application_id},
            )
        # While the others still wait for the lock, and do not hinder it by reading.
        self._switch_to_wal(database)

    def _is_unmarked(self, database: sqlite3.Connection) -> bool:
        marks = (_pragma(database, "application_id"), _pragma(database, "user_version"))
        if not self._kind.unmarked or any(marks):
            return False
        try:
            database.execute(self._kind.unmarked).fetchone()
        except sqlite3.OperationalError as error:
            if not _lacks_something(error):
                raise
            return False
        return True

    def _upgrade(self, database: sqlite3.Connection) -> None:
        with immediate(database):
            # Looked up anew: another process may have been faster.
            while statements := self._kind.upgrades.get(
                number := _pragma(database, "user_version")
            ):
                _run_statements(database, statements)
                _set_pragmas(database, {"user_version": number + 1})

    def _switch_to_wal(self, database: sqlite3.Connection) -> None:
        if database.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return
        # Somebody who reads hinders the switch, for which SQLite may wait each time; a
        # network folder refuses it for good. The rollback journal works, too, so that
        # this is tried for a moment only.
        _set_pragmas(database, {"busy_timeout": 0})
        for _ in range(_WAL_TRIES):
            try:
                database.execute("PRAGMA journal_mode=WAL")
                break
            except sqlite3.OperationalError:
                threading.Event().wait(_WAL_WAIT_SECONDS)
        _set_pragmas(database, {"busy_timeout": round(self._busy_seconds * 1000)})

    def _set_aside(self, error: sqlite3.DatabaseError | UnicodeDecodeError) -> None:
        damaged = self._identity
        self._disconnect()
        with self._lock():
            if damaged is None or self._on_disk() != damaged:
                return  # another process did it
            aside = self._free_name()
            # The file last: SQLite deletes the log that it finds beside a new one.
            for ending in _BESIDE:
                with contextlib.suppress(FileNotFoundError):
                    os.replace(f"{self._path}{ending}", f"{aside}{ending}")
            os.replace(self._path, aside)
        _log.warning(
            "%s %s is damaged or foreign (%s); the file is kept as %s, and a new one "
            "is begun.",
            self._kind.what,
            self._path,
            "its schema is damaged" if isinstance(error, UnicodeDecodeError) else error,
            aside.name,
        )

    def _free_name(self) -> Path:
        # An earlier one may be somebody's only record: never replaced.
        first = [self._path.with_name(self._aside)] if self._aside else []
        if first and not first[0].exists():
            return first[0]
        numbered = (
            self._path.with_name(f"{self._path.name}.damaged-{number}")
            for number in count(1)
        )
        return next(name for name in numbered if not name.exists())

    def _on_disk(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._name)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _lock(self) -> FileLock:
        from filelock import FileLock  # slow to import, and seldom needed

        return FileLock(f"{self._path}.lock", timeout=self._busy_seconds, mode=0o600)

    def _leave_behind(self) -> None:
        if self._database is not None:
            _left_behind.append(self._database)
        self._begin()


@contextlib.contextmanager
def immediate(database: sqlite3.Connection) -> Iterator[None]:
    """Run a transaction that waits for its turn at once.

    A deferred one that reads first and then writes fails without waiting.

    Parameters
    ----------
    database : sqlite3.Connection
        In autocommit mode, as `SQLiteFile.use` gives it.

    Raises
    ------
    sqlite3.OperationalError
        Another process kept the file for too long, or there is no room.

    Examples
    --------
    >>> database = sqlite3.connect(":memory:", isolation_level=None)
    >>> with immediate(database):
    ...     _ = database.execute("CREATE TABLE notes (text TEXT)")
    >>> database.in_transaction
    False
    >>> database.close()
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # a full disk has ended it already
            database.execute("ROLLBACK")
        raise


class _DamagedFileError(sqlite3.DatabaseError):
    """What is in a file cannot be."""


def damaged(said: str) -> sqlite3.DatabaseError:
    """Return what work raises that finds in a file what cannot be.

    `SQLiteFile.use` then sets the file aside.

    Parameters
    ----------
    said : str
        What is wrong with it.
    """
    return _DamagedFileError(said)


class _ForeignFileError(_DamagedFileError):
    """A database of something else, or of another format."""


def _is_damage(error: sqlite3.DatabaseError | UnicodeDecodeError) -> bool:
    if isinstance(error, UnicodeDecodeError):
        # SQLite names a table whose damaged name Python cannot read.
        return error.object.startswith(b"malformed database schema")
    code = getattr(error, "sqlite_errorcode", -1) & 0xFF
    return (
        isinstance(error, _DamagedFileError)
        or code in _DAMAGED
        or _lacks_something(error)
        or str(error) == "unsupported file format"
    )


def _lacks_something(error: sqlite3.DatabaseError) -> bool:
    # A table or column of ours that is missing: somebody changed the file.
    return str(error).startswith("no such ")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def _set_pragmas(
    database: sqlite3.Connection, pragmas: Mapping[str, str | int]
) -> None:
    for name, value in pragmas.items():
        database.execute(f"PRAGMA {name}={value}")


def _run_statements(database: sqlite3.Connection, script: str) -> None:
    # executescript would commit the transaction it stands in.
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            database.execute(statement)
            statement = ""
    if statement.strip():
        database.execute(statement)


_files: weakref.WeakSet[SQLiteFile] = weakref.WeakSet()
_left_behind: list[sqlite3.Connection] = []


def _after_fork() -> None:
    # A child must not touch its parent's connections, not even close them; nor does
    # the thread go on that may have held a mutex.
    for file in list(_files):
        file._leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
