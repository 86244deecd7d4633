"""What happened on the way to an answer adds up."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import Attempt, Trace

seconds = st.floats(0, 1_000)
attempts = st.lists(
    st.builds(
        Attempt,
        number=st.integers(1, 9),
        started_seconds=seconds,
        limiter_wait_seconds=seconds,
        bulkhead_wait_seconds=seconds,
        network_seconds=seconds,
        backoff_seconds=seconds,
        request_bytes=st.integers(0, 10**9),
        response_bytes=st.integers(0, 10**9),
        status_code=st.none() | st.integers(100, 599),
    ),
    max_size=5,
).map(tuple)


@given(attempts)
def test_waits_and_bytes_are_sums_over_all_attempts(each: tuple[Attempt, ...]) -> None:
    """Time on the network and time spent waiting are told apart."""
    trace = Trace(attempts=each)
    assert trace.network_seconds == pytest.approx(sum(a.network_seconds for a in each))
    assert trace.waited_seconds == pytest.approx(
        sum(
            a.limiter_wait_seconds + a.bulkhead_wait_seconds + a.backoff_seconds
            for a in each
        )
    )
    assert trace.request_bytes == sum(a.request_bytes for a in each)
    assert trace.response_bytes == sum(a.response_bytes for a in each)
    assert trace.retries == max(0, len(each) - 1)
    assert pickle.loads(pickle.dumps(trace)) == trace


def test_a_call_without_attempts_has_no_retries_and_no_status() -> None:
    """As where a cache answered."""
    trace = Trace(cache_tier="memory")
    assert trace.retries == 0
    assert trace.waited_seconds == 0
    assert trace.last_status_code is None


def test_the_last_whole_answer_gives_the_status() -> None:
    """A later attempt that broke off does not hide it."""
    codes = (503, 429, None)
    trace = Trace(
        attempts=tuple(
            Attempt(number=number, started_seconds=0.0, status_code=code)
            for number, code in enumerate(codes, start=1)
        )
    )
    assert trace.last_status_code == 429


def test_a_trace_is_not_changed_afterwards() -> None:
    """Whoever is handed one may keep it."""
    with pytest.raises(FrozenInstanceError):
        Trace().stale = True  # type: ignore[misc]
