"""What a monitor is told are values: complete, unchanging, sent between processes."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime

import pytest

from contexter_nb.core import (
    BreakerChange,
    CallRecord,
    ErrorCategory,
    ErrorContext,
    ErrorSeverity,
    Trace,
    Usage,
)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CALL = CallRecord(
    service="voyage",
    operation="embeddings",
    method="POST",
    host="api.example.com",
    request_id="1",
    started_at=NOW,
    outcome="ok",
    trace=Trace(total_seconds=0.5),
)
CHANGE = BreakerChange(
    service="voyage", host="api.example.com", before="closed", after="open", at=NOW
)
CONTEXT = ErrorContext(
    category=ErrorCategory.TIMEOUT,
    severity=ErrorSeverity.MEDIUM,
    error_type="TimeoutError",
    message="m",
    user_message="u",
    recovery_suggestions=("r",),
    occurred_at=NOW,
)


@pytest.mark.parametrize("event", [CALL, CHANGE, CONTEXT, Usage(3, 0.1)])
def test_an_event_is_unchanging_and_can_be_sent_elsewhere(event: object) -> None:
    """Monitors of other threads and processes may keep it."""
    assert pickle.loads(pickle.dumps(event)) == event
    name = fields(event)[0].name  # type: ignore[arg-type]
    with pytest.raises((FrozenInstanceError, AttributeError)):
        setattr(event, name, "other")


def test_a_call_that_went_well_has_no_error_and_cost_nothing_by_itself() -> None:
    """What is not said is nothing, not a guess."""
    assert (CALL.category, CALL.error_type, CALL.status_code) == (None, None, None)
    assert CALL.usage == CALL.saved == Usage(0, 0.0)
    assert CALL.saved_seconds == 0


def test_categories_and_severities_are_their_own_labels() -> None:
    """They can be written as JSON and used as labels of a metric as they are."""
    assert f"{ErrorCategory.RATE_LIMIT}" == "rate_limit"
    assert [f"{each}" for each in ErrorSeverity] == [
        "low",
        "medium",
        "high",
        "critical",
    ]
    assert all(each.value == each.name.lower() for each in ErrorCategory)
