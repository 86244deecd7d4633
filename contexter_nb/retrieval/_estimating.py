"""What indexing a source will take: everything is done but the embedding."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from contexter_nb.retrieval._asking import ask
from contexter_nb.retrieval._catalog import Catalog
from contexter_nb.retrieval._chunking import chunk_document
from contexter_nb.retrieval._documents import Chunk, Document, Problem, repaired
from contexter_nb.retrieval._estimate import (
    Estimate,
    Pace,
    Packing,
    estimate_embedding,
)
from contexter_nb.retrieval._indexing import IndexingTools, Source, kept_embeddings
from contexter_nb.retrieval._slices import in_thread

_CHUNK_DOCUMENTS = 100


@runtime_checkable
class EstimableEmbedder(Protocol):
    """An embedder that says how it works, so that a job can be estimated."""

    @property
    def packing(self) -> Packing:
        """Return how texts go into requests."""

    @property
    def pace(self) -> Pace:
        """Return how fast requests go."""

    @property
    def usd_per_million_tokens(self) -> float | None:
        """Return the price: 0 for a model that runs here, None where it is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEstimate:
    """What indexing one source will take.

    Attributes
    ----------
    unchanged : int
        Passages that are stored already as they are; they are not in `estimate`.
    problems : tuple of Problem
        What could not be read.
    """

    library: str
    version: str
    estimate: Estimate
    unchanged: int
    problems: tuple[Problem, ...]


async def estimate_source(source: Source, tools: IndexingTools) -> SourceEstimate:
    """Read a source and compare it with the index and the cache; nothing is embedded.

    Parameters
    ----------
    source : Source
    tools : IndexingTools
        Index, embedder and cache are asked; nothing is written.

    Returns
    -------
    SourceEstimate

    Raises
    ------
    IndexMismatchError
        The index was made with another embedder or chunking.
    SourceError
        The source could not be read at all.
    HomeError
        The index or the cache cannot be opened.
    """
    catalog: Catalog | None = await ask(tools.index.catalog)
    if catalog is not None:
        catalog.check(tools.embedder, tools.index.place)
    stored: dict[str, str] = {}
    if catalog is not None and source.library in catalog.libraries:
        stored = await ask(tools.index.stored, source.library)
    collected = await source.collect()
    chunks: list[Chunk] = []
    for start in range(0, len(collected.documents), _CHUNK_DOCUMENTS):
        some = collected.documents[start : start + _CHUNK_DOCUMENTS]
        chunks += await in_thread(_chunks, some)
    # Of a passage that comes twice one is stored.
    distinct = {each.chunk_id: each for each in reversed(chunks)}
    new = [
        each
        for each in chunks
        if distinct[each.chunk_id] is each
        and stored.get(each.chunk_id) != each.content_hash
    ]
    texts = [each.embedded_text for each in new]
    kept = await kept_embeddings(texts, "document", tools.embedder, tools.cache)
    return SourceEstimate(
        library=source.library,
        version=collected.version,
        estimate=_estimated([each.token_count for each in new], kept, tools.embedder),
        unchanged=len(distinct) - len(new),
        problems=tuple(collected.problems),
    )


def _chunks(documents: list[Document]) -> list[Chunk]:
    return [chunk for each in documents for chunk in chunk_document(repaired(each)[0])]


def _estimated(token_counts: list[int], kept: list[bool], embedder: object) -> Estimate:
    name = str(getattr(embedder, "identity", type(embedder).__name__))
    if isinstance(embedder, EstimableEmbedder):
        return estimate_embedding(
            token_counts,
            kept,
            packing=embedder.packing,
            pace=embedder.pace,
            price_per_million_usd=embedder.usd_per_million_tokens,
            model=name,
        )
    found = estimate_embedding(
        token_counts,
        kept,
        packing=Packing(),
        pace=Pace(),
        price_per_million_usd=None,
        model=name,
    )
    return dataclasses.replace(
        found,
        seconds=math.nan if found.tokens else 0.0,
        assumption=f"{name} does not say what it costs or how fast it is.",
    )
