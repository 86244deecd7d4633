"""A planted key, every failing path, and a search of all that is left behind."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
import traceback
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.traceback import Traceback

from contexter_nb.clients import APIClient, GraphQLClient
from contexter_nb.core import APIRequest, ContexterError, Timeouts
from contexter_nb.policies import (
    APICache,
    APIKeyAuthHandler,
    APIMonitor,
    BreakerConfig,
    JWTAuthHandler,
    OAuth2AuthHandler,
    RateLimitConfig,
    RetryPolicy,
    TokenBucketRateLimiter,
)
from contexter_nb.transport import HTTPTransport
from tests.loops import run_really
from tests.world.faults import (
    BadGzip,
    ByRequest,
    Hang,
    HTMLWith200,
    NotHTTP,
    Ok,
    RedirectLoop,
    ResetBefore,
    ResetInBody,
    ResetInHeaders,
    Seen,
    Status,
    TruncatedBody,
    fault_server,
)

# In pieces, so that no file holds what looks like a key.
PLANTED = "planted-" + "Zq7Xw9Kd3Lm5Np8RtVyB2cF4gH6jQ0sU"
SPELLINGS = (PLANTED, base64.b64encode(PLANTED.encode()).decode().rstrip("=")[:-2])
QUICK = RetryPolicy(max_attempts=2, base_seconds=0.001, throttled_base_seconds=0.001)
IMPATIENT = Timeouts(read_seconds=0.1, attempt_seconds=0.2)


def echo(seen: Seen) -> Any:
    """Answer an error that repeats what was sent, as careless services do."""
    sent = seen.headers.get("authorization", "") + seen.headers.get("x-api-key", "")
    return Status(
        500,
        headers=(("X-Echo", sent), ("Set-Cookie", f"session={sent.split()[-1]}")),
        body={"error": f"cannot serve {sent}"},
    )


FAULTS: dict[str, Any] = {
    **{str(code): Status(code) for code in (400, 401, 402, 403, 404, 409, 413)},
    **{str(code): Status(code) for code in (422, 429, 451, 500, 501, 503)},
    "echo": ByRequest(echo),
    "reset before": ResetBefore(),
    "reset in headers": ResetInHeaders(),
    "reset in body": ResetInBody(),
    "truncated": TruncatedBody(),
    "no http": NotHTTP(),
    "a page": HTMLWith200(),
    "bad packing": BadGzip(),
    "redirects": RedirectLoop(),
    "silence": Hang(),
}


def shown(error: BaseException, *, richly: bool = True) -> str:
    """Return all that displays of an error show: plain, with locals, in IPython."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next  # the key is in this file's own variables
    error = error.with_traceback(frames)
    parts = [repr(error), str(error), repr(vars(error))]
    parts += traceback.format_exception(error)
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    parts += told.format()
    if isinstance(error, ContexterError):
        parts += error._render_traceback_()
    if not richly:
        return "\n".join(parts)
    screen = io.StringIO()
    rich = Traceback.from_exception(
        type(error),
        error,
        error.__traceback__,
        show_locals=True,
        locals_max_string=9999,
    )
    Console(file=screen, width=300).print(rich)
    parts.append(screen.getvalue())
    return "\n".join(parts)


def assert_clean(text: str, where: str) -> None:
    """Fail where the key, or its Base64, is in a text."""
    for spelling in SPELLINGS:
        at = text.find(spelling)
        assert at < 0, f"{where}: ...{text[max(0, at - 300) : at]}<KEY>"


def handlers(url: str) -> dict[str, Any]:
    """Return a way to authorize of each kind, all with the planted key."""
    return {
        "bearer": APIKeyAuthHandler(PLANTED),
        "header": APIKeyAuthHandler(PLANTED, header="X-API-Key", scheme=None),
        "jwt": JWTAuthHandler(
            PLANTED, algorithm="HS256", issuer="me", audience="you", subject="it"
        ),
        "oauth2": OAuth2AuthHandler(f"{url}/token", "id", PLANTED),
    }


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_failure_shows_a_key(
    library: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """However a call fails, no display, log or metric of it holds the key."""
    caplog.set_level(logging.DEBUG)
    found: list[str] = []

    async def main() -> None:
        monitor = APIMonitor()
        token = Ok({"access_token": PLANTED, "expires_in": 3600})
        async with fault_server(
            paths={"/token": token}, default=FAULTS[fault]
        ) as server:
            for name, auth in handlers(server.url).items():
                transport = HTTPTransport(library=library)
                client = APIClient(
                    "demo",
                    server.url,
                    auth=auth,
                    transport=transport,
                    monitor=monitor,
                    retry=QUICK,
                    timeouts=IMPATIENT,
                )
                request = APIRequest(
                    endpoint="/x",
                    params={"api_key": PLANTED},
                    headers={"Cookie": f"session={PLANTED}"},
                )
                with pytest.raises(ContexterError) as caught:
                    await client.execute_request(request)
                found.append(shown(caught.value, richly=name == "bearer"))
                found.append(f"{client!r} {auth!r} {request!r} {name}")
                await transport.aclose()
        found.append(repr(monitor.requests()) + monitor.prometheus_text())
        found.append(repr(monitor.get_summary()) + repr(monitor.alerts()))

    run_really(main())
    for text in found:
        assert_clean(text, fault)
    assert_clean(caplog.text, "log")


def test_no_refusal_shows_a_key() -> None:
    """What is refused before it is sent, cancelled or late shows no key either."""
    found: list[str] = []

    async def failing(client: APIClient, request: APIRequest) -> None:
        try:
            await client.execute_request(request)
        except (ContexterError, asyncio.CancelledError) as exc:
            found.append(shown(exc))

    async def main() -> None:
        async with fault_server(Status(500), Status(500), Hang()) as server:
            client = APIClient(
                "demo",
                server.url,
                auth=APIKeyAuthHandler(PLANTED),
                monitor=APIMonitor(),
                retry=RetryPolicy(max_attempts=1),
                breaker=BreakerConfig(minimum_calls=2, open_seconds=5),
            )
            request = APIRequest(endpoint="/x")
            for _ in range(3):  # twice failed, then refused by the breaker
                await failing(client, request)
            limited = APIClient(
                "limited",
                server.url,
                auth=APIKeyAuthHandler(PLANTED),
                monitor=APIMonitor(),
                limiter=TokenBucketRateLimiter(
                    RateLimitConfig(requests_per_minute=1, burst_size=1)
                ),
            )
            late = request.with_(deadline_seconds=0.1)
            await failing(limited, late)
            await failing(limited, late)
            hanging = APIClient(
                "hanging",
                server.url,
                auth=APIKeyAuthHandler(PLANTED),
                monitor=APIMonitor(),
            )
            task = asyncio.create_task(failing(hanging, request))
            await server.wait_requests(4)
            task.cancel()
            await task
            for each in (client, limited, hanging):
                await each.close()
            await failing(client, request)

    run_really(main())
    assert len(found) >= 6
    for text in found:
        assert_clean(text, "refusal")


def test_no_file_of_the_cache_holds_a_key(tmp_path: Path) -> None:
    """The account is part of an answer's key only as a hash."""

    async def main() -> None:
        path = tmp_path / "answers.sqlite"
        cache = APICache(path=path)
        async with fault_server(default=Ok({"a": 1})) as server:
            async with APIClient(
                "demo",
                server.url,
                auth=APIKeyAuthHandler(PLANTED),
                cache=cache,
                monitor=APIMonitor(),
            ) as client:
                await client.execute_request(
                    APIRequest(endpoint="/x", cache_ttl_seconds=60)
                )
            async with GraphQLClient(
                server.url,
                auth=APIKeyAuthHandler(PLANTED),
                cache=cache,
                monitor=APIMonitor(),
            ) as graphql:
                with pytest.raises(ContexterError):
                    await graphql.execute_query("{ a }", cache_ttl_seconds=60)
        await cache.close()

    run_really(main())
    assert (tmp_path / "answers.sqlite").stat().st_size > 0
    for file in tmp_path.iterdir():
        assert PLANTED.encode() not in file.read_bytes()
