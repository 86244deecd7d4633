"""Charts as inline SVG: pure functions of numbers, a few kilobytes each.

Text keeps its size whatever the width: it stands outside the part that stretches.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from contexter_nb.dashboards._look import MISSING, escape, milliseconds

WIDTH = 1000
LABELS_PIXELS = 18
TOP_PIXELS = 14
PRINTED_PIXELS = 560
MAX_DECADES = 5


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a chart, as CSS values."""

    ink: str
    muted: str
    line: str
    accent: str
    bad: str
    warn: str


LIVE = Palette(
    ink="var(--cx-ink)",
    muted="var(--cx-muted)",
    line="var(--cx-line)",
    accent="var(--cx-accent)",
    bad="var(--cx-bad)",
    warn="var(--cx-warn)",
)
# For a picture that cannot know on what it will stand: readable on white and on black.
PRINTED = Palette(
    ink="#7d8590",
    muted="#7d8590",
    line="#7d859055",
    accent="#3b82d6",
    bad="#e0524a",
    warn="#c08a1e",
)


@dataclass(frozen=True, slots=True)
class Dot:
    """One call in a chart.

    Attributes
    ----------
    at : float
        From 0, the left edge, to 1, the right one.
    ms : float
        How long it took.
    failed : bool
    """

    at: float
    ms: float
    failed: bool


def latency_chart(
    dots: Sequence[Dot],
    p95_ms: Sequence[float | None],
    times: Sequence[tuple[float, str]],
    palette: Palette,
    *,
    height_pixels: int = 190,
) -> str:
    """Return calls as dots under the line of their 95th percentile, on a log scale.

    Parameters
    ----------
    dots : sequence of Dot
    p95_ms : sequence of float or None
        One for each bucket, from left to right; None where there were no calls.
    times : sequence of (float, str)
        What stands below the axis, and where from 0 to 1.
    palette : Palette
    height_pixels : int
        Of the whole chart.
    """
    values = [each.ms for each in dots] + [each for each in p95_ms if each is not None]
    low, high = decades(values)
    room = height_pixels - LABELS_PIXELS - TOP_PIXELS

    def y(ms: float) -> float:
        level = (math.log10(max(ms, 1e-3)) - low) / (high - low)
        return TOP_PIXELS + room * (1 - min(max(level, 0.0), 1.0))

    grid, labels = [], []
    for decade in range(low, high + 1):
        level = y(10.0**decade)
        grid.append(f"M0 {level:.0f}H{WIDTH}")
        label = milliseconds(10.0**decade).replace(".00", "").replace(".0 ", " ")
        labels.append(_text(label, "0", level - 3, "start"))
    return _chart(
        [
            _path("".join(grid), palette.line, 1),
            _path(_marks(dots, y, failed=False), palette.accent, 5, "0.55"),
            _path(_line(p95_ms, y), palette.ink, 2),
            _path(_marks(dots, y, failed=True), palette.bad, 7),
        ],
        [*labels, *_axis(times, height_pixels)],
        height_pixels,
        "Latency over time, on a logarithmic scale: "
        f"{len(dots)} calls, {sum(each.failed for each in dots)} of them failed",
        palette,
    )


def bar_chart(
    title: str,
    values: Sequence[float],
    palette: Palette,
    *,
    shown: Callable[[float], str],
    bad: Sequence[float] = (),
    height_pixels: int = 58,
) -> str:
    """Return one bar for each bucket, the failed part of it in another colour below.

    Parameters
    ----------
    title : str
    values : sequence of float
        From left to right, 0 or more.
    palette : Palette
    shown : callable
        Says a value, for the highest bar.
    bad : sequence of float
        The part of each value that is bad; none by default.
    height_pixels : int
        Of the whole chart.
    """
    highest = max(values, default=0.0)
    room = height_pixels - TOP_PIXELS - 3
    base = height_pixels - 1
    step = WIDTH / max(1, len(values))
    scale = room / highest if highest else 0.0

    def bars(parts: Iterable[float], colour: str, opacity: str) -> str:
        # A bar is a thick line: a third of the characters of a rectangle.
        drawn = "".join(
            f"M{(at + 0.5) * step:.0f} {base}V{base - max(1.0, part * scale):.0f}"
            for at, part in enumerate(parts)
            if part > 0
        )
        return (
            f'<path d="{drawn}" stroke="{colour}" stroke-opacity="{opacity}" '
            f'stroke-width="{0.76 * step:.1f}" stroke-linecap="butt"/>'
        )

    most = f"max {shown(highest)}" if highest else MISSING
    return _chart(
        [
            _path(f"M0 {base}H{WIDTH}", palette.line, 1),
            bars(values, palette.accent, "0.75"),
            bars(bad, palette.bad, "1"),
        ],
        [
            _text(title, "0", 10, "start"),
            _text(most, "100%", 10, "end"),
        ],
        height_pixels,
        f"{title} over time, {most} in one bar",
        palette,
    )


def as_image(chart: str, width_pixels: int = PRINTED_PIXELS) -> str:
    """Return a chart as an ``<img>``, which also shows where inline SVG is dropped.

    Parameters
    ----------
    chart : str
        As made here, with the palette `PRINTED`.
    width_pixels : int
    """
    label = chart.partition('aria-label="')[2].partition('"')[0]
    sized = chart.replace(
        '<svg width="100%"',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width_pixels}"',
        1,
    )
    data = base64.b64encode(sized.encode()).decode()
    return (
        f'<img alt="{label}" width="{width_pixels}" style="max-width:100%" '
        f'src="data:image/svg+xml;base64,{data}">'
    )


def decades(values_ms: Iterable[float]) -> tuple[int, int]:
    """Return the powers of ten that hold all values; at most five decades of them.

    Examples
    --------
    >>> decades([3.0, 240.0]), decades([]), decades([100.0])
    ((0, 3), (0, 3), (2, 3))
    """
    logs = [math.log10(max(value, 1e-3)) for value in values_ms]
    if not logs:
        return 0, 3
    high = math.ceil(max(logs))
    low = max(math.floor(min(logs)), high - MAX_DECADES)
    return low, max(high, low + 1)


def _marks(dots: Iterable[Dot], y: Callable[[float], float], *, failed: bool) -> str:
    # A line of no length with round ends is a dot, in ten characters.
    return "".join(
        f"M{each.at * WIDTH:.0f} {y(each.ms):.0f}h0"
        for each in dots
        if each.failed is failed
    )


def _line(values: Sequence[float | None], y: Callable[[float], float]) -> str:
    """Return steps through the buckets, broken where one is empty."""
    step = WIDTH / max(1, len(values))
    path, pen_down = [], False
    for at, value in enumerate(values):
        if value is None:
            pen_down = False
            continue
        level = f"{y(value):.0f}"
        path.append(f"V{level}" if pen_down else f"M{at * step:.0f} {level}")
        path.append(f"H{(at + 1) * step:.0f}")
        pen_down = True
    return "".join(path)


def _path(d: str, colour: str, width_pixels: int, opacity: str = "") -> str:
    if not d:
        return ""
    # Of presentation attributes this one is not inherited.
    faint = f' stroke-opacity="{opacity}"' if opacity else ""
    return (
        f'<path d="{d}" stroke="{colour}" stroke-width="{width_pixels}"{faint} '
        'vector-effect="non-scaling-stroke"/>'
    )


def _text(label: str, x: str, y: float, anchor: str) -> str:
    held = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y:.0f}"{held}>{escape(label)}</text>'


def _axis(times: Iterable[tuple[float, str]], height_pixels: int) -> list[str]:
    found = []
    for at, label in times:
        anchor = "start" if at < 0.05 else "end" if at > 0.95 else "middle"
        place = f"{at * 100:.1f}%"
        found.append(_text(label, place, height_pixels - 4, anchor))
    return found


def _chart(
    shapes: Iterable[str],
    texts: Iterable[str],
    height_pixels: int,
    label: str,
    palette: Palette,
) -> str:
    return (
        f'<svg width="100%" height="{height_pixels}" role="img" '
        f'aria-label="{escape(label)}">'
        f'<svg width="100%" height="{height_pixels}" '
        f'viewBox="0 0 {WIDTH} {height_pixels}" preserveAspectRatio="none" '
        f'fill="none" stroke-linecap="round" stroke-linejoin="round">{"".join(shapes)}'
        f'</svg><g font-family="system-ui,sans-serif" font-size="11" '
        f'fill="{palette.muted}">{"".join(texts)}</g></svg>'
    )
