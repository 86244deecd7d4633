"""The cache against its peers: a hit, a set, a batch, and fifty misses at once."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from contexter_nb.policies._cache import APICache
from contexter_nb.policies._cache_entry import Entry, Record
from contexter_nb.policies._cache_memory import MemoryTier

ROUNDS = 5
CALLS = 20_000
VALUE = random.Random(7).randbytes(4096)
URL = "https://service.example/answer"
ENDLESS = 3600.0


def best_us(work: Callable[[], object], calls: int) -> float:
    """Return the median time of one of `calls` calls, which `work` makes."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) / calls * 1e6)
    return statistics.median(times)


async def best_us_async(work: Callable[[], Awaitable[object]], calls: int) -> float:
    """Return the same of a coroutine function."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await work()
        times.append((time.perf_counter() - started) / calls * 1e6)
    return statistics.median(times)


def row(what: str, ours: float, peer: str, theirs: float, unit: str) -> str:
    """Return a line of the table; the ratio is theirs to ours."""
    return (
        f"| {what} | {ours:,.2f} {unit} | {peer} | {theirs:,.2f} {unit} "
        f"| {theirs / ours:.1f}x |"
    )


def memory_rows() -> Iterator[str]:  # noqa: C901 - a list of small functions
    """Compare hits and sets of the memory tier alone, 1,000 keys."""
    from cachetools import TTLCache

    keys = [f"s/op/{number}" for number in range(1000)]
    chosen = random.Random(7).choices(keys, k=CALLS)
    record = Record(VALUE, 0.0, ENDLESS)
    tier = MemoryTier(64 * 1024 * 1024, 60.0)
    peer: TTLCache[str, bytes] = TTLCache(2000, ENDLESS)
    now = time.monotonic

    def our_sets() -> None:
        for key in chosen:
            tier.put(key, record, now(), 0.0)

    def peer_sets() -> None:
        for key in chosen:
            peer[key] = VALUE

    def our_hits() -> None:
        for key in chosen:
            tier.get(key, now())

    def peer_hits() -> None:
        for key in chosen:
            peer.get(key)

    sets = best_us(our_sets, CALLS), best_us(peer_sets, CALLS)
    yield row("memory, set", sets[0], "cachetools TTLCache", sets[1], "us")
    hits = best_us(our_hits, CALLS), best_us(peer_hits, CALLS)
    yield row("memory tier, hit", hits[0], "cachetools TTLCache", hits[1], "us")

    async def whole() -> float:
        async with APICache() as cache:
            await cache.set_many({key: Entry(VALUE, ENDLESS) for key in keys})

            async def hits() -> None:
                for key in chosen:
                    await cache.get(key)

            return await best_us_async(hits, CALLS)

    asyncio_us = _run(whole())
    yield row("APICache.get, in memory", asyncio_us, "cachetools", hits[1], "us")


def disk_rows(folder: Path) -> Iterator[str]:
    """Compare 4 KB rows one by one and in batches of 1,000."""
    import diskcache

    ours = _run(our_disk(folder / "ours.sqlite"))
    keys = [f"s/op/{number}" for number in range(1000)]
    with diskcache.Cache(str(folder / "diskcache")) as peer:

        def sets() -> None:
            for key in keys:
                peer.set(key, VALUE, expire=ENDLESS)

        def hits() -> None:
            for key in keys:
                peer.get(key)

        def batch() -> None:
            with peer.transact():
                sets()

        theirs = [best_us(each, 1000) for each in (sets, hits, batch, hits)]
    names = ("set, written", "hit", "set of 1,000, a row", "get of 1,000, a row")
    for name, our, their in zip(names, ours, theirs, strict=True):
        yield row(f"disk, {name}", our, "diskcache", their, "us")


async def our_disk(path: Path) -> list[float]:
    """Return the times of set, hit, a row of a set and of a get of 1,000 rows."""
    keys = [f"s/op/{number}" for number in range(1000)]
    entries = {key: Entry(VALUE, ENDLESS) for key in keys}
    async with APICache(path=path, max_memory_bytes=0) as cache:

        async def sets() -> None:
            for key, entry in entries.items():
                await cache.set(key, entry)
            await cache.measure()

        async def hits() -> None:
            for key in keys:
                await cache.get(key)

        async def batch() -> None:
            await cache.set_many(entries)
            await cache.measure()

        async def get_batch() -> None:
            await cache.get_many(keys)

        return [await best_us_async(w, 1000) for w in (sets, hits, batch, get_batch)]


def http_rows(folder: Path) -> Iterator[str]:
    """Compare a hit on disk, and how often fifty misses at once ask the service."""
    our_ms, our_calls = _run(our_answers(folder / "answers.sqlite"))
    their_ms, their_calls = hishel_answers(folder / "hishel.db")
    yield row("an answer from disk", our_ms, "hishel, rfc", their_ms, "ms")
    yield row(
        "50 misses at once, calls", our_calls, "hishel, rfc", their_calls, "calls"
    )


async def our_answers(path: Path) -> tuple[float, int]:
    """Return milliseconds of a hit and the calls that fifty misses made."""
    calls = 0

    async def fetch() -> Entry:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.05)
        return Entry(VALUE, ENDLESS)

    async with APICache(path=path, max_memory_bytes=0) as cache:
        await asyncio.gather(*(cache.get_or_fetch("k", fetch) for _ in range(50)))

        async def hits() -> None:
            for _ in range(200):
                await cache.get_or_fetch("k", fetch)

        made = calls
        return await best_us_async(hits, 200) / 1000, made


def hishel_answers(path: Path) -> tuple[float, int]:
    """Return the same of hishel over a transport that answers in the process.

    Its synchronous half, with threads: the other needs one more package.
    """
    import hishel
    import httpx
    from hishel.httpx import CacheTransport

    calls: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(1)
        time.sleep(0.05)
        fields = {"cache-control": "max-age=3600"}
        return httpx.Response(200, headers=fields, content=VALUE)

    storage = hishel.SqliteStorage(database_path=path)
    transport = CacheTransport(httpx.MockTransport(answer), storage, rfc=True)
    with httpx.Client(transport=transport) as client:
        with ThreadPoolExecutor(50) as threads:
            list(threads.map(client.get, [URL] * 50))
        made = len(calls)

        def hits() -> None:
            for _ in range(200):
                client.get(URL)

        return best_us(hits, 200) / 1000, made


def redis_rows() -> Iterator[str]:
    """Measure the Redis tier, where a server is installed; it has no peer here."""
    import shutil

    if shutil.which("redis-server") is None:
        return
    from tests.policies.redis_server import start_redis

    with start_redis() as server:
        times = _run(our_redis(server.url))
    names = ("set", "hit", "set of 1,000, a row", "get of 1,000, a row")
    for name, our in zip(names, times, strict=True):
        yield f"| Redis, {name} | {our:,.2f} us | | | |"


async def our_redis(url: str) -> list[float]:
    """Return the times of set, hit, a row of a set and of a get of 1,000 rows."""
    keys = [f"s/op/{number}" for number in range(1000)]
    entries = {key: Entry(VALUE, ENDLESS) for key in keys}
    async with APICache(redis_url=url, max_memory_bytes=0) as cache:

        async def sets() -> None:
            for key in keys:
                await cache.set(key, entries[key])

        async def hits() -> None:
            for key in keys:
                await cache.get(key)

        async def batch() -> None:
            await cache.set_many(entries)

        async def get_batch() -> None:
            await cache.get_many(keys)

        return [await best_us_async(w, 1000) for w in (sets, hits, batch, get_batch)]


def _run(main: Any) -> Any:
    with asyncio.Runner() as runner:
        return runner.run(main)


def rows(folder: Path) -> Iterator[str]:
    """Yield the lines of a Markdown table.

    diskcache answers on the calling thread and would block a loop; ours answers from a
    thread of its own. hishel is driven as it is meant to be, as a transport, so that
    its hit includes httpx; ours includes nothing of HTTP.
    """
    yield "| what | ours | peer | theirs | theirs / ours |"
    yield "|---|---|---|---|---|"
    yield from memory_rows()
    yield from disk_rows(folder)
    yield from redis_rows()
    yield from http_rows(folder)
