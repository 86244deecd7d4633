"""Points as they are given and as they are found, free of any library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from contexter_nb.clients._qdrant_ids import Key, PointId, is_own_key, point_id_of
from contexter_nb.clients._qdrant_payload import Payload, checked_payload, scalar_of
from contexter_nb.core import InvalidArgumentError, type_in_words

# The names of the vectors; the embedded index has the same.
DENSE, TEXT = "dense", "text"
# Where the caller's own key is kept, since the id is made of it and does not show it.
KEY_FIELD = "_key"
_LARGEST_INDEX = 2**32 - 1


class Sparse(NamedTuple):
    """A sparse vector: indices, each once, and a value for each."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point to be stored.

    Attributes
    ----------
    id : int, str or uuid.UUID
        Any text will do: Qdrant's id is made of it, the same in every process.
    dense : sequence of float or array, optional
        Shape (dimension,).
    sparse : pair or object, optional
        Indices and values: a tuple of both, or what has ``indices`` and ``values``, as
        the vectors of ``qdrant_edge.Bm25`` have.
    payload : mapping, optional
        Numbers of NumPy, aware datetimes, dates and UUIDs are turned into JSON.
    is_note : bool, default False
        Whether it may be without vectors: found by `scroll` and `retrieve` only.
    """

    id: Key
    dense: Any = field(default=None, repr=False)
    sparse: Any = field(default=None, repr=False)
    payload: Mapping[str, Any] | None = field(default=None, repr=False)
    is_note: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPoint:
    """A point as it is stored.

    Attributes
    ----------
    id : int or str
        Qdrant's: an integer or a UUID.
    key : int or str
        The key it was stored under; `id` where that is not known.
    payload : dict
        Empty where it was not asked for.
    dense : tuple of float or None
        None where it was not asked for.
    sparse : Sparse or None
    """

    id: PointId
    key: int | str
    payload: Payload = field(repr=False)
    dense: tuple[float, ...] | None = field(default=None, repr=False)
    sparse: Sparse | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPoint:
    """A point that a search found.

    Attributes
    ----------
    id : int or str
        Qdrant's: an integer or a UUID.
    key : int or str
        The key it was stored under; `id` where that is not known.
    score : float
        Hybrid: the fused score; dense: by the collection's distance; text: BM25.
    payload : dict
        Empty where it was not asked for.
    """

    id: PointId
    key: int | str
    score: float
    payload: Payload = field(repr=False)


class FacetCount(NamedTuple):
    """A value of a field, and how many points have it."""

    value: str | int | bool
    points: int


@dataclass(frozen=True, slots=True)
class Ready:
    """A point that was checked: what is sent."""

    key: Key
    id: PointId
    vector: dict[str, Any]
    payload: Payload


def ready(point: Point, dimension: int | None) -> Ready:
    """Check a point.

    Parameters
    ----------
    point : Point
    dimension : int or None
        Of the collection, where it is known.

    Raises
    ------
    InvalidArgumentError
        Id, vectors or payload cannot be stored; the message says which and why.
    """
    if not isinstance(point, Point):
        raise InvalidArgumentError(
            f"One of the points is {type_in_words(point)}; give Point(id=..., ...)."
        )
    found = point_id_of(point.id)
    payload = checked_payload(point.payload)
    if KEY_FIELD in payload:
        raise InvalidArgumentError(
            f"The payload of point {point.id!r} has a field {KEY_FIELD!r}, which is "
            "kept for its key; name it otherwise."
        )
    if is_own_key(point.id):
        payload[KEY_FIELD] = point.id
    vector: dict[str, Any] = {}
    if point.dense is not None:
        vector[DENSE] = dense_of(point.dense, dimension, f"point {point.id!r}")
    if point.sparse is not None:
        sparse = sparse_of(point.sparse, f"point {point.id!r}")
        if sparse.indices:  # a text without words has none
            vector[TEXT] = sparse
    if point.dense is None and point.sparse is None and not point.is_note:
        raise InvalidArgumentError(
            f"Point {point.id!r} has neither a dense nor a sparse vector; give one."
        )
    return Ready(point.id, found, vector, payload)


def dense_of(value: Any, dimension: int | None, what: str) -> list[float]:
    """Return a dense vector as a list.

    Parameters
    ----------
    value : sequence of float or array
        Shape (dimension,).
    dimension : int or None
        Checked where it is known.
    what : str
        Whose vector, for the message.

    Raises
    ------
    InvalidArgumentError
        Its shape is another, or a number is none or not finite.
    """
    made = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(made, (str, bytes)) or not isinstance(made, Sequence):
        raise InvalidArgumentError(
            f"The vector of {what} is {type_in_words(value)}; give a list of numbers."
        )
    if dimension is not None and len(made) != dimension:
        raise InvalidArgumentError(
            f"The vector of {what} has {len(made)} numbers and the collection holds "
            f"{dimension}; embed it with the collection's own model."
        )
    return _floats(made, what)


def sparse_of(value: Any, what: str) -> Sparse:
    """Return a sparse vector as indices and values.

    Parameters
    ----------
    value : pair or object
        A tuple of indices and values, or what has both as attributes.
    what : str
        Whose vector, for the message.

    Raises
    ------
    InvalidArgumentError
        Both are not of one length, an index is no unsigned integer of 32 bits or
        stands twice, or a value is not finite.
    """
    pair = (value.indices, value.values) if hasattr(value, "indices") else tuple(value)
    if len(pair) != 2:
        raise InvalidArgumentError(
            f"The sparse vector of {what} has {len(pair)} parts; give indices and "
            "values."
        )
    indices = [scalar_of(each) for each in pair[0]]
    values = _floats(list(pair[1]), what)
    if len(indices) != len(values) or len(set(indices)) != len(indices):
        raise InvalidArgumentError(
            f"The sparse vector of {what} has {len(set(indices))} different indices "
            f"and {len(values)} values; give each index once, with one value."
        )
    for each in indices:
        number = isinstance(each, int) and not isinstance(each, bool)
        if not number or not 0 <= each <= _LARGEST_INDEX:
            raise InvalidArgumentError(
                f"The sparse vector of {what} has the index {each!r}; give integers "
                "from 0 to 2**32 - 1."
            )
    return Sparse(tuple(indices), tuple(values))


def key_of(found: PointId, payload: Payload) -> int | str:
    """Take the key out of a payload, or return the id where there is none.

    Parameters
    ----------
    found : int or str
    payload : dict
        Changed: without the key's own field.
    """
    key = payload.pop(KEY_FIELD, None)
    return key if isinstance(key, str) else found


def _floats(values: Sequence[Any], what: str) -> list[float]:
    try:
        # As most are, arrays among them; to turn each would cost as much as to send it.
        plain = set(map(type, values)) == {float}
        made = list(values) if plain else [float(each) for each in values]
        total = sum(made)
    except (TypeError, ValueError, OverflowError) as exc:
        raise InvalidArgumentError(
            f"The vector of {what} holds what is no number; give numbers."
        ) from exc
    # The sum is finite where all are, and quick; only where not is each looked at.
    if not math.isfinite(total) and not all(map(math.isfinite, made)):
        raise InvalidArgumentError(
            f"The vector of {what} holds a number that is not finite; embed it again."
        )
    return made
