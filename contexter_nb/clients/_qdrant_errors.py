"""What the library of Qdrant raises, as answers and errors of ours."""

from __future__ import annotations

import json
from typing import Any

from contexter_nb.core import (
    APIIntegrationError,
    ConnectionFailedError,
    ContexterError,
    DecodingError,
    Headers,
    HTTPError,
    InvalidArgumentError,
    RequestTimeoutError,
    WireResponse,
    scrub,
    without_frames,
)

# grpc.StatusCode to the status that the REST interface answers.
BY_GRPC_CODE = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}
_TOO_LARGE = "larger than"
_NOT_CONNECTED = ("failed to connect", "connection refused", "dns resolution")
_REFUSED_BODY = ("larger than allowed", "payload too large", "larger than max")
_SHOWN_CHARS = 200


def of_local(error: Exception) -> WireResponse | None:
    """Return what a server would have answered where the local mode raised.

    Parameters
    ----------
    error : Exception
        The local mode has no statuses: all it refuses is a ValueError.
    """
    if isinstance(error, NotImplementedError):
        return refusal(501, str(error))
    if not isinstance(error, ValueError):
        return None
    text = str(error)
    if "not found" in text:
        return refusal(404, text)
    return refusal(409 if "already exists" in text else 400, text)


def of_grpc(error: Exception) -> WireResponse | APIIntegrationError | None:
    """Return what an exception of a gRPC call means.

    Parameters
    ----------
    error : Exception
    """
    seconds = getattr(error, "retry_after_s", None)
    if seconds is not None:
        return refusal(429, str(error), {"retry-after": str(seconds)})
    code = getattr(error, "code", None)
    if not callable(code):
        wrong = isinstance(error, (ValueError, AssertionError))
        return _misread(error, "a call") if wrong else None
    name = str(getattr(code(), "name", ""))
    detail = str(getattr(error, "details", lambda: "")() or name)
    shown = scrub(detail)[:_SHOWN_CHARS]
    if name == "DEADLINE_EXCEEDED":
        return RequestTimeoutError(
            f"qdrant went silent ({shown}); try again, or allow more with "
            "timeout_seconds.",
            phase="read",
        )
    if name == "UNAVAILABLE" and any(each in detail.lower() for each in _NOT_CONNECTED):
        return ConnectionFailedError(
            f"No connection to qdrant ({shown}); check the address and grpc_port."
        )
    status = BY_GRPC_CODE.get(name)
    if status == 429 and _TOO_LARGE in detail:
        status = 413
    return refusal(status, detail) if status is not None else None


def of_rest(error: Exception, service: str, operation: str) -> Exception:
    """Return the error of ours that hides in one of the REST library.

    Parameters
    ----------
    error : Exception
        What a method of the library raised.
    service, operation : str
        For the error.
    """
    if isinstance(error, ContexterError):
        return error
    hidden = _hidden(error)
    if hidden is not None:
        return hidden
    source = getattr(error, "source", error)
    if isinstance(source, (ValueError, AssertionError, LookupError)) or hasattr(
        error, "status_code"
    ):
        made = _misread(source, operation)
        made.service, made.operation = service, operation
        made.__cause__ = without_frames(error)
        return made
    return error


def is_too_large(error: BaseException) -> bool:
    """Tell whether the service would take fewer points at once.

    Parameters
    ----------
    error : BaseException
        413; and 400, by which servers also refuse a body above their limit.
    """
    if not isinstance(error, HTTPError):
        return False
    if error.status_code == 413:
        return True
    said = f"{error} {error.body}".lower()
    return error.status_code == 400 and any(each in said for each in _REFUSED_BODY)


def checked_name(name: Any, what: str = "collection") -> str:
    """Return the name of a collection or an alias that can be one.

    Parameters
    ----------
    name : str
    what : str
        For the message.

    Raises
    ------
    InvalidArgumentError
        It is empty, too long, ``.`` or ``..``, or holds what no file name may.
    """
    bad = set('<>:"/\\|?*') | {chr(code) for code in range(32)}
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= 255
        or name in (".", "..")
        or bad.intersection(name)
    ):
        raise InvalidArgumentError(
            f"The {what} is named {repr(name)[:80]}; give a text of 1 to 255 "
            "characters without slashes and the like."
        )
    return name


def refusal(
    status: int, text: str, fields: dict[str, str] | None = None
) -> WireResponse:
    """Return an answer as the REST interface writes its refusals.

    Parameters
    ----------
    status : int
    text : str
    fields : dict, optional
        Header fields.
    """
    headers = Headers({"content-type": "application/json", **(fields or {})})
    body = json.dumps({"status": {"error": text[:2_000]}, "time": 0.0}).encode()
    return WireResponse(status, headers, body)


def _misread(error: BaseException, operation: str) -> DecodingError:
    said = scrub(f"{type(error).__name__}: {error}"[:2_000])
    reason = " ".join(said.split())[:_SHOWN_CHARS]
    return DecodingError(
        f"The answer of qdrant to {operation} is not what it should be ({reason}); "
        "check that the address is Qdrant's and its version fits the library's."
    )


def _hidden(error: BaseException) -> APIIntegrationError | None:
    """Return the first error of ours among the causes and sources of another."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop(0)
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        if isinstance(each, APIIntegrationError):
            return each
        seen.add(id(each))
        waiting += [getattr(each, "source", None), each.__cause__, each.__context__]
    return None
