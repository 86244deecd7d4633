"""The memory tier: least recently used first, by bytes, at given instants."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from contexter_nb.policies._cache_entry import Record
from contexter_nb.policies._cache_memory import OVERHEAD_BYTES, MemoryTier

STALE = 50.0
KEYS = [f"s/op/{number}" for number in range(8)]


def record(value: bytes, wall: float, ttl: float, *tags: str) -> Record:
    """Return a record made at an instant."""
    return Record(value, wall, wall + ttl, tags, tokens=3, usd=0.5, seconds=2.0)


class MemoryMachine(RuleBasedStateMachine):
    """Against an ordered dictionary of (value, expiry, size)."""

    @initialize(entries=st.integers(0, 4))
    def begin(self, entries: int) -> None:
        self.budget = entries * (OVERHEAD_BYTES + 50)
        self.tier = MemoryTier(self.budget, STALE)
        self.model: OrderedDict[str, tuple[bytes, float, int]] = OrderedDict()
        self.now = 0.0
        self.hits = self.lookups = 0

    @rule(key=st.sampled_from(KEYS), size=st.integers(0, 900), ttl=st.floats(0.1, 100))
    def put(self, key: str, size: int, ttl: float) -> None:
        value = key.encode().ljust(size, b".")[:size]
        self.tier.put(key, record(value, self.now, ttl), self.now, self.now)
        charged = len(value) + len(key) + OVERHEAD_BYTES
        self.model.pop(key, None)
        if charged <= self.budget:
            self.model[key] = (value, self.now + ttl, charged)
            while sum(each[2] for each in self.model.values()) > self.budget:
                self.model.popitem(last=False)

    @rule(key=st.sampled_from(KEYS))
    def get(self, key: str) -> None:
        held = self.tier.get(key, self.now)
        self.lookups += 1
        value, expires, _ = self.model.get(key, (b"", 0.0, 0))
        if key not in self.model or self.now >= expires:
            assert held is None
            if key in self.model and self.now >= expires + STALE:
                del self.model[key]
            return
        assert held is not None
        assert held.record.value == value
        self.hits += 1
        self.model.move_to_end(key)

    @rule(key=st.sampled_from(KEYS))
    def delete(self, key: str) -> None:
        assert self.tier.delete(key) == (self.model.pop(key, None) is not None)

    @precondition(lambda self: self.model)
    @rule(seconds=st.floats(0, 60))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def clear(self) -> None:
        assert self.tier.clear() == set(self.model)
        self.model.clear()

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "tier"):
            return
        stats = self.tier.stats()
        assert stats.bytes == sum(each[2] for each in self.model.values())
        assert stats.bytes <= self.budget
        assert stats.entries == len(self.model)
        assert (stats.hits, stats.lookups) == (self.hits, self.lookups)


TestMemoryMachine = MemoryMachine.TestCase


def test_a_tier_of_no_bytes_keeps_nothing() -> None:
    """A budget of 0 turns the tier off, and its rates are still numbers or none."""
    tier = MemoryTier(0, STALE)
    assert tier.stats().hit_rate is None
    tier.put("k", record(b"", 0, 10), 0, 0)
    assert tier.get("k", 0) is None
    assert (tier.stats().entries, tier.stats().hit_rate) == (0, 0.0)


def test_a_wall_clock_that_is_set_moves_no_deadline() -> None:
    """Once in memory an entry ends by the monotonic clock."""
    tier = MemoryTier(10_000, STALE)
    tier.put("k", record(b"v", 5_000.0, 60), 100.0, 5_000.0)
    assert tier.get("k", 159.9) is not None
    assert tier.get("k", 160.0) is None


def test_a_promoted_record_keeps_what_is_left_of_its_time() -> None:
    """Put in memory 50 s after it was made, a record of 60 s has 10 s left."""
    tier = MemoryTier(10_000, STALE)
    tier.put("k", record(b"v", 1_000.0, 60), 0.0, 1_050.0)
    assert tier.get("k", 9.9) is not None
    assert tier.get("k", 10.1) is None


@pytest.mark.parametrize(
    ("tag", "prefix", "gone"),
    [
        ("red", None, {"a/1", "b/1"}),
        (None, "a/", {"a/1", "a/2"}),
        ("red", "a/", {"a/1"}),
        (None, None, {"a/1", "a/2", "b/1"}),
        ("green", None, set()),
    ],
)
def test_clearing_takes_tag_and_prefix(
    tag: str | None, prefix: str | None, gone: set[str]
) -> None:
    """What has the tag and begins with the prefix goes, and nothing else."""
    tier = MemoryTier(10_000, STALE)
    tier.put("a/1", record(b"", 0, 10, "red"), 0, 0)
    tier.put("a/2", record(b"", 0, 10, "blue"), 0, 0)
    tier.put("b/1", record(b"", 0, 10, "red", "blue"), 0, 0)
    assert tier.clear(tag, prefix) == gone
    assert {key for key in ("a/1", "a/2", "b/1") if tier.get(key, 0) is None} == gone


def test_every_kind_of_answer_is_counted() -> None:
    """Hits, misses, expired, stale and coalesced answers and what they saved add up."""
    tier = MemoryTier(10_000, STALE)
    kept = record(b"v", 0, 10)
    tier.put("k", kept, 0, 0)
    tier.get("k", 1)
    tier.get("other", 1)
    tier.get("k", 11)
    tier.gave_stale(kept)
    tier.gave_coalesced(kept)
    stats = tier.stats()
    assert (stats.hits, stats.misses, stats.expired, stats.stale) == (1, 1, 1, 1)
    assert (stats.coalesced, stats.lookups, stats.hit_rate) == (1, 3, 1 / 3)
    saved = (stats.saved_tokens, stats.saved_usd, stats.saved_seconds)
    assert saved == (9, 1.5, 6.0)


def test_the_hottest_and_the_coldest_are_shown() -> None:
    """Entries come by hits, and of equal hits by when they were used."""
    tier = MemoryTier(10_000, STALE)
    for key in "abc":
        tier.put(key, record(b"", 0, 10, "t"), 0, 0)
    tier.get("a", 1)
    tier.get("a", 2)
    tier.get("b", 3)
    hot = tier.entries("hot", 2, 4.0)
    assert [(each.key, each.hits) for each in hot] == [("a", 2), ("b", 1)]
    assert (hot[0].age_seconds, hot[0].expires_in_seconds) == (4.0, 6.0)
    assert [each.key for each in tier.entries("cold", 2, 4.0)] == ["c", "b"]
