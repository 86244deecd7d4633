"""What comes over the wire may be anything: it is answered, bounded, or hung up on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from contexter_nb.sandbox import (
    Knobs,
    LibraryCatalog,
    Limits,
    Reply,
    Request,
    Sandbox,
)
from tests.loops import FakeClock

LIMITS = Limits(
    max_body_bytes=1_000,
    max_head_bytes=4_096,
    max_connections=3,
    idle_seconds=0.5,
    arrive_seconds=0.2,
    write_seconds=1.0,
)
GET = b"GET /catalog/v1/libraries/rich HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /catalog/v1/search HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Give a sandbox with tight limits."""
    with Sandbox([LibraryCatalog()], Knobs(), limits=LIMITS) as opened:
        yield opened


@contextlib.contextmanager
def connected(box: Sandbox) -> Iterator[socket.socket]:
    """Give a raw connection."""
    port = int(box.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as opened:
        yield opened


def until_closed(opened: socket.socket) -> bytes:
    """Return all that comes."""
    got = b""
    while part := opened.recv(65_536):
        got += part
    return got


def said(box: Sandbox, data: bytes) -> bytes:
    """Send bytes on a connection of their own and return all that comes."""
    with connected(box) as opened:
        opened.sendall(data)
        return until_closed(opened)


def status(answer: bytes) -> int:
    """Return the status of an answer; 0 where there is none."""
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (GET + b"bad header\r\n\r\n", 400),
        (GET + b"X: " + b"x" * 8_000 + b"\r\n\r\n", 431),
        (POST + b"Content-Length: -1\r\n\r\n", 400),
        (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    ],
)
def test_what_is_no_http_is_told_so(box: Sandbox, data: bytes, code: int) -> None:
    """The answer is JSON, the connection is closed, and the server lives on."""
    answer = said(box, data)
    assert status(answer) == code
    assert b"connection: close" in answer.lower()
    assert b'{"error":' in answer
    assert httpx.get(box.url).is_success


def test_a_body_beyond_the_limit_is_413(box: Sandbox) -> None:
    """Whether its length is said before or not; at the limit it passes."""
    url = box.services["catalog"] + "/v1/search"
    assert httpx.post(url, content=b" " * 1_000).status_code == 400
    assert httpx.post(url, content=b" " * 1_001).status_code == 413
    assert httpx.post(url, content=iter([b" " * 600] * 2)).status_code == 413
    assert httpx.post(url, content=b" " * 3_000_000).status_code == 413


def test_a_body_that_never_comes_is_408(box: Sandbox) -> None:
    """A client that says 10 bytes and sends 3 is not waited for."""
    answer = said(box, POST + b"Content-Length: 10\r\n\r\nabc")
    assert status(answer) == 408


def test_an_idle_connection_is_closed(box: Sandbox) -> None:
    """With nothing sent, and with half a head, nothing is answered."""
    assert said(box, b"") == b""
    assert said(box, b"GET / HT") == b""


def test_requests_in_one_piece_are_answered_in_order(box: Sandbox) -> None:
    """A client may send the next before it has the answer."""
    more = GET.replace(b"rich", b"tqdm") + b"Connection: close\r\n\r\n"
    answer = said(box, GET + b"\r\n" + GET.replace(b"rich", b"zzzz") + b"\r\n" + more)
    codes = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert codes == [b"200", b"404", b"200"]
    assert answer.index(b'"rich"') < answer.index(b"zzzz") < answer.index(b'"tqdm"')


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(box: Sandbox) -> None:
    """100 comes first, then the answer."""
    body = b'{"query": "http"}'
    head = POST + b"Expect: 100-continue\r\nConnection: close\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n".encode()
    with connected(box) as opened:
        opened.sendall(head)
        assert opened.recv(65_536).startswith(b"HTTP/1.1 100 ")
        opened.sendall(body)
        assert status(until_closed(opened)) == 200


def test_head_is_answered_without_a_body(box: Sandbox) -> None:
    """The length is that of GET."""
    url = box.services["catalog"] + "/v1/libraries"
    head, get = httpx.head(url), httpx.get(url)
    assert head.headers["content-length"] == get.headers["content-length"]
    assert (head.content, head.status_code) == (b"", 200)
    assert "date" in head.headers


def test_targets_in_other_forms_are_understood(box: Sandbox) -> None:
    """A whole URL, as for a proxy, and HTTP/1.0."""
    whole = b"GET http://x/catalog/v1/libraries/rich HTTP/1.1\r\nHost: x\r\n"
    assert status(said(box, whole + b"Connection: close\r\n\r\n")) == 200
    assert status(said(box, b"GET /catalog/v1/libraries/rich HTTP/1.0\r\n\r\n")) == 200
    assert status(said(box, b"GET //catalog HTTP/1.0\r\n\r\n")) == 404


def test_connections_beyond_the_limit_get_503() -> None:
    """Three are served, three are told, further ones are broken off."""
    with contextlib.ExitStack() as stack:
        limits = Limits(max_connections=3)
        catalog = [LibraryCatalog()]
        box = stack.enter_context(Sandbox(catalog, Knobs(), limits=limits))
        opened = [stack.enter_context(connected(box)) for _ in range(3)]
        for each in opened:
            each.sendall(GET + b"\r\n")
            assert status(each.recv(65_536)) == 200
        crowded = [stack.enter_context(connected(box)) for _ in range(3)]
        with pytest.raises(ConnectionResetError):
            until_closed(stack.enter_context(connected(box)))
        for each in crowded:
            each.sendall(GET + b"\r\n")
            answer = until_closed(each)
            assert status(answer) == 503
            assert b"too many connections" in answer
            assert b"connection: close" in answer
        opened[0].sendall(GET + b"\r\n")
        assert status(opened[0].recv(65_536)) == 200


class Gated(FakeClock):
    """A clock whose sleeps end when the test opens the gate."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = threading.Event()
        self.gate = threading.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await asyncio.to_thread(self.gate.wait, 20)


@pytest.mark.parametrize(
    ("more", "codes"),
    [
        (GET + b"Connection: close\r\n\r\n", [200, 200]),
        (b"x" * 300_000, [200, 431]),
    ],
)
def test_what_comes_while_an_answer_is_made_is_kept(
    more: bytes, codes: list[int]
) -> None:
    """The next request waits its turn, and a flood does not fill the memory."""
    clock = Gated()
    with (
        Sandbox([LibraryCatalog()], Knobs(latency_seconds=1), clock=clock) as box,
        connected(box) as opened,
    ):
        opened.sendall(GET + b"\r\n")
        assert clock.asleep.wait(10)
        opened.sendall(more)
        clock.gate.set()
        parts = until_closed(opened).split(b"HTTP/1.1 ")[1:]
    assert [int(part[:3]) for part in parts] == codes


def test_a_client_that_leaves_in_its_body_is_forgotten(box: Sandbox) -> None:
    """Half a body and the end: no service sees it, and the server lives on."""
    before = len(box.log())
    with connected(box) as opened:
        opened.sendall(POST + b"Content-Length: 10\r\n\r\nabc")
        opened.shutdown(socket.SHUT_WR)
        assert status(until_closed(opened)) == 400
    assert httpx.get(box.url).is_success
    assert len(box.log()) == before + 1


class Odd(LibraryCatalog):
    """A service that hangs, answers at length, and breaks while it refuses."""

    async def answer(self, request: Request) -> Reply:
        if request.path == "/hang":
            await asyncio.get_running_loop().create_future()
        return Reply(body=b"x" * 50_000_000)

    def refuse(self, status: int, message: str) -> Reply:
        if status == 503 and "too long" not in message:
            raise LookupError("a mistake in the service")
        return super().refuse(status, message)


def test_a_service_that_never_answers_is_503() -> None:
    """The sandbox gives up on it in the time set."""
    limits = Limits(answer_seconds=0.05)
    with Sandbox([Odd()], Knobs(), limits=limits) as box:
        answer = httpx.get(box.services["catalog"] + "/hang")
    assert answer.status_code == 503
    assert "took too long" in answer.text


def test_a_client_that_does_not_read_is_broken_off() -> None:
    """Its answer is not kept for longer than the time set."""
    limits = Limits(write_seconds=0.2, idle_seconds=1.0)
    with (
        Sandbox([Odd()], Knobs(), limits=limits) as box,
        connected(box) as opened,
        connected(box) as idle,
    ):
        opened.sendall(GET + b"\r\n")
        assert until_closed(idle) == b""  # which takes longer than the time to read
        with pytest.raises(ConnectionResetError):
            assert len(until_closed(opened)) > 0
            raise AssertionError("the whole answer came")


def test_a_service_that_breaks_while_refusing_ends_its_connection_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The mistake is told in the log, and the next connection is served."""
    with caplog.at_level(logging.ERROR), Sandbox([Odd()], Knobs(outage=True)) as box:
        with pytest.raises(httpx.ReadError):
            httpx.get(box.services["catalog"] + "/")
        assert httpx.get(box.url).is_success
    assert "a mistake in the service" in caplog.text


def test_resets_are_resets() -> None:
    """The connection is broken off with RST, not closed."""
    with Sandbox([LibraryCatalog()], Knobs(reset_rate=1.0)) as box:
        with pytest.raises(ConnectionResetError):
            said(box, GET + b"\r\n")
        assert box.log()[0].status is None
