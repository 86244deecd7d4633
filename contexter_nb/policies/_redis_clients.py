"""A Redis client for each event loop, whose connections end with the loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from contexter_nb.core import LoopEnd, at_loop_end


class RedisClients:
    """A connection belongs to the loop it was made on, and is closed there.

    A loop that ends as `asyncio.run` and `asyncio.Runner` end theirs closes its
    connections itself; those of a loop that was only closed are dropped with the next
    client that is made, and with `close`.

    Parameters
    ----------
    make : callable
        Returns a new ``redis.asyncio.Redis``.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._clients: dict[asyncio.AbstractEventLoop, Any] = {}
        self._ends: dict[asyncio.AbstractEventLoop, LoopEnd] = {}

    async def of_loop(self) -> Any:
        """Return the client of the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            client = self._clients.get(loop)
            if client is not None:
                return client
            self._drop_ended()
            client = self._clients[loop] = self._make()
        self._ends[loop] = await at_loop_end(partial(self._end, loop))
        return client

    async def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            client = self._clients.pop(loop, None)
            self._ends.pop(loop, None)
        if client is not None:
            await client.aclose()

    def _drop_ended(self) -> None:
        for loop in [loop for loop in self._clients if loop.is_closed()]:
            self._ends.pop(loop, None)
            _drop(self._clients.pop(loop))

    async def close(self) -> None:
        """Close the connections of this loop and of those that ended."""
        with self._lock:
            self._drop_ended()
        loop = asyncio.get_running_loop()
        end = self._ends.pop(loop, None)
        if end is not None:
            await end.aclose()
        await self._end(loop)


def _drop(client: Any) -> None:
    """Close the sockets of a client whose loop is closed."""
    pool = client.connection_pool
    for connection in (*pool._available_connections, *pool._in_use_connections):
        writer, connection._writer, connection._reader = connection._writer, None, None
        if writer is None:
            continue
        # The public ways all leave the closing of the socket to the loop.
        with contextlib.suppress(RuntimeError):
            writer.transport.abort()
        lost = getattr(writer.transport, "_call_connection_lost", None)
        if lost is not None:
            lost(None)
