"""How an error is sorted: by category, by severity, and what may be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ErrorCategory(StrEnum):
    """What kind of thing went wrong."""

    NETWORK = "network"
    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    VALIDATION = "validation"
    QUOTA = "quota"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    CLIENT_ERROR = "client_error"
    SERVER_ERROR = "server_error"
    UNAVAILABLE = "unavailable"
    DECODING = "decoding"
    CONFIGURATION = "configuration"
    LOCAL = "local"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class ErrorSeverity(StrEnum):
    """How much it matters, from the least to the most."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorContext:
    """An error, sorted and explained.

    Attributes
    ----------
    category : ErrorCategory
    severity : ErrorSeverity
    service, operation, request_id : str
        Where; empty where unknown.
    error_type : str
        The class's name.
    message : str
        What the error says, scrubbed and at most 500 characters.
    user_message : str
        One sentence for a person.
    recovery_suggestions : tuple of str
        What to do, the best first.
    retry_after_seconds : float or None
        What the service asked for; None where it did not.
    retryable : bool
        Whether sending the same again may help.
    status_code : int or None
    occurred_at : datetime
        Aware UTC.
    """

    category: ErrorCategory
    severity: ErrorSeverity
    error_type: str
    message: str
    user_message: str
    recovery_suggestions: tuple[str, ...]
    occurred_at: datetime
    service: str = ""
    operation: str = ""
    request_id: str = ""
    retry_after_seconds: float | None = None
    retryable: bool = False
    status_code: int | None = None
