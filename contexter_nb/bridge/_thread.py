"""One event loop in one daemon thread, shared by every thread of the process."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from contexter_nb.bridge._bridge import Closer
from contexter_nb.bridge._call import CLOSED, CLOSED_MEANWHILE, Call
from contexter_nb.bridge._coroutine import as_coroutine
from contexter_nb.bridge._interrupt import raised_interrupts, show_shortly
from contexter_nb.bridge._process import LoopProcess
from contexter_nb.bridge._wait import block_until_done, timed_out
from contexter_nb.core import BridgeError

T = TypeVar("T")

OWN_THREAD = (
    "A synchronous call was made inside a coroutine of this bridge, where it would "
    "wait for itself; await the coroutine there (the verbs of nb.aio)."
)


class LoopThread:
    """Run coroutines from any thread on one loop, so that they can share clients.

    The thread starts with the first call. A forked child has a loop and closers of
    its own: those of its parent are neither used nor closed there.

    Parameters
    ----------
    grace_seconds : float
        How long the clean-up of a cancelled coroutine is waited for.

    Examples
    --------
    >>> async def double(number):
    ...     return 2 * number
    >>> with LoopThread() as bridge:
    ...     bridge.run(double(21))
    42
    """

    def __init__(self, grace_seconds: float = 2.0) -> None:
        self._grace = grace_seconds
        self._processes: dict[int, LoopProcess] = {}

    def run(self, coro: Awaitable[T], timeout: float | None = None) -> T:
        """Block this thread until `coro` is done and return what it returned.

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
            When called from the bridge's own thread, after `close`, or if that came
            meanwhile.
        InvalidArgumentError
            When `coro` is nothing that can be awaited.
        """
        __tracebackhide__ = True
        call = Call(as_coroutine(coro))
        try:
            with raised_interrupts():
                if not self._finish_in_time(call, timeout):
                    self._give_up(call, timed_out(timeout))
            self._raise_if_closed(call)
            return call.outcome()
        finally:
            # An exception's traceback holds this frame, and the call the exception.
            del call

    async def arun(self, coro: Awaitable[T]) -> T:
        """Await `coro` from any loop while it runs on the bridge's.

        Being cancelled cancels `coro` and waits for its clean-up; a second
        cancellation ends that wait. A kernel interrupt is noticed in 0.1 s.

        Parameters
        ----------
        coro : coroutine or other awaitable
            Not a future or a task; awaited directly where the loop is the bridge's.

        Returns
        -------
        object
            What `coro` returned; what it raised is raised here.

        Raises
        ------
        BridgeError
            After `close`, or if that came meanwhile.
        InvalidArgumentError
            When `coro` is nothing that can be awaited.
        """
        if asyncio.get_running_loop() is self._process().loop:
            return await as_coroutine(coro)
        call = Call(as_coroutine(coro))
        try:
            self._send(call)
            await call.settled()
        except BaseException as exc:
            if call.cancel():
                await call.settled(self._grace)
            show_shortly(exc)
            raise
        self._raise_if_closed(call)
        if call.cancelled():
            raise asyncio.CancelledError
        return call.outcome()

    def submit(self, coro: Awaitable[T]) -> Future[T]:
        """Start `coro` and return at once.

        The future is done when the clean-up is done, too; its `cancel` cancels
        `coro`. Prints go to the cell that submitted, even after it has ended.

        Parameters
        ----------
        coro : coroutine or other awaitable
            Not a future or a task.

        Returns
        -------
        concurrent.futures.Future
            Its `result` blocks, and must not be called on the bridge's own thread.

        Raises
        ------
        BridgeError
            After `close`.
        InvalidArgumentError
            When `coro` is nothing that can be awaited.

        Examples
        --------
        >>> async def double(number):
        ...     return 2 * number
        >>> with LoopThread() as bridge:
        ...     bridge.submit(double(21)).result()
        42
        """
        call = Call(as_coroutine(coro))
        try:
            self._send(call)
        except BaseException:
            call.cancel()
            raise
        return call

    def add_closer(self, closer: Closer) -> Callable[[], None]:
        """Have `closer` awaited on the loop by `close`, the latest added first.

        Parameters
        ----------
        closer : callable
            Takes nothing and returns an awaitable; given up after `grace_seconds`.

        Returns
        -------
        callable
            Takes the closer off again, without calling it.

        Raises
        ------
        BridgeError
            After `close`.
        """
        process = self._process()
        if process.closed:
            raise BridgeError(CLOSED)
        return process.closers.add(closer)

    @property
    def closed(self) -> bool:
        """Whether `close` was called in this process."""
        return self._process().closed

    def close(self) -> None:
        """Cancel every task, run the closers, end the loop and its thread.

        Called at the exit of the interpreter at the latest; threads and executors
        of Python have ended by then, so closers that need them want `close`.

        Raises
        ------
        BridgeError
            When called from the bridge's own thread, or after all is closed if a
            closer failed.
        """
        process = self._process()
        if process.on_loop_thread():
            raise BridgeError(
                "The bridge cannot be closed from its own thread; close it from the "
                "thread that uses it."
            )
        with process.lock:
            if process.closed:
                return
            if process.closers and process.loop is None:
                process.start()
            process.closed = True
        if process.loop is not None:
            process.wind_down(self._grace)
        _open_bridges.discard(self)
        process.closers.raise_failure()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        process = self._process()
        state = "closed" if process.closed else "open" if process.loop else "idle"
        return f"<LoopThread {state}>"

    def _process(self) -> LoopProcess:
        # setdefault is atomic: no lock that a fork could leave taken for ever. The
        # entry of the parent stays: to finalize its loop would disturb the parent's.
        pid = os.getpid()
        found = self._processes.get(pid)
        return found or self._processes.setdefault(pid, LoopProcess())

    def _send(self, call: Call[Any], *, blocking: bool = False) -> None:
        process = self._process()
        if blocking and process.on_loop_thread():
            raise BridgeError(OWN_THREAD)
        # Under the lock, so that what is sent is there for close to cancel.
        with process.lock:
            process.send(call)
        _open_bridges.add(self)

    def _finish_in_time(self, call: Call[Any], timeout: float | None) -> bool:
        __tracebackhide__ = True
        try:
            self._send(call, blocking=True)
            return block_until_done(call, timeout)
        except BaseException as exc:
            if call.cancel():
                with contextlib.suppress(KeyboardInterrupt):
                    block_until_done(call, self._grace)
            show_shortly(exc)
            raise

    def _give_up(self, call: Call[Any], reason: str) -> None:
        __tracebackhide__ = True
        call.cancel()
        ended = block_until_done(call, self._grace)
        error = call.failure()
        if error is not None or call.cancelled() or not ended:
            raise TimeoutError(reason) from error

    def _raise_if_closed(self, call: Call[Any]) -> None:
        if call.cancelled() and self.closed:
            raise BridgeError(CLOSED_MEANWHILE)


_open_bridges: set[LoopThread] = set()


@atexit.register
def _close_all() -> None:
    for bridge in list(_open_bridges):
        bridge.close()
