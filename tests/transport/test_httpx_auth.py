"""Our auth handlers in somebody else's httpx and httpx2 clients."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import httpx2
import pytest

from contexter_nb.core import InvalidArgumentError, SendRequest, TokenFetchError
from contexter_nb.policies._api_key import APIKeyAuthHandler
from contexter_nb.policies._bearer_flow import bearer_flow
from contexter_nb.policies._oauth2 import OAuth2AuthHandler
from contexter_nb.transport._httpx_auth import httpx_auth
from tests.loops import FakeClock, run, run_really
from tests.policies.token_server import CLIENT_ID, CLIENT_SECRET, TokenServer

KEY = "pa-" + "planted-0123456789abcdef"
LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2])


class Web:
    """What each host got, and what it answers; the transport of a client."""

    def __init__(self, library: Any) -> None:
        self.library = library
        self.got: list[tuple[str, dict[str, str]]] = []
        self.redirects: dict[str, str] = {}
        self.refuses = False
        self.transport = library.MockTransport(self._answer)

    def _answer(self, request: Any) -> Any:
        self.got.append((str(request.url), dict(request.headers.items())))
        to = self.redirects.get(str(request.url))
        if to is not None:
            return self.library.Response(307, headers={"location": to})
        return self.library.Response(401 if self.refuses else 200)

    def client(self, auth: Any, **others: Any) -> Any:
        return self.library.AsyncClient(auth=auth, transport=self.transport, **others)

    def seen(self, field: str) -> list[str | None]:
        return [headers.get(field) for _, headers in self.got]


def oauth2_at(server: TokenServer) -> OAuth2AuthHandler:
    """Return a handler of the test client that nobody has bound."""
    return OAuth2AuthHandler(
        server.token_url,
        CLIENT_ID,
        CLIENT_SECRET,
        clock=FakeClock(),
        chance=random.Random(7),
    )


@LIBRARIES
def test_a_key_is_added_to_a_copy_of_the_request(library: Any) -> None:
    """The request a caller made by hand holds no credential afterwards."""
    web = Web(library)

    async def main() -> None:
        async with web.client(httpx_auth(APIKeyAuthHandler(KEY), library=library)) as c:
            request = c.build_request("POST", "https://a.example.org/x", json={"a": 1})
            before = dict(request.headers)
            assert (await c.send(request)).status_code == 200
            assert dict(request.headers) == before

    run(main())
    assert web.seen("authorization") == [f"Bearer {KEY}"]
    assert web.seen("content-type") == ["application/json"]


@LIBRARIES
def test_fifty_cold_calls_fetch_one_token_and_outlive_a_revocation(
    library: Any,
) -> None:
    """On real sockets: 50 of 50 with one fetch, and again with one refresh."""

    async def main() -> None:
        async with TokenServer() as server:
            auth = httpx_auth(oauth2_at(server), library=library)
            limits = library.Limits(max_connections=16)
            async with library.AsyncClient(auth=auth, limits=limits) as client:

                async def call() -> int:
                    code: int = (await client.get(server.api_url)).status_code
                    return code

                cold = await asyncio.gather(*(call() for _ in range(50)))
                assert (cold, len(server.token_requests)) == ([200] * 50, 1)
                server.revoke()
                warm = await asyncio.gather(*(call() for _ in range(50)))
                assert (warm, len(server.token_requests)) == ([200] * 50, 2)

    run_really(main())


@LIBRARIES
def test_the_token_request_does_not_go_through_the_client(library: Any) -> None:
    """Its hooks, headers and limits are the API's, not the token endpoint's."""

    async def main() -> None:
        async with TokenServer() as server:
            asked: list[str] = []

            async def note(request: Any) -> None:
                asked.append(request.url.path)

            async with library.AsyncClient(
                auth=httpx_auth(oauth2_at(server), library=library),
                event_hooks={"request": [note]},
                limits=library.Limits(max_connections=1),
            ) as client:
                assert (await client.get(server.api_url)).status_code == 200
            assert asked == ["/api"]
            assert len(server.token_requests) == 1

    run_really(main())


@LIBRARIES
def test_a_body_in_memory_is_sent_again_after_a_401(library: Any) -> None:
    """The second request has the whole body."""

    async def main() -> None:
        async with TokenServer() as server:
            auth = httpx_auth(oauth2_at(server), library=library)
            async with library.AsyncClient(auth=auth) as client:
                await client.get(server.api_url)
                server.revoke()
                answer = await client.post(server.api_url, content=b"whole body")
                assert (answer.status_code, answer.content) == (200, b"whole body")
                assert len(server.api_requests) == 3

    run_really(main())


@LIBRARIES
def test_a_streamed_body_is_not_sent_again(library: Any) -> None:
    """The 401 is the answer, no error; the next call has the newer token."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"once"

    async def main() -> None:
        async with TokenServer() as server:
            auth = httpx_auth(oauth2_at(server), library=library)
            length = {"content-length": "4"}
            async with library.AsyncClient(auth=auth) as client:
                first = await client.post(
                    server.api_url, content=pieces(), headers=length
                )
                assert first.content == b"once"
                server.revoke()
                refused = await client.post(
                    server.api_url, content=pieces(), headers=length
                )
                assert refused.status_code == 401
                again = await client.post(
                    server.api_url, content=pieces(), headers=length
                )
                assert again.status_code == 200
            assert len(server.token_requests) == 2

    run_really(main())


@LIBRARIES
@pytest.mark.parametrize("header", ["Authorization", "X-API-Key", "Cookie"])
def test_no_redirect_carries_a_key_to_another_origin(library: Any, header: str) -> None:
    """Another host, port or scheme gets none, whatever header field holds it."""
    for elsewhere in (
        "https://b.example.org/",
        "https://a.example.org:444/",
        "http://a.example.org/",
    ):
        web = Web(library)
        web.redirects["https://a.example.org/"] = elsewhere
        handler = APIKeyAuthHandler(KEY, header=header, scheme=None)

        async def main(web: Web = web, handler: Any = handler) -> None:
            auth = httpx_auth(handler, library=library)
            async with web.client(auth, follow_redirects=True) as client:
                await client.get("https://a.example.org/")

        run(main())
        assert web.seen(header.lower()) == [KEY, None]


@LIBRARIES
@pytest.mark.parametrize(
    ("header", "carried"), [("Authorization", [KEY, KEY]), ("X-Key", [KEY, None])]
)
def test_within_an_origin_only_authorization_follows_a_redirect(
    library: Any, header: str, carried: list[str | None]
) -> None:
    """A key in another field has to be sent to the final URL."""
    web = Web(library)
    web.redirects["https://a.example.org/"] = "https://a.example.org/there"
    handler = APIKeyAuthHandler(KEY, header=header, scheme=None)

    async def main() -> None:
        auth = httpx_auth(handler, library=library)
        async with web.client(auth, follow_redirects=True) as client:
            await client.get("https://a.example.org/")

    run(main())
    assert web.seen(header.lower()) == carried


@LIBRARIES
def test_headers_with_a_key_behave_as_headers(library: Any) -> None:
    """Hooks and transports may read, count, list and change them."""
    shown: list[Any] = []

    async def look(request: Any) -> None:
        fields = request.headers
        fields["x-added"] = "1"
        shown.append(
            (
                fields.get("x-key"),
                fields.get_list("x-key"),
                "x-key" in fields,
                KEY in list(fields.values()),
                "x-key" in list(fields) and "x-key" in list(fields.keys()),
                len(fields) == len(list(fields.multi_items())),
                fields["X-Key"],
                KEY in repr(fields),
            )
        )

    web = Web(library)
    handler = APIKeyAuthHandler(KEY, header="X-Key", scheme=None)

    async def main() -> None:
        auth = httpx_auth(handler, library=library)
        hooks = {"request": [look]}
        # Hooks see the request as it is sent.
        async with web.client(auth, event_hooks=hooks) as client:
            await client.get("https://a.example.org/")

    run(main())
    assert shown == [(KEY, [KEY], True, True, True, True, KEY, False)]
    assert web.seen("x-added") == ["1"]


@LIBRARIES
def test_a_key_in_an_own_field_goes_out_on_a_real_socket(library: Any) -> None:
    """And not to the target of a redirect there."""

    async def main() -> None:
        async with TokenServer() as here, TokenServer() as there:
            handler = APIKeyAuthHandler(KEY, header="X-API-Key", scheme=None)
            async with library.AsyncClient(
                auth=httpx_auth(handler, library=library), follow_redirects=True
            ) as client:
                await client.get(here.api_url)
                target = there.api_url
                await client.get(f"http://127.0.0.1:{here.port}/go?{target}")
            assert [each.get("x-api-key") for each in here.api_requests] == [KEY]
            assert [each.get("x-api-key") for each in there.api_requests] == [None]

    run_really(main())


@LIBRARIES
def test_only_one_origin_gets_the_credential(library: Any) -> None:
    """That of the first request, even if a redirect is followed by hand."""
    web = Web(library)
    web.redirects["https://a.example.org/"] = "https://b.example.org/"

    async def main() -> None:
        auth = httpx_auth(APIKeyAuthHandler(KEY), library=library)
        async with web.client(auth) as client:
            answer = await client.get("https://a.example.org/")
            await client.send(answer.next_request)
            await client.get("https://a.example.org:443/again")

    run(main())
    assert web.seen("authorization") == [f"Bearer {KEY}", None, f"Bearer {KEY}"]


@LIBRARIES
def test_the_origin_can_be_given(library: Any) -> None:
    """Then an earlier request elsewhere does not take it."""
    web = Web(library)

    async def main() -> None:
        auth = httpx_auth(
            APIKeyAuthHandler(KEY), library=library, origin="https://a.example.org"
        )
        async with web.client(auth) as client:
            await client.get("https://b.example.org/")
            await client.get("https://a.example.org/")

    run(main())
    assert web.seen("authorization") == [None, f"Bearer {KEY}"]


class Counting:
    """A handler that counts how often a token is wanted."""

    def __init__(self) -> None:
        self.wanted = 0
        self.open_flows = 0

    def flow(self, request: Any) -> Iterator[Any]:
        self.open_flows += 1
        try:
            yield from bearer_flow(request)
        finally:
            self.open_flows -= 1

    async def token(self, newer_than: Any = None) -> Any:
        self.wanted += 1
        raise TokenFetchError("none today")

    def bind(self, send: Any) -> None: ...


@LIBRARIES
def test_a_401_of_a_redirects_target_wants_no_new_token(library: Any) -> None:
    """The other origin had no credential, so its refusal says nothing of ours."""
    web = Web(library)
    web.redirects["https://a.example.org/"] = "https://b.example.org/"
    web.refuses = True
    asked: list[int] = []

    def flow(request: Any) -> Iterator[Any]:
        answer = yield SendRequest(request.with_headers({"authorization": "Bearer k"}))
        asked.append(answer.status_code)

    async def main() -> None:
        handler: Any = SimpleNamespace(flow=flow, bind=lambda send: None)
        auth = httpx_auth(handler, library=library)
        async with web.client(auth, follow_redirects=True) as client:
            assert (await client.get("https://a.example.org/")).status_code == 401

    run(main())
    assert asked == []


@LIBRARIES
def test_a_failed_token_fetch_reaches_the_caller(library: Any) -> None:
    """As our own error, and the flow is closed."""
    web = Web(library)
    handler: Any = Counting()

    async def main() -> None:
        async with web.client(httpx_auth(handler, library=library)) as client:
            with pytest.raises(TokenFetchError, match="none today"):
                await client.get("https://a.example.org/")

    run(main())
    assert (web.got, handler.wanted, handler.open_flows) == ([], 1, 0)


@LIBRARIES
def test_a_synchronous_client_is_refused(library: Any) -> None:
    """With one sentence, before anything is sent."""
    web = Web(library)
    auth = httpx_auth(APIKeyAuthHandler(KEY), library=library)
    with (
        library.Client(auth=auth, transport=web.transport) as client,
        pytest.raises(InvalidArgumentError, match="use an AsyncClient"),
    ):
        client.get("https://a.example.org/")
    assert web.got == []


def test_each_library_gets_an_auth_of_its_own() -> None:
    """Their classes do not mix; plain httpx is the default."""
    handler = APIKeyAuthHandler(KEY)
    assert isinstance(httpx_auth(handler), httpx.Auth)
    assert isinstance(httpx_auth(handler, library="httpx2"), httpx2.Auth)
    assert not isinstance(httpx_auth(handler, library=httpx2), httpx.Auth)
    assert KEY not in repr(httpx_auth(handler)) + repr(vars(httpx_auth(handler)))


@pytest.mark.parametrize("library", [asyncio, "no_such_library_here"])
def test_what_is_no_http_library_is_refused(library: Any) -> None:
    """The sentence names what will do."""
    with pytest.raises(InvalidArgumentError, match="give httpx or httpx2"):
        httpx_auth(APIKeyAuthHandler(KEY), library=library)


@pytest.mark.parametrize("origin", ["a.example.org", "ftp://a.example.org", "https://"])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    """Scheme and host are needed."""
    with pytest.raises(InvalidArgumentError, match="origin is no origin"):
        httpx_auth(APIKeyAuthHandler(KEY), origin=origin)


def test_a_release_that_would_carry_keys_along_is_refused() -> None:
    """If copies of headers kept the extra fields, no auth would be made for it."""

    class Headers(httpx.Headers):
        def __init__(self, fields: Any = None) -> None:
            super().__init__(fields.multi_items() if fields else fields)

    from types import ModuleType

    library: Any = ModuleType("httpx9")
    library.Headers, library.Auth, library.AsyncClient = Headers, httpx.Auth, object
    with pytest.raises(InvalidArgumentError, match="would carry credentials"):
        httpx_auth(APIKeyAuthHandler(KEY), library=library)
