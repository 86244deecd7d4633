"""Every verb answers a frame of declared columns, with what it promises in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contexter_nb.core import EmptyIndexError
from tests.notebook.frame import assert_kind, fruit

NOWHERE = {"library": {"not": ["textwrap", "json", "httpx"]}}

Ask = Callable[[Any], pd.DataFrame]


def first_id(nb: Any, query: str = "shorten a text to a width") -> str:
    """Return the chunk id of the best hit."""
    return str(nb.search(query, limit=1)["chunk_id"].iloc[0])


WITH_ROWS: list[tuple[str, str, Ask]] = [
    ("status", "status", lambda nb: nb.status()),
    ("libraries", "libraries", lambda nb: nb.libraries("textwrap")),
    ("docs", "docs", lambda nb: nb.docs("textwrap")),
    ("search", "search", lambda nb: nb.search("shorten a text")),
    ("search in words", "search", lambda nb: nb.search("shorten", mode="text")),
    ("search by meaning", "search", lambda nb: nb.search("cut", mode="dense")),
    ("similar", "search", lambda nb: nb.similar(first_id(nb))),
    ("explain", "explain", lambda nb: nb.explain("shorten", first_id(nb))),
    ("embed", "embed", lambda nb: nb.embed(["a slider", "a button"])),
    ("similarity", "similarity", lambda nb: nb.similarity(["a", "b"])),
    ("contents", "contents", lambda nb: nb.contents()),
]
WITHOUT_ROWS: list[tuple[str, str, Ask]] = [
    ("libraries", "libraries", lambda nb: nb.libraries("no such thing at all")),
    ("docs on a topic", "docs", lambda nb: nb.docs("textwrap", "qwertz zzz")),
    ("docs of a table", "docs", lambda nb: nb.docs(fruit().head(0))),
    ("search", "search", lambda nb: nb.search("shorten", where=NOWHERE)),
    ("search in words", "search", lambda nb: nb.search("qwertz", mode="text")),
    ("similar", "search", lambda nb: nb.similar(first_id(nb), where=NOWHERE)),
    ("embed", "embed", lambda nb: nb.embed([])),
    ("similarity", "similarity", lambda nb: nb.similarity([])),
    ("similarity with nothing", "similarity", lambda nb: nb.similarity("a", [])),
]


def table(cases: list[tuple[str, str, Ask]]) -> pytest.MarkDecorator:
    """Return cases as parameters, named by their first item."""
    return pytest.mark.parametrize(
        ("kind", "ask"),
        [(kind, ask) for _, kind, ask in cases],
        ids=[name for name, _, _ in cases],
    )


@table(WITH_ROWS)
def test_columns_are_those_declared_when_there_are_rows(
    reader: Any, kind: str, ask: Ask
) -> None:
    """An answer has exactly the declared columns and dtypes."""
    frame = ask(reader)
    assert len(frame)
    assert_kind(frame, kind)


@table(WITHOUT_ROWS)
def test_columns_are_those_declared_when_there_are_no_rows(
    reader: Any, kind: str, ask: Ask
) -> None:
    """An answer without rows has the columns and dtypes of one with rows."""
    frame = ask(reader)
    assert frame.empty
    assert_kind(frame, kind)


def test_columns_are_those_declared_when_the_index_is_written(session: Any) -> None:
    """The verbs that write answer the declared columns, with rows and without."""
    assert_kind(session.contents(), "contents")
    assert_kind(session.remove(everything=True), "remove")
    assert_kind(session.optimize(), "optimize")
    assert_kind(session.index(fruit().head(0)), "index")
    assert_kind(session.index(fruit()), "index")
    assert_kind(session.remove({"title": "no such title"}), "remove")
    assert_kind(session.remove({"title": "apple"}), "remove")
    optimized = session.optimize()
    assert_kind(optimized, "optimize")
    assert optimized["chunks"].tolist() == [2]
    assert_kind(session.close(), "status")


def test_an_empty_home_shows_that_nothing_is_indexed(session: Any) -> None:
    """Before the first index contents is empty, and searching says how to begin."""
    assert session.contents().empty
    assert session.optimize()[["chunks", "optimized"]].values.tolist() == [[0, False]]
    with pytest.raises(EmptyIndexError, match=r"^Nothing is indexed yet.*nb\.index"):
        session.search("anything")


def test_status_names_what_answers(reader: Any) -> None:
    """Embedder, index and both caches are embedded, healthy and answer in time."""
    frame = reader.status()
    assert frame["service"].tolist() == ["embedder", "index", "cache", "answers"]
    assert frame["healthy"].all()
    assert frame["mode"].unique().tolist() == ["embedded"]
    assert (frame["latency_ms"] >= 0).all()
    assert "3 libraries" in frame.loc[1, "detail"]


def test_libraries_are_sorted_and_carry_what_is_indexed(reader: Any) -> None:
    """Distributions come first, by name; an indexed one has its indexed version."""
    frame = reader.libraries()
    assert frame["source"].tolist() == sorted(frame["source"])
    for _, part in frame.groupby("source"):
        names = part["library"].str.lower().tolist()
        assert names == sorted(names)
    indexed = frame[frame["indexed_version"].notna()]
    assert set(indexed["library"]) == {"httpx", "json", "textwrap"}
    assert (indexed["indexed_version"] == indexed["version"]).all()
    assert indexed["import_names"].map(type).unique().tolist() == [tuple]


def test_libraries_are_those_asked_for_when_filtered(reader: Any) -> None:
    """A query matches names and summaries in any case; a source keeps its own."""
    found = reader.libraries("HTTPX")
    assert found["library"].iloc[0] == "httpx"
    assert set(reader.libraries(source="stdlib")["source"]) == {"stdlib"}
    assert set(reader.libraries("json", source="installed")["source"]) <= {"installed"}


def test_docs_keeps_the_passages_on_a_topic(reader: Any) -> None:
    """A topic keeps passages with all its words; several topics add up."""
    everything = reader.docs("textwrap")
    on_dedent = reader.docs("textwrap", topics="DEDENT")
    assert 0 < len(on_dedent) < len(everything)
    holds = (on_dedent["title"] + " " + on_dedent["text"]).str.lower()
    assert holds.str.contains("dedent").all()
    both = reader.docs("textwrap", topics=["dedent", "placeholder"])
    placeholder = reader.docs("textwrap", topics="placeholder")
    together = {*on_dedent["chunk_id"], *placeholder["chunk_id"]}
    assert set(both["chunk_id"]) == together
    none = reader.docs("textwrap", topics="dedent qwertz")
    assert none.empty


def test_docs_shows_what_index_stores(session: Any) -> None:
    """The passages shown before indexing are those found afterwards."""
    shown = session.docs("textwrap")
    session.index("textwrap")
    found = session.search("text", limit=100, mode="dense")
    assert set(found["chunk_id"]) <= set(shown["chunk_id"])
    assert int(session.contents()["chunks"].sum()) == len(shown)
    assert int(session.contents()["tokens"].sum()) == shown["tokens"].sum()


def test_docs_shows_a_problem_as_a_row(session: Any) -> None:
    """A row without text has an error and no text; the others have no error."""
    bad = fruit(text=["An apple is red.", None, "Plums are dried."])
    frame = session.docs(bad)
    assert frame["error"].notna().sum() == 1
    problem = frame[frame["error"].notna()].iloc[0]
    assert (problem["title"], problem["text"]) == ("pear", "")
    assert "row 1 has no text" in problem["error"]
    assert_kind(frame, "docs")


def test_index_takes_a_library_a_table_a_folder_and_a_list(
    session: Any, tmp_path: Path
) -> None:
    """All that can be named is indexed, a row each, in the order asked for."""
    guide = tmp_path / "guide"
    guide.mkdir()
    (guide / "start.md").write_text("# Start\n\nInstall with pip.\n")
    (guide / "deep").mkdir()
    (guide / "deep" / "more.rst").write_text("More\n====\n\nOptions abound.\n")
    page = tmp_path / "page.txt"
    page.write_text("A page about winter.\n")
    report = session.index([guide, "textwrap", fruit(), str(page)])
    assert report["library"].tolist() == ["guide", "textwrap", "fruit", "page.txt"]
    assert (report["failed"] == 0).all()
    assert report["documents"].tolist()[0] == 2
    contents = session.contents().set_index("library")
    assert list(contents.index) == sorted(contents.index)
    assert contents["source"].to_dict() == {
        "fruit": "frame",
        "guide": "folder",
        "page.txt": "folder",
        "textwrap": "stdlib",
    }


def test_index_does_nothing_when_nothing_changed(session: Any, tmp_path: Path) -> None:
    """The second time all passages are unchanged and no text is embedded."""
    guide = tmp_path / "guide"
    guide.mkdir()
    (guide / "a.md").write_text("# A\n\nAlpha.\n")
    what = [guide, "textwrap", fruit()]
    first, second = session.index(what), session.index(what)
    assert first["new"].tolist() == first["chunks"].tolist()
    assert second["library"].tolist() == first["library"].tolist()
    assert second["unchanged"].tolist() == first["chunks"].tolist()
    for column in ("new", "removed", "failed", "embedded", "tokens"):
        assert second[column].sum() == 0, column


def test_index_reports_what_changed_when_a_folder_did(
    session: Any, tmp_path: Path
) -> None:
    """One page changed, one is gone and one stayed: the report counts each."""
    for name in ("a", "b", "c"):
        (tmp_path / "guide").mkdir(exist_ok=True)
        (tmp_path / "guide" / f"{name}.md").write_text(f"# {name}\n\nPage {name}.\n")
    session.index(tmp_path / "guide")
    (tmp_path / "guide" / "a.md").write_text("# a\n\nPage a, written anew.\n")
    (tmp_path / "guide" / "b.md").unlink()
    report = session.index(tmp_path / "guide").iloc[0]
    assert report[["new", "unchanged", "removed", "chunks"]].tolist() == [1, 1, 1, 2]
    hits = session.search("page", limit=10)
    assert sorted(hits["title"]) == ["a.md › a", "c.md › c"]
    assert hits["text"].str.contains("written anew").any()


def test_index_keeps_the_order_asked_for_when_some_are_known(session: Any) -> None:
    """A library indexed before stands where it was asked for, not first."""
    session.index(fruit("second"))
    report = session.index([fruit("first"), fruit("second"), fruit("third")])
    assert report["library"].tolist() == ["first", "second", "third"]
    assert report["unchanged"].tolist() == [0, 3, 0]


def test_index_gives_a_row_to_each_problem(session: Any) -> None:
    """A document that fails has a row below its library's, which counts it."""
    report = session.index(fruit(text=["An apple.", None, "Plums."]))
    assert report["library"].tolist() == ["fruit", "fruit"]
    assert report["failed"].tolist() == [1, 0]
    assert report["document"].isna().tolist() == [True, False]
    assert report["error"].isna().tolist() == [True, False]
    assert report.loc[1, "document"] == "pear"


def test_index_drops_no_source_when_two_have_one_name(
    session: Any, tmp_path: Path
) -> None:
    """Two folders called docs are both indexed, or refused: never one in silence."""
    folders = [tmp_path / name / "docs" for name in ("one", "two")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / f"{folder.parent.name}.md").write_text("# Page\n\nA page.\n")
    try:
        session.index(folders)
    except ValueError as refused:
        assert "docs" in str(refused)
    else:
        assert int(session.contents()["documents"].sum()) == 2


def test_index_calls_a_table_by_its_given_name(session: Any) -> None:
    """A name wins over the table's own; a table without one is called table."""
    assert session.index(fruit(), name="orchard")["library"].tolist() == ["orchard"]
    nameless = fruit()
    nameless.attrs.clear()
    assert session.index(nameless)["library"].tolist() == ["table"]


def test_index_says_when_one_nameless_table_takes_the_place_of_another(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is gone is told of; a table that changed in part, or has a name, is not."""
    told: list[str] = []
    monkeypatch.setattr(session.aio._verbs, "notify", told.append)
    session.index(pd.DataFrame({"text": ["An apple is red.", "A pear is soft."]}))
    session.index(pd.DataFrame({"text": ["An apple is red.", "Plums are dried."]}))
    other = pd.DataFrame({"text": ["The moon is far.", "The sun is hot."]})
    session.index(other, name="sky")
    assert told == []
    session.index(other)
    (said,) = told
    assert "took the place of what was indexed as 'table' (2 passages)" in said


def test_index_reads_a_folder_of_the_working_directory_by_its_name(
    session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder's plain name is enough where no library is called so."""
    (tmp_path / "guide_of_ours").mkdir()
    (tmp_path / "guide_of_ours" / "a.md").write_text("# A\n\nAlpha.\n")
    monkeypatch.chdir(tmp_path)
    assert session.index("guide_of_ours")["documents"].tolist() == [1]


def test_source_decides_when_it_is_given(session: Any) -> None:
    """A module of the standard library is found as such and not as installed."""
    assert set(session.docs("textwrap", source="stdlib")["source"]) == {"stdlib"}
    with pytest.raises(ValueError, match="textwrap"):
        session.docs("textwrap", source="installed")


def test_search_carries_how_it_was_asked(reader: Any) -> None:
    """The frame's attrs have query, mode, limit, filter, timings, tokens and cost."""
    where = {"library": "textwrap"}
    frame = reader.search("  shorten a text ", limit=3, where=where)
    attrs = dict(frame.attrs)
    timings = attrs.pop("timings_ms")
    assert attrs == {
        "query": "shorten a text",
        "mode": "hybrid",
        "limit": 3,
        "where": where,
        "tokens": attrs["tokens"],
        "usd": 0.0,
    }
    assert attrs["tokens"] > 0
    assert sorted(timings) == ["embed", "search"]
    assert all(value >= 0 for value in timings.values())
    assert frame.head(1).attrs["query"] == "shorten a text"
    assert reader.search("shorten", mode="text").attrs["tokens"] == 0


def test_search_keeps_how_it_was_asked_when_the_filter_changes(reader: Any) -> None:
    """The attrs are the frame's own: a list that is reused does not rewrite them."""
    where = {"library": ["json"]}
    frame = reader.search("parse", where=where)
    where["library"].append("httpx")
    assert frame.attrs["where"] == {"library": ["json"]}


@pytest.mark.parametrize("mode", ["hybrid", "dense", "text"])
def test_search_ranks_best_first(reader: Any, mode: str) -> None:
    """Ranks count from 1 and scores fall; no passage comes twice; limit holds."""
    frame = reader.search("shorten a text to a width", limit=7, mode=mode)
    assert frame["rank"].tolist() == list(range(1, len(frame) + 1))
    assert 0 < len(frame) <= 7
    assert frame["score"].is_monotonic_decreasing
    assert frame["chunk_id"].is_unique
    assert frame["chunk_id"].str.fullmatch(r"[0-9a-f]{16}").all()


def test_search_has_the_ranks_of_the_parts_it_asked(reader: Any) -> None:
    """A mode fills its own part's rank; hybrid has at least one of both."""
    dense = reader.search("shorten a text", mode="dense")
    assert dense["dense_rank"].tolist() == dense["rank"].tolist()
    assert dense["text_rank"].isna().all()
    text = reader.search("shorten a text", mode="text")
    assert text["text_rank"].tolist() == text["rank"].tolist()
    assert text["dense_rank"].isna().all()
    hybrid = reader.search("shorten a text", limit=20)
    assert hybrid[["dense_rank", "text_rank"]].notna().any(axis=1).all()


def test_search_finds_the_same_when_exact(reader: Any) -> None:
    """Without an approximate index an exact search changes nothing."""
    one = reader.search("shorten a text")
    two = reader.search("shorten a text", exact=True)
    pd.testing.assert_frame_equal(one, two)


def test_search_weighs_its_parts(reader: Any) -> None:
    """With the weight on words alone the best hit is the best by words."""
    question = "shorten a text to a width"
    words = {"dense": 0, "terms": 0, "text": 1}
    frame = reader.search(question, weights=words, limit=5)
    assert frame["text_rank"].notna().all()


FILTERS: list[tuple[dict[str, Any], Callable[[pd.DataFrame], pd.Series]]] = [
    ({"library": "json"}, lambda hits: hits["library"] == "json"),
    ({"library": ["json", "httpx"]}, lambda hits: hits["library"] != "textwrap"),
    ({"library": {"not": "httpx"}}, lambda hits: hits["library"] != "httpx"),
    (
        {"library": {"not": ["httpx", "json"]}},
        lambda hits: hits["library"] == "textwrap",
    ),
    ({"kind": "function"}, lambda hits: hits["kind"] == "function"),
    (
        {"title": {"prefix": "textwrap."}},
        lambda hits: hits["title"].str.startswith("textwrap."),
    ),
    ({"title": "textwrap.fill"}, lambda hits: hits["title"] == "textwrap.fill"),
    (
        {"kind": "method", "library": "httpx"},
        lambda hits: (hits["kind"] == "method") & (hits["library"] == "httpx"),
    ),
    ({"library": "httpx", "source": "stdlib"}, lambda hits: hits["rank"] < 1),
    ({"source": "stdlib"}, lambda hits: hits["library"] != "httpx"),
    ({}, lambda hits: hits["rank"] > 0),
]


@pytest.mark.parametrize(("where", "holds"), FILTERS, ids=[str(f) for f, _ in FILTERS])
@pytest.mark.parametrize("mode", ["hybrid", "text"])
def test_search_keeps_to_its_filter(
    reader: Any, mode: str, where: dict[str, Any], holds: Any
) -> None:
    """Every hit matches the filter, and a filter that some match leaves hits."""
    hits = reader.search("text", limit=50, mode=mode, where=where)
    assert holds(hits).all()
    assert bool(len(hits)) is (set(where) != {"library", "source"})


@pytest.mark.parametrize(
    ("bounds", "keeps"),
    [
        ({"gte": 100}, lambda tokens: tokens >= 100),
        ({"gt": 40, "lte": 100}, lambda tokens: (tokens > 40) & (tokens <= 100)),
        ({"lt": 60}, lambda tokens: tokens < 60),
    ],
)
def test_search_keeps_to_a_range(
    reader: Any, bounds: dict[str, int], keeps: Any
) -> None:
    """A range on tokens keeps exactly the passages of that length."""
    lengths = reader.docs("textwrap").set_index("chunk_id")["tokens"]
    where = {"library": "textwrap", "tokens": bounds}
    hits = reader.search("text", limit=100, mode="dense", where=where)
    assert len(hits)
    assert keeps(lengths.loc[hits["chunk_id"]]).all()


def test_search_takes_numbers_from_a_frame(reader: Any) -> None:
    """A limit or a bound that numpy counted is a number like any other."""
    frame = reader.docs("textwrap")
    longest = frame["tokens"].max()
    assert isinstance(longest, np.int64)
    where = {"library": "textwrap", "tokens": {"gte": longest}}
    assert len(reader.search("text", where=where)) == 1
    assert len(reader.search("text", limit=np.int64(3))) == 3


def test_search_matches_all_when_a_prefix_is_empty(reader: Any) -> None:
    """Every text begins with nothing: an empty prefix is refused or keeps all."""
    try:
        hits = reader.search("text", where={"title": {"prefix": ""}})
    except ValueError as refused:
        assert "prefix" in str(refused)
    else:
        assert len(hits) == 10


def test_similar_leaves_out_the_passage_itself(reader: Any) -> None:
    """Neighbours are of other documents, nearest first, by cosine."""
    chunk_id = first_id(reader)
    frame = reader.similar(chunk_id, limit=5)
    assert len(frame) == 5
    assert chunk_id not in set(frame["chunk_id"])
    assert frame["score"].is_monotonic_decreasing
    assert frame["score"].between(-1, 1.0001).all()
    assert frame["text_rank"].isna().all()
    assert frame.attrs == {"similar_to": chunk_id, "limit": 5, "where": None}
    only = reader.similar(chunk_id, where={"library": "json"})
    assert set(only["library"]) == {"json"}


def test_explain_agrees_with_search(reader: Any) -> None:
    """The ranks explained for the best hit are those it was found at."""
    question = "shorten a text to a width"
    best = reader.search(question, limit=1).iloc[0]
    frame = reader.explain(question, best["chunk_id"])
    assert frame["part"].tolist() == ["dense", "text", "terms", "hybrid"]
    ranks = frame.set_index("part")["rank"]
    assert ranks["hybrid"] == 1
    assert ranks["dense"] == best["dense_rank"]
    assert ranks["text"] == best["text_rank"]
    assert frame["note"].str.len().gt(0).all()
    assert frame.attrs["title"] == best["title"]


def test_explain_says_that_the_filter_excludes_it(reader: Any) -> None:
    """A passage outside the filter has no rank, and each part says why."""
    chunk_id = first_id(reader)
    frame = reader.explain("shorten", chunk_id, where={"library": "json"})
    assert frame["rank"].isna().all()
    assert (frame["note"] == "the filter excludes it").all()


def test_embed_answers_in_the_order_asked(session: Any) -> None:
    """A row a text, in order, of unit length; a second call takes them from cache."""
    texts = ["zebra", "apple", "zebra", "a slider"]
    first = session.embed(texts)
    assert first["text"].tolist() == texts
    vectors = np.stack(first["embedding"].tolist())
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-4)
    assert (vectors[0] == vectors[2]).all()
    assert not first["cached"].any()
    second = session.embed(texts)
    assert second["cached"].all()
    assert second["tokens"].tolist() == first["tokens"].tolist()
    assert first.attrs["embedder"] in session.status().loc[0, "detail"]


def test_similarity_is_symmetric(session: Any) -> None:
    """The cosine of a with b is that of b with a, and 1 with itself."""
    texts = ["delete a row", "drop a record", "plot a line"]
    frame = session.similarity(texts)
    assert frame["a"].tolist() == [one for one in texts for _ in texts]
    assert frame["b"].tolist() == texts * 3
    matrix = frame["cosine"].to_numpy().reshape(3, 3)
    assert matrix == pytest.approx(matrix.T, abs=1e-6)
    assert np.diag(matrix) == pytest.approx(1, abs=1e-4)
    assert (np.abs(matrix) <= 1).all()
    there = session.similarity(texts[0], texts[1])["cosine"].iloc[0]
    back = session.similarity(texts[1], texts[0])["cosine"].iloc[0]
    assert there == pytest.approx(back, abs=1e-6)
    assert matrix[0, 1] > matrix[0, 2]


def make_distribution(site: Path, version: str) -> None:
    """Install a small distribution in a folder, in place of an older one."""
    for old in site.glob("orchard_nb*"):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    site.mkdir(exist_ok=True)
    code = f'"""An orchard of version {version}."""\n\n\n'
    code += 'def prune(tree):\n    """Cut the dead wood out of a tree."""\n'
    (site / "orchard_nb.py").write_text(code)
    told = site / f"orchard_nb-{version}.dist-info"
    told.mkdir()
    lines = f"Metadata-Version: 2.1\nName: orchard-nb\nVersion: {version}\n"
    (told / "METADATA").write_text(f"{lines}Summary: Trees\n")
    (told / "RECORD").write_text("orchard_nb.py,,\n")


def test_contents_shows_whether_it_is_what_is_installed(
    session: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library is current, then outdated once upgraded, then not installed."""
    site = tmp_path / "site"
    make_distribution(site, "1.0")
    monkeypatch.syspath_prepend(str(site))
    assert session.index("orchard_nb")["version"].tolist() == ["1.0"]

    def shown() -> list[Any]:
        row = session.contents().set_index("library").loc["orchard-nb"]
        return row[["version", "installed_version", "state"]].tolist()

    assert shown() == ["1.0", "1.0", "current"]
    make_distribution(site, "2.0")
    assert shown() == ["1.0", "2.0", "outdated"]
    shutil.rmtree(site)
    version, installed, state = shown()
    assert (version, pd.isna(installed), state) == ("1.0", True, "not installed")


def test_contents_shows_a_library_with_problems_as_incomplete(session: Any) -> None:
    """What could not be indexed in full is shown so; a table is current else."""
    session.index(fruit("bad", text=["An apple.", None, "Plums."]))
    session.index(fruit("good"))
    states = session.contents().set_index("library")["state"].to_dict()
    assert states == {"bad": "incomplete", "good": "current"}


def test_contents_counts_and_dates(session: Any) -> None:
    """Documents, passages and tokens are counted; the date is aware and just now."""
    before = pd.Timestamp.now("UTC").floor("s")
    session.index(fruit())
    row = session.contents().iloc[0]
    assert (row["documents"], row["chunks"]) == (3, 3)
    assert row["tokens"] > 0
    assert before <= row["indexed_at"] <= pd.Timestamp.now("UTC")


def test_remove_takes_a_library_by_name(session: Any) -> None:
    """The named library is gone, the other one stays and is still found."""
    session.index([fruit("one"), fruit("two")])
    gone = session.remove("one")
    assert gone[["library", "removed", "chunks"]].values.tolist() == [["one", 3, 0]]
    assert session.contents()["library"].tolist() == ["two"]
    assert set(session.search("apple", limit=10)["library"]) == {"two"}


def test_remove_takes_what_a_filter_matches(session: Any) -> None:
    """A filter takes its passages of every library; the next index brings them."""
    session.index([fruit("one"), fruit("two")])
    gone = session.remove({"title": ["apple", "plum"]})
    assert gone["library"].tolist() == ["one", "two"]
    assert gone[["removed", "chunks"]].values.tolist() == [[2, 1], [2, 1]]
    assert session.contents()["state"].tolist() == ["incomplete", "incomplete"]
    again = session.index(fruit("one"))
    assert again[["new", "embedded"]].values.tolist() == [[2, 0]]
    assert session.contents()["chunks"].tolist() == [3, 1]


def test_remove_everything_empties_the_index(session: Any) -> None:
    """Nothing is left, and the index can be filled again."""
    session.index([fruit("one"), fruit("two")])
    gone = session.remove(everything=True)
    assert gone["library"].tolist() == ["one", "two"]
    assert gone["chunks"].tolist() == [0, 0]
    assert session.contents().empty
    with pytest.raises(EmptyIndexError):
        session.search("apple")
    assert session.index(fruit("one"))["chunks"].tolist() == [3]


def test_optimize_changes_no_answer(session: Any) -> None:
    """It answers one row, and a search finds afterwards what it found before."""
    session.index([fruit("one"), fruit("two", text=["Cats", "Dogs", "Cows"])])
    session.remove("two")
    before = session.search("apple")
    frame = session.optimize()
    assert frame["chunks"].tolist() == [3]
    assert (frame["seconds"] >= 0).all()
    pd.testing.assert_frame_equal(session.search("apple"), before)
