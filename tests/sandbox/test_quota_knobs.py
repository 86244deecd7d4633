"""Quotas of the sandbox count for each key by itself, in bounded memory."""

from __future__ import annotations

import math
from typing import Any

import pytest

from contexter_nb.core import InvalidArgumentError
from contexter_nb.sandbox import Knobs
from contexter_nb.sandbox._faults import Bucket, Faults
from contexter_nb.sandbox._log import Log, RequestSeen
from tests.loops import EPOCH


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("anonymous_requests_per_minute", [0, -1, math.inf, math.nan, "1", True]),
        ("tokens_per_minute", [0, -1, math.inf, math.nan, "1", True]),
        ("error_status", [200, 399, 600, 503.0, "503", True, None]),
        ("pending", [1, "yes", None]),
        ("vectors", ["random", None, 1]),
    ],
)
def test_a_value_that_is_none_is_refused(name: str, values: list[Any]) -> None:
    """The sentence names knob and value."""
    for value in values:
        with pytest.raises(InvalidArgumentError, match=f"{name} is "):
            Knobs().with_(**{name: value})


def test_each_key_has_a_minute_of_its_own() -> None:
    """One that has used up its requests leaves the other's."""
    faults = Faults(Knobs(requests_per_minute=2), 0.0)
    codes = [faults.decide(0.0, key).status for key in ("a", "a", "a", "b", "a", "b")]
    assert codes == [None, None, 429, None, 429, None]
    assert faults.decide(0.0, "b").limit_per_minute == 2


def test_the_anonymous_share_one() -> None:
    """Those with a key are not counted in it."""
    faults = Faults(Knobs(anonymous_requests_per_minute=1), 0.0)
    verdicts = [faults.decide(0.0, key) for key in ("", "", "a", "a")]
    assert [each.status for each in verdicts] == [None, 429, None, None]
    assert verdicts[1].retry_after_seconds == 60


def test_tokens_come_back_as_told() -> None:
    """After the seconds told they pass, not before; what is too much never does."""
    faults = Faults(Knobs(tokens_per_minute=600), 0.0)
    assert faults.take_tokens(0.0, "a", 600) == 0
    wait = faults.take_tokens(0.0, "a", 100)
    assert wait == pytest.approx(10)
    assert faults.take_tokens(wait - 0.1, "a", 100) > 0
    assert faults.take_tokens(wait, "a", 100) == 0
    assert faults.take_tokens(wait, "b", 600) == 0
    assert faults.take_tokens(1e6, "a", 601) == math.inf
    assert faults.take_tokens(1e6, "a", 600) == 0


def test_without_a_limit_tokens_are_free() -> None:
    """Any number of them."""
    assert Faults(Knobs(), 0.0).take_tokens(0.0, "a", 10**9) == 0


def test_a_limit_that_is_turned_begins_anew() -> None:
    """Another knob leaves what is used up; the limit's own makes a full minute."""
    faults = Faults(Knobs(tokens_per_minute=100), 0.0)
    assert faults.take_tokens(0.0, "a", 100) == 0
    faults.turn({"latency_seconds": 1.0, "burst": 3}, 0.0)
    assert faults.take_tokens(0.0, "a", 100) > 0
    faults.turn({"tokens_per_minute": 200}, 0.0)
    assert faults.take_tokens(0.0, "a", 200) == 0


def test_many_keys_take_bounded_memory() -> None:
    """The thousand that were heard last are remembered."""
    faults = Faults(Knobs(requests_per_minute=1), 0.0)
    for number in range(1_001):
        assert faults.decide(0.0, str(number)).status is None
    assert faults.decide(0.0, "1000").status == 429
    assert faults.decide(0.0, "0").status is None


def test_the_status_of_errors_is_a_knob() -> None:
    """It is that of the errors drawn, not of an outage."""
    knobs = Knobs(error_rate=1.0, error_status=418)
    assert Faults(knobs, 0.0).decide(0.0).status == 418
    assert Faults(knobs.with_(outage=True), 0.0).decide(0.0).status == 503


def test_a_bucket_gives_parts_and_wholes() -> None:
    """Whatever is taken adds up."""
    bucket = Bucket(60, 10, 0.0)
    assert [bucket.take(0.0, amount) for amount in (4, 4, 2)] == [0, 0, 0]
    assert bucket.take(0.0, 5) == pytest.approx(5)
    assert bucket.take(5.0, 5) == 0


def test_a_log_tells_what_is_new() -> None:
    """Entries that have gone meanwhile are not told twice, and none is invented."""
    log = Log(max_entries=3)

    def add(path: str) -> None:
        log.add(RequestSeen(at=EPOCH, service="s", method="GET", path=path, status=200))

    assert log.since(0) == ((), 0)
    for path in "ab":
        add(path)
    assert [each.path for each in log.since(1)[0]] == ["b"]
    for path in "cdef":
        add(path)
    found, total = log.since(2)
    assert ([each.path for each in found], total) == (["d", "e", "f"], 6)
    assert log.since(6) == ((), 6)
