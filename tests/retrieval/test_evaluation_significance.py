"""p-values and intervals are those of SciPy and of the literature."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from contexter_nb.retrieval._evaluation_significance import (
    bootstrap_interval,
    holm,
    paired_t_test,
    sign_flip_test,
    wins_ties_losses,
)

# Darwin's maize: eighths of an inch by which the crossed plant of a pair outgrew its
# self-fertilized one; Fisher, The Design of Experiments (1935), sections 17 and 21.
DARWIN = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48.0])


def test_the_t_test_is_scipys() -> None:
    """On random pairs of many sizes both give the same p-value."""
    rng = np.random.default_rng(1)
    for count in (2, 3, 10, 50, 400):
        left, right = rng.random((2, count))
        expected = scipy.stats.ttest_rel(left, right).pvalue
        assert paired_t_test(left - right) == pytest.approx(expected, rel=1e-9)


def test_the_tests_give_fishers_figures_for_darwins_maize() -> None:
    """Fisher: t gives 4.970 %, all sign flips 5.267 % (1,726 of 32,768)."""
    assert paired_t_test(DARWIN) == pytest.approx(0.0497, abs=5e-5)
    flips = np.array(list(itertools.product((-1, 1), repeat=15))) @ DARWIN
    exact = np.mean(np.abs(flips) >= DARWIN.sum())
    assert exact == 1726 / 32768
    drawn = sign_flip_test(DARWIN, np.random.default_rng(0), permutations=200_000)
    assert drawn == pytest.approx(1726 / 32768, abs=0.002)


def test_few_sign_flips_are_all_counted() -> None:
    """Up to 14 queries that differ the p-value is exact and needs no chance."""
    rng = np.random.default_rng(2)
    for count in (2, 5, 14):
        moved = rng.normal(size=count)
        theirs = scipy.stats.permutation_test(
            (moved, np.zeros(count)),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=True,
        )
        ours = sign_flip_test(moved, np.random.default_rng(0))
        assert ours == pytest.approx(theirs.pvalue)
        with_ties = np.concatenate([moved, np.zeros(30)])
        assert sign_flip_test(with_ties, np.random.default_rng(5)) == ours


def test_a_seed_gives_the_same_p_value_again() -> None:
    """Chance is an argument."""
    moved = np.random.default_rng(3).normal(0.1, 1, size=300)
    first = sign_flip_test(moved, np.random.default_rng(7))
    assert first == sign_flip_test(moved, np.random.default_rng(7))
    assert first == pytest.approx(paired_t_test(moved), abs=0.02)


def test_too_little_gives_no_p_value_and_no_difference_gives_one() -> None:
    """Below two queries there is no test; without a difference p is 1."""
    for nothing in (np.array([]), np.array([0.5])):
        assert paired_t_test(nothing) is None
        assert sign_flip_test(nothing, np.random.default_rng(0)) is None
        assert bootstrap_interval(nothing, np.random.default_rng(0)) is None
    assert paired_t_test(np.zeros(9)) == 1.0
    assert sign_flip_test(np.zeros(9), np.random.default_rng(0)) == 1.0
    assert paired_t_test(np.full(4, 0.25)) == 0.0


def test_holm_is_holms() -> None:
    """The adjusted values of the usual example, and what is missing stays missing."""
    adjusted = holm([0.01, 0.02, 0.03, 0.04, 0.05])
    assert adjusted == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([None, 0.04, None]) == [None, 0.04, None]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_interval_is_scipys() -> None:
    """The percentile bootstrap of a mean agrees with SciPy's to its own noise."""
    values = np.random.default_rng(4).random(120)
    low, high = bootstrap_interval(values, np.random.default_rng(0), samples=20_000)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=1
    ).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.003)
    assert low < values.mean() < high


def test_wins_ties_and_losses_add_up() -> None:
    """Differences below the rounding of a float are ties."""
    assert wins_ties_losses(np.array([0.1, 1e-15, -1e-15, -0.2, 0.3])) == (2, 2, 1)
    assert wins_ties_losses(np.array([])) == (0, 0, 0)
