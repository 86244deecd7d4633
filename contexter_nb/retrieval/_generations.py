"""Numbered folders that are never written once published: readers never wait.

``current`` names the published generation; a writer holds ``writer.lock``, works on a
copy in ``staging-*`` and publishes it by renaming it and replacing ``current``. A
reader holds a shared lock on ``leases/<n>``, so that a generation goes only when its
last reader has gone. Locks are the kernel's: a killed process holds none.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import sys
import uuid
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from contexter_nb.core import Clock, HomeError
from contexter_nb.retrieval._atomic_file import write_atomically

if sys.platform != "win32":
    import fcntl

_POLL_SECONDS = 0.1
_COPY_BYTES = 1024 * 1024
_NUMBER = re.compile(rb"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: shown to whoever waits."""

    process_id: int
    host: str
    doing: str
    since: str

    def sentence(self) -> str:
        """Return who holds the index, for a person."""
        return (
            f"process {self.process_id} on {self.host} is {self.doing} "
            f"since {self.since}"
        )


class Lease:
    """A reader's hold on one generation; given back by `close` or when collected."""

    def __init__(self, number: int, path: Path, descriptor: int) -> None:
        self.number = number
        self.path = path
        self._descriptor = descriptor
        self._release = weakref.finalize(self, _close_quietly, descriptor)

    def holds(self, number: int | None) -> bool:
        """Whether this holds the generation that has a number now.

        Parameters
        ----------
        number : int or None
            Where all were deleted, another one may have the number that this has.
        """
        if number != self.number or not self._release.alive:
            return False
        return sys.platform == "win32" or os.fstat(self._descriptor).st_nlink > 0

    def close(self) -> None:
        """Give the generation back."""
        self._release()


class Generations:
    """The folder that holds the generations of one index.

    Parameters
    ----------
    path : pathlib.Path
        The folder; made by the first writer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pointer = path / "current"
        self._leases = path / "leases"

    def current(self) -> int | None:
        """Return the number of the published generation, or None before the first."""
        try:
            text = self._pointer.read_bytes().strip()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise HomeError(
                f"The index in {self.path} cannot be read ({exc.strerror}); check the "
                "folder's permissions or choose another home."
            ) from exc
        if not _NUMBER.fullmatch(text):
            raise HomeError(
                f"{self._pointer} is damaged; delete the folder {self.path} and index "
                "again (embeddings are kept)."
            )
        return int(text)

    def lease(self) -> Lease | None:
        """Return a hold on the published generation, or None before the first."""
        while True:
            number = self.current()
            if number is None:
                return None
            path = self.path / str(number)
            descriptor = self._hold(number, shared=True)
            if descriptor is not None:
                if path.is_dir():
                    return Lease(number, path, descriptor)
                os.close(descriptor)
                if number == self.current():
                    raise HomeError(
                        f"The index in {self.path} lost its generation {number}; "
                        f"delete the folder and index again (embeddings are kept)."
                    )

    def sweep(self) -> None:
        """Delete generations before the published one that nobody reads.

        What cannot be deleted now (Windows and network folders refuse while somebody
        reads) is left to a later sweep: no search or closing fails for it.
        """
        with contextlib.suppress(HomeError, OSError):
            current = self.current() or 0
            for number, path in self._numbered():
                if number < current:
                    self._delete(number, path)

    def _delete(self, number: int, path: Path) -> None:
        descriptor = self._hold(number, shared=False)
        if descriptor is None:
            return
        try:
            with contextlib.suppress(OSError):
                shutil.rmtree(path)
                (self._leases / str(number)).unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def _numbered(self) -> list[tuple[int, Path]]:
        return [
            (int(path.name), path)
            for path in self.path.iterdir()
            if _NUMBER.fullmatch(os.fsencode(path.name)) and path.is_dir()
        ]

    def _last(self) -> int | None:
        """Return the number of the published generation, or what may be it."""
        try:
            return self.current()
        except HomeError:  # its pointer is damaged: who begins with nothing needs none
            return max((number for number, _ in self._numbered()), default=None)

    def _hold(self, number: int, *, shared: bool) -> int | None:
        """Lock a generation's lease file; None where the other kind of lock is on."""
        path = self._leases / str(number)
        try:
            self._leases.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                locked = _flock(descriptor, shared=shared)
            except OSError:
                os.close(descriptor)
                raise
        except OSError as exc:
            raise HomeError(
                f"The index in {self.path} cannot be locked ({exc.strerror}); readers "
                "need to write there too. Choose another home with connect(home=...)."
            ) from exc
        if not locked:
            os.close(descriptor)
            return None
        # A sweep may have removed the file before the lock: then it holds nothing.
        if os.fstat(descriptor).st_nlink == 0:
            os.close(descriptor)
            return None
        return descriptor

    @contextlib.asynccontextmanager
    async def writing(
        self,
        doing: str,
        clock: Clock,
        notify: Callable[[str], None],
    ) -> AsyncIterator[Staging]:
        """Hold the writer's lock and a place to work in; waits for another writer.

        Parameters
        ----------
        doing : str
            What is done, as others who wait shall read it (``indexing pandas``).
        clock : Clock
            For the waits.
        notify : callable
            Told once for whom this waits.
        """
        self._make_folder()
        lock = FileLock(self.path / "writer.lock", thread_local=False, mode=0o600)
        await self._acquire(lock, clock.sleep, notify)
        staging = Staging(self)
        try:
            self._sign(doing, clock.wall())
            self._clear_rubble()
            yield staging
        finally:
            staging.discard()
            with contextlib.suppress(OSError):
                (self.path / "writer.json").unlink(missing_ok=True)
            lock.release()

    async def delete(self, clock: Clock, notify: Callable[[str], None]) -> None:
        """Delete the folder when nobody writes it; readers go on with what they have.

        Parameters
        ----------
        clock : Clock
            For the waits.
        notify : callable
            Told once for whom this waits.

        Raises
        ------
        HomeError
            The folder cannot be written.
        """
        if not self.path.is_dir():
            return
        lock = FileLock(self.path / "writer.lock", thread_local=False, mode=0o600)
        await self._acquire(lock, clock.sleep, notify)
        gone = self.path.with_name(f".{self.path.name}-{uuid.uuid4().hex[:8]}")
        try:
            # At once, so that nobody comes upon a part of it.
            self.path.rename(gone)
        except FileNotFoundError:  # another was faster
            return
        except OSError:  # Windows, while the lock is open
            gone = self.path
        finally:
            lock.release()
        shutil.rmtree(gone, ignore_errors=True)

    def _make_folder(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise HomeError(
                f"{self.path} cannot be created ({exc.strerror}); choose another home "
                "with connect(home=...)."
            ) from exc

    async def _acquire(
        self,
        lock: FileLock,
        sleep: Callable[[float], Awaitable[None]],
        notify: Callable[[str], None],
    ) -> None:
        told = False
        while True:
            try:
                lock.acquire(timeout=0)
                return
            except Timeout:
                if not told:
                    notify(f"Waiting: {self._holder()}. Interrupt to stop waiting.")
                    told = True
                await sleep(_POLL_SECONDS)
            except OSError as exc:
                raise HomeError(
                    f"{self.path} cannot be written ({exc.strerror}); choose another "
                    "home with connect(home=...)."
                ) from exc

    def _holder(self) -> str:
        try:
            text = (self.path / "writer.json").read_text(encoding="utf-8")
            return Writer(**json.loads(text)).sentence()
        except (OSError, ValueError, TypeError):
            return "another process is writing this index"

    def _sign(self, doing: str, now: datetime) -> None:
        since = now.astimezone().strftime("%H:%M:%S")
        who = {
            "process_id": os.getpid(),
            "host": socket.gethostname(),
            "doing": doing,
            "since": since,
        }
        with contextlib.suppress(OSError):  # what is written next tells of a full disk
            write_atomically(self.path / "writer.json", json.dumps(who))

    def _clear_rubble(self) -> None:
        """Remove what a killed writer left; only the holder of the lock may."""
        current = self._last()
        for path in self.path.glob("staging-*"):
            shutil.rmtree(path, ignore_errors=True)
        for number, path in self._numbered():
            if current is None or number > current:
                shutil.rmtree(path, ignore_errors=True)
        self.sweep()

    def publish(self, staged: Path) -> int:
        """Make a staged folder the current generation; the lock must be held."""
        number = (self._last() or 0) + 1
        staged.rename(self.path / str(number))
        write_atomically(self._pointer, str(number))
        self.sweep()
        return number


class Staging:
    """A writer's working copy, published as often as wanted."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations
        self.path: Path | None = None

    def open(self) -> Path:
        """Return a fresh copy of the published generation (empty before the first)."""
        self.discard()
        base = self._generations
        path = base.path / f"staging-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        published = self.published()
        if published is None:
            path.mkdir(mode=0o700)
        else:
            copy_sparse(published, path)
        self.path = path
        return path

    def published(self) -> Path | None:
        """Return the folder of the published generation, or None before the first."""
        number = self._generations.current()
        return None if number is None else self._generations.path / str(number)

    def open_empty(self) -> Path:
        """Return an empty folder: the next generation starts from nothing."""
        self.discard()
        base = self._generations.path
        self.path = base / f"staging-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.path.mkdir(mode=0o700)
        return self.path

    def publish(self) -> int:
        """Publish the working copy, which is no longer ours afterwards."""
        if self.path is None:
            raise RuntimeError("nothing is staged")
        number = self._generations.publish(self.path)
        self.path = None
        return number

    def discard(self) -> None:
        """Drop the working copy."""
        if self.path is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            self.path = None


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a folder without its holes: the engine's files are mostly unused space.

    Files named ``.atomicwrite*`` are another process's temporaries (design.md,
    section 6) and are left out.
    """
    target.mkdir(mode=0o700)
    for entry in os.scandir(source):
        if entry.name.startswith(".atomicwrite"):
            continue
        if entry.is_dir():
            copy_sparse(Path(entry.path), target / entry.name)
        else:
            _copy_data(entry.path, target / entry.name)


def _copy_data(source: str, target: Path) -> None:
    with open(source, "rb") as reader, open(target, "wb") as writer:
        size = os.fstat(reader.fileno()).st_size
        for start, end in _data_ranges(reader.fileno(), size):
            reader.seek(start)
            writer.seek(start)
            left = end - start
            while left > 0:
                block = reader.read(min(left, _COPY_BYTES))
                if not block:
                    break
                writer.write(block)
                left -= len(block)
        writer.truncate(size)


def _data_ranges(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    if not hasattr(os, "SEEK_DATA"):
        yield 0, size
        return
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError:
            return  # only a hole is left
        position = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, position


def _flock(descriptor: int, *, shared: bool) -> bool:
    if sys.platform == "win32":
        return True  # an open file cannot be deleted there, which protects as well
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the two that say: it is locked
        return False
    return True


def _close_quietly(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)
