"""What the sandbox's Voyage knows of its models; read apart from the client's table."""

from __future__ import annotations

from dataclasses import dataclass

MAX_TEXTS = 1_000
MAX_CHUNKS = 16_000
RERANK_TOKENS = 600_000
CONTEXT_TOKENS = 120_000
_FLEXIBLE = (1024, 256, 512, 2048)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingModel:
    """A model for embeddings.

    Attributes
    ----------
    dimensions : tuple of int
        The default first; one alone cannot be asked for.
    context_tokens : int
        Of one text.
    batch_tokens : int
        Of one request, after truncation.
    space : str
        Vectors of models with the same one can be compared.
    """

    dimensions: tuple[int, ...] = _FLEXIBLE
    context_tokens: int = 32_000
    batch_tokens: int = 120_000
    space: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranker:
    """A model for reranking.

    Attributes
    ----------
    query_tokens : int
        Of the query.
    pair_tokens : int
        Of the query and one document together.
    """

    query_tokens: int
    pair_tokens: int


# Source: mongodb.com/docs/voyageai/models, read 2026-11-23.
EMBEDDING_MODELS = {
    "voyage-4-large": EmbeddingModel(space="4"),
    "voyage-4": EmbeddingModel(space="4", batch_tokens=320_000),
    "voyage-4-lite": EmbeddingModel(space="4", batch_tokens=1_000_000),
    "voyage-code-4": EmbeddingModel(space="code-4", batch_tokens=320_000),
    "voyage-3.5": EmbeddingModel(space="3.5", batch_tokens=320_000),
    "voyage-3.5-lite": EmbeddingModel(space="3.5-lite", batch_tokens=1_000_000),
    "voyage-3-large": EmbeddingModel(space="3-large"),
    "voyage-code-3": EmbeddingModel(space="code-3"),
    "voyage-finance-2": EmbeddingModel(space="finance-2", dimensions=(1024,)),
    "voyage-law-2": EmbeddingModel(
        space="law-2", dimensions=(1024,), context_tokens=16_000
    ),
    "voyage-code-2": EmbeddingModel(
        space="code-2", dimensions=(1536,), context_tokens=16_000
    ),
}
CONTEXT_MODELS = {
    "voyage-context-4": EmbeddingModel(space="context-4", batch_tokens=CONTEXT_TOKENS),
    "voyage-context-3": EmbeddingModel(space="context-3", batch_tokens=CONTEXT_TOKENS),
}
RERANKERS = {
    "rerank-3": Reranker(query_tokens=8_000, pair_tokens=32_000),
    "rerank-3-lite": Reranker(query_tokens=8_000, pair_tokens=32_000),
    "rerank-2.5": Reranker(query_tokens=8_000, pair_tokens=32_000),
    "rerank-2.5-lite": Reranker(query_tokens=8_000, pair_tokens=32_000),
    "rerank-2": Reranker(query_tokens=4_000, pair_tokens=16_000),
    "rerank-2-lite": Reranker(query_tokens=2_000, pair_tokens=8_000),
}
