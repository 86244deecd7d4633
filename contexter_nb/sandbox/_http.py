"""HTTP/1.1 on one connection: h11 knows the protocol, this bounds it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any

import h11

from contexter_nb.core import Headers
from contexter_nb.sandbox._service import Reply

_PIECE_BYTES = 64 * 1024
_PHRASES = {each.value: each.phrase for each in HTTPStatus}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the clients of a sandbox may use up.

    Attributes
    ----------
    max_body_bytes, max_head_bytes : int
        Of a request; 413 and 431 beyond.
    max_connections : int
        At once; 503 beyond, and no answer beyond twice as many.
    idle_seconds : float
        Until a request begins.
    arrive_seconds : float
        Until its body is whole; 408 beyond.
    answer_seconds : float
        For the service, without the latency it is told to have; 503 beyond.
    write_seconds : float
        For the client to read its answer.
    """

    max_body_bytes: int = 16 * 1024 * 1024
    max_head_bytes: int = 32 * 1024
    max_connections: int = 256
    idle_seconds: float = 60.0
    arrive_seconds: float = 10.0
    answer_seconds: float = 30.0
    write_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A request, whole, as it came over the wire."""

    method: str
    target: str
    headers: Headers
    body: bytes


class UnfitRequestError(Exception):
    """A request that is answered with an error before any service sees it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Connection:
    """One client's connection."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limits: Limits,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._wire = h11.Connection(
            h11.SERVER, max_incomplete_event_size=limits.max_head_bytes
        )

    async def read_request(self) -> Arrived | None:
        """Return the next request, or None where the client is done.

        Raises UnfitRequestError for what is no HTTP, too long, or too slow.
        """
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                head = await self._next_event()
        except TimeoutError:
            return None
        if not isinstance(head, h11.Request):
            return None
        try:
            async with asyncio.timeout(self._limits.arrive_seconds):
                body = await self._read_body()
        except TimeoutError as error:
            raise UnfitRequestError(408, "the request came too slowly") from error
        fields = [
            (name.decode("ascii"), value.decode("latin-1"))
            for name, value in head.headers
        ]
        return Arrived(
            method=head.method.decode("ascii"),
            target=head.target.decode("ascii"),
            headers=Headers(fields),
            body=body,
        )

    async def until_gone(self) -> None:
        """Return when the client has left; what it sends meanwhile is kept."""
        kept = 0
        with contextlib.suppress(OSError):
            while kept <= _PIECE_BYTES:
                data = await self._reader.read(_PIECE_BYTES)
                if not data:
                    return
                kept += len(data)
                self._wire.receive_data(data)
            # It sends without waiting for answers; its end shows when writing.
            await asyncio.get_running_loop().create_future()

    async def write_reply(
        self, reply: Reply, wall: datetime, method: str, *, closing: bool = False
    ) -> bool:
        """Send a reply; return whether another request may follow."""
        fields = reply.headers.with_fields(
            {"Date": format_datetime(wall, usegmt=True), "Server": "contexter-sandbox"}
        )
        body = b"" if reply.status in (204, 304) else reply.body
        if reply.status not in (204, 304):
            fields = fields.with_fields({"Content-Length": str(len(body))})
        if closing or self._wire.their_state is not h11.DONE:
            fields = fields.with_fields({"Connection": "close"})
        head = h11.Response(
            status_code=reply.status,
            reason=_PHRASES.get(reply.status, ""),
            headers=list(fields.items()),
        )
        shown = b"" if method == "HEAD" else body
        await self._send(head, h11.Data(data=shown), h11.EndOfMessage())
        if self._wire.our_state is not h11.DONE:
            return False
        if self._wire.their_state is not h11.DONE:
            return False
        self._wire.start_next_cycle()
        return True

    def drop(self) -> None:
        """Break the connection off with RST."""
        sock = self._writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close in good order; what was sent arrives even if more came in."""
        with contextlib.suppress(OSError, TimeoutError):
            if self._wire.their_state not in (h11.DONE, h11.IDLE, h11.CLOSED):
                await self._drain_input()
            self._writer.close()
            async with asyncio.timeout(self._limits.write_seconds):
                await self._writer.wait_closed()

    async def _drain_input(self) -> None:
        # Closing with unread input makes TCP send RST, and the client may then lose
        # the error that it was just told.
        if self._writer.can_write_eof():
            self._writer.write_eof()
        async with asyncio.timeout(1.0):
            for _ in range(1_024):
                if not await self._reader.read(_PIECE_BYTES):
                    break

    async def _read_body(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            if self._wire.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            event = await self._next_event()
            if isinstance(event, h11.EndOfMessage):
                return b"".join(parts)
            if not isinstance(event, h11.Data):
                raise UnfitRequestError(400, "the request ended too early")
            size += len(event.data)
            if size > self._limits.max_body_bytes:
                most = self._limits.max_body_bytes
                raise UnfitRequestError(413, f"the body passes {most} bytes")
            parts.append(bytes(event.data))

    async def _next_event(self) -> Any:
        while True:
            try:
                event = self._wire.next_event()
            except h11.RemoteProtocolError as error:
                raise UnfitRequestError(
                    error.error_status_hint, "this is no proper HTTP request"
                ) from error
            if event is not h11.NEED_DATA:
                return event
            # h11 measures a head only while it is incomplete: in larger pieces, a
            # head beyond the limit would pass.
            in_head = self._wire.their_state is h11.IDLE
            piece = self._limits.max_head_bytes + 1 if in_head else _PIECE_BYTES
            self._wire.receive_data(await self._reader.read(piece))

    async def _send(self, *events: Any) -> None:
        self._writer.write(b"".join(self._wire.send(each) or b"" for each in events))
        async with asyncio.timeout(self._limits.write_seconds):
            await self._writer.drain()
