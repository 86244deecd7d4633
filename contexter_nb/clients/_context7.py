"""A client of Context7: documentation of libraries, by topic and by version."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from contexter_nb.clients._client import DEFAULT_DEADLINE_SECONDS
from contexter_nb.clients._context7_answers import (
    DocumentationOutcome,
    FormatType,
    Library,
)
from contexter_nb.clients._context7_auth import Context7AuthHandler
from contexter_nb.clients._context7_budget import budget_of
from contexter_nb.clients._context7_decode import libraries_of, library_of
from contexter_nb.clients._context7_dialect import Context7Dialect
from contexter_nb.clients._context7_errors import (
    NOTHING_FOUND,
    advise,
    code_of,
    hidden_error,
    is_answer,
    moved_on,
    moved_to,
    tag_missing,
)
from contexter_nb.clients._context7_fetch import DocumentationFetch, Question
from contexter_nb.clients._context7_id import LibraryId
from contexter_nb.clients._context7_versions import (
    ENDPOINTS,
    LIBRARIES,
    LIBRARY,
    LIVE_BASE_URL,
    V1,
    search_request,
)
from contexter_nb.clients._health import HealthCheck
from contexter_nb.clients._pipeline import Knowledge
from contexter_nb.clients._service_client import ServiceClient
from contexter_nb.clients._versioned import VersionedAPIClient
from contexter_nb.core import (
    APIIntegrationError,
    APIRequest,
    APIResponse,
    Clock,
    DecodingError,
    HTTPError,
    InvalidArgumentError,
    NotFoundError,
    Random,
    Secret,
    SystemClock,
    did_you_mean,
    new_random,
    scrub,
)
from contexter_nb.policies import (
    APICache,
    APIVersion,
    RateLimitConfig,
    TokenBucketRateLimiter,
    retry_after_seconds,
)
from contexter_nb.transport import HTTPTransport

MAX_QUERY_CHARS = 500
MAX_CONTEXTS = 1_000
DEFAULT_CACHE_SECONDS = 6 * 3600.0
DEFAULT_CONCURRENCY = 8
OnErrors = Literal["raise", "keep"]


class Context7Client(ServiceClient):
    """Ask Context7 for the documentation of libraries.

    Works without a key, at low quotas. No quota is published, so none is kept to by
    guess: the limiter lets everything through until the service says 429, and then
    everybody waits.

    Parameters
    ----------
    api_key : str or Secret, optional
        ``ctx7sk-...``; None asks anonymously.
    base_url : str, optional
        By default the live service, which has ``v2`` only.
    version : str, default "v2"
        ``v2`` is the live interface; ``v1`` has ``POST /fetch``, ``GET /libraries`` and
        ``GET /libraries/{id}`` at a `base_url` of one's own.
    cache : APICache, optional
        Not closed with the client.
    cache_seconds : float or None, default 21600
        How long answers are kept there; None: not at all.
    **options
        As of `APIClient`: transport, limiter, monitor, clock, deadline_seconds and so
        on.

    Raises
    ------
    InvalidArgumentError
        The key is none, ``v1`` comes without a base URL, or another argument cannot be
        used.
    VersionError
        There is no such version.

    Examples
    --------
    >>> from contexter_nb.bridge import run
    >>> from contexter_nb.core import Headers, WireResponse
    >>> async def service(request, timeouts, max_bytes):
    ...     text = Headers({"Content-Type": "text/plain"})
    ...     return WireResponse(200, text, b"Call retry(3).")
    >>> client = Context7Client(transport=service)
    >>> outcome, = run(client.fetch_documentation("/acme/widgetlib", "retry policy"))
    >>> outcome.status, outcome.text
    ('ok', 'Call retry(3).')

    Source
    ------
    github.com/upstash/context7, docs/openapi.json and docs/api-guide.mdx, read
    2026-11-23.
    """

    _client: VersionedAPIClient

    def __init__(
        self,
        api_key: str | Secret | None = None,
        *,
        base_url: str | None = None,
        version: APIVersion | str = "v2",
        cache: APICache | None = None,
        cache_seconds: float | None = DEFAULT_CACHE_SECONDS,
        **options: Any,
    ) -> None:
        if api_key is not None:
            options["auth"] = Context7AuthHandler(api_key)
        del api_key  # an error from here on shows this frame
        if base_url is None and APIVersion.of(version) == V1:
            raise InvalidArgumentError(
                "version is 'v1', which no public address serves; give the base_url of "
                "a service that does, or use 'v2'."
            )
        if cache_seconds is not None and not 0 < cache_seconds < float("inf"):
            raise InvalidArgumentError(
                f"cache_seconds is {cache_seconds!r}; give finite seconds above 0, or "
                "None."
            )
        self._cache_seconds = cache_seconds
        self._anonymous = options.get("auth") is None
        self._clock: Clock = options.get("clock") or SystemClock()
        self._rng: Random = options.get("rng") or new_random()
        self._deadline_seconds = options.get(
            "deadline_seconds", DEFAULT_DEADLINE_SECONDS
        )
        concurrency = options.setdefault("max_concurrency", DEFAULT_CONCURRENCY)
        send = options.pop("transport", None)
        self._own_transport = None
        if send is None:
            send = self._own_transport = HTTPTransport(max_connections=concurrency)
        if options.get("limiter") is None:
            options["limiter"] = TokenBucketRateLimiter(
                RateLimitConfig(requests_per_minute=None),
                name="context7",
                clock=self._clock,
            )
        self._client = VersionedAPIClient(
            "context7",
            base_url or LIVE_BASE_URL,
            endpoints=ENDPOINTS,
            version=version,
            cache=cache,
            knowledge=Knowledge(is_answer=is_answer, inspect=hidden_error),
            transport=Context7Dialect(send),
            **options,
        )

    @property
    def client(self) -> VersionedAPIClient:
        """The client underneath, with its metrics."""
        return self._client

    @property
    def api_version(self) -> APIVersion:
        """The version in use."""
        return self._client.api_version

    async def fetch_documentation(
        self,
        library_id: str,
        contexts: str | Sequence[str],
        *,
        token_limit: int | None = None,
        format_type: FormatType = "json",
        version_tag: str | None = None,
        on_errors: OnErrors = "raise",
        deadline_seconds: float | None = None,
    ) -> tuple[DocumentationOutcome, ...]:
        """Fetch what a library's documentation says to some contexts, all at once.

        A library that is not ready yet is waited for within the deadline. One that
        has moved to another id is followed there once, with the same tag; the outcome
        says so.

        Parameters
        ----------
        library_id : str
            ``/owner/name`` for the branch that Context7 follows, ``/owner/name/tag``
            for a version.
        contexts : str or sequence of str
            Questions or topics, each of 1 to 500 characters; what looks like a
            credential is taken out before it is sent.
        token_limit : int, optional
            For all contexts together, an equal part for each. The live service cannot
            be told: what it sends beyond is cut off here, whole snippets or paragraphs.
        format_type : str, default "json"
            ``json`` for snippets, ``txt`` for text alone.
        version_tag : str, optional
            A tag, where `library_id` names none.
        on_errors : str, default "raise"
            ``raise`` raises where the key or the quota is refused; ``keep`` makes that
            an outcome, too.
        deadline_seconds : float, optional
            For all of it, waits included; the client's where None.

        Returns
        -------
        tuple of DocumentationOutcome
            One for each context, in order; a context that comes twice is asked once.

        Raises
        ------
        AuthenticationError, PermissionDeniedError, RateLimitExceededError, HTTPError
            The key is refused, or the quota (429) or the plan (402) is used up; what
            was answered before is in the cache, where there is one.
        InvalidArgumentError
            An argument cannot be used.
        ClientClosedError
            After `close`.
        """
        library = LibraryId.parse(library_id).with_tag(version_tag)
        asked = _checked_contexts(contexts)
        _check_choice("format_type", format_type, ("json", "txt"))
        _check_choice("on_errors", on_errors, ("raise", "keep"))
        seconds = self._seconds(deadline_seconds)
        question = Question(
            library=library,
            version=self._client.api_version,
            format_type=format_type,
            budget=budget_of(token_limit, len(asked)),
            deadline=self._clock.now() + seconds,
            cache_seconds=self._cache_seconds,
            keeps_errors=on_errors == "keep",
        )
        fetch = DocumentationFetch(self._client, question, self._clock, self._rng)
        try:
            found = await fetch.outcomes(asked)
        except APIIntegrationError as exc:
            advise(exc, anonymous=self._anonymous)
            raise
        for each in found.values():
            if each.error is not None:
                advise(each.error, anonymous=self._anonymous)
        return tuple(found[each] for each in asked)

    async def list_libraries(
        self,
        query: str,
        *,
        topic: str | None = None,
        limit: int | None = None,
        deadline_seconds: float | None = None,
    ) -> tuple[Library, ...]:
        """Search for libraries by name.

        Parameters
        ----------
        query : str
            A name, 1 to 500 characters.
        topic : str, optional
            What it is wanted for, by which the service ranks; the name where None.
        limit : int, optional
            At most so many, from 1; all where None.
        deadline_seconds : float, optional
            For the whole call; the client's where None.

        Returns
        -------
        tuple of Library
            Those first that are called exactly so, ready ones before others; for the
            rest in the service's order. Empty where none is found. The name may match
            a mirror of a third party: look before you choose.

        Raises
        ------
        APIIntegrationError
            The call failed.
        InvalidArgumentError
            An argument cannot be used.
        """
        name = _checked_query("query", query)
        wanted = name if topic is None else _checked_query("topic", topic)
        if limit is not None and not (isinstance(limit, int) and limit >= 1):
            raise InvalidArgumentError(
                f"limit is {limit!r}; give a whole number from 1, or None."
            )
        seconds = self._seconds(deadline_seconds)
        version = self._client.api_version
        found = await self._searched(version, name, wanted, seconds)
        return tuple(sorted(found, key=lambda each: _rank(each, name)))[:limit]

    async def get_library_info(
        self, library_id: str, *, deadline_seconds: float | None = None
    ) -> Library:
        """Return what Context7 knows of one library.

        Parameters
        ----------
        library_id : str
            ``/owner/name``; with a tag, that tag has to exist.
        deadline_seconds : float, optional
            For the whole call; the client's where None.

        Returns
        -------
        Library

        Raises
        ------
        NotFoundError
            There is no such library, or no such tag of it; the message offers others.
        APIIntegrationError
            The call failed.
        InvalidArgumentError
            It is no library id.
        """
        wanted = LibraryId.parse(library_id)
        seconds = self._seconds(deadline_seconds)
        version = self._client.api_version
        if version == V1:
            library = await self._asked_for(version, wanted.base, seconds)
        else:
            library = await self._searched_for(version, wanted.base, seconds)
        if wanted.tag and wanted.tag not in library.versions:
            raise tag_missing(None, wanted, library.versions)
        return library

    async def migrate_to_version(self, version: APIVersion | str) -> APIVersion:
        """Use another version from now on, once the service has answered in it.

        Calls under way keep theirs. Nothing changes where this raises.

        Parameters
        ----------
        version : APIVersion or str
            ``v1`` or ``v2``.

        Returns
        -------
        APIVersion
            The version used so far.

        Raises
        ------
        VersionError
            There is no such version.
        APIIntegrationError
            The service does not answer in it.
        """
        wanted = APIVersion.of(version)
        try:
            await self._searched(wanted, "context7", "documentation", None)
        except Exception as exc:
            exc.add_note(f"context7 stays with version {self.api_version}.")
            raise
        return await self._client.migrate_to_version(wanted)

    async def health_check(self) -> HealthCheck:
        """Ask whether the service is there, past cache, limit and breaker; no quota."""
        return await self._client.health_check()

    async def close(self) -> None:
        """Close the connections; calls after it are refused."""
        await self._client.close()
        if self._own_transport is not None:
            await self._own_transport.aclose()

    def __repr__(self) -> str:
        who = " anonymous" if self._anonymous else ""
        state = " closed" if self._client.closed else ""
        return (
            f"<Context7Client {self._client.base_url} {self.api_version}{who}{state}>"
        )

    def _seconds(self, asked: float | None) -> float:
        seconds: float = self._deadline_seconds if asked is None else asked
        if not seconds > 0:
            raise InvalidArgumentError(
                f"deadline_seconds is {asked!r}; give seconds above 0, or None."
            )
        return seconds

    async def _sent(
        self,
        name: str,
        version: APIVersion,
        request: APIRequest,
        library: LibraryId | None = None,
    ) -> APIResponse:
        try:
            response = await self._client.execute_endpoint(
                name,
                version=version,
                ids={} if library is None else {"id": str(library)},
                keep_slash=["id"],
                request=request,
            )
        except APIIntegrationError as exc:
            advise(exc, anonymous=self._anonymous)
            raise
        if response.status_code == 202:
            raise self._not_ready(response)
        return response

    async def _searched(
        self, version: APIVersion, name: str, topic: str, seconds: float | None
    ) -> tuple[Library, ...]:
        """Search in the service's order; without a time, past the cache, as a probe."""
        request = search_request(version, name, topic)
        if seconds is None:
            request = request.with_(max_attempts=2)
        else:
            request = request.with_(
                cache_ttl_seconds=self._cache_seconds,
                cache_tags=("context7",),
                deadline_seconds=seconds,
            )
        try:
            return libraries_of(await self._sent(LIBRARIES, version, request))
        except NotFoundError as exc:
            if code_of(exc) in NOTHING_FOUND:
                return ()
            raise

    async def _searched_for(
        self, version: APIVersion, library: LibraryId, seconds: float
    ) -> Library:
        """Find one library among those that a search gives."""
        deadline = self._clock.now() + seconds
        seen: list[str] = []
        # The search is made for a name; its owner tells namesakes apart.
        for name in (library.name, f"{library.owner}/{library.name}"):
            left = max(0.001, deadline - self._clock.now())
            found = await self._searched(
                version, name[:MAX_QUERY_CHARS], library.name, left
            )
            for each in found:
                if each.id.lower() == str(library).lower():
                    return each
            seen += [each.id for each in found]
        raise NotFoundError(
            f"context7 knows no library {str(library)!r}."
            f"{did_you_mean(str(library), seen)} Search with list_libraries("
            f"{library.name!r}).",
            service="context7",
            operation=LIBRARY,
            status_code=404,
        )

    async def _asked_for(
        self, version: APIVersion, library: LibraryId, seconds: float
    ) -> Library:
        """Ask for one library where there is an endpoint for that."""
        request = APIRequest(
            cache_ttl_seconds=self._cache_seconds,
            cache_tags=("context7", str(library)),
            deadline_seconds=seconds,
        )
        response = await self._sent(LIBRARY, version, request, library)
        if response.status_code == 301:
            library = moved_to(library, response)
            response = await self._sent(LIBRARY, version, request, library)
            if response.status_code == 301:
                raise moved_on(library, response)
        found = library_of(response.data)
        if found is None:
            raise DecodingError(
                f"context7 answered {str(library)!r} with what is no library; check "
                "the base URL.",
                service="context7",
                operation=LIBRARY,
                request_id=response.request_id,
            )
        return found

    def _not_ready(self, response: APIResponse) -> HTTPError:
        seconds = retry_after_seconds(response.headers, self._clock.wall())
        return HTTPError(
            f"context7 is not ready to answer {response.operation!r} yet (202); try "
            "again later.",
            status_code=202,
            retry_after_seconds=seconds,
            service="context7",
            operation=response.operation,
            request_id=response.request_id,
            trace=response.trace,
        )


def _rank(library: Library, name: str) -> tuple[bool, bool]:
    """Return how far a library is from the one of this name, what is ready first."""
    names = (library.id, library.id.strip("/"), library.name)
    is_called = name.lower() in (each.lower() for each in names)
    return (not is_called, is_called and not library.is_ready)


def _checked_contexts(contexts: str | Sequence[str]) -> list[str]:
    several = [contexts] if isinstance(contexts, str) else list(contexts)
    if len(several) > MAX_CONTEXTS:
        raise InvalidArgumentError(
            f"There are {len(several):,} contexts; give at most {MAX_CONTEXTS:,}."
        )
    return [_checked_query("context", each) for each in several]


def _checked_query(name: str, text: str) -> str:
    """Return a text that may leave the machine."""
    if not isinstance(text, str) or not 0 < len(text.strip()) <= MAX_QUERY_CHARS:
        shown = f"{len(text)} characters" if isinstance(text, str) else repr(type(text))
        raise InvalidArgumentError(
            f"{name} has {shown}; give a text of 1 to {MAX_QUERY_CHARS} characters."
        )
    if any("\ud800" <= each <= "\udfff" for each in text):
        raise InvalidArgumentError(
            f"{name} holds half a character (a lone surrogate); mend it."
        )
    return scrub(text.strip())[:MAX_QUERY_CHARS]


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        words = " or ".join(map(repr, choices))
        raise InvalidArgumentError(f"{name} is {value!r}; use {words}.")
