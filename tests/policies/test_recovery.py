"""Recovery tries each means once, re-sends nothing blindly, and hides no error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb import core
from contexter_nb.core import (
    Attempt,
    AuthenticationError,
    CircuitOpenError,
    ConnectionFailedError,
    ConnectionLostError,
    HTTPError,
    NotFoundError,
    RateLimitedError,
    RateLimitExceededError,
    RequestTimeoutError,
    Secret,
    ServerError,
    Trace,
)
from contexter_nb.policies._arrival import may_have_arrived
from contexter_nb.policies._classify import ErrorClassifier
from contexter_nb.policies._recovery import ErrorRecoveryManager
from contexter_nb.policies._recovery_plan import RecoveryAction, plan_recovery
from contexter_nb.policies._split import SplitOutcome, run_split
from tests.loops import FakeClock, run

TOO_LARGE = HTTPError("Too large.", status_code=413)


class Script:
    """A call that raises or returns what it is told, one after another."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.calls = 0

    async def __call__(self) -> Any:
        self.calls += 1
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, BaseException):
            raise step
        return step


def recovered(call: Script, clock: FakeClock | None = None, **options: Any) -> Any:
    """Run a call under a manager on a clock that notes its sleeps."""
    return run(ErrorRecoveryManager(clock or FakeClock()).run(call, **options))


@pytest.mark.parametrize(
    ("error", "at_hand", "action"),
    [
        (AuthenticationError(status_code=401), {"can_refresh": True}, "refresh"),
        (AuthenticationError(status_code=401), {"has_fallback": True}, "give_up"),
        (TOO_LARGE, {"can_split": True}, "split"),
        (TOO_LARGE, {"has_fallback": True}, "fall_back"),
        (CircuitOpenError(retry_after_seconds=3), {}, "wait"),
        (CircuitOpenError(retry_after_seconds=3), {"can_wait": False}, "give_up"),
        (RateLimitExceededError(retry_after_seconds=3), {}, "wait"),
        (RateLimitExceededError(), {}, "give_up"),
        (RateLimitedError(status_code=429, retry_after_seconds=3), {}, "give_up"),
        (ServerError(status_code=503, retry_after_seconds=3), {}, "give_up"),
        (ServerError(status_code=500), {"has_fallback": True}, "fall_back"),
        (HTTPError(status_code=402), {"has_fallback": True}, "fall_back"),
        (TimeoutError(), {"has_fallback": True}, "fall_back"),
        (NotFoundError(status_code=404), {"has_fallback": True}, "give_up"),
        (core.InvalidArgumentError(), {"has_fallback": True}, "give_up"),
        (KeyError("x"), {"has_fallback": True, "can_refresh": True}, "give_up"),
        (asyncio.CancelledError(), {"has_fallback": True}, "give_up"),
    ],
)
def test_each_kind_of_error_has_its_means(
    error: BaseException, at_hand: dict[str, bool], action: str
) -> None:
    """A credential for a refused key, parts for too much, a wait for a closed door."""
    context = ErrorClassifier(FakeClock()).classify(error)
    assert plan_recovery(context, **at_hand).action == action


@pytest.mark.parametrize(
    ("asked", "remaining", "waits"),
    [
        (3.0, 10.0, True),
        (3.0, 3.0, False),
        (3.0, 1.0, False),
        (3.0, 0.0, False),
        (3.0, -5.0, False),
        (60.0, None, True),
        (61.0, None, False),
        (86_400.0, 100_000.0, False),
    ],
)
def test_a_wait_has_to_fit(asked: float, remaining: float | None, waits: bool) -> None:
    """Into what remains of the deadline, and below what one waits for at all."""
    context = ErrorClassifier().classify(CircuitOpenError(retry_after_seconds=asked))
    plan = plan_recovery(context, remaining_seconds=remaining)
    assert (plan.action is RecoveryAction.WAIT) is waits
    assert plan.wait_seconds == (asked if waits else 0.0)


def test_no_time_is_left_for_anything_that_asks_the_service() -> None:
    """Past the deadline only another answer helps."""
    refused = ErrorClassifier().classify(AuthenticationError(status_code=401))
    large = ErrorClassifier().classify(TOO_LARGE)
    gone = {"remaining_seconds": 0.0}
    assert plan_recovery(refused, can_refresh=True, **gone).action == "give_up"
    assert (
        plan_recovery(large, can_split=True, has_fallback=True, **gone).action
        == "fall_back"
    )


def test_a_call_that_goes_well_is_made_once_and_not_waited_for() -> None:
    """Nothing is done before the first try."""
    clock, call = FakeClock(), Script("answer")
    assert recovered(call, clock) == "answer"
    assert (call.calls, clock.slept) == (1, [])


def test_a_failure_of_the_service_is_not_retried_here() -> None:
    """The client has done that, under its budget: one failure stays one call."""
    for error in (ServerError(status_code=500), ConnectionLostError(), TimeoutError()):
        clock, call = FakeClock(), Script(error)
        with pytest.raises(type(error)) as caught:
            recovered(call, clock, repeatable=True, remaining_seconds=100.0)
        assert caught.value is error
        assert (call.calls, clock.slept) == (1, [])


def test_a_refused_key_is_tried_once_with_a_newer_one() -> None:
    """And where that is refused, too, the error says what was tried."""
    refresh = Script("token")
    call = Script(AuthenticationError("Refused.", status_code=401), "answer")
    assert recovered(call, refresh=refresh) == "answer"
    assert (call.calls, refresh.calls) == (2, 1)

    again = AuthenticationError("Refused again.", status_code=401)
    call = Script(AuthenticationError("Refused.", status_code=401), again)
    refresh = Script("token")
    with pytest.raises(AuthenticationError) as caught:
        recovered(call, refresh=refresh)
    assert caught.value is again
    assert caught.value.__notes__ == [
        "AuthenticationError: Refused. Tried: a new credential."
    ]
    assert (call.calls, refresh.calls) == (2, 1)


def test_a_credential_that_cannot_be_had_leaves_the_error_as_it_was() -> None:
    """Why there is none stands in a note, scrubbed; the call is not made again."""
    key = Secret("zzz-credential-zzz")
    error = AuthenticationError("Refused.", status_code=401)
    call, refresh = Script(error), Script(ValueError(f"no token for {key.reveal()}"))
    with pytest.raises(AuthenticationError) as caught:
        recovered(call, refresh=refresh)
    assert caught.value is error
    assert caught.value.__notes__[-1] == "That failed: ValueError: no token for ***"
    assert call.calls == 1


def test_a_call_held_back_here_waits_once_until_it_may_go() -> None:
    """As long as the circuit or the limit says, and not a second time."""
    clock = FakeClock()
    call = Script(CircuitOpenError("Open.", retry_after_seconds=3.0), "answer")
    assert recovered(call, clock, remaining_seconds=10.0) == "answer"
    assert clock.slept == [3.0]

    clock = FakeClock()
    call = Script(CircuitOpenError("Open.", retry_after_seconds=3.0))
    with pytest.raises(CircuitOpenError):
        recovered(call, clock, remaining_seconds=100.0)
    assert (clock.slept, call.calls) == ([3.0], 2)


def test_the_time_that_the_call_took_counts_against_the_deadline() -> None:
    """What remained at the beginning is not what remains afterwards."""
    clock = FakeClock()

    async def slow() -> str:
        clock.instant += 8.0
        raise CircuitOpenError("Open.", retry_after_seconds=3.0)

    with pytest.raises(CircuitOpenError):
        run(ErrorRecoveryManager(clock).run(slow, remaining_seconds=10.0))
    assert clock.slept == []


def test_what_is_too_large_is_sent_in_parts_once() -> None:
    """And where a part fails, its own error is raised, which knows what was done."""
    split = Script("in parts")
    assert recovered(Script(TOO_LARGE), split=split) == "in parts"
    failed = ServerError("A part failed.", status_code=500)
    with pytest.raises(ServerError) as caught:
        recovered(Script(HTTPError("L", status_code=413)), split=Script(failed))
    assert caught.value is failed


def test_another_answer_is_given_where_the_service_has_none() -> None:
    """After all else; where there is none either, the call's own error counts."""
    call = Script(CircuitOpenError("Open.", retry_after_seconds=3.0))
    fallback = Script("older answer")
    assert recovered(call, fallback=fallback) == "older answer"
    assert call.calls == 2

    error = ServerError("It failed.", status_code=500)
    with pytest.raises(ServerError) as caught:
        recovered(Script(error), fallback=Script(KeyError("not cached")))
    assert caught.value is error
    assert caught.value.__notes__ == [
        "ServerError: It failed. Tried: another answer.",
        "That failed: KeyError: 'not cached'",
    ]


def test_a_bug_is_raised_as_it_is() -> None:
    """Not as an error of a service, without notes, and no other answer hides it."""
    bug = KeyError("x")
    fallback = Script("older answer")
    with pytest.raises(KeyError) as caught:
        recovered(Script(bug), fallback=fallback, refresh=Script("token"))
    assert caught.value is bug
    assert not hasattr(bug, "__notes__")
    assert fallback.calls == 0


def test_a_cause_stays_the_cause() -> None:
    """Nothing is wrapped, so nothing is lost."""
    cause = ConnectionResetError("reset")
    error = ConnectionLostError("It broke.")
    error.__cause__ = cause
    with pytest.raises(ConnectionLostError) as caught:
        recovered(Script(error))
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize("moment", ["call", "wait", "refresh", "fallback"])
def test_a_cancellation_ends_it_at_once(moment: str) -> None:
    """Wherever it comes, nothing more is tried."""
    tried: list[str] = []

    async def main() -> None:
        gate: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        reached = asyncio.Event()

        def step(name: str, error: Exception) -> Callable[[], Awaitable[Any]]:
            async def go() -> Any:
                tried.append(name)
                if name == moment:
                    reached.set()
                    await gate
                raise error

            return go

        class Waiting(FakeClock):
            async def sleep(self, seconds: float) -> None:
                tried.append("wait")
                reached.set()
                await gate

        first: Exception = ServerError(status_code=500)
        if moment == "wait":
            first = CircuitOpenError(retry_after_seconds=1.0)
        if moment == "refresh":
            first = AuthenticationError(status_code=401)
        task = asyncio.create_task(
            ErrorRecoveryManager(Waiting()).run(
                step("call", first),
                refresh=step("refresh", KeyError()),
                fallback=step("fallback", KeyError()),
            )
        )
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert tried[-1] == moment


SENT = Attempt(number=1, started_seconds=0.0, network_seconds=0.1, status_code=503)
LOST = Attempt(
    number=1, started_seconds=0.0, network_seconds=0.1, error_type="ConnectionLostError"
)
UNSENT = Attempt(number=1, started_seconds=0.0, error_type="CircuitOpenError")
REFUSED = Attempt(number=1, started_seconds=0.0, network_seconds=0.1, status_code=429)


@pytest.mark.parametrize(
    ("error", "arrived"),
    [
        (ConnectionFailedError(), False),
        (CircuitOpenError(), False),
        (CircuitOpenError(trace=Trace(attempts=(UNSENT,))), False),
        (CircuitOpenError(trace=Trace(attempts=(REFUSED, UNSENT))), False),
        (CircuitOpenError(trace=Trace(attempts=(SENT, UNSENT))), True),
        (CircuitOpenError(trace=Trace(attempts=(SENT,))), True),
        (RateLimitExceededError(trace=Trace(attempts=(LOST, UNSENT))), True),
        (RateLimitedError(status_code=429, trace=Trace(attempts=(REFUSED,))), False),
        (
            RateLimitedError(status_code=429, trace=Trace(attempts=(SENT, REFUSED))),
            True,
        ),
        (RequestTimeoutError(phase="connect"), False),
        (RequestTimeoutError(phase="read"), True),
        (ConnectionLostError(), True),
        (core.DeadlineExceededError(), True),
        (core.DecodingError(), True),
        (AuthenticationError(status_code=401), False),
        (TOO_LARGE, False),
        (HTTPError(status_code=302), False),
        (HTTPError(status_code=409), True),
        (ServerError(status_code=500), True),
        (core.ResponseTooLargeError(), True),
        (ValueError(), True),
    ],
)
def test_what_the_service_may_have_acted_on(error: Exception, arrived: bool) -> None:
    """By what failed, and by every attempt before it."""
    assert may_have_arrived(error) is arrived


def test_what_may_not_be_repeated_is_not_sent_again_after_it_may_have_arrived() -> None:
    """Unless the caller says that it may be repeated."""
    trace = Trace(attempts=(SENT, UNSENT))
    error = CircuitOpenError("Open.", retry_after_seconds=1.0, trace=trace)
    call = Script(error, "answer")
    with pytest.raises(CircuitOpenError):
        recovered(call)
    assert call.calls == 1
    assert recovered(Script(error, "answer"), repeatable=True) == "answer"
    large = core.ResponseTooLargeError("Too long.")
    with pytest.raises(core.ResponseTooLargeError):
        recovered(Script(large), split=Script("in parts"))
    assert recovered(Script(large), split=Script("parts"), repeatable=True) == "parts"


class Service:
    """Doubles numbers, so many at once as it takes; some it never takes."""

    def __init__(self, limit: int, too_large: frozenset[int] = frozenset()) -> None:
        self.limit = limit
        self.too_large = too_large
        self.sent: list[int] = []
        self.refusals = 0

    async def __call__(self, items: Sequence[int]) -> Sequence[int]:
        if len(items) > self.limit or self.too_large.intersection(items):
            self.refusals += 1
            raise HTTPError("Too large.", status_code=413)
        self.sent += items
        return [2 * each for each in items]


@given(
    st.integers(0, 60),
    st.integers(1, 70),
    st.frozensets(st.integers(0, 59), max_size=4),
)
def test_every_item_has_an_outcome_in_its_place(
    count: int, limit: int, too_large: frozenset[int]
) -> None:
    """Each is sent once at the most; those too large by themselves have the error."""
    service = Service(limit, too_large)
    outcomes = run(run_split(range(count), service))
    assert [each.index for each in outcomes] == list(range(count))
    for each in outcomes:
        if each.index in too_large:
            assert isinstance(each.error, HTTPError)
            assert each.value is None
            assert each.error.__notes__ == [
                f"Item {each.index} is too large by itself."
            ]
        else:
            assert (each.value, each.error) == (2 * each.index, None)
    assert service.sent == [each for each in range(count) if each not in too_large]


def test_a_size_limit_is_learnt() -> None:
    """What was refused twice for its size is not sent a third time in that size."""
    service = Service(limit=60)
    outcomes = run(run_split(range(1_024), service))
    assert all(each.error is None for each in outcomes)
    assert service.refusals <= 10


def test_one_item_too_large_does_not_slow_the_others_down() -> None:
    """It is found by halving: some twenty calls for a thousand items."""
    service = Service(2_000, frozenset({700}))
    outcomes = run(run_split(range(1_024), service))
    assert [each.index for each in outcomes if each.error] == [700]
    assert service.refusals == 11


def outcomes_of(
    items: Sequence[int], call: Callable[[Sequence[int]], Awaitable[Sequence[int]]]
) -> list[SplitOutcome[int]]:
    """Run a split in virtual time."""
    return run(run_split(items, call))


def test_an_error_at_the_first_call_is_raised() -> None:
    """Nothing is lost then, and it concerns all."""

    async def refuse(items: Sequence[int]) -> Sequence[int]:
        raise AuthenticationError("Refused.", status_code=401)

    with pytest.raises(AuthenticationError):
        outcomes_of([1, 2], refuse)


def test_an_error_in_the_middle_loses_nothing_and_ends_the_sending() -> None:
    """What was done stays done; the rest has the error and was not sent."""
    sent: list[int] = []

    async def fail_later(items: Sequence[int]) -> Sequence[int]:
        if len(items) > 2:
            raise TOO_LARGE
        if 2 in items:
            raise ServerError("It failed.", status_code=500)
        sent.extend(items)
        return list(items)

    outcomes = outcomes_of(range(8), fail_later)
    assert [each.value for each in outcomes[:2]] == [0, 1]
    assert all(isinstance(each.error, ServerError) for each in outcomes[2:])
    assert [each.sent for each in outcomes] == [True] * 4 + [False] * 4
    assert sent == [0, 1]


def test_a_bug_in_the_middle_is_raised() -> None:
    """It is nobody's outcome."""

    async def break_later(items: Sequence[int]) -> Sequence[int]:
        if len(items) > 1:
            raise TOO_LARGE
        return [each // each for each in items]

    with pytest.raises(ZeroDivisionError):
        outcomes_of([1, 0], break_later)


def test_a_wrong_number_of_results_is_an_error() -> None:
    """No item is given another's result."""

    async def lose_one(items: Sequence[int]) -> Sequence[int]:
        return list(items)[1:]

    with pytest.raises(core.DecodingError, match="3 items were sent and 2 results"):
        outcomes_of([1, 2, 3], lose_one)


def test_what_is_too_large_may_be_told_by_other_signs() -> None:
    """Some services answer 400 to a batch of too many tokens."""

    async def strict(items: Sequence[int]) -> Sequence[int]:
        if len(items) > 1:
            raise HTTPError("max allowed tokens per submitted batch", status_code=400)
        return list(items)

    def many_tokens(error: BaseException) -> bool:
        return isinstance(error, HTTPError) and "tokens per" in str(error)

    outcomes = run(run_split([1, 2], strict, too_large=many_tokens))
    assert [each.value for each in outcomes] == [1, 2]
    with pytest.raises(HTTPError):
        outcomes_of([1, 2], strict)
