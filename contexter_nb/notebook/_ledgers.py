"""One ledger a home in this process, however many sessions are open on it.

All listen to the process's monitor: with one each, a call would be booked as often as
there are sessions, and a cell that connects is run again and again.
"""

from __future__ import annotations

import threading
from pathlib import Path

from contexter_nb.policies import APIMonitor, CostLedger

_lock = threading.Lock()
_held: dict[tuple[int, Path], tuple[CostLedger, int]] = {}


def hold_ledger(path: Path, monitor: APIMonitor) -> CostLedger:
    """Return the ledger of a file, which books what a monitor is told.

    Parameters
    ----------
    path : pathlib.Path
    monitor : APIMonitor
        Its listener is added with the first holder.
    """
    key = id(monitor), path.resolve()
    with _lock:
        ledger, holders = _held.get(key, (None, 0))
        if ledger is None:
            ledger = CostLedger(path)
            monitor.add_listener(ledger)
        _held[key] = ledger, holders + 1
    return ledger


def release_ledger(ledger: CostLedger, monitor: APIMonitor) -> None:
    """Let go of a ledger; the last holder takes it off the monitor and closes it.

    Parameters
    ----------
    ledger : CostLedger
    monitor : APIMonitor
    """
    with _lock:
        for key, (held, holders) in list(_held.items()):
            if held is ledger and holders > 1:
                _held[key] = held, holders - 1
                return
            if held is ledger:
                del _held[key]
    monitor.remove_listener(ledger)
    ledger.close()
