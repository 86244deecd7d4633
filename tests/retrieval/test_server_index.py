"""The index on a Qdrant server: it finds what the embedded one finds, and no more."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contexter_nb.clients import Point, QdrantAPIClient
from contexter_nb.core import (
    APIIntegrationError,
    EmptyIndexError,
    IndexMismatchError,
    InvalidArgumentError,
    SystemClock,
    UnknownChunkError,
)
from contexter_nb.policies import APIMonitor, RetryPolicy
from contexter_nb.retrieval import (
    MODES,
    Chunk,
    Document,
    EmbeddedIndex,
    EmbeddingCache,
    Hit,
    IndexingTools,
    IndexReport,
    ServerIndex,
    ask,
    chunk_document,
    index_sources,
    parse_where,
)
from contexter_nb.retrieval._server_index import KNOWN_SECONDS
from contexter_nb.retrieval._server_writer import ServerWriter
from tests.clients.qdrant_wire import QdrantWire
from tests.loops import FakeClock, run_really
from tests.retrieval.embedder import CountingEmbedder, ListSource, note
from tests.retrieval.test_index import MATCHER, MODEL, TABLES, WHERES, vector_of
from tests.world.faults import ByRequest, Seen, Status, fault_server

AT_ONCE = RetryPolicy(
    max_attempts=2, base_seconds=0, throttled_base_seconds=0, max_backoff_seconds=0
)
LICENCE = [f"Line number {number} of the licence." for number in range(12)]


def longer(document: Document, place: int) -> Document:
    """Return a document of a length of its own: engines order equal scores freely."""
    more = " ".join(f"detail{place}of{at}" for at in range(2 * place + 1))
    return replace(document, text=f"{document.text}\n\n{more}")


DOCUMENTS = [longer(each, place) for place, each in enumerate(TABLES)]
PAGES = [
    note(
        "guide.md",
        "# Guide\nHow to work with tables.\n\n## Install\nUse pip to install it.\n\n"
        "## Long\n"
        + "".join(
            f"The columns of table {at} have {at % 7} names and {at % 5} types. "
            for at in range(90)
        ),
        "guide",
        markup="markdown",
    ),
    note("licence one", "\n".join(LICENCE), "guide"),
    note("licence two", "\n".join([*LICENCE, "And a second thing."]), "guide"),
    note("licence three", "\n".join([*LICENCE, "And the third, too."]), "guide"),
    note("unlike", "Line number 3 of the licence.\nAnd another thing.", "guide"),
]
CHUNKS = [chunk for each in DOCUMENTS + PAGES for chunk in chunk_document(each)]
BOTH = (ListSource(DOCUMENTS, "tables"), ListSource(PAGES, "guide"))
QUERIES = [
    "join tables on a key",
    "columns of a table",
    "lines of the licence",
    "remove missing values",
    "qqqzzzxxx",
    "?!",
]


async def fill(
    index: ServerIndex | EmbeddedIndex, folder: Path, *sources: ListSource
) -> list[IndexReport]:
    """Index some sources."""
    cache = EmbeddingCache(folder / "embeddings.sqlite")
    tools = IndexingTools(
        index=index,
        embedder=index.embedder,
        cache=cache,
        clock=SystemClock(),
        notify=print,
        progress=lambda _: None,
    )
    try:
        return [each async for each in index_sources(sources, tools)]
    finally:
        cache.close()


def in_memory(**options: Any) -> QdrantAPIClient:
    """Return a client with a Qdrant of its own in this process."""
    options.setdefault("monitor", APIMonitor(telemetry=False))
    return QdrantAPIClient(location=":memory:", retry=AT_ONCE, **options)


def index_of(client: QdrantAPIClient, **options: Any) -> ServerIndex:
    """Return an index of a cheap embedder."""
    options.setdefault("embedder", CountingEmbedder())
    return ServerIndex(client, matcher=MATCHER, **options)


@asynccontextmanager
async def over_the_wire(
    wire: QdrantWire,
    choose: Callable[[Seen], Any] = lambda seen: None,
    **options: Any,
) -> AsyncIterator[QdrantAPIClient]:
    """Yield a client of a server that may answer otherwise than Qdrant would."""

    def play(seen: Seen) -> Any:
        return choose(seen) or wire.behave(seen)

    options.setdefault("monitor", APIMonitor(telemetry=False))
    async with (
        fault_server(ByRequest(play)) as server,
        QdrantAPIClient(
            server.url, api_key=wire.key, retry=AT_ONCE, **options
        ) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedIndex]:
    """Give the embedded index of the two libraries."""
    folder = tmp_path_factory.mktemp("embedded")
    index = EmbeddedIndex(folder / "index", MODEL, MATCHER)
    run_really(fill(index, folder, *BOTH))
    yield index
    index.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerIndex]:
    """Give an index in a Qdrant in memory with the same, which tests only read."""
    client = in_memory()
    index = ServerIndex(client, MODEL, MATCHER)
    for report in run_really(fill(index, tmp_path_factory.mktemp("server"), *BOTH)):
        assert not report.problems
    yield index
    run_really(client.close())


def on_both(
    embedded: EmbeddedIndex,
    server: ServerIndex,
    method: str,
    *args: Any,
    **options: Any,
) -> tuple[Any, Any]:
    """Return what the two answer to the same question."""

    async def main() -> tuple[Any, Any]:
        return (
            await ask(getattr(embedded, method), *args, **options),
            await ask(getattr(server, method), *args, **options),
        )

    return run_really(main())


def assert_same_hits(ours: list[Hit], theirs: list[Hit]) -> None:
    """Compare two answers, whose numbers are rounded otherwise."""
    assert [each.chunk_id for each in theirs] == [each.chunk_id for each in ours]
    for one, other in zip(ours, theirs, strict=True):
        assert other.score == pytest.approx(one.score, rel=1e-3, abs=1e-4)
        assert dict(other.ranks) == dict(one.ranks)
        assert other.payload == one.payload
        assert sorted(other.folded) == sorted(one.folded)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("query", QUERIES)
def test_it_finds_what_the_embedded_index_finds(
    embedded: EmbeddedIndex, server: ServerIndex, query: str, mode: str, exact: bool
) -> None:
    """The same hits in the same order, with the same scores, ranks and payloads."""
    ours, theirs = on_both(
        embedded,
        server,
        "search",
        query,
        vector_of(query),
        mode=mode,
        limit=50,
        exact=exact,
    )
    assert_same_hits(ours, theirs)


@pytest.mark.parametrize("limit", [1, 3])
def test_it_keeps_limit_and_weights(
    embedded: EmbeddedIndex, server: ServerIndex, limit: int
) -> None:
    """No more than asked for, and fused as it was asked for."""
    weights = {"dense": 1.0, "text": 0.0, "terms": 0.0}
    query = "columns of a table"
    ours, theirs = on_both(
        embedded,
        server,
        "search",
        query,
        vector_of(query),
        limit=limit,
        weights=weights,
    )
    assert len(theirs) == limit
    assert_same_hits(ours, theirs)


@pytest.mark.parametrize(("where", "fits"), WHERES, ids=[str(w) for w, _ in WHERES])
def test_it_filters_as_the_embedded_index(
    embedded: EmbeddedIndex,
    server: ServerIndex,
    where: Any,
    fits: Callable[[Chunk], bool],
) -> None:
    """Every kind of filter lets the same passages through, in searches and counts."""
    conditions = parse_where(where)
    query = "table licence"
    for mode in ("dense", "hybrid"):
        ours, theirs = on_both(
            embedded,
            server,
            "search",
            query,
            vector_of(query),
            mode=mode,
            limit=1_000,
            conditions=conditions,
        )
        assert_same_hits(ours, theirs)
    counted = Counter(chunk.kind for chunk in CHUNKS if fits(chunk))
    assert run_really(server.facets("kind", conditions)) == counted


@pytest.mark.parametrize(
    "column", ["kind", "library", "section", "source", "title", "version"]
)
def test_it_counts_passages_and_no_notes(
    embedded: EmbeddedIndex, server: ServerIndex, column: str
) -> None:
    """What the collection keeps of its libraries is counted nowhere."""
    ours, theirs = on_both(embedded, server, "facets", column)
    assert theirs == ours
    counted = Counter(getattr(chunk, column) for chunk in CHUNKS)
    assert theirs == counted
    most = run_really(server.facets(column, limit=1))
    assert list(most.values()) == [max(counted.values())]


@pytest.mark.parametrize("where", [None, {"library": "guide"}, {"kind": "method"}])
@pytest.mark.parametrize("query", QUERIES[:4])
def test_it_explains_as_the_embedded_index(
    embedded: EmbeddedIndex, server: ServerIndex, query: str, where: Any
) -> None:
    """Ranks, scores, words and filters of every passage, found or not, are the same."""
    for chunk in CHUNKS:
        ours, theirs = on_both(
            embedded,
            server,
            "explain",
            query,
            vector_of(query),
            chunk.chunk_id,
            parse_where(where),
        )
        for one, other in zip(ours.parts, theirs.parts, strict=True):
            assert (one.part, one.rank, one.found) == (
                other.part,
                other.rank,
                other.found,
            )
            scores = [each.score or 0.0 for each in (one, other)]
            assert scores[0] == pytest.approx(scores[1], rel=1e-3, abs=1e-4)
        assert theirs.payload == ours.payload
        for told in ("matched", "missing", "synonyms", "filtered_out"):
            assert getattr(theirs, told) == getattr(ours, told)


@pytest.mark.parametrize("where", [None, {"kind": "method"}, {"library": "guide"}])
def test_its_neighbours_are_those_of_the_embedded_index(
    embedded: EmbeddedIndex, server: ServerIndex, where: Any
) -> None:
    """Of each passage, the nearest of other documents."""
    for chunk in CHUNKS:
        ours, theirs = on_both(
            embedded, server, "similar", chunk.chunk_id, 3, parse_where(where)
        )
        assert_same_hits(ours, theirs)


def test_it_says_what_is_indexed(embedded: EmbeddedIndex, server: ServerIndex) -> None:
    """The catalog counts as that of the embedded index does."""
    ours, theirs = on_both(embedded, server, "catalog")
    for name, entry in ours.libraries.items():
        other = theirs.libraries[name]
        for told in ("version", "source", "documents", "chunks", "tokens"):
            assert getattr(other, told) == getattr(entry, told)
    assert set(theirs.libraries) == {"tables", "guide"}
    assert server.known_catalog() == theirs
    stored = run_really(server.stored("tables"))
    assert stored == {
        chunk.chunk_id: chunk.content_hash
        for chunk in CHUNKS
        if chunk.library == "tables"
    }
    assert run_really(server.is_ready()) == "green"


def test_an_unknown_chunk_is_one_sentence(server: ServerIndex) -> None:
    """A chunk that has gone is told from what never was a chunk id."""
    with pytest.raises(UnknownChunkError, match="may have changed"):
        run_really(server.similar("0123456789abcdef", 5))
    with pytest.raises(UnknownChunkError, match="may have changed"):
        run_really(server.explain("x", vector_of("x"), "0123456789abcdef"))
    with pytest.raises(InvalidArgumentError, match="is no chunk id"):
        run_really(server.similar("tables.merge", 5))
    with pytest.raises(InvalidArgumentError, match="needs the query's embedding"):
        run_really(server.search("x", None))


@pytest.mark.parametrize(
    "question",
    [
        lambda index: index.search("x", None, mode="text"),
        lambda index: index.similar("0" * 16, 5),
        lambda index: index.explain("x", np.zeros(16, np.float32), "0" * 16),
        lambda index: index.facets("kind"),
    ],
)
def test_an_empty_index_is_one_sentence(
    question: Callable[[ServerIndex], Any], tmp_path: Path
) -> None:
    """With no collection, and with an emptied one, each question says how to begin."""

    async def main() -> None:
        async with in_memory() as client:
            index = index_of(client)
            assert await index.catalog() is None
            assert await index.is_ready() == "empty"
            with pytest.raises(EmptyIndexError, match=r"begin with nb\.index"):
                await question(index)
            await fill(index, tmp_path, ListSource([note("a", "A.")]))
            await fill(index, tmp_path, ListSource([]))
            with pytest.raises(EmptyIndexError, match="':memory:'|:memory:"):
                await question(index)

    run_really(main())


@pytest.mark.parametrize(
    ("embedder", "says"),
    [
        (CountingEmbedder(identity="other"), "was built with 'counting'"),
        (CountingEmbedder(dimension=8), r"\(16 dimensions\) and this session uses"),
    ],
)
def test_another_embedder_is_refused(
    embedder: CountingEmbedder, says: str, tmp_path: Path
) -> None:
    """Vectors of two models are not mixed: neither read nor written, with a way out."""

    async def main() -> None:
        async with in_memory() as client:
            await fill(index_of(client), tmp_path, ListSource([note("alpha", "A.")]))
            other = index_of(client, embedder=embedder)
            for job in (
                other.search("alpha", None, mode="text"),
                fill(other, tmp_path, ListSource([note("b", "B.")])),
            ):
                with pytest.raises(IndexMismatchError, match=says) as refused:
                    await job
                assert "nb.remove(everything=True)" in str(refused.value)
                assert "connect(qdrant_url=...)" in str(refused.value)
            assert not embedder.texts
            hits = await index_of(client).search("alpha", None, mode="text")
            assert [hit.payload["title"] for hit in hits] == ["alpha"]

    run_really(main())


@pytest.mark.parametrize(
    ("identity", "says"),
    [
        ("counting | 16 | 99 | 1", "by another version of contexter_nb"),
        ("counting | 16 | 1 | 99", "by another version of contexter_nb"),
        ("somebody's own", "was not made by contexter_nb's index"),
        ("a | b | c | d", "was not made by contexter_nb's index"),
    ],
)
def test_a_collection_of_something_else_is_refused(
    identity: str, says: str, tmp_path: Path
) -> None:
    """What another program or release made is neither searched nor written into."""

    async def main() -> None:
        async with in_memory() as client:
            await client.ensure_collection("contexter", dimension=16, identity=identity)
            index = index_of(client)
            with pytest.raises(IndexMismatchError, match=says):
                await index.search("a", None, mode="text")
            with pytest.raises(IndexMismatchError, match=says):
                await fill(index, tmp_path, ListSource([note("a", "A.")]))
            assert await client.count("contexter") == 0

    run_really(main())


def test_a_passage_deleted_while_it_is_searched_is_no_hit(tmp_path: Path) -> None:
    """Between the search and the fetching of payloads another deletes the best."""

    class Deleting(QdrantAPIClient):
        doomed: list[int] = []

        async def retrieve(self, name: str, ids: Any, **options: Any) -> Any:
            if self.doomed:
                await self.delete(name, ids=self.doomed)
            return await super().retrieve(name, ids, **options)

    async def main() -> None:
        client = Deleting(
            location=":memory:", monitor=APIMonitor(telemetry=False), retry=AT_ONCE
        )
        async with client:
            index = index_of(client)
            notes = [note(f"note {at}", f"word {'again ' * at}") for at in range(5)]
            await fill(index, tmp_path, ListSource(notes))
            before = await index.search("word", None, mode="text")
            client.doomed = [int(before[0].chunk_id, 16)]
            after = await index.search("word", None, mode="text")
            assert [each.chunk_id for each in after] == [
                each.chunk_id for each in before[1:]
            ]
            vector = index.embedder.vector("word")
            client.doomed = [int(after[0].chunk_id, 16)]
            both = await index.search("word", vector)
            assert {each.chunk_id for each in both} == {
                each.chunk_id for each in after[1:]
            }

    run_really(main())


def test_notes_of_libraries_are_found_by_nothing(tmp_path: Path) -> None:
    """Neither by searches, filters that exclude, facets nor the writer's lists."""

    async def main() -> None:
        async with in_memory() as client:
            index = index_of(client)
            sources = [
                ListSource([note(name, f"About {name}.", name)], library=name)
                for name in ("one", "two", "three")
            ]
            await fill(index, tmp_path, *sources)
            assert await client.count("contexter") == 6
            vector = index.embedder.vector("library record one")
            where = parse_where({"library": {"not": "two"}})
            hits = await index.search("library record", vector, conditions=where)
            assert {hit.payload["library"] for hit in hits} == {"one", "three"}
            own = hits[0].chunk_id
            near = await index.similar(own, 10)
            assert len(near) == 2
            assert await index.facets("kind") == {"page": 3}
            assert await index.facets("kind", where) == {"page": 2}
            async with index.writing("t", SystemClock(), print) as writer:
                await writer.open()
                assert len(await writer.matching(where)) == 2
                assert len(await writer.matching([])) == 3

    run_really(main())


def test_two_writers_keep_each_others_notes(tmp_path: Path) -> None:
    """Jobs that run at once on two libraries are both in the catalog at the end."""

    async def main() -> None:
        async with in_memory() as client:
            slow = CountingEmbedder(blocks_at_call=0)
            job = asyncio.create_task(
                fill(
                    index_of(client, embedder=slow),
                    tmp_path,
                    ListSource([note("a", "A.", "one")], library="one"),
                )
            )
            await slow.blocked.wait()
            other = tmp_path / "other"
            other.mkdir()
            await fill(
                index_of(client),
                other,
                ListSource([note("b", "B.", "two")], library="two"),
            )
            slow.go.set()
            await job
            catalog = await index_of(client).catalog()
            assert catalog is not None
            assert set(catalog.libraries) == {"one", "two"}
            assert await index_of(client).facets("library") == {"one": 1, "two": 1}

    run_really(main())


def test_an_emptied_library_takes_its_note_along(tmp_path: Path) -> None:
    """A library without passages is not listed, and the others stay."""

    async def main() -> None:
        async with in_memory() as client:
            index = index_of(client)
            gone = ListSource([note("a", "A.", "gone")], library="gone")
            kept = ListSource([note("b", "B.", "kept")], library="kept")
            await fill(index, tmp_path, gone, kept)
            await fill(index, tmp_path, ListSource([], library="gone"))
            catalog = await index.catalog()
            assert catalog is not None
            assert list(catalog.libraries) == ["kept"]
            assert await client.count("contexter") == 2

    run_really(main())


def refusing(status: int, word: str) -> Callable[[Seen], Any]:
    """Return a chooser that refuses every upsert with a text that holds a word."""

    def choose(seen: Seen) -> Any:
        if seen.method != "PUT" or not seen.path.endswith("/points"):
            return None
        if word.encode() not in seen.body:
            return None
        text = "Payload error: JSON payload is larger than allowed"
        return Status(status, body={"status": {"error": text}, "time": 0.0})

    return choose


@pytest.mark.parametrize("status", [413, 400])
def test_a_point_the_server_refuses_costs_its_document(
    status: int, tmp_path: Path
) -> None:
    """The others of its batch are stored, it is named, and the next call tries it."""

    async def main() -> None:
        wire = QdrantWire()
        refused = [refusing(status, "zebra")]

        def choose(seen: Seen) -> Any:
            return refused[0](seen) if refused else None

        async with over_the_wire(wire, choose) as client:
            index = index_of(client)
            notes = [note(f"note {at}", f"Text number {at}.") for at in range(40)]
            notes[17] = note("note 17", "A zebra.")
            (report,) = await fill(index, tmp_path, ListSource(notes, print_of="one"))
            assert (report.new, report.failed, report.chunks) == (39, 1, 39)
            ((problem),) = report.problems
            assert problem.title == "note 17"
            assert problem.error.startswith("cannot be stored: ")
            assert len(await index.facets("title", limit=100)) == 39
            refused.clear()
            (report,) = await fill(index, tmp_path, ListSource(notes, print_of="one"))
            assert (report.new, report.unchanged, report.embedded) == (1, 39, 0)
            assert not report.problems
            (report,) = await fill(index, tmp_path, ListSource(notes, print_of="one"))
            assert (report.new, report.unchanged) == (0, 40)

    run_really(main())


@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_fails_is_one_error(mode: str, tmp_path: Path) -> None:
    """Whichever part of a search fails, a person reads one sentence, no group."""

    async def main() -> None:
        wire = QdrantWire()
        down: list[bool] = []

        def choose(seen: Seen) -> Any:
            return Status(503, body={"status": "down"}) if down else None

        async with over_the_wire(wire, choose) as client:
            index = index_of(client)
            await fill(index, tmp_path, ListSource([note("a", "A word.")]))
            vector = index.embedder.vector("word")
            assert await index.search("word", vector, mode=mode)
            down.append(True)
            with pytest.raises(APIIntegrationError):
                await index.search("word", vector, mode=mode)

    run_really(main())


def test_the_catalog_is_trusted_for_ten_seconds(tmp_path: Path) -> None:
    """Searches ask for it once in a while; after writing, and later, it is read."""

    async def main() -> None:
        wire = QdrantWire()
        clock = FakeClock()
        async with over_the_wire(wire) as client:
            index = index_of(client, clock=clock)
            await fill(index, tmp_path, ListSource([note("a", "A word.")]))

            async def asked() -> int:
                before = wire.asked.count("info")
                await index.search("word", None, mode="text")
                return wire.asked.count("info") - before

            assert [await asked(), await asked()] == [1, 0]
            clock.instant += KNOWN_SECONDS - 0.1
            assert await asked() == 0
            clock.instant += 0.2
            assert [await asked(), await asked()] == [1, 0]
            await fill(index, tmp_path, ListSource([note("b", "B word.")]))
            assert [await asked(), await asked()] == [1, 0]
            # What another dropped meanwhile is noticed when the trust has ended.
            await client.drop_collection("contexter")
            clock.instant += KNOWN_SECONDS + 0.1
            with pytest.raises(EmptyIndexError):
                await index.search("word", None, mode="text")

    run_really(main())


def test_a_collection_that_vanishes_is_an_empty_index(tmp_path: Path) -> None:
    """Dropped by another while the catalog is trusted, it is told how to begin."""

    async def main() -> None:
        async with in_memory() as client:
            index = index_of(client)
            await fill(index, tmp_path, ListSource([note("a", "A word.")]))
            await index.search("word", None, mode="text")
            trusted = index._known
            await client.drop_collection("contexter")
            for question in (
                index.search("word", None, mode="text"),
                index.search("word", index.embedder.vector("word")),
                index.facets("kind"),
                index.similar("0" * 16, 3),
            ):
                index._known = trusted
                with pytest.raises(EmptyIndexError):
                    await question

    run_really(main())


def test_over_the_wire_it_makes_the_indexes_that_filters_need(tmp_path: Path) -> None:
    """A server facets and filters by indexed fields only, so each column has one."""

    async def main() -> None:
        wire = QdrantWire()
        async with over_the_wire(wire) as client:
            index = index_of(client)
            notes = [note(f"note {at}", f"Word {at}.") for at in range(3)]
            await fill(index, tmp_path, ListSource(notes))
            for column in ("kind", "library", "section", "source", "title", "version"):
                assert sum((await index.facets(column)).values()) == 3
            where = parse_where(
                {"title": {"prefix": "note"}, "tokens": {"gte": 1}, "kind": "page"}
            )
            vector = index.embedder.vector("word")
            assert len(await index.search("word", vector, conditions=where)) == 3
            made = wire.schema["contexter"]
            assert set(made) == {
                *("kind", "labels", "library", "record", "section", "source"),
                *("title", "tokens", "version"),
            }
            assert "embedded_text" not in json.dumps(wire.bodies["upsert"])

    run_really(main())


def test_the_writer_empties_whatever_is_there() -> None:
    """Also a collection of another model, which nothing else can change."""

    async def main() -> None:
        async with in_memory() as client:
            await client.ensure_collection("contexter", dimension=3, identity="x")
            await client.upsert_vectors("contexter", [Point(id="a", dense=[1, 0, 0])])
            index = index_of(client)
            async with index.writing("emptying", SystemClock(), print) as writer:
                assert isinstance(writer, ServerWriter)
                await writer.open_empty()
                await writer.publish()
            catalog = await index.catalog()
            assert catalog is not None
            assert (catalog.dimension, catalog.libraries) == (16, {})

    run_really(main())
