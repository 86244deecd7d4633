"""Texts are put into batches: in order, none lost, no limit passed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from contexter_nb.core import InvalidArgumentError

T = TypeVar("T")


class BatchPacker(Generic[T]):
    """Fill one batch after another with items as they come.

    An item that passes a limit by itself makes a batch alone.

    Parameters
    ----------
    max_items : int
        Of a batch, from 1 on.
    max_tokens : float
        Of a batch; may be set anew at any time, for what comes then.
    max_units : float, optional
        Of what else items have several of (a document's chunks).

    Raises
    ------
    InvalidArgumentError
        A limit is below 1.

    Examples
    --------
    >>> packer = BatchPacker(max_items=3, max_tokens=10)
    >>> [packer.add(name, tokens) for name, tokens in (("a", 4), ("b", 5), ("c", 2))]
    [None, None, ['a', 'b']]
    >>> packer.flush()
    ['c']
    """

    __slots__ = ("_items", "_tokens", "_units", "max_items", "max_tokens", "max_units")

    def __init__(
        self, max_items: int, max_tokens: float, max_units: float = float("inf")
    ) -> None:
        if not (max_items >= 1 and max_tokens >= 1 and max_units >= 1):
            raise InvalidArgumentError(
                f"The limits of a batch are {max_items!r} items, {max_tokens!r} tokens "
                f"and {max_units!r} units; give 1 or more of each."
            )
        self.max_items = max_items
        self.max_tokens = max_tokens
        self.max_units = max_units
        self._items: list[T] = []
        self._tokens = 0.0
        self._units = 0

    def add(self, item: T, tokens: float, units: int = 1) -> list[T] | None:
        """Take an item, and return the batch that it did not fit into, if any.

        Parameters
        ----------
        item : object
        tokens : float
            From 0 on.
        units : int, default 1
        """
        full = self._items and (
            len(self._items) >= self.max_items
            or self._tokens + tokens > self.max_tokens
            or self._units + units > self.max_units
        )
        done = self.flush() if full else None
        self._items.append(item)
        self._tokens += tokens
        self._units += units
        return done

    def flush(self) -> list[T]:
        """Return what is left, perhaps nothing, and begin anew."""
        done, self._items = self._items, []
        self._tokens, self._units = 0.0, 0
        return done


def pack(
    tokens: Sequence[float], *, max_items: int, max_tokens: float
) -> list[list[int]]:
    """Return batches of positions.

    Parameters
    ----------
    tokens : sequence of float, n items
    max_items : int
    max_tokens : float

    Returns
    -------
    list of list of int
        All positions from 0 to n - 1, in order.

    Examples
    --------
    >>> pack([4, 5, 2, 30, 1], max_items=3, max_tokens=10)
    [[0, 1], [2], [3], [4]]
    """
    packer: BatchPacker[int] = BatchPacker(max_items, max_tokens)
    batches = [packer.add(place, each) for place, each in enumerate(tokens)]
    return [each for each in (*batches, packer.flush()) if each]


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """Divide a whole number in proportion, so that the parts add up to it.

    Parameters
    ----------
    total : int
        From 0 on.
    weights : sequence of int
        From 0 on, not all 0.

    Examples
    --------
    >>> shares(10, [1, 1, 1])
    [3, 4, 3]
    """
    whole = sum(weights)
    parts = []
    passed = given = 0
    for weight in weights:
        passed += weight
        upto = (2 * total * passed + whole) // (2 * whole)
        parts.append(upto - given)
        given = upto
    return parts
