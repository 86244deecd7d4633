"""The bridges of the process, and one coroutine on the default one."""

from __future__ import annotations

import threading
from collections.abc import Awaitable
from typing import Literal, TypeVar

from contexter_nb.bridge._bridge import Bridge
from contexter_nb.bridge._nested import NestedBridge
from contexter_nb.bridge._thread import LoopThread
from contexter_nb.core import InvalidArgumentError, did_you_mean

T = TypeVar("T")

_lock = threading.Lock()
_thread = LoopThread()
_nested = NestedBridge()


def default_bridge() -> LoopThread:
    """Return the process-wide bridge; a new one if the last was closed."""
    global _thread
    with _lock:
        if _thread.closed:
            _thread = LoopThread()
        return _thread


def get_bridge(name: Literal["thread", "nested"] = "thread") -> Bridge:
    """Return the process-wide bridge of this name.

    Parameters
    ----------
    name : str, default "thread"
        ``"thread"`` for the `LoopThread` that `run` uses, ``"nested"`` for a
        `NestedBridge`.

    Returns
    -------
    Bridge
        The same one at each call until it is closed, then a new one.

    Raises
    ------
    InvalidArgumentError
        When there is no such bridge.
    """
    global _nested
    if name == "thread":
        return default_bridge()
    if name == "nested":
        with _lock:
            if _nested.closed:
                _nested = NestedBridge()
            return _nested
    raise InvalidArgumentError(
        f"there is no bridge {name!r}; use 'thread' or 'nested'."
        + did_you_mean(str(name), ["thread", "nested"])
    )


def run(coro: Awaitable[T], timeout: float | None = None) -> T:
    """Block until `coro` is done on the default bridge and return its result.

    Works in a cell, in a widget callback and in any thread.

    Parameters
    ----------
    coro : coroutine or other awaitable
        Runs on the bridge's loop; an interrupt cancels it.
    timeout : float, optional
        Seconds until `coro` is cancelled; None waits as long as it takes.

    Returns
    -------
    object
        What `coro` returned; what it raised is raised here.

    Raises
    ------
    TimeoutError
        When the time is up.
    BridgeError
        When called inside a coroutine that the default bridge runs.
    InvalidArgumentError
        When `coro` is nothing that can be awaited.

    Examples
    --------
    >>> import asyncio
    >>> run(asyncio.sleep(0, result="done"))
    'done'
    """
    __tracebackhide__ = True
    return default_bridge().run(coro, timeout)
