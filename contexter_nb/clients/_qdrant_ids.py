"""Ids that Qdrant takes, made of any key: unsigned integers and UUIDs as they are."""

from __future__ import annotations

import re
import uuid
from operator import index

from contexter_nb.core import InvalidArgumentError

PointId = int | str
Key = int | str | uuid.UUID

KEY_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:contexter_nb:qdrant-point")
_UUID_FORM = re.compile(
    r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)
_LARGEST = 2**64 - 1
_SHOWN_CHARS = 60


def point_id_of(key: Key) -> PointId:
    """Return the id under which Qdrant keeps a point.

    Parameters
    ----------
    key : int, str or uuid.UUID
        An unsigned integer of 64 bits and a UUID stay what they are; any other text
        gives a UUID of version 5, the same for the same text in every process.

    Raises
    ------
    InvalidArgumentError
        The key is negative, too large, empty, or of another kind.

    Examples
    --------
    >>> point_id_of(7), point_id_of("6BA7B810-9DAD-11D1-80B4-00C04FD430C8")
    (7, '6ba7b810-9dad-11d1-80b4-00c04fd430c8')
    >>> point_id_of("pandas.DataFrame.merge") == point_id_of("pandas.DataFrame.merge")
    True

    Source
    ------
    Qdrant takes unsigned 64-bit integers and UUIDs only:
    qdrant.tech/documentation/concepts/points, read 2026-11-23.
    """
    if isinstance(key, uuid.UUID):
        return str(key)
    if isinstance(key, str):
        return _of_text(key)
    return _of_number(key)


def is_own_key(key: Key) -> bool:
    """Tell whether a key is a text of the caller's own, which Qdrant cannot hold.

    Parameters
    ----------
    key : int, str or uuid.UUID
    """
    return isinstance(key, str) and not _UUID_FORM.fullmatch(key)


def _of_text(key: str) -> PointId:
    if not key:
        raise InvalidArgumentError("A point's id is an empty text; give it a key.")
    if _UUID_FORM.fullmatch(key):
        return str(uuid.UUID(key))
    try:
        key.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise InvalidArgumentError(
            f"The id {key[:_SHOWN_CHARS]!r} holds half a character, which no UTF-8 can "
            "carry; repair the text."
        ) from exc
    return str(uuid.uuid5(KEY_NAMESPACE, key))


def _of_number(key: object) -> PointId:
    wanted = "give an integer from 0, a text or a UUID"
    if isinstance(key, bool):
        raise InvalidArgumentError(f"A point's id is {key}; {wanted}.")
    try:
        number = index(key)  # type: ignore[arg-type]  # that is what is found out here
    except TypeError as exc:
        shown = repr(key)[:_SHOWN_CHARS]
        raise InvalidArgumentError(f"A point's id is {shown}; {wanted}.") from exc
    if not 0 <= number <= _LARGEST:
        raise InvalidArgumentError(
            f"A point's id is {number}, which is not from 0 to 2**64 - 1; {wanted}."
        )
    return number
