"""The ring of slots against a plain list of what happened when."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexter_nb.policies._labels import LabelBook, Labels
from contexter_nb.policies._monitor import APIMonitor
from contexter_nb.policies._tally import Tally
from contexter_nb.policies._windows import Tallies, Windows
from tests.loops import FakeClock
from tests.policies.calls import failed, ok

A = Labels("voyage", "embeddings", "ok", None, None)
B = Labels("qdrant", "search", "ok", None, None)

steps = st.lists(
    st.tuples(
        st.one_of(st.floats(0, 3), st.floats(0, 400), st.just(10.0), st.just(120.0)),
        st.sampled_from([A, B]),
        st.integers(1, 50),
    ),
    min_size=1,
    max_size=60,
)


def counted(tallies: Tallies) -> dict[Labels, tuple[int, int]]:
    """Return count and sum of each tally."""
    return {
        labels: (tally.calls, round(tally.call_times.total))
        for labels, tally in tallies.items()
    }


def listed(
    events: list[tuple[float, Labels, int]], since: float
) -> dict[Labels, tuple[int, int]]:
    """Return what a list of all calls says since an instant."""
    found: dict[Labels, tuple[int, int]] = {}
    for at, labels, value in events:
        if at >= since:
            calls, total = found.get(labels, (0, 0))
            found[labels] = calls + 1, total + value
    return found


@settings(deadline=None)
@given(steps, st.floats(0, 5_000), st.floats(1, 3_600))
def test_a_window_holds_what_a_list_of_all_calls_holds(
    taken: list[tuple[float, Labels, int]], idle: float, window_seconds: float
) -> None:
    """After any gaps, a window counts the calls since its slot began and no more."""
    now = 1_003.0
    windows = Windows(now)
    events = []
    for gap, labels, value in taken:
        now += gap
        windows.roll(now)
        call = ok(float(value), service=labels.service, operation=labels.operation)
        windows.open.setdefault(labels, _new()).add(call)
        events.append((now, labels, value))
    now += idle
    width = 10.0 if window_seconds <= 600 else 120.0
    since = math.floor((now - window_seconds) / width) * width
    assert counted(windows.within(now, window_seconds)) == listed(events, since)
    assert counted(windows.within(now, None)) == listed(events, 0)
    covered = now - max(1_003.0, since)
    assert math.isclose(windows.covered_seconds(now, window_seconds), covered)


def _new() -> Tally:
    return Tally()


def test_old_slots_are_dropped() -> None:
    """After a day of calls, ten minutes are kept in fine slots, an hour in others."""
    windows = Windows(0.0)
    for at in range(0, 86_400, 5):
        windows.roll(float(at))
        windows.open.setdefault(A, _new()).add(ok())
    assert len(windows._fine) <= 61
    assert len(windows._coarse) <= 32
    assert windows.within(86_400.0, None)[A].calls == 86_400 / 5


def test_time_that_runs_backwards_loses_no_call() -> None:
    """A thread that read the clock earlier than another still counts."""
    windows = Windows(1_000.0)
    windows.roll(1_011.0)
    windows.roll(1_009.0)
    windows.open.setdefault(A, _new()).add(ok())
    assert windows.within(1_009.0, 300.0)[A].calls == 1


def test_later_operations_are_counted_as_other() -> None:
    """Names beyond the bound are pooled, within their service where that is known."""
    book = LabelBook(max_operations=2)
    named = [
        ("voyage", "embeddings"),
        ("voyage", "rerank"),
        ("voyage", "third"),
        ("qdrant", "search"),
        ("voyage", "embeddings"),
    ]
    found = [book.admit(ok(service=s, operation=o))[:2] for s, o in named]
    assert found == [
        ("voyage", "embeddings"),
        ("voyage", "rerank"),
        ("voyage", "other"),
        ("other", "other"),
        ("voyage", "embeddings"),
    ]


def test_later_error_types_are_counted_as_other() -> None:
    """The number of error types is bounded, too."""
    book = LabelBook(max_operations=2, max_error_types=2)
    types = [book.admit(failed(f"Error{at}")).error_type for at in (1, 2, 3, 1)]
    assert types == ["Error1", "Error2", "other", "Error1"]


def test_the_product_of_operations_and_errors_is_bounded() -> None:
    """Every operation failing in every way makes no more labels than the bound."""
    book = LabelBook(max_operations=10)
    found = {
        book.admit(failed(f"Error{kind}", operation=f"{at}"))
        for at in range(200)
        for kind in range(80)
    }
    assert len(found) <= 4 * 10 + 64 + 1
    assert Labels("other", "other", "error", "other", failed().category) in found


@pytest.mark.parametrize("window", [60.0, 300.0, 600.0, 3_600.0])
def test_what_is_kept_of_an_answer_never_shows(window: float) -> None:
    """Asked at every second or once at the end, the answers are the same."""
    clocks = FakeClock(), FakeClock()
    often, once = (APIMonitor(clock=clock, telemetry=False) for clock in clocks)
    for second in range(1_500):
        for clock in clocks:
            clock.instant += 1.0
        if second % 7 == 0 and second % 300 < 200:
            for monitor in (often, once):
                monitor.record(ok(0.1 + second / 1_000, service="ab"[second % 2]))
        if second % 3 == 0:
            often.timeline(window_seconds=window)
            often.timeline(window_seconds=window, service="a")
            often.get_metrics(window_seconds=window)
    for service in (None, "a"):
        asked = {"window_seconds": window, "service": service}
        assert often.timeline(**asked) == once.timeline(**asked)
        assert often.get_metrics(**asked) == once.get_metrics(**asked)
    assert often.get_summary(window, service="b") == once.get_summary(
        window, service="b"
    )
    assert often.services() == ("a", "b")
