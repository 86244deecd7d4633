"""The verbs about relevance: judge, see, export, import, and what is left to judge."""

from __future__ import annotations

import dataclasses
import functools
import getpass
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from contexter_nb.core import (
    EmptyIndexError,
    IndexMismatchError,
    InvalidArgumentError,
    Random,
    UnknownChunkError,
    new_random,
)
from contexter_nb.frames import make_frame
from contexter_nb.notebook._arguments import (
    check_count,
    check_limit,
    check_query,
)
from contexter_nb.notebook._experiment_arguments import (
    Given,
    check_grade,
    check_judgments,
    check_queries,
    check_seed,
    check_variants,
    is_path,
    read_qrels,
)
from contexter_nb.notebook._experiment_records import plain_settings, rows_of
from contexter_nb.notebook._files import check_file, write_text
from contexter_nb.notebook._tables import is_frame
from contexter_nb.notebook._variant_verbs import VariantVerbs
from contexter_nb.retrieval import (
    Judgment,
    JudgmentStore,
    QrelsLine,
    ask,
    document_key,
    in_thread,
    known_item_query,
    parse_where,
    point_id,
    qrels_text,
    queries_path,
    queries_text,
    query_id,
    shuffled,
    text_hash,
)

if TYPE_CHECKING:
    import pandas as pd

JUDGMENTS = "judgments.sqlite"
DEPTH = 10
_BATCH = 200
_ALL_TITLES = 1_000_000
_LEAD = "0000"
_KNOWN_ITEM_GRADE = 3
_AS_IT_WAS = ("title", "library", "version")


class _Passage(NamedTuple):
    """A passage as it is indexed now."""

    title: str
    library: str
    version: str
    text_hash: str


class JudgmentVerbs(VariantVerbs):
    """The part of a session's verbs that keeps what a person thinks of hits."""

    @functools.cached_property
    def _judgments(self) -> JudgmentStore:
        return JudgmentStore(self.home / JUDGMENTS)

    def _close_judgments(self) -> None:
        self._judgments.close()

    async def judge(
        self,
        query: str,
        chunk_id: str,
        grade: int | None,
        *,
        judged_by: str | None = None,
    ) -> pd.DataFrame:
        """Keep how well a passage answers a question; judging again replaces.

        What this has returned is on disk, for all kernels on this home.

        Parameters
        ----------
        query : str
            The question.
        chunk_id : str
            From a frame's chunk_id column; the passage must be indexed, unless a
            judgment of it is taken back.
        grade : int or None
            0 (not relevant), 1, 2 or 3 (just what was sought); None takes an earlier
            judgment back.
        judged_by : str, optional
            Who; by default the login name.

        Returns
        -------
        pandas.DataFrame
            One row with the columns of `judgments`.

        Raises
        ------
        InvalidArgumentError
            The query is empty, or the grade is no whole number from 0 to 3.
        UnknownChunkError
            No chunk has this id, and there is no judgment of it to take back.
        HomeError
            The judgment cannot be written.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     hit = nb.search("shorten a text", limit=1)["chunk_id"].iloc[0]
        ...     nb.judge("shorten a text", hit, 3)["title"].iloc[0]
        'textwrap.shorten'
        """
        self._open()
        query = check_query(query)
        number = None if grade is None else check_grade(grade)
        if judged_by is not None and not isinstance(judged_by, str):
            raise InvalidArgumentError(
                f"judged_by is {type(judged_by).__name__}; give a name."
            )
        point_id(chunk_id)
        chunk_id = chunk_id.lower()
        given = Given(query=query, chunk_id=chunk_id, grade=number or 0)
        if number is None:
            passages = await self._passages_of([given])
        else:
            passages = await self._passages([chunk_id], query)
        if chunk_id not in passages:
            kept = await self._kept(given) if number is None else None
            if kept is None:
                raise UnknownChunkError(
                    f"No chunk {chunk_id} is in the index; search again, it may have "
                    "changed."
                )
            as_it_was = {name: getattr(kept, name) for name in _AS_IT_WAS}
            given = dataclasses.replace(given, **as_it_was)
        judgment = dataclasses.replace(
            self._judgment(given, passages, "person", judged_by), grade=number
        )
        await in_thread(self._judgments.add, [judgment])
        return make_frame("judgments", [_record(judgment, passages)])

    async def _kept(self, given: Given) -> Judgment | None:
        """Return the judgment that a query and a passage have now."""
        current = await in_thread(self._judgments.current, query_id(given.query))
        return next((each for each in current if each.chunk_id == given.chunk_id), None)

    async def judgments(
        self, query: str | None = None, *, history: bool = False
    ) -> pd.DataFrame:
        """Show what was judged, and whether the passages still say the same.

        Parameters
        ----------
        query : str, optional
            Only those of this question.
        history : bool, default False
            Also what was replaced or taken back, the oldest first.

        Returns
        -------
        pandas.DataFrame
            A row per query and passage: query, query_id, chunk_id, grade (Int64),
            title, library, version (as they were), changed, indexed (bool), origin
            (``person``, ``imported``, ``generated``), judged_by, judged_at (UTC),
            superseded (bool).

        Raises
        ------
        HomeError
            The judgments cannot be read.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     nb.judgments("never asked").empty
        True
        """
        self._open()
        wanted = None if query is None else query_id(check_query(query))
        if history:
            found = await in_thread(self._judgments.history)
            found = [each for each in found if wanted in (None, each.query_id)]
        else:
            found = await in_thread(self._judgments.current, wanted)
        passages = await self._passages_of(found)
        return make_frame("judgments", [_record(each, passages) for each in found])

    async def export_judgments(self, path: str | os.PathLike[str]) -> pd.DataFrame:
        """Write the judgments as TREC qrels, and the queries' text beside them.

        Parameters
        ----------
        path : path-like
            ``mine.qrels``, say; queries go into ``mine.queries.tsv``. Files of these
            names are replaced.

        Returns
        -------
        pandas.DataFrame
            A row per file: file, lines, detail.

        Raises
        ------
        InvalidArgumentError
            A file cannot be written.

        Examples
        --------
        >>> import tempfile, contexter_nb as cx
        >>> with tempfile.TemporaryDirectory() as folder, cx.connect() as nb:
        ...     nb.export_judgments(folder + "/mine.qrels")["file"].tolist()
        ['mine.qrels', 'mine.queries.tsv']
        """
        self._open()
        place = check_file("path", path, "mine.qrels")
        found = await in_thread(self._judgments.current)
        queries = {each.query_id: each.query for each in found}
        lines = [
            QrelsLine(each.query_id, each.chunk_id, each.grade or 0) for each in found
        ]
        beside = queries_path(place)
        await in_thread(write_text, place, qrels_text(lines))
        await in_thread(write_text, beside, queries_text(queries))
        rows = [
            {
                "file": place.name,
                "lines": len(lines),
                "detail": "qrels: query id, 0, chunk id, grade",
            },
            {
                "file": beside.name,
                "lines": len(queries),
                "detail": "queries: query id, tab, text",
            },
        ]
        return make_frame("export_judgments", rows)

    async def import_judgments(
        self,
        what: object,
        queries: Mapping[str, str] | str | os.PathLike[str] | None = None,
    ) -> pd.DataFrame:
        """Take judgments over from a qrels file or a DataFrame; all of them or none.

        Where the same grade is kept already, nothing changes: who judged, when, and
        how it came here stay, so that one's own export does no harm.

        Parameters
        ----------
        what : path-like or DataFrame
            A TREC qrels file whose documents are chunk ids, or those of `export_runs`
            (then the passage is judged that a document begins with); or a frame with
            query, chunk_id and grade (`known_items` has them, and so has `judgments`).
        queries : mapping or path-like, optional
            For a file: query id to text, or a tab-separated file of both; by default
            the one that `export_judgments` writes beside.

        Returns
        -------
        pandas.DataFrame
            A row per query and passage, as it is kept now: change (``new``,
            ``replaced`` where another grade was kept, or ``unchanged``), and the
            columns of `judgments`. Of two grades of one pair the last counts.

        Raises
        ------
        InvalidArgumentError
            A file cannot be read, or a row is no judgment; none is taken over then.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     nb.import_judgments(nb.judgments().head(0)).empty
        True
        """
        self._open()
        if is_frame(what) or not is_path(what):
            given = check_judgments(what)
        else:
            given = await in_thread(read_qrels, what, queries)
        passages = await self._passages_of(given)
        kept = await in_thread(self._judgments.current)
        current = {(each.query_id, each.chunk_id): each for each in kept}
        added: list[Judgment] = []
        rows: list[dict[str, Any]] = []
        for key, each in _by_pair(given).items():
            judgment = current.get(key)
            change = "unchanged"
            if judgment is None or judgment.grade != each.grade:
                change = "new" if judgment is None else "replaced"
                origin = "generated" if each.origin == "generated" else "imported"
                judgment = self._judgment(each, passages, origin, None)
                added.append(judgment)
            rows.append({**_record(judgment, passages), "change": change})
        if added:
            await in_thread(self._judgments.add, added)
        return make_frame("import_judgments", rows)

    async def pool(
        self,
        queries: Any,
        variants: Any = ("hybrid", "dense", "text"),
        depth: int = DEPTH,
        *,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Gather the hits that nobody has judged yet, in an order that tells nothing.

        Which variant found a passage, and at which rank, is not shown: whoever knows
        judges by it.

        Parameters
        ----------
        queries : str, several, or a DataFrame with a column ``query``
        variants : mapping or several, default all modes
            As of `experiment`.
        depth : int, default 10
            Hits of each variant.
        seed : int, default 0
            The same seed gives the same order.

        Returns
        -------
        pandas.DataFrame
            Queries in their order, the passages of each shuffled: query, query_id,
            chunk_id, title, library, version, kind, text, url. A document one of whose
            passages is judged is left out. A passage that only a variant's own index
            has goes by the id of its document's first one, and is judged as that.
            ``attrs`` has variants.

        Raises
        ------
        InvalidArgumentError
            An argument cannot be used.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     nb.pool("add a prefix to lines", ["dense", "text"])["title"].iloc[0]
        'textwrap.indent'
        """
        self._open()
        asked = check_queries(queries)
        settings = check_variants(
            variants, self._offered(), check_limit(depth, "depth")
        )
        chance = _chance(check_seed(seed))
        prepared = await self._prepare(settings)
        known = {
            (each.query_id, document_key(each.chunk_id))
            for each in await in_thread(self._judgments.current)
        }
        rows: list[dict[str, Any]] = []
        for key, query in asked.items():
            found: dict[str, dict[str, Any]] = {}
            for each in prepared.settings.values():
                hits = await self._ask(query, {**each, "limit": depth})
                for row in rows_of(hits):
                    document = document_key(row["chunk_id"])
                    if (key, document) not in known:
                        found.setdefault(document, row)
            if prepared.indexing:
                await self._name_as_here(found, query)
            rows += [
                {**found[document], "query": query, "query_id": key}
                for document in shuffled(list(found), chance)
            ]
        told = {
            name: plain_settings(each, prepared.catalogs[name])
            for name, each in settings.items()
        }
        for each in told.values():
            del each["limit"]  # the depth stood in its place
        return make_frame("pool", rows, {"variants": told})

    async def _name_as_here(self, found: dict[str, dict[str, Any]], query: str) -> None:
        """Give passages of a variant's index an id that this session's index has."""
        passages = await self._passages(
            [row["chunk_id"] for row in found.values()], query
        )
        for document, row in found.items():
            if row["chunk_id"] not in passages:
                found[document] = {**row, "chunk_id": document + _LEAD}

    async def known_items(
        self, n: int = 50, library: str | None = None, *, seed: int = 0
    ) -> pd.DataFrame:
        """Make questions of the corpus itself, where nobody has judged yet.

        Each is made of one of the first sentences of a passage, without its names; the
        passage is the answer. That favours word search, and another passage may answer
        as well: a first rough test, not a verdict.

        Parameters
        ----------
        n : int, default 50
            How many, at most.
        library : str, optional
            Only of this one.
        seed : int, default 0
            The same seed and index give the same questions.

        Returns
        -------
        pandas.DataFrame
            query, query_id, chunk_id, grade (3), title, library, version, origin
            (``generated``). `experiment` and `import_judgments` take it as it is.

        Raises
        ------
        InvalidArgumentError
            `n` is no number from 1, or the library is not indexed.
        EmptyIndexError
            Nothing is indexed.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     nb.known_items(3, "textwrap")["origin"].unique().tolist()
        ['generated']
        """
        self._open()
        n = check_count("n", n)
        chance = _chance(check_seed(seed))
        where: dict[str, Any] = {} if library is None else {"library": library}
        await self._check_settings({"": {"where": where}})
        titles = await ask(
            self.index_store.facets, "title", parse_where(where), _ALL_TITLES
        )
        rows: dict[str, dict[str, Any]] = {}
        for title in shuffled(list(titles), chance):
            if len(rows) == n:
                break
            row = await self._known_item(title, where)
            if row is not None:
                rows.setdefault(row["query_id"], row)
        return make_frame("known_items", list(rows.values()))

    async def _known_item(
        self, title: str, where: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        # By words, since an embedding may cost money and the title is in the index.
        hits = await self.search(
            title[:500], limit=1, mode="text", where={**where, "title": title}
        )
        if hits.empty:
            return None
        hit = hits.iloc[0]
        if not str(hit["chunk_id"]).endswith(_LEAD):
            return None
        names = [str(hit["title"]), *hit["aliases"]]
        query = known_item_query(str(hit["text"]), names)
        if query is None:
            return None
        return {
            "query": query,
            "query_id": query_id(query),
            "chunk_id": str(hit["chunk_id"]),
            "grade": _KNOWN_ITEM_GRADE,
            "title": str(hit["title"]),
            "library": str(hit["library"]),
            "version": str(hit["version"]),
            "origin": "generated",
        }

    def _judgment(
        self,
        given: Given,
        passages: Mapping[str, _Passage],
        origin: str,
        judged_by: str | None,
    ) -> Judgment:
        now = passages.get(given.chunk_id)
        return Judgment(
            query_id=query_id(given.query),
            query=given.query,
            chunk_id=given.chunk_id,
            grade=given.grade,
            title=now.title if now else given.title,
            library=now.library if now else given.library,
            version=now.version if now else given.version,
            text_hash=now.text_hash if now else "",
            origin=origin,
            judged_by=_login() if judged_by is None else judged_by,
            judged_at=self.clock.wall().isoformat(),
        )

    async def _passages_of(
        self, found: Sequence[Judgment | Given]
    ) -> dict[str, _Passage]:
        """Return those passages that are indexed now; none where nothing is."""
        return await self._indexed_now(
            [each.chunk_id for each in found], found[0].query if found else ""
        )

    async def _indexed_now(
        self, chunk_ids: Iterable[str], query: str
    ) -> dict[str, _Passage]:
        try:
            return await self._passages(chunk_ids, query)
        except (EmptyIndexError, IndexMismatchError):
            return {}

    async def _passages(
        self, chunk_ids: Iterable[str], query: str
    ) -> dict[str, _Passage]:
        """Return those of some passages that are indexed now.

        By searches that are limited to them: every index offers these. The query is
        one that was asked before, so that its embedding is at hand.
        """
        found: dict[str, _Passage] = {}
        for batch in _batches(chunk_ids):
            found |= await self._indexed(batch, query)
            missing = [each for each in batch if each not in found]
            if missing:
                # A search folds near duplicates: those are asked for one by one.
                for each in await ask(self.index_store.vectors, missing):
                    found |= await self._indexed([each], query)
        return found

    async def _indexed(
        self, chunk_ids: Sequence[str], query: str
    ) -> dict[str, _Passage]:
        hits = await self.search(
            query,
            limit=len(chunk_ids),
            mode="dense",
            where={"chunk_id": list(chunk_ids)},
            exact=True,
        )
        return {
            row["chunk_id"]: _Passage(
                row["title"], row["library"], row["version"], text_hash(row["text"])
            )
            for row in rows_of(hits)
        }


def _batches(chunk_ids: Iterable[str]) -> list[list[str]]:
    """Return ids in batches none of which has two of one document.

    A search answers one passage of a document.
    """
    rounds: dict[str, list[str]] = {}
    for each in dict.fromkeys(chunk_ids):
        rounds.setdefault(document_key(each), []).append(each)
    batches: list[list[str]] = []
    for at in range(max(map(len, rounds.values()), default=0)):
        own = [ids[at] for ids in rounds.values() if at < len(ids)]
        batches += [own[start : start + _BATCH] for start in range(0, len(own), _BATCH)]
    return batches


def _record(judgment: Judgment, passages: Mapping[str, _Passage]) -> dict[str, Any]:
    now = passages.get(judgment.chunk_id)
    known = now is not None and bool(judgment.text_hash)
    return {
        **dataclasses.asdict(judgment),
        "changed": known and now is not None and now.text_hash != judgment.text_hash,
        "indexed": now is not None,
    }


def _by_pair(given: Iterable[Given]) -> dict[tuple[str, str], Given]:
    """Return judgments by query id and passage; of two of one pair the last counts."""
    return {(query_id(each.query), each.chunk_id): each for each in given}


def _chance(seed: int) -> Random:
    chance = new_random()
    chance.seed(seed)
    return chance


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may have no name for it
        return ""
