"""The browser's side of a view: an anywidget that shows a state and sends messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from contexter_nb.dashboards._explorer_state import State, shown
from contexter_nb.dashboards._grades import GRADES
from contexter_nb.dashboards._map import Atlas

PARTS = ("setting", "status", "hits", "facets", "points", "marks")


def asset(name: str) -> str:
    """Return a file that the browser needs."""
    return files(__package__).joinpath("static", name).read_text(encoding="utf-8")


def script(name: str) -> str:
    """Return a view's module: the words of the grades, the pieces, and its own part."""
    words = f"const GRADES = {json.dumps(GRADES)};\n"
    return words + asset("pieces.js") + asset(name)


@cache
def widget_class() -> Any:
    """Return the widget's class; loads anywidget and ipywidgets."""
    import anywidget
    from traitlets import Dict

    class ExplorerWidget(anywidget.AnyWidget):
        """Shows the parts of a state; only its owner writes them."""

        _esm = script("explorer.js")
        _css = asset("look.css") + asset("explorer.css")
        setting = Dict().tag(sync=True)
        status = Dict().tag(sync=True)
        hits = Dict().tag(sync=True)
        facets = Dict().tag(sync=True)
        points = Dict().tag(sync=True)
        marks = Dict().tag(sync=True)
        cloud = Dict().tag(sync=True)

    return ExplorerWidget


class Screen:
    """One widget that is told what has changed, and nothing else.

    Parameters
    ----------
    take : callable
        Takes each message of the browser, in whichever thread it comes.
    """

    def __init__(self, state: State, take: Callable[[Mapping[str, Any]], None]) -> None:
        self._chart: Atlas | None = state.chart
        self.widget = widget_class()(**shown(state), cloud=cloud(state.chart))
        self.widget.on_msg(lambda _, content, __: take(content))

    def show(self, state: State) -> None:
        """Send the parts that changed, in one message."""
        with self.widget.hold_sync():
            for part, value in shown(state).items():
                setattr(self.widget, part, value)
            if state.chart is not self._chart:
                self._chart = state.chart
                self.widget.cloud = cloud(state.chart)


def cloud(chart: Atlas | None) -> dict[str, Any]:
    """Return a map's background as a browser takes it; empty where there is none.

    Returns
    -------
    dict
        ids, titles, libraries, library (an index each), xy (float32, little-endian,
        from left and top in turn), explained and chunks.
    """
    if chart is None:
        return {}
    return {
        "ids": list(chart.chunk_ids),
        "titles": list(chart.titles),
        "libraries": list(chart.libraries),
        "library": list(chart.library_of),
        "xy": np.ascontiguousarray(chart.places, "<f4").tobytes(),
        "explained": round(chart.explained, 3),
        "chunks": chart.chunks,
    }
