"""What is known of one call while it is under way."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contexter_nb.core import (
    APIRequest,
    Attempt,
    CallRecord,
    ErrorCategory,
    Outcome,
    Tier,
    Trace,
    Usage,
    WireRequest,
    WireResponse,
)


@dataclass(slots=True)
class Call:
    """One call: what was asked, and what has happened to it so far.

    Attributes
    ----------
    started, deadline : float
        Monotonic instants, seconds.
    answer : WireResponse or None
        The last whole answer, whatever its status.
    data : object
        The decoded body of that answer.
    validates : bool
        Whether an answer 304, that what is cached is still good, is one.
    ended : bool
        Whether the caller has been told; a fetch may outlive the caller who began it.
    """

    request: APIRequest
    wire: WireRequest
    host: str
    request_id: str
    started: float
    started_at: datetime
    deadline: float
    repeatable: bool
    decodes: bool = True
    validates: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    tier: Tier | None = None
    cache_asked: bool = False
    coalesced: bool = False
    stale: bool = False
    reauthorized: bool = False
    usage: Usage = Usage()
    saved: Usage = Usage()
    saved_seconds: float = 0.0
    answer: WireResponse | None = None
    data: Any = field(default=None, repr=False)
    ended: bool = False
    told_attempts: int = 0

    def remaining_seconds(self, now: float) -> float:
        """Return how long the call may still take, never below 0."""
        return max(0.0, self.deadline - now)

    def trace(self, now: float) -> Trace:
        """Return what has happened so far."""
        return Trace(
            attempts=tuple(self.attempts),
            cache_tier=self.tier,
            cache_asked=self.cache_asked,
            coalesced=self.coalesced,
            stale=self.stale,
            reauthorized=self.reauthorized,
            total_seconds=now - self.started,
        )

    def record(
        self,
        service: str,
        outcome: Outcome,
        trace: Trace,
        error: BaseException | None = None,
        category: ErrorCategory | None = None,
    ) -> CallRecord:
        """Return what the monitor is told."""
        return CallRecord(
            service=service,
            operation=self.request.name,
            method=self.wire.method,
            host=self.host,
            request_id=self.request_id,
            started_at=self.started_at,
            outcome=outcome,
            trace=trace,
            status_code=self.answer.status_code if self.answer else None,
            error_type=type(error).__name__ if error is not None else None,
            category=category,
            usage=self.usage,
            saved=self.saved,
            saved_seconds=self.saved_seconds,
        )
