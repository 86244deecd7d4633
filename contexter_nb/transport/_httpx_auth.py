"""Any of our auth handlers as the ``auth`` of somebody else's httpx client."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Iterable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn, cast

from contexter_nb.core import (
    AuthHandler,
    Headers,
    InvalidArgumentError,
    SendRequest,
    Timeouts,
    Token,
    WireRequest,
    WireResponse,
)
from contexter_nb.transport._http import HTTPTransport

_SYNC_CLIENT = (
    "This auth may have to wait for a token, which a synchronous client cannot; use "
    "an AsyncClient."
)


def httpx_auth(
    handler: AuthHandler, *, library: Any = None, origin: str | None = None
) -> Any:
    """Return the ``auth=`` of an ``AsyncClient`` that asks an auth handler.

    A credential goes to one origin only, whatever is asked for or redirected to. One
    that is not in ``Authorization`` is not carried along redirects at all, not even
    within its origin: httpx itself would carry it anywhere. After a 401 a body that
    was streamed cannot be sent again, so the 401 is the answer.

    Parameters
    ----------
    handler : AuthHandler
        Where it needs a token endpoint and has no sender yet, it gets one over the
        same library; the client's own connections are not used for that.
    library : module or str, optional
        ``httpx`` or ``httpx2``, whichever the client is of: their classes do not
        mix. None takes httpx.
    origin : str, optional
        Scheme, host and port that may have the credential, as
        ``https://api.example.org``; None takes that of the first request.

    Returns
    -------
    httpx.Auth
        Of that library.

    Raises
    ------
    InvalidArgumentError
        The library is not installed or is none, or `origin` is none.

    Examples
    --------
    >>> import httpx
    >>> from contexter_nb.bridge import run
    >>> from contexter_nb.core import AuthHandler, SendRequest
    >>> class Key:
    ...     def flow(self, request):
    ...         yield SendRequest(request.with_headers({"Authorization": "Bearer k"}))
    ...     def bind(self, send): ...
    >>> def echo(request):
    ...     return httpx.Response(200, text=request.headers["authorization"])
    >>> async def ask():
    ...     auth = httpx_auth(Key())
    ...     transport = httpx.MockTransport(echo)
    ...     async with httpx.AsyncClient(auth=auth, transport=transport) as client:
    ...         return (await client.get("https://api.example.org/")).text
    >>> run(ask())
    'Bearer k'
    """
    module = _module(library)
    _headers_class(module)  # refuses a release it cannot keep from leaking
    handler.bind(_OneShot(module))
    made = _auth_class(module)(handler)
    if origin is not None:
        made.allow(module.URL(origin))
    return made


class _OneShot:
    """A sender that keeps no connection, since nobody would close it.

    Tokens are fetched once in minutes; the TLS context is shared and lives on.
    """

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    async def __call__(
        self, request: WireRequest, timeouts: Timeouts, max_bytes: int
    ) -> WireResponse:
        transport = HTTPTransport(library=self._module)
        try:
            return await transport(request, timeouts, max_bytes)
        finally:
            await transport.aclose()


def _module(library: Any) -> ModuleType:
    if isinstance(library, ModuleType):
        found = library
    else:
        try:
            found = import_module(str(library or "httpx"))
        except ImportError as exc:
            raise InvalidArgumentError(
                f"library {str(library)!r} is not installed; give httpx or httpx2."
            ) from exc
    if not hasattr(found, "AsyncClient"):
        raise InvalidArgumentError(
            f"library {found.__name__!r} is no HTTP library; give httpx or httpx2."
        )
    return found


class _CarriedHeaders:
    """Headers with fields that are sent, and left behind by a redirect.

    For a redirect httpx copies the headers into new ones and takes out only
    ``Authorization``. A copy of these does not have the extra fields.
    """

    plain: Any
    carried: tuple[tuple[str, str], ...] = ()

    def _whole(self) -> Any:
        whole = self.plain(self)
        whole.update(dict(self.carried))
        return whole

    @property
    def raw(self) -> Any:
        return self._whole().raw

    def keys(self) -> Any:
        return self._whole().keys()

    def values(self) -> Any:
        return self._whole().values()

    def items(self) -> Any:
        return self._whole().items()

    def multi_items(self) -> Any:
        return self._whole().multi_items()

    def get(self, name: str, default: Any = None) -> Any:
        return self._whole().get(name, default)

    def get_list(self, name: str, split_commas: bool = False) -> Any:
        return self._whole().get_list(name, split_commas)

    def __getitem__(self, name: str) -> Any:
        return self._whole()[name]

    def __contains__(self, name: object) -> bool:
        return name in self._whole()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._whole())

    def __len__(self) -> int:
        return len(self._whole())

    def __repr__(self) -> str:
        return repr(self.plain(self))


class _HandlerAuth:
    """Takes the steps of a handler's flow within an AsyncClient."""

    module: Any

    def __init__(self, handler: AuthHandler) -> None:
        self._handler = handler
        self._origin: tuple[str, str, int | None] | None = None

    def allow(self, url: Any) -> None:
        if url.scheme not in ("http", "https") or not url.host:
            raise InvalidArgumentError(
                "origin is no origin; give 'https://host' or 'https://host:port'."
            )
        self._origin = _origin(url)

    def sync_auth_flow(self, request: Any) -> NoReturn:
        raise InvalidArgumentError(_SYNC_CLIENT)

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        self._origin = self._origin or _origin(request.url)
        if _origin(request.url) != self._origin:
            yield request
            return
        content = _content(request, self.module)
        flow = self._handler.flow(_as_wire(request, content or b""))
        sent = 0
        try:
            step = next(flow)
            while True:
                taken: WireResponse | Token
                if isinstance(step, SendRequest):
                    if sent and content is None:
                        return  # the body is gone; the answer before it counts
                    answer = yield _authorized(request, step.request, self.module)
                    sent += 1
                    if _origin(answer.url) != self._origin:
                        return  # of a redirect's target: its 401 is not ours to meet
                    taken = WireResponse(
                        answer.status_code, Headers(answer.headers.multi_items())
                    )
                else:
                    taken = await self._handler.token(step.newer_than)
                step = flow.send(taken)
        except StopIteration:
            return
        finally:
            flow.close()

    def __repr__(self) -> str:
        return f"<auth of {self.module.__name__} by {self._handler!r}>"


@functools.cache
def _auth_class(module: ModuleType) -> type[Any]:
    return type("HandlerAuth", (_HandlerAuth, module.Auth), {"module": module})


@functools.cache
def _headers_class(module: ModuleType) -> type[Any]:
    made = type("Headers", (_CarriedHeaders, module.Headers), {"plain": module.Headers})
    if not _leaves_behind(module, made):
        raise InvalidArgumentError(
            f"This release of {module.__name__} would carry credentials along "
            "redirects; use another one."
        )
    return made


def _leaves_behind(module: ModuleType, kind: type[Any]) -> bool:
    try:
        return "x-probe" not in module.Headers(_carrying(kind, {}, {"x-probe": "1"}))
    except RecursionError:  # a release that copies by the methods replaced above
        return False


def _carrying(kind: type[Any], fields: Any, carried: dict[str, str]) -> Any:
    made = kind(fields)
    made.carried = tuple(carried.items())
    return made


def _authorized(request: Any, wanted: WireRequest, module: ModuleType) -> Any:
    """Return a copy of a request of the library's, with what the flow has added."""
    made = module.Request(
        request.method,
        request.url,
        headers=request.headers,
        stream=request.stream,
        extensions=request.extensions,
    )
    if "authorization" in wanted.headers:
        made.headers["authorization"] = wanted.headers["authorization"]
    made.headers = _carrying(
        _headers_class(module),
        made.headers,
        {
            name: wanted.headers[name]
            for name in wanted.headers
            if name != "authorization"
            and wanted.headers[name] != request.headers.get(name)
        },
    )
    return made


def _as_wire(request: Any, content: bytes) -> WireRequest:
    fields: Iterable[tuple[str, str]] = request.headers.multi_items()
    return WireRequest(request.method, str(request.url), Headers(fields), content)


def _content(request: Any, module: ModuleType) -> bytes | None:
    try:
        return cast("bytes", request.content)
    except module.RequestNotRead:
        return None


def _origin(url: Any) -> tuple[str, str, int | None]:
    port = url.port or {"http": 80, "https": 443}.get(url.scheme)
    return url.scheme, url.host, port
