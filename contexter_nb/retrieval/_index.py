"""The embedded index: search in the generation that is published."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import (
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from pathlib import Path

import qdrant_edge as edge

from contexter_nb.core import (
    Clock,
    EmptyIndexError,
    InvalidArgumentError,
    UnknownChunkError,
)
from contexter_nb.retrieval._catalog import Catalog
from contexter_nb.retrieval._condition import Condition
from contexter_nb.retrieval._documents import document_of, point_id
from contexter_nb.retrieval._elsewhere import indexed_elsewhere
from contexter_nb.retrieval._embedders import Embedder, Vectors
from contexter_nb.retrieval._engine import OpenShard, panics_told
from contexter_nb.retrieval._filters import engine_filter
from contexter_nb.retrieval._generations import Generations, Lease
from contexter_nb.retrieval._index_writer import IndexWriter, content_hashes
from contexter_nb.retrieval._query_words import QueryWords
from contexter_nb.retrieval._ranking import (
    CHUNKS_A_DOCUMENT,
    DENSE,
    DEPTH,
    TERMS,
    TEXT,
    Explanation,
    Hit,
    Payload,
    Ranking,
    near_hits,
)
from contexter_nb.retrieval._slices import in_thread
from contexter_nb.retrieval._survey import Survey, survey_of, vectors_of
from contexter_nb.retrieval._term_match import TermMatcher

# Up to here a search may run on the loop itself (a few ms at 50,000 passages).
QUICK_CHUNKS = 100_000


async def delete_indexes(
    folder: Path, clock: Clock, notify: Callable[[str], None]
) -> None:
    """Delete all indexes in a folder, each when nobody writes it.

    Parameters
    ----------
    folder : pathlib.Path
        Where there is none nothing happens.
    clock : Clock
        For the waits.
    notify : callable
        Told for whom this waits.

    Raises
    ------
    HomeError
        One cannot be written.
    """
    for each in await in_thread(_folders, folder):
        await Generations(each).delete(clock, notify)
    with contextlib.suppress(OSError):  # one was made meanwhile, or there is none
        await in_thread(os.rmdir, folder)


def _folders(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


@dataclass(slots=True)
class _Reader:
    """The generation this session reads, and what was opened of it."""

    lease: Lease
    catalog: Catalog
    shard: OpenShard
    process_id: int = field(default_factory=os.getpid)

    def retire(self) -> None:
        self.shard.retire()
        self.lease.close()


class EmbeddedIndex:
    """Passages searched by meaning and by words, in process, on disk.

    Any number of processes search at once while one writes; each search sees the
    generation that was published last.

    Parameters
    ----------
    folder : pathlib.Path
        Where the generations lie.
    embedder : Embedder
        What the vectors are made with; an index made with another is refused.
    matcher : TermMatcher
        The third, term by term part of a hybrid search.
    """

    def __init__(self, folder: Path, embedder: Embedder, matcher: TermMatcher) -> None:
        self.generations = Generations(folder)
        self.embedder = embedder
        self._matcher = matcher
        self._words = QueryWords()
        self._lock = threading.Lock()
        self._reader: _Reader | None = None

    @property
    def folder(self) -> Path:
        """Return where the generations lie."""
        return self.generations.path

    @property
    def matcher(self) -> TermMatcher:
        """Return what matches term by term; indexes may share one."""
        return self._matcher

    @property
    def place(self) -> str:
        """Return where the index is, for messages."""
        return str(self.folder)

    def catalog(self) -> Catalog | None:
        """Return what is indexed now, or None where nothing ever was.

        Raises
        ------
        HomeError
            The folder is damaged or cannot be read.
        """
        reader = self._current()
        return reader.catalog if reader else None

    def search(
        self,
        query: str,
        vector: Vectors | None,
        *,
        mode: str = "hybrid",
        limit: int = 10,
        conditions: Sequence[Condition] = (),
        exact: bool = False,
        ef: int | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> list[Hit]:
        """Return the best documents' best passages.

        Parameters
        ----------
        query : str
            What is sought; for the text and term parts.
        vector : numpy.ndarray or None
            The query's embedding, float32, shape (dimension,); None in text mode.
        mode : str
            ``hybrid``, ``dense`` or ``text``.
        limit : int
            How many hits, at most 1,000.
        conditions : sequence of Condition
            What every hit must meet (`parse_where`); none by default.
        exact : bool
            Compare with every vector where an approximate index exists.
        ef : int, optional
            How many candidates the approximate index keeps in view; its own number by
            default.
        weights : mapping of str to float, optional
            Weights of ``dense``, ``text`` and ``terms`` in the fusion, where they shall
            differ from `PART_WEIGHTS`; used in hybrid mode only.

        Returns
        -------
        list of Hit
            Best first, one per document.

        Raises
        ------
        EmptyIndexError
            Nothing is indexed.
        IndexMismatchError
            The index was made with another embedder or chunking.
        InvalidArgumentError
            `vector` is None in another mode than text.
        HomeError
            The index's files are damaged or cannot be opened.
        """
        with self._searching() as shard:
            depth = max(DEPTH, 2 * limit)
            ranking = self._ranked(
                shard, query, vector, mode, conditions, exact, depth, ef
            )
            if mode == "hybrid":
                known = _payloads(shard, ranking.best.values(), ["prior", "terms"])
                ordered = ranking.fused(query, known, weights or {}, self._matcher)
            else:
                ordered = ranking.of_part(mode)
            shown = [ranking.best[each.key] for each in ordered]
            return ranking.hits(ordered, _LazyPayloads(shard, shown, limit), limit)

    def known_catalog(self) -> Catalog | None:
        """Return what is indexed, without waiting for anybody."""
        return self.catalog()

    def is_quick(self) -> bool:
        """Whether a search takes milliseconds: the index is open and not large."""
        reader = self._reader
        return (
            reader is not None
            and reader.process_id == os.getpid()
            and reader.lease.holds(self.generations.current())
            and reader.catalog.chunks < QUICK_CHUNKS
        )

    def _ranked(
        self,
        shard: edge.EdgeShard,
        query: str,
        vector: Vectors | None,
        mode: str,
        conditions: Sequence[Condition],
        exact: bool,
        depth: int,
        ef: int | None = None,
    ) -> Ranking:
        """Ask the engine for the documents of each part."""
        wanted = [DENSE, TEXT] if mode == "hybrid" else [mode]
        condition = engine_filter(conditions)
        params = edge.SearchParams(exact=exact, hnsw_ef=ef)
        requests = [
            edge.QueryRequest(
                query=self._nearest(part, query, vector),
                filter=condition,
                limit=depth * CHUNKS_A_DOCUMENT,
                params=params if part == DENSE else None,
                with_payload=False,
            )
            for part in wanted
        ]
        answers = shard.query_batch(edge.QueryBatchRequest(requests))
        ranking = Ranking()
        for part, answer in zip(wanted, answers, strict=True):
            ranking.add(part, ((int(each.id), each.score) for each in answer), depth)
        return ranking

    def _nearest(self, part: str, query: str, vector: Vectors | None) -> edge.Query:
        if part == TEXT:
            return edge.Query.Nearest(self._words.sparse(query), TEXT)
        if vector is None:
            raise InvalidArgumentError("A dense search needs the query's embedding.")
        return edge.Query.Nearest(vector.tolist(), DENSE)

    def similar(
        self, chunk_id: str, limit: int, conditions: Sequence[Condition] = ()
    ) -> list[Hit]:
        """Return the nearest passages of other documents, by meaning.

        Parameters
        ----------
        chunk_id : str
            16 hexadecimal digits; the passage whose stored vector is compared.
        limit : int
            How many hits at most.
        conditions : sequence of Condition
            What every hit must meet; the passage itself need not.

        Returns
        -------
        list of Hit
            Best first, one per document; `score` is the cosine, -1 to 1, and `ranks`
            has ``dense`` only.

        Raises
        ------
        UnknownChunkError
            No chunk has this id.
        InvalidArgumentError
            `chunk_id` has not the form of one.
        EmptyIndexError
            Nothing is indexed.
        IndexMismatchError
            The index was made with another embedder or chunking.
        """
        with self._searching() as shard:
            own = _record(shard, chunk_id)
            answer = shard.query(
                edge.QueryRequest(
                    query=edge.Query.Nearest(_dense(own), DENSE),
                    filter=engine_filter(conditions, without_ids=[point_id(chunk_id)]),
                    limit=(limit + 20) * CHUNKS_A_DOCUMENT,
                    with_payload=True,
                )
            )
        found = [(int(each.id), each.score, each.payload or {}) for each in answer]
        return near_hits(found, document_of(point_id(chunk_id)), limit)

    def explain(
        self,
        query: str,
        vector: Vectors,
        chunk_id: str,
        conditions: Sequence[Condition] = (),
    ) -> Explanation:
        """Return where a chunk's document stands in each part, however far down.

        Compares with every vector, so it is slower than `search`.

        Parameters
        ----------
        query : str
            What is sought.
        vector : numpy.ndarray
            The query's embedding, float32, shape (dimension,).
        chunk_id : str
            16 hexadecimal digits; it need not be among the hits.
        conditions : sequence of Condition
            The filter of the search that is explained; none by default.

        Returns
        -------
        Explanation
            Its `parts` are dense, text, terms and hybrid, in this order.

        Raises
        ------
        UnknownChunkError
            No chunk has this id.
        InvalidArgumentError
            `chunk_id` has not the form of one.
        EmptyIndexError
            Nothing is indexed.
        IndexMismatchError
            The index was made with another embedder or chunking.
        """
        with self._searching() as shard:
            own = _record(shard, chunk_id)
            number = point_id(chunk_id)
            everything = shard.count(edge.CountRequest(exact=True))
            ranking = self._ranked(
                shard, query, vector, "hybrid", conditions, True, everything
            )
            near = ranking.shallow(document_of(number), number)
            known = _payloads(shard, near.best.values(), ["prior", "terms"])
            fused = near.fused(query, known, {}, self._matcher)
        key = document_of(number)
        matched, missing, synonyms = self._words.told(query, _stems(own))
        return Explanation(
            parts=ranking.part_ranks(key, near.parts[TERMS], fused),
            payload=own.payload or {},
            matched=matched,
            missing=missing,
            synonyms=synonyms,
            filtered_out=key not in ranking.parts[DENSE],
        )

    def facets(
        self, column: str, conditions: Sequence[Condition] = (), limit: int = 100
    ) -> dict[str, int]:
        """Return the values of a text column with their number of passages.

        Parameters
        ----------
        column : str
            ``kind library section source title`` or ``version``.
        conditions : sequence of Condition
            Which passages are counted; all by default.
        limit : int
            The most frequent so many.

        Returns
        -------
        dict of str to int
            Value to passages, counted exactly.

        Raises
        ------
        EmptyIndexError
            Nothing is indexed.
        IndexMismatchError
            The index was made with another embedder or chunking.
        """
        with self._searching() as shard:
            answer = shard.facet(
                edge.FacetRequest(
                    key=column,
                    limit=limit,
                    exact=True,
                    filter=engine_filter(conditions),
                )
            )
        return {str(hit.value): hit.count for hit in answer.hits}

    def survey(self, limit: int) -> Survey:
        """Return a sample of the collection, the same as long as that is.

        Parameters
        ----------
        limit : int
            How many passages at most.

        Raises
        ------
        EmptyIndexError
            Nothing is indexed.
        IndexMismatchError
            The index was made with another embedder or chunking.
        """
        with self._searching() as shard:
            return survey_of(shard, limit, self.embedder.dimension)

    def vectors(self, chunk_ids: Sequence[str]) -> dict[str, Vectors]:
        """Return the vectors of some passages; those not stored are left out.

        Parameters
        ----------
        chunk_ids : sequence of str
            16 hexadecimal digits each.

        Returns
        -------
        dict of str to numpy.ndarray
            float32, shape (dimension,), by chunk id.

        Raises
        ------
        InvalidArgumentError
            One has not the form of a chunk id.
        EmptyIndexError
            Nothing is indexed.
        IndexMismatchError
            The index was made with another embedder or chunking.
        """
        with self._searching() as shard:
            return vectors_of(shard, chunk_ids, self.embedder.dimension)

    def stored(self, library: str) -> dict[str, str]:
        """Return the content hash of each stored passage of a library, by its id.

        Parameters
        ----------
        library : str
            As in the catalog.

        Raises
        ------
        EmptyIndexError
            Nothing is indexed.
        IndexMismatchError
            The index was made with another embedder or chunking.
        """
        with self._searching() as shard:
            return content_hashes(shard, library)

    @contextlib.contextmanager
    def _searching(self) -> Iterator[edge.EdgeShard]:
        reader = self._current()
        if reader is None or not reader.catalog.libraries:
            raise EmptyIndexError(
                'Nothing is indexed yet; begin with nb.index("pandas"), and see '
                f"nb.libraries() for what else is here.{indexed_elsewhere(self.folder)}"
            )
        reader.catalog.check(self.embedder, self.place)
        with panics_told(self.folder), reader.shard.use() as shard:
            yield shard

    def _current(self) -> _Reader | None:
        """Return a reader of the published generation; changes over when it moved."""
        with self._lock:
            reader = self._reader
            if reader is not None and reader.process_id != os.getpid():
                # A fork shares our files' locks, not the engine's threads.
                self._reader = reader = None
            number = self.generations.current()
            if reader is not None and reader.lease.holds(number):
                return reader
            lease = self.generations.lease()
            if reader is not None:
                reader.retire()
                self._reader = None
            if lease is None:
                return None
            try:
                catalog = Catalog.load(lease.path)
                self._reader = _Reader(lease, catalog, OpenShard(lease.path))
            except BaseException:
                lease.close()
                raise
            if reader is not None:
                self.generations.sweep()
            return self._reader

    def close(self) -> None:
        """Let go of the generation that is read."""
        with self._lock:
            if self._reader is not None and self._reader.process_id == os.getpid():
                self._reader.retire()
                self.generations.sweep()
            self._reader = None

    @contextlib.asynccontextmanager
    async def writing(
        self, doing: str, clock: Clock, notify: Callable[[str], None]
    ) -> AsyncIterator[IndexWriter]:
        """Hold the index for writing; waits, interruptibly, for another writer.

        Searches go on meanwhile. What is not published when the block ends is dropped.

        Parameters
        ----------
        doing : str
            What is done, as others who wait shall read it (``indexing pandas``).
        clock : Clock
            For the waits.
        notify : callable
            Told once, in a sentence, whom this waits for.

        Yields
        ------
        IndexWriter
            Not opened yet.

        Raises
        ------
        HomeError
            The folder cannot be made, locked or written.
        """
        async with self.generations.writing(doing, clock, notify) as staging:
            writer = IndexWriter(self.embedder, self._matcher, self.folder, staging)
            try:
                yield writer
            finally:
                writer.close()


class _LazyPayloads(Mapping[int, Payload]):
    """Payloads fetched as far down a ranking as is looked at, a block at a time."""

    def __init__(self, shard: edge.EdgeShard, ranking: list[int], limit: int) -> None:
        self._shard = shard
        self._ranking = ranking
        self._block = limit + 10
        self._known: dict[int, Payload] = {}

    def __getitem__(self, number: int) -> Payload:
        while number not in self._known:
            start = len(self._known)
            wanted = self._ranking[start : start + self._block]
            self._known |= _payloads(self._shard, wanted, True)
        return self._known[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._ranking)

    def __len__(self) -> int:
        return len(self._ranking)


def _payloads(
    shard: edge.EdgeShard, numbers: Iterable[int], columns: list[str] | bool
) -> dict[int, Payload]:
    return {
        int(record.id): record.payload or {}
        for record in shard.retrieve(list(numbers), columns, False)
    }


def _record(shard: edge.EdgeShard, chunk_id: str) -> edge.Record:
    found = shard.retrieve([point_id(chunk_id)], True, True)
    if not found:
        raise UnknownChunkError(
            f"No chunk {chunk_id} is in the index; search again, it may have changed."
        )
    return found[0]


def _dense(record: edge.Record) -> list[float]:
    vector = record.vector
    assert isinstance(vector, dict)
    dense = vector[DENSE]
    assert isinstance(dense, list)
    return dense  # type: ignore[return-value]  # one dense vector, not a multivector


def _stems(record: edge.Record) -> list[int]:
    vector = record.vector
    sparse = vector.get(TEXT) if isinstance(vector, dict) else None
    return list(sparse.indices) if isinstance(sparse, edge.SparseVector) else []
