"""The first tier: the entries used last, in memory, bounded by bytes."""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable

from contexter_nb.policies._cache_entry import Record
from contexter_nb.policies._cache_stats import CachedEntry, Order, TierStats

OVERHEAD_BYTES = 400  # the objects round a value, measured with sys.getsizeof


class Held:
    """A record in memory; its deadline is monotonic, so no set clock moves it."""

    __slots__ = ("born", "bytes", "deadline", "hits", "record")

    def __init__(self, record: Record, born: float, deadline: float, size: int) -> None:
        self.record = record
        self.born = born
        self.deadline = deadline
        self.bytes = size
        self.hits = 0


class MemoryTier:
    """Least recently used goes first; every instant is given, so it has no clock.

    Parameters
    ----------
    max_bytes : int
        Of values, keys and their objects; 0 keeps nothing.
    stale_seconds : float
        How long an expired entry is kept.
    """

    def __init__(self, max_bytes: int, stale_seconds: float) -> None:
        self.max_bytes = max_bytes
        self._stale_seconds = stale_seconds
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._bytes = 0
        self._hits = self._misses = self._stale = self._expired = 0
        self._evictions = self._sets = self._coalesced = 0
        self._saved_seconds = self._saved_usd = 0.0
        self._saved_tokens = 0

    def get(self, key: str, now: float) -> Held | None:
        """Return a fresh entry and count the lookup."""
        with self._lock:
            return self._get(key, now)

    def get_many(self, keys: Iterable[str], now: float) -> dict[str, Held]:
        """Return the fresh entries of many keys and count each lookup."""
        with self._lock:
            found = {key: self._get(key, now) for key in keys}
        return {key: held for key, held in found.items() if held is not None}

    def _get(self, key: str, now: float) -> Held | None:
        held = self._held.get(key)
        if held is None:
            self._misses += 1
            return None
        if now < held.deadline:
            self._held.move_to_end(key)
            held.hits += 1
            self._hits += 1
            self._save(held.record)
            return held
        self._misses += 1
        self._expired += 1
        if now >= held.deadline + self._stale_seconds:
            self._drop(key)
        return None

    def peek(self, key: str) -> Held | None:
        """Return an entry, fresh or not, and count nothing."""
        with self._lock:
            return self._held.get(key)

    def gave_stale(self, record: Record) -> None:
        """Count that the miss before was answered past its time after all."""
        with self._lock:
            self._misses -= 1
            self._stale += 1
            self._save(record)

    def gave_fresh(self, record: Record) -> None:
        """Count that the miss before was a hit after all: another had just set it."""
        with self._lock:
            self._misses -= 1
            self._hits += 1
            self._save(record)

    def gave_coalesced(self, record: Record) -> None:
        """Count an answer shared with a fetch under way."""
        with self._lock:
            self._coalesced += 1
            self._save(record)

    def put(self, key: str, record: Record, now: float, wall: float) -> None:
        """Keep a record; what is larger than the whole budget is not kept."""
        self.put_many(((key, record),), now, wall)

    def put_many(
        self, records: Iterable[tuple[str, Record]], now: float, wall: float
    ) -> None:
        """Keep records, as `put` does."""
        if not self.max_bytes:
            return
        with self._lock:
            for key, record in records:
                self._put(key, record, now, wall)

    def _put(self, key: str, record: Record, now: float, wall: float) -> None:
        if key in self._held:
            self._drop(key)
        size = len(record.value) + len(key) + OVERHEAD_BYTES
        if record.tags:
            size += sum(map(len, record.tags))
        if size > self.max_bytes:
            return
        born = now - record.age_seconds(wall)
        deadline = now + record.remaining_seconds(wall)
        self._held[key] = Held(record, born, deadline, size)
        self._bytes += size
        self._sets += 1
        while self._bytes > self.max_bytes:
            self._drop(next(iter(self._held)))
            self._evictions += 1

    def delete(self, key: str) -> bool:
        """Drop an entry; tell whether there was one."""
        with self._lock:
            there = key in self._held
            if there:
                self._drop(key)
            return there

    def clear(self, tag: str | None = None, prefix: str | None = None) -> set[str]:
        """Drop what has the tag and begins with the prefix; return the keys."""
        with self._lock:
            if tag is None and not prefix:
                gone = set(self._held)
                self._held.clear()
                self._bytes = 0
                return gone
            gone = self._matching(tag, prefix)
            for key in gone:
                self._drop(key)
            return gone

    def matching(self, tag: str | None, prefix: str | None) -> set[str]:
        """Return the keys that `clear` would drop."""
        with self._lock:
            return self._matching(tag, prefix)

    def _matching(self, tag: str | None, prefix: str | None) -> set[str]:
        return {
            key
            for key, held in self._held.items()
            if (tag is None or tag in held.record.tags)
            and (prefix is None or key.startswith(prefix))
        }

    def entries(self, order: Order, limit: int, now: float) -> list[CachedEntry]:
        """Return the entries with the most or the fewest hits."""
        with self._lock:
            held = list(self._held.items())
        pick: Callable[..., Iterable[tuple[int, tuple[str, Held]]]]
        pick = heapq.nlargest if order == "hot" else heapq.nsmallest
        # Of equal hits the later in the order of use is the hotter.
        chosen = pick(
            limit, enumerate(held), key=lambda each: (each[1][1].hits, each[0])
        )
        return [
            CachedEntry(
                key=key,
                tier="memory",
                hits=each.hits,
                bytes=each.bytes,
                age_seconds=now - each.born,
                expires_in_seconds=each.deadline - now,
                tags=each.record.tags,
            )
            for _, (key, each) in chosen
        ]

    def stats(self) -> TierStats:
        """Return the counts as they are now."""
        with self._lock:
            return TierStats(
                tier="memory",
                hits=self._hits,
                misses=self._misses,
                stale=self._stale,
                expired=self._expired,
                evictions=self._evictions,
                entries=len(self._held),
                bytes=self._bytes,
                budget_bytes=self.max_bytes,
                sets=self._sets,
                coalesced=self._coalesced,
                saved_seconds=self._saved_seconds,
                saved_tokens=self._saved_tokens,
                saved_usd=self._saved_usd,
            )

    def _drop(self, key: str) -> None:
        self._bytes -= self._held.pop(key).bytes

    def _save(self, record: Record) -> None:
        self._saved_seconds += record.seconds
        self._saved_tokens += record.tokens
        self._saved_usd += record.usd
