"""Waits which an interrupt always ends, in a thread and in a loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import Any

from contexter_nb.core import SystemClock

# Windows delivers Ctrl-C only after a lock wait has ended, and a signal handler in a
# kernel cannot wake a loop that sleeps in select (ipykernel issue 881).
BEAT_SECONDS = 0.1

_clock = SystemClock()


class _Countdown:
    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else _clock.now() + seconds

    def next_wait(self) -> float:
        """Return the seconds of the next slice; 0 when the time is up."""
        if self._end is None:
            return BEAT_SECONDS
        return min(BEAT_SECONDS, max(0.0, self._end - _clock.now()))


def timed_out(seconds: float | None) -> str:
    """Return what to say of a call that was given up after some time."""
    return (
        f"No result within {seconds or 0:g} s, so the call was cancelled; give it more "
        "time by timeout=..., or leave that out."
    )


def block_until_done(
    future: concurrent.futures.Future[Any], seconds: float | None = None
) -> bool:
    """Block this thread until `future` is done; return False if time ran out."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    countdown = _Countdown(seconds)
    while not done.wait(wait := countdown.next_wait()):
        if wait == 0.0:
            return False
    return True


def join(thread: threading.Thread, seconds: float) -> bool:
    """Block until `thread` has ended; return False if time ran out."""
    countdown = _Countdown(seconds)
    while thread.is_alive() and (wait := countdown.next_wait()):
        thread.join(wait)
    return not thread.is_alive()


async def until_done(future: asyncio.Future[Any], seconds: float | None = None) -> bool:
    """Wait for `future` without taking its outcome; return False if time ran out.

    Unlike `await`, being cancelled here does not cancel `future`.
    """
    countdown = _Countdown(seconds)
    while not future.done():
        wait = countdown.next_wait()
        if wait == 0.0:
            return False
        await asyncio.wait([future], timeout=wait)
    return True


async def cancel_others(seconds: float) -> None:
    """Cancel every other task of this loop and wait for their clean-up."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=seconds)
