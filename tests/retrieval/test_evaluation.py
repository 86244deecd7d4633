"""Figures of trec_eval from rankings of hits and judgments of passages."""

from __future__ import annotations

import math
import random

import pytest
import pytrec_eval

from contexter_nb.core import InvalidArgumentError
from contexter_nb.retrieval._evaluation import (
    DEFAULT_METRICS,
    Found,
    Judged,
    cutoff_of,
    document_grades,
    judged_share,
    parse_metrics,
    query_id,
    ranking,
    scores,
)

TREC_NAMES = {
    "nDCG@10": "ndcg_cut_10",
    "nDCG": "ndcg",
    "R@5": "recall_5",
    "R@10": "recall_10",
    "RR": "recip_rank",
    "AP": "map",
    "P@5": "P_5",
    "Success@1": "success_1",
}


def random_run(seed: int) -> tuple[dict[str, dict[str, int]], dict[str, list[str]]]:
    """Return judgments and rankings of 40 queries, some with no or few hits."""
    chance = random.Random(seed)
    documents = [f"d{number:02}" for number in range(60)]
    qrels, ranked = {}, {}
    for number in range(40):
        judged = chance.sample(documents, chance.randint(1, 20))
        grades = {each: chance.randint(0, 3) for each in judged}
        qrels[f"q{number}"] = grades
        ranked[f"q{number}"] = chance.sample(documents, chance.randint(0, 30))
    return qrels, ranked


@pytest.mark.parametrize("seed", range(5))
def test_every_figure_is_that_of_trec_eval(seed: int) -> None:
    """Each metric of each query equals what trec_eval says of the same run file."""
    qrels, ranked = random_run(seed)
    ours = scores(list(TREC_NAMES), qrels, ranked)
    # A run file as a person would write it: the rank becomes a falling score.
    run = {
        key: {each: 1000.0 - at for at, each in enumerate(documents)}
        for key, documents in ranked.items()
    }
    trec = pytrec_eval.RelevanceEvaluator(qrels, set(TREC_NAMES.values()))
    theirs = trec.evaluate(run)
    for metric, name in TREC_NAMES.items():
        for key in qrels:
            expected = theirs[key][name] if ranked[key] else 0.0
            assert ours[metric][key] == pytest.approx(expected, abs=1e-12), metric


def test_figures_are_those_of_a_pencil() -> None:
    """nDCG, recall, reciprocal rank and average precision by hand."""
    qrels = {"q": {"a": 3, "b": 1, "c": 0, "d": 2}}
    ranked = {"q": ["c", "a", "x", "d"]}
    found = scores(["nDCG@10", "R@5", "RR", "AP"], qrels, ranked)
    gained = 3 / math.log2(3) + 2 / math.log2(5)
    ideal = 3 + 2 / math.log2(3) + 1 / math.log2(4)
    assert found["nDCG@10"]["q"] == pytest.approx(gained / ideal)
    assert found["R@5"]["q"] == pytest.approx(2 / 3)
    assert found["RR"]["q"] == pytest.approx(1 / 2)
    assert found["AP"]["q"] == pytest.approx((1 / 2 + 2 / 4) / 3)


def test_ties_of_a_service_do_not_move_a_hit() -> None:
    """The order that a person sees is the one that is measured, whatever the scores."""
    qrels = {"q": {"z": 1}}
    assert scores(["RR"], qrels, {"q": ["z", "a"]})["RR"]["q"] == 1.0
    assert scores(["RR"], qrels, {"q": ["a", "z"]})["RR"]["q"] == 0.5


def test_a_query_without_hits_has_zero() -> None:
    """A search that found nothing is worth nothing, it is not left out."""
    qrels = {"q": {"a": 1}, "r": {"a": 1}}
    assert scores(["AP"], qrels, {"q": ["a"]}) == {"AP": {"q": 1.0, "r": 0.0}}
    assert scores(["AP"], qrels, {}) == {"AP": {"q": 0.0, "r": 0.0}}


def test_a_document_is_found_by_any_of_its_passages() -> None:
    """Another passage of a judged document counts for it, with the best grade."""
    judged = [
        Judged("aaaaaaaaaaaa0000", "lib", "lib.a", 1),
        Judged("aaaaaaaaaaaa0003", "lib", "lib.a", 3),
        Judged("bbbbbbbbbbbb0000", "lib", "lib.b", 2),
    ]
    assert document_grades(judged) == {"aaaaaaaaaaaa": 3, "bbbbbbbbbbbb": 2}
    found = [
        Found("cccccccccccc0001", "lib", ("lib.c",)),
        Found("aaaaaaaaaaaa0001", "lib", ("lib.a",)),
    ]
    assert ranking(found, judged) == ["cccccccccccc", "aaaaaaaaaaaa"]


def test_a_folded_near_duplicate_stands_where_its_hit_stands() -> None:
    """A judged document whose twin is shown counts as found there, and only once."""
    judged = [Judged("bbbbbbbbbbbb0000", "lib", "lib.b", 2)]
    twin = Found("cccccccccccc0000", "lib", ("lib.c", "lib.b"))
    assert ranking([twin], judged) == ["bbbbbbbbbbbb"]
    elsewhere = Found("cccccccccccc0000", "other", ("lib.c", "lib.b"))
    assert ranking([elsewhere], judged) == ["cccccccccccc"]
    second = Found("dddddddddddd0000", "lib", ("lib.d", "lib.b"))
    assert ranking([twin, second], judged) == ["bbbbbbbbbbbb", "dddddddddddd"]


def test_a_title_that_counts_rows_names_none() -> None:
    """Where a table is sorted another row has it."""
    judged = [Judged("bbbbbbbbbbbb0000", "lib", "row 7", 2)]
    other = Found("cccccccccccc0000", "lib", ("row 7",))
    assert ranking([other], judged) == ["cccccccccccc"]


@pytest.mark.parametrize(
    ("ranked", "share"),
    [(["a", "b"], 1.0), (["a", "x"], 0.5), (["x", "y", "a"], 0.0), ([], 1.0)],
)
def test_judged_share_counts_the_first_hits(ranked: list[str], share: float) -> None:
    """It is the share of the first k hits that has a grade, also the grade 0."""
    assert judged_share(ranked, {"a": 0, "b": 3}, 2) == share


def test_metrics_are_named_as_ir_measures_prints_them() -> None:
    """Synonyms become one name, and the default metrics are names."""
    assert parse_metrics(["MRR", "NDCG@10", "P@3"]) == ["RR", "nDCG@10", "P@3"]
    assert parse_metrics(DEFAULT_METRICS) == list(DEFAULT_METRICS)
    assert [cutoff_of(each) for each in ("nDCG@10", "R@5", "AP")] == [10, 5, None]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["nDGC@10"], r"no metric 'nDGC@10'.*Did you mean 'nDCG@10'"),
        (["R"], r"no metric 'R'"),
        (["__import__('os')"], r"no metric"),
        ([7], r"A metric is int"),
        ([], r"metrics is empty"),
        (["RR", "MRR"], r"RR twice"),
        (["nDCG(dcg='exp-log2')@10"], r"cannot be computed here"),
    ],
)
def test_a_metric_that_cannot_be_is_refused(names: list[str], told: str) -> None:
    """A misspelt, doubled or unavailable metric is one sentence."""
    with pytest.raises(InvalidArgumentError, match=told):
        parse_metrics(names)


def test_a_query_has_one_id_everywhere() -> None:
    """White space and the form of accents do not count; words and case do."""
    assert query_id("caf\u00e9  menu") == query_id(" cafe\u0301 menu\n")
    assert query_id("Menu") != query_id("menu")
    assert query_id("join two tables") == "q" + query_id("join two tables")[1:]
    assert len(query_id("a")) == 17
