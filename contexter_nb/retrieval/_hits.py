"""What a search answers, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One answer of a search.

    Attributes
    ----------
    score : float
        Hybrid: the fused score; dense: cosine; text: BM25.
    ranks : dict of str to int
        The rank of its document in each part that found it, from 1.
    folded : tuple of str
        Titles of near duplicates that this hit stands for.
    """

    chunk_id: str
    score: float
    ranks: Mapping[str, int]
    payload: Payload
    folded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRank:
    """Where one chunk's document stands in one part of a search.

    Attributes
    ----------
    part : str
        ``dense``, ``text``, ``terms`` or ``hybrid``.
    rank : int or None
        From 1; None where the part did not find it.
    score : float or None
        The part's own, as in `Hit`; None where it has none.
    found : int
        How many documents the part ranked.
    """

    part: str
    rank: int | None
    score: float | None
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a chunk is found where it is.

    Attributes
    ----------
    matched, missing : tuple of str
        The query's words that the chunk has, and those it has not.
    synonyms : tuple of str
        Words for what the query asks that the chunk has.
    filtered_out : bool
        The filter excludes it.
    """

    parts: tuple[PartRank, ...]
    payload: Payload
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    synonyms: tuple[str, ...]
    filtered_out: bool


def part_rank(
    part: str, keys: Sequence[int], key: int, scores: Mapping[int, float]
) -> PartRank:
    """Return where a document stands among those of a part."""
    rank = keys.index(key) + 1 if key in keys else None
    return PartRank(part=part, rank=rank, score=scores.get(key), found=len(keys))
