"""How retries, limits, deadlines and breakers work together, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from contexter_nb.clients import (
    APIClient,
    Knowledge,
    MonitoredAPIClient,
    RateLimitingAPIClient,
)
from contexter_nb.core import (
    APIIntegrationError,
    APIRequest,
    AuthenticationError,
    CircuitOpenError,
    ConnectionFailedError,
    ConnectionLostError,
    DeadlineExceededError,
    HTTPError,
    InvalidArgumentError,
    PermissionDeniedError,
    PoolExhaustedError,
    RateLimitedError,
    RateLimitExceededError,
    RequestTimeoutError,
    ServerError,
    Timeouts,
    TokenFetchError,
    UnsendableRequestError,
    Usage,
)
from contexter_nb.policies import (
    APIMonitor,
    BreakerConfig,
    OAuth2AuthHandler,
    RateLimitConfig,
    RetryBudget,
    RetryPolicy,
    TokenBucketRateLimiter,
    api_monitor,
)
from tests.clients.scripted import Later, Scripted, client_of, ok, status
from tests.loops import VirtualClock, run, run_really
from tests.world.faults import Hang, Ok, SlowDrip, closed_port, fault_server

GET = APIRequest(endpoint="x")
POST = APIRequest(method="POST", endpoint="x", json_data={})
ONCE = RetryPolicy(max_attempts=1)
LOST = ConnectionLostError("The connection broke.")
NOT_SENT = ConnectionFailedError("No connection.")


def failing(sender: Scripted, request: APIRequest = GET, **options: Any) -> Any:
    """Return the error that a call ends with."""
    with pytest.raises(APIIntegrationError) as raised:
        run(client_of(sender, **options).execute_request(request))
    return raised.value


def limiter_of(**options: Any) -> TokenBucketRateLimiter:
    """Return a limiter in virtual time."""
    options.setdefault("requests_per_minute", 6_000)
    return TokenBucketRateLimiter(RateLimitConfig(**options), clock=VirtualClock())


def test_a_service_that_recovers_is_asked_until_it_does() -> None:
    """503, 503, 200: three attempts, with their statuses and waits in the trace."""
    sender = Scripted(status(503), status(503), ok("at last"))
    answer = run(client_of(sender).execute_request(GET))
    assert answer.data == "at last"
    trace = answer.trace
    assert [each.status_code for each in trace.attempts] == [503, 503, 200]
    assert [each.number for each in trace.attempts] == [1, 2, 3]
    assert trace.retries == 2 and trace.last_status_code == 200
    assert sender.waits == pytest.approx(
        [a.backoff_seconds for a in trace.attempts][:2]
    )
    assert trace.total_seconds == pytest.approx(sum(sender.waits))


def test_the_last_error_tells_all_attempts() -> None:
    """Service, operation, id and trace are on it, with the class of each failure."""
    error = failing(Scripted(status(500), LOST, status(502)))
    assert isinstance(error, ServerError) and error.status_code == 502
    assert (error.service, error.operation, error.request_id) == ("demo", "x", "id-1")
    assert error.trace is not None
    kinds = [each.error_type for each in error.trace.attempts]
    assert kinds == ["ServerError", "ConnectionLostError", "ServerError", "ServerError"]
    assert error.trace.waited_seconds == pytest.approx(error.trace.backoff_seconds)


@pytest.mark.parametrize(
    ("request_", "step", "attempts"),
    [
        (GET, LOST, 4),
        (POST, LOST, 1),
        (POST.with_(idempotent=True), LOST, 4),
        (POST.with_(idempotency_key="k-1"), LOST, 4),
        (POST.with_(method="PUT"), LOST, 4),
        (POST.with_(method="PATCH"), LOST, 1),
        (GET.with_(idempotent=False), LOST, 1),
        (POST, NOT_SENT, 4),
        (POST, RequestTimeoutError(phase="connect"), 4),
        (POST, RequestTimeoutError(phase="read"), 1),
        (GET, RequestTimeoutError(phase="read"), 4),
        (POST, status(503), 1),
        (POST, status(429), 4),
        (GET, status(408), 4),
        (GET, status(425), 4),
        (GET, status(501), 1),
        (GET, status(505), 1),
        (GET, status(529), 4),
        (GET, PoolExhaustedError(), 1),
        (GET, UnsendableRequestError(), 1),
        (GET.with_(max_attempts=2), status(503), 2),
    ],
)
def test_only_what_may_help_and_does_no_harm_is_sent_again(
    request_: APIRequest, step: Any, attempts: int
) -> None:
    """By the kind of failure, and by whether sending twice does no more than once."""
    sender = Scripted(step)
    failing(sender, request_)
    assert len(sender.requests) == attempts


def test_an_idempotency_key_is_the_same_with_every_attempt() -> None:
    """So that the service can tell that it is one request."""
    sender = Scripted(LOST, LOST, ok())
    run(client_of(sender).execute_request(POST.with_(idempotency_key="k-1")))
    keys = [each.headers["idempotency-key"] for each in sender.requests]
    assert keys == ["k-1"] * 3


@pytest.mark.parametrize("code", [400, 402, 404, 409, 413, 422, 451])
def test_what_is_wrong_with_the_request_is_told_at_once(code: int) -> None:
    """Asking again would not help."""
    sender = Scripted(status(code, {"error": "why"}))
    error = failing(sender)
    assert isinstance(error, HTTPError) and error.status_code == code
    assert "why" in str(error) and len(sender.requests) == 1


def test_refusals_are_told_by_their_class() -> None:
    """401, 403 and 429 are errors of their own."""
    assert type(failing(Scripted(status(401)))) is AuthenticationError
    assert type(failing(Scripted(status(403)))) is PermissionDeniedError
    assert type(failing(Scripted(status(429)), retry=ONCE)) is RateLimitedError


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize("form", ["7", "7.0", "Tue, 24 Nov 2026 12:00:07 GMT"])
def test_the_wait_a_service_asks_for_is_kept(code: int, form: str) -> None:
    """Never shorter, at most a tenth longer, whether as seconds or as a date."""
    sender = Scripted(status(code, None, retry_after=form), ok())
    run(client_of(sender).execute_request(GET))
    assert 7.0 <= sender.waits[0] <= 7.71


def test_a_wait_too_long_is_told_rather_than_waited() -> None:
    """A day, or more than the deadline: the error comes at once and says how long."""
    sender = Scripted(status(429, None, retry_after="86400"))
    error = failing(sender)
    assert error.retry_after_seconds == 86_400 and len(sender.requests) == 1
    sender = Scripted(status(503, None, retry_after="30"))
    failing(sender, GET.with_(deadline_seconds=20))
    assert len(sender.requests) == 1


def test_a_service_that_has_too_much_makes_all_wait_who_share_its_limit() -> None:
    """The limiter pauses for the time asked, for another client, too."""
    limiter = limiter_of()
    sender = Scripted(status(429, None, retry_after="5"), ok())
    first, second = (client_of(sender, limiter=limiter) for _ in range(2))

    async def main() -> float:
        asked = asyncio.create_task(first.execute_request(GET))
        await asyncio.sleep(1)
        answer = await second.execute_request(GET)
        await asked
        return answer.trace.limiter_wait_seconds

    assert run(main()) == pytest.approx(4, abs=0.1)


def test_every_attempt_pays_the_limit_once() -> None:
    """Three attempts are three requests to the service."""
    limiter = limiter_of()
    sender = Scripted(status(500), status(500), ok())
    run(client_of(sender, limiter=limiter).execute_request(GET))

    async def granted() -> int:
        return limiter.get_status().granted

    assert run(granted()) == 3


def test_calls_keep_to_the_rate() -> None:
    """After the burst, as many as the limit allows."""
    limiter = limiter_of(requests_per_minute=60, burst_size=1)
    sender = Scripted(ok())
    client = client_of(sender, limiter=limiter)

    async def main() -> None:
        await asyncio.gather(*(client.execute_request(GET) for _ in range(5)))

    run(main())
    assert all(each >= 60 / 59 - 0.001 for each in sender.waits)


def left(limiter: TokenBucketRateLimiter) -> dict[str, float]:
    """Return what is left of each dimension."""
    return {
        name: each.available for name, each in limiter.get_status().dimensions.items()
    }


def test_what_was_not_sent_is_given_back() -> None:
    """No connection, no token, no place, cancelled in the queue: nothing is paid."""

    async def main() -> None:
        for sender, options, kind in (
            (Scripted(NOT_SENT), {}, ConnectionFailedError),
            (Scripted(RequestTimeoutError(phase="connect")), {}, RequestTimeoutError),
            (Scripted(UnsendableRequestError()), {}, UnsendableRequestError),
            (
                Scripted(status(400)),
                {"auth": OAuth2AuthHandler("https://h.example/t", "id", "secret-1")},
                TokenFetchError,
            ),
        ):
            limiter = limiter_of(burst_size=10)
            before = left(limiter)
            client = client_of(sender, limiter=limiter, retry=ONCE, **options)
            with pytest.raises(kind):
                await client.execute_request(GET)
            assert left(limiter) == before, kind

    run(main())


def test_who_is_cancelled_while_queueing_pays_nothing() -> None:
    """The grant goes back, the place goes on, and the monitor says cancelled."""

    async def main() -> None:
        limiter = limiter_of(requests_per_minute=20, burst_size=10)
        sender = Scripted(Later(10), ok(2))
        client = client_of(sender, limiter=limiter, max_concurrency=1)
        first = asyncio.create_task(client.execute_request(GET))
        await asyncio.sleep(1)
        second = asyncio.create_task(client.execute_request(GET))
        await asyncio.sleep(0.5)
        before = left(limiter)["requests"]
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert left(limiter)["requests"] == pytest.approx(before + 1, abs=0.5)
        await first
        assert len(sender.requests) == 1
        assert (await client.execute_request(GET)).data == 2
        assert isinstance(client.monitor, APIMonitor)
        outcomes = [each.outcome for each in client.monitor.requests()]
        assert outcomes == ["ok", "ok", "cancelled"]
        metrics = client.get_metrics(None)
        assert (metrics.in_use, metrics.waiting) == (0, 0)

    run(main())


def test_what_was_charged_corrects_the_limit_and_is_recorded() -> None:
    """The estimate paid before is settled by the tokens the answer tells."""

    async def main() -> None:
        limiter = limiter_of(tokens_per_minute=6_000, burst_tokens=1_000)
        knowledge = Knowledge(usage=lambda request, data: Usage(data["t"], 0.5, "m"))
        client = client_of(
            Scripted(ok({"t": 700})), limiter=limiter, knowledge=knowledge
        )
        await client.execute_request(GET.with_(cost={"tokens": 100}))
        assert left(limiter)["tokens"] == pytest.approx(300, abs=5)
        assert isinstance(client.monitor, APIMonitor)
        assert client.monitor.requests()[0].usage == Usage(700, 0.5, "m")

    run(main())


def test_tokens_that_no_limit_counts_are_recorded_all_the_same() -> None:
    """A limit of requests alone is not upset by them."""

    async def main() -> None:
        knowledge = Knowledge(usage=lambda request, data: Usage(7))
        client = client_of(Scripted(), limiter=limiter_of(), knowledge=knowledge)
        await client.execute_request(GET)
        assert isinstance(client.monitor, APIMonitor)
        assert client.monitor.requests()[0].usage.tokens == 7

    run(main())


def test_a_limit_that_would_take_too_long_is_told_at_once() -> None:
    """Longer than the call may take: nobody waits for nothing, nothing is sent."""

    async def main() -> None:
        limiter = limiter_of(requests_per_minute=1)
        sender = Scripted()
        client = client_of(sender, limiter=limiter)
        await client.execute_request(GET)
        started = asyncio.get_running_loop().time()
        with pytest.raises(RateLimitExceededError) as raised:
            await client.execute_request(GET.with_(deadline_seconds=10))
        assert asyncio.get_running_loop().time() == started
        assert raised.value.service == "demo" and len(sender.requests) == 1

    run(main())


def test_a_cost_the_limit_can_never_pay_is_an_error_of_the_caller() -> None:
    """It says so in place of waiting for ever."""
    limiter = limiter_of(tokens_per_minute=100)
    client = client_of(Scripted(), limiter=limiter)
    with pytest.raises(InvalidArgumentError):
        run(client.execute_request(GET.with_(cost={"tokens": 1_000})))


def test_the_deadline_holds_over_attempts_and_waits() -> None:
    """However slow each attempt is, the call ends in time."""
    sender = Scripted(Later(4, status(503)))
    error = failing(sender, GET.with_(deadline_seconds=10))
    assert isinstance(error, (DeadlineExceededError, ServerError))
    assert error.trace is not None and error.trace.total_seconds <= 10.001
    sender = Scripted(Later(1_000))
    error = failing(sender, GET.with_(deadline_seconds=10))
    assert type(error) is DeadlineExceededError and "10 s" in str(error)
    assert sender.cancelled == 1 and len(sender.requests) == 1


def test_an_attempt_that_takes_too_long_is_another_attempts_chance() -> None:
    """Its time is bounded apart from the call's."""
    sender = Scripted(Later(1_000), ok("quick"))
    request = GET.with_(timeouts=Timeouts(attempt_seconds=2))
    assert run(client_of(sender).execute_request(request)).data == "quick"
    error = failing(Scripted(Later(1_000)), request, retry=ONCE)
    assert isinstance(error, RequestTimeoutError) and error.phase == "attempt"


def test_a_drip_ends_with_the_attempt() -> None:
    """A byte now and then keeps a connection alive, but not the call."""

    async def main() -> None:
        async with fault_server(SlowDrip(tick_seconds=0.05)) as server:
            timeouts = Timeouts(read_seconds=5, attempt_seconds=0.2)
            async with APIClient("demo", server.url, retry=ONCE) as client:
                with pytest.raises(RequestTimeoutError, match=r"0\.2 s"):
                    await client.execute_request(APIRequest(timeouts=timeouts))
                await server.wait_disconnect()

    run_really(main())


def test_a_budget_bounds_the_retries_of_an_outage() -> None:
    """All fail: the service gets little more than one request a call."""
    sender = Scripted(status(503))
    budget = RetryBudget(ratio=0.2, min_retries_per_second=0, window_seconds=1_000)
    client = client_of(sender, retry_budget=budget, breaker=None)

    async def main() -> None:
        for _ in range(100):
            with pytest.raises(ServerError):
                await client.execute_request(GET)

    run(main())
    assert 110 <= len(sender.requests) <= 121


def test_a_breaker_opens_probes_and_closes() -> None:
    """While it is open nothing is sent; one probe closes it; the monitor is told."""

    async def main() -> None:
        sender = Scripted(*[status(500)] * 10, ok("well"))
        client = client_of(sender, retry=ONCE, breaker=BreakerConfig(open_seconds=5))
        for _ in range(10):
            with pytest.raises(ServerError):
                await client.execute_request(GET)
        with pytest.raises(CircuitOpenError) as refused:
            await client.execute_request(GET)
        assert 0 < refused.value.retry_after_seconds <= 10
        assert refused.value.service == "demo" and refused.value.trace is not None
        assert len(sender.requests) == 10
        assert isinstance(client.monitor, APIMonitor)
        assert [each.after for each in client.monitor.breakers()] == ["open"]
        await asyncio.sleep(refused.value.retry_after_seconds + 0.01)
        assert (await client.execute_request(GET)).data == "well"
        assert [each.after for each in client.monitor.breakers()] == ["closed"]
        assert client.get_metrics(None).breakers[0].state == "closed"

    run(main())


def test_an_open_breaker_costs_nothing_and_is_not_asked_again() -> None:
    """No limit is paid, no attempt repeated, even where retries are allowed."""

    async def main() -> None:
        limiter = limiter_of(burst_size=50)
        sender = Scripted(status(500))
        client = client_of(sender, limiter=limiter)
        with pytest.raises(APIIntegrationError):
            for _ in range(100):
                with pytest.raises(ServerError):
                    await client.execute_request(GET)
        sent, granted = len(sender.requests), limiter.get_status().granted
        with pytest.raises(CircuitOpenError) as refused:
            await client.execute_request(GET)
        assert refused.value.trace is not None
        assert (refused.value.trace.sent, refused.value.trace.refused) == (0, 1)
        total = client.get_metrics(None).operations[0]
        assert (total.attempts, total.refused) == (sent, 2)
        assert (len(sender.requests), limiter.get_status().granted) == (sent, granted)

    run(main())


@pytest.mark.parametrize("step", [status(429), status(404), status(401), status(501)])
def test_refusals_say_nothing_about_a_services_health(step: Any) -> None:
    """However many come, the breaker stays closed."""

    async def main() -> None:
        sender = Scripted(*[step] * 50, ok())
        client = client_of(sender, retry=ONCE)
        for _ in range(50):
            with pytest.raises(HTTPError):
                await client.execute_request(GET)
        await client.execute_request(GET)

    run(main())


def test_cancelled_calls_say_nothing_about_a_services_health() -> None:
    """Fifty who lose patience do not open the breaker."""

    async def main() -> None:
        sender = Scripted(*[Later(100)] * 50, ok())
        client = client_of(sender, max_concurrency=50)
        calls = [asyncio.create_task(client.execute_request(GET)) for _ in range(50)]
        await asyncio.sleep(1)
        for each in calls:
            each.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert sender.cancelled == 50
        await client.execute_request(GET)

    run(main())


def test_no_more_than_allowed_are_on_their_way() -> None:
    """The bound holds at the server; the others wait their turn."""

    async def main() -> None:
        async with fault_server(Ok(1)) as server:
            async with APIClient("demo", server.url, max_concurrency=4) as client:
                calls = [client.execute_request(GET) for _ in range(60)]
                await asyncio.gather(*calls)
            assert len(server.requests) == 60
            assert server.max_open_requests <= 4 and server.connections <= 4

    run_really(main())


def test_a_call_that_finds_no_place_in_time_ends() -> None:
    """It is not sent, and the deadline is kept."""

    async def main() -> None:
        sender = Scripted(Later(50))
        client = client_of(sender, max_concurrency=1)
        first = asyncio.create_task(client.execute_request(GET))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceededError) as raised:
            await client.execute_request(GET.with_(deadline_seconds=5))
        assert raised.value.service == "demo" and len(sender.requests) == 1
        await first

    run(main())


def test_health_is_asked_past_every_policy() -> None:
    """A probe is sent though the breaker is open and the limit used up."""

    async def main() -> None:
        limiter = limiter_of(requests_per_minute=1)
        sender = Scripted(*[status(500)] * 10, ok("well"))
        client = client_of(
            sender,
            retry=ONCE,
            limiter=limiter,
            breaker=BreakerConfig(
                minimum_calls=1, open_seconds=600, max_open_seconds=600
            ),
        )
        with pytest.raises(ServerError):
            await client.execute_request(GET)
        with pytest.raises(CircuitOpenError):
            await client.execute_request(GET)
        granted = limiter.get_status().granted
        sick = await client.health_check()
        assert (sick.healthy, len(sender.requests)) == (False, 2)
        sender.script = (ok("well"),)
        well = await client.health_check()
        assert (well.healthy, well.service, len(sender.requests)) == (True, "demo", 3)
        assert well.checked_at.tzinfo is not None
        assert limiter.get_status().granted == granted
        assert isinstance(client.monitor, APIMonitor)
        assert client.monitor.requests()[0].operation == "health_check"

    run(main())


@pytest.mark.parametrize(("code", "healthy"), [(401, True), (404, True), (503, False)])
def test_an_answer_below_500_says_that_a_service_is_there(
    code: int, healthy: bool
) -> None:
    """Unless the client says what to ask: then the answer has to be one."""
    assert run(client_of(Scripted(status(code))).health_check()).healthy is healthy
    strict = client_of(Scripted(status(code)), health=APIRequest(endpoint="ready"))
    assert run(strict.health_check()).healthy is False


def test_a_service_that_is_down_is_not_healthy() -> None:
    """It is an answer, not an error, and says why."""

    async def main() -> None:
        with closed_port() as port:
            async with APIClient("demo", f"http://127.0.0.1:{port}") as client:
                found = await client.health_check()
        assert not found.healthy and "No connection" in found.detail
        async with fault_server(Hang()) as server:
            quick = APIRequest(timeouts=Timeouts(attempt_seconds=0.05))
            async with APIClient("demo", server.url, health=quick) as client:
                assert not (await client.health_check()).healthy

    run_really(main())


def test_metrics_of_a_client_are_its_own() -> None:
    """Calls, limiter, breaker and places; JSON-ready numbers."""

    async def main() -> None:
        monitor = APIMonitor(clock=VirtualClock(), telemetry=False)
        sender = Scripted(ok(), status(404))
        client = client_of(sender, monitor=monitor, limiter=limiter_of())
        await client.execute_request(GET.with_(operation="find"))
        with pytest.raises(HTTPError):
            await client.execute_request(GET.with_(operation="find"))
        metrics = client.get_metrics(None)
        (operation,) = metrics.operations
        assert (operation.service, operation.operation) == ("demo", "find")
        assert (operation.calls, operation.ok, operation.errors) == (2, 1, 1)
        assert metrics.limiter is not None and metrics.limiter.granted == 2
        assert [each.state for each in metrics.breakers] == ["closed"]
        assert client.get_metrics().cache == ()
        silent = client_of(sender, monitor=None, breaker=None)
        with pytest.raises(HTTPError):
            await silent.execute_request(GET)
        assert silent.get_metrics().operations == ()

    run(main())


def test_presets_put_one_policy_in_place() -> None:
    """A limiter, or a monitor, of their own; the rest as of any client."""

    async def main() -> None:
        clock, sender = VirtualClock(), Scripted(ok(1))
        limited = RateLimitingAPIClient(
            "demo",
            "https://h.example",
            rate_limit=RateLimitConfig(requests_per_minute=60, burst_size=1),
            clock=clock,
            transport=sender,
        )
        for _ in range(3):
            await limited.execute_request(GET)
        assert sender.waits == pytest.approx([60 / 59] * 2)
        assert limited.monitor is api_monitor
        before = len(api_monitor.requests())
        mine = MonitoredAPIClient(
            "demo", "https://h.example", clock=clock, transport=sender
        )
        await mine.execute_request(GET)
        assert isinstance(mine.monitor, APIMonitor)
        assert len(mine.monitor.requests()) == 1
        assert len(api_monitor.requests()) == before
        for each in (limited, mine):
            assert "demo" in repr(each) and type(each).__name__ in repr(each)

    run(main())


def test_a_programming_error_stays_what_it_is() -> None:
    """Only what the wire does becomes an error of the tree."""

    def broken(request: APIRequest, data: Any) -> Usage:
        raise KeyError("usage")

    client = client_of(Scripted(), knowledge=Knowledge(usage=broken))
    with pytest.raises(KeyError):
        run(client.execute_request(GET))


def test_who_is_refused_by_a_breaker_hears_what_failed() -> None:
    """Where nothing listens, the sentence says so, also to whom it kept waiting."""

    async def main() -> None:
        with closed_port() as port:
            url = f"http://127.0.0.1:{port}"
            async with APIClient("dead", url, monitor=None) as client:
                for _ in range(30):
                    with pytest.raises(APIIntegrationError) as caught:
                        await client.execute_request(APIRequest(max_attempts=1))
                    if isinstance(caught.value, CircuitOpenError):
                        break
                assert isinstance(caught.value, CircuitOpenError)
                assert "Last it failed so: " in str(caught.value)
                assert f"127.0.0.1:{port}" in str(caught.value)

    run_really(main())
