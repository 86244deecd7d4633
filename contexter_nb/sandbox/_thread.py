"""Services in a thread of this process, which ends when it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from contexter_nb.core import Clock, InvalidArgumentError
from contexter_nb.sandbox._faults import Faults, Schedule
from contexter_nb.sandbox._http import Limits
from contexter_nb.sandbox._knobs import Knobs
from contexter_nb.sandbox._log import Log, RequestSeen
from contexter_nb.sandbox._server import Server
from contexter_nb.sandbox._service import Service, base_path_of

GRACE_SECONDS = 5.0


class InThread:
    """Services, their knobs and their log; the `Running` of a sandbox."""

    def __init__(
        self,
        services: Sequence[Service],
        knobs: Knobs,
        port: int,
        clock: Clock,
        limits: Limits | None,
    ) -> None:
        self._clock = clock
        now = clock.now()
        self._faults = {each.name: Faults(knobs, now) for each in services}
        self._log = Log()
        self.paths: Mapping[str, str] = {
            each.name: base_path_of(each) for each in services
        }
        by_name = {each.name: each for each in services}
        server = Server(by_name, self._faults, self._log, clock, limits or Limits())
        self._thread = ServerThread(server, port)
        self.port = self._thread.port

    @property
    def alive(self) -> bool:
        """Whether it serves, as seen from this process."""
        return self._thread.alive

    def knobs(self) -> dict[str, Knobs]:
        """Return the knobs as they are now."""
        now = self._clock.now()
        return {name: each.knobs(now) for name, each in self._faults.items()}

    def turn(self, names: Sequence[str], changes: Mapping[str, Any]) -> None:
        """Turn some knobs of some services."""
        now = self._clock.now()
        for name in names:
            self._faults[name].turn(changes, now)

    def schedule(self, names: Sequence[str], steps: Schedule) -> None:
        """Turn all knobs of some services at times to come."""
        now = self._clock.now()
        for name in names:
            self._faults[name].schedule(steps, now)

    def log(self) -> tuple[RequestSeen, ...]:
        """Return the last requests."""
        return self._log.entries()

    def since(self, total: int) -> tuple[tuple[RequestSeen, ...], int]:
        """Return the requests after the first `total`, and how many there were."""
        return self._log.since(total)

    def total(self) -> int:
        """Return how many requests there were."""
        return self._log.total

    def end(self) -> None:
        """Ask the thread to end."""
        self._thread.end()

    def close(self) -> None:
        """End it and wait until it has ended."""
        self._thread.end()
        self._thread.join()


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
