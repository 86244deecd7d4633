"""Ctrl-C while the main thread is blocked, whoever else listens for it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

STOPPED = "the call was stopped before its end; run it again to go on."


@contextlib.contextmanager
def raised_interrupts() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt in a block that stops this thread's loop.

    A kernel that runs a cell with an `await`, and asyncio.run, handle it by asking
    the loop to cancel a task; while that loop stands still, nothing would happen.
    """
    before = _handler()
    if before in (None, signal.default_int_handler) or not _has_running_loop():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def deferred_interrupt(ask: Callable[[], object]) -> Iterator[None]:
    """Turn Ctrl-C into a call of `ask`, and KeyboardInterrupt after the block.

    Raised at once, between two lines of a loop that is being driven, it would lose
    callbacks of the kernel or the task that runs. A second one is raised at once.
    """
    before = _handler()
    if before is None:
        yield
        return
    noticed = False

    def notice(number: int, frame: FrameType | None) -> None:
        nonlocal noticed
        if noticed:
            signal.default_int_handler(number, frame)
        noticed = True
        ask()

    signal.signal(signal.SIGINT, notice)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if noticed:
            raise KeyboardInterrupt from None


def show_shortly(error: BaseException) -> None:
    """Have IPython show an interrupt in one line, without the frames of the wait.

    It asks the error itself how it is to be shown. Class and arguments stay as they
    are, since whoever catches or cancels looks at these; so does any other error.

    Parameters
    ----------
    error : BaseException
        About to be raised.
    """
    if isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
        said = [f"{type(error).__name__}: {STOPPED}"]
        vars(error)["_render_traceback_"] = lambda: said


def _handler() -> Any:
    """Return Python's handler of Ctrl-C, None where there is none to replace."""
    if threading.current_thread() is not threading.main_thread():
        return None
    handler = signal.getsignal(signal.SIGINT)
    return handler if callable(handler) else None


def _has_running_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
