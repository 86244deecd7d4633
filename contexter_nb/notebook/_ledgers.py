"""One ledger a home in this process, however many sessions are open on it.

So that each of them tells what all have spent, at once; a cell that connects is run
again and again.
"""

from __future__ import annotations

import threading
from pathlib import Path

from contexter_nb.policies import CostLedger

_lock = threading.Lock()
_held: dict[Path, tuple[CostLedger, int]] = {}


def hold_ledger(path: Path) -> CostLedger:
    """Return the ledger of a file, the same for all who hold it.

    Parameters
    ----------
    path : pathlib.Path
    """
    key = path.resolve()
    with _lock:
        ledger, holders = _held.get(key, (None, 0))
        if ledger is None:
            ledger = CostLedger(path)
        _held[key] = ledger, holders + 1
    return ledger


def release_ledger(ledger: CostLedger) -> None:
    """Let go of a ledger; the last holder closes it.

    Parameters
    ----------
    ledger : CostLedger
    """
    with _lock:
        for key, (held, holders) in list(_held.items()):
            if held is ledger and holders > 1:
                _held[key] = held, holders - 1
                return
            if held is ledger:
                del _held[key]
    ledger.close()
