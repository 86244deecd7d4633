"""SciPy's paired permutation test, as PyTerrier takes a test."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

PERMUTATIONS = 20_000
# Two sides draw so many signs each: four standard deviations of their difference.
CHANCE = 4 * float(np.sqrt(2 * 0.25 / PERMUTATIONS))


def permutation_test(own: Any, first: Any) -> tuple[float, float]:
    """Return the mean difference and its two-sided p-value.

    Parameters
    ----------
    own, first : numpy.ndarray
        float64, shape (n queries,).
    """
    tested = scipy.stats.permutation_test(
        (own, first),
        lambda left, right, axis: np.mean(left - right, axis=axis),
        permutation_type="samples",
        n_resamples=PERMUTATIONS,
        vectorized=True,
        rng=np.random.default_rng(7),
    )
    return float(tested.statistic), float(tested.pvalue)
