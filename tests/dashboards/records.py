"""Calls and what is read of them, for the tests of panels."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from contexter_nb.core import Attempt, CallRecord, ErrorCategory, Trace, Usage
from contexter_nb.dashboards._metrics_view import MetricsSeen, MetricsView
from contexter_nb.policies import APIMonitor
from tests.loops import EPOCH, FakeClock

HOSTILE = "<img src=x onerror=alert(1)>\"'</table><script>alert(2)</script>\x1b\u202e"


def call(number: int = 0, **changes: Any) -> CallRecord:
    """Return a call that went well; `number` sets id and time apart."""
    attempt = Attempt(
        number=1,
        started_seconds=0.0,
        network_seconds=0.2,
        status_code=200,
        request_bytes=100,
        response_bytes=2048,
    )
    made = CallRecord(
        service="voyage",
        operation="embeddings",
        method="POST",
        host="api.voyageai.com",
        request_id=f"id-{number}",
        started_at=EPOCH + timedelta(seconds=number),
        outcome="ok",
        status_code=200,
        trace=Trace(attempts=(attempt,), total_seconds=0.25),
        usage=Usage(1_200, 0.0024),
    )
    return replace(made, **changes)


def failure(number: int = 0, **changes: Any) -> CallRecord:
    """Return a call that failed after two attempts."""
    refused = Attempt(
        number=1,
        started_seconds=0.0,
        limiter_wait_seconds=0.5,
        network_seconds=0.1,
        status_code=503,
        error_type="ServerError",
        backoff_seconds=1.5,
    )
    trace = Trace(
        attempts=(refused, replace(refused, number=2, started_seconds=2.1)),
        total_seconds=4.2,
    )
    return call(
        number,
        **{
            "outcome": "error",
            "status_code": 503,
            "error_type": "ServerError",
            "category": ErrorCategory.SERVER_ERROR,
            "trace": trace,
            "usage": Usage(),
            **changes,
        },
    )


def seen(
    *calls: CallRecord, view: MetricsView | None = None, **changes: Any
) -> MetricsSeen:
    """Return what a panel reads after some calls, the oldest first."""
    clock = FakeClock()
    monitor = APIMonitor(clock=clock, telemetry=False)
    for each in calls:
        monitor.record(each)
    clock.instant += 1.0
    view = view or MetricsView()
    window = view.window_seconds
    found = MetricsSeen(
        view=view,
        wall=clock.wall(),
        services=tuple(sorted({each.service for each in calls})),
        summary=monitor.get_summary(window, service=view.service),
        operations=monitor.get_metrics(window_seconds=window, service=view.service),
        timeline=monitor.timeline(
            window_seconds=window or 3600.0, service=view.service
        ),
        calls=monitor.requests(service=view.service),
        alerts=monitor.alerts(),
        limits=(),
    )
    return replace(found, **changes)


def limit(**changes: Any) -> dict[str, Any]:
    """Return a row of the frame ``limits``."""
    return {
        "service": "voyage",
        "kind": "requests",
        "key": None,
        "model": None,
        "state": "free",
        "limit_per_minute": 600.0,
        "burst": 20.0,
        "available": 12.4,
        "waiting": 0,
        "waited_seconds": 1.5,
        "granted": 42,
        "refused": 1,
        "paused_seconds": 0.0,
        "store": "not shared",
        **changes,
    }


def tier(**changes: Any) -> dict[str, Any]:
    """Return a row of the frame ``cache_stats``."""
    return {
        "cache": "answers",
        "tier": "memory",
        "lookups": 6,
        "hits": 4,
        "misses": 2,
        "stale": 0,
        "coalesced": 1,
        "evictions": 0,
        "errors": 0,
        "entries": 3,
        "stored_bytes": 2048,
        "budget_bytes": 64 * 1024**2,
        "saved_seconds": 1.25,
        "saved_tokens": 900,
        "saved_usd": 0.0018,
        **changes,
    }
