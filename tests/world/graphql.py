"""A real GraphQL server, ariadne on uvicorn, on loopback in a thread of its own.

What ariadne 1.1 speaks: POST with JSON (and GET for queries, switched on here), answers
as ``application/json``; 200 where `data` is there, also with errors beside it; 400
where the request was not executed. What it does not speak: the media type
``application/graphql-response+json``, 294, 422, 405 for a mutation by GET, 406, 415.
Those are in `tests.world.graphql_faults`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from ariadne.asgi import GraphQL

from tests.world.schema import BOOKS, Counts, book, cursor, make_schema

__all__ = ["BOOKS", "book", "cursor", "graphql_server", "GraphQLServer"]


@dataclass
class GraphQLServer:
    """Where it is and what it did.

    Attributes
    ----------
    counts : Counts
        What was executed.
    requests : list of (str, dict)
        Method and header fields of each request that got as far as the schema.
    """

    url: str
    counts: Counts = field(default_factory=Counts)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def mutations(self) -> int:
        """Mutations executed, whether or not their answers arrived."""
        return self.counts.mutations


class _Announcing(uvicorn.Server):
    """Says when it listens, and when it failed to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextlib.contextmanager
def graphql_server() -> Iterator[GraphQLServer]:
    """Run the server while the block runs; `url` is the endpoint's."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        found = GraphQLServer(f"http://127.0.0.1:{port}/graphql")

        def context(request: Any, _: Any) -> dict[str, Any]:
            headers = dict(request.headers)
            found.requests.append((request.method, headers))
            return {"counts": found.counts, "headers": headers}

        app = GraphQL(
            make_schema(),
            context_value=context,
            execute_get_queries=True,
            logger="tests.world.graphql",
        )
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
        )
        server = _Announcing(config)
        thread = threading.Thread(
            target=server.run, args=([listening],), name="graphql-server"
        )
        thread.start()
        try:
            assert server.ready.wait(20), "the GraphQL server did not start"
            yield found
        finally:
            server.should_exit = True
            server.force_exit = True  # slow fields are not waited for
            thread.join(20)
