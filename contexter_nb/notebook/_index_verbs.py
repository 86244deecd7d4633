"""The verbs that fill the index, list it, empty it and optimize it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from contexter_nb.core import HomeError, InvalidArgumentError
from contexter_nb.frames import make_frame
from contexter_nb.notebook._arguments import check_libraries
from contexter_nb.notebook._money_verbs import topics_of
from contexter_nb.notebook._progress import ProgressBar
from contexter_nb.notebook._records import removed_record, report_records, state
from contexter_nb.notebook._source_verbs import SourceVerbs
from contexter_nb.notebook._tables import UNNAMED_TABLE
from contexter_nb.notebook._variant_verbs import VariantVerbs
from contexter_nb.retrieval import (
    Budget,
    Condition,
    IndexedLibrary,
    IndexReport,
    RowsSource,
    ServerIndex,
    Source,
    Where,
    ask,
    in_thread,
    index_sources,
    installed_versions,
    optimize_index,
    parse_where,
    usd_at_most,
)

if TYPE_CHECKING:
    import pandas as pd


_SHOWN_COLUMNS = 5


class IndexVerbs(SourceVerbs, VariantVerbs):
    """The part of a session's verbs about what is indexed."""

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

            Of a table, ``text`` (or ``content body passage document``) is searched, and
            ``title`` with it; ``url`` and ``kind`` are shown. The other columns are
            kept beside it, to filter by and in the column ``fields`` of hits: texts of
            up to 256 characters, numbers, True and False, dates and times (of UTC where
            they have no zone), at most 32. A row is known by its column ``id``, or by
            an index that has a name or is of texts (where no two have the same), else
            by its title, else by what it says: taking rows out or sorting them embeds
            nothing anew.
        budget_usd : float, optional
            What may be spent on embedding. It stops before more is: what was embedded
            till then is stored, ``error`` says so, and the same call goes on.
        name : str, optional
            What a folder or a table is called in the index; its own name by default,
            and for a table ``table``, where the next takes the place of the last.
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
        nameless = name is None and any(
            each.library == UNNAMED_TABLE for each in sources
        )
        before = await self._catalog() if nameless else None
        self._tell_of_columns(sources)
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
        if before is not None:
            self._tell_of_replaced_table(before.libraries.get(UNNAMED_TABLE), asked)
        return make_frame(
            "index", [row for report in asked for row in report_records(report)]
        )

    def _tell_of_columns(self, sources: Sequence[Source]) -> None:
        """Say which columns of a table cannot be filtered by, and why."""
        for each in sources:
            left_out = each.kept.left_out if isinstance(each, RowsSource) else {}
            for name, why in list(left_out.items())[:_SHOWN_COLUMNS]:
                self.notify(f"The column {name!r:.80} is not kept for filters: {why}.")
            if len(left_out) > _SHOWN_COLUMNS:
                more = len(left_out) - _SHOWN_COLUMNS
                self.notify(f"Nor are {more:,} other columns of {each.library!r}.")

    def _tell_of_replaced_table(
        self, held: IndexedLibrary | None, reports: Sequence[IndexReport]
    ) -> None:
        """Say that a table took the place of another, where both go by no name."""
        for each in reports:
            own = each.library == UNNAMED_TABLE
            if own and held is not None and each.new and not each.unchanged:
                self.notify(
                    f"This table took the place of what was indexed as {each.library!r}"
                    f" ({held.chunks:,} passages); nb.index(table, name=...) keeps "
                    "several apart."
                )

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

        The indexes that experiments made for their variants go first, all of them:
        the next experiment makes them of what is left. Those of the home do, and where
        the index is on a Qdrant server, there the collections named
        ``contexter-variant-...`` that were made of this index, by whichever kernel.
        Those of other indexes on that server stay, and nobody is waited for there: a
        kernel that is just making one may be left with passages that are removed until
        its next experiment. A call that failed or was killed can be made again.

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
        APIIntegrationError
            The Qdrant server cannot be asked, or refuses.
        HomeError
            The home folder cannot be written.

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
        catalog = await self._catalog()
        conditions = parse_where(
            {"library": where} if isinstance(where, str) else where,
            catalog.kinds if catalog is not None else None,
        )
        if not conditions:
            raise InvalidArgumentError(
                "The filter is empty; nb.remove(everything=True) empties the index."
            )
        check_libraries(conditions, catalog)
        if catalog is None or not catalog.libraries:
            return make_frame("remove", [])
        # Before, so that what fails or is killed in between can be done again.
        await self._drop_variants()
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
                await self._forget(None)
                return make_frame("remove", [])
            known = sorted(catalog.libraries.items())
        await self._drop_variants()
        async with self.index_store.writing(
            "emptying the index", self.clock, self.notify
        ) as writer:
            await ask(writer.open_empty)
            await ask(writer.publish)
        await self._forget(None)
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
