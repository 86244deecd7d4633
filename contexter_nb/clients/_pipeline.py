"""The order of policies round one request, written once.

Retry with its budget; then for each attempt: breaker peek, rate limit, bulkhead,
breaker admit, authorization, send and read the whole body, decode, classify, feed back.

The limiter is inside the retry, since every attempt costs the service a request. The
breaker is asked twice: first, so that nobody queues or pays for a call that will not
be sent; then, after the queues, for the one probe's place. A 429 is neutral for the
breaker and makes the limiter wait for all. (design.md, section 3)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from contexter_nb.clients._call import Call
from contexter_nb.clients._url import origin_of, redirected
from contexter_nb.core import (
    APIIntegrationError,
    APIRequest,
    Attempt,
    AuthHandler,
    CircuitOpenError,
    Clock,
    ConnectionFailedError,
    DeadlineExceededError,
    DecodingError,
    PoolExhaustedError,
    Random,
    RateLimitedError,
    RequestTimeoutError,
    Sender,
    Timeouts,
    UnsendableRequestError,
    Usage,
    WireRequest,
    WireResponse,
    without_frames,
)
from contexter_nb.policies import (
    BreakerRegistry,
    Bulkhead,
    CircuitBreaker,
    Grant,
    RetryBudget,
    RetryPolicy,
    TokenBucketRateLimiter,
    breaker_outcome,
    decide_retry,
    decode_body,
    drive_flow,
    error_from_response,
    is_large,
    retry_after_seconds,
)

MAX_REDIRECTS = 5
# A service that is silent for so long is sick, also where a call had less patience
# than a whole attempt may take.
SILENCE_SECONDS = 5.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What a client knows about its service's answers.

    Attributes
    ----------
    is_answer : callable
        Takes a `WireResponse`; whether it is an answer rather than an HTTP error.
    inspect : callable or None
        Takes the request, the `WireResponse` and the decoded body; returns an error
        that hides in an answer, or None.
    usage : callable or None
        Takes the request and the decoded body; returns what was charged.
    """

    is_answer: Callable[[WireResponse], bool] = lambda answer: answer.is_success
    inspect: (
        Callable[[APIRequest, WireResponse, Any], APIIntegrationError | None] | None
    ) = None
    usage: Callable[[APIRequest, Any], Usage] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """All policies of one client, in their order."""

    service: str
    origin: str
    send: Sender
    auth: AuthHandler | None
    timeouts: Timeouts
    max_response_bytes: int
    retry: RetryPolicy
    budget: RetryBudget | None
    breakers: BreakerRegistry | None
    limiter: TokenBucketRateLimiter | None
    bulkhead: Bulkhead
    knowledge: Knowledge
    clock: Clock
    rng: Random

    async def run(self, call: Call) -> WireResponse:
        """Send a call, again where that is right, and return its answer.

        Raises
        ------
        APIIntegrationError
            Of the last attempt.
        """
        if self.budget is not None:
            self.budget.deposit(self.clock.now())
        while True:
            number = len(call.attempts) + 1
            try:
                return await self._attempt(call, number)
            except APIIntegrationError as exc:
                now = self.clock.now()
                decision = decide_retry(
                    self.retry,
                    exc,
                    attempt=number,
                    repeatable=call.repeatable,
                    remaining_seconds=call.remaining_seconds(now),
                    budget=self.budget,
                    rng=self.rng,
                    now=now,
                    max_attempts=call.request.max_attempts,
                )
                if not decision.retry:
                    raise
            await self._back_off(call, decision.wait_seconds)

    def alone(self) -> Pipeline:
        """Return the same without retry, breaker and limit, to probe the service."""
        once = replace(self.retry, max_attempts=1)
        return replace(self, retry=once, budget=None, breakers=None, limiter=None)

    async def _back_off(self, call: Call, seconds: float) -> None:
        call.attempts[-1] = replace(call.attempts[-1], backoff_seconds=seconds)
        await self.clock.sleep(seconds)

    async def _attempt(self, call: Call, number: int) -> WireResponse:
        started = self.clock.now()
        waited = _Waited()
        call.answer = call.data = None
        error: BaseException | None = None
        try:
            return await self._admitted(call, waited)
        except BaseException as exc:
            error = exc
            raise
        finally:
            answer = call.answer
            call.attempts.append(
                Attempt(
                    number=number,
                    started_seconds=started - call.started,
                    limiter_wait_seconds=waited.limiter,
                    bulkhead_wait_seconds=waited.bulkhead,
                    network_seconds=waited.network,
                    status_code=answer.status_code if answer else None,
                    error_type=type(error).__name__ if error is not None else None,
                    request_bytes=len(call.wire.content) if waited.sent else 0,
                    response_bytes=len(answer.content) if answer else 0,
                    sent=waited.tried,
                )
            )

    async def _admitted(self, call: Call, waited: _Waited) -> WireResponse:
        breaker = (
            self.breakers.get(self.service, call.host)
            if self.breakers is not None
            else None
        )
        if breaker is not None:
            self._refuse_while_open(call, breaker, breaker.peek(self.clock.now()))
        grant = await self._granted(call, waited)
        try:
            await self._enter_bulkhead(call, waited)
            try:
                if breaker is None:
                    return await self._sent(call, grant, waited)
                now = self.clock.now()
                permit = breaker.admit(now)
                if permit is None:
                    self._refuse_while_open(call, breaker, breaker.peek(now) or 0.001)
                    raise AssertionError("unreachable")
                error: BaseException | None = None
                try:
                    return await self._sent(call, grant, waited)
                except BaseException as exc:
                    error = exc
                    raise
                finally:
                    outcome = breaker_outcome(error)
                    if isinstance(error, DeadlineExceededError) and (
                        waited.network >= SILENCE_SECONDS
                    ):
                        outcome = "failed"
                    said = f"{error}" if outcome == "failed" else ""
                    breaker.report(permit, outcome, self.clock.now(), said)
            finally:
                self.bulkhead.release()
        finally:
            if grant is not None and not waited.sent:
                grant.give_back()

    def _refuse_while_open(
        self, call: Call, breaker: CircuitBreaker, seconds: float
    ) -> None:
        if seconds > 0:
            last = breaker.last_failure
            raise CircuitOpenError(
                f"{self.service} failed too often lately and is left alone; try again "
                f"in {seconds:.1f} s.{f' Last it failed so: {last}' if last else ''}",
                retry_after_seconds=seconds,
                service=self.service,
                operation=call.request.name,
                request_id=call.request_id,
            )

    async def _granted(self, call: Call, waited: _Waited) -> Grant | None:
        if self.limiter is None:
            return None
        grant = await self.limiter.acquire(
            call.request.cost or None,
            key=call.request.limit_key,
            max_wait_seconds=call.remaining_seconds(self.clock.now()),
        )
        waited.limiter = grant.waited_seconds
        return grant

    async def _enter_bulkhead(self, call: Call, waited: _Waited) -> None:
        started = self.clock.now()
        try:
            await self.bulkhead.acquire(call.remaining_seconds(started))
        except PoolExhaustedError:
            # It waited as long as the whole call may take, and no less.
            raise deadline_passed(self.service, call) from None
        finally:
            waited.bulkhead = self.clock.now() - started

    async def _sent(
        self, call: Call, grant: Grant | None, waited: _Waited
    ) -> WireResponse:
        started = self.clock.now()
        waited.tried = True
        try:
            answer = await self._exchanged(call, started, waited)
        finally:
            waited.network = self.clock.now() - started
        call.answer = answer
        await self._checked(call, answer, grant)
        return answer

    async def _exchanged(self, call: Call, now: float, waited: _Waited) -> WireResponse:
        """Send with authorization, within the time of an attempt and of the call."""
        timeouts = call.request.timeouts or self.timeouts
        remaining = call.remaining_seconds(now)
        allowed = timeouts.attempt_seconds
        bound = remaining if allowed is None else min(allowed, remaining)
        try:
            async with asyncio.timeout(bound):
                return await self._authorized(call, timeouts, waited)
        except TimeoutError as exc:
            if isinstance(exc, APIIntegrationError):
                raise
            raise self._too_late(call, bound, remaining) from None

    def _too_late(
        self, call: Call, bound: float, remaining: float
    ) -> APIIntegrationError:
        where: dict[str, Any] = {
            "service": self.service,
            "operation": call.request.name,
            "request_id": call.request_id,
        }
        if bound >= remaining:
            return deadline_passed(self.service, call)
        return RequestTimeoutError(
            f"{self.service} had not answered {call.request.name} whole after "
            f"{bound:g} s; allow more with timeouts=Timeouts(attempt_seconds=...).",
            phase="attempt",
            **where,
        )

    async def _authorized(
        self, call: Call, timeouts: Timeouts, waited: _Waited
    ) -> WireResponse:
        async def send(request: WireRequest) -> WireResponse:
            try:
                answer = await self.send(request, timeouts, self.max_response_bytes)
            except BaseException as exc:
                waited.sent = waited.sent or not _never_left(exc)
                raise
            waited.sent = True
            return answer

        # Credentials go to the service they are for, and nowhere else.
        if self.auth is None or origin_of(call.wire.url) != self.origin:
            return await self._followed(call, call.wire, send)
        answer, reauthorized = await drive_flow(
            self.auth, call.wire, lambda request: self._followed(call, request, send)
        )
        call.reauthorized = call.reauthorized or reauthorized
        return answer

    async def _followed(
        self,
        call: Call,
        request: WireRequest,
        send: Callable[[WireRequest], Awaitable[WireResponse]],
    ) -> WireResponse:
        """Send, and follow redirects that stay with the service."""
        for _ in range(MAX_REDIRECTS):
            answer = await send(request)
            moved = _moved(request, answer, repeatable=call.repeatable)
            if moved is None:
                return answer
            request = moved
        return answer

    async def _checked(
        self, call: Call, answer: WireResponse, grant: Grant | None
    ) -> None:
        """Raise what is wrong with an answer; decode it and settle what it cost."""
        if call.validates and answer.status_code == 304:
            return
        if not self.knowledge.is_answer(answer):
            error = error_from_response(
                answer,
                service=self.service,
                operation=call.request.name,
                request_id=call.request_id,
                wall=self.clock.wall(),
                retry_after_seconds=retry_after_seconds(
                    answer.headers, self.clock.wall()
                ),
            )
            self._feed_back(call, error)
            raise error
        if not call.decodes:
            return
        call.data = await self.decoded(call, answer)
        if self.knowledge.inspect is not None:
            hidden = self.knowledge.inspect(call.request, answer, call.data)
            if hidden is not None:
                self._feed_back(call, hidden)
                raise hidden
        if self.knowledge.usage is not None:
            call.usage = self.knowledge.usage(call.request, call.data)
            if grant is not None and call.usage.tokens:
                grant.settle({"tokens": call.usage.tokens})

    def _feed_back(self, call: Call, error: APIIntegrationError) -> None:
        """Have everybody wait who shares the limit that a service says is used up."""
        if self.limiter is not None and isinstance(error, RateLimitedError):
            seconds = error.retry_after_seconds
            if seconds is None:
                seconds = self.retry.throttled_base_seconds
            seconds = min(seconds, self.retry.max_retry_after_seconds)
            self.limiter.pause(seconds, key=call.request.limit_key)

    async def decoded(self, call: Call, answer: WireResponse) -> Any:
        """Return the body decoded; a large one in a thread, off the loop.

        Raises
        ------
        DecodingError
            It is not what its content type says, or a page where data was asked for.
        """
        if call.wire.method == "HEAD":
            return None

        def decode() -> Any:
            return decode_body(
                answer.content,
                answer.headers,
                service=self.service,
                operation=call.request.name,
                expect_json="text/html" not in call.wire.headers.get("accept", ""),
            )

        try:
            if is_large(answer.content):
                return await asyncio.to_thread(decode)
            return decode()
        except DecodingError as exc:
            # The variables of those frames hold the body, which may echo a credential.
            raise without_frames(exc) from exc.__cause__


def deadline_passed(service: str, call: Call) -> DeadlineExceededError:
    """Return the error of a call whose whole time is up."""
    return DeadlineExceededError(
        f"{service} did not answer {call.request.name} within "
        f"{call.deadline - call.started:g} s, waits and retries included; allow more "
        "with deadline_seconds.",
        service=service,
        operation=call.request.name,
        request_id=call.request_id,
    )


def _never_left(error: BaseException) -> bool:
    """Tell whether nothing can have reached the service, nor counts for its limit."""
    if isinstance(error, RequestTimeoutError):
        return error.phase == "connect"
    return isinstance(
        error, (ConnectionFailedError, PoolExhaustedError, UnsendableRequestError)
    )


def _moved(
    request: WireRequest, answer: WireResponse, *, repeatable: bool
) -> WireRequest | None:
    """Return the request to send next, where an answer leads on in the same origin."""
    location = answer.headers.get("location")
    if answer.status_code not in _REDIRECTS or location is None:
        return None
    keeps_method = answer.status_code in (307, 308)
    if request.method not in ("GET", "HEAD") and not (keeps_method and repeatable):
        return None
    target = redirected(request.url, location)
    return None if target is None else replace(request, url=target)


@dataclass(slots=True)
class _Waited:
    """Where the time of an attempt went, in seconds, and how far it came."""

    limiter: float = 0.0
    bulkhead: float = 0.0
    network: float = 0.0
    tried: bool = False
    sent: bool = False
