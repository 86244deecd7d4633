"""The beginning of a foreign text, fit to be shown: no credentials, no controls."""

from __future__ import annotations

from contexter_nb.core import Headers, scrub

EXCERPT_CHARS = 500
READ_BYTES = 4_096


def excerpt(text: str, max_chars: int = EXCERPT_CHARS) -> str:
    r"""Return the beginning of a text on one line, scrubbed and without controls.

    Control, bidirectional and other invisible characters are taken out first, so that
    none of them can keep a credential from being found.

    Parameters
    ----------
    text : str
        Of any length; only its beginning is looked at.
    max_chars : int, default 500
        Where it is cut; a cut text ends in ``...``, which counts.

    Returns
    -------
    str

    Examples
    --------
    >>> excerpt("It\x1b[31m failed:\n  token=abcdefgh", 40)
    'It[31m failed: token=***'
    """
    return _shown(text[:READ_BYTES], len(text) > READ_BYTES, max_chars)


def _shown(beginning: str, is_cut: bool, max_chars: int) -> str:
    if is_cut and beginning.strip():  # half a credential would not be found
        beginning = beginning.rsplit(maxsplit=1)[0]
    words = " ".join(beginning.split())
    if not words.isprintable():
        words = "".join(each for each in words if each.isprintable())
    shown = scrub(words)
    if len(shown) <= max_chars and not is_cut:
        return shown
    return shown[: max(0, max_chars - 3)] + "..."


def body_excerpt(content: bytes, headers: Headers) -> str:
    """Return the beginning of a body as text, scrubbed, at most 500 characters.

    Parameters
    ----------
    content : bytes
        The body; one that is no text is described by its length.
    headers : Headers
        Its content type names the charset.

    Returns
    -------
    str
    """
    beginning = content[:READ_BYTES]
    if b"\0" in beginning:
        return f"{len(content)} bytes that are no text"
    try:
        text = beginning.decode(charset_of(headers), errors="replace")
    except (LookupError, ValueError):
        text = beginning.decode("utf-8", errors="replace")
    return _shown(text, len(content) > READ_BYTES, EXCERPT_CHARS)


def media_type_of(headers: Headers) -> str:
    """Return the content type without parameters, in lower case; empty where none.

    Parameters
    ----------
    headers : Headers
    """
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def charset_of(headers: Headers) -> str:
    """Return the charset that the content type names, or ``utf-8``.

    Parameters
    ----------
    headers : Headers
    """
    for parameter in headers.get("content-type", "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'") or "utf-8"
    return "utf-8"


def is_json_type(media_type: str) -> bool:
    """Tell whether a content type says JSON.

    Parameters
    ----------
    media_type : str
        Without parameters, in lower case.

    Examples
    --------
    >>> is_json_type("application/problem+json"), is_json_type("application/x-ndjson")
    (True, False)
    """
    return media_type in ("application/json", "text/json") or (
        media_type.endswith("+json")
    )


def looks_like_html(content: bytes, media_type: str) -> bool:
    """Tell whether a body is a page for people.

    Parameters
    ----------
    content : bytes
    media_type : str
        Without parameters, in lower case.
    """
    start = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return media_type in ("text/html", "application/xhtml+xml") or start.startswith(
        (b"<!doctype html", b"<html")
    )
