"""The verbs of a cell, written once, as coroutines that answer frames."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contexter_nb.core import (
    APIIntegrationError,
    Clock,
    HomeError,
    InvalidArgumentError,
)
from contexter_nb.frames import make_frame
from contexter_nb.notebook._arguments import (
    check_breadth,
    check_choice,
    check_libraries,
    check_limit,
    check_mode,
    check_query,
    check_texts,
    check_values,
    check_weights,
    is_checkable,
)
from contexter_nb.notebook._money_verbs import (
    MoneyVerbs,
    check_reranker,
    reranked_from,
    topics_of,
)
from contexter_nb.notebook._probes import probes
from contexter_nb.notebook._progress import ProgressBar
from contexter_nb.notebook._records import (
    chunk_record,
    context7_problem_record,
    context7_record,
    hit_records,
    installed_record,
    note,
    problem_record,
    removed_record,
    report_records,
    state,
)
from contexter_nb.notebook._remote import Remote
from contexter_nb.notebook._run_verbs import RunVerbs
from contexter_nb.retrieval import (
    BUDGET_TOKENS,
    Budget,
    Catalog,
    Chunk,
    Condition,
    Context7Source,
    EmbeddedIndex,
    Embedder,
    EmbeddingCache,
    Hit,
    IndexedLibrary,
    IndexReport,
    Problem,
    ServerIndex,
    StaticEmbedder,
    Vectors,
    Where,
    ask,
    embed_cached,
    in_thread,
    index_sources,
    installed_versions,
    inventory,
    optimize_index,
    parse_where,
    repaired,
    usd_at_most,
)

if TYPE_CHECKING:
    import pandas as pd

# Titles may be many; among the commonest a near one is found in some milliseconds.
_SUGGESTED_FROM = 10_000


class Verbs(MoneyVerbs, RunVerbs):
    """What a session does. Every verb runs on the bridge's loop.

    Parameters
    ----------
    home : pathlib.Path
        Where index and embeddings lie.
    remote : Remote
        What is reached over the network, closed with the session.
    notify : callable
        Told what a person should know while they wait.
    chunk_tokens : int, default 320
        How long a passage is at most.
    """

    def __init__(
        self,
        *,
        home: Path,
        index: EmbeddedIndex | ServerIndex,
        embedder: Embedder,
        cache: EmbeddingCache,
        remote: Remote,
        clock: Clock,
        notify: Callable[[str], None],
        chunk_tokens: int = BUDGET_TOKENS,
    ) -> None:
        super().__init__(
            index=index,
            embedder=embedder,
            cache=cache,
            remote=remote,
            clock=clock,
            chunk_tokens=chunk_tokens,
        )
        self.home = home
        self.notify = notify

    @property
    def index_place(self) -> str:
        """Return the server that the index is on; nothing where it lies in the home."""
        index = self.index_store
        return index.place if isinstance(index, ServerIndex) else ""

    def indexed_libraries(self) -> Mapping[str, IndexedLibrary]:
        """Return what is indexed, as far as it is known here; asks nobody."""
        catalog = None if self.closed else self.index_store.known_catalog()
        return catalog.libraries if catalog is not None else {}

    async def status(self) -> pd.DataFrame:
        """Show what answers the verbs, and whether it does.

        Costs nothing: the keyless model embeds one word, the index is opened, and what
        is remote is asked whether it is well, which no service charges.

        Returns
        -------
        pandas.DataFrame
            A row per service: service (str), mode (str: embedded, local server or
            remote), healthy (bool), latency_ms (float64), detail (str). Redis and
            Context7 have a row where they are set.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     nb.status()["service"].tolist()
        ['embedder', 'index', 'cache', 'answers']
        """
        self._open()
        rows = await asyncio.gather(*(probe.row(self.clock) for probe in probes(self)))
        return make_frame("status", list(rows))

    async def libraries(
        self, query: str | None = None, source: str | None = None
    ) -> pd.DataFrame:
        """List what can be indexed by name: what is installed, and Context7's.

        Parameters
        ----------
        query : str, optional
            Only those whose name, import names or summary hold this, in any case.
        source : str, optional
            ``installed`` (distributions), ``stdlib`` (standard library modules) or
            ``context7``, which needs a query. Without it, Context7 is asked, too, where
            its key or address is set.

        Returns
        -------
        pandas.DataFrame
            library, version, source, indexed_version (missing where not indexed),
            versions (tuple of str), modules and size_bytes (Int64, missing where not
            known), import_names, summary, error (missing; a row of Context7 that has
            one says why it could not be asked).

        Raises
        ------
        InvalidArgumentError
            `source` is another word, or Context7 is to be asked without a query.
        APIIntegrationError
            Context7 alone was to be asked, and could not be.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     nb.libraries("numpy")["library"].iloc[0]
        'numpy'
        """
        self._open()
        if source is not None:
            check_choice("source", source, ("installed", "stdlib", "context7"))
        if query is not None and not isinstance(query, str):
            raise InvalidArgumentError(f"query is {type(query).__name__}; give a text.")
        wanted = (query or "").strip()
        if source == "context7" and not wanted:
            raise InvalidArgumentError(
                "Context7 lists libraries by name only; give a query, as "
                'nb.libraries("fastapi", source="context7").'
            )
        catalog = await self._catalog()
        indexed = catalog.libraries if catalog else {}
        rows: list[dict[str, object]] = []
        if source != "context7":
            found = await in_thread(inventory)
            rows = [
                installed_record(each, indexed.get(each.library))
                for each in found
                if (source is None or each.source == source)
                and wanted.lower()
                in " ".join((each.library, *each.import_names, each.summary)).lower()
            ]
            rows.sort(
                key=lambda row: (
                    _distance(wanted.lower(), str(row["library"]).lower()),
                    row["source"] != "installed",
                    str(row["library"]).lower(),
                )
            )
        if wanted and (
            source == "context7"
            or (source is None and self.remote.settings.uses_context7)
        ):
            rows += await self._of_context7(wanted, indexed, alone=source is not None)
        return make_frame("libraries", rows)

    async def _of_context7(
        self, query: str, indexed: Mapping[str, IndexedLibrary], *, alone: bool
    ) -> list[dict[str, object]]:
        """Return what Context7 finds; a row with an error where it cannot be asked."""
        try:
            found = await self.remote.context7.list_libraries(query)
        except APIIntegrationError as exc:
            if alone:
                raise
            return [context7_problem_record(query, str(exc))]
        return [context7_record(each, indexed.get(each.id)) for each in found]

    async def _catalog(self) -> Catalog | None:
        found: Catalog | None = await ask(self.index_store.catalog)
        return found

    async def docs(
        self,
        library: object,
        topics: str | Iterable[str] | None = None,
        source: str | None = None,
        *,
        name: str | None = None,
    ) -> pd.DataFrame:
        """Show the passages of a library, folder or table before they are indexed.

        Parameters
        ----------
        library : str, path, DataFrame or list of these
            As in `index`.
        topics : str or several, optional
            Only passages that hold all the words of one of these, in any case; Context7
            is asked for these.
        source : str, optional
            ``installed stdlib folder frame context7``, where the name alone is
            ambiguous.
        name : str, optional
            What a folder or a table is to be called.

        Returns
        -------
        pandas.DataFrame
            library, version, source, title, aliases (tuple of str), kind, section,
            text, tokens, url, chunk_id, error. A problem is a row with an error.

        Raises
        ------
        UnknownLibraryError
            Nothing installed has this name.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     nb.docs("textwrap", topics="dedent")["title"].iloc[0]
        'textwrap.dedent'
        """
        self._open()
        words = topics_of(topics)
        sources = await self._sources(library, name, source, words)
        rows: list[dict[str, object]] = []
        for each in sources:
            # Context7 was asked for just these topics.
            asked = isinstance(each, Context7Source)
            wanted = [] if asked else [set(word.lower().split()) for word in words]
            collected = await each.collect()
            problems = list(collected.problems)
            chunks: list[Chunk] = []
            for document in collected.documents:
                document, notes = repaired(document)
                cut = self._cut(document)
                if isinstance(cut, str):
                    notes.append(cut)
                else:
                    chunks += cut
                if notes:
                    problems.append(
                        Problem(
                            library=each.library,
                            version=collected.version,
                            title=document.title,
                            error="; ".join(notes),
                        )
                    )
                await self.clock.sleep(0)
            rows += [chunk_record(chunk) for chunk in chunks if _about(chunk, wanted)]
            if not wanted:
                rows += [problem_record(each, collected.source) for each in problems]
        return make_frame("docs", rows)

    async def index(
        self,
        what: object,
        *,
        budget_usd: float | None = None,
        name: str | None = None,
        source: str | None = None,
        topics: str | Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Embed and store documentation, so that it can be searched.

        Only what changed since the last time is embedded, what is gone is removed.
        Interrupted at any point, what was published stays, no embedding is lost, and
        the next call goes on from there.

        Parameters
        ----------
        what : str, path, DataFrame or list of these
            An installed library by its distribution or import name, a module of the
            standard library (``python`` for all of it), a file or folder (`.md .rst
            .txt .html .ipynb`), a table with a text column, or a library of Context7 by
            its id, ``/owner/name`` or ``/owner/name/tag`` (where its key or address is
            set; else name the source, so that no mistyped folder is sent there).
        budget_usd : float, optional
            What may be spent on embedding. It stops before more is: what was embedded
            till then is stored, ``error`` says so, and the same call goes on.
        name : str, optional
            What a folder or a table is called in the index; its own name by default.
        source : str, optional
            ``installed stdlib folder frame context7``, where the name alone is
            ambiguous.
        topics : str or several, optional
            What Context7 is asked; general topics by default. Of other sources all is
            indexed.

        Returns
        -------
        pandas.DataFrame
            A row per library: library, version, document (missing), documents,
            chunks, new, unchanged, removed, failed, embedded, tokens, usd, seconds,
            error (missing, unless the budget stopped it). Below it a row for each of
            its documents with a problem, with document and error set.

        Raises
        ------
        UnknownLibraryError
            Nothing installed has this name.
        InvalidArgumentError
            There is a budget, and the embedder's price is not known.
        IndexMismatchError
            The index was made with another embedder or another chunking.
        APIIntegrationError
            A remote service cannot be used; passages whose vectors had come are
            indexed, and the same call goes on from there.
        HomeError
            The home folder cannot be written.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     int(nb.index("textwrap")["failed"].sum())
        0
        """
        self._open()
        budget = Budget(budget_usd)
        if budget_usd is not None:
            usd_at_most(self.embedder, [])
        sources = await self._sources(what, name, source, topics_of(topics))
        bar = ProgressBar()
        tools = self._tools(
            notify=self.notify,
            progress=bar,
            budget=budget if budget_usd is not None else None,
            documents=self._documents,
        )
        reports: dict[str, IndexReport] = {}
        try:
            async with contextlib.aclosing(index_sources(sources, tools)) as made:
                async for report in made:
                    self.usd += report.usd
                    reports[report.library] = report
        finally:
            bar.close()
        asked = [reports[each.library] for each in sources]
        return make_frame(
            "index", [row for report in asked for row in report_records(report)]
        )

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
            section, source, title, tokens, version.
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
            missing where that part did not find it), url, chunk_id. ``attrs`` has
            query, mode, limit, where, timings_ms, tokens and usd.

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
        conditions = parse_where(where)
        check_weights(weights)
        breadth = check_breadth(ef, self.index_store)
        reranker = check_reranker(rerank)
        if reranker is not None:
            self.remote.voyage  # noqa: B018  # without a key nothing is searched first
        started = self.clock.now()
        if conditions:
            check_libraries(conditions, await self._catalog())
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

    async def _embed_query(self, query: str) -> tuple[Vectors, int, float]:
        if isinstance(self.embedder, StaticEmbedder):
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
        conditions = parse_where(where)
        if conditions:
            check_libraries(conditions, await self._catalog())
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
        conditions = parse_where(where)
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

    async def contents(self) -> pd.DataFrame:
        """List what is indexed, and whether it still is what is installed.

        Returns
        -------
        pandas.DataFrame
            A row per library: library, version, source, installed_version (missing
            where it is not installed), state (current, outdated, incomplete, not
            installed), documents, chunks, tokens, indexed_at (UTC).

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     nb.contents().set_index("library").loc["textwrap", "state"]
        'current'
        """
        self._open()
        catalog = await self._catalog()
        known = catalog.libraries if catalog else {}
        installed = await in_thread(installed_versions, list(known))
        rows = [
            {
                "library": each.library,
                "version": each.version,
                "source": each.source,
                "installed_version": installed.get(name),
                "state": state(each, installed.get(name)),
                "documents": each.documents,
                "chunks": each.chunks,
                "tokens": each.tokens,
                "indexed_at": each.indexed_at,
            }
            for name, each in sorted(known.items())
        ]
        return make_frame("contents", rows)

    async def remove(
        self, where: Where | str | None = None, *, everything: bool = False
    ) -> pd.DataFrame:
        """Delete passages from the index; their embeddings stay in the cache.

        The indexes that experiments made in the home for their variants go, too.

        Parameters
        ----------
        where : str or mapping, optional
            A library's name, or a filter as in `search`.
        everything : bool, default False
            Empty the index, whatever it was built with.

        Returns
        -------
        pandas.DataFrame
            A row per library that lost something: library, version, removed, chunks
            (left).

        Raises
        ------
        InvalidArgumentError
            Nothing or an unknown library is named.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     nb.remove("textwrap")["chunks"].tolist()
        [0]
        """
        self._open()
        if everything:
            return await self._remove_everything()
        if where is None:
            raise InvalidArgumentError(
                'Say what to remove: nb.remove("pandas"), a filter as in search, or '
                "nb.remove(everything=True)."
            )
        conditions = parse_where(
            {"library": where} if isinstance(where, str) else where
        )
        if not conditions:
            raise InvalidArgumentError(
                "The filter is empty; nb.remove(everything=True) empties the index."
            )
        catalog = await self._catalog()
        check_libraries(conditions, catalog)
        if catalog is None or not catalog.libraries:
            return make_frame("remove", [])
        rows = await self._remove_where(conditions)
        await self._forget([str(row["library"]) for row in rows if not row["chunks"]])
        return make_frame("remove", rows)

    async def _remove_where(
        self, conditions: Sequence[Condition]
    ) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        async with self.index_store.writing(
            "removing", self.clock, self.notify
        ) as writer:
            await ask(writer.open)
            found = await ask(writer.matching, conditions)
            if not found:
                return rows
            await ask(writer.delete, [chunk_id for chunk_id, _ in found])
            for library in sorted({library for _, library in found}):
                old = writer.catalog.libraries[library]
                left: IndexedLibrary = await ask(writer.remaining, old)
                if left.chunks:
                    writer.catalog = writer.catalog.with_library(left)
                else:
                    writer.catalog = writer.catalog.without_library(library)
                rows.append(removed_record(old, left.chunks))
            await ask(writer.publish)
        return rows

    async def _remove_everything(self) -> pd.DataFrame:
        known: list[tuple[str, IndexedLibrary]] = []
        with contextlib.suppress(HomeError):  # a damaged index is emptied, too
            catalog = await self._catalog()
            if catalog is None:
                return make_frame("remove", [])
            known = sorted(catalog.libraries.items())
        async with self.index_store.writing(
            "emptying the index", self.clock, self.notify
        ) as writer:
            await ask(writer.open_empty)
            await ask(writer.publish)
        await self._forget(library for library, _ in known)
        return make_frame("remove", [removed_record(each, 0) for _, each in known])

    async def optimize(self) -> pd.DataFrame:
        """Build the approximate index (HNSW) and drop deleted passages for good.

        Runs in a child process and can be interrupted: the index then is as it was.
        Worth it above about 100,000 passages; below, comparing with all is as fast.

        Returns
        -------
        pandas.DataFrame
            One row: chunks, optimized (bool; False where nothing had to be done, or
            nothing is indexed), seconds, detail.

        Raises
        ------
        IndexMismatchError
            The index was made with another embedder or another chunking.
        HomeError
            The child failed, or the home folder cannot be written.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     len(nb.optimize())
        1
        """
        self._open()
        catalog = await self._catalog()
        if catalog is None or not catalog.libraries:
            return make_frame(
                "optimize",
                [
                    {
                        "chunks": 0,
                        "optimized": False,
                        "seconds": 0.0,
                        "detail": "nothing is indexed yet",
                    }
                ],
            )
        catalog.check(self.embedder, self.index_store.place)
        if isinstance(self.index_store, ServerIndex):
            status = await self.index_store.is_ready()
            return make_frame(
                "optimize",
                [
                    {
                        "chunks": catalog.chunks,
                        "optimized": False,
                        "seconds": 0.0,
                        "detail": f"the server optimizes by itself; it is {status}",
                    }
                ],
            )
        report = await optimize_index(self.index_store, self.clock, self.notify)
        done = "rebuilt and published" if report.optimized else "was optimal already"
        return make_frame(
            "optimize",
            [
                {
                    "chunks": report.chunks,
                    "optimized": report.optimized,
                    "seconds": report.seconds,
                    "detail": done,
                }
            ],
        )

    async def close(self) -> pd.DataFrame:
        """Let go of the index and the cache; the session cannot be used afterwards.

        Returns
        -------
        pandas.DataFrame
            The columns of `status`, each service closed. A second call does nothing.
        """
        self.closed = True
        await self._close_variants()
        await ask(self.index_store.close)
        await in_thread(self.cache.close)
        await in_thread(self._close_judgments)
        await self._close_clients()
        rows = [
            {
                "service": probe.service,
                "mode": "closed",
                "healthy": False,
                "latency_ms": None,
                "detail": "closed",
            }
            for probe in probes(self)
        ]
        return make_frame("status", rows)


def _distance(wanted: str, name: str) -> int:
    """Return how far a name is from what was asked for, for sorting."""
    if name == wanted:
        return 0
    if name.startswith(wanted):
        return 1
    return 2 if wanted in name else 3


def _about(chunk: Chunk, wanted: Sequence[set[str]]) -> bool:
    if not wanted:
        return True
    text = f"{chunk.title} {chunk.text}".lower()
    return any(all(word in text for word in words) for words in wanted)


def _plain_where(where: Where | None) -> dict[str, object] | None:
    return None if where is None else copy.deepcopy(dict(where))
