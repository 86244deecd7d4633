"""What goes into a cache and what comes out: bytes, with what they cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import msgspec

from contexter_nb.core import InvalidArgumentError, Tier, type_in_words

MAX_TTL_SECONDS = 10 * 365 * 86400.0
CLOCK_SKEW_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer to be cached.

    Attributes
    ----------
    value : bytes
        A bytearray or memoryview is copied, so that nobody changes it later.
    ttl_seconds : float
        How long it is good for; 0 or less: it is handed out and not kept.
    tags : tuple of str
        What it can be cleared by.
    tokens : int
        What fetching it cost, tokens.
    usd : float
        What fetching it cost, US dollars.
    seconds : float
        How long fetching it took.

    Raises
    ------
    InvalidArgumentError
        The value is no bytes, or a number is not one, or negative where it is a cost.
    """

    value: bytes = field(repr=False)
    ttl_seconds: float
    tags: tuple[str, ...] = ()
    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        value: object = self.value
        if not isinstance(value, (bytes, bytearray, memoryview)):
            raise InvalidArgumentError(
                f"The value of a cache entry is {type_in_words(value)}; encode it to "
                "bytes first."
            )
        object.__setattr__(self, "value", bytes(value))
        if math.isnan(self.ttl_seconds):
            raise InvalidArgumentError("ttl_seconds is not a number; give seconds.")
        object.__setattr__(self, "tags", tuple(self.tags))
        costs = (self.tokens, self.usd, self.seconds)
        if not all(0 <= each < 2**63 for each in costs):
            raise InvalidArgumentError(
                f"The cost of a cache entry (tokens, usd, seconds) is {costs!r}; give "
                "numbers from 0 on."
            )


class Record(msgspec.Struct, frozen=True, gc=False):
    """An entry as it is kept: its instants are wall-clock seconds since 1970.

    They travel with the value from tier to tier, so that no promotion restarts them.
    """

    # A struct, since thousands are made at once: a frozen dataclass takes ten times as
    # long to make.
    value: bytes
    created_at: float
    expires_at: float
    tags: tuple[str, ...] = ()
    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0

    def __repr__(self) -> str:
        return _repr_without_value(self)

    def age_seconds(self, wall: float) -> float:
        """Return how old it is at a wall-clock instant; 0 where that went back."""
        return max(0.0, wall - self.created_at)

    def remaining_seconds(self, wall: float) -> float:
        """Return how long it is still good for; 0 or less where it is not.

        One from the future tells that the clock was set back (or that two machines
        disagree): how old it is cannot be known, so that it counts as expired.
        """
        if self.created_at > wall + CLOCK_SKEW_SECONDS:
            return 0.0
        left, life = self.expires_at - wall, self.expires_at - self.created_at
        return left if left < life else life


def record_of(entry: Entry, wall: float, jitter: float) -> Record:
    """Return what is kept of an entry.

    `jitter` is from 0 to 1: entries made together do not all expire together, but
    within 10 % before or after their time.
    """
    ttl = min(entry.ttl_seconds * (0.9 + 0.2 * jitter), MAX_TTL_SECONDS)
    return Record(
        entry.value,
        wall,
        wall + ttl,
        entry.tags,
        entry.tokens,
        entry.usd,
        entry.seconds,
    )


class Found(msgspec.Struct, frozen=True, gc=False):
    """An answer that was in the cache.

    Attributes
    ----------
    value : bytes
    tier : str
        ``memory``, ``disk`` or ``redis``.
    stale : bool
        Whether it is past its time.
    age_seconds : float
        Since it was fetched.
    tokens, usd, seconds : int, float, float
        What fetching it cost, and so what was saved.
    """

    value: bytes
    tier: Tier
    stale: bool
    age_seconds: float
    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0

    def __repr__(self) -> str:
        return _repr_without_value(self)


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer from the cache or else from the service.

    Attributes
    ----------
    value : bytes
    tier : str or None
        Where it was found; None where it was fetched now.
    coalesced : bool
        Whether somebody else's fetch for the same key was waited for.
    stale : bool
        Whether it is past its time, given since fetching failed.
    tokens, usd, seconds : int, float, float
        What fetching it cost, now or then.
    """

    value: bytes = field(repr=False)
    tier: Tier | None
    coalesced: bool
    stale: bool
    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0


def _repr_without_value(struct: Record | Found) -> str:
    shown = ", ".join(
        f"{name}={getattr(struct, name)!r}"
        for name in struct.__struct_fields__
        if name != "value"
    )
    return f"{type(struct).__name__}({shown})"
