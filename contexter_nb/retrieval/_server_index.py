"""The index on a Qdrant server or cluster: the same searches, over the network."""

from __future__ import annotations

import contextlib
from collections.abc import (
    AsyncIterator,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from typing import Any

import numpy as np

from contexter_nb.clients import QdrantAPIClient, ScoredPoint
from contexter_nb.core import (
    Clock,
    EmptyIndexError,
    InvalidArgumentError,
    NotFoundError,
    SystemClock,
    UnknownChunkError,
    together,
)
from contexter_nb.retrieval._catalog import Catalog
from contexter_nb.retrieval._condition import Condition
from contexter_nb.retrieval._documents import chunk_id_of, document_of, point_id
from contexter_nb.retrieval._embedders import Embedder, Vectors
from contexter_nb.retrieval._fusion import Candidate
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
from contexter_nb.retrieval._server_catalog import embedder_of
from contexter_nb.retrieval._server_filters import server_where
from contexter_nb.retrieval._server_writer import ServerWriter, load_catalog
from contexter_nb.retrieval._survey import Survey
from contexter_nb.retrieval._term_match import TermMatcher

COLLECTION = "contexter"
# How long a search trusts what it knows of the collection.
KNOWN_SECONDS = 10.0
# As far down a part as `explain` looks.
_DEEPEST = 10_000


async def delete_collections(
    client: QdrantAPIClient, prefix: str, is_wanted: Callable[[str, str], bool]
) -> list[str]:
    """Delete indexes on a server; what no index of ours made is never touched.

    Parameters
    ----------
    client : QdrantAPIClient
    prefix : str
        How the names of those begin that are looked at.
    is_wanted : callable
        Takes the name of a collection and the identity of the embedder it was made
        with; tells whether it goes.

    Returns
    -------
    list of str
        The names of those that were deleted.

    Raises
    ------
    APIIntegrationError
        The server cannot be asked, or refuses.
    """
    deleted = []
    for name in await client.collections():
        if not name.startswith(prefix):
            continue
        try:
            embedder = embedder_of(await client.fetch_state(name))
        except NotFoundError:  # another was faster
            continue
        if embedder is not None and is_wanted(name, embedder):
            await client.drop_collection(name)
            deleted.append(name)
    return deleted


class ServerIndex:
    """Passages searched by meaning and by words on a Qdrant server or cluster.

    It has the methods of `EmbeddedIndex` as coroutines, and ranks as that does: both
    parts are asked at once, and fused here.

    Parameters
    ----------
    client : QdrantAPIClient
        Not closed with the index.
    embedder : Embedder
        What the vectors are made with; a collection made with another is refused.
    matcher : TermMatcher
        The third, term by term part of a hybrid search.
    collection : str, default "contexter"
        A collection or an alias of one.
    clock : Clock, optional
    """

    def __init__(
        self,
        client: QdrantAPIClient,
        embedder: Embedder,
        matcher: TermMatcher,
        *,
        collection: str = COLLECTION,
        clock: Clock | None = None,
    ) -> None:
        self.client = client
        self.collection = collection
        self.embedder = embedder
        self._matcher = matcher
        self._words = QueryWords()
        self._clock = clock or SystemClock()
        self._known: tuple[Catalog, float] | None = None

    @property
    def matcher(self) -> TermMatcher:
        """Return what matches term by term; indexes may share one."""
        return self._matcher

    @property
    def place(self) -> str:
        """Return where the index is, for messages."""
        return f"{self.collection!r} of {self.client.place}"

    async def catalog(self) -> Catalog | None:
        """Return what is indexed now, or None where nothing ever was.

        Raises
        ------
        IndexMismatchError
            The collection was made by something else.
        APIIntegrationError
            The server cannot be asked.
        """
        found = await load_catalog(
            self.client, self.collection, self.place, known=self._known is not None
        )
        self._known = (found, self._clock.now()) if found is not None else None
        return found

    def known_catalog(self) -> Catalog | None:
        """Return what was indexed when it was asked last; asks nobody."""
        return self._known[0] if self._known else None

    async def search(
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
            What every hit must meet; none by default.
        exact : bool
            Compare with every vector, past the approximate index.
        weights : mapping of str to float, optional
            Where they shall differ from `PART_WEIGHTS`; used in hybrid mode only.

        Returns
        -------
        list of Hit
            Best first, one per document.

        Raises
        ------
        EmptyIndexError
            Nothing is indexed.
        IndexMismatchError
            The collection was made with another embedder or chunking.
        InvalidArgumentError
            `vector` is None in another mode than text.
        APIIntegrationError
            The server cannot be asked.
        """
        depth = max(DEPTH, 2 * limit)
        async with self._there():
            ranking, known = await self._ranked(
                query, vector, mode, conditions, exact, depth
            )
            if mode == "hybrid":
                ordered = ranking.fused(query, known, weights or {}, self._matcher)
            else:
                ordered = ranking.of_part(mode)
            return await self._hits(ranking, ordered, limit)

    async def _ranked(
        self,
        query: str,
        vector: Vectors | None,
        mode: str,
        conditions: Sequence[Condition],
        exact: bool,
        depth: int,
    ) -> tuple[Ranking, dict[int, Payload]]:
        """Ask for the documents of each part, and what a fusion needs of each."""
        wanted = [DENSE, TEXT] if mode == "hybrid" else [mode]
        if DENSE in wanted and vector is None:
            raise InvalidArgumentError("A dense search needs the query's embedding.")
        where = server_where(conditions)
        answers = await together(
            self._part(
                part,
                query,
                vector,
                where=where,
                limit=min(depth * CHUNKS_A_DOCUMENT, _DEEPEST),
                exact=exact and part == DENSE,
                with_payload=["prior", "terms"] if mode == "hybrid" else False,
            )
            for part in wanted
        )
        ranking = Ranking()
        known: dict[int, Payload] = {}
        for part, answer in zip(wanted, answers, strict=True):
            found = [(int(each.id), each) for each in answer]
            known |= {number: each.payload for number, each in found}
            ranking.add(part, ((number, each.score) for number, each in found), depth)
        return ranking, known

    async def _part(
        self, part: str, query: str, vector: Vectors | None, **asked: Any
    ) -> Sequence[ScoredPoint]:
        if part == DENSE:
            return await self.client.search_vectors(
                self.collection, dense=vector, mode="dense", **asked
            )
        words = self._words.sparse(query)
        if not words.indices:
            return ()
        return await self.client.search_vectors(
            self.collection, sparse=words, mode="text", **asked
        )

    async def _hits(
        self, ranking: Ranking, ordered: list[Candidate], limit: int
    ) -> list[Hit]:
        """Fetch payloads as far down a ranking as is looked at, a block at a time."""
        payloads: dict[int, Payload] = {}
        looked_at = 0
        while True:
            block = ordered[looked_at : looked_at + limit + 10]
            looked_at += len(block)
            payloads |= await self._payloads(ranking.best[each.key] for each in block)
            # What was deleted since the search is no hit.
            there = [
                each
                for each in ordered[:looked_at]
                if ranking.best[each.key] in payloads
            ]
            hits = ranking.hits(there, payloads, limit)
            if len(hits) == limit or looked_at >= len(ordered):
                return hits

    async def _payloads(self, numbers: Iterable[int]) -> dict[int, Payload]:
        wanted = list(numbers)
        if not wanted:
            return {}
        found = await self.client.retrieve(self.collection, wanted)
        return {int(each.id): each.payload for each in found}

    async def similar(
        self, chunk_id: str, limit: int, conditions: Sequence[Condition] = ()
    ) -> list[Hit]:
        """Return the nearest passages of other documents, by meaning.

        Parameters
        ----------
        chunk_id : str
            16 hexadecimal digits.
        limit : int
            How many hits at most.
        conditions : sequence of Condition
            What every hit must meet; the passage itself need not.

        Returns
        -------
        list of Hit
            Best first, one per document; `score` is the cosine.

        Raises
        ------
        UnknownChunkError
            No chunk has this id.
        InvalidArgumentError
            `chunk_id` has not the form of one.
        EmptyIndexError
            Nothing is indexed.
        IndexMismatchError
            The collection was made with another embedder or chunking.
        APIIntegrationError
            The server cannot be asked.
        """
        number = point_id(chunk_id)
        async with self._there():
            own = await self._stored(number)
            found = await self.client.search_vectors(
                self.collection,
                dense=own.dense,
                mode="dense",
                where=server_where(conditions, without_ids=[number]),
                limit=(limit + 20) * CHUNKS_A_DOCUMENT,
            )
        points = [(int(each.id), each.score, each.payload) for each in found]
        return near_hits(points, document_of(number), limit)

    async def explain(
        self,
        query: str,
        vector: Vectors,
        chunk_id: str,
        conditions: Sequence[Condition] = (),
    ) -> Explanation:
        """Return where a chunk's document stands in each part, down to the 10,000th.

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
            The collection was made with another embedder or chunking.
        APIIntegrationError
            The server cannot be asked.
        """
        number = point_id(chunk_id)
        only = [
            *conditions,
            Condition(column="chunk_id", any_of=(chunk_id_of(number),)),
        ]
        async with self._there():
            own = await self._stored(number)
            allowed = await self.client.count(self.collection, where=server_where(only))
            ranking, known = await self._ranked(
                query, vector, "hybrid", conditions, True, _DEEPEST
            )
        key = document_of(number)
        near = ranking.shallow(key, number)
        known.setdefault(number, own.payload)
        fused = near.fused(query, known, {}, self._matcher)
        stems = own.sparse.indices if own.sparse is not None else ()
        matched, missing, synonyms = self._words.told(query, stems)
        return Explanation(
            parts=ranking.part_ranks(key, near.parts[TERMS], fused),
            payload=own.payload,
            matched=matched,
            missing=missing,
            synonyms=synonyms,
            filtered_out=not allowed,
        )

    async def _stored(self, number: int) -> Any:
        found = await self.client.retrieve(self.collection, [number], with_vectors=True)
        if not found:
            raise UnknownChunkError(
                f"No chunk {chunk_id_of(number)} is in the index; search again, it "
                "may have changed."
            )
        return found[0]

    async def facets(
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
            The collection was made with another embedder or chunking.
        APIIntegrationError
            The server cannot be asked.
        """
        async with self._there():
            found = await self.client.facet(
                self.collection, column, where=server_where(conditions), limit=limit
            )
        return {str(each.value): each.points for each in found}

    async def survey(self, limit: int) -> Survey:
        """Return the first passages by id, which are hashes: as good as any sample.

        Parameters
        ----------
        limit : int
            How many at most.

        Raises
        ------
        EmptyIndexError
            Nothing is indexed.
        IndexMismatchError
            The collection was made with another embedder or chunking.
        APIIntegrationError
            The server cannot be asked.
        """
        await self._check()
        found = [
            each
            async for each in self.client.scroll(
                self.collection,
                limit=limit,
                page_points=limit,
                with_payload=["title", "library"],
                with_vectors=True,
            )
            if each.dense is not None
        ]
        catalog = await self.catalog()
        return Survey(
            chunk_ids=tuple(chunk_id_of(int(each.key)) for each in found),
            titles=tuple(str(each.payload.get("title", "")) for each in found),
            libraries=tuple(str(each.payload.get("library", "")) for each in found),
            vectors=np.array([each.dense for each in found], np.float32).reshape(
                -1, self.embedder.dimension
            ),
            chunks=catalog.chunks if catalog else len(found),
        )

    async def vectors(self, chunk_ids: Sequence[str]) -> dict[str, Vectors]:
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
        APIIntegrationError
            The server cannot be asked.
        """
        await self._check()
        found = await self.client.retrieve(
            self.collection,
            [point_id(each) for each in chunk_ids],
            with_payload=False,
            with_vectors=True,
        )
        return {
            chunk_id_of(int(each.key)): np.array(each.dense, np.float32)
            for each in found
            if each.dense is not None
        }

    async def stored(self, library: str) -> dict[str, str]:
        """Return the content hash of each stored passage of a library, by its id.

        Parameters
        ----------
        library : str
            As in the catalog.

        Raises
        ------
        APIIntegrationError
            The server cannot be asked.
        """
        writer = ServerWriter(
            self.client, self.collection, self.embedder, self._matcher, self.place
        )
        return await writer.stored(library)

    @contextlib.asynccontextmanager
    async def _there(self) -> AsyncIterator[None]:
        """Check before, and again where a collection that was trusted has gone."""
        await self._check()
        try:
            yield
        except NotFoundError:
            self._known = None
            await self._check()
            raise

    async def _check(self) -> None:
        """Make sure that there is something, made as this session makes it."""
        if self._known and self._clock.now() - self._known[1] < KNOWN_SECONDS:
            catalog: Catalog | None = self._known[0]
        else:
            catalog = await self.catalog()
        if catalog is not None:
            catalog.check(self.embedder, self.place)
        if catalog is None or not catalog.libraries:
            self._known = None
            raise EmptyIndexError(
                f"Nothing is indexed yet in {self.place}; begin with "
                'nb.index("pandas"), and see nb.libraries() for what else is here.'
            )

    async def is_ready(self) -> str:
        """Return the collection's state in a word: ``green`` where all is well.

        Raises
        ------
        APIIntegrationError
            The server cannot be asked.
        """
        if not await self.client.has_collection(self.collection):
            return "empty"
        state = await self.client.fetch_state(self.collection)
        return state.status

    @contextlib.asynccontextmanager
    async def writing(
        self, doing: str, clock: Clock, notify: Callable[[str], None]
    ) -> AsyncIterator[ServerWriter]:
        """Give a writer; searches and other writers go on meanwhile.

        Parameters
        ----------
        doing : str
            What is done.
        clock : Clock
        notify : callable
            As of `EmbeddedIndex.writing`; nobody is waited for here.

        Yields
        ------
        ServerWriter
            Not opened yet.
        """
        writer = ServerWriter(
            self.client, self.collection, self.embedder, self._matcher, self.place
        )
        try:
            yield writer
        finally:
            self._known = None

    async def close(self) -> None:
        """Forget what is known; the client stays open."""
        self._known = None
