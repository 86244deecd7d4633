"""The verbs that search, explain, and compare texts."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from contexter_nb.frames import make_frame
from contexter_nb.notebook._arguments import (
    check_breadth,
    check_libraries,
    check_limit,
    check_mode,
    check_query,
    check_texts,
    check_values,
    check_weights,
    is_checkable,
)
from contexter_nb.notebook._money_verbs import MoneyVerbs, check_reranker, reranked_from
from contexter_nb.notebook._records import hit_records, note
from contexter_nb.retrieval import (
    LABELS,
    Condition,
    EmbeddedIndex,
    Hit,
    StaticEmbedder,
    Vectors,
    Where,
    ask,
    begin_of,
    embed_cached,
    parse_where,
    value_in,
)

if TYPE_CHECKING:
    import pandas as pd

# Titles may be many; among the commonest a near one is found in some milliseconds.
_SUGGESTED_FROM = 10_000


class SearchVerbs(MoneyVerbs):
    """The part of a session's verbs that finds and compares."""

    async def search(
        self,
        query: str,
        limit: int = 10,
        mode: str = "hybrid",
        where: Where | None = None,
        exact: bool = False,
        *,
        ef: int | None = None,
        rerank: bool | str | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> pd.DataFrame:
        """Find the passages that answer a question.

        Parameters
        ----------
        query : str
            A question, a task or a name.
        limit : int, default 10
            How many hits, 1 to 1,000. A document gives its best passage only, and
            documents that say the same become one hit whose aliases name the others.
        mode : str, default "hybrid"
            ``dense`` compares meanings, ``text`` words (BM25); ``hybrid`` fuses both
            with a term by term match by reciprocal ranks (k = 20), weighted by how
            often a library's own documentation mentions the object.
        where : mapping, optional
            Column to value, list of values, ``{"not": ...}``, ``{"prefix": "..."}`` or
            a range ``{"gte": 10, "lt": 200}``; columns chunk_id, kind, library,
            section, source, title, tokens, version, and those of tables (as
            ``fields.kind`` where one is called as these). Ranges are of numbers and of
            instants, which may be texts as ``"2026-01-31"``.
        exact : bool, default False
            Compare with every vector, also where `optimize` built an approximate
            index.
        ef : int, optional
            How many candidates the approximate index keeps in view, 1 to 10,000; larger
            is more exact and slower. Only an embedded index lets it be set.
        rerank : bool or str, optional
            Whether a model of Voyage AI reads the best passages again and puts them in
            its order, or which model; needs a key, and costs.
        weights : mapping, optional
            Weights of ``dense`` (0.4), ``text`` (1) and ``terms`` (1) in the fusion,
            where they shall differ.

        Returns
        -------
        pandas.DataFrame
            Best first: rank (int64), score (float64), library, version, title,
            aliases (tuple of str), kind, text, dense_rank and text_rank (Int64,
            missing where that part did not find it), url, chunk_id, fields (dict of a
            row's other columns; empty for what is no row). ``attrs`` has query, mode,
            limit, where, timings_ms, tokens and usd.

        Raises
        ------
        InvalidArgumentError
            An argument cannot be used; the message says what would do. A value in
            `where` that no passage has is told where nothing is found.
        EmptyIndexError
            Nothing is indexed yet.
        IndexMismatchError
            The index was made with another embedder.
        APIIntegrationError
            A remote service cannot be used.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     where = {"library": "textwrap"}
        ...     nb.search("remove leading white space", where=where)["title"].iloc[0]
        'textwrap.dedent'
        """
        self._open()
        query = check_query(query)
        limit = check_limit(limit)
        mode = check_mode(mode)
        conditions = await self._conditions(where)
        check_weights(weights)
        breadth = check_breadth(ef, self.index_store)
        reranker = check_reranker(rerank)
        if reranker is not None:
            self.remote.voyage  # noqa: B018  # without a key nothing is searched first
        started = self.clock.now()
        vector, tokens, usd = None, 0, 0.0
        if mode != "text":
            vector, tokens, usd = await self._embed_query(query)
        embedded = self.clock.now()
        search = functools.partial(
            self.index_store.search,
            query,
            vector,
            mode=mode,
            limit=limit if reranker is None else reranked_from(limit),
            conditions=conditions,
            exact=exact,
            weights=weights,
            **breadth,
        )
        hits: list[Hit]
        if isinstance(self.index_store, EmbeddedIndex) and self.index_store.is_quick():
            # A change of threads would take a quarter of a small index's search.
            hits = search()  # type: ignore[assignment]
        else:
            hits = await ask(search)
        if not hits:
            await self._check_values(conditions)
        found = self.clock.now()
        timings = {
            "embed": round((embedded - started) * 1000, 3),
            "search": round((found - embedded) * 1000, 3),
        }
        attrs: dict[str, object] = {
            "query": query,
            "mode": mode,
            "limit": limit,
            "where": _plain_where(where),
        }
        if reranker is not None and hits:
            hits, ranked = await self._reranked(query, hits, limit, reranker)
            timings["rerank"] = round((self.clock.now() - found) * 1000, 3)
            tokens, usd = tokens + ranked.total_tokens, usd + (ranked.usd or 0.0)
            attrs["reranker"] = ranked.model
        attrs |= {"timings_ms": timings, "tokens": tokens, "usd": usd}
        return make_frame("search", hit_records(hits), attrs)

    async def _conditions(self, where: Where | None) -> list[Condition]:
        """Return what is asked of passages, where there can be such."""
        catalog = await self._catalog() if where else None
        conditions = parse_where(where, catalog.kinds if catalog else None)
        if conditions:
            check_libraries(conditions, catalog)
        return conditions

    async def _check_values(self, conditions: Sequence[Condition]) -> None:
        """Refuse values that no passage has at all, where an answer is empty.

        Whoever got hits pays nothing for it; and a value that is there, though not
        together with what else was asked for, is no mistake.
        """
        for each in conditions:
            if is_checkable(each):
                facets = functools.partial(self.index_store.facets, each.column)
                there = await ask(facets, (each,), limit=max(1, len(each.any_of)))
                known = await ask(facets, limit=_SUGGESTED_FROM)
                check_values(each, there, known)
            elif each.column == LABELS and not each.negated:
                await self._check_labels(each)

    async def _check_labels(self, condition: Condition) -> None:
        """Refuse values that no row of any table has in a column."""
        facets = functools.partial(self.index_store.facets, LABELS)
        # Among the labels of all columns each is counted by itself.
        alone = [replace(condition, any_of=(each,)) for each in condition.any_of]
        met = [
            bool(await ask(facets, (each,), limit=1)) for each in alone or [condition]
        ]
        own = [
            value_in(each)
            for each in await ask(facets, limit=_SUGGESTED_FROM)
            if each.startswith(begin_of(condition.asked))
        ]
        asked = [value_in(str(each)) for each in condition.any_of]
        prefix = value_in(condition.prefix)
        there = [
            each for each, found in zip(asked or [prefix], met, strict=True) if found
        ]
        shown = replace(
            condition, column=condition.asked, any_of=tuple(asked), prefix=prefix
        )
        check_values(shown, there, own)

    async def _embed_query(self, query: str) -> tuple[Vectors, int, float]:
        if isinstance(getattr(self.embedder, "inner", self.embedder), StaticEmbedder):
            # Faster than a look into the cache.
            answer = await self.embedder.embed([query], "query")
            return answer.vectors[0], answer.token_counts[0], answer.usd
        kept = await embed_cached([query], "query", self.embedder, self.cache)
        self.usd += kept.usd
        return kept.vectors[0], kept.tokens, kept.usd

    async def similar(
        self, chunk_id: str, limit: int = 10, where: Where | None = None
    ) -> pd.DataFrame:
        """Find passages of other documents that mean the same as a given one.

        Parameters
        ----------
        chunk_id : str
            From a frame's chunk_id column.
        limit : int, default 10
            How many, 1 to 1,000.
        where : mapping, optional
            As in `search`.

        Returns
        -------
        pandas.DataFrame
            The columns of `search`; score is the cosine, text_rank is missing.

        Raises
        ------
        UnknownChunkError
            No chunk has this id.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     hit = nb.search("textwrap fill", limit=1)["chunk_id"].iloc[0]
        ...     len(nb.similar(hit, limit=3))
        3
        """
        self._open()
        limit = check_limit(limit)
        conditions = await self._conditions(where)
        hits = await ask(self.index_store.similar, chunk_id, limit, conditions)
        if not hits:
            await self._check_values(conditions)
        attrs = {"similar_to": chunk_id, "limit": limit, "where": _plain_where(where)}
        return make_frame("search", hit_records(hits), attrs)

    async def explain(
        self, query: str, chunk_id: str, where: Where | None = None
    ) -> pd.DataFrame:
        """Show at which rank a passage's document stands in each part, and why.

        Parameters
        ----------
        query : str
            The question.
        chunk_id : str
            From a frame's chunk_id column; it need not be among the hits.
        where : mapping, optional
            As in `search`.

        Returns
        -------
        pandas.DataFrame
            A row per part (dense, text, terms, hybrid): part, rank (Int64, missing
            where it was not found), found (how many the part ranked), score, note.

        Raises
        ------
        UnknownChunkError
            No chunk has this id.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     hit = nb.search("shorten a text", limit=1)["chunk_id"].iloc[0]
        ...     nb.explain("shorten a text", hit)["part"].tolist()
        ['dense', 'text', 'terms', 'hybrid']
        """
        self._open()
        query = check_query(query)
        conditions = await self._conditions(where)
        vector, _, _ = await self._embed_query(query)
        answer = await ask(
            self.index_store.explain, query, vector, chunk_id, conditions
        )
        rows = [
            {
                "part": each.part,
                "rank": each.rank,
                "found": each.found,
                "score": each.score,
                "note": note(each, answer),
            }
            for each in answer.parts
        ]
        attrs = {
            "query": query,
            "chunk_id": chunk_id,
            "title": answer.payload.get("title", ""),
        }
        return make_frame("explain", rows, attrs)

    async def embed(self, texts: str | Iterable[str]) -> pd.DataFrame:
        """Embed texts as documents are; what was embedded before is not again.

        Parameters
        ----------
        texts : str or several
            n texts, none of them empty.

        Returns
        -------
        pandas.DataFrame
            n rows in their order: text, tokens (int64), cached (bool), embedding
            (float32 array of shape (dimension,), length 1).

        Raises
        ------
        InvalidArgumentError
            A text is empty or no text.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     nb.embed("a slider").loc[0, "embedding"].shape
        (256,)
        """
        self._open()
        wanted = check_texts("texts", texts)
        answer = await embed_cached(wanted, "document", self.embedder, self.cache)
        self.usd += answer.usd
        rows = [
            {"text": text, "tokens": count, "cached": cached, "embedding": vector}
            for text, count, cached, vector in zip(
                wanted, answer.token_counts, answer.cached, answer.vectors, strict=True
            )
        ]
        attrs = {"embedder": self.embedder.identity, "usd": answer.usd}
        return make_frame("embed", rows, attrs)

    async def similarity(
        self, a: str | Iterable[str], b: str | Iterable[str] | None = None
    ) -> pd.DataFrame:
        """Compare texts by meaning: the cosine of every `a` with every `b`.

        Parameters
        ----------
        a, b : str or several
            n and m texts; without `b`, every `a` with every `a`.

        Returns
        -------
        pandas.DataFrame
            n x m rows, `a` in its order, under each the `b` in theirs: a, b, cosine
            (float64). ``.pivot(index="a", columns="b", values="cosine")`` is the
            matrix.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     near = nb.similarity("delete a row", ["drop a record", "plot a line"])
        >>> bool(near["cosine"].iloc[0] > near["cosine"].iloc[1])
        True
        """
        self._open()
        left = check_texts("a", a)
        right = left if b is None else check_texts("b", b)
        both = await embed_cached(
            [*left, *right], "document", self.embedder, self.cache
        )
        self.usd += both.usd
        cosines = both.vectors[: len(left)] @ both.vectors[len(left) :].T
        rows = [
            {"a": one, "b": other, "cosine": float(np.clip(cosines[i, j], -1, 1))}
            for i, one in enumerate(left)
            for j, other in enumerate(right)
        ]
        return make_frame("similarity", rows)


def _plain_where(where: Where | None) -> dict[str, object] | None:
    return None if where is None else copy.deepcopy(dict(where))
