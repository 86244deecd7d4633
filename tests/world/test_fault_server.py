"""The fault server does what it is told, as raw sockets and a real client see it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from contexter_nb.core import Headers
from tests.loops import run_really
from tests.world.faults import (
    BadChunk,
    BadGzip,
    Behaviour,
    BigErrorBody,
    ByRequest,
    CloseBefore,
    DelayThen,
    EndlessBody,
    EndlessHeaders,
    FaultServer,
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
    Sequence,
    SlowDrip,
    SlowHeaders,
    Status,
    Storm,
    TruncatedBody,
    TruncatedChunked,
    WrongContentType,
    black_hole,
    closed_port,
    fault_server,
    fault_server_in_thread,
    retry_after_forms,
)

REQUEST = b"GET /a?b=1 HTTP/1.1\r\nHost: x\r\n\r\n"
QUICK = httpx.Timeout(10.0, read=0.2)


async def raw(server: FaultServer, request: bytes = REQUEST) -> tuple[bytes, str]:
    """Send bytes; return what came until the end, and how it ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    got = b""
    try:
        writer.write(request)
        while part := await reader.read(65_536):
            got += part
        return got, "closed"
    except ConnectionResetError:
        return got, "reset"
    finally:
        writer.close()


def seen_raw(behaviour: Behaviour, request: bytes = REQUEST) -> tuple[bytes, str]:
    """Return what a raw socket sees of one behaviour."""

    async def main() -> tuple[bytes, str]:
        async with fault_server(behaviour) as server:
            return await raw(server, request)

    return run_really(main())


def got(*script: Behaviour, times: int = 1, **options: Any) -> list[httpx.Response]:
    """Return what httpx gets from a script."""

    async def main() -> list[httpx.Response]:
        async with fault_server(*script) as server, httpx.AsyncClient() as client:
            return [await client.get(server.url, **options) for _ in range(times)]

    return run_really(main())


@pytest.mark.parametrize(
    ("behaviour", "begins", "ending"),
    [
        (ResetBefore(), b"", "reset"),
        (CloseBefore(), b"", "closed"),
        (ResetInHeaders(), b"HTTP/1.1 200 OK\r\nContent-Ty", "reset"),
        (NotHTTP(), b"SSH-2.0", "closed"),
    ],
)
def test_a_broken_answer_is_broken_on_the_wire(
    behaviour: Behaviour, begins: bytes, ending: str
) -> None:
    """Each ends with the very bytes, and with RST or FIN as its name says."""
    data, end = seen_raw(behaviour)
    assert data.startswith(begins)
    assert bool(data) == bool(begins)
    assert end == ending


def test_a_reset_in_the_body_follows_a_part_of_it() -> None:
    """The head and some bytes arrive before RST."""
    data, end = seen_raw(ResetInBody(sent_bytes=7, declared_bytes=50))
    assert data.endswith(b"Content-Length: 50\r\n\r\n       ")
    assert end == "reset"


def test_a_truncated_body_is_shorter_than_it_says() -> None:
    """Its Content-Length promises more than comes before FIN."""
    data, end = seen_raw(TruncatedBody(b"{", missing_bytes=4))
    assert b"Content-Length: 5\r\n" in data
    assert (data.partition(b"\r\n\r\n")[2], end) == (b"{", "closed")


def test_a_truncated_chunked_body_lacks_its_last_chunk() -> None:
    """A whole chunk comes, the one of length 0 does not."""
    data, end = seen_raw(TruncatedChunked(b"{"))
    assert (data.partition(b"\r\n\r\n")[2], end) == (b"1\r\n{\r\n", "closed")


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (ResetBefore(), httpx.ReadError),
        (CloseBefore(), httpx.RemoteProtocolError),
        (ResetInHeaders(), httpx.ReadError),
        (ResetInBody(), httpx.ReadError),
        (TruncatedBody(), httpx.RemoteProtocolError),
        (TruncatedChunked(), httpx.RemoteProtocolError),
        (BadChunk(), httpx.RemoteProtocolError),
        (NotHTTP(), httpx.RemoteProtocolError),
        (EndlessHeaders(), httpx.RemoteProtocolError),
        (Hang(), httpx.ReadTimeout),
        (HangInBody(), httpx.ReadTimeout),
        (DelayThen(5.0), httpx.ReadTimeout),
        (BadGzip(), httpx.DecodingError),
        (RedirectLoop(), httpx.TooManyRedirects),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, type) else "",
)
def test_a_client_fails_as_it_would_out_there(
    behaviour: Behaviour, error: type[Exception]
) -> None:
    """A real HTTP library meets each fault as the error that it has for it."""
    with pytest.raises(error):
        got(behaviour, timeout=QUICK, follow_redirects=True)


@pytest.mark.parametrize("behaviour", [SlowDrip(4, 0.01), SlowHeaders(0.001)])
def test_a_slow_answer_is_whole_in_the_end(behaviour: Behaviour) -> None:
    """What drips below the read timeout is never a timeout between two bytes."""
    assert got(behaviour, timeout=QUICK)[0].is_success


def test_a_status_is_sent_as_given() -> None:
    """Code, fields and body are the test's; also a code that has no name."""
    answer = got(Status(294, (("X-A", "1"), ("X-A", "2")), {"data": None}))[0]
    assert (answer.status_code, answer.reason_phrase) == (294, "")
    assert answer.headers.get_list("x-a") == ["1", "2"]
    assert answer.json() == {"data": None}


@pytest.mark.parametrize("code", [204, 304])
def test_an_answer_that_may_have_no_body_has_none(code: int) -> None:
    """After 204 and 304 the next answer on the connection is read from its start."""
    answers = got(Status(code, body=b"never"), Ok(1), times=2)
    assert [each.content for each in answers] == [b"", b"1"]


def test_head_gets_no_body() -> None:
    """The length is told, the bytes are not sent."""
    data, _ = seen_raw(Ok([1]), b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert b"Content-Length: 3\r\n" in data
    assert data.endswith(b"\r\n\r\n")


def test_bodies_are_what_their_names_say() -> None:
    """HTML under 200, 1 MB of error, false types, no UTF-8, gzip good and bad."""
    page, big, words, latin, zipped = got(
        HTMLWith200(),
        BigErrorBody(),
        WrongContentType(),
        NotUTF8(),
        Gzipped({"a": 1}),
        times=5,
    )
    assert page.status_code == 200 and page.text.startswith("<!doctype html>")
    assert page.headers["content-type"].startswith("text/html")
    assert (big.status_code, len(big.content)) == (500, 1_000_000)
    assert words.headers["content-type"] == "application/json"
    assert words.text == "plain words"
    with pytest.raises(UnicodeDecodeError):
        latin.content.decode("utf-8")
    assert zipped.json() == {"a": 1}


def test_a_gzip_bomb_is_small_on_the_wire() -> None:
    """It becomes a thousand times as long."""
    data, _ = seen_raw(
        GzipBomb(10_000_000), b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    )
    assert len(data) < 15_000
    assert len(got(GzipBomb(10_000_000))[0].content) == 10_000_000


def test_gzip_that_is_cut_gives_a_part_of_the_text() -> None:
    """A library that does not check the end takes half for the whole."""
    answer = got(BadGzip(cut=True))[0]
    assert answer.is_success
    assert not answer.text.endswith("}")


def test_a_sequence_goes_on_with_its_last_step() -> None:
    """503, 503, and then 200 as often as it is asked."""
    answers = got(Status(503), Status(503), Ok(), times=5)
    assert [each.status_code for each in answers] == [503, 503, 200, 200, 200]


def test_paths_have_plans_and_counts_of_their_own() -> None:
    """One path's storm does not use up another's; unknown paths are 404."""

    async def main() -> list[int]:
        plans = {"/a": Storm(1), "/b": Sequence([Status(500), Ok()])}
        async with fault_server(paths=plans) as server, httpx.AsyncClient() as client:
            paths = ["/a", "/b", "/a?again", "/b", "/c"]
            answers = [await client.get(server.url + path) for path in paths]
            assert answers[0].headers["retry-after"] == "1"
            return [each.status_code for each in answers]

    assert run_really(main()) == [429, 500, 200, 200, 404]


def test_a_plan_can_be_changed_while_it_runs() -> None:
    """`on` and `script` count from the first request after them."""

    async def main() -> list[int]:
        async with fault_server(Status(500)) as server, httpx.AsyncClient() as client:
            codes = [(await client.get(server.url)).status_code]
            server.script(Status(502), Ok())
            codes += [(await client.get(server.url)).status_code for _ in "ab"]
            server.on("/", Status(410))
            return [*codes, (await client.get(server.url)).status_code]

    assert run_really(main()) == [500, 502, 200, 410]


def test_an_answer_may_depend_on_the_request() -> None:
    """A token that is no longer good gets 401, a newer one 200."""

    def choose(seen: Any) -> Behaviour:
        return Ok() if seen.headers["authorization"] == "Bearer new" else Status(401)

    async def main() -> list[int]:
        plan = ByRequest(choose)
        async with fault_server(plan) as server, httpx.AsyncClient() as client:
            return [
                (
                    await client.get(
                        server.url, headers={"Authorization": f"Bearer {it}"}
                    )
                ).status_code
                for it in ("old", "new")
            ]

    assert run_really(main()) == [401, 200]


def test_every_request_is_recorded_whole() -> None:
    """Method, path, query, fields, body (chunked, too), and the order of arrival."""

    async def parts() -> Any:
        yield b"pa"
        yield b"rts"

    async def main() -> None:
        async with fault_server(Ok()) as server, httpx.AsyncClient() as client:
            await client.post(f"{server.url}/p?q=%20x", json=[1], headers={"X-A": "b"})
            await client.put(f"{server.url}/chunked", content=parts())
            first, second = server.requests
        assert (first.method, first.path, first.query) == ("POST", "/p", {"q": " x"})
        assert (first.headers["x-a"], first.json()) == ("b", [1])
        assert isinstance(first.headers, Headers)
        assert (second.number, second.method, second.body) == (2, "PUT", b"parts")
        assert first.at <= second.at
        assert first.connection == second.connection == server.connections == 1

    run_really(main())


def test_requests_that_are_open_at_once_are_counted() -> None:
    """The most that ever waited together is known, and `Held` lets them go."""

    async def main() -> None:
        async with (
            fault_server(Held(Ok("go"))) as server,
            httpx.AsyncClient() as client,
        ):
            asked = [asyncio.ensure_future(client.get(server.url)) for _ in range(5)]
            await server.wait_open(5)
            assert not any(each.done() for each in asked)
            server.release(2)
            await server.wait_open(3)
            server.release(3)
            answers = await asyncio.gather(*asked)
            assert [each.json() for each in answers] == ["go"] * 5
            assert (server.max_open_requests, server.connections) == (5, 5)
            assert (server.open_requests, server.disconnects) == (0, 0)

    run_really(main())


@pytest.mark.parametrize(
    "behaviour", [Hang(), HangInBody(), SlowHeaders(0.2), EndlessBody(), DelayThen(60)]
)
def test_a_client_that_leaves_is_seen(behaviour: Behaviour) -> None:
    """A cancelled request is gone on the wire, and the server knows."""

    async def main() -> None:
        async with fault_server(behaviour) as server, httpx.AsyncClient() as client:
            asked = asyncio.ensure_future(client.get(server.url))
            await server.wait_requests()
            assert server.disconnects == 0
            asked.cancel()
            await server.wait_disconnect()
            await server.wait_closed_connections()
            assert (server.disconnects, server.open_requests) == (1, 0)
            with pytest.raises(asyncio.CancelledError):
                await asked

    run_really(main())


def test_a_client_that_leaves_between_requests_is_no_disconnect() -> None:
    """Closing an idle connection takes no answer away from anybody."""

    async def main() -> None:
        async with fault_server(Ok()) as server:
            async with httpx.AsyncClient() as client:
                await client.get(server.url)
            await server.wait_closed_connections()
            assert server.disconnects == 0

    run_really(main())


def test_a_reader_that_stops_is_not_sent_an_endless_body() -> None:
    """What is written stays within the buffers while nobody reads."""

    async def main() -> None:
        async with fault_server(EndlessBody()) as server, httpx.AsyncClient() as client:
            async with client.stream("GET", server.url) as answer:
                parts = answer.aiter_raw()
                assert len(await anext(parts)) > 0
            await server.wait_disconnect()
            assert server.sent_bytes < 50_000_000

    run_really(main())


def test_a_kept_connection_that_is_closed_says_nothing_of_it() -> None:
    """The answer is whole, promises nothing, and FIN follows it."""
    data, end = seen_raw(KeepAliveClosed(json=1))
    assert data.endswith(b"\r\n\r\n1")
    assert b"connection" not in data.lower()
    assert end == "closed"


def test_a_stale_connection_drops_the_request_that_reuses_it() -> None:
    """The second request on the connection is recorded and never answered."""

    async def main() -> None:
        plan = KeepAliveClosed(on_reuse=True)
        async with fault_server(plan) as server, httpx.AsyncClient() as client:
            assert (await client.get(server.url)).is_success
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(server.url)
            assert (await client.get(server.url)).is_success
            assert [each.connection for each in server.requests] == [1, 1, 2]

    run_really(main())


def test_connections_can_be_reset_before_anything_is_read() -> None:
    """The first two get RST on the spot; the third is served."""

    async def main() -> None:
        async with fault_server(Ok(), reset_connections=2) as server:
            assert await raw(server) == (b"", "reset")
            assert await raw(server) == (b"", "reset")
            assert server.requests == ()
            async with httpx.AsyncClient() as client:
                assert (await client.get(server.url)).is_success
            assert server.connections == 3

    run_really(main())


def test_a_redirect_points_where_it_is_told() -> None:
    """The Location is sent as given, with the code given."""
    answer = got(Redirect("https://elsewhere.example/x", 307))[0]
    assert (answer.status_code, answer.headers["location"]) == (
        307,
        "https://elsewhere.example/x",
    )


def test_every_form_of_retry_after_passes_the_wire() -> None:
    """The value that arrives is the value given, but for blanks around it."""
    forms = retry_after_forms(datetime(2026, 11, 24, 12, 0, 0, 999, tzinfo=UTC))
    answers = got(*(Status(429, each.headers) for each in forms), times=len(forms))
    for form, answer in zip(forms, answers, strict=True):
        assert dict(answer.headers.raw)[b"Retry-After"] == form.value.strip(" ").encode(
            "latin-1"
        )
    assert len({each.name for each in forms}) == len(forms)


def test_a_date_of_retry_after_is_as_far_away_as_it_says() -> None:
    """The three forms of dates of HTTP name the same second."""
    forms = retry_after_forms(datetime(2026, 11, 5, 23, 59, 58, tzinfo=UTC))
    values = {each.name: each.value for each in forms}
    assert values["date"] == "Fri, 06 Nov 2026 00:00:01 GMT"
    assert values["date of RFC 850"] == "Friday, 06-Nov-26 00:00:01 GMT"
    assert values["date of asctime"] == "Fri Nov  6 00:00:01 2026"


def test_a_closed_port_refuses() -> None:
    """Connecting fails at once."""
    with closed_port() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_black_hole_swallows() -> None:
    """Connecting neither succeeds nor fails."""
    with black_hole() as port, pytest.raises(httpx.ConnectTimeout):
        httpx.get(f"http://127.0.0.1:{port}", timeout=httpx.Timeout(5, connect=0.1))


def test_a_mistake_in_a_plan_does_not_pass_unseen() -> None:
    """What a test's own function raises comes out of the block."""

    def choose(seen: Any) -> Behaviour:
        raise LookupError("the test's own mistake")

    async def main() -> None:
        async with fault_server(ByRequest(choose)) as server:
            await raw(server)

    with pytest.raises(LookupError, match="own mistake"):
        run_really(main())


def test_stopping_ends_what_hangs() -> None:
    """The end of the block breaks off the open requests and frees the port."""

    async def main() -> int:
        async with fault_server(Hang()) as server, httpx.AsyncClient() as client:
            asked = asyncio.ensure_future(client.get(server.url))
            await server.wait_open(1)
        with pytest.raises(httpx.TransportError):
            await asked
        assert len(asyncio.all_tasks()) == 1
        return server.port

    port = run_really(main())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_server_in_a_thread_serves_synchronous_code() -> None:
    """Its loop is its own, and its thread ends with the block."""
    import threading

    before = threading.active_count()
    with fault_server_in_thread(Status(503), Ok({"a": 1})) as server:
        with httpx.Client() as client:
            codes = [client.get(server.url).status_code for _ in range(2)]
        assert len(server.requests) == 2
    assert codes == [503, 200]
    assert threading.active_count() == before


def test_behaviours_are_values() -> None:
    """Equal ones are equal, and none can be changed."""
    made: list[Callable[[], Any]] = [Ok, Hang, lambda: Storm(3)]
    for make in made:
        assert make() == make()
    with pytest.raises(AttributeError):
        Ok().json = 1  # type: ignore[misc]
