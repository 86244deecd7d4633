"""A session's monitor: the kernel's, and the book of what this session spent."""

from __future__ import annotations

from datetime import datetime

from contexter_nb.core import BreakerChange, CallRecord
from contexter_nb.policies import APIMetrics, APIMonitor, CostLedger


class BookingMonitor:
    """Tells the kernel's monitor of every call, and books it in the session's home.

    A listener of the kernel's monitor would book the calls of all sessions.

    Parameters
    ----------
    monitor : APIMonitor
    ledger : CostLedger
    first_calls : dict of str to datetime
        Told when a service was asked for the first time, aware UTC.
    """

    def __init__(
        self,
        monitor: APIMonitor,
        ledger: CostLedger,
        first_calls: dict[str, datetime],
    ) -> None:
        self._monitor = monitor
        self._ledger = ledger
        self._first_calls = first_calls

    def record(self, call: CallRecord) -> None:
        """Take note of a call.

        Parameters
        ----------
        call : CallRecord
        """
        self._first_calls.setdefault(call.service, call.started_at)
        self._monitor.record(call)
        self._ledger(call)

    def breaker_changed(self, change: BreakerChange) -> None:
        """Take note of a breaker's new state.

        Parameters
        ----------
        change : BreakerChange
        """
        self._monitor.breaker_changed(change)

    def get_metrics(
        self, *, window_seconds: float | None = None, service: str | None = None
    ) -> tuple[APIMetrics, ...]:
        """Return the kernel's metrics, as `APIMonitor.get_metrics`.

        Parameters
        ----------
        window_seconds : float, optional
        service : str, optional
        """
        return self._monitor.get_metrics(window_seconds=window_seconds, service=service)
