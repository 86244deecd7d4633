"""A circuit breaker: a service that fails too often is left alone for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from contexter_nb.core import BreakerState, InvalidArgumentError
from contexter_nb.policies._breaker_outcome import BreakerOutcome
from contexter_nb.policies._breaker_window import CountWindow

# How soon to look again while somebody else's probe is out.
_PROBE_UNDER_WAY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerConfig:
    """When a breaker opens, and for how long.

    Parameters
    ----------
    failure_rate : float, default 0.5
        Share of failures in the window from which on it opens; above 0, at most 1.
    minimum_calls : int, default 10
        It never opens on fewer in the window.
    window_seconds : float, default 30.0
        How long an attempt counts, to a tenth of it.
    failures_in_a_row : int or None, default 20
        So many with no success between them open it as well, so that the many good
        ones before an outage do not hold it up; None for the rate alone.
    open_seconds : float, default 5.0
        How long nothing is sent after it opened.
    max_open_seconds : float, default 60.0
        That time doubles with each probe that fails, up to here.
    probes : int, default 1
        How many may be out at once to see whether the service is well again.
    probe_seconds : float, default 60.0
        A probe that was not reported by then gives its place to the next.

    Raises
    ------
    InvalidArgumentError
        A number is out of its range.
    """

    failure_rate: float = 0.5
    minimum_calls: int = 10
    window_seconds: float = 30.0
    failures_in_a_row: int | None = 20
    open_seconds: float = 5.0
    max_open_seconds: float = 60.0
    probes: int = 1
    probe_seconds: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.failure_rate <= 1:
            raise InvalidArgumentError(
                f"failure_rate is {self.failure_rate!r}; give a share above 0, up to 1."
            )
        for name in ("minimum_calls", "probes", "failures_in_a_row"):
            count = getattr(self, name)
            if count is not None and count < 1:
                raise InvalidArgumentError(f"{name} is {count!r}; give 1 or more.")
        for name in (
            "window_seconds",
            "open_seconds",
            "max_open_seconds",
            "probe_seconds",
        ):
            seconds = getattr(self, name)
            if not 0 < seconds < float("inf"):
                raise InvalidArgumentError(
                    f"{name} is {seconds!r}; give finite seconds above 0."
                )
        if self.max_open_seconds < self.open_seconds:
            raise InvalidArgumentError(
                f"max_open_seconds is {self.max_open_seconds!r}, less than "
                f"open_seconds; give {self.open_seconds!r} or more."
            )


class Permit:
    """Leave to send one request; given back with `CircuitBreaker.report`.

    Attributes
    ----------
    generation : int
        Which life of the breaker gave it; reports from an earlier one do not count.
    is_probe : bool
        Whether it is sent to see if the service is well again.
    """

    __slots__ = ("generation", "is_probe")

    def __init__(self, generation: int, is_probe: bool) -> None:
        self.generation = generation
        self.is_probe = is_probe

    def __repr__(self) -> str:
        return f"<Permit {self.generation}{' probe' if self.is_probe else ''}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerStatus:
    """A breaker at one instant.

    Attributes
    ----------
    service, host : str
    state : str
        ``closed``, ``open`` or ``half_open``.
    calls, failures : int
        Attempts in the window that count: neither neutral ones nor probes. While it
        is not closed, those that opened it, as long as the window holds them.
    failure_rate : float
        Share of failures; 0 where there are no calls.
    retry_after_seconds : float
        Until it is worth trying again; 0 where a call may try.
    opened_count : int
        How often it has opened so far.
    """

    service: str
    host: str
    state: BreakerState
    calls: int
    failures: int
    failure_rate: float
    retry_after_seconds: float
    opened_count: int


class CircuitBreaker:
    """Counts failures, and refuses calls for a while when there were too many.

    Ask `peek` before waiting for a turn, `admit` just before sending, and `report` how
    each permit ended, in whatever way it did. Safe to share between threads and event
    loops; what it decides depends on the instants given alone.

    Parameters
    ----------
    config : BreakerConfig, optional
    service, host : str
        Whom it watches; for `status` only.
    on_change : callable, optional
        Told the states before and after, in the thread that caused the change, while
        no lock is held. Must not raise.

    Examples
    --------
    >>> breaker = CircuitBreaker(BreakerConfig(minimum_calls=2))
    >>> for _ in range(2):
    ...     breaker.report(breaker.admit(now=0.0), "failed", now=0.0)
    >>> breaker.state(now=0.5), breaker.peek(now=1.0), breaker.admit(now=1.0)
    ('open', 4.0, None)
    >>> probe = breaker.admit(now=5.0)
    >>> breaker.admit(now=5.0) is None
    True
    >>> breaker.report(probe, "ok", now=5.5)
    >>> breaker.state(now=5.5)
    'closed'
    """

    def __init__(
        self,
        config: BreakerConfig | None = None,
        *,
        service: str = "",
        host: str = "",
        on_change: Callable[[BreakerState, BreakerState], None] | None = None,
    ) -> None:
        self.config = config or BreakerConfig()
        self.service = service
        self.host = host
        self._on_change = on_change
        self._lock = threading.Lock()
        self._window = CountWindow(self.config.window_seconds)
        self._state: BreakerState = "closed"
        self._failures_in_a_row = 0
        self._opened_count = 0
        self._open_until = 0.0
        self._next_open_seconds = self.config.open_seconds
        self._probes: dict[Permit, float] = {}
        self._generation = 0
        self._last_failure = ""
        # While closed all share one permit; None while it is not.
        self._closed_permit: Permit | None = Permit(0, False)

    def peek(self, now: float) -> float:
        """Return 0 if a call may try, else the seconds until it is worth it.

        Takes nothing: several may be told 0 of whom `admit` then takes one.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        if self._closed_permit is not None:
            return 0.0
        with self._lock:
            return self._wait_seconds(now)

    def admit(self, now: float) -> Permit | None:
        """Return leave to send one request, or None where it is refused.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        # One read of one attribute: no lock on the way that nearly all calls take.
        shared = self._closed_permit
        if shared is not None:
            return shared
        with self._lock:
            if self._closed_permit is not None:
                return self._closed_permit
            if self._wait_seconds(now) > 0:
                return None
            before, self._state = self._state, "half_open"
            permit = self._send_probe(now)
        self._tell(before, "half_open")
        return permit

    @property
    def last_failure(self) -> str:
        """Return what the last failure was, as it was reported; empty without one."""
        return self._last_failure

    def report(
        self, permit: Permit, outcome: BreakerOutcome, now: float, failure: str = ""
    ) -> None:
        """Tell how a permit ended.

        A permit of an earlier life of the breaker, and a probe that was reported
        before or lost its place to another, change nothing.

        Parameters
        ----------
        permit : Permit
            From `admit`.
        outcome : str
            ``ok``, ``failed``, or ``neutral`` for what says nothing about the service:
            a neutral probe makes room for another one.
        now : float
            A monotonic instant, seconds.
        failure : str
            What failed, for whoever is refused later; without secrets.
        """
        with self._lock:
            if outcome == "failed":
                self._last_failure = failure
            if permit.generation != self._generation:
                return
            before = self._state
            if permit.is_probe:
                self._end_probe(permit, outcome, now)
            elif outcome == "ok":
                self._failures_in_a_row = 0
                self._window.add(now, 1, 0)
            elif outcome == "failed":
                self._failures_in_a_row += 1
                self._window.add(now, 1, 1)
                if self._is_too_much(now):
                    self._open(now)
            after = self._state
        self._tell(before, after)

    def state(self, now: float) -> BreakerState:
        """Return ``closed``, ``open``, or ``half_open`` from when a probe may go.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        with self._lock:
            return self._state_at(now)

    def status(self, now: float) -> BreakerStatus:
        """Return what there is to know, as one consistent value.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        with self._lock:
            calls, failures = self._window.totals(now)
            return BreakerStatus(
                service=self.service,
                host=self.host,
                state=self._state_at(now),
                calls=calls,
                failures=failures,
                failure_rate=failures / calls if calls else 0.0,
                retry_after_seconds=self._wait_seconds(now),
                opened_count=self._opened_count,
            )

    @property
    def is_closed(self) -> bool:
        """Whether every call is let through."""
        return self._closed_permit is not None

    def __repr__(self) -> str:
        return f"<CircuitBreaker {self.service} {self.host} {self._state}>"

    def _tell(self, before: BreakerState, after: BreakerState) -> None:
        if before != after and self._on_change is not None:
            self._on_change(before, after)

    def _state_at(self, now: float) -> BreakerState:
        if self._state == "open" and now >= self._open_until:
            return "half_open"
        return self._state

    def _wait_seconds(self, now: float) -> float:
        if self._state == "closed":
            return 0.0
        if now < self._open_until:
            return self._open_until - now
        if len(self._probes) < self.config.probes:
            return 0.0
        until_lost = min(self._probes.values()) - now
        return max(0.0, min(_PROBE_UNDER_WAY_SECONDS, until_lost))

    def _send_probe(self, now: float) -> Permit:
        if len(self._probes) >= self.config.probes:
            del self._probes[min(self._probes, key=self._probes.__getitem__)]
        permit = Permit(self._generation, True)
        self._probes[permit] = now + self.config.probe_seconds
        return permit

    def _end_probe(self, permit: Permit, outcome: BreakerOutcome, now: float) -> None:
        if self._probes.pop(permit, None) is None:
            return
        if outcome == "failed":
            self._open(now)
        elif outcome == "ok":
            self._next_generation("closed")
            self._window.clear()
            self._closed_permit = Permit(self._generation, False)
            self._next_open_seconds = self.config.open_seconds

    def _is_too_much(self, now: float) -> bool:
        calls, failures = self._window.totals(now)
        if calls < self.config.minimum_calls:
            return False
        if failures >= self.config.failure_rate * calls:
            return True
        in_a_row = self.config.failures_in_a_row
        return in_a_row is not None and self._failures_in_a_row >= in_a_row

    def _open(self, now: float) -> None:
        self._next_generation("open")
        self._opened_count += 1
        self._open_until = now + self._next_open_seconds
        self._next_open_seconds = min(
            self.config.max_open_seconds, 2 * self._next_open_seconds
        )

    def _next_generation(self, state: BreakerState) -> None:
        self._generation += 1
        self._closed_permit = None
        self._state = state
        self._failures_in_a_row = 0
        self._probes.clear()
