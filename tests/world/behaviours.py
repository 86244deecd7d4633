"""Everything a server may do with a request, each a value that plays itself."""

from __future__ import annotations

import asyncio
import gzip
import json as jsonlib
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from tests.world.exchange import Exchange, Seen, chunk, head

Pairs = tuple[tuple[str, str], ...]
JSON = "application/json"
HTML = b"<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>"


class Behaviour(Protocol):
    """Plays one request's answer."""

    async def play(self, exchange: Exchange) -> None: ...


@dataclass(frozen=True, slots=True)
class Ok:
    """200 with JSON, or with bytes where `content` is given."""

    json: Any = None
    content: bytes | None = None
    headers: Pairs = ()
    content_type: str = JSON

    async def play(self, exchange: Exchange) -> None:
        body = self.content
        if body is None:
            body = jsonlib.dumps(self.json).encode()
        fields = (("Content-Type", self.content_type), *self.headers)
        await exchange.answer(200, fields, body)


@dataclass(frozen=True, slots=True)
class Status:
    """Any status; a `body` that is no bytes is sent as JSON. No type: none is said."""

    code: int
    headers: Pairs = ()
    body: Any = b""
    content_type: str | None = JSON

    async def play(self, exchange: Exchange) -> None:
        body = self.body
        if not isinstance(body, bytes):
            body = jsonlib.dumps(body).encode()
        fields = (("Content-Type", self.content_type),) if self.content_type else ()
        await exchange.answer(self.code, (*fields, *self.headers), body)


@dataclass(frozen=True, slots=True)
class ResetBefore:
    """RST after the request was read, before a byte of an answer."""

    async def play(self, exchange: Exchange) -> None:
        exchange.reset()


@dataclass(frozen=True, slots=True)
class CloseBefore:
    """FIN after the request was read, before a byte of an answer."""

    async def play(self, exchange: Exchange) -> None:
        exchange.finish()


@dataclass(frozen=True, slots=True)
class ResetInHeaders:
    """RST in the middle of a header field."""

    async def play(self, exchange: Exchange) -> None:
        await exchange.write(b"HTTP/1.1 200 OK\r\nContent-Ty")
        exchange.reset()


@dataclass(frozen=True, slots=True)
class ResetInBody:
    """RST after `sent_bytes` of a body of `declared_bytes`."""

    sent_bytes: int = 10
    declared_bytes: int = 1_000

    async def play(self, exchange: Exchange) -> None:
        length = str(self.declared_bytes)
        fields = [("Content-Type", JSON), ("Content-Length", length)]
        await exchange.write(head(200, fields) + b" " * self.sent_bytes)
        exchange.reset()


@dataclass(frozen=True, slots=True)
class TruncatedBody:
    """A body in good order, but `missing_bytes` shorter than its Content-Length."""

    content: bytes = b'{"whole": false'
    missing_bytes: int = 100

    async def play(self, exchange: Exchange) -> None:
        length = str(len(self.content) + self.missing_bytes)
        fields = [("Content-Type", JSON), ("Content-Length", length)]
        await exchange.write(head(200, fields) + self.content)
        exchange.finish()


@dataclass(frozen=True, slots=True)
class TruncatedChunked:
    """A chunked body that ends without its last chunk."""

    content: bytes = b'{"whole": false'

    async def play(self, exchange: Exchange) -> None:
        fields = [("Content-Type", JSON), ("Transfer-Encoding", "chunked")]
        await exchange.write(head(200, fields) + chunk(self.content))
        exchange.finish()


@dataclass(frozen=True, slots=True)
class BadChunk:
    """A chunked body whose chunk's length is no number."""

    async def play(self, exchange: Exchange) -> None:
        fields = [("Content-Type", JSON), ("Transfer-Encoding", "chunked")]
        await exchange.write(head(200, fields) + b"zz\r\n{}\r\n0\r\n\r\n")
        exchange.finish()


@dataclass(frozen=True, slots=True)
class SlowDrip:
    """A whole answer whose body comes a few bytes a tick."""

    bytes_per_tick: int = 1
    tick_seconds: float = 0.05
    content: bytes = b'{"drip": "drop"}'

    async def play(self, exchange: Exchange) -> None:
        length = str(len(self.content))
        fields = [("Content-Type", JSON), ("Content-Length", length)]
        await exchange.write(head(200, fields))
        for at in range(0, len(self.content), self.bytes_per_tick):
            await asyncio.sleep(self.tick_seconds)
            await exchange.write(self.content[at : at + self.bytes_per_tick])


@dataclass(frozen=True, slots=True)
class SlowHeaders:
    """A whole answer whose head comes a byte a tick."""

    tick_seconds: float = 0.05

    async def play(self, exchange: Exchange) -> None:
        for byte in head(200, [("Content-Type", JSON), ("Content-Length", "2")]):
            await asyncio.sleep(self.tick_seconds)
            await exchange.write(bytes([byte]))
        await exchange.write(b"{}")


@dataclass(frozen=True, slots=True)
class Hang:
    """Takes the request and never answers."""

    async def play(self, exchange: Exchange) -> None:
        await exchange.hang()


@dataclass(frozen=True, slots=True)
class HangInBody:
    """Sends the head and the first byte, and then nothing."""

    async def play(self, exchange: Exchange) -> None:
        fields = [("Content-Type", JSON), ("Content-Length", "100")]
        await exchange.write(head(200, fields) + b"{")
        await exchange.hang()


@dataclass(frozen=True, slots=True)
class Held:
    """Answers as `then` once the test calls `server.release()`."""

    then: Behaviour = Ok()

    async def play(self, exchange: Exchange) -> None:
        await exchange.releases.acquire()
        await self.then.play(exchange)


@dataclass(frozen=True, slots=True)
class HTMLWith200:
    """A page of a proxy, or of a hotel's network, with the status of success."""

    async def play(self, exchange: Exchange) -> None:
        fields = [("Content-Type", "text/html; charset=utf-8")]
        await exchange.answer(200, fields, HTML)


@dataclass(frozen=True, slots=True)
class BigErrorBody:
    """An error status with a very long text."""

    size_bytes: int = 1_000_000
    code: int = 500

    async def play(self, exchange: Exchange) -> None:
        fields = [("Content-Type", "text/plain")]
        await exchange.answer(self.code, fields, b"e" * self.size_bytes)


@dataclass(frozen=True, slots=True)
class EndlessBody:
    """A chunked body without an end, as fast as it is read."""

    code: int = 200

    async def play(self, exchange: Exchange) -> None:
        fields = [("Content-Type", JSON), ("Transfer-Encoding", "chunked")]
        await exchange.write(head(self.code, fields))
        while True:
            await exchange.write(chunk(b" " * 65_536))
            await asyncio.sleep(0)  # a writer that never has to wait starves the loop


@dataclass(frozen=True, slots=True)
class EndlessHeaders:
    """A head without an end, as fast as it is read."""

    async def play(self, exchange: Exchange) -> None:
        await exchange.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            await exchange.write(b"X-Filler: " + b"f" * 8_000 + b"\r\n")
            await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class KeepAliveClosed:
    """Answers in full, says nothing of closing, and closes.

    At once; or, with `on_reuse`, when the next request arrives on the connection, which
    is what a client meets who sends just before the FIN reaches it. That request is
    recorded, gets no answer and takes no place in the script.
    """

    on_reuse: bool = False
    json: Any = None

    async def play(self, exchange: Exchange) -> None:
        await Ok(self.json).play(exchange)
        if self.on_reuse:
            exchange.drops_next_request = True
        else:
            exchange.finish()


@dataclass(frozen=True, slots=True)
class Redirect:
    """Points elsewhere."""

    to: str
    code: int = 302

    async def play(self, exchange: Exchange) -> None:
        await exchange.answer(self.code, [("Location", self.to)], b"")


@dataclass(frozen=True, slots=True)
class RedirectLoop:
    """Points at itself."""

    code: int = 302

    async def play(self, exchange: Exchange) -> None:
        await Redirect(exchange.seen.target, self.code).play(exchange)


@dataclass(frozen=True, slots=True)
class GzipBomb:
    """A small answer that becomes a large one when it is decompressed."""

    expanded_bytes: int = 100_000_000

    async def play(self, exchange: Exchange) -> None:
        fields = [("Content-Type", JSON), ("Content-Encoding", "gzip")]
        await exchange.answer(200, fields, _bomb(self.expanded_bytes))


@lru_cache(maxsize=4)
def _bomb(expanded_bytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    full, rest = divmod(expanded_bytes, 1_000_000)
    parts = [packer.compress(b" " * 1_000_000) for _ in range(full)]
    return b"".join([*parts, packer.compress(b" " * rest), packer.flush()])


@dataclass(frozen=True, slots=True)
class Gzipped:
    """JSON in gzip, as it should be."""

    json: Any = None

    async def play(self, exchange: Exchange) -> None:
        fields = [("Content-Type", JSON), ("Content-Encoding", "gzip")]
        await exchange.answer(
            200, fields, gzip.compress(jsonlib.dumps(self.json).encode())
        )


@dataclass(frozen=True, slots=True)
class BadGzip:
    """Says gzip and is none; `cut` is gzip at first, but ends too early."""

    cut: bool = False

    async def play(self, exchange: Exchange) -> None:
        whole = gzip.compress(b'{"words": "' + bytes(range(48, 58)) * 100 + b'"}')
        body = whole[: len(whole) // 2] if self.cut else b'{"plain": true}'
        fields = [("Content-Type", JSON), ("Content-Encoding", "gzip")]
        await exchange.answer(200, fields, body)


@dataclass(frozen=True, slots=True)
class NotHTTP:
    """Another protocol answers on this port."""

    content: bytes = b"SSH-2.0-OpenSSH_9.6\r\n"

    async def play(self, exchange: Exchange) -> None:
        await exchange.write(self.content)
        exchange.finish()


@dataclass(frozen=True, slots=True)
class WrongContentType:
    """Says one type and sends another: words that are said to be JSON, say."""

    content: bytes = b"plain words"
    declared: str = JSON

    async def play(self, exchange: Exchange) -> None:
        await exchange.answer(200, [("Content-Type", self.declared)], self.content)


@dataclass(frozen=True, slots=True)
class NotUTF8:
    """JSON, but in Latin-1 and not in UTF-8."""

    async def play(self, exchange: Exchange) -> None:
        body = '{"name": "Jürgen Müßig"}'.encode("latin-1")
        await exchange.answer(200, [("Content-Type", JSON)], body)


@dataclass(frozen=True, slots=True)
class DelayThen:
    """Waits, and then does as `then` does."""

    seconds: float
    then: Behaviour = Ok()

    async def play(self, exchange: Exchange) -> None:
        await asyncio.sleep(self.seconds)
        await self.then.play(exchange)


@dataclass(frozen=True, slots=True)
class ByRequest:
    """Does what `choose` makes of the request."""

    choose: Callable[[Seen], Behaviour]

    async def play(self, exchange: Exchange) -> None:
        await self.choose(exchange.seen).play(exchange)


class Script(Protocol):
    """Says what becomes of each request of a path."""

    def at(self, number: int) -> Behaviour:
        """Return what becomes of the request of this number, counted from 0."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """One behaviour a request; the last one for all that follow."""

    steps: Iterable[Behaviour]

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))

    def at(self, number: int) -> Behaviour:
        steps = tuple(self.steps)
        return steps[min(number, len(steps) - 1)]


@dataclass(frozen=True, slots=True)
class Storm:
    """An error status for the first `count` requests, then `then`."""

    count: int
    code: int = 429
    headers: Pairs = (("Retry-After", "1"),)
    then: Behaviour = Ok()

    def at(self, number: int) -> Behaviour:
        refused = Status(self.code, self.headers, {"error": "too much"})
        return refused if number < self.count else self.then
