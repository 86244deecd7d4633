"""Context7's answers with their fields named as the policies know them."""

from __future__ import annotations

from dataclasses import replace

from contexter_nb.clients._context7_errors import new_id_in, saying_of
from contexter_nb.core import Headers, Sender, Timeouts, WireRequest, WireResponse


class Context7Dialect:
    """A `Sender` round another one.

    A 301 that names another library is for the client to read, so no ``Location`` of it
    is followed. ``RateLimit-Reset``, an instant in seconds, is told as
    ``X-RateLimit-Reset``.

    Parameters
    ----------
    send : Sender
    """

    def __init__(self, send: Sender) -> None:
        self._send = send

    async def __call__(
        self, request: WireRequest, timeouts: Timeouts, max_bytes: int
    ) -> WireResponse:
        """Send, and return the answer as it is to be read.

        Parameters
        ----------
        request : WireRequest
        timeouts : Timeouts
        max_bytes : int
        """
        answer = await self._send(request, timeouts, max_bytes)
        if answer.status_code not in (301, 429):
            return answer
        fields = dict(answer.headers)
        if answer.status_code == 301 and new_id_in(saying_of(answer)):
            fields.pop("location", None)
        if answer.status_code == 429 and "ratelimit-reset" in fields:
            fields.setdefault("x-ratelimit-reset", fields["ratelimit-reset"])
            fields.setdefault("x-ratelimit-remaining", "0")
        return replace(answer, headers=Headers(fields))
