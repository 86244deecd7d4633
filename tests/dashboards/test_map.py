"""The map: main axes that are the right ones, and places that stay on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contexter_nb.dashboards._map import Atlas, atlas, main_axes, placed
from contexter_nb.dashboards._map_picture import OTHER, PALETTE, colour, map_svg


def spread(count: int = 300, seed: int = 5) -> Any:
    """Return points in eight dimensions of which two hold most of the variance."""
    chance = np.random.default_rng(seed)
    scale = np.array([9, 5, 1, 1, 0.5, 0.5, 0.1, 0.1])
    return (chance.normal(size=(count, 8)) * scale).astype(np.float32)


def chart_of(vectors: Any) -> Atlas:
    """Return a map of some vectors of two libraries."""
    count = len(vectors)
    return atlas(
        vectors=vectors,
        chunk_ids=tuple(f"{at:016x}" for at in range(count)),
        titles=tuple(f"title {at}" for at in range(count)),
        libraries=tuple("big" if at % 3 else "small" for at in range(count)),
        chunks=10 * count,
    )


def test_the_axes_are_those_of_the_singular_values() -> None:
    """They span what the singular value decomposition of numpy finds."""
    vectors = spread()
    mean, axes, explained = main_axes(vectors)
    centred = vectors - vectors.mean(axis=0)
    _, values, rows = np.linalg.svd(centred, full_matrices=False)
    assert np.allclose(mean, vectors.mean(axis=0))
    assert np.allclose(np.abs(np.sum(axes * rows[:2], axis=1)), 1, atol=1e-3)
    assert explained == pytest.approx((values[:2] ** 2).sum() / (values**2).sum(), 1e-3)


def test_a_map_is_never_mirrored() -> None:
    """The greatest entry of each axis is positive, in whatever order points come."""
    vectors = spread()
    _, one, _ = main_axes(vectors)
    _, other, _ = main_axes(vectors[::-1].copy())
    assert np.allclose(one, other, atol=1e-4)
    assert (one[np.arange(2), np.abs(one).argmax(axis=1)] > 0).all()


def test_everything_lies_on_the_map() -> None:
    """Also what is far outside the sample is at the edge, not beyond."""
    chart = chart_of(spread())
    places = placed(chart, np.vstack([spread() * 1_000, -spread() * 1_000]))
    assert (places >= 0).all()
    assert (places <= 1).all()
    assert placed(chart, spread()[0]).shape == (1, 2)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_tiny_collection_has_a_map(count: int) -> None:
    """One passage lies in the middle; two and three are no error."""
    chart = chart_of(spread(count))
    assert np.isfinite(chart.places).all()
    assert 0 <= chart.explained <= 1
    if count == 1:
        assert chart.places.tolist() == [[0.5, 0.5]]


def test_the_largest_library_has_the_first_colour() -> None:
    """Libraries are numbered by their size; those beyond the palette share one."""
    chart = chart_of(spread())
    assert chart.libraries == ("big", "small")
    assert colour(0) == PALETTE[0]
    assert colour(len(PALETTE)) == OTHER


def test_the_drawing_has_no_words() -> None:
    """Where a viewer cuts out drawings, no stray numbers are left."""
    chart = chart_of(spread())
    drawing = map_svg(chart, {"": (0.5, 0.5), "a": (0.1, 0.9)}, ["a", "gone"], ["a"])
    assert "<text" not in drawing
    assert drawing.count("<circle") == 1
    assert len(drawing) < 20_000
