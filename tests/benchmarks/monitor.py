"""What recording a call costs, and how much memory it takes, next to other ways."""

from __future__ import annotations

import gc
import random
import sys
import time
import types
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from contexter_nb.core import Attempt, CallRecord, SystemClock, Trace, Usage
from contexter_nb.policies._monitor import APIMonitor

SIZES = (1_000, 100_000, 1_000_000)
SLOW_AT_MOST = 30_000  # of the ways that sort at each call
DISTINCT = 512

Record = Callable[[CallRecord], object]


def rows(folder: Path) -> Iterator[str]:
    """Yield a Markdown table: microseconds a call, kilobytes held, by calls recorded.

    Parameters
    ----------
    folder : Path
        Not used: nothing is written.
    """
    calls = sample()
    yield (
        "| recording a call | 1k, us | 100k, us | 1M, us | 1k, kB | 100k, kB | 1M, kB "
        "| us / ours at 100k |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    ours = 0.0
    for name, make, most in ways():
        costs: list[float | None] = []
        held: list[float | None] = []
        for size in SIZES:
            record, keeper = make()
            measured = min(size, most)
            cost = cost_us(record, calls, measured)
            costs.append(cost if size < 10 * measured else None)
            held.append(held_bytes(keeper) / 1024 if measured == size else None)
        at_100k = costs[1] or 0.0
        ours = ours or at_100k
        figures = " | ".join(
            [
                *("-" if each is None else f"{each:.2f}" for each in costs),
                *("-" if each is None else f"{each:,.0f}" for each in held),
            ]
        )
        yield f"| {name} | {figures} | {at_100k / ours:.2f} |"
    yield from reading(calls)


def reading(calls: list[CallRecord]) -> Iterator[str]:
    """Yield what our answers cost after a hundred thousand calls in five minutes."""

    class Stepping(SystemClock):
        instant = 1_000.0

        def now(self) -> float:
            return self.instant

    clock = Stepping()
    monitor = APIMonitor(clock=clock, telemetry=False)
    for at in range(100_000):
        clock.instant += 0.003
        monitor.record(calls[at % DISTINCT])
    yield ""
    yield "| reading, 100k calls in 5 min, 5 operations | ms |"
    yield "|---|---|"
    asked: dict[str, Callable[[], object]] = {
        "get_metrics, 5 min": monitor.get_metrics,
        "get_metrics, since the start": lambda: monitor.get_metrics(
            window_seconds=None
        ),
        "get_summary, 5 min": monitor.get_summary,
        "timeline, 30 buckets": monitor.timeline,
        "get_active_alerts": monitor.get_active_alerts,
        "prometheus_text": monitor.prometheus_text,
    }
    for name, ask in asked.items():
        times = []
        for _ in range(20):
            started = time.perf_counter()
            ask()
            times.append(time.perf_counter() - started)
        yield f"| {name} | {sorted(times)[10] * 1000:.2f} |"


def sample() -> list[CallRecord]:
    """Return calls of five operations, their times spread as those of a service."""
    chance = random.Random(7)
    found = []
    for at in range(DISTINCT):
        seconds = chance.lognormvariate(-1.5, 0.6)
        attempt = Attempt(
            number=1,
            started_seconds=0.0,
            network_seconds=seconds,
            status_code=200,
            request_bytes=2_000,
            response_bytes=9_000,
        )
        found.append(
            CallRecord(
                service="voyage",
                operation=f"operation{at % 5}",
                method="POST",
                host="api.voyageai.com",
                request_id=str(at),
                started_at=SystemClock().wall(),
                outcome="ok",
                status_code=200,
                trace=Trace(attempts=(attempt,), total_seconds=seconds * 1.01),
                usage=Usage(500, 0.00001),
            )
        )
    return found


def cost_us(record: Record, calls: list[CallRecord], many: int) -> float:
    """Return microseconds a call, the loop itself taken off."""

    def loop(work: Record) -> float:
        whole, rest = divmod(many, DISTINCT)
        started = time.perf_counter()
        for _ in range(whole):
            for call in calls:
                work(call)
        for call in calls[:rest]:
            work(call)
        return time.perf_counter() - started

    record(replace(calls[0]))
    return (loop(record) - loop(lambda call: None)) / many * 1e6


def held_bytes(root: object) -> int:
    """Return the size of an object and of all that it refers to but code."""
    code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
    seen: set[int] = set()
    waiting, found = [root], 0
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, code):
            continue
        seen.add(id(each))
        found += sys.getsizeof(each)
        waiting += gc.get_referents(each)
    return found


def ways() -> Iterator[tuple[str, Callable[[], tuple[Record, object]], int]]:
    """Yield each way's name, its maker (record, what it holds), its largest run."""
    most = max(SIZES)
    yield "**ours**: windows, totals, alerts, log, Prometheus", _ours, most
    yield "a list of all durations, sorted when read", _list, most
    yield "deque of 1,000, sorted and summed up at each call", _sorting, SLOW_AT_MOST
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        yield "prometheus_client is not installed", _nothing, 1_000
    else:
        yield "prometheus_client: 1 histogram, 2 counters", _prometheus, 100_000
    try:
        import opentelemetry.sdk.metrics  # noqa: F401
    except ImportError:
        yield "opentelemetry-sdk is not installed", _nothing, 1_000
    else:
        yield "OpenTelemetry SDK: 1 histogram, 2 counters", _opentelemetry, 100_000
        yield "ours, telling the OpenTelemetry SDK, too", _ours_telling, 100_000


def _nothing() -> tuple[Record, object]:
    return (lambda call: None), None


def _ours() -> tuple[Record, object]:
    monitor = APIMonitor()
    return monitor.record, monitor


def _list() -> tuple[Record, object]:
    durations: dict[tuple[str, str], list[float]] = {}

    def record(call: CallRecord) -> None:
        named = call.service, call.operation
        durations.setdefault(named, []).append(call.trace.total_seconds)

    return record, durations


def _sorting() -> tuple[Record, object]:
    latest: deque[float] = deque(maxlen=1_000)
    summary: dict[str, float] = {}

    def record(call: CallRecord) -> None:
        latest.append(call.trace.total_seconds)
        ordered = sorted(latest)
        for share in (0.5, 0.95, 0.99):
            summary[str(share)] = ordered[int(len(ordered) * share)]
        summary["mean"] = sum(ordered) / len(ordered)

    return record, (latest, summary)


def _prometheus() -> tuple[Record, object]:
    import prometheus_client as prometheus

    registry = prometheus.CollectorRegistry()
    labels = ["service", "operation", "status"]
    times = prometheus.Histogram("t", "t", labels, registry=registry)
    count = prometheus.Counter("c", "c", labels, registry=registry)
    tokens = prometheus.Counter("k", "k", labels, registry=registry)

    def record(call: CallRecord) -> None:
        named = call.service, call.operation, str(call.status_code)
        times.labels(*named).observe(call.trace.total_seconds)
        count.labels(*named).inc()
        tokens.labels(*named).inc(call.usage.tokens)

    return record, registry


def _opentelemetry() -> tuple[Record, object]:
    provider = _provider()
    meter = provider.get_meter("benchmark")
    times = meter.create_histogram("t")
    count = meter.create_counter("c")
    tokens = meter.create_counter("k")

    def record(call: CallRecord) -> None:
        named = {"service": call.service, "operation": call.operation}
        times.record(call.trace.total_seconds, named)
        count.add(1, named)
        tokens.add(call.usage.tokens, named)

    return record, provider


def _ours_telling() -> tuple[Record, object]:
    from contexter_nb.policies._telemetry import Telemetry

    monitor = APIMonitor(telemetry=False)
    monitor._telemetry = Telemetry(_provider())
    return monitor.record, monitor


def _provider() -> Any:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    return MeterProvider(metric_readers=[InMemoryMetricReader()])
