"""Answers as bytes for the cache, and for how long they may be kept."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from contexter_nb.core import APIRequest, Headers, WireRequest, WireResponse
from contexter_nb.policies import cache_key

NEGATIVE_TTL_SECONDS = 60.0
NEGATIVE_STATUSES = frozenset({404, 410})
_NEVER_KEPT = frozenset({"set-cookie", "connection", "keep-alive", "transfer-encoding"})
# What differs between two calls for the same, or is in the key by other means.
_NOT_IN_KEY = frozenset({"user-agent", "x-request-id", "idempotency-key"})
# With a list of fields, as no-cache="Set-Cookie", it is about those fields alone.
_FORBIDDEN = re.compile(r"(?:^|[\s,])(?:no-store|no-cache(?!\s*=))")
_MAX_AGE = re.compile(r"(?:^|[\s,])(?:s-maxage|max-age)\s*=\s*\"?(\d+)")


class _Stored(msgspec.Struct, array_like=True, frozen=True):
    status_code: int
    fields: dict[str, str]
    content: bytes


_decoder = msgspec.msgpack.Decoder(_Stored)


def pack(answer: WireResponse) -> bytes:
    """Return an answer as bytes, without cookies."""
    fields = {
        name: value for name, value in answer.headers.items() if name not in _NEVER_KEPT
    }
    return msgspec.msgpack.encode(_Stored(answer.status_code, fields, answer.content))


def unpack(stored: bytes) -> WireResponse:
    """Return an answer that `pack` made.

    Raises
    ------
    ValueError
        The bytes are something else.
    """
    try:
        found = _decoder.decode(stored)
    except msgspec.MsgspecError as exc:
        raise ValueError("this is no stored answer") from exc
    return WireResponse(found.status_code, Headers(found.fields), found.content)


def is_stored(stored: bytes) -> bool:
    """Tell whether the bytes are an answer that `pack` made."""
    try:
        unpack(stored)
    except ValueError:
        return False
    return True


def key_of(
    service: str, request: APIRequest, wire: WireRequest, account: str, version: str
) -> str:
    """Return under which key the answer to a request is kept."""
    params: dict[str, Any] = {
        "method": wire.method,
        "url": wire.url,
        "headers": {
            name: value
            for name, value in wire.headers.items()
            if name not in _NOT_IN_KEY
        },
        "body": wire.content,
    }
    shared = "" if request.cache_shared else account
    return cache_key(service, request.name, params, account=shared, version=version)


def ttl_seconds(asked: float, answer: WireResponse) -> float:
    """Return how long an answer may be kept: as asked, or as the service allows.

    Parameters
    ----------
    asked : float
        By the caller, in seconds.
    answer : WireResponse
        ``Cache-Control: no-store``, ``no-cache`` and ``Vary: *`` forbid it, ``max-age``
        less ``Age`` bounds it; an answer that nothing is found is kept for a minute at
        most (RFC 9111, 4.1, 4.2 and 5.2.2).
    """
    control = answer.headers.get("cache-control", "").lower()
    if _FORBIDDEN.search(control) or "*" in answer.headers.get("vary", ""):
        return 0.0
    if answer.status_code in NEGATIVE_STATUSES:
        asked = min(asked, NEGATIVE_TTL_SECONDS)
    elif answer.status_code != 200:
        return 0.0
    allowed = _MAX_AGE.search(control)
    if allowed is None:
        return asked
    age = answer.headers.get("age", "").strip()
    return min(asked, float(allowed[1]) - (float(age) if age.isdecimal() else 0.0))
