"""Disk and Redis as one: what other kernels and machines see of a cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contexter_nb.core import Tier
from contexter_nb.policies._cache_disk import DiskTier
from contexter_nb.policies._cache_entry import Record
from contexter_nb.policies._cache_redis import RedisTier
from contexter_nb.policies._cache_stats import Tally

CHECK_EVERY_SECONDS = 1.0

Sought = dict[str, tuple[Record, Tier]]


class SharedTiers:
    """Looks in disk first, then in Redis, and keeps on disk what Redis had.

    Parameters
    ----------
    disk : DiskTier or None
    redis : RedisTier or None
    stale_seconds : float
        How long an expired entry may still be given.
    """

    def __init__(
        self, disk: DiskTier | None, redis: RedisTier | None, stale_seconds: float
    ) -> None:
        self.tallies: dict[Tier, Tally] = {
            tier.tier: tier.tally for tier in (disk, redis) if tier
        }
        self._disk = disk
        self._redis = redis
        self._stale_seconds = stale_seconds
        self._checked_at: float | None = None
        self._disk_generation: int | None = None
        self._redis_generation: str | None = None

    async def look(
        self, keys: Sequence[str], now: float, wall: float, *, counted: bool = True
    ) -> tuple[Sought, Sought]:
        """Return the fresh records, and for the other keys the stale ones."""
        fresh: Sought = {}
        stale: Sought = {}
        since = self._disk_generation
        for tier in (self._disk, self._redis):
            missing = [key for key in keys if key not in fresh]
            if tier is None or not missing:
                continue
            records = await tier.get_many(missing, wall, now)
            if records is not None:  # it was reached
                hits, expired = self._judge(
                    tier.tier, missing, records, wall, fresh, stale
                )
                if counted:
                    tally = self.tallies[tier.tier]
                    tally.answered("hits", *hits)
                    tally.add("misses", len(missing) - len(hits))
                    tally.add("expired", expired)
        if self._disk:
            found = {key: each[0] for key, each in fresh.items() if each[1] == "redis"}
            if found:
                await self._disk.set_many(found, wall, now, since)
        return fresh, stale

    def _judge(
        self,
        tier: Tier,
        keys: Sequence[str],
        records: Mapping[str, Record],
        wall: float,
        fresh: Sought,
        stale: Sought,
    ) -> tuple[list[Record], int]:
        """Sort records into fresh and stale; return the fresh and how many expired."""
        hits: list[Record] = []
        expired = 0
        for key in keys:
            record = records.get(key)
            if record is None:
                continue
            remaining = record.remaining_seconds(wall)
            if remaining > 0:
                fresh[key] = (record, tier)
                hits.append(record)
                continue
            expired += 1
            if remaining > -self._stale_seconds:
                stale[key] = newer((record, tier), stale.get(key))
        return hits, expired

    def gave_after_all(
        self, tier: Tier, record: Record, *, stale: bool, missed: bool
    ) -> None:
        """Count an answer, in place of the miss before where there was one."""
        if missed:
            self.tallies[tier].add("misses", -1)
        self.tallies[tier].answered("stale" if stale else "hits", record)

    async def put(
        self,
        records: Mapping[str, Record],
        wall: float,
        now: float,
        disk_generation: int | None = None,
        redis_generation: str | None = None,
    ) -> None:
        """Keep records; not where something was dropped since the generations."""
        if self._disk:
            await self._disk.set_many(records, wall, now, disk_generation)
        if self._redis:
            await self._redis.set_many(records, wall, now, redis_generation)

    async def written(self, now: float) -> None:
        """Wait until what was put so far is on disk."""
        if self._disk:
            await self._disk.written(now)

    async def delete(self, key: str, now: float) -> None:
        """Drop a key."""
        if self._redis:
            await self._redis.delete(key, now)
        if self._disk:
            self._own_change(await self._disk.delete(key))

    async def clear(self, tag: str | None, prefix: str | None, now: float) -> set[str]:
        """Drop what has the tag and the prefix; return the keys known by name."""
        gone: set[str] = set()
        if self._redis:
            gone |= await self._redis.clear(tag, prefix, now)
        if self._disk:
            keys, generation = await self._disk.clear(tag, prefix)
            self._own_change(generation)
            gone |= keys
        return gone

    async def changed(self, now: float) -> bool:
        """Tell whether others dropped something; looks at most once a second."""
        last = self._checked_at
        if last is not None and 0 <= now - last < CHECK_EVERY_SECONDS:
            return False
        self._checked_at = now
        changed = False
        if self._disk:
            generation = await self._disk.generation()
            if generation is not None:
                changed |= self._disk_generation not in (None, generation)
                self._disk_generation = generation
        if self._redis:
            mark = await self._redis.generation(now)
            if mark is not None:
                changed |= self._redis_generation not in (None, mark)
                self._redis_generation = mark
        return changed

    def _own_change(self, generation: int | None) -> None:
        # Unless another process has dropped something, too, our memory is right.
        known = self._disk_generation
        if known is not None and generation == known + 1:
            self._disk_generation = generation

    async def measure(self, wall: float, now: float) -> None:
        """Bring entries and bytes up to date."""
        if self._disk:
            await self._disk.measure(wall)
        if self._redis:
            await self._redis.measure(now)

    async def close(self, wall: float) -> None:
        """Write what waits; close the file and this loop's connections."""
        if self._disk:
            await self._disk.close(wall)
        if self._redis:
            await self._redis.close()


def newer(
    one: tuple[Record, Tier], other: tuple[Record, Tier] | None
) -> tuple[Record, Tier]:
    """Return the one that ends later."""
    if other is None or one[0].expires_at >= other[0].expires_at:
        return one
    return other
