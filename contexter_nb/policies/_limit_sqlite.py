"""A limit shared by the processes of one machine: bookings in one SQLite file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from contexter_nb.core import Clock, SystemClock
from contexter_nb.policies._bucket import TOLERANCE_SECONDS, Amounts, Bucket, Rates
from contexter_nb.policies._limit_store import (
    MAX_AHEAD_SECONDS,
    Booking,
    StoreAwayError,
)

T = TypeVar("T")
_log = logging.getLogger(__name__)
_BUSY_SECONDS = 2.0
_SWEEP_EVERY = 256
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS limits (
    line TEXT PRIMARY KEY, boot TEXT NOT NULL, at REAL NOT NULL,
    number INTEGER NOT NULL, paused_until REAL NOT NULL, levels TEXT NOT NULL,
    idle_at REAL NOT NULL
) WITHOUT ROWID;
"""


class SQLiteLimitStore:
    """Share limits between the processes of one machine, with no server.

    Instants are those of the machine's monotonic clock, the same in all processes, so
    setting the wall clock changes nothing. What an earlier boot wrote is not kept:
    where Linux tells the boots apart, and elsewhere where an instant lies more than an
    hour ahead. A file that is no database is moved aside. The file's mode is 0600; it
    must be on a local disk.

    Parameters
    ----------
    path : pathlib.Path or str
        The file; its folder must exist.
    clock : Clock
        Asked on the store's own thread.

    Examples
    --------
    >>> import tempfile
    >>> from contexter_nb.bridge import run
    >>> from contexter_nb.policies._limit import TokenBucketRateLimiter
    >>> async def main(path):
    ...     limiter = TokenBucketRateLimiter(name="a", store=SQLiteLimitStore(path))
    ...     await limiter.acquire()
    ...     await limiter.close()
    ...     return limiter.get_status().shared
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run(main(Path(folder, "limits.sqlite")))
    'reached'
    """

    def __init__(self, path: Path | str, *, clock: Clock | None = None) -> None:
        self._path = Path(path)
        self._clock = SystemClock() if clock is None else clock
        self._lock = threading.Lock()
        self._worker: ThreadPoolExecutor | None = None
        self._process = 0
        # Below: touched by the worker's thread only.
        self._database: sqlite3.Connection | None = None
        self._file: tuple[int, int] = (0, 0)
        self._boot = ""
        self._bookings = 0

    async def book(
        self,
        line: str,
        rates: Rates,
        cost: Amounts,
        *,
        owed: Amounts,
        max_wait_seconds: float,
    ) -> Booking:
        """Book the earliest instant at which all of `cost` can be paid.

        Parameters
        ----------
        line : str
        rates : tuple of Rate
        cost, owed : tuple of float
        max_wait_seconds : float

        Raises
        ------
        StoreAwayError
            The file cannot be opened, read or written.
        """

        def work(database: sqlite3.Connection) -> Booking:
            now = self._clock.now()
            number, bucket = self._read(database, line, rates, now)
            bucket.refill(max(now, bucket.at))
            bucket.change([-amount for amount in owed])
            before = (tuple(bucket.levels), bucket.at)
            trial = bucket.copy()
            wait = trial.book(now, cost) - now
            booked = wait <= max_wait_seconds + TOLERANCE_SECONDS
            if booked:
                number, bucket = number + 1, trial
            self._write(database, line, number, bucket)
            self._sweep(database, now)
            levels = tuple(bucket.levels)
            return Booking(max(0.0, wait), booked, levels, number, cost, *before)

        return await self._on_worker(work)

    async def give_back(self, line: str, rates: Rates, booking: Booking) -> None:
        """Undo a booking that is not used.

        Parameters
        ----------
        line : str
        rates : tuple of Rate
        booking : Booking

        Raises
        ------
        StoreAwayError
            The file cannot be opened, read or written.
        """

        def work(database: sqlite3.Connection) -> None:
            now = self._clock.now()
            number, bucket = self._read(database, line, rates, now)
            if number == booking.number:
                bucket.levels, bucket.at = (
                    list(booking.levels_before),
                    booking.at_before,
                )
            else:
                bucket.change(booking.cost)
            self._write(database, line, number + 1, bucket)

        await self._on_worker(work)

    async def pause(self, line: str, seconds: float) -> None:
        """Book nothing before some time has passed; the longest pause wins.

        Parameters
        ----------
        line : str
        seconds : float

        Raises
        ------
        StoreAwayError
            The file cannot be opened, read or written.
        """

        def work(database: sqlite3.Connection) -> None:
            now = self._clock.now()
            until = now + min(seconds, MAX_AHEAD_SECONDS)
            number, bucket = self._read(database, line, (), now)
            kept = database.execute(
                "UPDATE limits SET paused_until = max(paused_until, ?), "
                "idle_at = max(idle_at, ?) WHERE line = ? AND boot = ?",
                (until, until, line, self._boot),
            )
            if not kept.rowcount:
                bucket.paused_until = until
                self._write(database, line, number, bucket)

        await self._on_worker(work)

    async def close(self) -> None:
        """Close the file and end the thread; a later call opens them again."""
        with self._lock:
            worker, self._worker = self._worker, None
            ours = self._process == os.getpid()
        if worker is not None and ours:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(worker, self._disconnect)
            worker.shutdown(wait=False)

    def _read(
        self, database: sqlite3.Connection, line: str, rates: Rates, now: float
    ) -> tuple[int, Bucket]:
        row = database.execute(
            "SELECT boot, at, number, paused_until, levels FROM limits WHERE line = ?",
            (line,),
        ).fetchone()
        if row is None or row[0] != self._boot or row[1] - now > MAX_AHEAD_SECONDS:
            return 0 if row is None else row[2], Bucket(rates, now)
        _, at, number, paused_until, text = row
        if paused_until - now > MAX_AHEAD_SECONDS:
            paused_until = -inf
        stored = json.loads(text)
        levels = [
            min(rate.capacity, float(stored.get(rate.name, rate.capacity)))
            for rate in rates
        ]
        return number, Bucket(rates, at, levels, paused_until)

    def _write(
        self, database: sqlite3.Connection, line: str, number: int, bucket: Bucket
    ) -> None:
        levels = {
            rate.name: level
            for rate, level in zip(bucket.rates, bucket.levels, strict=True)
        }
        paused_until = max(bucket.paused_until, -1e300)
        database.execute(
            "INSERT OR REPLACE INTO limits VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                line,
                self._boot,
                bucket.at,
                number,
                paused_until,
                json.dumps(levels),
                bucket.full_at(),
            ),
        )

    def _sweep(self, database: sqlite3.Connection, now: float) -> None:
        self._bookings += 1
        if self._bookings % _SWEEP_EVERY == 1:
            # A minute more, so that a booking can still be given back by its number.
            database.execute(
                "DELETE FROM limits WHERE idle_at < ? OR boot != ?",
                (now - 60.0, self._boot),
            )

    async def _on_worker(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            if self._worker is None or self._process != os.getpid():
                # A connection must not be carried over a fork; nor does a thread go on.
                if self._process != os.getpid():
                    self._database = None
                self._process = os.getpid()
                self._worker = ThreadPoolExecutor(1, "contexter-limits")
            future = self._worker.submit(self._transact, work)
        return await asyncio.wrap_future(future)

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            try:
                return self._attempt(work)
            except sqlite3.DatabaseError as exc:
                if (_code(exc) & 0xFF) not in _BROKEN:
                    raise
                self._set_aside(exc)
                return self._attempt(work)
        except (OSError, sqlite3.Error, ValueError, TypeError) as exc:
            self._disconnect()
            raise StoreAwayError(
                f"The file of shared limits {self._path} cannot be used ({exc}); free "
                "some space, or choose another path."
            ) from exc

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._database is not None and self._identity() != self._file:
            # Another process moved it aside, or somebody deleted it.
            self._disconnect()
        if self._database is None:
            self._connect()
        assert self._database is not None
        with _transaction(self._database) as database:
            return work(database)

    def _identity(self) -> tuple[int, int]:
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return (0, 0)
        return (found.st_dev, found.st_ino)

    def _connect(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        os.close(descriptor)
        self._file = self._identity()
        self._boot = _boot_id()
        self._database = database = sqlite3.connect(
            self._path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        with contextlib.suppress(sqlite3.OperationalError):
            # Refused on some folders; the default journal works there, too.
            database.execute("PRAGMA journal_mode=WAL")
        # A booking that power loss takes matters to nobody: the boot is another then.
        database.execute("PRAGMA synchronous=OFF")
        database.execute(_SCHEMA)

    def _disconnect(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with contextlib.suppress(sqlite3.Error):
                database.close()

    def _set_aside(self, reason: Exception) -> None:
        self._disconnect()
        if self._identity() != self._file:
            return  # another process did it already
        # The file last: whoever finds a new one has none of these to lose.
        for ending in ("-wal", "-shm", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._path}{ending}")
        aside = self._path.with_name(self._path.name + ".damaged")
        os.replace(self._path, aside)
        _log.warning(
            "The file of shared limits %s is damaged (%s); it is kept as %s and a new "
            "one begun.",
            self._path,
            reason,
            aside.name,
        )


def _code(error: sqlite3.DatabaseError) -> int:
    return int(getattr(error, "sqlite_errorcode", 0) or 0)


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[Any]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield database
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
