"""A histogram of durations whose quantiles are right to 1.05 %, in constant time."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from itertools import accumulate, chain

from contexter_nb.core import InvalidArgumentError

# An octave is cut into 48 buckets of one width; the widest is 1/48 of its lower edge,
# so that its middle is within 1/96 = 1.04 % of every value in it.
_PER_OCTAVE = 48
_LOWEST = 2.0**-30
_HIGHEST = 2.0**30
_EXPONENT_OFFSET = 32
_ZERO = 0


class Histogram:
    """How often each duration was seen; two of them merge into one without loss.

    Buckets exist only where something was seen: some thirty for a service. A value
    below a nanosecond counts as 0, and one above 34 years as 34 years.

    Attributes
    ----------
    count : int
    total, lowest, highest : float
        Exact. The latter two are infinite (and minus infinite) where `count` is 0.

    Examples
    --------
    >>> times = Histogram()
    >>> for value in range(1, 101):
    ...     times.add(float(value))
    >>> round(times.quantile(0.5)), times.quantile(1.0)
    (50, 100.0)
    """

    __slots__ = ("_buckets", "_keys", "_sizes", "count", "highest", "lowest", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.lowest = math.inf
        self.highest = -math.inf
        self._buckets: dict[int, int] = {}
        self._keys: array[int] | None = None
        self._sizes: array[int] | None = None

    def add(self, value: float) -> None:
        """Count one value.

        Parameters
        ----------
        value : float
            Negative ones and nan count as 0.
        """
        if not _LOWEST <= value < _HIGHEST:
            value = _HIGHEST if value >= _HIGHEST else 0.0
        if value:
            fraction, exponent = math.frexp(value)
            key = (exponent + _EXPONENT_OFFSET) * _PER_OCTAVE + int(fraction * 96.0)
        else:
            key = _ZERO
        buckets = self._buckets
        buckets[key] = buckets.get(key, 0) + 1
        self.count += 1
        self.total += value
        if value < self.lowest:
            self.lowest = value
        if value > self.highest:
            self.highest = value

    def merge(self, other: Histogram) -> None:
        """Count all that another one counted.

        Parameters
        ----------
        other : Histogram
            Left as it is.
        """
        buckets = self._buckets
        for key, size in other._items():
            buckets[key] = buckets.get(key, 0) + size
        self.count += other.count
        self.total += other.total
        self.lowest = min(self.lowest, other.lowest)
        self.highest = max(self.highest, other.highest)

    def pack(self) -> None:
        """Take a third of the memory from now on; values may still be added."""
        items = list(self._items())
        self._keys = array("H", (key for key, _ in items))
        self._sizes = array("Q", (size for _, size in items))
        self._buckets = {}

    def quantile(self, share: float) -> float | None:
        """Return the value that a share of all values do not exceed (nearest rank).

        Parameters
        ----------
        share : float
            From 0 (the lowest) to 1 (the highest); both are exact.

        Returns
        -------
        float or None
            Within 1.05 % of the value of rank ``ceil(share * count)``; None where
            nothing was counted.

        Raises
        ------
        InvalidArgumentError
            `share` is not from 0 to 1.
        """
        if not 0.0 <= share <= 1.0:
            raise InvalidArgumentError(
                f"A quantile of {share!r} does not exist; give a share from 0 to 1."
            )
        if self.count == 0:
            return None
        # The rounding keeps 0.07 * 100 = 7.000000000000001 at rank 7.
        rank = math.ceil(round(share * self.count, 6))
        if rank >= self.count:
            return self.highest
        if rank <= 1:
            return self.lowest
        items = sorted(self._items())
        reached = accumulate(size for _, size in items)
        key = next(
            key for (key, _), seen in zip(items, reached, strict=True) if seen >= rank
        )
        return min(max(_middle(key), self.lowest), self.highest)

    @property
    def mean(self) -> float | None:
        """The mean, exact; None where nothing was counted."""
        return self.total / self.count if self.count else None

    def _items(self) -> Iterator[tuple[int, int]]:
        if self._keys is None or self._sizes is None:
            return iter(self._buckets.items())
        packed = zip(self._keys, self._sizes, strict=True)
        return chain(packed, self._buckets.items())


def _middle(key: int) -> float:
    """Return the middle of a bucket."""
    if key == _ZERO:
        return 0.0
    exponent, part = divmod(key - _PER_OCTAVE, _PER_OCTAVE)
    fraction = (part + _PER_OCTAVE + 0.5) / 96.0
    return math.ldexp(fraction, exponent - _EXPONENT_OFFSET)
