"""An error is explained: what to say, what to do, and when to try again."""

from __future__ import annotations

import math
import socket

from contexter_nb.core import (
    Clock,
    ErrorContext,
    ErrorSeverity,
    SystemClock,
    causes_of,
)
from contexter_nb.policies._advice import advice_on, sentence_on
from contexter_nb.policies._category import (
    category_of,
    has_bad_certificate,
    is_retryable,
    severity_of,
)
from contexter_nb.policies._excerpt import excerpt


def retry_after_of(error: BaseException) -> float | None:
    """Return the seconds that an error asks to wait; None where it does not say.

    Parameters
    ----------
    error : BaseException
    """
    asked = getattr(error, "retry_after_seconds", None)
    if isinstance(asked, int | float) and 0 <= asked < math.inf:
        return float(asked)
    return None


class ErrorClassifier:
    """Sort errors and explain them.

    Parameters
    ----------
    clock : Clock, optional
        Says when an error occurred.

    Examples
    --------
    >>> from contexter_nb.core import RateLimitExceededError
    >>> error = RateLimitExceededError("Full.", retry_after_seconds=2.5)
    >>> context = ErrorClassifier().classify(error, service="voyage")
    >>> context.category.value, context.retry_after_seconds
    ('rate_limit', 2.5)
    >>> context.recovery_suggestions[0]
    'Wait 2.5 s before the next call.'
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def classify(
        self,
        error: BaseException,
        *,
        service: str = "",
        operation: str = "",
        request_id: str = "",
    ) -> ErrorContext:
        """Return what is known of an error; needs no ``except`` clause round it.

        Parameters
        ----------
        error : BaseException
            It is not changed and not kept.
        service, operation, request_id : str
            Where the error itself does not say.

        Returns
        -------
        ErrorContext
            Its message is scrubbed and bounded; there is no stack in it.
        """
        category = category_of(error)
        where = service or _text_of(error, "service")
        wait = retry_after_of(error)
        status = getattr(error, "status_code", None)
        bad_certificate = has_bad_certificate(error)
        return ErrorContext(
            category=category,
            severity=ErrorSeverity.HIGH if bad_certificate else severity_of(category),
            service=where,
            operation=operation or _text_of(error, "operation"),
            request_id=request_id or _text_of(error, "request_id"),
            error_type=type(error).__name__,
            message=message_of(error),
            user_message=sentence_on(category, where, type(error).__name__),
            recovery_suggestions=advice_on(
                category,
                retry_after_seconds=wait,
                bad_certificate=bad_certificate,
                unknown_host=any(
                    isinstance(each, socket.gaierror) for each in causes_of(error)
                ),
            ),
            retry_after_seconds=wait,
            retryable=is_retryable(error),
            status_code=status if isinstance(status, int) and status else None,
            occurred_at=self._clock.wall(),
        )


def _text_of(error: BaseException, name: str) -> str:
    value = getattr(error, name, "")
    return value if isinstance(value, str) else ""


def message_of(error: BaseException) -> str:
    """Return what an error says, scrubbed, at most 500 characters, never empty.

    Parameters
    ----------
    error : BaseException
        One whose own text cannot be made is named by its class.
    """
    try:
        said = str(error)
    except Exception:  # a foreign class may fail at this, and we are reporting
        said = ""
    return excerpt(said) or type(error).__name__
