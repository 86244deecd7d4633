"""Experiments: figures of trec_eval, tests of SciPy, nothing paid for in vain."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytrec_eval
import scipy.stats

from contexter_nb import connect
from contexter_nb.core import ContexterError, EmptyIndexError, InvalidArgumentError
from contexter_nb.frames import make_frame
from tests.fixtures import ROOT
from tests.notebook.frame import assert_kind, fruit
from tests.notebook.sentence import refusal
from tests.retrieval.embedder import CountingEmbedder

MODES = ["hybrid", "dense", "text"]
TREC = {"nDCG@10": "ndcg_cut_10", "R@5": "recall_5", "RR": "recip_rank", "AP": "map"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a session on textwrap and json, and its own experiments, to a module."""
    with connect(home=tmp_path_factory.mktemp("lab")) as nb:
        nb.index(["textwrap", "json"])
        yield nb


@pytest.fixture(scope="module")
def items(lab: Any) -> pd.DataFrame:
    """Give generated questions with graded judgments, three passages each."""
    made = lab.known_items(30)
    rows = made.to_dict("records")
    for row in made.to_dict("records"):
        near = lab.similar(row["chunk_id"], limit=2)
        for grade, chunk in zip((1, 0), near["chunk_id"], strict=False):
            rows.append({**row, "chunk_id": chunk, "grade": grade, "title": ""})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def found(lab: Any, items: pd.DataFrame) -> pd.DataFrame:
    """Give the summary of all modes on these questions."""
    return lab.experiment(items, MODES, metrics=list(TREC))


def runs_of(nb: Any, frame: pd.DataFrame) -> dict[str, Any]:
    """Return an experiment as it is kept on disk."""
    name = f"{frame.attrs['experiment_id']}.json"
    kept = nb.aio._verbs.home / "experiments" / name
    return dict(json.loads(kept.read_text(encoding="utf-8")))


def test_figures_are_those_of_trec_eval_on_the_run_files(
    lab: Any, items: pd.DataFrame, found: pd.DataFrame
) -> None:
    """Every value of every query equals what trec_eval makes of the kept hits."""
    assert_kind(found, "experiment")
    kept = runs_of(lab, found)
    qrels: dict[str, dict[str, int]] = {}
    for row in items.itertuples():
        own = qrels.setdefault(row.query_id, {})
        own[row.chunk_id[:12]] = max(int(row.grade), own.get(row.chunk_id[:12], 0))
    trec = pytrec_eval.RelevanceEvaluator(qrels, set(TREC.values()))
    per_query = found.contexter.per_query()
    assert_kind(per_query, "experiment_queries")
    assert len(per_query) == len(qrels) * len(MODES) * len(TREC)
    for mode in MODES:
        run = {
            key: {hit[0][:12]: 1.0 / rank for rank, hit in enumerate(each["hits"], 1)}
            for key, each in kept["runs"][mode].items()
        }
        theirs = trec.evaluate(run)
        for metric, name in TREC.items():
            own = per_query[per_query["variant"].eq(mode)]
            own = own[own["metric"].eq(metric)]
            values = own.set_index("query_id")["value"]
            for key in qrels:
                assert values[key] == pytest.approx(theirs[key][name], abs=1e-9)
            chosen = found["variant"].eq(mode) & found["metric"].eq(metric)
            mean = found.loc[chosen, "value"]
            expected = np.mean([theirs[key][name] for key in qrels])
            assert mean.item() == pytest.approx(expected)


def test_differences_are_tested_as_scipy_does(lab: Any, items: pd.DataFrame) -> None:
    """Deltas, wins and t-test p-values follow from the per-query values alone."""
    found = lab.experiment(items, MODES, metrics=list(TREC), test="t")
    wide = found.contexter.per_query().pivot(
        index="query_id", columns=["variant", "metric"], values="value"
    )
    raw = []
    for row in found.itertuples():
        if row.variant == MODES[0]:
            assert row.verdict == "baseline"
            assert pd.isna(row.delta) and pd.isna(row.p_value) and pd.isna(row.wins)
            continue
        own, first = wide[row.variant, row.metric], wide[MODES[0], row.metric]
        assert row.delta == pytest.approx((own - first).mean())
        assert (row.wins, row.losses) == ((own > first).sum(), (own < first).sum())
        assert row.wins + row.ties + row.losses == row.queries == len(wide)
        expected = scipy.stats.ttest_rel(own, first).pvalue
        assert row.p_value == pytest.approx(expected)
        assert row.ci_low <= row.value <= row.ci_high
        assert row.delta_low <= row.delta <= row.delta_high
        raw.append(row.p_value)
    assert found.attrs["comparisons"] == len(raw) == 8
    adjusted = found["p_adjusted"].dropna().to_numpy()
    assert adjusted.min() == pytest.approx(min(1.0, 8 * min(raw)))
    proven = found["verdict"].isin(["better", "worse"])
    assert (found["p_adjusted"] < 0.05).tolist() == proven.tolist()


def test_the_same_seed_gives_the_same_table(
    lab: Any, items: pd.DataFrame, found: pd.DataFrame
) -> None:
    """Only the times differ between two runs."""
    again = lab.experiment(items, MODES, metrics=list(TREC))
    timeless = found.columns.drop(["p50_ms", "p95_ms"])
    pd.testing.assert_frame_equal(found[timeless], again[timeless], check_like=False)


def test_an_experiment_is_kept_with_all_to_run_it_again(
    lab: Any, items: pd.DataFrame, found: pd.DataFrame
) -> None:
    """It is listed, shown again as it was, and can be repeated from what it kept."""
    listed = lab.experiments()
    assert_kind(listed, "experiments")
    own = listed.set_index("experiment_id").loc[found.attrs["experiment_id"]]
    assert (own["state"], own["searches"]) == ("done", 3 * items["query_id"].nunique())
    assert (own["judgments"], own["origin"]) == (len(items), "generated")
    assert own["variants"] == tuple(MODES)
    again = lab.experiment_run(found.attrs["experiment_id"])
    pd.testing.assert_frame_equal(again, found)
    assert again.attrs == found.attrs
    kept = runs_of(lab, found)
    assert kept["catalog"]["text"]["libraries"].keys() == {"textwrap", "json"}
    repeated = lab.experiment(
        again.attrs["queries"], again.attrs["variants"], items, list(TREC)
    )
    assert repeated["value"].tolist() == found["value"].tolist()


def test_what_a_summary_carries_can_be_printed(lab: Any, found: pd.DataFrame) -> None:
    """The rows of its queries say how many they are, and come back from a copy."""
    carried = repr(found.copy().attrs["per_query"])
    assert carried.startswith("<") and "per_query()" in carried and len(carried) < 80
    copied = found.head(3).copy()
    assert len(copied.contexter.per_query()) > 0
    again = lab.experiment_run(found)
    assert again["value"].equals(found["value"])


def test_wide_has_a_row_per_variant(found: pd.DataFrame) -> None:
    """Metrics become columns; quality, time and cost stand beside each other."""
    wide = found.contexter.wide()
    assert wide.index.tolist() == MODES
    assert set(TREC) < set(wide.columns)
    assert wide["usd"].tolist() == [0.0] * 3
    assert wide.loc["text", "tokens"] == 0 < wide.loc["dense", "tokens"]
    assert (wide["p50_ms"] <= wide["p95_ms"]).all()


def test_without_judgments_it_shows_how_alike_the_hits_are(lab: Any) -> None:
    """Overlap and RBO with the baseline, and the questions that differ most."""
    asked = ["shorten a text", "parse a document", "add a prefix"]
    alike = lab.experiment(asked, {"words": {"mode": "text"}, "meaning": "dense"})
    assert_kind(alike, "experiment")
    assert alike["metric"].tolist() == ["overlap@10", "RBO"] * 2
    first = alike[alike["variant"] == "words"]
    assert first["value"].tolist() == [1.0, 1.0]
    assert alike[["delta", "p_value", "judged", "verdict"]].isna().all().all()
    per_query = alike.contexter.per_query()
    own = per_query.query("variant == 'meaning' and metric == 'overlap@10'")
    assert sorted(own["query"]) == sorted(asked)
    assert alike.iloc[2]["value"] == pytest.approx(own["value"].mean())
    assert alike.attrs["origin"] is None


def test_kept_judgments_are_used_and_unjudged_hits_are_shown(session: Any) -> None:
    """`judged` tells which share of the first hits has a grade."""
    session.index(fruit())
    apple = session.search("red apple", limit=1)["chunk_id"].iloc[0]
    session.judge("red apple", apple, 3)
    found = session.experiment(
        ["red apple", "never judged"], ["hybrid", "text"], metrics=["RR", "Judged@3"]
    )
    by = found.set_index(["variant", "metric"])
    assert by.loc[("hybrid", "RR"), "value"] == 1.0
    assert by.loc[("hybrid", "RR"), "queries"] == 1
    assert by.loc[("hybrid", "RR"), "judged"] == pytest.approx(1 / 3)
    assert pd.isna(by.loc[("text", "RR"), "p_value"])
    assert by.loc[("text", "RR"), "verdict"] == "no evidence"
    assert found.attrs["without_relevant"] == 1
    assert found.attrs["origin"] == "person"


@pytest.mark.parametrize(
    "act",
    [
        lambda nb: nb.experiment([]),
        lambda nb: nb.experiment([""]),
        lambda nb: nb.experiment(7),
        lambda nb: nb.experiment({"a": "b"}),
        lambda nb: nb.experiment(pd.DataFrame({"question": ["a"]})),
        lambda nb: nb.experiment("a", []),
        lambda nb: nb.experiment("a", 7),
        lambda nb: nb.experiment("a", ["hybird"]),
        lambda nb: nb.experiment("a", {"": {}}),
        lambda nb: nb.experiment("a", {"x": 7}),
        lambda nb: nb.experiment("a", {"x": {"mod": "text"}}),
        lambda nb: nb.experiment("a", {"x": {"mode": "txt"}}),
        lambda nb: nb.experiment("a", {"x": {"weights": {"dens": 1}}}),
        lambda nb: nb.experiment("a", {"x": {"weights": 3}}),
        lambda nb: nb.experiment("a", {"x": {"exact": "yes"}}),
        lambda nb: nb.experiment("a", {"x": {"limit": 0}}),
        lambda nb: nb.experiment("a", {"x": {"where": {"librari": "json"}}}),
        lambda nb: nb.experiment("a", {"x": {"where": {"library": "jsno"}}}),
        lambda nb: nb.experiment("a", {"x": {"embedder": "voyage"}}),
        lambda nb: nb.experiment("a", {"x": {"session": "other"}}),
        lambda nb: nb.experiment("a", metrics=["nDGC@10"]),
        lambda nb: nb.experiment("a", metrics=[]),
        lambda nb: nb.experiment("a", {"x": {"k": 5}}, metrics=["nDCG@10"]),
        lambda nb: nb.experiment("a", judgments=[("a", "no id", 1)]),
        lambda nb: nb.experiment("a", judgments=7),
        lambda nb: nb.experiment("a", test="z"),
        lambda nb: nb.experiment("a", seed=0.5),
        lambda nb: nb.experiment_run("20200101-1"),
        lambda nb: nb.compare("", ["text"]),
        lambda nb: nb.compare("a", ["txet"]),
        lambda nb: nb.compare("a", limit=0),
        lambda nb: nb.recall_check("a", k=0),
        lambda nb: nb.recall_check("a", k=[]),
        lambda nb: nb.recall_check("a", k="ten"),
        lambda nb: nb.recall_check("a", ef=0),
        lambda nb: nb.recall_check("a", ef=20_000),
        lambda nb: nb.experiment("a", {"x": {"ef": "wide"}}),
        lambda nb: nb.experiment("a", {"x": {"rerank": 7}}),
        lambda nb: make_frame("search", []).contexter.per_query(),
        lambda nb: make_frame("search", []).contexter.wide(),
        lambda nb: make_frame("search", []).contexter.plot(),
        lambda nb: make_frame("experiment", []).contexter.per_query(),
    ],
)
def test_what_cannot_be_is_one_sentence_and_nothing_is_asked(
    lab: Any, act: Callable[[Any], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is checked before the first search: no search is ever made."""
    before = len(lab.experiments())
    asked: list[str] = []
    search = lab.aio._verbs.index_store.search

    def counted(query: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(query)
        return search(query, *args, **kwargs)

    monkeypatch.setattr(lab.aio._verbs.index_store, "search", counted)
    refusal(lambda: act(lab))
    assert asked == []
    assert len(lab.experiments()) == before


def test_an_unknown_setting_is_refused_with_a_suggestion(lab: Any) -> None:
    """The message names the variant, what is close, and what there is."""
    with pytest.raises(InvalidArgumentError, match=r"'x'.*'wieghts'.*mean 'weights'"):
        lab.experiment("a", {"x": {"wieghts": {}}})
    with pytest.raises(InvalidArgumentError, match=r"'x'.*'home'.*session"):
        lab.experiment("a", {"x": {"home": "elsewhere"}})


@pytest.mark.parametrize(
    ("act", "named"),
    [
        (lambda nb: nb.recall_check("a", k=0), "k is 0;"),
        (lambda nb: nb.recall_check("a", k=[5, True]), "k is True;"),
        (lambda nb: nb.recall_check("a", ef=0), "ef is 0;"),
        (lambda nb: nb.pool("a", depth=0), "depth is 0;"),
        (lambda nb: nb.compare("a", limit=0), "limit is 0;"),
    ],
)
def test_a_number_is_refused_by_the_name_it_was_given_by(
    lab: Any, act: Callable[[Any], object], named: str
) -> None:
    """What a verb calls k or depth is not called limit in its message."""
    assert refusal(lambda: act(lab)).startswith(named)


def test_an_empty_home_says_how_to_begin(session: Any) -> None:
    """Every verb that searches says what to index; the lists are empty frames."""
    for act in (
        lambda: session.experiment("a"),
        lambda: session.compare("a"),
        lambda: session.recall_check("a"),
        lambda: session.pool("a"),
        lambda: session.known_items(),
    ):
        with pytest.raises(EmptyIndexError, match=r"nb\.index"):
            act()
    assert_kind(session.experiments(), "experiments")
    assert_kind(session.judgments(), "judgments")
    assert session.experiments().empty


@pytest.fixture
def told(session: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what a session says besides its answers."""
    sentences: list[str] = []
    monkeypatch.setattr(session.aio._verbs, "notify", sentences.append)
    return sentences


def test_a_session_that_lacks_documents_is_told_of(
    session: Any, told: list[str], tmp_path: Path
) -> None:
    """What another session cannot find, as it never had it, is no finding unsaid."""
    session.index([fruit(), "textwrap"])
    with connect(home=tmp_path / "other") as other:
        other.index(fruit())
        variants = {"here": {}, "there": {"session": other}}
        session.experiment(["shorten a text"], variants)
        assert told == [
            "The index of the variant 'there' lacks textwrap: answers in it count as "
            "not found."
        ]


def test_questions_that_cannot_be_measured_are_told_of(
    session: Any, told: list[str]
) -> None:
    """Who asks for metrics that nobody's judgments support reads why there are none."""
    session.index("textwrap")
    questions = ["shorten a text", "indent a text"]
    session.experiment(questions, ["text"])
    assert told == []
    session.experiment(questions, ["text"], metrics=["RR", "AP"])
    assert "so RR, AP cannot be told" in told.pop()
    first = session.pool(questions[0], depth=1)["chunk_id"].iloc[0]
    session.judge(questions[0], first, 3)
    session.experiment(questions, ["text"], metrics=["RR"])
    assert told == [
        "Relevant passages are judged for 1 of 2 questions; the others count for no "
        "metric."
    ]
    session.experiment(questions[0], ["text"], metrics=["RR"])
    assert len(told) == 1


def test_two_sessions_are_variants_of_one_experiment(
    session: Any, tmp_path: Path
) -> None:
    """Another embedder is another session; what it costs stands beside the other."""
    session.index(fruit())
    embedder = CountingEmbedder()
    with connect(home=tmp_path / "paid", embedder=embedder) as paid:
        paid.index(fruit())
        indexed = len(embedder.texts)
        variants = {
            "free": {"mode": "dense"},
            "paid": {"mode": "dense", "session": paid},
        }
        found = session.experiment(["red apple", "soft pear"], variants)
        wide = found.contexter.wide()
        assert wide["usd"].tolist() == [0.0, 1.0]
        assert embedder.texts[indexed:] == ["red apple", "soft pear"]
        kept = runs_of(session, found)
        assert kept["variants"]["paid"]["session"] == "counting"
        assert kept["catalog"]["paid"]["dimension"] == 16
    with pytest.raises(ContexterError, match="closed"):
        session.experiment("red apple", variants)


def test_a_query_that_fails_counts_for_no_variant(tmp_path: Path) -> None:
    """It is a row with an error, and the means are over the others."""
    embedder = CountingEmbedder(refused=["poison"])
    with connect(home=tmp_path, embedder=embedder) as nb:
        nb.index(fruit())
        found = nb.experiment(["red apple", "poison", "soft pear"], ["text", "dense"])
        assert found["queries"].unique().tolist() == [2]
        assert found.attrs["unanswered"] == 1
        per_query = found.contexter.per_query()
        assert_kind(per_query, "experiment_queries")
        failed = per_query[per_query["error"].notna()]
        assert failed[["query", "variant"]].values.tolist() == [["poison", "dense"]]
        assert "does not like" in failed["error"].item()
        with pytest.raises(ContexterError, match="No variant could answer the first"):
            nb.experiment(["poison", "red apple"], ["dense"])
        assert nb.experiments()["state"].tolist() == ["failed", "done"]


def test_an_interrupted_experiment_keeps_what_was_done(tmp_path: Path) -> None:
    """Cancelled at its third query, it is listed and shows the first two."""
    with connect(home=tmp_path, embedder=CountingEmbedder()) as nb:
        nb.index(fruit())
        asked = ["red apple", "soft pear", "dried plum", "ripe fruit"]

        async def main() -> None:
            blocking = CountingEmbedder(blocks_at_call=2)
            nb.aio._verbs.embedder = blocking
            verb = nb.aio._verbs.experiment(asked, ["dense", "text"])
            task = asyncio.create_task(verb)
            await blocking.blocked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        listed = nb.experiments()
        assert listed["state"].tolist() == ["interrupted"]
        assert listed["searches"].tolist() == [4]
        shown = nb.experiment_run(listed["experiment_id"].item())
        assert shown["queries"].unique().tolist() == [2]
        asked_of = shown.contexter.per_query()["query"].unique().tolist()
        assert asked_of == asked[:2]


_KILLED = """
import sys
import contexter_nb as cx
from contexter_nb.notebook import _experiment_verbs

_experiment_verbs.SAVE_SECONDS = 0.0
with cx.connect(home=sys.argv[1]) as nb:
    outcome = nb.aio._verbs._outcome

    async def told(query, settings):
        print(query, flush=True)
        return await outcome(query, settings)

    nb.aio._verbs._outcome = told
    nb.experiment([f"question {n}" for n in range(100_000)], ["text", "dense"])
"""


def test_kill_9_leaves_an_experiment_that_can_be_looked_at(tmp_path: Path) -> None:
    """What was saved before the kill is there, and it no longer says to be running."""
    with connect(home=tmp_path) as nb:
        nb.index(fruit())
        runner = subprocess.Popen(
            [sys.executable, "-c", _KILLED, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert runner.stdout is not None
        for line in runner.stdout:
            if line == "question 3\n":
                break
        running = nb.experiments()["state"].tolist()
        runner.kill()
        runner.wait()
        runner.stdout.close()
        assert running == ["running"]
        listed = nb.experiments()
        assert listed["state"].tolist() == ["interrupted"]
        assert listed["searches"].item() >= 6
        shown = nb.experiment_run(listed["experiment_id"].item())
        assert shown["queries"].min() >= 3


def test_every_row_is_missing_where_no_query_was_answered(lab: Any) -> None:
    """An experiment that was stopped at once is a frame of the same kind."""
    made = lab.experiment("shorten", ["text", "dense"])
    kept = runs_of(lab, made)
    store = lab.aio._verbs._experiments
    store.save("20200101-000000-none", {**kept, "state": "running", "runs": {}})
    shown = lab.experiment_run("20200101-000000-none")
    assert_kind(shown, "experiment")
    assert shown["value"].isna().all()
    assert_kind(shown.contexter.per_query(), "experiment_queries")
    assert shown.contexter.per_query().empty
    (store._folder / "20200101-000000-torn.json").write_text("{", encoding="utf-8")
    listed = lab.experiments()
    assert_kind(listed, "experiments")
    assert listed["state"].iloc[-1] == "damaged"


def test_compare_shows_moves_new_and_lost_hits(lab: Any) -> None:
    """Ranks and moves add up, and what the baseline alone had stands last."""
    side = lab.compare("shorten a text", MODES, limit=5)
    assert_kind(side, "compare")
    first = side[side["variant"] == "hybrid"]
    assert first["rank"].tolist() == first["baseline_rank"].tolist() == [1, 2, 3, 4, 5]
    assert (first["moved"] == 0).all()
    for mode in MODES[1:]:
        own = side[side["variant"] == mode]
        hits = own[own["rank"].notna()]
        plain = lab.search("shorten a text", 5, mode)
        assert hits["chunk_id"].tolist() == plain["chunk_id"].tolist()
        shared = hits["baseline_rank"].notna()
        moved = hits["baseline_rank"] - hits["rank"]
        assert hits["moved"][shared].tolist() == moved[shared].tolist()
        assert own["overlap"].unique().tolist() == [shared.sum() / 5]
        lost = own[own["rank"].isna()]
        assert len(lost) == 5 - shared.sum()
        assert lost["moved"].isna().all()
    assert_kind(lab.compare("qwertz", ["text"]), "compare")


def test_recall_is_one_before_anything_is_approximate(lab: Any) -> None:
    """Each k is a row; the detail says that every search is exact."""
    checked = lab.recall_check(["shorten a text", "parse"], k=[1, 5])
    assert_kind(checked, "recall_check")
    assert checked["k"].tolist() == [1, 5]
    assert checked["recall"].tolist() == checked["worst"].tolist() == [1.0, 1.0]
    assert checked["complete"].tolist() == [2, 2]
    assert checked["detail"].str.startswith("not optimized").all()
    assert (checked[["p50_ms", "exact_p50_ms"]] > 0).all().all()


def test_the_breadth_of_the_approximate_search_is_a_row_each(lab: Any) -> None:
    """Each ef is checked beside each k, and is a setting of a variant, too."""
    checked = lab.recall_check("shorten a text", k=[1, 3], ef=[8, 64])
    assert checked["ef"].tolist() == [8, 64, 8, 64]
    assert checked["recall"].tolist() == [1.0] * 4
    narrow = {"mode": "dense", "ef": 8}
    alike = lab.experiment("shorten a text", {"usual": "dense", "narrow": narrow})
    assert alike["value"].tolist() == [1.0] * 4


def test_every_verb_works_on_a_qdrant_servers_index(tmp_path: Path) -> None:
    """Judging and experiments do not mind where the passages are; ef is refused."""
    with connect(home=tmp_path, qdrant_url=":memory:") as nb:
        nb.index("textwrap")
        items = nb.known_items(5)
        found = nb.experiment(items, ["hybrid", "text"], metrics=["RR"])
        assert (found["value"] > 0.5).all()
        first = nb.pool("shorten a text", depth=1)["chunk_id"].iloc[0]
        nb.judge("shorten a text", first, 3)
        assert nb.judgments()["indexed"].tolist() == [True]
        assert nb.compare("shorten a text", limit=2)["rank"].max() == 2
        checked = nb.recall_check("shorten a text", k=2)
        assert checked["detail"].str.startswith("the server decides").all()
        for refused in (
            lambda: nb.recall_check("a", ef=8),
            lambda: nb.experiment("a", {"x": {"ef": 8}}),
            lambda: nb.search("a", ef=8),
        ):
            assert "embedded index only" in refusal(refused)


def test_what_a_variant_cannot_have_is_said_of_that_variant(lab: Any) -> None:
    """The sentence of a setting stands whole behind the name of its variant."""
    told = refusal(lambda: lab.experiment("a", {"small": {"dimension": 5}}))
    assert told.startswith("In the variant 'small': The static model has no vectors")


def test_a_question_or_variant_that_cannot_be_is_pointed_at(lab: Any) -> None:
    """Which of the questions is empty, and which of the modes is there twice."""
    blank = pd.DataFrame({"query": ["shorten", " "]})
    for verb in (lab.experiment, lab.estimate_experiment, lab.pool):
        told = refusal(functools.partial(verb, blank))
        assert told.startswith("In queries[1]: query is empty")
    told = refusal(lambda: lab.experiment("shorten", ["text", "dense", "text"]))
    assert "'text' twice" in told


def test_a_reranker_without_a_key_is_refused_before_anything_is_asked(
    lab: Any,
) -> None:
    """A variant that could not be paid for stops the experiment at its start."""
    before = len(lab.experiments())
    with pytest.raises(ContexterError, match="VOYAGE_API_KEY"):
        lab.experiment("shorten", {"plain": {}, "reranked": {"rerank": True}})
    assert len(lab.experiments()) == before


@pytest.mark.parametrize("kind", ["differences", "tradeoff"])
def test_pictures_show_themselves_without_pyplot(
    found: pd.DataFrame, kind: str
) -> None:
    """A figure is a PNG, and pyplot, which keeps every figure, is never loaded."""
    before = "matplotlib.pyplot" in sys.modules
    picture = found.contexter.plot(kind, metric="RR")
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert ("matplotlib.pyplot" in sys.modules) == before
    labels = [axes.get_ylabel() for axes in picture.axes]
    assert "RR" in labels[0]


def test_a_picture_of_nothing_is_refused(found: pd.DataFrame, lab: Any) -> None:
    """Unknown kinds, metrics and prices have a sentence; one variant can be drawn."""
    refusal(lambda: found.contexter.plot("pie"))
    refusal(lambda: found.contexter.plot(metric="nDCG@5"))
    refusal(lambda: found.contexter.plot("tradeoff", against="euros"))
    alone = lab.experiment("shorten", ["text"])
    assert alone.contexter.plot()._repr_png_()


@pytest.fixture(scope="module")
def many(lab: Any, items: pd.DataFrame) -> pd.DataFrame:
    """Give the summary of ten settings, most of them alike."""
    weightings = {
        f"meaning counts for {n / 10} and words for 1.0": {"weights": {"dense": n / 10}}
        for n in range(9)
    }
    asked = items[items["query"].isin(items["query"].unique()[:4])]
    return lab.experiment(asked, {"default": {}, **weightings}, metrics=["RR", "R@5"])


def drawn_boxes(picture: Any, texts: list[Any]) -> list[Any]:
    """Return where texts of a picture are, once it is laid out."""
    picture.draw_without_rendering()
    return [text.get_window_extent() for text in texts]


def test_titles_of_many_panels_do_not_run_into_each_other(
    many: pd.DataFrame,
) -> None:
    """Nine comparisons stand in rows of three, each under its own name."""
    picture = many.contexter.plot()
    titles = [panel.title for panel in picture.axes]
    boxes = drawn_boxes(picture, titles)
    assert len(boxes) == 9
    clashes = [
        (one, other)
        for at, one in enumerate(boxes)
        for other in boxes[:at]
        if one.overlaps(other)
    ]
    assert clashes == []


def test_each_point_of_a_tradeoff_can_be_told(many: pd.DataFrame) -> None:
    """Ten names are legible though their points coincide, and none looks as another."""
    picture = many.contexter.plot("tradeoff", against="tokens")
    (legend,) = picture.legends
    names = legend.get_texts()
    shown = {text.get_text().replace("\n", " ") for text in names}
    assert shown == set(many["variant"])
    boxes = drawn_boxes(picture, names)
    assert all(picture.bbox.containsy(box.y0) for box in boxes)
    assert not any(
        one.overlaps(other) for at, one in enumerate(boxes) for other in boxes[:at]
    )
    looks = {
        (mark.get_color(), mark.get_marker()) for mark in picture.axes[0].get_lines()
    }
    assert len(looks) == len(names)


@pytest.mark.parametrize("against", ["p50_ms", "tokens", "usd"])
def test_no_price_is_drawn_below_zero(found: pd.DataFrame, against: str) -> None:
    """The axis of what a setting costs begins at nothing, as the figures do."""
    picture = found.contexter.plot("tradeoff", against=against)
    low, high = picture.axes[0].get_xlim()
    assert low == 0 < high


def test_a_dollar_in_a_name_is_a_dollar(lab: Any) -> None:
    """The name of a variant is shown as it is, and is no formula."""
    names = {"costs $1": "text", "costs $2^": "dense", "$\\nothing$": "hybrid"}
    made = lab.experiment("shorten", names)
    for kind in ("differences", "tradeoff"):
        assert made.contexter.plot(kind)._repr_png_()


def test_a_picture_shows_the_variants_that_the_frame_has(found: pd.DataFrame) -> None:
    """Rows that were left out are not drawn, and the baseline stays what it was."""
    words = found[found["variant"] == "text"]
    picture = words.contexter.plot()
    assert [panel.get_title().split("\n")[0] for panel in picture.axes] == ["text"]
    assert picture.axes[0].get_ylabel() == "nDCG@10 less that of hybrid"


def test_queries_are_those_of_the_rows_that_the_frame_has(
    found: pd.DataFrame,
) -> None:
    """A selection of variants and metrics is one of their queries, too."""
    chosen = found[(found["variant"] != "dense") & (found["metric"] == "RR")]
    queries = chosen.contexter.per_query()
    assert set(queries["variant"]) == {"hybrid", "text"}
    assert set(queries["metric"]) == {"RR"}
    assert len(queries) * 6 == len(found.contexter.per_query())


def test_without_ir_measures_one_sentence_says_what_to_install(
    lab: Any, items: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metrics need the extra; comparing hits without judgments does not."""
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    told = refusal(lambda: lab.experiment(items, MODES))
    assert 'pip install "contexter_nb[experiments]"' in told
    assert len(lab.experiment("shorten", ["text"])) == 2


def test_without_matplotlib_one_sentence_says_what_to_install(
    found: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is there all the same; only its pictures are not."""
    import contexter_nb.notebook as room

    monkeypatch.delitem(sys.modules, f"{room.__name__}._experiment_plots", False)
    monkeypatch.delattr(room, "_experiment_plots", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install" in refusal(found.contexter.plot)
    assert len(found.contexter.wide()) == len(MODES)
