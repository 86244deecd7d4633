"""The verbs that say what can be indexed, and show it before it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from contexter_nb.core import APIIntegrationError, InvalidArgumentError
from contexter_nb.frames import make_frame
from contexter_nb.notebook._arguments import check_choice
from contexter_nb.notebook._money_verbs import MoneyVerbs, topics_of
from contexter_nb.notebook._records import (
    chunk_record,
    context7_problem_record,
    context7_record,
    installed_record,
    problem_record,
)
from contexter_nb.retrieval import (
    Chunk,
    Context7Source,
    IndexedLibrary,
    Problem,
    in_thread,
    inventory,
    repaired,
)

if TYPE_CHECKING:
    import pandas as pd


class SourceVerbs(MoneyVerbs):
    """The part of a session's verbs about what can be indexed."""

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
