"""A planted key is driven along every failing path, and then looked for everywhere."""

from __future__ import annotations

import asyncio
import io
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from rich.console import Console
from rich.traceback import Traceback

from contexter_nb.clients import APIClient, Knowledge
from contexter_nb.core import (
    APIRequest,
    ContexterError,
    InvalidArgumentError,
    Timeouts,
)
from contexter_nb.policies import (
    APICache,
    APIKeyAuthHandler,
    APIMonitor,
    BasicAuthHandler,
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
    BadChunk,
    BadGzip,
    ByRequest,
    CloseBefore,
    EndlessBody,
    GzipBomb,
    Hang,
    HangInBody,
    HTMLWith200,
    NotHTTP,
    NotUTF8,
    Ok,
    Redirect,
    RedirectLoop,
    ResetBefore,
    ResetInBody,
    Seen,
    SlowDrip,
    Status,
    TruncatedBody,
    WrongContentType,
    closed_port,
    fault_server,
)

KEY = "pLanTed" + "-0123456789-abcdefghijk-key"
LIBRARIES = pytest.mark.parametrize("library", ["httpx", "httpx2"])
ONCE = RetryPolicy(max_attempts=1)
HASTY = Timeouts(connect_seconds=0.1, read_seconds=0.1, attempt_seconds=0.2)
ROOT = str(Path(__file__).resolve().parents[2] / "contexter_nb")


def ours(frames: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first frame of the package on.

    The test's own frames know the key, and so would a user's.
    """
    while frames is not None and not frames.tb_frame.f_code.co_filename.startswith(
        ROOT
    ):
        frames = frames.tb_next
    return frames


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, its causes and contexts, and what groups hold."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions


def shown(error: BaseException) -> Iterator[str]:
    """Yield every way in which an error, or what led to it, may be shown."""
    for each in chain_of(error):
        frames = ours(each.__traceback__)
        yield f"{each!s} {each!r} {each.args!r} {vars(each)!r}"
        yield repr(getattr(each, "__notes__", ()))
        yield from variables_of(frames)
        yield "".join(traceback.format_exception(type(each), each, frames))
        yield rich_of(type(each), each, frames)
        if isinstance(each, ContexterError):
            yield "\n".join(each._render_traceback_())


def variables_of(frames: TracebackType | None) -> Iterator[str]:
    """Yield all variables of all frames, as a debugger would show them."""
    for frame, _ in traceback.walk_tb(frames):
        for value in frame.f_locals.values():
            try:
                yield repr(value)
            except AttributeError:  # an object whose making failed
                continue


def rich_of(kind: Any, error: BaseException, frames: TracebackType | None) -> str:
    """Return what rich shows, with all variables."""
    page = io.StringIO()
    made = Traceback.from_exception(
        kind, error, frames, show_locals=True, locals_max_string=None, extra_lines=0
    )
    made.suppress = []
    Console(file=page, width=4_000, record=False).print(made)
    return page.getvalue()


def assert_hidden(texts: Iterator[str] | list[str], *keys: str) -> None:
    """Fail where a key is in one of the texts."""
    for text in texts:
        for key in keys or (KEY,):
            at = text.find(key)
            assert at < 0, text[max(0, at - 300) : at + 60]


async def failure_of(call: Awaitable[Any]) -> BaseException:
    """Return what a call raises."""
    try:
        await call
    except BaseException as exc:
        return exc
    raise AssertionError("it did not fail")


def echo(seen: Seen, code: int = 400) -> Any:
    """Repeat in body and headers what came, as careless services do."""
    sent = seen.headers.get("authorization", "none")
    return Status(
        code,
        headers=(("X-Echo", sent), ("X-Target", seen.target)),
        body={"error": f"bad request {sent} at {seen.target}", "headers": sent},
    )


def echo_of(code: int) -> Any:
    """Return what repeats all with a status."""
    return ByRequest(lambda seen: echo(seen, code))


FAULTS = [
    *[echo_of(code) for code in (300, 400, 401, 403, 404, 409, 418, 429, 500, 503)],
    ByRequest(lambda seen: Status(500, body=seen.headers["authorization"].encode())),
    ByRequest(
        lambda seen: Ok(content=f"{{{seen.headers['authorization']} {KEY}".encode())
    ),
    ByRequest(lambda seen: Redirect(f"http://elsewhere.example/?token={KEY}")),
    ByRequest(lambda seen: Redirect(f"http://{KEY}:x@elsewhere.example/{KEY}")),
    RedirectLoop(),
    ResetBefore(),
    CloseBefore(),
    ResetInBody(),
    TruncatedBody(),
    BadChunk(),
    BadGzip(),
    BadGzip(cut=True),
    GzipBomb(),
    EndlessBody(),
    NotHTTP(),
    NotHTTP(content=f"{KEY}\r\n".encode()),
    HTMLWith200(),
    NotUTF8(),
    WrongContentType(),
    Hang(),
    HangInBody(),
    SlowDrip(),
]


def client_to(url: str, library: str, **options: Any) -> APIClient:
    """Return a client that gives up soon."""
    options.setdefault("monitor", APIMonitor(telemetry=False))
    options.setdefault("auth", APIKeyAuthHandler(KEY))
    options.setdefault("retry", ONCE)
    options.setdefault("timeouts", HASTY)
    options.setdefault("breaker", None)
    options.setdefault("max_response_bytes", 100_000)
    return APIClient("demo", url, transport=HTTPTransport(library=library), **options)


async def close(client: APIClient) -> None:
    """Close a client and the transport it was given."""
    await client.close()
    await client._pipeline.send.aclose()  # type: ignore[attr-defined]


def told(monitor: APIMonitor, client: APIClient) -> list[str]:
    """Return all that a monitor and a client say."""
    return [
        repr(monitor.requests()),
        repr(monitor.get_summary(None)),
        repr(monitor.get_metrics()),
        repr(monitor.alerts()),
        monitor.prometheus_text(),
        repr(client),
        repr(vars(client)),
        repr(client.get_metrics(None)),
    ]


REQUEST = APIRequest(
    method="PUT",
    endpoint="x",
    params={"q": 1, "api_key": KEY},
    json_data={"api_key": KEY},
    headers={"X-Api-Key": KEY},
)


@LIBRARIES
@pytest.mark.parametrize("at", range(len(FAULTS)))
def test_no_failing_answer_shows_the_key(library: str, at: int) -> None:
    """Given as credential, parameter, header and in the body, and echoed back."""

    async def main() -> None:
        async with fault_server(FAULTS[at]) as server:
            monitor = APIMonitor(telemetry=False)
            client = client_to(server.url, library, monitor=monitor)
            error = await failure_of(client.execute_request(REQUEST))
            assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
            assert_hidden(shown(error))
            assert_hidden([repr(REQUEST), *told(monitor, client)])
            await close(client)

    run_really(main())


@LIBRARIES
def test_no_refusal_before_sending_shows_the_key(library: str) -> None:
    """No connection, open breaker, used-up limit, no place, closed client."""

    async def main() -> None:
        errors: list[BaseException] = []
        with closed_port() as port:
            client = client_to(
                f"http://127.0.0.1:{port}",
                library,
                breaker=BreakerConfig(minimum_calls=1),
            )
            errors.append(await failure_of(client.execute_request(REQUEST)))
            errors.append(await failure_of(client.execute_request(REQUEST)))
            errors.append(await failure_of(client.execute_request(REQUEST)))
            await close(client)
            errors.append(await failure_of(client.execute_request(REQUEST)))
        async with fault_server(Hang()) as server:
            limiter = TokenBucketRateLimiter(RateLimitConfig(requests_per_minute=1))
            client = client_to(server.url, library, limiter=limiter)
            errors.append(await failure_of(client.execute_request(REQUEST)))
            hurried = REQUEST.with_(deadline_seconds=1)
            errors.append(await failure_of(client.execute_request(hurried)))
            await close(client)
            client = client_to(server.url, library, max_concurrency=1)
            first = asyncio.create_task(
                client.execute_request(REQUEST.with_(timeouts=Timeouts()))
            )
            await server.wait_open(1)
            hurried = REQUEST.with_(deadline_seconds=0.05)
            errors.append(await failure_of(client.execute_request(hurried)))
            first.cancel()
            errors.append(await failure_of(first))
            await close(client)
        kinds = {type(each).__name__ for each in errors}
        assert {
            "ConnectionFailedError",
            "CircuitOpenError",
            "ClientClosedError",
            "RateLimitExceededError",
            "CancelledError",
        } <= kinds
        for each in errors:
            assert_hidden(shown(each))

    run_really(main())


@LIBRARIES
def test_a_request_cut_off_by_closing_shows_no_key(library: str) -> None:
    """The client is closed while the answer is awaited."""

    async def main() -> None:
        async with fault_server(Hang()) as server:
            client = client_to(server.url, library, timeouts=Timeouts())
            asked = asyncio.create_task(client.execute_request(REQUEST))
            await server.wait_open(1)
            await close(client)
            assert_hidden(shown(await failure_of(asked)))

    run_really(main())


@LIBRARIES
def test_a_good_answer_that_echoes_the_key_shows_it_nowhere(library: str) -> None:
    """The data are the caller's; what is shown by itself is not the key."""

    def inspect(request: Any, answer: Any, data: Any) -> Any:
        raise LookupError("an error in what a client knows")

    async def main() -> None:
        plan = ByRequest(lambda seen: echo(seen, 200))
        async with fault_server(plan) as server:
            client = client_to(server.url, library)
            answer = await client.execute_request(REQUEST)
            assert KEY in answer.data["headers"]
            assert_hidden([repr(answer), str(answer)])
            await close(client)
            client = client_to(
                server.url, library, knowledge=Knowledge(inspect=inspect)
            )
            error = await failure_of(client.execute_request(REQUEST))
            error.__traceback__ = _without_last(error.__traceback__)
            assert_hidden(shown(error))
            await close(client)

    run_really(main())


def _without_last(frames: TracebackType | None) -> TracebackType | None:
    """Take away the frame of the test's own function."""
    if frames is None or frames.tb_next is None:
        return None
    frames.tb_next = _without_last(frames.tb_next)
    return frames


def secrets_of_oauth(url: str) -> Any:
    """Return a handler that needs a token first."""
    return OAuth2AuthHandler(f"{url}/token", "reader", KEY)


HANDLERS: dict[str, Callable[[str], Any]] = {
    "oauth2": secrets_of_oauth,
    "oauth2 in the form": lambda url: OAuth2AuthHandler(
        f"{url}/token", "reader", KEY, client_auth="post"
    ),
    "jwt": lambda url: JWTAuthHandler(
        KEY * 2, algorithm="HS256", issuer="me", audience="you"
    ),
    "basic": lambda url: BasicAuthHandler("me", KEY),
}


@LIBRARIES
@pytest.mark.parametrize("name", HANDLERS)
@pytest.mark.parametrize("fault", [ResetBefore(), echo_of(400), echo_of(401), Hang()])
def test_no_way_of_authorization_shows_its_secret(
    library: str, name: str, fault: Any
) -> None:
    """Neither where the token endpoint fails nor where the service does."""

    def token(seen: Seen) -> Any:
        return Ok({"access_token": f"issued-{KEY}", "token_type": "bearer"})

    async def main() -> None:
        for paths in ({"/token": fault}, {"/token": ByRequest(token)}):
            async with fault_server(paths=paths, default=fault) as server:
                auth = HANDLERS[name](server.url)
                client = client_to(server.url, library, auth=auth)
                plain = APIRequest(endpoint="x", deadline_seconds=0.3)
                error = await failure_of(client.execute_request(plain))
                assert_hidden(shown(error))
                assert_hidden([repr(auth), auth.fingerprint()])
                assert_hidden([repr(vars(client))])
                await close(client)

    run_really(main())


def test_no_refused_argument_shows_the_key() -> None:
    """A key in an address, with a newline, or in what JSON cannot express."""
    makers: list[Callable[[], Any]] = [
        lambda: APIClient("demo", f"https://me:{KEY}@h.example"),
        lambda: APIClient("demo", f"https://{KEY}@h.example/v1"),
        lambda: APIClient("demo", f"https://me:{KEY}@h.example:no"),
        lambda: APIKeyAuthHandler(KEY, header="a b"),
        lambda: APIRequest(params={"key": KEY}, deadline_seconds=-1),
        lambda: HTTPTransport(proxy=f"gopher://me:{KEY}@h.example"),
        lambda: OAuth2AuthHandler("ftp://h.example", "id", KEY),
        lambda: JWTAuthHandler(KEY, algorithm="HS257", issuer="i", audience="a"),
    ]
    for make in makers:
        with pytest.raises(InvalidArgumentError) as raised:
            make()
        assert_hidden(shown(raised.value))


@pytest.mark.parametrize(
    "make",
    [
        lambda: APIKeyAuthHandler(f"{KEY}\nx"),
        lambda: APIRequest(json_data={"key": KEY, "bad": object()}).body(),
    ],
    ids=["a key", "a body"],
)
def test_no_refused_value_of_core_shows_the_key(make: Callable[[], Any]) -> None:
    """Nor in the variables of the frames that refused it."""
    with pytest.raises(InvalidArgumentError) as raised:
        make()
    assert_hidden(shown(raised.value))


@LIBRARIES
def test_logs_at_their_finest_show_no_key(
    library: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Of our own and of the libraries', for good answers, bad ones and cancellation."""

    async def main() -> None:
        faults = [Ok(1), Status(500), ResetBefore(), Hang(), HTMLWith200()]
        async with fault_server(*faults) as server:
            client = client_to(server.url, library)
            await client.execute_request(REQUEST)
            for _ in faults[1:]:
                await failure_of(client.execute_request(REQUEST))
            await close(client)

    with caplog.at_level(logging.DEBUG):
        run_really(main())
    assert_hidden([each.getMessage() for each in caplog.records])
    assert_hidden([repr(vars(each)) for each in caplog.records])


@LIBRARIES
def test_the_cache_file_holds_no_key(library: str, tmp_path: Path) -> None:
    """Neither in its keys nor in its rows, nor the names of its files."""

    async def main() -> None:
        path = tmp_path / "answers.sqlite"
        cache = APICache(path=path)
        async with fault_server(Ok({"answer": "kept"}), Status(404)) as server:
            client = client_to(server.url, library, cache=cache)
            kept = REQUEST.with_(cache_ttl_seconds=60, cache_tags=("tag",))
            await client.execute_request(kept)
            await failure_of(client.execute_request(kept.with_(endpoint="y")))
            assert (await client.execute_request(kept)).cached
            assert_hidden([repr(await cache.entries()), repr(cache.stats())])
            await close(client)
        raw = bytes_below(tmp_path)
        await cache.close()
        raw += bytes_below(tmp_path)
        assert any(b"kept" in each for each in raw)
        assert all(KEY.encode() not in each for each in raw)

    run_really(main())


def bytes_below(folder: Path) -> list[bytes]:
    """Return what the files of a folder hold."""
    return [each.read_bytes() for each in folder.iterdir()]
