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

MAX_TERMS = 120
_LEAST_SIMILARITY = 0.35
_DIMENSIONS = 64
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

    def encode(self, gists: Sequence[str]) -> list[str]:
        """Return each gist's distinct tokens as a short string for the index."""
        distinct = list(dict.fromkeys(gists))
        encoded = {
            gist: base64.b64encode(_distinct(ids).tobytes()).decode("ascii")
            for gist, ids in zip(distinct, self._model.tokens(distinct), strict=True)
        }
        return [encoded[gist] for gist in gists]

    def scores(self, query: str, encoded: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return how well each encoded gist covers the query's tokens.

        Returns
        -------
        numpy.ndarray
            float32, shape (n gists,), from 0 (no token near) to 1 (all are there).
            A token weighs as much as its vector is long: rare words are longer.
        """
        wanted = np.unique(np.array(self._model.tokens([query])[0], np.int64))
        answer = np.zeros(len(encoded), np.float32)
        if not len(wanted):
            return answer
        gists = [np.frombuffer(base64.b64decode(each), _TYPE) for each in encoded]
        filled = [at for at, gist in enumerate(gists) if len(gist)]
        if not filled:
            return answer
        joined = np.concatenate([gists[at] for at in filled])
        starts = np.cumsum([0, *(len(gists[at]) for at in filled[:-1])])
        distinct, place = np.unique(joined, return_inverse=True)
        directions, lengths = self._directions
        similar = directions[wanted] @ directions[distinct].T
        similar[similar < _LEAST_SIMILARITY] = 0
        best = np.maximum.reduceat(similar[:, place], starts, axis=1)
        weights = lengths[wanted]
        answer[filled] = weights @ best / max(float(weights.sum()), 1e-9)
        return answer

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


def _distinct(ids: Sequence[int]) -> npt.NDArray[np.uint16]:
    return np.unique(np.array(ids[:MAX_TERMS], _TYPE))
