"""From an engine's points to ranked documents, alike wherever the index is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import qdrant_edge as edge

from contexter_nb.retrieval._documents import document_of, is_lead
from contexter_nb.retrieval._fusion import (
    RRF_K,
    Candidate,
    reciprocal_rank_fusion,
)
from contexter_nb.retrieval._synonyms import expansions
from contexter_nb.retrieval._term_match import TermMatcher

TERMS = "terms"
# Documents each part hands to the fusion, and chunks it is asked for to have as many.
DEPTH = 60
CHUNKS_A_DOCUMENT = 2
# What each part counts in the fusion; set on the tuning half of the judged questions.
PART_WEIGHTS = {"dense": 0.4, "text": 1.0, "terms": 1.0}
# A document shows the passage it begins with where that scores this share of its best.
_LEAD_SHARE = 0.8
# What a synonym counts in the text part; a word of the query counts 1.
_SYNONYM_WEIGHT = 0.7


def by_document(
    answers: Mapping[str, Iterable[tuple[int, float]]], depth: int
) -> tuple[dict[int, int], dict[str, list[int]], dict[str, dict[int, float]]]:
    """Return each part's documents, best first, from its points.

    Parameters
    ----------
    answers : mapping of str to iterable of (int, float)
        Point and score of each part, best first.
    depth : int
        Documents a part may have.

    Returns
    -------
    tuple
        Best point by document; documents by part; scores by part and document.
    """
    best: dict[int, int] = {}
    parts: dict[str, list[int]] = {}
    scores: dict[str, dict[int, float]] = {}
    for part, answer in answers.items():
        found: dict[int, float] = {}
        for number, score in answer:
            key = document_of(number)
            if key not in found:
                if len(found) == depth:
                    break
                found[key] = score
                best.setdefault(key, number)
            elif is_lead(number) and score > _LEAD_SHARE * found[key]:
                best[key] = number
        parts[part] = list(found)
        scores[part] = found
    return best, parts, scores


def stems_of(query: str, model: edge.Bm25) -> dict[int, float]:
    """Return the stems of a query and, at less weight, of its synonyms."""
    own = model.embed_query(query)
    weights = dict(zip(own.indices, own.values, strict=True))
    added: dict[int, float] = {}
    for term, weight in expansions(query).items():
        for stem in model.embed_query(term).indices:
            if stem not in weights:
                added[stem] = max(_SYNONYM_WEIGHT * weight, added.get(stem, 0.0))
    return weights | added


def fused(
    query: str,
    best: Mapping[int, int],
    parts: dict[str, list[int]],
    known: Mapping[int, Mapping[str, Any]],
    matcher: TermMatcher,
    weights: Mapping[str, float],
) -> dict[int, Candidate]:
    """Add the terms part to `parts`; return all documents with fused scores.

    Parameters
    ----------
    query : str
    best : mapping of int to int
        Point by document.
    parts : dict of str to list of int
        Documents by part; changed.
    known : mapping of int to mapping
        Payload by point: ``prior`` and ``terms``.
    matcher : TermMatcher
    weights : mapping of str to float
        Where they shall differ from `PART_WEIGHTS`.
    """
    keys = list(best)
    scores = matcher.scores(query, [known[best[key]]["terms"] for key in keys])
    order = np.argsort(-scores, kind="stable")
    parts[TERMS] = [keys[at] for at in order if scores[at] > 0]
    found = reciprocal_rank_fusion(parts, {**PART_WEIGHTS, **weights}, RRF_K)
    for key, candidate in found.items():
        candidate.score *= known[best[key]]["prior"]
    return found


def matched_words(
    query: str, stems: Sequence[int], model: edge.Bm25
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the query's words that a chunk has, has not, and synonyms it has.

    Parameters
    ----------
    query : str
    stems : sequence of int
        Those of the chunk.
    model : qdrant_edge.Bm25
    """
    has = set(stems)
    matched: list[str] = []
    missing: list[str] = []
    for word in dict.fromkeys(query.split()):
        own = model.embed_query(word).indices
        if own:
            (matched if has.intersection(own) else missing).append(word)
    synonyms = [
        term
        for term in expansions(query)
        if has.issuperset(model.embed_query(term).indices or [-1])
    ]
    return tuple(matched), tuple(missing), tuple(synonyms)
