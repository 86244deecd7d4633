"""Documents by relevance, also where they are too many for one request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from contexter_nb.clients._voyage_models import (
    MAX_TEXTS,
    RERANK_BATCH_TOKENS,
    VoyageModel,
)
from contexter_nb.clients._voyage_packing import pack
from contexter_nb.clients._voyage_plan import text_problem
from contexter_nb.clients._voyage_results import Ranked
from contexter_nb.core import APIMethod, APIRequest, InvalidArgumentError

RERANK_TTL_SECONDS = 30 * 86400.0


def check_rerank(query: str, texts: Sequence[str], top_k: int | None) -> None:
    """Refuse what cannot be ranked.

    Parameters
    ----------
    query : str
    texts : sequence of str
    top_k : int or None

    Raises
    ------
    InvalidArgumentError
        The query or a document is empty or no text, or `top_k` is below 1.
    """
    problem = text_problem(query)
    if problem is not None:
        raise InvalidArgumentError(f"The query is {problem}; give a text.")
    problems = {
        place: problem
        for place, text in enumerate(texts)
        if (problem := text_problem(text)) is not None
    }
    if problems:
        named = ", ".join(
            f"{place} ({why})" for place, why in list(problems.items())[:10]
        )
        raise InvalidArgumentError(
            f"Documents that cannot be ranked, by position from 0: {named}; leave them "
            "out."
        )
    if top_k is not None and (
        not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1
    ):
        raise InvalidArgumentError(
            f"top_k is {top_k!r}; give a whole number from 1 on, or None for all."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankPart:
    """What goes into one request.

    Attributes
    ----------
    positions : list of int
        Of its documents.
    tokens : int
        By our counting: the query counts once for each document.
    """

    positions: list[int]
    tokens: int


def rerank_parts(
    model: VoyageModel,
    query_tokens: int,
    document_tokens: Sequence[int],
    *,
    truncation: bool,
    max_tokens: float = RERANK_BATCH_TOKENS,
) -> list[RerankPart]:
    """Divide documents into requests; a score depends on its own document alone.

    Parameters
    ----------
    model : VoyageModel
    query_tokens : int
    document_tokens : sequence of int
    truncation : bool
        Whether the service cuts what is too long.
    max_tokens : float
        Of one request.

    Raises
    ------
    InvalidArgumentError
        A document with the query passes `max_tokens` by itself.

    Examples
    --------
    >>> from contexter_nb.clients._voyage_models import find_model
    >>> parts = rerank_parts(
    ...     find_model("rerank-2.5", "rerank"), 10, [90] * 5, truncation=True,
    ...     max_tokens=300,
    ... )
    >>> [(each.positions, each.tokens) for each in parts]
    [([0, 1, 2], 300), ([3, 4], 200)]

    Source
    ------
    The sum: docs.voyageai.com/docs/reranker, read 2026-11-23.
    """
    if truncation:
        query_tokens = min(query_tokens, model.query_tokens or query_tokens)
    costs = [query_tokens + each for each in document_tokens]
    if truncation:
        costs = [min(each, model.context_tokens) for each in costs]
    for place, cost in enumerate(costs):
        if cost > max_tokens:
            raise InvalidArgumentError(
                f"Document {place} has, with the query, about {cost:,} tokens, and "
                f"{max_tokens:,.0f} go into a request; shorten it."
            )
    return [
        RerankPart(positions=each, tokens=sum(costs[place] for place in each))
        for each in pack(costs, max_items=MAX_TEXTS, max_tokens=max_tokens)
    ]


def rerank_request(
    model: VoyageModel,
    query: str,
    texts: Sequence[str],
    part: RerankPart,
    *,
    truncation: bool,
    admitted_tokens: float,
    deadline_seconds: float | None = None,
) -> APIRequest:
    """Return the request of a part, whose answer is kept for 30 days.

    Parameters
    ----------
    model : VoyageModel
    query : str
    texts : sequence of str
        All documents.
    part : RerankPart
    truncation : bool
    admitted_tokens : float
        That the rate limit lets through at once.
    deadline_seconds : float, optional
        None takes the client's own.
    """
    # Without top_k: the scores of several requests are put together here.
    fields: dict[str, Any] = {
        "query": query,
        "documents": [texts[place] for place in part.positions],
        "model": model.name,
        "truncation": truncation,
    }
    return APIRequest(
        method=APIMethod.POST,
        endpoint="/rerank",
        content=msgspec.json.encode(fields),
        headers={"Content-Type": "application/json"},
        operation="rerank",
        idempotent=True,
        cost={"tokens": min(part.tokens, admitted_tokens)},
        limit_key=model.name,
        deadline_seconds=deadline_seconds,
        cache_ttl_seconds=RERANK_TTL_SECONDS,
        cache_tags=("voyage", model.name),
        cache_shared=True,
    )


def merged(pairs: Sequence[tuple[int, float]], top_k: int | None) -> tuple[Ranked, ...]:
    """Return documents by score, the best first; equal ones in their own order.

    Parameters
    ----------
    pairs : sequence of (int, float)
        Position and score.
    top_k : int or None
        How many; None for all.

    Examples
    --------
    >>> [each.index for each in merged([(0, 0.2), (1, 0.7), (2, 0.2)], 2)]
    [1, 0]
    """
    ordered = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
    return tuple(Ranked(index, score) for index, score in ordered[:top_k])
