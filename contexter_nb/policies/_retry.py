"""Whether a failed attempt is worth another one, and how long to wait before it."""

from __future__ import annotations

from dataclasses import dataclass

from contexter_nb.core import (
    ConnectionFailedError,
    ConnectionLostError,
    Headers,
    HTTPError,
    InvalidArgumentError,
    Random,
    RequestTimeoutError,
)
from contexter_nb.policies._category import has_bad_certificate
from contexter_nb.policies._retry_budget import RetryBudget

RETRIED_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
_NEVER_STATUSES = frozenset({501, 505})
# "You are too much for me" wants more room than "I stumbled".
_THROTTLED_STATUSES = frozenset({429, 529})
_ASKED_JITTER = 0.1
_MAX_DOUBLINGS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """What is tried again, how often, and after how long.

    Parameters
    ----------
    max_attempts : int, default 4
        With the first; 1 for no retry.
    base_seconds : float, default 0.25
        The longest wait after the first attempt; it doubles with each further one.
    throttled_base_seconds : float, default 1.0
        In its place where the service said that it gets too much (429, 529).
    max_backoff_seconds : float, default 20.0
        The longest wait of our own choice.
    max_retry_after_seconds : float, default 120.0
        The longest wait a service may ask for; if it asks for more, there is no retry,
        rather than one that comes too early.
    statuses : frozenset of int
        Of answers that are worth another attempt; 501 and 505 never are.

    Raises
    ------
    InvalidArgumentError
        A number is out of its range, or `statuses` holds 501 or 505.
    """

    max_attempts: int = 4
    base_seconds: float = 0.25
    throttled_base_seconds: float = 1.0
    max_backoff_seconds: float = 20.0
    max_retry_after_seconds: float = 120.0
    statuses: frozenset[int] = RETRIED_STATUSES

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise InvalidArgumentError(
                f"max_attempts is {self.max_attempts!r}; give 1 or more."
            )
        for name in (
            "base_seconds",
            "throttled_base_seconds",
            "max_backoff_seconds",
            "max_retry_after_seconds",
        ):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise InvalidArgumentError(
                    f"{name} is {value!r}; give finite seconds of 0 or more."
                )
        object.__setattr__(self, "statuses", frozenset(self.statuses))
        if self.statuses & _NEVER_STATUSES:
            raise InvalidArgumentError(
                "statuses holds 501 or 505, which never change by asking again; "
                "leave them out."
            )

    def backoff_seconds(self, attempt: int, *, throttled: bool, rng: Random) -> float:
        """Return a wait of our own choice: anything from 0 to a growing bound.

        Parameters
        ----------
        attempt : int
            Number of the attempt that failed, from 1.
        throttled : bool
            Whether the service said that it gets too much.
        rng : random.Random

        Returns
        -------
        float
            Seconds, evenly spread below ``base * 2 ** (attempt - 1)`` and
            `max_backoff_seconds`, so that many callers do not come back together.

        Examples
        --------
        >>> from contexter_nb.core import new_random
        >>> waits = [
        ...     RetryPolicy().backoff_seconds(3, throttled=False, rng=new_random())
        ...     for _ in range(100)
        ... ]
        >>> 0 <= min(waits) and max(waits) <= 1.0
        True
        """
        base = self.throttled_base_seconds if throttled else self.base_seconds
        # Bounded before it is a power: 2.0 ** 10_000 is no float.
        bound = base * 2.0 ** min(max(0, attempt - 1), _MAX_DOUBLINGS)
        return rng.random() * min(self.max_backoff_seconds, bound)


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """Whether to try again.

    Attributes
    ----------
    retry : bool
    wait_seconds : float
        Before the next attempt; 0 where there is none.
    reason : str
        Why, in words.
    """

    retry: bool
    wait_seconds: float
    reason: str


def decide_retry(
    policy: RetryPolicy,
    error: BaseException,
    *,
    attempt: int,
    repeatable: bool,
    remaining_seconds: float | None,
    budget: RetryBudget | None,
    rng: Random,
    now: float,
    max_attempts: int | None = None,
) -> RetryDecision:
    """Decide what follows a failed attempt.

    What cannot have been carried out (no connection, 429) is tried again whatever it
    is, anything else only if it is `repeatable`. A service's own ``X-Should-Retry:
    true`` or ``false`` counts for more than the status. The budget is asked last, so
    that nothing is taken from it without a retry.

    Parameters
    ----------
    policy : RetryPolicy
    error : BaseException
        What the attempt raised.
    attempt : int
        Its number, from 1.
    repeatable : bool
        Whether sending it twice does no more than once.
    remaining_seconds : float or None
        Of the time for the whole call; None without a deadline.
    budget : RetryBudget or None
        Taken from where there is a retry; None for no bound.
    rng : random.Random
        Spreads the waits.
    now : float
        A monotonic instant, seconds.
    max_attempts : int, optional
        In place of the policy's.

    Returns
    -------
    RetryDecision
        Its wait is never shorter than the service asked for, and at most a tenth
        longer; where it asked for nothing, or for 0, it is the policy's backoff.

    Examples
    --------
    >>> from contexter_nb.core import ServerError, new_random
    >>> decision = decide_retry(
    ...     RetryPolicy(), ServerError(status_code=503, retry_after_seconds=600),
    ...     attempt=1, repeatable=True, remaining_seconds=None, budget=None,
    ...     rng=new_random(), now=0.0,
    ... )
    >>> decision.retry, decision.reason
    (False, 'asked to wait longer than allowed')
    """
    allowed = policy.max_attempts if max_attempts is None else max_attempts
    refused = _refusal(policy, error, repeatable)
    if refused is None and attempt >= allowed:
        refused = "attempts used up"
    if refused is not None:
        return RetryDecision(False, 0.0, refused)
    asked = error.retry_after_seconds if isinstance(error, HTTPError) else None
    if asked is not None and not asked <= policy.max_retry_after_seconds:
        return RetryDecision(False, 0.0, "asked to wait longer than allowed")
    wait = _wait_seconds(policy, error, asked, attempt, rng)
    if remaining_seconds is not None and wait >= remaining_seconds:
        return RetryDecision(False, 0.0, "past the deadline")
    if budget is not None and not budget.withdraw(now):
        return RetryDecision(False, 0.0, "budget used up")
    return RetryDecision(True, wait, "asked to wait" if asked else "may help")


def _refusal(policy: RetryPolicy, error: BaseException, repeatable: bool) -> str | None:
    """Return why an error of this kind is not retried, or None where it is."""
    if isinstance(error, HTTPError):
        told = Headers(error.headers).get("x-should-retry", "").strip().lower()
        if told == "false":
            return "the service said not to"
        if told != "true" and error.status_code not in policy.statuses:
            return "would not help"
        safe = error.status_code == 429
    elif isinstance(error, ConnectionFailedError):
        if has_bad_certificate(error):
            return "would not help"
        safe = True
    elif isinstance(error, RequestTimeoutError):
        safe = error.phase == "connect"
    elif isinstance(error, ConnectionLostError):
        safe = False
    else:
        return "would not help"
    return None if safe or repeatable else "not repeatable"


def _wait_seconds(
    policy: RetryPolicy,
    error: BaseException,
    asked: float | None,
    attempt: int,
    rng: Random,
) -> float:
    if asked is not None and asked > 0:
        spread = min(_ASKED_JITTER * asked, policy.max_retry_after_seconds - asked)
        return asked + rng.random() * spread
    throttled = (
        isinstance(error, HTTPError) and error.status_code in _THROTTLED_STATUSES
    )
    return policy.backoff_seconds(attempt, throttled=throttled, rng=rng)
