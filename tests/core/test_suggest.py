"""Close names for misspelt ones, and the clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

import pytest

from contexter_nb.core import SystemClock, closest, did_you_mean

KNOWN = ["numpy", "pandas", "polars", "PyYAML", "scikit-learn"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pandsa", ["pandas"]),
        ("PANDAS", ["pandas"]),
        ("pyyaml", ["PyYAML"]),
        ("scikit_learn", ["scikit-learn"]),
        ("qqqq", []),
        ("", []),
    ],
)
def test_close_names_are_found_in_any_case(name: str, expected: list[str]) -> None:
    """A name is found as it is written where it is known; a strange one is not."""
    assert closest(name, KNOWN) == expected


def test_as_many_names_are_suggested_as_wanted_best_first() -> None:
    """The closest comes first, and the limit holds."""
    known = ["search_all", "searches", "search"]
    assert closest("search", known)[0] == "search"
    assert len(closest("search", known, limit=2)) == 2


def test_a_suggestion_is_a_question_or_nothing() -> None:
    """It begins with a blank, so that it can follow a sentence."""
    assert did_you_mean("pandsa", KNOWN) == " Did you mean 'pandas'?"
    assert did_you_mean("qqqq", KNOWN) == ""
    assert did_you_mean("qqqq", []) == ""
    assert " or " in did_you_mean("polas", ["polar", "polars"])


def test_the_clock_is_monotonic_aware_and_waits() -> None:
    """Instants do not go back, dates are UTC, and a wait takes its time."""
    clock = SystemClock()
    before = clock.now()
    asyncio.run(clock.sleep(0.01))
    assert clock.now() - before >= 0.009
    assert clock.wall().tzinfo is UTC
    assert clock.wall().utcoffset() == timedelta(0)
