"""Where vectors are put as they come, and the account of what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from contexter_nb.clients._voyage_batches import Item
from contexter_nb.clients._voyage_decode import NUMPY_TYPES, matrix_of, row_bytes
from contexter_nb.clients._voyage_plan import EmbeddingPlan
from contexter_nb.core import ContexterError, DecodingError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Collection:
    """What has come of a job so far.

    Parameters
    ----------
    plan : EmbeddingPlan
    total : int
        Items as the caller gave them, repeats included.

    Attributes
    ----------
    dimension : int or None
        None until a vector of an unknown model has come.
    """

    def __init__(self, plan: EmbeddingPlan, total: int) -> None:
        self.plan = plan
        self.total = total
        self.dimension = plan.dimension
        self.token_counts = [0] * total
        self.cached = [False] * total
        self.errors: dict[int, ContexterError] = {}
        self.tokens = 0
        self.requests = 0
        self.done = 0
        self.hits = 0
        self._matrix: npt.NDArray[Any] | None = None
        self._documents: list[npt.NDArray[np.generic] | None] = (
            [None] * total if plan.is_nested else []
        )

    def put(
        self,
        items: Sequence[Item],
        cells: Sequence[bytes],
        counts: Sequence[int],
        dimension: int,
        *,
        cached: bool,
    ) -> None:
        """Put the vectors of some items in all places where these stand.

        Parameters
        ----------
        items : sequence of Item, n items
        cells : sequence of bytes, n items
        counts : sequence of int, n items
            Tokens of each.
        dimension : int
        cached : bool
            Whether they come from the cache.

        Raises
        ------
        DecodingError
            They are of another dimension than those before.
        """
        if self.dimension is None:
            self.dimension = dimension
        elif dimension != self.dimension:
            raise DecodingError(
                f"voyage answered vectors of {dimension} numbers after some of "
                f"{self.dimension}; pass the dimension that is wanted."
            )
        if self.plan.is_nested:
            self._put_documents(items, cells)
        else:
            self._put_rows(items, cells)
        for item, count in zip(items, counts, strict=True):
            for position in item.positions:
                self.token_counts[position] = count
                self.cached[position] = cached
            self.done += len(item.positions)
            self.hits += len(item.positions) if cached else 0

    def fail(self, item: Item, error: ContexterError) -> None:
        """Note an error for all places where an item stands.

        Parameters
        ----------
        item : Item
        error : ContexterError
        """
        for position in item.positions:
            self.errors[position] = error

    def _put_rows(self, items: Sequence[Item], cells: Sequence[bytes]) -> None:
        matrix = self._matrix if self._matrix is not None else self.matrix()
        raw = matrix.view("u1").reshape(-1).data
        size = matrix.strides[0]
        for item, cell in zip(items, cells, strict=True):
            for position in item.positions:
                raw[position * size : (position + 1) * size] = cell

    def _put_documents(self, items: Sequence[Item], cells: Sequence[bytes]) -> None:
        width = self._width()
        for item, cell in zip(items, cells, strict=True):
            for position in item.positions:
                rows = matrix_of([cell], self.plan.dtype, width).copy()
                self._documents[position] = rows

    def matrix(self) -> npt.NDArray[Any]:
        """Return the matrix of all texts; rows of those with an error are NaN, or 0."""
        import numpy

        if self._matrix is None:
            kind = numpy.dtype(NUMPY_TYPES[self.plan.dtype]).newbyteorder("=")
            self._matrix = numpy.empty((self.total, self._width()), dtype=kind)
        if self.errors:
            empty = numpy.nan if self._matrix.dtype.kind == "f" else 0
            self._matrix[list(self.errors)] = empty
        return self._matrix

    def documents(self) -> tuple[npt.NDArray[np.generic], ...]:
        """Return the matrices of all documents."""
        return tuple(each for each in self._documents if each is not None)

    def _width(self) -> int:
        """Return how many numbers a row has: of binary ones a byte is 8 dimensions."""
        if self.dimension is None:
            return 0
        return row_bytes(self.dimension, self.plan.dtype) // (
            4 if self.plan.dtype == "float" else 1
        )
