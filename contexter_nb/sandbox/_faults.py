"""What becomes of a request before its service sees it; no clock, no loop."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contexter_nb.core import InvalidArgumentError, new_random
from contexter_nb.sandbox._knobs import Knobs

Schedule = Sequence[tuple[float, Knobs]]
_MAX_STEPS = 10_000
_MAX_BUCKETS = 1_000
_OTHER_LIMITS = ("anonymous_requests_per_minute", "tokens_per_minute")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the knobs make of one request.

    Attributes
    ----------
    delay_seconds : float
        Before anything is answered.
    dropped : bool
        The connection is broken off in place of an answer.
    status : int or None
        An error to answer with; None where the service itself answers.
    retry_after_seconds : int or None
        Until the next request passes.
    limit_per_minute : float or None
        What was passed.
    """

    delay_seconds: float = 0.0
    dropped: bool = False
    status: int | None = None
    message: str = ""
    retry_after_seconds: int | None = None
    limit_per_minute: float | None = None


class Bucket:
    """A token bucket that says how long to wait; instants are given to it."""

    def __init__(self, per_minute: float, burst: int | None, now: float) -> None:
        self._rate = per_minute / 60.0
        self._capacity = float(burst or max(1.0, per_minute))
        self._level = self._capacity
        self._at = now

    def take(self, now: float, amount: float = 1.0) -> float:
        """Take `amount` and return 0, or return the seconds until there is so much."""
        gained = max(0.0, now - self._at) * self._rate
        self._level = min(self._capacity, self._level + gained)
        self._at = max(self._at, now)
        # Sums of floats end a hair below it after exactly the wait that was told.
        if self._level >= amount * (1.0 - 1e-9):
            self._level -= amount
            return 0.0
        if amount > self._capacity:
            return math.inf
        return (amount - self._level) / self._rate


class Faults:
    """The knobs of one service, now and later, and the state behind them.

    May be turned from any thread while requests are decided on another.
    """

    def __init__(self, knobs: Knobs, now: float) -> None:
        self._lock = threading.Lock()
        self._steps: list[tuple[float, Knobs]] = []
        self._random = new_random()
        # By knob and key; the key that was silent longest goes first.
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()
        self._knobs = knobs
        self._turn(knobs, now, restart=True)

    def knobs(self, now: float) -> Knobs:
        """Return the knobs as they are at an instant, the schedule included."""
        with self._lock:
            self._follow_schedule(now)
            return self._knobs

    def turn(self, changes: Mapping[str, Any], now: float) -> None:
        """Turn some knobs; later steps of a schedule stay. A seed draws anew."""
        with self._lock:
            self._follow_schedule(now)
            turned = self._knobs.with_(**changes)
            self._turn(turned, now, restart="seed" in changes)

    def schedule(self, steps: Schedule, now: float) -> None:
        """Take the place of an earlier schedule; seconds count from `now`."""
        wanted = [(now + seconds, knobs) for seconds, knobs in checked_steps(steps)]
        with self._lock:
            self._follow_schedule(now)
            self._steps = sorted(wanted, key=lambda step: step[0])

    def decide(self, now: float, key: str = "") -> Verdict:
        """Return what becomes of a request that came at `now` with a key, or none."""
        with self._lock:
            self._follow_schedule(now)
            knobs = self._knobs
            # Always three draws, so that turning one knob leaves the others' luck.
            jitter, reset, error = (self._random.random() for _ in range(3))
            delay = knobs.latency_seconds + jitter * knobs.jitter_seconds
            if knobs.outage:
                return Verdict(
                    delay_seconds=delay, status=503, message="the service is down"
                )
            wait, limit = self._take_request(now, key)
        if wait > 0:
            return Verdict(
                delay_seconds=delay,
                status=429,
                message=f"more than {limit:g} requests a minute",
                retry_after_seconds=max(1, math.ceil(wait - 1e-9)),
                limit_per_minute=limit,
            )
        if reset < knobs.reset_rate:
            return Verdict(delay_seconds=delay, dropped=True)
        if error < knobs.error_rate:
            status = knobs.error_status
            overloaded = "the service is overloaded"
            return Verdict(
                delay_seconds=delay,
                status=status,
                message=overloaded if status == 503 else "the sandbox was told to fail",
            )
        return Verdict(delay_seconds=delay)

    def take_tokens(self, now: float, key: str, tokens: float) -> float:
        """Take tokens of a key's minute: 0, or the seconds until there are so many."""
        with self._lock:
            self._follow_schedule(now)
            limit = self._knobs.tokens_per_minute
            if limit is None:
                return 0.0
            bucket = self._bucket("tokens_per_minute", key, limit, None, now)
            return bucket.take(now, tokens)

    def _take_request(self, now: float, key: str) -> tuple[float, float]:
        """Return the wait, and the limit that demands it."""
        knobs = self._knobs
        limits = [("requests_per_minute", knobs.requests_per_minute, knobs.burst)]
        if not key:
            anonymous = knobs.anonymous_requests_per_minute
            limits.append(("anonymous_requests_per_minute", anonymous, None))
        for name, limit, burst in limits:
            if limit is not None:
                wait = self._bucket(name, key, limit, burst, now).take(now)
                if wait > 0:
                    return wait, limit
        return 0.0, 0.0

    def _bucket(
        self, name: str, key: str, limit: float, burst: int | None, now: float
    ) -> Bucket:
        found = self._buckets.pop((name, key), None) or Bucket(limit, burst, now)
        self._buckets[name, key] = found
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return found

    def _follow_schedule(self, now: float) -> None:
        while self._steps and self._steps[0][0] <= now:
            at, knobs = self._steps.pop(0)
            self._turn(knobs, at, restart=knobs.seed != self._knobs.seed)

    def _turn(self, knobs: Knobs, now: float, *, restart: bool) -> None:
        for name in ("requests_per_minute", *_OTHER_LIMITS):
            before, after = (getattr(each, name) for each in (self._knobs, knobs))
            rests = name in _OTHER_LIMITS or self._knobs.burst == knobs.burst
            if before != after or not rests:
                for bucket in [each for each in self._buckets if each[0] == name]:
                    del self._buckets[bucket]
        if restart:
            self._random.seed(knobs.seed)
        self._knobs = knobs


def checked_steps(steps: Schedule) -> list[tuple[float, Knobs]]:
    """Return the steps as a list, or refuse what is no schedule."""
    wanted = (
        "give pairs of seconds from now and Knobs, as [(2.0, Knobs(outage=True)), "
        "(5.0, Knobs())]."
    )
    try:
        pairs = [(seconds, knobs) for seconds, knobs in steps]
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"This is no schedule; {wanted}") from error
    if len(pairs) > _MAX_STEPS:
        raise InvalidArgumentError(
            f"The schedule has {len(pairs)} steps; give at most {_MAX_STEPS}."
        )
    for seconds, knobs in pairs:
        if not isinstance(knobs, Knobs):
            raise InvalidArgumentError(
                f"A step of the schedule has {knobs!r} in place of Knobs; {wanted}"
            )
        number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not number or not 0 <= seconds < math.inf:
            raise InvalidArgumentError(
                f"A step of the schedule comes after {seconds!r}; {wanted}"
            )
    return pairs
