"""Storing points: the Qdrant client in memory and over REST, bare and with policies.

The peers are the library's own client with the same batches in series, and the
embedded engine. The service of the REST rows runs in a process of its own. It answers
every upsert at once, so that what is measured is the client's share, or after 20 ms, as
a server does that is elsewhere.
"""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import time
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge
from qdrant_client import AsyncQdrantClient, models

from contexter_nb.clients._qdrant import QdrantAPIClient
from contexter_nb.clients._qdrant_points import Point
from contexter_nb.policies import APIMonitor

SERVICE = r"""
import asyncio, json, sys

DONE = {"result": {"operation_id": 1, "status": "completed"}, "status": "ok", "time": 0}
DENSE = {"size": 256, "distance": "Cosine"}
INFO = {"result": {"status": "green", "optimizer_status": "ok", "segments_count": 1,
    "payload_schema": {}, "config": {
        "params": {"vectors": {"dense": DENSE}},
        "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
        "optimizer_config": {"deleted_threshold": 0.2, "vacuum_min_vector_number": 1000,
            "default_segment_number": 0, "flush_interval_sec": 5}}},
    "status": "ok", "time": 0}

async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            size = head.partition(b"content-length:")[2].split(b"\r\n")[0]
            await reader.readexactly(int(size or b"0"))
            await asyncio.sleep(float(sys.argv[1]))
            body = json.dumps(INFO if head.startswith(b"get") else DONE).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                         b"content-length: %d\r\n\r\n" % len(body) + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
POINTS = 50_000
OVER_REST = 10_000
DIMENSION = 256
BATCH = 100
ROUNDS = 3


def rows(folder: Path) -> Iterator[str]:
    """Yield the table.

    Parameters
    ----------
    folder : pathlib.Path
        Where the embedded engine keeps its points.
    """
    vectors = np.random.default_rng(7).standard_normal((POINTS, DIMENSION)).astype("f4")
    yield (
        f"| upsert, {DIMENSION} dimensions, batches of {BATCH} | points | s | "
        "points/s | to the bare client |"
    )
    yield "|---|---:|---:|---:|---:|"
    # The local mode warns of more than 20,000 points, which is what is measured.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bare = _best(lambda: _bare_memory(vectors))
        yield _row("qdrant-client, in memory", POINTS, bare, bare)
        ours = _best(lambda: _ours({"location": ":memory:"}, vectors))
        yield _row("`QdrantAPIClient`, in memory", POINTS, ours, bare)
    edge_seconds = min(_edge(folder / str(at), vectors) for at in range(ROUNDS))
    yield _row("embedded engine", POINTS, edge_seconds, bare)
    some = vectors[:OVER_REST]
    for latency_seconds, told in ((0.0, "REST"), (0.02, "REST, 20 ms away")):
        with _service(latency_seconds) as url:
            bare = _best(functools.partial(_bare_rest, url, some))
            yield _row(f"qdrant-client, {told}", OVER_REST, bare, bare)
            ours = _best(functools.partial(_ours, {"url": url}, some))
            yield _row(f"`QdrantAPIClient`, {told}", OVER_REST, ours, bare)


def _best(work: Callable[[], Coroutine[Any, Any, float]]) -> float:
    """Return the least of the seconds of a few rounds: what else runs only adds."""
    return min(asyncio.run(work()) for _ in range(ROUNDS))


def _row(name: str, count: int, seconds: float, bare: float) -> str:
    return (
        f"| {name} | {count:,} | {seconds:.2f} | {count / seconds:,.0f} "
        f"| {bare / seconds:.2f}x |"
    )


class _service:
    def __init__(self, latency_seconds: float) -> None:
        self._latency_seconds = latency_seconds

    def __enter__(self) -> str:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVICE, str(self._latency_seconds)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        return f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


async def _stored(
    store: Callable[[list[Any]], Awaitable[Any]], vectors: np.ndarray
) -> float:
    """Return the seconds that the library's client takes, batch by batch."""
    started = time.perf_counter()
    for start in range(0, len(vectors), BATCH):
        part = vectors[start : start + BATCH]
        await store(
            [
                models.PointStruct(
                    id=start + at,
                    vector={"dense": row.tolist()},
                    payload={"number": start + at},
                )
                for at, row in enumerate(part)
            ]
        )
    return time.perf_counter() - started


async def _bare_memory(vectors: np.ndarray) -> float:
    client = AsyncQdrantClient(location=":memory:")
    await client.create_collection(
        "docs",
        vectors_config={
            "dense": models.VectorParams(
                size=DIMENSION, distance=models.Distance.COSINE
            )
        },
    )
    seconds = await _stored(lambda part: client.upsert("docs", part), vectors)
    assert (await client.count("docs")).count == len(vectors)
    await client.close()
    return seconds


async def _bare_rest(url: str, vectors: np.ndarray) -> float:
    client = AsyncQdrantClient(url=url, check_compatibility=False, timeout=30)
    seconds = await _stored(lambda part: client.upsert("docs", part), vectors)
    await client.close()
    return seconds


async def _ours(place: dict[str, Any], vectors: np.ndarray) -> float:
    options: Any = {"monitor": APIMonitor(telemetry=False), "batch_points": BATCH}
    async with QdrantAPIClient(**place, **options) as client:
        if "location" in place:
            await client.ensure_collection(
                "docs", dimension=DIMENSION, identity="bench", sparse=False
            )
        started = time.perf_counter()
        done = await client.upsert_vectors(
            "docs",
            (
                Point(id=at, dense=row, payload={"number": at})
                for at, row in enumerate(vectors)
            ),
        )
        seconds = time.perf_counter() - started
        assert done.upserted == len(vectors)
    return seconds


def _edge(folder: Path, vectors: np.ndarray) -> float:
    config = edge.EdgeConfig(
        vectors={"dense": edge.EdgeVectorParams(DIMENSION, edge.Distance.Cosine)},
        wal_enabled=False,
    )
    folder.mkdir()
    shard = edge.EdgeShard.create(str(folder), config)
    started = time.perf_counter()
    for start in range(0, len(vectors), BATCH):
        part = vectors[start : start + BATCH]
        shard.update(
            edge.UpdateOperation.upsert_points(
                [
                    edge.Point(
                        start + at, {"dense": row.tolist()}, {"number": start + at}
                    )
                    for at, row in enumerate(part)
                ]
            )
        )
    shard.flush()
    seconds = time.perf_counter() - started
    shard.close()
    return seconds
