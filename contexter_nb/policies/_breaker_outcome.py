"""What the end of an attempt says about the health of a service."""

from __future__ import annotations

from typing import Literal

from contexter_nb.core import (
    ConnectionFailedError,
    ConnectionLostError,
    DecodingError,
    HTTPError,
    RequestTimeoutError,
)

BreakerOutcome = Literal["ok", "failed", "neutral"]

_FAILURES = (
    ConnectionFailedError,
    ConnectionLostError,
    DecodingError,
    RequestTimeoutError,
)
# Not offered, rather than broken: the same request will never do.
_UNSUPPORTED = (501, 505)


def breaker_outcome(error: BaseException | None) -> BreakerOutcome:
    """Sort the end of one attempt for a circuit breaker.

    Parameters
    ----------
    error : BaseException or None
        What it raised; None for an answer that is as it should be.

    Returns
    -------
    str
        ``ok``; ``failed`` where the service is ill: a status of 500 or more (but 501
        and 505), no connection, a broken one, a phase that took too long, an answer
        that is not what it says it is; else ``neutral``, which says nothing about it:
        other statuses, 429 among them, cancellation, and what went wrong here.

    Examples
    --------
    >>> from contexter_nb.core import RateLimitedError, ServerError
    >>> breaker_outcome(ServerError(status_code=503))
    'failed'
    >>> breaker_outcome(RateLimitedError(status_code=429))
    'neutral'
    """
    if error is None:
        return "ok"
    if isinstance(error, HTTPError):
        status = error.status_code
        return "failed" if status >= 500 and status not in _UNSUPPORTED else "neutral"
    return "failed" if isinstance(error, _FAILURES) else "neutral"
