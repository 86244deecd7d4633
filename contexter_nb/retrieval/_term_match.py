"""Match a query term by term: each of its tokens with the nearest in a gist.

A mean of many tokens blurs; here "remove" finds "drop" and "missing" finds "NaN" one by
one (late interaction). It runs over the few candidates of the other searches only, on
the keyless model's tokens whatever embedder the index has.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from contexter_nb.retrieval._embedders import Vectors
from contexter_nb.retrieval._static_model import StaticEmbedder
from contexter_nb.retrieval._synonyms import expanded_spans

MAX_TERMS = 120
_LEAST_SIMILARITY = 0.35
_DIMENSIONS = 64
# OpenBLAS keeps to one thread below 65,536 times 4
# (https://github.com/OpenMathLib/OpenBLAS/blob/develop/interface/gemm.c, 2026-11-28).
_ONE_THREAD_PRODUCTS = 250_000
# A match with a synonym, as a share of one with the word itself.
_SYNONYM_SHARE = 0.85
_TYPE = np.dtype("<u2")


class TermMatcher:
    """Scores gists against a query by their tokens.

    Parameters
    ----------
    model : StaticEmbedder
        Where tokens and their vectors come from.
    """

    def __init__(self, model: StaticEmbedder) -> None:
        self._model = model
        self._terms: dict[str, list[int]] = {}

    def encode(self, gists: Sequence[str]) -> list[str]:
        """Return each gist's distinct tokens as a short string for the index.

        Parameters
        ----------
        gists : sequence of str
            n short texts; of each the first 120 tokens count.

        Returns
        -------
        list of str
            n strings: Base64 of ascending token ids, two bytes each, little-endian.
        """
        distinct = list(dict.fromkeys(gists))
        encoded = {
            gist: base64.b64encode(_distinct(ids).tobytes()).decode("ascii")
            for gist, ids in zip(distinct, self._model.tokens(distinct), strict=True)
        }
        return [encoded[gist] for gist in gists]

    def scores(self, query: str, encoded: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return how well each encoded gist covers the query's tokens.

        Parameters
        ----------
        query : str
            Its distinct tokens count, in any order.
        encoded : sequence of str
            n gists as `encode` made them.

        Returns
        -------
        numpy.ndarray
            float32, shape (n gists,), from 0 (no token near) to 1 (all are there).
            A token weighs as much as its vector is long: rare words are longer. A
            token of a phrase that has synonyms may be met by one of those instead.
        """
        spans = self._model.token_spans(query)
        wanted = np.unique(np.array([token for token, _, _ in spans], np.int64))
        answer = np.zeros(len(encoded), np.float32)
        gists = [np.frombuffer(base64.b64decode(each), _TYPE) for each in encoded]
        filled = [at for at, gist in enumerate(gists) if len(gist)]
        if not len(wanted) or not filled:
            return answer
        synonyms = self._synonyms(query, spans)
        others = [token for _, _, tokens in synonyms for token in tokens]
        nearest = self._nearest(
            np.concatenate([wanted, np.array(others, np.int64)]),
            [gists[at] for at in filled],
        )
        best, rest = nearest[: len(wanted)], nearest[len(wanted) :]
        for inside, weight, tokens in synonyms:
            met, rest = rest[: len(tokens)], rest[len(tokens) :]
            rows = np.isin(wanted, list(inside))
            best[rows] = np.maximum(best[rows], weight * met.mean(axis=0))
        weights = self._directions[1][wanted]
        answer[filled] = weights @ best / max(float(weights.sum()), 1e-9)
        return answer

    def _synonyms(
        self, query: str, spans: Sequence[tuple[int, int, int]]
    ) -> list[tuple[set[int], float, list[int]]]:
        """Return the tokens of each phrase that has synonyms, with each of those."""
        found = []
        for start, end, terms in expanded_spans(query):
            inside = {token for token, a, b in spans if a < end and b > start}
            for term, weight in terms.items():
                found.append((inside, _SYNONYM_SHARE * weight, self._term(term)))
        return found

    def _term(self, term: str) -> list[int]:
        """Return the tokens of a term of the lexicon; there are some hundreds."""
        known = self._terms.get(term)
        if known is None:
            known = self._terms[term] = self._model.tokens([term])[0]
        return known

    def _nearest(
        self,
        tokens: npt.NDArray[np.int64],
        gists: Sequence[npt.NDArray[np.uint16]],
    ) -> npt.NDArray[np.float32]:
        """Return each token's greatest similarity to a token of each gist."""
        starts = np.cumsum([0, *(len(gist) for gist in gists[:-1])])
        distinct, place = np.unique(np.concatenate(gists), return_inverse=True)
        directions, _ = self._directions
        similar = _cosines(directions[tokens], directions[distinct])
        similar[similar < _LEAST_SIMILARITY] = 0
        best: npt.NDArray[np.float32] = np.maximum.reduceat(
            similar[:, place], starts, axis=1
        )
        return best

    @cached_property
    def _directions(self) -> tuple[Vectors, Vectors]:
        """Return each token's direction in fewer dimensions, and its vector's length.

        The main axes keep what tells tokens apart; a quarter of the numbers is read.
        """
        table = self._model.table
        lengths = np.linalg.norm(table, axis=1)
        _, axes = np.linalg.eigh(table.T @ table)
        short = table @ np.ascontiguousarray(axes[:, -_DIMENSIONS:])
        short /= np.maximum(np.linalg.norm(short, axis=1), 1e-9)[:, None]
        return short.astype(np.float32), lengths


def _cosines(
    left: npt.NDArray[np.float32], right: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return the products of each row with each, in steps that BLAS does by itself.

    It divides a larger one among threads, which wait for each other: on a machine that
    is busy, a search of 2 ms then takes 40.
    """
    found = np.empty((len(left), len(right)), np.float32)
    step = max(1, _ONE_THREAD_PRODUCTS // max(1, left.size))
    for start in range(0, len(right), step):
        part = slice(start, start + step)
        np.matmul(left, right[part].T, out=found[:, part])
    return found


def _distinct(ids: Sequence[int]) -> npt.NDArray[np.uint16]:
    return np.unique(np.array(ids[:MAX_TERMS], _TYPE))
