"""What kind of error it is, by class and status; how bad; whether again may help."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import socket
import ssl
from collections.abc import Iterator

from contexter_nb.core import (
    APIIntegrationError,
    AuthenticationError,
    BridgeError,
    CircuitOpenError,
    ClientClosedError,
    ContexterError,
    DeadlineExceededError,
    DecodingError,
    EmbedderError,
    EmptyIndexError,
    ErrorCategory,
    ErrorSeverity,
    GraphQLError,
    HomeError,
    HTTPError,
    IndexMismatchError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    PoolExhaustedError,
    RateLimitExceededError,
    RequestTimeoutError,
    ResponseTooLargeError,
    ServerError,
    SessionClosedError,
    SourceError,
    TokenFetchError,
    TransportError,
    UnsendableRequestError,
    VersionError,
    causes_of,
)

Category = ErrorCategory
CAUSES_LOOKED_AT = 8

BY_STATUS = {
    400: Category.VALIDATION,
    401: Category.AUTHENTICATION,
    402: Category.QUOTA,
    403: Category.PERMISSION,
    404: Category.NOT_FOUND,
    407: Category.CONFIGURATION,
    408: Category.TIMEOUT,
    409: Category.CONFLICT,
    410: Category.NOT_FOUND,
    412: Category.CONFLICT,
    413: Category.TOO_LARGE,
    414: Category.TOO_LARGE,
    422: Category.VALIDATION,
    423: Category.CONFLICT,
    429: Category.RATE_LIMIT,
    431: Category.TOO_LARGE,
    451: Category.PERMISSION,
    502: Category.UNAVAILABLE,
    503: Category.UNAVAILABLE,
    504: Category.TIMEOUT,
    511: Category.NETWORK,
    529: Category.UNAVAILABLE,
}

# The first that fits counts, so a class stands before those it derives from.
BY_CLASS: tuple[tuple[type[BaseException], ErrorCategory], ...] = (
    (AuthenticationError, Category.AUTHENTICATION),
    (PermissionDeniedError, Category.PERMISSION),
    (NotFoundError, Category.NOT_FOUND),
    (RateLimitExceededError, Category.RATE_LIMIT),
    (ServerError, Category.SERVER_ERROR),
    (HTTPError, Category.CLIENT_ERROR),
    (CircuitOpenError, Category.UNAVAILABLE),
    (DeadlineExceededError, Category.TIMEOUT),
    (RequestTimeoutError, Category.TIMEOUT),
    (PoolExhaustedError, Category.LOCAL),
    (UnsendableRequestError, Category.CONFIGURATION),
    (ResponseTooLargeError, Category.TOO_LARGE),
    (TransportError, Category.NETWORK),
    (DecodingError, Category.DECODING),
    (TokenFetchError, Category.AUTHENTICATION),
    (VersionError, Category.CONFIGURATION),
    (ClientClosedError, Category.LOCAL),
    (BridgeError, Category.LOCAL),
    (SessionClosedError, Category.LOCAL),
    (IndexMismatchError, Category.CONFIGURATION),
    (EmptyIndexError, Category.NOT_FOUND),
    (InvalidArgumentError, Category.VALIDATION),
    (HomeError, Category.LOCAL),
    (EmbedderError, Category.LOCAL),
    (SourceError, Category.LOCAL),
    (asyncio.CancelledError, Category.CANCELLED),
    (concurrent.futures.CancelledError, Category.CANCELLED),
    (KeyboardInterrupt, Category.CANCELLED),
    (TimeoutError, Category.TIMEOUT),
    (ConnectionError, Category.NETWORK),
    (ssl.SSLError, Category.NETWORK),
    (socket.gaierror, Category.NETWORK),
    (OSError, Category.LOCAL),
    (MemoryError, Category.LOCAL),
)

NETWORK_ERRNOS = frozenset(
    {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH}
)

# What a wrapping error says about itself yields to a cause of these.
PASSING = frozenset(
    {
        Category.NETWORK,
        Category.TIMEOUT,
        Category.RATE_LIMIT,
        Category.SERVER_ERROR,
        Category.UNAVAILABLE,
    }
)

# As servers of GraphQL spell them, underscores apart; the first in this order counts.
BY_GRAPHQL_CODE = {
    "UNAUTHENTICATED": Category.AUTHENTICATION,
    "AUTHENTICATIONERROR": Category.AUTHENTICATION,
    "UNAUTHORIZED": Category.AUTHENTICATION,
    "FORBIDDEN": Category.PERMISSION,
    "ACCESSDENIED": Category.PERMISSION,
    "THROTTLED": Category.RATE_LIMIT,
    "RATELIMITED": Category.RATE_LIMIT,
    "TOOMANYREQUESTS": Category.RATE_LIMIT,
    "MAXCOSTEXCEEDED": Category.TOO_LARGE,
    "MAXNODELIMITEXCEEDED": Category.TOO_LARGE,
    "GRAPHQLPARSEFAILED": Category.VALIDATION,
    "GRAPHQLVALIDATIONFAILED": Category.VALIDATION,
    "BADUSERINPUT": Category.VALIDATION,
    "BADREQUEST": Category.VALIDATION,
    "PERSISTEDQUERYNOTFOUND": Category.CLIENT_ERROR,
    "PERSISTEDQUERYNOTSUPPORTED": Category.CLIENT_ERROR,
    "NOTFOUND": Category.NOT_FOUND,
    "CONFLICT": Category.CONFLICT,
    "TIMEOUT": Category.TIMEOUT,
    "SERVICEUNAVAILABLE": Category.UNAVAILABLE,
    "DOWNSTREAMSERVICEERROR": Category.SERVER_ERROR,
    "INTERNALSERVERERROR": Category.SERVER_ERROR,
}

SEVERITY = {
    Category.CANCELLED: ErrorSeverity.LOW,
    Category.NOT_FOUND: ErrorSeverity.LOW,
    Category.RATE_LIMIT: ErrorSeverity.LOW,
    Category.AUTHENTICATION: ErrorSeverity.HIGH,
    Category.PERMISSION: ErrorSeverity.HIGH,
    Category.QUOTA: ErrorSeverity.HIGH,
    Category.CONFIGURATION: ErrorSeverity.HIGH,
    Category.DECODING: ErrorSeverity.HIGH,
    Category.UNKNOWN: ErrorSeverity.CRITICAL,
}

RETRYABLE = PASSING
NEVER_RETRYABLE_STATUS = frozenset({501, 505, 506, 508, 510, 511})


def category_of(error: BaseException) -> ErrorCategory:
    """Return what kind of error this is; of one that no table knows ``UNKNOWN``.

    Parameters
    ----------
    error : BaseException
        Ours or anybody's. A wrapping error counts as the failure of the network or the
        service that it was raised from; a group as the worst of its members.

    Examples
    --------
    >>> category_of(ConnectionResetError()).value, category_of(KeyError("x")).value
    ('network', 'unknown')
    """
    return _category(error, CAUSES_LOOKED_AT)


def _category(error: BaseException, depth: int) -> ErrorCategory:
    if isinstance(error, HTTPError):
        return _of_status(error)
    if isinstance(error, GraphQLError):
        return _of_graphql(error)
    if isinstance(error, BaseExceptionGroup) and depth:
        members = [_category(each, depth - 1) for each in error.exceptions]
        return max(members, key=lambda each: _rank(severity_of(each)))
    own = _of_class(error)
    cause = error.__cause__
    wraps = isinstance(error, EmbedderError | SourceError | TokenFetchError)
    if wraps and cause is not None and depth:
        inner = _category(cause, depth - 1)
        from_service = isinstance(cause, APIIntegrationError)
        is_token = isinstance(error, TokenFetchError)
        if inner in PASSING or (from_service and not is_token):
            return inner
    return own


def _of_class(error: BaseException) -> ErrorCategory:
    if isinstance(error, OSError) and error.errno in NETWORK_ERRNOS:
        return Category.NETWORK
    for kind, category in BY_CLASS:
        if isinstance(error, kind):
            return category
    return Category.CLIENT_ERROR if _is_ours(error) else Category.UNKNOWN


def _is_ours(error: BaseException) -> bool:
    return isinstance(error, ContexterError)


def _of_status(error: HTTPError) -> ErrorCategory:
    status = error.status_code
    if status in BY_STATUS:
        return BY_STATUS[status]
    if 300 <= status < 400:
        return Category.CONFIGURATION
    if 400 <= status < 500:
        return Category.CLIENT_ERROR
    return Category.SERVER_ERROR if status >= 500 else _of_class(error)


def _of_graphql(error: GraphQLError) -> ErrorCategory:
    codes = set(_graphql_codes(error))
    for code, category in BY_GRAPHQL_CODE.items():
        if code in codes:
            return category
    # Without data nothing was executed: the request itself was refused.
    return Category.SERVER_ERROR if error.executed else Category.VALIDATION


def _graphql_codes(error: GraphQLError) -> Iterator[str]:
    """Yield the codes that a service gave, in whatever it gave as errors."""
    for each in error.errors:
        if not isinstance(each, dict):
            continue
        extensions = each.get("extensions")
        inner = extensions if isinstance(extensions, dict) else {}
        for code in (inner.get("code"), inner.get("type"), each.get("type")):
            if isinstance(code, str):
                yield code.upper().replace("_", "").replace("-", "")


def severity_of(category: ErrorCategory) -> ErrorSeverity:
    """Return how much an error of a category matters.

    Parameters
    ----------
    category : ErrorCategory

    Examples
    --------
    >>> severity_of(ErrorCategory.TIMEOUT).value
    'medium'
    """
    return SEVERITY.get(category, ErrorSeverity.MEDIUM)


def _rank(severity: ErrorSeverity) -> int:
    return list(ErrorSeverity).index(severity)


def is_retryable(error: BaseException) -> bool:
    """Tell whether sending the same again may help; not whether it is safe.

    Parameters
    ----------
    error : BaseException
    """
    if isinstance(error, HTTPError):
        if error.status_code in NEVER_RETRYABLE_STATUS:
            return False
        if error.status_code == 425:
            return True
    return category_of(error) in RETRYABLE and not has_bad_certificate(error)


def has_bad_certificate(error: BaseException) -> bool:
    """Tell whether a certificate that was not accepted is at the bottom of it.

    Parameters
    ----------
    error : BaseException
    """
    return any(
        isinstance(each, ssl.SSLCertVerificationError) for each in causes_of(error)
    )
