"""What the monitor answers: frozen values in named units, ready for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from contexter_nb.core import ErrorCategory
from contexter_nb.policies._histogram import Histogram
from contexter_nb.policies._labels import Labels
from contexter_nb.policies._tally import Tally

Cached = Set[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class APIMetrics:
    """One operation of one service, over a window or since the start.

    Attributes
    ----------
    service, operation : str
        Those beyond the monitor's bound are counted together as ``other``.
    window_seconds : float or None
        What was asked for; None since the start.
    calls, ok, errors, cancelled : int
        ``calls`` is the sum of the other three.
    attempts, refused, retries : int
        Requests sent; those refused before they were sent, by an open breaker, say;
        those sent after a call's first.
    limited : int
        Calls that met a rate limit, the service's or one's own.
    cache_hits, cache_lookups : int
        Answers from the cache in time; and those, what was stale, and the successful
        calls that went to the network although the operation is one that the cache
        answers. Failed, limited and cancelled calls are no misses.
    coalesced, stale : int
        Answers taken from another call under way; cached ones past their time.
    errors_by_category, errors_by_type : mapping of str to int
        At most 64 types; the rest are ``other``.
    p50_ms, p95_ms, p99_ms, max_ms, mean_ms : float or None
        From call to answer, waits included, of all calls; None where there are none.
    network_p50_ms, network_p95_ms : float or None
        On the network, of the calls that used it.
    limiter_wait_seconds, bulkhead_wait_seconds, backoff_seconds : float
        Waited in all: for rate limits, for a free connection, between attempts.
    request_bytes, response_bytes : int
    tokens, saved_tokens : int
    usd, saved_usd : float
    saved_seconds : float
        Time on the network that cached answers saved.
    calls_per_second : float
        Over the part of the window since the first call; that counts as 1 s at least.
    error_rate : float or None
        Errors among the calls that were not cancelled; None where there are none.
    """

    service: str
    operation: str
    window_seconds: float | None
    calls: int
    ok: int
    errors: int
    cancelled: int
    attempts: int
    refused: int
    retries: int
    limited: int
    cache_hits: int
    cache_lookups: int
    coalesced: int
    stale: int
    errors_by_category: Mapping[str, int]
    errors_by_type: Mapping[str, int]
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    mean_ms: float | None
    network_p50_ms: float | None
    network_p95_ms: float | None
    limiter_wait_seconds: float
    bulkhead_wait_seconds: float
    backoff_seconds: float
    request_bytes: int
    response_bytes: int
    tokens: int
    usd: float
    saved_tokens: int
    saved_usd: float
    saved_seconds: float
    calls_per_second: float
    error_rate: float | None

    @property
    def cache_hit_rate(self) -> float | None:
        """Hits among lookups; None where nothing was looked up."""
        return self.cache_hits / self.cache_lookups if self.cache_lookups else None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the hit rate as values that JSON can hold."""
        return {**asdict(self), "cache_hit_rate": self.cache_hit_rate}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelinePoint:
    """One bucket of a chart.

    Attributes
    ----------
    started_at : datetime
        Aware UTC.
    calls, errors, tokens : int
    p95_ms : float or None
        From call to answer; None where there were no calls.
    usd : float
    """

    started_at: datetime
    calls: int
    errors: int
    p95_ms: float | None
    tokens: int
    usd: float


class Volume:
    """Tallies of several kinds of calls, taken together."""

    __slots__ = ("cache_lookups", "cancelled", "errors", "missing", "ok", "tally")

    def __init__(self) -> None:
        self.tally = Tally()
        self.ok = 0
        self.errors = 0
        self.missing = 0
        self.cancelled = 0
        self.cache_lookups = 0

    def add(self, labels: Labels, tally: Tally, cached: Cached) -> None:
        """Take a tally in.

        Parameters
        ----------
        labels : Labels
        tally : Tally
            Left as it is.
        cached : set of (str, str)
            The services and operations that a cache has answered.
        """
        self.tally.merge(tally)
        if labels.outcome == "cancelled":
            self.cancelled += tally.calls
        elif labels.outcome == "error":
            self.errors += tally.calls
            if labels.category is ErrorCategory.NOT_FOUND:
                self.missing += tally.calls
        else:
            self.ok += tally.calls
            if labels[:2] in cached:
                self.cache_lookups += tally.calls - tally.coalesced

    def merge(self, other: Volume) -> None:
        """Take in all of another one.

        Parameters
        ----------
        other : Volume
            Left as it is.
        """
        self.tally.merge(other.tally)
        self.ok += other.ok
        self.errors += other.errors
        self.missing += other.missing
        self.cancelled += other.cancelled
        self.cache_lookups += other.cache_lookups

    @property
    def error_rate(self) -> float | None:
        """Errors among the calls that were not cancelled."""
        ended = self.ok + self.errors
        return self.errors / ended if ended else None

    @property
    def failure_rate(self) -> float | None:
        """As `error_rate`, but what is not there was answered, and is no failure."""
        ended = self.ok + self.errors
        return (self.errors - self.missing) / ended if ended else None


def api_metrics(
    named: tuple[str, str],
    tallies: list[tuple[Labels, Tally]],
    *,
    cached: Cached,
    window_seconds: float | None,
    covered_seconds: float,
) -> APIMetrics:
    """Return the metrics of some tallies.

    Parameters
    ----------
    named : (str, str)
        Service and operation.
    tallies : list of (Labels, Tally)
    cached : set of (str, str)
        The services and operations that a cache has answered.
    window_seconds : float or None
    covered_seconds : float
        How long the tallies were counted.
    """
    both = Volume()
    for labels, each in tallies:
        both.add(labels, each, cached)
    tally = both.tally
    categories, types = Counter[str](), Counter[str]()
    for labels, each in tallies:
        if labels.outcome == "error":
            categories[labels.category or "unknown"] += each.calls
            types[labels.error_type or "unknown"] += each.calls
    return APIMetrics(
        service=named[0],
        operation=named[1],
        window_seconds=window_seconds,
        calls=tally.calls,
        ok=both.ok,
        errors=both.errors,
        cancelled=both.cancelled,
        attempts=tally.attempts,
        refused=tally.refused,
        retries=tally.retries,
        limited=tally.limited,
        cache_hits=tally.cache_hits,
        cache_lookups=both.cache_lookups,
        coalesced=tally.coalesced,
        stale=tally.stale,
        errors_by_category={str(name): many for name, many in categories.items()},
        errors_by_type=dict(types),
        p50_ms=quantile_ms(tally.call_times, 0.50),
        p95_ms=quantile_ms(tally.call_times, 0.95),
        p99_ms=quantile_ms(tally.call_times, 0.99),
        max_ms=quantile_ms(tally.call_times, 1.0),
        mean_ms=_in_ms(tally.call_times.mean),
        network_p50_ms=quantile_ms(tally.network_times, 0.50),
        network_p95_ms=quantile_ms(tally.network_times, 0.95),
        limiter_wait_seconds=float(tally.limiter_wait_seconds),
        bulkhead_wait_seconds=float(tally.bulkhead_wait_seconds),
        backoff_seconds=float(tally.backoff_seconds),
        request_bytes=tally.request_bytes,
        response_bytes=tally.response_bytes,
        tokens=tally.tokens,
        usd=float(tally.usd),
        saved_tokens=tally.saved_tokens,
        saved_usd=float(tally.saved_usd),
        saved_seconds=float(tally.saved_seconds),
        calls_per_second=tally.calls / max(1.0, covered_seconds),
        error_rate=both.error_rate,
    )


def quantile_ms(times: Histogram, share: float) -> float | None:
    """Return a quantile in milliseconds; None where nothing was counted.

    Parameters
    ----------
    times : Histogram
        Of seconds.
    share : float
        From 0 to 1.
    """
    return _in_ms(times.quantile(share))


def _in_ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000.0
