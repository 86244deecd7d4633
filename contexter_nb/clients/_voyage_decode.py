"""The rows of an answer, in the order of the question, as little-endian bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from contexter_nb.clients._voyage_models import Dtype
from contexter_nb.core import DecodingError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Read as little-endian whatever the machine; binary ones pack 8 dimensions in a byte,
# and `binary` is `ubinary` less 128.
NUMPY_TYPES: dict[Dtype, str] = {
    "float": "<f4",
    "int8": "i1",
    "uint8": "u1",
    "binary": "i1",
    "ubinary": "u1",
}
_BITS: dict[Dtype, int] = {
    "float": 32,
    "int8": 8,
    "uint8": 8,
    "binary": 1,
    "ubinary": 1,
}


class _Row(msgspec.Struct, frozen=True):
    index: int
    # msgspec reads a text that is due as bytes from base64.
    embedding: bytes | list[float]


class _Usage(msgspec.Struct, frozen=True):
    total_tokens: int = 0


class _Flat(msgspec.Struct, frozen=True):
    data: list[_Row]
    usage: _Usage = _Usage()


class _Document(msgspec.Struct, frozen=True):
    index: int
    data: list[_Row]


class _Nested(msgspec.Struct, frozen=True):
    data: list[_Document]
    usage: _Usage = _Usage()


class _Ranked(msgspec.Struct, frozen=True):
    index: int
    relevance_score: float


class _Ranking(msgspec.Struct, frozen=True):
    data: list[_Ranked]
    usage: _Usage = _Usage()


@dataclass(frozen=True, slots=True)
class Answered:
    """What one request brought.

    Attributes
    ----------
    cells : list of bytes
        For each item its vectors, one behind the other.
    tokens : int
        Billed.
    dimension : int
        Of a vector, packed or not.
    """

    cells: list[bytes]
    tokens: int
    dimension: int


def row_bytes(dimension: int, dtype: Dtype) -> int:
    """Return the length of one vector, bytes.

    Parameters
    ----------
    dimension : int
    dtype : str

    Examples
    --------
    >>> row_bytes(1024, "float"), row_bytes(1024, "ubinary")
    (4096, 128)
    """
    return dimension * _BITS[dtype] // 8


def matrix_of(
    cells: Sequence[bytes], dtype: Dtype, width: int
) -> npt.NDArray[np.generic]:
    """Return vectors as one matrix, read-only.

    Parameters
    ----------
    cells : sequence of bytes
        Each one or more vectors.
    dtype : str
    width : int
        Numbers in a row.

    Returns
    -------
    numpy.ndarray
        float32, int8 or uint8, shape (n vectors, width).
    """
    import numpy

    found: npt.NDArray[np.generic] = numpy.frombuffer(
        b"".join(cells), dtype=NUMPY_TYPES[dtype]
    ).reshape(-1, width)
    return found


def read_vectors(
    data: Any, *, count: int, dimension: int | None, dtype: Dtype
) -> Answered:
    """Return the vectors of an answer of ``/embeddings``.

    Parameters
    ----------
    data : object
        The decoded body.
    count : int
        How many texts were sent.
    dimension : int or None
        The one asked for; None takes that of the answer.
    dtype : str

    Raises
    ------
    DecodingError
        Rows are missing, double or of another length, or a number is not finite.
    """
    answer = _converted(data, _Flat)
    rows = in_order(answer.data, count)
    cells = [_raw(each, dtype) for each in rows]
    found = _checked(cells, dimension, dtype)
    return Answered(cells, max(0, answer.usage.total_tokens), found)


def read_documents(
    data: Any, *, counts: Sequence[int], dimension: int | None, dtype: Dtype
) -> Answered:
    """Return the vectors of an answer of ``/contextualizedembeddings``.

    Parameters
    ----------
    data : object
        The decoded body.
    counts : sequence of int
        How many chunks each document has.
    dimension : int or None
    dtype : str

    Raises
    ------
    DecodingError
        As of `read_vectors`, for documents and for their chunks.
    """
    answer = _converted(data, _Nested)
    documents = in_order(answer.data, len(counts))
    rows = [
        [_raw(row, dtype) for row in in_order(document.data, count)]
        for document, count in zip(documents, counts, strict=True)
    ]
    found = _checked([cell for each in rows for cell in each], dimension, dtype)
    cells = [b"".join(each) for each in rows]
    return Answered(cells, max(0, answer.usage.total_tokens), found)


def read_ranking(data: Any, *, count: int) -> tuple[list[tuple[int, float]], int]:
    """Return (index, score) pairs of an answer of ``/rerank``, and tokens billed.

    Parameters
    ----------
    data : object
        The decoded body.
    count : int
        How many documents were sent.

    Raises
    ------
    DecodingError
        A document is missing, named twice, or none of those sent.
    """
    answer = _converted(data, _Ranking)
    pairs = [(each.index, each.relevance_score) for each in answer.data]
    found = sorted(index for index, _ in pairs)
    if found != list(range(count)):
        raise DecodingError(
            f"voyage ranked {len(found)} documents where {count} were sent, or one of "
            "them twice; ask again, and check the base URL."
        )
    return pairs, max(0, answer.usage.total_tokens)


Indexed = TypeVar("Indexed", _Row, _Document)


def in_order(rows: Sequence[Indexed], count: int) -> list[Indexed]:
    """Return rows by their own index, whatever order they came in.

    Parameters
    ----------
    rows : sequence
    count : int
        How many are due.

    Raises
    ------
    DecodingError
        One is missing or comes twice.
    """
    ordered: list[Indexed | None] = [None] * count
    for row in rows:
        if not 0 <= row.index < count or ordered[row.index] is not None:
            raise DecodingError(
                f"voyage answered a row {row.index} that is double or was never asked "
                f"for among {count}; ask again, and check the base URL."
            )
        ordered[row.index] = row
    whole = [each for each in ordered if each is not None]
    if len(whole) != count:
        missing = ordered.index(None)
        raise DecodingError(
            f"voyage answered {len(whole)} rows where {count} were due; row {missing} "
            "is the first that is missing. Ask again, and check the base URL."
        )
    return whole


Wanted = TypeVar("Wanted")


def _converted(data: Any, wanted: type[Wanted]) -> Wanted:
    try:
        return msgspec.convert(data, wanted)
    except (msgspec.ValidationError, ValueError) as exc:
        raise DecodingError(
            f"voyage answered something else than was asked for ({str(exc)[:200]}); "
            "check the base URL."
        ) from exc


def _raw(row: _Row, dtype: Dtype) -> bytes:
    """Return a row as bytes, also where plain numbers came in place of base64."""
    if isinstance(row.embedding, bytes):
        return row.embedding
    import numpy

    numbers = numpy.asarray(row.embedding, dtype=numpy.float64)
    kind = numpy.dtype(NUMPY_TYPES[dtype])
    with numpy.errstate(all="ignore"):
        cast = numbers.astype(kind)
    if kind.kind != "f" and not (cast == numbers).all():
        raise DecodingError(
            f"voyage answered numbers in row {row.index} that are no {dtype}; check "
            "the model and the base URL."
        )
    raw: bytes = cast.tobytes()
    return raw


def _checked(cells: Sequence[bytes], dimension: int | None, dtype: Dtype) -> int:
    """Return the dimension, or raise where not all have it or a number is none."""
    if not cells:
        return dimension or 0
    length = len(cells[0]) if dimension is None else row_bytes(dimension, dtype)
    wrong = next((each for each in cells if len(each) != length), None)
    if wrong is not None or not length or (dtype == "float" and length % 4):
        got = len(cells[0] if wrong is None else wrong) * 8 // _BITS[dtype]
        due = dimension if dimension is not None else length * 8 // _BITS[dtype]
        raise DecodingError(
            f"voyage answered a vector of {got} numbers where {due} were due; check "
            "the model and the dimension."
        )
    if dtype == "float":
        import numpy

        if not numpy.isfinite(matrix_of(cells, dtype, length // 4)).all():
            raise DecodingError(
                "voyage answered numbers that are not finite; ask again, and check "
                "the base URL."
            )
    return length * 8 // _BITS[dtype]
