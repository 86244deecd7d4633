"""What changes a server's index: passages at once, a library's note when it is done."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from contexter_nb.clients import Point, QdrantAPIClient
from contexter_nb.core import NotFoundError
from contexter_nb.retrieval._catalog import Catalog, IndexedLibrary
from contexter_nb.retrieval._condition import Condition
from contexter_nb.retrieval._documents import Chunk, chunk_id_of, point_id
from contexter_nb.retrieval._embedders import Embedder, Vectors
from contexter_nb.retrieval._engine import (
    KEYWORDS,
    PREFIXES,
    Payload,
    bm25,
    payload_of,
)
from contexter_nb.retrieval._index_writer import Refused
from contexter_nb.retrieval._server_catalog import (
    NOTES,
    catalog_of,
    identity_of,
    note_key,
    note_of,
)
from contexter_nb.retrieval._server_filters import server_where
from contexter_nb.retrieval._slices import in_thread
from contexter_nb.retrieval._term_match import TermMatcher

PAGE_POINTS = 1_000
_INDEXES = {
    **dict.fromkeys((*KEYWORDS, "record"), "keyword"),
    **dict.fromkeys(PREFIXES, "prefix"),
    "tokens": "integer",
}


class ServerWriter:
    """Writes a collection that is searched meanwhile. Made by `ServerIndex.writing`.

    A passage is found as soon as it is stored; what is said of a library follows with
    `publish`. Several may write at once: the passages of a library have the same ids
    wherever they come from.
    """

    def __init__(
        self,
        client: QdrantAPIClient,
        collection: str,
        embedder: Embedder,
        matcher: TermMatcher,
        place: str,
    ) -> None:
        self._client = client
        self._name = collection
        self._embedder = embedder
        self._matcher = matcher
        self._place = place
        self._bm25 = bm25()
        self._told = Catalog.of(embedder)
        self.catalog = self._told

    async def warm_up(self) -> None:
        """Load what storing needs, so that the first batch does not wait for it."""
        await in_thread(self._matcher.encode, [])

    async def open(self) -> None:
        """Begin with what is there; make the collection where there is none.

        Raises
        ------
        IndexMismatchError
            It was made with another embedder or chunking.
        APIIntegrationError
            The server cannot be asked.
        """
        found = await load_catalog(self._client, self._name, self._place)
        if found is not None:
            found.check(self._embedder, self._place)
        await self._ensure()
        self._told = self.catalog = found or Catalog.of(self._embedder)

    async def open_empty(self) -> None:
        """Begin with nothing, whatever is there."""
        await self._client.drop_collection(self._name)
        await self._ensure()
        self._told = self.catalog = Catalog.of(self._embedder)

    async def _ensure(self) -> None:
        await self._client.ensure_collection(
            self._name,
            dimension=self._embedder.dimension,
            identity=identity_of(self._embedder),
            payload_indexes=_INDEXES,
        )

    async def stored(self, library: str) -> dict[str, str]:
        """Return the content hash of each stored chunk of a library, by chunk id.

        Parameters
        ----------
        library : str
        """
        return {
            chunk_id: str(payload.get("content_hash", ""))
            async for chunk_id, payload in self._scroll(_of(library), ["content_hash"])
        }

    async def upsert(self, chunks: Sequence[Chunk], vectors: Vectors) -> Refused:
        """Store chunks with their vectors.

        Parameters
        ----------
        chunks : sequence of Chunk
            n passages; one stored under the same id is replaced.
        vectors : numpy.ndarray
            float32, shape (n, dimension), in the order of `chunks`.

        Returns
        -------
        dict of str to str
            Ids that the server refused, and why; empty as a rule.

        Raises
        ------
        APIIntegrationError
            The server cannot be used; what was stored stays.
        """
        terms = await in_thread(self._matcher.encode, [each.gist for each in chunks])
        result = await self._client.upsert_vectors(
            self._name, self._points(chunks, vectors, terms)
        )
        if result.stopped_by is not None:
            raise result.stopped_by
        return {
            chunk_id_of(int(each.id)): str(each.error)
            for each in result.failed
            if isinstance(each.id, int)
        }

    def _points(
        self, chunks: Sequence[Chunk], vectors: Vectors, terms: Sequence[str]
    ) -> Iterator[Point]:
        for chunk, vector, gist in zip(chunks, vectors, terms, strict=True):
            yield Point(
                id=point_id(chunk.chunk_id),
                dense=vector,
                sparse=self._bm25.embed_document(chunk.lexical_text),
                payload=payload_of(chunk, gist),
            )

    async def delete(self, chunk_ids: Sequence[str]) -> None:
        """Remove chunks by id; where there are none, nothing is done.

        Parameters
        ----------
        chunk_ids : sequence of str
        """
        if chunk_ids:
            numbers = [point_id(each) for each in chunk_ids]
            await self._client.delete(self._name, ids=numbers)

    async def matching(self, conditions: Sequence[Condition]) -> list[tuple[str, str]]:
        """Return id and library of every chunk that matches.

        Parameters
        ----------
        conditions : sequence of Condition
            All must hold.
        """
        where = server_where(conditions)
        return [
            (chunk_id, str(payload["library"]))
            async for chunk_id, payload in self._scroll(where, ["library"])
            if "library" in payload
        ]

    async def remaining(self, library: IndexedLibrary) -> IndexedLibrary:
        """Return a library's entry counted anew from what is stored.

        Parameters
        ----------
        library : IndexedLibrary
            Only the name is read.
        """
        wanted = ["document", "tokens"]
        stored = [
            payload async for _, payload in self._scroll(_of(library.library), wanted)
        ]
        return dataclasses.replace(
            library,
            documents=len({payload["document"] for payload in stored}),
            chunks=len(stored),
            tokens=sum(int(payload.get("tokens", 0)) for payload in stored),
            fingerprint="",
        )

    async def publish(self) -> None:
        """Write the notes of the libraries that changed, and no others."""
        before, after = self._told.libraries, self.catalog.libraries
        changed = [each for name, each in after.items() if before.get(name) != each]
        gone = [note_key(name) for name in before if name not in after]
        if changed:
            result = await self._client.upsert_vectors(
                self._name, map(note_of, changed)
            )
            result.raise_for_failures()
        if gone:
            await self._client.delete(self._name, ids=gone)
        self._told = self.catalog

    async def _scroll(
        self, where: dict[str, Any] | None, columns: list[str]
    ) -> AsyncIterator[tuple[str, Payload]]:
        async for each in self._client.scroll(
            self._name, where=where, page_points=PAGE_POINTS, with_payload=columns
        ):
            if isinstance(each.id, int):
                yield chunk_id_of(each.id), each.payload


def _of(library: str) -> dict[str, Any] | None:
    return server_where([Condition(column="library", any_of=(library,))])


async def load_catalog(
    client: QdrantAPIClient, collection: str, place: str, *, known: bool = False
) -> Catalog | None:
    """Return what a collection holds, or None where there is no collection.

    Parameters
    ----------
    client : QdrantAPIClient
    collection : str
    place : str
        For messages.
    known : bool, default False
        Whether it was there already: one call less, and a failed one where it is gone.

    Raises
    ------
    IndexMismatchError
        It was made by something else.
    APIIntegrationError
        The server cannot be asked.
    """
    if not known and not await client.has_collection(collection):
        return None
    try:
        state = await client.fetch_state(collection)
        notes = [
            each.payload
            async for each in client.scroll(
                collection, where=NOTES, page_points=PAGE_POINTS
            )
        ]
    except NotFoundError:
        return None
    return catalog_of(state, notes, place)
