"""A real client over loopback: shared by threads and loops, cancelled on the wire."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from contexter_nb.bridge import LoopThread, sync


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    """Give the address of a server which answers the path it was asked for."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def bridge() -> Iterator[LoopThread]:
    """Give a bridge that is closed after the test."""
    with LoopThread() as opened:
        yield opened


class Silent:
    """A server that takes requests, never answers, and sees clients go."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.left = threading.Event()

    async def answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Read a request, then wait for the client to go."""
        await reader.readuntil(b"\r\n\r\n")
        self.asked.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        self.left.set()
        writer.close()


@contextlib.contextmanager
def serve_silently() -> Iterator[tuple[Silent, str]]:
    """Serve from a loop of its own, so that no bridge is asked about itself."""
    silent = Silent()
    with LoopThread() as own:
        server = own.run(asyncio.start_server(silent.answer, "127.0.0.1", 0))

        async def close() -> None:
            server.close()
            await server.wait_closed()

        own.add_closer(close)
        yield silent, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def test_one_client_serves_many_threads_and_another_loop(
    bridge: LoopThread, url: str
) -> None:
    """One pool is used from eight threads, a foreign loop and the caller."""
    client = httpx.AsyncClient(base_url=url)
    bridge.add_closer(client.aclose)

    async def fetch(number: int) -> str:
        return (await client.get(f"/{number}")).text

    async def fetch_from_here() -> list[str]:
        return await asyncio.gather(*(bridge.arun(fetch(n)) for n in range(20)))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        from_threads = list(pool.map(lambda n: bridge.run(fetch(n)), range(80)))
    assert from_threads == [f"/{number}" for number in range(80)]
    assert asyncio.run(fetch_from_here()) == [f"/{number}" for number in range(20)]
    assert bridge.run(fetch(99)) == "/99"
    bridge.close()
    assert client.is_closed


def test_sync_gives_httpx_a_plain_face(bridge: LoopThread, url: str) -> None:
    """An AsyncClient in a with block answers as a Client would."""
    client = httpx.AsyncClient(base_url=url)
    with sync(client, bridge) as plain:
        assert repr(plain) == "<sync face of httpx.AsyncClient>"
        response = plain.get("/hello")
        assert isinstance(response, httpx.Response)
        assert (response.status_code, response.text) == (200, "/hello")
        with plain.stream("GET", "/streamed") as streamed:
            assert b"".join(streamed.aiter_bytes()) == b"/streamed"
    assert client.is_closed


def test_a_timeout_disconnects_from_the_server(bridge: LoopThread) -> None:
    """The server sees the client go when run gives up."""
    with serve_silently() as (silent, url):

        async def fetch() -> None:
            async with httpx.AsyncClient(timeout=None) as client:
                await client.get(url)

        with pytest.raises(TimeoutError):
            bridge.run(fetch(), timeout=0.3)
        assert silent.asked.is_set()
        assert silent.left.wait(10)


def test_an_interrupt_disconnects_from_the_server(
    bridge: LoopThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while a request is on the wire ends it there, too."""
    with serve_silently() as (silent, url):

        async def fetch() -> None:
            async with httpx.AsyncClient(timeout=None) as client:
                await client.get(url)

        interrupt_when(silent.asked)
        with pytest.raises(KeyboardInterrupt):
            bridge.run(fetch(), timeout=30)
        assert silent.left.wait(10)


def test_a_second_interrupt_ends_the_wait_for_the_clean_up() -> None:
    """Two interrupts return before a long clean-up has ended."""
    begun, cleaning, cleaned = (threading.Event() for _ in range(3))

    async def stubborn() -> None:
        try:
            begun.set()
            await asyncio.sleep(30)
        finally:
            cleaning.set()
            await asyncio.sleep(0.7)
            cleaned.set()

    with LoopThread(grace_seconds=20) as bridge:
        interrupt_when(begun)
        interrupt_when(cleaning)
        with pytest.raises(KeyboardInterrupt):
            bridge.run(stubborn())
        assert not cleaned.is_set()
        assert cleaned.wait(10)


def interrupt_when(event: threading.Event) -> None:
    """Press Ctrl-C in the main thread as soon as `event` is set."""
    import _thread

    def press() -> None:
        if event.wait(10):
            _thread.interrupt_main()

    threading.Thread(target=press, daemon=True).start()


async def count(client: httpx.AsyncClient) -> AsyncIterator[str]:
    """Fetch three pages, one at a time."""
    for number in range(3):
        yield (await client.get(f"/{number}")).text


def test_an_async_generator_over_http_becomes_an_iterator(
    bridge: LoopThread, url: str
) -> None:
    """Each item of a generator over the shared client is fetched when asked for."""

    class Pages:
        def __init__(self) -> None:
            self.client = httpx.AsyncClient(base_url=url)

        def walk(self) -> AsyncIterator[str]:
            return count(self.client)

    pages = Pages()
    bridge.add_closer(pages.client.aclose)
    assert list(sync(pages, bridge).walk()) == ["/0", "/1", "/2"]
