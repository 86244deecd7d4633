"""The metrics panel as HTML and text: pure functions of what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from contexter_nb.dashboards._charts import (
    LIVE,
    PRINTED,
    Dot,
    Palette,
    as_image,
    bar_chart,
    latency_chart,
)
from contexter_nb.dashboards._look import (
    MISSING,
    clock_time,
    count,
    escape,
    milliseconds,
    number_ms,
    per_second,
    percent,
    seconds,
    share,
    shortened,
    usd,
)
from contexter_nb.dashboards._markup import (
    Columns,
    Head,
    bar,
    cut,
    heading,
    named,
    pill,
    tile,
    tiles,
)
from contexter_nb.dashboards._metrics_view import MetricsSeen
from contexter_nb.dashboards._requests_html import (
    LOG,
    TRACE,
    log_html,
    log_note,
    trace_html,
)

if TYPE_CHECKING:
    from contexter_nb.policies import Alert, APIMetrics

MAX_OPERATIONS = 15
MAX_LIMITS = 12
MAX_ALERTS = 5
MAX_DOTS = 200
_HOUR = timedelta(hours=1)

_OPERATIONS = Columns(
    "operations",
    (
        Head("Service", 0, "text"),
        Head("Operation", 0, "text"),
        Head("Calls", 62),
        Head("per s", 56, "number", "calls a second over the window", 1080),
        Head("Errors", 112, "number", "of the calls that were not cancelled"),
        Head("By category", 0, "text", from_pixels=1250),
        Head("Retries", 66, "number", "requests sent after a call's first one", 870),
        Head(
            "Waited", 80, "number", "for limits, connections and between attempts", 840
        ),
        Head("p50 ms", 60, "number", "from call to answer, waits included", 560),
        Head("p95 ms", 60, "number", "95 of 100 calls took no longer"),
        Head("p99 ms", 60, "number", "99 of 100 calls took no longer", 720),
        Head("From cache", 92, "number", "hits of lookups", 1000),
        Head("Tokens", 84, from_pixels=560),
        Head("USD", 72, from_pixels=560),
    ),
)
_LIMITS = Columns(
    "limits",
    (
        Head("Service", 0, "text"),
        Head("What", 76, "text"),
        Head("Whose", 0, "text", "model and account; of a breaker the host"),
        Head("State", 100, "text"),
        Head("Free now", 150, "text", from_pixels=560),
        Head("per min", 84, "number", from_pixels=820),
        Head("Waiting", 62, from_pixels=600),
        Head("Waited", 80, "number", from_pixels=1500),  # alerts stand beside it
        Head(
            "Sent",
            84,
            "number",
            "calls let through; of a breaker those in its window",
            760,
        ),
        Head("Refused", 66, "number", "refused calls; of a breaker its failures", 680),
    ),
)


def style() -> str:
    """Return the rules of this panel's columns as CSS."""
    return "".join(each.style() for each in (_OPERATIONS, _LIMITS, LOG, TRACE))


def verdict(seen: MetricsSeen) -> tuple[str, str]:
    """Return one sentence on how things are, and its kind.

    Parameters
    ----------
    seen : MetricsSeen
    """
    open_alerts = [each for each in seen.alerts if each.closed_at is None]
    summary = seen.summary
    when = _window(seen)
    if open_alerts:
        more = len(open_alerts) - 1
        also = f" (and {more} more below)" if more else ""
        return f"{shortened(open_alerts[0].message, 160)}{also}", "bad"
    if not summary["calls"]:
        return f"No calls {when}.", "muted"
    if summary["errors"]:
        most = max(summary["errors_by_category"].items(), key=lambda each: each[1])
        return (
            f"{count(summary['errors'])} of {count(summary['calls'])} calls failed "
            f"{when}, most of them by {most[0]}.",
            "warn",
        )
    return f"All {count(summary['calls'])} calls {when} went well.", "good"


def verdict_html(seen: MetricsSeen) -> str:
    """Return the sentence on how things are, with a sign for its kind.

    Parameters
    ----------
    seen : MetricsSeen
    """
    said, kind = verdict(seen)
    sign = {"good": "✓", "warn": "▲", "bad": "▲"}.get(kind, "·")
    return f'<p class="cx-verdict cx-{kind}"><b>{sign}</b> {escape(said)}</p>'


def tiles_html(seen: MetricsSeen) -> str:
    """Return the totals of the window.

    Parameters
    ----------
    seen : MetricsSeen
    """
    found = seen.summary
    ended = found["ok"] + found["errors"]
    waited = (
        found["limiter_wait_seconds"]
        + found["bulkhead_wait_seconds"]
        + found["backoff_seconds"]
    )
    categories = _categories(found["errors_by_category"]) or "none"
    return tiles(
        tile(
            "Calls",
            count(found["calls"]),
            f"{per_second(found['calls_per_second'])}, "
            f"{count(found['retries'])} retries",
        ),
        tile(
            "Errors",
            percent(found["errors"], ended),
            f"{count(found['errors'])}/{count(ended)}: {categories}",
            "bad" if found["errors"] else "",
        ),
        tile(
            "p95 latency",
            milliseconds(found["p95_ms"]),
            f"p50 {number_ms(found['p50_ms'])}, p99 {number_ms(found['p99_ms'])}",
        ),
        tile(
            "Waited",
            seconds(waited),
            f"limits {seconds(found['limiter_wait_seconds'])}, "
            f"retries {seconds(found['backoff_seconds'])}",
        ),
        tile(
            "From cache",
            percent(found["cache_hits"], found["cache_lookups"]),
            f"{count(found['cache_hits'])}/{count(found['cache_lookups'])} lookups",
        ),
        tile(
            "Cost, USD",
            usd(found["usd"]).removesuffix(" USD"),
            f"{count(found['tokens'])} tokens; "
            f"saved {usd(found['saved_usd']).removesuffix(' USD')}",
        ),
    )


def charts_html(seen: MetricsSeen, palette: Palette = LIVE) -> str:
    """Return latency, calls, tokens and cost over time.

    Parameters
    ----------
    seen : MetricsSeen
    palette : Palette
        `PRINTED` gives images, which stay where inline SVG is dropped.
    """
    points = seen.timeline
    latency = latency_chart(
        dots_of(seen), [each.p95_ms for each in points], axis_of(seen), palette
    )
    columns = [
        bar_chart(
            "Calls, red failed",
            [each.calls for each in points],
            palette,
            shown=count,
            bad=[each.errors for each in points],
        ),
        bar_chart("Tokens", [each.tokens for each in points], palette, shown=count),
        bar_chart("Cost", [each.usd for each in points], palette, shown=usd),
    ]
    note = "each dot a call, red failed; the line is p95"
    begins, ends = _span(seen)
    if seen.view.window_seconds is None and ends - begins > _HOUR:
        note += "; the last hour"
    if palette is PRINTED:
        latency, columns = as_image(latency), [as_image(each, 360) for each in columns]
    return (
        f'<div class="cx-charts"><div>{heading("Latency", note)}{latency}</div>'
        f"<div>{''.join(f'<div>{each}</div>' for each in columns)}</div></div>"
    )


def operations_html(seen: MetricsSeen) -> str:
    """Return the table of services and operations, those called most first.

    Parameters
    ----------
    seen : MetricsSeen
    """
    ordered = sorted(seen.operations, key=lambda each: -each.calls)
    left_out = ordered[MAX_OPERATIONS:]
    note = f"{count(len(left_out))} more not shown" if left_out else ""
    return heading("Services and operations", note) + _OPERATIONS.table(
        "Counts, times, waits and cost of each operation",
        [_operation(each) for each in ordered[:MAX_OPERATIONS]],
        empty=f"No calls {_window(seen)}.",
    )


def _operation(each: APIMetrics) -> list[str]:
    waited = (
        each.limiter_wait_seconds + each.bulkhead_wait_seconds + each.backoff_seconds
    )
    errors = f"{count(each.errors)} ({percent(each.errors, each.ok + each.errors)})"
    failed = f'<b class="cx-bad">{errors}</b>' if each.errors else "0"
    cached = f"{count(each.cache_hits)}/{count(each.cache_lookups)}"
    return [
        named(each.service),
        named(each.operation),
        count(each.calls),
        per_second(each.calls_per_second).removesuffix("/s"),
        failed,
        cut(_categories(each.errors_by_category)) if each.errors else MISSING,
        count(each.retries),
        seconds(waited),
        number_ms(each.p50_ms),
        number_ms(each.p95_ms),
        number_ms(each.p99_ms),
        cached if each.cache_lookups else MISSING,
        count(each.tokens) if each.tokens else MISSING,
        usd(each.usd).removesuffix(" USD") if each.usd else MISSING,
    ]


def limits_html(seen: MetricsSeen) -> str:
    """Return how the limits and breakers stand, those in trouble first.

    Parameters
    ----------
    seen : MetricsSeen
    """
    chosen = seen.view.service
    mine = [each for each in seen.limits if chosen in (None, each["service"])]
    mine.sort(key=lambda each: _CALM.get(each["state"], 0))
    note = f"{count(len(mine) - MAX_LIMITS)} more not shown"
    return heading("Limits and breakers", note if len(mine) > MAX_LIMITS else "") + (
        _LIMITS.table(
            "Rate limits and circuit breakers as they stand now",
            [_limit(each) for each in mine[:MAX_LIMITS]],
            empty="No open client has a rate limit or a breaker yet.",
            classes="cx-small",
        )
    )


_CALM = {"free": 2, "closed": 2, "waiting": 1}
_STATES = {
    "free": "good",
    "closed": "good",
    "waiting": "warn",
    "half_open": "warn",
    "paused": "warn",
    "open": "bad",
}


def _limit(row: Mapping[str, Any]) -> list[str]:
    state = row["state"].replace("_", " ")
    paused = row.get("paused_seconds") or 0.0
    if paused:
        state += f" {seconds(paused) if paused >= 100 else f'{paused:.0f} s'}"
    is_breaker = row["kind"] == "breaker"
    free = MISSING
    if not is_breaker:
        available, burst = max(0.0, row["available"]), row["burst"]
        label = f"{count(int(available))} of {count(burst)}"
        part = available / burst if burst else 0.0
        # In steps, so that a bucket that fills is not news at every beat.
        free = f"{bar([(round(part, 1), 'accent')], label)} {count(int(available))}"
    return [
        named(row["service"]),
        cut(row["kind"]),
        named(_whose(row)),
        pill(state, _STATES.get(row["state"], "muted")),
        free,
        MISSING if is_breaker else count(row["limit_per_minute"]),
        MISSING if is_breaker else count(row["waiting"]),
        MISSING if is_breaker else seconds(row["waited_seconds"]),
        count(row["granted"]),
        count(row["refused"]),
    ]


def _whose(row: Mapping[str, Any]) -> str:
    said = [row.get("model"), row.get("key")]
    return ", ".join(each for each in said if each) or MISSING


def alerts_html(seen: MetricsSeen) -> str:
    """Return the alerts: open ones first, then the latest closed.

    Parameters
    ----------
    seen : MetricsSeen
    """
    still = sum(each.closed_at is None for each in seen.alerts)
    shown = "".join(_alert(each) for each in seen.alerts[:MAX_ALERTS])
    if not shown:
        shown = '<li class="cx-muted">Nothing deserved attention so far.</li>'
    note = f"{still} open" if seen.alerts else ""
    return f'{heading("Alerts", note)}<ul class="cx-alerts">{shown}</ul>'


def _alert(alert: Alert) -> str:
    since = clock_time(alert.opened_at)
    if alert.closed_at is None:
        kind = "warn" if alert.severity in ("low", "medium") else "bad"
        state = pill("open", kind)
        when = f"since {since}"
    else:
        state, when = pill("over", "muted"), f"{since} to {clock_time(alert.closed_at)}"
    said = escape(shortened(alert.message, 200))
    return f'<li>{state} {said} <small class="cx-muted">{when}</small></li>'


def picture(seen: MetricsSeen) -> str:
    """Return the whole panel as it is, without script, kernel or need of a style.

    Parameters
    ----------
    seen : MetricsSeen
    """
    which = seen.view.service or "all services"
    when = seen.wall.strftime("%Y-%m-%d %H:%M:%S UTC")
    trace = trace_html(seen) if seen.selected is not None else ""
    return (
        f'<h3 class="cx-title">API metrics</h3><p class="cx-muted">'
        f"{escape(which)}, {_window(seen)}, as of {when}</p>"
        f"{verdict_html(seen)}{tiles_html(seen)}{charts_html(seen, PRINTED)}"
        f"{operations_html(seen)}"
        f'<div class="cx-pair"><div>{limits_html(seen)}</div>'
        f"<div>{alerts_html(seen)}</div></div>"
        f"{heading('Requests', log_note(seen))}{log_html(seen, printed=True)}{trace}"
    )


def text(seen: MetricsSeen) -> str:
    """Return the panel for a terminal.

    Parameters
    ----------
    seen : MetricsSeen
    """
    found = seen.summary
    said, _ = verdict(seen)
    lines = [
        f"API metrics, {_window(seen)}: {said}",
        f"  {'service':16} {'operation':18} {'calls':>8} {'errors':>8} "
        f"{'retries':>8} {'p50':>10} {'p95':>10} {'tokens':>12} {'cost':>14}",
    ]
    lines += [
        f"  {_plain(each.service, 16)} {_plain(each.operation, 18)} "
        f"{count(each.calls):>8} {count(each.errors):>8} {count(each.retries):>8} "
        f"{milliseconds(each.p50_ms):>10} {milliseconds(each.p95_ms):>10} "
        f"{count(each.tokens):>12} {usd(each.usd):>14}"
        for each in sorted(seen.operations, key=lambda each: -each.calls)[
            :MAX_OPERATIONS
        ]
    ]
    lines.append(
        f"  from cache {share(found['cache_hits'], found['cache_lookups'])}, "
        f"{count(found['tokens'])} tokens, {usd(found['usd'])}"
    )
    return "\n".join(lines)


def dots_of(seen: MetricsSeen) -> list[Dot]:
    """Return the latest calls of the window as dots.

    Parameters
    ----------
    seen : MetricsSeen
    """
    begins, ends = _span(seen)
    whole = (ends - begins).total_seconds() or 1.0
    found: list[Dot] = []
    for call in seen.calls:
        ended = call.started_at + timedelta(seconds=call.trace.total_seconds)
        at = (ended - begins).total_seconds() / whole
        if 0.0 <= at <= 1.0:
            ms = call.trace.total_seconds * 1000
            found.append(Dot(at, ms, call.outcome == "error"))
        if len(found) == MAX_DOTS:
            break
    return found


def axis_of(seen: MetricsSeen) -> list[tuple[float, str]]:
    """Return the times below a chart.

    Parameters
    ----------
    seen : MetricsSeen
    """
    begins, ends = _span(seen)
    form = "%H:%M:%S" if (ends - begins).total_seconds() < 1200 else "%H:%M"
    return [
        (at / 4, (begins + (ends - begins) * at / 4).strftime(form)) for at in range(5)
    ]


def _span(seen: MetricsSeen) -> tuple[datetime, datetime]:
    points = seen.timeline
    if len(points) < 2:
        return seen.wall - timedelta(seconds=60), seen.wall
    width = points[1].started_at - points[0].started_at
    return points[0].started_at, points[-1].started_at + width


def _window(seen: MetricsSeen) -> str:
    window = seen.view.window
    return "since the kernel began" if window == "all" else f"in the last {window}"


def _categories(found: Mapping[str, int]) -> str:
    ordered = sorted(found.items(), key=lambda each: -each[1])
    return ", ".join(f"{name} {count(many)}" for name, many in ordered[:4])


def _plain(text: str, width: int) -> str:
    shown = "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text
    )
    return f"{shortened(shown, width):{width}}"


def choices(seen: MetricsSeen) -> Sequence[str]:
    """Return the services to choose from, the chosen one among them.

    Parameters
    ----------
    seen : MetricsSeen
    """
    chosen = seen.view.service
    return sorted({*seen.services, *([chosen] if chosen else [])})
