"""A search as the library's request, and its parts fused here where it must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from contexter_nb.clients._qdrant_ids import PointId
from contexter_nb.clients._qdrant_points import (
    DENSE,
    KEY_FIELD,
    TEXT,
    Sparse,
    dense_of,
    sparse_of,
)
from contexter_nb.core import InvalidArgumentError, did_you_mean

SearchMode = Literal["dense", "hybrid", "text"]
WithPayload = bool | Sequence[str]
MODES = ("dense", "hybrid", "text")
RRF_K = 60
MAX_LIMIT = 10_000
# How many each part of a hybrid search finds, before both are fused.
CANDIDATES_PER_HIT = 5
MIN_CANDIDATES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A checked search."""

    dense: list[float] | None
    sparse: Sparse | None
    limit: int
    candidates: int
    rrf_k: int
    weights: dict[str, float] | None
    exact: bool

    @property
    def parts(self) -> dict[str, list[float] | Sparse]:
        """What is searched: name of the vectors to the query's vector.

        A query without a known word has no part of text, and finds nothing by it.
        """
        found: dict[str, list[float] | Sparse] = {}
        if self.dense is not None:
            found[DENSE] = self.dense
        if self.sparse is not None and self.sparse.indices:
            found[TEXT] = self.sparse
        return found

    @property
    def needs_fusing_here(self) -> bool:
        """Whether parts weigh differently, which servers write in another formula."""
        weights = set((self.weights or {}).values())
        return len(weights) > 1

    def one(self, models: Any) -> dict[str, Any]:
        """Return the arguments of a search of a single part."""
        ((name, vector),) = self.parts.items()
        return {
            "query": _query(models, vector),
            "using": name,
            "limit": self.limit,
            "search_params": self._params(models),
        }

    def fused(self, models: Any) -> dict[str, Any]:
        """Return the arguments of a search whose parts the service fuses."""
        prefetch = [
            models.Prefetch(
                query=_query(models, vector),
                using=name,
                limit=self.candidates,
                params=self._params(models),
            )
            for name, vector in self.parts.items()
        ]
        # Its score is 1 / (rank + k - 1) with ranks from 1; everybody else, and the
        # embedded index, mean 1 / (k + rank).
        rrf = models.Rrf(k=self.rrf_k + 1)
        return {
            "prefetch": prefetch,
            "query": models.RrfQuery(rrf=rrf),
            "limit": self.limit,
        }

    def several(self, models: Any, condition: Any) -> list[Any]:
        """Return a request for each part, to be fused here."""
        return [
            models.QueryRequest(
                query=_query(models, vector),
                using=name,
                limit=self.candidates,
                filter=condition,
                params=self._params(models),
                with_payload=False,
            )
            for name, vector in self.parts.items()
        ]

    def fuse(self, found: Sequence[Sequence[PointId]]) -> list[tuple[PointId, float]]:
        """Return ids and scores of ranked lists, the best first.

        Parameters
        ----------
        found : sequence of sequence of id
            For each part, in the order of `parts`, the best first.
        """
        weights = self.weights or {}
        scores: dict[PointId, float] = {}
        for name, ids in zip(self.parts, found, strict=True):
            weight = weights.get(name, 1.0)
            for rank, each in enumerate(ids, start=1):
                scores[each] = scores.get(each, 0.0) + weight / (self.rrf_k + rank)
        ordered = sorted(scores.items(), key=lambda item: -item[1])
        return ordered[: self.limit]

    def _params(self, models: Any) -> Any:
        return models.SearchParams(exact=True) if self.exact else None


def checked_search(
    *,
    dense: Any,
    sparse: Any,
    mode: str,
    limit: int,
    rrf_k: int,
    weights: Mapping[str, float] | None,
    candidates: int | None,
    exact: bool,
    dimension: int | None,
) -> Search:
    """Check what is asked for.

    Raises
    ------
    InvalidArgumentError
        A mode is unknown or lacks its vector, or a number cannot be used.
    """
    if mode not in MODES:
        raise InvalidArgumentError(
            f"mode is {mode!r}; there are {', '.join(MODES)}."
            f"{did_you_mean(str(mode), MODES)}"
        )
    limit = _whole("limit", limit, MAX_LIMIT)
    wanted = max(limit * CANDIDATES_PER_HIT, MIN_CANDIDATES)
    if candidates is not None:
        wanted = max(limit, _whole("candidates", candidates, MAX_LIMIT))
    made = Search(
        dense=None
        if dense is None or mode == "text"
        else dense_of(dense, dimension, "the query"),
        sparse=None
        if sparse is None or mode == "dense"
        else sparse_of(sparse, "the query"),
        limit=limit,
        candidates=min(wanted, MAX_LIMIT),
        rrf_k=_whole("rrf_k", rrf_k, 100_000),
        weights=_weights(weights),
        exact=exact,
    )
    if made.dense is None and made.sparse is None:
        lacking = {"dense": "dense=...", "text": "sparse=..."}
        raise InvalidArgumentError(
            f"A search of mode {mode!r} lacks its vector; give "
            f"{lacking.get(mode, 'dense=..., sparse=... or both')}."
        )
    return made


def payload_selector(with_payload: WithPayload) -> Any:
    """Return which fields the library is asked for; the key's own is among them."""
    if isinstance(with_payload, bool):
        return with_payload
    if isinstance(with_payload, str):
        raise InvalidArgumentError(
            f"with_payload is the text {with_payload!r}; give True, False or a list of "
            "fields."
        )
    return [*with_payload, KEY_FIELD]


def _query(models: Any, vector: list[float] | Sparse) -> Any:
    if isinstance(vector, Sparse):
        return models.SparseVector(
            indices=list(vector.indices), values=list(vector.values)
        )
    return vector


def _weights(weights: Mapping[str, float] | None) -> dict[str, float] | None:
    if weights is None:
        return None
    made = {DENSE: 1.0, TEXT: 1.0}
    for name, weight in weights.items():
        if name not in made or not 0 <= weight < float("inf"):
            raise InvalidArgumentError(
                f"weights[{name!r}] is {weight!r}; give numbers from 0 for 'dense' and "
                "'text'."
            )
        made[name] = float(weight)
    return made


def _whole(name: str, value: Any, largest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgumentError(f"{name} is {value!r}; give a whole number.")
    if not 1 <= value <= largest:
        raise InvalidArgumentError(
            f"{name} is {value}; give a number from 1 to {largest:,}."
        )
    return value
