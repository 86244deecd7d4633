"""One request as it came over the wire, and the raw means to answer or break it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from contexter_nb.core import Headers

Fields = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that arrived whole.

    `number` counts all requests from 1 in their order, `connection` the connections
    from 1, `at` is the loop's monotonic time.
    """

    number: int
    connection: int
    at: float
    method: str
    target: str
    headers: Headers
    body: bytes = field(repr=False)

    @property
    def path(self) -> str:
        """The path without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query's fields; the last of a name counts."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def json(self) -> Any:
        """Decode the body as JSON."""
        return json.loads(self.body)


def head(code: int, fields: Fields) -> bytes:
    """Return a status line and header fields, the empty line included."""
    known = {each.value: each.phrase for each in HTTPStatus}
    lines = [f"HTTP/1.1 {code} {known.get(code, '')}"]
    lines += [f"{name}: {value}" for name, value in fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Exchange:
    """What a behaviour answers with: bytes, silence, FIN or RST."""

    def __init__(
        self, seen: Seen, writer: asyncio.StreamWriter, releases: asyncio.Semaphore
    ) -> None:
        self.seen = seen
        self.releases = releases
        self.sent_bytes = 0
        self.keeps_alive = True
        self.drops_next_request = False
        self._writer = writer

    async def write(self, data: bytes) -> None:
        """Send bytes as they are; waits while the client does not read."""
        self._writer.write(data)
        self.sent_bytes += len(data)
        await self._writer.drain()

    async def answer(self, code: int, fields: Fields, body: bytes) -> None:
        """Send a whole and honest answer."""
        told = [*fields]
        if code not in (204, 304):
            told.append(("Content-Length", str(len(body))))
        else:
            body = b""
        await self.write(
            head(code, told) + (body if self.seen.method != "HEAD" else b"")
        )

    async def hang(self) -> None:
        """Never go on; the client's leaving or the server's end cancels this."""
        await asyncio.get_running_loop().create_future()

    def finish(self) -> None:
        """Close in good order after what was sent."""
        self.keeps_alive = False

    def reset(self) -> None:
        """Break the connection off: RST in place of FIN."""
        self.keeps_alive = False
        reset(self._writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """Send RST; what is still in buffers here is lost."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
