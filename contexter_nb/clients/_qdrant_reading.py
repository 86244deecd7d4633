"""Points of Qdrant: searched, gone through, fetched and counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from contexter_nb.clients._qdrant_asking import QdrantAsking, condition_of, from_one
from contexter_nb.clients._qdrant_connection import models, read
from contexter_nb.clients._qdrant_errors import checked_name
from contexter_nb.clients._qdrant_filters import Where
from contexter_nb.clients._qdrant_ids import Key, PointId, point_id_of
from contexter_nb.clients._qdrant_points import (
    DENSE,
    TEXT,
    FacetCount,
    ScoredPoint,
    Sparse,
    StoredPoint,
    key_of,
)
from contexter_nb.clients._qdrant_search import (
    RRF_K,
    Search,
    SearchMode,
    WithPayload,
    checked_search,
    payload_selector,
)
from contexter_nb.core import HTTPError

IDS_AT_ONCE = 1_000
_REFUSED = (400, 422)


class QdrantReading(QdrantAsking):
    """The part of the client that reads points."""

    _fuses_here: bool = False

    async def search_vectors(
        self,
        name: str,
        *,
        dense: Any = None,
        sparse: Any = None,
        mode: SearchMode = "hybrid",
        limit: int = 10,
        where: Where | None = None,
        weights: Mapping[str, float] | None = None,
        rrf_k: int = RRF_K,
        candidates: int | None = None,
        exact: bool = False,
        with_payload: WithPayload = True,
    ) -> tuple[ScoredPoint, ...]:
        """Return the points nearest to a query.

        Parameters
        ----------
        name : str
            Of the collection or an alias.
        dense : sequence of float or array, optional
            The query embedded, shape (dimension,).
        sparse : pair or object, optional
            The query's words, by ``qdrant_edge.Bm25.embed_query``.
        mode : str, default "hybrid"
            ``dense`` compares meanings, ``text`` words (BM25); ``hybrid`` fuses both
            by their ranks, or takes the one that is given.
        limit : int, default 10
            How many, up to 10,000.
        where : mapping, optional
            A filter: ``{"library": "pandas", "tokens": {"lt": 200}}``; see `filter_of`.
        weights : mapping, optional
            Of ``dense`` and ``text`` in a hybrid search; equal where None.
        rrf_k : int, default 60
            The fused score is the sum of ``weight / (rrf_k + rank)``, ranks from 1.
        candidates : int, optional
            How many each part finds before they are fused; by default five times the
            limit, and at least 50.
        exact : bool, default False
            Compare with all points, past the approximate index.
        with_payload : bool or sequence of str, default True
            Which fields come with the points.

        Returns
        -------
        tuple of ScoredPoint
            The best first.

        Raises
        ------
        InvalidArgumentError
            An argument cannot be used.
        NotFoundError
            There is no such collection.
        APIIntegrationError
            The call failed.
        """
        checked_name(name)
        asked = checked_search(
            dense=dense,
            sparse=sparse,
            mode=mode,
            limit=limit,
            rrf_k=rrf_k,
            weights=weights,
            candidates=candidates,
            exact=exact and not self._local,  # in memory all are compared, anyway
            dimension=None,
        )
        condition = condition_of(where)
        fields = payload_selector(with_payload)
        if not asked.parts:
            return ()
        if len(asked.parts) == 1:
            return await self._queried(
                name, asked.one(models()), condition, fields, f"search_{mode}"
            )
        if asked.needs_fusing_here or self._fuses_here:
            return await self._fused_here(name, asked, condition, fields)
        try:
            return await self._queried(
                name, asked.fused(models()), condition, fields, "search_hybrid"
            )
        except HTTPError as exc:
            if exc.status_code not in _REFUSED:
                raise
            # An older server does not know k; another mistake shows again.
            found = await self._fused_here(name, asked, condition, fields)
            self._fuses_here = True
            return found

    async def scroll(
        self,
        name: str,
        *,
        where: Where | None = None,
        limit: int | None = None,
        page_points: int = 256,
        with_payload: WithPayload = True,
        with_vectors: bool = False,
    ) -> AsyncIterator[StoredPoint]:
        """Yield all points that match, by their ids.

        Parameters
        ----------
        name : str
            Of the collection or an alias.
        where : mapping, optional
            See `filter_of`.
        limit : int, optional
            How many at most; None for all.
        page_points : int, default 256
            How many are fetched at once.
        with_payload : bool or sequence of str, default True
            Which fields come with the points.
        with_vectors : bool, default False
            Whether the vectors come, too; by cosine they are stored normalized.

        Yields
        ------
        StoredPoint

        Raises
        ------
        InvalidArgumentError
            The filter or a number cannot be used.
        APIIntegrationError
            A call failed.
        """
        checked_name(name)
        condition = condition_of(where)
        fields = payload_selector(with_payload)
        from_one("page_points", page_points)
        left = float("inf") if limit is None else from_one("limit", limit)
        offset: Any = None
        while left > 0:
            records, offset = await self._scrolled(
                name,
                condition,
                offset,
                limit=int(min(left, page_points)),
                with_payload=fields,
                with_vectors=with_vectors,
            )
            for record in records:
                yield _stored(record)
            left -= len(records)
            if offset is None or not records:
                return

    async def retrieve(
        self,
        name: str,
        ids: Iterable[Key],
        *,
        with_payload: WithPayload = True,
        with_vectors: bool = False,
    ) -> tuple[StoredPoint, ...]:
        """Return points by their keys, in their order; those that are not are left out.

        Parameters
        ----------
        name : str
            Of the collection or an alias.
        ids : iterable of int, str or uuid.UUID
            The keys they were stored under.
        with_payload : bool or sequence of str, default True
            Which fields come with the points.
        with_vectors : bool, default False
            Whether the vectors come, too.

        Raises
        ------
        InvalidArgumentError
            A key cannot be one.
        APIIntegrationError
            A call failed.
        """
        checked_name(name)
        wanted = list(dict.fromkeys(point_id_of(each) for each in ids))
        fields = payload_selector(with_payload)
        found: dict[PointId, Any] = {}
        for start in range(0, len(wanted), IDS_AT_ONCE):
            part = wanted[start : start + IDS_AT_ONCE]
            found |= await self._retrieved(name, part, fields, with_vectors)
        return tuple(_stored(found[each]) for each in wanted if each in found)

    async def facet(
        self,
        name: str,
        field: str,
        *,
        where: Where | None = None,
        limit: int = 100,
        exact: bool = True,
    ) -> tuple[FacetCount, ...]:
        """Return the values of a field and how many points have each, most first.

        Parameters
        ----------
        name : str
            Of the collection or an alias.
        field : str
            A server wants a keyword, integer, bool or uuid index of it.
        where : mapping, optional
            See `filter_of`.
        limit : int, default 100
            How many values.
        exact : bool, default True
            Whether they are counted, or estimated.

        Raises
        ------
        APIIntegrationError
            The call failed, for want of an index, say.
        """
        checked_name(name)
        condition = condition_of(where)
        from_one("limit", limit)
        found = await self._run(
            read("facet"),
            lambda library: library.facet(
                name,
                key=field,
                facet_filter=condition,
                limit=limit,
                exact=exact,
                timeout=self._server_seconds,
            ),
        )
        return tuple(FacetCount(each.value, each.count) for each in found.hits)

    async def count(
        self, name: str, *, where: Where | None = None, exact: bool = True
    ) -> int:
        """Return how many points match.

        Parameters
        ----------
        name : str
            Of the collection or an alias.
        where : mapping, optional
            See `filter_of`.
        exact : bool, default True
            Whether they are counted, or estimated.

        Raises
        ------
        APIIntegrationError
            The call failed.
        """
        checked_name(name)
        condition = condition_of(where)
        found = await self._run(
            read("count"),
            lambda library: library.count(
                name,
                count_filter=condition,
                exact=exact,
                timeout=self._server_seconds,
            ),
        )
        return int(found.count)

    async def _queried(
        self,
        name: str,
        query: dict[str, Any],
        condition: Any,
        fields: Any,
        operation: str,
    ) -> tuple[ScoredPoint, ...]:
        found = await self._run(
            read(operation),
            lambda library: library.query_points(
                name,
                query_filter=condition,
                with_payload=fields,
                timeout=self._server_seconds,
                **query,
            ),
        )
        return tuple(
            _scored(each.id, each.score, each.payload) for each in found.points
        )

    async def _fused_here(
        self, name: str, asked: Search, condition: Any, fields: Any
    ) -> tuple[ScoredPoint, ...]:
        """Search each part, fuse them, and fetch the payloads of the best."""
        requests = asked.several(models(), condition)
        answers = await self._run(
            read("search_parts"),
            lambda library: library.query_batch_points(
                name, requests=requests, timeout=self._server_seconds
            ),
        )
        ranked = asked.fuse([[each.id for each in part.points] for part in answers])
        if fields is False:
            return tuple(_scored(each, score, None) for each, score in ranked)
        ids = [each for each, _ in ranked]
        found = await self._retrieved(name, ids, fields, False) if ids else {}
        return tuple(
            _scored(each, score, found[each].payload)
            for each, score in ranked
            if each in found
        )

    async def _scrolled(
        self, name: str, condition: Any, offset: Any, **wanted: Any
    ) -> tuple[Sequence[Any], Any]:
        records, following = await self._run(
            read("scroll"),
            lambda library: library.scroll(
                name,
                scroll_filter=condition,
                offset=offset,
                timeout=self._server_seconds,
                **wanted,
            ),
        )
        return records, following

    async def _retrieved(
        self, name: str, ids: list[PointId], fields: Any, with_vectors: bool
    ) -> dict[PointId, Any]:
        records = await self._run(
            read("retrieve"),
            lambda library: library.retrieve(
                name,
                ids=ids,
                with_payload=fields,
                with_vectors=with_vectors,
                timeout=self._server_seconds,
            ),
        )
        return {each.id: each for each in records}


def _scored(found: Any, score: float, payload: Any) -> ScoredPoint:
    fields = dict(payload or {})
    key = key_of(found, fields)
    return ScoredPoint(id=found, key=key, score=float(score), payload=fields)


def _stored(record: Any) -> StoredPoint:
    fields = dict(record.payload or {})
    key = key_of(record.id, fields)
    vector = record.vector if isinstance(record.vector, dict) else {}
    dense, sparse = vector.get(DENSE), vector.get(TEXT)
    return StoredPoint(
        id=record.id,
        key=key,
        payload=fields,
        dense=tuple(dense) if dense is not None else None,
        sparse=Sparse(tuple(sparse.indices), tuple(sparse.values))
        if sparse is not None
        else None,
    )
