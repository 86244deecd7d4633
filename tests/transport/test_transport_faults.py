"""What a transport makes of every way in which an exchange can go wrong."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import pytest

from contexter_nb.core import (
    APIIntegrationError,
    ConnectionFailedError,
    ConnectionLostError,
    DecodingError,
    RequestTimeoutError,
    ResponseTooLargeError,
    Timeouts,
    UnsendableRequestError,
    WireResponse,
)
from tests.loops import run_really
from tests.transport.sending import LIBRARIES, chain_of, sent, transport_of
from tests.world.faults import (
    BadChunk,
    BadGzip,
    Behaviour,
    BigErrorBody,
    CloseBefore,
    EndlessBody,
    EndlessHeaders,
    GzipBomb,
    Gzipped,
    Hang,
    HangInBody,
    Held,
    KeepAliveClosed,
    NotHTTP,
    Ok,
    Redirect,
    ResetBefore,
    ResetInBody,
    ResetInHeaders,
    SlowHeaders,
    Status,
    TruncatedBody,
    TruncatedChunked,
    black_hole,
    closed_port,
    fault_server,
)

SHORT = Timeouts(connect_seconds=0.1, read_seconds=0.1, attempt_seconds=None)


def answered(
    library: str, behaviour: Behaviour, path: str = "/x", **options: Any
) -> WireResponse:
    """Return the answer of a server that behaves so."""

    async def main() -> WireResponse:
        async with fault_server(behaviour) as server, transport_of(library) as send:
            return await sent(send, server.url + path, **options)

    return run_really(main())


FAULTS: dict[str, tuple[Behaviour, type[APIIntegrationError]]] = {
    "reset before an answer": (ResetBefore(), ConnectionLostError),
    "closed before an answer": (CloseBefore(), ConnectionLostError),
    "reset within the head": (ResetInHeaders(), ConnectionLostError),
    "reset within the body": (ResetInBody(), ConnectionLostError),
    "shorter than declared": (TruncatedBody(), ConnectionLostError),
    "no last chunk": (TruncatedChunked(), ConnectionLostError),
    "a chunk without a length": (BadChunk(), ConnectionLostError),
    "a head without an end": (EndlessHeaders(), ConnectionLostError),
    "another protocol": (NotHTTP(), ConnectionLostError),
    "a body without an end": (EndlessBody(), ResponseTooLargeError),
    "an error without an end": (EndlessBody(code=500), ResponseTooLargeError),
    "longer than allowed": (BigErrorBody(size_bytes=1_000_001), ResponseTooLargeError),
    "a bomb in gzip": (GzipBomb(), ResponseTooLargeError),
    "gzip that is none": (BadGzip(), DecodingError),
    "gzip that was cut": (BadGzip(cut=True), DecodingError),
}


@LIBRARIES
@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_an_error_of_the_tree(library: str, name: str) -> None:
    """The class says what happened, the message where, and the cause is kept."""
    behaviour, expected = FAULTS[name]
    with pytest.raises(APIIntegrationError) as raised:
        answered(library, behaviour, "/x?token=planted-in-the-query")
    error = raised.value
    assert type(error) is expected
    assert "127.0.0.1" in str(error) and "/x" in str(error)
    assert "planted" not in "".join(str(each) for each in chain_of(error))
    assert error.__cause__ is not None or expected is ResponseTooLargeError


@LIBRARIES
def test_the_size_of_an_answer_is_bounded_by_what_is_read(library: str) -> None:
    """A bomb, or a body without an end, is left after about the bytes allowed."""

    async def main() -> int:
        async with fault_server(EndlessBody()) as server, transport_of(library) as send:
            with pytest.raises(ResponseTooLargeError, match="100,000 bytes"):
                await sent(send, server.url, max_bytes=100_000)
            await server.wait_disconnect()
            return server.sent_bytes

    assert run_really(main()) < 16_000_000  # the buffers of two sockets


@LIBRARIES
def test_a_declared_length_too_large_is_refused_before_the_body(library: str) -> None:
    """Not a byte of the body has to come for it to be refused."""

    async def main() -> None:
        fault = ResetInBody(sent_bytes=0, declared_bytes=10**15)
        async with fault_server(fault) as server, transport_of(library) as send:
            with pytest.raises((ResponseTooLargeError, ConnectionLostError)):
                await sent(send, server.url, max_bytes=100)
        never_comes = Status(200, headers=(("Content-Length", "1000"),))
        async with fault_server(never_comes) as server, transport_of(library) as send:
            with pytest.raises((ResponseTooLargeError, ConnectionLostError)):
                await sent(send, server.url, max_bytes=100)

    run_really(main())


@LIBRARIES
def test_an_answer_exactly_as_long_as_allowed_is_taken(library: str) -> None:
    """The bound is the last length that will do."""
    assert len(answered(library, Ok(content=b"x" * 99), max_bytes=99).content) == 99
    with pytest.raises(ResponseTooLargeError):
        answered(library, Ok(content=b"x" * 100), max_bytes=99)


@LIBRARIES
def test_the_length_that_an_answer_to_head_declares_is_not_its_own(
    library: str,
) -> None:
    """HEAD has no body, so nothing is too large."""
    answer = answered(library, Ok(content=b"x" * 5_000), method="HEAD", max_bytes=100)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "5000"
    assert answered(library, Gzipped(1), method="HEAD").content == b""


@LIBRARIES
def test_a_port_where_nobody_listens_means_that_nothing_was_sent(library: str) -> None:
    """A refused connection may be tried again whatever the request was."""

    async def main() -> None:
        with closed_port() as port:
            async with transport_of(library) as send:
                await sent(send, f"http://127.0.0.1:{port}/")

    with pytest.raises(ConnectionFailedError, match=r"127\.0\.0\.1"):
        run_really(main())


@LIBRARIES
def test_a_host_that_swallows_connections_ends_the_connect_phase(library: str) -> None:
    """The phase is told, since nothing was sent then."""

    async def main() -> None:
        with black_hole() as port:
            async with transport_of(library) as send:
                await sent(send, f"http://127.0.0.1:{port}/", timeouts=SHORT)

    with pytest.raises(RequestTimeoutError) as raised:
        run_really(main())
    assert raised.value.phase == "connect"


@LIBRARIES
@pytest.mark.parametrize("behaviour", [Hang(), HangInBody()], ids=["head", "body"])
def test_silence_ends_the_read_phase(library: str, behaviour: Behaviour) -> None:
    """Before the head as within the body; the server sees the connection go."""

    async def main() -> RequestTimeoutError:
        async with fault_server(behaviour) as server, transport_of(library) as send:
            with pytest.raises(RequestTimeoutError) as raised:
                await sent(send, server.url, timeouts=SHORT)
            await server.wait_disconnect()
            return raised.value

    assert run_really(main()).phase == "read"


@LIBRARIES
def test_an_unknown_host_means_that_nothing_was_sent(library: str) -> None:
    """A name that cannot be looked up is a failed connection."""

    async def main() -> None:
        async with transport_of(library, trust_env=False) as send:
            await sent(send, "http://no-such-host.invalid/")

    with pytest.raises(ConnectionFailedError, match=r"no-such-host\.invalid"):
        run_really(main())


@LIBRARIES
@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "http://127.0.0.1/a\nb", "x", "http://[::"]
)
def test_a_url_that_cannot_be_asked_is_said_to_be_so(library: str, url: str) -> None:
    """Nothing is sent, and trying again would not help."""

    async def main() -> None:
        async with transport_of(library) as send:
            await sent(send, url)

    with pytest.raises(UnsendableRequestError):
        run_really(main())


@LIBRARIES
@pytest.mark.parametrize(
    "fields",
    [
        {"X-Key": "planted-value\nInjected: 1"},
        {"X-Key": "planted-value\x00"},
        {"X-Key": "planted-value-é"},
        {"X-Key": " planted-value "},
        {"X Key": "planted-value"},
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(
    library: str, fields: dict[str, str]
) -> None:
    """A value may be a key; so the name is told, and the value nowhere."""

    async def main() -> UnsendableRequestError:
        async with fault_server(Ok()) as server, transport_of(library) as send:
            with pytest.raises(UnsendableRequestError) as raised:
                await sent(send, server.url, headers=fields)
            assert server.requests == ()
            return raised.value

    error = run_really(main())
    assert "key" in str(error).lower()
    for each in chain_of(error):
        assert "planted" not in f"{each!s}{each.args!r}{vars(each)!r}"


@LIBRARIES
@pytest.mark.parametrize("value", [1, None, b"bytes"])
def test_a_header_that_is_no_text_is_refused(library: str, value: Any) -> None:
    """It is an error of the tree, not a TypeError from within a library."""

    async def main() -> None:
        async with fault_server(Ok()) as server, transport_of(library) as send:
            await sent(send, server.url, headers={"X-Number": value})

    with pytest.raises(UnsendableRequestError, match="x-number"):
        run_really(main())


@LIBRARIES
def test_cookies_are_not_kept(library: str) -> None:
    """What one answer sets is not sent with the next request."""

    async def main() -> None:
        cookie = Ok(1, headers=(("Set-Cookie", "session=abc; Path=/"),))
        async with fault_server(cookie) as server, transport_of(library) as send:
            await sent(send, server.url)
            await sent(send, server.url)
            assert [each.connection for each in server.requests] == [1, 1]
            assert all("cookie" not in each.headers for each in server.requests)

    run_really(main())


@LIBRARIES
def test_redirects_are_answers(library: str) -> None:
    """Whether to follow one is for others to decide."""
    answer = answered(library, Redirect("/elsewhere", 307))
    assert (answer.status_code, answer.headers["Location"]) == (307, "/elsewhere")


@LIBRARIES
@pytest.mark.parametrize("code", [204, 304, 401, 404, 418, 429, 500, 599])
def test_any_status_is_an_answer(library: str, code: int) -> None:
    """The transport raises for no status."""
    assert answered(library, Status(code)).status_code == code


@LIBRARIES
def test_names_of_headers_have_no_case_and_several_are_joined(library: str) -> None:
    """Two fields of one name are one, with a comma."""
    answer = answered(library, Ok(1, headers=(("X-LIST", "a"), ("x-list", "b"))))
    assert answer.headers["X-List"] == "a, b"


@LIBRARIES
def test_the_body_goes_out_as_it_is(library: str) -> None:
    """Method, target, header fields and bytes arrive unchanged."""

    async def main() -> None:
        async with fault_server(Ok()) as server, transport_of(library) as send:
            url = f"{server.url}/a%2Fb?x=1&x=2"
            await sent(send, url, "PATCH", headers={"X-A": "b"}, content=b"\0\xff")
            seen = server.requests[0]
            assert (seen.method, seen.target, seen.body) == (
                "PATCH",
                "/a%2Fb?x=1&x=2",
                b"\0\xff",
            )
            assert seen.headers["x-a"] == "b"

    run_really(main())


RAW = zlib.compressobj(wbits=-zlib.MAX_WBITS)
PACKED = {
    "gzip": gzip.compress(b"[1]"),
    "x-gzip": gzip.compress(b"[1]"),
    "GZIP": gzip.compress(b"[1]"),
    "deflate": zlib.compress(b"[1]"),
    "identity": b"[1]",
    "": b"[1]",
}


@LIBRARIES
@pytest.mark.parametrize("encoding", PACKED)
def test_what_is_packed_is_unpacked(library: str, encoding: str) -> None:
    """Gzip and deflate, by any of their names; identity is no packing."""
    fields = (("Content-Encoding", encoding),)
    answer = answered(library, Ok(content=PACKED[encoding], headers=fields))
    assert answer.content == b"[1]"


@LIBRARIES
def test_a_packing_that_was_not_asked_for_is_an_error(library: str) -> None:
    """What cannot be read is not handed on as if it were the answer."""
    strange = Ok(content=b"\x0b\x02", headers=(("Content-Encoding", "br"),))
    with pytest.raises(DecodingError, match="'br'"):
        answered(library, strange)


@LIBRARIES
def test_a_connection_is_used_again(library: str) -> None:
    """Twenty requests one after another go over one connection."""

    async def main() -> None:
        async with fault_server(Ok(1)) as server, transport_of(library) as send:
            for _ in range(20):
                await sent(send, server.url)
            assert server.connections == 1

    run_really(main())


@LIBRARIES
def test_a_kept_connection_that_the_server_closed_is_replaced(library: str) -> None:
    """Whoever sends after the server's FIN has arrived gets a new connection."""

    async def main() -> None:
        plan = KeepAliveClosed(json=1)
        async with fault_server(plan) as server, transport_of(library) as send:
            for _ in range(3):
                assert (await sent(send, server.url)).status_code == 200
                await server.wait_closed_connections()
                await asyncio.sleep(0.01)
            assert server.connections == 3

    run_really(main())


@LIBRARIES
def test_a_kept_connection_that_breaks_under_a_request_is_a_lost_one(
    library: str,
) -> None:
    """The server may have acted, so only the caller knows whether to ask again."""

    async def main() -> None:
        plan = KeepAliveClosed(on_reuse=True)
        async with fault_server(plan) as server, transport_of(library) as send:
            await sent(send, server.url)
            with pytest.raises(ConnectionLostError):
                await sent(send, server.url)
            assert (await sent(send, server.url)).status_code == 200

    run_really(main())


@LIBRARIES
def test_a_slow_head_is_no_silence(library: str) -> None:
    """Each byte begins the read phase anew; who calls keeps the whole time."""
    patience = Timeouts(read_seconds=0.5, attempt_seconds=None)
    answer = answered(library, SlowHeaders(tick_seconds=0.01), timeouts=patience)
    assert answer.content == b"{}"


@LIBRARIES
def test_a_cancelled_request_is_gone_on_the_wire(library: str) -> None:
    """The server sees the disconnect, and the connection is not used again."""

    async def main() -> None:
        async with (
            fault_server(Held(Ok(1)), Ok(2)) as server,
            transport_of(library) as send,
        ):
            asked = asyncio.create_task(sent(send, server.url))
            await server.wait_requests(1)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            await server.wait_disconnect()
            assert (await sent(send, server.url)).content == b"2"
            assert server.connections == 2

    run_really(main())


@LIBRARIES
def test_a_failed_answer_leaves_the_pool_usable(library: str) -> None:
    """With one connection allowed, the next request gets one, whatever went wrong."""

    async def main() -> None:
        faults = [behaviour for behaviour, _ in FAULTS.values()]
        async with (
            fault_server(*faults, Ok(1)) as server,
            transport_of(library, max_connections=1) as send,
        ):
            for _ in faults:
                with pytest.raises(APIIntegrationError):
                    await sent(send, server.url)
            assert (await sent(send, server.url)).content == b"1"

    run_really(main())
