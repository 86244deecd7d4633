"""The browser's side of a judging view: an anywidget of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from contexter_nb.dashboards._explorer_widget import asset, script
from contexter_nb.dashboards._judging_shown import shown
from contexter_nb.dashboards._judging_state import Judging


@cache
def widget_class() -> Any:
    """Return the widget's class; loads anywidget and ipywidgets."""
    import anywidget
    from traitlets import Dict

    class JudgingWidget(anywidget.AnyWidget):
        """Shows the parts of a state; only its owner writes them."""

        _esm = script("judging.js")
        _css = asset("look.css") + asset("explorer.css") + asset("judging.css")
        passage = Dict().tag(sync=True)
        progress = Dict().tag(sync=True)

    return JudgingWidget


class JudgingScreen:
    """One widget that is told what has changed, and nothing else.

    Parameters
    ----------
    take : callable
        Takes each message of the browser, in whichever thread it comes.
    """

    def __init__(
        self, state: Judging, take: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self.widget = widget_class()(**shown(state))
        self.widget.on_msg(lambda _, content, __: take(content))

    def show(self, state: Judging) -> None:
        """Send the parts that changed, in one message."""
        with self.widget.hold_sync():
            for part, value in shown(state).items():
                setattr(self.widget, part, value)
