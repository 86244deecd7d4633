"""Embedding through the cache: each distinct text at most once ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contexter_nb.retrieval._embedders import (
    Embedder,
    InputType,
    KeepingEmbedder,
    Vectors,
    check_embedded,
)
from contexter_nb.retrieval._embedding_cache import EmbeddingCache
from contexter_nb.retrieval._slices import in_thread


async def kept_embeddings(
    texts: Sequence[str],
    input_type: InputType,
    embedder: Embedder,
    cache: EmbeddingCache,
) -> list[bool]:
    """Tell which texts would not have to be embedded.

    Parameters
    ----------
    texts : sequence of str
        n texts.
    input_type : str
        ``"document"`` or ``"query"``.
    embedder : Embedder
        Asked itself where it keeps vectors.
    cache : EmbeddingCache
        Asked otherwise; that counts as no lookup.

    Returns
    -------
    list of bool
        n answers; of a text that comes twice the second is True.
    """
    kept = await held_embeddings(texts, input_type, embedder, cache)
    seen: set[str] = set()
    answers = []
    for text, known in zip(texts, kept, strict=True):
        answers.append(known or text in seen)
        seen.add(text)
    return answers


async def held_embeddings(
    texts: Sequence[str],
    input_type: InputType,
    embedder: Embedder,
    cache: EmbeddingCache,
) -> list[bool]:
    """Tell of which texts there are vectors now.

    Parameters
    ----------
    texts : sequence of str
        n texts.
    input_type : str
    embedder : Embedder
    cache : EmbeddingCache

    Returns
    -------
    list of bool
        n answers; a text that comes twice has the same answer twice.
    """
    if isinstance(embedder, KeepingEmbedder):
        return await embedder.kept(texts, input_type)
    held: list[bool] = await in_thread(
        cache.holds, embedder.identity, input_type, texts
    )
    return held


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedEmbeddings:
    """Vectors of some texts, and how much of them had to be made.

    Attributes
    ----------
    vectors : numpy.ndarray
        float32, shape (n texts, dimension).
    token_counts : list of int
        Tokens of each text.
    cached : list of bool
        Whether each came from the cache.
    embedded, tokens : int
        Texts and tokens given to the embedder now.
    usd : float
        What that cost.
    """

    vectors: Vectors
    token_counts: list[int]
    cached: list[bool]
    embedded: int
    tokens: int
    usd: float


async def embed_cached(
    texts: Sequence[str],
    input_type: InputType,
    embedder: Embedder,
    cache: EmbeddingCache,
) -> CachedEmbeddings:
    """Embed texts, each distinct one at most once ever; keep each answer at once.

    Parameters
    ----------
    texts : sequence of str
        n texts; one that comes twice is embedded once.
    input_type : str
        ``"document"`` or ``"query"``; cached apart.
    embedder : Embedder
        Asked once, for all that the cache lacks; not at all where it lacks nothing.
        One that keeps vectors itself is asked for all.
    cache : EmbeddingCache
        Read and written under the embedder's `identity`, unless that keeps vectors.

    Returns
    -------
    CachedEmbeddings
        n rows, in the order of `texts`.

    Raises
    ------
    EmbedderError
        The embedder failed, or answered vectors of the wrong shape or with numbers
        that are not finite.
    HomeError
        The cache cannot be opened, read or written.
    """
    if isinstance(embedder, KeepingEmbedder):
        return await _embed_kept(texts, input_type, embedder)
    kept = await in_thread(
        cache.get_matrix, embedder.identity, input_type, texts, embedder.dimension
    )
    places: dict[str, list[int]] = {}
    for at, known in enumerate(kept.known):
        if not known:
            places.setdefault(texts[at], []).append(at)
    missing = list(places)
    tokens, usd = 0, 0.0
    if missing:
        answer = await embedder.embed(missing, input_type)
        check_embedded(answer, len(missing), embedder)
        tokens, usd = sum(answer.token_counts), answer.usd
        await in_thread(
            cache.set_many,
            embedder.identity,
            input_type,
            missing,
            answer.vectors,
            answer.token_counts,
        )
        for row, (standing, count) in enumerate(
            zip(places.values(), answer.token_counts, strict=True)
        ):
            kept.vectors[standing] = answer.vectors[row]
            for at in standing:
                kept.token_counts[at] = count
    return CachedEmbeddings(
        vectors=kept.vectors,
        token_counts=kept.token_counts,
        cached=kept.known,
        embedded=len(missing),
        tokens=tokens,
        usd=usd,
    )


async def _embed_kept(
    texts: Sequence[str], input_type: InputType, embedder: Embedder
) -> CachedEmbeddings:
    """Embed by an embedder that keeps vectors itself."""
    if not texts:
        empty = np.empty((0, embedder.dimension), np.float32)
        return CachedEmbeddings(
            vectors=empty, token_counts=[], cached=[], embedded=0, tokens=0, usd=0.0
        )
    answer = await embedder.embed(texts, input_type)
    check_embedded(answer, len(texts), embedder)
    cached = answer.cached or [False] * len(texts)
    fresh = {
        text: count
        for text, count, known in zip(texts, answer.token_counts, cached, strict=True)
        if not known
    }
    return CachedEmbeddings(
        vectors=answer.vectors,
        token_counts=list(answer.token_counts),
        cached=cached,
        embedded=len(fresh),
        tokens=sum(fresh.values()),
        usd=answer.usd,
    )
