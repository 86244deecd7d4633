"""What indexing will take is told before any of it is paid for, and comes true."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import contexter_nb as cx
from contexter_nb.core import IndexMismatchError, SystemClock
from contexter_nb.retrieval import (
    EmbeddedIndex,
    EmbeddingCache,
    IndexingTools,
    Pace,
    Packing,
    Problem,
    SourceEstimate,
    StaticEmbedder,
    estimate_source,
    index_sources,
)
from contexter_nb.sandbox import sandbox
from tests.loops import run_really
from tests.notebook.frame import assert_kind
from tests.retrieval.embedder import CountingEmbedder, ListSource, note
from tests.retrieval.test_index import MATCHER
from tests.sandbox.billing import BilledVoyage


class Told(CountingEmbedder):
    """Says how it works: two texts a request, a second each, a dollar a token."""

    packing = Packing(max_texts=2)
    pace = Pace(latency_seconds=1.0)
    usd_per_million_tokens: float | None = 1e6


class Bench:
    """A home to estimate in, and to index into."""

    def __init__(self, folder: Path, embedder: Any = None) -> None:
        self.embedder = embedder or Told()
        self.cache = EmbeddingCache(folder / "embeddings.sqlite")
        self.index = EmbeddedIndex(folder / "index", self.embedder, MATCHER)

    @property
    def tools(self) -> IndexingTools:
        """Return what a job works with."""
        return IndexingTools(
            index=self.index,
            embedder=self.embedder,
            cache=self.cache,
            clock=SystemClock(),
            notify=print,
            progress=lambda _: None,
        )

    def estimate(self, source: ListSource) -> SourceEstimate:
        """Return what a source would take."""
        return run_really(estimate_source(source, self.tools))

    def add(self, source: ListSource) -> None:
        """Index a source."""

        async def main() -> None:
            async for _ in index_sources([source], self.tools):
                pass

        run_really(main())

    def close(self) -> None:
        """Give files back."""
        self.index.close()
        self.cache.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give an empty home with an embedder that says how it works."""
    made = Bench(tmp_path)
    yield made
    made.close()


def notes(count: int, word: str = "Word") -> ListSource:
    """Return a source of different notes."""
    return ListSource([note(f"note {at}", f"{word} {at}.") for at in range(count)])


def test_nothing_is_embedded_nor_written(bench: Bench, tmp_path: Path) -> None:
    """The figures are those of the embedder's own packing, pace and price."""
    found = bench.estimate(notes(5))
    told = found.estimate
    assert (told.texts, told.cached, told.requests, found.unchanged) == (5, 0, 3, 0)
    assert told.seconds == 3.0
    assert told.usd == told.tokens > 0
    assert not bench.embedder.texts
    assert bench.index.catalog() is None
    assert bench.cache.size()[0] == 0
    assert bench.cache.counts().lookups == 0


def test_what_is_stored_or_kept_is_not_paid_for_again(bench: Bench) -> None:
    """Unchanged passages are left out, and vectors that are cached cost nothing."""
    bench.add(notes(4))
    same = bench.estimate(notes(4))
    assert (same.unchanged, same.estimate.texts, same.estimate.usd) == (4, 0, 0.0)
    assert same.estimate.seconds == 0.0
    more = bench.estimate(notes(6))
    assert (more.unchanged, more.estimate.texts, more.estimate.requests) == (4, 2, 1)
    bench.add(ListSource([]))
    kept = bench.estimate(notes(6))
    assert (kept.unchanged, kept.estimate.texts, kept.estimate.cached) == (0, 6, 4)
    before = len(bench.embedder.texts)
    bench.add(notes(6))
    assert len(bench.embedder.texts) - before == 2


def test_what_is_indexed_as_it_stands_is_not_read_again(bench: Bench) -> None:
    """Indexing would not read it, either; a source that changed is."""
    source = notes(4)
    source.print_of = "one"
    bench.add(source)
    assert source.collected == 1
    found = bench.estimate(source)
    assert source.collected == 1
    assert (found.unchanged, found.version, found.problems) == (4, "1", ())
    told = found.estimate
    assert (told.texts, told.requests, told.usd, told.seconds) == (0, 0, 0.0, 0.0)
    source.print_of = "two"
    source.documents.append(note("more", "More."))
    assert bench.estimate(source).estimate.texts == 1
    assert source.collected == 2


def test_a_text_that_comes_twice_is_paid_for_once(bench: Bench) -> None:
    """Within a source, by its content; and a passage of one id is stored once."""
    twice = ListSource([note("same", "Same."), note("same", "Same.")])
    found = bench.estimate(twice)
    assert found.estimate.texts - found.estimate.cached == 1
    bench.add(twice)
    assert len(bench.embedder.texts) == 1


def test_problems_of_a_source_are_told(bench: Bench) -> None:
    """What cannot be read is known before it is paid for."""
    problem = Problem(library="notes", version="", title="x", error="is empty")
    source = ListSource([note("a", "A.")], problems=[problem])
    assert bench.estimate(source).problems == (problem,)


def test_a_document_that_cannot_be_cut_is_a_problem(bench: Bench) -> None:
    """As in indexing: it costs one row, and the others are estimated."""
    bad = note("bad.ipynb", "{no json", markup="notebook")
    found = bench.estimate(ListSource([bad, note("good", "Fine.")]))
    assert found.estimate.texts == 1
    ((title, error),) = [(each.title, each.error) for each in found.problems]
    assert title == "bad.ipynb"
    assert error.startswith("cannot be cut into passages")


def test_the_verbs_name_a_document_that_cannot_be_cut(tmp_path: Path) -> None:
    """A file that is no notebook is a row with an error, in docs and estimates, too."""
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "bad.ipynb").write_text("{no json")
    (folder / "good.md").write_text("# Good\nFine.")
    with cx.connect(home=tmp_path / "home") as nb:
        for frame in (nb.docs(folder), nb.estimate(folder), nb.index(folder)):
            (error,) = frame["error"].dropna()
            assert error.startswith("cannot be cut into passages: JSONDecodeError")
        assert nb.docs(folder)["title"].str.contains("good.md").any()


def test_another_model_s_index_is_refused(bench: Bench, tmp_path: Path) -> None:
    """Before the source is read."""
    bench.add(notes(1))
    other = Bench(tmp_path, Told(identity="other"))
    source = notes(1)
    with pytest.raises(IndexMismatchError, match="was built with 'counting'"):
        other.estimate(source)
    assert source.collected == 0
    other.close()


def test_an_embedder_that_says_nothing_is_told_so(tmp_path: Path) -> None:
    """Tokens are estimated; what it costs and takes is not known."""
    bench = Bench(tmp_path, CountingEmbedder())
    told = bench.estimate(notes(2)).estimate
    assert told.usd is None
    assert math.isnan(told.seconds)
    assert "does not say what it costs" in told.assumption
    bench.close()


def test_an_unknown_price_is_not_free(tmp_path: Path) -> None:
    """It is missing, and the sentence says how to give it."""

    class Unpriced(Told):
        usd_per_million_tokens = None

    bench = Bench(tmp_path, Unpriced())
    told = bench.estimate(notes(2)).estimate
    assert told.usd is None
    assert "No price of" in told.assumption
    bench.close()


def test_the_keyless_model_is_free(tmp_path: Path) -> None:
    """It takes time and no money."""
    bench = Bench(tmp_path, StaticEmbedder())
    told = bench.estimate(notes(3)).estimate
    assert (told.usd, told.texts) == (0.0, 3)
    assert 0 < told.seconds < 10
    bench.close()


def long_rows(count: int) -> pd.DataFrame:
    """Return a table of texts of some 90 tokens."""
    table = pd.DataFrame(
        {
            "text": [
                f"row {at}: " + "the quick brown fox jumps " * 18 for at in range(count)
            ]
        }
    )
    table.attrs["name"] = "long"
    return table


def test_on_voyage_the_estimate_comes_true(tmp_path: Path) -> None:
    """Requests exactly, tokens and US dollars nearly, on the service's own bill."""
    service = BilledVoyage()
    with sandbox(service) as box:
        told = {name.lower(): value for name, value in box.environment().items()}
        with cx.connect(home=tmp_path, **told) as nb:
            frame = nb.estimate(long_rows(1_500))
            assert_kind(frame, "estimate")
            (row,) = frame.to_dict("records")
            assert (row["chunks"], row["embedded"], row["in_cache"]) == (1500, 1500, 0)
            assert service.tokens == 0
            nb.index(long_rows(1_500))
            sent = [each for each in box.log() if each.method == "POST"]
            assert len(sent) == row["requests"]
            # Rather too much than too little.
            assert service.tokens == pytest.approx(row["tokens"], rel=0.2)
            assert service.tokens <= 1.02 * row["tokens"]
            spent = nb.costs()
            assert spent["usd"].sum() == pytest.approx(row["usd"], rel=0.2)
            nb.remove("long")
            kept = nb.estimate(long_rows(1_501)).iloc[0]
            assert (kept["in_cache"], kept["embedded"]) == (1500, 1)


def test_several_libraries_have_a_row_each(tmp_path: Path) -> None:
    """And an embedder's silence is a missing number in the frame."""

    class Silent(CountingEmbedder):
        async def embed(self, texts: Sequence[str], input_type: str) -> Any:
            raise AssertionError("nothing is embedded")

    with cx.connect(home=tmp_path, embedder=Silent()) as nb:
        frame = nb.estimate(["textwrap", long_rows(2)])
    assert_kind(frame, "estimate")
    assert frame["library"].tolist() == ["textwrap", "long"]
    assert frame["usd"].isna().all()
    assert frame["seconds"].isna().all()
