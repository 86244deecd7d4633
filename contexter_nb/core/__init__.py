"""Values and errors that every other room may use; imports nothing of ours.

Requests   `APIRequest` and `APIResponse` as a caller sees them, `WireRequest` and
           `WireResponse` as they travel, `Headers`, `Timeouts`, the `Sender` between
Events     `Trace` and `Attempt` of one call, `CallRecord` and `BreakerChange` told to
           a `Monitor`
Auth       `AuthHandler`: a flow of steps, `SendRequest` and `GetToken`
Errors     the whole tree, what an error came of (`causes_of`), and how it is sorted
           (`ErrorContext`)
Secrets    `Secret`, `scrub`, `without_frames`
Files      `SQLiteFile` of a `SQLiteFormat`, `immediate`, `damaged`
Tasks      `together`, `at_loop_end`
Doors      `Clock`, `new_random`, `new_id`
"""

from __future__ import annotations

from contexter_nb.core._auth_step import (
    AuthFlow,
    AuthHandler,
    AuthStep,
    GetToken,
    SendRequest,
    Token,
)
from contexter_nb.core._causes import causes_of
from contexter_nb.core._chance import Random, new_id, new_random
from contexter_nb.core._clock import Clock, SystemClock
from contexter_nb.core._errors import (
    APIIntegrationError,
    AuthenticationError,
    BridgeError,
    CircuitOpenError,
    ClientClosedError,
    ConnectionFailedError,
    ConnectionLostError,
    ContexterError,
    DeadlineExceededError,
    DecodingError,
    EmbedderError,
    EmptyIndexError,
    GraphQLError,
    HomeError,
    HTTPError,
    IndexMismatchError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    PoolExhaustedError,
    RateLimitedError,
    RateLimitExceededError,
    RequestTimeoutError,
    ResponseTooLargeError,
    ServerError,
    SessionClosedError,
    SourceError,
    TokenFetchError,
    TransportError,
    UnknownChunkError,
    UnknownLibraryError,
    UnsendableRequestError,
    VersionError,
)
from contexter_nb.core._events import (
    BreakerChange,
    BreakerState,
    CallRecord,
    Monitor,
    Outcome,
    Usage,
)
from contexter_nb.core._headers import Headers
from contexter_nb.core._loop_end import LoopEnd, at_loop_end
from contexter_nb.core._request import MISSING, APIMethod, APIRequest, APIResponse
from contexter_nb.core._secret import (
    HIDDEN,
    Secret,
    is_sensitive,
    scrub,
    without_frames,
)
from contexter_nb.core._severity import ErrorCategory, ErrorContext, ErrorSeverity
from contexter_nb.core._sqlite_file import (
    SQLiteFile,
    SQLiteFormat,
    damaged,
    immediate,
)
from contexter_nb.core._suggest import closest, did_you_mean
from contexter_nb.core._together import together
from contexter_nb.core._trace import Attempt, Tier, Trace
from contexter_nb.core._type_words import type_in_words
from contexter_nb.core._wire import (
    DEFAULT_MAX_BYTES,
    Sender,
    Timeouts,
    WireRequest,
    WireResponse,
)

__all__ = [
    "APIIntegrationError",
    "APIMethod",
    "APIRequest",
    "APIResponse",
    "at_loop_end",
    "Attempt",
    "AuthenticationError",
    "AuthFlow",
    "AuthHandler",
    "AuthStep",
    "BreakerChange",
    "BreakerState",
    "BridgeError",
    "CallRecord",
    "causes_of",
    "CircuitOpenError",
    "ClientClosedError",
    "Clock",
    "closest",
    "ConnectionFailedError",
    "ConnectionLostError",
    "ContexterError",
    "damaged",
    "DeadlineExceededError",
    "DecodingError",
    "DEFAULT_MAX_BYTES",
    "did_you_mean",
    "EmbedderError",
    "EmptyIndexError",
    "ErrorCategory",
    "ErrorContext",
    "ErrorSeverity",
    "GetToken",
    "GraphQLError",
    "Headers",
    "HIDDEN",
    "HomeError",
    "HTTPError",
    "immediate",
    "IndexMismatchError",
    "InvalidArgumentError",
    "is_sensitive",
    "LoopEnd",
    "MISSING",
    "Monitor",
    "new_id",
    "new_random",
    "NotFoundError",
    "Outcome",
    "PermissionDeniedError",
    "PoolExhaustedError",
    "Random",
    "RateLimitedError",
    "RateLimitExceededError",
    "RequestTimeoutError",
    "ResponseTooLargeError",
    "scrub",
    "Secret",
    "Sender",
    "SendRequest",
    "ServerError",
    "SessionClosedError",
    "SourceError",
    "SQLiteFile",
    "SQLiteFormat",
    "SystemClock",
    "Tier",
    "Timeouts",
    "together",
    "Token",
    "TokenFetchError",
    "Trace",
    "TransportError",
    "type_in_words",
    "UnknownChunkError",
    "UnknownLibraryError",
    "UnsendableRequestError",
    "Usage",
    "VersionError",
    "WireRequest",
    "WireResponse",
    "without_frames",
]
