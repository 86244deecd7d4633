"""Context7's wire on loopback: the documentation of what is installed here."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from contexter_nb.core import Clock, Headers, Secret, SystemClock
from contexter_nb.sandbox._context7_shelf import Book, Shelf, parsed
from contexter_nb.sandbox._keys import dummy_key
from contexter_nb.sandbox._routes import Route, Routes
from contexter_nb.sandbox._service import Reply, Request

MAX_QUERY_CHARS = 500
_ANSWER_TOKENS = 5_000
_FORMATS = ("txt", "json")
_FETCH_FIELDS = ("library_id", "context", "format_type", "token_limit")
_CODES = {
    400: "validation_error",
    401: "invalid_api_key",
    402: "spending_limit_exceeded",
    403: "access_denied",
    404: "not_found",
    405: "method_not_allowed",
    409: "duplicate",
    422: "library_too_large",
    429: "rate_limit_exceeded",
    500: "internal_server_error",
    503: "search_failed",
}


class _RefusedError(Exception):
    """A request that is answered with a saying in place of documentation."""

    def __init__(self, status: int, code: str, message: str, **more: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.more = more


class Context7Service:
    """Context7 over the installed libraries, in the live layout and the design's.

    ============================  =====================================================
    ``GET /v2/libs/search``       ``?libraryName=pandas&query=join``
    ``GET /v2/context``           ``?libraryId=/pypi/pandas&query=join&type=json``
    ``POST /v1/fetch``            ``library_id``, ``context``, and perhaps
                                  ``format_type``, ``token_limit``
    ``GET /v1/libraries``         all of them, or ``?query=pandas``
    ``GET /v1/libraries/{id}``    one of them
    ============================  =====================================================

    Ids are ``/pypi/<distribution>`` and ``/python/<standard module>``; an import name
    or another spelling is redirected. A library is read, in a process of its own, when
    it is first asked for; the knob `pending` answers 202 until then.

    Parameters
    ----------
    api_key : Secret, optional
        The one that it takes; a dummy of its own where None. Without a key its answers
        are the same, within the knob `anonymous_requests_per_minute`.
    clock : Clock, optional
        For the time limits of reading; the machine's own where None.

    Source
    ------
    github.com/upstash/context7, docs/openapi.json, read 2026-11-23, for ``v2``;
    design.md, section 3, for ``v1``.
    """

    def __init__(
        self, api_key: Secret | None = None, clock: Clock | None = None
    ) -> None:
        self._api_key = api_key or dummy_key()
        self._shelf = Shelf(clock or SystemClock())
        routes = [
            Route("GET", "/v2/libs/search", self._search),
            Route("GET", "/v2/context", self._context),
            Route("POST", "/v1/fetch", self._fetch),
            Route("GET", "/v1/libraries", self._list),
            Route("GET", "/v1/libraries/{id}", self._show),
            Route("GET", "/v1/libraries/{owner}/{name}", self._show),
            Route("GET", "/v1/libraries/{owner}/{name}/{tag}", self._show),
        ]
        self._routes = Routes(routes, self.refuse)

    @property
    def name(self) -> str:
        """``context7``."""
        return "context7"

    async def answer(self, request: Request) -> Reply:
        """Answer one request.

        Parameters
        ----------
        request : Request

        Returns
        -------
        Reply

        Examples
        --------
        >>> from contexter_nb.bridge import run
        >>> asked = Request(method="GET", path="/v2/context", query={"query": "x"})
        >>> run(Context7Service().answer(asked)).status
        400
        """
        given, wanted = request.bearer.encode(), self._api_key.reveal().encode()
        if given and not hmac.compare_digest(given, wanted):
            return self.refuse(401, "The API key is not valid.")
        try:
            return await self._routes.answer(request)
        except _RefusedError as error:
            body = {"error": error.code, "message": str(error), **error.more}
            return Reply.of(body, error.status)

    def refuse(self, status: int, message: str) -> Reply:
        """Return an error in Context7's form.

        Parameters
        ----------
        status : int
        message : str

        Returns
        -------
        Reply
        """
        code = _CODES.get(status, "internal_server_error")
        return Reply.of({"error": code, "message": message}, status)

    def limit_fields(
        self, limit_per_minute: float, retry_after_seconds: int, wall: datetime
    ) -> Mapping[str, str]:
        """Return the header fields of a 429.

        Parameters
        ----------
        limit_per_minute : float
        retry_after_seconds : int
        wall : datetime

        Returns
        -------
        mapping of str to str
        """
        return {
            "Retry-After": str(retry_after_seconds),
            "RateLimit-Limit": f"{limit_per_minute:g}",
            "RateLimit-Remaining": "0",
            "RateLimit-Reset": str(int(wall.timestamp()) + retry_after_seconds),
        }

    async def _search(self, request: Request, _: Mapping[str, str]) -> Reply:
        name, topic = (_asked(request, each) for each in ("libraryName", "query"))
        _check_fast(request)
        books = await self._shelf.found(name, topic)
        if not books:
            raise _RefusedError(
                404, "no_libraries_found", f"No library is found for {name!r}."
            )
        rows = [self._row(book) for book in books]
        return Reply.of({"results": rows, "searchFilterApplied": False})

    async def _context(self, request: Request, _: Mapping[str, str]) -> Reply:
        query = _asked(request, "query")
        format_type = request.query.get("type", "txt")
        _check_format("type", format_type)
        _check_fast(request)
        library_id = request.query.get("libraryId", "")
        if not library_id:
            raise _RefusedError(400, "validation_error", "libraryId is required.")
        book = await self._book(library_id)
        return await self._documentation(
            request, book, query, format_type, _ANSWER_TOKENS
        )

    async def _fetch(self, request: Request, _: Mapping[str, str]) -> Reply:
        body = _fetch_body(request)
        limit = body.get("token_limit")
        book = await self._book(body["library_id"])
        return await self._documentation(
            request,
            book,
            body["context"],
            body.get("format_type", "txt"),
            _ANSWER_TOKENS if limit is None else limit,
        )

    async def _list(self, request: Request, _: Mapping[str, str]) -> Reply:
        query = request.query.get("query", "")
        if len(query) > MAX_QUERY_CHARS:
            raise _RefusedError(400, "validation_error", "query is too long.")
        if query:
            books = await self._shelf.found(query)
        else:
            books = list((await self._shelf.books()).values())
        return Reply.of({"libraries": [self._row(book) for book in books]})

    async def _show(self, _: Request, found: Mapping[str, str]) -> Reply:
        library_id = found["id"] if "id" in found else "/" + "/".join(found.values())
        return Reply.of(self._row(await self._book(library_id)))

    async def _book(self, library_id: str) -> Book:
        """Return the library of an id, or refuse it as Context7 does."""
        asked = parsed(library_id)
        if asked is None:
            raise _RefusedError(
                400, "invalid_library_id", f"{library_id[:100]!r} is no library id."
            )
        book = (await self._shelf.books()).get(asked.base)
        if book is None:
            target = await self._shelf.moved_to(asked.base)
            if target is None:
                raise _RefusedError(
                    404, "library_not_found", f"Library {asked.base!r} is not found."
                )
            moved = f"{target}/{asked.tag}" if asked.tag else target
            raise _RefusedError(
                301,
                "library_redirected",
                f"Library {asked.base!r} is {target!r} now.",
                redirectUrl=moved,
            )
        if asked.tag and asked.tag.removeprefix("v") != book.version:
            raise _RefusedError(
                404,
                "tag_not_found",
                f"Tag {asked.tag!r} of {book.id!r} is not found. Available tags: "
                f"{book.tag}",
            )
        return book

    async def _documentation(
        self, request: Request, book: Book, query: str, format_type: str, budget: int
    ) -> Reply:
        wait = not request.knobs.pending
        known = await self._shelf.documentation(book, wait=wait)
        if known is None:
            raise _RefusedError(
                202,
                "library_not_finalized",
                f"Library {book.id!r} is being read; ask again in a moment.",
            )
        if not known.snippets:
            raise _RefusedError(
                404, "no_snippets_found", f"Library {book.id!r} has no documentation."
            )
        from contexter_nb.sandbox._context7_library import as_json, as_text

        snippets = known.best(query, budget)
        if format_type == "json":
            return Reply.of(as_json(snippets))
        fields = Headers({"Content-Type": "text/plain; charset=utf-8"})
        text = as_text(snippets).encode("utf-8", "replace")
        return Reply(body=text, headers=fields)

    def _row(self, book: Book) -> dict[str, Any]:
        known = self._shelf.known(book)
        return {
            "id": book.id,
            "title": book.library,
            "description": book.summary,
            "branch": "main",
            "lastUpdateDate": book.updated_at,
            "state": "initial" if known is None else "finalized",
            "totalTokens": -1 if known is None else known.tokens,
            "totalSnippets": -1 if known is None else len(known.snippets),
            "stars": -1,
            "trustScore": -1,
            "benchmarkScore": -1,
            "versions": [book.tag] if book.version else [],
        }


def _asked(request: Request, name: str) -> str:
    """Return a parameter of 1 to 500 characters."""
    value = request.query.get(name, "")
    if not 1 <= len(value.strip()) <= len(value) <= MAX_QUERY_CHARS:
        raise _RefusedError(
            400,
            "validation_error",
            f"{name} is required, with 1 to {MAX_QUERY_CHARS} characters.",
        )
    return value


def _check_fast(request: Request) -> None:
    if request.query.get("fast", "false") not in ("true", "false"):
        raise _RefusedError(400, "validation_error", "fast is not true or false.")


def _check_format(name: str, value: object) -> None:
    if value not in _FORMATS:
        raise _RefusedError(400, "validation_error", f"{name} is not txt or json.")


def _fetch_body(request: Request) -> dict[str, Any]:
    """Return the body of a question in the design's layout, checked."""
    try:
        body = request.json()
    except ValueError as error:
        raise _RefusedError(
            400, "validation_error", "The body is no valid JSON."
        ) from error
    if not isinstance(body, dict) or not set(body) <= set(_FETCH_FIELDS):
        known = ", ".join(_FETCH_FIELDS)
        raise _RefusedError(400, "validation_error", f"The fields are {known}.")
    for name in ("library_id", "context"):
        value = body.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= MAX_QUERY_CHARS:
            raise _RefusedError(400, "validation_error", f"{name} is required, a text.")
    _check_format("format_type", body.get("format_type", "txt"))
    limit = body.get("token_limit")
    whole = isinstance(limit, int) and not isinstance(limit, bool) and limit >= 1
    if limit is not None and not whole:
        raise _RefusedError(
            400, "validation_error", "token_limit is no whole number from 1 on."
        )
    return body
