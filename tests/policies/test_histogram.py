"""The histogram of durations: near to the sorted values, and without loss merged."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import InvalidArgumentError
from contexter_nb.policies._histogram import Histogram

BOUND = 1 / 96 + 1e-9
seconds = st.floats(1e-8, 1e8)


def filled(values: list[float]) -> Histogram:
    """Return a histogram of some values."""
    times = Histogram()
    for value in values:
        times.add(value)
    return times


def ranked(values: list[float], share: float) -> float:
    """Return the value of rank ceil(share * n) of the sorted values."""
    rank = max(1, math.ceil(round(share * len(values), 6)))
    return sorted(values)[rank - 1]


@pytest.mark.parametrize(
    ("share", "value"),
    [(0.0, 1), (0.01, 1), (0.5, 50), (0.9, 90), (0.99, 99), (1, 100)],
)
def test_the_quantiles_of_1_to_100_are_not_off_by_one(share: float, value: int) -> None:
    """The median of 1 to 100 is 50, the 99th percentile 99, each to the bound."""
    times = filled([float(each) for each in range(1, 101)])
    assert times.quantile(share) == pytest.approx(value, rel=BOUND)


@given(st.lists(seconds, min_size=1, max_size=200), st.floats(0, 1))
def test_every_quantile_is_near_the_sorted_value(
    values: list[float], share: float
) -> None:
    """The error is at most a 96th of the value of that rank, whatever the values."""
    found = filled(values).quantile(share)
    assert found == pytest.approx(ranked(values, share), rel=BOUND)


@given(st.lists(seconds, min_size=1, max_size=100))
def test_the_ends_the_mean_and_the_count_are_exact(values: list[float]) -> None:
    """The lowest, the highest, the mean and the count are no estimates."""
    times = filled(values)
    assert times.quantile(0) == min(values)
    assert times.quantile(1) == max(values)
    assert times.mean == pytest.approx(sum(values) / len(values))
    assert times.count == len(values)


@given(st.lists(st.tuples(st.integers(0, 3), seconds), max_size=200))
def test_merging_is_as_if_one_had_counted_all(parts: list[tuple[int, float]]) -> None:
    """Four histograms merged, some of them packed, answer as one that saw all."""
    some = [Histogram() for _ in range(4)]
    for at, value in parts:
        some[at].add(value)
        if at == 0:
            some[at].pack()
    merged = Histogram()
    for each in some:
        merged.merge(each)
    whole = filled([value for _, value in parts])
    assert merged.count == whole.count
    assert merged.total == pytest.approx(whole.total)
    shares = [at / 20 for at in range(21)]
    assert [merged.quantile(s) for s in shares] == [whole.quantile(s) for s in shares]


def test_a_gap_between_two_modes_is_not_bridged() -> None:
    """A percentile on the edge of a gap is one of the values, not one between them."""
    chance = random.Random(7)
    values = [chance.gauss(0.1, 0.005) for _ in range(9_500)]
    values += [chance.gauss(2.0, 0.1) for _ in range(500)]
    times = filled(values)
    for share in (0.5, 0.94, 0.95, 0.951, 0.99, 0.999):
        exact = np.quantile(values, share, method="inverted_cdf")
        assert times.quantile(share) == pytest.approx(exact, rel=BOUND)


def test_nothing_counted_has_no_quantile() -> None:
    """Without values there is no number, and above all no infinite one."""
    assert Histogram().quantile(0.5) is None
    assert Histogram().mean is None


@pytest.mark.parametrize("odd", [0.0, -1.0, float("nan"), 1e-12])
def test_what_is_no_duration_counts_as_nothing(odd: float) -> None:
    """Zero, a negative number and nan count as 0."""
    times = filled([odd, 0.3])
    assert times.quantile(0.5) == 0.0
    assert times.quantile(1) == 0.3
    assert times.quantile(0.4) == 0.0
    assert filled([odd, odd, odd, 0.3]).quantile(0.6) == 0.0


def test_zero_is_told_apart_from_every_duration() -> None:
    """No value above 0 shares the bucket of 0."""
    for exponent in range(-29, 30):
        times = filled([0.0, 2.0**exponent, 2.0**exponent, 2.0**exponent])
        assert times.quantile(0.5) == pytest.approx(2.0**exponent, rel=BOUND)


def test_the_number_of_buckets_is_bounded() -> None:
    """Values from nothing to for ever make at most 60 octaves of 48 buckets."""
    chance = random.Random(7)
    times = filled([10 ** chance.uniform(-12, 12) for _ in range(50_000)])
    times.add(float("inf"))
    assert len(list(times._items())) <= 60 * 48 + 2
    assert times.quantile(1) == 2.0**30


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_beyond_the_whole_is_refused(share: float) -> None:
    """A percentile is a share from 0 to 1: 95 is none."""
    with pytest.raises(InvalidArgumentError, match="from 0 to 1"):
        filled([1.0]).quantile(share)
