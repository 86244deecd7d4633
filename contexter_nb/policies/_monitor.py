"""What is known of all calls: metrics over windows, alerts, a log of the latest."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from contexter_nb.core import (
    BreakerChange,
    CallRecord,
    Clock,
    InvalidArgumentError,
    SystemClock,
)
from contexter_nb.policies._alert_watch import AlertWatch
from contexter_nb.policies._alerts import DEFAULT_RULES, Alert, AlertRule
from contexter_nb.policies._labels import LabelBook, Labels
from contexter_nb.policies._metrics import (
    APIMetrics,
    TimelinePoint,
    Volume,
    api_metrics,
    quantile_ms,
)
from contexter_nb.policies._prometheus import ModelCharges, RequestDurations, exposition
from contexter_nb.policies._tally import Tally
from contexter_nb.policies._telemetry import (
    Telemetry,
    configured_provider,
    requests_counted_elsewhere,
)
from contexter_nb.policies._windows import (
    COARSE_SECONDS,
    LONGEST_SECONDS,
    SLOT_SECONDS,
    SLOTS,
    Windows,
)

Listener = Callable[[CallRecord], object]
Numbers = tuple[int, int, float | None, int, float]

MAX_BREAKERS = 500
MAX_TIMELINES = 50
_LOOK_SECONDS = 1.0
_log = logging.getLogger(__name__)


class APIMonitor:
    """Counts every call once, in constant time and bounded memory, from any thread.

    It never raises into a call, and waits for nothing. Times are measured by the
    monotonic clock; setting the wall clock changes what dates are shown, and no count.

    Parameters
    ----------
    clock : Clock, optional
        None for the machine's own.
    max_requests : int, default 1000
        How many of the latest calls are kept whole.
    max_operations : int, default 500
        Pairs of service and operation; later ones are counted as ``other``.
    alert_rules : sequence of AlertRule, default DEFAULT_RULES
        At most one of each kind.
    telemetry : bool, default True
        Whether OpenTelemetry is told, once the program has set a meter provider.

    Raises
    ------
    InvalidArgumentError
        A number is negative, `max_operations` is 0, or two rules are of one kind.

    Examples
    --------
    >>> from contexter_nb.core import Trace
    >>> monitor = APIMonitor()
    >>> monitor.record(
    ...     CallRecord(
    ...         service="voyage", operation="embeddings", method="POST",
    ...         host="api.voyageai.com", request_id="1", outcome="ok",
    ...         started_at=SystemClock().wall(), trace=Trace(total_seconds=0.2),
    ...     )
    ... )
    >>> [(each.operation, each.calls, each.p50_ms) for each in monitor.get_metrics()]
    [('embeddings', 1, 200.0)]
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        max_requests: int = 1000,
        max_operations: int = 500,
        alert_rules: Sequence[AlertRule] = DEFAULT_RULES,
        telemetry: bool = True,
    ) -> None:
        if max_requests < 0 or max_operations < 1:
            raise InvalidArgumentError(
                f"A monitor of {max_requests} requests and {max_operations} operations "
                "cannot be; give 0 or more, and 1 or more."
            )
        self._clock = clock or SystemClock()
        self._max_requests = max_requests
        self._max_operations = max_operations
        self._rules = tuple(alert_rules)
        self._telemetry_wanted = telemetry
        self._telemetry: Telemetry | None = None
        self._listeners: tuple[Listener, ...] = ()
        # Reentrant: a finalizer or a signal handler may make a call in this thread.
        self._lock = threading.RLock()
        self._warned = False
        AlertWatch(self._rules)  # refuses bad rules here, not at the first call
        self._windows: Windows | None = None
        self._forget()
        _monitors.add(self)

    def _forget(self) -> None:
        # The windows begin with the first call: the clock may need a running loop.
        self._windows = None
        self._book = LabelBook(self._max_operations)
        self._durations = RequestDurations()
        self._charges = ModelCharges()
        self._requests: deque[CallRecord] = deque(maxlen=self._max_requests)
        self._cached: set[tuple[str, str]] = set()
        self._timelines: dict[tuple[float, bool, str | None], dict[int, Numbers]] = {}
        self._breakers: dict[tuple[str, str], tuple[BreakerChange, float]] = {}
        self._watch = AlertWatch(self._rules)
        self._look_at = float("-inf")

    def record(self, call: CallRecord) -> None:
        """Count a call; never raises.

        Parameters
        ----------
        call : CallRecord
        """
        try:
            now = self._clock.now()
            with self._lock:
                self._count(call, now)
            if now >= self._look_at:
                self._look(now)
            if self._telemetry is not None:
                self._tell(self._telemetry, call)
            if self._listeners:
                self._notify(call)
        except Exception:
            self._warn("A call could not be counted.")

    def _count(self, call: CallRecord, now: float) -> None:
        windows = self._windows
        if windows is None or now >= windows.open_until:
            windows = self._rolled(now)
        key = call.service, call.operation, call.outcome, call.error_type, call.category
        # A plain tuple equals the Labels made of the same values, and is made faster.
        tally = windows.open.get(key)  # type: ignore[call-overload]
        if tally is None:
            tally = self._new_tally(call, windows)
        tally.add(call)
        if call.trace.attempts:
            self._durations.add(call)
        if call.trace.cache_tier is not None or call.trace.cache_asked:
            self._note_cached(call)
        if call.usage.model or call.saved.model:
            self._charges.add(*self._book.admit(call)[:2], call)
        self._requests.append(call)

    def _rolled(self, now: float) -> Windows:
        if self._windows is None:
            self._windows = Windows(now)
        self._windows.roll(now)
        return self._windows

    def _new_tally(self, call: CallRecord, windows: Windows) -> Tally:
        return windows.open.setdefault(self._book.admit(call), Tally())

    def _note_cached(self, call: CallRecord) -> None:
        # Most calls go past no cache at all: only an operation of which the cache has
        # ever been asked for can miss it.
        pair = call.service, call.operation
        if pair not in self._cached:
            self._cached.add(self._book.admit(call)[:2])

    def breaker_changed(self, change: BreakerChange) -> None:
        """Take note of a breaker's new state; never raises.

        Parameters
        ----------
        change : BreakerChange
        """
        try:
            now = self._clock.now()
            with self._lock:
                key = change.service, change.host
                self._breakers.pop(key, None)
                if len(self._breakers) >= MAX_BREAKERS:
                    del self._breakers[next(iter(self._breakers))]
                self._breakers[key] = change, now
            if now >= self._look_at:
                self._look(now)
        except Exception:
            self._warn("A breaker's change could not be noted.")

    def get_metrics(
        self, *, window_seconds: float | None = 300, service: str | None = None
    ) -> tuple[APIMetrics, ...]:
        """Return the metrics of each operation, sorted by service and operation.

        Parameters
        ----------
        window_seconds : float, optional
            At most 3,600; rounded up to slots of 10 s, beyond 600 to 2 min. None for
            all since the start or the last `reset`.
        service : str, optional
            This one only.

        Returns
        -------
        tuple of APIMetrics
            Operations without calls in the window are left out.

        Raises
        ------
        InvalidArgumentError
            The window is not above 0 and at most 3,600 seconds.
        """
        _check_window(window_seconds)
        now = self._clock.now()
        with self._lock:
            windows = self._rolled(now)
            tallies = windows.within(now, window_seconds)
            covered = windows.covered_seconds(now, window_seconds)
            cached = frozenset(self._cached)
        by_operation: dict[tuple[str, str], list[tuple[Labels, Tally]]] = {}
        for labels, tally in tallies.items():
            if service in (None, labels.service):
                named = labels.service, labels.operation
                by_operation.setdefault(named, []).append((labels, tally))
        return tuple(
            api_metrics(
                named,
                by_operation[named],
                cached=cached,
                window_seconds=window_seconds,
                covered_seconds=covered,
            )
            for named in sorted(by_operation)
        )

    def get_summary(
        self, window_seconds: float | None = 300, *, service: str | None = None
    ) -> dict[str, Any]:
        """Return totals over all services, as values that JSON can hold.

        Parameters
        ----------
        window_seconds : float, optional
            As of `get_metrics`.
        service : str, optional
            Count this one only; alerts and breakers stay those of all.

        Returns
        -------
        dict of str to object
            The fields of `APIMetrics` but service and operation, ``cache_hit_rate``,
            ``services`` (names), ``active_alerts`` (messages) and ``open_breakers``
            (``service host``).

        Raises
        ------
        InvalidArgumentError
            The window is not above 0 and at most 3,600 seconds.
        """
        _check_window(window_seconds)
        alerts = self.get_active_alerts()
        now = self._clock.now()
        with self._lock:
            windows = self._rolled(now)
            tallies = {
                labels: tally
                for labels, tally in windows.within(now, window_seconds).items()
                if service in (None, labels.service)
            }
            total = api_metrics(
                ("", ""),
                list(tallies.items()),
                cached=self._cached,
                window_seconds=window_seconds,
                covered_seconds=windows.covered_seconds(now, window_seconds),
            )
        found = total.to_dict()
        del found["service"], found["operation"]
        found["services"] = sorted({labels.service for labels in tallies})
        found["active_alerts"] = [each.message for each in alerts]
        found["open_breakers"] = [
            f"{each.service} {each.host}"
            for each in self.breakers()
            if each.after == "open"
        ]
        return found

    def timeline(
        self,
        *,
        bucket_seconds: float = SLOT_SECONDS,
        window_seconds: float = 300,
        service: str | None = None,
    ) -> tuple[TimelinePoint, ...]:
        """Return a window cut into buckets of one length, the oldest first.

        Parameters
        ----------
        bucket_seconds : float
            Rounded up to whole slots: 10 s; 2 min where the window is beyond 600 s.
        window_seconds : float
            Above 0 and at most 3,600.
        service : str, optional
            This one only.

        Returns
        -------
        tuple of TimelinePoint
            Without gaps; buckets without calls have zeros. The last one is not full.

        Raises
        ------
        InvalidArgumentError
            The window is not above 0 and at most 3,600 seconds, or the bucket is not
            above 0 and at most the window.
        """
        _check_window(window_seconds)
        if not 0 < bucket_seconds <= window_seconds:
            raise InvalidArgumentError(
                f"Buckets of {bucket_seconds!r} s do not divide a window of "
                f"{window_seconds:g} s; give seconds above 0 and at most the window."
            )
        fine = window_seconds <= SLOT_SECONDS * SLOTS
        slot_seconds = SLOT_SECONDS if fine else COARSE_SECONDS
        width = -(-bucket_seconds // slot_seconds) * slot_seconds
        now = self._clock.now()
        wall = self._clock.wall()
        first, last = (now - window_seconds) // width, now // width
        buckets = {at: Volume() for at in range(int(first), int(last) + 1)}
        # Of buckets that are one closed slot each, the numbers stay as they are; the
        # last coarse slot is closed only with the one before the last bucket.
        lasting = int(last) - 1 if width == slot_seconds else int(first)
        found: dict[int, Numbers] = {}
        with self._lock:
            known = self._timelines.setdefault((width, fine, service), {})
            for slot in self._rolled(now).slots(now, window_seconds):
                at = min(int(slot.starts // width), int(last))
                if at < lasting and at in known:
                    found[at] = known[at]
                    continue
                for labels, tally in slot.tallies.items():
                    if service in (None, labels.service):
                        buckets[at].add(labels, tally, self._cached)
            for at, bucket in buckets.items():
                if at not in found:
                    found[at] = _numbers(bucket)
            kept = {at: each for at, each in found.items() if at < lasting}
            if len(self._timelines) > MAX_TIMELINES:
                self._timelines.clear()
            self._timelines[width, fine, service] = kept
        return tuple(
            TimelinePoint(
                started_at=wall - timedelta(seconds=now - at * width),
                calls=calls,
                errors=errors,
                p95_ms=p95_ms,
                tokens=tokens,
                usd=usd,
            )
            for at, (calls, errors, p95_ms, tokens, usd) in sorted(found.items())
        )

    @property
    def observed_seconds(self) -> float:
        """How long calls have been recorded."""
        now = self._clock.now()
        with self._lock:
            return self._rolled(now).covered_seconds(now, None)

    def services(self) -> tuple[str, ...]:
        """Return the services of which calls were counted, by name."""
        now = self._clock.now()
        with self._lock:
            return self._rolled(now).services()

    def requests(
        self, limit: int | None = None, *, service: str | None = None
    ) -> tuple[CallRecord, ...]:
        """Return the latest calls, the newest first.

        Parameters
        ----------
        limit : int, optional
            At most so many; None for all that are kept (`max_requests`).
        service : str, optional
            This one only.
        """
        with self._lock:
            kept = list(self._requests)
        kept.reverse()
        found = [each for each in kept if service in (None, each.service)]
        return tuple(found if limit is None else found[: max(0, limit)])

    def get_active_alerts(self) -> tuple[Alert, ...]:
        """Return the alerts that are open now, the latest first."""
        self._look(self._clock.now())
        with self._lock:
            return self._watch.book.open_alerts()

    def alerts(self) -> tuple[Alert, ...]:
        """Return the open alerts, then the latest 200 closed, each the latest first."""
        self._look(self._clock.now())
        with self._lock:
            return self._watch.book.history()

    def breakers(self) -> tuple[BreakerChange, ...]:
        """Return the latest change of each breaker, the longest unchanged first."""
        with self._lock:
            return tuple(change for change, _ in self._breakers.values())

    def prometheus_text(self) -> str:
        """Return all counts since the start in Prometheus' text format 0.0.4.

        Serve it as ``text/plain; version=0.0.4; charset=utf-8``.
        """
        now = self._clock.now()
        with self._lock:
            tallies = self._rolled(now).within(now, None)
            return exposition(tallies, self._durations, self._charges, self.breakers())

    def reset(self) -> None:
        """Forget all counts, calls, alerts and breakers; listeners stay."""
        with self._lock:
            self._forget()

    def add_listener(self, listener: Listener) -> None:
        """Have every call told to `listener`, too, in the thread that made it.

        Parameters
        ----------
        listener : callable
            Takes a CallRecord; must return at once. One that raises is taken off with
            a logged warning.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

    def remove_listener(self, listener: Listener) -> None:
        """Tell `listener` no more; one that is not there is no error.

        Parameters
        ----------
        listener : callable
        """
        with self._lock:
            # By equality: a bound method is another object each time it is named.
            self._listeners = tuple(
                each for each in self._listeners if each != listener
            )

    def __repr__(self) -> str:
        with self._lock:
            return (
                f"<APIMonitor: {len(self._requests)} latest calls, "
                f"{len(self._breakers)} breakers>"
            )

    def _notify(self, call: CallRecord) -> None:
        for listener in self._listeners:
            try:
                listener(call)
            except Exception:
                self.remove_listener(listener)
                _log.warning(
                    "A listener of the monitor failed and was taken off.", exc_info=True
                )

    def _tell(self, telemetry: Telemetry, call: CallRecord) -> None:
        try:
            telemetry.record(call)
        except Exception:
            self._give_up_telemetry()

    def _give_up_telemetry(self) -> None:
        self._telemetry_wanted = False
        self._telemetry = None
        _log.warning("OpenTelemetry failed, and is told no more calls.", exc_info=True)

    def _look(self, now: float) -> None:
        with self._lock:
            self._look_at = now + _LOOK_SECONDS
            wall = self._clock.wall()
            raised = self._watch.look(
                now,
                wall,
                self._rolled(now),
                [
                    (change.service, change.after, at)
                    for change, at in self._breakers.values()
                ],
                self._cached,
            )
            self._find_telemetry()
        for alert in raised:
            _log.warning("%s", alert.message)

    def _find_telemetry(self) -> None:
        if not self._telemetry_wanted:
            return
        try:
            provider = configured_provider()
            if provider is None:
                self._telemetry = None
            elif self._telemetry is None or self._telemetry.provider is not provider:
                self._telemetry = Telemetry(
                    provider, count_requests=not requests_counted_elsewhere()
                )
        except Exception:
            self._give_up_telemetry()

    def _warn(self, message: str) -> None:
        # Once: a fault at every call must not fill the log.
        if not self._warned:
            self._warned = True
            _log.warning(message, exc_info=True)

    def _after_fork(self) -> None:
        # Another thread may have held the lock; it does not exist in the child.
        self._lock = threading.RLock()


def _numbers(bucket: Volume) -> Numbers:
    tally = bucket.tally
    return (
        tally.calls,
        bucket.errors,
        quantile_ms(tally.call_times, 0.95),
        tally.tokens,
        float(tally.usd),
    )


def _check_window(window_seconds: float | None) -> None:
    if window_seconds is not None and not 0 < window_seconds <= LONGEST_SECONDS:
        raise InvalidArgumentError(
            f"A window of {window_seconds!r} s is not kept; give seconds above 0 and "
            f"at most {LONGEST_SECONDS:g}, or None for all since the start."
        )


_monitors: weakref.WeakSet[APIMonitor] = weakref.WeakSet()


def _after_fork() -> None:
    for monitor in list(_monitors):
        monitor._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

api_monitor = APIMonitor()
