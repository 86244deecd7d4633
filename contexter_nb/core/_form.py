"""Bodies of forms: fields by URL encoding, files in several parts.

Source: https://url.spec.whatwg.org/#application/x-www-form-urlencoded and RFC 7578,
names escaped as of https://html.spec.whatwg.org/#multipart-form-data (read 2026-11-28).
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from contexter_nb.core._errors import InvalidArgumentError
from contexter_nb.core._type_words import type_in_words

FORM_TYPE = "application/x-www-form-urlencoded"
_BYTES_TYPE = "application/octet-stream"
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def encode_form(
    data: Mapping[str, Any] | None, files: Mapping[str, Any] | None
) -> tuple[str, bytes]:
    r"""Return content type and bytes of a form, the same ones for the same form.

    Parameters
    ----------
    data : mapping of str to text, number, or a list of them; or None
        A list gives one of a name several times; a field that is None is left out.
    files : mapping of str to bytes or tuple, or to a list of them; or None
        A tuple is (file name, bytes) or (file name, bytes, content type). With files
        the form is sent in parts, else URL-encoded.

    Returns
    -------
    str, bytes

    Raises
    ------
    InvalidArgumentError
        A field or file is of another kind.

    Examples
    --------
    >>> encode_form({"q": "a b", "n": [1, 2]}, None)
    ('application/x-www-form-urlencoded', b'q=a+b&n=1&n=2')
    >>> kind, body = encode_form({"purpose": "batch"}, {"file": ("a.txt", b"text")})
    >>> kind.partition("=")[0], body.count(b"\r\n--")
    ('multipart/form-data; boundary', 2)
    """
    fields = list(_fields(data or {}))
    if files is None:
        return FORM_TYPE, urlencode(fields).encode("ascii")
    parts = [
        (f'name="{_escaped(name)}"', "", value.encode("utf-8", "surrogatepass"))
        for name, value in fields
    ]
    for name, file_name, content, kind in _files(files):
        head = f'name="{_escaped(name)}"; filename="{_escaped(file_name)}"'
        parts.append((head, f"\r\nContent-Type: {kind}", content))
    return _in_parts(parts)


def _in_parts(parts: list[tuple[str, str, bytes]]) -> tuple[str, bytes]:
    digest = hashlib.blake2b(digest_size=16)
    for head, kind, content in parts:
        digest.update(f"{head}{kind}\r\n{len(content)}\r\n".encode())
        digest.update(content)
    # Of the content, and not of chance: the next attempt and the cache's key have the
    # same one, and nobody can write a file that holds its own digest.
    boundary = digest.hexdigest()
    pieces = []
    for head, kind, content in parts:
        front = f"--{boundary}\r\nContent-Disposition: form-data; {head}{kind}\r\n\r\n"
        pieces += [front.encode(), content, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(pieces)


def _fields(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        several = isinstance(value, Iterable) and not isinstance(
            value, (str, bytes, bytearray, Mapping)
        )
        for each in value if several else (value,):
            if each is None:
                continue
            if not isinstance(each, (str, int, float)):
                kind = type_in_words(each)
                raise InvalidArgumentError(
                    f"The form field {name[:100]!r} is {kind}, or holds one; give "
                    "text, numbers, or a list of them, and bytes in files."
                )
            yield name, str(each).lower() if isinstance(each, bool) else str(each)


def _files(files: Mapping[str, Any]) -> Iterator[tuple[str, str, bytes, str]]:
    for name, value in files.items():
        for each in value if isinstance(value, list) else (value,):
            given = each if isinstance(each, tuple) else (name, each)
            file_name, content, *rest = (*given, None, None)[:3]
            guessed = mimetypes.guess_type(str(file_name))[0] or _BYTES_TYPE
            kind = rest[0] or guessed
            if (
                not 2 <= len(given) <= 3
                or not isinstance(file_name, str)
                or not isinstance(content, bytes)
                or not (isinstance(kind, str) and kind.isascii() and kind.isprintable())
            ):
                raise InvalidArgumentError(
                    f"The file {name[:100]!r} is not (name, bytes) or (name, bytes, "
                    "content type); give its bytes, as of Path(...).read_bytes(), so "
                    "that it can be sent again."
                )
            yield name, file_name, content, kind


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
