"""An answer with an error status becomes a typed error that says what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from contexter_nb.core import (
    AuthenticationError,
    Headers,
    HTTPError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    WireResponse,
)
from contexter_nb.policies._excerpt import (
    body_excerpt,
    excerpt,
    looks_like_html,
    media_type_of,
)

DETAIL_CHARS = 200
DETAIL_READ_BYTES = 64 * 1024
KEPT_HEADERS = 64
SAYING = ("detail", "error_description", "message", "msg", "error", "title", "reason")

ADVICE = {
    400: "check the arguments",
    401: "check the key or token",
    402: "check the plan and the balance of the account",
    403: "check what this key is allowed to do",
    404: "check the name and the base URL",
    405: "check the endpoint and the base URL",
    407: "check the credentials of the proxy",
    408: "try again",
    409: "read the present state, then try again",
    410: "it is gone for good, so use what replaced it",
    413: "send less at once",
    414: "send less at once",
    415: "check the content type sent",
    422: "check the arguments",
    425: "try again",
    431: "send fewer or shorter headers",
    451: "it is withheld for legal reasons",
    501: "the service does not offer this",
    505: "the service does not offer this",
    511: "sign in to the network first",
}


def error_from_response(
    response: WireResponse,
    *,
    service: str = "",
    operation: str = "",
    request_id: str = "",
    wall: datetime,
    retry_after_seconds: float | None = None,
) -> HTTPError:
    """Return the typed error of an answer with an error status; it is not raised.

    Parameters
    ----------
    response : WireResponse
        With a status of 300 or more; a redirect counts, since it was not followed.
    service, operation, request_id : str
        For the error; empty where unknown.
    wall : datetime
        Aware; from which the time to wait is counted.
    retry_after_seconds : float, optional
        What the service asked for, already read from the answer.

    Returns
    -------
    HTTPError
        `AuthenticationError` for 401, `PermissionDeniedError` for 403,
        `NotFoundError` for 404 and 410, `RateLimitedError` for 429, `ServerError`
        from 500 on. Its message, body and headers are bounded and scrubbed.

    Raises
    ------
    InvalidArgumentError
        The status is below 300.

    Examples
    --------
    >>> from datetime import UTC
    >>> answer = WireResponse(404, Headers(), b'{"detail": "No such model."}')
    >>> error_from_response(
    ...     answer, service="voyage", operation="rerank", wall=datetime.now(UTC)
    ... )
    NotFoundError("voyage answered 404 Not Found to 'rerank' (No such model); \
check the name and the base URL.")

    Source
    ------
    RFC 9110, section 15 (status codes); RFC 9457 (problem details).
    """
    status = response.status_code
    if status < 300:
        raise InvalidArgumentError(
            f"status_code is {status}, which is no error; give 300 or more."
        )
    message = _sentence(response, service, operation, wall, retry_after_seconds)
    return _kind(status)(
        message,
        status_code=status,
        body=body_excerpt(response.content, response.headers),
        headers=_kept(response.headers),
        retry_after_seconds=retry_after_seconds,
        service=service,
        operation=operation,
        request_id=request_id,
    )


def _kind(status: int) -> type[HTTPError]:
    if status >= 500:
        return ServerError
    return {
        401: AuthenticationError,
        403: PermissionDeniedError,
        404: NotFoundError,
        410: NotFoundError,
        429: RateLimitedError,
    }.get(status, HTTPError)


def _sentence(
    response: WireResponse,
    service: str,
    operation: str,
    wall: datetime,
    retry_after_seconds: float | None,
) -> str:
    status = response.status_code
    asked = f" to {excerpt(operation, 100)!r}" if operation else ""
    said = detail_of(response)
    detail = f" ({said})" if said else ""
    advice = _advice(response, wall, retry_after_seconds)
    who = service or "The service"
    return f"{who} answered {status}{_phrase(status)}{asked}{detail}; {advice}."


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _advice(
    response: WireResponse, wall: datetime, retry_after_seconds: float | None
) -> str:
    status = response.status_code
    if status < 400:
        return f"it points to {_target(response.headers)}, so check the base URL"
    if retry_after_seconds is not None:
        return f"wait {_until(wall, retry_after_seconds)}"
    if status == 429:
        return "send less often"
    if status in ADVICE:
        return ADVICE[status]
    return "try again later" if status >= 500 else "check the request"


def _until(wall: datetime, seconds: float) -> str:
    try:
        return f"{seconds:.3g} s, until {wall + timedelta(seconds=seconds):%H:%M:%S %Z}"
    except (OverflowError, ValueError):
        return f"{seconds:.3g} s"


def _target(headers: Headers) -> str:
    """Return where a redirect points, without what may be a credential."""
    try:
        parts = urlsplit(headers.get("location", ""))
        host = parts.netloc.rpartition("@")[2]
        target = urlunsplit((parts.scheme, host, parts.path, "", ""))
    except ValueError:
        target = ""
    return excerpt(target, DETAIL_CHARS) or "nowhere"


def _kept(headers: Headers) -> dict[str, str]:
    """Return the first header fields, scrubbed, each of bounded length."""
    fields = headers.shown().items()
    # Retrying reads it, however many fields come before it.
    first = [each for each in fields if each[0] == "x-should-retry"]
    shown = (first + list(fields))[:KEPT_HEADERS]
    kept = {excerpt(name, 100): excerpt(value, DETAIL_CHARS) for name, value in shown}
    if "location" in kept:
        kept["location"] = _target(headers)
    return kept


def detail_of(response: WireResponse) -> str:
    """Return what the body of an error says, at most 200 characters, scrubbed.

    Parameters
    ----------
    response : WireResponse
        Its body may be JSON of any usual shape (``detail``, ``message``, ``error``,
        problem details, a list of errors), a short text, or a page.

    Returns
    -------
    str
        On one line, without a full stop; empty where nothing is said.

    Examples
    --------
    >>> detail_of(WireResponse(400, Headers(), b'{"error": {"message": "Too many."}}'))
    'Too many'
    """
    content = response.content
    media_type = media_type_of(response.headers)
    if looks_like_html(content, media_type):
        return "a web page, as of a proxy"
    try:
        said = "; ".join(_says(msgspec.json.decode(content[:DETAIL_READ_BYTES])))
    except (ValueError, RecursionError):
        is_text = media_type in ("text/plain", "")
        said = body_excerpt(content, response.headers) if is_text else ""
    return excerpt(said, DETAIL_CHARS).rstrip(". ")


def _says(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the sentences in a decoded error, whatever its shape."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and depth < 4:
        for each in value[:3]:
            yield from _says(each, depth + 1)
    elif isinstance(value, Mapping) and depth < 4:
        yield from _says_of_mapping(value, depth)


def _says_of_mapping(value: Mapping[str, Any], depth: int) -> Iterator[str]:
    for name in SAYING:
        said = "; ".join(_says(value.get(name), depth + 1))
        if said:
            place = _place(value.get("loc"))
            yield f"{place}: {said}" if place else said
            return
    for name in ("errors", "status"):  # of JSON:API and GraphQL, and of Qdrant
        if isinstance(value.get(name), list | Mapping):
            yield from _says(value[name], depth + 1)
            return


def _place(parts: object) -> str:
    """Return ``body.texts.0`` of a list of parts, nothing of anything else."""
    return ".".join(str(each) for each in parts[:8]) if isinstance(parts, list) else ""
