"""Queries, variants and judgments as a person gives them, checked before any search."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contexter_nb.core import InvalidArgumentError, did_you_mean
from contexter_nb.notebook._arguments import (
    check_choice,
    check_chunk_tokens,
    check_count,
    check_ef,
    check_limit,
    check_mode,
    check_query,
    check_weights,
)
from contexter_nb.notebook._files import check_file
from contexter_nb.notebook._tables import is_frame
from contexter_nb.retrieval import (
    MAX_GRADE,
    MODES,
    Judged,
    QrelsLine,
    check_dtype,
    lead_id,
    parse_qrels,
    parse_queries,
    point_id,
    queries_path,
    query_id,
)

_GRADES = "0 (not relevant), 1, 2 or 3 (just what was sought)"
# What belongs to an index, not to a search in it: such a variant gets one of its own.
INDEX_SETTINGS = ("chunk_tokens", "dimension", "dtype", "embedder", "model")
_ALSO_CALLED = {"k": "limit", "filters": "where", "chunking": "chunk_tokens"}
# Name of a variant to what it searches by.
Settings = dict[str, dict[str, Any]]
_TEXT_FIELDS = ("title", "library", "version", "origin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A judgment as it was given."""

    query: str
    chunk_id: str
    grade: int
    title: str = ""
    library: str = ""
    version: str = ""
    origin: str = ""
    # Of the passage as it was judged; empty where nobody knows.
    text_hash: str = ""


def check_queries(queries: Any) -> dict[str, str]:
    """Return queries by their id, each once, in their order.

    Parameters
    ----------
    queries : str, several, or a DataFrame with a column ``query``

    Raises
    ------
    InvalidArgumentError
        There is none, one is empty, or the frame has no such column.
    """
    if is_frame(queries):
        if "query" not in queries.columns:
            raise InvalidArgumentError(
                "The frame of queries has no column query; its columns are "
                f"{', '.join(map(str, queries.columns)) or 'none'}; rename one with "
                ".rename(columns=...)."
            )
        queries = queries["query"].tolist()
    if isinstance(queries, str):
        queries = [check_query(queries)]
    if isinstance(queries, Mapping) or not isinstance(queries, Iterable):
        raise InvalidArgumentError(
            f"queries is {type(queries).__name__}; give questions as a list of texts, "
            "or a DataFrame with a column query."
        )
    found: dict[str, str] = {}
    for at, each in enumerate(queries):
        try:
            query = check_query(each)
        except InvalidArgumentError as exc:
            raise InvalidArgumentError(f"In queries[{at}]: {exc}") from exc
        found.setdefault(query_id(query), query)
    if not found:
        raise InvalidArgumentError("queries is empty; give at least one question.")
    return found


def check_variants(variants: object, offered: Sequence[str], limit: int) -> Settings:
    """Return the settings of each variant by its name, checked one by one.

    Parameters
    ----------
    variants : mapping or sequence
        Name to settings (``{"words only": {"mode": "text"}}``), or modes alone.
    offered : sequence of str
        What the session's search can be told, beside the query.
    limit : int
        Hits asked for where a variant does not say.

    Raises
    ------
    InvalidArgumentError
        A name or a setting cannot be used.
    """
    if isinstance(variants, str):
        variants = [variants]
    if isinstance(variants, Sequence):
        modes = [check_mode(each) for each in variants]
        twice = [mode for at, mode in enumerate(modes) if mode in modes[:at]]
        if twice:
            raise InvalidArgumentError(
                f"variants has {twice[0]!r} twice; a setting is compared with others."
            )
        variants = {mode: {"mode": mode} for mode in modes}
    if not isinstance(variants, Mapping):
        raise InvalidArgumentError(
            f"variants is {type(variants).__name__}; give names with their settings, "
            'as {"words": {"mode": "text"}, "meaning": {"mode": "dense"}}.'
        )
    if not variants:
        raise InvalidArgumentError(
            "variants is empty; give at least one, the first is the baseline."
        )
    return {
        _name(name): _settings(name, settings, offered, limit)
        for name, settings in variants.items()
    }


def _name(name: object) -> str:
    if isinstance(name, str) and name.strip():
        return name
    raise InvalidArgumentError(f"A variant is called {name!r}; give it a name.")


def _settings(
    name: str, settings: object, offered: Sequence[str], limit: int
) -> dict[str, Any]:
    if isinstance(settings, str) and settings in MODES:
        settings = {"mode": settings}
    if not isinstance(settings, Mapping):
        raise InvalidArgumentError(
            f"The variant {name!r} is {type(settings).__name__}; give settings, as "
            '{"mode": "text"}.'
        )
    known = [*offered, *INDEX_SETTINGS, "session"]
    checked: dict[str, Any] = {"limit": limit}
    for given, value in settings.items():
        key = _ALSO_CALLED.get(given, given)
        if key not in known:
            raise InvalidArgumentError(
                f"The variant {name!r} has an unknown setting {key!r}; there are "
                f"{', '.join(known)}.{did_you_mean(str(key), known)}"
            )
        with in_variant(name):
            checked[key] = _setting(key, value)
    if "session" in checked and needs_index(checked):
        own = ", ".join(key for key in checked if key in INDEX_SETTINGS)
        raise InvalidArgumentError(
            f"The variant {name!r} has a session and {own}; a session has its own: "
            "give either."
        )
    return checked


def needs_index(settings: Mapping[str, Any]) -> bool:
    """Whether a variant names something that belongs to an index."""
    return any(key in settings for key in INDEX_SETTINGS)


@contextlib.contextmanager
def in_variant(name: str) -> Iterator[None]:
    """Say of what cannot be used in which variant it is; one without a name is none."""
    try:
        yield
    except InvalidArgumentError as exc:
        if not name:
            raise
        raise InvalidArgumentError(f"In the variant {name!r}: {exc}") from exc


def _setting(key: str, value: Any) -> Any:
    if key == "limit":
        return check_limit(value)
    if key == "mode":
        return check_mode(value)
    if key == "ef" and value is not None:
        return check_ef(value)
    if key == "weights":
        check_weights(value)
    if key == "session":
        return _verbs_of(value)
    if key == "exact" and not isinstance(value, bool):
        raise InvalidArgumentError(f"exact is {value!r}; give True or False.")
    return _index_setting(key, value) if key in INDEX_SETTINGS else value


def _index_setting(key: str, value: Any) -> Any:
    if key == "chunk_tokens":
        return check_chunk_tokens(value)
    if key == "dimension":
        return check_count("dimension", value)
    if key == "dtype":
        return check_dtype(value)
    if key == "model" and not (isinstance(value, str) and value.strip()):
        raise InvalidArgumentError(f"model is {value!r}; give the name of one.")
    return value


def _verbs_of(session: object) -> object:
    """Return the verbs of a session, plain or of its coroutines."""
    verbs = getattr(session, "_verbs", None)
    if not hasattr(verbs, "index_store"):
        raise InvalidArgumentError(
            f"session is {type(session).__name__}; give one that connect(...) opened."
        )
    return verbs


def check_grade(grade: object) -> int:
    """Return a grade from 0 to 3."""
    whole = isinstance(grade, (int, np.integer)) and not isinstance(grade, bool)
    if isinstance(grade, (float, np.floating)) and float(grade).is_integer():
        whole = True
    if not whole or not 0 <= int(grade) <= MAX_GRADE:  # type: ignore[call-overload]  # whole
        raise InvalidArgumentError(f"grade is {grade!r}; give {_GRADES}.")
    return int(grade)  # type: ignore[call-overload, no-any-return]  # whole


def check_judgments(judgments: Any) -> list[Given]:
    """Return judgments given as a frame or as rows.

    Parameters
    ----------
    judgments : DataFrame or sequence
        Columns, keys or, in a tuple, places: query, chunk_id, grade; and title,
        library, version, origin where they are known.

    Raises
    ------
    InvalidArgumentError
        A column is missing, or a value cannot be used.
    """
    if is_frame(judgments):
        lacking = {"query", "chunk_id", "grade"} - set(judgments.columns)
        if lacking:
            raise InvalidArgumentError(
                f"The frame of judgments has no {', '.join(sorted(lacking))}; it needs "
                "query, chunk_id and grade, as nb.judgments() has."
            )
        rows: Iterable[Any] = judgments.to_dict("records")
    elif isinstance(judgments, Sequence) and not isinstance(judgments, str):
        rows = judgments
    else:
        raise InvalidArgumentError(
            f"judgments is {type(judgments).__name__}; give a DataFrame with query, "
            "chunk_id and grade, as nb.judgments() answers it."
        )
    return [_given(at, row) for at, row in enumerate(rows)]


def _given(at: int, row: Any) -> Given:
    if isinstance(row, tuple) and len(row) == 3:
        row = dict(zip(("query", "chunk_id", "grade"), row, strict=True))
    if not isinstance(row, Mapping) or not {"query", "chunk_id", "grade"} <= set(row):
        raise InvalidArgumentError(
            f"judgments[{at}] is no judgment; give query, chunk_id and grade."
        )
    try:
        query, grade = check_query(row["query"]), check_grade(row["grade"])
        point_id(row["chunk_id"])
    except InvalidArgumentError as exc:
        raise InvalidArgumentError(f"In judgments[{at}], {exc}") from exc
    more = {key: row[key] for key in _TEXT_FIELDS if isinstance(row.get(key), str)}
    return Given(query=query, chunk_id=row["chunk_id"].lower(), grade=grade, **more)


def read_qrels(path: Any, queries: object) -> list[Given]:
    """Return the judgments of a TREC qrels file.

    Parameters
    ----------
    path : path-like
    queries : mapping, path-like or None
        Query id to text, or a tab-separated file of both; None takes the file that
        `export_judgments` puts beside.

    Raises
    ------
    InvalidArgumentError
        A file cannot be read, a line is none, or a query has no text.
    """
    place = check_file("what", path, "mine.qrels")
    lines = parse_qrels(_text(place), place.name)
    texts: Mapping[str, object]
    if isinstance(queries, Mapping):
        texts = {str(key): value for key, value in queries.items()}
    else:
        beside = queries_path(place)
        if queries is not None:
            beside = check_file("queries", queries, beside.name)
        texts = parse_queries(_text(beside), beside.name)
    return [_from_line(line, texts, place.name) for line in lines]


def _from_line(line: QrelsLine, texts: Mapping[str, object], name: str) -> Given:
    if line.query_id not in texts:
        raise InvalidArgumentError(
            f"{name} judges the query {line.query_id!r}, whose text is not known; give "
            "queries={id: text} or a file of both."
        )
    try:
        query = check_query(texts[line.query_id])
    except InvalidArgumentError as exc:
        raise InvalidArgumentError(
            f"{name} judges the query {line.query_id!r}, whose text is none: {exc}"
        ) from exc
    row = {"query": query, "chunk_id": lead_id(line.chunk_id), "grade": line.grade}
    try:
        return _given(0, row)
    except InvalidArgumentError as exc:
        raise InvalidArgumentError(
            f"{name} judges {line.chunk_id!r} as {line.grade} for {line.query_id!r}: "
            f"documents must be chunk ids, and grades {_GRADES}."
        ) from exc


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        near: list[str] = []
        with contextlib.suppress(OSError):
            near = os.listdir(path.parent)
        raise InvalidArgumentError(
            f"The file {path.name[:60]} cannot be read "
            f"({exc.strerror if isinstance(exc, OSError) else 'it is no text'})."
            f"{did_you_mean(path.name, near)}"
        ) from exc


def is_path(value: object) -> bool:
    """Whether this names a file."""
    return isinstance(value, (str, os.PathLike))


def check_test(test: object) -> str:
    """Return how differences are tested."""
    return check_choice("test", test, ("permutation", "t"))


def check_seed(seed: object) -> int:
    """Return a seed: a whole number from 0 on."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InvalidArgumentError(f"seed is {seed!r}; give a whole number from 0 on.")
    return int(seed)


def judged_by_query(given: Iterable[Given]) -> dict[str, list[Judged]]:
    """Return judgments by query id; of two of one pair the last counts."""
    found: dict[str, dict[str, Judged]] = {}
    for each in given:
        own = found.setdefault(query_id(each.query), {})
        own[each.chunk_id] = Judged(each.chunk_id, each.library, each.title, each.grade)
    return {key: list(own.values()) for key, own in found.items()}


def id_of(experiment: Any) -> Any:
    """Return the id that a summary carries; anything else as it is."""
    if not is_frame(experiment):
        return experiment
    carried = experiment.attrs.get("experiment_id")
    if carried is None:
        raise InvalidArgumentError(
            "This frame is not what nb.experiment(...) answered, or a merge or a file "
            "has taken what it carried; give an experiment_id of nb.experiments()."
        )
    return carried
