"""A map of a collection: two main axes of a sample, on which everything is placed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SAMPLE = 2_000
COLOURS = 6
_EDGE = 0.03
_TAIL_PERCENT = 1.0

Matrix = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Atlas:
    """The axes of a map, and the sample that they were found with.

    Attributes
    ----------
    mean : numpy.ndarray
        Shape (dimension,).
    axes : numpy.ndarray
        Shape (2, dimension), of length 1 each.
    low, high : numpy.ndarray
        Shape (2,): what is drawn at the edges; all but one in a hundred lie between.
    explained : float
        Share of the sample's variance that the two axes keep, 0 to 1.
    chunk_ids, titles : tuple of str
        n of each.
    places : numpy.ndarray
        Shape (n, 2), as `placed` gives them.
    libraries : tuple of str
        The most frequent first.
    library_of : tuple of int
        n indices into `libraries`.
    chunks : int
        Size of the collection.
    """

    mean: Matrix
    axes: Matrix
    low: Matrix
    high: Matrix
    explained: float
    chunk_ids: tuple[str, ...]
    titles: tuple[str, ...]
    places: Matrix
    libraries: tuple[str, ...]
    library_of: tuple[int, ...]
    chunks: int


def main_axes(vectors: Matrix) -> tuple[Matrix, Matrix, float]:
    """Return mean, the two main axes and the share of variance they keep.

    Parameters
    ----------
    vectors : numpy.ndarray
        float32, shape (n, dimension), n from 1 on, dimension from 2 on.

    Returns
    -------
    tuple
        Shapes (dimension,), (2, dimension) and a number from 0 to 1. The greatest
        entry of an axis is positive, so that a map is never mirrored.
    """
    mean = vectors.mean(axis=0)
    centred = (vectors - mean).astype(np.float64)
    values, columns = np.linalg.eigh(centred.T @ centred)
    axes = columns[:, ::-1][:, :2].T
    signs = np.sign(axes[np.arange(2), np.abs(axes).argmax(axis=1)])
    total = float(values.sum())
    explained = float(values[-2:].sum()) / total if total > 0 else 1.0
    turned = (axes * signs[:, None]).astype(np.float32)
    return mean, turned, min(max(explained, 0.0), 1.0)


def atlas(
    *,
    vectors: Matrix,
    chunk_ids: tuple[str, ...],
    titles: tuple[str, ...],
    libraries: tuple[str, ...],
    chunks: int,
) -> Atlas:
    """Return the map of a sample.

    Parameters
    ----------
    vectors : numpy.ndarray
        float32, shape (n, dimension), n from 1 on.
    chunk_ids, titles, libraries : tuple of str
        n of each.
    chunks : int
        How many passages the sample was taken from.
    """
    mean, axes, explained = main_axes(vectors)
    flat = (vectors - mean) @ axes.T
    low, high = np.percentile(flat, [_TAIL_PERCENT, 100 - _TAIL_PERCENT], axis=0)
    names, counts = np.unique(np.array(libraries), return_counts=True)
    ordered = tuple(str(names[at]) for at in np.lexsort((names, -counts)))
    index = {name: at for at, name in enumerate(ordered)}
    return Atlas(
        mean=mean,
        axes=axes,
        low=low.astype(np.float32),
        high=high.astype(np.float32),
        explained=explained,
        chunk_ids=chunk_ids,
        titles=titles,
        places=_between(flat, low, high),
        libraries=ordered,
        library_of=tuple(index[name] for name in libraries),
        chunks=chunks,
    )


def placed(chart: Atlas, vectors: Matrix) -> Matrix:
    """Return where vectors lie on a map.

    Parameters
    ----------
    vectors : numpy.ndarray
        float32, shape (n, dimension).

    Returns
    -------
    numpy.ndarray
        float32, shape (n, 2): from left and from top, 0 to 1; what would lie outside
        is at the edge.
    """
    flat = (np.atleast_2d(vectors) - chart.mean) @ chart.axes.T
    return _between(flat, chart.low, chart.high)


def _between(
    flat: Floats,
    low: Floats,
    high: Floats,
) -> Matrix:
    span = np.asarray(high) - np.asarray(low)
    inside = np.where(span > 0, (flat - low) / np.where(span > 0, span, 1), 0.5)
    scaled = _EDGE + np.clip(inside, 0, 1) * (1 - 2 * _EDGE)
    return np.round(scaled, 4).astype(np.float32)
