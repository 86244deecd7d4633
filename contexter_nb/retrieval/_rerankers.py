"""What a reranker is: a query and texts in, a score each out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from contexter_nb.retrieval._static_model import StaticEmbedder
from contexter_nb.retrieval._term_match import TermMatcher

if TYPE_CHECKING:
    from contexter_nb.clients import VoyageAIClient

# What the match term by term counts beside the nearness as a whole.
_TERMS_SHARE = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranked:
    """The answer of a reranker.

    Attributes
    ----------
    scores : numpy.ndarray
        float32, shape (n texts,), in their order; larger is better, and scores of two
        queries cannot be compared.
    tokens : int
        What was charged.
    usd : float
        What it cost.
    """

    scores: npt.NDArray[np.float32]
    tokens: int = 0
    usd: float = 0.0


class Reranker(Protocol):
    """Orders texts by how well they answer a query."""

    @property
    def identity(self) -> str:
        """Return which model it is."""

    async def rerank(self, query: str, texts: Sequence[str]) -> Reranked:
        """Score texts.

        Parameters
        ----------
        query : str
        texts : sequence of str
            n texts.
        """


class StaticReranker:
    """The keyless reranker: the query's words one by one, and both as a whole.

    Parameters
    ----------
    model : StaticEmbedder
    """

    def __init__(self, model: StaticEmbedder) -> None:
        self._model = model
        self._matcher = TermMatcher(model)

    @property
    def identity(self) -> str:
        """Return which model it is."""
        return f"terms+{self._model.identity}"

    async def rerank(self, query: str, texts: Sequence[str]) -> Reranked:
        """Score texts from 0 to about 1.

        Parameters
        ----------
        query : str
        texts : sequence of str
            n texts; the first 120 distinct tokens of each count word by word.

        Examples
        --------
        >>> from contexter_nb.bridge import run
        >>> reranker = StaticReranker(StaticEmbedder())
        >>> found = run(reranker.rerank("delete a row", ["plot a line", "drop a row"]))
        >>> int(found.scores.argmax())
        1
        """
        if not texts:
            return Reranked(scores=np.zeros(0, np.float32))
        vectors = (await self._model.embed([query, *texts], "document")).vectors
        near = np.clip(vectors[1:] @ vectors[0], 0, 1)
        terms = self._matcher.scores(query, self._matcher.encode(texts))
        scores = _TERMS_SHARE * terms + (1 - _TERMS_SHARE) * near
        return Reranked(scores=scores.astype(np.float32))


class VoyageReranker:
    """A reranking model of Voyage AI.

    Parameters
    ----------
    client : VoyageAIClient
    model : str
        ``rerank-2.5-lite``, say.
    """

    def __init__(self, client: VoyageAIClient, model: str) -> None:
        self._client = client
        self._name = model

    @property
    def identity(self) -> str:
        """Return which model it is."""
        return f"voyage/{self._name}"

    async def rerank(self, query: str, texts: Sequence[str]) -> Reranked:
        """Score texts.

        Parameters
        ----------
        query : str
        texts : sequence of str
            n texts.

        Raises
        ------
        APIIntegrationError
            The service failed.
        """
        if not texts:
            return Reranked(scores=np.zeros(0, np.float32))
        answer = await self._client.rerank(query, list(texts), model=self._name)
        scores = np.zeros(len(texts), np.float32)
        for each in answer.results:
            scores[each.index] = each.relevance_score
        return Reranked(scores=scores, tokens=answer.total_tokens, usd=answer.usd)
