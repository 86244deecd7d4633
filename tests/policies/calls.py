"""Call records for the tests of the monitor, with whatever matters to a test set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from contexter_nb.core import Attempt, CallRecord, ErrorCategory, Trace
from tests.loops import EPOCH

OK = CallRecord(
    service="voyage",
    operation="embeddings",
    method="POST",
    host="api.voyageai.com",
    request_id="1",
    started_at=EPOCH,
    outcome="ok",
    status_code=200,
    trace=Trace(
        attempts=(
            Attempt(
                number=1, started_seconds=0.0, network_seconds=0.2, status_code=200
            ),
        ),
        total_seconds=0.2,
    ),
)


def ok(
    seconds: float = 0.2, *, network_seconds: float | None = None, **changes: Any
) -> CallRecord:
    """Return a call that succeeded at its first attempt."""
    spent = seconds if network_seconds is None else network_seconds
    attempt = replace(OK.trace.attempts[0], network_seconds=spent)
    trace = replace(OK.trace, attempts=(attempt,), total_seconds=seconds)
    return replace(OK, **{"trace": trace, **changes})


def failed(
    error_type: str = "ServerError",
    category: ErrorCategory = ErrorCategory.SERVER_ERROR,
    status_code: int | None = 503,
    **changes: Any,
) -> CallRecord:
    """Return a call that failed at its only attempt."""
    attempt = replace(
        OK.trace.attempts[0], status_code=status_code, error_type=error_type
    )
    return replace(
        OK,
        **{
            "outcome": "error",
            "status_code": status_code,
            "error_type": error_type,
            "category": category,
            "trace": replace(OK.trace, attempts=(attempt,)),
            **changes,
        },
    )


def cancelled(**changes: Any) -> CallRecord:
    """Return a call that its caller gave up."""
    return replace(
        OK,
        **{
            "outcome": "cancelled",
            "status_code": None,
            "error_type": "CancelledError",
            "category": ErrorCategory.CANCELLED,
            "trace": Trace(total_seconds=0.1),
            **changes,
        },
    )


def cached(tier: str = "memory", **changes: Any) -> CallRecord:
    """Return a call that the cache answered in a tenth of a millisecond."""
    trace = Trace(cache_tier=tier, total_seconds=0.0001)  # type: ignore[arg-type]
    return replace(OK, **{"trace": trace, "status_code": None, **changes})
