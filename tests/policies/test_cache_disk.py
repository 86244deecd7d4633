"""The disk tier: shared, private, bounded, exact, and never the end of a call."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from contexter_nb.core import HomeError
from contexter_nb.policies import _cache_file, _cache_lease, _cache_rows
from contexter_nb.policies._cache import APICache
from contexter_nb.policies._cache_codec import encode
from contexter_nb.policies._cache_disk import DiskTier
from contexter_nb.policies._cache_entry import Entry, Fetched, Record, record_of
from contexter_nb.policies._cache_file import APPLICATION_ID, CacheFile
from contexter_nb.policies._cache_stats import TierStats
from contexter_nb.policies._cache_worker import Worker
from tests.loops import FakeClock, run_really

T = TypeVar("T")
KEY = "s/op/1"
RUN = "import asyncio, sys\nfrom pathlib import Path\n" + (
    "from contexter_nb.policies._cache import APICache\n"
    "from contexter_nb.policies._cache_entry import Entry\n"
    "async def main():\n"
    "    async with APICache(path=Path(sys.argv[1]), max_memory_bytes=0) as cache:\n"
    "        await work(cache)\n"
)
WRITER = (
    RUN
    + """
async def work(cache):
    for number in range(int(sys.argv[3])):
        entries = {f"{sys.argv[2]}/{number}/{at}": Entry(b"%d" % number * 50, 600)
                   for at in range(5)} | {f"all/{number}": Entry(b"x" * 900, 600)}
        await cache.set_many(entries)
        found = await cache.get_many(entries)
        assert len(found) == 6, len(found)
    stats = (await cache.measure())[1]
    print(stats.errors, flush=True)
asyncio.run(main())
"""
)
KILLED = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
database.execute("DELETE FROM entries")
print("in the transaction", flush=True)
sys.stdin.read()
"""
FETCHER = (
    RUN
    + """
async def fetch():
    Path(sys.argv[2], f"{sys.argv[3]}.begun").touch()
    await asyncio.sleep(0.5)
    return Entry(b"answer", 600)
async def work(cache):
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    answer = await cache.get_or_fetch("k", fetch)
    print(answer.value.decode(), answer.coalesced, flush=True)
asyncio.run(main())
"""
)
NO_ROOM = (
    RUN
    + """
import resource
async def work(cache):
    await cache.set("small", Entry(b"x", 600))
    assert (await cache.get("small")).value == b"x"
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    for number in range(20):
        await cache.set(f"large/{number}", Entry(b"x" * 100_000, 600))
        await cache.measure()
    print((await cache.get("small")).value, cache.stats()[1].errors > 0, flush=True)
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
asyncio.run(main())
"""
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the place of a file in a folder that is not there yet."""
    return tmp_path / "home" / "cache.sqlite"


def using(
    path: Path,
    work: Callable[[APICache], Awaitable[T]],
    clock: FakeClock | None = None,
    max_memory_bytes: int = 0,
    max_disk_bytes: int = 10**9,
    stale_seconds: float = 1000.0,
) -> T:
    """Do something with a cache on disk, without the memory tier, and close it."""

    async def main() -> T:
        async with APICache(
            path=path,
            clock=clock,
            max_memory_bytes=max_memory_bytes,
            max_disk_bytes=max_disk_bytes,
            stale_seconds=stale_seconds,
        ) as cache:
            return await work(cache)

    return run_really(main())


async def disk_of(cache: APICache) -> TierStats:
    """Return the counts of the disk tier, looked up now."""
    return (await cache.measure())[1]


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a script in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
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


def test_what_is_cached_survives_a_new_process(path: Path) -> None:
    """Bytes written by another process are found, exact, with their age."""
    value = bytes(range(256)) * 20
    write = RUN + (
        "async def work(cache):\n"
        "    entry = Entry(bytes(range(256)) * 20, 600, ('t',), 7, 0.5, 1.5)\n"
        "    await cache.set('s/op/1', entry)\n"
        "asyncio.run(main())"
    )
    ended(start(write, path))
    found = using(path, lambda cache: cache.get(KEY))
    assert found is not None
    assert (found.value, found.tier, found.stale) == (value, "disk", False)
    assert (found.tokens, found.usd, found.seconds) == (7, 0.5, 1.5)
    assert found.age_seconds < 60


def test_a_process_that_forgets_to_close_loses_nothing(path: Path) -> None:
    """What waits to be written is written at the exit of the interpreter."""
    forgetful = RUN + (
        "async def main():\n"
        "    global cache\n"
        "    cache = APICache(path=Path(sys.argv[1]), max_memory_bytes=0)\n"
        "    for n in range(300): await cache.set(f'k{n}', Entry(b'x' * 9000, 600))\n"
        "asyncio.run(main())"
    )
    ended(start(forgetful, path))
    found = using(path, lambda cache: cache.get_many(f"k{n}" for n in range(300)))
    assert len(found) == 300


def test_file_and_folder_are_private(path: Path) -> None:
    """The file, its log and its index have mode 0600, the new folder 0700."""

    async def work(cache: APICache) -> dict[str, int]:
        await cache.set(KEY, Entry(b"v", 60))
        await cache.get(KEY)
        return {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}

    modes = using(path, work)
    assert {"cache.sqlite", "cache.sqlite-wal", "cache.sqlite-shm"} <= set(modes)
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_made_private(path: Path) -> None:
    """An existing file with a wider mode is narrowed."""
    path.parent.mkdir()
    path.touch(0o644)
    using(path, lambda cache: cache.set(KEY, Entry(b"v", 60)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_file_has_large_pages_and_a_write_ahead_log(path: Path) -> None:
    """Pages of 16 KB hold several answers, and readers do not wait for writers."""
    using(path, lambda cache: cache.set(KEY, Entry(b"v", 60)))
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA page_size").fetchone() == (16384,)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_a_set_is_seen_by_every_get_after_it(path: Path) -> None:
    """Also while it waits to be written, replaced, deleted or cleared and set again."""

    async def work(cache: APICache) -> None:
        for number in range(50):
            await cache.set(KEY, Entry(b"%d" % number, 60))
            found = await cache.get(KEY)
            assert found is not None
            assert found.value == b"%d" % number
            if number % 5 == 0:
                await cache.delete(KEY)
                assert await cache.get(KEY) is None
            if number % 7 == 0:
                await cache.clear()
                assert await cache.get(KEY) is None

    using(path, work)


def test_a_set_after_a_clearing_under_way_stays(path: Path) -> None:
    """Order is kept: what is set after clear was asked for is not cleared by it."""

    async def work(cache: APICache) -> None:
        await cache.set("old", Entry(b"v", 60))
        clearing = asyncio.create_task(cache.clear())
        await asyncio.sleep(0)
        await cache.set("new", Entry(b"v", 60))
        assert await clearing == 1
        assert list(await cache.get_many(["old", "new"])) == ["new"]

    using(path, work)


def test_many_are_read_and_written_at_once(path: Path) -> None:
    """A thousand keys, some twice and some unknown, come back exact."""
    entries = {f"s/op/{n}": Entry(b"%d" % n, 600) for n in range(1234)}

    async def work(cache: APICache) -> None:
        await cache.set_many(entries)
        found = await cache.get_many([*entries, *entries, "unknown"])
        assert {k: f.value for k, f in found.items()} == {
            k: e.value for k, e in entries.items()
        }
        stats = await disk_of(cache)
        assert (stats.hits, stats.misses, stats.entries) == (1234, 1, 1234)

    using(path, work)


def test_promotion_does_not_restart_the_time_to_live(path: Path) -> None:
    """Found on disk after 50 of 60 s and kept in memory, it ends after 60."""
    clock = FakeClock()
    using(path, lambda cache: cache.set(KEY, Entry(b"v", 60)), clock)

    async def work(cache: APICache) -> list[str | None]:
        tiers: list[str | None] = []
        for _ in range(2):
            found = await cache.get(KEY)
            tiers.append(found.tier if found else None)
        clock.instant += 20
        return [*tiers, *([None] if await cache.get(KEY) is None else ["kept"])]

    clock.instant += 50
    assert using(path, work, clock, max_memory_bytes=10**6) == ["disk", "memory", None]


def test_a_clock_set_back_makes_nothing_live_longer(path: Path) -> None:
    """An entry from far in the future counts as expired."""
    clock = FakeClock()

    async def work(cache: APICache) -> None:
        await cache.set(KEY, Entry(b"v", 60))
        assert await cache.get(KEY) is not None
        clock.wall_step_seconds = -86_400
        assert await cache.get(KEY) is None

    using(path, work, clock)


def test_an_expired_row_can_be_had_stale_and_goes_in_the_end(path: Path) -> None:
    """Kept for the stale time, then tidied away."""
    clock = FakeClock()

    async def work(cache: APICache) -> None:
        await cache.set(KEY, Entry(b"v", 60))
        clock.instant += 100
        assert await cache.get(KEY) is None
        found = await cache.get(KEY, allow_stale=True)
        assert found is not None
        assert (found.value, found.tier, found.stale) == (b"v", "disk", True)
        clock.instant += 1000
        assert await cache.get(KEY, allow_stale=True) is None
        stats = await disk_of(cache)
        assert (stats.entries, stats.bytes) == (0, 0)
        assert (stats.hits, stats.misses, stats.stale, stats.expired) == (0, 2, 1, 3)

    using(path, work, clock)


def test_the_oldest_in_use_make_room(path: Path) -> None:
    """Bytes stay below the budget; what was read lately stays, what was not goes."""
    clock = FakeClock()

    async def work(cache: APICache) -> None:
        for number in range(10):
            await cache.set(f"k{number}", Entry(b"x" * 8_000, 10**6))
            await cache.get(f"k{number}")  # written one by one
            clock.instant += 1
        clock.instant += 7_200
        assert await cache.get("k0") is not None
        await cache.measure()
        for number in range(10, 14):
            await cache.set(f"k{number}", Entry(b"x" * 8_000, 10**6))
            await cache.get(f"k{number}")
        stats = await disk_of(cache)
        assert stats.bytes <= 100_000
        assert stats.evictions > 0
        found = await cache.get_many(f"k{number}" for number in range(14))
        assert {"k0", "k13"} <= set(found)
        assert "k1" not in found
        assert len(found) == stats.entries

    using(path, work, clock, max_disk_bytes=100_000)


def test_what_is_larger_than_the_budget_is_not_kept(path: Path) -> None:
    """One huge answer does not throw out all others."""

    async def work(cache: APICache) -> None:
        await cache.set("small", Entry(b"x", 60))
        await cache.set("huge", Entry(b"x" * 200_000, 60))
        await disk_of(cache)
        assert list(await cache.get_many(["small", "huge"])) == ["small"]

    using(path, work, max_disk_bytes=100_000)


def test_the_running_total_is_what_the_rows_add_up_to(path: Path) -> None:
    """After sets, replacements, deletions and evictions the count is exact."""

    async def work(cache: APICache) -> TierStats:
        for number in range(60):
            entry = Entry(b"x" * (number * 37 % 900), 60, ("t",))
            await cache.set_many({f"k{number * at % 17}": entry for at in range(5)})
            if number % 9 == 0:
                await cache.delete(f"k{number % 17}")
        return await disk_of(cache)

    stats = using(path, work, max_disk_bytes=12_000)
    database = sqlite3.connect(path)
    rows = database.execute("SELECT count(*), sum(bytes) FROM entries").fetchone()
    tags = database.execute("SELECT count(*) FROM tags").fetchone()
    database.close()
    assert (stats.entries, stats.bytes) == rows
    assert tags == (stats.entries,)


@pytest.mark.parametrize(
    ("tag", "prefix", "gone"),
    [
        ("red", None, {"a/1", "b/1"}),
        (None, "a/", {"a/1", "a/2"}),
        ("red", "a/", {"a/1"}),
        (None, None, {"a/1", "a/2", "b/1", "a%/1"}),
        (None, "a%", {"a%/1"}),
        ("green", None, set()),
    ],
)
def test_clearing_takes_tag_and_prefix(
    path: Path, tag: str | None, prefix: str | None, gone: set[str]
) -> None:
    """Memory and disk lose the same keys, and the count is how many."""

    async def work(cache: APICache) -> set[str]:
        await cache.set("a/1", Entry(b"", 60, ("red",)))
        await cache.set("a/2", Entry(b"", 60, ("blue",)))
        await cache.set("b/1", Entry(b"", 60, ("red", "blue", "red")))
        await cache.set("a%/1", Entry(b"", 60))
        assert await cache.clear(tag=tag, prefix=prefix) == len(gone)
        return {k for k in ("a/1", "a/2", "b/1", "a%/1") if not await cache.get(k)}

    assert using(path, work, max_memory_bytes=10**6) == gone
    assert using(path, work) == gone


def test_a_replaced_entry_has_its_new_tags_only(path: Path) -> None:
    """Set again with another tag, the old one no longer clears it."""

    async def work(cache: APICache) -> None:
        await cache.set(KEY, Entry(b"1", 60, ("old",)))
        await disk_of(cache)
        await cache.set(KEY, Entry(b"2", 60, ("new",)))
        assert await cache.clear(tag="old") == 0
        assert await cache.clear(tag="new") == 1

    using(path, work)


def test_clearing_gives_the_room_back(path: Path) -> None:
    """The file is small again afterwards."""

    async def work(cache: APICache) -> tuple[int, int]:
        await cache.set_many({f"k{n}": Entry(b"x" * 9_000, 60) for n in range(500)})
        await disk_of(cache)
        before = sum(each.stat().st_size for each in path.parent.iterdir())
        await cache.clear()
        return before, sum(each.stat().st_size for each in path.parent.iterdir())

    before, after = using(path, work)
    assert before > 4_000_000
    assert after < 500_000


def test_other_kernels_forget_what_one_has_cleared(path: Path) -> None:
    """A second later the memory of the other has nothing of it either."""
    clock = FakeClock()

    async def work(one: APICache) -> None:
        async with APICache(path=path, clock=clock) as other:
            for drop in (one.clear(), one.clear(tag="t"), one.delete(KEY)):
                await other.set(KEY, Entry(b"v", 600, ("t",)))
                found = await other.get(KEY)
                assert found is not None
                assert found.tier == "memory"
                await other.measure()
                await drop
                clock.instant += 1.01
                assert await other.get(KEY) is None

    using(path, work, clock)


def test_our_own_clearing_costs_the_rest_of_our_memory_nothing(path: Path) -> None:
    """What has another prefix is still answered from memory afterwards."""
    clock = FakeClock()

    async def work(cache: APICache) -> None:
        await cache.set_many({"a/1": Entry(b"", 60), "b/1": Entry(b"", 60)})
        await cache.clear(prefix="a/")
        clock.instant += 1.01
        found = await cache.get("b/1")
        assert found is not None
        assert found.tier == "memory"

    using(path, work, clock, max_memory_bytes=10**6)


def test_a_fetch_begun_before_another_kernel_cleared_is_not_kept(path: Path) -> None:
    """The lease notes the generation, and what is older is not written."""

    async def work(cache: APICache) -> None:
        async def fetch() -> Entry:
            async with APICache(path=path) as other:
                await other.clear()
            return Entry(b"old", 60)

        assert (await cache.get_or_fetch(KEY, fetch)).value == b"old"
        assert await cache.get(KEY) is None

    using(path, work)


def damage(path: Path, statement: str, *values: object) -> None:
    """Change the file from outside."""
    database = sqlite3.connect(path)
    database.execute(statement, values)
    database.commit()
    database.close()


@pytest.mark.parametrize("value", [b"garbage", b"", "text", 5, b"cxc\x02" + b"x" * 90])
def test_a_damaged_row_is_a_miss_that_is_counted_and_dropped(
    path: Path, value: object
) -> None:
    """It is fetched anew, and the rows beside it are good."""
    pair = {KEY: Entry(b"v", 60), "s/op/2": Entry(b"w", 60)}
    using(path, lambda cache: cache.set_many(pair))
    damage(path, "UPDATE entries SET value = ? WHERE key = ?", value, KEY)

    async def work(cache: APICache) -> None:
        assert list(await cache.get_many([KEY, "s/op/2"])) == ["s/op/2"]
        stats = await disk_of(cache)
        assert (stats.errors, stats.misses, stats.hits, stats.entries) == (1, 1, 1, 1)

    using(path, work)


def foreign(path: Path) -> None:
    """Make a database of something else."""
    damage(path, "CREATE TABLE entries (a)")


def text(path: Path) -> None:
    """Make a file that is no database."""
    path.write_bytes(b"not a database at all " * 100)


def future(path: Path) -> None:
    """Make one of ours in a later format."""
    using(path, lambda cache: cache.set(KEY, Entry(b"v", 60)))
    damage(path, "PRAGMA user_version = 99")


def torn(path: Path) -> None:
    """Overwrite the middle of one of ours."""
    entries = {f"k{n}": Entry(b"x" * 5_000, 60) for n in range(200)}
    using(path, lambda cache: cache.set_many(entries))
    with path.open("r+b") as file:
        file.seek(16384)
        file.write(b"\xff" * 16384 * 30)


def stripped(path: Path) -> None:
    """Take a table out of one of ours."""
    using(path, lambda cache: cache.set(KEY, Entry(b"v", 60)))
    damage(path, "DROP TABLE leases")
    damage(path, "DROP TABLE total")


@pytest.mark.parametrize(
    "damage", ["DELETE FROM total", "UPDATE total SET bytes = 'many'"]
)
def test_a_file_without_its_running_total_is_set_aside(path: Path, damage: str) -> None:
    """The thread goes on, nobody waits for ever, and what is written is kept."""

    async def work(cache: APICache) -> None:
        await cache.set("a", Entry(b"1", 600))
        await cache.measure()
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute(damage)
        await cache.set("b", Entry(b"2", 600))
        found = await asyncio.wait_for(cache.get("b"), 10)
        assert found is not None and found.value == b"2"
        assert (await asyncio.wait_for(disk_of(cache), 10)).errors == 0

    using(path, work)
    assert len(list(path.parent.glob("cache.sqlite.damaged-*[0-9]"))) == 1


def test_a_job_that_fails_ends_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    """Those after it are done, and its error is told."""
    done = threading.Event()
    worker = Worker("a-worker", lambda: None)
    worker.submit(lambda: [][0])
    worker.submit(done.set)
    assert done.wait(30)
    worker.stop()
    assert "What a-worker had to do failed." in caplog.text


@pytest.mark.parametrize("spoil", [foreign, text, future, torn, stripped])
def test_a_damaged_file_is_set_aside_with_one_warning(
    path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Work goes on with a new file; the old one is kept under another name."""
    path.parent.mkdir()
    spoil(path)

    async def work(cache: APICache) -> None:
        for number in range(200):
            await cache.set(f"k{number}", Entry(b"v", 60))
        for number in range(200):
            assert await cache.get(f"k{number}") is not None

    with caplog.at_level(logging.WARNING):
        using(path, work)
    assert len(caplog.records) == 1
    assert "damaged or foreign" in caplog.text
    assert len(list(path.parent.glob("cache.sqlite.damaged-*"))) >= 1


def test_a_file_deleted_under_our_feet_is_made_anew(path: Path) -> None:
    """Somebody empties the cache folder while it is in use; the next set is kept."""

    async def work(cache: APICache) -> None:
        await cache.set(KEY, Entry(b"v", 60))
        await disk_of(cache)
        for each in path.parent.glob("cache.sqlite*"):
            each.unlink()
        await cache.set(KEY, Entry(b"w", 60))
        await disk_of(cache)
        found = await cache.get(KEY)
        assert found is not None
        assert found.value == b"w"

    using(path, work)
    assert using(path, lambda cache: cache.get(KEY)) is not None


def test_a_place_that_cannot_be_used_is_counted_and_no_more(tmp_path: Path) -> None:
    """Where a folder should be is a file: all misses, fetches work, clear says so."""
    (tmp_path / "home").write_text("a file")

    async def fetch() -> Entry:
        return Entry(b"v", 60)

    async def work(cache: APICache) -> None:
        await cache.set(KEY, Entry(b"v", 60))
        await cache.measure()
        assert await cache.get(KEY) is None
        assert (await cache.get_or_fetch(KEY, fetch)).value == b"v"
        assert cache.stats()[1].errors > 0
        assert cache.stats()[1].lookups == 0
        with pytest.raises(HomeError, match="could not be cleared"):
            await cache.clear()

    using(tmp_path / "home" / "cache.sqlite", work)


def test_a_full_disk_is_counted_and_what_was_there_is_still_found(path: Path) -> None:
    """With no room for a page more, sets are lost, gets go on, and room helps."""
    using(path, lambda cache: cache.set(KEY, Entry(b"v", 600)))

    async def work(cache: APICache) -> None:
        assert cache._disk is not None
        limits: list[int] = []

        def limit(pages: int) -> Callable[[sqlite3.Connection], None]:
            pragma = f"PRAGMA max_page_count={pages}"
            return lambda database: limits.append(
                database.execute(pragma).fetchone()[0]
            )

        await cache._disk._run(limit(1))
        await cache.set("big", Entry(b"x" * 500_000, 600))
        await cache.measure()
        assert await cache.get("big") is None
        assert await cache.get(KEY) is not None
        assert (await disk_of(cache)).errors == 1
        await cache._disk._run(limit(10_000))
        await cache.set("big", Entry(b"x" * 500_000, 600))
        assert await cache.get("big") is not None

    using(path, work)


def test_a_limit_of_the_file_size_ends_no_call(path: Path) -> None:
    """The operating system refuses to let the file grow: counted, and reads go on."""
    assert ended(start(NO_ROOM, path)) == "b'x' True"


def test_a_locked_file_is_counted_and_not_waited_for_each_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one wait in vain sets are skipped for a while; reads go on."""
    monkeypatch.setattr(_cache_file, "BUSY_SECONDS", 0.05)
    clock = FakeClock()

    async def fetch() -> Entry:
        return Entry(b"v", 600)

    async def work(cache: APICache) -> None:
        await cache.set(KEY, Entry(b"v", 600))
        await disk_of(cache)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await cache.set("a", Entry(b"v", 600))
        assert await cache.get("a") is not None  # it waits to be written, in vain
        await cache.measure()
        assert await cache.get("a") is None
        await cache.set("b", Entry(b"v", 600))
        assert await cache.get("b") is None
        assert (await cache.get_or_fetch("c", fetch)).value == b"v"
        assert await cache.get(KEY) is not None
        with pytest.raises(HomeError):
            await cache.clear()
        other.execute("ROLLBACK")
        other.close()
        clock.instant += 11
        await cache.set("d", Entry(b"v", 600))
        clock.instant += 11
        await cache.set("e", Entry(b"v", 600))
        assert await cache.get("e") is not None
        assert cache.stats()[1].errors >= 3

    using(path, work, clock)


def test_four_processes_share_a_file_while_one_is_killed(path: Path) -> None:
    """No error, no damaged row, and the next write waits for nobody."""
    using(path, lambda cache: cache.set("first", Entry(b"v", 600)))
    writers = [start(WRITER, path, name, 60) for name in "abcd"]
    for round_number in range(3):
        killed = start(KILLED, path)
        assert killed.stdout is not None
        assert killed.stdout.readline().strip() == "in the transaction"
        killed.kill()
        killed.communicate()
        doomed = start(WRITER, path, f"doomed{round_number}", 10_000)
        while not _rows_of(path, f"doomed{round_number}/"):
            assert doomed.poll() is None
        doomed.kill()
        doomed.communicate()
    assert [ended(writer) for writer in writers] == ["0"] * 4

    async def work(cache: APICache) -> None:
        keys = [
            f"{name}/{n}/{at}" for name in "abcd" for n in range(60) for at in range(5)
        ]
        assert len(await cache.get_many(["first", *keys])) == 1201
        await cache.set("last", Entry(b"v", 60))
        stats = await disk_of(cache)
        assert stats.errors == 0

    using(path, work)
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    total = database.execute("SELECT entries, bytes FROM total").fetchone()
    rows = database.execute("SELECT count(*), sum(bytes) FROM entries").fetchone()
    database.close()
    assert total == rows


def _rows_of(path: Path, prefix: str) -> int:
    database = sqlite3.connect(path)
    query = "SELECT count(*) FROM entries WHERE substr(key, 1, length(?)) = ?"
    (count,) = database.execute(query, (prefix, prefix)).fetchone()
    database.close()
    return int(count)


def test_two_processes_that_miss_the_same_key_make_one_fetch(path: Path) -> None:
    """One of them fetches, the other waits and takes the answer from the file."""
    path.parent.mkdir()
    fetchers = [start(FETCHER, path, path.parent, name) for name in "ab"]
    for each in fetchers:
        assert each.stdout is not None
        assert each.stdout.readline().strip() == "ready"
    for each in fetchers:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    assert sorted(map(ended, fetchers)) == ["answer False", "answer True"]
    assert len(list(path.parent.glob("*.begun"))) == 1


def test_the_lease_of_a_dead_process_ends(path: Path) -> None:
    """Killed while it fetches, it holds up the next for the time of a lease only."""
    path.parent.mkdir()
    slow = FETCHER.replace("asyncio.sleep(0.5)", "asyncio.sleep(600)")
    doomed = start(slow, path, path.parent, "doomed")
    assert doomed.stdin is not None
    doomed.stdin.write("go\n")
    doomed.stdin.flush()
    while not (path.parent / "doomed.begun").exists():
        assert doomed.poll() is None
    doomed.kill()
    doomed.communicate()
    clock = FakeClock()
    using(path, _move_leases_to(clock))

    async def fetch() -> Entry:
        return Entry(b"mine", 60)

    before = clock.instant
    assert using(path, lambda cache: cache.get_or_fetch("k", fetch), clock).value == (
        b"mine"
    )
    waited = clock.instant - before
    assert 1.0 < waited <= _cache_lease.LEASE_SECONDS + 1.0


def _move_leases_to(clock: FakeClock) -> Callable[[APICache], Awaitable[object]]:
    # The process that died lived by the machine's clock, the test lives by its own.
    until = clock.wall().timestamp() + _cache_lease.LEASE_SECONDS

    async def work(cache: APICache) -> None:
        assert cache._disk is not None
        statement = "UPDATE leases SET until = ?"
        await cache._disk._run(lambda database: database.execute(statement, (until,)))

    return work


class RenewalClock(FakeClock):
    """Moved by the holder's long sleeps alone, so that who polls cannot outrun it.

    Nor does the holder outrun who polls: each of its sleeps lasts until the next poll.
    """

    polls = 0

    async def sleep(self, seconds: float) -> None:
        if seconds > 2 * _cache_lease.LAST_POLL_SECONDS:
            before = self.polls
            while self.polls == before:  # noqa: ASYNC110  # an event knows one loop
                await asyncio.sleep(0)
            await super().sleep(seconds)
        else:
            self.polls += 1
            await asyncio.sleep(0)


def test_a_long_fetch_keeps_its_lease(path: Path) -> None:
    """Renewed while its holder lives: another kernel does not fetch beside it."""
    clock = RenewalClock()

    async def work(one: APICache) -> None:
        asked, finish = asyncio.Event(), asyncio.Event()

        async def slow() -> Entry:
            asked.set()
            await finish.wait()
            return Entry(b"slow", 600)

        async def beside() -> Entry:
            raise AssertionError("fetched beside a living holder")

        async with APICache(path=path, clock=clock, max_memory_bytes=0) as other:
            first = asyncio.create_task(one.get_or_fetch(KEY, slow))
            await asked.wait()
            second: asyncio.Task[Fetched]
            second = asyncio.create_task(other.get_or_fetch(KEY, beside))
            long = 1_000 + 5 * _cache_lease.LEASE_SECONDS
            while clock.instant < long:  # to renew moves the clock
                await other.get("another key")
            finish.set()
            assert (await first).coalesced is False
            answer = await second
            assert (answer.value, answer.coalesced, answer.tier) == (
                b"slow",
                True,
                "disk",
            )
            assert other.stats()[1].coalesced == 1

    using(path, work, clock)


def test_a_failed_fetch_gives_the_turn_to_the_next(path: Path) -> None:
    """The lease is given back at once, also by an error and by a cancellation."""

    async def fails() -> Entry:
        raise ConnectionError

    async def hangs() -> Entry:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def fetch() -> Entry:
        return Entry(b"v", 60)

    async def work(cache: APICache) -> None:
        with pytest.raises(ConnectionError):
            await cache.get_or_fetch(KEY, fails)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await cache.get_or_fetch(KEY, hangs)
        async with APICache(path=path) as other, asyncio.timeout(2.0):
            assert (await other.get_or_fetch(KEY, fetch)).value == b"v"

    using(path, work)


def test_fifty_misses_look_once_on_disk(path: Path) -> None:
    """Those who ask for the same at once share the lookup, too."""
    using(path, lambda cache: cache.set(KEY, Entry(b"v", 600)))

    async def fetch() -> Entry:
        raise AssertionError("it is on disk")

    async def work(cache: APICache) -> TierStats:
        calls = [cache.get_or_fetch(KEY, fetch) for _ in range(50)]
        assert {each.tier for each in await asyncio.gather(*calls)} == {"disk"}
        return await disk_of(cache)

    assert using(path, work).hits == 1


def test_the_hottest_of_all_processes_are_shown(path: Path) -> None:
    """Hits are added up in the file, and survive the process."""

    async def read(cache: APICache) -> None:
        await cache.set_many({k: Entry(k.encode(), 600, ("t",)) for k in "abc"})
        await cache.measure()
        for key in "aab":
            await cache.get(key)

    async def show(cache: APICache) -> None:
        await cache.get("a")
        hot = await cache.entries(order="hot", limit=2)
        assert [(each.key, each.hits, each.tier) for each in hot] == [
            ("a", 3, "disk"),
            ("b", 1, "disk"),
        ]
        assert hot[0].tags == ("t",)
        assert 0 < hot[0].expires_in_seconds <= 660
        assert [each.key for each in await cache.entries(order="cold", limit=1)] == [
            "c"
        ]

    using(path, read)
    using(path, show)


FORMAT_1 = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL,
    expires_at REAL NOT NULL, used_at REAL NOT NULL, hits INTEGER NOT NULL DEFAULT 0,
    value BLOB NOT NULL
);
CREATE INDEX entries_used ON entries (used_at);
CREATE INDEX entries_expires ON entries (expires_at);
CREATE TABLE tags (tag TEXT, key TEXT, PRIMARY KEY (tag, key)) WITHOUT ROWID;
CREATE INDEX tags_key ON tags (key);
CREATE TABLE leases (key TEXT PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL)
    WITHOUT ROWID;
CREATE TABLE total (entries INTEGER NOT NULL, bytes INTEGER NOT NULL,
    generation INTEGER NOT NULL);
INSERT INTO total VALUES (1, 200, 0);
CREATE TRIGGER added AFTER INSERT ON entries BEGIN
    UPDATE total SET entries = entries + 1, bytes = bytes + new.bytes;
END;
CREATE TRIGGER replaced AFTER UPDATE OF bytes ON entries BEGIN
    UPDATE total SET bytes = bytes + new.bytes - old.bytes;
END;
CREATE TRIGGER dropped AFTER DELETE ON entries BEGIN
    UPDATE total SET entries = entries - 1, bytes = bytes - old.bytes;
    DELETE FROM tags WHERE key = old.key;
END;
"""


def test_a_file_of_the_format_before_is_kept(path: Path) -> None:
    """What was paid for stays, with its hits and the instant of its last use."""
    wall = FakeClock().wall().timestamp()
    path.parent.mkdir()
    blob = encode(KEY, Record(b"v", wall, wall + 600))
    database = sqlite3.connect(path)
    database.executescript(FORMAT_1)
    # As the format before had them: an identity, a number and rows with their use.
    database.execute(f"PRAGMA application_id={APPLICATION_ID}")
    database.execute("PRAGMA user_version=1")
    row = (KEY, 200, wall + 600, wall, 3, blob)
    database.execute("INSERT INTO entries VALUES (7, ?, ?, ?, ?, ?, ?)", row)
    database.execute("UPDATE total SET entries = 1, bytes = 200")
    database.commit()
    database.close()

    async def work(cache: APICache) -> None:
        found = await cache.get(KEY)
        assert found is not None and found.value == b"v"
        (entry,) = [e for e in await cache.entries() if e.tier == "disk"]
        assert (entry.key, entry.hits) == (KEY, 4)
        await cache.delete(KEY)
        assert (await disk_of(cache)).entries == 0

    using(path, work, FakeClock())
    database = sqlite3.connect(path)
    assert database.execute("SELECT count(*) FROM uses").fetchone() == (0,)
    assert database.execute("PRAGMA user_version").fetchone() == (2,)
    database.close()
    assert not list(path.parent.glob("*.damaged-*"))


def test_when_a_row_was_used_is_written_at_most_once_an_hour(path: Path) -> None:
    """Reading makes few writes: the instant of use moves in steps of an hour."""
    clock = FakeClock()
    query = "SELECT used_at FROM uses"

    async def work(cache: APICache) -> list[float]:
        await cache.set(KEY, Entry(b"v", 10**6))
        await cache.measure()
        used = []
        for _ in range(4):
            clock.instant += 1_000
            await cache.get(KEY)
            await cache.measure()
            assert cache._disk is not None
            row = await cache._disk._run(lambda db: db.execute(query).fetchone())
            assert row is not None
            used.append(row[0])
        return used

    used = using(path, work, clock)
    assert used[0] == used[1] == used[2] == used[3] - 4_000


def test_a_lookup_that_is_cancelled_harms_nobody(path: Path) -> None:
    """The thread goes on, and the next lookup is answered."""

    async def work(cache: APICache) -> None:
        await cache.set(KEY, Entry(b"v", 60))
        calls = [asyncio.create_task(cache.get(KEY)) for _ in range(20)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert await cache.get(KEY) is not None

    using(path, work)


def test_closing_ends_the_thread(path: Path) -> None:
    """No thread is left, also where a cache was only forgotten."""

    def workers() -> set[threading.Thread]:
        return {each for each in threading.enumerate() if "contexter-c" in each.name}

    async def closed() -> None:
        async with APICache(path=path) as cache:
            await cache.set(KEY, Entry(b"v", 60))
            assert len(workers() - before) == 1

    async def forgotten() -> None:
        await APICache(path=path).set(KEY, Entry(b"v", 60))

    before = workers()
    run_really(closed())
    assert workers() == before
    run_really(forgotten())
    gc.collect()
    for each in workers() - before:
        each.join(10)  # it may be ending just now
    assert workers() == before


def test_several_loops_in_several_threads_share_a_cache(path: Path) -> None:
    """Four threads with a loop each write and read through one object."""
    cache = APICache(path=path, max_memory_bytes=20_000)
    failures: list[BaseException] = []

    async def work(name: str) -> None:
        for number in range(100):
            await cache.set(f"{name}{number}", Entry(name.encode() * 100, 60))
            found = await cache.get(f"{name}{number}")
            assert found is not None
            assert found.value == name.encode() * 100

    def thread(name: str) -> None:
        try:
            run_really(work(name))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=thread, args=(name,)) for name in "abcd"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    run_really(cache.close())
    assert failures == []
    assert cache.stats()[1].errors == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_a_connection_of_its_own(path: Path) -> None:
    """Parent and child go on with the same object, and both find all."""
    script = RUN + (
        "import os\n"
        "async def work(cache):\n"
        "    await cache.set('before', Entry(b'1', 60))\n"
        "    assert await cache.get('before')\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        code = 1\n"
        "        try:\n"
        "            asyncio.events._set_running_loop(None)\n"
        "            asyncio.set_event_loop(None)\n"
        "            loop = asyncio.new_event_loop()\n"
        "            async def of_child():\n"
        "                await cache.set('child', Entry(b'2', 60))\n"
        "                assert len(await cache.get_many(['before', 'child'])) == 2\n"
        "                await cache.close()\n"
        "            loop.run_until_complete(of_child())\n"
        "            code = 0\n"
        "        finally:\n"
        "            os._exit(code)\n"
        "    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
        "    assert len(await cache.get_many(['before', 'child'])) == 2\n"
        "asyncio.run(main())"
    )
    ended(start(script, path))


def test_a_file_is_prepared_once_by_all_who_open_it_at_once(path: Path) -> None:
    """Eight threads open a file that is not there; nobody fails or waits in vain."""
    path.parent.mkdir()
    counts: list[int] = []

    def open_it(name: int) -> None:
        file = CacheFile(path, str(name))
        counts.append(file.use(_cache_rows.total).entries)
        file.close()

    threads = [threading.Thread(target=open_it, args=(n,)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert counts == [0] * 8


def test_who_is_cancelled_waiting_for_the_turn_holds_up_nobody(path: Path) -> None:
    """Neither the holder loses its lease nor the next one its turn."""
    began, finish = asyncio.Event(), asyncio.Event()

    async def slow() -> Entry:
        began.set()
        await finish.wait()
        return Entry(b"v", 60)

    async def beside() -> Entry:
        raise AssertionError("fetched beside a living holder")

    async def work(one: APICache) -> None:
        async with APICache(path=path, max_memory_bytes=0) as other:
            first = asyncio.create_task(one.get_or_fetch(KEY, slow))
            await began.wait()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await other.get_or_fetch(KEY, beside)
            last = asyncio.create_task(other.get_or_fetch(KEY, beside))
            finish.set()
            assert (await first).value == (await last).value == b"v"

    using(path, work)


def test_much_that_waits_to_be_written_is_waited_for(path: Path) -> None:
    """Beyond 16 MB a set takes as long as writing, so that memory is bounded."""
    tier = DiskTier(path, 100_000_000, 0, "test")
    let_go = threading.Event()
    entry = Entry(b"x" * 2_000_000, 60)

    async def set_one(number: int) -> None:
        await tier.set_many({f"k{number}": record_of(entry, 1_000, 0.5)}, 1_000, 0)

    async def main() -> tuple[bool, int]:
        tier._submit(functools.partial(_wait_for, let_go))  # a slow file
        try:
            for number in range(8):
                await set_one(number)
            ninth = asyncio.create_task(set_one(8))
            done, _ = await asyncio.wait([ninth], timeout=0.1)
        finally:
            let_go.set()
        await ninth
        entries = tier.tally.read().entries
        await tier.close(1_000)
        return bool(done), entries

    assert run_really(main()) == (False, 9)


def _wait_for(event: threading.Event) -> None:
    assert event.wait(20)


def test_a_mistake_in_a_job_is_raised_where_it_was_asked_for(path: Path) -> None:
    """What is neither a failure of the file nor of the disk is not hidden."""

    def mistake(database: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    async def work(cache: APICache) -> None:
        assert cache._disk is not None
        with pytest.raises(ZeroDivisionError):
            await cache._disk._run(mistake)
        await cache.set(KEY, Entry(b"v", 60))
        assert await cache.get(KEY) is not None

    using(path, work)


def test_many_hits_are_written_without_being_asked_for(path: Path) -> None:
    """Thousands of keys read by one process are added up before it closes."""
    entries = {f"k{n}": Entry(b"", 60) for n in range(20_000)}

    async def work(cache: APICache) -> None:
        await cache.set_many(entries)
        await cache.measure()
        await cache.get_many(entries)
        database = sqlite3.connect(path)
        assert database.execute("SELECT sum(hits) FROM uses").fetchone() == (20_000,)
        database.close()

    using(path, work)


@pytest.mark.parametrize(
    ("tag", "prefix"),
    [(None, None), ("a", None), (None, "s/x"), ("a", "s/x"), ("", "")],
)
def test_what_a_clearing_would_drop_is_what_it_drops(
    path: Path, tag: str | None, prefix: str | None
) -> None:
    """A key in both tiers counts once; one that waits to be written counts, too."""

    async def main() -> tuple[int | None, int]:
        async with APICache(path=path, max_memory_bytes=600) as cache:
            for at in range(12):
                tags = ("a",) if at % 3 else ()
                await cache.set(f"s/{'xy'[at % 2]}/{at}", Entry(b"v", 60, tags))
            would = await cache.matching(tag=tag, prefix=prefix)
            return would, await cache.clear(tag=tag, prefix=prefix)

    would, dropped = run_really(main())
    assert would == dropped
