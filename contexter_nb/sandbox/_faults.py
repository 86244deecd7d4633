"""What becomes of a request before its service sees it; no clock, no loop."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contexter_nb.core import InvalidArgumentError, new_random
from contexter_nb.sandbox._knobs import Knobs

Schedule = Sequence[tuple[float, Knobs]]
_MAX_STEPS = 10_000


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
    """

    delay_seconds: float = 0.0
    dropped: bool = False
    status: int | None = None
    message: str = ""
    retry_after_seconds: int | None = None


class Bucket:
    """A token bucket that says how long to wait; instants are given to it."""

    def __init__(self, per_minute: float, burst: int | None, now: float) -> None:
        self._rate = per_minute / 60.0
        self._capacity = float(burst or max(1.0, per_minute))
        self._level = self._capacity
        self._at = now

    def take(self, now: float) -> float:
        """Take one token and return 0, or return the seconds until there is one."""
        gained = max(0.0, now - self._at) * self._rate
        self._level = min(self._capacity, self._level + gained)
        self._at = max(self._at, now)
        # Sums of floats end a hair below 1 after exactly the wait that was told.
        if self._level >= 1.0 - 1e-9:
            self._level -= 1.0
            return 0.0
        return (1.0 - self._level) / self._rate


class Faults:
    """The knobs of one service, now and later, and the state behind them.

    May be turned from any thread while requests are decided on another.
    """

    def __init__(self, knobs: Knobs, now: float) -> None:
        self._lock = threading.Lock()
        self._steps: list[tuple[float, Knobs]] = []
        self._random = new_random()
        self._bucket: Bucket | None = None
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
        wanted = [(now + seconds, knobs) for seconds, knobs in _checked(steps)]
        with self._lock:
            self._follow_schedule(now)
            self._steps = sorted(wanted, key=lambda step: step[0])

    def decide(self, now: float) -> Verdict:
        """Return what becomes of a request that came at `now`."""
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
            wait = self._bucket.take(now) if self._bucket else 0.0
        if wait > 0:
            return Verdict(
                delay_seconds=delay,
                status=429,
                message=f"more than {knobs.requests_per_minute:g} requests a minute",
                retry_after_seconds=max(1, math.ceil(wait - 1e-9)),
            )
        if reset < knobs.reset_rate:
            return Verdict(delay_seconds=delay, dropped=True)
        if error < knobs.error_rate:
            return Verdict(
                delay_seconds=delay, status=503, message="the service is overloaded"
            )
        return Verdict(delay_seconds=delay)

    def _follow_schedule(self, now: float) -> None:
        while self._steps and self._steps[0][0] <= now:
            at, knobs = self._steps.pop(0)
            self._turn(knobs, at, restart=knobs.seed != self._knobs.seed)

    def _turn(self, knobs: Knobs, now: float, *, restart: bool) -> None:
        before = (self._knobs.requests_per_minute, self._knobs.burst)
        limit = knobs.requests_per_minute
        if limit is None:
            self._bucket = None
        elif self._bucket is None or before != (limit, knobs.burst):
            self._bucket = Bucket(limit, knobs.burst, now)
        if restart:
            self._random.seed(knobs.seed)
        self._knobs = knobs


def _checked(steps: Schedule) -> list[tuple[float, Knobs]]:
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
