"""The pure core of rate limiting: several token buckets that are paid together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

TOLERANCE_SECONDS = 1e-6
"""A wait shorter than this is none; what was taken early is owed, not forgotten."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast one dimension may be used.

    Attributes
    ----------
    name : str
        ``requests`` or ``tokens``.
    limit_per_minute : float
        What no window of 60 s passes.
    capacity : float
        How much may be used at once.
    per_second : float
        How much comes back each second, above 0.
    """

    name: str
    limit_per_minute: float
    capacity: float
    per_second: float

    def shared_by(self, count: int) -> Rate:
        """Return the part of one of several that share the limit evenly.

        Parameters
        ----------
        count : int
            From 1 on.
        """
        return Rate(
            self.name,
            self.limit_per_minute / count,
            self.capacity / count,
            self.per_second / count,
        )


Rates = tuple[Rate, ...]
Amounts = tuple[float, ...]


class Bucket:
    """What is left in each dimension at an instant; a value that is changed in place.

    A level below 0 is a debt. What costs more than the whole capacity needs a full
    bucket and leaves a debt.

    Parameters
    ----------
    rates : tuple of Rate
        The dimensions; all sequences here have their order.
    at : float
        A monotonic instant, seconds.
    levels : sequence of float, optional
        What is left then; full where not given.
    paused_until : float
        Nothing is granted before this instant.

    Examples
    --------
    >>> bucket = Bucket((Rate("requests", 70, 10, 1.0),), at=0.0)
    >>> bucket.take(0.0, (10,)), bucket.take(0.0, (3,)), bucket.take(3.0, (3,))
    (0.0, 3.0, 0.0)
    """

    __slots__ = ("at", "levels", "paused_until", "rates")

    def __init__(
        self,
        rates: Rates,
        at: float,
        levels: Sequence[float] | None = None,
        paused_until: float = -inf,
    ) -> None:
        self.rates = rates
        self.at = at
        full = [rate.capacity for rate in rates]
        self.levels = full if levels is None else list(levels)
        self.paused_until = paused_until

    def copy(self) -> Bucket:
        """Return an equal one that can be changed by itself."""
        return Bucket(self.rates, self.at, self.levels, self.paused_until)

    def refill(self, now: float) -> None:
        """Move to `now`; a clock that went back brings nothing and takes nothing.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        elapsed = now - self.at
        self.at = now
        if elapsed > 0:
            for at, rate in enumerate(self.rates):
                level = self.levels[at] + elapsed * rate.per_second
                self.levels[at] = level if level < rate.capacity else rate.capacity

    def wait_seconds(self, cost: Amounts) -> float:
        """Return how long after `at` the cost can be paid; 0 for now.

        Parameters
        ----------
        cost : tuple of float
            Not negative.
        """
        wait = self.paused_until - self.at
        for at, rate in enumerate(self.rates):
            if cost[at] > 0:
                missing = min(cost[at], rate.capacity) - self.levels[at]
                if missing > 0:
                    wait = max(wait, missing / rate.per_second)
        return wait if wait > TOLERANCE_SECONDS else 0.0

    def take(self, now: float, cost: Amounts) -> float:
        """Pay all dimensions now, or none; return 0, or how long to wait instead.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        cost : tuple of float
            Not negative.
        """
        # One pass for the common case that all can be paid: this is the fast path.
        elapsed = now - self.at
        self.at = now
        levels = self.levels
        free = now >= self.paused_until
        for at, rate in enumerate(self.rates):
            level = levels[at]
            if elapsed > 0:
                level += elapsed * rate.per_second
                if level > rate.capacity:
                    level = rate.capacity
                levels[at] = level
            if level < cost[at]:
                free = False
        if not free:
            wait = self.wait_seconds(cost)
            if wait > 0:
                return wait
        for at, amount in enumerate(cost):
            levels[at] -= amount
        return 0.0

    def book(self, now: float, cost: Amounts) -> float:
        """Pay at the earliest instant after all that was booked; return the instant.

        `at` becomes that instant, which may lie ahead: the next booking follows it.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        cost : tuple of float
            Not negative.
        """
        self.refill(max(now, self.at))
        self.refill(self.at + self.wait_seconds(cost))
        self.change([-amount for amount in cost])
        return self.at

    def change(self, amounts: Sequence[float]) -> None:
        """Add to what is left: at most up to full, down to a minute's limit owed.

        Parameters
        ----------
        amounts : sequence of float
            Negative for what was used.
        """
        for at, rate in enumerate(self.rates):
            level = min(rate.capacity, self.levels[at] + amounts[at])
            # No window of a minute looks further back than a minute's limit.
            self.levels[at] = max(-max(rate.limit_per_minute, rate.capacity), level)

    def full_at(self) -> float:
        """Return the instant from which on it equals a new one."""
        missing = (
            (rate.capacity - level) / rate.per_second
            for rate, level in zip(self.rates, self.levels, strict=True)
        )
        return max(self.at + max(missing, default=0.0), self.paused_until)
