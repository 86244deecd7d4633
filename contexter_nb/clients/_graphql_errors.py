"""When a GraphQL answer is an error, and what it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from contexter_nb.core import (
    APIIntegrationError,
    APIRequest,
    DecodingError,
    GraphQLError,
    RateLimitedError,
    WireResponse,
    scrub,
)
from contexter_nb.policies import retry_after_seconds

MEDIA_TYPE = "application/graphql-response+json"
ACCEPT = f"{MEDIA_TYPE}, application/json;q=0.9"
# About the sending and not about the document, whatever the body says.
_ABOUT_HTTP = frozenset({401, 403, 405, 406, 407, 408, 413, 414, 415, 425, 429, 431})
# Older services say with these, in plain JSON, that a document cannot be executed;
# other statuses are a proxy's.
_OLDER_REFUSALS = frozenset({400, 422})
_THROTTLED = frozenset({"RATELIMITED", "THROTTLED", "TOOMANYREQUESTS"})
_SAID_CHARS = 300
_READ_CHARS = 4_000
_PATH_PARTS = 20
_LONGEST_WAIT_SECONDS = 1e9


def is_answer(answer: WireResponse) -> bool:
    """Tell whether an answer is GraphQL's rather than a proxy's.

    Parameters
    ----------
    answer : WireResponse
        With GraphQL's own media type it is, whatever its status but those about the
        sending; plain JSON with status 400 or 422 is where it lists errors.
        (GraphQL over HTTP, draft of 2026-08-06, section "Response")
    """
    if answer.is_success:
        return True
    status = answer.status_code
    if not 400 <= status <= 499 or status in _ABOUT_HTTP:
        return False
    media_type = (
        answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    )
    is_older = media_type == "application/json" and status in _OLDER_REFUSALS
    if media_type != MEDIA_TYPE and not is_older:
        return False
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict) and isinstance(body.get("errors"), list)


def hidden_error(
    service: str, wall: Callable[[], datetime]
) -> Callable[[APIRequest, WireResponse, Any], APIIntegrationError | None]:
    """Return what finds the error in an answer whose status is none.

    Parameters
    ----------
    service : str
        For the messages.
    wall : callable
        Returns the present, aware.

    Returns
    -------
    callable
        Takes the request, the answer and its decoded body. Finds `DecodingError` where
        it is no GraphQL answer; `RateLimitedError` where it says that a limit is used
        up, and nothing was executed or sending again does no harm; `GraphQLError` where
        it has errors and no data; else None.
    """

    def found(
        request: APIRequest, answer: WireResponse, body: Any
    ) -> APIIntegrationError | None:
        where: dict[str, Any] = {"service": service, "operation": request.name}
        problem = _not_graphql(body)
        if problem is not None:
            return DecodingError(
                f"{service} answered {request.name} {problem}", **where
            )
        errors = errors_of(body)
        if not errors or body.get("data") is not None:
            return None
        throttled = [each for each in errors if code_of(each) in _THROTTLED]
        if throttled and (request.is_repeatable or "data" not in body):
            wait = _asked_wait(throttled[0])
            if wait is None:
                wait = retry_after_seconds(answer.headers, wall())
            return RateLimitedError(
                f"{service} did not execute {request.name}, since its limit is used "
                f"up: {said(throttled[0])}; send less often.",
                # As it would have been over plain HTTP; by it, retrying decides.
                status_code=429,
                headers=answer.headers.shown(),
                retry_after_seconds=wait,
                **where,
            )
        return graphql_error(body, where, changes=not request.is_repeatable)

    return found


def _not_graphql(body: Any) -> str | None:
    """Return in which way a body is no GraphQL answer, or None."""
    if not isinstance(body, dict) or not ("data" in body or "errors" in body):
        return (
            "with something that is no GraphQL answer: a JSON object with data or "
            "errors was expected; check the URL."
        )
    data, errors = body.get("data"), body.get("errors")
    if not isinstance(data, dict | None) or not isinstance(errors, list | None):
        return (
            "with data that is no object or errors that are no list; it does not "
            "speak GraphQL at this URL."
        )
    if "data" not in body and not errors:
        return "with neither data nor an error; check the URL."
    return None


def graphql_error(
    body: Mapping[str, Any], where: Mapping[str, Any], *, changes: bool = False
) -> GraphQLError:
    """Return the error that an answer with errors is; it is not raised.

    Parameters
    ----------
    body : mapping
        Decoded.
    where : mapping
        Service, operation and so on, as of `APIIntegrationError`.
    changes : bool, default False
        Whether it was to change something, so that it matters that it was executed.
    """
    errors = errors_of(body)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    executed = "data" in body
    doubt = "; something may have changed all the same" if executed and changes else ""
    return GraphQLError(
        f"{where['service']} answered {where['operation']} with an error: "
        f"{said(errors[0]).rstrip('. ')}{more}{doubt}.",
        errors=errors,
        data=body.get("data"),
        executed=executed,
        **where,
    )


def _asked_wait(error: Mapping[str, Any]) -> float | None:
    """Return the seconds that an error's extensions ask to wait, or None."""
    extensions = error.get("extensions")
    found = extensions.get("retryAfter") if isinstance(extensions, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if 0 <= found <= _LONGEST_WAIT_SECONDS else None


def errors_of(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return an answer's errors; one that is no object becomes one with a message."""
    found = body.get("errors") or ()
    return tuple(
        each if isinstance(each, dict) else {"message": str(each)} for each in found
    )


def code_of(error: Mapping[str, Any]) -> str:
    """Return an error's code in capitals without underscores, empty where none is."""
    extensions = error.get("extensions")
    inner = extensions if isinstance(extensions, dict) else {}
    for code in (inner.get("code"), inner.get("type"), error.get("type")):
        if isinstance(code, str):
            return code.upper().replace("_", "").replace("-", "")
    return ""


def said(error: Mapping[str, Any]) -> str:
    """Return what an error says and where, on a line, at most 300 characters.

    Scrubbed, and without controls.
    """
    path = error.get("path")
    parts = path[:_PATH_PARTS] if isinstance(path, list) else []
    where = ".".join(str(each)[:100] for each in parts)
    message = str(error.get("message") or code_of(error) or "no message")
    text = f"{message[:_READ_CHARS]} (at {where})" if where else message[:_READ_CHARS]
    words = " ".join(text.split())
    plain = "".join(each for each in words if each.isprintable())
    shown = scrub(plain)
    return shown if len(shown) <= _SAID_CHARS else f"{shown[: _SAID_CHARS - 3]}..."
