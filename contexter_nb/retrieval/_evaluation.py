"""What a search is worth by judgments: trec_eval's own figures, query by query."""

from __future__ import annotations

import hashlib
import importlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from contexter_nb.core import ContexterError, InvalidArgumentError, did_you_mean
from contexter_nb.retrieval._documents import DOCUMENT_DIGITS, PLACE_DIGITS
from contexter_nb.retrieval._metric_names import measure_of

DEFAULT_METRICS = ("nDCG@10", "R@5", "R@10", "RR", "AP")
MAX_GRADE = 3
# Those that compute in this process; others would download, compile or run Perl.
_PROVIDERS = ("pytrec_eval", "msmarco", "judged", "accuracy")
_ID_BYTES = 8
_DIGITS = frozenset("0123456789abcdef")
# The title of a row that has none: another row has it where the table is sorted.
_COUNTED = re.compile(r"row \d+")

Qrels = Mapping[str, Mapping[str, int]]


class Found(NamedTuple):
    """One hit, as far as judging it goes.

    Attributes
    ----------
    names : tuple of str
        Its title and aliases: near duplicates folded into it are among them.
    """

    chunk_id: str
    library: str
    names: tuple[str, ...]


class Judged(NamedTuple):
    """One judged passage."""

    chunk_id: str
    library: str
    title: str
    grade: int


def query_id(query: str) -> str:
    """Return the stable id of a query, the same in every session and file.

    Parameters
    ----------
    query : str
        White space at the ends and repeated inside does not count; case does.

    Returns
    -------
    str
        ``q`` and 16 hexadecimal digits.

    Examples
    --------
    >>> query_id("join two  tables ") == query_id("join two tables")
    True
    """
    plain = " ".join(unicodedata.normalize("NFC", query).split())
    content = plain.encode("utf-8", "surrogatepass")
    return "q" + hashlib.blake2b(content, digest_size=_ID_BYTES).hexdigest()


def document_key(chunk_id: str) -> str:
    """Return what all passages of one object, or of one section of a page, share.

    Parameters
    ----------
    chunk_id : str
        16 hexadecimal digits.

    Examples
    --------
    >>> document_key("aa2ade7828a60003")
    'aa2ade7828a6'
    """
    return chunk_id[:DOCUMENT_DIGITS]


def lead_id(document: str) -> str:
    """Return the id of the passage that a document begins with.

    Parameters
    ----------
    document : str
        As of `document_key`; anything else is given back as it is.

    Examples
    --------
    >>> lead_id("aa2ade7828a6"), lead_id("aa2ade7828a60003")
    ('aa2ade7828a60000', 'aa2ade7828a60003')
    """
    is_key = len(document) == DOCUMENT_DIGITS and set(document) <= _DIGITS
    return document + "0" * PLACE_DIGITS if is_key else document


def document_grades(judged: Iterable[Judged]) -> dict[str, int]:
    """Return the grade of each judged document: the best of its passages'.

    A search answers one passage of a document, and which one depends on the setting:
    counted by passage, a setting would be blamed for showing the next paragraph.

    Parameters
    ----------
    judged : iterable of Judged
        Of one query.

    Examples
    --------
    >>> first, second = "aa2ade7828a60000", "aa2ade7828a60001"
    >>> document_grades([Judged(first, "a", "b", 1), Judged(second, "a", "b", 2)])
    {'aa2ade7828a6': 2}
    """
    grades: dict[str, int] = {}
    for each in judged:
        key = document_key(each.chunk_id)
        grades[key] = max(each.grade, grades.get(key, 0))
    return grades


def ranking(found: Sequence[Found], judged: Sequence[Judged]) -> list[str]:
    """Return the documents of hits in their order, each once.

    A judged document that was folded into a hit as its near duplicate stands where
    that hit stands.

    Parameters
    ----------
    found : sequence of Found
        Best first.
    judged : sequence of Judged
        Of the same query.

    Returns
    -------
    list of str
        As long as `found`, unless two hits are of one document.
    """
    grades = document_grades(judged)
    by_name = {
        (each.library, each.title): document_key(each.chunk_id)
        for each in judged
        if not _COUNTED.fullmatch(each.title)
    }
    ranked: dict[str, None] = {}
    for each in found:
        key = document_key(each.chunk_id)
        if key not in grades:
            stands_for = [
                other
                for name in each.names
                if (other := by_name.get((each.library, name))) and other not in ranked
            ]
            key = max(stands_for, key=lambda other: grades[other], default=key)
        ranked.setdefault(key)
    return list(ranked)


def judged_share(ranked: Sequence[str], grades: Mapping[str, int], k: int) -> float:
    """Return which share of the first `k` hits somebody has judged, 0 to 1.

    Where it is low, unjudged hits decide: they count as not relevant.

    Parameters
    ----------
    ranked : sequence of str
        Documents, best first.
    grades : mapping of str to int
        Of the judged ones.
    k : int
        From 1 on.
    """
    first = ranked[:k]
    return sum(key in grades for key in first) / len(first) if first else 1.0


def parse_metrics(names: Sequence[str]) -> list[str]:
    """Return metrics by the names that ir-measures prints, or refuse one.

    Parameters
    ----------
    names : sequence of str
        As ``nDCG@10``, ``R@5``, ``RR`` (or ``MRR``), ``AP``, ``P@3``, ``Success@1``.

    Raises
    ------
    InvalidArgumentError
        A name is unknown, twice, or of a metric that cannot be computed here.
    ContexterError
        ir-measures is not installed.
    """
    found = [str(_measure(name)) for name in names]
    if not found:
        raise InvalidArgumentError(
            f"metrics is empty; leave it out for {', '.join(DEFAULT_METRICS)}."
        )
    twice = {name for name in found if found.count(name) > 1}
    if twice:
        raise InvalidArgumentError(
            f"metrics holds {', '.join(sorted(twice))} twice; name each once."
        )
    return found


def cutoff_of(name: str) -> int | None:
    """Return how many hits a metric looks at; None where it looks at all.

    Parameters
    ----------
    name : str
        As of `parse_metrics`.

    Raises
    ------
    InvalidArgumentError
        There is no such metric.

    Examples
    --------
    >>> cutoff_of("nDCG@10"), cutoff_of("AP")
    (10, None)
    """
    cutoff = _measure(name).params.get("cutoff")
    return None if cutoff is None else int(cutoff)


def scores(
    metrics: Sequence[str],
    qrels: Qrels,
    ranked: Mapping[str, Sequence[str]],
) -> dict[str, dict[str, float]]:
    """Return each metric's value for each query.

    Parameters
    ----------
    metrics : sequence of str
        As `parse_metrics` gives them.
    qrels : mapping of str to mapping of str to int
        Query id to document to grade.
    ranked : mapping of str to sequence of str
        Query id to documents, best first.

    Returns
    -------
    dict of str to dict of str to float
        Metric to query id to value; a query of `qrels` that has no ranking has 0.

    Raises
    ------
    ContexterError
        ir-measures is not installed.

    Examples
    --------
    >>> scores(["RR"], {"q1": {"a": 1}}, {"q1": ["b", "a"]})
    {'RR': {'q1': 0.5}}
    """
    library = _ir_measures()
    judged = {key: dict(grades) for key, grades in qrels.items()}
    # Ranks as scores: trec_eval sorts by score, and breaks ties by its own rule.
    run = {
        key: {
            document: float(len(documents) - at)
            for at, document in enumerate(documents)
        }
        for key, documents in ranked.items()
        if key in judged and documents
    }
    values = {name: dict.fromkeys(judged, 0.0) for name in metrics}
    if not run:
        return values
    for name in metrics:
        measure = _measure(name)
        for each in _provider(library, measure).iter_calc([measure], judged, run):
            values[name][each.query_id] = float(each.value)
    return values


def _ir_measures() -> ModuleType:
    try:
        return importlib.import_module("ir_measures")
    except ImportError as exc:
        raise ContexterError(
            "Metrics need ir-measures, which is not installed; "
            'pip install "contexter_nb[experiments]".'
        ) from exc


def _measure(name: object) -> Any:
    library = _ir_measures()
    if not isinstance(name, str):
        raise InvalidArgumentError(
            f'A metric is {type(name).__name__}; give its name, as "nDCG@10".'
        )
    known = ("nDCG@10", "R@10", "RR", "AP", "P@10", "Success@1")
    try:
        measure = measure_of(library, name)
        measure.validate_params()
    except Exception as exc:  # a KeyError, a ValueError, an AssertionError, ...
        raise InvalidArgumentError(
            f"There is no metric {name[:60]!r}; use those of ir-measures, as "
            f"{', '.join(known)}.{did_you_mean(name, known)}"
        ) from exc
    if _provider(library, measure) is None:
        raise InvalidArgumentError(
            f"The metric {name!r} cannot be computed here; use others, as "
            f"{', '.join(known)}."
        )
    return measure


def _provider(library: ModuleType, measure: Any) -> Any:
    for name in _PROVIDERS:
        provider = getattr(library, name)
        if provider.is_available() and provider.supports(measure):
            return provider
    return None
