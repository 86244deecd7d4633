"""A body becomes a value by what its content type says, or a typed error."""

from __future__ import annotations

from typing import Any

import msgspec

from contexter_nb.core import DecodingError, Headers
from contexter_nb.policies._excerpt import (
    body_excerpt,
    charset_of,
    is_json_type,
    looks_like_html,
    media_type_of,
)

LARGE_BYTES = 64 * 1024
UTF8_BOM = b"\xef\xbb\xbf"


def is_large(content: bytes) -> bool:
    """Tell whether decoding is long enough to belong into a thread (64 KiB and more).

    Parameters
    ----------
    content : bytes
    """
    return len(content) >= LARGE_BYTES


def decode_body(
    content: bytes,
    headers: Headers,
    *,
    service: str = "",
    operation: str = "",
    request_id: str = "",
    expect_json: bool = False,
) -> Any:
    """Return what a body says: JSON as Python values, text as str, the rest as bytes.

    Blocks for as long as it takes; give a large body (`is_large`) to a thread.

    Parameters
    ----------
    content : bytes
        The whole body; an empty one, as of status 204, is None.
    headers : Headers
        Of the answer; its content type decides.
    service, operation, request_id : str
        For the error.
    expect_json : bool, default False
        Whether data was asked for: then a web page is an error, and JSON without a
        content type is recognized. Plain text is text all the same.

    Returns
    -------
    object
        Of JSON whatever it holds: dict, list, str, number, True, False or None; of
        two members of one name the last. A byte order mark before UTF-8 is skipped.

    Raises
    ------
    DecodingError
        The body is not what its content type says, or a web page where data was asked
        for; its message shows the beginning.

    Examples
    --------
    >>> decode_body(b'[1, null]', Headers({"Content-Type": "application/json"}))
    [1, None]
    >>> decode_body("é".encode(), Headers({"Content-Type": "text/plain"}))
    'é'

    Source
    ------
    RFC 8259, section 8.1 (JSON is UTF-8; a byte order mark may be ignored).
    """
    media_type = media_type_of(headers)
    try:
        if not content:
            return None
        if is_json_type(media_type):
            return msgspec.json.decode(content.removeprefix(UTF8_BOM))
        if expect_json and _is_page(content, media_type):
            raise ValueError("a web page")
        if expect_json and not media_type:
            return _json_or_bytes(content)
        if media_type.startswith("text/"):
            return _text(content, charset_of(headers))
        return content
    except (ValueError, RecursionError) as exc:
        raise DecodingError(
            _complaint(content, headers, exc, f"{service} {operation}".strip()),
            service=service,
            operation=operation,
            request_id=request_id,
        ) from exc


def _is_page(content: bytes, media_type: str) -> bool:
    """Tell a page by its type, and by its look only where no type is given."""
    return looks_like_html(b"" if media_type else content, media_type)


def _json_or_bytes(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content.removeprefix(UTF8_BOM))
    except (ValueError, RecursionError):
        return content


def _text(content: bytes, charset: str) -> str:
    try:
        text = content.decode(charset)
    except LookupError as exc:
        raise ValueError(f"charset {charset[:40]!r} is not known") from exc
    return text.removeprefix("\ufeff")


def _complaint(content: bytes, headers: Headers, error: Exception, asked: str) -> str:
    """Say what came in place of what was expected, and what to look at."""
    media_type = media_type_of(headers) or "no content type"
    start = (
        f"The answer of {asked or 'the service'} ({media_type}, {len(content)} bytes)"
    )
    shown = body_excerpt(content, headers)
    if looks_like_html(content, media_type):
        return (
            f"{start} is a web page where data was expected, as of a proxy or a login "
            f"page; check the base URL and the network: {shown}"
        )
    if isinstance(error, RecursionError):
        return f"{start} is nested too deeply to be read; ask for less."
    reason = str(error)[:200]
    return f"{start} is not what it says it is ({reason}); it begins: {shown}"
