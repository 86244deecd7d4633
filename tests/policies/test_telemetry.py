"""What OpenTelemetry is told, and that it costs nothing where it is not set up."""

from __future__ import annotations

import subprocess
import sys
import types
from dataclasses import replace
from typing import Any

import pytest

from contexter_nb.core import Attempt, Trace, Usage
from contexter_nb.policies import _telemetry
from contexter_nb.policies._monitor import APIMonitor
from contexter_nb.policies._prometheus import DURATION_BOUNDS_SECONDS
from tests.loops import FakeClock
from tests.policies.calls import OK, cached, cancelled, failed, ok

sdk = pytest.importorskip("opentelemetry.sdk.metrics")
export = pytest.importorskip("opentelemetry.sdk.metrics.export")


class Collected:
    """A meter provider of the SDK and what was recorded with it."""

    def __init__(self) -> None:
        self.reader = export.InMemoryMetricReader()
        self.provider = sdk.MeterProvider(metric_readers=[self.reader])

    def points(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Return what a program that has set up the SDK collects."""
    found = Collected()
    monkeypatch.setattr(_telemetry, "configured_provider", lambda: found.provider)
    monkeypatch.setattr(
        "contexter_nb.policies._monitor.configured_provider", lambda: found.provider
    )
    yield found
    found.provider.shutdown()


def test_requests_are_told_by_their_standard_name(collected: Collected) -> None:
    """Each attempt on the wire has its duration, method, host, port and status."""
    attempts = (
        Attempt(
            number=1,
            started_seconds=0.0,
            network_seconds=0.3,
            status_code=503,
            error_type="ServerError",
        ),
        Attempt(number=2, started_seconds=0.4, network_seconds=0.1, status_code=200),
    )
    monitor = APIMonitor(clock=FakeClock())
    monitor.record(
        replace(OK, host="localhost:8080", trace=replace(OK.trace, attempts=attempts))
    )
    points = collected.points()["http.client.request.duration"]
    told = {each.attributes["http.response.status_code"]: each for each in points}
    assert told[200].sum == pytest.approx(0.1)
    assert dict(told[503].attributes) == {
        "http.request.method": "POST",
        "server.address": "localhost",
        "server.port": 8080,
        "http.response.status_code": 503,
        "error.type": "503",
    }
    assert told[200].explicit_bounds == DURATION_BOUNDS_SECONDS


def test_calls_waits_hits_and_tokens_are_told(collected: Collected) -> None:
    """What only we know of has names of our own."""
    waited = replace(OK.trace.attempts[0], limiter_wait_seconds=2.5)
    trace = Trace(attempts=(waited, waited), total_seconds=6.0)
    monitor = APIMonitor(clock=FakeClock())
    monitor.record(ok(trace=trace, usage=Usage(70, 0.1)))
    monitor.record(cached("redis"))
    monitor.record(failed())
    monitor.record(cancelled())
    points = collected.points()
    values = {
        name: sum(each.value for each in points[f"contexter_nb.{name}"])
        for name in ("retry.attempts", "limiter.wait", "cache.hits", "tokens")
    }
    assert values == {
        "retry.attempts": 1,
        "limiter.wait": 5.0,
        "cache.hits": 1,
        "tokens": 70,
    }
    (hit,) = points["contexter_nb.cache.hits"]
    assert hit.attributes["contexter_nb.cache.tier"] == "redis"
    outcomes = {
        each.attributes["contexter_nb.outcome"]: each.count
        for each in points["contexter_nb.call.duration"]
    }
    assert outcomes == {"ok": 2, "error": 1, "cancelled": 1}


def test_a_provider_set_up_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked for once a second: the order of set-up and first call does not matter."""
    found = Collected()
    current: list[Any] = [None]
    monkeypatch.setattr(
        "contexter_nb.policies._monitor.configured_provider", lambda: current[0]
    )
    clock = FakeClock()
    monitor = APIMonitor(clock=clock)
    monitor.record(ok())
    current[0] = found.provider
    monitor.record(ok())
    clock.instant += 1.5
    monitor.record(ok())
    (point,) = found.points()["contexter_nb.call.duration"]
    assert point.count == 1
    found.provider.shutdown()


def test_telemetry_switched_off_is_told_nothing(collected: Collected) -> None:
    """Whoever does not want it says so."""
    APIMonitor(clock=FakeClock(), telemetry=False).record(ok())
    assert collected.points() == {}


def test_requests_that_another_counts_are_not_told_twice(
    collected: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an instrumented httpx tells of requests by that name, we tell of calls."""
    name = "opentelemetry.instrumentation.httpx"
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "database, http")
    APIMonitor(clock=FakeClock()).record(ok())
    assert set(collected.points()) == {"contexter_nb.call.duration"}


def test_telemetry_that_fails_breaks_no_call(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is given up with one line in the log, and the call is counted."""

    class Broken:
        def get_meter(self, name: str) -> Any:
            raise RuntimeError("no meter")

    monkeypatch.setattr(
        "contexter_nb.policies._monitor.configured_provider", lambda: Broken()
    )
    clock = FakeClock()
    monitor = APIMonitor(clock=clock)
    for _ in range(5):
        clock.instant += 2
        monitor.record(ok())
    assert monitor.get_metrics()[0].calls == 5
    assert len(caplog.records) == 1


def test_an_instrument_that_fails_breaks_no_call(
    collected: Collected, caplog: pytest.LogCaptureFixture
) -> None:
    """What fails later, at a call, is given up in the same way."""
    monitor = APIMonitor(clock=FakeClock())
    monitor.record(ok())
    assert monitor._telemetry is not None
    monitor._telemetry._calls = None
    monitor.record(ok())
    monitor.record(ok())
    assert monitor.get_metrics()[0].calls == 3
    assert len(caplog.records) == 1


def test_nothing_is_imported_and_a_provider_set_for_real_is_seen() -> None:
    """A call imports no OpenTelemetry; a program that sets it up is served by it."""
    script = """
import sys
from contexter_nb.policies._monitor import APIMonitor
from contexter_nb.policies._telemetry import configured_provider
from tests.loops import FakeClock
from tests.policies.calls import ok
clock = FakeClock()
monitor = APIMonitor(clock=clock)
monitor.record(ok())
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
from opentelemetry import metrics
assert configured_provider() is None
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
reader = InMemoryMetricReader()
provider = MeterProvider(metric_readers=[reader])
metrics.set_meter_provider(provider)
assert configured_provider() is provider
clock.instant += 2
monitor.record(ok())
names = [
    metric.name
    for metric in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
]
assert "http.client.request.duration" in names, names
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
