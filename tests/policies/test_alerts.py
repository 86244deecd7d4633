"""Alerts: rare, one at a time, and over when it is over."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from contexter_nb.core import (
    BreakerChange,
    BreakerState,
    ErrorCategory,
    InvalidArgumentError,
)
from contexter_nb.policies._alerts import Alert, AlertRule
from contexter_nb.policies._monitor import APIMonitor
from tests.loops import EPOCH, FakeClock
from tests.policies.calls import cached, cancelled, failed, ok


def watched(**options: Any) -> tuple[APIMonitor, FakeClock]:
    """Return a monitor and the clock it looks at."""
    clock = FakeClock()
    return APIMonitor(clock=clock, **options), clock


def kinds(alerts: tuple[Alert, ...]) -> list[tuple[str, str]]:
    """Return service and kind of each alert."""
    return sorted((each.service, each.kind) for each in alerts)


def change(before: BreakerState, after: BreakerState, host: str = "a") -> BreakerChange:
    """Return a change of a breaker of one service."""
    return BreakerChange(
        service="voyage", host=host, before=before, after=after, at=EPOCH
    )


def test_a_thousand_perfect_calls_raise_nothing() -> None:
    """Calls that no cache answers are no misses, and success is no reason to alert."""
    monitor, clock = watched()
    for _ in range(1_000):
        clock.instant += 0.1
        monitor.record(ok())
    assert monitor.alerts() == ()


def test_the_first_failure_raises_nothing() -> None:
    """One failure of one call is an error rate of 1, and yet no reason to alert."""
    monitor, clock = watched()
    monitor.record(failed())
    assert monitor.alerts() == ()
    for _ in range(19):
        clock.instant += 1
        monitor.record(ok())
    assert monitor.alerts() == ()


def test_many_failures_raise_one_alert() -> None:
    """A hundred failures are one open alert, with its value and the day it opened."""
    monitor, clock = watched()
    for _ in range(100):
        clock.instant += 1
        monitor.record(failed())
    (alert,) = monitor.alerts()
    assert (alert.service, alert.kind) == ("voyage", "error_rate")
    assert alert.value == 1.0
    assert alert.closed_at is None
    assert alert.opened_at == EPOCH + timedelta(seconds=20)
    assert "voyage" in alert.message


def test_what_is_not_there_raises_nothing() -> None:
    """A 404 says that a service is well, and answers; it still counts as an error."""
    monitor, clock = watched()
    for _ in range(100):
        clock.instant += 1
        monitor.record(failed(category=ErrorCategory.NOT_FOUND))
    assert monitor.alerts() == ()
    assert sum(each.errors for each in monitor.get_metrics()) == 100


def test_each_service_has_its_own_alert() -> None:
    """A service that works does not hide one that fails."""
    monitor, clock = watched()
    for _ in range(100):
        clock.instant += 0.1
        monitor.record(ok(service="qdrant"))
        monitor.record(failed(service="context7"))
        monitor.record(failed(service="voyage"))
    assert kinds(monitor.get_active_alerts()) == [
        ("context7", "error_rate"),
        ("voyage", "error_rate"),
    ]


def test_an_alert_ends_by_itself_without_another_call() -> None:
    """Once the failures have left the window, a look finds it over, and since when."""
    monitor, clock = watched()
    for _ in range(30):
        clock.instant += 1
        monitor.record(failed())
    assert len(monitor.get_active_alerts()) == 1
    clock.instant += 86_400
    assert monitor.get_active_alerts() == ()
    (alert,) = monitor.alerts()
    assert alert.closed_at == EPOCH + timedelta(seconds=30 + 300)


def test_an_alert_ends_when_the_service_recovers() -> None:
    """Enough successes bring the rate below the closing threshold."""
    monitor, clock = watched()
    for _ in range(20):
        monitor.record(failed())
    assert len(monitor.get_active_alerts()) == 1
    for _ in range(300):
        monitor.record(ok())
    assert len(monitor.get_active_alerts()) == 1  # 20 of 320 are above 5 %
    for _ in range(100):
        monitor.record(ok())
    assert monitor.get_active_alerts() == ()
    assert monitor.alerts()[0].value == pytest.approx(20 / 420)


def test_a_rate_that_wavers_about_the_threshold_is_one_alert() -> None:
    """Between the two thresholds nothing opens and nothing closes."""
    monitor, clock = watched()
    for at in range(2_000):
        clock.instant += 0.2
        rate = 0.12 if at // 100 % 2 == 0 else 0.08
        monitor.record(failed() if at % 100 < 100 * rate else ok())
        monitor.get_active_alerts()
    assert len(monitor.alerts()) == 1


def test_cancelled_calls_raise_nothing() -> None:
    """Whoever gives up a hundred calls has not met a hundred errors."""
    monitor, clock = watched()
    for _ in range(100):
        clock.instant += 1
        monitor.record(cancelled())
    assert monitor.alerts() == ()


def test_a_slow_network_raises_an_alert_and_a_long_wait_does_not() -> None:
    """Waiting for one's own rate limit is not the service's latency."""
    monitor, clock = watched()
    for _ in range(50):
        clock.instant += 1
        monitor.record(ok(60.0, network_seconds=0.3, service="patient"))
        monitor.record(ok(12.0, service="slow"))
    assert kinds(monitor.get_active_alerts()) == [("slow", "latency")]
    assert monitor.get_active_alerts()[0].value == pytest.approx(12.0)


def test_rate_limits_met_raise_an_alert() -> None:
    """A call that was answered 429 and one refused here both count."""
    monitor, clock = watched()
    refused = failed("RateLimitExceededError", ErrorCategory.RATE_LIMIT, None)
    for _ in range(10):
        clock.instant += 1
        monitor.record(failed("RateLimitedError", ErrorCategory.RATE_LIMIT, 429))
        monitor.record(refused)
    assert ("voyage", "rate_limited") in kinds(monitor.get_active_alerts())
    assert monitor.get_metrics()[0].limited == 20


def test_a_cache_that_stops_answering_raises_an_alert() -> None:
    """Only lookups count, and two hundred of them are wanted."""
    monitor, clock = watched()
    monitor.record(cached())
    for _ in range(198):
        monitor.record(ok())
    assert monitor.get_active_alerts() == ()
    monitor.record(ok())
    assert kinds(monitor.get_active_alerts()) == [("voyage", "cache_hit_rate")]
    for _ in range(100):
        monitor.record(cached())
    assert monitor.get_active_alerts() == ()


def test_an_open_breaker_is_an_alert_until_it_is_closed() -> None:
    """Half-open, it is on probation: the alert stays, and no second one is made."""
    monitor, clock = watched()
    monitor.breaker_changed(change("closed", "open"))
    assert kinds(monitor.get_active_alerts()) == [("voyage", "breaker_open")]
    clock.instant += 30
    monitor.breaker_changed(change("open", "half_open"))
    clock.instant += 1
    monitor.breaker_changed(change("half_open", "open"))
    assert len(monitor.alerts()) == 1
    clock.instant += 60
    monitor.breaker_changed(change("half_open", "closed"))
    (alert,) = monitor.alerts()
    assert alert.closed_at == alert.opened_at + timedelta(seconds=91)
    assert alert.message == (
        "voyage: a circuit breaker was open for 91 s; calls were refused."
    )


def test_one_closed_breaker_does_not_hide_an_open_one() -> None:
    """The alert of a service lasts while any of its hosts is refused."""
    monitor, _ = watched()
    monitor.breaker_changed(change("closed", "open", "a"))
    monitor.breaker_changed(change("half_open", "closed", "b"))
    assert len(monitor.get_active_alerts()) == 1


def test_the_last_word_of_a_breaker_gets_old() -> None:
    """A breaker of a client long gone raises no alert for ever."""
    monitor, clock = watched()
    monitor.breaker_changed(change("closed", "open"))
    clock.instant += 601
    assert monitor.get_active_alerts() == ()
    assert [each.after for each in monitor.breakers()] == ["open"]


def test_a_wall_clock_set_back_makes_no_alert_end_before_it_began() -> None:
    """How long an alert lasted is measured by the monotonic clock."""
    monitor, clock = watched()
    for _ in range(30):
        monitor.record(failed())
    monitor.get_active_alerts()
    clock.wall_step_seconds = -7_200
    clock.instant += 400
    (alert,) = monitor.alerts()
    assert alert.closed_at is not None
    assert alert.closed_at - alert.opened_at == timedelta(seconds=300)


def test_the_history_is_bounded() -> None:
    """Thousands of alerts in a year leave the latest two hundred."""
    monitor, clock = watched()
    for _ in range(500):
        for _ in range(20):
            monitor.record(failed())
        monitor.get_active_alerts()
        clock.instant += 1_000
        monitor.get_active_alerts()
    assert len(monitor.alerts()) == 200


def test_an_alert_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Who reads nothing but the log sees it there, one line."""
    monitor, clock = watched()
    with caplog.at_level(logging.WARNING):
        for _ in range(100):
            clock.instant += 1
            monitor.record(failed())
    assert len(caplog.records) == 1
    assert "failed" in caplog.text


def test_a_look_merges_no_closed_slot_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks within one slot cost no more when the window behind it is long."""
    from contexter_nb.policies import _alert_watch

    merged: list[int] = []
    real = _alert_watch._by_service
    monkeypatch.setattr(
        _alert_watch,
        "_by_service",
        lambda slots, cached: merged.append(len(slots)) or real(slots, cached),
    )
    monitor, clock = watched()
    for _ in range(30):
        clock.instant += 10
        monitor.record(ok())
    merged.clear()
    for _ in range(5):
        monitor.get_active_alerts()
    assert max(merged) == 1


@pytest.mark.parametrize(
    ("kind", "open_at", "close_at", "window_seconds"),
    [
        ("error_rate", 0.1, 0.1, 300),
        ("error_rate", 0.1, 0.2, 300),
        ("cache_hit_rate", 0.2, 0.1, 300),
        ("cache_hit_rate", 0.2, 0.2, 300),
        ("error_rate", 0.2, 0.1, 601),
        ("error_rate", 0.2, 0.1, 0),
    ],
)
def test_a_rule_that_would_waver_is_refused(
    kind: Any, open_at: float, close_at: float, window_seconds: float
) -> None:
    """A rule closes at a better value than it opens at, on a window that is kept."""
    with pytest.raises(InvalidArgumentError):
        AlertRule(
            kind=kind,
            open_at=open_at,
            close_at=close_at,
            window_seconds=window_seconds,
        )


def test_two_rules_of_one_kind_are_refused() -> None:
    """One open alert a service and kind wants one rule a kind."""
    rule = AlertRule(kind="latency", open_at=2.0, close_at=1.0)
    with pytest.raises(InvalidArgumentError, match="one kind"):
        APIMonitor(alert_rules=[rule, rule])


def test_own_rules_replace_the_default_ones() -> None:
    """Whoever gives rules gets those only."""
    rule = AlertRule(kind="latency", open_at=2.0, close_at=1.0, min_volume=1)
    monitor, _ = watched(alert_rules=[rule])
    for _ in range(50):
        monitor.record(failed())
    monitor.record(ok(3.0))
    for _ in range(3):
        monitor.record(ok(3.0))
    assert kinds(monitor.get_active_alerts()) == [("voyage", "latency")]
