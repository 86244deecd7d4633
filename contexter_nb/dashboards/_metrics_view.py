"""What a person chose in the metrics panel, and what was read for it: pure values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from contexter_nb.core import CallRecord

if TYPE_CHECKING:
    from contexter_nb.policies import Alert, APIMetrics, TimelinePoint

WINDOWS: dict[str, float | None] = {
    "1 min": 60.0,
    "5 min": 300.0,
    "1 h": 3600.0,
    "all": None,
}
PAGE_ROWS = 10

CallKey = tuple[str, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsView:
    """What is chosen.

    Attributes
    ----------
    window : str
        One of `WINDOWS`.
    service : str or None
        This one only.
    failed_only : bool
        Whether the log leaves out what went well.
    top : (str, datetime) or None
        The first call of the page; None follows the newest.
    selected : (str, datetime) or None
        The call whose trace is shown.
    """

    window: str = "5 min"
    service: str | None = None
    failed_only: bool = False
    top: CallKey | None = None
    selected: CallKey | None = None

    @property
    def window_seconds(self) -> float | None:
        """The length of the window; None for all since the start."""
        return WINDOWS[self.window]

    def choose_window(self, window: str) -> MetricsView:
        """Look at another window."""
        return replace(self, window=window)

    def choose_service(self, service: str | None) -> MetricsView:
        """Look at one service, or all; the log begins with its newest call."""
        return replace(self, service=service, top=None)

    def choose_failed(self, failed_only: bool) -> MetricsView:
        """Leave out what went well, or not."""
        return replace(self, failed_only=failed_only, top=None)

    def select(self, page: Page, row: int) -> MetricsView:
        """Show the trace of a row and hold the page; the same row again lets go."""
        if row >= len(page.calls):
            return self
        key = key_of(page.calls[row])
        if key == self.selected:
            return replace(self, selected=None, top=self.top if page.newer else None)
        return replace(self, selected=key, top=key_of(page.calls[0]))

    def point_at(self, call: CallRecord | None) -> MetricsView:
        """Show the trace of a call, whatever was filtered out before; None of none."""
        if call is None:
            return replace(self, selected=None)
        seen = self.service in (None, call.service)
        return replace(
            self,
            selected=key_of(call),
            service=self.service if seen else None,
        )

    def older(self, page: Page) -> MetricsView:
        """Turn to the calls before this page."""
        return self if page.next_key is None else replace(self, top=page.next_key)

    def newer(self, page: Page) -> MetricsView:
        """Turn to the calls after this page; the first one follows the newest."""
        return replace(self, top=page.previous_key)

    def latest(self) -> MetricsView:
        """Follow the newest calls."""
        return replace(self, top=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some rows of the log.

    Attributes
    ----------
    calls : tuple of CallRecord
        The newest first, at most `PAGE_ROWS`.
    newer, older : int
        How many stand before and after them.
    previous_key, next_key : (str, datetime) or None
        Where the pages before and after begin; None where there are none, and for the
        first page, which follows the newest.
    """

    calls: tuple[CallRecord, ...] = ()
    newer: int = 0
    older: int = 0
    previous_key: CallKey | None = None
    next_key: CallKey | None = None


def key_of(call: CallRecord) -> CallKey:
    """Return by what a call is known."""
    return call.request_id, call.started_at


def page_of(calls: tuple[CallRecord, ...], view: MetricsView) -> Page:
    """Return the page that a view shows of some calls, the newest first.

    Where the page's first call is not kept any more, it is the oldest page.
    """
    if view.failed_only:
        calls = tuple(each for each in calls if each.outcome != "ok")
    first = 0
    if view.top is not None:
        found = (at for at, each in enumerate(calls) if key_of(each) == view.top)
        first = next(found, max(0, len(calls) - PAGE_ROWS))
    last = first + PAGE_ROWS
    before = first - PAGE_ROWS
    return Page(
        calls=calls[first:last],
        newer=first,
        older=max(0, len(calls) - last),
        previous_key=key_of(calls[before]) if before > 0 else None,
        next_key=key_of(calls[last]) if last < len(calls) else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSeen:
    """What was read, for one view.

    Attributes
    ----------
    view : MetricsView
        For which it was read.
    wall : datetime
        When.
    services : tuple of str
    summary : dict
        As of `APIMonitor.get_summary`.
    operations : tuple of APIMetrics
    timeline : tuple of TimelinePoint
    calls : tuple of CallRecord
        That are kept, the newest first.
    alerts : tuple of Alert
    limits : tuple of dict
        Rows of the frame ``limits``.
    """

    view: MetricsView
    wall: datetime
    services: tuple[str, ...]
    summary: dict[str, Any]
    operations: tuple[APIMetrics, ...]
    timeline: tuple[TimelinePoint, ...]
    calls: tuple[CallRecord, ...]
    alerts: tuple[Alert, ...]
    limits: tuple[dict[str, Any], ...]

    @property
    def page(self) -> Page:
        """The page of the log."""
        return page_of(self.calls, self.view)

    @property
    def selected(self) -> CallRecord | None:
        """The call that is selected, as long as it is kept."""
        if self.view.selected is None:
            return None
        return next(
            (each for each in self.calls if key_of(each) == self.view.selected), None
        )
