"""What a view of the collection needs beside the verbs: counts, a sample, places."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from contexter_nb.core import EmptyIndexError
from contexter_nb.notebook._experiment_arguments import needs_index
from contexter_nb.retrieval import (
    Survey,
    Vectors,
    Where,
    ask,
    is_lead,
    parse_where,
    point_id,
    text_hash,
)

if TYPE_CHECKING:
    from contexter_nb.notebook._session import Session

FACETS = ("library", "kind", "source")


class Collection:
    """The indexed passages of a session, as a view shows them. Every method awaits.

    Parameters
    ----------
    session : Session
        Whose index it is.
    """

    def __init__(self, session: Session) -> None:
        self._verbs = session._verbs

    async def stamp(self) -> Hashable:
        """Return what changes when the collection does; None while it is empty."""
        catalog = await ask(self._verbs.index_store.catalog)
        if catalog is None or not catalog.libraries:
            return None
        return tuple(
            (each.library, each.version, each.chunks, each.indexed_at)
            for each in catalog.libraries.values()
        )

    async def facets(self, where: Where | None) -> dict[str, dict[str, int]]:
        """Return the values that passages have, with their number, by column.

        Parameters
        ----------
        where : mapping or None
            A filter as in `search`. A column's own condition is left aside, so that
            what else could be chosen is counted, too.

        Returns
        -------
        dict of str to dict of str to int
            ``library kind source`` to value to passages.
        """
        given: Mapping[str, object] = where or {}
        catalog = await ask(self._verbs.index_store.catalog) if given else None
        kinds = catalog.kinds if catalog is not None else None
        found = {}
        for column in FACETS:
            others = {key: each for key, each in given.items() if key != column}
            found[column] = await ask(
                self._verbs.index_store.facets, column, parse_where(others, kinds)
            )
        return found

    async def survey(self, limit: int) -> Survey:
        """Return a repeatable sample of the collection with its vectors.

        Parameters
        ----------
        limit : int
            How many passages at most.
        """
        survey: Survey = await ask(self._verbs.index_store.survey, limit)
        return survey

    async def vectors(self, chunk_ids: Sequence[str]) -> dict[str, Vectors]:
        """Return the vectors of those of some passages that are stored.

        Parameters
        ----------
        chunk_ids : sequence of str
            From a frame's chunk_id column.
        """
        found: dict[str, Vectors] = {}
        with contextlib.suppress(EmptyIndexError):
            found = await ask(self._verbs.index_store.vectors, list(chunk_ids))
        return found

    async def passage(self, chunk_id: str, query: str) -> dict[str, Any] | None:
        """Return the row that a search has for a passage; None where it is not indexed.

        Parameters
        ----------
        chunk_id : str
            From a frame's chunk_id column.
        query : str
            Best one that was asked before: its embedding is in the cache.
        """
        # Alone, since a search folds near duplicates, and passages of one document.
        hits = await self._verbs.search(
            query, limit=1, mode="dense", where={"chunk_id": chunk_id}, exact=True
        )
        rows: list[dict[Any, Any]] = hits.to_dict("records")
        return rows[0] if rows else None

    async def changed(
        self, texts: Iterable[tuple[str, str]], query: str
    ) -> dict[str, bool]:
        """Return which passages say something else than was read; by chunk id.

        Parameters
        ----------
        texts : iterable of (str, str)
            Chunk id and the text that was read.
        query : str
            Best one that was asked before: its embedding is in the cache.

        Returns
        -------
        dict of str to bool
            What is not indexed is left out.
        """
        read = dict(texts)
        now = await self._verbs._indexed_now(list(read), query)
        return {
            key: each.text_hash != text_hash(read[key]) for key, each in now.items()
        }

    async def judge_as_read(
        self, query: str, chunk_id: str, grade: int, text: str
    ) -> dict[str, Any] | None:
        """Keep a grade, unless the passage no longer says what was read.

        Parameters
        ----------
        query, chunk_id, grade
            As of `judge`.
        text : str
            What was read.

        Returns
        -------
        dict or None
            The row that a search has for the passage as it is now, where nothing was
            kept.
        """
        row = await self.passage(chunk_id, query)
        if row is not None and row["text"] != text:
            return row
        await self._verbs.judge(query, chunk_id, grade)
        return None

    async def embedded(self, query: str) -> Vectors:
        """Return a question's vector, float32, length 1; it was embedded before.

        Parameters
        ----------
        query : str
            One that was searched for by meaning: its embedding is in the cache.
        """
        vector, _, _ = await self._verbs._embed_query(query)
        return np.asarray(vector, np.float32)


def may_stand_for_another(chunk_id: str, variants: object) -> bool:
    """Whether a pool may name a passage of a variant's own index by this id.

    Parameters
    ----------
    chunk_id : str
        From a row of the pool.
    variants : object
        What the pool carries: name to settings.
    """
    if not isinstance(variants, Mapping) or not is_lead(point_id(chunk_id)):
        return False
    return any(
        isinstance(each, Mapping) and needs_index(each) for each in variants.values()
    )


def can_rerank(session: Session) -> bool:
    """Whether a session's searches can be ordered anew by a reranker.

    Parameters
    ----------
    session : Session
        Any; it is not asked over the network.
    """
    return session._verbs.remote.settings.voyage_api_key is not None
