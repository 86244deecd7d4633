"""How requests to Context7 carry their key."""

from __future__ import annotations

from contexter_nb.core import Secret
from contexter_nb.policies import APIKeyAuthHandler


class Context7AuthHandler(APIKeyAuthHandler):
    """Send a Context7 key as a bearer token.

    The REST interface takes nothing else; the field ``CONTEXT7_API_KEY`` belongs to the
    hosted MCP server.

    Parameters
    ----------
    api_key : str or Secret
        ``ctx7sk-...``, or ``ctx7op-...`` on premises.

    Raises
    ------
    InvalidArgumentError
        It is no key.

    Examples
    --------
    >>> Context7AuthHandler("ctx7sk-0123456789abcdef")
    Context7AuthHandler(Secret('***cdef'))

    Source
    ------
    github.com/upstash/context7, docs/openapi.json and issue 2145, read 2026-11-23.
    """

    def __init__(self, api_key: str | Secret) -> None:
        super().__init__(api_key)
        del api_key  # an error from here on shows this frame

    def __repr__(self) -> str:
        return f"Context7AuthHandler({self._key!r})"
