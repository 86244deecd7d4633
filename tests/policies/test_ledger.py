"""The ledger: exact sums by day, from several processes, killed, full or damaged."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import logging
import math
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from contexter_nb.core import HomeError, InvalidArgumentError, Secret, Usage
from contexter_nb.policies import APIMonitor, _ledger_file
from contexter_nb.policies._ledger import MAX_NAMES, CostLedger, CostRow
from tests.loops import EPOCH
from tests.policies.calls import failed, ok

TODAY = EPOCH.date()
NEVER = 3600.0
BEGIN = """
import signal, sys
from datetime import UTC, datetime
from contexter_nb.core import CallRecord, Trace, Usage
from contexter_nb.policies._ledger import CostLedger
def call(number=0):
    return CallRecord(
        service="voyage", operation="embeddings", method="POST", host="h",
        request_id="1", started_at=datetime(2026, 1, 1, tzinfo=UTC), outcome="ok",
        trace=Trace(), usage=Usage(7 + number % 3, 1e-7 + number * 1e-9, "voyage-4"))
ledger = CostLedger(sys.argv[1], flush_seconds=float(sys.argv[2]))
"""
BOOK_A_THOUSAND = BEGIN + (
    "sys.stdin.readline()\n"
    "for number in range(1000):\n"
    "    ledger(call(number))\n"
    "    if number % 100 == 0: ledger.flush()\n"
    "ledger.close()\n"
    "print(ledger.failures, ledger.refused)\n"
)
FLUSH_FOR_EVER = BEGIN + (
    "number = 0\n"
    "while True:\n"
    "    ledger(call())\n"
    "    ledger.flush()\n"
    "    number += 1\n"
    "    print(number, ledger.failures, flush=True)\n"
)
HALF_FLUSHED = BEGIN + (
    "for number in range(500): ledger(call())\n"
    "ledger.flush()\n"
    "for number in range(500): ledger(call())\n"
    "print('booked', flush=True)\n"
    "sys.stdin.readline()\n"
)
END_WITHOUT_CLOSE = BEGIN + "ledger(call())\nprint('ended', flush=True)\n"
FORK = BEGIN + (
    "import os\n"
    "ledger(call()); ledger.flush(); ledger(call())\n"
    "child = os.fork()\n"
    "if not child:\n"
    "    ledger(call()); ledger.close(); os._exit(0)\n"
    "assert os.waitpid(child, 0)[1] == 0\n"
    "ledger(call()); ledger.close()\n"
    "print(sum(row.calls for row in ledger.rows()), ledger.failures)\n"
)
NO_ROOM = BEGIN + (
    "import resource\n"
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    "ledger(call()); ledger.flush()\n"
    "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))\n"
    "ledger(call()); ledger.flush(); ledger(call()); ledger.flush()\n"
    "print(ledger.failures, sum(row.calls for row in ledger.rows()))\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
    "ledger.flush()\n"
    "print(ledger.failures, sum(row.calls for row in CostLedger(sys.argv[1]).rows()))\n"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the place of a file in a folder that is not there yet."""
    return tmp_path / "home" / "costs.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[CostLedger]:
    """Give a ledger that writes only when told."""
    made = CostLedger(path, flush_seconds=NEVER)
    yield made
    made.close()


def start(script: str, path: Path, seconds: float = NEVER) -> subprocess.Popen[str]:
    """Start a script in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, str(path), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    """Return what a process printed; it must have ended well."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


def in_file(path: Path) -> tuple[CostRow, ...]:
    """Return what another kernel reads: what is written."""
    return CostLedger(path).rows()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Look again and again, for at most 20 seconds."""
    for _ in range(2000):
        if is_so():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never was")


def spent(tokens: int = 100, usd: float = 6e-6, model: str = "voyage-4") -> Usage:
    """Return what a call was charged."""
    return Usage(tokens, usd, model)


def test_calls_are_added_up_by_day_service_and_model(ledger: CostLedger) -> None:
    """A row each, the latest day first, then by name."""
    yesterday = EPOCH - timedelta(days=1)
    ledger(ok(usage=spent()))
    ledger(ok(usage=spent(50, 3e-6)))
    ledger(ok(usage=spent(model="rerank-3")))
    ledger(ok(usage=spent(), started_at=yesterday))
    ledger(ok(usage=spent(model=""), service="mine"))
    assert [(r.day, r.service, r.model, r.calls, r.tokens) for r in ledger.rows()] == [
        (TODAY, "mine", "", 1, 100),
        (TODAY, "voyage", "rerank-3", 1, 100),
        (TODAY, "voyage", "voyage-4", 2, 150),
        (yesterday.date(), "voyage", "voyage-4", 1, 100),
    ]
    assert ledger.rows()[2].usd == 9e-6


def test_what_a_cache_answered_is_saved_and_not_spent(ledger: CostLedger) -> None:
    """In columns of its own, on the same row as what was paid."""
    ledger(ok(usage=spent()))
    ledger(ok(saved=spent(40, 2.4e-6)))
    (row,) = ledger.rows()
    assert (row.calls, row.tokens, row.usd) == (1, 100, 6e-6)
    assert (row.saved_calls, row.saved_tokens, row.saved_usd) == (1, 40, 2.4e-6)
    assert ledger.total_usd() == 6e-6


def test_calls_that_cost_nothing_are_not_booked(ledger: CostLedger, path: Path) -> None:
    """Failed ones, and those of services without a price: no row, and no file."""
    ledger(failed())
    ledger(ok(service="context7"))
    ledger.flush()
    assert ledger.rows() == ()
    assert ledger.total_usd() == 0.0
    assert not path.parent.exists()


def test_tokens_without_a_known_price_are_booked(ledger: CostLedger) -> None:
    """What was used is told, also where nobody knows what it cost."""
    ledger(ok(usage=Usage(100, 0.0, "new-model")))
    assert [(row.model, row.tokens, row.usd) for row in ledger.rows()] == [
        ("new-model", 100, 0.0)
    ]


def test_a_monitor_tells_the_ledger(ledger: CostLedger) -> None:
    """It is a listener as it stands, and stays one whatever it is told."""
    monitor = APIMonitor()
    monitor.add_listener(ledger)
    monitor.record(ok(usage=spent()))
    for wrong in (Usage(-1, 0, "m"), Usage(1, math.nan, "m"), Usage(10**13, 0, "m")):
        monitor.record(ok(usage=wrong))
    monitor.record(ok(usage=spent()))
    assert [row.calls for row in ledger.rows()] == [2]
    assert ledger.refused == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"calls": -1},
        {"tokens": 1.5},
        {"usd": math.inf},
        {"usd": -1e-9},
        {"saved_calls": -1},
        {"saved_tokens": 10**13},
        {"saved_usd": math.nan},
        {"usd": 2e6},
    ],
)
def test_a_number_that_cannot_be_is_refused(
    ledger: CostLedger, wrong: dict[str, Any]
) -> None:
    """By name, and nothing of that booking is kept."""
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        ledger.add("voyage", "voyage-4", **{"calls": 1, **wrong})
    assert ledger.rows() == ()


def test_a_negative_wait_is_refused(path: Path) -> None:
    """At the beginning."""
    with pytest.raises(InvalidArgumentError, match="flush_seconds"):
        CostLedger(path, flush_seconds=-1)


def test_a_day_is_a_day_of_utc(ledger: CostLedger) -> None:
    """Whatever the zone in which a call was dated, or is asked for."""
    far_east = timezone(timedelta(hours=14))
    at = datetime(2026, 3, 2, 1, 0, tzinfo=far_east)
    ledger.add("voyage", "m", calls=1, usd=0.5, at=at)
    assert [row.day for row in ledger.rows()] == [date(2026, 3, 1)]
    assert ledger.total_usd(since=date(2026, 3, 1)) == 0.5
    assert ledger.total_usd(since=at) == 0.5
    assert ledger.total_usd(since=date(2026, 3, 2)) == 0.0
    ledger.flush()
    assert ledger.total_usd(since=datetime(2026, 3, 1, 23, tzinfo=UTC)) == 0.5
    assert ledger.rows(since=date(2026, 3, 2)) == ()
    with pytest.raises(InvalidArgumentError, match="no time zone"):
        ledger.rows(since=datetime(2026, 3, 1))  # noqa: DTZ001  (that is the fault)
    with pytest.raises(InvalidArgumentError, match="no time zone"):
        ledger.add("voyage", "m", at=datetime(2026, 3, 1))  # noqa: DTZ001


def test_money_is_added_up_exactly(ledger: CostLedger, path: Path) -> None:
    """Ten thousand times 0.1 dollars are 1,000, which floats do not give."""
    for number in range(10_000):
        ledger.add("voyage", f"m{number % 3}", calls=1, usd=0.1)
        if number % 1000 == 0:
            ledger.flush()
    assert ledger.total_usd() == 1000.0
    one_by_one = 0.0
    for _ in range(10_000):
        one_by_one += 0.1
    assert one_by_one != 1000.0
    ledger.flush()
    assert CostLedger(path).total_usd() == 1000.0


def test_reading_sees_what_is_not_written_yet(ledger: CostLedger, path: Path) -> None:
    """Here at once, and once: elsewhere when it is written."""
    ledger(ok(usage=spent()))
    assert [row.calls for row in ledger.rows()] == [1]
    assert in_file(path) == ()
    ledger.flush()
    ledger(ok(usage=spent()))
    assert [row.calls for row in ledger.rows()] == [2]
    assert [row.calls for row in in_file(path)] == [1]


def test_it_is_written_soon_without_being_told(path: Path) -> None:
    """By a thread of its own, and again for what comes later."""
    ledger = CostLedger(path, flush_seconds=0.01)
    for count in (1, 2):
        ledger(ok(usage=spent()))
        wait_until(lambda: [row.calls for row in in_file(path)] == [count])  # noqa: B023
    ledger.close()


def test_bookings_of_one_second_are_one_transaction(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand calls wait together for the same write."""
    writes: list[int] = []
    add = _ledger_file.LedgerFile.add

    def counted(self: _ledger_file.LedgerFile, booked: Any) -> None:
        writes.append(len(booked))
        add(self, booked)

    monkeypatch.setattr(_ledger_file.LedgerFile, "add", counted)
    ledger = CostLedger(path, flush_seconds=NEVER)
    for _ in range(1000):
        ledger(ok(usage=spent()))
    ledger.close()
    assert writes == [1]


def test_close_writes_and_a_later_booking_opens_again(path: Path) -> None:
    """Nothing waits when it is closed, and no thread is left; twice is no error."""
    others = set(threading.enumerate())
    ledger = CostLedger(path, flush_seconds=NEVER)
    ledger(ok(usage=spent()))
    ledger.close()
    ledger.close()
    assert not {t.name for t in threading.enumerate() if t not in others}
    assert [row.calls for row in in_file(path)] == [1]
    ledger(ok(usage=spent()))
    ledger.close()
    assert [row.calls for row in in_file(path)] == [2]


def test_a_ledger_that_nobody_holds_writes_what_it_has(path: Path) -> None:
    """Dropped without close it loses nothing, and neither it nor its thread stays."""
    ledger = CostLedger(path, flush_seconds=0.01)
    ledger(ok(usage=spent()))
    gone = weakref.ref(ledger)
    del ledger
    gc.collect()
    assert gone() is None
    wait_until(lambda: [row.calls for row in in_file(path)] == [1])


def test_the_end_of_the_interpreter_writes_without_waiting(path: Path) -> None:
    """A script that closes nothing loses nothing, and ends at once."""
    assert ended(start(END_WITHOUT_CLOSE, path)) == "ended"
    assert [row.calls for row in in_file(path)] == [1]


def test_many_threads_lose_nothing(path: Path) -> None:
    """Eight that book while one writes and one reads."""
    ledger = CostLedger(path, flush_seconds=0.0)
    seen: list[int] = []
    done = threading.Event()

    def book() -> None:
        for _ in range(500):
            ledger(ok(usage=spent()))

    def read() -> None:
        while not done.is_set():
            seen.append(sum(row.calls for row in ledger.rows()))

    threads = [threading.Thread(target=book) for _ in range(8)]
    reader = threading.Thread(target=read)
    for thread in (*threads, reader):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    reader.join()
    ledger.close()
    assert seen == sorted(seen)
    (row,) = in_file(path)
    assert (row.calls, row.tokens) == (4000, 400_000)
    assert row.usd == 4000 * 6000 / 1e9


def test_four_processes_add_up_exactly_while_others_are_killed(path: Path) -> None:
    """A thousand calls each; the killed ones leave what they wrote, whole."""
    writers = [start(BOOK_A_THOUSAND, path) for _ in range(4)]
    half = start(HALF_FLUSHED, path)
    killed = start(FLUSH_FOR_EVER, path)
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert half.stdout is not None and killed.stdout is not None
    assert half.stdout.readline() == "booked\n"
    half.kill()
    half.communicate()
    told = [killed.stdout.readline() for _ in range(20)]
    killed.kill()
    # `communicate` would lose what is read ahead in the buffer.
    told += killed.stdout.read().splitlines(keepends=True)
    killed.communicate()
    whole = [line for line in told if line.endswith("\n")]
    written, failures = map(int, whole[-1].split())
    assert failures == 0
    assert [ended(writer) for writer in writers] == ["0 0"] * 4
    (row,) = in_file(path)
    # The one that was killed while writing may have written once more than it told.
    more = row.calls - 4000 - 500 - written
    assert more in (0, 1)
    others = 500 + written + more
    assert row.tokens == 4 * sum(7 + n % 3 for n in range(1000)) + 7 * others
    nano = 4 * sum(100 + n for n in range(1000)) + 100 * others
    assert row.usd == nano / 1e9
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_books_its_own_calls_only(path: Path) -> None:
    """What waits in the parent is written by the parent, once."""
    assert ended(start(FORK, path)) == "4 0"


def test_a_full_disk_is_counted_and_nothing_is_lost(path: Path) -> None:
    """Bookings wait, reading goes on, and with room again all is written."""
    pytest.importorskip("resource")
    assert ended(start(NO_ROOM, path)) == "2 3\n2 3"


def test_a_folder_that_cannot_be_made_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning for all the failures; what was booked can still be read."""
    (tmp_path / "file").write_text("in the way")
    ledger = CostLedger(tmp_path / "file" / "costs.sqlite", flush_seconds=NEVER)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            ledger(ok(usage=spent()))
            ledger.flush()
    assert ledger.failures == 3
    assert len(caplog.records) == 1
    assert "cannot be written" in caplog.text
    (tmp_path / "file").unlink()
    assert [row.calls for row in ledger.rows()] == [3]
    ledger.close()
    assert [row.calls for row in in_file(tmp_path / "file" / "costs.sqlite")] == [3]


def test_a_locked_file_is_counted_and_written_later(
    ledger: CostLedger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process holds it for too long: nothing is lost, nothing is doubled."""
    monkeypatch.setattr(ledger._book._file._file, "_busy_seconds", 0.05)
    ledger(ok(usage=spent()))
    ledger.flush()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ledger(ok(usage=spent()))
    ledger.flush()
    assert ledger.failures == 1
    assert [row.calls for row in ledger.rows()] == [2]
    other.execute("ROLLBACK")
    other.close()
    ledger.flush()
    assert [row.calls for row in in_file(path)] == [2]


@pytest.mark.parametrize("damage", ["rubbish", "zeros in the middle", "another's"])
def test_a_damaged_file_is_set_aside_with_a_warning(
    path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is kept, a new one is begun, and no booking fails."""
    before = CostLedger(path)
    for number in range(200):
        before.add("voyage", f"model-{number}", calls=1)
    before.close()
    if damage == "rubbish":
        path.write_bytes(b"no database at all" * 1000)
    elif damage == "zeros in the middle":
        raw = path.read_bytes()
        path.write_bytes(raw[:4096] + bytes(len(raw) - 4096))
    else:
        path.unlink()
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE theirs (x)")
        database.close()
    damaged = path.read_bytes()
    ledger = CostLedger(path, flush_seconds=NEVER)
    with caplog.at_level(logging.WARNING):
        ledger(ok(usage=spent()))
        ledger.flush()
    assert "a new one is begun" in caplog.text
    assert ledger.failures == 0
    assert [row.calls for row in ledger.rows()] == [1]
    assert path.with_name("costs.sqlite.damaged-1").read_bytes() == damaged
    ledger.close()


def test_a_second_damaged_file_does_not_replace_the_first(path: Path) -> None:
    """Each may be somebody's only record of what was spent."""
    path.parent.mkdir()
    for number in (1, 2):
        path.write_bytes(b"%d is no database" % number * 100)
        ledger = CostLedger(path)
        assert ledger.rows() == ()
        ledger.close()
    kept = sorted(path.parent.glob("*.damaged-?"))
    assert [each.read_bytes()[:1] for each in kept] == [b"1", b"2"]


def test_the_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    """It is neither set aside nor written; reading says why it cannot."""
    first = CostLedger(path)
    first.add("voyage", "m", calls=1)
    first.close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version=99")
    database.close()
    ledger = CostLedger(path, flush_seconds=NEVER)
    ledger(ok(usage=spent()))
    ledger.flush()
    assert ledger.failures == 1
    with pytest.raises(HomeError, match="another version"):
        ledger.rows()
    ledger.close()
    assert not list(path.parent.glob("*damaged*"))


def test_a_file_that_was_deleted_is_made_anew(ledger: CostLedger, path: Path) -> None:
    """What is booked afterwards goes into a file that others see."""
    ledger(ok(usage=spent()))
    ledger.flush()
    for each in path.parent.glob("costs.sqlite*"):
        each.unlink()
    ledger(ok(usage=spent()))
    ledger.flush()
    assert [row.calls for row in in_file(path)] == [1]


def test_only_its_owner_may_read_the_file(ledger: CostLedger, path: Path) -> None:
    """Mode 0600, the files of the journal and the lock among them."""
    ledger(ok(usage=spent()))
    ledger.flush()
    files = list(path.parent.iterdir())
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_neither_secrets_nor_urls_come_into_the_file(
    ledger: CostLedger, path: Path
) -> None:
    """A name that holds one is booked as another; hosts and ids are not kept at all."""
    key = Secret("-".join(["never", "to", "be", "seen", "4711"]))
    ledger(ok(usage=spent(model=f"voyage-4?{key.reveal()}")))
    ledger(ok(usage=spent(model="https://example.org/a"), request_id="request-4712"))
    ledger(ok(usage=spent(model="m" * 10_000), host="host-4713"))
    ledger.flush()
    assert [(row.model[:5], row.calls) for row in ledger.rows()] == [
        ("mmmmm", 1),
        ("other", 2),
    ]
    ledger.close()
    raw = b"".join(each.read_bytes() for each in path.parent.iterdir())
    for hidden in (b"4711", b"4712", b"4713", b"://", b"example.org", b"m" * 200):
        assert hidden not in raw
    assert "4711" not in repr(ledger)


def test_names_without_end_are_added_up_together(ledger: CostLedger) -> None:
    """A service that answers another model each time fills neither memory nor disk."""
    for number in range(MAX_NAMES + 500):
        ledger.add("voyage", f"model-{number}", calls=1)
    rows = ledger.rows()
    assert len(rows) == MAX_NAMES + 1
    assert sum(row.calls for row in rows) == MAX_NAMES + 500
    assert [row.calls for row in rows if row.service == "other"] == [500]


def test_a_row_cannot_be_changed(ledger: CostLedger) -> None:
    """It is a value."""
    ledger(ok(usage=spent()))
    with pytest.raises(dataclasses.FrozenInstanceError):
        ledger.rows()[0].usd = 0.0  # type: ignore[misc]


@pytest.mark.parametrize(
    "damage", ["day = '2026-1x-01'", "calls = 'many'", "nano_usd = -5", "model = x'ff'"]
)
def test_a_damaged_row_costs_no_other(
    path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is left out and told of; the sums of the others are as they were."""
    ledger = CostLedger(path, flush_seconds=NEVER)
    ledger.add("voyage", "voyage-4", calls=1, tokens=5, usd=0.5)
    ledger.add("voyage", "voyage-4-lite", calls=1, tokens=7, usd=0.25)
    ledger.flush()
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(f"UPDATE costs SET {damage} WHERE model = 'voyage-4'")
    for _ in range(2):
        (row,) = ledger.rows()
        assert (row.model, row.tokens, row.usd) == ("voyage-4-lite", 7, 0.25)
    ledger.close()
    assert caplog.text.count("1 rows of the ledger of costs") == 1
