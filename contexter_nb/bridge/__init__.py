"""Synchronous calls of coroutines, for notebooks; any room above may import it.

LoopThread    one event loop in one daemon thread; the default
NestedBridge  the caller's own loop, re-entered by nest-asyncio2; opt-in
sync          the synchronous face of any object with async methods
run           one coroutine on the default bridge
"""

from __future__ import annotations

from contexter_nb.bridge._bridge import Bridge
from contexter_nb.bridge._default import default_bridge, get_bridge, run
from contexter_nb.bridge._nested import NestedBridge
from contexter_nb.bridge._proxy import SyncProxy, sync
from contexter_nb.bridge._thread import LoopThread

__all__ = [
    "Bridge",
    "default_bridge",
    "get_bridge",
    "LoopThread",
    "NestedBridge",
    "run",
    "sync",
    "SyncProxy",
]
