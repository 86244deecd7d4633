"""How the tests of the transport send."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contexter_nb.core import Headers, Timeouts, WireRequest, WireResponse
from contexter_nb.transport import HTTPTransport

LIBRARIES = pytest.mark.parametrize("library", ["httpx", "httpx2"])
PATIENT = Timeouts(connect_seconds=5, read_seconds=5, attempt_seconds=None)


@contextlib.asynccontextmanager
async def transport_of(library: Any, **options: Any) -> AsyncIterator[HTTPTransport]:
    """Give a transport that is closed after the block."""
    transport = HTTPTransport(library=library, **options)
    try:
        yield transport
    finally:
        await transport.aclose()


async def sent(
    transport: HTTPTransport,
    url: str,
    method: str = "GET",
    *,
    headers: Any = (),
    content: bytes = b"",
    timeouts: Timeouts = PATIENT,
    max_bytes: int = 1_000_000,
) -> WireResponse:
    """Send one request."""
    asked = WireRequest(method, url, Headers(headers), content)
    return await transport(asked, timeouts, max_bytes)


def chain_of(error: BaseException) -> list[BaseException]:
    """Return an error, its causes and contexts, and what their groups hold."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or any(each is other for other in found):
            continue
        found.append(each)
        waiting += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
    return found
