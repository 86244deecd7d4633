"""From what an engine found in each part to documents in one order. No engine in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from contexter_nb.retrieval._documents import chunk_id_of, document_of, is_lead
from contexter_nb.retrieval._fusion import (
    RRF_K,
    Candidate,
    fold_repeats,
    reciprocal_rank_fusion,
)
from contexter_nb.retrieval._term_match import TermMatcher

DENSE, TEXT, TERMS, HYBRID = "dense", "text", "terms", "hybrid"
MODES = (HYBRID, DENSE, TEXT)
MAX_LIMIT = 1_000
# Documents each part hands to the fusion, and chunks it is asked for to have as many.
DEPTH = 60
CHUNKS_A_DOCUMENT = 2
# What each part counts in the fusion; set on the tuning half of the judged questions.
PART_WEIGHTS = {DENSE: 0.4, TEXT: 1.0, TERMS: 1.0}
# A document shows the passage it begins with where that scores this share of its best.
# Single precision ends here, whichever way a sum was made.
_EQUAL_DIGITS = 5
_LEAD_SHARE = 0.8

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One answer of a search.

    Attributes
    ----------
    score : float
        Hybrid: the fused score; dense: cosine; text: BM25.
    ranks : dict of str to int
        The rank of its document in each part that found it, from 1.
    folded : tuple of str
        Titles of near duplicates that this hit stands for.
    """

    chunk_id: str
    score: float
    ranks: Mapping[str, int]
    payload: Payload
    folded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRank:
    """Where one chunk's document stands in one part of a search.

    Attributes
    ----------
    part : str
        ``dense``, ``text``, ``terms`` or ``hybrid``.
    rank : int or None
        From 1; None where the part did not find it.
    score : float or None
        The part's own, as in `Hit`; None where it has none.
    found : int
        How many documents the part ranked.
    """

    part: str
    rank: int | None
    score: float | None
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a chunk is found where it is.

    Attributes
    ----------
    matched, missing : tuple of str
        The query's words that the chunk has, and those it has not.
    synonyms : tuple of str
        Words for what the query asks that the chunk has.
    filtered_out : bool
        The filter excludes it.
    """

    parts: tuple[PartRank, ...]
    payload: Payload
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    synonyms: tuple[str, ...]
    filtered_out: bool


@dataclass(slots=True)
class Ranking:
    """The documents that each part of a search found, best first.

    Attributes
    ----------
    best : dict of int to int
        Each document's passage that is shown, as the engine's number.
    parts : dict of str to list of int
        Documents by part.
    scores : dict of str to dict of int to float
        The part's own, by document.
    """

    best: dict[int, int] = field(default_factory=dict)
    parts: dict[str, list[int]] = field(default_factory=dict)
    scores: dict[str, dict[int, float]] = field(default_factory=dict)

    def add(self, part: str, points: Iterable[tuple[int, float]], depth: int) -> None:
        """Take what a part found, passage by passage, as at most `depth` documents.

        Parameters
        ----------
        part : str
        points : iterable of (int, float)
            Number and score. Of scores that are equal but for their last digits the
            lower number comes first: an engine's own order of these differs from one
            build of an index to the next, and in a fusion of ranks that would move
            other documents, too.
        depth : int
        """
        found: dict[int, float] = {}
        for number, score in sorted(points, key=_by_score):
            key = document_of(number)
            if key not in found:
                if len(found) == depth:
                    break
                found[key] = score
                self.best.setdefault(key, number)
            elif is_lead(number) and score > _LEAD_SHARE * found[key]:
                self.best[key] = number
        self.parts[part] = list(found)
        self.scores[part] = found

    def of_part(self, part: str) -> list[Candidate]:
        """Return the documents of one part alone, best first."""
        scores = self.scores[part]
        return [
            Candidate(key, scores[key], {part: rank})
            for rank, key in enumerate(self.parts[part], start=1)
        ]

    def fused(
        self,
        query: str,
        known: Mapping[int, Payload],
        weights: Mapping[str, float],
        matcher: TermMatcher,
    ) -> list[Candidate]:
        """Add the part of the terms, and return all documents by their fused scores.

        Parameters
        ----------
        query : str
        known : mapping of int to dict
            ``prior`` and ``terms`` of each passage in `best`.
        weights : mapping of str to float
            Where they differ from `PART_WEIGHTS`.
        matcher : TermMatcher
        """
        self.parts[TERMS] = self._by_terms(query, known, matcher)
        found = reciprocal_rank_fusion(self.parts, {**PART_WEIGHTS, **weights}, RRF_K)
        for key, candidate in found.items():
            candidate.score *= known[self.best[key]]["prior"]
        return sorted(found.values(), key=lambda each: -each.score)

    def _by_terms(
        self, query: str, known: Mapping[int, Payload], matcher: TermMatcher
    ) -> list[int]:
        """Return the documents in the order of their gists' term by term match."""
        keys = list(self.best)
        scores = matcher.scores(query, [known[self.best[key]]["terms"] for key in keys])
        return [keys[at] for at in np.argsort(-scores, kind="stable") if scores[at] > 0]

    def hits(
        self,
        ordered: Sequence[Candidate],
        payloads: Mapping[int, Payload],
        limit: int,
    ) -> list[Hit]:
        """Return the best documents as hits, near duplicates folded into one.

        Parameters
        ----------
        ordered : sequence of Candidate
        payloads : mapping of int to dict
            By the passage's number.
        limit : int
        """
        kept = fold_repeats(
            ordered,
            lambda key: key,
            lambda key: frozenset(payloads[self.best[key]]["lines"]),
            limit,
        )
        return [
            Hit(
                chunk_id=chunk_id_of(self.best[each.key]),
                score=each.score,
                ranks=each.ranks,
                payload=payloads[self.best[each.key]],
                folded=tuple(payloads[self.best[key]]["title"] for key in each.folded),
            )
            for each in kept
        ]

    def shallow(self, key: int, number: int) -> Ranking:
        """Return the ranking a search would fuse, with one document in it for sure.

        Parameters
        ----------
        key : int
            The document that is asked about.
        number : int
            Its passage that is asked about.
        """
        parts = {part: keys[:DEPTH] for part, keys in self.parts.items()}
        # In the order of a search, so that ties end alike.
        near = dict.fromkeys(each for keys in parts.values() for each in keys)
        if key in self.parts[DENSE]:
            near.setdefault(key)
        best = {each: self.best.get(each, number) for each in near}
        return Ranking(best=best, parts=parts, scores=self.scores)

    def part_ranks(
        self, key: int, terms: Sequence[int], fused: Sequence[Candidate]
    ) -> tuple[PartRank, ...]:
        """Return where a document stands in each part.

        Parameters
        ----------
        key : int
        terms : sequence of int
            The documents of the part of the terms.
        fused : sequence of Candidate
        """
        parts = {
            **{part: keys for part, keys in self.parts.items() if part != TERMS},
            TERMS: terms,
            HYBRID: [each.key for each in fused],
        }
        scores = {**self.scores, HYBRID: {each.key: each.score for each in fused}}
        return tuple(
            PartRank(
                part=part,
                rank=keys.index(key) + 1 if key in keys else None,
                score=scores.get(part, {}).get(key),
                found=len(keys),
            )
            for part, keys in parts.items()
        )


def near_hits(
    found: Sequence[tuple[int, float, Payload]], own_document: int, limit: int
) -> list[Hit]:
    """Return a passage's nearest ones, of other documents, as hits.

    Parameters
    ----------
    found : sequence of (int, float, dict)
        Number, cosine and payload, best first.
    own_document : int
        Left out.
    limit : int
    """
    payloads = {number: payload for number, _, payload in found}
    kept = fold_repeats(
        [
            Candidate(number, score)
            for number, score, _ in found
            if document_of(number) != own_document
        ],
        document_of,
        lambda number: frozenset(payloads[number]["lines"]),
        limit,
    )
    return [
        Hit(
            chunk_id=chunk_id_of(each.key),
            score=each.score,
            ranks={DENSE: rank},
            payload=payloads[each.key],
            folded=tuple(payloads[number]["title"] for number in each.folded),
        )
        for rank, each in enumerate(kept, start=1)
    ]


def _by_score(point: tuple[int, float]) -> tuple[float, int]:
    number, score = point
    return -round(score, _EQUAL_DIGITS), number
