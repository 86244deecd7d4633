"""A limit shared by the processes of one machine: bookings in one SQLite file."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf, isfinite
from pathlib import Path
from typing import TypeVar

from contexter_nb.core import Clock, SQLiteFile, SQLiteFormat, SystemClock, immediate
from contexter_nb.policies._bucket import TOLERANCE_SECONDS, Amounts, Bucket, Rates
from contexter_nb.policies._limit_store import (
    MAX_AHEAD_SECONDS,
    Booking,
    StoreAwayError,
)

T = TypeVar("T")
_BUSY_SECONDS = 2.0
_SWEEP_EVERY = 256
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_FORMAT = SQLiteFormat(
    what="The file of shared limits",
    application_id=0x63786C6D,  # "cxlm"
    schema="""
CREATE TABLE limits (
    line TEXT PRIMARY KEY, boot TEXT NOT NULL, at REAL NOT NULL,
    number INTEGER NOT NULL, paused_until REAL NOT NULL, levels TEXT NOT NULL,
    idle_at REAL NOT NULL
) WITHOUT ROWID
""",
    sets_others_aside=True,
    unmarked=(
        "SELECT line, boot, at, number, paused_until, levels, idle_at FROM limits "
        "LIMIT 0"
    ),
    # A booking that power loss takes matters to nobody: the boot is another then.
    pragmas={"synchronous": "OFF"},
)


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
        self._file = SQLiteFile(
            self._path,
            _FORMAT,
            busy_seconds=_BUSY_SECONDS,
            aside=f"{self._path.name}.damaged",
            makes_folder=False,
        )
        self._boot = _boot_id()
        # Touched by the worker's thread only.
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
            await loop.run_in_executor(worker, self._file.close)
            worker.shutdown(wait=False)

    def _read(
        self, database: sqlite3.Connection, line: str, rates: Rates, now: float
    ) -> tuple[int, Bucket]:
        try:
            return self._stored(database, line, rates, now)
        except (TypeError, ValueError, AttributeError, OverflowError):
            # A damaged row is none: it would refuse every booking for ever.
            return 0, Bucket(rates, now)

    def _stored(
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
        if not all(map(isfinite, (at, number, *levels))):
            raise ValueError("a number that is none")
        return int(number), Bucket(rates, float(at), levels, paused_until)

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
                # A thread does not go on in a forked child.
                self._process = os.getpid()
                self._worker = ThreadPoolExecutor(1, "contexter-limits")
            future = self._worker.submit(self._transact, work)
        return await asyncio.wrap_future(future)

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def transaction(database: sqlite3.Connection) -> T:
            with immediate(database):
                return work(database)

        try:
            return self._file.use(transaction)
        except (OSError, sqlite3.Error, ValueError, TypeError) as exc:
            self._file.close()
            raise StoreAwayError(
                f"The file of shared limits {self._path} cannot be used ({exc}); free "
                "some space, or choose another path."
            ) from exc


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""
