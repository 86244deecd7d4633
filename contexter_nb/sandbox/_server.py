"""Services behind one port of 127.0.0.1: faults, then the service, then the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qsl

from contexter_nb.core import Clock, scrub
from contexter_nb.sandbox._faults import Faults
from contexter_nb.sandbox._http import (
    Connection,
    Limits,
    UnfitRequestError,
)
from contexter_nb.sandbox._log import Log, RequestSeen, shown_path
from contexter_nb.sandbox._service import (
    Reply,
    Request,
    Service,
    limit_fields_of,
)

HOST = "127.0.0.1"
_log = logging.getLogger("contexter_nb.sandbox")


class Server:
    """Serves on the loop on which it was started; the rest may be read from others."""

    def __init__(
        self,
        services: Mapping[str, Service],
        faults: Mapping[str, Faults],
        log: Log,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._services = services
        self._faults = faults
        self._seen = log
        self._clock = clock
        self._limits = limits
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> int:
        """Listen on a port, 0 for any free one, and return it."""
        self._server = await asyncio.start_server(self._accept, HOST, port, backlog=512)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def stop(self) -> None:
        """Free the port and break off all connections."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection = Connection(reader, writer, self._limits)
        most = self._limits.max_connections
        # Beyond the limit the answer is 503; beyond twice the limit there is none.
        if len(self._tasks) >= 2 * most:
            connection.drop()
            return
        crowded = len(self._tasks) >= most
        serving = self._serve(connection, crowded=crowded)
        task = asyncio.get_running_loop().create_task(serving)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: Connection, *, crowded: bool) -> None:
        try:
            while await self._serve_one(connection, crowded=crowded):
                pass
            await connection.close()
        except (OSError, TimeoutError):
            connection.drop()  # the client is gone, or does not read its answer
        except asyncio.CancelledError:
            connection.drop()
            raise
        except Exception as error:
            connection.drop()
            _log.error("a connection failed: %s", scrub(repr(error)))

    async def _serve_one(self, connection: Connection, *, crowded: bool) -> bool:
        """Serve the next request; return whether another may follow."""
        try:
            arrived = await connection.read_request()
        except UnfitRequestError as unfit:
            reply = _plain_error(unfit.status, str(unfit))
            await connection.write_reply(reply, self._clock.wall(), "")
            return False
        if arrived is None:
            return False
        at = self._clock.wall()
        name, path, query = _split(arrived.target)
        if name not in self._services:
            name, path = "", arrived.target.partition("?")[0]
        request = Request(
            method=arrived.method,
            path=path,
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=arrived.headers,
            body=arrived.body,
        )
        status: int | None = None
        try:
            reply_or_none = await self._reply(connection, name, request, crowded)
            if reply_or_none is None:
                connection.drop()
                return False
            status = reply_or_none.status
        finally:
            # Before it is sent: who has the answer finds the request in the log.
            self._seen.add(
                RequestSeen(
                    at=at,
                    service=name,
                    method=request.method[:20],
                    path=shown_path(path, query),
                    status=status,
                    key=self._seen.fingerprint(request.key),
                )
            )
        return await connection.write_reply(
            reply_or_none, self._clock.wall(), arrived.method, closing=crowded
        )

    async def _reply(
        self, connection: Connection, name: str, request: Request, crowded: bool
    ) -> Reply | None:
        """Return the reply, or None where the connection is to be broken off."""
        if crowded:
            return _plain_error(503, "too many connections")
        if not name:
            return self._index(request)
        answering = asyncio.ensure_future(self._answer(name, request))
        leaving = asyncio.ensure_future(connection.until_gone())
        try:
            await asyncio.wait([answering, leaving], return_when="FIRST_COMPLETED")
            return answering.result() if answering.done() else None
        finally:
            answering.cancel()
            leaving.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)

    async def _answer(self, name: str, request: Request) -> Reply | None:
        service = self._services[name]
        faults, now, key = self._faults[name], self._clock.now(), request.key
        verdict = faults.decide(now, key)
        if verdict.delay_seconds > 0:
            await self._clock.sleep(verdict.delay_seconds)
        if verdict.dropped:
            return None
        if verdict.status is not None:
            reply = service.refuse(verdict.status, verdict.message)
            wait, limit = verdict.retry_after_seconds, verdict.limit_per_minute
            if wait is None or limit is None:
                return reply
            told = limit_fields_of(service, limit, wait, self._clock.wall())
            return reply.with_headers(told)
        request = replace(
            request,
            knobs=faults.knobs(now),
            take_tokens=lambda tokens: faults.take_tokens(
                self._clock.now(), key, tokens
            ),
        )
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                return await service.answer(request)
        except TimeoutError:
            return service.refuse(503, "the answer took too long")
        except Exception as error:
            _log.error("service %r failed: %s", name, scrub(repr(error)))
            return service.refuse(500, "the service failed")

    def _index(self, request: Request) -> Reply:
        if request.path == "/" and request.method not in ("GET", "HEAD"):
            refused = _plain_error(405, f"{request.method[:20]} is not allowed here")
            return refused.with_headers({"Allow": "GET"})
        if request.path != "/":
            known = ", ".join(f"/{name}" for name in self._services)
            return _plain_error(404, f"no service has this path; there are {known}")
        return Reply.of({"services": {name: f"/{name}" for name in self._services}})


def _split(target: str) -> tuple[str, str, str]:
    """Return service, path below it and query of a request's target.

    >>> _split("/catalog/v1/libraries?page=2")
    ('catalog', '/v1/libraries', 'page=2')
    """
    path, _, query = target.partition("#")[0].partition("?")
    if "://" in path:  # absolute form, as proxies get it
        path = "/" + path.partition("://")[2].partition("/")[2]
    name, _, rest = path.removeprefix("/").partition("/")
    return name, f"/{rest}", query


def _plain_error(status: int, message: str) -> Reply:
    return Reply.of({"error": {"status": status, "message": message}}, status)
