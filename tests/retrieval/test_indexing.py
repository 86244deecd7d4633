"""The indexing job: only what changed is embedded, and nothing done is lost."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contexter_nb.core import (
    EmbedderError,
    IndexMismatchError,
    ServerError,
    SystemClock,
)
from contexter_nb.retrieval import (
    Embedded,
    EmbeddedIndex,
    EmbeddingCache,
    IndexingTools,
    IndexReport,
    Problem,
    Progress,
    RowsSource,
    Source,
    StaticEmbedder,
    TermMatcher,
    embed_cached,
    index_sources,
)
from tests.retrieval.embedder import CountingEmbedder, ListSource, note

MATCHER = TermMatcher(StaticEmbedder())


class Bench:
    """A home with an index, a cache and an embedder, to index into and look at."""

    def __init__(self, folder: Path, embedder: Any = None) -> None:
        self.folder = folder
        self.embedder = embedder or CountingEmbedder()
        self.cache = EmbeddingCache(folder / "embeddings.sqlite")
        self.index = EmbeddedIndex(folder / "index", self.embedder, MATCHER)
        self.progress: list[Progress] = []

    def tools(self, **options: Any) -> IndexingTools:
        """Return what a job needs."""
        told = {
            "index": self.index,
            "embedder": self.embedder,
            "cache": self.cache,
            "clock": SystemClock(),
            "notify": print,
            "progress": self.progress.append,
        }
        return IndexingTools(**{**told, **options})

    async def run(self, *sources: Source, **options: Any) -> list[IndexReport]:
        """Index some sources."""
        return [each async for each in index_sources(sources, self.tools(**options))]

    def add(self, *sources: Source, **options: Any) -> list[IndexReport]:
        """Index some sources from outside a loop."""
        return asyncio.run(self.run(*sources, **options))

    def titles(self) -> list[str]:
        """Return the titles of all stored passages."""
        return sorted(self.index.facets("title", limit=10_000))

    def close(self) -> None:
        """Give files back."""
        self.index.close()
        self.cache.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give an empty home with a counting embedder."""
    made = Bench(tmp_path)
    yield made
    made.close()


def notes(*titles: str, **options: Any) -> ListSource:
    """Return a source of one note a title."""
    library = options.get("library", "notes")
    documents = [note(each, f"About {each}.", library) for each in titles]
    return ListSource(documents, **options)


def rows(count: int) -> RowsSource:
    """Return many rows."""
    return RowsSource([{"text": f"text {at}"} for at in range(count)], "rows")


def test_a_first_run_embeds_and_stores_everything(bench: Bench) -> None:
    """The report counts what was done, and the catalog what is there."""
    (report,) = bench.add(notes("a", "b", "c", print_of="one"))
    assert dataclasses.replace(report, seconds=0.0) == IndexReport(
        library="notes",
        version="1",
        documents=3,
        chunks=3,
        new=3,
        embedded=3,
        tokens=9,
        usd=1.5,
    )
    assert bench.embedder.texts == ["a\nAbout a.", "b\nAbout b.", "c\nAbout c."]
    assert bench.titles() == ["a", "b", "c"]
    catalog = bench.index.catalog()
    assert catalog is not None
    entry = catalog.libraries["notes"]
    assert (entry.documents, entry.chunks, entry.tokens) == (3, 3, 12)
    assert (entry.fingerprint, entry.source) == ("one", "frame")
    assert [each.stage for each in bench.progress][0] == "collecting"
    assert bench.progress[-1].stage == "done"


def test_a_second_run_of_the_same_collects_and_embeds_nothing(bench: Bench) -> None:
    """Where the source's fingerprint is the same it is not even read."""
    source = notes("a", "b", print_of="one")
    bench.add(source)
    number = bench.index.generations.current()
    (report,) = bench.add(source)
    assert (report.new, report.unchanged, report.embedded) == (0, 2, 0)
    assert (report.documents, report.chunks) == (2, 2)
    assert source.collected == 1
    assert len(bench.embedder.texts) == 2
    assert bench.index.generations.current() == number


def test_a_second_run_without_a_fingerprint_embeds_nothing(bench: Bench) -> None:
    """Where no fingerprint can be told, content is compared chunk by chunk."""
    source = notes("a", "b")
    bench.add(source)
    (report,) = bench.add(source)
    assert (report.new, report.unchanged, report.embedded) == (0, 2, 0)
    assert source.collected == 2
    assert len(bench.embedder.texts) == 2


def test_a_changed_document_is_embedded_alone(bench: Bench) -> None:
    """Of many documents the one that changed is new, the others are left."""
    bench.add(notes("a", "b", "c", print_of="one"))
    changed = notes("a", "b", "c", print_of="two")
    changed.documents[1] = note("b", "Another text.")
    (report,) = bench.add(changed)
    assert (report.new, report.unchanged, report.removed) == (1, 2, 0)
    assert bench.embedder.texts[3:] == ["b\nAnother text."]
    (hit,) = bench.index.search("another", None, mode="text")
    assert hit.payload["text"] == "Another text."


def test_a_change_that_is_not_embedded_costs_no_embedding(bench: Bench) -> None:
    """A new version or page address is stored, with the vector that is known."""
    bench.add(notes("a"))
    (report,) = bench.add(ListSource([note("a", "About a.", version="2")]))
    assert (report.new, report.embedded) == (1, 0)
    assert len(bench.embedder.texts) == 1
    assert bench.index.facets("version") == {"2": 1}


def test_documents_that_are_gone_go(bench: Bench) -> None:
    """What the source has no more is not found any more."""
    bench.add(notes("a", "b", "c"))
    (report,) = bench.add(notes("b"))
    assert (report.removed, report.unchanged, report.chunks) == (2, 1, 1)
    assert bench.titles() == ["b"]


def test_nothing_goes_where_the_source_was_not_read_in_full(bench: Bench) -> None:
    """A package that crashed half way keeps what was known of its other half."""
    bench.add(notes("a", "b", print_of="one"))
    (report,) = bench.add(notes("b", "c", print_of="two", complete=False))
    assert (report.removed, report.new, report.chunks) == (0, 1, 3)
    assert bench.titles() == ["a", "b", "c"]


def test_a_library_that_lost_all_its_documents_leaves_the_catalog(
    bench: Bench,
) -> None:
    """An emptied library is not listed, and the others stay."""
    bench.add(notes("a", library="gone"), notes("b", library="kept"))
    bench.add(ListSource(library="gone"))
    catalog = bench.index.catalog()
    assert catalog is not None
    assert list(catalog.libraries) == ["kept"]


def test_a_source_without_documents_changes_nothing(bench: Bench) -> None:
    """Nothing is published for nothing, and its problems are reported."""
    problem = Problem(library="notes", version="", title="x", error="is empty")
    (report,) = bench.add(ListSource(problems=[problem]))
    assert (report.chunks, report.failed, report.problems) == (0, 1, (problem,))
    assert bench.index.catalog() is None


def test_libraries_are_kept_apart(bench: Bench) -> None:
    """The same titles in two libraries are different passages."""
    reports = bench.add(
        ListSource([note("a", "One.", "one")], library="one"),
        ListSource([note("a", "Two.", "two")], library="two"),
    )
    assert [report.new for report in reports] == [1, 1]
    assert bench.index.facets("library") == {"one": 1, "two": 1}


def test_a_text_that_fails_costs_one_row(tmp_path: Path) -> None:
    """The service refuses one text of 300; 299 are stored, and it is named."""
    bench = Bench(tmp_path, CountingEmbedder(refused=["text 123"]))
    (report,) = bench.add(rows(300))
    assert (report.new, report.failed, report.chunks) == (299, 1, 299)
    assert [(each.title, each.error) for each in report.problems] == [
        ("row 123", "cannot be embedded: the service does not like a text")
    ]
    bench.embedder.refused = ()
    (report,) = bench.add(rows(300))
    assert (report.new, report.embedded, report.unchanged) == (1, 1, 299)
    bench.close()


HOSTILE = ["a\ud800b", "a\x00b", "\x1b[31mred", "\u202egpj", "", "<b>", "x" * 50_000]


@pytest.mark.parametrize("field", ["title", "described", "aliases", "url", "section"])
def test_hostile_names_cost_at_most_their_document(bench: Bench, field: str) -> None:
    """A file may be called anything; the other documents are there."""
    documents = [note("good", "Fine.")]
    for number, hostile in enumerate(HOSTILE):
        told: dict[str, Any] = {field: hostile}
        if field in ("described", "aliases"):
            told = {field: (hostile,)}
        elif field == "section":
            told = {"text": f"# {hostile}\nBad.", "markup": "markdown"}
        told = {"title": f"bad {number}", "text": "Bad.", **told}
        documents.append(note(**{"markup": "docstring", **told}))
    (report,) = bench.add(ListSource(documents))
    assert "good" in bench.titles()
    assert report.new + report.failed >= len(documents)
    assert report.new >= len(documents) - 1


def test_hostile_texts_are_stored_repaired(bench: Bench) -> None:
    """What cannot be stored as it is is repaired, told, and found."""
    texts = ["a\ud800b", "a\x00b", "a\u2028b", "x" * 300_000, "<script>", "&amp;"]
    documents = [
        note(f"bad {at}", f"word n{at} {text}") for at, text in enumerate(texts)
    ]
    (report,) = bench.add(ListSource(documents))
    assert [problem.title for problem in report.problems] == [
        f"bad {at}" for at in range(4)
    ]
    hits = bench.index.search("word", None, mode="text")
    assert {hit.payload["title"] for hit in hits} == {f"bad {at}" for at in range(6)}


def test_a_document_that_cannot_be_cut_costs_one_row(bench: Bench) -> None:
    """A notebook that is no notebook is named; the others are stored."""
    bad = note("bad.ipynb", "{no json", markup="notebook")
    (report,) = bench.add(ListSource([bad, note("good", "Fine.")]))
    ((problem),) = report.problems
    assert problem.title == "bad.ipynb"
    assert problem.error.startswith("cannot be cut into passages: JSONDecodeError")
    assert bench.titles() == ["good"]


class Wrong(CountingEmbedder):
    """Answers what it should not."""

    def __init__(self, vectors: Any, counts: Sequence[int] = (1, 1)) -> None:
        super().__init__(dimension=2)
        self.answer = Embedded(vectors=vectors, token_counts=list(counts))

    async def embed(self, texts: Sequence[str], input_type: str) -> Embedded:
        return self.answer


@pytest.mark.parametrize(
    ("vectors", "counts", "says"),
    [
        (np.ones((1, 2)), (1, 1), r"shape \(1, 2\) where \(2, 2\) was due"),
        (np.ones((3, 2)), (1, 1), r"shape \(3, 2\) where \(2, 2\) was due"),
        (np.ones((2, 3)), (1, 1), r"shape \(2, 3\) where \(2, 2\) was due"),
        (np.ones(2), (1, 1), r"shape \(2,\) where \(2, 2\) was due"),
        (np.array([[1, np.nan], [1, 1]]), (1, 1), "numbers that are not finite"),
        (np.array([[1, 1], [np.inf, 1]]), (1, 1), "numbers that are not finite"),
        (np.ones((2, 2)), (1,), "counting"),
        (np.ones((2, 2)), (1, 1, 1), "counting"),
    ],
)
def test_a_wrong_answer_of_an_embedder_is_an_error(
    bench: Bench, vectors: Any, counts: tuple[int, ...], says: str
) -> None:
    """An answer that is not one good row a text is refused and not kept."""
    wrong = Wrong(vectors, counts)
    with pytest.raises(EmbedderError, match=says):
        asyncio.run(embed_cached(["a", "b"], "document", wrong, bench.cache))
    assert bench.cache.size()[0] == 0


def test_a_text_is_embedded_once_ever(bench: Bench) -> None:
    """Repeats in a batch and texts of earlier batches come from the cache."""
    embedder = bench.embedder
    first = asyncio.run(embed_cached(["a", "b", "a"], "query", embedder, bench.cache))
    assert embedder.texts == ["a", "b"]
    assert (first.embedded, first.cached) == (2, [False] * 3)
    assert (first.tokens, first.usd, first.token_counts) == (2, 1.0, [1, 1, 1])
    second = asyncio.run(embed_cached(["c", "b", "a"], "query", embedder, bench.cache))
    assert embedder.texts == ["a", "b", "c"]
    assert (second.embedded, second.cached) == (1, [False, True, True])
    np.testing.assert_array_equal(second.vectors[1], first.vectors[1])
    np.testing.assert_array_equal(first.vectors[0], first.vectors[2])


def test_a_cached_vector_of_another_length_is_made_anew(bench: Bench) -> None:
    """A service that changed its dimension under the same name is asked again."""
    asyncio.run(embed_cached(["a"], "query", bench.embedder, bench.cache))
    bench.embedder.dimension = 8
    answer = asyncio.run(embed_cached(["a"], "query", bench.embedder, bench.cache))
    assert answer.vectors.shape == (1, 8)


@pytest.mark.parametrize("publish_seconds", [0.0, 60.0])
def test_a_cancel_keeps_what_was_published_and_what_was_embedded(
    tmp_path: Path, publish_seconds: float
) -> None:
    """Stopped in the third of its batches, a job goes on there when run again."""
    embedder = CountingEmbedder(blocks_at_call=2)
    bench = Bench(tmp_path, embedder)

    async def main() -> None:
        job = bench.run(rows(600), publish_seconds=publish_seconds)
        task = asyncio.create_task(job)
        await embedder.blocked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert len(embedder.texts) == 512
    catalog = bench.index.catalog()
    if publish_seconds:
        assert catalog is None
    else:
        assert catalog is not None
        assert catalog.chunks == 512
        assert bench.index.search("text", None, mode="text")
    assert not list((tmp_path / "index").glob("staging-*"))

    embedder.blocks_at_call = None
    (report,) = bench.add(rows(600))
    assert (report.chunks, report.embedded) == (600, 88)
    assert report.new == (600 if publish_seconds else 88)
    assert len(embedder.texts) == len(set(embedder.texts)) == 600
    assert len(bench.titles()) == 600
    bench.close()


def test_a_long_job_is_searchable_while_it_runs(bench: Bench) -> None:
    """Each publication is seen by other readers before the library is done."""
    reader = EmbeddedIndex(bench.index.folder, bench.embedder, MATCHER)
    seen: list[tuple[int, str]] = []

    def look(progress: Progress) -> None:
        catalog = reader.catalog()
        if catalog is not None:
            entry = catalog.libraries["rows"]
            seen.append((entry.chunks, entry.fingerprint))

    bench.add(rows(600), publish_seconds=0.0, progress=look)
    assert (256, "") in seen
    assert (512, "") in seen
    assert seen[-1] == (600, rows(600).fingerprint())
    reader.close()


def test_two_jobs_at_once_both_succeed(bench: Bench) -> None:
    """The second waits for the first and then starts from what it published."""
    told: list[str] = []

    async def main() -> None:
        await asyncio.gather(
            bench.run(rows(300), notify=told.append),
            bench.run(notes("a", "b"), notify=told.append),
        )

    asyncio.run(main())
    assert bench.index.facets("library") == {"notes": 2, "rows": 300}
    assert len(told) == 1
    assert "is indexing rows since" in told[0]


def test_sources_are_indexed_one_by_one(bench: Bench) -> None:
    """A report is yielded as soon as its library is published."""

    async def main() -> None:
        sources = [notes("a", library="one"), notes("b", library="two")]
        reports = index_sources(sources, bench.tools())
        async for report in reports:
            catalog = bench.index.catalog()
            assert catalog is not None
            assert list(catalog.libraries)[-1] == report.library
            break
        await reports.aclose()

    asyncio.run(main())
    catalog = bench.index.catalog()
    assert catalog is not None
    assert list(catalog.libraries) == ["one"]


def test_an_index_of_another_embedder_is_not_written(bench: Bench) -> None:
    """Vectors of two models are never mixed; what is there stays."""
    bench.add(notes("a"))
    other = Bench(bench.folder, CountingEmbedder(identity="other"))
    with pytest.raises(IndexMismatchError, match="was built with 'counting'"):
        other.add(notes("b"))
    assert other.embedder.texts == []
    assert bench.titles() == ["a"]
    other.close()


def test_an_error_of_a_source_keeps_what_was_indexed_before(bench: Bench) -> None:
    """A job that fails in its second library has published its first."""

    class Broken(ListSource):
        async def collect(self) -> Any:
            raise ZeroDivisionError

    with suppress(ZeroDivisionError):
        bench.add(notes("a"), Broken(library="broken"))
    assert bench.titles() == ["a"]
    bench.add(notes("a", "b"))
    assert bench.titles() == ["a", "b"]


class Failing(CountingEmbedder):
    """A service that is away from its third call on, until it is back."""

    away_at_call = 2

    async def embed(self, texts: Sequence[str], input_type: str) -> Embedded:
        if self.calls >= self.away_at_call:
            raise ServerError("The service is away.", status_code=503)
        return await super().embed(texts, input_type)


class Keeping(Failing):
    """The same, taking many texts at a time and keeping each hundred that came."""

    batch_tokens = 10**6

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, np.ndarray] = {}

    async def kept(self, texts: Sequence[str], input_type: str) -> list[bool]:
        return [text in self.held for text in texts]

    async def embed(self, texts: Sequence[str], input_type: str) -> Embedded:
        missing = [text for text in texts if text not in self.held]
        cached = [text in self.held for text in texts]
        for start in range(0, len(missing), 100):
            some = missing[start : start + 100]
            made = await super().embed(some, input_type)
            self.held |= dict(zip(some, made.vectors, strict=True))
        return Embedded(
            vectors=np.stack([self.held[text] for text in texts]),
            token_counts=[1] * len(texts),
            cached=cached,
        )


@pytest.mark.parametrize(
    ("kind", "came"), [(Failing, 512), (Keeping, 200)], ids=["failing", "keeping"]
)
def test_what_came_before_an_outage_is_published(
    tmp_path: Path, kind: type[Failing], came: int
) -> None:
    """The error is raised as it is, with how far it got; the next run does the rest."""
    bench = Bench(tmp_path, kind())
    with pytest.raises(ServerError, match="is away") as raised:
        bench.add(rows(600))
    (told,) = raised.value.__notes__
    assert told.startswith(f"{came} of 600 new passages of rows are indexed")
    catalog = bench.index.catalog()
    assert catalog is not None
    entry = catalog.libraries["rows"]
    assert (entry.chunks, entry.fingerprint) == (came, "")
    assert bench.index.facets("library") == {"rows": came}
    bench.embedder.away_at_call = 100
    (report,) = bench.add(rows(600))
    assert (report.unchanged, report.new, report.embedded) == (
        came,
        600 - came,
        600 - came,
    )
    assert len(bench.embedder.texts) == len(set(bench.embedder.texts)) == 600
    bench.close()


def test_an_outage_from_the_beginning_publishes_nothing(tmp_path: Path) -> None:
    """There is nothing to say but the error."""
    bench = Bench(tmp_path, Failing())
    bench.embedder.away_at_call = 0
    with pytest.raises(ServerError) as raised:
        bench.add(rows(3))
    assert not hasattr(raised.value, "__notes__")
    assert bench.index.catalog() is None
    bench.close()


# Where it is always late: after each library, and after the batch in it.
@pytest.mark.parametrize(("publish_seconds", "generations"), [(60.0, 1), (-1.0, 6)])
def test_small_libraries_may_be_published_together(
    bench: Bench, publish_seconds: float, generations: int
) -> None:
    """One generation holds them all, unless the time to publish has come before."""
    bench.add(notes("first"))
    before = bench.index.generations.current()
    assert before is not None
    three = [notes(each, library=each) for each in "abc"]
    reports = bench.add(*three, together=True, publish_seconds=publish_seconds)
    assert [each.new for each in reports] == [1, 1, 1]
    assert bench.index.generations.current() == before + generations
    catalog = bench.index.catalog()
    assert catalog is not None
    assert set(catalog.libraries) == {"notes", "a", "b", "c"}
    assert bench.titles() == ["a", "b", "c", "first"]


def test_what_fails_takes_those_along_that_were_to_be_published_with_it(
    bench: Bench,
) -> None:
    """Nothing of them is in the index, and nothing of them is embedded twice."""
    bench.add(notes("first"))
    bench.embedder.refused = ("poison",)
    both = [notes("a", library="a"), notes("poison", "poison 2", library="b")]
    with pytest.raises(EmbedderError):
        bench.add(*both, together=True)
    assert bench.titles() == ["first"]
    bench.embedder.refused = ()
    bench.add(*both, together=True)
    assert bench.titles() == ["a", "first", "poison", "poison 2"]
    assert bench.embedder.texts.count("a\nAbout a.") == 1
