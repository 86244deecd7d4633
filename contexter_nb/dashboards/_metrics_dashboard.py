"""The metrics panel: widgets that show what the pure parts make."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from contexter_nb.core import CallRecord, InvalidArgumentError
from contexter_nb.dashboards import _metrics_html as drawn
from contexter_nb.dashboards._markup import heading
from contexter_nb.dashboards._metrics_view import (
    PAGE_ROWS,
    WINDOWS,
    MetricsSeen,
    MetricsView,
    Page,
)
from contexter_nb.dashboards._panel import Panel
from contexter_nb.dashboards._refresher import Reading
from contexter_nb.dashboards._requests_html import log_html, log_note, trace_html
from contexter_nb.notebook import Feed

ALL_SERVICES = "all services"


class MetricsDashboard(Panel):
    """What the API core does, live: calls, errors, waits, cost, and every request.

    Made by ``nb.metrics_dashboard()``; shows itself as the last line of a cell. It
    refreshes once a second while it is shown, whatever the kernel is busy with.

    Parameters
    ----------
    feed : Feed
        The session's.

    Raises
    ------
    InvalidArgumentError
        ipywidgets is not installed.
    SessionClosedError
        The session is closed.

    Examples
    --------
    >>> import contexter_nb as cx
    >>> with cx.connect() as nb:
    ...     panel = nb.metrics_dashboard()
    ...     panel.close()
    >>> panel.closed
    True
    """

    title = "API metrics"
    verb = "metrics_dashboard"

    def __init__(self, feed: Feed) -> None:
        self._page = Page()
        super().__init__(feed, MetricsView())

    @property
    def selected(self) -> CallRecord | None:
        """The call whose trace is shown; None where none is."""
        seen: MetricsSeen | None = self._seen
        return None if seen is None else seen.selected

    def select(self, request_id: str | None) -> None:
        """Show the trace of a call, as a click on its row does.

        Parameters
        ----------
        request_id : str or None
            As in ``nb.requests()``; None shows none.

        Raises
        ------
        InvalidArgumentError
            The call is not kept, or not any more.
        """
        if request_id is None:
            self._choose(lambda view: view.point_at(None))
            return
        kept = self._feed.requests(None)
        call = next((each for each in kept if each.request_id == request_id), None)
        if call is None:
            raise InvalidArgumentError(
                f"No call {request_id!r} is kept; nb.requests() lists those that are."
            )
        self._choose(lambda view: view.point_at(call))

    def _parts(self) -> Iterable[Any]:
        widgets = self._widgets
        self._window = widgets.ToggleButtons(
            options=list(WINDOWS),
            value=self._view.window,
            tooltips=["the last minute", "the last five minutes", "the last hour"]
            + ["since the kernel began"],
        )
        self._window.style.button_width = "58px"
        self._window.observe(self._guarded(self._choose_window), "value")
        self._service = widgets.Dropdown(
            options=[(ALL_SERVICES, "")], value="", description="Service"
        )
        self._service.observe(self._guarded(self._choose_service), "value")
        self._failed = widgets.ToggleButton(
            value=False, description="Failed only", tooltip="Leave out what went well"
        )
        self._failed.observe(self._guarded(self._choose_failed), "value")
        self._verdict = self._html("")
        self._totals = self._html("")
        self._charts = self._html("")
        self._operations = self._html("")
        self._limits = self._html("")
        self._alerts = self._html("")
        self._note = self._html("", "cx-grow")
        self._log = self._html("", "cx-log-table")
        self._trace = self._html("")
        title = self._html(f'<h3 class="cx-title">{self.title}</h3>')
        return (
            self._row(
                title,
                self._status,
                self._service,
                self._window,
                self._pause_button,
                kind="cx-top",
            ),
            self._verdict,
            self._totals,
            self._charts,
            self._operations,
            self._row(self._limits, self._alerts, kind="cx-pair"),
            self._row(self._note, self._failed, *self._turners(), kind="cx-log-bar"),
            self._logged(),
            self._trace,
        )

    def _turners(self) -> Iterable[Any]:
        self._latest, self._newer, self._older = made = [
            self._widgets.Button(description=name, tooltip=hint)
            for name, hint in (
                ("Latest", "Follow the newest calls"),
                ("Newer", "The calls after these"),
                ("Older", "The calls before these"),
            )
        ]
        for button, turn in zip(
            made, (self._turn_latest, self._turn_newer, self._turn_older), strict=True
        ):
            button.on_click(self._guarded(turn))
        return made

    def _logged(self) -> Any:
        """Return the log, a button lying over each of its rows.

        Buttons that stay where they are keep focus and place while the rows change.
        """
        self._rows = []
        for at in range(PAGE_ROWS):
            button = self._widgets.Button(
                description=f"Trace of call {at + 1} of this page", disabled=True
            )
            button.on_click(self._guarded(functools.partial(self._select, at)))
            self._rows.append(button)
        over = self._widgets.VBox(self._rows)
        over.add_class("cx-over")
        both = self._widgets.Box([self._log, over])
        both.add_class("cx-log")
        return both

    async def _read(self, reading: Reading) -> MetricsSeen:
        feed = self._feed
        view: MetricsView = self._view
        window, service = view.window_seconds, view.service
        return MetricsSeen(
            view=view,
            wall=feed.clock.wall(),
            services=tuple(reading.once(feed.services)),
            summary=reading.once(feed.summary, window, service),
            operations=reading.once(feed.metrics, window, service),
            timeline=reading.once(feed.timeline, window, service),
            calls=reading.once(feed.requests, service),
            alerts=reading.once(feed.alerts),
            limits=tuple(reading.once(feed.limits)),
        )

    def _look_back(self, seen: MetricsSeen) -> MetricsSeen:
        # Pages and traces of what was read can still be looked at; for another window
        # or service it would have to be read anew.
        was = seen.view
        view = replace(self._view, window=was.window, service=was.service)
        return replace(seen, view=view)

    def _draw(self) -> None:
        seen: MetricsSeen = self._seen
        page = self._page = seen.page
        self._verdict.value = drawn.verdict_html(seen)
        self._totals.value = drawn.tiles_html(seen)
        self._charts.value = drawn.charts_html(seen)
        self._operations.value = drawn.operations_html(seen)
        self._limits.value = drawn.limits_html(seen)
        self._alerts.value = drawn.alerts_html(seen)
        self._note.value = heading("Requests", log_note(seen))
        self._log.value = log_html(seen)
        self._trace.value = trace_html(seen)
        for at, button in enumerate(self._rows):
            button.disabled = at >= len(page.calls)
        self._window.disabled = self._service.disabled = self._feed.closed
        self._latest.disabled = seen.view.top is None
        self._newer.disabled = page.newer == 0
        self._older.disabled = page.older == 0
        self._offer(drawn.choices(seen))

    def _offer(self, services: Iterable[str]) -> None:
        options = [(ALL_SERVICES, ""), *((each, each) for each in services)]
        if list(self._service.options) != options:
            chosen = self._service.value
            # Setting options chooses the first of them for a moment.
            with self._service.hold_trait_notifications():
                self._service.options = options
                self._service.value = chosen

    def _column_style(self) -> str:
        return drawn.style()

    def _picture(self) -> str:
        return drawn.picture(self._seen)

    def _text(self) -> str:
        return drawn.text(self._seen)

    def _choose_window(self, event: Any) -> None:
        self._choose(lambda view: view.choose_window(event["new"]))

    def _choose_service(self, event: Any) -> None:
        self._choose(lambda view: view.choose_service(event["new"] or None))

    def _choose_failed(self, event: Any) -> None:
        self._choose(lambda view: view.choose_failed(event["new"]))

    def _turn_latest(self, event: Any) -> None:
        self._choose(lambda view: view.latest())

    def _turn_newer(self, event: Any) -> None:
        page = self._page
        self._choose(lambda view: view.newer(page))

    def _turn_older(self, event: Any) -> None:
        page = self._page
        self._choose(lambda view: view.older(page))

    def _select(self, row: int, event: Any) -> None:
        page = self._page
        self._choose(lambda view: view.select(page, row))
