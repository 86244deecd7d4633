"""The whole cache of memory and disk does what a dictionary with instants does."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from contexter_nb.policies._cache import APICache
from contexter_nb.policies._cache_entry import Entry
from tests.loops import FakeClock

KEYS = [f"{service}/op/{number}" for service in "ab" for number in range(4)]
STALE = 100.0
keys = st.sampled_from(KEYS)
ttls = st.sampled_from([-1.0, 0.0, 10.0, 50.0])
tags = st.sets(st.sampled_from(["red", "blue"]))


class NoChance:
    """Gives the middle, so that a time to live is exact."""

    def random(self) -> float:
        return 0.5


class CacheMachine(RuleBasedStateMachine):
    """One file, opened again and again, against one dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.loop = asyncio.new_event_loop()
        self.model: dict[str, tuple[bytes, float, frozenset[str]]] = {}
        self.count = 0

    @initialize(memory=st.sampled_from([0, 1_300, 10**6]))
    def begin(self, memory: int) -> None:
        self.memory = memory
        self.cache = self.open()

    def open(self) -> APICache:
        return APICache(
            path=Path(self.folder.name, "cache.sqlite"),
            max_memory_bytes=self.memory,
            stale_seconds=STALE,
            clock=self.clock,
            rng=NoChance(),  # type: ignore[arg-type]
        )

    def entry(self, ttl: float, names: set[str]) -> Entry:
        self.count += 1
        return Entry(b"%d" % self.count, ttl, tuple(names))

    def expect(self, key: str, entry: Entry) -> None:
        if entry.ttl_seconds > 0:
            end = self.clock.instant + entry.ttl_seconds
            self.model[key] = (entry.value, end, frozenset(entry.tags))

    def fresh(self, key: str) -> bytes | None:
        value, end, _ = self.model.get(key, (None, 0.0, None))
        return value if self.clock.instant < end - 1e-6 else None

    @rule(key=keys, ttl=ttls, names=tags)
    def set(self, key: str, ttl: float, names: set[str]) -> None:
        entry = self.entry(ttl, names)
        self.loop.run_until_complete(self.cache.set(key, entry))
        self.expect(key, entry)

    @rule(some=st.sets(keys), ttl=ttls, names=tags)
    def set_many(self, some: set[str], ttl: float, names: set[str]) -> None:
        entries = {key: self.entry(ttl, names) for key in some}
        self.loop.run_until_complete(self.cache.set_many(entries))
        for key, entry in entries.items():
            self.expect(key, entry)

    @rule(key=keys)
    def get(self, key: str) -> None:
        found = self.loop.run_until_complete(self.cache.get(key))
        assert (found.value if found else None) == self.fresh(key)

    @rule(key=keys)
    def get_stale(self, key: str) -> None:
        found = self.loop.run_until_complete(self.cache.get(key, allow_stale=True))
        value, end, _ = self.model.get(key, (None, 0.0, None))
        if self.clock.instant >= end + STALE - 1e-6:
            value = None
        assert (found.value if found else None) == value
        if found:
            assert found.stale == (self.fresh(key) is None)

    @rule(some=st.sets(keys))
    def get_many(self, some: set[str]) -> None:
        found = self.loop.run_until_complete(self.cache.get_many(some))
        assert {k: f.value for k, f in found.items()} == {
            key: self.fresh(key) for key in some if self.fresh(key) is not None
        }

    @rule(key=keys, ttl=ttls)
    def get_or_fetch(self, key: str, ttl: float) -> None:
        entry = self.entry(ttl, set())

        async def fetch() -> Entry:
            return entry

        answer = self.loop.run_until_complete(self.cache.get_or_fetch(key, fetch))
        kept = self.fresh(key)
        assert answer.value == (entry.value if kept is None else kept)
        assert (answer.tier is None) == (kept is None)
        if kept is None:
            self.expect(key, entry)

    @rule(key=keys)
    def delete(self, key: str) -> None:
        self.loop.run_until_complete(self.cache.delete(key))
        self.model.pop(key, None)

    @rule(
        tag=st.sampled_from([None, "red", "blue"]),
        prefix=st.sampled_from([None, "a/", "b/op/1"]),
    )
    def clear(self, tag: str | None, prefix: str | None) -> None:
        self.loop.run_until_complete(self.cache.clear(tag=tag, prefix=prefix))
        for key, (_, _, names) in list(self.model.items()):
            if (tag is None or tag in names) and key.startswith(prefix or ""):
                del self.model[key]

    @rule(seconds=st.sampled_from([0.5, 5.0, 30.0, 80.0]))
    def wait(self, seconds: float) -> None:
        self.clock.instant += seconds

    @rule()
    def restart(self) -> None:
        self.loop.run_until_complete(self.cache.close())
        self.cache = self.open()

    def teardown(self) -> None:
        if hasattr(self, "cache"):
            self.loop.run_until_complete(self.cache.close())
            assert all(tier.errors == 0 for tier in self.cache.stats())
        self.loop.close()
        self.folder.cleanup()


CacheMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestCacheMachine = CacheMachine.TestCase
