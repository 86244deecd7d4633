"""A sample of the collection with its vectors: what a map of it is drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import qdrant_edge as edge

from contexter_nb.retrieval._documents import chunk_id_of, point_id
from contexter_nb.retrieval._embedders import Vectors
from contexter_nb.retrieval._engine import scroll
from contexter_nb.retrieval._ranking import DENSE

# Knuth's multiplier: neighbouring ids come far apart, so a sample is spread evenly.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Survey:
    """Some passages of a collection and where they lie.

    Attributes
    ----------
    chunk_ids, titles, libraries : tuple of str
        n of each, in the order of the vectors.
    vectors : numpy.ndarray
        float32, shape (n, dimension), each of length 1.
    chunks : int
        How many passages the sample was taken from.
    """

    chunk_ids: tuple[str, ...]
    titles: tuple[str, ...]
    libraries: tuple[str, ...]
    vectors: Vectors
    chunks: int


def survey_of(shard: edge.EdgeShard, limit: int, dimension: int) -> Survey:
    """Return a sample that is the same as long as the collection is.

    Parameters
    ----------
    limit : int
        How many passages at most; all where there are no more.
    dimension : int
        Of the vectors, for the shape where there is none.
    """
    numbers = np.fromiter((number for number, _ in scroll(shard, None, [])), np.uint64)
    chosen = sample(numbers, limit)
    records = {
        int(record.id): record
        for record in shard.retrieve(
            [int(number) for number in chosen], ["title", "library"], [DENSE]
        )
    }
    kept = [(number, records[number]) for number in map(int, chosen)]
    payloads = [record.payload or {} for _, record in kept]
    return Survey(
        chunk_ids=tuple(chunk_id_of(number) for number, _ in kept),
        titles=tuple(str(each.get("title", "")) for each in payloads),
        libraries=tuple(str(each.get("library", "")) for each in payloads),
        vectors=_matrix([record for _, record in kept], dimension),
        chunks=len(numbers),
    )


def sample(numbers: np.typing.NDArray[np.uint64], limit: int) -> list[int]:
    """Return at most `limit` of some ids, ascending, chosen by the ids alone.

    Examples
    --------
    >>> sample(np.arange(100, dtype=np.uint64), 3) == sample(
    ...     np.arange(100, dtype=np.uint64)[::-1], 3
    ... )
    True
    """
    if len(numbers) > limit:
        order = np.argsort(numbers * _SPREAD, kind="stable")
        numbers = numbers[order[:limit]]
    return sorted(int(number) for number in numbers)


def vectors_of(
    shard: edge.EdgeShard, chunk_ids: Sequence[str], dimension: int
) -> dict[str, Vectors]:
    """Return the vectors of those of some passages that are stored.

    Returns
    -------
    dict of str to numpy.ndarray
        float32, shape (dimension,), by chunk id, in the order given.
    """
    numbers = [point_id(chunk_id) for chunk_id in chunk_ids]
    records = {
        int(each.id): each for each in shard.retrieve([*numbers], False, [DENSE])
    }
    known = [number for number in dict.fromkeys(numbers) if number in records]
    matrix = _matrix([records[number] for number in known], dimension)
    return dict(zip(map(chunk_id_of, known), matrix, strict=True))


def _matrix(records: Sequence[edge.Record], dimension: int) -> Vectors:
    return np.array(list(_dense(records)), np.float32).reshape(-1, dimension)


def _dense(records: Sequence[edge.Record]) -> Iterator[object]:
    for record in records:
        vector = record.vector
        assert isinstance(vector, dict)
        yield vector[DENSE]
