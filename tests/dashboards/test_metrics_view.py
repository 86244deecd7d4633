"""What is chosen in the metrics panel: pure transitions."""

from __future__ import annotations

from contexter_nb.dashboards._metrics_view import (
    PAGE_ROWS,
    MetricsView,
    key_of,
    page_of,
)
from tests.dashboards.records import call, failure

CALLS = tuple(call(number) for number in reversed(range(25)))


def test_the_first_page_follows_the_newest_calls() -> None:
    """What comes later pushes the rows down."""
    view = MetricsView()
    assert page_of(CALLS, view).calls == CALLS[:PAGE_ROWS]
    newer = (call(99), *CALLS)
    assert page_of(newer, view).calls[0] == newer[0]


def test_a_selected_call_holds_its_page() -> None:
    """New calls do not move what a person is pointing at, and are counted."""
    view = MetricsView().select(page_of(CALLS, MetricsView()), 3)
    page = page_of((call(99), *CALLS), view)
    assert page.calls == CALLS[:PAGE_ROWS]
    assert page.newer == 1
    assert view.selected == key_of(CALLS[3])


def test_selecting_the_same_row_again_lets_go() -> None:
    """The trace goes, and the first page follows the newest again."""
    page = page_of(CALLS, MetricsView())
    assert MetricsView().select(page, 3).select(page, 3) == MetricsView()


def test_a_row_without_a_call_selects_nothing() -> None:
    """The empty rows at the end of a short page do nothing."""
    page = page_of(CALLS[:2], MetricsView())
    assert MetricsView().select(page, 5) == MetricsView()


def test_pages_are_turned_there_and_back() -> None:
    """Older, older, newer, newer ends where it began, following the newest."""
    view, seen = MetricsView(), []
    for turn in ("older", "older", "older", "newer", "newer"):
        view = getattr(view, turn)(page_of(CALLS, view))
        seen.append(page_of(CALLS, view).newer)
    assert seen == [10, 20, 20, 10, 0]
    assert view == MetricsView()


def test_a_page_whose_calls_are_gone_is_the_oldest_one() -> None:
    """The log keeps the latest calls only: what is held may fall out of it."""
    view = MetricsView(top=key_of(call(-5)))
    page = page_of(CALLS, view)
    assert (page.newer, len(page.calls), page.older) == (15, 10, 0)


def test_failed_only_leaves_out_what_went_well() -> None:
    """Cancelled calls are among what did not go well."""
    calls = (call(4), failure(3), call(2, outcome="cancelled"), call(1))
    page = page_of(calls, MetricsView().choose_failed(True))
    assert [each.outcome for each in page.calls] == ["error", "cancelled"]


def test_another_service_begins_with_its_newest_call() -> None:
    """A held page belongs to the calls that it was held in."""
    view = MetricsView(top=key_of(CALLS[5])).choose_service("qdrant")
    assert (view.service, view.top) == ("qdrant", None)


def test_all_is_a_window_without_an_end() -> None:
    """The windows are what the monitor keeps."""
    view = MetricsView()
    seconds = [view.choose_window(each).window_seconds for each in ("1 min", "all")]
    assert seconds == [60.0, None]
