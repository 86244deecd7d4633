"""What Context7's statuses mean: which are answers, which errors, and which are fatal.

A body ``{"error": code, "message": text}`` stands under 202 (not ready), 301 (another
id) and all error statuses. (docs/openapi.json of github.com/upstash/context7, read
2026-11-23)
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from contexter_nb.clients._context7_id import LibraryId
from contexter_nb.core import (
    APIIntegrationError,
    APIRequest,
    APIResponse,
    AuthenticationError,
    DecodingError,
    HTTPError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitExceededError,
    TokenFetchError,
    WireResponse,
    did_you_mean,
    scrub,
)

NOTHING_FOUND = frozenset(
    {"no_documentation_found", "no_libraries_found", "no_snippets_found"}
)
MAX_SAYING_BYTES = 256 * 1024
MAX_TAGS_SHOWN = 12
_CODE = re.compile(r'"error"\s*:\s*"([a-z0-9_]{1,60})"')
_TAG = re.compile(r"[\w.+-]*\d[\w.+-]*|[\w.+-]+")
_NO_KEY = (
    "No key is in use, and anonymous quotas are low and shared by all of an address; "
    "give one with api_key=..., from context7.com/dashboard."
)


class TagNotFoundError(HTTPError):
    """A library has no such tag; knows all that the service listed.

    It stays inside: were it a `NotFoundError` here, a cache would keep the answer and
    tell of it in 500 characters, too few for a long list.
    """

    def __init__(self, message: str, *, tags: tuple[str, ...], **where: Any) -> None:
        super().__init__(message, **where)
        self.tags = tags


def is_answer(answer: WireResponse) -> bool:
    """Tell whether an answer is for the client to read rather than an error.

    Parameters
    ----------
    answer : WireResponse
    """
    if answer.status_code == 301:
        return new_id_in(saying_of(answer)) is not None
    if answer.status_code == 404:
        return saying_of(answer).get("error") == "tag_not_found"
    return answer.is_success


def hidden_error(
    request: APIRequest, answer: WireResponse, data: Any
) -> APIIntegrationError | None:
    """Return the error of a missing tag, which lists the tags there are.

    Parameters
    ----------
    request : APIRequest
    answer : WireResponse
    data : object
        Decoded; not looked at.
    """
    if answer.status_code != 404:
        return None
    saying = saying_of(answer)
    return TagNotFoundError(
        scrub(str(saying.get("message", "")))[:500],
        tags=tags_in(saying),
        status_code=404,
        operation=request.name,
    )


def saying_of(answer: WireResponse) -> Mapping[str, Any]:
    """Return the body of a status that says something, empty where it is no object.

    Parameters
    ----------
    answer : WireResponse
    """
    content = answer.content
    if content.lstrip()[:1] != b"{" or len(content) > MAX_SAYING_BYTES:
        return {}
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def new_id_in(saying: object) -> str | None:
    """Return under which id a library that has moved is found.

    Parameters
    ----------
    saying : object
        The decoded body; its ``redirectUrl`` is an id rather than a URL.
    """
    found = saying.get("redirectUrl") if isinstance(saying, Mapping) else None
    return found if isinstance(found, str) and found else None


def tags_in(saying: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tags that a message lists, in its order.

    Parameters
    ----------
    saying : mapping
        Its ``message`` ends in a list behind a colon; or a field lists them.

    Examples
    --------
    >>> tags_in({"message": "Tag v9 not found. Available tags: v3.1.0, v2.9.0."})
    ('v3.1.0', 'v2.9.0')
    """
    for name in ("tags", "versions", "availableTags"):
        listed = saying.get(name)
        if isinstance(listed, list):
            return tuple(each for each in listed if isinstance(each, str))
    message = saying.get("message")
    _, colon, listed = (message if isinstance(message, str) else "").rpartition(": ")
    if not colon:
        return ()
    tags = (each.rstrip(".") for each in _TAG.findall(listed))
    return tuple(dict.fromkeys(each for each in tags if each not in ("and", "or", "")))


def tag_missing(
    error: TagNotFoundError | None,
    library: LibraryId,
    tags: tuple[str, ...],
) -> NotFoundError:
    """Return the error of a tag that a library has not, with those it has.

    Parameters
    ----------
    error : TagNotFoundError or None
        As the service told it; None where the list of versions did.
    library : LibraryId
        With the tag that was asked for.
    tags : tuple of str
        What there is.
    """
    # What is no word is no tag to be typed, and has no place in a message.
    tags = tuple(each for each in tags if _TAG.fullmatch(each) and len(each) <= 100)
    shown = ", ".join(tags[:MAX_TAGS_SHOWN])
    more = (
        f" and {len(tags) - MAX_TAGS_SHOWN} more" if len(tags) > MAX_TAGS_SHOWN else ""
    )
    there = f"there are {shown}{more}" if tags else "it lists none"
    message = (
        f"{library.base} has no tag {library.tag!r}; {there}."
        f"{did_you_mean(library.tag, tags)}"
    )
    if error is None:
        return NotFoundError(message, service="context7", status_code=404)
    return NotFoundError(
        message,
        status_code=404,
        service=error.service,
        operation=error.operation,
        request_id=error.request_id,
        trace=error.trace,
    )


def code_of(error: APIIntegrationError) -> str:
    """Return the service's own code for an error, or nothing.

    Parameters
    ----------
    error : APIIntegrationError
    """
    body = error.body if isinstance(error, HTTPError) else ""
    found = _CODE.search(body)
    return found[1] if found else ""


def is_fatal(error: APIIntegrationError) -> bool:
    """Tell whether an error concerns every question: the key, the plan, the quota.

    Parameters
    ----------
    error : APIIntegrationError
    """
    kinds = (
        AuthenticationError,
        PermissionDeniedError,
        RateLimitExceededError,
        TokenFetchError,
    )
    unpaid = isinstance(error, HTTPError) and error.status_code == 402
    return unpaid or isinstance(error, kinds)


def advise(error: APIIntegrationError, *, anonymous: bool) -> None:
    """Add to a refusal what a key would change.

    Parameters
    ----------
    error : APIIntegrationError
        Changed in place; one may reach several callers, so no note comes twice.
    anonymous : bool
    """
    if anonymous and is_fatal(error) and _NO_KEY not in getattr(error, "__notes__", ()):
        error.add_note(_NO_KEY)


def moved_to(library: LibraryId, response: APIResponse) -> LibraryId:
    """Return the id that a redirect names, for the same tag.

    Parameters
    ----------
    library : LibraryId
        What was asked for.
    response : APIResponse
        With status 301.

    Raises
    ------
    DecodingError
        What it names is no library id.
    NotFoundError
        It names another tag than was asked for: that is not taken silently.
    """
    where: dict[str, Any] = {
        "service": response.service,
        "operation": response.operation,
        "request_id": response.request_id,
        "trace": response.trace,
    }
    named = new_id_in(response.data) or ""
    try:
        target = LibraryId.parse(named)
    except InvalidArgumentError as exc:
        raise DecodingError(
            f"{response.service} says that {library} is {scrub(named)[:100]!r} now, "
            "which is no library id; search for it with list_libraries(...).",
            **where,
        ) from exc
    if library.tag and target.tag not in ("", library.tag):
        raise NotFoundError(
            f"{library} is {target} now, which is another version; ask for that one "
            "if it will do.",
            status_code=301,
            **where,
        )
    return target if target.tag else target.with_tag(library.tag or None)


def moved_on(library: LibraryId, response: APIResponse) -> HTTPError:
    """Return the error of a redirect that leads to a redirect.

    Parameters
    ----------
    library : LibraryId
        Which redirects again.
    response : APIResponse
    """
    return HTTPError(
        f"{response.service} says that {library} has moved again, to "
        f"{scrub(str(new_id_in(response.data)))[:100]!r}; ask for that id if it will "
        "do.",
        status_code=301,
        service=response.service,
        operation=response.operation,
        request_id=response.request_id,
        trace=response.trace,
    )
