"""`APICache`: memory before disk before Redis, and one fetch for all who miss."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, overload

from contexter_nb.core import (
    Clock,
    InvalidArgumentError,
    Random,
    Secret,
    SystemClock,
    Tier,
    new_id,
    new_random,
)
from contexter_nb.policies._cache_disk import DiskTier
from contexter_nb.policies._cache_entry import Entry, Fetched, Found, Record, record_of
from contexter_nb.policies._cache_flight import Flights
from contexter_nb.policies._cache_lease import Leases
from contexter_nb.policies._cache_memory import MemoryTier
from contexter_nb.policies._cache_redis import RedisTier
from contexter_nb.policies._cache_shared import SharedTiers, Sought, newer
from contexter_nb.policies._cache_stats import CachedEntry, Order, TierStats


@dataclass(frozen=True, slots=True)
class _Landed:
    """What one flight brought to all who wait for it."""

    record: Record
    tier: Tier | None
    coalesced: Tier | None = None


class APICache:
    """Answers by key, as bytes, each good until an instant that nothing restarts.

    A cache that fails is slower, never wrong, and never the end of a call: a file that
    is locked, full or damaged and a Redis that is away are counted in `stats`, and the
    lookup goes on. Only `clear` raises, since then something would still be there.

    Kernels on one machine share the file, machines share Redis. What one of them
    clears or deletes leaves the memory of the others within a second. It may be used
    from several loops and threads at once; a forked child uses connections of its own.

    Parameters
    ----------
    max_memory_bytes : int, default 64 MiB
        0 turns the memory tier off.
    path : path-like, optional
        The file of the disk tier, made with mode 0600; none without it.
    max_disk_bytes : int, default 1 GiB
        Of rows; those not used for the longest time go first.
    redis_url : str or Secret, optional
        ``redis://...``; no Redis tier without it.
    stale_seconds : float, default 86400
        How long an expired entry is kept, for when fetching fails.
    namespace : str, default "contexter"
        What keys in Redis begin with.
    clock : Clock, optional
    rng : random.Random, optional
        For the 10 % by which a time to live is shortened or lengthened.
    new_id : callable, optional
        Makes names that nobody else has.

    Raises
    ------
    InvalidArgumentError
        A size or time is negative, the Redis URL is none, or the redis package is
        missing.

    Examples
    --------
    >>> from contexter_nb.bridge import run
    >>> async def main():
    ...     async with APICache() as cache:
    ...         await cache.set("a/b/1", Entry(b"value", ttl_seconds=60))
    ...         return await cache.get("a/b/1"), await cache.get("a/b/2")
    >>> found, nothing = run(main())
    >>> found.value, found.tier, nothing
    (b'value', 'memory', None)
    """

    def __init__(
        self,
        *,
        max_memory_bytes: int = 64 * 1024 * 1024,
        path: os.PathLike[str] | None = None,
        max_disk_bytes: int = 1024**3,
        redis_url: str | Secret | None = None,
        stale_seconds: float = 86400.0,
        namespace: str = "contexter",
        clock: Clock | None = None,
        rng: Random | None = None,
        new_id: Callable[[], str] = new_id,
    ) -> None:
        for name, amount in (
            ("max_memory_bytes", max_memory_bytes),
            ("max_disk_bytes", max_disk_bytes),
            ("stale_seconds", stale_seconds),
        ):
            if not amount >= 0:
                raise InvalidArgumentError(f"{name} is {amount!r}; give 0 or more.")
        self._clock = clock or SystemClock()
        self._rng = rng or new_random()
        self._stale_seconds = stale_seconds
        self._memory = MemoryTier(max_memory_bytes, stale_seconds)
        self._disk: DiskTier | None = None
        self._redis: RedisTier | None = None
        if path is not None:
            self._disk = DiskTier(Path(path), max_disk_bytes, stale_seconds, new_id())
        if redis_url is not None:
            url = Secret.of(redis_url)
            self._redis = RedisTier(url, namespace, stale_seconds, new_id)
        self._shared = SharedTiers(self._disk, self._redis, stale_seconds)
        self._leases = Leases(self._clock, self._rng, new_id, self._disk, self._redis)
        self._flights: Flights[_Landed | None] = Flights()
        self._epoch = 0
        self._closed = False

    async def get(self, key: str, *, allow_stale: bool = False) -> Found | None:
        """Return what is kept under a key.

        Parameters
        ----------
        key : str
            As of `cache_key`.
        allow_stale : bool, default False
            Whether one past its time will do, where there is no other.

        Returns
        -------
        Found or None
        """
        if self._closed:
            return None
        now = self._clock.now()
        if self._shared.tallies:
            await self._notice(now)
        held = self._memory.get(key, now)
        if held is not None:
            record = held.record
            return Found(
                record.value,
                "memory",
                False,
                now - held.born,
                record.tokens,
                record.usd,
                record.seconds,
            )
        fresh, stale = await self._look_below([key], now)
        if key in fresh:
            return _found(*fresh[key], self._wall())
        if not allow_stale:
            return None
        return self._stale(key, now, stale)

    async def peek(self, key: str) -> Found | None:
        """Return what is kept under a key, fresh or not, and count no lookup.

        Parameters
        ----------
        key : str

        Returns
        -------
        Found or None
        """
        found = await self._look_again(key)
        return None if found is None else found[0]

    async def give_after_all(self, key: str, *, missed: bool) -> Found | None:
        """Return what is kept, fresh or not, for a call whose fetch failed.

        It is counted in place of the miss that began the call, so that a call is one
        lookup.

        Parameters
        ----------
        key : str
        missed : bool
            Whether the call looked into disk and Redis itself, and did not wait for the
            fetch of another.

        Returns
        -------
        Found or None
        """
        again = await self._look_again(key)
        if again is None:
            return None
        found, record = again
        if found.tier == "memory" and found.stale:
            self._memory.gave_stale(record)
        elif found.tier == "memory":
            self._memory.gave_fresh(record)
        else:
            self._shared.gave_after_all(
                found.tier, record, stale=found.stale, missed=missed
            )
        return found

    async def _look_again(self, key: str) -> tuple[Found, Record] | None:
        if self._closed:
            return None
        now, wall = self._clock.now(), self._wall()
        held = self._memory.peek(key)
        best: tuple[Record, Tier] | None = None
        if held is not None and now < held.deadline + self._stale_seconds:
            best = held.record, "memory"
            if now < held.deadline:
                return _found(held.record, "memory", wall), held.record
        if self._shared.tallies:
            fresh, stale = await self._shared.look([key], now, wall, counted=False)
            if key in fresh:
                return _found(*fresh[key], wall), fresh[key][0]
            if key in stale:
                best = newer(stale[key], best)
        if best is None:
            return None
        return _found(*best, wall, stale=True), best[0]

    async def get_many(self, keys: Iterable[str]) -> dict[str, Found]:
        """Return what is kept under many keys, with one question to each tier.

        Parameters
        ----------
        keys : iterable of str
            Any number; one that comes twice is looked up once.

        Returns
        -------
        dict of str to Found
            Without the keys that are missing or past their time.
        """
        if self._closed:
            return {}
        now = self._clock.now()
        if self._shared.tallies:
            await self._notice(now)
        wall = self._wall()
        wanted = dict.fromkeys(keys)
        held = self._memory.get_many(wanted, now)
        found = {key: _found(each.record, "memory", wall) for key, each in held.items()}
        missing = [key for key in wanted if key not in found]
        fresh, _ = await self._look_below(missing, now)
        found.update({key: _found(*each, wall) for key, each in fresh.items()})
        return found

    async def set(self, key: str, entry: Entry) -> None:
        """Keep an answer in all tiers; on disk soon, for this process at once.

        Parameters
        ----------
        key : str
        entry : Entry
            With a time to live of 0 or less nothing is done.
        """
        await self.set_many({key: entry})

    async def set_many(self, entries: Mapping[str, Entry]) -> None:
        """Keep many answers, in one transaction and one pipeline.

        Parameters
        ----------
        entries : mapping of str to Entry
            By key.
        """
        if self._closed:
            return
        if self._shared.tallies:
            await self._notice(self._clock.now())
        wall = self._wall()
        records = {
            key: record_of(entry, wall, self._rng.random())
            for key, entry in entries.items()
            if entry.ttl_seconds > 0
        }
        if records:
            await self._store(records)

    async def written(self) -> None:
        """Wait until what was kept so far is on disk, where there is a file.

        `set` and `set_many` do not: a process that is killed may lose what it kept in
        its last moments. For what was paid for, wait.
        """
        if not self._closed:
            await self._shared.written(self._clock.now())

    @overload
    async def get_or_fetch(
        self,
        key: str,
        fetch: Callable[[], Awaitable[Entry]],
        *,
        stale_on: tuple[type[BaseException], ...] = ...,
    ) -> Fetched: ...

    @overload
    async def get_or_fetch(
        self,
        key: str,
        fetch: Callable[[], Awaitable[Entry | None]],
        *,
        stale_on: tuple[type[BaseException], ...] = ...,
    ) -> Fetched | None: ...

    async def get_or_fetch(
        self,
        key: str,
        fetch: Callable[[], Awaitable[Entry | None]],
        *,
        stale_on: tuple[type[BaseException], ...] = (),
    ) -> Fetched | None:
        """Return what is kept under a key, or else fetch it, once for all who ask.

        The fetch runs in a task of its own: a caller who is cancelled leaves it to the
        others, and with the last of them it is cancelled. Other kernels and machines
        that share a tier wait for it, too, for as long as its process lives.

        Parameters
        ----------
        key : str
        fetch : callable
            Takes nothing and returns an awaitable of an `Entry`, which is kept unless
            its time to live is 0 or less, or of None, where there is nothing to give.
        stale_on : tuple of exception types, default ()
            Where fetching raises one of these, an entry past its time is given instead,
            if there is one. Never for a cancellation.

        Returns
        -------
        Fetched or None
            None only where `fetch` gave None.

        Raises
        ------
        Exception
            What `fetch` raised; each caller gets an object of its own.
        """
        if self._closed:
            return _fetched_now(await fetch())
        now = self._clock.now()
        if self._shared.tallies:
            await self._notice(now)
        held = self._memory.get(key, now)
        if held is not None:
            return _fetched(held.record, "memory")
        led = False

        def fly() -> Coroutine[Any, Any, _Landed | None]:
            nonlocal led
            led = True
            return self._fly(key, fetch)

        try:
            landed, followed = await self._flights.join(key, fly)
        except stale_on as error:
            kept = None
            if isinstance(error, Exception):
                kept = await self.give_after_all(key, missed=led)
            if kept is None:
                raise
            return Fetched(
                kept.value,
                kept.tier,
                False,
                kept.stale,
                kept.tokens,
                kept.usd,
                kept.seconds,
            )
        if landed is None:
            return None
        if followed:
            self._memory.gave_coalesced(landed.record)
        coalesced = followed or landed.coalesced is not None
        return _fetched(landed.record, landed.tier, coalesced=coalesced)

    async def delete(self, key: str) -> None:
        """Drop what is kept under a key, in all tiers and in other processes.

        Parameters
        ----------
        key : str
        """
        if self._closed:
            return
        self._epoch += 1
        self._memory.delete(key)
        await self._shared.delete(key, self._clock.now())

    async def clear(self, *, tag: str | None = None, prefix: str | None = None) -> int:
        """Drop what has a tag and begins with a prefix; without either, everything.

        What is being fetched meanwhile is handed out, but not kept.

        Parameters
        ----------
        tag : str, optional
            One of the tags of the entries.
        prefix : str, optional
            The beginning of their keys: ``"voyage/"``.

        Returns
        -------
        int
            How many keys were dropped; those only in Redis are not counted where all
            is dropped. Where Redis is away, all of ours there is dropped when it is
            back.

        Raises
        ------
        HomeError
            The file could not be cleared.
        """
        if self._closed:
            return 0
        self._epoch += 1
        gone = self._memory.clear(tag, prefix)
        gone |= await self._shared.clear(tag, prefix, self._clock.now())
        return len(gone)

    async def matching(
        self, *, tag: str | None = None, prefix: str | None = None
    ) -> int | None:
        """Return how many keys `clear` would drop now.

        Parameters
        ----------
        tag, prefix : str, optional
            As of `clear`.

        Returns
        -------
        int or None
            None where that cannot be known: there is a Redis tier, or the file failed.
        """
        if self._closed:
            return 0
        if self._redis:
            return None
        found = self._memory.matching(tag, prefix)
        if self._disk:
            on_disk = await self._disk.matching(tag, prefix)
            if on_disk is None:
                return None
            found |= on_disk
        return len(found)

    def stats(self) -> tuple[TierStats, ...]:
        """Return the counts of the tiers, memory first; waits for nothing."""
        return (
            self._memory.stats(),
            *(tally.read() for tally in self._shared.tallies.values()),
        )

    async def measure(self) -> tuple[TierStats, ...]:
        """Return the counts with entries and bytes of disk and Redis looked up now."""
        if not self._closed:
            await self._shared.measure(self._wall(), self._clock.now())
        return self.stats()

    async def entries(
        self, *, order: Order = "hot", limit: int = 20
    ) -> list[CachedEntry]:
        """Return the entries of memory and disk with the most or the fewest hits.

        Parameters
        ----------
        order : str, default "hot"
            ``"hot"`` or ``"cold"``.
        limit : int, default 20
            How many at most; one in both tiers comes twice.

        Returns
        -------
        list of CachedEntry
            Ordered by hits.

        Raises
        ------
        InvalidArgumentError
            The order is another, or the limit below 1.
        """
        if order not in ("hot", "cold") or limit < 1:
            raise InvalidArgumentError(
                f"order={order!r}, limit={limit!r}: give 'hot' or 'cold', and 1 on."
            )
        found = self._memory.entries(order, limit, self._clock.now())
        if self._disk and not self._closed:
            found += await self._disk.entries(order, limit, self._wall())
        found.sort(key=lambda entry: entry.hits, reverse=order == "hot")
        return found[:limit]

    async def close(self) -> None:
        """Write what waits to be written, close file and connections, end the thread.

        Afterwards every lookup misses, nothing is kept, and fetches go through.
        """
        if self._closed:
            return
        self._closed = True
        self._memory.clear()
        await self._shared.close(self._wall())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        tiers = ", ".join(each.tier for each in self.stats())
        return f"<APICache {tiers}{' closed' if self._closed else ''}>"

    async def _fly(
        self, key: str, fetch: Callable[[], Awaitable[Entry | None]]
    ) -> _Landed | None:
        epoch = self._epoch
        fresh, _ = await self._look_below([key], self._clock.now())
        if key in fresh:
            return _Landed(*fresh[key])
        turn = await self._leases.take(key, self._fresh_in_memory)
        try:
            if turn.record is not None:
                self._saved_by_waiting(key, turn.record, turn.tier, epoch)
                return _Landed(turn.record, turn.tier, turn.tier)
            entry = await fetch()
            if entry is None:
                return None
            record = record_of(entry, self._wall(), self._rng.random())
            if entry.ttl_seconds > 0 and epoch == self._epoch:
                await self._store(
                    {key: record}, turn.disk_generation, turn.redis_generation
                )
            return _Landed(record, None)
        finally:
            await self._leases.give_back(turn)

    def _fresh_in_memory(self, key: str) -> Record | None:
        held = self._memory.peek(key)
        fresh = held is not None and self._clock.now() < held.deadline
        return held.record if held is not None and fresh else None

    def _saved_by_waiting(
        self, key: str, record: Record, tier: Tier, epoch: int
    ) -> None:
        if tier == "memory":
            self._memory.gave_coalesced(record)
            return
        self._shared.tallies[tier].answered("coalesced", record)
        if epoch == self._epoch:
            self._memory.put(key, record, self._clock.now(), self._wall())

    async def _look_below(self, keys: list[str], now: float) -> tuple[Sought, Sought]:
        """Return fresh and stale records of disk and Redis; promote the fresh."""
        if not self._shared.tallies or not keys:
            return {}, {}
        epoch, wall = self._epoch, self._wall()
        fresh, stale = await self._shared.look(keys, now, wall)
        if epoch == self._epoch:
            promoted = ((key, record) for key, (record, _) in fresh.items())
            self._memory.put_many(promoted, now, wall)
        return fresh, stale

    def _stale(self, key: str, now: float, below: Sought) -> Found | None:
        best = below.get(key)
        held = self._memory.peek(key)
        if held is not None and now < held.deadline + self._stale_seconds:
            best = newer((held.record, "memory"), best)
        if best is None:
            return None
        record, tier = best
        if tier == "memory":
            self._memory.gave_stale(record)
        else:
            self._shared.gave_after_all(tier, record, stale=True, missed=True)
        return _found(record, tier, self._wall(), stale=True)

    async def _store(
        self,
        records: Mapping[str, Record],
        disk_generation: int | None = None,
        redis_generation: str | None = None,
    ) -> None:
        now, wall = self._clock.now(), self._wall()
        self._memory.put_many(records.items(), now, wall)
        await self._shared.put(records, wall, now, disk_generation, redis_generation)

    async def _notice(self, now: float) -> None:
        """Empty the memory where another process has dropped something."""
        if await self._shared.changed(now):
            self._epoch += 1
            self._memory.clear()

    def _wall(self) -> float:
        return self._clock.wall().timestamp()


def _found(record: Record, tier: Tier, wall: float, *, stale: bool = False) -> Found:
    return Found(
        record.value,
        tier,
        stale,
        record.age_seconds(wall),
        record.tokens,
        record.usd,
        record.seconds,
    )


def _fetched(record: Record, tier: Tier | None, *, coalesced: bool = False) -> Fetched:
    return Fetched(
        record.value,
        tier,
        coalesced,
        False,
        record.tokens,
        record.usd,
        record.seconds,
    )


def _fetched_now(entry: Entry | None) -> Fetched | None:
    if entry is None:
        return None
    return Fetched(
        entry.value, None, False, False, entry.tokens, entry.usd, entry.seconds
    )
