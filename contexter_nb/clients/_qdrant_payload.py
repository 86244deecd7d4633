"""Payloads as JSON can carry them: NumPy numbers, dates, UUIDs turned, or refused.

What a service would refuse, or silently keep as something else, is refused here, where
the message can name the field.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from contexter_nb.core import InvalidArgumentError, type_in_words

MAX_DEPTH = 32
_INTEGERS = (-(2**63), 2**64 - 1)
_SHOWN_CHARS = 60

Payload = dict[str, Any]


def checked_payload(payload: Mapping[str, Any] | None) -> Payload:
    """Return a payload that JSON can carry, equal to the one given.

    Parameters
    ----------
    payload : mapping or None
        Texts, numbers, truths, None, lists, tuples and mappings of texts, and also
        scalars and arrays of NumPy, aware datetimes, dates and UUIDs.

    Returns
    -------
    dict
        Dates as ISO 8601, UUIDs as text, arrays and tuples as lists; a copy.

    Raises
    ------
    InvalidArgumentError
        A value is none of these, is not finite, or a datetime has no time zone; the
        message names the field.

    Examples
    --------
    >>> from datetime import UTC
    >>> checked_payload({"at": datetime(2026, 11, 24, tzinfo=UTC), "size": (1, 2)})
    {'at': '2026-11-24T00:00:00+00:00', 'size': [1, 2]}
    """
    if payload is None:
        return {}
    if not isinstance(payload, Mapping):
        raise InvalidArgumentError(
            f"A payload is {type_in_words(payload)}; give a mapping of texts."
        )
    return _mapping(payload, "payload", 0)


def scalar_of(value: Any) -> Any:
    """Return a scalar of NumPy as Python's own; anything else as it is.

    Parameters
    ----------
    value : object
    """
    if hasattr(value, "dtype") and getattr(value, "shape", None) == ():
        return value.item()
    return value


def iso_of(value: date, where: str) -> str:
    """Return a date or an aware datetime as ISO 8601.

    Parameters
    ----------
    value : datetime or date
    where : str
        Named in the message.

    Raises
    ------
    InvalidArgumentError
        A datetime has no time zone, or is no time at all (pandas' NaT).
    """
    if value != value:  # pandas' NaT is a datetime and not itself
        raise InvalidArgumentError(f"{where} is no time (NaT); leave the field out.")
    if isinstance(value, datetime) and value.tzinfo is None:
        raise InvalidArgumentError(
            f"{where} is {value.isoformat()} without a time zone; give it one, as "
            "value.replace(tzinfo=UTC)."
        )
    return value.isoformat()


def _mapping(value: Mapping[Any, Any], where: str, depth: int) -> Payload:
    made: Payload = {}
    for name, each in value.items():
        if not isinstance(name, str):
            raise InvalidArgumentError(
                f"{where} has the key {repr(name)[:_SHOWN_CHARS]}; keys are texts."
            )
        _text(name, where)
        made[name] = _plain(each, f"{where}[{name!r}]", depth + 1)
    return made


def _plain(value: Any, where: str, depth: int) -> Any:  # noqa: C901  # one case a kind
    if depth > MAX_DEPTH:
        raise InvalidArgumentError(
            f"{where[:200]} is nested deeper than {MAX_DEPTH}; flatten it."
        )
    value = scalar_of(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int):
        return _integer(int(value), where)
    if isinstance(value, float):
        return _finite(float(value), where)
    if isinstance(value, date):
        return iso_of(value, where)
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Mapping):
        return _mapping(value, where, depth)
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [
            _plain(each, f"{where}[{i}]", depth + 1) for i, each in enumerate(value)
        ]
    raise InvalidArgumentError(
        f"{where} is {type_in_words(value)}, which JSON cannot carry; give a text, a "
        "number, a truth, a date, a list or a mapping."
    )


def _text(value: str, where: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise InvalidArgumentError(
            f"{where} holds half a character, which no UTF-8 can carry; repair it."
        ) from exc
    return str(value)


def _integer(value: int, where: str) -> int:
    low, high = _INTEGERS
    if not low <= value <= high:
        raise InvalidArgumentError(
            f"{where} is an integer beyond 64 bits; give it as a text."
        )
    return value


def _finite(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise InvalidArgumentError(
            f"{where} is {value}, which JSON cannot carry; give None or leave it out."
        )
    return value
