"""A session's own calls: told to the monitor of all, and booked in its ledger alone."""

from __future__ import annotations

from contexter_nb.core import BreakerChange, CallRecord
from contexter_nb.policies import APIMonitor, CostLedger


class BookingMonitor:
    """What the clients of a session tell of their calls.

    The monitor is one for the process; were the ledger its listener, a session on
    another home would book what was never asked from there.

    Parameters
    ----------
    monitor : APIMonitor
    ledger : CostLedger
    """

    def __init__(self, monitor: APIMonitor, ledger: CostLedger) -> None:
        self._monitor = monitor
        self._ledger = ledger

    def record(self, call: CallRecord) -> None:
        """Pass a call on, and book what it cost or saved.

        Parameters
        ----------
        call : CallRecord
        """
        self._monitor.record(call)
        self._ledger(call)

    def breaker_changed(self, change: BreakerChange) -> None:
        """Pass on that a circuit breaker opened or closed.

        Parameters
        ----------
        change : BreakerChange
        """
        self._monitor.breaker_changed(change)
