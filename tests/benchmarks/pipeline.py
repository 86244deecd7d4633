"""What the policies add to a request, against the bare HTTP library on loopback.

The service runs in a process of its own and answers a small JSON. Bare: one
``AsyncClient`` with the library's own limits and ``.json()``. Ours: `APIClient` with
monitor, deadline, retry, breaker, a limiter of two dimensions and the bulkhead.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from contexter_nb.clients import APIClient
from contexter_nb.core import APIRequest
from contexter_nb.policies import (
    APIMonitor,
    RateLimitConfig,
    TokenBucketRateLimiter,
)
from contexter_nb.transport import HTTPTransport

SERVICE = """
import asyncio

ANSWER = (b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\n"
          b"content-length: 27\\r\\n\\r\\n" + b'{"answer": 42, "list": [1]}')

class Service(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        for _ in range(data.count(b"\\r\\n\\r\\n")):
            self.transport.write(ANSWER)

async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Service, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
CONCURRENT = (1, 16, 100)
REQUESTS = 2_000
ROUNDS = 7


def rows(folder: Path) -> Iterator[str]:
    """Yield the table.

    Parameters
    ----------
    folder : pathlib.Path
        Not used.
    """
    yield "| library | concurrent | bare, us | with policies, us | ratio |"
    yield "|---|---:|---:|---:|---:|"
    service = subprocess.Popen(
        [sys.executable, "-c", SERVICE], stdout=subprocess.PIPE, text=True
    )
    assert service.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(service.stdout.readline())}"
        for name in ("httpx", "httpx2"):
            for concurrent in CONCURRENT:
                bare, ours = asyncio.run(_compared(name, url, concurrent))
                yield (
                    f"| {name} | {concurrent} | {bare * 1e6:,.0f} | {ours * 1e6:,.0f} "
                    f"| {ours / bare:.2f} |"
                )
    finally:
        service.kill()
        service.wait()
        service.stdout.close()


async def _compared(name: str, url: str, concurrent: int) -> tuple[float, float]:
    """Return seconds per request, bare and with policies, in alternating rounds."""
    library: Any = import_module(name)
    limiter = TokenBucketRateLimiter(
        RateLimitConfig(
            requests_per_minute=6e8,
            burst_size=1e8,
            tokens_per_minute=6e9,
            burst_tokens=1e9,
        )
    )
    client = APIClient(
        "bench",
        url,
        limiter=limiter,
        monitor=APIMonitor(),
        transport=HTTPTransport(library=library),
    )
    request = APIRequest(endpoint="/answer", cost={"tokens": 10})
    async with library.AsyncClient(timeout=30) as bare:

        async def once_bare() -> Any:
            return (await bare.get(f"{url}/answer")).json()

        async def once_ours() -> Any:
            return (await client.execute_request(request)).data

        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(ROUNDS):
            for found, once in zip(times, (once_bare, once_ours), strict=True):
                found.append(await _timed(once, concurrent))
    await client.close()
    return statistics.median(times[0]), statistics.median(times[1])


async def _timed(once: Callable[[], Awaitable[Any]], concurrent: int) -> float:
    async def several(count: int) -> None:
        for _ in range(count):
            await once()

    started = time.perf_counter()
    share = REQUESTS // concurrent
    await asyncio.gather(*(several(share) for _ in range(concurrent)))
    return (time.perf_counter() - started) / (share * concurrent)
