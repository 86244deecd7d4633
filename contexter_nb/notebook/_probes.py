"""What `status` asks: each part of a session, whether it is well, at no cost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contexter_nb.clients import HealthCheck
from contexter_nb.core import Clock, ContexterError
from contexter_nb.notebook._home import shown
from contexter_nb.notebook._records import counted
from contexter_nb.notebook._whereabouts import EMBEDDED, mode_of
from contexter_nb.retrieval import (
    OPTIMIZE_CHUNKS,
    Catalog,
    EmbeddedIndex,
    KeepingEmbedder,
    StaticEmbedder,
    VoyageEmbedder,
    ask,
    in_thread,
)

if TYPE_CHECKING:
    from contexter_nb.notebook._index_verbs import IndexVerbs


class Unwell(Exception):
    """A service answers, and is not well; the message says how."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One question: it answers what there is to say, or raises what is wrong."""

    service: str
    mode: str
    ask: Callable[[], Awaitable[str]]

    async def row(self, clock: Clock) -> dict[str, object]:
        """Return the row of ``status``."""
        started = clock.now()
        try:
            detail, healthy = await self.ask(), True
        except (ContexterError, Unwell) as exc:
            detail, healthy = str(exc), False
        return {
            "service": self.service,
            "mode": self.mode,
            "healthy": healthy,
            "latency_ms": round((clock.now() - started) * 1000, 2),
            "detail": detail,
        }


def probes(verbs: IndexVerbs) -> Iterator[Probe]:
    """Yield the questions about a session's parts."""
    remote, settings = verbs.remote, verbs.remote.settings
    of_embedder = EMBEDDED
    if isinstance(verbs.embedder, VoyageEmbedder):
        of_embedder = mode_of(verbs.embedder.client.client.base_url)
    yield Probe("embedder", of_embedder, lambda: _embedder(verbs))
    of_index = EMBEDDED
    if not isinstance(verbs.index_store, EmbeddedIndex):
        of_index = mode_of(verbs.index_store.client.place)
    yield Probe("index", of_index, lambda: _index(verbs))
    yield Probe("cache", EMBEDDED, lambda: _cache(verbs))
    yield Probe("answers", EMBEDDED, lambda: _tiers(verbs.answers))
    if settings.voyage_api_key is not None and of_embedder == EMBEDDED:
        # Set, and used for reranking alone.
        client = remote.voyage
        place = mode_of(client.client.base_url)
        yield Probe("voyage", place, lambda: _healthy(client.health_check, "reranks"))
    if settings.uses_context7:
        context7 = remote.context7
        key = "with a key" if settings.context7_api_key is not None else "without a key"
        yield Probe(
            "context7",
            mode_of(context7.client.base_url),
            lambda: _healthy(context7.health_check, f"documentation, asked {key}"),
        )
    if settings.redis_url is not None:
        yield Probe(
            "redis", mode_of(settings.redis_url.reveal()), lambda: _redis(verbs)
        )


async def _healthy(check: Callable[[], Awaitable[HealthCheck]], detail: str) -> str:
    found = await check()
    if not found.healthy:
        raise Unwell(found.detail)
    return detail


async def _embedder(verbs: IndexVerbs) -> str:
    embedder = verbs.embedder
    told = f"{embedder.identity}, {embedder.dimension} dimensions"
    if isinstance(embedder, StaticEmbedder):
        await embedder.embed(["ready"], "query")
        return f"{told}, no key needed"
    if isinstance(embedder, VoyageEmbedder):
        client = embedder.client
        return await _healthy(
            client.health_check, f"{told}, at {client.client.base_url}"
        )
    return told


async def _index(verbs: IndexVerbs) -> str:
    index = verbs.index_store
    where = f"in {shown(verbs.home)}"
    if not isinstance(index, EmbeddedIndex):
        where = f"in {index.place}"
        await _healthy(index.client.health_check, "")
    catalog: Catalog | None = await ask(index.catalog)
    if catalog is None or not catalog.libraries:
        return f'empty, {where}; begin with nb.index("pandas")'
    catalog.check(verbs.embedder, index.place)
    libraries = counted(len(catalog.libraries), "library", "libraries")
    detail = f"{counted(catalog.chunks, 'passage')} of {libraries}, {where}"
    embedded = isinstance(index, EmbeddedIndex)
    if embedded and catalog.chunks - catalog.optimized_chunks > OPTIMIZE_CHUNKS:
        detail += "; nb.optimize() would make searches faster"
    return detail


async def _cache(verbs: IndexVerbs) -> str:
    if isinstance(verbs.embedder, KeepingEmbedder):
        return await _tiers(verbs.remote.vectors)
    count, size_bytes = await in_thread(verbs.cache.size)
    return f"{count:,} embeddings, {size_bytes / 1e6:,.1f} MB on disk"


async def _tiers(cache: Any) -> str:
    tiers = await cache.measure()
    held = [
        f"{each.tier} {counted(each.entries, 'answer')}, {each.bytes / 1e6:,.1f} MB"
        for each in tiers
    ]
    return "; ".join(held) or "off"


async def _redis(verbs: IndexVerbs) -> str:
    problem = await verbs.remote.ping_redis()
    if problem is not None:
        raise Unwell(problem)
    return "shares answers, vectors and rate limits"
