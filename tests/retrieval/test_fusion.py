"""Ranked lists into one, and repeats folded, against numbers made by hand."""

from __future__ import annotations

import pytest

from contexter_nb.retrieval import Candidate, fold_repeats, reciprocal_rank_fusion
from contexter_nb.retrieval._fusion import overlap


@pytest.mark.parametrize(
    ("parts", "weights", "k", "expected"),
    [
        ({}, {}, 20, {}),
        ({"dense": [7]}, {}, 20, {7: 1 / 21}),
        (
            {"dense": [1, 2], "text": [2, 3]},
            {},
            60,
            {1: 1 / 61, 2: 1 / 62 + 1 / 61, 3: 1 / 62},
        ),
        (
            {"dense": [1, 2], "text": [2]},
            {"dense": 3.0, "text": 0.0},
            1,
            {1: 3 / 2, 2: 3 / 3},
        ),
        (
            {"dense": [1], "text": [1], "terms": [1]},
            {"terms": 0.5},
            20,
            {1: 2.5 / 21},
        ),
    ],
)
def test_fusion_sums_weight_over_k_plus_rank(
    parts: dict[str, list[int]],
    weights: dict[str, float],
    k: int,
    expected: dict[int, float],
) -> None:
    """A key's score is the sum over the parts of weight / (k + rank)."""
    found = reciprocal_rank_fusion(parts, weights, k)
    assert {key: each.score for key, each in found.items()} == pytest.approx(expected)


def test_fusion_keeps_each_parts_rank() -> None:
    """A candidate tells where it stood, and nothing of parts without it."""
    found = reciprocal_rank_fusion({"dense": [5, 6], "text": [6]}, {})
    assert found[5].ranks == {"dense": 1}
    assert found[6].ranks == {"dense": 2, "text": 1}


@pytest.mark.parametrize(
    ("left", "right", "share"),
    [
        (set(), set(), 0),
        ({1}, set(), 0),
        ({1, 2}, {1, 2}, 1),
        (range(9), range(10), 0.9),
        (range(4), range(10), 0),
    ],
)
def test_overlap_is_the_jaccard_index(left: set, right: set, share: float) -> None:
    """The share of common lines; 0 where the sizes alone rule a duplicate out."""
    assert overlap(frozenset(left), frozenset(right)) == pytest.approx(share)


def fold(
    scored: list[int],
    lines: dict[int, set[int]],
    limit: int = 10,
    document: dict[int, int] | None = None,
) -> list[tuple[int, list[int]]]:
    """Fold candidates in this order; return what is kept and what it stands for."""
    kept = fold_repeats(
        [Candidate(key) for key in scored],
        lambda key: (document or {}).get(key, key),
        lambda key: frozenset(lines.get(key, {key + 1000})),
        limit,
    )
    return [(each.key, each.folded) for each in kept]


def test_only_the_best_passage_of_a_document_is_kept() -> None:
    """A second passage of a document is dropped, and not counted as a twin."""
    assert fold([1, 2, 3], {}, document={1: 9, 2: 9}) == [(1, []), (3, [])]


def test_a_near_duplicate_is_folded_into_the_better_one() -> None:
    """Of two that share 80 % of their lines the better one stands for both."""
    lines = {1: set(range(10)), 2: set(range(1, 10)), 3: set(range(5, 15))}
    assert fold([1, 2, 3], lines) == [(1, [2]), (3, [])]


def test_what_has_no_line_is_nobodys_twin() -> None:
    """Two empty passages are not the same."""
    assert fold([1, 2], {1: set(), 2: set()}) == [(1, []), (2, [])]


def test_the_limit_counts_what_is_kept() -> None:
    """Folded candidates take no place among the hits."""
    lines = {1: {1, 2}, 2: {1, 2}, 3: {3}, 4: {4}}
    assert fold([1, 2, 3, 4], lines, limit=2) == [(1, [2]), (3, [])]
