"""Ranked lists into one, weighted by what is known of a document, repeats folded in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

RRF_K = 20
# Two passages with this share of equal lines say the same (Jaccard index).
NEAR_DUPLICATE = 0.8


@dataclass(slots=True)
class Candidate:
    """Something that at least one part found, known by a number.

    Attributes
    ----------
    score : float
        What it is sorted by, larger first.
    ranks : dict of str to int
        Its rank in each part that found it, from 1.
    folded : list of int
        Keys of lower candidates that say the same.
    """

    key: int
    score: float = 0.0
    ranks: dict[str, int] = field(default_factory=dict)
    folded: list[int] = field(default_factory=list)


def reciprocal_rank_fusion(
    parts: Mapping[str, Sequence[int]],
    weights: Mapping[str, float],
    k: int = RRF_K,
) -> dict[int, Candidate]:
    """Give every key the sum of ``weight / (k + rank)`` over the parts that found it.

    Parameters
    ----------
    parts : mapping of str to sequence of int
        For each part, keys with the best first.
    weights : mapping of str to float
        A part's weight; 1 where it is missing.
    k : int, default 20
        Larger values flatten the difference between high and low ranks.

    Examples
    --------
    >>> found = reciprocal_rank_fusion({"dense": [1, 2], "text": [2]}, {}, k=60)
    >>> max(found.values(), key=lambda each: each.score).key
    2
    """
    found: dict[int, Candidate] = {}
    for part, keys in parts.items():
        weight = weights.get(part, 1.0)
        for rank, key in enumerate(keys, start=1):
            candidate = found.get(key)
            if candidate is None:
                candidate = found[key] = Candidate(key)
            candidate.ranks[part] = rank
            candidate.score += weight / (k + rank)
    return found


def overlap(left: frozenset[int], right: frozenset[int]) -> float:
    """Return the Jaccard index of two sets, 0 where it is below `NEAR_DUPLICATE`."""
    if not left or not right:
        return 0.0
    if min(len(left), len(right)) < NEAR_DUPLICATE * max(len(left), len(right)):
        return 0.0  # cannot reach it: spares most of the comparisons
    return len(left & right) / len(left | right)


def fold_repeats(
    ordered: Sequence[Candidate],
    document_of: Callable[[int], int],
    lines_of: Callable[[int], frozenset[int]],
    limit: int,
) -> list[Candidate]:
    """Keep the best passage of each document, and one of several that say the same.

    Parameters
    ----------
    ordered : sequence of Candidate
        Best first.
    document_of : callable
        A candidate's key to its document.
    lines_of : callable
        A candidate's key to the hashes of its lines.
    limit : int
        How many to keep.

    Returns
    -------
    list of Candidate
        At most `limit`, best first; `folded` names the near duplicates of other
        documents that stood between them.
    """
    kept: list[Candidate] = []
    documents: set[int] = set()
    for candidate in ordered:
        document = document_of(candidate.key)
        if document in documents:
            continue
        documents.add(document)
        lines = lines_of(candidate.key)
        twin = next(
            (
                each
                for each in kept
                if overlap(lines, lines_of(each.key)) >= NEAR_DUPLICATE
            ),
            None,
        )
        if twin is not None:
            twin.folded.append(candidate.key)
            continue
        kept.append(candidate)
        if len(kept) == limit:
            break
    return kept
