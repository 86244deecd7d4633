"""One transport on several event loops, closed early, by proxies, and over TLS."""

from __future__ import annotations

import asyncio
import datetime
import gc
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contexter_nb.core import (
    ClientClosedError,
    ConnectionFailedError,
    InvalidArgumentError,
)
from contexter_nb.transport import HTTPTransport, http_library
from tests.loops import run_really
from tests.transport.sending import LIBRARIES, chain_of, sent, transport_of
from tests.world.faults import Held, Ok, Status, fault_server, fault_server_in_thread


@LIBRARIES
def test_two_loops_in_two_threads_share_a_transport(library: str) -> None:
    """Each loop has connections of its own."""
    transport = HTTPTransport(library=library)
    bodies: list[bytes] = []

    async def ask(url: str, last: bool) -> None:
        bodies.extend([(await sent(transport, url)).content for _ in range(20)])
        if last:
            await transport.aclose()

    with fault_server_in_thread(Ok(1)) as server:
        other = threading.Thread(target=lambda: run_really(ask(server.url, False)))

        async def main() -> None:
            other.start()
            await ask(server.url, False)
            await asyncio.to_thread(other.join)
            await transport.aclose()

        run_really(main())
        assert server.connections == 2
    assert bodies == [b"1"] * 40
    gc.collect()


@LIBRARIES
def test_a_transport_outlives_the_loop_it_was_first_used_on(library: str) -> None:
    """A second loop gets new connections in place of those that died with the first."""
    transport = HTTPTransport(library=library)

    async def ask(url: str) -> bytes:
        return (await sent(transport, url)).content

    async def ask_and_close(url: str) -> bytes:
        answer = await ask(url)
        await transport.aclose()
        return answer

    with fault_server_in_thread(Ok(1)) as server:
        assert run_really(ask(server.url)) == b"1"
        assert run_really(ask_and_close(server.url)) == b"1"
        assert server.connections == 2
    gc.collect()


@LIBRARIES
def test_closing_ends_what_is_on_its_way(library: str) -> None:
    """Who waits for an answer is told, and so is who comes later."""

    async def main() -> None:
        async with fault_server(Held(Ok(1))) as server, transport_of(library) as send:
            asked = asyncio.create_task(sent(send, server.url))
            await server.wait_open(1)
            await send.aclose()
            await server.wait_disconnect()
            with pytest.raises(ClientClosedError):
                await asked
            with pytest.raises(ClientClosedError):
                await sent(send, server.url)
            await send.aclose()
            assert "closed" in repr(send)

    run_really(main())


@LIBRARIES
def test_closing_reaches_the_connections_of_another_loop(library: str) -> None:
    """They are closed on their own loop, whose thread goes on meanwhile."""
    transport = HTTPTransport(library=library)
    asked, closed = threading.Event(), threading.Event()

    async def elsewhere(url: str) -> None:
        await sent(transport, url)
        asked.set()
        await asyncio.to_thread(closed.wait)
        with pytest.raises(ClientClosedError):
            await sent(transport, url)

    async def main() -> None:
        async with fault_server(Ok(1)) as server:
            other = asyncio.create_task(
                asyncio.to_thread(lambda: run_really(elsewhere(server.url)))
            )
            await asyncio.to_thread(asked.wait)
            await transport.aclose()
            await server.wait_closed_connections()
            closed.set()
            await other

    run_really(main())


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give an environment that names no proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def through(library: str, url: str, **options: Any) -> bytes:
    """Return what comes back for a URL."""

    async def main() -> bytes:
        async with transport_of(library, **options) as send:
            return (await sent(send, url)).content

    return run_really(main())


@LIBRARIES
def test_the_environment_names_the_proxy_and_its_exceptions(
    library: str, no_proxies: pytest.MonkeyPatch
) -> None:
    """HTTP_PROXY is used but for the hosts of NO_PROXY, or where it shall not count."""
    with (
        fault_server_in_thread(Ok("proxy")) as proxy,
        fault_server_in_thread(Ok("direct")) as server,
    ):
        no_proxies.setenv("HTTP_PROXY", proxy.url.removeprefix("http://"))
        assert through(library, "http://far.example/x?y=1") == b'"proxy"'
        assert proxy.requests[-1].target == "http://far.example/x?y=1"
        assert through(library, server.url) == b'"proxy"'
        assert through(library, server.url, trust_env=False) == b'"direct"'
        no_proxies.setenv("NO_PROXY", "127.0.0.1")
        assert through(library, server.url) == b'"direct"'
        assert through(library, "http://far.example/") == b'"proxy"'


@LIBRARIES
def test_a_proxy_may_be_given_with_a_password(
    library: str, no_proxies: pytest.MonkeyPatch
) -> None:
    """It counts for more than the environment, and its password shows nowhere."""
    no_proxies.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with fault_server_in_thread(Ok("proxy")) as proxy:
        given = f"http://user:planted-password@127.0.0.1:{proxy.port}"
        assert through(library, "http://far.example/", proxy=given) == b'"proxy"'
        assert proxy.requests[0].headers["proxy-authorization"].startswith("Basic ")
    with pytest.raises(ConnectionFailedError) as raised:
        through(library, "http://far.example/", proxy=given)
    assert "planted" not in "".join(map(repr, chain_of(raised.value)))
    assert "planted" not in repr(HTTPTransport(library=library, proxy=given))


@LIBRARIES
def test_a_proxy_that_refuses_a_tunnel_means_that_nothing_was_sent(
    library: str, no_proxies: pytest.MonkeyPatch
) -> None:
    """The service was never reached."""
    with (
        fault_server_in_thread(Status(407)) as proxy,
        pytest.raises(ConnectionFailedError),
    ):
        through(library, "https://far.example/", proxy=proxy.url)


@LIBRARIES
@pytest.mark.parametrize("proxy", ["gopher://u:planted@127.0.0.1:1", "http://[", ""])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(
    library: str, proxy: str, no_proxies: pytest.MonkeyPatch
) -> None:
    """The transport is not made."""
    with pytest.raises(InvalidArgumentError, match="proxy") as raised:
        HTTPTransport(library=library, proxy=proxy)
    assert "planted" not in "".join(map(repr, chain_of(raised.value)))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a file with a key and a certificate for 127.0.0.1 signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    today = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = tmp_path_factory.mktemp("tls") / "loopback.pem"
    path.write_bytes(
        key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(pem)
    )
    return path


@pytest.fixture
def tls_port(certificate: Path) -> Iterator[int]:
    """Give a port where a server says ``1`` over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # clients that refuse us
    found: list[asyncio.Server] = []
    ready = threading.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n1"
            )
            await writer.drain()
        finally:
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        found.append(server)
        ready.set()
        await ending.wait()
        server.close()
        await server.wait_closed()

    ending = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    ready.wait()
    yield found[0].sockets[0].getsockname()[1]
    loop.call_soon_threadsafe(ending.set)
    thread.join()
    loop.close()


@LIBRARIES
def test_a_certificate_nobody_vouches_for_is_refused(
    library: str, tls_port: int, no_proxies: pytest.MonkeyPatch
) -> None:
    """Nothing is sent; the message says that it is the certificate."""
    with pytest.raises(ConnectionFailedError, match=r"(?i)certificate"):
        through(library, f"https://127.0.0.1:{tls_port}/")


@LIBRARIES
def test_a_certificate_may_be_vouched_for(
    library: str, tls_port: int, certificate: Path, no_proxies: pytest.MonkeyPatch
) -> None:
    """A TLS context of one's own is used; False checks nothing."""
    trusting = ssl.create_default_context(cafile=str(certificate))
    assert through(library, f"https://127.0.0.1:{tls_port}/", verify=trusting) == b"1"
    assert through(library, f"https://127.0.0.1:{tls_port}/", verify=False) == b"1"


def test_a_library_that_is_none_is_refused() -> None:
    """The two that will do are named."""
    with pytest.raises(InvalidArgumentError, match="httpx2"):
        http_library("requests")
