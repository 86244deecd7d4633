"""A server's loop in a thread of its own, which ends when it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from concurrent.futures import Future

from contexter_nb.core import InvalidArgumentError
from contexter_nb.sandbox._server import Server

GRACE_SECONDS = 5.0


class ServerThread:
    """A server's loop and thread; knows nothing of the sandbox, which may go first."""

    def __init__(self, server: Server, port: int) -> None:
        self._server = server
        self._started: Future[int] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._process = os.getpid()
        self._thread = threading.Thread(
            target=self._run, args=(port,), name="contexter-sandbox", daemon=True
        )
        self._thread.start()
        try:
            self.port = self._started.result()
        except (OSError, OverflowError, TypeError) as error:
            self._thread.join(GRACE_SECONDS)
            raise InvalidArgumentError(
                f"port {port!r} cannot be used ({error}); give another one, or 0 for "
                "any that is free."
            ) from error

    @property
    def alive(self) -> bool:
        """Whether it serves in this process."""
        return self._process == os.getpid() and self._thread.is_alive()

    def end(self) -> None:
        """Ask the thread to end, from any thread and as often as wanted."""
        # A forked child has the loop's memory and the parent's wake-up socket.
        if self.alive and self._loop is not None and self._ending is not None:
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                self._loop.call_soon_threadsafe(self._ending.set)

    def join(self) -> None:
        """Wait until the thread has ended, at most five seconds."""
        own = threading.current_thread() is self._thread
        if self._process == os.getpid() and not own:
            self._thread.join(GRACE_SECONDS)

    def _run(self, port: int) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve(port))

    async def _serve(self, port: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        try:
            found = await self._server.start(port)
        except BaseException as error:
            self._started.set_exception(error)
            return
        self._started.set_result(found)
        await self._ending.wait()
        await self._server.stop()
