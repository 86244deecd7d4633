"""The words of a query as the text search sees them: stems, and those of synonyms."""

from __future__ import annotations

from collections.abc import Collection

import qdrant_edge as edge

from contexter_nb.retrieval._engine import bm25
from contexter_nb.retrieval._synonyms import expansions

# What a synonym counts in the text part; a word of the query counts 1.
_SYNONYM_WEIGHT = 0.7


class QueryWords:
    """Makes the sparse vector of a query, and tells which words a passage has."""

    def __init__(self) -> None:
        self._bm25 = bm25()

    def sparse(self, query: str) -> edge.SparseVector:
        """Return the stems of the query and, at less weight, of its synonyms."""
        own = self._bm25.embed_query(query)
        weights = dict(zip(own.indices, own.values, strict=True))
        added: dict[int, float] = {}
        for term, weight in expansions(query).items():
            for stem in self._bm25.embed_query(term).indices:
                if stem not in weights:
                    added[stem] = max(_SYNONYM_WEIGHT * weight, added.get(stem, 0.0))
        weights |= added
        return edge.SparseVector(list(weights), list(weights.values()))

    def told(
        self, query: str, stems: Collection[int]
    ) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Return the query's words that a passage has, has not, and synonyms it has.

        Parameters
        ----------
        query : str
        stems : collection of int
            The indices of the passage's sparse vector.
        """
        has = set(stems)
        matched: list[str] = []
        missing: list[str] = []
        for word in dict.fromkeys(query.split()):
            of_word = self._bm25.embed_query(word).indices
            if of_word:
                (matched if has.intersection(of_word) else missing).append(word)
        synonyms = [
            term
            for term in expansions(query)
            if has.issuperset(self._bm25.embed_query(term).indices or [-1])
        ]
        return tuple(matched), tuple(missing), tuple(synonyms)
