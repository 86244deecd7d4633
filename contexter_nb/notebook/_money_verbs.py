"""The verbs about money: what a job would cost, what was spent, and reranking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from contexter_nb.clients import RerankResult
from contexter_nb.core import Clock, InvalidArgumentError
from contexter_nb.frames import make_frame
from contexter_nb.notebook._api_verbs import APIVerbs
from contexter_nb.notebook._arguments import (
    check_count,
    check_query,
    check_texts,
    context7_id,
    distinct_sources,
    sources_of,
)
from contexter_nb.notebook._money import cost_record, estimate_records
from contexter_nb.notebook._remote import Remote
from contexter_nb.retrieval import (
    BUDGET_TOKENS,
    Catalog,
    Chunk,
    Context7Source,
    Document,
    EmbeddedIndex,
    Embedder,
    EmbeddingCache,
    Hit,
    IndexingTools,
    ServerIndex,
    Source,
    ask,
    cut_or_problem,
    estimate_source,
    in_thread,
)

if TYPE_CHECKING:
    import pandas as pd

# A reranker is given a good many more than are wanted of it: the first search may have
# the right one low.
_RERANKED_FACTOR, _RERANKED_LEAST, _RERANKED_MOST = 3, 50, 1_000


class MoneyVerbs(APIVerbs):
    """The part of a session's verbs that says what things cost, and reranks.

    Parameters
    ----------
    index : EmbeddedIndex or ServerIndex
    embedder : Embedder
    cache : EmbeddingCache
    remote : Remote
    clock : Clock
    chunk_tokens : int, default 320
        How long a passage is at most.
    """

    def __init__(
        self,
        *,
        index: EmbeddedIndex | ServerIndex,
        embedder: Embedder,
        cache: EmbeddingCache,
        remote: Remote,
        clock: Clock,
        chunk_tokens: int = BUDGET_TOKENS,
    ) -> None:
        super().__init__(remote=remote, cache=cache)
        self.index_store = index
        self.embedder = embedder
        self.clock = clock
        self.chunk_tokens = chunk_tokens
        self.usd = 0.0

    def _cut(self, document: Document) -> list[Chunk] | str:
        """Cut a document into passages as long as this session's are."""
        return cut_or_problem(document, self.chunk_tokens)

    def _tools(self, **more: Any) -> IndexingTools:
        """Return what indexing works with; without more it tells nobody of it."""
        told = {"notify": _tell_nobody, "progress": _tell_nobody, "cut": self._cut}
        return IndexingTools(
            index=self.index_store,
            embedder=self.embedder,
            cache=self.cache,
            clock=self.clock,
            **{**told, **more},
        )

    async def _catalog(self) -> Catalog | None:
        found: Catalog | None = await ask(self.index_store.catalog)
        return found

    async def estimate(
        self,
        what: object,
        *,
        name: str | None = None,
        source: str | None = None,
        topics: str | Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Show what indexing would take, before any of it is paid for.

        The sources are read and compared with the index and the cache; nothing is
        embedded. One that is indexed as it stands is not read.

        Parameters
        ----------
        what : str, path, DataFrame or list of these
            As in `index`.
        name, source, topics : optional
            As in `index`.

        Returns
        -------
        pandas.DataFrame
            A row per library: library, version, chunks, unchanged, in_cache, embedded,
            tokens, requests, usd and seconds (float64, missing where the embedder does
            not say), assumption, error. Below it a row for each of its documents with a
            problem.

        Raises
        ------
        UnknownLibraryError
            Nothing installed has this name.
        IndexMismatchError
            The index was made with another embedder or another chunking.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     float(nb.estimate("textwrap").loc[0, "usd"])
        0.0
        """
        self._open()
        tools = self._tools()
        rows = []
        for each in await self._sources(what, name, source, topics_of(topics)):
            rows += estimate_records(await estimate_source(each, tools))
        return make_frame("estimate", rows)

    async def costs(self, since: date | str | None = None) -> pd.DataFrame:
        """Show what was spent and saved: by service, model and day, in all kernels.

        It is kept in the home folder and outlives kernels. Prices are list prices
        (``contexter_nb.clients.prices()`` gives their sources); free tokens are not
        taken off.

        Parameters
        ----------
        since : datetime.date or str, optional
            The first day, UTC, ``"2026-11-01"``; all by default.

        Returns
        -------
        pandas.DataFrame
            A row per model and day: day (UTC), service, model, calls, tokens, usd,
            saved_calls, saved_tokens, saved_usd.

        Raises
        ------
        InvalidArgumentError
            `since` is no day.
        HomeError
            The file cannot be read.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     float(nb.costs(since="2026-11-01")["usd"].sum())
        0.0
        """
        self._open()
        day = _day_of(since)
        rows = await in_thread(self.remote.ledger.rows, day)
        return make_frame("costs", [cost_record(each) for each in rows])

    async def rerank(
        self,
        query: str,
        texts: str | Iterable[str],
        limit: int | None = None,
        model: str | None = None,
    ) -> pd.DataFrame:
        """Put texts in the order in which they answer a query, by a model of Voyage AI.

        Parameters
        ----------
        query : str
            A question.
        texts : str or several
            n texts, none of them empty.
        limit : int, optional
            The best so many; all by default.
        model : str, optional
            ``rerank-2.5-lite`` by default.

        Returns
        -------
        pandas.DataFrame
            The most relevant first: rank, score, position (among `texts`, from 0),
            text. ``attrs`` has query, model, tokens, usd and cached.

        Raises
        ------
        InvalidArgumentError
            There is no key, a text is empty, or an argument cannot be used.
        APIIntegrationError
            The service cannot be used.
        """
        self._open()
        query = check_query(query)
        wanted = check_texts("texts", texts)
        most = None if limit is None else check_count("limit", limit)
        if model is not None and not isinstance(model, str):
            raise InvalidArgumentError(f"model is {type(model).__name__}; give a name.")
        client = self.remote.voyage
        found = await self._ranked(client.rerank, query, wanted, most, model)
        rows = [
            {
                "rank": rank,
                "score": each.relevance_score,
                "position": each.index,
                "text": wanted[each.index],
            }
            for rank, each in enumerate(found.ranking, start=1)
        ]
        attrs = {
            "query": query,
            "model": found.model,
            "tokens": found.total_tokens,
            "usd": found.usd,
            "cached": found.cached,
        }
        return make_frame("rerank", rows, attrs)

    async def _ranked(
        self, ask: Any, query: str, texts: Sequence[str], most: int | None, model: Any
    ) -> RerankResult:
        named = {} if not isinstance(model, str) else {"model": model}
        found: RerankResult = await ask(query, texts, top_k=most, **named)
        self.usd += found.usd or 0.0
        return found

    async def _reranked(
        self, query: str, hits: Sequence[Hit], limit: int, model: bool | str
    ) -> tuple[list[Hit], RerankResult]:
        """Return the best hits in the order of a reranker, with its scores."""
        texts = [
            reranked_text(hit.payload["title"], hit.payload["text"]) for hit in hits
        ]
        client = self.remote.voyage
        found = await self._ranked(client.rerank, query, texts, limit, model)
        return [
            Hit(
                chunk_id=hits[each.index].chunk_id,
                score=each.relevance_score,
                ranks=hits[each.index].ranks,
                payload=hits[each.index].payload,
                folded=hits[each.index].folded,
            )
            for each in found.ranking
        ], found

    async def _sources(
        self,
        what: object,
        name: str | None,
        source: str | None,
        topics: Sequence[str],
    ) -> list[Source]:
        """Return the sources a person means by `what`, Context7's ids among them."""
        several = isinstance(what, (list, tuple, set, frozenset))
        named: list[Any] = list(what) if several and what else [what]  # type: ignore[call-overload]  # it is one of these
        found: list[Source] = []
        for each in named:
            library_id = context7_id(
                each, source, is_set=self.remote.settings.uses_context7
            )
            if library_id is None:
                found += await in_thread(sources_of, each, name, source, self.clock)
                continue
            if name is not None:
                raise InvalidArgumentError(
                    f"{library_id} has its own name; leave name out."
                )
            found.append(Context7Source(self.remote.context7, library_id, topics))
        return distinct_sources(found)


def _tell_nobody(told: object) -> None:
    """Take what would be shown."""


def topics_of(topics: str | Iterable[str] | None) -> list[str]:
    """Return topics as a list; none for None."""
    return [] if topics is None else check_texts("topics", topics)


def check_reranker(rerank: object) -> bool | str | None:
    """Return which reranker is wanted: True for the usual one, None for none."""
    if rerank is None or rerank is False:
        return None
    if rerank is True or (isinstance(rerank, str) and rerank.strip()):
        return rerank
    raise InvalidArgumentError(
        f"rerank is {rerank!r}; give True, the name of a model, or None."
    )


def reranked_text(title: str, text: str) -> str:
    """Return what a reranker reads of a hit."""
    return f"{title}\n{text}".strip()


def reranked_from(limit: int) -> int:
    """Return how many hits a reranker is given, for so many that are wanted."""
    return min(max(_RERANKED_FACTOR * limit, _RERANKED_LEAST), _RERANKED_MOST)


def _day_of(since: date | str | None) -> date | None:
    if since is None or isinstance(since, date):
        return since
    try:
        return datetime.fromisoformat(since).date()
    except (TypeError, ValueError):
        raise InvalidArgumentError(
            f"since is {since!r}; give a day, as '2026-11-01'."
        ) from None
