"""Authorize with OAuth 2.0 access tokens, fetched once for all who need one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from contexter_nb.core import (
    AuthFlow,
    Clock,
    ConnectionFailedError,
    DecodingError,
    InvalidArgumentError,
    Random,
    RequestTimeoutError,
    Secret,
    Sender,
    SystemClock,
    Timeouts,
    Token,
    TokenFetchError,
    TransportError,
    WireRequest,
    WireResponse,
    new_random,
    scrub,
    without_frames,
)
from contexter_nb.policies._bearer_flow import bearer_flow
from contexter_nb.policies._fingerprint import fingerprint_of
from contexter_nb.policies._shared_fetch import SharedFetch
from contexter_nb.policies._token import is_alive, is_fresh, is_refused, token_of
from contexter_nb.policies._token_request import (
    ClientAuth,
    Granted,
    Refused,
    TokenEndpoint,
)

Grant = Literal["client_credentials", "refresh_token"]

TOKEN_TIMEOUTS = Timeouts(
    connect_seconds=5.0,
    read_seconds=10.0,
    write_seconds=10.0,
    pool_seconds=5.0,
    attempt_seconds=15.0,
)
TOKEN_MAX_BYTES = 256 * 1024
MAX_RETRIES = 2
BACKOFF_SECONDS = 0.5
PAUSE_AFTER_FAILURE_SECONDS = 1.0
FETCH_SECONDS = 45.0
_REFRESH_IS_OVER = frozenset(
    {"invalid_grant", "unauthorized_client", "unsupported_grant_type"}
)


class OAuth2AuthHandler:
    """Send an OAuth 2.0 access token with every request.

    However many calls want a token at once, from whatever event loops, one request
    for it is made. From the last tenth of its life on (60 s at most) a new one is
    fetched while calls go on with the old. A token the service refuses with 401 is
    replaced and the request sent once more; later refusals of the same old token
    cause no further fetch. After a failed fetch the next begins 1 s later at the
    earliest.

    The token endpoint is asked past every rate limit, breaker and cache of the API,
    within short timeouts, and at most twice more where no connection was made or the
    status was 500 or above.

    Parameters
    ----------
    token_url : str
        Of the token endpoint; https, or http on this machine.
    client_id : str
    client_secret : str or Secret, optional
        None for a public client, which can only use a refresh token.
    scope : str, optional
        What is asked for, its words separated by blanks.
    audience : str, optional
        For whom the token is, where the service wants that.
    resource : str or sequence of str, optional
        The same by RFC 8707.
    grant : str, default "client_credentials"
        ``refresh_token`` where a person has signed in; `refresh_token` is needed then.
        A refresh token that came with an access token is used in either case, and the
        client's own credentials where it is over.
    refresh_token : str or Secret, optional
    client_auth : str, default "basic"
        How the client shows its secret: ``basic``, or ``post`` in the form.
    service : str, optional
        Named in errors.
    clock : Clock, optional
    chance : random.Random, optional
        For the waits between attempts.

    Raises
    ------
    InvalidArgumentError
        An argument cannot be used, or a secret or refresh token is missing.

    Examples
    --------
    >>> OAuth2AuthHandler(
    ...     "https://login.example.org/token", "reader", "s3cret-0123456789abcdef"
    ... )
    OAuth2AuthHandler('login.example.org/token', client_id='reader')

    Source: RFC 6749, sections 2.3.1, 4.4, 5 and 6.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: str | Secret | None = None,
        *,
        scope: str | None = None,
        audience: str | None = None,
        resource: str | Sequence[str] | None = None,
        grant: Grant = "client_credentials",
        refresh_token: str | Secret | None = None,
        client_auth: ClientAuth = "basic",
        service: str = "",
        clock: Clock | None = None,
        chance: Random | None = None,
    ) -> None:
        # First, so that no frame of a later error holds a credential in plain.
        client_secret = None if client_secret is None else Secret.of(client_secret)
        refresh_token = None if refresh_token is None else Secret.of(refresh_token)
        self._endpoint = TokenEndpoint(token_url, client_id, client_secret, client_auth)
        _check_grant(grant, client_secret, refresh_token)
        resources = (resource,) if isinstance(resource, str) else tuple(resource or ())
        wanted = [("scope", scope), ("audience", audience)]
        wanted += [("resource", each) for each in resources]
        self._wanted = [(name, value) for name, value in wanted if value is not None]
        self._refresh_token = refresh_token
        self._service = service
        self._clock = clock or SystemClock()
        self._chance = chance or new_random()
        self._send: Sender | None = None
        self._current: Token | None = None
        self._not_before = float("-inf")
        self._shared = SharedFetch(self._fetch, self._keep)
        self._fingerprint = fingerprint_of(
            "oauth2",
            token_url,
            client_id,
            client_secret,
            refresh_token,
            *(f"{name}={value}" for name, value in self._wanted),
        )

    def flow(self, request: WireRequest) -> AuthFlow:
        """Yield the steps: a token, the request, and both once more after a 401.

        Parameters
        ----------
        request : WireRequest
            Without authorization; it is not changed.
        """
        return bearer_flow(request)

    async def token(self, newer_than: Token | None = None) -> Token:
        """Return a token that serves now; one fetch is shared by all who wait.

        Parameters
        ----------
        newer_than : Token, optional
            The one that was refused. The current one is returned where it is
            another already.

        Raises
        ------
        TokenFetchError
            The endpoint could not be reached or issued none; its cause says why.
        """
        token = await self._shared.get(lambda: self._usable(newer_than))
        now = self._clock.now()
        if not is_fresh(token, now) and now >= self._not_before:
            self._shared.start()
        return token

    def bind(self, send: Sender) -> None:
        """Take what the token endpoint is asked with, unless there is one already.

        Parameters
        ----------
        send : Sender
        """
        if self._send is None:
            self._send = send

    def fingerprint(self) -> str:
        """Return a hash that tells accounts apart, 16 hexadecimal digits."""
        return self._fingerprint

    def __repr__(self) -> str:
        endpoint = self._endpoint
        return (
            f"OAuth2AuthHandler({endpoint.place!r}, client_id={endpoint.client_id!r})"
        )

    def _usable(self, refused: Token | None) -> Token | None:
        token = self._current
        if token is None or is_refused(token, refused):
            return None
        return token if is_alive(token, self._clock.now()) else None

    def _keep(self, token: Token) -> None:
        self._current = token
        # Without a new one, the old refresh token goes on (RFC 6749, section 6).
        self._refresh_token = token.refresh_token or self._refresh_token

    async def _fetch(self) -> Token:
        pause = self._not_before - self._clock.now()
        if pause > 0:
            await self._clock.sleep(pause)
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                return await self._granted()
        except TimeoutError as exc:
            self._pause()
            raise TokenFetchError(
                f"The token endpoint {self._endpoint.place} issued no token within "
                f"{FETCH_SECONDS:g} s; try again later.",
                service=self._service,
            ) from exc
        except Exception:
            self._pause()
            raise

    def _pause(self) -> None:
        self._not_before = self._clock.now() + PAUSE_AFTER_FAILURE_SECONDS

    async def _granted(self) -> Token:
        since = self._clock.now()
        answer = await self._ask_for_token()
        if isinstance(answer, Refused):
            raise TokenFetchError(answer.sentence, service=self._service)
        return token_of(answer.access, answer.life_seconds, since, answer.refresh_token)

    async def _ask_for_token(self) -> Granted | Refused:
        if self._refresh_token is not None:
            answer = await self._ask(
                ("grant_type", "refresh_token"), ("refresh_token", self._refresh_token)
            )
            over = isinstance(answer, Refused) and answer.code in _REFRESH_IS_OVER
            if not over or self._endpoint.client_secret is None:
                return answer
            self._refresh_token = None
        return await self._ask(("grant_type", "client_credentials"), *self._wanted)

    async def _ask(self, *fields: tuple[str, str | Secret]) -> Granted | Refused:
        request = self._endpoint.request(fields)
        retry = 0
        while (response := await self._attempt(request, retry == MAX_RETRIES)) is None:
            most = BACKOFF_SECONDS * 2**retry
            await self._clock.sleep(self._chance.uniform(0.0, most))
            retry += 1
        return self._endpoint.read(response)

    async def _attempt(
        self, request: WireRequest, is_last: bool
    ) -> WireResponse | None:
        try:
            response = await self._exchange(request)
        except (TransportError, DecodingError) as exc:
            if not is_last and _nothing_was_sent(exc):
                return None
            without_frames(exc)
            raise TokenFetchError(
                f"The token endpoint {self._endpoint.place} gave no answer: "
                f"{scrub(str(exc))}",
                service=self._service,
            ) from exc
        return None if response.status_code >= 500 and not is_last else response

    async def _exchange(self, request: WireRequest) -> WireResponse:
        if self._send is None:
            raise TokenFetchError(
                "The OAuth 2.0 handler has nothing to ask for a token with; use it in "
                "a client, or give it a sender by bind.",
                service=self._service,
            )
        try:
            async with asyncio.timeout(TOKEN_TIMEOUTS.attempt_seconds):
                return await self._send(request, TOKEN_TIMEOUTS, TOKEN_MAX_BYTES)
        except TransportError:
            raise
        except TimeoutError as exc:
            raise RequestTimeoutError(
                f"no whole answer within {TOKEN_TIMEOUTS.attempt_seconds:g} s; try "
                "again later.",
                phase="attempt",
            ) from exc


def _nothing_was_sent(error: Exception) -> bool:
    if isinstance(error, RequestTimeoutError):
        return error.phase == "connect"
    return isinstance(error, ConnectionFailedError)


def _check_grant(
    grant: str, client_secret: Secret | None, refresh_token: Secret | None
) -> None:
    if grant not in ("client_credentials", "refresh_token"):
        raise InvalidArgumentError(
            f"grant is {grant!r}; give 'client_credentials' or 'refresh_token'."
        )
    if grant == "refresh_token" and refresh_token is None:
        raise InvalidArgumentError(
            "The grant 'refresh_token' needs one; give refresh_token."
        )
    if grant == "client_credentials" and client_secret is None:
        raise InvalidArgumentError(
            "The grant 'client_credentials' needs the client's secret; give "
            "client_secret."
        )
