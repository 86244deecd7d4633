"""Somebody else's HTTP client with the policies of ours beneath it."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from contexter_nb.clients import APIClient
from contexter_nb.core import InvalidArgumentError
from contexter_nb.policies import (
    APIKeyAuthHandler,
    APIMonitor,
    BreakerConfig,
    RateLimitConfig,
    RetryPolicy,
    TokenBucketRateLimiter,
)
from tests.loops import run_really
from tests.world.faults import (
    BadGzip,
    FaultServer,
    Gzipped,
    Hang,
    Ok,
    Redirect,
    ResetBefore,
    Status,
    closed_port,
    fault_server,
)

LIBRARIES = pytest.mark.parametrize("library", ["httpx", "httpx2"])
QUICK = RetryPolicy(base_seconds=0.001, throttled_base_seconds=0.001)


@asynccontextmanager
async def foreign(
    library: str, url: str, idempotent: bool | None = None, **options: Any
) -> AsyncIterator[Any]:
    """Give a client of the library that sends by a client of ours."""
    options.setdefault("retry", QUICK)
    options.setdefault("monitor", APIMonitor(telemetry=False))
    async with APIClient("demo", url, **options) as ours:
        transport = ours.as_transport(library=library, idempotent=idempotent)
        module = importlib.import_module(library)
        async with module.AsyncClient(transport=transport, base_url=url) as theirs:
            theirs.ours = ours
            yield theirs


@LIBRARIES
def test_it_is_retried_limited_and_told(library: str) -> None:
    """503, 503, 200 is one good answer; three requests are paid; one call is told."""

    async def main() -> None:
        limiter = TokenBucketRateLimiter(RateLimitConfig(requests_per_minute=6_000))
        plan = (Status(503), Status(503), Ok({"a": 1}))
        async with (
            fault_server(*plan) as server,
            foreign(library, server.url, limiter=limiter) as theirs,
        ):
            answer = await theirs.get("/things?x=1", headers={"X-A": "b"})
            assert answer.json() == {"a": 1}
            assert len(server.requests) == 3
            assert limiter.get_status().granted == 3
            assert server.requests[0].target == "/things?x=1"
            assert server.requests[0].headers["x-a"] == "b"
            (record,) = theirs.ours.monitor.requests()
            assert (record.operation, record.trace.retries) == ("/things", 2)

    run_really(main())


@LIBRARIES
@pytest.mark.parametrize("code", [302, 404, 429, 500])
def test_the_last_error_status_is_an_answer(library: str, code: int) -> None:
    """The SDK makes its own error of it, with the body."""

    async def main() -> None:
        plan = Status(code, body={"error": "why"})
        async with (
            fault_server(plan) as server,
            foreign(library, server.url) as theirs,
        ):
            answer = await theirs.get("/")
            assert (answer.status_code, answer.json()) == (code, {"error": "why"})
            assert len(server.requests) == (4 if code in (429, 500) else 1)

    run_really(main())


@LIBRARIES
def test_a_post_is_sent_once_unless_that_is_declared_harmless(library: str) -> None:
    """By the client for all, or by a key with one request."""

    async def main() -> None:
        for idempotent, headers, sent in (
            (None, {}, 1),
            (True, {}, 4),
            (None, {"Idempotency-Key": "k-1"}, 4),
        ):
            async with (
                fault_server(ResetBefore()) as server,
                foreign(library, server.url, idempotent) as theirs,
            ):
                with pytest.raises(importlib.import_module(library).ReadError):
                    await theirs.post("/", json={"a": 1}, headers=headers)
                assert len(server.requests) == sent
                assert server.requests[-1].json() == {"a": 1}

    run_really(main())


@LIBRARIES
def test_errors_are_the_librarys_own(library: str) -> None:
    """So that an SDK knows them; what we raised is their cause."""
    module = importlib.import_module(library)

    async def main() -> None:
        once = RetryPolicy(max_attempts=1)
        for plan, kind in (
            (ResetBefore(), module.ReadError),
            (BadGzip(), module.DecodingError),
        ):
            async with (
                fault_server(plan) as server,
                foreign(library, server.url, retry=once) as theirs,
            ):
                with pytest.raises(kind) as raised:
                    await theirs.get("/")
                assert raised.value.__cause__ is not None
                assert raised.value.request.url == f"{server.url}/"
        with closed_port() as port:
            url = f"http://127.0.0.1:{port}"
            broken = BreakerConfig(minimum_calls=1)
            async with foreign(library, url, retry=once, breaker=broken) as theirs:
                with pytest.raises(module.ConnectError):
                    await theirs.get("/")
                with pytest.raises(module.TransportError, match="left alone"):
                    await theirs.get("/")
        async with (
            fault_server(Hang()) as server,
            foreign(library, server.url, deadline_seconds=0.1) as theirs,
        ):
            with pytest.raises(module.TimeoutException):
                await theirs.get("/")
            await server.wait_disconnect()

    run_really(main())


@LIBRARIES
def test_what_is_packed_reaches_the_sdk_unpacked(library: str) -> None:
    """And only what can be unpacked here is asked for, whatever the SDK could take."""

    async def main() -> None:
        async with (
            fault_server(Gzipped({"a": 1})) as server,
            foreign(library, server.url) as theirs,
        ):
            answer = await theirs.get("/", headers={"Accept-Encoding": "br, zstd"})
            assert answer.json() == {"a": 1}
            assert "content-encoding" not in answer.headers
            assert server.requests[0].headers["accept-encoding"] == "gzip, deflate"

    run_really(main())


@LIBRARIES
def test_the_credential_stays_with_its_origin(library: str) -> None:
    """Another host that an SDK asks by the same transport does not get it."""

    async def main() -> None:
        auth = APIKeyAuthHandler("planted-key-1234")

        def sees_key(server: FaultServer) -> list[bool]:
            return ["authorization" in each.headers for each in server.requests]

        async with (
            fault_server(Ok(1)) as other,
            fault_server(Redirect(f"{other.url}/x", 307)) as server,
            foreign(library, server.url, auth=auth) as theirs,
        ):
            assert (await theirs.get("/", follow_redirects=True)).json() == 1
            await theirs.get(other.url)
            assert sees_key(server) == [True]
            assert sees_key(other) == [False, False]

    run_really(main())


def test_a_library_that_is_none_is_refused() -> None:
    """When the transport is asked for."""
    client = APIClient("demo", "https://h.example")
    with pytest.raises(InvalidArgumentError, match="httpx"):
        client.as_transport(library="requests")


def test_an_sdk_works_over_it() -> None:
    """The client of Qdrant, which takes the arguments of httpx, is retried, too."""
    qdrant = pytest.importorskip("qdrant_client")

    async def main() -> None:
        listing = {"result": {"collections": [{"name": "docs"}]}, "status": "ok"}
        paths = {"/collections": Ok({**listing, "time": 0.1})}
        async with fault_server(paths=paths) as server:
            from tests.world.faults import Sequence

            server.on("/collections", Sequence([Status(503), paths["/collections"]]))
            async with APIClient("qdrant", server.url, retry=QUICK) as ours:
                client = qdrant.AsyncQdrantClient(
                    url=server.url,
                    check_compatibility=False,
                    transport=ours.as_transport(library="httpx"),
                )
                found = await client.get_collections()
                assert [each.name for each in found.collections] == ["docs"]
                assert len(server.requests) == 2
                await client.close()

    run_really(main())
