"""What a beat of the panels costs after a million calls, and what it sends."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from contexter_nb.bridge import run
from contexter_nb.core import SystemClock
from contexter_nb.dashboards._metrics_view import WINDOWS
from contexter_nb.dashboards._refresher import Reading
from contexter_nb.policies import APIMonitor
from tests.benchmarks.monitor import DISTINCT, sample

CALLS = 1_000_000
SERVICES = 4
BEATS = 40
CALLS_A_BEAT = 20


class Stepping(SystemClock):
    """A monotonic clock that is moved by hand."""

    instant = 1_000.0

    def now(self) -> float:
        return self.instant


def rows(folder: Path) -> Iterator[str]:
    """Yield a Markdown table: milliseconds and kilobytes a beat, by window.

    Parameters
    ----------
    folder : Path
        For the session's home.
    """
    from contexter_nb import connect

    clock = Stepping()
    monitor = APIMonitor(clock=clock, telemetry=False)
    calls = [
        replace(each, service=f"service{at % SERVICES}")
        for at, each in enumerate(sample())
    ]
    for at in range(CALLS):
        clock.instant += 3_500 / CALLS
        monitor.record(calls[at % DISTINCT])
    with connect(home=folder / "home") as nb:
        nb._verbs.monitor = monitor
        yield (
            f"| a beat after {CALLS:,} calls of {SERVICES * 5} operations, "
            f"{CALLS_A_BEAT} new ones each | ms, median | ms, slowest | "
            "% of a core at 1/s | kB sent |"
        )
        yield "|---|---|---|---|---|"

        def more() -> None:
            clock.instant += 1.0
            for at in range(CALLS_A_BEAT):
                call = calls[at]
                monitor.record(replace(call, started_at=clock.wall()))

        panel = nb.metrics_dashboard()
        for window in WINDOWS:
            panel._window.value = window
            run(panel.refresh(Reading()))
            yield _line(f"metrics, window {window}", *_measured([panel], more))
        yield _line(
            "metrics, window all, nothing new", *_measured([panel], lambda: None)
        )
        ten = [nb.metrics_dashboard() for _ in range(10)]
        yield _line("ten of them, window 5 min", *_measured(ten, more))
        caches = nb.cache_dashboard()
        yield _line("caches", *_measured([caches], lambda: None))
        for each in (panel, caches, *ten):
            each.close()


def _measured(
    panels: list[Any], before: Callable[[], None]
) -> tuple[list[float], list[int]]:
    """Return the milliseconds of each beat and the bytes that it sent."""
    sent = [0]

    def count(event: Any) -> None:
        sent[0] += len(json.dumps({event["name"]: event["new"]}).encode())

    watched = [each for panel in panels for each in _all(panel.widget)]
    for each in watched:
        if each.has_trait("value"):
            each.observe(count, "value")
    times, sizes = [], []
    for number in range(BEATS):
        before()
        sent[0] = 0

        async def beat(number: int = number) -> None:
            reading = Reading(number)
            for panel in panels:
                await panel.refresh(reading)

        started = time.perf_counter()
        run(beat())
        times.append((time.perf_counter() - started) * 1000)
        sizes.append(sent[0])
    for each in watched:
        if each.has_trait("value"):
            each.unobserve(count, "value")
    return times, sizes


def _all(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _all(child)


def _line(name: str, times: list[float], sizes: list[int]) -> str:
    median = sorted(times)[len(times) // 2]
    kilobytes = sum(sizes) / len(sizes) / 1024
    return (
        f"| {name} | {median:.1f} | {max(times):.1f} | {median / 10:.2f} "
        f"| {kilobytes:.1f} |"
    )
