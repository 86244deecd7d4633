"""What a limiter hands out: leave to send once, and the numbers it goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from contexter_nb.policies._bucket import Amounts, Bucket, Rates
from contexter_nb.policies._limit_config import read_amounts

SharedState = Literal["not shared", "reached", "away"]


class Payer(Protocol):
    """Keeps the buckets that grants were paid from."""

    rates: Rates

    def change(self, key: str | None, amounts: Amounts) -> None:
        """Add to what is left for a key.

        Parameters
        ----------
        key : str or None
        amounts : tuple of float
            Negative for what was used.
        """


class Grant:
    """Leave to send one request.

    Parameters
    ----------
    payer : Payer
    key : str or None
    cost : tuple of float
        What was paid.
    waited_seconds : float
        How long it took to get it.
    """

    __slots__ = ("_cost", "_key", "_payer", "waited_seconds")

    def __init__(
        self, payer: Payer, key: str | None, cost: Amounts, waited_seconds: float = 0.0
    ) -> None:
        self._payer = payer
        self._key = key
        self._cost = cost
        self.waited_seconds = waited_seconds

    def give_back(self) -> None:
        """Return all that was paid, since nothing was sent; once, then it is void."""
        self._settle(tuple(0.0 for _ in self._cost))

    def settle(self, actual: Mapping[str, float]) -> None:
        """Correct what was paid by what was used: more is owed, less is credited.

        A debt delays later calls; at most a minute's limit is owed.

        Parameters
        ----------
        actual : mapping of str to float
            By dimension; one that is not given stays as paid.

        Raises
        ------
        InvalidArgumentError
            A dimension is unknown, or an amount is negative or no number.
        """
        self._settle(read_amounts(self._payer.rates, actual, self._cost))

    def _settle(self, actual: Amounts) -> None:
        paid, self._cost = self._cost, actual
        changes = tuple(was - now for was, now in zip(paid, actual, strict=True))
        if any(changes):
            self._payer.change(self._key, changes)

    def __repr__(self) -> str:
        return f"<Grant after {self.waited_seconds:.3f} s>"


@dataclass(frozen=True, slots=True, kw_only=True)
class DimensionStatus:
    """One dimension of a bucket.

    Attributes
    ----------
    available : float
        What could be used now; below 0 where more was used than was paid.
    capacity : float
        What can be used at once.
    limit_per_minute : float
    refill_per_second : float
    """

    available: float
    capacity: float
    limit_per_minute: float
    refill_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LimiterStatus:
    """How a limiter stands at this moment.

    Attributes
    ----------
    name : str
    key : str or None
        None for all keys together; the dimensions are those of a new key then.
    dimensions : dict of str to DimensionStatus
        Those that are limited.
    waiting : int
        Calls that wait now.
    granted, refused : int
        Calls so far; refused are those that would have waited longer than they may.
    waited_seconds : float
        By all that were granted.
    paused_seconds : float
        How long nobody is let through from now on.
    keys : int
        How many keys are remembered.
    shared : str
        ``not shared``; ``reached`` or ``away`` where a store is shared.
    store_failures : int
        How often the store could not be used.
    local_grants : int
        Calls granted without the store since it was away.
    """

    name: str
    key: str | None
    dimensions: dict[str, DimensionStatus]
    waiting: int
    granted: int
    refused: int
    waited_seconds: float
    paused_seconds: float
    keys: int
    shared: SharedState = "not shared"
    store_failures: int = 0
    local_grants: int = 0


def describe(bucket: Bucket) -> dict[str, DimensionStatus]:
    """Return the dimensions of a bucket as they are at its instant.

    Parameters
    ----------
    bucket : Bucket
    """
    return {
        rate.name: DimensionStatus(
            available=level,
            capacity=rate.capacity,
            limit_per_minute=rate.limit_per_minute,
            refill_per_second=rate.per_second,
        )
        for rate, level in zip(bucket.rates, bucket.levels, strict=True)
    }
