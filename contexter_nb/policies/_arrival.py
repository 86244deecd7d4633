"""Whether a failed call may have done its work at the service all the same."""

from __future__ import annotations

from contexter_nb.core import (
    APIIntegrationError,
    Attempt,
    CircuitOpenError,
    ClientClosedError,
    ConnectionFailedError,
    HTTPError,
    InvalidArgumentError,
    PoolExhaustedError,
    RateLimitExceededError,
    RequestTimeoutError,
    TokenFetchError,
    UnsendableRequestError,
    VersionError,
)

# Refused before anything was done: who asks, how much, how often, and where.
REFUSED_STATUS = frozenset({401, 403, 404, 405, 413, 414, 415, 422, 425, 429, 431})

NEVER_SENT = (
    CircuitOpenError,
    ClientClosedError,
    ConnectionFailedError,
    InvalidArgumentError,
    PoolExhaustedError,
    RateLimitExceededError,
    TokenFetchError,
    UnsendableRequestError,
    VersionError,
)


def may_have_arrived(error: BaseException) -> bool:
    """Tell whether the service may have acted on a call that failed like this.

    Parameters
    ----------
    error : BaseException
        Of one that carries a trace, every attempt of it counts.

    Returns
    -------
    bool
        False only where nothing was sent, or where what was sent was refused.

    Examples
    --------
    >>> may_have_arrived(ConnectionFailedError()), may_have_arrived(TimeoutError())
    (False, True)
    """
    if _last_may_have(error):
        return True
    trace = error.trace if isinstance(error, APIIntegrationError) else None
    # The last attempt is the error itself, which knows more than its record.
    earlier = trace.attempts[:-1] if trace else ()
    held_back = isinstance(error, CircuitOpenError | RateLimitExceededError)
    if trace and held_back and not isinstance(error, HTTPError):
        earlier = trace.attempts
    return any(_attempt_may_have(each) for each in earlier)


def _last_may_have(error: BaseException) -> bool:
    if isinstance(error, HTTPError):
        redirected = 300 <= error.status_code < 400
        return not (redirected or error.status_code in REFUSED_STATUS)
    if isinstance(error, RequestTimeoutError):
        return error.phase != "connect"
    return not isinstance(error, NEVER_SENT)


def _attempt_may_have(attempt: Attempt) -> bool:
    if attempt.status_code is not None:
        refused = attempt.status_code in REFUSED_STATUS
        return not (refused or 300 <= attempt.status_code < 400)
    return attempt.network_seconds > 0 and attempt.error_type not in (
        "ConnectionFailedError",
        "PoolExhaustedError",
        "UnsendableRequestError",
    )
