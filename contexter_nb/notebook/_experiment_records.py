"""What experiments answer and keep, as the records of frames and of JSON."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from contexter_nb.frames import KINDS, make_frame
from contexter_nb.notebook._experiment_arguments import Given
from contexter_nb.retrieval import (
    Catalog,
    Experiment,
    Judged,
    Outcome,
    document_key,
    overlap_at,
    rank_biased_overlap,
    tabulate,
)

if TYPE_CHECKING:
    import pandas as pd


_SAME = ("contexter_nb", "queries", "variants", "catalog")


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows by the names of its columns."""
    return cast("list[dict[str, Any]]", frame.to_dict("records"))


def origin_of(given: Sequence[Given]) -> str | None:
    """Return who made some judgments: person, generated or mixed; None for none."""
    origins = {
        "generated" if each.origin == "generated" else "person" for each in given
    }
    if not origins:
        return None
    return origins.pop() if len(origins) == 1 else "mixed"


def plain_settings(settings: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """Return settings as JSON can hold them; a session by its embedder's name."""
    plain = {key: value for key, value in settings.items() if key != "session"}
    if "session" in settings:
        plain["session"] = catalog.embedder
    if not isinstance(plain.get("embedder", ""), str):
        plain["embedder"] = plain["embedder"].identity
    return dict(json.loads(json.dumps(plain, default=_plain)))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, (set, frozenset, tuple)) else str(value)


def own_version() -> str:
    """Return this package's version; empty where it is not installed."""
    try:
        return version("contexter_nb")
    except PackageNotFoundError:
        return ""


def note_runs(record: dict[str, Any], experiment: Experiment) -> None:
    """Put what was found so far into the record of an experiment."""
    record["runs"] = {
        name: {key: each.as_json() for key, each in run.items()}
        for name, run in experiment.runs.items()
    }


def is_unfinished(before: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Whether this is the same experiment, begun before and not brought to its end.

    The same questions, settings, indexes and code give the same hits; judgments and
    metrics are applied to them afterwards.
    """
    if state_of(before) not in ("interrupted", "failed"):
        return False
    return all(before.get(key) == record[key] for key in _SAME)


def added(
    before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return what indexes of variants took in two runs of an experiment together."""
    whole = {**before, **now}
    return {
        name: {
            **each,
            **{
                key: before.get(name, {}).get(key, 0) + now.get(name, {}).get(key, 0)
                for key in ("embedded", "tokens", "usd", "seconds")
            },
        }
        for name, each in whole.items()
    }


def kept_outcomes(record: Mapping[str, Any]) -> dict[str, dict[str, Outcome]]:
    """Return the searches of an experiment that were answered."""
    return {
        name: {
            key: Outcome.from_json(each)
            for key, each in record["runs"].get(name, {}).items()
            if each["error"] is None
        }
        for name in record["variants"]
    }


def experiment_of(record: Mapping[str, Any]) -> Experiment:
    """Return an experiment as it was kept."""
    return Experiment(
        queries=record["queries"],
        variants=tuple(record["variants"]),
        metrics=tuple(record["metrics"]),
        judged={
            key: [Judged(*each) for each in judged]
            for key, judged in record["judged"].items()
        },
        test=record["test"],
        seed=record["seed"],
        runs={
            name: {key: Outcome.from_json(each) for key, each in run.items()}
            for name, run in record["runs"].items()
        },
    )


def summary_frame(
    experiment_id: str, experiment: Experiment, record: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the frame of an experiment; what it carries beside is plain JSON."""
    tables = tabulate(experiment)
    attrs = {
        "experiment_id": experiment_id,
        "state": state_of(record),
        "origin": record["origin"],
        "test": experiment.test,
        "comparisons": tables.comparisons,
        "unanswered": tables.unanswered,
        "without_relevant": tables.without_relevant,
        "queries": list(record["queries"].values()),
        "variants": record["variants"],
        "catalog": record["catalog"],
        "indexing": record.get("indexing", {}),
        "per_query": _packed(tables.per_query),
    }
    prices = record.get("usd_per_1000", {})
    rows = [
        {**row, "usd_per_1000": prices.get(row["variant"])} for row in tables.summary
    ]
    return make_frame("experiment", rows, attrs)


class PackedRows(str):
    """Rows as a text, which is many: what prints the attrs of a frame says so only."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return how much it is, and how to read it."""
        return f"<{len(self):,} characters; .contexter.per_query() shows them>"

    def __deepcopy__(self, memo: object) -> PackedRows:
        """Return itself: pandas copies attrs deeply at every step."""
        return self


def _packed(rows: Sequence[Mapping[str, Any]]) -> PackedRows:
    """Return the per-query rows as a text, which copies of a frame share."""
    names = [name for name in KINDS["experiment_queries"].names if name != "query"]
    return PackedRows(
        json.dumps(
            {
                "queries": {row["query_id"]: row["query"] for row in rows},
                "names": names,
                "rows": [[row.get(name) for name in names] for row in rows],
            }
        )
    )


def unpacked(packed: str) -> list[dict[str, Any]]:
    """Return the per-query rows that a summary carries."""
    kept = json.loads(packed)
    rows = [dict(zip(kept["names"], row, strict=True)) for row in kept["rows"]]
    return [{**row, "query": kept["queries"][row["query_id"]]} for row in rows]


def this_process() -> list[str | int]:
    """Return what names this process among those of all machines on one home."""
    return [socket.gethostname(), os.getpid()]


def state_of(record: Mapping[str, Any]) -> str:
    """Return an experiment's state; what runs in a killed kernel is interrupted."""
    state = str(record["state"])
    host, process_id = record.get("runs_in") or ("", 0)
    if state != "running" or host != socket.gethostname():
        return state
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return "interrupted"
    except OSError:  # it is somebody else's
        return state
    return state


def listed_record(experiment_id: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return an experiment as a row of `experiments`."""
    outcomes = [each for run in record["runs"].values() for each in run.values()]
    indexing = record.get("indexing", {}).values()
    return {
        "experiment_id": experiment_id,
        "started_at": record["started_at"],
        "state": state_of(record),
        "variants": tuple(record["variants"]),
        "queries": len(record["queries"]),
        "searches": sum(each["error"] is None for each in outcomes),
        "judgments": sum(map(len, record["judged"].values())),
        "origin": record["origin"],
        "embedder": next(iter(record["catalog"].values()))["embedder"],
        "tokens": sum(each["tokens"] for each in (*outcomes, *indexing)),
        "usd": sum(each["usd"] for each in (*outcomes, *indexing)),
    }


def damaged_record(experiment_id: str) -> dict[str, Any]:
    """Return an experiment whose file cannot be read as a row of `experiments`."""
    counts = ("queries", "searches", "judgments", "tokens")
    return {
        "experiment_id": experiment_id,
        "started_at": None,
        "state": "damaged",
        "variants": (),
        **dict.fromkeys(counts, 0),
        "usd": 0.0,
    }


def side_records(
    name: str,
    hits: Sequence[Mapping[str, Any]],
    baseline: Sequence[Mapping[str, Any]],
    limit: int,
) -> list[dict[str, Any]]:
    """Return one variant's side of a comparison."""
    own, first = _documents(hits), _documents(baseline)
    shared = {
        "variant": name,
        "overlap": overlap_at(list(first), list(own), limit),
        "rbo": rank_biased_overlap(list(first), list(own)),
    }
    rows = []
    for document, (rank, hit) in own.items():
        before = first[document][0] if document in first else None
        rows.append(
            {
                **{key: hit[key] for key in ("title", "library", "kind", "score")},
                **shared,
                "chunk_id": hit["chunk_id"],
                "rank": rank,
                "baseline_rank": before,
                "moved": None if before is None else before - rank,
            }
        )
    for document, (rank, hit) in first.items():
        if document not in own:
            lost = {key: hit[key] for key in ("title", "library", "kind", "chunk_id")}
            rows.append({**lost, **shared, "baseline_rank": rank})
    return rows


def _documents(
    hits: Sequence[Mapping[str, Any]],
) -> dict[str, tuple[int, Mapping[str, Any]]]:
    """Return hits with their ranks by document, the first of each."""
    found: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for rank, hit in enumerate(hits, start=1):
        found.setdefault(document_key(str(hit["chunk_id"])), (rank, hit))
    return found


def recall_record(
    depth: int,
    breadth: int | None,
    near: Sequence[Outcome],
    exact: Sequence[Outcome],
    catalog: Catalog,
    embedded: bool,
) -> dict[str, Any]:
    """Return a row of `recall_check`."""
    recalls = [
        len({*wanted} & {*found}) / len(wanted) if wanted else 1.0
        for found, wanted in zip(map(_ids, near), map(_ids, exact), strict=True)
    ]
    errors = [each.error for each in (*near, *exact) if each.error]
    return {
        "k": depth,
        "ef": breadth,
        "queries": len(recalls),
        "recall": float(np.mean(recalls)),
        "worst": min(recalls),
        "complete": sum(each == 1.0 for each in recalls),
        "p50_ms": float(np.median([each.latency_ms for each in near])),
        "exact_p50_ms": float(np.median([each.latency_ms for each in exact])),
        "chunks": catalog.chunks,
        "detail": f"{len(errors)} searches failed, as {errors[0]}"
        if errors
        else _built(catalog, embedded),
    }


def _built(catalog: Catalog, embedded: bool) -> str:
    """Return how much of an index is approximate."""
    if not embedded:
        return "the server decides which passages its approximate index has"
    if not catalog.optimized_chunks:
        return "not optimized: every search compares with every vector"
    return (
        f"{catalog.optimized_chunks:,} of {catalog.chunks:,} passages in the "
        "approximate index"
    )


def _ids(outcome: Outcome) -> list[str]:
    return [each.chunk_id for each in outcome.hits]
