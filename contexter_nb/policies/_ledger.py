"""What was spent, and what a cache saved: by service, model and day, kept on disk."""

from __future__ import annotations

import logging
import math
import os
import sqlite3
import threading
import weakref
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

from contexter_nb.core import (
    CallRecord,
    Clock,
    HomeError,
    InvalidArgumentError,
    SystemClock,
    scrub,
)
from contexter_nb.policies._cache_worker import Worker
from contexter_nb.policies._ledger_file import Account, LedgerFile, Sums

FLUSH_SECONDS = 1.0
MAX_NAMES = 1000
OTHER = "other"
_MAX_NAME_CHARS = 120
_NANO = 1_000_000_000
# Far above any call; a larger one is a mistake that would hide all that is right.
_MAX_TOKENS = 10**12
_MAX_USD = 10**6
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """What one model of one service cost on one day, in all kernels.

    Attributes
    ----------
    day : datetime.date
        UTC; the day on which a call began.
    service, model : str
        Short names; the model is empty where the service has none.
    calls, tokens : int
        Calls that were charged, and their tokens.
    usd : float
        US dollars, by the price table; free tiers are not taken off.
    saved_calls, saved_tokens : int
        Answers taken from a cache, and what they had cost.
    saved_usd : float
        US dollars that they had cost.
    """

    day: date
    service: str
    model: str
    calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    saved_calls: int = 0
    saved_tokens: int = 0
    saved_usd: float = 0.0


class CostLedger:
    """Books what calls were charged; a listener for `APIMonitor.add_listener`.

    A booking is added up in memory and written within a second by a thread of the
    ledger's own, so that it costs a call nothing and a process killed with -9 loses at
    most its last second. Several processes may book into one file at once: money is
    added up there in whole nano-dollars. A file that is damaged is set aside with a
    warning; where the disk is full, bookings wait in memory and `failures` counts.
    It holds names and numbers only. The file's mode is 0600.

    Parameters
    ----------
    path : pathlib.Path or str
        The file; made with the first booking, and its folder too.
    clock : Clock, optional
        Its wall clock dates what `add` is told without a time.
    flush_seconds : float, default 1.0
        How long a booking may wait in memory, from 0 on.

    Raises
    ------
    InvalidArgumentError
        `flush_seconds` is negative or not a number.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ledger = CostLedger(Path(folder, "costs.sqlite"))
    ...     ledger.add("voyage", "voyage-4", calls=1, tokens=500_000, usd=0.03)
    ...     ledger.add("voyage", "voyage-4", saved_calls=1, saved_tokens=20)
    ...     row = ledger.rows()[0]
    ...     ledger.close()
    >>> row.model, row.calls, row.tokens, row.usd, row.saved_tokens
    ('voyage-4', 1, 500000, 0.03, 20)
    """

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Clock | None = None,
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        if not 0 <= flush_seconds < math.inf:
            raise InvalidArgumentError(
                f"flush_seconds is {flush_seconds!r}; give seconds from 0 on."
            )
        self._path = Path(path)
        self._clock = SystemClock() if clock is None else clock
        self._flush_seconds = flush_seconds
        self._refused = 0
        self._start_anew()
        _ledgers.add(self)

    def _start_anew(self) -> None:
        self._book = _Book(self._path)
        # Reentrant: a finalizer or a signal handler may make a call in this thread.
        self._lock = threading.RLock()
        self._worker: tuple[Worker, threading.Event] | None = None
        self._names: dict[tuple[str, str], tuple[str, str]] = {}

    def __call__(self, call: CallRecord) -> None:
        """Book a call that was charged or answered by a cache; never raises.

        Calls that were neither (failed, or of a service that is free) are not booked.

        Parameters
        ----------
        call : CallRecord
        """
        used, saved = call.usage, call.saved
        try:
            if used.tokens or used.usd or used.model:
                self.add(
                    call.service,
                    used.model,
                    calls=1,
                    tokens=used.tokens,
                    usd=used.usd,
                    at=call.started_at,
                )
            if saved.tokens or saved.usd or saved.model:
                self.add(
                    call.service,
                    saved.model or used.model,
                    saved_calls=1,
                    saved_tokens=saved.tokens,
                    saved_usd=saved.usd,
                    at=call.started_at,
                )
        except Exception:
            self._refused += 1
            if self._refused == 1:
                _log.warning(
                    "A call could not be booked; nb.costs() lacks it.", exc_info=True
                )

    def add(
        self,
        service: str,
        model: str,
        *,
        calls: int = 0,
        tokens: int = 0,
        usd: float = 0.0,
        saved_calls: int = 0,
        saved_tokens: int = 0,
        saved_usd: float = 0.0,
        at: datetime | None = None,
    ) -> None:
        """Book something that is no call: what a cache of embeddings saved, say.

        Parameters
        ----------
        service, model : str
            Short names. What looks like a URL or a credential is booked as ``other``,
            and so is what comes after a thousand pairs.
        calls, tokens : int
            From 0 on.
        usd : float
            US dollars, from 0 on.
        saved_calls, saved_tokens : int
            From 0 on.
        saved_usd : float
            US dollars, from 0 on.
        at : datetime, optional
            Aware; None for now.

        Raises
        ------
        InvalidArgumentError
            A number is negative, not finite or beyond a million dollars or 10**12
            tokens, or `at` is naive.
        """
        sums = Sums(
            _whole("calls", calls),
            _whole("tokens", tokens),
            _nano("usd", usd),
            _whole("saved_calls", saved_calls),
            _whole("saved_tokens", saved_tokens),
            _nano("saved_usd", saved_usd),
        )
        day = _day(self._clock.wall() if at is None else at).isoformat()
        account = Account(day, *self._named(service, model))
        if self._book.add(account, sums):
            self._write_soon()

    def _named(self, service: str, model: str) -> tuple[str, str]:
        known = self._names.get((service, model))
        if known is not None:
            return known
        with self._lock:
            if len(self._names) >= MAX_NAMES:
                return OTHER, OTHER
            named = _clean(service), _clean(model)
            return self._names.setdefault((service, model), named)

    def _write_soon(self) -> None:
        with self._lock:
            begun = self._worker is None
            if self._worker is None:
                self._worker = (
                    Worker("contexter-ledger", self._book.finish),
                    threading.Event(),
                )
            worker, hurry = self._worker
            worker.submit(partial(self._book.flush_after, hurry, self._flush_seconds))
            if begun:
                # After the worker's own, so that it runs before: the last flush of
                # the interpreter must not wait for the second to pass.
                weakref.finalize(self, hurry.set)

    def rows(self, since: date | None = None) -> tuple[CostRow, ...]:
        """Return what all kernels booked, and here what is not written yet, too.

        Parameters
        ----------
        since : datetime.date, optional
            The first day, UTC; of a datetime its day in UTC. None for all.

        Returns
        -------
        tuple of CostRow
            The latest day first, then by service and model.

        Raises
        ------
        HomeError
            The file cannot be opened or read.
        InvalidArgumentError
            `since` is a naive datetime.
        """
        found = self._book.read("" if since is None else _day(since).isoformat())
        ordered = sorted(found, key=lambda each: (each.service, each.model))
        ordered.sort(key=lambda each: each.day, reverse=True)
        return tuple(_row(account, found[account]) for account in ordered)

    def total_usd(self, since: date | None = None) -> float:
        """Return the US dollars spent, added up exactly.

        Parameters
        ----------
        since : datetime.date, optional
            As of `rows`.

        Raises
        ------
        HomeError
            The file cannot be opened or read.
        InvalidArgumentError
            `since` is a naive datetime.
        """
        found = self._book.read("" if since is None else _day(since).isoformat())
        return sum(sums.nano_usd for sums in found.values()) / _NANO

    @property
    def failures(self) -> int:
        """Return how often writing failed; nothing is lost while the process lives."""
        return self._book.failures

    @property
    def refused(self) -> int:
        """Return how many calls had numbers that cannot be booked."""
        return self._refused

    def flush(self) -> None:
        """Write now what is booked; a failure is counted, not raised."""
        self._book.flush()

    def close(self) -> None:
        """Write what is booked, close the file and end the thread.

        A later booking opens them again.
        """
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker[1].set()
            worker[0].stop()
        self._book.finish()

    def __repr__(self) -> str:
        return f"<CostLedger: {self._path.name}, {self.failures} failures>"


class _Book:
    """What is booked and not written yet, and the file; holds no ledger."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = LedgerFile(path)
        self._file_lock = threading.Lock()
        self._lock = threading.RLock()
        self._pending: dict[Account, Sums] = {}
        self._asked = False
        self._failing = False
        self.failures = 0

    def add(self, account: Account, sums: Sums) -> bool:
        """Book, and tell whether nobody was asked yet to write it."""
        with self._lock:
            self._pending[account] = self._pending.get(account, Sums()).plus(sums)
            asked, self._asked = self._asked, True
            return not asked

    def flush_after(self, hurry: threading.Event, seconds: float) -> None:
        """Wait, less where there is a hurry, and write."""
        hurry.wait(seconds)
        self.flush()

    def flush(self) -> None:
        """Write what is pending; keep it where that fails."""
        with self._file_lock:
            self._flush()

    def finish(self) -> None:
        """Write what is pending and close the file."""
        with self._file_lock:
            self._flush()
            self._file.close()

    def _flush(self) -> None:
        with self._lock:
            taken, self._pending = self._pending, {}
            self._asked = False
        if not taken:
            return
        try:
            self._file.add(taken)
        except (OSError, sqlite3.Error) as error:
            self._put_back(taken)
            self._note_failure(error)
        except BaseException:
            self._put_back(taken)
            raise
        else:
            self._failing = False

    def _put_back(self, taken: dict[Account, Sums]) -> None:
        with self._lock:
            for account, sums in taken.items():
                self._pending[account] = self._pending.get(account, Sums()).plus(sums)

    def _note_failure(self, error: Exception) -> None:
        self.failures += 1
        if not self._failing:
            self._failing = True
            _log.warning(
                "The ledger of costs %s cannot be written (%s); bookings wait in "
                "memory until it can.",
                self._path,
                error,
            )

    def read(self, since: str) -> dict[Account, Sums]:
        """Return what is on disk and what is pending, from a day on."""
        # Held over both: what is being written is seen once, not twice or never.
        with self._file_lock:
            try:
                found = self._file.read(since)
            except (OSError, sqlite3.Error) as error:
                raise HomeError(
                    f"The ledger of costs {self._path} cannot be read ({error}); free "
                    "some space, or move the file away: a new one is begun."
                ) from error
            with self._lock:
                for account, sums in self._pending.items():
                    if account.day >= since:
                        found[account] = found.get(account, Sums()).plus(sums)
        return found


def _row(account: Account, sums: Sums) -> CostRow:
    return CostRow(
        day=date.fromisoformat(account.day),
        service=account.service,
        model=account.model,
        calls=sums.calls,
        tokens=sums.tokens,
        usd=sums.nano_usd / _NANO,
        saved_calls=sums.saved_calls,
        saved_tokens=sums.saved_tokens,
        saved_usd=sums.saved_nano_usd / _NANO,
    )


def _clean(name: str) -> str:
    name = str(name)[:_MAX_NAME_CHARS]
    return OTHER if "://" in name or scrub(name) != name else name


def _whole(name: str, value: int) -> int:
    if isinstance(value, int) and 0 <= value <= _MAX_TOKENS:
        return value
    raise InvalidArgumentError(
        f"{name} is {value!r}; give a whole number from 0 to {_MAX_TOKENS}."
    )


def _nano(name: str, usd: float) -> int:
    if isinstance(usd, int | float) and 0 <= usd <= _MAX_USD:  # false for nan
        return round(usd * _NANO)
    raise InvalidArgumentError(
        f"{name} is {usd!r}; give US dollars from 0 to {_MAX_USD}."
    )


def _day(at: date) -> date:
    if not isinstance(at, datetime):
        return at
    if at.tzinfo is None:
        raise InvalidArgumentError(
            f"{at.isoformat()} has no time zone; give an aware datetime, or a date."
        )
    return at.astimezone(UTC).date()


_ledgers: weakref.WeakSet[CostLedger] = weakref.WeakSet()
_left_behind: list[object] = []


def _after_fork() -> None:
    # The child has no thread, must not touch the connection (not even close it), and
    # what is pending will be written by the parent.
    for ledger in list(_ledgers):
        _left_behind.append((ledger._book, ledger._worker))
        ledger._start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
