"""One coroutine on its way through the loop of another thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from contexter_nb.bridge._wait import until_done
from contexter_nb.core import BridgeError

T = TypeVar("T")

CLOSED = (
    "This bridge is closed; open a new one, contexter_nb.bridge.LoopThread(), or call "
    "contexter_nb.run(...), whose bridge is always open."
)
CLOSED_MEANWHILE = (
    "The bridge was closed before this call had ended; open a new one and call again."
)


class Call(concurrent.futures.Future[T], Generic[T]):
    """The outcome of a coroutine; done means that its clean-up is done, too.

    `cancel` asks, as that of an asyncio task does: the call is cancelled once the
    coroutine has unwound, and a coroutine that ignores the request has its result.
    """

    def __init__(self, coro: Coroutine[Any, Any, T]) -> None:
        super().__init__()
        self._coro = coro
        # With it a print lands in the notebook cell that made the call.
        self._context = contextvars.copy_context()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[T] | None = None
        self._unwinds = False

    def send(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the coroutine on `loop`, which runs in another thread."""
        # In this order an interrupt between the two lines leaves nothing running.
        self._loop = loop
        loop.call_soon_threadsafe(self._start)

    def refuse(self) -> None:
        """Give up a call that was never sent, with no 'never awaited' warning."""
        self._coro.close()
        super().cancel()
        self.set_running_or_notify_cancel()

    def cancel(self) -> bool:
        """Ask the coroutine to end; return False if it has ended already."""
        if self.done():
            return False
        if self._loop is None:
            self.refuse()
            return True
        with contextlib.suppress(RuntimeError):  # the loop ended, so did the call
            self._loop.call_soon_threadsafe(self._cancel_task)
        return True

    def running(self) -> bool:
        """Return whether the coroutine was sent and has not ended."""
        return self._loop is not None and not self.done()

    def abandon(self) -> None:
        """Free whoever waits, where the loop has gone before the coroutine."""
        with contextlib.suppress(concurrent.futures.InvalidStateError):
            self.set_exception(BridgeError(CLOSED_MEANWHILE))

    async def settled(self, seconds: float | None = None) -> None:
        """Wait in any loop until this call is done; take no outcome."""
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()

        def wake(_: concurrent.futures.Future[T]) -> None:
            with contextlib.suppress(RuntimeError):  # the waiting loop is closed
                loop.call_soon_threadsafe(_resolve, woken)

        self.add_done_callback(wake)
        await until_done(woken, seconds)

    def failure(self) -> BaseException | None:
        """Return what the coroutine raised, if it has ended by raising."""
        return self.exception() if self.done() and not self.cancelled() else None

    def outcome(self) -> T:
        """Return or raise what the coroutine did, with no frame of ours but this."""
        __tracebackhide__ = True
        error = self.exception()
        try:
            if error is not None:
                raise error
            return self.result()
        finally:
            # A traceback holds this frame: without this it would hold itself.
            del error, self

    def _start(self) -> None:
        if self.done():
            return
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._coro, context=self._context)
        self._task.add_done_callback(self._settle)

    def _cancel_task(self) -> None:
        if self._task is None:
            self.refuse()
        elif not self._unwinds:  # a second cancel would cut the clean-up short
            self._unwinds = True
            self._task.cancel()

    def _settle(self, task: asyncio.Task[T]) -> None:
        if self.done():
            return
        if task.cancelled():
            super().cancel()
            self.set_running_or_notify_cancel()
        elif error := task.exception():
            self.set_exception(error)
        else:
            self.set_result(task.result())


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
