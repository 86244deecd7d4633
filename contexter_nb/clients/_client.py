"""One client for any HTTP service, its policies put together by arguments."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Any, Self

from contexter_nb.clients._call import Call
from contexter_nb.clients._client_metrics import ClientMetrics, MetricsSource
from contexter_nb.clients._health import HealthCheck
from contexter_nb.clients._open_clients import remember
from contexter_nb.clients._pipeline import Knowledge, Pipeline, deadline_passed
from contexter_nb.clients._stored_answer import (
    NEGATIVE_STATUSES,
    is_stored,
    key_of,
    pack,
    ttl_seconds,
    unpack,
)
from contexter_nb.clients._url import BaseURL, host_of
from contexter_nb.core import (
    DEFAULT_MAX_BYTES,
    MISSING,
    APIIntegrationError,
    APIRequest,
    APIResponse,
    AuthHandler,
    CallRecord,
    CircuitOpenError,
    ClientClosedError,
    Clock,
    DeadlineExceededError,
    Headers,
    HTTPError,
    InvalidArgumentError,
    Monitor,
    NotFoundError,
    Outcome,
    Random,
    RateLimitExceededError,
    Sender,
    ServerError,
    SystemClock,
    Timeouts,
    Trace,
    TransportError,
    Usage,
    WireRequest,
    WireResponse,
    new_id,
    new_random,
)
from contexter_nb.policies import (
    APICache,
    BreakerConfig,
    BreakerRegistry,
    BreakerStatus,
    Bulkhead,
    Entry,
    Fetched,
    Found,
    RetryBudget,
    RetryPolicy,
    TokenBucketRateLimiter,
    api_monitor,
    category_of,
    error_from_response,
)
from contexter_nb.transport import HTTPTransport, as_httpx_transport, http_library

DEFAULT_DEADLINE_SECONDS = 120.0
HEALTH_DEADLINE_SECONDS = 10.0
TAGS_KEPT = 1_000
MAX_DEADLINE_SECONDS = 24 * 3600.0
_ACCEPT = "application/json, text/plain;q=0.9, */*;q=0.5"
# Where a cached answer, past its time, is better than this.
_STALE_ON = (
    CircuitOpenError,
    DeadlineExceededError,
    RateLimitExceededError,
    ServerError,
    TransportError,
)
_DEFAULT: Any = MISSING


class APIClient:
    """Ask a remote service, with every policy in its place.

    From the outside in: monitor; validation; the deadline; cache and single flight;
    retry with a budget; and for each attempt the breaker, the rate limit, the bound on
    concurrency, authorization, sending and reading the whole answer. A policy is left
    out by None. A client may be used from any number of event loops; it is an async
    context manager.

    Parameters
    ----------
    service : str
        A short name for messages and metrics: ``voyage``.
    base_url : str
        ``https://api.example.org/v1``.
    auth : AuthHandler, optional
        How requests are authorized; only those to the base URL's own origin are.
    headers : mapping, optional
        Header fields of every request.
    timeouts : Timeouts
        Of each attempt; a request may bring its own.
    deadline_seconds : float, default 120
        For a whole call, all waits and retries included.
    retry : RetryPolicy
        ``RetryPolicy(max_attempts=1)`` sends once.
    retry_budget : RetryBudget or None, optional
        By default one for this client; None for no bound.
    breaker : BreakerConfig or None
        One breaker for each host.
    limiter : TokenBucketRateLimiter, optional
        May be shared by several clients.
    max_concurrency : int, default 16
        Requests on their way at once, for each event loop.
    cache : APICache, optional
        Only requests with ``cache_ttl_seconds`` use it. It is not closed with the
        client, since others may share it.
    monitor : Monitor or None, optional
        By default `api_monitor`; None tells nobody.
    knowledge : Knowledge
        What is particular to this service's answers.
    health : APIRequest, optional
        What `health_check` sends; by default a GET of the base URL, to which any answer
        below 500 says that the service is there.
    transport : Sender, optional
        By default an `HTTPTransport` of its own.
    max_response_bytes : int
        A longer answer is refused.
    version : str, default ""
        Part of every cache key: answers of two versions of a service are kept apart.
    clock, rng, make_id : Clock, Random, callable
        Where time, chance and ids come from.

    Raises
    ------
    InvalidArgumentError
        An argument cannot be used.

    Examples
    --------
    >>> from contexter_nb.bridge import run
    >>> from contexter_nb.core import APIRequest, WireResponse
    >>> async def echo(request, timeouts, max_bytes):
    ...     return WireResponse(200, content=request.url.encode())
    >>> client = APIClient("demo", "https://api.example.org/v1", transport=echo)
    >>> answer = run(client.execute_request(APIRequest(endpoint="/users")))
    >>> answer.data
    b'https://api.example.org/v1/users'
    """

    def __init__(
        self,
        service: str,
        base_url: str,
        *,
        auth: AuthHandler | None = None,
        headers: Mapping[str, str] | None = None,
        timeouts: Timeouts = Timeouts(),  # noqa: B008  # a frozen value
        deadline_seconds: float = DEFAULT_DEADLINE_SECONDS,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008  # a frozen value
        retry_budget: RetryBudget | None = _DEFAULT,
        breaker: BreakerConfig | None = BreakerConfig(),  # noqa: B008  # a frozen value
        limiter: TokenBucketRateLimiter | None = None,
        max_concurrency: int = 16,
        cache: APICache | None = None,
        monitor: Monitor | None = _DEFAULT,
        knowledge: Knowledge = Knowledge(),  # noqa: B008  # a frozen value
        health: APIRequest | None = None,
        transport: Sender | None = None,
        max_response_bytes: int = DEFAULT_MAX_BYTES,
        version: str = "",
        clock: Clock | None = None,
        rng: Random | None = None,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        self._closed = False
        self.service = _checked_name(service)
        try:
            self._base = BaseURL.parse(base_url)
        finally:
            del base_url  # it may hold a password, and rich tracebacks show variables
        self._headers = Headers(
            {"Accept": _ACCEPT, "User-Agent": _user_agent()}
        ).with_fields(headers or {})
        self._deadline_seconds = _checked_deadline(deadline_seconds)
        self.cache = cache
        self.limiter = limiter
        self.monitor = api_monitor if monitor is _DEFAULT else monitor
        self._health = health
        self._version = version
        self._clock = clock or SystemClock()
        self._make_id = make_id
        self._account = auth.fingerprint() if auth is not None else ""
        self._own_transport = (
            HTTPTransport(max_connections=max_concurrency)
            if transport is None
            else None
        )
        send = transport or self._own_transport
        assert send is not None
        if auth is not None:
            auth.bind(send)
        self._breakers = self._make_breakers(breaker)
        self._pipeline = Pipeline(
            service=self.service,
            origin=self._base.origin,
            send=send,
            auth=auth,
            timeouts=timeouts,
            max_response_bytes=max_response_bytes,
            retry=retry,
            budget=RetryBudget() if retry_budget is _DEFAULT else retry_budget,
            breakers=self._breakers,
            limiter=limiter,
            bulkhead=Bulkhead(max_concurrency),
            knowledge=knowledge,
            clock=self._clock,
            rng=rng or new_random(),
        )
        self._tagged: dict[str, None] = {}
        remember(self)

    @property
    def base_url(self) -> str:
        """Where its requests go."""
        return self._base.url

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    async def execute_request(self, request: APIRequest) -> APIResponse:
        """Send a request and return the answer.

        Parameters
        ----------
        request : APIRequest
            Not changed.

        Returns
        -------
        APIResponse
            Of the caller's own, with the trace of what happened.

        Raises
        ------
        HTTPError
            The service answered with an error status; its classes say which.
        TransportError
            No whole answer came.
        DeadlineExceededError
            The time for the whole call is up.
        CircuitOpenError, RateLimitExceededError
            It was not sent.
        DecodingError
            The answer is not what it says it is.
        InvalidArgumentError
            The request cannot be written.
        ClientClosedError
            After `close`.
        """
        call = self._begin(request)
        answer: APIResponse = await self._told(call, lambda: self._answered(call))
        return answer

    async def health_check(self) -> HealthCheck:
        """Ask the service itself whether it answers, past cache, limit and breaker.

        Returns
        -------
        HealthCheck
            A failure is an answer here, too, and not raised.
        """
        request = (self._health or APIRequest()).with_(
            cache_ttl_seconds=None,
            deadline_seconds=HEALTH_DEADLINE_SECONDS,
            operation="health_check",
        )
        call = self._begin(request)
        call.decodes = self._health is not None

        def is_there(error: BaseException) -> bool:
            return self._health is None and _below_500(error)

        try:
            await self._told(call, lambda: self._pipeline.alone().run(call), is_there)
        except APIIntegrationError as exc:
            there = is_there(exc)
            detail = "answers" if there else str(exc)
            return self._found(call, there, detail)
        return self._found(call, True, "answers")

    def get_metrics(self, window_seconds: float | None = 300) -> ClientMetrics:
        """Return what this client can say about itself now.

        Parameters
        ----------
        window_seconds : float, optional
            Of which last seconds; None for all since the start.
        """
        monitor = self.monitor
        bulkhead = self._pipeline.bulkhead
        return ClientMetrics(
            service=self.service,
            operations=(
                monitor.get_metrics(window_seconds=window_seconds, service=self.service)
                if isinstance(monitor, MetricsSource)
                else ()
            ),
            limiter=self.limiter.get_status() if self.limiter is not None else None,
            breakers=self.breaker_statuses(),
            cache=self.cache.stats() if self.cache is not None else (),
            in_use=bulkhead.in_use,
            waiting=bulkhead.waiting,
        )

    def breaker_statuses(self) -> tuple[BreakerStatus, ...]:
        """Return how its circuit breakers stand now, one for each host."""
        if self._breakers is None:
            return ()
        return self._breakers.statuses(self._clock.now())

    def as_transport(
        self,
        *,
        library: Any = None,
        operation: str = "",
        idempotent: bool | None = None,
    ) -> Any:
        """Return a transport that gives these policies to another HTTP client.

        For SDKs that take an httpx transport. Cache and decoding are left to the SDK;
        an error status is handed to it once the retries are used up.

        Parameters
        ----------
        library : module or str, optional
            httpx or httpx2, whichever the SDK uses; None takes the installed one.
        operation : str, optional
            Its name in the metrics; by default the path.
        idempotent : bool, optional
            Whether the SDK's POST requests may be sent twice.
        """
        named = library is None or isinstance(library, str)
        module = http_library(library) if named else library

        async def send(wire: WireRequest) -> WireResponse:
            call = self._begin(
                APIRequest(
                    method=wire.method,
                    operation=operation or _path(wire.url),
                    idempotent=idempotent,
                    idempotency_key=wire.headers.get("idempotency-key"),
                ),
                wire,
            )
            call.decodes = False
            try:
                answer: WireResponse = await self._told(
                    call, lambda: self._pipeline.run(call)
                )
            except HTTPError:
                if call.answer is None:
                    raise
                return call.answer
            return answer

        return as_httpx_transport(send, module)

    async def close(self) -> None:
        """Close the connections of the client's own; calls after it are refused."""
        self._closed = True
        if self._own_transport is not None:
            await self._own_transport.aclose()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_base"):  # its making failed, and a traceback shows it
            return f"<{type(self).__name__}>"
        state = " closed" if self._closed else ""
        return f"<{type(self).__name__} {self.service} {self._base.url}{state}>"

    def _make_breakers(self, config: BreakerConfig | None) -> BreakerRegistry | None:
        if config is None:
            return None
        told = self.monitor.breaker_changed if self.monitor is not None else None
        return BreakerRegistry(config, on_change=told, clock=self._clock)

    def _begin(self, request: APIRequest, wire: WireRequest | None = None) -> Call:
        if self._closed:
            raise ClientClosedError(
                f"The client of {self.service} is closed; make a new one.",
                service=self.service,
            )
        request_id = self._make_id()
        now = self._clock.now()
        wire = wire or self._written(request)
        wire = wire.with_headers({"X-Request-ID": request_id})
        seconds = request.deadline_seconds or self._deadline_seconds
        return Call(
            request=request,
            wire=wire,
            host=host_of(wire.url),
            request_id=request_id,
            started=now,
            started_at=self._clock.wall(),
            deadline=now + min(seconds, MAX_DEADLINE_SECONDS),
            repeatable=request.is_repeatable,
        )

    def _written(self, request: APIRequest) -> WireRequest:
        fields: dict[str, str] = {}
        kind, body = request.encoded()
        if kind is not None:
            fields["Content-Type"] = kind
        if request.idempotency_key is not None:
            fields["Idempotency-Key"] = request.idempotency_key
        headers = self._headers.with_fields({**fields, **(request.headers or {})})
        url = self._base.below(request.endpoint, request.params)
        return WireRequest(str(request.method), url, headers, body)

    async def _told(
        self,
        call: Call,
        ask: Callable[[], Any],
        is_answer: Callable[[BaseException], bool] = lambda error: False,
    ) -> Any:
        """Ask, tell the monitor how it ended, and complete what is raised.

        An error that is an answer to what was asked is told as one.
        """
        try:
            answer = await ask()
        except BaseException as exc:
            trace = call.trace(self._clock.now())
            if isinstance(exc, APIIntegrationError):
                _complete(exc, self.service, call, trace)
            if is_answer(exc):
                self._tell(call.record(self.service, "ok", trace))
                raise
            cancelled = isinstance(exc, asyncio.CancelledError)
            self._tell(
                call.record(
                    self.service,
                    "cancelled" if cancelled else "error",
                    trace,
                    exc,
                    category_of(exc),
                )
            )
            raise
        else:
            trace = call.trace(self._clock.now())
            self._tell(call.record(self.service, "ok", trace))
            return self._response(call, answer, trace) if call.decodes else answer
        finally:
            call.told_attempts = len(call.attempts)
            call.ended = True

    def _tell_the_rest(self, call: Call) -> None:
        """Tell of attempts, and of what they cost, that outlived their caller."""
        trace = call.trace(self._clock.now())
        rest = replace(trace, attempts=trace.attempts[call.told_attempts :])
        if rest.attempts:
            answered = rest.attempts[-1].error_type is None
            outcome: Outcome = "ok" if answered else "error"
            self._tell(call.record(self.service, outcome, rest))

    def _tell(self, record: CallRecord) -> None:
        if self.monitor is not None:
            self.monitor.record(record)

    async def _answered(self, call: Call) -> WireResponse:
        ttl = call.request.cache_ttl_seconds
        if self.cache is None or ttl is None:
            return await self._pipeline.run(call)
        return await self._cached(call, self.cache, ttl)

    async def _cached(self, call: Call, cache: APICache, ttl: float) -> WireResponse:
        """Answer from the cache, or fetch once for all who ask for the same."""
        key = key_of(
            self.service, call.request, call.wire, self._account, self._version
        )

        call.cache_asked = True
        fetching = False

        async def fetch() -> Entry:
            nonlocal fetching
            fetching = True
            return await self._fetched(call, cache, key, ttl)

        while True:
            remaining = call.remaining_seconds(self._clock.now())
            try:
                async with asyncio.timeout(remaining):
                    found = await cache.get_or_fetch(key, fetch, stale_on=_STALE_ON)
            except DeadlineExceededError:
                # Of another caller, who had less time; this one asks for itself.
                if fetching or call.remaining_seconds(self._clock.now()) <= 0:
                    raise
                continue
            except TimeoutError as exc:
                if isinstance(exc, APIIntegrationError):
                    raise
                found = await self._stale_or_late(call, cache, key, fetching)
            if is_stored(found.value) or fetching:
                break
            await cache.delete(key)  # of another hand, or an older form
        call.coalesced = found.coalesced
        call.stale = found.stale
        if found.tier is not None:
            call.tier = found.tier
            call.saved = Usage(found.tokens, found.usd)
            call.saved_seconds = found.seconds
        return await self._unpacked(call, found)

    async def _stale_or_late(
        self, call: Call, cache: APICache, key: str, fetching: bool
    ) -> Fetched:
        """Return an answer past its time, since no fresh one came in time."""
        old = await cache.give_after_all(key, missed=fetching)
        if old is None:
            raise deadline_passed(self.service, call) from None
        return Fetched(
            value=old.value,
            tier=old.tier,
            coalesced=False,
            stale=old.stale,
            tokens=old.tokens,
            usd=old.usd,
            seconds=old.seconds,
        )

    async def _fetched(
        self, call: Call, cache: APICache, key: str, ttl: float
    ) -> Entry:
        """Fetch for the cache; what an outlived caller paid for is told, too."""
        known = await self._validator(cache, key)
        old = known[1] if known is not None else None
        if old is not None and "if-none-match" not in call.wire.headers:
            etag = old.headers["etag"]
            call.wire = call.wire.with_headers({"If-None-Match": etag})
        call.validates = old is not None
        unchanged = False
        try:
            answer = await self._pipeline.run(call)
            if old is not None and answer.status_code == 304:
                unchanged = True
                call.data = None
                fields = {**old.headers, **answer.headers}
                answer = WireResponse(old.status_code, Headers(fields), old.content)
        except HTTPError as exc:
            answer = self._kept_error(call, exc)
        finally:
            call.validates = False
            if call.ended:
                self._tell_the_rest(call)
        if "etag" in answer.headers:
            self._tagged[key] = None
            while len(self._tagged) > TAGS_KEPT:
                self._tagged.pop(next(iter(self._tagged)), None)
        network = sum(each.network_seconds for each in call.attempts)
        cost = call.usage.tokens, call.usage.usd, network
        if unchanged and known is not None:
            # What a later hit saves is the first fetch, not the question whether that
            # is still good.
            cost = known[0].tokens, known[0].usd, known[0].seconds
        tokens, usd, seconds = cost
        return Entry(
            value=pack(answer),
            ttl_seconds=ttl_seconds(ttl, answer),
            tags=call.request.cache_tags,
            tokens=tokens,
            usd=usd,
            seconds=seconds,
        )

    async def _validator(
        self, cache: APICache, key: str
    ) -> tuple[Found, WireResponse] | None:
        """Return an answer past its time that the service can say is still good."""
        if key not in self._tagged:  # spares most fetches another look
            return None
        found = await cache.peek(key)
        if found is None or not found.stale:
            return None
        try:
            old = unpack(found.value)
        except ValueError:
            return None
        return (found, old) if "etag" in old.headers else None

    def _kept_error(self, call: Call, error: HTTPError) -> WireResponse:
        """Return what an error status means for the cache, or raise it."""
        answer = call.answer
        if answer is None:
            raise error
        if answer.status_code in NEGATIVE_STATUSES and isinstance(error, NotFoundError):
            return answer
        raise error

    async def _unpacked(self, call: Call, found: Fetched) -> WireResponse:
        """Return a stored answer, decoded for this caller alone."""
        answer = call.answer = unpack(found.value)
        if answer.status_code in NEGATIVE_STATUSES:
            raise error_from_response(
                answer,
                service=self.service,
                operation=call.request.name,
                request_id=call.request_id,
                wall=self._clock.wall(),
            )
        if call.data is None:
            call.data = await self._pipeline.decoded(call, answer)
        usage = self._pipeline.knowledge.usage
        if found.tier is not None and usage is not None:
            model = usage(call.request, call.data).model
            call.saved = replace(call.saved, model=model)
        return answer

    def _found(self, call: Call, healthy: bool, detail: str) -> HealthCheck:
        network = sum(each.network_seconds for each in call.attempts)
        return HealthCheck(
            service=self.service,
            healthy=healthy,
            latency_ms=round(network * 1000, 2),
            detail=detail,
            checked_at=self._clock.wall(),
        )

    def _response(self, call: Call, answer: WireResponse, trace: Trace) -> APIResponse:
        return APIResponse(
            status_code=answer.status_code,
            headers=answer.headers,
            content=answer.content,
            data=call.data,
            request_id=call.request_id,
            server_request_id=answer.headers.get("x-request-id"),
            service=self.service,
            operation=call.request.name,
            trace=trace,
        )


def _complete(
    error: APIIntegrationError, service: str, call: Call, trace: Trace
) -> None:
    """Say on an error where it belongs, where a policy could not know."""
    error.service = error.service or service
    error.operation = error.operation or call.request.name
    error.request_id = error.request_id or call.request_id
    if error.trace is None:
        error.trace = trace


def _below_500(error: BaseException) -> bool:
    return isinstance(error, HTTPError) and error.status_code < 500


def _path(url: str) -> str:
    return "/" + url.partition("://")[2].partition("/")[2].partition("?")[0]


def _checked_name(service: str) -> str:
    if not isinstance(service, str) or not service.strip() or "/" in service:
        raise InvalidArgumentError(
            f"service is {service!r}; give a short name without a slash, as 'voyage'."
        )
    return service.strip()


def _checked_deadline(seconds: float) -> float:
    if not seconds > 0:
        raise InvalidArgumentError(
            f"deadline_seconds is {seconds!r}; give seconds above 0."
        )
    return seconds


@functools.cache
def _user_agent() -> str:
    try:
        return f"contexter_nb/{version('contexter_nb')}"
    except PackageNotFoundError:
        return "contexter_nb"
