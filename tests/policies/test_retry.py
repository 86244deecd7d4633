"""Which failures are worth another attempt, and how long to wait before it."""

from __future__ import annotations

import asyncio
import math
import ssl
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import (
    APIIntegrationError,
    AuthenticationError,
    CircuitOpenError,
    ClientClosedError,
    ConnectionFailedError,
    ConnectionLostError,
    DeadlineExceededError,
    DecodingError,
    GraphQLError,
    HTTPError,
    InvalidArgumentError,
    PoolExhaustedError,
    RateLimitedError,
    RateLimitExceededError,
    RequestTimeoutError,
    ResponseTooLargeError,
    ServerError,
    TokenFetchError,
    UnsendableRequestError,
)
from contexter_nb.policies._retry import RetryDecision, RetryPolicy, decide_retry
from contexter_nb.policies._retry_budget import RetryBudget

SAFE = "safe for any method"
IF_REPEATABLE = "only when repeatable"
NEVER = "never"


def status(code: int, **options: Any) -> HTTPError:
    """Return the error of an answer with this status."""
    kind = (
        RateLimitedError if code == 429 else ServerError if code >= 500 else HTTPError
    )
    return kind("no", status_code=code, **options)


class Zeros(Random):
    """A generator without chance: every wait is the shortest possible."""

    def random(self) -> float:
        return 0.0


def decide(error: BaseException, **options: Any) -> RetryDecision:
    """Decide after the first attempt of a repeatable call without a deadline."""
    given_ = {
        "policy": RetryPolicy(),
        "attempt": 1,
        "repeatable": True,
        "remaining_seconds": None,
        "budget": None,
        "rng": Random(7),
        "now": 0.0,
        **options,
    }
    return decide_retry(given_.pop("policy"), error, **given_)


@pytest.mark.parametrize(
    ("error", "when"),
    [
        (ConnectionFailedError("refused"), SAFE),
        (RequestTimeoutError("slow", phase="connect"), SAFE),
        (status(429), SAFE),
        (status(429, retry_after_seconds=1.0), SAFE),
        (RequestTimeoutError("slow", phase="read"), IF_REPEATABLE),
        (RequestTimeoutError("slow", phase="write"), IF_REPEATABLE),
        (RequestTimeoutError("slow", phase="attempt"), IF_REPEATABLE),
        (ConnectionLostError("reset"), IF_REPEATABLE),
        (status(408), IF_REPEATABLE),
        (status(425), IF_REPEATABLE),
        (status(500), IF_REPEATABLE),
        (status(502), IF_REPEATABLE),
        (status(503), IF_REPEATABLE),
        (status(503, retry_after_seconds=1.0), IF_REPEATABLE),
        (status(504), IF_REPEATABLE),
        (status(529), IF_REPEATABLE),
        (status(301), NEVER),
        (status(400), NEVER),
        (AuthenticationError("no", status_code=401), NEVER),
        (status(403), NEVER),
        (status(404), NEVER),
        (status(409), NEVER),
        (status(413), NEVER),
        (status(422), NEVER),
        (status(501), NEVER),
        (status(505), NEVER),
        (status(599), NEVER),
        (PoolExhaustedError("full"), NEVER),
        (UnsendableRequestError("bad URL"), NEVER),
        (ResponseTooLargeError("long"), NEVER),
        (DecodingError("HTML"), NEVER),
        (CircuitOpenError("open"), NEVER),
        (RateLimitExceededError("local", retry_after_seconds=1.0), NEVER),
        (DeadlineExceededError("late"), NEVER),
        (TokenFetchError("no token"), NEVER),
        (GraphQLError("errors"), NEVER),
        (ClientClosedError("closed"), NEVER),
        (APIIntegrationError("other"), NEVER),
        (InvalidArgumentError("wrong"), NEVER),
        (asyncio.CancelledError(), NEVER),
        (KeyboardInterrupt(), NEVER),
        (TimeoutError(), NEVER),
        (KeyError("a bug"), NEVER),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else repr(value)[:40],
)
def test_who_is_tried_again(error: BaseException, when: str) -> None:
    """What cannot have been done is safe; what may have been must be repeatable."""
    repeatable, other = decide(error), decide(error, repeatable=False)
    assert repeatable.retry is (when != NEVER)
    assert other.retry is (when == SAFE)
    if when == NEVER:
        assert repeatable.reason == other.reason == "would not help"
    if when == IF_REPEATABLE:
        assert other.reason == "not repeatable"


def refused_certificate(link: str) -> ConnectionFailedError:
    """Return a failed connection with a refused certificate among its causes."""
    cause = ssl.SSLCertVerificationError("self-signed certificate")
    error = ConnectionFailedError("no TLS")
    if link == "group":
        error.__cause__ = ExceptionGroup("all addresses", [OSError("no"), cause])
        return error
    middle = RuntimeError("of the HTTP library")
    setattr(middle, link, cause)
    error.__cause__ = middle
    return error


@pytest.mark.parametrize("link", ["__cause__", "__context__", "group"])
def test_a_refused_certificate_is_not_tried_again(link: str) -> None:
    """A certificate does not become valid by asking again, however deep it is told."""
    assert decide(refused_certificate(link)).reason == "would not help"


def test_other_failures_of_tls_are_tried_again() -> None:
    """A handshake that breaks off may do better, and a chain in a ring ends."""
    error = ConnectionFailedError("no TLS")
    error.__cause__ = ssl.SSLEOFError("cut off")
    error.__cause__.__cause__ = error
    assert decide(error).retry
    hidden = ConnectionFailedError("refused")
    hidden.__context__ = ssl.SSLCertVerificationError("an earlier one")
    hidden.__suppress_context__ = True
    assert decide(hidden).retry


@pytest.mark.parametrize(
    ("code", "told", "retried"),
    [
        (503, "false", False),
        (429, "False", False),
        (409, "true", True),
        (400, " TRUE ", True),
        (503, "perhaps", True),
        (400, "perhaps", False),
    ],
)
def test_the_service_may_say_itself(code: int, told: str, retried: bool) -> None:
    """X-Should-Retry counts for more than the status; other words say nothing."""
    decision = decide(status(code, headers={"X-Should-Retry": told}))
    assert decision.retry is retried
    if told.lower() == "false":
        assert decision.reason == "the service said not to"


def test_a_request_that_may_not_be_repeated_is_not_by_the_services_word() -> None:
    """The service does not know what sending it twice would do."""
    error = status(500, headers={"x-should-retry": "true"})
    assert decide(error, repeatable=False).reason == "not repeatable"


def test_attempts_are_counted() -> None:
    """The last allowed attempt has no successor; the call's own number comes first."""
    error = status(503)
    assert [decide(error, attempt=at).retry for at in (1, 2, 3, 4, 5)] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert decide(error, attempt=4).reason == "attempts used up"
    assert decide(error, attempt=4, max_attempts=5).retry
    assert decide(error, attempt=1, max_attempts=1).reason == "attempts used up"
    assert not decide(error, policy=RetryPolicy(max_attempts=1)).retry


@pytest.mark.parametrize("code", [408, 429, 500, 503, 529])
@pytest.mark.parametrize("asked", [0.001, 1.0, 60.0, 120.0])
def test_a_wait_that_was_asked_for_is_kept(code: int, asked: float) -> None:
    """Never shorter, at most a tenth longer, whatever the status and the backoff."""
    error = status(code, retry_after_seconds=asked)
    waits = [decide(error, rng=Random(seed)).wait_seconds for seed in range(50)]
    assert asked <= min(waits) <= max(waits) <= min(1.1 * asked, 120.0)
    if asked < 120:
        assert len(set(waits)) > 1
    assert decide(error).reason == "asked to wait"


def test_a_wait_of_nothing_is_the_own_backoff() -> None:
    """Retry-After: 0 does not make all callers come back at once, again and again."""
    error = status(429, retry_after_seconds=0.0)
    waits = [decide(error, rng=Random(seed)).wait_seconds for seed in range(50)]
    assert len(set(waits)) == 50
    assert max(waits) > 0.5


def test_an_excessive_wait_is_refused_at_once() -> None:
    """A wait is never cut short: a day is refused rather than tried after minutes."""
    for asked in (120.001, 86_400.0, math.inf, math.nan):
        decision = decide(status(429, retry_after_seconds=asked))
        assert decision == RetryDecision(
            False, 0.0, "asked to wait longer than allowed"
        )


def test_no_retry_begins_after_the_deadline() -> None:
    """A wait that would not end before the deadline is not begun."""
    error = status(503, retry_after_seconds=10.0)
    assert decide(error, remaining_seconds=11.5).retry
    for remaining in (10.0, 3.0, 0.0, -1.0):
        decision = decide(error, remaining_seconds=remaining)
        assert decision == RetryDecision(False, 0.0, "past the deadline")
        assert decide(error, remaining_seconds=remaining, rng=Zeros()) == decision
    assert not decide(status(503), remaining_seconds=0.0, rng=Zeros()).retry


def test_a_retry_is_paid_from_the_budget() -> None:
    """With the budget used up there is no retry, and no refusal takes from it."""
    budget = RetryBudget(ratio=0.0, min_retries_per_second=0.2)
    refused = [
        decide(status(400), budget=budget),
        decide(status(503), budget=budget, repeatable=False),
        decide(status(503), budget=budget, attempt=4),
        decide(status(503), budget=budget, remaining_seconds=0.0),
        decide(status(503, retry_after_seconds=999.0), budget=budget),
    ]
    assert not any(each.retry for each in refused)
    assert budget.balance(0.0) == 2.0
    assert [decide(status(503), budget=budget).retry for _ in range(3)] == [
        True,
        True,
        False,
    ]
    assert decide(status(503), budget=budget).reason == "budget used up"


def test_backoff_doubles_up_to_its_bound_and_jitter_stays_inside() -> None:
    """The wait is anything from 0 to the bound, also where the bound is the cap."""
    policy, rng = RetryPolicy(), Random(7)
    for attempt, bound in [(1, 0.25), (2, 0.5), (3, 1.0), (7, 16.0), (8, 20.0)]:
        waits = [
            policy.backoff_seconds(attempt, throttled=False, rng=rng)
            for _ in range(500)
        ]
        assert 0 <= min(waits) < 0.05 * bound
        assert 0.95 * bound < max(waits) <= bound
        assert sum(waits) / 500 == pytest.approx(bound / 2, rel=0.15)


@given(
    st.integers(-3, 10**9),
    st.floats(0, 1e300),
    st.floats(0, 1e300),
    st.booleans(),
)
def test_no_attempt_overflows_the_backoff(
    attempt: int, base: float, cap: float, throttled: bool
) -> None:
    """The ten-thousandth attempt waits no longer than the cap either."""
    policy = RetryPolicy(
        base_seconds=base, throttled_base_seconds=base, max_backoff_seconds=cap
    )
    wait = policy.backoff_seconds(attempt, throttled=throttled, rng=Random(7))
    assert 0 <= wait <= cap


@pytest.mark.parametrize(
    ("error", "bound"),
    [
        (status(500), 0.25),
        (status(503), 0.25),
        (ConnectionFailedError("refused"), 0.25),
        (ConnectionLostError("reset"), 0.25),
        (status(429), 1.0),
        (status(529), 1.0),
    ],
    ids=repr,
)
def test_a_throttling_service_gets_more_room(
    error: BaseException, bound: float
) -> None:
    """The bound of the first wait is four times as long where it is too much."""
    waits = [decide(error, rng=Random(seed)).wait_seconds for seed in range(300)]
    assert 0.9 * bound < max(waits) <= bound
    assert decide(error).reason == "may help"


def test_chance_comes_from_the_generator_given() -> None:
    """The same seed waits the same, and a generator of zeros does not wait."""
    first = [decide(status(500), rng=Random(7)).wait_seconds for _ in range(3)]
    assert len(set(first)) == 1
    assert decide(status(500), rng=Zeros()).wait_seconds == 0.0
    asked = status(429, retry_after_seconds=3.0)
    assert decide(asked, rng=Zeros()).wait_seconds == 3.0


@pytest.mark.parametrize(
    "options",
    [
        {"max_attempts": 0},
        {"base_seconds": -1.0},
        {"throttled_base_seconds": math.nan},
        {"max_backoff_seconds": math.inf},
        {"max_retry_after_seconds": -0.1},
        {"statuses": frozenset({500, 501})},
        {"statuses": {505}},
    ],
    ids=str,
)
def test_a_policy_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    """A wrong number is told when the policy is made, by its name."""
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        RetryPolicy(**options)


def test_the_statuses_can_be_chosen() -> None:
    """Any iterable of statuses will do in place of the usual ones."""
    policy = RetryPolicy(statuses=[409])  # type: ignore[arg-type]
    assert decide(status(409), policy=policy).retry
    assert not decide(status(503), policy=policy).retry
    assert hash(policy) == hash(RetryPolicy(statuses=frozenset({409})))
