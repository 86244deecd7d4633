"""Pictures of an experiment: whom it helps and whom it harms, and at which price."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from contexter_nb.core import ContexterError, InvalidArgumentError
from contexter_nb.notebook._arguments import check_choice

try:
    from matplotlib.figure import Figure
except ImportError as exc:
    raise ContexterError(
        'Pictures need matplotlib, which is not installed; pip install "matplotlib".'
    ) from exc

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

KINDS_OF_PLOT = ("differences", "tradeoff")
PRICES = {
    "p50_ms": "median latency, ms",
    "p95_ms": "95th percentile of latency, ms",
    "tokens": "tokens spent",
    "usd": "US dollars spent",
}
# Okabe and Ito's colours, and greys, that can be told apart on white and on black, also
# by readers who do not see all colours.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
BETTER, WORSE = "#009E73", "#D55E00"
GREY = "#808080"
# JupyterLab puts a backdrop behind pictures whose ticks are all of one grey.
OTHER_GREY = "#7f7f7f"
_DPI = 110


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
    return _differences(per_query[per_query["metric"] == chosen], chosen)


def _differences(rows: pd.DataFrame, metric: str) -> Picture:
    names = rows["variant"].unique().tolist()
    baseline, others = names[0], names[1:]
    compared = rows["delta"].notna().any()
    shown = others or names
    figure = Picture(
        figsize=(3.6 * min(len(shown), 3), 3.0), layout="constrained", facecolor="none"
    )
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, shown, strict=True):
        own = rows[rows["variant"] == name]
        values = own["delta" if compared and others else "value"].sort_values(
            ascending=False
        )
        _theme(panel)
        colours = [BETTER if value >= 0 else WORSE for value in values]
        panel.bar(range(len(values)), values.tolist(), color=colours, width=0.9)
        panel.axhline(0, color=GREY, linewidth=0.8)
        wins, losses = int((values > 0).sum()), int((values < 0).sum())
        told = f"\n{wins} better, {losses} worse" if compared and others else ""
        panel.set_title(f"{name}{told}", fontsize=10, color=GREY)
        panel.set_xlabel("queries, sorted")
    what = f"{metric} less that of {baseline}" if compared and others else metric
    panels[0].set_ylabel(what)
    return figure


def _tradeoff(rows: pd.DataFrame, metric: str, against: str) -> Picture:
    figure = Picture(figsize=(5.4, 3.4), layout="constrained", facecolor="none")
    panel = figure.subplots()
    _theme(panel)
    for at, row in enumerate(rows.to_dict("records")):
        colour = COLOURS[at % len(COLOURS)]
        low, high = row["ci_low"], row["ci_high"]
        place = (row[against], row["value"])
        if low == low:  # not missing
            panel.vlines(place[0], low, high, color=colour, linewidth=2, alpha=0.5)
        panel.plot(*place, "o", color=colour, markersize=8)
        panel.annotate(
            row["variant"],
            place,
            xytext=(9, 5),
            textcoords="offset points",
            color=colour,
            fontsize=10,
        )
    panel.set_xlabel(PRICES[against])
    panel.set_ylabel(f"{metric}, mean and 95 % interval")
    panel.margins(x=0.25, y=0.15)
    return figure


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
