"""Variants of a search, made ready: some need an index of their own."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from contexter_nb.core import (
    Clock,
    ContexterError,
    EmptyIndexError,
    HomeError,
    InvalidArgumentError,
    UnknownLibraryError,
)
from contexter_nb.notebook._arguments import check_breadth, check_libraries
from contexter_nb.notebook._embedding import (
    choose_embedder,
    delete_variants,
    index_place,
    variant_index,
)
from contexter_nb.notebook._experiment_arguments import (
    INDEX_SETTINGS,
    Settings,
    in_variant,
    needs_index,
)
from contexter_nb.notebook._money_verbs import check_reranker
from contexter_nb.notebook._progress import ProgressBar
from contexter_nb.retrieval import (
    Budget,
    Catalog,
    Chunk,
    Document,
    KeptDocuments,
    KeptSource,
    Problem,
    Source,
    SourceEstimate,
    StaticEmbedder,
    ask,
    cut_or_problem,
    document_key,
    estimate_source,
    in_thread,
    index_sources,
    library_source,
    not_as_indexed,
    not_kept,
    parse_where,
)

if TYPE_CHECKING:
    import pandas as pd

    from contexter_nb.notebook._remote import Remote
    from contexter_nb.retrieval import (
        Condition,
        EmbeddedIndex,
        Embedder,
        EmbeddingCache,
        IndexingTools,
        ServerIndex,
        Where,
    )

DOCUMENTS = "documents"
_SHOWN_USD = 0.00005
_EMBEDDING = {"dimension", "dtype", "embedder", "model"}
_GONE = (
    "The index of a variant was removed meanwhile, as nb.remove in another kernel "
    "does; the same call makes it again."
)


class Prepared(NamedTuple):
    """Variants that can be asked.

    Attributes
    ----------
    settings : dict
        By name, with the session that answers where it is not the own one.
    catalogs : dict of str to Catalog
        What each variant's index holds.
    states : dict of str to dict
        By variant, what changes when a library of the index that it is made of does.
    indexing : dict of str to dict
        What it took to make an index, by the names of the variants that need one.
    """

    settings: Settings
    catalogs: dict[str, Catalog]
    states: dict[str, dict[str, str]]
    indexing: dict[str, dict[str, Any]]


class VariantVerbs:
    """The part of a session's verbs that asks by the settings of a variant."""

    home: Path
    clock: Clock
    embedder: Embedder
    index_store: EmbeddedIndex | ServerIndex
    cache: EmbeddingCache
    remote: Remote
    notify: Callable[[str], None]
    chunk_tokens: int
    usd: float
    # Whose variant this is; None for a session that a person opened.
    variant_of: VariantVerbs | None = None

    if TYPE_CHECKING:

        def _open(self) -> None: ...

        def _tools(self, **more: Any) -> IndexingTools: ...

        async def _remove_where(
            self, conditions: Sequence[Condition]
        ) -> list[dict[str, object]]: ...

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
        ) -> pd.DataFrame: ...

    @functools.cached_property
    def _documents(self) -> KeptDocuments:
        """Return what was indexed, as it was before it was cut and embedded."""
        return KeptDocuments(self.home / DOCUMENTS / index_place(self.index_store))

    @functools.cached_property
    def _variants(self) -> dict[tuple[str, int], VariantVerbs]:
        """Return the sessions on indexes of variants, by embedder and chunk length."""
        return {}

    async def _close_variants(self) -> None:
        for each in self._variants.values():
            # One that is damaged can be made again; the others are closed as well.
            with contextlib.suppress(HomeError):
                await ask(each.index_store.close)

    async def _forget(self, libraries: Iterable[str] | None) -> None:
        """Keep nothing of what was removed (None: of all) in documents and variants."""
        if libraries is None:
            await in_thread(self._documents.forget_all)
        for each in libraries or ():
            await in_thread(self._documents.forget, each)
        # Another kernel may have made one meanwhile.
        await self._drop_variants()

    async def _drop_variants(self) -> None:
        """Delete the indexes of variants, in the home and on a server.

        They are made of what is left at the next experiment, of embeddings that are
        kept.
        """
        await self._close_variants()
        self._variants.clear()
        await delete_variants(self.index_store, self.home, self.clock, self.notify)

    def _offered(self) -> list[str]:
        """Return what this session's search can be told beside the query."""
        return [
            name
            for name in inspect.signature(self.search).parameters
            if name != "query"
        ]

    async def _ask(self, query: str, settings: Mapping[str, Any]) -> pd.DataFrame:
        """Search by the settings of a variant, in its own session where it has one."""
        session: VariantVerbs = settings.get("session", self)
        own = {key: value for key, value in settings.items() if key != "session"}
        try:
            answer = await session.search(query, **own)
        except EmptyIndexError as exc:
            if session.variant_of is None:
                raise
            raise EmptyIndexError(_GONE) from exc
        if session.variant_of is self:
            self.usd += float(answer.attrs.get("usd", 0.0))
        return answer

    async def _check_settings(self, settings: Settings) -> dict[str, Catalog]:
        """Refuse what no search could answer; return each variant's catalog."""
        catalogs: dict[str, Catalog] = {}
        for name, each in settings.items():
            verbs: VariantVerbs = each.get("session", self)
            verbs._open()
            catalog = await ask(verbs.index_store.catalog)
            if catalog is None or not catalog.libraries:
                if verbs.variant_of is not None:
                    raise EmptyIndexError(_GONE)
                raise EmptyIndexError(
                    'Nothing is indexed yet; begin with nb.index("pandas"), and see '
                    "nb.libraries() for what else is here."
                )
            with in_variant(name):
                conditions = parse_where(each.get("where"), catalog.kinds)
                if conditions:
                    check_libraries(conditions, catalog)
                check_breadth(each.get("ef"), verbs.index_store)
                if check_reranker(each.get("rerank")) is not None:
                    verbs.remote.voyage  # noqa: B018  # without a key nothing is asked
            catalogs[name] = catalog
        return catalogs

    async def _check_variants(self, settings: Settings) -> dict[str, VariantVerbs]:
        """Refuse what cannot be, before anything is paid; return who needs an index."""
        await self._check_settings(settings)
        found = {}
        for name, each in settings.items():
            if needs_index(each):
                with in_variant(name):
                    variant = self._variant(each)
                if variant is not None:
                    found[name] = variant
        return found

    def _variant(self, settings: Mapping[str, Any]) -> VariantVerbs | None:
        """Return the session of a variant; None where this one is as it asks for."""
        chunk_tokens = settings.get("chunk_tokens", self.chunk_tokens)
        if chunk_tokens == self.chunk_tokens and not _EMBEDDING & settings.keys():
            return None
        chosen = self._embedder_of(settings)
        if chosen.identity == self.embedder.identity:
            if chosen.dimension != self.embedder.dimension:
                raise InvalidArgumentError(
                    f"the embedder has {chosen.dimension} dimensions and the identity "
                    f"{chosen.identity!r}, which this session's has with "
                    f"{self.embedder.dimension}: give it an identity of its own."
                )
            chosen = self.embedder
            if chunk_tokens == self.chunk_tokens:
                return None
        key = chosen.identity, chunk_tokens
        known = self._variants.get(key)
        if known is None:
            made: Any = type(self)
            known = self._variants[key] = made(
                home=self.home,
                index=variant_index(
                    self.index_store, self.remote, chosen, self.home, chunk_tokens
                ),
                embedder=chosen,
                cache=self.cache,
                remote=self.remote,
                clock=self.clock,
                notify=self.notify,
                chunk_tokens=chunk_tokens,
            )
            known.variant_of = self
        else:
            # An object of the same name may be another one, mended since.
            known.embedder = known.index_store.embedder = chosen
        return known

    def _embedder_of(self, settings: Mapping[str, Any]) -> Embedder:
        """Return what embeds the index of a variant; free where no vector is asked."""
        by_words = settings.get("mode") == "text" and not _EMBEDDING & settings.keys()
        if by_words and getattr(self.embedder, "usd_per_million_tokens", None) != 0:
            return StaticEmbedder()
        return choose_embedder(
            self.remote,
            settings.get("embedder"),
            model=settings.get("model"),
            dimension=settings.get("dimension"),
            dtype=settings.get("dtype", "float"),
        )

    async def _prepare(
        self,
        settings: Settings,
        variants: Mapping[str, VariantVerbs] | None = None,
        budget: Budget | None = None,
    ) -> Prepared:
        """Make the indexes that variants lack; nothing that is there is made again."""
        if variants is None:
            variants = await self._check_variants(settings)
            await self._tell_index_costs(variants.values())
        states = {
            name: {
                each.library: f"{each.indexed_at} {each.fingerprint}"
                for each in catalog.libraries.values()
            }
            for name, catalog in (await self._check_settings(settings)).items()
        }
        indexing = {}
        ready: Settings = {}
        for name, each in settings.items():
            ready[name] = {
                key: value for key, value in each.items() if key not in INDEX_SETTINGS
            }
            if name in variants:
                indexing[name] = await self._build(name, variants[name], budget)
                ready[name]["session"] = variants[name]
        return Prepared(ready, await self._check_settings(ready), states, indexing)

    async def _tell_index_costs(self, variants: Iterable[VariantVerbs]) -> None:
        usd, tokens = 0.0, 0
        for each in {id(each): each for each in variants}.values():
            if getattr(each.embedder, "usd_per_million_tokens", None):
                costs = index_costs(await self._estimate_index(each))
                usd += costs["usd"] or 0.0
                tokens += costs["tokens"]
        self._tell_costs(usd, tokens)

    def _tell_costs(self, usd: float, tokens: int) -> None:
        """Say before it is paid what will be; what is free is not talked about."""
        if usd > 0:
            digits = 4 if usd >= _SHOWN_USD else 7
            self.notify(
                f"About {usd:.{digits}f} USD will be spent on {tokens:,} tokens."
            )

    async def _build(
        self, name: str, variant: VariantVerbs, budget: Budget | None
    ) -> dict[str, Any]:
        """Bring a variant's index up to date with this session's."""
        sources, tools = await self._sources_of(variant)
        took: dict[str, Any] = dict.fromkeys(("chunks", "embedded", "tokens"), 0)
        took |= {"usd": 0.0, "seconds": 0.0}
        bar = ProgressBar(f"index of {name!r}, ")
        tools = variant._tools(
            notify=self.notify,
            progress=bar,
            budget=budget,
            cut=tools.cut,
            together=True,
        )
        kept = {each.library for each in sources if isinstance(each, KeptSource)}
        stopped = None
        problems: list[Problem] = []
        try:
            async with contextlib.aclosing(index_sources(sources, tools)) as made:
                async for report in made:
                    self.usd += report.usd
                    for key in took:
                        took[key] += getattr(report, key)
                    stopped = stopped or report.stopped
                    # What is installed was read with its own problems before.
                    if report.library in kept:
                        problems += report.problems
        except ContexterError as exc:
            exc.add_note(f"This was for the index of the variant {name!r}.")
            raise
        finally:
            bar.close()
        if stopped is not None:
            raise InvalidArgumentError(
                f"The index of the variant {name!r} is not complete: {stopped}. What "
                "was embedded is kept: the same call with a larger budget_usd goes on."
            )
        await self._drop_surplus(variant, {each.library for each in sources})
        titles = {each.title for each in problems}
        if problems:
            others = f" and of {len(titles) - 1:,} others" if len(titles) > 1 else ""
            self.notify(
                f"The variant {name!r} lacks passages of {problems[0].title!r} "
                f"({problems[0].error}){others} that are indexed here."
            )
        return {**took, "failed": len(titles)}

    async def _drop_surplus(self, variant: VariantVerbs, wanted: set[str]) -> None:
        catalog: Catalog | None = await ask(variant.index_store.catalog)
        surplus = sorted(set(catalog.libraries if catalog else ()) - wanted)
        if surplus:
            await variant._remove_where(parse_where({"library": surplus}))

    async def _estimate_index(self, variant: VariantVerbs) -> list[SourceEstimate]:
        """Return what a variant's index would take, a library each."""
        sources, tools = await self._sources_of(variant)
        return [await estimate_source(each, tools) for each in sources]

    async def _sources_of(
        self, variant: VariantVerbs
    ) -> tuple[list[Source], IndexingTools]:
        """Return what this session's index was made of, and how it is to be cut."""
        catalog: Catalog | None = await ask(self.index_store.catalog)
        sources: list[Source] = []
        indexed: dict[str, str] = {}
        for each in catalog.libraries.values() if catalog else ():
            stored = await ask(self.index_store.stored, each.library)
            indexed |= stored
            kept = KeptSource(
                self._documents,
                each.library,
                each.version,
                f"{each.indexed_at} {each.chunks}",
            )
            if await in_thread(self._documents.digest, each.library):
                sources.append(kept)
            else:
                sources.append(await in_thread(self._installed, each))
        cut = _AsIndexed(indexed, self.chunk_tokens, variant.chunk_tokens)
        return sources, variant._tools(cut=cut)

    def _installed(self, entry: Any) -> Source:
        """Return a library as it is installed, where that is what was indexed."""
        if entry.source in ("installed", "stdlib"):
            with contextlib.suppress(UnknownLibraryError):
                found = library_source(entry.library, self.clock)
                if found.version == entry.version:
                    return found
        raise InvalidArgumentError(not_kept(entry.library))


class _AsIndexed:
    """Cuts documents into what a session's index has of them: variants hold the same.

    Parameters
    ----------
    indexed : mapping of str to str
        Content hash of each passage of the session's index, by chunk id.
    own_tokens, variant_tokens : int
        How long passages are at most, there and in the variant.
    """

    def __init__(
        self, indexed: Mapping[str, str], own_tokens: int, variant_tokens: int
    ) -> None:
        self._indexed = indexed
        self._documents = set(map(document_key, indexed))
        self._own_tokens = own_tokens
        self._variant_tokens = variant_tokens
        self._seen: set[str] = set()

    def __call__(self, document: Document) -> list[Chunk] | str:
        """Return a document's passages, or why it has none.

        Raises
        ------
        InvalidArgumentError
            The index was made of another text.
        """
        own = cut_or_problem(document, self._own_tokens)
        if isinstance(own, str):  # nothing of it is indexed either
            return []
        for each in own:
            # Of passages with one id the first is indexed.
            first = each.chunk_id not in self._seen
            hashed = self._indexed.get(each.chunk_id, each.content_hash)
            if first and hashed != each.content_hash:
                raise InvalidArgumentError(not_as_indexed(document.library))
            self._seen.add(each.chunk_id)
        if self._variant_tokens == self._own_tokens:
            return [each for each in own if each.chunk_id in self._indexed]
        cut = cut_or_problem(document, self._variant_tokens)
        if isinstance(cut, str):
            return cut
        return [each for each in cut if document_key(each.chunk_id) in self._documents]


def index_costs(estimates: Sequence[SourceEstimate]) -> dict[str, Any]:
    """Return what some libraries take together; usd is None where it is not known."""
    found = [each.estimate for each in estimates]
    usd = [each.usd for each in found]
    return {
        "texts": sum(each.texts - each.cached for each in found),
        "tokens": sum(each.tokens for each in found),
        "requests": sum(each.requests for each in found),
        "usd": None if None in usd else sum(each or 0.0 for each in usd),
        "seconds": sum(each.seconds for each in found),
    }
