"""What is counted of calls of one kind: sums and times that merge."""

from __future__ import annotations

from contexter_nb.core import CallRecord, ErrorCategory
from contexter_nb.policies._histogram import Histogram

_LIMITED = ErrorCategory.RATE_LIMIT
_SUMS = (
    "calls",
    "attempts",
    "refused",
    "retries",
    "limited",
    "coalesced",
    "stale",
    "memory_hits",
    "disk_hits",
    "redis_hits",
    "limiter_wait_seconds",
    "bulkhead_wait_seconds",
    "backoff_seconds",
    "request_bytes",
    "response_bytes",
    "tokens",
    "usd",
    "saved_tokens",
    "saved_usd",
    "saved_seconds",
)


class Tally:
    """Sums over calls, and the distribution of their times.

    Attributes
    ----------
    calls, attempts, refused, retries, coalesced, stale : int
    limited : int
        Calls that met a rate limit: an attempt answered 429, or that is how they ended.
    memory_hits, disk_hits, redis_hits : int
        Calls that a cache answered with something fresh.
    limiter_wait_seconds, bulkhead_wait_seconds, backoff_seconds : float
    request_bytes, response_bytes : int
    tokens, usd, saved_tokens, saved_usd, saved_seconds : int or float
    call_times : Histogram
        Seconds from call to answer, waits included, of every call.
    network_times : Histogram
        Seconds on the network, of the calls that used it.
    """

    __slots__ = (*_SUMS, "call_times", "network_times")

    calls: int
    attempts: int
    refused: int
    retries: int
    limited: int
    coalesced: int
    stale: int
    memory_hits: int
    disk_hits: int
    redis_hits: int
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

    def __init__(self) -> None:
        for name in _SUMS:
            setattr(self, name, 0)
        self.call_times = Histogram()
        self.network_times = Histogram()

    def add(self, call: CallRecord) -> None:
        """Count one call.

        Parameters
        ----------
        call : CallRecord
        """
        # Runs at every call: rare fields are looked at once, and added only where set.
        trace = call.trace
        self.calls += 1
        self.call_times.add(trace.total_seconds)
        attempts = trace.attempts
        if attempts:
            self._add_attempts(call)
        elif call.category is _LIMITED:
            self.limited += 1
        if trace.cache_tier is not None or trace.coalesced:
            self._add_answer_at_hand(call)
        usage = call.usage
        if usage.tokens or usage.usd:
            self.tokens += usage.tokens
            self.usd += usage.usd

    def _add_attempts(self, call: CallRecord) -> None:
        attempts = call.trace.attempts
        count = 0
        limited = call.category is _LIMITED
        network_seconds = 0.0
        used_network = False
        for each in attempts:
            if each.sent:
                count += 1
            if each.network_seconds or each.status_code is not None:
                network_seconds += each.network_seconds
                used_network = True
                self.request_bytes += each.request_bytes
                self.response_bytes += each.response_bytes
                if each.status_code == 429:
                    limited = True
            self.limiter_wait_seconds += each.limiter_wait_seconds
            self.bulkhead_wait_seconds += each.bulkhead_wait_seconds
            self.backoff_seconds += each.backoff_seconds
        self.attempts += count
        if count < len(attempts):
            self.refused += len(attempts) - count
        if count > 1:
            self.retries += count - 1
        if used_network:
            self.network_times.add(network_seconds)
        if limited:
            self.limited += 1

    def _add_answer_at_hand(self, call: CallRecord) -> None:
        trace = call.trace
        if trace.coalesced:
            self.coalesced += 1
        if trace.stale:
            self.stale += 1
        elif call.outcome == "ok":
            if trace.cache_tier == "memory":
                self.memory_hits += 1
            elif trace.cache_tier == "disk":
                self.disk_hits += 1
            elif trace.cache_tier == "redis":
                self.redis_hits += 1
        self.saved_tokens += call.saved.tokens
        self.saved_usd += call.saved.usd
        self.saved_seconds += call.saved_seconds

    def merge(self, other: Tally) -> None:
        """Count all that another one counted.

        Parameters
        ----------
        other : Tally
            Left as it is.
        """
        for name in _SUMS:
            added = getattr(other, name)
            if added:
                setattr(self, name, getattr(self, name) + added)
        self.call_times.merge(other.call_times)
        self.network_times.merge(other.network_times)

    def pack(self) -> None:
        """Take less memory from now on."""
        self.call_times.pack()
        self.network_times.pack()

    @property
    def cache_hits(self) -> int:
        """Calls that a cache answered with something fresh, in any tier."""
        return self.memory_hits + self.disk_hits + self.redis_hits
