"""What becomes of a request is a matter of knobs, seed and instants alone."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexter_nb.core import InvalidArgumentError
from contexter_nb.sandbox import Knobs
from contexter_nb.sandbox._faults import Bucket, Faults


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"latency_seconds": -1}, "latency_seconds is -1; give seconds from 0 to 3600"),
        ({"latency_seconds": 3_601}, "latency_seconds is 3601"),
        ({"latency_seconds": "1"}, "latency_seconds is '1'"),
        ({"latency_seconds": math.nan}, "latency_seconds is nan"),
        ({"jitter_seconds": math.inf}, "jitter_seconds is inf"),
        ({"error_rate": 1.1}, "error_rate is 1.1; give a share from 0 to 1"),
        ({"reset_rate": True}, "reset_rate is True"),
        ({"requests_per_minute": 0}, "requests_per_minute is 0; give a number above 0"),
        ({"requests_per_minute": math.inf}, "requests_per_minute is inf"),
        ({"burst": 0}, "burst is 0; give a whole number from 1 on"),
        ({"burst": 1.5}, "burst is 1.5"),
        ({"outage": 1}, "outage is 1; give True or False"),
        ({"seed": "a"}, "seed is 'a'; give a whole number"),
        ({"latncy_seconds": 1}, "Did you mean 'latency_seconds'"),
        ({"zzz": 1}, "There is no knob 'zzz'. The knobs are latency_seconds,"),
    ],
)
def test_a_knob_that_cannot_be_turned_so_is_refused(
    knobs: dict[str, Any], message: str
) -> None:
    """One sentence names the knob, the value and what would do."""
    with pytest.raises(InvalidArgumentError) as caught:
        Knobs().with_(**knobs)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_knobs_repr_shows_what_was_turned() -> None:
    """Defaults are not repeated."""
    assert repr(Knobs()) == "Knobs()"
    assert repr(Knobs(burst=2, outage=True)) == "Knobs(burst=2, outage=True)"


def fates(faults: Faults, count: int = 200, now: float = 0.0) -> list[str]:
    """Return what becomes of some requests, in letters."""
    verdicts = [faults.decide(now) for _ in range(count)]
    return [
        "dropped" if each.dropped else str(each.status or "ok") for each in verdicts
    ]


def test_without_knobs_every_request_passes_at_once() -> None:
    """The defaults are those of a service that never fails."""
    verdict = Faults(Knobs(), 0.0).decide(0.0)
    assert (verdict.delay_seconds, verdict.dropped, verdict.status) == (0, False, None)


def test_the_same_seed_gives_the_same_faults() -> None:
    """Another seed gives others, and naming the seed again starts anew."""
    knobs = Knobs(error_rate=0.3, reset_rate=0.2, jitter_seconds=1.0, seed=5)
    faults = Faults(knobs, 0.0)
    first = fates(faults)
    assert {"503", "dropped", "ok"} == set(first)
    assert fates(Faults(knobs, 0.0)) == first
    assert fates(Faults(knobs.with_(seed=6), 0.0)) != first
    assert fates(faults) != first
    faults.turn({"seed": 5}, 0.0)
    assert fates(faults) == first


def test_turning_one_knob_leaves_the_luck_of_the_others() -> None:
    """The same requests get 503, whether or not some others are dropped."""
    plain = fates(Faults(Knobs(error_rate=0.2), 0.0))
    mixed = fates(Faults(Knobs(error_rate=0.2, reset_rate=0.3), 0.0))
    same = [a == b for a, b in zip(plain, mixed, strict=True) if b != "dropped"]
    assert all(same) and len(same) < 200


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_rates_are_shares_of_the_requests(rate: float) -> None:
    """0 is never, 1 is always, and a quarter is about a quarter."""
    found = fates(Faults(Knobs(error_rate=rate), 0.0), 4_000).count("503") / 4_000
    assert found == pytest.approx(rate, abs=0.03 if 0 < rate < 1 else 0)


def test_latency_and_jitter_bound_the_delay() -> None:
    """Delays lie between the latency and its sum with the jitter, and differ."""
    faults = Faults(Knobs(latency_seconds=1.0, jitter_seconds=0.5), 0.0)
    delays = [faults.decide(0.0).delay_seconds for _ in range(100)]
    assert min(delays) >= 1.0 and max(delays) <= 1.5
    assert len(set(delays)) == 100


def test_an_outage_refuses_everything_and_uses_up_no_limit() -> None:
    """Afterwards the whole burst is still there."""
    faults = Faults(Knobs(outage=True, requests_per_minute=60, burst=3), 0.0)
    assert fates(faults, 5) == ["503"] * 5
    faults.turn({"outage": False}, 0.0)
    assert fates(faults, 4) == ["ok"] * 3 + ["429"]


def test_turning_another_knob_gives_no_new_burst() -> None:
    """The bucket stays as it is unless its own knobs are turned."""
    faults = Faults(Knobs(requests_per_minute=60, burst=2), 0.0)
    assert fates(faults, 3) == ["ok", "ok", "429"]
    faults.turn({"error_rate": 0.0}, 0.0)
    assert fates(faults, 1) == ["429"]
    faults.turn({"requests_per_minute": None}, 0.0)
    assert fates(faults, 50) == ["ok"] * 50


@settings(deadline=None)
@given(
    per_minute=st.floats(0.5, 6_000),
    burst=st.one_of(st.none(), st.integers(1, 20)),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=60),
)
def test_retry_after_is_honest(
    per_minute: float, burst: int | None, gaps: list[float]
) -> None:
    """After exactly the seconds it names the request passes, and they are whole."""
    now = 1_000.0
    faults = Faults(Knobs(requests_per_minute=per_minute, burst=burst), now)
    for gap in gaps:
        now += gap
        verdict = faults.decide(now)
        if verdict.status == 429:
            wait = verdict.retry_after_seconds
            assert isinstance(wait, int) and wait >= 1
            now += wait
            assert faults.decide(now).status is None


@settings(deadline=None)
@given(
    per_minute=st.floats(1, 600),
    burst=st.integers(1, 10),
    gaps=st.lists(st.floats(0, 3), min_size=1, max_size=200),
)
def test_no_more_pass_than_rate_and_burst_allow(
    per_minute: float, burst: int, gaps: list[float]
) -> None:
    """In any time t, at most rate times t and the burst."""
    bucket = Bucket(per_minute, burst, 0.0)
    now, passed = 0.0, 0
    for gap in gaps:
        now += gap
        passed += bucket.take(now) == 0.0
        assert passed <= per_minute / 60 * now + burst + 1e-6


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    """Neither tokens nor an error come of it."""
    bucket = Bucket(60, 1, 100.0)
    assert bucket.take(100.0) == 0.0
    assert bucket.take(50.0) == pytest.approx(1.0)
    assert bucket.take(100.5) == pytest.approx(0.5)


def test_a_schedule_turns_the_knobs_at_its_times() -> None:
    """Each step holds from its instant on, whatever order they were given in."""
    faults = Faults(Knobs(), 100.0)
    faults.schedule([(5, Knobs()), (2.0, Knobs(outage=True))], 100.0)
    told = {now: faults.knobs(now).outage for now in (101.9, 102.0, 104.9, 105.0)}
    assert told == {101.9: False, 102.0: True, 104.9: True, 105.0: False}


def test_a_schedule_that_nobody_watched_ends_as_it_should() -> None:
    """All steps are behind when the first request comes late."""
    faults = Faults(Knobs(), 0.0)
    faults.schedule([(1, Knobs(outage=True)), (2, Knobs(error_rate=1.0))], 0.0)
    assert faults.decide(50.0).message == "the service is overloaded"
    faults.schedule([(1, Knobs(outage=True))], 50.0)
    faults.schedule([], 50.0)
    assert faults.knobs(99.0) == Knobs(error_rate=1.0)


@pytest.mark.parametrize(
    "steps",
    [
        [(1.0,)],
        [1.0],
        3,
        [(-1, Knobs())],
        [(math.inf, Knobs())],
        [(True, Knobs())],
        [("1", Knobs())],
        [(1, {"outage": True})],
        [(1, Knobs())] * 10_001,
    ],
)
def test_what_is_no_schedule_is_refused(steps: Any) -> None:
    """And the one before it stays."""
    faults = Faults(Knobs(), 0.0)
    faults.schedule([(1, Knobs(outage=True))], 0.0)
    with pytest.raises(InvalidArgumentError):
        faults.schedule(steps, 0.0)
    assert faults.knobs(1.0).outage


def test_knobs_turned_from_many_threads_are_all_turned() -> None:
    """No thread's change is lost to another's."""
    from concurrent.futures import ThreadPoolExecutor

    faults = Faults(Knobs(), 0.0)
    chance = random.Random(7)
    changes = [{"latency_seconds": 1.0}, {"jitter_seconds": 2.0}, {"burst": 3}] * 100
    chance.shuffle(changes)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda change: faults.turn(change, 0.0), changes))
    assert faults.knobs(0.0) == Knobs(latency_seconds=1.0, jitter_seconds=2.0, burst=3)
