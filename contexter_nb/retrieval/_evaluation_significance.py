"""Whether a difference between two settings is more than the choice of queries."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from contexter_nb.core import ContexterError

TESTS = ("permutation", "t")
CONFIDENCE = 0.95
BOOTSTRAP_SAMPLES = 2_000
PERMUTATIONS = 20_000
# Up to so many queries that differ, every one of the 2**n sign flips is looked at.
_EXACT_QUERIES = 14
_ROUNDING = 1e-12
_BLOCK = 2_000_000

Floats = npt.NDArray[np.float64]


def paired_t_test(differences: Floats) -> float | None:
    """Return the two-sided p-value of Student's paired t-test.

    Parameters
    ----------
    differences : numpy.ndarray
        float64, shape (n queries,): one setting's value less the other's.

    Returns
    -------
    float or None
        None below two queries. Without any difference 1.

    Raises
    ------
    ContexterError
        SciPy is not installed.

    Examples
    --------
    >>> round(paired_t_test(np.array([1.0, 2.0, 3.0])), 4)
    0.0742
    """
    count = len(differences)
    if count < 2:
        return None
    spread = float(np.std(differences, ddof=1))
    mean = float(np.mean(differences))
    if spread <= _ROUNDING:
        return 1.0 if abs(mean) <= _ROUNDING else 0.0
    try:
        special = importlib.import_module("scipy.special")
    except ImportError as exc:
        raise ContexterError(
            "The t-test needs SciPy, which is not installed; "
            'pip install "contexter_nb[experiments]".'
        ) from exc
    t = mean / (spread / np.sqrt(count))
    return float(2 * special.stdtr(count - 1, -abs(t)))


def sign_flip_test(
    differences: Floats,
    rng: np.random.Generator,
    permutations: int = PERMUTATIONS,
) -> float | None:
    """Return the two-sided p-value of the paired permutation test on the mean.

    Were the two settings alike, each query's difference might as well have the other
    sign. Up to 14 queries that differ, all ways to flip signs are counted; above, as
    many random ones as `permutations`, and the one that was observed.

    Parameters
    ----------
    differences : numpy.ndarray
        float64, shape (n queries,).
    rng : numpy.random.Generator
        Draws the signs.
    permutations : int, default 20,000
        How many random flips; the p-value is never below one by these.

    Returns
    -------
    float or None
        None below two queries. Without any difference 1.

    Source
    ------
    Smucker, Allan and Carterette, "A comparison of statistical significance tests for
    information retrieval evaluation", CIKM 2007; (b + 1) / (m + 1) by Phipson and
    Smyth, 2010.

    Examples
    --------
    >>> sign_flip_test(np.array([1.0, 2.0, 3.0]), np.random.default_rng(0))
    0.25
    """
    if len(differences) < 2:
        return None
    moved = differences[np.abs(differences) > _ROUNDING]
    count = len(moved)
    if not count:
        return 1.0
    observed = abs(float(moved.sum())) - _ROUNDING
    if count <= _EXACT_QUERIES:
        flips = np.arange(2**count)[:, None] >> np.arange(count) & 1
        return float(np.mean(np.abs((1 - 2 * flips) @ moved) >= observed))
    extreme = 0
    block = max(1, _BLOCK // count)
    for start in range(0, permutations, block):
        rows = min(block, permutations - start)
        signs = rng.integers(0, 2, size=(rows, count), dtype=np.int8) * 2 - 1
        extreme += int(np.sum(np.abs(signs @ moved) >= observed))
    return (extreme + 1) / (permutations + 1)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted for how many there are, by Holm's step-down method.

    Parameters
    ----------
    p_values : sequence of float or None
        Of all the comparisons that a reader may pick from; None stays None and does not
        count.

    Returns
    -------
    list of float or None
        In the same order, each at least as large as it was and at most 1. Below 0.05,
        the chance that any such finding is none is below 0.05.

    Source
    ------
    Holm, "A simple sequentially rejective multiple test procedure", 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03, None])
    [0.03, 0.06, 0.06, None]
    """
    known = sorted(
        (value, at) for at, value in enumerate(p_values) if value is not None
    )
    adjusted: list[float | None] = [None] * len(p_values)
    floor = 0.0
    for rank, (value, at) in enumerate(known):
        floor = max(floor, min(1.0, (len(known) - rank) * value))
        adjusted[at] = floor
    return adjusted


def bootstrap_interval(
    values: Floats,
    rng: np.random.Generator,
    confidence: float = CONFIDENCE,
    samples: int = BOOTSTRAP_SAMPLES,
) -> tuple[float, float] | None:
    """Return the percentile interval of a mean over queries drawn with repetition.

    Parameters
    ----------
    values : numpy.ndarray
        float64, shape (n queries,).
    rng : numpy.random.Generator
        Draws the queries.
    confidence : float, default 0.95
        Above 0 and below 1.
    samples : int, default 2,000
        How often n queries are drawn.

    Returns
    -------
    tuple of float or None
        Lower and upper end; None below two queries.

    Examples
    --------
    >>> bootstrap_interval(np.ones(5), np.random.default_rng(0))
    (1.0, 1.0)
    """
    count = len(values)
    if count < 2:
        return None
    means = np.empty(samples)
    block = max(1, _BLOCK // count)
    for start in range(0, samples, block):
        rows = min(block, samples - start)
        drawn = rng.integers(0, count, size=(rows, count))
        means[start : start + rows] = values[drawn].mean(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def wins_ties_losses(differences: Floats) -> tuple[int, int, int]:
    """Return for how many queries a setting is better, alike and worse.

    Parameters
    ----------
    differences : numpy.ndarray
        float64, shape (n queries,).

    Examples
    --------
    >>> wins_ties_losses(np.array([0.5, 0.0, -0.1, 0.2]))
    (2, 1, 1)
    """
    wins = int(np.sum(differences > _ROUNDING))
    losses = int(np.sum(differences < -_ROUNDING))
    return wins, len(differences) - wins - losses, losses
