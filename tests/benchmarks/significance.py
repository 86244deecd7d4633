"""An experiment's figures next to PyTerrier's and ranx's, of the same run files."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tests.judged import MODULES, VARIANTS, judged_questions
from tests.permutation import PERMUTATIONS, permutation_test

TREC = {"nDCG@10": "ndcg_cut_10", "R@5": "recall_5", "RR": "recip_rank", "AP": "map"}
RANX = {"nDCG@10": "ndcg@10", "R@5": "recall@5", "RR": "mrr", "AP": "map"}


class Figures(NamedTuple):
    """Of one variant and metric by each tool; p-values of the t and permutation test.

    PyTerrier is given SciPy's permutation test; ranx corrects no p-values. Its own
    permutation test compares means by ``>=`` without a tolerance, and rounding hides
    flips that give just the difference observed: where values are few, as of R@5, its
    p-values are too small.
    """

    means: tuple[float, float, float]
    p_values: tuple[float, float, float]
    corrected: tuple[float, float]
    permuted: tuple[float, float, float]


def rows(folder: Path) -> Iterator[str]:
    """Yield a Markdown table: ours / PyTerrier / ranx, by metric and variant.

    Parameters
    ----------
    folder : Path
        Gets the index, the run files and the qrels.
    """
    found = figures(folder)
    yield (
        "| metric | variant | mean: ours / PyTerrier / ranx "
        "| t test p: ours / PyTerrier / ranx | Holm: ours / PyTerrier "
        "| permutation p: ours / SciPy / ranx |"
    )
    yield "|---|---|---|---|---|---|"
    for (metric, variant), each in found.items():
        columns = (each.means, each.p_values, each.corrected, each.permuted)
        cells = " | ".join(
            " / ".join(f"{at:.4f}" for at in column) for column in columns
        )
        yield f"| {metric} | {variant} | {cells} |"
    yield ""
    for name, columns in {
        "means": [each.means for each in found.values()],
        "t test": [each.p_values for each in found.values()],
        "Holm": [each.corrected for each in found.values()],
        "permutation, SciPy": [each.permuted[:2] for each in found.values()],
        "permutation, ranx": [each.permuted[::2] for each in found.values()],
    }.items():
        yield f"- largest difference, {name}: {np.nanmax(np.ptp(columns, axis=1)):.1e}"


def figures(folder: Path) -> dict[tuple[str, str], Figures]:
    """Return what each tool says, by metric and variant.

    Parameters
    ----------
    folder : Path
        As of `rows`.
    """
    from contexter_nb import connect

    with connect(home=folder / "home") as nb:
        nb.index(MODULES)
        judged = judged_questions(nb)
        # PyTerrier corrects metric by metric: so is an experiment of each alone.
        tested = {
            metric: nb.experiment(judged, VARIANTS, metrics=[metric], test="t")
            for metric in TREC
        }
        permuted = nb.experiment(judged, VARIANTS, metrics=list(TREC))
        written = nb.export_runs(permuted.attrs["experiment_id"], folder / "runs")
    runs = written[written["variant"].notna()].set_index("variant")["file"]
    paths = {variant: str(folder / "runs" / runs[variant]) for variant in VARIANTS}
    qrels = str(folder / "runs" / "judgments.qrels")
    terrier = pyterrier_figures(paths, qrels, correction="holm")
    flipped = pyterrier_figures(paths, qrels, test=permutation_test)
    student = ranx_figures(paths, qrels, "student")
    fisher = ranx_figures(paths, qrels, "fisher")
    by = permuted.set_index(["metric", "variant"])
    found = {}
    for metric, frame in tested.items():
        for own in frame.itertuples():
            if own.verdict == "baseline":
                continue
            theirs, name = terrier.loc[own.variant], TREC[metric]
            mean, p_value = student[metric, own.variant]
            at = by.loc[(metric, own.variant), "p_value"]
            flips = flipped.loc[own.variant, f"{name} p-value"]
            found[metric, own.variant] = Figures(
                (own.value, theirs[name], mean),
                (own.p_value, theirs[f"{name} p-value"], p_value),
                (own.p_adjusted, theirs[f"{name} p-value corrected"]),
                (at, flips, fisher[metric, own.variant][1]),
            )
    return found


def pyterrier_figures(paths: dict[str, str], qrels: str, **more: Any) -> pd.DataFrame:
    """Return PyTerrier's experiment on the files, by variant; it needs no Java.

    Parameters
    ----------
    paths : dict of str to str
        Of run files, by variant; the first is the baseline.
    qrels : str
        Path of the judgments.
    **more
        How to test and correct.
    """
    import pyterrier as pt

    judged = pt.io.read_qrels(qrels)
    topics = pd.DataFrame({"qid": judged["qid"].unique(), "query": ""})
    return pt.Experiment(
        [pt.io.read_results(path) for path in paths.values()],
        topics,
        judged,
        list(TREC.values()),
        names=list(paths),
        baseline=0,
        **more,
    ).set_index("name")


def ranx_figures(
    paths: dict[str, str], qrels: str, test: str
) -> dict[tuple[str, str], tuple[float, float]]:
    """Return ranx's mean and its p-value against the first run.

    Parameters
    ----------
    paths, qrels
        As of `pyterrier_figures`.
    test : str
        ``student`` or ``fisher``.
    """
    with warnings.catch_warnings():
        # Numba warns of casts in ranx's own code while it compiles it.
        warnings.simplefilter("ignore")
        import ranx

        judged = ranx.Qrels.from_file(qrels, kind="trec")
        runs: list[Any] = []
        for variant, path in paths.items():
            run = ranx.Run.from_file(path, kind="trec")
            run.name = variant
            runs.append(run)
        report = ranx.compare(
            judged,
            runs,
            metrics=list(RANX.values()),
            stat_test=test,
            n_permutations=PERMUTATIONS,
            make_comparable=True,
        )
    first, *others = paths
    return {
        (metric, variant): (
            float(report.results[variant][name]),
            float(report.comparisons[frozenset([first, variant])][name]["p_value"]),
        )
        for metric, name in RANX.items()
        for variant in others
    }
