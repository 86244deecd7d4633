"""What the dashboards read of a session."""

from __future__ import annotations

from pathlib import Path

import pytest

import contexter_nb as cx
from contexter_nb.notebook._feed import Feed, chart_seconds
from contexter_nb.policies import APIMonitor


@pytest.mark.parametrize(
    ("window_seconds", "observed_seconds", "shown_seconds"),
    [
        (60.0, 0.0, 60.0),
        (300.0, 0.0, 60.0),
        (300.0, 61.0, 120.0),
        (300.0, 5_000.0, 300.0),
        (3600.0, 90.0, 120.0),
        (None, 90.0, 120.0),
        (None, 601.0, 1200.0),
        (None, 1e6, 3600.0),
    ],
)
def test_a_chart_shows_no_more_time_than_there_was(
    window_seconds: float | None, observed_seconds: float, shown_seconds: float
) -> None:
    """In steps, at least a minute, and never more than was asked for."""
    assert chart_seconds(window_seconds, observed_seconds) == shown_seconds


def test_the_chart_of_a_session_just_opened_is_of_a_minute(tmp_path: Path) -> None:
    """Its calls are not squeezed into the last sixtieth of an hour."""
    monitor = APIMonitor(telemetry=False)
    with cx.connect(home=tmp_path) as nb:
        feed = Feed(nb.aio._verbs)
        feed._verbs.monitor = monitor
        for window_seconds in (300.0, None):
            points = feed.timeline(window_seconds, None)
            spans = points[-1].started_at - points[0].started_at
            assert 0 < spans.total_seconds() <= 60
