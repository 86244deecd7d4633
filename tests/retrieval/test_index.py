"""The embedded index: what a search finds, filters, folds, explains and refuses."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contexter_nb.core import (
    EmptyIndexError,
    HomeError,
    IndexMismatchError,
    InvalidArgumentError,
    SystemClock,
    UnknownChunkError,
)
from contexter_nb.retrieval import (
    MODES,
    Chunk,
    Document,
    EmbeddedIndex,
    EmbeddingCache,
    Hit,
    IndexingTools,
    StaticEmbedder,
    TermMatcher,
    _index_writer,
    chunk_document,
    index_sources,
    optimize_index,
    parse_where,
)
from contexter_nb.retrieval._fusion import RRF_K
from contexter_nb.retrieval._ranking import PART_WEIGHTS
from tests.retrieval.embedder import CountingEmbedder, ListSource, note

MODEL = StaticEmbedder()
MATCHER = TermMatcher(MODEL)
TWIN = "\n".join(f"Line number {number} of the licence." for number in range(12))


def documented(title: str, text: str, kind: str = "function", **told: Any) -> Document:
    """Return a documented object of the tables library."""
    return Document(
        library="tables",
        version="2.1",
        source="installed",
        title=title,
        kind=kind,
        text=text,
        **told,
    )


TABLES = [
    documented("tables.merge", "Join two tables on a key column.\n\nLike SQL does."),
    documented("tables.sort", "Sort the rows of a table by a column."),
    documented("tables.Frame", "A table of columns with names.", "class"),
    documented("tables.Frame.drop", "Remove rows or columns.", "method"),
    documented("tables.Frame.fill", "Replace missing values by another.", "method"),
    documented("tables.Frame.shape", "Number of rows and columns.", "property"),
    documented("tables.read_csv", "Read a comma separated file into a table."),
    documented("tables.plot", "Draw a line chart of a table.", mentions=1),
    documented("tables", "Tables of rows and columns.", "module"),
]
GUIDE = [
    note(
        "guide.md",
        "# Guide\nHow to work with tables.\n\n## Install\nUse pip to install it.\n\n"
        "## Long\n" + "The columns of a table have names and types. " * 90,
        "guide",
        markup="markdown",
    ),
    note("licence one", TWIN, "guide"),
    note("licence two", TWIN, "guide"),
    note("licence three", TWIN.replace("number 3", "Number three"), "guide"),
    note("unlike", "Line number 3 of the licence.\nAnd another thing.", "guide"),
]
CHUNKS = [chunk for each in TABLES + GUIDE for chunk in chunk_document(each)]


def fill(index: EmbeddedIndex, folder: Path, *sources: ListSource) -> None:
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

    async def main() -> None:
        async for report in index_sources(sources, tools):
            assert not report.problems

    asyncio.run(main())
    cache.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with an index of two libraries, which tests only read."""
    folder = tmp_path_factory.mktemp("index")
    made = EmbeddedIndex(folder / "index", MODEL, MATCHER)
    fill(made, folder, ListSource(TABLES, "tables"), ListSource(GUIDE, "guide"))
    made.close()
    return folder


@pytest.fixture(scope="module")
def index(folder: Path) -> Iterator[EmbeddedIndex]:
    """Give that index, open."""
    opened = EmbeddedIndex(folder / "index", MODEL, MATCHER)
    yield opened
    opened.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[EmbeddedIndex]:
    """Give an index of nothing, with a cheap embedder."""
    opened = EmbeddedIndex(tmp_path / "index", CountingEmbedder(), MATCHER)
    yield opened
    opened.close()


def vector_of(query: str) -> np.ndarray:
    """Return a query's embedding."""
    return MODEL.embed_now([query]).vectors[0]


def search(
    index: EmbeddedIndex, query: str, where: Any = None, **options: Any
) -> list[Hit]:
    """Search as the session does."""
    return index.search(
        query, vector_of(query), conditions=parse_where(where), **options
    )


def titles(hits: list[Hit]) -> list[str]:
    """Return the hits' titles."""
    return [hit.payload["title"] for hit in hits]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("join tables on a key", "tables.merge"),
        ("remove columns", "tables.Frame.drop"),
        ("install with pip", "guide.md › Guide › Install"),
    ],
)
def test_the_right_passage_is_first(
    index: EmbeddedIndex, mode: str, query: str, title: str
) -> None:
    """Each mode finds what the question asks for."""
    assert titles(search(index, query, mode=mode))[0] == title


@pytest.mark.parametrize("mode", MODES)
def test_hits_are_ordered_and_each_document_is_there_once(
    index: EmbeddedIndex, mode: str
) -> None:
    """Scores fall, ids are unique, and ranks are those of the parts of the mode."""
    hits = search(index, "columns of a table", mode=mode, limit=50)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert len({hit.chunk_id[:12] for hit in hits}) == len(hits)
    parts = {"dense", "text", "terms"} if mode == "hybrid" else {mode}
    assert {part for hit in hits for part in hit.ranks} == parts
    assert all(hit.ranks for hit in hits)


def test_a_hit_has_all_that_is_shown(index: EmbeddedIndex) -> None:
    """The payload of a hit is the whole passage, as it was cut."""
    (hit,) = search(index, "join tables", limit=1, where={"title": "tables.merge"})
    (chunk,) = [each for each in CHUNKS if each.title == "tables.merge"]
    shown = ("library", "version", "source", "title", "kind", "section", "text", "url")
    for column in shown:
        assert hit.payload[column] == getattr(chunk, column)
    assert hit.payload["aliases"] == []
    assert hit.chunk_id == chunk.chunk_id


def test_the_scores_of_a_mode_are_its_own(index: EmbeddedIndex) -> None:
    """Dense scores are cosines; hybrid ones are sums of the fusion times the prior."""
    query = "join tables"
    dense = search(index, query, mode="dense", limit=1)[0]
    (chunk,) = [each for each in CHUNKS if each.chunk_id == dense.chunk_id]
    vector = MODEL.embed_now([chunk.embedded_text]).vectors[0]
    assert dense.score == pytest.approx(float(vector @ vector_of(query)), abs=1e-4)
    hybrid = search(index, query)[0]
    expected = sum(
        PART_WEIGHTS[part] / (RRF_K + rank) for part, rank in hybrid.ranks.items()
    )
    assert hybrid.score == pytest.approx(expected * hybrid.payload["prior"])


@pytest.mark.parametrize("limit", [1, 3, 1_000])
def test_the_limit_is_kept(index: EmbeddedIndex, limit: int) -> None:
    """No more hits than were asked for, and all there are if that is fewer."""
    hits = search(index, "tables", mode="dense", limit=limit)
    assert len(hits) == min(limit, 14)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "query", ["", "   ", "?!", "the of", "qqqzzzxxx", "x" * 99_999]
)
def test_a_query_that_says_nothing_is_no_error(
    index: EmbeddedIndex, mode: str, query: str
) -> None:
    """Whatever is typed is answered, if only by little."""
    assert all(np.isfinite(hit.score) for hit in search(index, query, mode=mode))


def test_a_text_search_needs_no_vector_and_a_dense_one_does(
    index: EmbeddedIndex,
) -> None:
    """Text mode costs no embedding; without one dense mode is refused."""
    assert index.search("join", None, mode="text")
    for mode in ("dense", "hybrid"):
        with pytest.raises(InvalidArgumentError, match="needs the query's embedding"):
            index.search("join", None, mode=mode)


WHERES: list[tuple[Any, Callable[[Chunk], bool]]] = [
    ({"library": "tables"}, lambda c: c.library == "tables"),
    ({"library": ["tables", "guide"]}, lambda c: True),
    ({"library": {"not": "tables"}}, lambda c: c.library == "guide"),
    ({"kind": {"not": ["method", "page"]}}, lambda c: c.kind not in ("method", "page")),
    ({"kind": {"prefix": "m"}}, lambda c: c.kind in ("method", "module")),
    ({"library": {"prefix": "tab"}}, lambda c: c.library == "tables"),
    ({"version": {"prefix": "2."}}, lambda c: c.version == "2.1"),
    ({"source": {"prefix": "inst"}}, lambda c: c.source == "installed"),
    ({"source": "installed"}, lambda c: c.source == "installed"),
    ({"version": "1"}, lambda c: c.version == "1"),
    ({"section": "Guide › Install"}, lambda c: c.section == "Guide › Install"),
    ({"section": {"prefix": "Guide"}}, lambda c: c.section.startswith("Guide")),
    ({"section": ""}, lambda c: not c.section),
    ({"section": {"not": ""}}, lambda c: bool(c.section)),
    ({"title": "tables.merge"}, lambda c: c.title == "tables.merge"),
    ({"title": "merge"}, lambda c: False),
    (
        {"title": {"prefix": "tables.Frame."}},
        lambda c: c.title.startswith("tables.Frame."),
    ),
    (
        {"title": {"prefix": "tables.", "not": "tables.merge"}},
        lambda c: c.title.startswith("tables.") and c.title != "tables.merge",
    ),
    ({"tokens": {"gte": 100}}, lambda c: c.token_count >= 100),
    ({"tokens": {"gt": 5, "lt": 20}}, lambda c: 5 < c.token_count < 20),
    ({"tokens": {"lte": 12}}, lambda c: c.token_count <= 12),
    (
        {"tokens": CHUNKS[0].token_count},
        lambda c: c.token_count == CHUNKS[0].token_count,
    ),
    (
        {"tokens": {"not": CHUNKS[0].token_count}},
        lambda c: c.token_count != CHUNKS[0].token_count,
    ),
    ({"chunk_id": CHUNKS[3].chunk_id}, lambda c: c.chunk_id == CHUNKS[3].chunk_id),
    (
        {"chunk_id": [CHUNKS[3].chunk_id, CHUNKS[5].chunk_id, "0" * 16]},
        lambda c: c.chunk_id in (CHUNKS[3].chunk_id, CHUNKS[5].chunk_id),
    ),
    (
        {"chunk_id": {"not": CHUNKS[3].chunk_id}},
        lambda c: c.chunk_id != CHUNKS[3].chunk_id,
    ),
    (
        {"library": "tables", "kind": "method", "tokens": {"gte": 1}},
        lambda c: c.library == "tables" and c.kind == "method",
    ),
    ({"library": "none"}, lambda c: False),
]


@pytest.mark.parametrize(("where", "fits"), WHERES, ids=[str(w) for w, _ in WHERES])
def test_where_filters(
    index: EmbeddedIndex, where: Any, fits: Callable[[Chunk], bool]
) -> None:
    """A search sees exactly the passages that a plain comparison lets through."""
    expected = {chunk.title for chunk in CHUNKS if fits(chunk)}
    hits = search(index, "tables", where, mode="dense", limit=1_000)
    assert {*titles(hits), *(each for hit in hits for each in hit.folded)} == expected
    hits = search(index, "table licence", where, limit=1_000)
    assert {*titles(hits), *(each for hit in hits for each in hit.folded)} == expected
    counted = Counter(chunk.kind for chunk in CHUNKS if fits(chunk))
    assert index.facets("kind", parse_where(where)) == counted


@pytest.mark.parametrize(
    "column", ["kind", "library", "section", "source", "title", "version"]
)
def test_facets_count_passages(index: EmbeddedIndex, column: str) -> None:
    """Each value of a column is there with the number of its passages."""
    counted = Counter(getattr(chunk, column) for chunk in CHUNKS)
    assert index.facets(column) == counted
    (most,) = index.facets(column, limit=1).values()
    assert most == max(counted.values())


@pytest.mark.parametrize("mode", MODES)
def test_exact_gives_the_same_on_a_small_index(index: EmbeddedIndex, mode: str) -> None:
    """Without an approximate index there is nothing to approximate."""
    query = "names of columns"
    assert search(index, query, mode=mode, exact=True) == search(
        index, query, mode=mode
    )


@pytest.mark.parametrize("part", ["dense", "text", "terms"])
def test_weights_decide_between_the_parts(index: EmbeddedIndex, part: str) -> None:
    """With all weight on one part its order is the fused one."""
    weights = dict.fromkeys(("dense", "text", "terms"), 0.0) | {part: 1.0}
    where = {  # all of the same prior
        "title": {"not": "tables.plot"},
        "kind": {"not": ["module", "property"]},
    }
    hits = search(index, "columns of a table", where, weights=weights, limit=50)
    ranked = [hit.ranks[part] for hit in hits if hit.score > 0]
    assert len(ranked) >= 3
    assert ranked == sorted(ranked)


def test_the_prior_lifts_what_is_often_mentioned(index: EmbeddedIndex) -> None:
    """A hit's score is multiplied by how likely its document is sought."""
    hits = {hit.payload["title"]: hit for hit in search(index, "chart of a table")}
    assert hits["tables.plot"].payload["prior"] > 1
    assert hits["tables.sort"].payload["prior"] == 1


@pytest.mark.parametrize("mode", MODES)
def test_near_duplicates_are_folded_with_their_titles(
    index: EmbeddedIndex, mode: str
) -> None:
    """Three passages that say the same are one hit, which names the others."""
    hits = search(index, "lines of the licence", mode=mode, limit=50)
    told = [
        {hit.payload["title"], *hit.folded}
        for hit in hits
        if hit.payload["title"].startswith("licence")
    ]
    assert told == [{"licence one", "licence two", "licence three"}]
    assert "unlike" in titles(hits)


@pytest.mark.parametrize(
    "query", ["columns of a table", "lines of the licence", "remove missing values"]
)
@pytest.mark.parametrize("where", [None, {"library": "guide"}])
def test_explain_tells_the_ranks_of_the_search(
    index: EmbeddedIndex, query: str, where: Any
) -> None:
    """For every hit each part's rank and the fused score are those of the search."""
    hits = search(index, query, where, limit=50)
    position = 1
    for hit in hits:
        told = index.explain(query, vector_of(query), hit.chunk_id, parse_where(where))
        parts = {part.part: part for part in told.parts}
        ranks = {name: part.rank for name, part in parts.items() if name != "hybrid"}
        assert {name: rank for name, rank in ranks.items() if rank} == dict(hit.ranks)
        assert parts["hybrid"].score == pytest.approx(hit.score)
        assert parts["hybrid"].rank is not None
        assert parts["hybrid"].rank >= position
        position = parts["hybrid"].rank + 1
        assert told.payload == hit.payload
        assert not told.filtered_out


def test_explain_tells_words_and_filters(index: EmbeddedIndex) -> None:
    """Which words a passage has, which it lacks, and that a filter excludes it."""
    (merge,) = [chunk for chunk in CHUNKS if chunk.title == "tables.merge"]
    query = "join zebras on keys"
    told = index.explain(
        query, vector_of(query), merge.chunk_id, parse_where({"kind": "class"})
    )
    assert told.filtered_out
    assert {"join", "keys"} <= set(told.matched)
    assert told.missing == ("zebras",)
    ranks = {part.part: part.rank for part in told.parts}
    assert ranks["dense"] is None
    assert ranks["text"] is None


def test_similar_leaves_out_the_passages_own_document(index: EmbeddedIndex) -> None:
    """Neighbours are other documents, nearest first, each once."""
    for chunk in CHUNKS:
        hits = index.similar(chunk.chunk_id, 20)
        assert chunk.chunk_id[:12] not in {hit.chunk_id[:12] for hit in hits}
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
    (twin,) = [chunk for chunk in CHUNKS if chunk.title == "licence one"]
    first = index.similar(twin.chunk_id, 1)[0]
    assert first.payload["title"] in ("licence two", "licence three")


def test_similar_filters_and_keeps_the_limit(index: EmbeddedIndex) -> None:
    """Only what fits is a neighbour."""
    hits = index.similar(CHUNKS[0].chunk_id, 2, parse_where({"kind": "method"}))
    assert len(hits) == 2
    assert {hit.payload["kind"] for hit in hits} == {"method"}


def test_an_unknown_chunk_is_one_sentence(index: EmbeddedIndex) -> None:
    """A chunk that has gone is told from what never was a chunk id."""
    vector = vector_of("x")
    with pytest.raises(UnknownChunkError, match="may have changed"):
        index.similar("0123456789abcdef", 5)
    with pytest.raises(UnknownChunkError, match="may have changed"):
        index.explain("x", vector, "0123456789abcdef")
    with pytest.raises(InvalidArgumentError, match="is no chunk id"):
        index.similar("tables.merge", 5)


@pytest.mark.parametrize(
    "ask",
    [
        lambda index: index.search("x", None, mode="text"),
        lambda index: index.similar("0" * 16, 5),
        lambda index: index.explain("x", np.zeros(16, np.float32), "0" * 16),
        lambda index: index.facets("kind"),
    ],
)
def test_an_empty_index_is_one_sentence(
    empty: EmbeddedIndex, ask: Callable[[EmbeddedIndex], object]
) -> None:
    """Before anything is indexed each question says how to begin."""
    assert empty.catalog() is None
    with pytest.raises(EmptyIndexError, match=r"begin with nb\.index\(\"pandas\"\)"):
        ask(empty)


def test_an_emptied_index_is_empty(empty: EmbeddedIndex, tmp_path: Path) -> None:
    """After the last library has gone nothing is indexed, as before the first."""
    fill(empty, tmp_path, ListSource([note("a", "A.")]))
    fill(empty, tmp_path, ListSource([]))
    with pytest.raises(EmptyIndexError):
        empty.search("a", None, mode="text")


def test_a_reader_sees_a_publication_at_its_next_search(
    empty: EmbeddedIndex, tmp_path: Path
) -> None:
    """An open reader changes over by itself, and the old generation goes."""
    writer = EmbeddedIndex(empty.folder, CountingEmbedder(), MATCHER)
    for count in (1, 2, 3):
        notes = [note(f"note {at}", f"Word {at}.") for at in range(count)]
        fill(writer, tmp_path, ListSource(notes))
        assert len(empty.search("word", None, mode="text")) == count
    writer.close()
    empty.search("word", None, mode="text")
    left = [path.name for path in empty.folder.iterdir() if path.name.isdigit()]
    assert left == ["3"]


def test_a_closed_index_opens_again(folder: Path) -> None:
    """Closing lets go of the generation; a later search takes the newest."""
    index = EmbeddedIndex(folder / "index", MODEL, MATCHER)
    index.close()
    assert search(index, "join tables")
    index.close()
    index.close()
    assert search(index, "join tables")
    index.close()


@pytest.mark.parametrize(
    ("embedder", "says"),
    [
        (
            CountingEmbedder(identity="other"),
            r"was built with 'wordllama-.*' \(256 dimensions\) and this session uses "
            r"'other' \(16\)",
        ),
        (
            CountingEmbedder(identity=MODEL.identity, dimension=8),
            r"\(256 dimensions\) and this session uses 'wordllama-.*' \(8\)",
        ),
    ],
)
def test_another_embedder_is_refused(folder: Path, embedder: Any, says: str) -> None:
    """Vectors of two models are not compared; the sentence names both ways out."""
    index = EmbeddedIndex(folder / "index", embedder, MATCHER)
    with pytest.raises(IndexMismatchError, match=says) as caught:
        index.search("x", None, mode="text")
    assert "connect(home=...)" in str(caught.value)
    assert "nb.remove(everything=True)" in str(caught.value)
    index.close()


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Iterator[tuple[EmbeddedIndex, Path]]:
    """Give a copy of the index that may be damaged, and its generation's folder."""
    shutil.copytree(folder / "index", tmp_path / "copy")
    index = EmbeddedIndex(tmp_path / "copy", MODEL, MATCHER)
    number = index.generations.current()
    yield index, tmp_path / "copy" / str(number)
    index.close()


@pytest.mark.parametrize("key", ["chunking", "format"])
def test_another_chunking_is_refused(
    copied: tuple[EmbeddedIndex, Path], key: str
) -> None:
    """An index of an older release is not searched as if it were this one's."""
    index, folder = copied
    content = json.loads((folder / "catalog.json").read_text())
    (folder / "catalog.json").write_text(json.dumps({**content, key: 99}))
    with pytest.raises(IndexMismatchError, match="by another version of contexter_nb"):
        search(index, "x")


@pytest.mark.parametrize("content", ["", "{}", "[]", "5", '{"libraries": 5}', "\x00"])
def test_a_damaged_catalog_is_one_sentence(
    copied: tuple[EmbeddedIndex, Path], content: str
) -> None:
    """The message names the file and what to do."""
    index, folder = copied
    (folder / "catalog.json").write_text(content)
    with pytest.raises(HomeError, match=r"catalog\.json cannot be read; delete"):
        search(index, "x")


def test_a_damaged_shard_is_one_sentence(copied: tuple[EmbeddedIndex, Path]) -> None:
    """Lost files of the engine end in our error, not in the engine's."""
    index, folder = copied
    shutil.rmtree(folder / "shard")
    with pytest.raises(HomeError, match="cannot be opened; check that the folder"):
        search(index, "x")


def test_a_shard_on_which_the_engine_gives_up_is_one_sentence(
    copied: tuple[EmbeddedIndex, Path],
) -> None:
    """Its panic, which is no Exception, reaches nobody; emptied, the index is well."""
    index, folder = copied
    for path in folder.rglob("*-kind-map/tracker.dat"):
        with path.open("r+b") as file:
            file.write(b"\xff" * min(path.stat().st_size, 20_000))

    async def main() -> None:
        async with index.writing("testing", SystemClock(), print) as writer:
            with pytest.raises(HomeError, match="is damaged: nb.remove"):
                writer.open()
            writer.open_empty()
            writer.publish()

    with pytest.raises(HomeError, match="is damaged: nb.remove"):
        search(index, "x")
    asyncio.run(main())
    with pytest.raises(EmptyIndexError):
        search(index, "x")


def test_without_room_nothing_is_written(
    copied: tuple[EmbeddedIndex, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine would write into a hole on a full disk, which ends the process."""
    index, _ = copied
    monkeypatch.setattr(_index_writer, "ROOM_BYTES", 2**60)

    async def main() -> None:
        async with index.writing("testing", SystemClock(), print) as writer:
            for begin in (writer.open, writer.open_empty):
                with pytest.raises(HomeError, match="No space left on device.; free"):
                    begin()

    asyncio.run(main())
    assert search(index, "join tables on a key")
    assert not list(index.folder.glob("staging-*"))


def test_optimizing_publishes_the_same_passages(
    copied: tuple[EmbeddedIndex, Path],
) -> None:
    """The optimized generation finds what the one before found."""
    index, _ = copied
    before = search(index, "join tables on a key")
    report = asyncio.run(optimize_index(index, SystemClock(), print))
    assert report.chunks == len(CHUNKS)
    assert titles(search(index, "join tables on a key")) == titles(before)
    again = asyncio.run(optimize_index(index, SystemClock(), print))
    assert not again.optimized


def test_a_cancelled_optimizing_changes_nothing(
    copied: tuple[EmbeddedIndex, Path],
) -> None:
    """The child is killed and the published generation is as it was."""
    index, folder = copied

    class Cancelled(SystemClock):
        async def sleep(self, seconds: float) -> None:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(optimize_index(index, Cancelled(), print))
    assert str(index.generations.current()) == folder.name
    assert not list(folder.parent.glob("staging-*"))
    assert search(index, "join tables")


def test_a_failed_optimizing_is_one_sentence(
    copied: tuple[EmbeddedIndex, Path],
) -> None:
    """The message tells the child's last words, and that nothing was changed."""
    index, folder = copied

    class Spoiling(SystemClock):
        """Takes the child's files away while it starts."""

        async def sleep(self, seconds: float) -> None:
            for path in folder.parent.glob("staging-*/shard"):
                shutil.rmtree(path, ignore_errors=True)
            await super().sleep(seconds)

    with pytest.raises(HomeError, match="The index is as it was before"):
        asyncio.run(optimize_index(index, Spoiling(), print))
    assert str(index.generations.current()) == folder.name


def test_an_empty_index_tells_of_another_embedders(tmp_path: Path) -> None:
    """Who set a key, or lost one, hears where the passages are that were there."""
    from contexter_nb import connect

    with connect(home=tmp_path) as nb:
        nb.index("textwrap")
        passages = int(nb.contents()["chunks"].sum())
    (tmp_path / "index").rename(tmp_path / "index-other")
    with connect(home=tmp_path) as nb, pytest.raises(EmptyIndexError) as caught:
        nb.search("wrap")
    assert f"({passages} passages are indexed with wordllama" in str(caught.value)
    assert "connect(embedder='static') searches them" in str(caught.value)
