"""Judgments through the session's verbs: kept, compared, exported, pooled."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ir_measures
import pandas as pd
import pytest

from contexter_nb import connect
from contexter_nb.core import InvalidArgumentError, UnknownChunkError
from tests.fixtures import ROOT
from tests.notebook.frame import assert_kind, fruit
from tests.notebook.sentence import refusal

QUERY = "a fruit that is red"
GENERATED = {"query": "what becomes prunes", "grade": 3, "origin": "generated"}


@pytest.fixture
def orchard(tmp_path: Path) -> Iterator[Any]:
    """Give a session with three fruits indexed."""
    with connect(home=tmp_path / "home") as nb:
        nb.index(fruit())
        yield nb


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a session with three fruits indexed to a whole module, to be refused by."""
    with connect(home=tmp_path_factory.mktemp("home")) as nb:
        nb.index(fruit())
        yield nb


def id_of(nb: Any, title: str) -> str:
    """Return the chunk id of a fruit."""
    found = nb.search(title, where={"title": title}, limit=1)
    return str(found["chunk_id"].iloc[0])


def test_a_judgment_knows_who_when_and_which_text(orchard: Any) -> None:
    """Its row has the passage as it was, who judged, and when in UTC."""
    apple = id_of(orchard, "apple")
    made = orchard.judge(QUERY, apple.upper(), 3, judged_by="ada")
    assert_kind(made, "judgments")
    kept = orchard.judgments()
    pd.testing.assert_frame_equal(made, kept)
    row = kept.iloc[0]
    assert (row["query"], row["chunk_id"], row["grade"]) == (QUERY, apple, 3)
    assert (row["title"], row["library"], row["judged_by"]) == ("apple", "fruit", "ada")
    assert (row["changed"], row["indexed"], row["origin"]) == (False, True, "person")
    age = pd.Timestamp.now(tz="UTC") - row["judged_at"]
    assert pd.Timedelta(0) <= age < pd.Timedelta("1min")


def test_judging_again_replaces_and_none_takes_back(orchard: Any) -> None:
    """One row a pair; the history has them all, oldest first."""
    apple, pear = id_of(orchard, "apple"), id_of(orchard, "pear")
    for chunk, grade in ((apple, 1), (pear, 0), (apple, 2), (pear, None)):
        orchard.judge(QUERY, chunk, grade)
    assert orchard.judgments()[["title", "grade"]].values.tolist() == [["apple", 2]]
    history = orchard.judgments(history=True)
    assert_kind(history, "judgments")
    assert history["grade"].tolist() == [1, 0, 2, pd.NA]
    assert history["superseded"].tolist() == [True, True, False, False]
    assert orchard.judgments("another question").empty
    assert len(orchard.judgments(f"  {QUERY} ")) == 1


def test_a_changed_passage_and_one_that_is_gone_are_noticed(orchard: Any) -> None:
    """The judgment stays, and says that its passage is no longer what was judged."""
    for title in ("apple", "pear", "plum"):
        orchard.judge(QUERY, id_of(orchard, title), 1)
    table = fruit()
    table.loc[0, "text"] = "An apple may be green as well, and then it is sour."
    orchard.index(table.head(2))
    shown = orchard.judgments().set_index("title")
    assert shown["changed"].to_dict() == {"apple": True, "pear": False, "plum": False}
    assert shown["indexed"].to_dict() == {"apple": True, "pear": True, "plum": False}
    orchard.judge(QUERY, id_of(orchard, "apple"), 0)
    assert not orchard.judgments().set_index("title").loc["apple", "changed"]
    orchard.remove(everything=True)
    assert not orchard.judgments()["indexed"].any()


def test_passages_of_one_document_and_its_twins_are_each_looked_up(
    session: Any,
) -> None:
    """What a search would fold into one hit is still known to be indexed."""
    twins = pd.DataFrame({"title": ["a", "b"], "text": ["Quite the same text."] * 2})
    session.index(twins, name="twins")
    for title in "ab":
        session.judge("same", id_of(session, title), 1)
    assert session.judgments()["indexed"].tolist() == [True, True]


@pytest.mark.parametrize(
    "act",
    [
        lambda nb, chunk: nb.judge("", chunk, 1),
        lambda nb, chunk: nb.judge(QUERY, "abc", 1),
        lambda nb, chunk: nb.judge(QUERY, "f" * 16, 1),
        lambda nb, chunk: nb.judge(QUERY, chunk, 4),
        lambda nb, chunk: nb.judge(QUERY, chunk, True),
        lambda nb, chunk: nb.judge(QUERY, chunk, "good"),
        lambda nb, chunk: nb.judge(QUERY, chunk, 1.5),
        lambda nb, chunk: nb.judge(QUERY, chunk, 1, judged_by=7),
        lambda nb, chunk: nb.judgments(7),
        lambda nb, chunk: nb.export_judgments(7),
        lambda nb, chunk: nb.export_judgments("no such folder/mine.qrels"),
        lambda nb, chunk: nb.export_judgments("."),
        lambda nb, chunk: nb.export_judgments("/"),
        lambda nb, chunk: nb.export_judgments(".."),
        lambda nb, chunk: nb.export_judgments("no\0where"),
        lambda nb, chunk: nb.export_judgments("~nobody here/mine.qrels"),
        lambda nb, chunk: nb.export_judgments("long" * 2_000),
        lambda nb, chunk: nb.import_judgments("no such.qrels"),
        lambda nb, chunk: nb.import_judgments("."),
        lambda nb, chunk: nb.import_judgments("no\0where"),
        lambda nb, chunk: nb.import_judgments("long" * 2_000),
        lambda nb, chunk: nb.import_judgments(7),
        lambda nb, chunk: nb.import_judgments([1]),
        lambda nb, chunk: nb.import_judgments(pd.DataFrame({"query": ["a"]})),
        lambda nb, chunk: nb.import_judgments([(QUERY, chunk, 9)]),
        lambda nb, chunk: nb.pool([], ["text"]),
        lambda nb, chunk: nb.pool(QUERY, ["txet"]),
        lambda nb, chunk: nb.pool(QUERY, depth=0),
        lambda nb, chunk: nb.pool(QUERY, seed=-1),
        lambda nb, chunk: nb.known_items(0),
        lambda nb, chunk: nb.known_items(library="friut"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    untouched: Any, act: Callable[[Any, str], object]
) -> None:
    """A bad argument is refused in a sentence, and nothing is kept."""
    chunk = id_of(untouched, "apple")
    refusal(lambda: act(untouched, chunk))
    assert untouched.judgments().empty


def test_a_passage_that_is_not_indexed_cannot_be_judged(orchard: Any) -> None:
    """The error says so and names the passage."""
    with pytest.raises(UnknownChunkError, match="f{16}"):
        orchard.judge(QUERY, "f" * 16, 1)


@pytest.mark.parametrize("all_of_it", [False, True])
def test_a_judgment_of_what_is_gone_can_be_taken_back(
    orchard: Any, all_of_it: bool
) -> None:
    """Also where nothing is indexed any more; its row says what it was of."""
    apple = id_of(orchard, "apple")
    orchard.judge(QUERY, apple, 3)
    orchard.remove(everything=True) if all_of_it else orchard.remove({"title": "apple"})
    back = orchard.judge(QUERY, apple, None)
    assert back[["title", "library", "indexed"]].values.tolist() == [
        ["apple", "fruit", False]
    ]
    assert orchard.judgments().empty
    with pytest.raises(UnknownChunkError, match=apple):
        orchard.judge(QUERY, apple, None)


def test_judgments_can_be_imported_before_anything_is_indexed(session: Any) -> None:
    """As those of a passage that is not indexed; the index may come later."""
    taken = session.import_judgments([(QUERY, "f" * 16, 2)])
    assert taken[["change", "indexed"]].values.tolist() == [["new", False]]
    assert session.judgments()["grade"].tolist() == [2]


def test_what_is_not_indexed_is_not_searched_for_one_by_one(
    orchard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand judgments of passages that are gone take a search for each batch."""
    searches: list[Any] = []
    search = orchard._verbs._indexed

    async def counted(chunk_ids: Any, query: str) -> Any:
        searches.append(chunk_ids)
        return await search(chunk_ids, query)

    monkeypatch.setattr(orchard._verbs, "_indexed", counted)
    given = [(QUERY, f"{at:012x}0000", 1) for at in range(1_000)]
    assert not orchard.import_judgments(given)["indexed"].any()
    assert len(searches) == 5


def test_judgments_travel_as_trec_files(orchard: Any, tmp_path: Path) -> None:
    """What is exported another home imports; ir-measures reads the same."""
    for title, grade in (("apple", 3), ("pear", 0)):
        orchard.judge(QUERY, id_of(orchard, title), grade)
    path = tmp_path / "mine.qrels"
    written = orchard.export_judgments(path)
    assert_kind(written, "export_judgments")
    assert written["lines"].tolist() == [2, 1]
    kept = orchard.judgments()
    read = [
        (each.query_id, each.doc_id, each.relevance)
        for each in ir_measures.read_trec_qrels(str(path))
    ]
    assert read == list(
        kept[["query_id", "chunk_id", "grade"]].itertuples(index=False, name=None)
    )
    with connect(home=tmp_path / "other") as other:
        other.index(fruit())
        taken = other.import_judgments(path)
        assert_kind(taken, "import_judgments")
        assert taken["change"].tolist() == ["new", "new"]
        same = ["query", "query_id", "chunk_id", "grade", "title", "library"]
        pd.testing.assert_frame_equal(other.judgments()[same], kept[same])
        assert other.judgments()["origin"].unique().tolist() == ["imported"]


def test_ones_own_export_changes_nothing(orchard: Any, tmp_path: Path) -> None:
    """Who, when and origin stay; a row is added only where a grade differs."""
    apple, pear, plum = (id_of(orchard, title) for title in ("apple", "pear", "plum"))
    orchard.judge(QUERY, apple, 3, judged_by="ada")
    orchard.judge(QUERY, pear, 0, judged_by="grace")
    orchard.import_judgments([{**GENERATED, "chunk_id": plum}])
    before = orchard.judgments(history=True)
    path = tmp_path / "mine.qrels"
    orchard.export_judgments(path)
    for again in (path, orchard.judgments()):
        taken = orchard.import_judgments(again)
        assert taken["change"].tolist() == ["unchanged"] * 3
        same = taken.drop(columns="change")
        pd.testing.assert_frame_equal(same, orchard.judgments())
    pd.testing.assert_frame_equal(orchard.judgments(history=True), before)
    assert before["origin"].tolist() == ["person", "person", "generated"]


def test_an_import_says_what_is_new_and_what_it_replaced(orchard: Any) -> None:
    """Another grade replaces, one taken back is new, and of two the last counts."""
    apple, pear, plum = (id_of(orchard, title) for title in ("apple", "pear", "plum"))
    for chunk in (apple, pear, plum):
        orchard.judge(QUERY, chunk, 1, judged_by="ada")
    orchard.judge(QUERY, plum, None)
    given = [(QUERY, apple, 0), (QUERY, apple, 2), (QUERY, pear, 1), (QUERY, plum, 1)]
    taken = orchard.import_judgments(given).set_index("title")
    assert taken["change"].to_dict() == {
        "apple": "replaced",
        "pear": "unchanged",
        "plum": "new",
    }
    assert taken["grade"].to_dict() == {"apple": 2, "pear": 1, "plum": 1}
    kept = orchard.judgments().set_index("title")
    assert kept["grade"].to_dict() == {"apple": 2, "pear": 1, "plum": 1}
    assert kept["origin"].to_dict() == {
        "apple": "imported",
        "pear": "person",
        "plum": "imported",
    }
    assert kept.loc["pear", "judged_by"] == "ada"


def test_foreign_qrels_need_the_text_of_their_queries(
    orchard: Any, tmp_path: Path
) -> None:
    """Ids of others are given their text by a mapping; one without it is named."""
    path = tmp_path / "theirs.qrels"
    path.write_text(f"101 0 {id_of(orchard, 'plum')} 2\n", encoding="utf-8")
    with pytest.raises(InvalidArgumentError, match=r"theirs\.queries\.tsv cannot be"):
        orchard.import_judgments(path)
    with pytest.raises(InvalidArgumentError, match="'101', whose text is not known"):
        orchard.import_judgments(path, queries={"102": QUERY})
    taken = orchard.import_judgments(path, queries={"101": QUERY})
    assert taken[["query", "title", "grade"]].values.tolist() == [[QUERY, "plum", 2]]


@pytest.mark.parametrize(
    "text", [None, "", "long" * 3_000], ids=["none", "empty", "long"]
)
def test_a_query_that_cannot_be_asked_is_what_is_told(
    orchard: Any, tmp_path: Path, text: str | None
) -> None:
    """Of a qrels file, its query is refused by its id, and not its document."""
    path = tmp_path / "theirs.qrels"
    path.write_text(f"101 0 {id_of(orchard, 'plum')} 2\n", encoding="utf-8")
    with pytest.raises(InvalidArgumentError, match="'101', whose text is none: query"):
        orchard.import_judgments(path, queries={"101": text})


def test_a_frame_is_imported_all_or_none(orchard: Any) -> None:
    """One bad row keeps all others out; good rows come in, whoever made them."""
    good = {"query": QUERY, "chunk_id": id_of(orchard, "apple"), "grade": 1}
    with pytest.raises(InvalidArgumentError, match=r"judgments\[1\]"):
        orchard.import_judgments(pd.DataFrame([good, {**good, "grade": 7}]))
    assert orchard.judgments().empty
    assert orchard.import_judgments([good])["origin"].tolist() == ["imported"]
    assert_kind(orchard.import_judgments([]), "import_judgments")


def test_a_pool_is_blind_repeatable_and_leaves_out_what_is_judged(
    orchard: Any,
) -> None:
    """It shows no variant, score or rank; the seed alone decides the order."""
    pool = orchard.pool([QUERY, "prunes"])
    assert_kind(pool, "pool")
    assert not {"variant", "rank", "score", "dense_rank"} & set(pool.columns)
    assert pool["query"].tolist() == [QUERY] * 3 + ["prunes"] * 3
    pd.testing.assert_frame_equal(pool, orchard.pool([QUERY, "prunes"]))
    orders = {tuple(orchard.pool(QUERY, seed=seed)["title"]) for seed in range(9)}
    assert len(orders) > 1
    for row in pool.head(3).itertuples():
        orchard.judge(row.query, row.chunk_id, 0)
    left = orchard.pool([QUERY, "prunes"])
    assert left["query"].unique().tolist() == ["prunes"]
    assert_kind(orchard.pool(QUERY), "pool")
    assert orchard.pool(QUERY).empty


def test_known_items_hide_the_names_they_ask_for(small_session: Any) -> None:
    """Questions are generated, say so, repeat by seed, and lead to one passage."""
    items = small_session.known_items(40)
    assert_kind(items, "known_items")
    assert len(items) == 40
    assert items["query_id"].is_unique
    assert items["origin"].unique().tolist() == ["generated"]
    for row in items.itertuples():
        name = row.title.rpartition(".")[2].lower()
        assert name not in re.split(r"\W+", row.query.lower())
    assert items["query"].str.startswith("how do I ").mean() > 0.4
    assert items["query"].str.split().str.len().between(4, 27).all()
    pd.testing.assert_frame_equal(items, small_session.known_items(40))
    assert not items["title"].equals(small_session.known_items(40, seed=1)["title"])
    only = small_session.known_items(5, "json")
    assert only["library"].unique().tolist() == ["json"]


_JUDGE = """
import sys
import contexter_nb as cx

with cx.connect(home=sys.argv[1]) as nb:
    chunks = nb.search("fruit", mode="dense")["chunk_id"].tolist()
    print("ready", flush=True)
    for number in range(int(sys.argv[3])):
        nb.judge(f"{sys.argv[2]} {number}", chunks[number % 3], number % 4)
        print(number, flush=True)
"""


def start(home: Path, name: str, count: int) -> subprocess.Popen[str]:
    """Start a kernel's worth of judging; it prints what was answered."""
    return subprocess.Popen(
        [sys.executable, "-c", _JUDGE, str(home), name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_two_processes_judge_at_once_and_one_is_killed(
    orchard: Any, tmp_path: Path
) -> None:
    """The living one loses nothing; of the killed one all that was answered stays."""
    living = start(tmp_path / "home", "living", 40)
    killed = start(tmp_path / "home", "killed", 10_000)
    assert killed.stdout is not None
    answered = 0
    for line in killed.stdout:
        if line.strip().isdigit():
            answered = int(line) + 1
        if answered == 15:
            break
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    out, _ = living.communicate(timeout=60)
    assert (living.returncode, len(out.splitlines())) == (0, 41)
    names = orchard.judgments()["query"].str.split().str[0].value_counts()
    assert names["living"] == 40
    assert names["killed"] >= answered
