"""A breaker opens on a sick service, probes it gently, and forgives what is not its."""

from __future__ import annotations

import asyncio
import math
import threading
from random import Random
from typing import Any

import pytest

from contexter_nb.core import (
    AuthenticationError,
    BreakerState,
    CircuitOpenError,
    ConnectionFailedError,
    ConnectionLostError,
    DeadlineExceededError,
    DecodingError,
    GraphQLError,
    HTTPError,
    InvalidArgumentError,
    NotFoundError,
    PoolExhaustedError,
    RateLimitedError,
    RateLimitExceededError,
    RequestTimeoutError,
    ResponseTooLargeError,
    ServerError,
    TokenFetchError,
    UnsendableRequestError,
)
from contexter_nb.policies._breaker import BreakerConfig, CircuitBreaker, Permit
from contexter_nb.policies._breaker_outcome import BreakerOutcome, breaker_outcome
from tests.loops import VirtualClock, run

SICK = BreakerConfig(minimum_calls=5, open_seconds=4.0, max_open_seconds=30.0)


def admitted(breaker: CircuitBreaker, now: float) -> Permit:
    """Return a permit that must be given."""
    permit = breaker.admit(now)
    assert permit is not None
    return permit


def tell(breaker: CircuitBreaker, outcomes: str, now: float = 0.0) -> None:
    """Make calls at one instant: o is an ok one, f a failed one, n a neutral one."""
    names: dict[str, BreakerOutcome] = {"o": "ok", "f": "failed", "n": "neutral"}
    for letter in outcomes:
        breaker.report(admitted(breaker, now), names[letter], now)


def opened(config: BreakerConfig = SICK, **options: Any) -> CircuitBreaker:
    """Return a breaker that opened at 0."""
    breaker = CircuitBreaker(config, **options)
    tell(breaker, "f" * config.minimum_calls)
    assert breaker.state(0.0) == "open"
    return breaker


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ("", "closed"),
        ("ffff", "closed"),
        ("fffff", "open"),
        ("ooooo", "closed"),
        ("ooofff", "open"),
        ("oooff", "closed"),
        ("nnnnnnffff", "closed"),
        ("nfnfnfnfnf", "open"),
        ("fffnnnnnnn", "closed"),
        ("o" * 100 + "f" * 19, "closed"),
        ("o" * 100 + "f" * 20, "open"),
        ("o" * 100 + "f" * 19 + "o" + "f" * 19, "closed"),
        ("o" * 100 + "nf" * 20, "open"),
    ],
)
def test_it_opens_on_a_share_of_failures_or_on_many_in_a_row(
    outcomes: str, state: BreakerState
) -> None:
    """Half of at least five, or twenty in a row; neutral ones count for nothing."""
    breaker = CircuitBreaker(SICK)
    tell(breaker, outcomes)
    assert breaker.state(0.0) == state


def test_a_row_of_failures_can_be_let_pass() -> None:
    """With the rate alone, the good calls before an outage hold the breaker up."""
    breaker = CircuitBreaker(BreakerConfig(failures_in_a_row=None))
    tell(breaker, "o" * 100 + "f" * 99)
    assert breaker.state(0.0) == "closed"
    tell(breaker, "f")
    assert breaker.state(0.0) == "open"


def test_a_few_failures_in_a_row_do_not_pass_the_minimum() -> None:
    """Below the least number of calls in the window nothing opens it."""
    breaker = CircuitBreaker(BreakerConfig(minimum_calls=50))
    tell(breaker, "f" * 49)
    assert breaker.state(0.0) == "closed"
    rare = CircuitBreaker()
    for hour in range(100):
        tell(rare, "f", hour * 3600.0)
    assert rare.state(99 * 3600.0) == "closed"


def test_what_is_long_ago_counts_no_more() -> None:
    """Failures leave the window with time, good calls as well."""
    breaker = CircuitBreaker(SICK)
    tell(breaker, "ffff", 0.0)
    tell(breaker, "f", 30.0)
    assert breaker.status(30.0).calls == 1
    tell(breaker, "oooooooooo", 31.0)
    tell(breaker, "fffff", 70.0)
    assert breaker.state(70.0) == "open"


def test_while_open_nothing_gets_through_and_the_wait_is_told() -> None:
    """`peek` counts down to the instant from which `admit` says yes."""
    breaker = opened()
    for now in (0.0, 1.0, 3.999):
        assert breaker.peek(now) == pytest.approx(4.0 - now)
        assert breaker.admit(now) is None
        assert breaker.state(now) == "open"
    assert breaker.peek(4.0) == 0.0
    assert breaker.state(4.0) == "half_open"
    assert admitted(breaker, 4.0).is_probe


def test_peeking_takes_no_probes_place() -> None:
    """However many look, the one place is there for whoever asks first."""
    breaker = opened()
    assert [breaker.peek(4.0) for _ in range(50)] == [0.0] * 50
    admitted(breaker, 4.0)
    assert breaker.admit(4.0) is None
    assert 0 < breaker.peek(4.0) <= 1.0


def test_a_good_probe_closes_it_and_all_is_forgotten() -> None:
    """After one success the count begins anew, and so does the open time."""
    breaker = opened()
    breaker.report(admitted(breaker, 4.0), "failed", 4.0)
    breaker.report(admitted(breaker, 12.0), "ok", 12.0)
    assert breaker.state(12.0) == "closed"
    assert breaker.status(12.0).calls == 0
    tell(breaker, "ffff", 12.0)
    assert breaker.state(12.0) == "closed"
    tell(breaker, "f", 12.0)
    assert breaker.peek(12.0) == 4.0


def test_a_failed_probe_opens_it_for_twice_as_long() -> None:
    """The open time doubles from probe to probe, up to its bound."""
    breaker, now, waits = opened(), 0.0, []
    for _ in range(6):
        waits.append(breaker.peek(now))
        now += waits[-1]
        breaker.report(admitted(breaker, now), "failed", now)
    assert waits == [4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert breaker.status(now).opened_count == 7


def test_a_neutral_probe_makes_room_for_the_next() -> None:
    """A cancelled or limited probe neither closes the breaker nor opens it again."""
    breaker = opened()
    breaker.report(admitted(breaker, 4.0), "neutral", 5.0)
    assert breaker.state(5.0) == "half_open"
    assert breaker.peek(5.0) == 0.0
    breaker.report(admitted(breaker, 5.0), "ok", 5.0)
    assert breaker.state(5.0) == "closed"


def test_a_late_answer_of_an_earlier_life_changes_nothing() -> None:
    """Calls sent before it opened do not close or fill it when they end at last."""
    breaker = CircuitBreaker(SICK)
    before = [admitted(breaker, 0.0) for _ in range(20)]
    for permit in before[:5]:
        breaker.report(permit, "failed", 0.0)
    for permit in before[5:10]:
        breaker.report(permit, "ok", 1.0)
    assert breaker.state(1.0) == "open"
    probe = admitted(breaker, 4.0)
    for permit in before[10:15]:
        breaker.report(permit, "ok", 4.0)
    assert breaker.state(4.0) == "half_open"
    breaker.report(probe, "ok", 4.0)
    for permit in before[15:]:
        breaker.report(permit, "failed", 4.0)
    assert breaker.state(4.0) == "closed"
    assert breaker.status(4.0).failures == 0


def test_a_probe_reported_twice_counts_once() -> None:
    """The second report does not free the place of the probe after it."""
    breaker = opened()
    first = admitted(breaker, 4.0)
    breaker.report(first, "neutral", 4.0)
    admitted(breaker, 4.0)
    breaker.report(first, "neutral", 4.0)
    assert breaker.admit(4.0) is None
    breaker.report(first, "failed", 4.0)
    assert breaker.state(4.0) == "half_open"


def test_a_lost_probe_does_not_lock_everybody_out() -> None:
    """A probe whose loop died makes room in time, and its late report is ignored."""
    breaker = opened()
    lost = admitted(breaker, 4.0)
    assert breaker.admit(63.9) is None
    assert breaker.peek(63.9) == pytest.approx(0.1)
    second = admitted(breaker, 64.0)
    breaker.report(lost, "failed", 64.0)
    assert breaker.state(64.0) == "half_open"
    breaker.report(second, "ok", 65.0)
    assert breaker.state(65.0) == "closed"


def test_several_probes_may_be_allowed() -> None:
    """Their number is the bound, and the first to tell decides for all."""
    breaker = opened(
        BreakerConfig(minimum_calls=5, open_seconds=4.0, probes=3, probe_seconds=9.0)
    )
    probes = [admitted(breaker, 4.0) for _ in range(3)]
    assert breaker.admit(4.0) is None
    breaker.report(probes[0], "neutral", 4.0)
    assert breaker.peek(4.0) == 0.0
    breaker.report(probes[1], "ok", 4.0)
    breaker.report(probes[2], "failed", 4.0)
    assert breaker.state(4.0) == "closed"


def test_probes_of_an_earlier_life_take_no_place() -> None:
    """Two of three were still out when one failed: the next time three may go."""
    breaker = opened(BreakerConfig(minimum_calls=5, open_seconds=4.0, probes=3))
    probes = [admitted(breaker, 4.0) for _ in range(3)]
    breaker.report(probes[0], "failed", 4.0)
    again = [admitted(breaker, 12.0) for _ in range(3)]
    assert breaker.admit(12.0) is None
    breaker.report(probes[1], "ok", 12.0)
    assert breaker.state(12.0) == "half_open"
    breaker.report(again[2], "ok", 12.0)
    assert breaker.state(12.0) == "closed"


def test_every_change_is_told_once() -> None:
    """Before and after of each change, in order, and none for what changes nothing."""
    changes: list[tuple[BreakerState, BreakerState]] = []
    breaker = opened(on_change=lambda *both: changes.append(both))
    breaker.report(admitted(breaker, 4.0), "neutral", 4.0)
    breaker.report(admitted(breaker, 4.0), "failed", 4.0)
    breaker.report(admitted(breaker, 12.0), "ok", 12.0)
    tell(breaker, "ofn", 13.0)
    assert changes == [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    ]


def test_whoever_is_told_may_ask() -> None:
    """No lock is held while a change is told, so the listener may look."""
    seen: list[BreakerState] = []
    breaker = CircuitBreaker(SICK, on_change=lambda *_: seen.append(breaker.state(0.0)))
    tell(breaker, "fffff")
    assert seen == ["open"]


def test_the_status_is_one_consistent_value() -> None:
    """It names the service and tells counts, rate, wait and how often it opened."""
    breaker = CircuitBreaker(SICK, service="voyage", host="api.voyageai.com")
    tell(breaker, "ooof", 0.0)
    status = breaker.status(0.0)
    assert (status.service, status.host) == ("voyage", "api.voyageai.com")
    assert (status.calls, status.failures, status.failure_rate) == (4, 1, 0.25)
    assert (status.state, status.retry_after_seconds) == ("closed", 0.0)
    tell(breaker, "ff", 0.0)
    status = breaker.status(1.0)
    assert (status.state, status.retry_after_seconds) == ("open", 3.0)
    assert (status.calls, status.failures, status.opened_count) == (6, 3, 1)
    assert CircuitBreaker().status(0.0).failure_rate == 0.0
    assert "voyage" in repr(breaker)
    assert "open" in repr(breaker)
    assert "probe" in repr(admitted(breaker, 4.0))


async def call_sick(
    breaker: CircuitBreaker, clock: VirtualClock, reached: list[float]
) -> None:
    """Ask a server that fails after 0.1 s, as a client would."""
    if breaker.peek(clock.now()) > 0:
        raise CircuitOpenError("open")
    await clock.sleep(0.01)
    permit = breaker.admit(clock.now())
    if permit is None:
        raise CircuitOpenError("open")
    error: BaseException | None = None
    try:
        reached.append(clock.now())
        await clock.sleep(0.1)
        raise ServerError("sick", status_code=503)
    except BaseException as exc:
        error = exc
        raise
    finally:
        breaker.report(permit, breaker_outcome(error), clock.now())


def test_one_of_50_waiting_calls_reaches_a_sick_server() -> None:
    """When the open time ends, exactly one probe is sent; the others are refused."""

    async def main() -> None:
        clock, breaker = VirtualClock(), CircuitBreaker(SICK)
        reached: list[float] = []
        while breaker.peek(clock.now()) == 0:
            with pytest.raises(ServerError):
                await call_sick(breaker, clock, reached)
        assert len(reached) == 5
        await clock.sleep(breaker.peek(clock.now()))
        calls = [call_sick(breaker, clock, reached) for _ in range(50)]
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert len(reached) == 6
        assert sorted(type(end).__name__ for end in ends) == [
            *["CircuitOpenError"] * 49,
            "ServerError",
        ]

    run(main())


def test_a_cancelled_probe_lets_the_next_one_go() -> None:
    """Cancellation is no verdict: the breaker is half open, and another may probe."""

    async def main() -> None:
        clock, breaker = VirtualClock(), CircuitBreaker(SICK)
        reached: list[float] = []
        tell(breaker, "fffff", clock.now())
        await clock.sleep(4.0)
        probe = asyncio.ensure_future(call_sick(breaker, clock, reached))
        await clock.sleep(0.05)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert breaker.state(clock.now()) == "half_open"
        with pytest.raises(ServerError):
            await call_sick(breaker, clock, reached)
        assert len(reached) == 2
        assert breaker.peek(clock.now()) == 8.0

    run(main())


@pytest.mark.parametrize("seed", range(5))
def test_a_sick_service_sees_one_probe_an_open_period(seed: int) -> None:
    """Ten minutes of random callers reach it once for each time it opened."""

    async def main() -> None:
        clock, breaker = VirtualClock(), CircuitBreaker(SICK)
        reached: list[float] = []
        rng, calls = Random(seed), []
        for _ in range(3000):
            calls.append(asyncio.ensure_future(call_sick(breaker, clock, reached)))
            await clock.sleep(rng.expovariate(5))
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(end, ServerError | CircuitOpenError) for end in ends)
        after = [at for at in reached if at > reached[0] + 3.0]
        assert 15 <= len(after) <= 30
        assert breaker.status(clock.now()).opened_count == len(after) + 1
        gaps = [b - a for a, b in zip(after, after[1:], strict=False)]
        assert min(gaps) > 4.0
        assert min(gaps[4:]) > 30.0

    run(main())


def test_a_breaker_that_closes_just_before_admits() -> None:
    """Closed by another thread between the look and the lock, it lets the call go."""
    breaker = opened()
    probe = admitted(breaker, 4.0)

    class ClosedMeanwhile:
        """Stands in for the lock: the probe's good end comes first."""

        def __enter__(self) -> None:
            breaker._lock = threading.Lock()
            breaker.report(probe, "ok", 4.0)

        def __exit__(self, *_: object) -> None:
            pass

    breaker._lock = ClosedMeanwhile()  # type: ignore[assignment]
    assert not admitted(breaker, 4.0).is_probe


def test_threads_take_one_probe_between_them() -> None:
    """Of eight threads that ask at once one gets through, each time anew."""
    breaker, now = opened(), 0.0
    for _ in range(50):
        now += breaker.peek(now)
        gate, got = threading.Barrier(8), list[Permit]()

        def ask(at: float, gate: threading.Barrier, got: list[Permit]) -> None:
            gate.wait()
            permit = breaker.admit(at)
            if permit is not None:
                got.append(permit)

        threads = [threading.Thread(target=ask, args=(now, gate, got)) for _ in "x" * 8]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1
        breaker.report(got[0], "failed", now)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (ServerError(status_code=500), "failed"),
        (ServerError(status_code=502), "failed"),
        (ServerError(status_code=503, retry_after_seconds=1.0), "failed"),
        (ServerError(status_code=504), "failed"),
        (ServerError(status_code=529), "failed"),
        (HTTPError(status_code=599), "failed"),
        (ConnectionFailedError("refused"), "failed"),
        (ConnectionLostError("reset"), "failed"),
        (RequestTimeoutError("slow", phase="connect"), "failed"),
        (RequestTimeoutError("slow", phase="read"), "failed"),
        (RequestTimeoutError("slow", phase="attempt"), "failed"),
        (DecodingError("a page of HTML"), "failed"),
        (ServerError(status_code=501), "neutral"),
        (ServerError(status_code=505), "neutral"),
        (RateLimitedError(status_code=429), "neutral"),
        (HTTPError(status_code=400), "neutral"),
        (AuthenticationError(status_code=401), "neutral"),
        (NotFoundError(status_code=404), "neutral"),
        (HTTPError(status_code=302), "neutral"),
        (RateLimitExceededError("local"), "neutral"),
        (PoolExhaustedError("full"), "neutral"),
        (UnsendableRequestError("bad URL"), "neutral"),
        (ResponseTooLargeError("long"), "neutral"),
        (CircuitOpenError("open"), "neutral"),
        (DeadlineExceededError("late"), "neutral"),
        (TokenFetchError("another host"), "neutral"),
        (GraphQLError("errors"), "neutral"),
        (InvalidArgumentError("wrong"), "neutral"),
        (asyncio.CancelledError(), "neutral"),
        (KeyboardInterrupt(), "neutral"),
        (KeyError("a bug"), "neutral"),
    ],
    ids=repr,
)
def test_what_an_error_says_about_the_service(
    error: BaseException | None, outcome: str
) -> None:
    """Only what the service does wrong counts; limits and our own faults do not."""
    assert breaker_outcome(error) == outcome


@pytest.mark.parametrize(
    "options",
    [
        {"failure_rate": 0.0},
        {"failure_rate": 1.1},
        {"failure_rate": math.nan},
        {"minimum_calls": 0},
        {"failures_in_a_row": 0},
        {"probes": 0},
        {"window_seconds": 0.0},
        {"open_seconds": -1.0},
        {"max_open_seconds": 4.0},
        {"max_open_seconds": math.inf},
        {"probe_seconds": math.nan},
    ],
    ids=str,
)
def test_a_configuration_that_makes_no_sense_is_refused(
    options: dict[str, Any],
) -> None:
    """A wrong number is told when the configuration is made, by its name."""
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        BreakerConfig(**options)
