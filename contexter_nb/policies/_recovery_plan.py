"""What to do next about an error, of the means at hand: decided, not done."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from contexter_nb.core import ErrorCategory, ErrorContext

MAX_WAIT_SECONDS = 60.0


class RecoveryAction(StrEnum):
    """What may be done about an error."""

    REFRESH = "refresh"
    WAIT = "wait"
    SPLIT = "split"
    FALL_BACK = "fall_back"
    GIVE_UP = "give_up"


# For these an older or another answer is better than none; not where a person has to
# do something: mend the key, the arguments or the code.
FALL_BACK_ON = frozenset(
    {
        ErrorCategory.NETWORK,
        ErrorCategory.TIMEOUT,
        ErrorCategory.RATE_LIMIT,
        ErrorCategory.QUOTA,
        ErrorCategory.SERVER_ERROR,
        ErrorCategory.UNAVAILABLE,
        ErrorCategory.DECODING,
        ErrorCategory.TOO_LARGE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPlan:
    """What to do next about an error.

    Attributes
    ----------
    action : RecoveryAction
    reason : str
        Half a sentence.
    wait_seconds : float
        Before the call is made again; above 0 only with ``WAIT``.
    """

    action: RecoveryAction
    reason: str
    wait_seconds: float = 0.0


def plan_recovery(
    context: ErrorContext,
    *,
    remaining_seconds: float | None = None,
    can_refresh: bool = False,
    can_wait: bool = True,
    can_split: bool = False,
    has_fallback: bool = False,
    max_wait_seconds: float = MAX_WAIT_SECONDS,
) -> RecoveryPlan:
    """Return the best means against an error, of those at hand.

    Parameters
    ----------
    context : ErrorContext
        The error, classified.
    remaining_seconds : float, optional
        Until the deadline; None where there is none.
    can_refresh : bool, default False
        Whether a newer credential can be had.
    can_wait : bool, default True
        Whether waiting is not done yet.
    can_split : bool, default False
        Whether what was sent can be sent in parts.
    has_fallback : bool, default False
        Whether there is another answer.
    max_wait_seconds : float, default 60
        No wait is longer, whatever the deadline.

    Returns
    -------
    RecoveryPlan
        A newer credential for authentication; parts for what is too large; a wait only
        for a call that was held back here (a used up rate limit, an open circuit) and
        only where its end is known and fits: what the service itself refused has been
        retried already. Else the fallback, where an older answer is of use.

    Examples
    --------
    >>> from contexter_nb.core import CircuitOpenError
    >>> from contexter_nb.policies._classify import ErrorClassifier
    >>> context = ErrorClassifier().classify(CircuitOpenError(retry_after_seconds=3))
    >>> plan_recovery(context, remaining_seconds=10).wait_seconds
    3.0
    >>> plan_recovery(context, remaining_seconds=1, has_fallback=True).action.value
    'fall_back'
    """
    category = context.category
    left = math.inf if remaining_seconds is None else remaining_seconds
    if category is ErrorCategory.AUTHENTICATION and can_refresh and left > 0:
        return RecoveryPlan(action=RecoveryAction.REFRESH, reason="a new credential")
    if category is ErrorCategory.TOO_LARGE and can_split and left > 0:
        return RecoveryPlan(action=RecoveryAction.SPLIT, reason="smaller parts")
    wait = context.retry_after_seconds
    if wait is not None and wait <= max_wait_seconds and wait < left:
        reason = f"a wait of {wait:.3g} s"
        if can_wait and _was_held_back(context):
            return RecoveryPlan(
                action=RecoveryAction.WAIT, reason=reason, wait_seconds=wait
            )
    if has_fallback and category in FALL_BACK_ON:
        return RecoveryPlan(action=RecoveryAction.FALL_BACK, reason="another answer")
    return RecoveryPlan(action=RecoveryAction.GIVE_UP, reason="nothing that would help")


def _was_held_back(context: ErrorContext) -> bool:
    """Tell whether no answer stands behind it: the call never left this machine."""
    return context.status_code is None and context.category in (
        ErrorCategory.RATE_LIMIT,
        ErrorCategory.UNAVAILABLE,
    )
