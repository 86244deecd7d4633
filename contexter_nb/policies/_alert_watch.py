"""Looks at the windows for alerts, and merges only what changed since the last look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from contexter_nb.core import BreakerState
from contexter_nb.policies._alerts import Alert, AlertBook, AlertRule, observed
from contexter_nb.policies._metrics import Cached, Volume
from contexter_nb.policies._windows import Slot, Windows

Volumes = dict[str, Volume]
# A breaker's service, its state, and the instant that it was told.
BreakerSeen = tuple[str, BreakerState, float]


class AlertWatch:
    """Holds rules against windows.

    Closed slots do not change: each service's are merged once a slot, and a look adds
    the open slot to them.

    Parameters
    ----------
    rules : sequence of AlertRule
        At most one of each kind.
    """

    def __init__(self, rules: Sequence[AlertRule]) -> None:
        self.book = AlertBook(rules)
        self._closed: dict[float, Volumes] = {}
        self._closed_at_roll = -1

    def look(
        self,
        now: float,
        wall: datetime,
        windows: Windows,
        breakers: Iterable[BreakerSeen],
        cached: Cached,
    ) -> list[Alert]:
        """Open and close alerts, and return those newly opened.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        wall : datetime
            The same instant, aware UTC.
        windows : Windows
        breakers : iterable of (str, str, float)
            Service, state, and the instant it was told, of each breaker.
        cached : set of (str, str)
            The services and operations that a cache has answered.
        """
        windows.roll(now)
        if self._closed_at_roll != windows.rolled:
            self._closed_at_roll = windows.rolled
            self._closed = {}
        raised: list[Alert] = []
        volumes: dict[float, Volumes] = {}
        told = list(breakers)
        for rule in self.book.rules:
            if rule.kind == "breaker_open":
                seen = _open_breakers(rule, told, now)
            else:
                window = rule.window_seconds
                if window not in volumes:
                    volumes[window] = self._volumes(now, window, windows, cached)
                seen = dict(observed(rule, volumes[window]))
            raised += self.book.look(rule, seen, now, wall)
        return raised

    def _volumes(
        self, now: float, window_seconds: float, windows: Windows, cached: Cached
    ) -> Volumes:
        slots = list(windows.slots(now, window_seconds))
        still_open = [slots.pop()] if windows.open else []
        if window_seconds not in self._closed:
            self._closed[window_seconds] = _by_service(slots, cached)
        found = _by_service(still_open, cached)
        for service, volume in self._closed[window_seconds].items():
            found.setdefault(service, Volume()).merge(volume)
        return found


def _by_service(slots: Iterable[Slot], cached: Cached) -> Volumes:
    found: Volumes = {}
    for slot in slots:
        for labels, tally in slot.tallies.items():
            found.setdefault(labels.service, Volume()).add(labels, tally, cached)
    return found


def _open_breakers(
    rule: AlertRule, told: list[BreakerSeen], now: float
) -> dict[str, tuple[float, int]]:
    """Return 1 for each service with an open breaker; one on probation keeps it up."""
    found: dict[str, tuple[float, int]] = {}
    worth = {"open": rule.open_at, "half_open": rule.close_at, "closed": 0.0}
    for service, state, at in told:
        # A breaker that nobody uses any more says nothing: its last word gets old.
        if now - at <= rule.window_seconds:
            value = max(worth[state], found.get(service, (0.0, 0))[0])
            found[service] = value, 1
    return found
