"""Connections to Redis end with their loop, and leave nothing to the collector."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Iterator

import pytest
import redis.asyncio

from contexter_nb.policies._redis_clients import RedisClients
from tests.policies.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]


@pytest.fixture(autouse=True)
def nothing_unclosed() -> Iterator[None]:
    """Fail where the collector finds something open."""
    gc.collect()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(each.message) for each in found] == []


def clients_of(server: RedisServer) -> RedisClients:
    """Return clients of a server."""
    return RedisClients(lambda: redis.asyncio.Redis.from_url(server.url))


async def connections(clients: RedisClients) -> int:
    """Return how many connections the server has."""
    client = await clients.of_loop()
    return len(await client.client_list())


def test_a_loop_that_ends_closes_its_connections(redis_server: RedisServer) -> None:
    """Nobody has to close them: the server sees one connection, loop after loop."""
    clients = clients_of(redis_server)
    assert [asyncio.run(connections(clients)) for _ in range(3)] == [1, 1, 1]


def test_a_loop_that_was_only_closed_is_cleaned_up_later(
    redis_server: RedisServer,
) -> None:
    """The next loop's client drops its sockets, and so does closing."""
    clients = clients_of(redis_server)
    for _ in range(2):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(connections(clients))
        loop.close()
    asyncio.run(clients.close())
    assert asyncio.run(connections(clients)) == 1


def test_closing_ends_this_loops_connections(redis_server: RedisServer) -> None:
    """A later call opens one again, and another loop's stays as it is."""
    clients = clients_of(redis_server)
    other = asyncio.new_event_loop()
    other.run_until_complete(connections(clients))

    async def main() -> int:
        await connections(clients)
        await clients.close()
        return await connections(clients)

    assert asyncio.run(main()) == 2
    other.run_until_complete(clients.close())
    other.run_until_complete(asyncio.sleep(0))
    other.close()
