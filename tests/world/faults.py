"""A raw HTTP server on loopback that misbehaves as it is told, and notes what it saw.

Every answer is written by hand, so that it can be wrong in every way. It runs on the
caller's loop, which must be a real one (`tests.loops.run_really`):

    async with fault_server(Status(503), Ok({"a": 1})) as server:
        ...                             # first 503, from then on the JSON
    async with fault_server(paths={"/slow": Hang()}) as server:
        ...                             # 404 elsewhere
    with fault_server_in_thread(Ok()) as server:
        ...                             # on a loop of its own, for synchronous tests
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

from contexter_nb.core import Headers
from tests.world.behaviours import (
    BadChunk,
    BadGzip,
    Behaviour,
    BigErrorBody,
    ByRequest,
    CloseBefore,
    DelayThen,
    EndlessBody,
    EndlessHeaders,
    GzipBomb,
    Gzipped,
    Hang,
    HangInBody,
    Held,
    HTMLWith200,
    KeepAliveClosed,
    NotHTTP,
    NotUTF8,
    Ok,
    Redirect,
    RedirectLoop,
    ResetBefore,
    ResetInBody,
    ResetInHeaders,
    Script,
    Sequence,
    SlowDrip,
    SlowHeaders,
    Status,
    Storm,
    TruncatedBody,
    TruncatedChunked,
    WrongContentType,
)
from tests.world.exchange import Exchange, Seen, reset
from tests.world.ports import black_hole, closed_port
from tests.world.retry_after import RetryAfter, retry_after_forms

__all__ = [
    "BadChunk",
    "BadGzip",
    "Behaviour",
    "BigErrorBody",
    "black_hole",
    "ByRequest",
    "closed_port",
    "CloseBefore",
    "DelayThen",
    "EndlessBody",
    "EndlessHeaders",
    "fault_server",
    "fault_server_in_thread",
    "FaultServer",
    "GzipBomb",
    "Gzipped",
    "Hang",
    "HangInBody",
    "Held",
    "HTMLWith200",
    "KeepAliveClosed",
    "NotHTTP",
    "NotUTF8",
    "Ok",
    "Redirect",
    "RedirectLoop",
    "ResetBefore",
    "ResetInBody",
    "ResetInHeaders",
    "retry_after_forms",
    "RetryAfter",
    "Script",
    "Seen",
    "Sequence",
    "SlowDrip",
    "SlowHeaders",
    "Status",
    "Storm",
    "TruncatedBody",
    "TruncatedChunked",
    "WrongContentType",
]

PATIENCE_SECONDS = 10.0
_MAX_BUFFER = 64 * 1024 * 1024
_Plan = Behaviour | Script


class _Watched(asyncio.StreamReaderProtocol):
    """A stream whose end is an event, whether or not somebody reads."""

    def __init__(self, opened: Callable[[_Watched], None]) -> None:
        self.reader = asyncio.StreamReader(limit=_MAX_BUFFER)
        self.gone = asyncio.Event()
        self.writer: asyncio.StreamWriter
        self._opened = opened
        super().__init__(self.reader, self._begin)

    def _begin(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.writer = writer
        self._opened(self)

    def eof_received(self) -> bool | None:
        self.gone.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        super().connection_lost(exc)


class FaultServer:
    """The server, and what it has seen so far.

    Attributes
    ----------
    connections : int
        Connections opened so far, those reset at once included.
    disconnects : int
        Requests whose client left before they were answered.
    open_requests, max_open_requests : int
        Requests that wait for their answer: now, and at most so far.
    sent_bytes : int
        Written for all answers, heads included.
    failures : list of Exception
        What went wrong in here: a plan's own mistake, a request that is no HTTP.
    """

    def __init__(
        self,
        default: _Plan,
        paths: Mapping[str, _Plan],
        reset_connections: int,
    ) -> None:
        self.connections = 0
        self.disconnects = 0
        self.open_requests = 0
        self.max_open_requests = 0
        self.sent_bytes = 0
        self._port = 0
        self._default = default
        self._paths = dict(paths)
        self._resets_left = reset_connections
        self._counts: Counter[str] = Counter()
        self._seen: list[Seen] = []
        self._streams: dict[asyncio.Task[None], _Watched] = {}
        self._changed = asyncio.Event()
        self.failures: list[Exception] = []
        self._releases = asyncio.Semaphore(0)
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The port."""
        return self._port

    @property
    def requests(self) -> tuple[Seen, ...]:
        """All requests in the order of their arrival."""
        return tuple(self._seen)

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        return len(self._streams)

    def on(self, path: str, plan: _Plan) -> None:
        """Give a path another plan, from its next request on."""
        self._paths[path] = plan
        self._counts[path] = 0

    def script(self, *steps: Behaviour) -> None:
        """Give all paths that have no plan of their own another one."""
        self._default = Sequence(steps)
        self._counts[""] = 0

    def release(self, count: int = 1) -> None:
        """Let `count` requests go on that are, or will be, `Held`."""
        for _ in range(count):
            self._releases.release()

    async def wait_requests(self, count: int = 1) -> None:
        """Wait until `count` requests have arrived in all."""
        await self._wait(lambda: len(self._seen) >= count, f"{count} requests")

    async def wait_open(self, count: int) -> None:
        """Wait until exactly `count` requests wait for their answer."""
        await self._wait(lambda: self.open_requests == count, f"{count} open requests")

    async def wait_disconnect(self, count: int = 1) -> None:
        """Wait until `count` clients in all left before they were answered."""
        await self._wait(lambda: self.disconnects >= count, f"{count} disconnects")

    async def wait_closed_connections(self) -> None:
        """Wait until no connection is open."""
        await self._wait(lambda: not self._streams, "the end of all connections")

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1; after a stop, on the same one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Watched(self._accept), "127.0.0.1", self._port, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and break off all connections."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._streams)
        for stream in list(self._streams.values()):
            stream.writer.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _wait(self, happened: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not happened():
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"{what} never came; seen: {len(self._seen)} requests, "
                f"{self.open_requests} open, {self.disconnects} disconnects"
            ) from None

    def _tell(self) -> None:
        """Wake all who wait for something to have happened."""
        self._changed.set()
        self._changed = asyncio.Event()

    def _accept(self, stream: _Watched) -> None:
        self.connections += 1
        if self._resets_left > 0:
            self._resets_left -= 1
            reset(stream.writer)
            return
        task = asyncio.get_running_loop().create_task(
            self._serve(stream, self.connections)
        )
        self._streams[task] = stream
        task.add_done_callback(self._forget)

    async def _serve(self, stream: _Watched, connection: int) -> None:
        dropping = False
        try:
            while seen := await self._read(stream.reader, connection):
                self._seen.append(seen)
                self._tell()
                if dropping:
                    break
                exchange = Exchange(seen, stream.writer, self._releases)
                await self._answer(exchange, stream.gone)
                dropping = exchange.drops_next_request
                said_close = seen.headers.get("connection", "").lower() == "close"
                if said_close or not exchange.keeps_alive:
                    break
        finally:
            stream.writer.close()
            with contextlib.suppress(OSError):
                await stream.writer.wait_closed()

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._streams[task]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self.failures.append(error)
        self._tell()

    async def _answer(self, exchange: Exchange, gone: asyncio.Event) -> None:
        """Play the answer until it is over or the client has left."""
        self.open_requests += 1
        self.max_open_requests = max(self.max_open_requests, self.open_requests)
        self._tell()
        playing = asyncio.ensure_future(self._plan(exchange.seen).play(exchange))
        leaving = asyncio.ensure_future(gone.wait())
        try:
            await asyncio.wait([playing, leaving], return_when="FIRST_COMPLETED")
            finished = playing.done()
        finally:
            playing.cancel()
            leaving.cancel()
            outcome = await asyncio.gather(playing, leaving, return_exceptions=True)
            self.open_requests -= 1
            self.sent_bytes += exchange.sent_bytes
        error = outcome[0]
        lost = isinstance(error, ConnectionError)
        if not finished or lost:
            self.disconnects += 1
            exchange.keeps_alive = False
        self._tell()
        if isinstance(error, Exception) and not lost:
            raise error

    def _plan(self, seen: Seen) -> Behaviour:
        key = seen.path if seen.path in self._paths else ""
        plan = self._paths.get(seen.path, self._default)
        number = self._counts[key]
        self._counts[key] += 1
        # Not isinstance(plan, Script): the two protocols are told apart by this name.
        return plan.at(number) if hasattr(plan, "at") else plan

    async def _read(self, reader: asyncio.StreamReader, connection: int) -> Seen | None:
        try:
            raw = await reader.readuntil(b"\r\n\r\n")
            lines = raw.decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ", 2)
            pairs = [line.partition(":") for line in lines[1:] if line]
            headers = Headers([(name, value.strip()) for name, _, value in pairs])
            body = await _read_body(reader, headers)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return Seen(
            number=len(self._seen) + 1,
            connection=connection,
            at=asyncio.get_running_loop().time(),
            method=method,
            target=target,
            headers=headers,
            body=body,
        )


async def _read_body(reader: asyncio.StreamReader, headers: Headers) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return b"".join(parts)


@contextlib.asynccontextmanager
async def fault_server(
    *script: Behaviour,
    paths: Mapping[str, _Plan] | None = None,
    default: _Plan | None = None,
    reset_connections: int = 0,
) -> AsyncIterator[FaultServer]:
    """Run a server while the block runs.

    `script` is one behaviour a request, whatever its path, the last for all that
    follow; `default` is a plan of another kind in its place (`Storm`, `Sequence`).
    `paths` have plans, and counts, of their own; without a script, 404 elsewhere. The
    first `reset_connections` connections get RST before anything is read.
    """
    plan: _Plan
    if default is not None:
        plan = default
    elif script:
        plan = Sequence(script)
    else:
        plan = Ok() if not paths else Status(404, body={"error": "no such path"})
    server = FaultServer(plan, paths or {}, reset_connections)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
    if server.failures:  # a mistake in a test's own plan must not pass unseen
        raise server.failures[0]


@contextlib.contextmanager
def fault_server_in_thread(
    *script: Behaviour,
    paths: Mapping[str, _Plan] | None = None,
    default: _Plan | None = None,
) -> Iterator[FaultServer]:
    """Run a server on a loop and a thread of its own; its waits are for that loop."""
    ready = threading.Event()
    found: list[FaultServer] = []
    loop = asyncio.new_event_loop()
    ending = asyncio.Event()

    async def serve() -> None:
        async with fault_server(*script, paths=paths, default=default) as server:
            found.append(server)
            ready.set()
            await ending.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run, name="fault-server")
    thread.start()
    ready.wait()
    try:
        assert found, "the server did not start"
        yield found[0]
    finally:
        with contextlib.suppress(RuntimeError):  # it may have ended by itself
            loop.call_soon_threadsafe(ending.set)
        thread.join()
