"""From what the variants of an experiment found to its tables: pure, asks nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from contexter_nb.retrieval._evaluation import (
    Found,
    Judged,
    document_grades,
    judged_share,
    ranking,
    scores,
)
from contexter_nb.retrieval._evaluation_lists import overlap_at, rank_biased_overlap
from contexter_nb.retrieval._evaluation_significance import (
    Floats,
    bootstrap_interval,
    holm,
    paired_t_test,
    sign_flip_test,
    wins_ties_losses,
)

ALPHA = 0.05
SHOWN_HITS = 10
RBO = "RBO"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one variant answered to one query.

    Attributes
    ----------
    hits : tuple of Found
        Best first; empty where it failed.
    latency_ms : float
        From the question to the frame.
    tokens : int
    usd : float
        What the search said it cost; what a cache had is free.
    error : str or None
        One sentence where the search failed.
    """

    hits: tuple[Found, ...] = ()
    latency_ms: float = 0.0
    tokens: int = 0
    usd: float = 0.0
    error: str | None = None

    def as_json(self) -> Row:
        """Return what `from_json` takes."""
        return {
            "hits": [[each.chunk_id, each.library, *each.names] for each in self.hits],
            "latency_ms": self.latency_ms,
            "tokens": self.tokens,
            "usd": self.usd,
            "error": self.error,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Outcome:
        """Return an outcome as it was kept on disk.

        Parameters
        ----------
        value : mapping
            As of `as_json`.
        """
        hits = tuple(
            Found(chunk, library, tuple(names))
            for chunk, library, *names in value["hits"]
        )
        return cls(**{**value, "hits": hits})


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Queries, variants, judgments, and what was found so far.

    Attributes
    ----------
    queries : dict of str to str
        Text by query id, in the order they are asked.
    variants : tuple of str
        Names; the first is the baseline.
    metrics : tuple of str
        Names as of `parse_metrics`; used where there are judgments.
    judged : dict of str to list of Judged
        By query id.
    test : str
        ``permutation`` or ``t``.
    seed : int
        Of the permutations and the bootstrap.
    runs : dict of str to dict of str to Outcome
        By variant and query id.
    """

    queries: Mapping[str, str]
    variants: tuple[str, ...]
    metrics: tuple[str, ...]
    judged: Mapping[str, Sequence[Judged]]
    test: str = "permutation"
    seed: int = 0
    runs: dict[str, dict[str, Outcome]] = field(default_factory=dict)


class Tables(NamedTuple):
    """The rows of the summary and of the per-query frame, and what was left out.

    Attributes
    ----------
    unanswered : int
        Queries that some variant has no answer to; they count for none.
    without_relevant : int
        Queries with no relevant judged passage; no setting can find anything.
    """

    summary: list[Row]
    per_query: list[Row]
    comparisons: int
    unanswered: int
    without_relevant: int


def tabulate(experiment: Experiment) -> Tables:
    """Return the tables of an experiment, also of one that was interrupted.

    With relevant judgments, a row per variant and metric with its difference to the
    first variant; without any, how alike each variant's hits are to the first's.

    Parameters
    ----------
    experiment : Experiment

    Raises
    ------
    ContexterError
        There are judgments, and ir-measures is not installed.
    """
    counted = counted_queries(experiment)
    keys, judged = counted.keys, counted.judged
    values = (_judged_values if judged else _list_values)(experiment, counted)
    shares = {
        (name, key): _judged_share(experiment, name, key) if judged else None
        for name in experiment.variants
        for key in keys
    }
    summary, comparisons = _summary(experiment, keys, values, shares)
    return Tables(
        summary=summary,
        per_query=_per_query(experiment, keys, values, shares),
        comparisons=comparisons,
        unanswered=counted.unanswered,
        without_relevant=counted.without_relevant,
    )


class Counted(NamedTuple):
    """The queries that an experiment's means are over, and how many are not.

    Attributes
    ----------
    keys : list of str
        Ids of those that every variant has answered, and that have a relevant judged
        passage where any query has.
    judged : bool
        Whether any query has.
    """

    keys: list[str]
    judged: bool
    unanswered: int
    without_relevant: int


def counted_queries(experiment: Experiment) -> Counted:
    """Return which queries of an experiment count.

    Parameters
    ----------
    experiment : Experiment
    """
    answered = [
        key
        for key in experiment.queries
        if all(_answered(experiment, name, key) for name in experiment.variants)
    ]
    relevant = [
        key
        for key in answered
        if any(each.grade > 0 for each in experiment.judged.get(key, ()))
    ]
    judged = any(
        each.grade > 0 for passages in experiment.judged.values() for each in passages
    )
    return Counted(
        keys=relevant if judged else answered,
        judged=judged,
        unanswered=len(experiment.queries) - len(answered),
        without_relevant=len(answered) - len(relevant) if judged else 0,
    )


def _answered(experiment: Experiment, variant: str, key: str) -> bool:
    outcome = experiment.runs.get(variant, {}).get(key)
    return outcome is not None and outcome.error is None


# A value by (variant, metric), one for each query that counts, in their order.
_Values = dict[tuple[str, str], Floats]
# Of (variant, query id); None where nothing is judged.
_Shares = dict[tuple[str, str], float | None]


def _judged_values(experiment: Experiment, counted: Counted) -> _Values:
    qrels = {key: document_grades(experiment.judged[key]) for key in counted.keys}
    values: _Values = {}
    for name in experiment.variants:
        ranked = ranked_documents(experiment, name, counted)
        found = scores(experiment.metrics, qrels, ranked)
        for metric in experiment.metrics:
            values[name, metric] = np.array(
                [found[metric][key] for key in counted.keys]
            )
    return values


def ranked_documents(
    experiment: Experiment, variant: str, counted: Counted
) -> dict[str, list[str]]:
    """Return the documents that a variant is measured by, best first, by query id.

    Parameters
    ----------
    experiment : Experiment
    variant : str
        One of its variants.
    counted : Counted
        Of this experiment.
    """
    judged = experiment.judged if counted.judged else {}
    run = experiment.runs.get(variant, {})
    return {key: ranking(run[key].hits, judged.get(key, ())) for key in counted.keys}


def _list_values(experiment: Experiment, counted: Counted) -> _Values:
    first = experiment.variants[0]
    listed = {
        name: ranked_documents(experiment, name, counted)
        for name in experiment.variants
    }
    values: _Values = {}
    for name in experiment.variants:
        pairs = [(listed[first][key], listed[name][key]) for key in counted.keys]
        values[name, f"overlap@{SHOWN_HITS}"] = np.array(
            [overlap_at(left, right, SHOWN_HITS) for left, right in pairs]
        )
        values[name, RBO] = np.array([rank_biased_overlap(*pair) for pair in pairs])
    return values


def _summary(
    experiment: Experiment,
    counted: Sequence[str],
    values: _Values,
    shares: _Shares,
) -> tuple[list[Row], int]:
    first = experiment.variants[0]
    judged = bool(shares) and None not in shares.values()
    rows: list[Row] = []
    for (name, metric), own in values.items():
        row: Row = {
            "variant": name,
            "metric": metric,
            "value": float(own.mean()) if len(own) else None,
            "queries": len(own),
            **_interval("ci", own, experiment.seed),
            **_effort(experiment, name, counted),
            "judged": _mean([shares[name, key] for key in counted]),
        }
        if judged and name != first and len(own):
            differences = own - values[first, metric]
            wins, ties, losses = wins_ties_losses(differences)
            row |= {
                "delta": float(differences.mean()),
                **_interval("delta", differences, experiment.seed),
                "p_value": _p_value(differences, experiment),
                "wins": wins,
                "ties": ties,
                "losses": losses,
            }
        elif judged and name == first:
            row["verdict"] = "baseline"
        rows.append(row)
    p_values = [row.get("p_value") for row in rows]
    for row, adjusted in zip(rows, holm(p_values), strict=True):
        row["p_adjusted"] = adjusted
        if "delta" in row:
            row["verdict"] = verdict(row["delta"], adjusted)
    return rows, sum(value is not None for value in p_values)


def verdict(delta: float, p_adjusted: float | None) -> str:
    """Return in a word what a difference shows, at 5 % after all comparisons.

    Parameters
    ----------
    delta : float
        A variant's mean less the baseline's.
    p_adjusted : float or None
        None where nothing could be tested.

    Examples
    --------
    >>> verdict(0.1, 0.2), verdict(-0.1, 0.001)
    ('no evidence', 'worse')
    """
    if p_adjusted is None or p_adjusted >= ALPHA:
        return "no evidence"
    return "better" if delta > 0 else "worse"


def _interval(prefix: str, values: Floats, seed: int) -> Row:
    # The same draws for every row: intervals differ by their values alone.
    found = bootstrap_interval(values, np.random.default_rng(seed))
    low, high = found or (None, None)
    return {f"{prefix}_low": low, f"{prefix}_high": high}


def _p_value(differences: Floats, experiment: Experiment) -> float | None:
    if experiment.test == "t":
        return paired_t_test(differences)
    return sign_flip_test(differences, np.random.default_rng(experiment.seed))


def _effort(experiment: Experiment, name: str, counted: Sequence[str]) -> Row:
    outcomes = [experiment.runs[name][key] for key in counted]
    times = [each.latency_ms for each in outcomes]
    return {
        "p50_ms": float(np.percentile(times, 50)) if times else None,
        "p95_ms": float(np.percentile(times, 95)) if times else None,
        "tokens": sum(each.tokens for each in outcomes),
        "usd": sum(each.usd for each in outcomes),
    }


def _mean(shares: Sequence[float | None]) -> float | None:
    known = [each for each in shares if each is not None]
    return float(np.mean(known)) if known else None


def _judged_share(experiment: Experiment, name: str, key: str) -> float:
    judged = experiment.judged.get(key, ())
    ranked = ranking(experiment.runs[name][key].hits, judged)
    return judged_share(ranked, document_grades(judged), SHOWN_HITS)


def _per_query(
    experiment: Experiment,
    counted: Sequence[str],
    values: _Values,
    shares: _Shares,
) -> list[Row]:
    first = experiment.variants[0]
    rows: list[Row] = []
    for at, key in enumerate(counted):
        for (name, metric), own in values.items():
            told = experiment.runs[name][key]
            change = own[at] - values[first, metric][at]
            rows.append(
                {
                    "query": experiment.queries[key],
                    "query_id": key,
                    "variant": name,
                    "metric": metric,
                    "value": float(own[at]),
                    "delta": float(change)
                    if shares[name, key] is not None and name != first
                    else None,
                    "judged": shares[name, key],
                    "found": len(told.hits),
                    "latency_ms": told.latency_ms,
                    "tokens": told.tokens,
                    "usd": told.usd,
                }
            )
    failed = [
        (key, name, run[key])
        for key in experiment.queries
        for name, run in experiment.runs.items()
        if key in run and run[key].error
    ]
    rows += [
        {
            "query": experiment.queries[key],
            "query_id": key,
            "variant": name,
            "found": 0,
            "latency_ms": outcome.latency_ms,
            "tokens": outcome.tokens,
            "usd": outcome.usd,
            "error": outcome.error,
        }
        for key, name, outcome in failed
    ]
    return rows
