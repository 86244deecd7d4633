"""The Qdrant client over real HTTP, against a strict server that fails as told."""

from __future__ import annotations

import asyncio
import json
import random
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from contexter_nb.clients._qdrant import QdrantAPIClient
from contexter_nb.clients._qdrant_points import Point
from contexter_nb.core import (
    AuthenticationError,
    CircuitOpenError,
    ClientClosedError,
    ConnectionFailedError,
    ConnectionLostError,
    DecodingError,
    HTTPError,
    IndexMismatchError,
    InvalidArgumentError,
    NotFoundError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
)
from contexter_nb.policies import (
    APIMonitor,
    BreakerConfig,
    RateLimitConfig,
    RetryPolicy,
    TokenBucketRateLimiter,
)
from tests.clients.qdrant_wire import KEY, QdrantWire
from tests.loops import run_really
from tests.world.faults import (
    ByRequest,
    FaultServer,
    Hang,
    Held,
    HTMLWith200,
    Ok,
    ResetBefore,
    Seen,
    Status,
    TruncatedBody,
    closed_port,
    fault_server,
    fault_server_in_thread,
)

AT_ONCE = RetryPolicy(
    max_attempts=3, base_seconds=0, throttled_base_seconds=0, max_backoff_seconds=0
)


@asynccontextmanager
async def qdrant(
    wire: QdrantWire,
    choose: Callable[[Seen], Any] | None = None,
    *,
    made: bool = True,
    **options: Any,
) -> AsyncIterator[tuple[QdrantAPIClient, FaultServer]]:
    """Yield a client, with a collection, and the server; `choose` may answer for it."""
    begun = False

    def play(seen: Seen) -> Any:
        chosen = choose(seen) if choose is not None and begun else None
        return chosen if chosen is not None else wire.behave(seen)

    options.setdefault("monitor", APIMonitor(telemetry=False))
    options.setdefault("retry", AT_ONCE)
    options.setdefault("rng", random.Random(7))
    options.setdefault("api_key", wire.key)
    async with (
        fault_server(ByRequest(play)) as server,
        QdrantAPIClient(server.url, **options) as client,
    ):
        if made:
            await client.ensure_collection("docs", dimension=2, identity="demo/2")
            begun = True
        begun = True
        yield client, server


def points(count: int, **payload: Any) -> list[Point]:
    """Return different points."""
    return [
        Point(
            id=f"key {number}",
            dense=[1.0, float(number)],
            sparse=([number + 1], [1.0]),
            payload={"number": number, **payload},
        )
        for number in range(count)
    ]


def nth_of(path: str, *steps: Any) -> Callable[[Seen], Any]:
    """Return a chooser that plays steps for the first requests that end in `path`."""
    left = list(steps)

    def choose(seen: Seen) -> Any:
        if not seen.path.endswith(path) or not left:
            return None
        return left.pop(0)

    return choose


def test_everything_works_over_the_wire() -> None:
    """Store, search in three modes, filter, count, facet, fetch, delete, aliases."""

    async def main() -> None:
        wire = QdrantWire()
        async with qdrant(wire, batch_points=4) as (client, _):
            state = await client.ensure_collection(
                "docs",
                dimension=2,
                identity="demo/2",
                payload_indexes={"number": "integer", "name": "prefix"},
            )
            assert state.payload_indexes == {"number": "integer", "name": "keyword"}
            done = await client.upsert_vectors("docs", points(10))
            assert (done.upserted, done.batches, done.complete) == (10, 3, True)
            dense = await client.search_vectors(
                "docs", dense=[1, 0], mode="dense", limit=3, where={"number": {"lt": 5}}
            )
            assert [each.key for each in dense] == ["key 0", "key 1", "key 2"]
            text = await client.search_vectors("docs", sparse=([4], [1.0]), mode="text")
            assert [each.key for each in text] == ["key 3"]
            both = await client.search_vectors(
                "docs", dense=[1, 0], sparse=([4], [1.0]), limit=2
            )
            assert {each.key for each in both} == {"key 0", "key 3"}
            assert both[0].score == pytest.approx(1 / 61 + 1 / 64)
            assert await client.count("docs", where={"number": {"gte": 5}}) == 5
            assert len(await client.facet("docs", "number")) == 10
            (found,) = await client.retrieve("docs", ["key 7"], with_vectors=True)
            assert (found.payload, found.dense is not None) == ({"number": 7}, True)
            every = [each.key async for each in client.scroll("docs", page_points=3)]
            assert sorted(every) == sorted(each.id for each in points(10))
            await client.delete("docs", ids=["key 1", "key 2"])
            await client.delete("docs", where={"number": {"gte": 8}})
            assert await client.count("docs") == 6
            await client.switch_alias("live", "docs")
            assert await client.count("live") == 6
            assert (await client.fetch_server_version()).server == "1.19.0"
            assert (await client.health_check()).healthy
            wire.ready = False
            assert not (await client.health_check()).healthy

    run_really(main())


def test_making_a_client_sends_nothing_and_starts_no_thread() -> None:
    """The library's own check of versions would ask past every policy."""

    async def main() -> None:
        import threading

        async with fault_server(Ok()) as server:
            before = threading.active_count()
            async with QdrantAPIClient(server.url, api_key=KEY):
                assert threading.active_count() == before
                for _ in range(20):
                    await asyncio.sleep(0)
            assert server.requests == ()

    run_really(main())


def test_collections_are_made_on_the_wire_as_they_were_asked_for() -> None:
    """Identity, quantization, shards and indexes are in the requests."""

    async def main() -> None:
        wire = QdrantWire()
        async with qdrant(wire, made=False) as (client, _):
            made = await client.ensure_collection(
                "big",
                dimension=16,
                identity="voyage-4/16",
                quantization="int8",
                on_disk=True,
                shards=4,
                replication=2,
                payload_indexes={"library": "tenant", "at": "datetime"},
            )
        assert made.created
        (body,) = wire.bodies["create"]
        assert body["metadata"] == {
            "contexter_nb": {"identity": "voyage-4/16", "dimension": 16}
        }
        assert body["vectors"]["dense"]["memory"] == "cold"
        assert body["quantization_config"]["scalar"]["type"] == "int8"
        assert (body["shard_number"], body["replication_factor"]) == (4, 2)
        assert wire.bodies["index"] == [
            {
                "field_name": "library",
                "field_schema": {"type": "keyword", "is_tenant": True},
            },
            {"field_name": "at", "field_schema": "datetime"},
        ]

    run_really(main())


def test_a_collection_of_others_is_adopted_only_when_told() -> None:
    """It does not say what made its vectors; whoever knows may say so."""

    async def main() -> None:
        wire = QdrantWire()
        async with qdrant(wire) as (client, _):
            wire.points.update_collection("docs", metadata={"contexter_nb": None})
            with pytest.raises(IndexMismatchError, match="adopt=True"):
                await client.ensure_collection("docs", dimension=2, identity="demo/2")
            state = await client.ensure_collection(
                "docs", dimension=2, identity="demo/2", adopt=True
            )
            assert state.identity == "demo/2"
            await client.ensure_collection("docs", dimension=2, identity="demo/2")
        async with qdrant(QdrantWire(keeps_metadata=False), made=False) as (client, _):
            with pytest.raises(IndexMismatchError, match="keeps no metadata"):
                await client.ensure_collection("new", dimension=2, identity="demo/2")

    run_really(main())


def test_a_creation_whose_answer_was_lost_is_found_to_be_done() -> None:
    """The second attempt is told that it exists, and that it is the right one."""

    async def main() -> None:
        wire = QdrantWire()

        def choose(seen: Seen) -> Any:
            if seen.method == "PUT" and not wire.points.collection_exists("new"):
                wire.behave(seen)
                return ResetBefore()
            return None

        async with qdrant(wire, choose) as (client, _):
            state = await client.ensure_collection("new", dimension=2, identity="x/2")
            assert state.identity == "x/2"
        assert wire.asked.count("create") == 3  # with that of the other collection

    run_really(main())


@pytest.mark.parametrize("status", [400, 413])
def test_what_is_too_large_is_sent_in_smaller_parts(status: int) -> None:
    """Halves, and then at once no more than what was taken; nothing is lost."""

    async def main() -> None:
        wire = QdrantWire(max_body_bytes=2_000, too_large_status=status)
        async with qdrant(wire, batch_points=64, max_parallel=1) as (client, _):
            done = await client.upsert_vectors("docs", points(200))
            assert (done.upserted, done.complete) == (200, True)
            assert await client.count("docs") == 200
        refused = [each for each in wire.sizes if each > 2_000]
        assert 0 < len(refused) <= 5

    run_really(main())


def test_a_point_too_large_by_itself_fails_alone() -> None:
    """The others are stored, and it is named."""

    async def main() -> None:
        wire = QdrantWire(max_body_bytes=2_000)
        async with qdrant(wire, batch_points=8) as (client, _):
            given = points(8)
            given[3] = Point(id="huge", dense=[1, 1], payload={"text": "x" * 3_000})
            done = await client.upsert_vectors("docs", given)
            assert (done.upserted, len(done.failed)) == (7, 1)
            assert done.failed[0].id == "huge"
            assert isinstance(done.failed[0].error, HTTPError)
            assert "larger than allowed" in str(done.failed[0].error)

    run_really(main())


def test_batches_go_side_by_side_up_to_the_bound() -> None:
    """As many at once as were allowed, and never more; the rest is read when needed."""

    async def main() -> None:
        wire = QdrantWire()
        read = 0

        def choose(seen: Seen) -> Any:
            return Held(wire.behave(seen)) if seen.method == "PUT" else None

        async def several() -> AsyncIterator[Point]:
            nonlocal read
            for each in points(30):
                read += 1
                yield each

        async with qdrant(wire, choose, batch_points=3, max_parallel=4) as (
            client,
            server,
        ):
            task = asyncio.create_task(client.upsert_vectors("docs", several()))
            await server.wait_open(4)
            assert read <= 16
            server.release(10)
            done = await task
            assert (done.upserted, done.batches) == (30, 10)
            assert server.max_open_requests == 4

    run_really(main())


@pytest.mark.parametrize(
    "fault",
    [
        Status(503),
        Status(500, body={"status": {"error": "shard"}}),
        Status(429, headers=(("Retry-After", "0"),)),
        Status(429),
        ResetBefore(),
        TruncatedBody(),
    ],
)
def test_a_passing_fault_is_tried_again_by_our_policy_alone(fault: Any) -> None:
    """Writes and searches are repeated, since points are stored under their ids."""

    async def main() -> None:
        for path in ("/points", "/points/query", "/facet"):
            wire = QdrantWire()
            async with qdrant(wire, nth_of(path, fault, fault)) as (client, server):
                wire.schema["docs"]["number"] = {"data_type": "integer", "points": 0}
                before = len(server.requests)
                await client.upsert_vectors("docs", points(3))
                await client.search_vectors("docs", dense=[1, 0])
                await client.facet("docs", "number")
                assert await client.count("docs") == 3
                metrics = client.get_metrics().operations
                assert sum(each.retries for each in metrics) == 2
                assert len(server.requests) - before == 7

    run_really(main())


def test_a_limit_of_the_server_is_waited_for_and_then_told() -> None:
    """A 429 has its own error with the time that the server asked for."""

    async def main() -> None:
        wire = QdrantWire()
        limited = Status(
            429, headers=(("Retry-After", "7"),), body={"status": {"error": "slow"}}
        )
        once = RetryPolicy(max_attempts=1)
        choose = nth_of("/points/count", limited)
        limiter = TokenBucketRateLimiter(RateLimitConfig(requests_per_minute=6_000))
        async with qdrant(wire, choose, retry=once, limiter=limiter) as (client, _):
            with pytest.raises(RateLimitedError) as caught:
                await client.count("docs")
            assert caught.value.retry_after_seconds == 7
            assert limiter.get_status().paused_seconds == pytest.approx(7, abs=0.5)

    run_really(main())


def test_every_call_passes_limiter_and_monitor_under_a_short_name() -> None:
    """No call is told by its path, which would hold the collection's name."""

    async def main() -> None:
        wire = QdrantWire()
        limiter = TokenBucketRateLimiter(
            RateLimitConfig(requests_per_minute=60_000, burst_size=100)
        )
        async with qdrant(wire, limiter=limiter) as (client, server):
            await client.upsert_vectors("docs", points(2))
            await client.search_vectors("docs", dense=[1, 0], sparse=([1], [1]))
            await client.count("docs")
            seen = {each.operation: each for each in client.get_metrics().operations}
            assert set(seen) == {
                "collection_exists",
                "get_aliases",
                "get_collection",
                "create_collection",
                "upsert",
                "search_hybrid",
                "count",
            }
            assert seen["upsert"].request_bytes > 100
            assert sum(each.calls for each in seen.values()) == len(server.requests)
            # To ask for what is not there yet is no failure that an alert is for.
            assert sum(each.errors for each in seen.values()) == 0
            assert all("x-request-id" in each.headers for each in server.requests)

    run_really(main())


def test_a_sick_server_is_left_alone_by_the_breaker() -> None:
    """After enough failures nothing is sent, and the batch is reported as it is."""

    async def main() -> None:
        wire = QdrantWire()

        def choose(seen: Seen) -> Any:
            return Status(503) if seen.method == "PUT" else None

        breaker = BreakerConfig(minimum_calls=4, failure_rate=0.5)
        async with qdrant(
            wire,
            choose,
            breaker=breaker,
            batch_points=1,
            max_parallel=1,
            retry=RetryPolicy(max_attempts=1),
        ) as (client, server):
            for _ in range(3):
                await client.count("docs")
            before = len(server.requests)
            with pytest.raises(CircuitOpenError) as caught:
                await client.upsert_vectors("docs", points(50))
            assert len(server.requests) - before < 15
            assert caught.value.service == "qdrant"
            with pytest.raises(CircuitOpenError):
                await client.count("docs")

    run_really(main())


def test_some_batches_fail_and_the_others_are_stored() -> None:
    """The result says how many, which, and why; nothing becomes a string."""

    async def main() -> None:
        wire = QdrantWire()

        def choose(seen: Seen) -> Any:
            bad = seen.method == "PUT" and b'"number":5' in seen.body
            return Status(500) if bad else None

        async with qdrant(wire, choose, batch_points=2, max_parallel=2) as (client, _):
            done = await client.upsert_vectors("docs", points(10))
            assert done.upserted == 8
            assert {each.id for each in done.failed} == {"key 4", "key 5"}
            assert all(isinstance(each.error, ServerError) for each in done.failed)
            assert done.stopped_by is None
            error = done.failed[0].error
            assert isinstance(error, ServerError)
            assert error.trace is not None
            assert len(error.trace.attempts) == 3
            with pytest.raises(ServerError):
                done.raise_for_failures()

    run_really(main())


def test_a_run_ends_where_the_next_batch_would_fare_no_better() -> None:
    """When the key is withdrawn on the way, the rest is not even read."""

    async def main() -> None:
        wire = QdrantWire()
        read: list[int] = []

        def choose(seen: Seen) -> Any:
            if wire.asked.count("upsert") >= 2:
                wire.key = "another"
            return None

        def several() -> Any:
            for number, each in enumerate(points(1_000)):
                read.append(number)
                yield each

        async with qdrant(wire, choose, batch_points=2, max_parallel=1) as (client, _):
            done = await client.upsert_vectors("docs", several())
            assert done.upserted == 4
            assert isinstance(done.stopped_by, AuthenticationError)
            assert len(read) < 20
            assert not done.complete
            with pytest.raises(AuthenticationError):
                await client.upsert_vectors("docs", points(3))

    run_really(main())


def test_cancelling_an_upsert_ends_all_its_requests() -> None:
    """Ctrl-C leaves no request running behind."""

    async def main() -> None:
        wire = QdrantWire()

        def choose(seen: Seen) -> Any:
            return Hang() if seen.method == "PUT" else None

        async with qdrant(wire, choose, batch_points=1, max_parallel=3) as (
            client,
            server,
        ):
            task = asyncio.create_task(client.upsert_vectors("docs", points(9)))
            await server.wait_open(3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.wait_disconnect(3)
            assert await client.count("docs") == 0

    run_really(main())


def test_points_that_wait_in_the_servers_queue_are_told_apart() -> None:
    """Taken, not found by searches yet: with wait=False, or when it took too long."""

    async def main() -> None:
        wire = QdrantWire()
        async with qdrant(wire) as (client, _):
            done = await client.upsert_vectors("docs", points(3), wait=False)
            assert (done.upserted, done.pending, done.complete) == (0, 3, True)
            wire.finishes = False
            done = await client.upsert_vectors("docs", points(3))
            assert (done.upserted, done.pending) == (0, 3)
            assert wire.queries[-1]["wait"] == "true"

    run_really(main())


def test_a_server_that_knows_no_k_has_its_parts_fused_here() -> None:
    """The scores are the same; from then on it is not asked again."""

    async def main() -> None:
        scores = []
        for knows in (True, False):
            wire = QdrantWire(knows_rrf_k=knows)
            async with qdrant(wire) as (client, _):
                await client.upsert_vectors("docs", points(6))
                for _ in range(2):
                    found = await client.search_vectors(
                        "docs", dense=[1, 0], sparse=([3], [1.0]), limit=4
                    )
                scores.append({each.key: each.score for each in found})
                assert all("number" in each.payload for each in found)
                assert wire.asked.count("query") == (2 if knows else 1)
        assert scores[0] == pytest.approx(scores[1])

    run_really(main())


def test_a_mistake_in_a_hybrid_search_is_told_as_the_server_tells_it() -> None:
    """It is not taken for a server that knows no k."""

    async def main() -> None:
        wire = QdrantWire()
        async with qdrant(wire) as (client, _):
            await client.upsert_vectors("docs", points(2))
            with pytest.raises(HTTPError) as caught:
                await client.search_vectors("docs", dense=[1], sparse=([3], [1.0]))
            assert caught.value.status_code == 400
            await client.search_vectors("docs", dense=[1, 0], sparse=([3], [1.0]))
            assert wire.asked[-1] == "query"

    run_really(main())


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (Status(401, body=b"Must provide an API key", content_type="text/plain"),
         AuthenticationError, "401"),
        (Status(404, body={"status": {"error": "Collection `x` doesn't exist!"}}),
         NotFoundError, "exist"),
        (Status(507, body={"status": {"error": "no space"}}), ServerError, "507"),
        (HTMLWith200(), DecodingError, "proxy"),
        (Ok({"result": {"count": "many"}, "status": "ok", "time": 0.1}),
         DecodingError, "not what it should be"),
        (Ok({"result": None, "status": "ok", "time": 0.1}), DecodingError, "not what"),
        (Ok(content=b'{"result": '), DecodingError, "not what"),
        (ResetBefore(), ConnectionLostError, "broke"),
    ],
)  # fmt: skip
def test_failures_are_errors_of_our_tree(fault: Any, error: Any, said: str) -> None:
    """Whatever the library makes of them; with service, operation and one sentence."""

    async def main() -> None:
        def choose(seen: Seen) -> Any:
            return fault if seen.path.endswith("/count") else None

        async with qdrant(QdrantWire(), choose) as (client, _):
            with pytest.raises(error, match=said) as caught:
                await client.count("docs")
            assert caught.value.service == "qdrant"
            assert caught.value.operation == "count"

    run_really(main())


def test_a_silent_server_is_given_up_in_the_time_allowed() -> None:
    """Fractions of a second count, and the server is told when to give up."""

    async def main() -> None:
        wire = QdrantWire()
        hang = nth_of("/count", Hang(), Hang(), Hang())
        async with qdrant(wire, hang, timeout_seconds=0.2) as (client, _):
            with pytest.raises(RequestTimeoutError):
                await client.count("docs")
            await client.count("docs")
            assert wire.queries[-1] == {"timeout": "1"}

    run_really(main())


def test_the_key_is_nowhere_but_on_the_wire() -> None:
    """Not in a repr, an error, its frames, or the library's own objects."""

    async def main() -> None:
        wire = QdrantWire()
        echo = Status(400, body={"status": {"error": f"bad api-key: {KEY}"}})
        async with qdrant(wire, nth_of("/count", echo)) as (client, server):
            assert server.requests[-1].headers["api-key"] == KEY
            with pytest.raises(HTTPError) as caught:
                await client.count("docs")
            shown = "".join(
                traceback.TracebackException.from_exception(
                    caught.value, capture_locals=True
                ).format()
            ).replace("echo = ", "", 1)
            mine = [line for line in shown.splitlines() if KEY in line]
            assert not [line for line in mine if "Status(" not in line]
            assert KEY not in repr(client) + str(caught.value) + caught.value.body
            library = client._connection._client  # type: ignore[attr-defined]
            assert KEY not in repr(library._init_options) + repr(
                library._client.__dict__
            )

    run_really(main())


def test_a_key_is_not_sent_unencrypted_to_another_machine() -> None:
    """Only to this machine itself, or where that is allowed in so many words."""
    with pytest.raises(InvalidArgumentError, match="unencrypted") as caught:
        QdrantAPIClient("http://qdrant.example.org:6333", api_key=KEY)
    assert KEY not in str(caught.value)
    for url in (
        "https://qdrant.example.org",
        "http://localhost:1",
        "http://127.0.0.1:1",
    ):
        QdrantAPIClient(url, api_key=KEY)
    QdrantAPIClient("http://qdrant:6333", api_key=KEY, allow_key_over_http=True)


def test_no_port_is_the_schemes_own_and_never_another() -> None:
    """Where nobody answers there, the error says where Qdrant listens."""

    async def main() -> None:
        sent: list[str] = []

        async def sender(request: Any, timeouts: Any, max_bytes: int) -> Any:
            sent.append(request.url)
            raise ConnectionFailedError("No connection.")

        for url in ("https://x.cloud.example.org", "http://localhost/behind/proxy"):
            client = QdrantAPIClient(url, transport=sender, retry=AT_ONCE, monitor=None)
            with pytest.raises(ConnectionFailedError) as caught:
                await client.collections()
            assert "6333" in caught.value.__notes__[0]
        assert set(sent) == {
            "https://x.cloud.example.org/collections",
            "http://localhost/behind/proxy/collections",
        }
        with closed_port() as port:
            url = f"http://127.0.0.1:{port}"
            async with QdrantAPIClient(url, retry=AT_ONCE, monitor=None) as other:
                with pytest.raises(ConnectionFailedError) as caught:
                    await other.collections()
                assert not hasattr(caught.value, "__notes__")
                assert not (await other.health_check()).healthy

    run_really(main())


def test_a_closed_client_refuses_and_leaves_no_connection() -> None:
    """Both the library's client and ours are closed."""

    async def main() -> None:
        wire = QdrantWire()
        async with qdrant(wire) as (client, server):
            await client.close()
            with pytest.raises(ClientClosedError):
                await client.count("docs")
            with pytest.raises(ClientClosedError):
                await client.upsert_vectors("docs", points(1))
            await server.wait_closed_connections()

    run_really(main())


def test_a_wrong_argument_is_no_fault_of_the_answer() -> None:
    """It is told as what it is, also where it is found late."""

    async def main() -> None:
        async with qdrant(QdrantWire(), headers={"X-Team": "search"}) as (
            client,
            server,
        ):
            with pytest.raises(InvalidArgumentError, match="limit"):
                await client.facet("docs", "a", limit=0)
            await client.count("docs")
            assert server.requests[-1].headers["x-team"] == "search"
            await client.health_check()
            assert server.requests[-1].path == "/readyz"
            assert server.requests[-1].headers["x-team"] == "search"

    run_really(main())


def test_one_client_works_in_several_loops() -> None:
    """A notebook's loop and a widget's are two; connections are not shared by them."""
    wire = QdrantWire()
    with fault_server_in_thread(ByRequest(wire.behave)) as server:
        client = QdrantAPIClient(server.url, api_key=KEY, monitor=None)

        async def make() -> None:
            await client.ensure_collection("docs", dimension=2, identity="demo/2")
            await client.upsert_vectors("docs", points(3))

        async def count() -> int:
            return await client.count("docs")

        run_really(make())
        assert run_really(count()) == 3
        run_really(client.close())


def test_a_name_cannot_leave_its_place_in_the_path() -> None:
    """Slashes and dots are refused before a path is made of them."""

    async def main() -> None:
        wire = QdrantWire()
        async with qdrant(wire) as (client, server):
            before = len(server.requests)
            for name in ("..", "a/b", "", "a?b", "x" * 300):
                with pytest.raises(InvalidArgumentError, match="named"):
                    await client.drop_collection(name)
            assert len(server.requests) == before
            assert await client.drop_collection("nowhere") is False

    run_really(main())


def test_a_point_is_sent_as_the_service_wants_it() -> None:
    """Named vectors, an id of UUID, the key in the payload."""

    async def main() -> None:
        wire = QdrantWire()
        async with qdrant(wire) as (client, server):
            await client.upsert_vectors("docs", points(1))
            (sent,) = [
                each for each in server.requests if each.path.endswith("/points")
            ]
        (point,) = json.loads(sent.body)["points"]
        assert point["vector"] == {
            "dense": [1.0, 0.0],
            "text": {"indices": [1], "values": [1.0]},
        }
        assert point["payload"] == {"number": 0, "_key": "key 0"}
        assert len(point["id"]) == 36

    run_really(main())
