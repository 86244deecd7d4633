"""The Qdrant client over points in memory: the library's own local mode, really run."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import qdrant_edge as edge

from contexter_nb.clients._qdrant import QdrantAPIClient
from contexter_nb.clients._qdrant_points import Point
from contexter_nb.core import (
    ClientClosedError,
    HTTPError,
    IndexMismatchError,
    InvalidArgumentError,
    NotFoundError,
)
from contexter_nb.policies import APIMonitor
from contexter_nb.retrieval._engine import bm25
from tests.loops import run_really

DIMENSION = 8
TEXTS = {
    "pandas.merge": "merge two frames by their keys as a database does",
    "pandas.concat": "put frames one below the other",
    "numpy.sort": "sort an array in place",
    "numpy.dot": "multiply two arrays, as frames of numbers",
    "json.dumps": "write a value as a text",
    "merge.note": "merge merge merge",
}


def vector(text: str) -> np.ndarray:
    """Return the vector that stands for a text."""
    rng = np.random.default_rng(sum(text.encode()))
    row = rng.standard_normal(DIMENSION)
    return (row / np.linalg.norm(row)).astype("f4")


def points() -> Iterator[Point]:
    """Yield a point for each text."""
    model = bm25()
    for number, (key, text) in enumerate(TEXTS.items()):
        yield Point(
            id=key,
            dense=vector(text),
            sparse=model.embed_document(text),
            payload={
                "library": key.partition(".")[0],
                "tokens": np.int64(number),
                "at": datetime(2026, 11, 1 + number, tzinfo=UTC),
                "tags": ["a", "b"][: number % 3],
                "note": None if number == 0 else "text",
                "parts": [{"kind": "x", "size": number}, {"kind": "y", "size": 0}],
            },
        )


def memory(**options: Any) -> QdrantAPIClient:
    """Return a client of points in memory, with a monitor of its own."""
    options.setdefault("monitor", APIMonitor(telemetry=False))
    return QdrantAPIClient(location=":memory:", **options)


def with_points(test: Callable[[QdrantAPIClient], Awaitable[None]]) -> None:
    """Run a test with a collection that holds the points."""

    async def main() -> None:
        async with memory() as client:
            await client.ensure_collection(
                "docs", dimension=DIMENSION, identity="demo/8"
            )
            done = await client.upsert_vectors("docs", points())
            assert (done.upserted, done.complete) == (len(TEXTS), True)
            await test(client)

    run_really(main())


def test_keys_come_back_as_they_were_given() -> None:
    """A text is a key: Qdrant's id is made of it, and the payload is as it was."""

    async def check(client: QdrantAPIClient) -> None:
        (found,) = await client.retrieve("docs", ["numpy.dot", "numpy.none"])
        assert found.key == "numpy.dot"
        assert found.id != "numpy.dot"
        assert found.payload["tokens"] == 3
        assert found.payload["at"] == "2026-11-04T00:00:00+00:00"
        assert "_key" not in found.payload
        assert found.dense is None
        several = await client.retrieve("docs", ["json.dumps", "numpy.sort"])
        assert [each.key for each in several] == ["json.dumps", "numpy.sort"]

    with_points(check)


def test_words_score_as_they_do_in_the_embedded_index() -> None:
    """The same sparse vectors give the same BM25, since both weigh them by rarity."""

    async def check(client: QdrantAPIClient) -> None:
        query = bm25().embed_query("merge frames")
        found = await client.search_vectors("docs", sparse=query, mode="text")
        ours = {each.key: each.score for each in found}
        assert set(ours) == {"pandas.merge", "pandas.concat", "numpy.dot", "merge.note"}
        assert ours == pytest.approx(embedded_scores(query))

    with_points(check)


def embedded_scores(query: Any) -> dict[str, float]:
    """Return what the embedded engine gives the same texts."""
    model = bm25()
    with tempfile.TemporaryDirectory() as folder:
        config = edge.EdgeConfig(
            vectors={},
            sparse_vectors={
                "text": edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)
            },
        )
        shard = edge.EdgeShard.create(folder, config)
        stored = [
            edge.Point(number, {"text": model.embed_document(text)}, {"key": key})
            for number, (key, text) in enumerate(TEXTS.items())
        ]
        shard.update(edge.UpdateOperation.upsert_points(stored))
        found = shard.query(
            edge.QueryRequest(
                limit=10,
                query=edge.Query.Nearest(query, "text"),
                with_payload=True,
            )
        )
        scores = {each.payload["key"]: each.score for each in found}
        shard.close()
    return scores


def test_meanings_words_and_both_find_their_points() -> None:
    """The three modes; a hybrid score is the sum of 1 / (k + rank)."""

    async def check(client: QdrantAPIClient) -> None:
        words = bm25().embed_query("merge frames")
        meaning = vector(TEXTS["pandas.merge"])
        dense = await client.search_vectors("docs", dense=meaning, mode="dense")
        assert dense[0].key == "pandas.merge"
        assert dense[0].score == pytest.approx(1, abs=1e-5)
        text = await client.search_vectors("docs", sparse=words, mode="text")
        both = await client.search_vectors(
            "docs", dense=meaning, sparse=words, rrf_k=60, limit=6
        )
        ranks = [{p.key: i for i, p in enumerate(part, 1)} for part in (dense, text)]
        for each in both:
            wanted = sum(
                1 / (60 + part[each.key]) for part in ranks if each.key in part
            )
            assert each.score == pytest.approx(wanted)
        heavy = await client.search_vectors(
            "docs", dense=meaning, sparse=words, weights={"dense": 0, "text": 2}
        )
        assert heavy[0].key == text[0].key
        assert heavy[0].score == pytest.approx(2 / 61)
        assert heavy[0].payload["library"] == text[0].payload["library"]
        assert await client.search_vectors("docs", sparse=([], []), mode="text") == ()
        alone = await client.search_vectors("docs", dense=meaning, sparse=([], []))
        assert [p.key for p in alone] == [p.key for p in dense]

    with_points(check)


FOUND: list[tuple[Any, set[str]]] = [
    ({"library": "pandas"}, {"pandas.merge", "pandas.concat"}),
    ({"library": ["numpy", "json"]}, {"numpy.sort", "numpy.dot", "json.dumps"}),
    ({"library": []}, set()),
    (
        {"library": {"not": ["numpy", "json", "merge"]}},
        {"pandas.merge", "pandas.concat"},
    ),
    ({"library": {"not": []}}, set(TEXTS)),
    ({"tokens": {"gte": 4}}, {"json.dumps", "merge.note"}),
    ({"tokens": 2.0}, {"numpy.sort"}),
    ({"at": {"lt": datetime(2026, 11, 2, tzinfo=UTC)}}, {"pandas.merge"}),
    ({"at": datetime(2026, 11, 2, tzinfo=UTC)}, {"pandas.concat"}),
    ({"note": None}, {"pandas.merge"}),
    ({"tags": {"is_empty": True}}, {"pandas.merge", "numpy.dot"}),
    ({"tags": {"count": {"gte": 2}}}, {"numpy.sort", "merge.note"}),
    ({"library": {"prefix": "num"}}, {"numpy.sort", "numpy.dot"}),
    ({"parts": {"nested": {"kind": "x", "size": 5}}}, {"merge.note"}),
    ({"parts": {"nested": {"kind": "y", "size": 5}}}, set()),
    (
        {"$or": [{"tokens": 0}, {"library": "json"}]},
        {"pandas.merge", "json.dumps"},
    ),
    ({"$not": {"library": "pandas", "tokens": 0}}, set(TEXTS) - {"pandas.merge"}),
    ({"$ids": ["numpy.dot", "nowhere"]}, {"numpy.dot"}),
    ({"$ids": []}, set()),
    (None, set(TEXTS)),
]


def test_filters_find_what_they_say() -> None:
    """Each sort of condition, asked of the real thing."""

    async def check(client: QdrantAPIClient) -> None:
        for where, keys in FOUND:
            found = {each.key async for each in client.scroll("docs", where=where)}
            assert found == keys, where
            assert await client.count("docs", where=where) == len(keys), where

    with_points(check)


def test_scrolling_goes_through_all_pages() -> None:
    """Every point comes once, however small the pages, and no more than asked."""

    async def check(client: QdrantAPIClient) -> None:
        async def keys(**options: Any) -> list[Any]:
            return [each.key async for each in client.scroll("docs", **options)]

        everything = await keys(page_points=2)
        assert sorted(everything) == sorted(TEXTS)
        assert await keys(page_points=4, limit=5) == everything[:5]
        first = [p async for p in client.scroll("docs", limit=1, with_vectors=True)]
        key = str(first[0].key)
        assert first[0].dense == pytest.approx(vector(TEXTS[key]).tolist(), abs=1e-6)
        assert first[0].sparse is not None
        assert sorted(first[0].sparse.indices) == sorted(
            bm25().embed_document(TEXTS[key]).indices
        )
        (bare,) = [p async for p in client.scroll("docs", limit=1, with_payload=False)]
        assert bare.payload == {}
        (part,) = [
            p async for p in client.scroll("docs", limit=1, with_payload=["tokens"])
        ]
        assert (part.key, set(part.payload)) == (key, {"tokens"})

    with_points(check)


def test_facets_count_the_values_of_a_field() -> None:
    """The most frequent first, of the points that match."""

    async def check(client: QdrantAPIClient) -> None:
        found = await client.facet("docs", "library")
        assert {each.value: each.points for each in found} == {
            "pandas": 2,
            "numpy": 2,
            "json": 1,
            "merge": 1,
        }
        assert found[0].points == 2
        some = await client.facet("docs", "library", where={"tokens": {"lt": 2}})
        assert [tuple(each) for each in some] == [("pandas", 2)]

    with_points(check)


def test_points_are_deleted_by_key_or_filter_and_never_all_by_accident() -> None:
    """A filter that matches everything is refused."""

    async def check(client: QdrantAPIClient) -> None:
        await client.delete("docs", ids=["json.dumps", "nowhere"])
        await client.delete("docs", ids=[])
        await client.delete("docs", where={"library": []})
        assert await client.count("docs") == 5
        await client.delete("docs", where={"library": "numpy"})
        assert await client.count("docs") == 3
        for wrong in ({"where": {}}, {}, {"where": {"a": 1}, "ids": [1]}):
            with pytest.raises(InvalidArgumentError, match="where"):
                await client.delete("docs", **wrong)
        assert await client.count("docs") == 3

    with_points(check)


def test_a_collection_knows_what_made_its_vectors() -> None:
    """Another embedder, dimension or distance is refused; the same is taken."""

    async def main() -> None:
        async with memory() as client:
            made = await client.ensure_collection("d", dimension=4, identity="one/4")
            assert (made.created, made.identity, made.sparse) == (True, "one/4", True)
            again = await client.ensure_collection(
                "d", dimension=4, identity="one/4", payload_indexes={"a": "keyword"}
            )
            assert not again.created
            for changes in (
                {"identity": "two/4"},
                {"dimension": 5},
                {"distance": "dot"},
            ):
                given: Any = {"dimension": 4, "identity": "one/4", **changes}
                with pytest.raises(IndexMismatchError, match="rebuild"):
                    await client.ensure_collection("d", **given)

    run_really(main())


def test_an_alias_is_switched_and_names_what_it_named_before() -> None:
    """Searches go by the alias; a rebuild makes a collection beside and switches."""

    async def check(client: QdrantAPIClient) -> None:
        assert await client.switch_alias("live", "docs") is None
        assert await client.count("live") == 6

        async def build(name: str) -> None:
            assert await client.count("live") == 6
            await client.ensure_collection(name, dimension=3, identity="new/3")
            await client.upsert_vectors(name, [Point(id=1, dense=[1, 0, 0])])

        done = await client.rebuild("live", build)
        assert (done.alias, done.previous, done.dropped) == ("live", "docs", True)
        assert await client.aliases() == {"live": done.collection}
        assert await client.collections() == (done.collection,)
        assert await client.count("live") == 1
        again = await client.rebuild("live", build_of(client), keep_previous=True)
        assert not again.dropped
        assert set(await client.collections()) == {done.collection, again.collection}

    with_points(check)


def build_of(client: QdrantAPIClient, error: Exception | None = None) -> Any:
    """Return a builder that makes a small collection, and fails where told."""

    async def build(name: str) -> None:
        await client.ensure_collection(name, dimension=3, identity="new/3")
        if error is not None:
            raise error

    return build


def test_a_rebuild_that_fails_leaves_everything_as_it_was() -> None:
    """The alias is not switched, and what was begun is deleted."""

    async def check(client: QdrantAPIClient) -> None:
        await client.switch_alias("live", "docs")
        with pytest.raises(OSError, match="disk"):
            await client.rebuild("live", build_of(client, OSError("disk")))
        with pytest.raises(InvalidArgumentError, match="made no collection"):
            await client.rebuild("live", idle)
        with pytest.raises(InvalidArgumentError, match="is a collection itself"):
            await client.rebuild("docs", build_of(client))
        assert await client.collections() == ("docs",)
        assert await client.aliases() == {"live": "docs"}
        with pytest.raises(NotFoundError):
            await client.switch_alias("live", "nowhere")
        assert await client.aliases() == {"live": "docs"}

    with_points(check)


async def idle(name: str) -> None:
    """Build nothing."""


def test_a_cancelled_rebuild_leaves_no_collection() -> None:
    """Ctrl-C while a collection is built deletes what was begun."""

    async def check(client: QdrantAPIClient) -> None:
        await client.switch_alias("live", "docs")
        begun = asyncio.Event()

        async def build(name: str) -> None:
            await build_of(client)(name)
            begun.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(client.rebuild("live", build))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await client.collections() == ("docs",)

    with_points(check)


def test_bad_points_are_named_and_the_others_are_stored() -> None:
    """A point that cannot be stored has its own error; nothing is swallowed."""

    async def check(client: QdrantAPIClient) -> None:
        async def several() -> AsyncIterator[Any]:
            yield Point(id="good", dense=vector("good"))
            yield Point(id="short", dense=[1.0])
            yield Point(id="odd", dense=vector("odd"), payload={"x": float("nan")})
            yield {"id": 1}
            yield Point(id=-1, dense=vector("odd"))

        done = await client.upsert_vectors("docs", several())
        assert done.upserted == 1
        assert not done.complete
        errors = {each.id: str(each.error) for each in done.failed}
        assert "has 1 numbers" in errors["short"]
        assert "payload['x']" in errors["odd"]
        assert "is a dict" in errors[""]
        assert "not from 0" in errors[-1]
        with pytest.raises(InvalidArgumentError) as caught:
            done.raise_for_failures()
        assert caught.value.__notes__ == ["1 points were taken, 4 were not."]

    with_points(check)


def test_of_two_points_with_one_key_the_later_is_kept() -> None:
    """Also where both would go at once, in batches side by side."""

    async def main() -> None:
        async with memory(max_parallel=4, batch_points=2) as client:
            await client.ensure_collection("d", dimension=2, identity="x")
            given = [
                Point(id=number % 3, dense=[1, 0], payload={"turn": number})
                for number in range(12)
            ]
            done = await client.upsert_vectors("d", given)
            assert done.upserted == 12
            found = {p.key: p.payload["turn"] async for p in client.scroll("d")}
            assert found == {0: 9, 1: 10, 2: 11}

    run_really(main())


def test_refusals_in_memory_are_the_errors_of_a_server() -> None:
    """No collection is 404, what the library refuses is 400; the cause is kept."""

    async def check(client: QdrantAPIClient) -> None:
        with pytest.raises(NotFoundError) as missing:
            await client.count("nowhere")
        assert (missing.value.service, missing.value.operation) == ("qdrant", "count")
        assert isinstance(missing.value.__cause__, ValueError)
        with pytest.raises(NotFoundError):
            await client.upsert_vectors("nowhere", points())
        with pytest.raises(HTTPError) as wrong:
            await client.search_vectors("docs", dense=[1.0], mode="dense")
        assert wrong.value.status_code == 400

    with_points(check)


def test_calls_in_memory_are_in_the_monitor_by_their_names() -> None:
    """Each call is one record; a refusal is an error there, too."""

    async def check(client: QdrantAPIClient) -> None:
        with pytest.raises(NotFoundError):
            await client.count("nowhere")
        await client.search_vectors("docs", dense=vector("x"), limit=1)
        seen = {each.operation: each for each in client.get_metrics().operations}
        assert {"upsert", "count", "search_hybrid", "create_collection"} <= set(seen)
        assert (seen["count"].calls, seen["count"].errors) == (1, 1)

    with_points(check)


def test_work_in_memory_is_done_off_the_loop() -> None:
    """The library's local mode computes where it is awaited; here that is a thread."""

    async def check(client: QdrantAPIClient) -> None:
        threads: set[str] = set()

        def note(library: Any) -> Any:
            threads.add(threading.current_thread().name)
            return library.get_collections()

        await client._run(_request(), note)
        assert len(threads) == 1
        assert threads.pop().startswith("qdrant-memory")

    with_points(check)


def _request() -> Any:
    from contexter_nb.clients._qdrant_connection import read

    return read("note")


def test_a_client_in_memory_is_healthy_until_it_is_closed() -> None:
    """After close every call is refused by one clear error."""

    async def main() -> None:
        client = memory()
        assert (await client.health_check()).healthy
        assert (await client.fetch_server_version()).compatible
        assert repr(client) == "<QdrantAPIClient qdrant :memory:>"
        await client.close()
        await client.close()
        assert repr(client).endswith("closed>")
        for ask in (client.collections, client.health_check):
            with pytest.raises(ClientClosedError):
                await ask()

    run_really(main())


def test_a_text_without_words_is_stored_by_its_meaning_alone() -> None:
    """Its sparse vector is empty, and is left out."""

    async def check(client: QdrantAPIClient) -> None:
        empty = bm25().embed_document("the of and")
        bare = Point(id="bare", dense=vector("bare"), sparse=empty)
        done = await client.upsert_vectors("docs", [bare])
        assert done.complete
        (found,) = await client.retrieve("docs", ["bare"], with_vectors=True)
        assert (found.sparse, found.dense is not None) == (None, True)

    with_points(check)


def test_the_library_is_loaded_only_for_a_client() -> None:
    """Neither it nor arrays nor an HTTP library come with our module."""
    code = "import sys, contexter_nb.clients._qdrant; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"qdrant_client", "numpy", "httpx", "httpx2", "grpc"})


def test_without_the_library_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One sentence says what to install."""
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with pytest.raises(InvalidArgumentError, match=r"contexter_nb\[qdrant\]"):
        memory()


def test_one_client_in_memory_serves_several_loops() -> None:
    """It may be used from loops in several threads at once."""
    client = memory()
    errors: list[BaseException] = []

    async def store(number: int) -> None:
        points = [
            Point(id=number * 100 + each, dense=[1.0, float(each)])
            for each in range(50)
        ]
        await client.upsert_vectors("d", points)

    def work(number: int) -> None:
        try:
            run_really(store(number))
        except BaseException as exc:
            errors.append(exc)

    run_really(client.ensure_collection("d", dimension=2, identity="x"))  # type: ignore[arg-type]
    threads = [threading.Thread(target=work, args=(each,)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []
    assert run_really(client.count("d")) == 200
    run_really(client.close())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "one of both"),
        ({"url": "http://h:1", "location": ":memory:"}, "one of both"),
        ({"location": "folder"}, "embedded index"),
        ({"location": ":memory:", "prefer_grpc": True}, "neither gRPC nor a key"),
        ({"location": ":memory:", "api_key": "k" * 20}, "neither gRPC nor a key"),
        ({"location": ":memory:", "max_parallel": 0}, "max_parallel"),
        ({"location": ":memory:", "timeout_seconds": 0}, "timeout_seconds"),
        ({"url": "host:6333"}, "base_url"),
        ({"url": "https://user:pw@host"}, "user or a password"),
    ],
)
def test_a_client_that_cannot_be_is_refused(options: dict[str, Any], said: str) -> None:
    """Where the points are must be said, and said once."""
    with pytest.raises(InvalidArgumentError, match=said):
        QdrantAPIClient(**options)


def test_a_previous_collection_that_cannot_be_dropped_is_named() -> None:
    """The alias is switched by then, and the error says so."""

    async def check(client: QdrantAPIClient) -> None:
        await client.switch_alias("live", "docs")

        async def build(name: str) -> None:
            await build_of(client)(name)
            client.drop_collection = refuse  # type: ignore[method-assign]

        with pytest.raises(OSError, match="busy") as caught:
            await client.rebuild("live", build)
        assert "'docs' is left" in caught.value.__notes__[0]
        assert (await client.aliases())["live"].startswith("live-")
        with pytest.raises(OSError, match="disk") as failed:
            await client.rebuild("live", build_of(client, OSError("disk")))
        assert "may be left" in failed.value.__notes__[0]

    with_points(check)


async def refuse(name: str) -> bool:
    """Delete nothing."""
    raise OSError("busy")


def test_what_the_memory_cannot_do_is_told_as_a_server_would() -> None:
    """Snapshots and clusters are not offered; a bug of the library stays a bug."""

    async def check(client: QdrantAPIClient) -> None:
        with pytest.raises(HTTPError) as caught:
            await client._run(_request(), lambda library: library.cluster_status())
        assert caught.value.status_code == 501
        with pytest.raises(ZeroDivisionError):
            await client._run(_request(), divide)
        with pytest.raises(RuntimeError, match="waited"):
            await client._run(_request(), lambda library: asyncio.sleep(0))

    with_points(check)


async def divide(library: Any) -> float:
    """Fail as code with a mistake does."""
    return 1 / 0
