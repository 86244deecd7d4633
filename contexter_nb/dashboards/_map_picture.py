"""The map as a still drawing: SVG without words, as an image that no viewer drops."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from contexter_nb.dashboards._map import COLOURS, Atlas

WIDTH, HEIGHT = 420, 260
PALETTE = ("#3b7dd8", "#c2571a", "#2e9b57", "#9a5fc9", "#b58900", "#c94a6e")
OTHER = "#8a8f98"


def colour(library: int) -> str:
    """Return the colour of a library by its number on the map."""
    return PALETTE[library] if library < COLOURS else OTHER


def map_image(
    chart: Atlas,
    places: Mapping[str, tuple[float, float]],
    ranked: Sequence[str],
    selected: Sequence[str] = (),
) -> str:
    """Return the map as an ``<img>``: inline SVG is dropped from untrusted notebooks.

    Parameters
    ----------
    chart, places, ranked, selected
        As of `map_svg`.
    """
    among = "the hits and the question" if "" in places else "the hits"
    data = base64.b64encode(map_svg(chart, places, ranked, selected).encode()).decode()
    return (
        f'<img alt="Map of the collection with {among}" width="{WIDTH}" '
        f'style="max-width:100%" src="data:image/svg+xml;base64,{data}">'
    )


def map_svg(
    chart: Atlas,
    places: Mapping[str, tuple[float, float]],
    ranked: Sequence[str],
    selected: Sequence[str] = (),
) -> str:
    """Return the map with the hits and the question on it.

    Parameters
    ----------
    places : mapping
        Chunk ids, and "" for the question, to places from 0 to 1.
    ranked : sequence of str
        The hits' chunk ids, best first.
    selected : sequence of str
        Those drawn larger.
    """
    parts = [_background(chart)]
    question = places.get("")
    hits = [(each, places[each]) for each in ranked if each in places]
    if question is not None:
        parts += [_line(question, place) for _, place in hits]
    parts += [
        _dot(place, 7 if each in selected else 4.5) for each, place in reversed(hits)
    ]
    if question is not None:
        parts.append(_diamond(question))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}">{"".join(parts)}</svg>'
    )


def _background(chart: Atlas) -> str:
    """Return a path a colour: each point a stroke of no length with a round end."""
    paths: dict[str, list[str]] = {}
    for (x, y), library in zip(chart.places.tolist(), chart.library_of, strict=True):
        at = f"M{x * WIDTH:.0f} {y * HEIGHT:.0f}h0"
        paths.setdefault(colour(library), []).append(at)
    return "".join(
        f'<path d="{"".join(points)}" stroke="{shade}" stroke-width="3" '
        'stroke-linecap="round" stroke-opacity=".35" fill="none"/>'
        for shade, points in paths.items()
    )


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    return (
        f'<path d="M{start[0] * WIDTH:.1f} {start[1] * HEIGHT:.1f}'
        f'L{end[0] * WIDTH:.1f} {end[1] * HEIGHT:.1f}" stroke="{OTHER}" '
        'stroke-opacity=".5"/>'
    )


def _dot(place: tuple[float, float], radius: float) -> str:
    return (
        f'<circle cx="{place[0] * WIDTH:.1f}" cy="{place[1] * HEIGHT:.1f}" '
        f'r="{radius}" fill="#1565c0" stroke="#fff" stroke-width="1.5"/>'
    )


def _diamond(place: tuple[float, float]) -> str:
    x, y = place[0] * WIDTH, place[1] * HEIGHT
    return (
        f'<path d="M{x:.1f} {y - 8:.1f}l8 8l-8 8l-8 -8z" fill="#d9822b" '
        'stroke="#fff" stroke-width="1.5"/>'
    )
