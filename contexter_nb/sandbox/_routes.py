"""Which handler a request is for: strict as a real service, the same for all."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from contexter_nb.core import Secret
from contexter_nb.sandbox._service import Reply, Request

Handler = Callable[[Request, Mapping[str, str]], Awaitable[Reply]]
Refuse = Callable[[int, str], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """A method, a path whose parts in braces match anything, and who answers."""

    method: str
    path: str
    handler: Handler


class Routes:
    """Finds the handler, or refuses: 401, 404, 405 with Allow."""

    def __init__(
        self, routes: list[Route], refuse: Refuse, api_key: Secret | None = None
    ) -> None:
        self._routes = routes
        self._refuse = refuse
        self._api_key = api_key

    async def answer(self, request: Request) -> Reply:
        """Answer a request by the first route that matches."""
        if self._api_key is not None:
            if not request.key:
                return self._unauthorized("a key is missing")
            given, wanted = request.key.encode(), self._api_key.reveal().encode()
            if not hmac.compare_digest(given, wanted):
                return self._unauthorized("the key is not known")
        matching = [
            (route, found)
            for route in self._routes
            if (found := match(route.path, request.path)) is not None
        ]
        if not matching:
            return self._refuse(404, f"there is no {request.path[:200]}")
        method = "GET" if request.method == "HEAD" else request.method
        for route, found in matching:
            if route.method == method:
                return await route.handler(request, found)
        allowed = ", ".join(sorted({route.method for route, _ in matching}))
        refused = self._refuse(405, f"{request.method[:20]} is not allowed here")
        return refused.with_headers({"Allow": allowed})

    def _unauthorized(self, message: str) -> Reply:
        refused = self._refuse(401, message)
        return refused.with_headers({"WWW-Authenticate": "Bearer"})


def match(pattern: str, path: str) -> dict[str, str] | None:
    """Return what the parts in braces stand for, decoded; None for another path.

    >>> match("/v1/libraries/{name}", "/v1/libraries/a%20b")
    {'name': 'a b'}
    """
    wanted, given = pattern.split("/"), path.split("/")
    if len(wanted) != len(given):
        return None
    found = {}
    for want, have in zip(wanted, given, strict=True):
        if want.startswith("{"):
            if not have:
                return None
            found[want[1:-1]] = unquote(have)
        elif want != have:
            return None
    return found
