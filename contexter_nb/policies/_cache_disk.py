"""The second tier: one SQLite file that kernels share and that outlives them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from filelock import Timeout

from contexter_nb.core import HomeError, Tier
from contexter_nb.policies import _cache_rows as rows
from contexter_nb.policies._cache_entry import Record
from contexter_nb.policies._cache_file import CacheFile, is_locked
from contexter_nb.policies._cache_rows import Claim, Total
from contexter_nb.policies._cache_stats import CachedEntry, Order, Tally
from contexter_nb.policies._cache_worker import Worker

T = TypeVar("T")

LOCKED_PAUSE_SECONDS = 5.0
PURGE_EVERY_SECONDS = 600.0
_TOUCH_KEYS = 20_000
_BEHIND_BYTES = 16 * 1024 * 1024
_FAILURES = (sqlite3.Error, OSError, Timeout, UnicodeError)

Batch = dict[str, tuple[Record, int | None]]


class DiskTier:
    """What is read and written is done by one thread, in the order it was asked for.

    Writes go behind: they are gathered while the thread is busy and written in one
    transaction. Reading a key that waits to be written gives what will be written.

    Parameters
    ----------
    path : pathlib.Path
    max_bytes : int
        Of rows; the oldest in use go first.
    stale_seconds : float
        How long an expired entry is kept.
    name : str
        Of this tier among all processes.
    """

    tier: Tier = "disk"

    def __init__(
        self, path: Path, max_bytes: int, stale_seconds: float, name: str
    ) -> None:
        self.path = path
        self.tally = Tally("disk", max_bytes)
        self._max_bytes = max_bytes
        self._stale_seconds = stale_seconds
        self._name = name
        self._lock = threading.Lock()
        self._batch: Batch | None = None
        self._behind_bytes = 0
        self._workers: dict[int, tuple[Worker, CacheFile]] = {}
        self._purge_at = 0.0
        self._locked = False
        self._pause_until = 0.0
        # The thread's own:
        self._hits: dict[int, int] = {}  # by row

    async def get_many(
        self, keys: Sequence[str], wall: float, now: float
    ) -> dict[str, Record] | None:
        """Return what is kept of the keys, fresh or not; None where that failed."""
        with self._lock:
            batch = self._batch or {}
            found = {key: batch[key][0] for key in keys if key in batch}
        others = [key for key in keys if key not in found]
        if others:
            more = await self._run(lambda database: self._read(database, others, wall))
            if more is None:
                return found or None
            found.update(more)
        return found

    def _read(
        self, database: sqlite3.Connection, keys: Sequence[str], wall: float
    ) -> dict[str, Record]:
        found, numbers, damaged = rows.read(database, keys)
        if damaged:
            self.tally.add("errors", damaged)
        for key, record in found.items():
            if record.remaining_seconds(wall) > 0:
                number = numbers[key]
                self._hits[number] = self._hits.get(number, 0) + 1
        if len(self._hits) >= _TOUCH_KEYS:
            self._touch(database, wall)
        return found

    def _touch(self, database: sqlite3.Connection, wall: float) -> None:
        hits, self._hits = self._hits, {}
        try:
            rows.touch(database, hits, wall)
        except sqlite3.OperationalError as error:  # what was read is good all the same
            self._failed(error)

    async def set_many(
        self,
        records: Mapping[str, Record],
        wall: float,
        now: float,
        generation: int | None = None,
    ) -> None:
        """Keep records, soon; waits only where very much waits to be written."""
        if self._pausing(now):
            self.tally.add("errors")
            return
        self._of_process()
        self.tally.add("sets", len(records))
        size = sum(len(record.value) for record in records.values())
        with self._lock:
            if self._batch is None:
                self._batch = {}
                self._submit(functools.partial(self._flush, self._batch, wall))
            for key, record in records.items():
                self._batch[key] = (record, generation)
            self._behind_bytes += size
            much = self._behind_bytes > _BEHIND_BYTES
        if much:
            await self._run(rows.total)

    async def written(self, now: float) -> None:
        """Wait until what was set so far is written, or has failed to be."""
        if not self._pausing(now):
            await self._run(lambda database: None)

    def _flush(self, batch: Batch, wall: float) -> None:
        with self._lock:
            if self._batch is batch:
                self._batch = None
            self._behind_bytes = 0
        with self._counted():
            evicted, total = self._file().use(
                lambda database: rows.write(database, batch, wall, self._max_bytes)
            )
            self.tally.add("evictions", evicted)
            self._note(total)
            if wall >= self._purge_at or self._purge_at > wall + PURGE_EVERY_SECONDS:
                self._purge_at = wall + PURGE_EVERY_SECONDS
                self._file().use(lambda database: self._tidy(database, wall))

    def _tidy(self, database: sqlite3.Connection, wall: float) -> None:
        rows.purge(database, wall - self._stale_seconds, wall)
        self._touch(database, wall)
        self._note(rows.total(database))

    async def delete(self, key: str) -> int | None:
        """Drop a key; return the generation begun by that."""
        self._seal()
        total = await self._run(lambda database: rows.delete(database, key))
        return total.generation if total else None

    async def clear(self, tag: str | None, prefix: str | None) -> tuple[set[str], int]:
        """Drop what has the tag and the prefix, or raise HomeError.

        Returns the keys and the generation begun by that.
        """
        self._seal()
        done = await self._run(lambda database: rows.clear(database, tag, prefix))
        if done is None:
            raise HomeError(
                f"The cache file {self.path} could not be cleared (locked, full or "
                "read-only); try again, or delete the file."
            )
        self._note(done[1])
        return done[0], done[1].generation

    async def matching(self, tag: str | None, prefix: str | None) -> set[str] | None:
        """Return the keys that `clear` would drop; None where the file fails."""
        self._seal()
        return await self._run(lambda database: rows.matching(database, tag, prefix))

    async def generation(self) -> int | None:
        """Return how often something was cleared here, by any process."""
        total = await self._run(rows.total)
        return total.generation if total else None

    async def claim(
        self, key: str, holder: str, wall: float, now: float, lease_seconds: float
    ) -> Claim:
        """Ask for the lease of a key; where the file fails, it is granted."""
        if self._pausing(now):
            return Claim(True)
        answer = await self._run(
            lambda database: rows.claim(database, key, holder, wall, lease_seconds)
        )
        return answer or Claim(True)

    async def renew(self, key: str, holder: str, until: float) -> None:
        """Hold a lease for longer."""
        await self._run(lambda database: rows.renew(database, key, holder, until))

    def release(self, key: str, holder: str) -> None:
        """Give a lease back, soon, after what was set before."""

        def job() -> None:
            with self._counted():
                self._file().use(lambda database: rows.release(database, key, holder))

        with self._lock:
            # What is set from now on is written after the lease is back.
            self._batch = None
            self._submit(job)

    async def measure(self, wall: float) -> None:
        """Bring entries, bytes and the hits of entries up to date."""
        await self._run(lambda database: self._tidy(database, wall))

    async def entries(self, order: Order, limit: int, wall: float) -> list[CachedEntry]:
        """Return the entries with the most or the fewest hits."""

        def work(database: sqlite3.Connection) -> list[CachedEntry]:
            self._touch(database, wall)
            return rows.listing(database, order, limit, wall)

        return await self._run(work) or []

    async def close(self, wall: float) -> None:
        """Write what waits, close the file and end the thread."""
        worker, _ = self._workers.get(os.getpid(), (None, None))
        if worker is None:
            return
        if self._hits:
            await self._run(lambda database: self._touch(database, wall))
        await self._run(lambda database: None)
        worker.stop()
        del self._workers[os.getpid()]

    def _seal(self) -> None:
        # What is set after a deletion must not be written before it.
        with self._lock:
            self._batch = None

    def _note(self, total: Total) -> None:
        self.tally.keeps(total.entries, total.bytes)

    def _pausing(self, now: float) -> bool:
        # Each try on a locked file takes seconds; not every call shall pay for that.
        if self._locked:
            self._locked = False
            self._pause_until = now + LOCKED_PAUSE_SECONDS
        return now < self._pause_until <= now + LOCKED_PAUSE_SECONDS

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return what `work` makes of the database; None where that failed."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T | None] = loop.create_future()

        def job() -> None:
            result: T | None = None
            fault: Exception | None = None
            try:
                with self._counted():
                    result = self._file().use(work)
            except Exception as error:
                fault = error  # a mistake of ours: raised where it was asked for
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(_settle, future, result, fault)

        self._submit(job)
        return await future

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.tally.add("errors")
        if is_locked(error):
            self._locked = True

    def _submit(self, job: Callable[[], None]) -> None:
        self._of_process()[0].submit(job)

    def _file(self) -> CacheFile:
        return self._of_process()[1]

    def _of_process(self) -> tuple[Worker, CacheFile]:
        # A forked child has neither the thread nor the right to use the connection.
        pid = os.getpid()
        found = self._workers.get(pid)
        if found is None:
            self._batch = None  # a parent's thread will write what waits there
            file = CacheFile(self.path, f"{self._name}-{pid}")
            made = (Worker("contexter-cache", file.close), file)
            found = self._workers.setdefault(pid, made)
        return found


def _settle(
    future: asyncio.Future[T | None], result: T | None, fault: Exception | None
) -> None:
    if future.done():  # the caller was cancelled
        return
    if fault is None:
        future.set_result(result)
    else:
        future.set_exception(fault)
