"""The policies round calls that another library makes: over HTTP, or by other means."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from contexter_nb.clients._client import APIClient
from contexter_nb.core import (
    APIIntegrationError,
    APIRequest,
    DecodingError,
    HTTPError,
    Sender,
    Timeouts,
    WireRequest,
    WireResponse,
)

T = TypeVar("T")
# What another library's exception means: an answer with its status, an error of ours,
# or None for a stranger.
Translate = Callable[[Exception], WireResponse | APIIntegrationError | None]


class GuardedClient(APIClient):
    """An `APIClient` whose policies go round what another library sends.

    Each call has a name of its own in the metrics, and says itself whether it may be
    repeated; errors are those of our tree, with the trace of all attempts.

    Parameters
    ----------
    service, base_url : str
    answers_json : bool, default True
        Whether an answer 200 that is no JSON object is a failure (a page of a proxy,
        say), to be retried and told to the breaker.
    **options
        As of `APIClient`.
    """

    def __init__(
        self, service: str, base_url: str, *, answers_json: bool = True, **options: Any
    ) -> None:
        super().__init__(service, base_url, **options)
        send = self._pipeline.send
        if answers_json:
            send = _objects_only(send, service)
        self._guard = replace(self._pipeline, send=send)

    async def execute_wire(
        self, request: APIRequest, wire: WireRequest
    ) -> WireResponse:
        """Send an HTTP request that another library wrote.

        Parameters
        ----------
        request : APIRequest
            Its operation, deadline and so on, and whether it may be repeated.
        wire : WireRequest
            What is sent.

        Returns
        -------
        WireResponse
            Not decoded.

        Raises
        ------
        APIIntegrationError
            The call failed; an error status is raised, too.
        """
        call = self._begin(request.with_(method=wire.method), wire)
        call.decodes = False
        answer: WireResponse = await self._told(call, lambda: self._guard.run(call))
        return answer

    async def execute_call(
        self,
        asked: APIRequest,
        call: Callable[[], Awaitable[T]],
        *,
        scheme: str,
        translate: Translate,
    ) -> T:
        """Run a coroutine that reaches the service without HTTP.

        Parameters
        ----------
        asked : APIRequest
            Its operation, deadline and so on, and whether it may be repeated.
        call : callable
            Returns a new coroutine for each attempt.
        scheme : str
            Stands for the method in the metrics: ``GRPC``.
        translate : callable
            Takes what `call` raised; returns an answer with its status, an error of
            ours, or None for what is raised as it is.

        Returns
        -------
        object
            What the coroutine returned.

        Raises
        ------
        APIIntegrationError
            The call failed.
        """
        results: list[T] = []
        refusals: list[Exception] = []

        async def send(
            request: WireRequest, timeouts: Timeouts, max_bytes: int
        ) -> WireResponse:
            try:
                results[:] = [await call()]
            except APIIntegrationError:
                raise
            except Exception as exc:
                told = translate(exc)
                if told is None:
                    raise
                if isinstance(told, APIIntegrationError):
                    raise told from exc
                refusals[:] = [exc]
                return told
            return WireResponse(200)

        guard = replace(self._pipeline, send=send, auth=None)
        begun = self._begin(asked, WireRequest(scheme, self.base_url))
        begun.decodes = False
        try:
            await self._told(begun, lambda: guard.run(begun))
        except HTTPError as exc:
            if exc.__cause__ is None and refusals:
                raise exc from refusals[0]
            raise
        return results[0]


def _objects_only(send: Sender, service: str) -> Sender:
    """Return a sender that takes no page for an answer."""

    async def checked(
        request: WireRequest, timeouts: Timeouts, max_bytes: int
    ) -> WireResponse:
        answer = await send(request, timeouts, max_bytes)
        if answer.is_success and answer.content.lstrip()[:1] != b"{":
            kind = answer.headers.get("content-type", "no content type")
            raise DecodingError(
                f"{service} answered {answer.status_code} without a JSON object "
                f"({kind[:60]}); a proxy may stand before it: check the address."
            )
        return answer

    return checked
