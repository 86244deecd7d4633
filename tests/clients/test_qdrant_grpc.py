"""The Qdrant client over real gRPC, against a small service on loopback."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from qdrant_client.grpc import (
    collections_pb2,
    collections_service_pb2_grpc,
    points_pb2,
    points_service_pb2_grpc,
    qdrant_pb2,
    qdrant_pb2_grpc,
)

from contexter_nb.clients._qdrant import QdrantAPIClient
from contexter_nb.clients._qdrant_errors import of_grpc
from contexter_nb.clients._qdrant_points import Point
from contexter_nb.core import (
    AuthenticationError,
    ConnectionFailedError,
    DecodingError,
    HTTPError,
    NotFoundError,
    RateLimitedError,
    ServerError,
)
from contexter_nb.policies import APIMonitor, RetryPolicy
from tests.loops import run_really
from tests.world.faults import closed_port

KEY = "qd-0123456789abcdef"
AT_ONCE = RetryPolicy(
    max_attempts=3, base_seconds=0, throttled_base_seconds=0, max_backoff_seconds=0
)
# What stands before each call: None to answer, else a code, a text and metadata.
Step = tuple[grpc.StatusCode, str, tuple[tuple[str, str], ...]] | None


class Service(
    points_service_pb2_grpc.PointsServicer,
    collections_service_pb2_grpc.CollectionsServicer,
    qdrant_pb2_grpc.QdrantServicer,
):
    """Answers what the tests ask; `steps` are played first, `stored` is what came."""

    def __init__(self, *steps: Step, most_points: int = 1_000) -> None:
        self.steps = list(steps)
        self.stored: list[Any] = []
        self.calls: list[str] = []
        self.most_points = most_points
        self.broken = False

    async def _step(self, name: str, context: Any) -> None:
        self.calls.append(name)
        if ("api-key", KEY) not in context.invocation_metadata():
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "Invalid API key")
        step = self.steps.pop(0) if self.steps else None
        if step is not None:
            code, text, metadata = step
            await context.abort(code, text, metadata)

    async def HealthCheck(self, request: Any, context: Any) -> Any:
        return qdrant_pb2.HealthCheckReply(title="qdrant", version="1.19.0")

    async def List(self, request: Any, context: Any) -> Any:
        await self._step("List", context)
        made = [collections_pb2.CollectionDescription(name=n) for n in ("b", "a")]
        return collections_pb2.ListCollectionsResponse(collections=made)

    async def Get(self, request: Any, context: Any) -> Any:
        vectors = collections_pb2.VectorsConfig(
            params_map=collections_pb2.VectorParamsMap(
                map={
                    "dense": collections_pb2.VectorParams(
                        size=2, distance=collections_pb2.Distance.Cosine
                    )
                }
            )
        )
        config = collections_pb2.CollectionConfig(
            params=collections_pb2.CollectionParams(vectors_config=vectors),
            hnsw_config=collections_pb2.HnswConfigDiff(
                m=16, ef_construct=100, full_scan_threshold=10_000
            ),
            optimizer_config=collections_pb2.OptimizersConfigDiff(
                deleted_threshold=0.2,
                vacuum_min_vector_number=1_000,
                default_segment_number=0,
                flush_interval_sec=5,
            ),
            wal_config=collections_pb2.WalConfigDiff(
                wal_capacity_mb=32, wal_segments_ahead=0
            ),
        )
        if self.broken:
            config.ClearField("hnsw_config")
        return collections_pb2.GetCollectionInfoResponse(
            result=collections_pb2.CollectionInfo(
                status=collections_pb2.CollectionStatus.Green,
                optimizer_status=collections_pb2.OptimizerStatus(ok=True),
                segments_count=1,
                config=config,
            )
        )

    async def Upsert(self, request: Any, context: Any) -> Any:
        await self._step("Upsert", context)
        if len(request.points) > self.most_points:
            text = "Received message larger than max (9 vs. 4)"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
        self.stored += request.points
        return points_pb2.PointsOperationResponse(
            result=points_pb2.UpdateResult(
                operation_id=1, status=points_pb2.UpdateStatus.Completed
            ),
            time=0.1,
        )

    async def Count(self, request: Any, context: Any) -> Any:
        await self._step("Count", context)
        result = points_pb2.CountResult(count=len(self.stored))
        return points_pb2.CountResponse(result=result, time=0.1)

    async def Query(self, request: Any, context: Any) -> Any:
        await self._step("Query", context)
        assert request.query.rrf.k == 61
        assert request.filter.must[0].field.key == "a"
        found = points_pb2.ScoredPoint(
            id=self.stored[0].id, payload=self.stored[0].payload, score=0.5
        )
        return points_pb2.QueryResponse(result=[found], time=0.1)


@asynccontextmanager
async def over_grpc(service: Service, **options: Any) -> AsyncIterator[QdrantAPIClient]:
    """Yield a client of a service on a free port."""
    server = grpc.aio.server()
    points_service_pb2_grpc.add_PointsServicer_to_server(service, server)
    collections_service_pb2_grpc.add_CollectionsServicer_to_server(service, server)
    qdrant_pb2_grpc.add_QdrantServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    options.setdefault("api_key", KEY)
    options.setdefault("monitor", APIMonitor(telemetry=False))
    client = QdrantAPIClient(
        "http://127.0.0.1",
        prefer_grpc=True,
        grpc_port=port,
        retry=AT_ONCE,
        rng=random.Random(7),
        **options,
    )
    try:
        async with client:
            yield client
    finally:
        await server.stop(None)


def test_points_are_stored_and_found_by_grpc() -> None:
    """The key goes as metadata; vectors, payload and the fusion's k arrive."""

    async def main() -> None:
        service = Service()
        async with over_grpc(service, batch_points=2) as client:
            given = [
                Point(
                    id=f"key {n}", dense=[1, n], sparse=([n], [1.0]), payload={"a": n}
                )
                for n in range(5)
            ]
            done = await client.upsert_vectors("docs", given)
            assert (done.upserted, done.batches) == (5, 3)
            assert await client.count("docs") == 5
            (found,) = await client.search_vectors(
                "docs", dense=[1, 0], sparse=([1], [1.0]), where={"a": 0}
            )
            assert (found.score, found.payload) == (0.5, {"a": found.payload["a"]})
            assert str(found.key).startswith("key ")
            assert await client.collections() == ("a", "b")
            assert (await client.fetch_server_version()).server == "1.19.0"
            assert (await client.health_check()).healthy
            seen = {
                each.operation: each.calls for each in client.get_metrics().operations
            }
            assert seen["upsert"] == 3

    run_really(main())


@pytest.mark.parametrize(
    ("step", "error", "calls"),
    [
        ((grpc.StatusCode.UNAVAILABLE, "overloaded", ()), None, 2),
        ((grpc.StatusCode.INTERNAL, "fault", ()), None, 2),
        (
            (grpc.StatusCode.RESOURCE_EXHAUSTED, "slow", (("retry-after", "0"),)),
            None,
            2,
        ),
        ((grpc.StatusCode.RESOURCE_EXHAUSTED, "slow", ()), None, 2),
        ((grpc.StatusCode.DEADLINE_EXCEEDED, "late", ()), None, 2),
        ((grpc.StatusCode.NOT_FOUND, "no collection", ()), NotFoundError, 1),
        ((grpc.StatusCode.PERMISSION_DENIED, "no", ()), HTTPError, 1),
        ((grpc.StatusCode.INVALID_ARGUMENT, "bad", ()), HTTPError, 1),
        ((grpc.StatusCode.UNIMPLEMENTED, "bad", ()), ServerError, 1),
    ],
)
def test_statuses_of_grpc_are_retried_or_raised_as_those_of_http(
    step: Step, error: type[Exception] | None, calls: int
) -> None:
    """One policy for both wires; what is raised has the library's error as cause."""

    async def main() -> None:
        service = Service(step)
        async with over_grpc(service) as client:
            if error is None:
                assert await client.count("docs") == 0
            else:
                with pytest.raises(error) as caught:
                    await client.count("docs")
                assert isinstance(caught.value.__cause__, grpc.aio.AioRpcError)
        assert len(service.calls) == calls

    run_really(main())


def test_a_limit_by_grpc_says_how_long_to_wait() -> None:
    """The library's own class of it has the seconds."""

    async def main() -> None:
        limited = (grpc.StatusCode.RESOURCE_EXHAUSTED, "slow", (("retry-after", "9"),))
        service = Service(limited)
        async with over_grpc(service, deadline_seconds=5) as client:
            with pytest.raises(RateLimitedError) as caught:
                await client.count("docs")
            assert caught.value.retry_after_seconds == 9

    run_really(main())


def test_a_message_too_large_for_grpc_is_split() -> None:
    """It has the code of a rate limit, and is none."""

    async def main() -> None:
        service = Service(most_points=3)
        async with over_grpc(service, batch_points=8, max_parallel=1) as client:
            given = [Point(id=n, dense=[1, n]) for n in range(8)]
            done = await client.upsert_vectors("docs", given)
            assert (done.upserted, done.complete) == (8, True)
        assert sorted(each.id.num for each in service.stored) == list(range(8))

    run_really(main())


def test_an_answer_by_grpc_that_lacks_a_part_is_a_decoding_error() -> None:
    """What the library cannot read is told as on the other wire."""

    async def main() -> None:
        service = Service()
        service.broken = True
        async with over_grpc(service) as client:
            with pytest.raises(DecodingError, match="not what it should be"):
                await client.fetch_state("docs")

    run_really(main())


def test_a_wrong_key_and_a_dead_port_are_told_apart() -> None:
    """By the classes that the other wire has for them."""

    async def main() -> None:
        async with over_grpc(Service(), api_key="qd-another-key-0000") as client:
            with pytest.raises(AuthenticationError):
                await client.count("docs")
            assert "another-key" not in repr(client)
        with closed_port() as port:
            async with QdrantAPIClient(
                "http://127.0.0.1",
                prefer_grpc=True,
                grpc_port=port,
                retry=AT_ONCE,
                monitor=None,
            ) as client:
                with pytest.raises(ConnectionFailedError, match="grpc_port"):
                    await client.count("docs")
                found = await client.health_check()
                assert not found.healthy

    run_really(main())


def test_each_loop_has_channels_of_its_own() -> None:
    """One client in a second event loop works, where a channel would not."""
    client = QdrantAPIClient(
        "http://127.0.0.1:1", prefer_grpc=True, retry=AT_ONCE, monitor=None, grpc_port=1
    )

    async def ask() -> None:
        with pytest.raises(ConnectionFailedError):
            await client.count("docs")

    run_really(ask())
    run_really(ask())
    run_really(client.close())


def test_a_stranger_is_not_taken_for_a_status() -> None:
    """A mistake in the code is raised as it is."""
    assert of_grpc(KeyError("x")) is None
    code: Callable[[], Any] = lambda: grpc.StatusCode.CANCELLED  # noqa: E731
    odd = RuntimeError("odd")
    odd.code = code  # type: ignore[attr-defined]
    assert of_grpc(odd) is None
