"""The caller's own loop, re-entered while it runs (nest-asyncio2)."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib
import os
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from contexter_nb.bridge._bridge import Closer
from contexter_nb.bridge._call import CLOSED
from contexter_nb.bridge._closers import Closers
from contexter_nb.bridge._coroutine import as_coroutine
from contexter_nb.bridge._interrupt import deferred_interrupt, show_shortly
from contexter_nb.bridge._loop import OwnLoop
from contexter_nb.bridge._wait import cancel_others, timed_out, until_done
from contexter_nb.core import BridgeError

T = TypeVar("T")


class NestedBridge:
    """Run coroutines in the caller's thread, on the loop that runs there.

    Opt-in, for objects that are tied to the notebook's own loop. It patches asyncio
    for the whole process, and a client used by two threads has two loops: widget
    callbacks, which run in other threads, need `LoopThread`.

    A thread without a running loop gets one of its own, kept until `close`.

    Parameters
    ----------
    grace_seconds : float
        How long the clean-up of a cancelled coroutine is waited for.
    """

    def __init__(self, grace_seconds: float = 2.0) -> None:
        self._grace = grace_seconds
        self._closed = False
        self._closers = Closers()
        self._loops: dict[tuple[int, threading.Thread], OwnLoop] = {}

    def run(self, coro: Awaitable[T], timeout: float | None = None) -> T:
        """Drive this thread's loop until `coro` is done and return its result.

        An interrupt or a timeout cancels `coro` and waits for its clean-up; a
        second interrupt ends that wait.

        Parameters
        ----------
        coro : coroutine or other awaitable
            Not a future or a task.
        timeout : float, optional
            Seconds; None waits as long as it takes.

        Returns
        -------
        object
            What `coro` returned; what it raised is raised here.

        Raises
        ------
        TimeoutError
            When the time is up. A result that came while cancelling is returned.
        BridgeError
            When the loop cannot be re-entered (uvloop), when nest-asyncio2 is not
            installed, or after `close`.
        InvalidArgumentError
            When `coro` is nothing that can be awaited.
        """
        __tracebackhide__ = True
        coro = as_coroutine(coro)
        try:
            if self._closed:
                raise BridgeError(CLOSED)
            loop = self._loop()
        except BaseException:
            coro.close()
            raise
        task = loop.create_task(coro)
        try:
            if not self._finish_in_time(loop, task, timeout):
                self._give_up(loop, task, timed_out(timeout))
            return task.result()
        finally:
            del task

    async def arun(self, coro: Awaitable[T]) -> T:
        """Await `coro` on the running loop; a kernel interrupt gets through.

        Being cancelled cancels `coro` and waits for its clean-up, `grace_seconds` at
        most.

        Parameters
        ----------
        coro : coroutine or other awaitable
            Not a future or a task.

        Returns
        -------
        object
            What `coro` returned; what it raised is raised here.

        Raises
        ------
        InvalidArgumentError
            When `coro` is nothing that can be awaited.
        """
        task = asyncio.ensure_future(as_coroutine(coro))
        try:
            await until_done(task)
        except asyncio.CancelledError as exc:
            task.cancel()
            await until_done(task, self._grace)
            show_shortly(exc)
            raise
        return task.result()

    def add_closer(self, closer: Closer) -> Callable[[], None]:
        """Have `closer` awaited by `close`; return what takes it off again.

        Parameters
        ----------
        closer : callable
            Takes nothing and returns an awaitable; given up after `grace_seconds`. The
            latest added is awaited first.

        Returns
        -------
        callable
            Takes the closer off again, without calling it.

        Raises
        ------
        BridgeError
            After `close`.
        """
        if self._closed:
            raise BridgeError(CLOSED)
        return self._closers.add(closer)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Run the closers in this thread and close the loops made here.

        Raises
        ------
        BridgeError
            After all is closed, if a closer failed.
        """
        if self._closed:
            return
        if self._closers:
            self.run(self._closers.run(self._grace))
        self._closed = True
        self._close_loops(lambda thread: True)
        _open_bridges.discard(self)
        self._closers.raise_failure()

    def __repr__(self) -> str:
        return f"<NestedBridge {'closed' if self._closed else 'open'}>"

    def _loop(self) -> asyncio.AbstractEventLoop:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = self._own_loop()
        _make_reentrant(loop)
        return loop

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        key = os.getpid(), threading.current_thread()
        if key not in self._loops:
            self._close_loops(lambda thread: not thread.is_alive())
            self._loops[key] = OwnLoop()
            _open_bridges.add(self)
        return self._loops[key].loop

    def _close_loops(self, chosen: Callable[[threading.Thread], bool]) -> None:
        pid = os.getpid()
        for key, own in list(self._loops.items()):
            # Loops from before a fork are left alone: they are the parent's.
            if key[0] == pid and chosen(key[1]) and not own.loop.is_running():
                del self._loops[key]
                _end(own, self._grace)

    def _finish_in_time(
        self,
        loop: asyncio.AbstractEventLoop,
        task: asyncio.Task[Any],
        timeout: float | None,
    ) -> bool:
        __tracebackhide__ = True
        try:
            return _drive(loop, task, timeout)
        except BaseException as exc:
            if task.cancel():
                with contextlib.suppress(KeyboardInterrupt):
                    _drive(loop, task, self._grace)
            _failure(task)
            show_shortly(exc)
            raise

    def _give_up(
        self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any], reason: str
    ) -> None:
        __tracebackhide__ = True
        task.cancel()
        ended = _drive(loop, task, self._grace)
        error = _failure(task)
        if error is not None or task.cancelled() or not ended:
            raise TimeoutError(reason) from error


def _failure(task: asyncio.Task[Any]) -> BaseException | None:
    # Asking also tells asyncio not to log it as never retrieved.
    return task.exception() if task.done() and not task.cancelled() else None


def _make_reentrant(loop: asyncio.AbstractEventLoop) -> None:
    # Tested before apply, which patches asyncio first and refuses the loop after.
    if not isinstance(loop, asyncio.BaseEventLoop):
        kind = type(loop)
        raise BridgeError(
            f"A loop of type {kind.__module__}.{kind.__qualname__} cannot be "
            'nested; use bridge="thread".'
        )
    if hasattr(loop, "_nest_patched"):  # by us, or by the user with either package
        return
    try:
        nest_asyncio2 = importlib.import_module("nest_asyncio2")
    except ImportError as error:
        raise BridgeError(
            'bridge="nested" needs the package nest-asyncio2; install it, or use '
            'bridge="thread".'
        ) from error
    nest_asyncio2.apply(loop)


def _drive(
    loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any], seconds: float | None
) -> bool:
    waiting = loop.create_task(until_done(task, seconds))
    with deferred_interrupt(lambda: loop.call_soon_threadsafe(waiting.cancel)):
        try:
            return loop.run_until_complete(waiting)
        finally:
            waiting.cancel()
            _failure(waiting)


def _end(own: OwnLoop, grace: float) -> None:
    async def end_tasks() -> None:
        await cancel_others(grace)
        await asyncio.get_running_loop().shutdown_asyncgens()

    try:
        own.loop.run_until_complete(end_tasks())
    finally:
        own.close()


_open_bridges: set[NestedBridge] = set()


@atexit.register
def _close_all() -> None:
    for bridge in list(_open_bridges):
        bridge.close()
