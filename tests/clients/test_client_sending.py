"""What a client sends for what it is asked, and what it makes of the answer."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest

from contexter_nb.clients import APIClient
from contexter_nb.core import (
    APIRequest,
    APIResponse,
    ClientClosedError,
    DecodingError,
    Headers,
    HTTPError,
    InvalidArgumentError,
    UnsendableRequestError,
    WireRequest,
    WireResponse,
)
from contexter_nb.policies import APIKeyAuthHandler, RetryPolicy
from contexter_nb.transport import HTTPTransport
from tests.clients.scripted import BASE_URL, Scripted, client_of, ok, status
from tests.loops import FakeClock, run, run_really
from tests.world.faults import (
    HTMLWith200,
    NotUTF8,
    Ok,
    Redirect,
    RedirectLoop,
    Status,
    WrongContentType,
    fault_server,
)

LIBRARIES = pytest.mark.parametrize("library", ["httpx", "httpx2"])
ONCE = RetryPolicy(max_attempts=1)


def asked(request: APIRequest, base_url: str = BASE_URL, **options: Any) -> WireRequest:
    """Return what is sent for a request."""
    sender = Scripted()
    run(client_of(sender, base_url, **options).execute_request(request))
    return sender.requests[0]


@pytest.mark.parametrize(
    ("base_url", "endpoint", "url"),
    [
        ("https://h.example", "", "https://h.example"),
        ("https://h.example/", "/a", "https://h.example/a"),
        ("https://h.example/v1", "a", "https://h.example/v1/a"),
        ("https://h.example/v1/", "/a/b", "https://h.example/v1/a/b"),
        ("https://h.example/v1", "a?x=1", "https://h.example/v1/a?x=1&y=2"),
        ("http://h.example:8080/v1", "a.b", "http://h.example:8080/v1/a.b"),
    ],
)
def test_an_endpoint_is_put_below_the_base_url(
    base_url: str, endpoint: str, url: str
) -> None:
    """With or without slashes between them, and with a path in the base."""
    params = {"y": 2} if "?" in endpoint else None
    request = APIRequest(endpoint=endpoint, params=params)
    assert asked(request, base_url).url == url


@pytest.mark.parametrize(
    "endpoint", ["../a", "a/../../b", "..", "a/./b", "a/%2e%2E/b", "a#b", "a\\..\\b"]
)
def test_an_endpoint_cannot_leave_its_base_or_lose_its_query(endpoint: str) -> None:
    """What a server would take for a way up, or never see, is refused."""
    sender = Scripted()
    with pytest.raises(InvalidArgumentError, match="endpoint"):
        run(client_of(sender).execute_request(APIRequest(endpoint=endpoint)))
    assert sender.requests == []


def test_a_form_with_files_is_sent_again_whole() -> None:
    """Each attempt has the same bytes, and the content type with their boundary."""

    async def main() -> None:
        sender = Scripted(status(503), ok("stored"))
        request = APIRequest(
            method="POST",
            endpoint="files",
            data={"purpose": "batch"},
            files={"file": ("a.jsonl", b"{}")},
            idempotency_key="1",
        )
        answer = await client_of(sender).execute_request(request)
        assert answer.data == "stored"
        first, second = sender.requests
        assert first.content == second.content == request.body()
        assert b"{}" in first.content
        for each in (first, second):
            kind = each.headers["content-type"]
            assert kind.startswith("multipart/form-data; boundary=")

    run(main())


def test_a_form_says_that_it_is_one() -> None:
    """Fields without files go URL-encoded."""
    sent = asked(APIRequest(method="POST", endpoint="token", data={"a": 1, "b": "x y"}))
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    assert sent.content == b"a=1&b=x+y"


def test_parameters_are_written_as_services_read_them() -> None:
    """A list several times, None not at all, truths in lower case, text quoted."""
    params = {
        "a": [1, None, "x y"],
        "b": None,
        "c": True,
        "d": "ä&=",
        "e": 1.5,
        "f": [],
    }
    url = asked(APIRequest(endpoint="x", params=params)).url
    assert url == f"{BASE_URL}/x?a=1&a=x+y&c=true&d=%C3%A4%26%3D&e=1.5"
    assert asked(APIRequest(params={"a": (1, 2)})).url.endswith("?a=1&a=2")
    assert asked(APIRequest(params={"a": None})).url == BASE_URL


@pytest.mark.parametrize("value", [b"bytes", {"nested": 1}])
def test_a_parameter_without_a_written_form_is_refused(value: Any) -> None:
    """It does not travel as Python writes it."""
    with pytest.raises(InvalidArgumentError, match="'odd'"):
        asked(APIRequest(params={"odd": value}))


@pytest.mark.parametrize("data", [{}, [], None, False, 0, "", {"a": [None]}])
def test_any_json_is_a_body(data: Any) -> None:
    """Empty and null, too; it is sent with its content type."""
    sent = asked(APIRequest(method="POST", json_data=data))
    assert sent.content == json.dumps(data, separators=(",", ":")).encode()
    assert sent.headers["content-type"] == "application/json"


def test_without_a_body_nothing_is_sent_and_no_type_is_told() -> None:
    """Neither for GET nor for POST."""
    for method in ("GET", "POST"):
        sent = asked(APIRequest(method=method))
        assert sent.content == b"" and "content-type" not in sent.headers


def test_bytes_go_out_under_the_type_the_caller_gives() -> None:
    """A header of the request counts for more than one of the client."""
    request = APIRequest(
        method="POST", content=b"\0", headers={"content-TYPE": "image/png", "X-A": "2"}
    )
    sent = asked(request, headers={"X-A": "1", "X-B": "1"})
    assert sent.content == b"\0"
    assert (sent.headers["content-type"], sent.headers["x-a"], sent.headers["x-b"]) == (
        "image/png",
        "2",
        "1",
    )


def test_nothing_of_the_callers_is_changed() -> None:
    """Neither the request nor what it was made of, however often it is sent."""
    params: dict[str, Any] = {"a": [1]}
    headers = {"X-A": "1"}
    data = {"texts": ["x"]}
    request = APIRequest(
        method="PUT", endpoint="x", params=params, headers=headers, json_data=data
    )
    before = repr(request), dict(request.params or {}), dict(request.headers or {})
    sender = Scripted(status(503), ok())
    client = client_of(sender, auth=APIKeyAuthHandler("planted-key"))

    async def main() -> None:
        await client.execute_request(request)
        await client.execute_request(request)

    run(main())
    assert (repr(request), dict(request.params or {}), dict(request.headers or {})) == (
        before
    )
    assert (params, headers, data) == ({"a": [1]}, {"X-A": "1"}, {"texts": ["x"]})
    assert {each.url for each in sender.requests} == {f"{BASE_URL}/x?a=1"}
    assert len(sender.requests) == 3


def test_each_call_has_an_id_that_all_its_attempts_carry() -> None:
    """The service's own id is reported beside it."""
    sender = Scripted(status(503), ok(1, x_request_id="theirs"), ok(2))
    client = client_of(sender)

    async def main() -> list[APIResponse]:
        return [await client.execute_request(APIRequest()) for _ in range(2)]

    first, second = run(main())
    ids = [each.headers["x-request-id"] for each in sender.requests]
    assert ids == [first.request_id, first.request_id, second.request_id]
    assert first.request_id != second.request_id
    assert (first.server_request_id, second.server_request_id) == ("theirs", None)


def test_headers_that_cannot_be_sent_are_refused_at_the_wire() -> None:
    """The error is of the tree and says which service it was for."""

    async def main() -> None:
        async with (
            fault_server(Ok()) as server,
            APIClient("demo", server.url) as client,
        ):
            with pytest.raises(UnsendableRequestError) as raised:
                await client.execute_request(APIRequest(headers={"X-A": "é"}))
            assert raised.value.service == "demo" and raised.value.trace is not None
            assert len(raised.value.trace.attempts) == 1

    run_really(main())


def answer_of(answer: WireResponse, method: str = "GET", **options: Any) -> APIResponse:
    """Return what a client makes of an answer."""
    client = client_of(Scripted(answer), retry=ONCE, **options)
    return run(client.execute_request(APIRequest(method=method)))


def typed(content: bytes, content_type: str | None, code: int = 200) -> WireResponse:
    """Return an answer with a content type."""
    fields = {} if content_type is None else {"content-type": content_type}
    return WireResponse(code, Headers(fields), content)


@pytest.mark.parametrize(
    ("answer", "data"),
    [
        (typed(b'{"a": [1, null]}', "application/json"), {"a": [1, None]}),
        (typed(b"[]", "application/vnd.api+json; charset=utf-8"), []),
        (typed("é".encode(), "text/plain; charset=utf-8"), "é"),
        (typed(b"\xe9", "text/plain; charset=latin-1"), "é"),
        (typed(b"\0\1", "application/octet-stream"), b"\0\1"),
        (typed(b"\x89PNG", "image/png"), b"\x89PNG"),
        (typed(b'{"a": 1}', None), {"a": 1}),
        (typed(b"", "application/json"), None),
        (typed(b"", None, 204), None),
        (typed(b"null", "application/json"), None),
    ],
)
def test_a_body_is_decoded_by_what_it_says_it_is(
    answer: WireResponse, data: Any
) -> None:
    """JSON, text, bytes, or nothing at all."""
    told = answer_of(answer)
    assert told.data == data and told.content == answer.content


def test_an_answer_to_head_has_no_data() -> None:
    """Whatever its content type says."""
    told = answer_of(typed(b"", "application/json"), method="HEAD")
    assert (told.data, told.status_code) == (None, 200)


@LIBRARIES
@pytest.mark.parametrize(
    "behaviour", [HTMLWith200(), NotUTF8(), WrongContentType()], ids=["html", "1", "2"]
)
def test_an_answer_that_is_not_what_it_says_is_an_error(
    library: str, behaviour: Any
) -> None:
    """A page with 200, JSON in Latin-1, words said to be JSON; none is retried."""

    async def main() -> None:
        async with fault_server(behaviour) as server:
            transport = HTTPTransport(library=library)
            client = APIClient("demo", server.url, transport=transport)
            with pytest.raises(DecodingError) as raised:
                await client.execute_request(APIRequest(operation="find"))
            assert (raised.value.service, raised.value.operation) == ("demo", "find")
            assert len(server.requests) == 1
            await transport.aclose()

    run_really(main())


def test_a_large_answer_is_decoded_off_the_loop() -> None:
    """The loop goes on while many megabytes of JSON are read."""
    import threading

    threads: list[int] = []

    class Spying(bytes):
        def removeprefix(self, prefix: Any, /) -> bytes:
            threads.append(threading.get_ident())
            return bytes(self).removeprefix(prefix)

    async def main() -> int:
        large = Spying(json.dumps([[1.5] * 100] * 1_000).encode())
        small = Spying(b"[1]")
        for content in (large, small):
            client = client_of(Scripted(typed(content, "application/json")))
            await client.execute_request(APIRequest())
        return threading.get_ident()

    here = run_really(main())
    assert threads[0] != here
    assert threads[1] == here


@LIBRARIES
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_within_the_origin_are_followed(library: str, code: int) -> None:
    """With the credential, since it is the same service."""

    async def main() -> None:
        async with fault_server(
            paths={"/a": Redirect("/b?x=1", code), "/b": Ok("b")}
        ) as server:
            transport = HTTPTransport(library=library)
            client = APIClient(
                "demo",
                server.url,
                transport=transport,
                auth=APIKeyAuthHandler("planted-key"),
            )
            answer = await client.execute_request(APIRequest(endpoint="a"))
            assert answer.data == "b"
            assert server.requests[1].target == "/b?x=1"
            assert "planted-key" in server.requests[1].headers["authorization"]
            await transport.aclose()

    run_really(main())


@LIBRARIES
def test_a_redirect_to_another_origin_is_an_error_and_nothing_goes_there(
    library: str,
) -> None:
    """Neither the credential nor the request; another port is another origin."""

    async def main() -> None:
        async with fault_server(Ok()) as other, fault_server(Ok()) as server:
            transport = HTTPTransport(library=library)
            client = APIClient(
                "demo",
                server.url,
                transport=transport,
                auth=APIKeyAuthHandler("planted-key"),
            )
            server.script(Redirect(f"{other.url}/steal?token=abcdefgh", 307))
            with pytest.raises(HTTPError, match="points to") as raised:
                await client.execute_request(APIRequest(endpoint="a"))
            assert raised.value.status_code == 307
            assert "abcdefgh" not in repr(vars(raised.value))
            assert other.requests == () and len(server.requests) == 1
            await transport.aclose()

    run_really(main())


def test_a_redirect_loop_ends() -> None:
    """After a handful of hops, as an error that tells its status."""

    async def main() -> int:
        async with fault_server(RedirectLoop()) as server:
            async with APIClient("demo", server.url) as client:
                with pytest.raises(HTTPError) as raised:
                    await client.execute_request(APIRequest(endpoint="a"))
                assert raised.value.status_code == 302
            return len(server.requests)

    assert run_really(main()) <= 6


def test_a_post_is_not_turned_into_a_get() -> None:
    """302 after POST is an error; 307 is followed only where sending twice is safe."""
    for code, idempotent, hops in ((302, True, 1), (307, None, 1), (307, True, 2)):
        moved = status(code, None, location="/v1/b")
        sender = Scripted(moved, ok("b"))
        request = APIRequest(method="POST", json_data=1, idempotent=idempotent)
        call = client_of(sender).execute_request(request)
        if hops == 1:
            with pytest.raises(HTTPError):
                run(call)
        else:
            assert run(call).data == "b"
            assert sender.requests[1].content == b"1"
        assert len(sender.requests) == hops


def test_a_closed_client_refuses() -> None:
    """Every way of asking; closing twice does no harm."""

    async def main() -> None:
        async with fault_server(Ok(1)) as server:
            async with APIClient("demo", server.url) as client:
                assert (await client.execute_request(APIRequest())).data == 1
                assert not client.closed
            assert client.closed and "closed" in repr(client)
            with pytest.raises(ClientClosedError):
                await client.execute_request(APIRequest())
            with pytest.raises(ClientClosedError):
                await client.health_check()
            await client.close()
            await server.wait_closed_connections()
            assert len(server.requests) == 1

    run_really(main())


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.example.org",
        "ftp://h.example",
        "https://",
        "https://h.example?x=1",
        "https://h.example#x",
        "https://u:planted@h.example",
        "https://h.example:no",
        "https://[::",
        7,
    ],
)
def test_a_base_url_that_will_not_do_is_refused(base_url: Any) -> None:
    """The message says what would, and shows no password."""
    with pytest.raises(InvalidArgumentError, match="base_url") as raised:
        APIClient("demo", base_url)
    assert "planted" not in str(raised.value)


@pytest.mark.parametrize("options", [{"deadline_seconds": 0}, {"max_concurrency": 0}])
def test_arguments_out_of_range_are_refused(options: dict[str, Any]) -> None:
    """When the client is made, not with its first call."""
    with pytest.raises(InvalidArgumentError):
        APIClient("demo", BASE_URL, **options)
    for name in ("", " ", "a/b"):
        with pytest.raises(InvalidArgumentError, match="service"):
            APIClient(name, BASE_URL)


def test_one_client_serves_two_loops_one_after_the_other() -> None:
    """Its limits and its breaker live on, its sender is asked from both."""
    sender = Scripted(ok(1))
    client = client_of(sender, clock=FakeClock())
    for _ in range(2):
        assert run(client.execute_request(APIRequest())).data == 1
    assert len(client.get_metrics(None).breakers) == 1


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of the ended loop
def test_two_threads_use_one_client_at_once() -> None:
    """Each on a loop of its own, over real sockets."""
    from tests.world.faults import fault_server_in_thread

    with fault_server_in_thread(Status(503), Ok(1)) as server:
        client = APIClient("demo", server.url)

        async def ask() -> list[Any]:
            calls = [client.execute_request(APIRequest()) for _ in range(10)]
            return [each.data for each in await asyncio.gather(*calls)]

        async def main() -> list[Any]:
            elsewhere = asyncio.to_thread(lambda: run_really(ask()))
            here, there = await asyncio.gather(ask(), elsewhere)
            await client.close()
            return here + there

        assert run_really(main()) == [1] * 20
    gc.collect()
