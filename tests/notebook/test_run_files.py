"""An experiment's files, read by PyTerrier and trec_eval, give its very figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyterrier as pt
import pytest
import pytrec_eval
from statsmodels.stats.multitest import multipletests

from contexter_nb import connect
from contexter_nb.core import InvalidArgumentError
from tests.judged import MODULES, VARIANTS, judged_questions
from tests.notebook.frame import assert_kind, fruit
from tests.permutation import CHANCE, permutation_test

TREC = {"nDCG@10": "ndcg_cut_10", "R@5": "recall_5", "RR": "recip_rank", "AP": "map"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give a session on httpx and some of the standard library to a module."""
    with connect(home=tmp_path_factory.mktemp("lab")) as nb:
        nb.index(MODULES)
        yield nb


@pytest.fixture(scope="module")
def judged(lab: Any) -> pd.DataFrame:
    """Give questions of practitioners with their answers, and graded neighbours."""
    return judged_questions(lab)


class Theirs(NamedTuple):
    """What a tool needs, read from the files alone."""

    topics: pd.DataFrame
    qrels: pd.DataFrame
    runs: dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def found(lab: Any, judged: pd.DataFrame) -> pd.DataFrame:
    """Give the summary of all variants, tested by Student's t."""
    return lab.experiment(judged, VARIANTS, metrics=list(TREC), test="t")


@pytest.fixture(scope="module")
def files(
    lab: Any, found: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, pd.DataFrame]:
    """Give the folder of the experiment's files, and the frame about them."""
    folder = tmp_path_factory.mktemp("files") / "made" / "on the way"
    return folder, lab.export_runs(found, folder)


@pytest.fixture(scope="module")
def theirs(files: tuple[Path, pd.DataFrame]) -> Theirs:
    """Give the files as PyTerrier reads them."""
    folder, written = files
    runs = written[written["variant"].notna()]
    topics = pd.read_csv(
        folder / "judgments.queries.tsv", sep="\t", names=["qid", "query"], dtype=str
    )
    return Theirs(
        topics,
        pt.io.read_qrels(str(folder / "judgments.qrels")),
        {
            variant: pt.io.read_results(str(folder / name))
            for variant, name in zip(runs["variant"], runs["file"], strict=True)
        },
    )


def evaluate(theirs: Theirs, metrics: dict[str, str], **more: Any) -> pd.DataFrame:
    """Return PyTerrier's experiment on the files."""
    return pt.Experiment(
        list(theirs.runs.values()),
        theirs.topics,
        theirs.qrels,
        list(metrics.values()),
        names=list(theirs.runs),
        **more,
    )


def test_the_experiment_has_what_can_go_wrong(
    found: pd.DataFrame, files: tuple[Path, pd.DataFrame]
) -> None:
    """Wins, ties, losses, several grades, and queries that found nothing."""
    _, written = files
    assert_kind(written, "export_runs")
    assert found["queries"].min() > 40
    assert (found[["wins", "ties", "losses"]].sum() > 20).all()
    assert written["detail"].str.contains(r"\d+ queries found nothing").sum() == 1
    assert {"better", "worse"} & set(found["verdict"])


def test_every_value_of_every_query_is_pyterriers(
    found: pd.DataFrame, theirs: Theirs
) -> None:
    """Query by query, variant by variant, for each metric."""
    ours = found.contexter.per_query().pivot(
        index=["variant", "query_id"], columns="metric", values="value"
    )
    per_query = evaluate(theirs, TREC, perquery=True).pivot(
        index=["name", "qid"], columns="measure", values="value"
    )
    assert len(ours) == len(per_query) == len(VARIANTS) * found["queries"].max()
    for own, name in TREC.items():
        expected = per_query[name].reindex(ours.index).to_numpy()
        np.testing.assert_allclose(ours[own].to_numpy(), expected, rtol=0, atol=1e-12)


def test_means_wins_losses_and_p_values_are_pyterriers(
    found: pd.DataFrame, theirs: Theirs
) -> None:
    """Its t-test against the first variant is ours; no difference at all is 1 here."""
    expected = evaluate(theirs, TREC, baseline=0).set_index("name")
    assert expected.index.tolist() == list(VARIANTS)
    for row in found.itertuples():
        name, own = TREC[row.metric], expected.loc[row.variant]
        assert row.value == pytest.approx(own[name], abs=1e-12)
        if row.verdict == "baseline":
            continue
        assert (row.wins, row.losses) == (own[f"{name} +"], own[f"{name} -"])
        p_value = own[f"{name} p-value"]
        alike = row.wins == row.losses == 0
        assert np.isnan(p_value) == alike
        assert row.p_value == pytest.approx(1.0 if alike else p_value, rel=1e-9)


@pytest.mark.parametrize("metric", TREC)
def test_corrected_p_values_are_pyterriers_for_one_metric(
    lab: Any, judged: pd.DataFrame, theirs: Theirs, metric: str
) -> None:
    """PyTerrier corrects the comparisons of each metric; so it is with one alone."""
    alone = lab.experiment(judged, VARIANTS, metrics=[metric], test="t")
    name = TREC[metric]
    expected = evaluate(theirs, {metric: name}, baseline=0, correction="holm")
    corrected = expected[f"{name} p-value corrected"].to_numpy()[1:]
    ours = alone["p_adjusted"].to_numpy()[1:]
    alike = np.isnan(corrected)
    assert alike.sum() < 2
    np.testing.assert_allclose(ours[~alike], corrected[~alike], rtol=1e-9)
    proven = alone["verdict"].isin(["better", "worse"])
    assert proven.tolist() == expected[f"{name} reject"].tolist()


def test_over_several_metrics_holm_counts_every_comparison(found: pd.DataFrame) -> None:
    """The p-values of a whole frame are corrected as statsmodels corrects them."""
    compared = found[found["p_value"].notna()]
    assert len(compared) == len(TREC) * (len(VARIANTS) - 1)
    _, corrected, _, _ = multipletests(compared["p_value"], method="holm")
    np.testing.assert_allclose(compared["p_adjusted"], corrected, rtol=1e-12)


@pytest.mark.parametrize("metric", TREC)
def test_permutation_p_values_are_pyterriers_but_for_chance(
    lab: Any, judged: pd.DataFrame, theirs: Theirs, metric: str
) -> None:
    """With SciPy's permutation test PyTerrier finds what ours finds, ties included."""
    ours = lab.experiment(judged, VARIANTS, metrics=[metric])
    name = TREC[metric]
    expected = evaluate(theirs, {metric: name}, baseline=0, test=permutation_test)
    p_values = expected[f"{name} p-value"].to_numpy()[1:]
    np.testing.assert_allclose(ours["p_value"].to_numpy()[1:], p_values, atol=CHANCE)
    assert p_values.min() < 0.001 < 0.05 < p_values.max()


def test_trec_eval_reads_the_same_from_the_files(
    found: pd.DataFrame, files: tuple[Path, pd.DataFrame]
) -> None:
    """Its own readers and ours of the files meet in the mean of every metric."""
    folder, written = files
    with (folder / "judgments.qrels").open(encoding="utf-8") as file:
        qrels = pytrec_eval.parse_qrel(file)
    trec = pytrec_eval.RelevanceEvaluator(qrels, set(TREC.values()))
    for row in written[written["variant"].notna()].itertuples():
        with (folder / row.file).open(encoding="utf-8") as file:
            run = pytrec_eval.parse_run(file)
        assert sum(map(len, run.values())) == row.lines
        values = trec.evaluate(run)
        for metric, name in TREC.items():
            # As trec_eval -c: a query that found nothing has no line, and counts.
            mean = sum(each[name] for each in values.values()) / len(qrels)
            chosen = found["variant"].eq(row.variant) & found["metric"].eq(metric)
            assert found.loc[chosen, "value"].item() == pytest.approx(mean, abs=1e-12)


def test_without_judgments_runs_are_written_and_qrels_are_empty(
    session: Any, tmp_path: Path
) -> None:
    """Every query is in the runs; there is nothing to measure them by."""
    session.index(fruit())
    made = session.experiment(["red apple", "soft pear"], ["text", "dense"])
    written = session.export_runs(made.attrs["experiment_id"], tmp_path)
    assert written["file"].tolist() == [
        "judgments.qrels",
        "judgments.queries.tsv",
        "text.run",
        "dense.run",
    ]
    assert written["lines"].tolist()[:2] == [0, 2]
    assert (tmp_path / "judgments.qrels").read_text() == ""
    run = pt.io.read_results(str(tmp_path / "dense.run"))
    assert run["qid"].nunique() == 2


def test_its_qrels_can_be_taken_over(
    lab: Any, found: pd.DataFrame, files: tuple[Path, pd.DataFrame], session: Any
) -> None:
    """In another home the same questions are measured as here."""
    session.index(lab.contents()["library"].tolist())
    session.import_judgments(files[0] / "judgments.qrels")
    # Without the titles, by which a near duplicate would count for what is judged.
    taken = session.judgments()[["query", "chunk_id", "grade"]]
    again = session.experiment(taken, VARIANTS, metrics=list(TREC), test="t")
    columns = ["variant", "metric", "value", "wins", "losses"]
    pd.testing.assert_frame_equal(again[columns], found[columns])


def test_what_cannot_be_written_is_one_sentence(
    lab: Any, found: pd.DataFrame, tmp_path: Path
) -> None:
    """An unknown experiment, no path, and a file where the folder should be."""
    experiment_id = found.attrs["experiment_id"]
    with pytest.raises(InvalidArgumentError, match="There is no experiment 'nope'"):
        lab.export_runs("nope", tmp_path)
    with pytest.raises(InvalidArgumentError, match=r"folder is an int; name one"):
        lab.export_runs(experiment_id, 7)
    with pytest.raises(InvalidArgumentError, match=r"folder is empty; name one"):
        lab.export_runs(experiment_id, "")
    for frame in (lab.experiments(), found.contexter.wide()):
        with pytest.raises(
            InvalidArgumentError, match=r"This frame is not what nb\.experiment"
        ):
            lab.export_runs(frame, tmp_path)
    for nothing in (5, None):
        with pytest.raises(
            InvalidArgumentError, match="experiment_id is (None|an int)"
        ):
            lab.export_runs(nothing, tmp_path)
    taken = tmp_path / "taken"
    taken.write_text("mine", encoding="utf-8")
    with pytest.raises(InvalidArgumentError, match="The folder taken cannot be made"):
        lab.export_runs(experiment_id, taken)
    assert taken.read_text(encoding="utf-8") == "mine"
