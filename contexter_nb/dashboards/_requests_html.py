"""The log of requests and the trace of one, as HTML: pure functions."""

from __future__ import annotations

from contexter_nb.core import Attempt, CallRecord
from contexter_nb.dashboards._look import (
    MISSING,
    clock_time,
    count,
    escape,
    milliseconds,
    seconds,
    shortened,
    size,
    usd,
)
from contexter_nb.dashboards._markup import Columns, Head, bar, cut, heading
from contexter_nb.dashboards._metrics_view import PAGE_ROWS, MetricsSeen, key_of

MAX_ATTEMPTS = 12

_SPENT_NOTE = (
    "limit or connection, network, then back-off; to the scale of the slowest call"
)

LOG = Columns(
    "log",
    (
        Head("UTC", 104, "text"),
        Head("Service", 0, "text"),
        Head("Operation", 0, "text"),
        Head("Outcome", 0, "text"),
        Head("Attempts", 70, from_pixels=760),
        Head("Took", 82),
        Head("Where time went", 120, "text", _SPENT_NOTE, 860),
        Head("Cache", 110, "text", from_pixels=1200),
        Head("Received", 84, from_pixels=1000),
        Head("Tokens", 76, from_pixels=560),
        Head("USD", 70, from_pixels=1100),
    ),
)
TRACE = Columns(
    "trace",
    (
        Head("#", 28, "text", "attempt"),
        Head("Began", 80, from_pixels=560),
        Head("Limit", 80, "number", "waited for the rate limit"),
        Head("Connection", 90, "number", "waited for a free one"),
        Head("Network", 80),
        Head("Back-off", 80, "number", "waited before the next attempt"),
        Head("Outcome", 0, "text"),
        Head("Sent", 80, from_pixels=1000),
        Head("Received", 84, from_pixels=1000),
        Head("Where time went", 0, "text", _SPENT_NOTE, 640),
    ),
)


def log_html(seen: MetricsSeen, *, printed: bool = False) -> str:
    """Return a page of the request log, always as high as a full one.

    Parameters
    ----------
    seen : MetricsSeen
    printed : bool, default False
        Without rows that are there only to keep the height.
    """
    calls = seen.page.calls
    slowest = max((each.trace.total_seconds for each in calls), default=0.0)
    rows = [_logged(each, slowest) for each in calls]
    marked = [key_of(each) == seen.view.selected for each in calls]
    if rows and not printed:
        rows += [["&nbsp;"] + [""] * (len(LOG.heads) - 1)] * (PAGE_ROWS - len(rows))
    which = "No call failed." if seen.view.failed_only else "No calls yet."
    return LOG.table(
        "The latest calls", rows, empty=which, classes="cx-rowed", marked=marked
    )


def log_note(seen: MetricsSeen) -> str:
    """Return where in the log the page stands.

    Parameters
    ----------
    seen : MetricsSeen
    """
    page = seen.page
    total = page.newer + len(page.calls) + page.older
    if not total:
        return "0 calls"
    first, last = page.newer + 1, page.newer + len(page.calls)
    held = "" if seen.view.top is None else "; held, new calls come before it"
    return f"{count(first)}–{count(last)} of the latest {count(total)}{held}"


def _logged(call: CallRecord, slowest_seconds: float) -> list[str]:
    trace = call.trace
    whole = slowest_seconds or 1.0
    waited = trace.limiter_wait_seconds + trace.bulkhead_wait_seconds
    label = (
        f"waited {seconds(waited)}, network {seconds(trace.network_seconds)}, "
        f"between attempts {seconds(trace.backoff_seconds)}"
    )
    spent = [
        (waited / whole, "warn"),
        (trace.network_seconds / whole, "accent"),
        (trace.backoff_seconds / whole, "muted"),
    ]
    return [
        call.started_at.strftime("%H:%M:%S.%f")[:-3],
        cut(call.service),
        cut(call.operation),
        _outcome(call),
        count(sum(each.sent for each in trace.attempts)),
        milliseconds(trace.total_seconds * 1000),
        bar(spent, label) if any(part for part, _ in spent) else _not_sent(call),
        escape(_cache(call)),
        size(trace.response_bytes) if trace.response_bytes else MISSING,
        count(call.usage.tokens) if call.usage.tokens else MISSING,
        usd(call.usage.usd).removesuffix(" USD") if call.usage.usd else MISSING,
    ]


def _not_sent(call: CallRecord) -> str:
    if call.trace.coalesced:
        return '<span class="cx-muted">with the same call under way</span>'
    if call.trace.cache_tier is not None:
        return f'<span class="cx-muted">from {escape(call.trace.cache_tier)}</span>'
    return '<span class="cx-muted">nothing was sent</span>'


def _outcome(call: CallRecord) -> str:
    if call.outcome == "ok":
        code = f" {call.status_code}" if call.status_code else ""
        return f'<span class="cx-good">✓</span> ok{escape(code)}'
    if call.outcome == "cancelled":
        return '<span class="cx-muted">– cancelled</span>'
    code = f"{call.status_code} " if call.status_code else ""
    said = cut(f"{code}{call.error_type or call.category}")
    return f'<span class="cx-bad cx-fault">▲ {said}</span>'


def _cache(call: CallRecord) -> str:
    trace = call.trace
    if trace.coalesced:
        return "shared"
    if trace.cache_tier is None:
        return "miss" if trace.cache_asked else MISSING
    return f"{trace.cache_tier}{', old' if trace.stale else ''}"


def trace_html(seen: MetricsSeen) -> str:
    """Return the whole way of the selected call.

    Parameters
    ----------
    seen : MetricsSeen
    """
    call = seen.selected
    if call is None:
        said = "Select a call above to see each attempt, wait and byte of it."
        if seen.view.selected is not None:
            said = "The selected call is not kept any more, or hidden by the filter."
        return f'<p class="cx-empty cx-trace">{said}</p>'
    trace = call.trace
    facts = {
        "Outcome": f"{call.outcome}"
        + (f", {call.error_type} ({call.category})" if call.error_type else ""),
        "Took": milliseconds(trace.total_seconds * 1000),
        "Network": milliseconds(trace.network_seconds * 1000),
        "Waited": milliseconds(trace.waited_seconds * 1000),
        "Cache": _cache_words(call),
        "Bytes": f"{size(trace.request_bytes)} sent, "
        f"{size(trace.response_bytes)} received",
        "Charged": f"{count(call.usage.tokens)} tokens, {usd(call.usage.usd)}",
        "Request id": call.request_id,
    }
    if trace.reauthorized:
        facts["Credential"] = "renewed after an answer 401"
    listed = "".join(
        f"<div><dt>{label}</dt> <dd>{escape(shortened(value, 120))}</dd></div>"
        for label, value in facts.items()
    )
    name = f"{call.service} · {call.operation}"
    where = f"{call.method} {call.host} at {clock_time(call.started_at)} UTC"
    attempts = trace.attempts[:MAX_ATTEMPTS]
    more = len(trace.attempts) - len(attempts)
    whole = trace.total_seconds or 1.0
    return (
        f'<div class="cx-trace">{heading(shortened(name, 120), shortened(where, 160))}'
        f'<dl class="cx-facts">{listed}</dl>'
        + TRACE.table(
            "Each attempt",
            [_attempted(each, whole) for each in attempts],
            empty="Nothing was sent: "
            + ("the cache answered." if trace.cache_tier else "see the outcome."),
        )
        + (f'<p class="cx-muted">{count(more)} more attempts.</p>' if more > 0 else "")
        + "</div>"
    )


def _attempted(each: Attempt, whole_seconds: float) -> list[str]:
    error = each.error_type or ""
    code = "" if each.status_code is None else str(each.status_code)
    said = f"{code} {error}".strip() or MISSING
    kind = "bad" if error or (each.status_code or 0) >= 400 else "good"
    spent = (
        (each.started_seconds, "gap"),
        (each.limiter_wait_seconds + each.bulkhead_wait_seconds, "warn"),
        (each.network_seconds, "accent"),
        (each.backoff_seconds, "muted"),
    )
    return [
        count(each.number),
        milliseconds(each.started_seconds * 1000),
        milliseconds(each.limiter_wait_seconds * 1000),
        milliseconds(each.bulkhead_wait_seconds * 1000),
        milliseconds(each.network_seconds * 1000),
        milliseconds(each.backoff_seconds * 1000),
        f'<span class="cx-{kind}">{cut(said)}</span>',
        size(each.request_bytes),
        size(each.response_bytes),
        bar(
            [(part / whole_seconds, kind) for part, kind in spent],
            "limit or connection, network, then back-off, from left to right",
        ),
    ]


def _cache_words(call: CallRecord) -> str:
    trace = call.trace
    if trace.coalesced:
        return "taken from the same call under way"
    if trace.cache_tier is None:
        return "asked, not there" if trace.cache_asked else "not asked"
    saved = f"saved {seconds(call.saved_seconds)}, {count(call.saved.tokens)} tokens"
    old = ", past its time since the service failed" if trace.stale else ""
    return f"from {trace.cache_tier}{old}; {saved}"
