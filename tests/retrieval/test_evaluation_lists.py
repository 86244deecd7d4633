"""Overlap and rank-biased overlap of two rankings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.retrieval._evaluation_lists import overlap_at, rank_biased_overlap

rankings = st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=10)


def extrapolated(left: str, right: str, p: float) -> float:
    """Return RBO of two rankings of one length, straight from equation 23."""
    k = len(left)
    shared = [len(set(left[:d]) & set(right[:d])) for d in range(1, k + 1)]
    summed = sum(shared[d - 1] / d * p**d for d in range(1, k + 1))
    return shared[-1] / k * p**k + (1 - p) / p * summed


@pytest.mark.parametrize(
    ("left", "right"),
    [("abcdefg", "abcdefg"), ("abcdefg", "gfedcba"), ("abcd", "badc"), ("abc", "xyz")],
)
def test_rbo_of_equal_lengths_is_equation_23(left: str, right: str) -> None:
    """Where lengths are equal the general form is the simple one."""
    expected = extrapolated(left, right, 0.9)
    assert rank_biased_overlap(left, right) == pytest.approx(expected, abs=1e-9)


def test_rbo_of_unequal_lengths_is_equation_32() -> None:
    """A prefix of the other agrees with it wholly; by hand for one that does not."""
    assert rank_biased_overlap("abcd", "ab") == pytest.approx(1.0)
    p = 0.9
    # S = "ba", L = "axb": X_1 = 0, X_2 = 1, X_3 = 2; s = 2, l = 3.
    summed = 0 + 1 / 2 * p**2 + 2 / 3 * p**3 + 1 * (3 - 2) / (2 * 3) * p**3
    expected = (1 - p) / p * summed + ((2 - 1) / 3 + 1 / 2) * p**3
    assert rank_biased_overlap("ba", "axb") == pytest.approx(expected)


@given(rankings, rankings)
def test_both_are_symmetric_and_bounded(left: list[str], right: list[str]) -> None:
    """Which of the two comes first does not matter, and 1 is the most."""
    for measure in (rank_biased_overlap, lambda a, b: overlap_at(a, b, 5)):
        assert measure(left, right) == pytest.approx(measure(right, left))
        assert 0 <= measure(left, right) <= 1
    assert rank_biased_overlap(left, left) == pytest.approx(1)


def test_a_difference_at_the_top_weighs_more() -> None:
    """Swapping the first two costs more than swapping the last two."""
    top = rank_biased_overlap("bacdefghij", "abcdefghij")
    bottom = rank_biased_overlap("abcdefghji", "abcdefghij")
    assert top < bottom < 1


def test_empty_rankings() -> None:
    """Nothing agrees with nothing, and with nothing else."""
    assert rank_biased_overlap([], []) == overlap_at([], [], 3) == 1.0
    assert rank_biased_overlap([], ["a"]) == overlap_at([], ["a"], 3) == 0.0
