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

import numpy as np
import qdrant_edge as edge

from contexter_nb.core import (
    Clock,
    EmptyIndexError,
    InvalidArgumentError,
    UnknownChunkError,
)
from contexter_nb.retrieval._catalog import Catalog
from contexter_nb.retrieval._documents import (
    chunk_id_of,
    document_of,
    is_lead,
    point_id,
)
from contexter_nb.retrieval._embedders import Embedder, Vectors
from contexter_nb.retrieval._engine import (
    DENSE,
    TEXT,
    OpenShard,
    Payload,
    bm25,
)
from contexter_nb.retrieval._filters import Condition, engine_filter
from contexter_nb.retrieval._fusion import (
    RRF_K,
    Candidate,
    fold_repeats,
    reciprocal_rank_fusion,
)
from contexter_nb.retrieval._generations import Generations, Lease
from contexter_nb.retrieval._index_writer import IndexWriter
from contexter_nb.retrieval._survey import Survey, survey_of, vectors_of
from contexter_nb.retrieval._synonyms import expansions
from contexter_nb.retrieval._term_match import TermMatcher

TERMS = "terms"
MODES = ("hybrid", "dense", "text")
MAX_LIMIT = 1_000
# Up to here a search may run on the loop itself (a few ms at 50,000 passages).
QUICK_CHUNKS = 100_000
# Documents each part hands to the fusion, and chunks it is asked for to have as many.
_DEPTH = 60
_CHUNKS_A_DOCUMENT = 2
# What each part counts in the fusion; set on the tuning half of the judged questions.
PART_WEIGHTS = {"dense": 0.4, "text": 1.0, "terms": 1.0}
# A document shows the passage it begins with where that scores this share of its best.
_LEAD_SHARE = 0.8
# What a synonym counts in the text part; a word of the query counts 1.
_SYNONYM_WEIGHT = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One answer of a search.

    Attributes
    ----------
    score : float
        Hybrid: the fused score; dense: cosine; text: BM25.
    ranks : dict of str to int
        The rank of its document in each part that found it, from 1.
    folded : tuple of str
        Titles of near duplicates that this hit stands for.
    """

    chunk_id: str
    score: float
    ranks: Mapping[str, int]
    payload: Payload
    folded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRank:
    """Where one chunk's document stands in one part of a search.

    Attributes
    ----------
    part : str
        ``dense``, ``text``, ``terms`` or ``hybrid``.
    rank : int or None
        From 1; None where the part did not find it.
    score : float or None
        The part's own, as in `Hit`; None where it has none.
    found : int
        How many documents the part ranked.
    """

    part: str
    rank: int | None
    score: float | None
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a chunk is found where it is.

    Attributes
    ----------
    matched, missing : tuple of str
        The query's words that the chunk has, and those it has not.
    synonyms : tuple of str
        Words for what the query asks that the chunk has.
    filtered_out : bool
        The filter excludes it.
    """

    parts: tuple[PartRank, ...]
    payload: Payload
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    synonyms: tuple[str, ...]
    filtered_out: bool


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
        self._bm25 = bm25()
        self._lock = threading.Lock()
        self._reader: _Reader | None = None

    @property
    def folder(self) -> Path:
        """Return where the generations lie."""
        return self.generations.path

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
            depth = max(_DEPTH, 2 * limit)
            best, parts, scores = self._parts(
                shard, query, vector, mode, conditions, exact, depth
            )
            if mode == "hybrid":
                found = self._fuse(shard, query, best, parts, weights or {})
            else:
                found = {
                    key: Candidate(key, scores[mode][key], {mode: rank})
                    for rank, key in enumerate(parts[mode], start=1)
                }
            ordered = sorted(found.values(), key=lambda each: -each.score)
            payloads = _LazyPayloads(shard, [best[each.key] for each in ordered], limit)
            kept = fold_repeats(
                ordered,
                lambda key: key,
                lambda key: frozenset(payloads[best[key]]["lines"]),
                limit,
            )
            return [
                Hit(
                    chunk_id=chunk_id_of(best[each.key]),
                    score=each.score,
                    ranks=each.ranks,
                    payload=payloads[best[each.key]],
                    folded=tuple(payloads[best[key]]["title"] for key in each.folded),
                )
                for each in kept
            ]

    def is_quick(self) -> bool:
        """Whether a search takes milliseconds: the index is open and not large."""
        reader = self._reader
        return (
            reader is not None
            and reader.process_id == os.getpid()
            and reader.lease.number == self.generations.current()
            and reader.catalog.chunks < QUICK_CHUNKS
        )

    def _parts(
        self,
        shard: edge.EdgeShard,
        query: str,
        vector: Vectors | None,
        mode: str,
        conditions: Sequence[Condition],
        exact: bool,
        depth: int,
    ) -> tuple[dict[int, int], dict[str, list[int]], dict[str, dict[int, float]]]:
        """Ask the engine; answer each part's documents, best first.

        Returns
        -------
        tuple
            Best point by document; documents by part; scores by part and document.
        """
        wanted = [DENSE, TEXT] if mode == "hybrid" else [mode]
        condition = engine_filter(conditions)
        requests = [
            edge.QueryRequest(
                query=self._nearest(part, query, vector),
                filter=condition,
                limit=depth * _CHUNKS_A_DOCUMENT,
                params=edge.SearchParams(exact=exact) if part == DENSE else None,
                with_payload=False,
            )
            for part in wanted
        ]
        answers = shard.query_batch(edge.QueryBatchRequest(requests))
        best: dict[int, int] = {}
        parts: dict[str, list[int]] = {}
        scores: dict[str, dict[int, float]] = {}
        for part, answer in zip(wanted, answers, strict=True):
            found: dict[int, float] = {}
            for point in answer:
                number = int(point.id)
                key = document_of(number)
                if key not in found:
                    if len(found) == depth:
                        break
                    found[key] = point.score
                    best.setdefault(key, number)
                elif is_lead(number) and point.score > _LEAD_SHARE * found[key]:
                    best[key] = number
            parts[part] = list(found)
            scores[part] = found
        return best, parts, scores

    def _nearest(self, part: str, query: str, vector: Vectors | None) -> edge.Query:
        if part == TEXT:
            return edge.Query.Nearest(self._sparse(query), TEXT)
        if vector is None:
            raise InvalidArgumentError("A dense search needs the query's embedding.")
        return edge.Query.Nearest(vector.tolist(), DENSE)

    def _sparse(self, query: str) -> edge.SparseVector:
        """Return the stems of the query and, at less weight, of its synonyms."""
        own = self._bm25.embed_query(query)
        weights = dict(zip(own.indices, own.values, strict=True))
        added: dict[int, float] = {}
        for term, weight in expansions(query).items():
            for stem in self._bm25.embed_query(term).indices:
                if stem not in weights:
                    added[stem] = max(_SYNONYM_WEIGHT * weight, added.get(stem, 0.0))
        weights |= added
        return edge.SparseVector(list(weights), list(weights.values()))

    def _fuse(
        self,
        shard: edge.EdgeShard,
        query: str,
        best: Mapping[int, int],
        parts: dict[str, list[int]],
        weights: Mapping[str, float],
    ) -> dict[int, Candidate]:
        """Add the terms part to `parts`; return all documents with fused scores."""
        known = _payloads(shard, best.values(), ["prior", "terms"])
        parts[TERMS] = self._by_terms(query, best, known)
        found = reciprocal_rank_fusion(parts, {**PART_WEIGHTS, **weights}, RRF_K)
        for key, candidate in found.items():
            candidate.score *= known[best[key]]["prior"]
        return found

    def _by_terms(
        self, query: str, best: Mapping[int, int], known: Mapping[int, Payload]
    ) -> list[int]:
        """Return the documents in the order of their gists' term by term match."""
        keys = list(best)
        scores = self._matcher.scores(
            query, [known[best[key]]["terms"] for key in keys]
        )
        return [keys[at] for at in np.argsort(-scores, kind="stable") if scores[at] > 0]

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
                    limit=(limit + 20) * _CHUNKS_A_DOCUMENT,
                    with_payload=True,
                )
            )
            payloads = {int(each.id): each.payload or {} for each in answer}
            own_document = document_of(point_id(chunk_id))
            others = [
                Candidate(number, each.score)
                for number, each in zip(payloads, answer, strict=True)
                if document_of(number) != own_document
            ]
            kept = fold_repeats(
                others,
                document_of,
                lambda number: frozenset(payloads[number]["lines"]),
                limit,
            )
        return [
            Hit(
                chunk_id=chunk_id_of(each.key),
                score=each.score,
                ranks={DENSE: rank},
                payload=payloads[each.key],
                folded=tuple(payloads[number]["title"] for number in each.folded),
            )
            for rank, each in enumerate(kept, start=1)
        ]

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
            payload: Payload = own.payload or {}
            key = document_of(point_id(chunk_id))
            everything = shard.count(edge.CountRequest(exact=True))
            best, parts, scores = self._parts(
                shard, query, vector, "hybrid", conditions, True, everything
            )
            shallow = {part: keys[:_DEPTH] for part, keys in parts.items()}
            # In the order of a search, so that ties end alike.
            near = dict.fromkeys(each for keys in shallow.values() for each in keys)
            if key in parts[DENSE]:
                near.setdefault(key)
            best = {each: best.get(each, point_id(chunk_id)) for each in near}
            found = self._fuse(shard, query, best, shallow, {})
        parts[TERMS] = shallow[TERMS]
        parts["hybrid"] = sorted(found, key=lambda each: -found[each].score)
        scores["hybrid"] = {each: found[each].score for each in found}
        ranks = [
            _part_rank(part, keys, key, scores.get(part, {}))
            for part, keys in parts.items()
        ]
        matched, missing, synonyms = self._words(query, own)
        return Explanation(
            parts=tuple(ranks),
            payload=payload,
            matched=matched,
            missing=missing,
            synonyms=synonyms,
            filtered_out=key not in parts[DENSE],
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

    def _words(
        self, query: str, record: edge.Record
    ) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Return the query's words that a chunk has, has not, and synonyms it has."""
        vector = record.vector
        sparse = vector.get(TEXT) if isinstance(vector, dict) else None
        has = set(sparse.indices) if isinstance(sparse, edge.SparseVector) else set()
        matched: list[str] = []
        missing: list[str] = []
        for word in dict.fromkeys(query.split()):
            stems = self._bm25.embed_query(word).indices
            if stems:
                (matched if has.intersection(stems) else missing).append(word)
        synonyms = [
            term
            for term in expansions(query)
            if has.issuperset(self._bm25.embed_query(term).indices or [-1])
        ]
        return tuple(matched), tuple(missing), tuple(synonyms)

    @contextlib.contextmanager
    def _searching(self) -> Iterator[edge.EdgeShard]:
        reader = self._current()
        if reader is None or not reader.catalog.libraries:
            raise EmptyIndexError(
                'Nothing is indexed yet; begin with nb.index("pandas"), and see '
                "nb.libraries() for what else is here."
            )
        reader.catalog.check(self.embedder, self.folder)
        with reader.shard.use() as shard:
            yield shard

    def _current(self) -> _Reader | None:
        """Return a reader of the published generation; changes over when it moved."""
        with self._lock:
            reader = self._reader
            if reader is not None and reader.process_id != os.getpid():
                # A fork shares our files' locks, not the engine's threads.
                self._reader = reader = None
            number = self.generations.current()
            if reader is not None and reader.lease.number == number:
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


class _LazyPayloads:
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


def _part_rank(
    part: str, keys: Sequence[int], key: int, scores: Mapping[int, float]
) -> PartRank:
    rank = keys.index(key) + 1 if key in keys else None
    return PartRank(part=part, rank=rank, score=scores.get(key), found=len(keys))
