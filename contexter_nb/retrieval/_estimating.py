"""What indexing a source will take: everything is done but the embedding."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from contexter_nb.retrieval._asking import ask
from contexter_nb.retrieval._cached_embeddings import kept_embeddings
from contexter_nb.retrieval._catalog import Catalog
from contexter_nb.retrieval._documents import Chunk, Document, Problem, repaired
from contexter_nb.retrieval._embedders import Embedder, InputType
from contexter_nb.retrieval._embedding_cache import EmbeddingCache
from contexter_nb.retrieval._estimate import (
    Estimate,
    Pace,
    Packing,
    estimate_embedding,
)
from contexter_nb.retrieval._indexing import (
    Cutter,
    IndexingTools,
    Source,
    unchanged_report,
)
from contexter_nb.retrieval._slices import in_thread
from contexter_nb.retrieval._text import count_tokens

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


@runtime_checkable
class CountingEmbedder(Protocol):
    """An embedder that counts tokens better than the chunks do."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return about how many tokens each text has."""


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

    One that is indexed as it stands is not read, as it would not be for indexing; what
    could not be read of it was told when it was.

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
    unchanged = await unchanged_report(source, tools)
    if unchanged is not None:
        return SourceEstimate(
            library=unchanged.library,
            version=unchanged.version,
            estimate=_estimated([], [], tools.embedder),
            unchanged=unchanged.chunks,
            problems=(),
        )
    catalog: Catalog | None = await ask(tools.index.catalog)
    stored: dict[str, str] = {}
    if catalog is not None and source.library in catalog.libraries:
        stored = await ask(tools.index.stored, source.library)
    collected = await source.collect()
    problems = list(collected.problems)
    chunks: list[Chunk] = []
    for start in range(0, len(collected.documents), _CHUNK_DOCUMENTS):
        some = collected.documents[start : start + _CHUNK_DOCUMENTS]
        for document, cut in zip(
            some, await in_thread(_cut, some, tools.cut), strict=True
        ):
            if isinstance(cut, str):
                problems.append(
                    Problem(
                        library=source.library,
                        version=collected.version,
                        title=document.title,
                        error=cut,
                    )
                )
            else:
                chunks += cut
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
        estimate=_estimated(await _counted(new, tools.embedder), kept, tools.embedder),
        unchanged=len(distinct) - len(new),
        problems=tuple(problems),
    )


async def estimate_texts(
    texts: Sequence[str],
    input_type: InputType,
    embedder: Embedder,
    cache: EmbeddingCache,
) -> Estimate:
    """Estimate what embedding some texts takes; none is embedded.

    Parameters
    ----------
    texts : sequence of str
        n texts; of those that are kept nothing is paid.
    input_type : str
        ``document`` or ``query``.
    embedder : Embedder
        Says how it works, where it does.
    cache : EmbeddingCache
        Asked where the embedder keeps nothing itself.

    Returns
    -------
    Estimate
    """
    kept = await kept_embeddings(texts, input_type, embedder, cache)
    return _estimated(await estimate_tokens(texts, embedder), kept, embedder)


async def estimate_tokens(texts: Sequence[str], embedder: object) -> list[int]:
    """Return about how many tokens each text has.

    Parameters
    ----------
    texts : sequence of str
        n texts.
    embedder : object
        Counts them where it can.

    Returns
    -------
    list of int
        n counts.
    """
    if isinstance(embedder, CountingEmbedder):
        counts: list[int] = await in_thread(embedder.count_tokens, texts)
        return counts
    return await in_thread(lambda: [count_tokens(each) for each in texts])


async def _counted(chunks: Sequence[Chunk], embedder: object) -> list[int]:
    """Count as the embedder does, where it does: by that it packs its requests."""
    if not isinstance(embedder, CountingEmbedder):
        return [each.token_count for each in chunks]
    texts = [each.embedded_text for each in chunks]
    counts: list[int] = await in_thread(embedder.count_tokens, texts)
    return counts


def _cut(documents: Sequence[Document], cut: Cutter) -> list[list[Chunk] | str]:
    return [cut(repaired(each)[0]) for each in documents]


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
