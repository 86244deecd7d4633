"""Limits shared by processes: SQLite and Redis, away and back, killed and damaged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest

from contexter_nb.core import (
    ClientClosedError,
    InvalidArgumentError,
    RateLimitExceededError,
)
from contexter_nb.policies._bucket import Rate
from contexter_nb.policies._limit import TokenBucketRateLimiter
from contexter_nb.policies._limit_config import RateLimitConfig
from contexter_nb.policies._limit_redis import RedisLimitStore
from contexter_nb.policies._limit_sqlite import SQLiteLimitStore
from contexter_nb.policies._limit_store import Booking, StoreAwayError, line_id
from tests.loops import FakeClock, run_really
from tests.policies.redis_server import RedisServer, start_redis

HUNDRED = RateLimitConfig(requests_per_minute=6_010, burst_size=10)  # 100/s
SLOW = RateLimitConfig(requests_per_minute=60, burst_size=6)
RATES = (Rate("requests", 70, 10, 1.0), Rate("tokens", 700, 100, 10.0))
NONE = (0.0, 0.0)


@pytest.fixture(scope="module")
def redis_for_limits() -> Iterator[RedisServer]:
    """Give one server to the tests that do not kill it."""
    with start_redis() as server:
        yield server


@pytest.fixture(params=["sqlite", "redis"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Any]:
    """Give a maker of stores that share one file or one server."""
    if request.param == "sqlite":
        return lambda: SQLiteLimitStore(tmp_path / "limits.sqlite")
    server = request.getfixturevalue("redis_for_limits")
    return lambda: RedisLimitStore(server.url, prefix=f"{tmp_path.name}:")


async def book(
    store: Any, *cost: float, owed: tuple[float, ...] = NONE, longest: float = inf
) -> Booking:
    """Book for a line of its own name."""
    return await store.book("line", RATES, cost, owed=owed, max_wait_seconds=longest)


def about(seconds: float) -> Any:
    """Compare waits that a real clock runs beside."""
    return pytest.approx(seconds, abs=0.4)


def test_a_booking_tells_how_long_to_wait(make_store: Callable[[], Any]) -> None:
    """Each booking follows the one before, by the dimension that is scarcest."""

    async def main() -> None:
        store, other = make_store(), make_store()
        assert (await book(store, 1, 100)).wait_seconds == 0
        assert (await book(other, 1, 20)).wait_seconds == about(2)
        # Of the requests 9 are left then: a second more for 10, and 3 for the next.
        assert (await book(store, 10, 0)).wait_seconds == about(3)
        assert (await book(other, 3, 0)).wait_seconds == about(6)
        await store.close()
        await other.close()

    run_really(main())


def test_a_booking_that_is_too_late_pays_nothing(
    make_store: Callable[[], Any],
) -> None:
    """Where the wait would be too long, the answer says so and nothing is booked."""

    async def main() -> None:
        store = make_store()
        await book(store, 10, 0)
        refused = await book(store, 5, 0, longest=2)
        assert (refused.booked, refused.wait_seconds) == (False, about(5))
        assert (await book(store, 1, 0)).wait_seconds == about(1)
        await store.close()

    run_really(main())


def test_what_is_owed_is_paid_by_the_next_booking(
    make_store: Callable[[], Any],
) -> None:
    """Debts and credits of earlier calls ride with a booking, and never over full."""

    async def main() -> None:
        store = make_store()
        await book(store, 10, 100)
        assert (await book(store, 0, 1, owed=(0, 49))).wait_seconds == about(5)
        assert (await book(store, 1, 0, owed=(-4, 0))).wait_seconds == about(5)
        assert (await book(store, 0, 0, owed=(-1e9, 0))).levels[0] == 10
        await store.close()

    run_really(main())


def test_a_debt_is_not_forgotten_in_an_idle_line(tmp_path: Path) -> None:
    """What is owed counts from now, not from when the line was last used."""

    async def main() -> None:
        clock = FakeClock()
        store = SQLiteLimitStore(tmp_path / "limits.sqlite", clock=clock)
        await book(store, 1, 0)
        clock.instant += 30
        assert (await book(store, 1, 0, owed=(15, 0))).wait_seconds == 6
        await store.close()

    run_really(main())


def test_a_pause_reaches_those_who_share(make_store: Callable[[], Any]) -> None:
    """The longest pause wins for every process, also before anything was booked."""

    async def main() -> None:
        store, other = make_store(), make_store()
        await store.pause("line", 20)
        await other.pause("line", 5)
        assert (await book(other, 1, 0)).wait_seconds == about(20)
        await store.pause("line", 40)
        assert (await book(other, 1, 0)).wait_seconds == about(40)
        await store.close()
        await other.close()

    run_really(main())


def test_the_last_booking_can_be_undone(make_store: Callable[[], Any]) -> None:
    """Given back with nobody after it, a booking leaves all as it was."""

    async def main() -> None:
        store = make_store()
        await book(store, 10, 0)
        heavy = await book(store, 8, 0)
        await store.give_back("line", RATES, heavy)
        assert (await book(store, 1, 0)).wait_seconds == about(1)
        await store.close()

    run_really(main())


def test_an_earlier_booking_is_credited(make_store: Callable[[], Any]) -> None:
    """Given back after others booked, its cost serves those still to come."""

    async def main() -> None:
        store = make_store()
        await book(store, 10, 0)
        earlier = await book(store, 8, 0)
        assert (await book(store, 1, 0)).wait_seconds == about(9)
        await store.give_back("line", RATES, earlier)
        assert (await book(store, 8, 0)).wait_seconds == about(9)
        await store.close()

    run_really(main())


def test_a_shared_limiter_asks_once_a_call_and_keeps_time(
    make_store: Callable[[], Any],
) -> None:
    """Forty calls of one process ask the store forty times and end on time."""

    async def main() -> None:
        store, asked = make_store(), []
        real = store.book

        async def counted(*arguments: Any, **options: Any) -> Booking:
            asked.append(1)
            return await real(*arguments, **options)

        store.book = counted
        limiter = TokenBucketRateLimiter(HUNDRED, name="counted", store=store)
        loop, order = asyncio.get_running_loop(), []
        started = loop.time()

        async def one(number: int) -> None:
            await limiter.acquire()
            order.append(number)

        await asyncio.gather(*(one(number) for number in range(40)))
        assert order == list(range(40))
        assert len(asked) == 40
        assert loop.time() - started >= 0.299
        status = limiter.get_status()
        assert (status.shared, status.granted, status.waiting) == ("reached", 40, 0)
        await limiter.close()

    run_really(main())


def test_a_shared_limiter_refuses_a_wait_that_is_too_long(
    make_store: Callable[[], Any],
) -> None:
    """Refused by the store, or at once for those who wait here; nothing is paid."""

    async def main() -> None:
        limiter = TokenBucketRateLimiter(SLOW, name="long", store=make_store())
        await limiter.acquire({"requests": 6})
        for _ in range(2):
            with pytest.raises(RateLimitExceededError) as caught:
                await limiter.acquire(max_wait_seconds=0.2)
            assert caught.value.retry_after_seconds == about(1.1)
        with pytest.raises(InvalidArgumentError, match="max_wait_seconds=0"):
            limiter.try_acquire()
        assert limiter.get_status().refused == 2
        await limiter.close()

    run_really(main())


def test_a_cancelled_shared_wait_gives_its_booking_back(
    make_store: Callable[[], Any],
) -> None:
    """Those behind one that gave up go as if it had never come."""

    async def main() -> None:
        limiter = TokenBucketRateLimiter(SLOW, name="cancel", store=make_store())
        await limiter.acquire({"requests": 6})
        heavy = asyncio.create_task(limiter.acquire({"requests": 6}))
        await asyncio.sleep(0.2)
        heavy.cancel()
        with pytest.raises(asyncio.CancelledError):
            await heavy
        await asyncio.sleep(0.1)
        async with asyncio.timeout(4):
            grant = await limiter.acquire()
        assert grant.waited_seconds < 1.5
        await limiter.close()

    run_really(main())


def test_grants_of_a_shared_limit_are_settled(make_store: Callable[[], Any]) -> None:
    """A grant given back, or used for more, is told to the others by `close`."""

    async def main() -> None:
        limiter = TokenBucketRateLimiter(SLOW, name="settled", store=make_store())
        other = TokenBucketRateLimiter(SLOW, name="settled", store=make_store())
        (await limiter.acquire({"requests": 6})).give_back()
        await limiter.close()
        assert (await other.acquire({"requests": 6})).waited_seconds < 0.4
        await other.close()
        with pytest.raises(ClientClosedError):
            await limiter.acquire()

    run_really(main())


def test_a_pause_of_a_shared_limiter_holds_the_others(
    make_store: Callable[[], Any],
) -> None:
    """After one process was told 429, another with the same name waits, too."""

    async def main() -> None:
        limiter = TokenBucketRateLimiter(SLOW, name="paused", store=make_store())
        other = TokenBucketRateLimiter(SLOW, name="paused", store=make_store())
        await limiter.acquire()
        limiter.pause(30)
        await asyncio.sleep(0.2)
        with pytest.raises(RateLimitExceededError) as caught:
            await other.acquire(max_wait_seconds=1)
        assert caught.value.retry_after_seconds == about(30)
        assert limiter.get_status().paused_seconds == about(30)
        await limiter.close()
        await other.close()

    run_really(main())


def test_a_shared_limit_a_key_keeps_keys_apart_and_bounded(
    make_store: Callable[[], Any],
) -> None:
    """Each key has its own booking; what is remembered here is bounded."""

    async def main() -> None:
        config = RateLimitConfig(
            requests_per_minute=60, per_key_limit=True, max_keys=3, max_wait_seconds=0
        )
        limiter = TokenBucketRateLimiter(config, name="keys", store=make_store())
        for key in "ABCDE":
            await limiter.acquire({"requests": 6}, key=key)
        assert limiter.keys() == ("C", "D", "E")
        assert limiter.get_status().granted == 5
        with pytest.raises(RateLimitExceededError):
            await limiter.acquire({"requests": 6}, key="A")
        await limiter.close()

    run_really(main())


def test_closing_ends_those_who_wait_for_a_shared_limit(
    make_store: Callable[[], Any],
) -> None:
    """Both the one that has booked and those behind it are told."""

    async def main() -> None:
        limiter = TokenBucketRateLimiter(SLOW, name="closing", store=make_store())
        await limiter.acquire({"requests": 6})
        waiting = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
        await asyncio.sleep(0.1)
        await limiter.close()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in ended] == [ClientClosedError] * 3
        other = TokenBucketRateLimiter(SLOW, name="closing", store=make_store())
        assert (await other.acquire()).waited_seconds < 1.2  # nothing stays booked
        await other.close()

    run_really(main())


_SENDS = """
import asyncio, json, sys, time
from contexter_nb.policies._limit import TokenBucketRateLimiter
from contexter_nb.policies._limit_config import RateLimitConfig
from contexter_nb.policies._limit_redis import RedisLimitStore
from contexter_nb.policies._limit_sqlite import SQLiteLimitStore
async def main():
    kind, where = sys.argv[1:]
    store = RedisLimitStore(where) if kind == "redis" else SQLiteLimitStore(where)
    config = RateLimitConfig(requests_per_minute=6_010, burst_size=10)
    limiter = TokenBucketRateLimiter(config, name="four", store=store)
    print("ready", flush=True)
    sys.stdin.readline()
    times = []
    async def one(number):
        await limiter.acquire()
        times.append((number, time.monotonic()))
    await asyncio.gather(*(one(number) for number in range(50)))
    print(json.dumps([times, limiter.get_status().store_failures]), flush=True)
    await limiter.close()
asyncio.run(main())
"""


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_four_processes_share_one_limit(
    kind: str, tmp_path: Path, redis_for_limits: RedisServer
) -> None:
    """Four times fifty calls end when 200 calls of one would, and none is over."""
    where = redis_for_limits.url if kind == "redis" else str(tmp_path / "shared.sqlite")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _SENDS, kind, where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    instants: list[float] = []
    for child in children:
        times, failures = json.loads(child.communicate(timeout=60)[0])
        assert [number for number, _ in times] == list(range(50))
        assert failures == 0
        instants += [at for _, at in times]
    instants.sort()
    assert len(instants) == 200
    # The machine may be busy, so late is allowed; early is not.
    assert 1.88 <= instants[-1] - instants[0] <= 4
    for at, instant in enumerate(instants):
        for later, end in enumerate(instants[at:], 1):
            # A reading of the clock may lag behind the grant; the span, not the count.
            assert later <= 10 + 100 * (end - instant + 0.2)


def test_a_store_that_goes_away_fails_no_call(caplog: pytest.LogCaptureFixture) -> None:
    """With Redis killed calls keep to this process's part; back, it is shared again."""
    with start_redis() as server:

        async def main() -> None:
            limiter = TokenBucketRateLimiter(
                HUNDRED,
                name="away",
                store=RedisLimitStore(server.url),
                retry_store_seconds=0.2,
            )
            await limiter.acquire()
            server.kill()
            started = asyncio.get_running_loop().time()
            await asyncio.gather(*(limiter.acquire() for _ in range(30)))
            took = asyncio.get_running_loop().time() - started
            assert took >= 25 / 50 - 0.01  # five at once, then half the rate
            status = limiter.get_status()
            assert (status.shared, status.local_grants) == ("away", 30)
            assert status.store_failures >= 1
            server.start()
            await asyncio.sleep(0.3)
            await limiter.acquire()
            assert limiter.get_status().shared == "reached"
            assert limiter.get_status().local_grants == 30
            await limiter.close()

        with caplog.at_level(logging.INFO, "contexter_nb"):
            run_really(main())
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "INFO"]


def test_a_store_that_is_away_keeps_the_bounds(tmp_path: Path) -> None:
    """Alone, a heavy call still goes, and a bounded wait is still refused."""

    async def main() -> None:
        store = SQLiteLimitStore(tmp_path / "absent" / "limits.sqlite")
        limiter = TokenBucketRateLimiter(SLOW, store=store, expected_processes=3)
        await limiter.acquire({"requests": 6})
        with pytest.raises(RateLimitExceededError):
            await limiter.acquire(max_wait_seconds=1)
        limiter.pause(100)
        assert limiter.get_status().paused_seconds == about(100)
        status = limiter.get_status()
        assert (status.shared, status.refused, status.granted) == ("away", 1, 1)
        assert status.store_failures == 1
        await limiter.close()

    run_really(main())


def test_no_password_of_a_url_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the warning, nor the error, nor a repr holds the URL's password."""

    async def main() -> None:
        store = RedisLimitStore("redis://user:hunter2secret@127.0.0.1:1/0")
        assert "hunter2" not in repr(store)
        with pytest.raises(StoreAwayError) as caught:
            await store.pause("line", 1)
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None
        limiter = TokenBucketRateLimiter(SLOW, store=store)
        await limiter.acquire()
        await limiter.close()

    run_really(main())
    assert "hunter2" not in caplog.text
    with pytest.raises(InvalidArgumentError) as caught:
        RedisLimitStore("http://user:hunter2secret@host")
    assert "hunter2" not in str(caught.value)


def test_a_given_client_is_used_and_left_open(redis_for_limits: RedisServer) -> None:
    """A store over a caller's client does not close it."""

    async def main() -> None:
        import redis.asyncio

        client = redis.asyncio.Redis.from_url(redis_for_limits.url)
        store = RedisLimitStore(client, prefix="given:")
        assert (await book(store, 1, 0)).booked
        await store.close()
        assert await client.ttl("given:line") > 0
        await client.aclose()

    run_really(main())


def test_a_damaged_file_is_set_aside_and_work_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is no database is renamed with a warning, and a new one begun."""
    path = tmp_path / "limits.sqlite"
    path.write_bytes(b"this is no database at all " * 400)

    async def main() -> None:
        limiter = TokenBucketRateLimiter(SLOW, store=SQLiteLimitStore(path))
        await limiter.acquire()
        assert limiter.get_status().shared == "reached"
        await limiter.close()

    run_really(main())
    assert path.with_name("limits.sqlite.damaged").read_bytes().startswith(b"this is")
    assert "is damaged" in caplog.text


@pytest.mark.parametrize(
    "damage",
    [
        "levels = 'no JSON'",
        "levels = '[]'",
        "levels = '{\"requests\": NaN}'",
        "levels = x'ff00'",
        "at = 'never'",
        "paused_until = x'00'",
        "number = 'none'",
    ],
)
def test_a_damaged_row_is_none(tmp_path: Path, damage: str) -> None:
    """Else no booking of its line would be had from this file ever again."""
    path = tmp_path / "limits.sqlite"

    async def main() -> None:
        store = SQLiteLimitStore(path)
        await book(store, 10, 0)
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute(f"UPDATE limits SET {damage}")
        assert (await book(store, 10, 0)).wait_seconds == 0
        assert (await book(store, 10, 0)).wait_seconds > 0
        await store.close()

    run_really(main())


def test_a_damaged_file_replaces_no_earlier_one(tmp_path: Path) -> None:
    """Both can be looked at."""
    path = tmp_path / "limits.sqlite"
    for number in (b"1", b"2"):
        path.write_bytes(number * 5_000)
        store = SQLiteLimitStore(path)
        run_really(book(store, 1, 0))
        run_really(store.close())
    kept = sorted(tmp_path.glob("*.damaged*"))
    assert [each.read_bytes()[:1] for each in kept] == [b"1", b"2"]


def test_a_file_from_before_it_was_marked_is_taken_over(tmp_path: Path) -> None:
    """What was booked in it is still owed."""
    path = tmp_path / "limits.sqlite"

    async def main() -> None:
        store = SQLiteLimitStore(path)
        await book(store, 10, 0)
        await store.close()
        database = sqlite3.connect(path)
        database.execute("PRAGMA application_id = 0")
        database.execute("PRAGMA user_version = 0")
        database.close()
        assert (await book(store, 5, 0)).wait_seconds > 4
        await store.close()
        database = sqlite3.connect(path)
        assert database.execute("PRAGMA application_id").fetchone() != (0,)
        database.close()

    run_really(main())
    assert not list(tmp_path.glob("*.damaged*"))


def test_stores_of_a_process_do_not_end_each_others_locks(tmp_path: Path) -> None:
    """Another process that opens and closes the file takes no booking away."""
    path = tmp_path / "limits.sqlite"
    passer_by = (
        "import sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1])\n"
        "database.execute('SELECT * FROM limits').fetchall()\n"
        "database.close()\n"
    )

    async def main() -> None:
        store, other = SQLiteLimitStore(path), SQLiteLimitStore(path)
        await book(store, 1, 0)
        await book(other, 1, 0)
        command = [sys.executable, "-c", passer_by, str(path)]
        await asyncio.to_thread(subprocess.run, command, check=True)
        await book(store, 1, 0)
        database = sqlite3.connect(path)
        assert database.execute("SELECT number FROM limits").fetchone() == (3,)
        database.close()
        await store.close()
        await other.close()

    run_really(main())


def test_a_file_that_was_replaced_is_opened_anew(tmp_path: Path) -> None:
    """Stores that share a path go on sharing after the file was deleted."""
    path = tmp_path / "limits.sqlite"

    async def main() -> None:
        store, other = SQLiteLimitStore(path), SQLiteLimitStore(path)
        await book(store, 1, 0)
        await book(other, 1, 0)
        for ending in ("", "-wal", "-shm"):
            os.unlink(f"{path}{ending}")
        assert (await book(store, 10, 0)).wait_seconds == 0
        assert (await book(other, 5, 0)).wait_seconds == about(5)
        await store.close()
        await other.close()

    run_really(main())


def test_the_file_is_for_its_owner_only_and_holds_no_key(tmp_path: Path) -> None:
    """Its mode is 0600, and a key is kept as a hash."""
    path = tmp_path / "limits.sqlite"

    async def main() -> None:
        config = RateLimitConfig(per_key_limit=True)
        limiter = TokenBucketRateLimiter(config, store=SQLiteLimitStore(path))
        await limiter.acquire(key="a-private-key")
        await limiter.close()

    run_really(main())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"a-private-key" not in path.read_bytes()
    assert line_id("a", "b") != line_id("ab", None)


@pytest.mark.parametrize("change", ["boot = 'other'", "at = at + 9999"])
def test_what_an_earlier_boot_wrote_is_not_kept(tmp_path: Path, change: str) -> None:
    """After a restart nobody waits for an instant of the clock before it."""
    path = tmp_path / "limits.sqlite"

    async def main() -> None:
        store = SQLiteLimitStore(path)
        await book(store, 10, 0)
        await store.close()
        database = sqlite3.connect(path)
        database.execute(f"UPDATE limits SET {change}")
        database.commit()
        database.close()
        assert (await book(store, 10, 0)).wait_seconds == 0
        await store.close()

    run_really(main())


def test_lines_that_are_full_again_are_swept(tmp_path: Path) -> None:
    """The file does not grow with the keys that were ever used."""
    path = tmp_path / "limits.sqlite"

    async def main() -> int:
        clock = FakeClock()
        store = SQLiteLimitStore(path, clock=clock)
        for number in range(600):
            await store.book(
                str(number), RATES, (1.0, 0.0), owed=NONE, max_wait_seconds=inf
            )
            clock.instant += 10
        await store.close()
        database = sqlite3.connect(path)
        (count,) = database.execute("SELECT count(*) FROM limits").fetchone()
        database.close()
        return count

    assert run_really(main()) < 300


def test_a_process_killed_while_booking_holds_up_nobody(tmp_path: Path) -> None:
    """A kill -9 inside a transaction undoes that transaction only."""
    path = tmp_path / "limits.sqlite"

    async def first() -> None:
        store = SQLiteLimitStore(path)
        await book(store, 10, 0)
        await store.close()

    run_really(first())
    code = (
        "import sqlite3, sys\n"
        "database = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "database.execute('BEGIN IMMEDIATE')\n"
        "database.execute('UPDATE limits SET at = at + 1000')\n"
        "print('holding', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "holding\n"
        child.kill()
        child.wait()

    async def second() -> None:
        store = SQLiteLimitStore(path)
        assert (await book(store, 5, 0)).wait_seconds <= 5
        await store.close()

    run_really(second())


def test_a_file_that_stays_locked_counts_as_away(tmp_path: Path) -> None:
    """Behind a process that holds the file for long, calls go on alone."""
    path = tmp_path / "limits.sqlite"

    async def main() -> None:
        store = SQLiteLimitStore(path)
        limiter = TokenBucketRateLimiter(SLOW, store=store)
        await limiter.acquire()
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(20):
            await limiter.acquire()
        holder.execute("ROLLBACK")
        holder.close()
        status = limiter.get_status()
        assert (status.shared, status.local_grants) == ("away", 1)
        await limiter.close()

    run_really(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_has_a_connection_of_its_own(tmp_path: Path) -> None:
    """A store made before a fork works in the child."""
    code = (
        "import asyncio, os, sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "from contexter_nb.policies._limit import TokenBucketRateLimiter\n"
        "from contexter_nb.policies._limit_sqlite import SQLiteLimitStore\n"
        "limiter = TokenBucketRateLimiter(store=SQLiteLimitStore(sys.argv[1]))\n"
        "asyncio.run(limiter.acquire())\n"
        "child = os.fork()\n"
        "asyncio.run(limiter.acquire())\n"
        "assert limiter.get_status().shared == 'reached', limiter.get_status()\n"
        "if child: sys.exit(os.waitpid(child, 0)[1])\n"
        "os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "limits.sqlite")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
