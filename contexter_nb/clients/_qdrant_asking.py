"""Whoever asks Qdrant something: one way through connection and policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from contexter_nb.clients._guarded_call import GuardedClient
from contexter_nb.clients._qdrant_connection import Ask, Connection, models
from contexter_nb.clients._qdrant_filters import Where, filter_of
from contexter_nb.core import (
    APIRequest,
    ClientClosedError,
    Clock,
    ConnectionFailedError,
    InvalidArgumentError,
)


class QdrantAsking:
    """What the parts of the client have in common; made by `QdrantAPIClient`."""

    _client: GuardedClient
    _connection: Connection
    _clock: Clock
    _make_id: Callable[[], str]
    _local: bool
    _asks_rest: bool
    _server_seconds: int

    async def _run(self, request: APIRequest, ask: Ask[Any]) -> Any:
        if self._client.closed:
            raise ClientClosedError(
                f"The client of {self._client.service} is closed; make a new one.",
                service=self._client.service,
                operation=request.name,
            )
        try:
            return await self._connection.run(request, ask)
        except ConnectionFailedError as exc:
            if self._asks_rest and urlsplit(self._client.base_url).port is None:
                exc.add_note(
                    "The URL has no port, so the scheme's own was asked; Qdrant itself "
                    "listens on 6333: write it into the URL."
                )
            raise


def condition_of(where: Where | None) -> Any:
    """Return the library's filter of a mapping; None where everything matches."""
    made = filter_of(where)
    return models().Filter.model_validate(made) if made is not None else None


def from_one(name: str, value: int) -> int:
    """Return a whole number from 1, or refuse it.

    Raises
    ------
    InvalidArgumentError
        It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgumentError(f"{name} is {value!r}; give a whole number from 1.")
    return value
