"""The index on a Qdrant server or cluster: the same searches, awaited.

All passages of one embedder are in one collection, beside a point for each library that
has no vector and holds its entry of the catalog. What is written is seen at once; point
ids come from the content, so that two machines that index the same write the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contexter_nb.core import (
    Clock,
    EmptyIndexError,
    InvalidArgumentError,
    NotFoundError,
    UnknownChunkError,
)
from contexter_nb.retrieval._catalog import Catalog, IndexedLibrary
from contexter_nb.retrieval._chunking import CHUNKING_VERSION
from contexter_nb.retrieval._documents import (
    Chunk,
    chunk_id_of,
    document_of,
    point_id,
)
from contexter_nb.retrieval._embedders import Embedder, Vectors
from contexter_nb.retrieval._engine import DENSE, TEXT, bm25, passage_payload
from contexter_nb.retrieval._filters import Condition
from contexter_nb.retrieval._fusion import Candidate, fold_repeats
from contexter_nb.retrieval._hits import Explanation, Hit, part_rank
from contexter_nb.retrieval._ranking import (
    CHUNKS_A_DOCUMENT,
    DEPTH,
    TERMS,
    by_document,
    fused,
    matched_words,
    stems_of,
)
from contexter_nb.retrieval._slices import in_thread
from contexter_nb.retrieval._term_match import TermMatcher

if TYPE_CHECKING:
    from contexter_nb.clients import QdrantAPIClient

KEYWORD_INDEXES = dict.fromkeys(
    ("kind", "library", "section", "source", "title", "version", "entry"), "keyword"
) | {"tokens": "integer"}
_ENTRY = "entry"
_NAMESPACE = uuid.UUID("6f1f4a0e-6a0b-4a5c-9a40-6b1c1f4f3d11")
_MAX_ENTRIES = 10_000
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
Payload = dict[str, Any]


def collection_name(identity: str) -> str:
    """Return the name of the collection of an embedder's passages.

    Examples
    --------
    >>> collection_name("voyage/voyage-4@1024")
    'contexter-voyage-voyage-4-1024'
    """
    return f"contexter-{_NOT_IN_NAMES.sub('-', identity.lower()).strip('-')}"


class ServerIndex:
    """Passages searched by meaning and by words, on a Qdrant server.

    Parameters
    ----------
    client : QdrantAPIClient
    embedder : Embedder
        What the vectors are made with; each has a collection of its own.
    matcher : TermMatcher
        The third, term by term part of a hybrid search.
    place : str
        Where the server is, for messages.
    """

    def __init__(
        self,
        client: QdrantAPIClient,
        embedder: Embedder,
        matcher: TermMatcher,
        place: str,
    ) -> None:
        self.client = client
        self.embedder = embedder
        self.collection = collection_name(embedder.identity)
        self.place = f"{place}, collection {self.collection}"
        self._matcher = matcher
        self._bm25 = bm25()

    async def catalog(self) -> Catalog | None:
        """Return what is indexed now, or None where nothing ever was.

        Raises
        ------
        APIIntegrationError
            The server cannot be asked.
        """
        try:
            found = [
                each
                async for each in self.client.scroll(
                    self.collection, where={_ENTRY: "library"}, limit=_MAX_ENTRIES
                )
            ]
        except NotFoundError:
            return None
        catalog = Catalog.of(self.embedder)
        for point in found:
            entry = IndexedLibrary(**point.payload["catalog"])
            catalog = catalog.with_library(entry)
        return catalog

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
        """Return the best documents' best passages; as of `EmbeddedIndex.search`.

        Parameters
        ----------
        query : str
        vector : numpy.ndarray or None
            The query's embedding, float32, shape (dimension,); None in text mode.
        mode : str
            ``hybrid``, ``dense`` or ``text``.
        limit : int
        conditions : sequence of Condition
        exact : bool
        weights : mapping of str to float, optional

        Raises
        ------
        EmptyIndexError
            Nothing is indexed.
        InvalidArgumentError
            `vector` is None in another mode than text.
        APIIntegrationError
            The server cannot be asked.
        """
        depth = max(DEPTH, 2 * limit)
        best, parts, scores = await self._parts(
            query, vector, mode, conditions, exact, depth
        )
        known = await self._payloads(best.values())
        if mode == "hybrid":
            found = await in_thread(
                fused, query, best, parts, known, self._matcher, weights or {}
            )
        else:
            found = {
                key: Candidate(key, scores[mode][key], {mode: rank})
                for rank, key in enumerate(parts[mode], start=1)
            }
        ordered = sorted(found.values(), key=lambda each: -each.score)
        kept = fold_repeats(
            ordered,
            lambda key: key,
            lambda key: frozenset(known[best[key]]["lines"]),
            limit,
        )
        return [
            Hit(
                chunk_id=chunk_id_of(best[each.key]),
                score=each.score,
                ranks=each.ranks,
                payload=known[best[each.key]],
                folded=tuple(known[best[key]]["title"] for key in each.folded),
            )
            for each in kept
        ]

    async def similar(
        self, chunk_id: str, limit: int, conditions: Sequence[Condition] = ()
    ) -> list[Hit]:
        """Return the nearest passages of other documents, by meaning.

        Parameters
        ----------
        chunk_id : str
        limit : int
        conditions : sequence of Condition

        Raises
        ------
        UnknownChunkError
            No chunk has this id.
        """
        own = await self._point(chunk_id)
        found = await self._asked(
            dense=own.dense,
            mode=DENSE,
            conditions=conditions,
            limit=(limit + 20) * CHUNKS_A_DOCUMENT,
            with_payload=True,
        )
        payloads = {int(each.id): each.payload for each in found}
        document = document_of(point_id(chunk_id))
        kept = fold_repeats(
            [
                Candidate(int(each.id), each.score)
                for each in found
                if document_of(int(each.id)) != document
            ],
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

    async def explain(
        self,
        query: str,
        vector: Vectors,
        chunk_id: str,
        conditions: Sequence[Condition] = (),
    ) -> Explanation:
        """Return where a chunk's document stands in each part, however far down.

        Parameters
        ----------
        query : str
        vector : numpy.ndarray
        chunk_id : str
        conditions : sequence of Condition

        Raises
        ------
        UnknownChunkError
            No chunk has this id.
        """
        own = await self._point(chunk_id)
        key = document_of(point_id(chunk_id))
        everything = await self.client.count(self.collection)
        best, parts, scores = await self._parts(
            query, vector, "hybrid", conditions, True, max(1, everything)
        )
        shallow = {part: keys[:DEPTH] for part, keys in parts.items()}
        near = dict.fromkeys(each for keys in shallow.values() for each in keys)
        if key in parts[DENSE]:
            near.setdefault(key)
        best = {each: best.get(each, point_id(chunk_id)) for each in near}
        known = await self._payloads(best.values())
        found = await in_thread(fused, query, best, shallow, known, self._matcher, {})
        parts[TERMS] = shallow[TERMS]
        parts["hybrid"] = sorted(found, key=lambda each: -found[each].score)
        scores["hybrid"] = {each: found[each].score for each in found}
        matched, missing, synonyms = matched_words(query, own.stems, self._bm25)
        return Explanation(
            parts=tuple(
                part_rank(part, keys, key, scores.get(part, {}))
                for part, keys in parts.items()
            ),
            payload=own.payload,
            matched=matched,
            missing=missing,
            synonyms=synonyms,
            filtered_out=key not in parts[DENSE],
        )

    async def facets(
        self, column: str, conditions: Sequence[Condition] = (), limit: int = 100
    ) -> dict[str, int]:
        """Return the values of a text column with their number of passages.

        Parameters
        ----------
        column : str
        conditions : sequence of Condition
        limit : int
        """
        found = await self.client.facet(
            self.collection, column, where=_where(conditions), limit=limit, exact=True
        )
        return {str(value): count for value, count in found.items()}

    @contextlib.asynccontextmanager
    async def writing(
        self, doing: str, clock: Clock, notify: Callable[[str], None]
    ) -> AsyncIterator[ServerWriter]:
        """Yield a writer; others may write at the same time.

        Parameters
        ----------
        doing : str
        clock : Clock
        notify : callable
        """
        yield ServerWriter(self, self._matcher)

    async def close(self) -> None:
        """Nothing: the client is closed by whoever made it."""

    async def _parts(
        self,
        query: str,
        vector: Vectors | None,
        mode: str,
        conditions: Sequence[Condition],
        exact: bool,
        depth: int,
    ) -> tuple[dict[int, int], dict[str, list[int]], dict[str, dict[int, float]]]:
        wanted = [DENSE, TEXT] if mode == "hybrid" else [mode]
        if DENSE in wanted and vector is None:
            raise InvalidArgumentError("A dense search needs the query's embedding.")
        stems = stems_of(query, self._bm25)
        answers = await asyncio.gather(
            *(
                self._asked(
                    dense=None if part == TEXT or vector is None else vector.tolist(),
                    sparse=(list(stems), list(stems.values()))
                    if part == TEXT
                    else None,
                    mode=part,
                    conditions=conditions,
                    limit=depth * CHUNKS_A_DOCUMENT,
                    exact=exact and part == DENSE,
                    with_payload=False,
                )
                for part in wanted
            )
        )
        return by_document(
            {
                part: ((int(point.id), point.score) for point in answer)
                for part, answer in zip(wanted, answers, strict=True)
            },
            depth,
        )

    async def _asked(
        self, *, conditions: Sequence[Condition], **asked: Any
    ) -> Sequence[Any]:
        try:
            return await self.client.search_vectors(
                self.collection, where=_where(conditions), **asked
            )
        except NotFoundError as exc:
            raise EmptyIndexError(
                f"Nothing is indexed in {self.place} yet; begin with "
                'nb.index("pandas").'
            ) from exc

    async def _payloads(self, numbers: Iterable[int]) -> dict[int, Payload]:
        found = await self.client.retrieve(self.collection, list(numbers))
        return {int(each.id): dict(each.payload) for each in found}

    async def _point(self, chunk_id: str) -> _Stored:
        try:
            found = await self.client.retrieve(
                self.collection, [point_id(chunk_id)], with_vectors=True
            )
        except NotFoundError:
            found = ()
        if not found:
            raise UnknownChunkError(
                f"No chunk {chunk_id} is in the index; search again, it may have "
                "changed."
            )
        return _Stored(
            payload=dict(found[0].payload),
            dense=list(found[0].dense or ()),
            stems=tuple(found[0].sparse[0]) if found[0].sparse else (),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Stored:
    payload: Payload
    dense: list[float]
    stems: tuple[int, ...]


class ServerWriter:
    """Writes to the collection; the methods of `IndexWriter`, awaited."""

    def __init__(self, index: ServerIndex, matcher: TermMatcher) -> None:
        self._index = index
        self._matcher = matcher
        self._bm25 = bm25()
        self.catalog = Catalog.of(index.embedder)
        self._published: dict[str, IndexedLibrary] = {}

    async def warm_up(self) -> None:
        """Load what storing needs, so that the first batch does not wait for it."""
        await in_thread(self._matcher.encode, [])

    async def open(self) -> None:
        """Make the collection where it is missing, and read its catalog.

        Raises
        ------
        IndexMismatchError
            It was made with another embedder or chunking.
        """
        embedder = self._index.embedder
        await self._index.client.ensure_collection(
            self._index.collection,
            dimension=embedder.dimension,
            identity=f"{embedder.identity} chunking {CHUNKING_VERSION}",
            payload_indexes=KEYWORD_INDEXES,
        )
        self.catalog = await self._index.catalog() or Catalog.of(embedder)
        self._published = dict(self.catalog.libraries)

    async def open_empty(self) -> None:
        """Begin with nothing: the collection is dropped and made anew."""
        with contextlib.suppress(NotFoundError):
            await self._index.client.delete_collection(self._index.collection)
        await self.open()

    async def stored(self, library: str) -> dict[str, str]:
        """Return the content hash of each stored chunk of a library.

        Parameters
        ----------
        library : str
        """
        return {
            chunk_id_of(int(each.id)): str(each.payload.get("content_hash", ""))
            async for each in self._scroll([_of_library(library)])
        }

    async def upsert(self, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Store chunks with their vectors.

        Parameters
        ----------
        chunks : sequence of Chunk
            n passages; one stored under the same id is replaced.
        vectors : numpy.ndarray
            float32, shape (n, dimension).

        Raises
        ------
        APIIntegrationError
            A point could not be stored.
        """
        from contexter_nb.clients import Point

        gists = await in_thread(self._matcher.encode, [each.gist for each in chunks])

        def made() -> list[Point]:
            points = []
            for chunk, vector, gist in zip(chunks, vectors, gists, strict=True):
                sparse = self._bm25.embed_document(chunk.lexical_text)
                points.append(
                    Point(
                        id=point_id(chunk.chunk_id),
                        dense=vector.tolist(),
                        sparse=(list(sparse.indices), list(sparse.values)),
                        payload=passage_payload(chunk, gist),
                    )
                )
            return points

        result = await self._index.client.upsert_vectors(
            self._index.collection, await in_thread(made)
        )
        for _, error in result.failed:
            raise error

    async def delete(self, chunk_ids: Sequence[str]) -> None:
        """Remove chunks by id.

        Parameters
        ----------
        chunk_ids : sequence of str
        """
        if chunk_ids:
            await self._index.client.delete(
                self._index.collection, ids=[point_id(each) for each in chunk_ids]
            )

    async def matching(self, conditions: Sequence[Condition]) -> list[tuple[str, str]]:
        """Return id and library of every chunk that matches.

        Parameters
        ----------
        conditions : sequence of Condition
        """
        return [
            (chunk_id_of(int(each.id)), str(each.payload["library"]))
            async for each in self._scroll(conditions)
        ]

    async def remaining(self, library: IndexedLibrary) -> IndexedLibrary:
        """Return a library's catalog entry counted anew from what is stored.

        Parameters
        ----------
        library : IndexedLibrary
        """
        documents: set[str] = set()
        chunks = tokens = 0
        async for each in self._scroll([_of_library(library.library)]):
            documents.add(each.payload["document"])
            chunks += 1
            tokens += int(each.payload.get("tokens", 0))
        return dataclasses.replace(
            library,
            documents=len(documents),
            chunks=chunks,
            tokens=tokens,
            fingerprint="",
        )

    async def publish(self) -> None:
        """Write the entries of the catalog that changed."""
        from contexter_nb.clients import Point

        now = self.catalog.libraries
        changed = [
            each for name, each in now.items() if each != self._published.get(name)
        ]
        gone = [name for name in self._published if name not in now]
        if changed:
            await self._index.client.upsert_vectors(
                self._index.collection,
                [
                    Point(
                        id=str(uuid.uuid5(_NAMESPACE, each.library)),
                        payload={
                            _ENTRY: "library",
                            "catalog": dataclasses.asdict(each),
                        },
                    )
                    for each in changed
                ],
            )
        if gone:
            await self._index.client.delete(
                self._index.collection,
                ids=[str(uuid.uuid5(_NAMESPACE, name)) for name in gone],
            )
        self._published = dict(now)

    def _scroll(self, conditions: Sequence[Condition]) -> AsyncIterator[Any]:
        where = {**_where(conditions), "library": _libraries(conditions)}
        if where["library"] is None:
            del where["library"]
        return self._index.client.scroll(self._index.collection, where=where)


def _of_library(name: str) -> Condition:
    return Condition(column="library", any_of=(name,))


def _libraries(conditions: Sequence[Condition]) -> list[str] | None:
    return None


def _where(conditions: Sequence[Condition]) -> dict[str, Any]:
    return {}
