"""When something deserves attention, and when it does no longer."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from contexter_nb.core import ErrorSeverity, InvalidArgumentError
from contexter_nb.policies._metrics import Volume

AlertKind = Literal[
    "breaker_open", "cache_hit_rate", "error_rate", "latency", "rate_limited"
]
MAX_CLOSED_ALERTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """From which value on an alert is raised, and from which on it is over.

    The two differ, so that a value that wavers about one of them raises one alert.

    Parameters
    ----------
    kind : str
        ``error_rate``: errors among the calls that were not cancelled, but for what
        was not found, which is an answer; ``latency``: the 95th percentile of seconds
        on the network; ``rate_limited``: the share of calls that met a rate limit;
        ``cache_hit_rate``: hits among lookups; ``breaker_open``: 1 while a
        breaker of the service is open, else 0.
    open_at : float
        Reached or passed, it raises the alert; a hit rate must fall to it.
    close_at : float
        The alert is over on the other side of it.
    window_seconds : float
        What is looked at: at most ten minutes. Of a breaker, how long its last word
        counts.
    min_volume : int
        Fewer calls (calls that used the network, cache lookups) raise nothing.
    severity : ErrorSeverity

    Raises
    ------
    InvalidArgumentError
        `close_at` is not on the better side of `open_at`, or the window is not above
        0 and at most 600 seconds.
    """

    kind: AlertKind
    open_at: float
    close_at: float
    window_seconds: float = 300.0
    min_volume: int = 20
    severity: ErrorSeverity = ErrorSeverity.MEDIUM

    def __post_init__(self) -> None:
        if not 0 < self.window_seconds <= 600:
            raise InvalidArgumentError(
                f"An alert rule's window is {self.window_seconds!r} s; give seconds "
                "above 0 and at most 600."
            )
        better = self.close_at > self.open_at
        if better is not (self.kind == "cache_hit_rate") or (
            self.close_at == self.open_at
        ):
            raise InvalidArgumentError(
                f"The rule {self.kind!r} opens at {self.open_at!r} and closes at "
                f"{self.close_at!r}; let it close at a value better than that."
            )

    def raised_by(self, value: float) -> bool:
        """Tell whether a value raises the alert.

        Parameters
        ----------
        value : float
        """
        if self.kind == "cache_hit_rate":
            return value <= self.open_at
        return value >= self.open_at

    def ended_by(self, value: float) -> bool:
        """Tell whether the alert is over at a value.

        Parameters
        ----------
        value : float
        """
        if self.kind == "cache_hit_rate":
            return value > self.close_at
        return value < self.close_at


DEFAULT_RULES: tuple[AlertRule, ...] = (
    AlertRule(
        kind="error_rate", open_at=0.10, close_at=0.05, severity=ErrorSeverity.HIGH
    ),
    AlertRule(kind="latency", open_at=10.0, close_at=5.0),
    AlertRule(kind="rate_limited", open_at=0.20, close_at=0.05),
    AlertRule(
        kind="breaker_open",
        open_at=1.0,
        close_at=0.5,
        window_seconds=600.0,
        min_volume=0,
        severity=ErrorSeverity.HIGH,
    ),
    AlertRule(
        kind="cache_hit_rate",
        open_at=0.05,
        close_at=0.20,
        min_volume=200,
        severity=ErrorSeverity.LOW,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that deserves attention, or did.

    Attributes
    ----------
    service : str
    kind : str
        As of its `AlertRule`.
    severity : ErrorSeverity
    message : str
        One sentence, as of when it was raised; of a breaker's alert that is closed, how
        long it was open.
    value : float
        At the latest look.
    threshold : float
        What raised it.
    opened_at : datetime
        Aware UTC.
    closed_at : datetime or None
        Aware UTC, never before `opened_at`; None while it is open.
    """

    service: str
    kind: AlertKind
    severity: ErrorSeverity
    message: str
    value: float
    threshold: float
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Open:
    alert: Alert
    opened: float
    last_seen: float


class AlertBook:
    """The open alerts, one a service and kind, and the latest closed ones.

    Parameters
    ----------
    rules : sequence of AlertRule
        At most one of each kind.

    Raises
    ------
    InvalidArgumentError
        Two rules are of one kind.
    """

    def __init__(self, rules: Sequence[AlertRule]) -> None:
        kinds = [rule.kind for rule in rules]
        if len(set(kinds)) < len(kinds):
            raise InvalidArgumentError(
                "Two alert rules are of one kind; give at most one of each."
            )
        self.rules = tuple(rules)
        self._open: dict[tuple[str, AlertKind], _Open] = {}
        self._closed: deque[Alert] = deque(maxlen=MAX_CLOSED_ALERTS)

    def look(
        self,
        rule: AlertRule,
        seen: Mapping[str, tuple[float, int]],
        now: float,
        wall: datetime,
    ) -> tuple[Alert, ...]:
        """Open and close the alerts of one rule, and return those newly opened.

        Parameters
        ----------
        rule : AlertRule
        seen : mapping of str to (float, int)
            Value and volume of each service that has any; the alert of a service
            that is missing is over.
        now : float
            A monotonic instant, seconds.
        wall : datetime
            The same instant, aware UTC.
        """
        for service in [name for name, kind in self._open if kind == rule.kind]:
            self._look_at_open(service, rule, seen.get(service), now)
        raised = []
        for service, (value, many) in seen.items():
            key = service, rule.kind
            if key in self._open or many < rule.min_volume or not rule.raised_by(value):
                continue
            alert = Alert(
                service=service,
                kind=rule.kind,
                severity=rule.severity,
                message=_message(service, rule, value, many),
                value=value,
                threshold=rule.open_at,
                opened_at=wall,
            )
            self._open[key] = _Open(alert, now, now)
            raised.append(alert)
        return tuple(raised)

    def _look_at_open(
        self,
        service: str,
        rule: AlertRule,
        seen: tuple[float, int] | None,
        now: float,
    ) -> None:
        entry = self._open[service, rule.kind]
        if seen is not None and not rule.ended_by(seen[0]):
            alert = replace(entry.alert, value=seen[0])
            self._open[service, rule.kind] = _Open(alert, entry.opened, now)
            return
        # Where nothing is left in the window, it was over when the window had passed,
        # however much later somebody looks.
        ended = now if seen else min(now, entry.last_seen + rule.window_seconds)
        # By the monotonic clock: the wall clock may have been set back meanwhile.
        closed_at = entry.alert.opened_at + _span(ended - entry.opened)
        value = seen[0] if seen else entry.alert.value
        message = entry.alert.message
        if rule.kind == "breaker_open":
            seconds = max(0.0, ended - entry.opened)
            message = (
                f"{service}: a circuit breaker was open for {seconds:.0f} s; calls "
                "were refused."
            )
        self._closed.append(
            replace(entry.alert, message=message, value=value, closed_at=closed_at)
        )
        del self._open[service, rule.kind]

    def open_alerts(self) -> tuple[Alert, ...]:
        """Return the open alerts, the latest first."""
        found = [entry.alert for entry in self._open.values()]
        return tuple(sorted(found, key=lambda each: each.opened_at, reverse=True))

    def history(self) -> tuple[Alert, ...]:
        """Return the open alerts, then the closed ones, each the latest first."""
        return (*self.open_alerts(), *reversed(self._closed))


def _span(seconds: float) -> timedelta:
    return timedelta(seconds=max(0.0, seconds))


def _message(service: str, rule: AlertRule, value: float, many: int) -> str:
    minutes = f"the last {rule.window_seconds / 60:g} min"
    if rule.kind == "breaker_open":
        return f"{service}: a circuit breaker is open; calls are refused for now."
    if rule.kind == "latency":
        return (
            f"{service}: one call in twenty took {value:.1f} s or more on the network "
            f"in {minutes} ({many} calls)."
        )
    if rule.kind == "rate_limited":
        return f"{service}: {value:.0%} of {many} calls in {minutes} met a rate limit."
    if rule.kind == "cache_hit_rate":
        return (
            f"{service}: the cache answered {value:.0%} of {many} lookups in {minutes}."
        )
    return f"{service}: {value:.0%} of {many} calls in {minutes} failed."


def observed(
    rule: AlertRule, volumes: Mapping[str, Volume]
) -> Iterator[tuple[str, tuple[float, int]]]:
    """Yield each service with the value that a rule looks at and its volume.

    Parameters
    ----------
    rule : AlertRule
        Of any kind but ``breaker_open``.
    volumes : mapping of str to Volume
        Per service, of the rule's window.
    """
    for service, each in volumes.items():
        tally = each.tally
        ended = each.ok + each.errors
        value: float | None = None
        many = ended
        if rule.kind == "error_rate":
            value = each.failure_rate
        elif rule.kind == "rate_limited":
            value = min(1.0, tally.limited / ended) if ended else None
        elif rule.kind == "latency":
            value, many = tally.network_times.quantile(0.95), tally.network_times.count
        elif each.cache_lookups:
            many = each.cache_lookups
            value = tally.cache_hits / many
        if value is not None:
            yield service, (value, many)
