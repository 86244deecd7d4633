"""Pictures of an experiment: whom it helps and whom it harms, and at which price."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING, Any

from contexter_nb.core import ContexterError, InvalidArgumentError
from contexter_nb.notebook._arguments import check_choice

try:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator
except ImportError as exc:
    raise ContexterError(
        'Pictures need matplotlib, which is not installed; pip install "matplotlib".'
    ) from exc

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

KINDS_OF_PLOT = ("differences", "tradeoff")
PRICES = {
    "p50_ms": "median latency, ms",
    "p95_ms": "95th percentile of latency, ms",
    "tokens": "tokens spent",
    "usd": "US dollars spent",
    "usd_per_1000": "US dollars for 1,000 questions, nothing kept",
}
# Okabe and Ito's colours, and greys, that can be told apart on white and on black, also
# by readers who do not see all colours.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
MARKERS = ("o", "s", "^", "D", "v", "P")
BETTER, WORSE = "#009E73", "#D55E00"
GREY = "#808080"
# JupyterLab puts a backdrop behind pictures whose ticks are all of one grey.
OTHER_GREY = "#7f7f7f"
_DPI = 110
_PANELS_A_ROW = 3
# Characters of a variant's name in a line.
_TITLE_WIDTH, _NAME_WIDTH = 32, 24


class Picture(Figure):
    """A figure that shows itself in a notebook without pyplot."""

    def _repr_png_(self) -> bytes:
        drawn = io.BytesIO()
        self.savefig(drawn, format="png", dpi=_DPI)
        return drawn.getvalue()


def draw(
    summary: pd.DataFrame,
    per_query: pd.DataFrame,
    kind: str,
    metric: str | None,
    against: str,
) -> Picture:
    """Return a picture of an experiment.

    Parameters
    ----------
    summary, per_query : pandas.DataFrame
        Of the kinds ``experiment`` and ``experiment_queries``.
    kind : str
        ``differences`` or ``tradeoff``.
    metric : str or None
        None for the first.
    against : str
        A key of `PRICES`.

    Raises
    ------
    InvalidArgumentError
        The frame is empty, or an argument is unknown.
    """
    check_choice("kind", kind, KINDS_OF_PLOT)
    if summary.empty:
        raise InvalidArgumentError("The experiment has no rows that could be drawn.")
    metrics = summary["metric"].unique().tolist()
    chosen = metrics[0] if metric is None else check_choice("metric", metric, metrics)
    if kind == "tradeoff":
        check_choice("against", against, tuple(PRICES))
        return _tradeoff(summary[summary["metric"] == chosen], chosen, against)
    baseline = next(iter(summary.attrs["variants"]))
    return _differences(per_query[per_query["metric"] == chosen], chosen, baseline)


def _differences(rows: pd.DataFrame, metric: str, baseline: str) -> Picture:
    names = rows["variant"].unique().tolist()
    others = [name for name in names if name != baseline]
    compared = bool(others) and rows["delta"].notna().any()
    shown = others or names
    figure, panels = _panels(len(shown))
    for panel, name in zip(panels, shown, strict=True):
        own = rows[rows["variant"] == name]
        values = own["delta" if compared else "value"].sort_values(ascending=False)
        _theme(panel)
        colours = [BETTER if value >= 0 else WORSE for value in values]
        panel.bar(range(len(values)), values.tolist(), color=colours, width=0.9)
        panel.axhline(0, color=GREY, linewidth=0.8)
        wins, losses = int((values > 0).sum()), int((values < 0).sum())
        told = f"\n{wins} better, {losses} worse" if compared else ""
        title = textwrap.fill(name, _TITLE_WIDTH) + told
        panel.set_title(title, fontsize=10, color=GREY, parse_math=False)
        panel.set_xlabel("queries, sorted")
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    what = f"{metric} less that of {baseline}" if compared else metric
    for panel in panels[::_PANELS_A_ROW]:
        panel.set_ylabel(what, parse_math=False)
    return figure


def _panels(count: int) -> tuple[Picture, list[Axes]]:
    """Return a figure of so many panels, and these, row by row."""
    columns = min(count, _PANELS_A_ROW)
    lines = -(-count // columns)
    size = (3.6 * columns, 0.5 + 2.5 * lines)
    figure = Picture(figsize=size, layout="constrained", facecolor="none")
    panels = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
    for spare in panels[count:]:
        spare.remove()
    return figure, list(panels[:count])


def _tradeoff(rows: pd.DataFrame, metric: str, against: str) -> Picture:
    names = [textwrap.fill(name, _NAME_WIDTH) for name in rows["variant"]]
    listed = sum(name.count("\n") + 1 for name in names)
    size = (6.8, max(3.4, 0.4 + 0.22 * listed))
    figure = Picture(figsize=size, layout="constrained", facecolor="none")
    panel = figure.subplots()
    _theme(panel)
    points = []
    for at, (row, name) in enumerate(zip(rows.to_dict("records"), names, strict=True)):
        turn, place = divmod(at, len(COLOURS))
        colour = COLOURS[place]
        x, low, high = row[against], row["ci_low"], row["ci_high"]
        if low == low:  # not missing
            panel.vlines(x, low, high, color=colour, linewidth=2, alpha=0.5)
        (point,) = panel.plot(
            x,
            row["value"],
            color=colour,
            marker=MARKERS[turn % len(MARKERS)],
            markersize=8,
            linestyle="none",
            clip_on=False,
        )
        points.append((row["value"], name, point))
    panel.set_xlabel(PRICES[against])
    panel.set_ylabel(f"{metric}, mean and 95 % interval")
    panel.margins(x=0.1, y=0.15)
    panel.set_xlim(left=0)
    _name_points(figure, points)
    return figure


def _name_points(figure: Picture, points: list[tuple[float, str, Line2D]]) -> None:
    """List the points beside the picture, the best first.

    Settings are often alike: names next to their points would lie on each other.
    """
    ranked = sorted(points, key=lambda each: each[0], reverse=True)
    legend = figure.legend(
        [point for _, _, point in ranked],
        [name for _, name, _ in ranked],
        loc="outside right upper",
        frameon=False,
        labelcolor=GREY,
        fontsize=10,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _theme(panel: Axes) -> None:
    panel.set_facecolor("none")
    options: dict[str, Any] = {"labelsize": 9}
    panel.tick_params(axis="x", color=GREY, labelcolor=GREY, **options)
    panel.tick_params(axis="y", color=OTHER_GREY, labelcolor=OTHER_GREY, **options)
    for name, spine in panel.spines.items():
        spine.set_color(GREY)
        spine.set_visible(name in ("left", "bottom"))
    panel.xaxis.label.set_color(GREY)
    panel.yaxis.label.set_color(GREY)
