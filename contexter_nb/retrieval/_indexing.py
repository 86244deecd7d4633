"""The indexing job: only what changed is embedded, and nothing done is done again."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from contexter_nb.core import (
    APIIntegrationError,
    Clock,
    ContexterError,
    EmbedderError,
)
from contexter_nb.retrieval._asking import ask
from contexter_nb.retrieval._budget import Budget, usd_at_most
from contexter_nb.retrieval._cached_embeddings import (
    embed_cached,
    held_embeddings,
    kept_embeddings,
)
from contexter_nb.retrieval._catalog import Catalog, IndexedLibrary
from contexter_nb.retrieval._chunking import cut_or_problem
from contexter_nb.retrieval._documents import (
    Chunk,
    Collected,
    Document,
    Problem,
    repaired,
)
from contexter_nb.retrieval._embedders import (
    Embedder,
    KeepingEmbedder,
    Vectors,
)
from contexter_nb.retrieval._embedding_cache import EmbeddingCache
from contexter_nb.retrieval._index import EmbeddedIndex
from contexter_nb.retrieval._index_writer import IndexWriter, Refused
from contexter_nb.retrieval._kept_documents import KeptDocuments
from contexter_nb.retrieval._server_index import ServerIndex
from contexter_nb.retrieval._server_writer import ServerWriter
from contexter_nb.retrieval._slices import in_thread

PUBLISH_SECONDS = 60.0
_EMBED_TEXTS = 256
# For an embedder that keeps vectors itself: a matrix of some 40 MB.
_KEPT_TEXTS = 10_000
_CHUNK_DOCUMENTS = 100

Cutter = Callable[[Document], list[Chunk] | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one library is.

    Attributes
    ----------
    stage : str
        ``collecting chunking embedding`` or ``done``.
    """

    library: str
    stage: str
    documents: int = 0
    chunks: int = 0
    chunks_done: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """What indexing one library did.

    Attributes
    ----------
    new, unchanged, removed : int
        Chunks; a changed chunk counts as new.
    embedded : int
        Texts given to the embedder; the rest came from the embedding cache.
    failed : int
        Documents that could not be indexed as they are.
    seconds : float
        Time it took.
    stopped : str or None
        Why not all of it was done: the budget, in a sentence.
    """

    library: str
    version: str
    documents: int = 0
    chunks: int = 0
    new: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0
    embedded: int = 0
    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0
    problems: tuple[Problem, ...] = ()
    stopped: str | None = None


class Source(Protocol):
    """Where documents come from."""

    @property
    def library(self) -> str:
        """Return the name its documents are indexed under."""

    @property
    def version(self) -> str:
        """Return the version that is installed, or nothing."""

    def fingerprint(self) -> str:
        """Return what changes when the source does; empty where none can be told."""

    async def collect(self) -> Collected:
        """Read all documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexingTools:
    """What a job works with.

    Attributes
    ----------
    notify : callable
        Told, in a sentence, whom the job waits for.
    progress : callable
        Told how far it is, at each step, on the loop.
    publish_seconds : float
        Seconds after which the part of a library that is stored is published.
    budget : Budget or None
        What may be spent for all the libraries together; None for no bound.
    cut : callable
        Takes a document and returns its chunks, or in words why it has none.
    documents : KeptDocuments or None
        Where documents are kept as they came; None keeps none.
    together : bool
        Whether many small libraries are published at once, at the end or whenever
        `publish_seconds` are over: quicker, but what fails takes the others along.
    """

    index: EmbeddedIndex | ServerIndex
    embedder: Embedder
    cache: EmbeddingCache
    clock: Clock
    notify: Callable[[str], None]
    progress: Callable[[Progress], None]
    publish_seconds: float = PUBLISH_SECONDS
    budget: Budget | None = None
    cut: Cutter = cut_or_problem
    documents: KeptDocuments | None = None
    together: bool = False


async def index_sources(
    sources: Sequence[Source], tools: IndexingTools
) -> AsyncGenerator[IndexReport, None]:
    """Index some sources, yielding a report each.

    Cancelled or killed at any point it loses nothing that was published, and no
    embedding: they are cached on disk as soon as they are made.

    Parameters
    ----------
    sources : sequence of Source
        Where documents come from, each its own library.
    tools : IndexingTools
        Index, embedder, cache and clock, and who is told of the progress.

    Yields
    ------
    IndexReport
        First those of the sources that are indexed as they stand, without waiting for
        other writers; then the others, each when it is published. A document that
        cannot be indexed is among the `problems`.

    Raises
    ------
    IndexMismatchError
        The index was made with another embedder or chunking.
    SourceError
        A source could not be read at all.
    APIIntegrationError
        The embedder's service failed for good. What was embedded till then is stored
        and published, so far as it can be.
    HomeError
        The index or the cache cannot be opened or written.
    """
    outstanding = []
    for source in sources:
        started = tools.clock.now()
        unchanged = await unchanged_report(source, tools)
        if unchanged is None:
            outstanding.append(source)
        else:
            yield dataclasses.replace(unchanged, seconds=tools.clock.now() - started)
    if not outstanding:
        return
    names = ", ".join(source.library for source in outstanding[:5])
    async with tools.index.writing(
        f"indexing {names}", tools.clock, tools.notify
    ) as writer:
        held: list[IndexReport] = []
        published = tools.clock.now()
        for source in outstanding:
            job = _LibraryJob(source, writer, tools, is_open=bool(held))
            held.append(await job.run())
            late = tools.clock.now() - published > tools.publish_seconds
            if tools.together and not late and source is not outstanding[-1]:
                continue
            if tools.together:
                await ask(writer.publish)
                published = tools.clock.now()
            for report in held:
                yield report
            held.clear()


async def unchanged_report(source: Source, tools: IndexingTools) -> IndexReport | None:
    """Return a report where the source is indexed as it stands, else None.

    Nothing is read but what tells one state of the source from another.

    Parameters
    ----------
    source : Source
    tools : IndexingTools
        The index is asked, and its embedder compared with this one.

    Raises
    ------
    IndexMismatchError
        The index was made with another embedder or chunking.
    HomeError
        The index cannot be opened.
    """
    catalog: Catalog | None = await ask(tools.index.catalog)
    if catalog is None:
        return None
    catalog.check(tools.embedder, tools.index.place)
    known = catalog.libraries.get(source.library)
    if known is None or not known.fingerprint:
        return None
    if known.fingerprint != await in_thread(source.fingerprint):
        return None
    return IndexReport(
        library=known.library,
        version=known.version,
        documents=known.documents,
        chunks=known.chunks,
        unchanged=known.chunks,
    )


class _LibraryJob:
    """Brings one library up to date."""

    def __init__(
        self,
        source: Source,
        writer: IndexWriter | ServerWriter,
        tools: IndexingTools,
        *,
        is_open: bool = False,
    ) -> None:
        self.is_open = is_open
        self.source = source
        self.writer = writer
        self.tools = tools
        self.started = tools.clock.now()
        self.published = self.started
        self.problems: list[Problem] = []
        self.embedded = 0
        self.tokens = 0
        self.usd = 0.0
        self.done = 0
        self.stopped: str | None = None
        self.stored = 0
        self.outage: APIIntegrationError | None = None

    async def run(self) -> IndexReport:
        """Collect, compare, embed, store, publish."""
        self._tell("collecting")
        # The models load while the child reads.
        warming = asyncio.create_task(ask(self.writer.warm_up))
        try:
            collected = await self.source.collect()
        finally:
            await asyncio.wait([warming])
        await warming
        self.problems += collected.problems
        chunks = await self._chunks(collected.documents)
        if self.tools.documents is not None:
            await in_thread(self.tools.documents.save, collected)
        if not self.is_open:
            await ask(self.writer.open)
        stored: dict[str, str] = await ask(self.writer.stored, self.source.library)
        new = [
            chunk
            for chunk in chunks
            if stored.get(chunk.chunk_id) != chunk.content_hash
        ]
        seen = {chunk.chunk_id for chunk in chunks}
        removed = [each for each in stored if each not in seen]
        if not collected.complete:
            removed = []
        try:
            stored_new = await self._store(new, len(collected.documents), collected)
        except APIIntegrationError as exc:
            if exc is self.outage:
                await self._publish_rest(exc, len(new), collected)
            raise
        await ask(self.writer.delete, removed)
        failed = {problem.title for problem in self.problems}
        kept = [each for each in stored if each in seen or not collected.complete]
        report = IndexReport(
            library=self.source.library,
            version=collected.version,
            documents=len({chunk.document for chunk in chunks}),
            chunks=len(stored_new | set(kept)),
            new=len(stored_new),
            unchanged=len(chunks) - len(new),
            removed=len(removed),
            failed=len(failed),
            embedded=self.embedded,
            tokens=self.tokens,
            usd=self.usd,
            problems=tuple(self.problems),
            stopped=self.stopped,
        )
        if chunks or stored:
            complete = collected.complete and len(stored_new) == len(new)
            await self._note(collected, complete=complete)
            if not self.tools.together:
                await self._publish()
        self._tell("done", len(collected.documents), len(new))
        return dataclasses.replace(
            report, seconds=self.tools.clock.now() - self.started
        )

    async def _chunks(self, documents: Sequence[Document]) -> list[Chunk]:
        chunks: dict[str, Chunk] = {}
        for start in range(0, len(documents), _CHUNK_DOCUMENTS):
            self._tell("chunking", start)
            some = documents[start : start + _CHUNK_DOCUMENTS]
            for chunk in await in_thread(self._chunk_some, some):
                chunks.setdefault(chunk.chunk_id, chunk)
        return list(chunks.values())

    def _chunk_some(self, documents: Sequence[Document]) -> list[Chunk]:
        chunks = []
        for document in documents:
            document, notes = repaired(document)
            if notes:
                self._problem(document.title, "; ".join(notes))
            cut = self.tools.cut(document)
            if isinstance(cut, str):
                self._problem(document.title, cut)
            else:
                chunks += cut
        return chunks

    async def _store(
        self, new: Sequence[Chunk], documents: int, collected: Collected
    ) -> set[str]:
        """Embed and store chunks batch by batch; return the ids that made it."""
        made: set[str] = set()
        self._tell("embedding", documents, len(new))
        for batch in _batches(new, self.tools.embedder):
            while batch and self.stopped is None:
                allowed, reserved_usd = await self._allowed(batch)
                part, batch = batch[:allowed], batch[allowed:]
                made |= await self._store_part(part, reserved_usd, first=not made)
                self._tell("embedding", documents, len(new))
            if self.tools.clock.now() - self.published > self.tools.publish_seconds:
                await self._note(collected, complete=False)
                await self._publish()
                await ask(self.writer.open)
        return made

    async def _store_part(
        self, part: Sequence[Chunk], reserved_usd: float, *, first: bool
    ) -> set[str]:
        """Embed and store some chunks at once; return the ids that made it."""
        if not part:
            return set()
        spent_before, spent = self.usd, reserved_usd
        try:
            good, vectors = await self._embed(part)
            spent = self.usd - spent_before
        except APIIntegrationError as exc:
            self.outage = exc
            await self._store_kept(part)
            raise
        finally:  # of what failed it is not known what it cost: the most it may have
            if self.tools.budget is not None:
                self.tools.budget.settle(reserved_usd, actual_usd=spent)
        if not good and first and len(part) > 1:
            raise EmbedderError(
                f"The embedder {self.tools.embedder.identity!r} failed on each of "
                f"{len(part)} texts: {self.problems[-1].error}"
            )
        made = await self._upsert(good, vectors)
        self.done += len(part)
        return made

    async def _upsert(self, good: Sequence[Chunk], vectors: Vectors) -> set[str]:
        """Store chunks that have vectors; return the ids that made it."""
        refused: Refused = {}
        if good:
            refused = await ask(self.writer.upsert, good, vectors)
        for chunk in good:
            if chunk.chunk_id in refused:
                why = refused[chunk.chunk_id]
                self._problem(chunk.title, f"cannot be stored: {why}")
        made = {each.chunk_id for each in good if each.chunk_id not in refused}
        self.stored += len(made)
        return made

    async def _store_kept(self, part: Sequence[Chunk]) -> None:
        """Store what was embedded of a part before the service failed."""
        embedder, cache = self.tools.embedder, self.tools.cache
        texts = [chunk.embedded_text for chunk in part]
        # What failed is what is told; the rest comes at the next call in any case.
        with contextlib.suppress(ContexterError):
            kept = await held_embeddings(texts, "document", embedder, cache)
            known = [chunk for chunk, held in zip(part, kept, strict=True) if held]
            if known:
                vectors = await self._vectors([each.embedded_text for each in known])
                await self._upsert(known, vectors)

    async def _publish_rest(
        self, error: APIIntegrationError, wanted: int, collected: Collected
    ) -> None:
        """Publish what was stored before the service failed, and say so."""
        if not self.stored:
            return
        with contextlib.suppress(ContexterError):
            await self._note(collected, complete=False)
            await self._publish()
            error.add_note(
                f"{self.stored:,} of {wanted:,} new passages of {self.source.library} "
                "are indexed; the same call goes on from there."
            )

    async def _allowed(self, batch: Sequence[Chunk]) -> tuple[int, float]:
        """Return for how many of a batch the budget lasts, and what is set aside."""
        budget, embedder = self.tools.budget, self.tools.embedder
        if budget is None:
            return len(batch), 0.0
        texts = [chunk.embedded_text for chunk in batch]
        kept = await kept_embeddings(texts, "document", embedder, self.tools.cache)
        most = [
            0.0 if known else usd
            for known, usd in zip(kept, usd_at_most(embedder, texts), strict=True)
        ]
        allowed = budget.reserve_first(most)
        if not allowed:
            self.stopped = budget.stopped
        return allowed, sum(most[:allowed])

    async def _embed(self, batch: Sequence[Chunk]) -> tuple[list[Chunk], Vectors]:
        """Embed a batch; where that fails, text by text, so that one costs only one."""
        try:
            vectors = await self._vectors([chunk.embedded_text for chunk in batch])
        except EmbedderError as exc:
            if len(batch) == 1:
                self._problem(batch[0].title, f"cannot be embedded: {exc}")
                return [], np.empty((0, self.tools.embedder.dimension), np.float32)
            halves = [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
            parts = [await self._embed(half) for half in halves]
            good = [chunk for part, _ in parts for chunk in part]
            return good, np.concatenate([vectors for _, vectors in parts])
        return list(batch), vectors

    async def _vectors(self, texts: Sequence[str]) -> Vectors:
        answer = await embed_cached(
            texts, "document", self.tools.embedder, self.tools.cache
        )
        self.embedded += answer.embedded
        self.tokens += answer.tokens
        self.usd += answer.usd
        return answer.vectors

    async def _note(self, collected: Collected, *, complete: bool) -> None:
        """Bring the library's entry in the catalog up to what is stored."""
        entry = IndexedLibrary(
            library=self.source.library,
            version=collected.version,
            source=collected.source,
            documents=0,
            chunks=0,
            tokens=0,
            indexed_at=self.tools.clock.wall().isoformat(timespec="seconds"),
            fingerprint="",
            kinds=collected.kinds,
        )
        entry = await ask(self.writer.remaining, entry)
        if complete:
            entry = dataclasses.replace(entry, fingerprint=collected.fingerprint)
        if entry.chunks:
            self.writer.catalog = self.writer.catalog.with_library(entry)
        else:
            self.writer.catalog = self.writer.catalog.without_library(entry.library)

    async def _publish(self) -> None:
        await ask(self.writer.publish)
        self.published = self.tools.clock.now()

    def _problem(self, title: str, error: str) -> None:
        self.problems.append(
            Problem(
                library=self.source.library,
                version=self.source.version,
                title=title,
                error=error,
            )
        )

    def _tell(self, stage: str, documents: int = 0, chunks: int = 0) -> None:
        self.tools.progress(
            Progress(
                library=self.source.library,
                stage=stage,
                documents=documents,
                chunks=chunks,
                chunks_done=self.done,
            )
        )


def _batches(chunks: Sequence[Chunk], embedder: Embedder) -> Iterator[Sequence[Chunk]]:
    """Yield chunks in such parts as an embedder is given at a time."""
    if not isinstance(embedder, KeepingEmbedder):
        for start in range(0, len(chunks), _EMBED_TEXTS):
            yield chunks[start : start + _EMBED_TEXTS]
        return
    start = tokens = 0
    for at, chunk in enumerate(chunks):
        full = tokens + chunk.token_count > embedder.batch_tokens
        if at > start and (full or at - start >= _KEPT_TEXTS):
            yield chunks[start:at]
            start, tokens = at, 0
        tokens += chunk.token_count
    if chunks:
        yield chunks[start:]
