"""The metrics panel as HTML and text: pure, escaped, bounded, and never in motion."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from contexter_nb.core import Attempt, ErrorSeverity, Trace, Usage
from contexter_nb.dashboards import _metrics_html as drawn
from contexter_nb.dashboards._metrics_view import MetricsView, key_of
from contexter_nb.dashboards._requests_html import log_html, trace_html
from contexter_nb.policies import Alert
from tests.dashboards.records import HOSTILE, call, failure, limit, seen
from tests.loops import EPOCH

VOID = {"br", "col", "img", "meta", "wbr"}


class Balanced(HTMLParser):
    """Collects tags and text; fails where an element is not closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Balanced:
    """Return what a browser would read."""
    found = Balanced()
    found.feed(html)
    assert found.open == []
    return found


def alert(message: str = "voyage: 50% of 40 calls failed.", **changes: object) -> Alert:
    """Return an open alert."""
    made = Alert(
        service="voyage",
        kind="error_rate",
        severity=ErrorSeverity.HIGH,
        message=message,
        value=0.5,
        threshold=0.1,
        opened_at=EPOCH,
        closed_at=None,
    )
    return replace(made, **changes)


def test_a_quiet_kernel_says_that_nothing_happened() -> None:
    """Every part has words for having nothing to show."""
    shown = read(drawn.picture(seen())).text
    for words in (
        "No calls in the last 5 min.",
        "No open client has a rate limit",
        "Nothing deserved attention so far.",
        "No calls yet.",
    ):
        assert words in shown


def test_one_sentence_says_how_things_are() -> None:
    """All well, failures with what most of them were, or the alert."""
    assert drawn.verdict(seen(call()))[0] == "All 1 calls in the last 5 min went well."
    said, kind = drawn.verdict(seen(call(), failure()))
    assert said == (
        "1 of 2 calls failed in the last 5 min, most of them by server_error."
    )
    assert kind == "warn"
    assert drawn.verdict(seen(call(), alerts=(alert(), alert())))[0] == (
        "voyage: 50% of 40 calls failed. (and 1 more below)"
    )


def test_an_alert_that_is_over_is_not_the_news() -> None:
    """It is listed with the time it lasted."""
    over = alert(closed_at=EPOCH + timedelta(seconds=90))
    found = seen(call(), alerts=(over,))
    assert drawn.verdict(found)[1] == "good"
    assert "12:00:00 to 12:01:30" in drawn.alerts_html(found)


def test_the_table_has_counts_times_waits_and_cost() -> None:
    """One row for each operation, numbers as a person writes them."""
    calls = [call(at) for at in range(1_234)] + [failure()]
    shown = read(drawn.operations_html(seen(*calls))).text
    for number in ("1,235", "1 (0.1 %)", "server_error 1", "4.00 s", "1,480,800"):
        assert number in shown


def test_a_trace_shows_every_attempt_and_wait() -> None:
    """What was waited for, how long, what came of it, and the id to report."""
    found = seen(failure(7), view=MetricsView(selected=key_of(failure(7))))
    shown = read(trace_html(found)).text
    for fact in ("error, ServerError (server_error)", "id-7", "4,200 ms", "500 ms"):
        assert fact in shown
    assert shown.count("503 ServerError") == 2


@pytest.mark.parametrize(
    ("trace", "in_log", "in_trace"),
    [
        (
            Trace(cache_tier="disk", cache_asked=True),
            "from disk",
            "from disk; saved 0.21 s, 30 tokens",
        ),
        (
            Trace(cache_tier="memory", cache_asked=True, stale=True),
            "memory, old",
            "past its time since the service failed",
        ),
        (
            Trace(coalesced=True, cache_asked=True),
            "with the same call under way",
            "taken from the same call under way",
        ),
        (Trace(cache_asked=True), "nothing was sent", "asked, not there"),
        (Trace(reauthorized=True), "nothing was sent", "renewed after an answer 401"),
    ],
)
def test_where_an_answer_came_from_is_said(
    trace: Trace, in_log: str, in_trace: str
) -> None:
    """A tier, an old answer, another call under way, or a renewed credential."""
    made = call(1, trace=trace, saved=Usage(30, 0.1), saved_seconds=0.21)
    found = seen(made, view=MetricsView(selected=key_of(made)))
    assert in_log in read(log_html(found)).text
    assert in_trace in read(trace_html(found)).text


def test_what_a_breaker_refused_was_no_attempt() -> None:
    """The log counts what was sent, as `metrics` does, and says so where it is none."""
    kept_back = Attempt(
        number=2, started_seconds=0.3, error_type="CircuitOpenError", sent=False
    )
    sent = Attempt(
        number=1,
        started_seconds=0.0,
        network_seconds=0.2,
        status_code=503,
        error_type="ServerError",
    )
    both = seen(failure(1, trace=Trace(attempts=(sent, kept_back), total_seconds=0.3)))
    (row,) = re.findall(r"<tbody><tr.*?</tr>", log_html(both, printed=True))
    assert re.findall(r">(\d+)</td>", row) == ["1"]
    none = seen(failure(1, trace=Trace(attempts=(kept_back,), total_seconds=0.3)))
    assert "nothing was sent" in read(log_html(none)).text


def test_a_cancelled_call_is_neither_well_nor_failed() -> None:
    """It has a word of its own, and no colour of alarm."""
    html = log_html(seen(call(1, outcome="cancelled", status_code=None)))
    assert "– cancelled" in html
    assert "cx-bad" not in html


def test_a_trace_of_very_many_attempts_is_cut() -> None:
    """And says by how many."""
    attempts = tuple(Attempt(number=at, started_seconds=at) for at in range(1, 41))
    made = call(1, trace=Trace(attempts=attempts, total_seconds=41.0))
    found = seen(made, view=MetricsView(selected=key_of(made)))
    assert "28 more attempts." in trace_html(found)


def test_a_selected_call_that_is_gone_is_said_to_be() -> None:
    """The log is bounded; a selection may outlive its call."""
    found = seen(call(1), view=MetricsView(selected=key_of(call(9))))
    assert "not kept any more" in trace_html(found)


def test_limits_in_trouble_come_first() -> None:
    """An open breaker stands above what is calm, and says how long."""
    rows = (
        limit(service="calm"),
        limit(service="broken", kind="breaker", state="open", paused_seconds=21.4),
    )
    shown = read(drawn.limits_html(seen(limits=rows))).text
    assert shown.index("broken") < shown.index("calm")
    assert "open 21 s" in shown


def test_a_service_is_shown_with_all_its_limits() -> None:
    """One of one account and model says so, in a cell of its own."""
    rows = (limit(key="47ab01cd", model="voyage-4"), limit(service="voyager"))
    shown = drawn.limits_html(seen(view=MetricsView(service="voyage"), limits=rows))
    assert "voyage-4, 47ab01cd" in read(shown).text
    assert "voyager" not in shown


@pytest.mark.parametrize("part", ["picture", "charts_html", "log_html"])
def test_what_services_say_is_shown_and_does_nothing(part: str) -> None:
    """Markup in names, errors, hosts, ids, alerts and keys stays text."""
    hostile = failure(
        1,
        service=HOSTILE,
        operation=HOSTILE,
        host=HOSTILE,
        request_id=HOSTILE,
        error_type=HOSTILE,
    )
    found = seen(
        hostile,
        view=MetricsView(selected=key_of(hostile)),
        alerts=(alert(HOSTILE),),
        limits=(limit(service=HOSTILE, kind="breaker", key=HOSTILE, state=HOSTILE),),
    )
    html = getattr(drawn, part)(found)
    page = read(html)
    allowed = {"script", "img"} & set(page.tags)
    assert allowed <= {"img"}
    assert all("data:image/svg+xml" in each for each in re.findall("<img[^>]*>", html))
    assert not [each for each in page.attributes if each.startswith("on")]
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_a_terminal_gets_no_control_characters() -> None:
    """An escape sequence in a service's name does not reach the screen."""
    text = drawn.text(seen(call(service=HOSTILE, operation="ok")))
    assert all(each.isprintable() or each == "\n" for each in text)
    assert "API metrics" in text


def test_a_picture_reads_well_without_its_styles() -> None:
    """Tables with captions and headings, images with words; no script at all."""
    page = read(drawn.picture(seen(call(1), failure(2))))
    assert {"table", "caption", "th", "h3", "h4", "strong"} <= set(page.tags)
    assert "script" not in page.tags
    assert "svg" not in page.tags  # untrusted notebooks drop it: it comes as images


def test_the_same_numbers_make_the_same_html() -> None:
    """A panel at rest sends nothing, since nothing of it changes."""
    first, second = seen(call(1), failure(2)), seen(call(1), failure(2))
    assert drawn.picture(first) == drawn.picture(second)


def test_rows_never_change_the_height_of_the_log() -> None:
    """A page with two calls is as high as a full one; only an empty log is short."""
    few, many = seen(call(1), call(2)), seen(*[call(at) for at in range(40)])
    rows = [log_html(each).count("<tr") for each in (few, many)]
    assert rows == [11, 11]


def test_many_services_make_no_more_html_than_some() -> None:
    """Tables are cut and say so; a refresh stays a few kilobytes."""
    calls = [
        call(at, service=f"service-{at % 100}", operation=f"o{at}")
        for at in range(2_000)
    ]
    found = seen(*calls, limits=tuple(limit(service=f"s{at}") for at in range(200)))
    shown = drawn.operations_html(found)
    assert shown.count("<tr") == 1 + drawn.MAX_OPERATIONS
    assert "more not shown" in shown
    parts = (
        drawn.tiles_html,
        drawn.charts_html,
        drawn.operations_html,
        drawn.limits_html,
        log_html,
    )
    assert sum(len(part(found)) for part in parts) < 25_000


def test_columns_keep_their_widths() -> None:
    """Widths stand in a stylesheet that never changes; names share what is left."""
    rule = r"cx-of-log col:nth-child\((\d+)\){width:(\d+)px}"
    found = dict(re.findall(rule, drawn.style()))
    assert found["1"] == "104"
    assert not {"2", "3", "4"} & set(found)
    assert "width" not in drawn.operations_html(seen(call(service="x" * 90)))


def test_a_name_is_broken_at_its_joints_and_hovered_whole() -> None:
    """The hint has the name as it is; the cell says where a line may end."""
    shown = drawn.operations_html(seen(call(operation="fetch_documentation")))
    assert 'title="fetch_documentation">fetch_<wbr>documentation<' in shown
