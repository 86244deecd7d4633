"""What each tier did: counted where it happens, read as a frozen value."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Literal

from contexter_nb.core import Tier
from contexter_nb.policies._cache_entry import Record

Order = Literal["hot", "cold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TierStats:
    """The counts of one tier of a cache, since it was made.

    Attributes
    ----------
    tier : str
        ``memory``, ``disk`` or ``redis``.
    hits : int
        Lookups it answered in time.
    misses : int
        Lookups that reached it and went on without an answer.
    stale : int
        Lookups it answered past the time, since fetching failed.
    expired : int
        Lookups that found an entry past its time; each is a miss or stale, too.
    evictions : int
        Entries dropped for want of room.
    errors : int
        Failures (locked, full, away) and damaged or foreign entries.
    entries, bytes : int
        Kept when last looked at; `APICache.measure` looks afresh.
    budget_bytes : int or None
        What may be kept; None where the tier is not ours to bound.
    sets : int
        Entries given to it, promotions among them.
    coalesced : int
        Callers that took the answer of another's fetch under way.
    saved_seconds, saved_tokens, saved_usd : float, int, float
        What the answers given without fetching had cost.
    """

    tier: Tier
    hits: int = 0
    misses: int = 0
    stale: int = 0
    expired: int = 0
    evictions: int = 0
    errors: int = 0
    entries: int = 0
    bytes: int = 0
    budget_bytes: int | None = None
    sets: int = 0
    coalesced: int = 0
    saved_seconds: float = 0.0
    saved_tokens: int = 0
    saved_usd: float = 0.0

    @property
    def lookups(self) -> int:
        """How many lookups reached this tier."""
        return self.hits + self.misses + self.stale

    @property
    def hit_rate(self) -> float | None:
        """Hits as a share of the lookups that reached this tier; None without any."""
        return self.hits / self.lookups if self.lookups else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedEntry:
    """One entry of a tier, for looking at.

    Attributes
    ----------
    key : str
    tier : str
        ``memory`` or ``disk``.
    hits : int
        In this tier; on disk those of all processes, brought up to date now and then.
    bytes : int
        As charged to the budget.
    age_seconds : float
        Since it was fetched.
    expires_in_seconds : float
        Negative where it is past its time.
    tags : tuple of str
    """

    key: str
    tier: Tier
    hits: int
    bytes: int
    age_seconds: float
    expires_in_seconds: float
    tags: tuple[str, ...] = ()


class Tally:
    """The counts of one tier; may be added to from any thread.

    Parameters
    ----------
    tier : str
    budget_bytes : int, optional
    """

    def __init__(self, tier: Tier, budget_bytes: int | None = None) -> None:
        self._lock = threading.Lock()
        self._stats = TierStats(tier=tier, budget_bytes=budget_bytes)
        self._counts: dict[str, float] = {}

    def add(self, name: str, amount: float = 1) -> None:
        """Add to one of the counts of `TierStats`."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + amount

    def answered(self, how: str, *records: Record) -> None:
        """Count answers given without fetching, and what that saved."""
        amounts = (
            (how, len(records)),
            ("saved_seconds", sum([each.seconds for each in records])),
            ("saved_tokens", sum([each.tokens for each in records])),
            ("saved_usd", sum([each.usd for each in records])),
        )
        with self._lock:
            for name, amount in amounts:
                self._counts[name] = self._counts.get(name, 0) + amount

    def keeps(self, entries: int, size: int) -> None:
        """Note what the tier holds now."""
        with self._lock:
            self._counts["entries"], self._counts["bytes"] = entries, size

    def read(self) -> TierStats:
        """Return the counts as they are now."""
        with self._lock:
            return replace(self._stats, **self._counts)  # type: ignore[arg-type]
