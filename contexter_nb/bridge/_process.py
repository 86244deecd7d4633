"""What a loop-thread bridge has in one process: a forked child begins afresh."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import Any

from contexter_nb.bridge._call import CLOSED, Call
from contexter_nb.bridge._closers import Closers
from contexter_nb.bridge._loop import OwnLoop
from contexter_nb.bridge._wait import block_until_done, cancel_others, join, until_done
from contexter_nb.core import BridgeError


class LoopProcess:
    """The loop, thread and closers of a bridge in the process that began them."""

    def __init__(self) -> None:
        # Reentrant: a finalizer that submits may run while this thread holds it.
        self.lock = threading.RLock()
        self.closed = False
        self.closers = Closers()
        self.loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._calls: set[Call[Any]] = set()
        self._serving = True

    def on_loop_thread(self) -> bool:
        """Return whether the caller is a coroutine, or a callback, of this loop."""
        return self._thread is threading.current_thread()

    def send(self, call: Call[Any]) -> None:
        """Start `call` on the loop, and the loop with the first call."""
        if self.closed:
            raise BridgeError(CLOSED)
        self._calls.add(call)
        call.add_done_callback(lambda _: self._calls.discard(call))
        call.send(self.loop or self.start())

    def start(self) -> asyncio.AbstractEventLoop:
        """Start the thread; its loop takes calls from now on."""
        own = OwnLoop()
        self._thread = threading.Thread(
            target=self._serve, args=(own,), name="contexter-loop", daemon=True
        )
        self.loop = own.loop
        try:
            self._thread.start()
        except RuntimeError as error:
            self.loop = None
            own.close()
            raise BridgeError(
                "no thread can be started here; await the coroutine instead"
            ) from error
        return own.loop

    def wind_down(self, grace: float) -> None:
        """End tasks, closers, loop and thread, none waited for without a limit."""
        loop, thread = self.loop, self._thread
        assert loop is not None and thread is not None
        steps = 4 + len(self.closers)
        ending = Call(self._end_tasks(grace))
        try:
            ending.send(loop)
            block_until_done(ending, steps * grace)
        finally:
            loop.call_soon_threadsafe(self._stop)
            join(thread, grace)
            for call in list(self._calls):
                call.abandon()

    def _serve(self, own: OwnLoop) -> None:
        while self._serving:
            # A coroutine's own sys.exit() goes to its caller, not to this thread.
            with contextlib.suppress(KeyboardInterrupt, SystemExit):
                own.loop.run_forever()
        own.close()

    def _stop(self) -> None:
        self._serving = False
        asyncio.get_running_loop().stop()

    async def _end_tasks(self, grace: float) -> None:
        await cancel_others(grace)
        await self.closers.run(grace)
        await cancel_others(grace)
        ending = asyncio.ensure_future(asyncio.get_running_loop().shutdown_asyncgens())
        await until_done(ending, grace)
