"""The verbs that try search settings against each other, and show what that proves."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contexter_nb.core import (
    APIIntegrationError,
    ContexterError,
    EmbedderError,
    HomeError,
    InvalidArgumentError,
    new_id,
)
from contexter_nb.frames import make_frame
from contexter_nb.notebook._arguments import (
    check_ef,
    check_limit,
    check_query,
)
from contexter_nb.notebook._experiment_arguments import (
    Given,
    Settings,
    check_judgments,
    check_queries,
    check_seed,
    check_test,
    check_variants,
    id_of,
    judged_by_query,
)
from contexter_nb.notebook._experiment_estimates import (
    LIMIT,
    MODES_IN_TURN,
    EstimateVerbs,
    check_affordable,
    is_free,
)
from contexter_nb.notebook._experiment_records import (
    added,
    damaged_record,
    experiment_of,
    is_unfinished,
    kept_outcomes,
    listed_record,
    note_runs,
    origin_of,
    own_version,
    plain_settings,
    recall_record,
    rows_of,
    side_records,
    summary_frame,
    this_process,
)
from contexter_nb.notebook._experiment_remarks import (
    changed_remark,
    lacking_remarks,
    unjudged_remark,
)
from contexter_nb.notebook._progress import SearchBar
from contexter_nb.notebook._tables import is_frame
from contexter_nb.notebook._variant_verbs import Prepared
from contexter_nb.retrieval import (
    DEFAULT_METRICS,
    Budget,
    EmbeddedIndex,
    Experiment,
    ExperimentStore,
    Found,
    Outcome,
    cutoff_of,
    in_thread,
    parse_metrics,
    query_id,
)

if TYPE_CHECKING:
    import pandas as pd

    from contexter_nb.retrieval import Where

EXPERIMENTS = "experiments"
SAVE_SECONDS = 2.0
# How many of the latest experiments are looked at for one to go on with.
_LOOKED_AT = 20


class _BudgetSpentError(ContexterError):
    """An experiment stopped where its money ended; with more it goes on."""


class ExperimentVerbs(EstimateVerbs):
    """The part of a session's verbs that compares search settings."""

    @functools.cached_property
    def _experiments(self) -> ExperimentStore:
        return ExperimentStore(self.home / EXPERIMENTS)

    async def experiment(
        self,
        queries: Any,
        variants: Any = MODES_IN_TURN,
        judgments: Any = None,
        metrics: Sequence[str] | None = None,
        *,
        test: str = "permutation",
        seed: int = 0,
        budget_usd: float | None = None,
        resume: bool = True,
    ) -> pd.DataFrame:
        """Try search settings against each other on many questions.

        Every question is asked of every variant, in turns, and what they found is
        measured by the judgments. Without any, it shows how alike their hits are, and
        `per_query` the questions at which they differ most. From the first search on
        all is kept, also when it is interrupted: `experiments` lists it,
        `experiment_run` shows it again, and the same call goes on with it. Interrupted
        before, while indexes are made, it is in no list; no embedding is paid again.

        Parameters
        ----------
        queries : str, several, or a DataFrame with a column ``query``
            Where the frame has chunk_id and grade, too (as of `known_items`), it is
            taken for the judgments as well, unless these are given.
        variants : mapping or several, default all modes
            Name to settings; the first is the baseline. Settings are arguments of
            `search` (``mode limit where exact ef rerank weights``; ``k`` for limit,
            ``filters`` for where), or of an index: ``chunk_tokens`` (how long passages
            are at most; ``chunking``, too), ``embedder`` as of `connect`, ``model``,
            ``dimension`` and ``dtype`` (``float``, ``int8``, ``binary``: what rounding
            the vectors costs in quality). Such a variant gets an index of its own, of
            the very documents that are indexed here; it is kept in the home's folder
            ``variants`` for the next time. Passages of another length that are asked
            with ``mode="text"`` alone are embedded by the free model. ``session`` is
            another session. Modes alone, ``["hybrid", "text"]``, will do.
        judgments : DataFrame or several, optional
            query, chunk_id, grade; by default what `judge` has kept. A document counts
            by the best grade of its passages, whichever of them a variant shows.
        metrics : several of str, optional
            Names of ir-measures; nDCG@10, R@5, R@10, RR and AP by default. Grades from
            1 on are relevant. A metric without a cutoff looks at the hits there are:
            10, or as many as `limit` says.
        test : str, default "permutation"
            How differences are tested: ``permutation`` flips the sign of each query's
            difference, ``t`` is Student's paired test.
        seed : int, default 0
            Of permutations and intervals.
        budget_usd : float, optional
            What may be spent: more is refused before anything is paid (by
            `estimate_experiment`), and it stops where it costs more than that said.
        resume : bool, default True
            Whether the same experiment, interrupted before, goes on where it was; the
            searches it has are not made again.

        Returns
        -------
        pandas.DataFrame
            A row per variant and metric: value (mean) with its 95 % interval, delta to
            the first variant with its interval, p_value, p_adjusted (Holm, over all
            comparisons of the frame), verdict (``baseline``, ``better``, ``worse``,
            ``no evidence`` at 5 %), wins, ties, losses, queries, judged (share of the
            first 10 hits with a judgment), p50_ms, p95_ms, tokens, usd (spent on this
            run: a query is embedded once for all variants), usd_per_1000 (what 1,000
            such questions cost where nothing is kept; missing where that is not known).
            ``.contexter.per_query()`` has a row per query, ``.contexter.wide()`` a row
            per variant, ``.contexter.plot()`` pictures. ``attrs`` has experiment_id,
            indexing (what the indexes of variants took), and what was left out.

        Raises
        ------
        InvalidArgumentError
            A query, setting, judgment or metric cannot be used, or the budget does not
            cover it; nothing was asked yet.
        ContexterError
            ir-measures is not installed, the budget is spent, or no variant could
            answer.
        EmptyIndexError
            Nothing is indexed.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     items = nb.known_items(5, "textwrap")
        ...     found = nb.experiment(items, ["text", "dense"], metrics=["RR"])
        >>> found["verdict"].tolist()[0]
        'baseline'
        """
        self._open()
        asked = check_queries(queries)
        given = await self._given(queries, judgments)
        names = self._metrics(metrics, given)
        cutoffs = [cut for cut in map(cutoff_of, names) if cut is not None]
        deepest = max([LIMIT, *cutoffs])
        settings = check_variants(variants, self._offered(), deepest)
        _check_depths(settings, max(cutoffs, default=1))
        budget = Budget(budget_usd)
        experiment = Experiment(
            queries=asked,
            variants=tuple(settings),
            metrics=tuple(names),
            judged={
                key: each
                for key, each in judged_by_query(given).items()
                if key in asked
            },
            test=check_test(test),
            seed=check_seed(seed),
            runs={name: {} for name in settings},
        )
        self._remark(unjudged_remark(experiment, names if metrics else None))
        own = await self._check_variants(settings)
        others = [each.get("session", self) for each in settings.values()]
        if (own or budget_usd is not None) and not is_free(
            [*own.values(), *others], settings
        ):
            rows = await self._cost_records(asked, settings, own)
            usd = check_affordable(rows, budget_usd)
            self._tell_costs(usd, sum(row["tokens"] for row in rows))
        prepared = await self._prepare(
            settings, own, None if budget_usd is None else budget
        )
        experiment_id = f"{self.clock.wall():%Y%m%d-%H%M%S}-{new_id()[:6]}"
        record = self._record_of(experiment, settings, given, prepared)
        catalogs = prepared.catalogs.items()
        self._remark(*lacking_remarks({name: own.libraries for name, own in catalogs}))
        self._remark(changed_remark(await self._changed(given, settings, asked)))
        record["usd_per_1000"] = await self._usd_per_1000(asked, prepared.settings)
        if resume:
            experiment_id = await self._go_on(experiment_id, experiment, record)
        await self._run(experiment_id, experiment, prepared.settings, record, budget)
        return await in_thread(summary_frame, experiment_id, experiment, record)

    def _remark(self, *remarks: str | None) -> None:
        for each in remarks:
            if each is not None:
                self.notify(each)

    async def _go_on(
        self, experiment_id: str, experiment: Experiment, record: dict[str, Any]
    ) -> str:
        """Take over what the same experiment found before it was interrupted."""
        for each in (await in_thread(self._experiments.ids))[:_LOOKED_AT]:
            try:
                before = await in_thread(self._experiments.load, each)
            except (HomeError, InvalidArgumentError):  # damaged, or just deleted
                continue
            if not is_unfinished(before, record):
                continue
            kept = kept_outcomes(before)
            searches = sum(map(len, kept.values()))
            if not searches:
                continue
            experiment.runs.update(kept)
            record["started_at"] = before["started_at"]
            record["indexing"] = added(before.get("indexing", {}), record["indexing"])
            total = len(experiment.variants) * len(experiment.queries)
            self.notify(
                f"Goes on with {each}: {searches:,} of {total:,} searches are there "
                "(resume=False begins anew)."
            )
            return each
        return experiment_id

    async def experiments(self) -> pd.DataFrame:
        """List the experiments that were made on this home.

        Returns
        -------
        pandas.DataFrame
            The latest first: experiment_id, started_at (UTC), state (``running``,
            ``done``, ``interrupted``, ``failed``, ``damaged``), variants (tuple),
            queries, searches, judgments, origin, embedder, tokens, usd.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     "experiment_id" in nb.experiments()
        True
        """
        self._open()
        rows = []
        for each in await in_thread(self._experiments.ids):
            try:
                record = await in_thread(self._experiments.load, each)
            except HomeError:
                rows.append(damaged_record(each))
            else:
                rows.append(listed_record(each, record))
        rows.sort(key=lambda row: row["started_at"] or "", reverse=True)
        return make_frame("experiments", rows)

    async def experiment_run(self, experiment_id: str | pd.DataFrame) -> pd.DataFrame:
        """Show an experiment again, also one that was interrupted.

        Parameters
        ----------
        experiment_id : str or DataFrame
            From `experiments`, or a summary itself.

        Returns
        -------
        pandas.DataFrame
            As of `experiment`, over the queries that every variant has answered.
            ``attrs`` also has queries, variants and catalog: all to run it again.

        Raises
        ------
        InvalidArgumentError
            There is no such experiment.
        HomeError
            Its file is damaged.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     made = nb.experiment("shorten a text", ["text", "dense"])
        ...     again = nb.experiment_run(made.attrs["experiment_id"])
        >>> again["value"].equals(made["value"])
        True
        """
        self._open()
        wanted = id_of(experiment_id)
        record = await in_thread(self._experiments.load, wanted)
        experiment = experiment_of(record)
        return await in_thread(summary_frame, wanted, experiment, record)

    async def compare(
        self, query: str, variants: Any = MODES_IN_TURN, *, limit: int = LIMIT
    ) -> pd.DataFrame:
        """Show side by side what search settings find, and how hits move.

        Parameters
        ----------
        query : str
            One question.
        variants : mapping or several, default all modes
            As of `experiment`; the first is the baseline.
        limit : int, default 10
            Hits of each.

        Returns
        -------
        pandas.DataFrame
            For each variant its hits, then those of the baseline that it lost: variant,
            rank, baseline_rank, moved (ranks up; all Int64), title, library, kind,
            score, chunk_id, overlap (share of hits in common with the baseline), rbo
            (rank-biased overlap). Documents are compared, whichever of their passages
            is shown.

        Raises
        ------
        InvalidArgumentError
            An argument cannot be used.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     side = nb.compare("shorten a text", ["text", "dense"], limit=3)
        >>> side["variant"].unique().tolist()
        ['text', 'dense']
        """
        self._open()
        query = check_query(query)
        settings = check_variants(variants, self._offered(), check_limit(limit))
        prepared = await self._prepare(settings)
        answers = {
            name: rows_of(await self._ask(query, each))
            for name, each in prepared.settings.items()
        }
        baseline = next(iter(answers.values()))
        rows = [
            row
            for name, hits in answers.items()
            for row in side_records(name, hits, baseline, limit)
        ]
        return make_frame("compare", rows, {"query": query})

    async def recall_check(
        self,
        queries: Any,
        k: int | Sequence[int] = (1, 10, 50),
        ef: int | Sequence[int] | None = None,
        *,
        where: Where | None = None,
    ) -> pd.DataFrame:
        """Compare the approximate search by meaning with an exact one.

        Parameters
        ----------
        queries : str, several, or a DataFrame with a column ``query``
        k : int or several, default (1, 10, 50)
            How many hits are compared.
        ef : int or several, optional
            Breadth of the approximate search, where the engine lets it be set; by
            default its own.
        where : mapping, optional
            As in `search`.

        Returns
        -------
        pandas.DataFrame
            A row per k (and ef): k, ef (Int64), queries, recall (mean share of the
            exact hits that were found), worst, complete (queries that lost none),
            p50_ms, exact_p50_ms, chunks, detail. Before `optimize` has built the
            approximate index, every search is exact and recall is 1.

        Raises
        ------
        InvalidArgumentError
            An argument cannot be used, or this index lets no ef be set.
        EmptyIndexError
            Nothing is indexed.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     nb.recall_check(["shorten a text"], k=3)["recall"].tolist()
        [1.0]
        """
        self._open()
        asked = check_queries(queries)
        depths = [check_limit(each, "k") for each in _several("k", k)]
        breadths: list[int | None] = [None]
        if ef is not None:
            breadths = [check_ef(each) for each in _several("ef", ef)]
        settings: dict[str, Any] = {"mode": "dense", "where": where}
        catalogs = await self._check_settings({"": {**settings, "ef": breadths[0]}})
        await self._warm_up([settings])
        embedded = isinstance(self.index_store, EmbeddedIndex)
        rows = []
        for depth in depths:
            exact = await self._timed(
                asked, {**settings, "limit": depth, "exact": True}
            )
            for breadth in breadths:
                own = {**settings, "limit": depth}
                if breadth is not None:
                    own["ef"] = breadth
                near = await self._timed(asked, own)
                rows.append(
                    recall_record(depth, breadth, near, exact, catalogs[""], embedded)
                )
        return make_frame("recall_check", rows)

    async def _timed(
        self, asked: Mapping[str, str], settings: Mapping[str, Any]
    ) -> list[Outcome]:
        return [await self._outcome(query, settings) for query in asked.values()]

    async def _given(self, queries: Any, judgments: Any) -> list[Given]:
        """Return the judgments that are meant."""
        if judgments is not None:
            return check_judgments(judgments)
        if is_frame(queries) and {"chunk_id", "grade"} <= set(queries.columns):
            return check_judgments(queries)
        kept = await in_thread(self._judgments.current)
        return [
            Given(
                query=each.query,
                chunk_id=each.chunk_id,
                grade=each.grade or 0,
                title=each.title,
                library=each.library,
                version=each.version,
                origin=each.origin,
                text_hash=each.text_hash,
            )
            for each in kept
        ]

    async def _changed(
        self, given: Sequence[Given], settings: Settings, asked: Mapping[str, str]
    ) -> int:
        """Return how many judgments are of passages that say something else now."""
        price = getattr(self.embedder, "usd_per_million_tokens", None)
        embeds = any(each.get("mode") != "text" for each in settings.values())
        if price != 0 and not embeds:  # a look would embed a question
            return 0
        known = [
            each for each in given if each.text_hash and query_id(each.query) in asked
        ]
        there = await self._passages_of(known)
        return sum(
            each.chunk_id in there and there[each.chunk_id].text_hash != each.text_hash
            for each in known
        )

    @staticmethod
    def _metrics(metrics: Sequence[str] | None, given: Sequence[Given]) -> list[str]:
        if metrics is None:
            # Where nothing is judged nothing is measured, and nothing need be there.
            return parse_metrics(DEFAULT_METRICS) if given else []
        return parse_metrics([metrics] if isinstance(metrics, str) else metrics)

    async def _run(
        self,
        experiment_id: str,
        experiment: Experiment,
        settings: Settings,
        record: dict[str, Any],
        budget: Budget,
    ) -> None:
        """Ask everything, in turns; keep what was done whatever happens."""
        await self._warm_up(list(settings.values()))
        names = list(settings)
        saved = self.clock.now()
        note_runs(record, experiment)  # what was found before it was interrupted
        await in_thread(self._experiments.save, experiment_id, record)
        bar = SearchBar(len(names) * len(experiment.queries), self.clock)
        try:
            for at, (key, query) in enumerate(experiment.queries.items()):
                # By turns, so that no variant always finds warm what another asked.
                for name in names[at % len(names) :] + names[: at % len(names)]:
                    if key not in experiment.runs[name]:
                        outcome = await self._outcome(query, settings[name])
                        experiment.runs[name][key] = outcome
                        done = len(experiment.queries) * len(names) == sum(
                            map(len, experiment.runs.values())
                        )
                        book(budget, outcome.usd, done=done)
                    bar.step()
                if at == 0:
                    _refuse_if_none_answered(experiment, key)
                if self.clock.now() - saved > SAVE_SECONDS:
                    saved = self.clock.now()
                    note_runs(record, experiment)
                    await in_thread(self._experiments.save, experiment_id, record)
            record["state"] = "done"
        except Exception as exc:
            spent = isinstance(exc, _BudgetSpentError)
            record["state"] = "interrupted" if spent else "failed"
            raise
        except BaseException:
            record["state"] = "interrupted"
            raise
        finally:
            bar.close()
            note_runs(record, experiment)
            record["ended_at"] = self.clock.wall().isoformat()
            self._experiments.save(experiment_id, record)

    async def _warm_up(self, settings: Sequence[Mapping[str, Any]]) -> None:
        """Open the indexes and load the free model, so that no variant pays for it."""
        done: set[int] = set()
        for each in settings:
            verbs = each.get("session") or self
            if id(verbs) not in done:
                done.add(id(verbs))
                price = getattr(verbs.embedder, "usd_per_million_tokens", None)
                free = price == 0
                await verbs.search("warm up", 1, "hybrid" if free else "text")

    async def _outcome(self, query: str, settings: Mapping[str, Any]) -> Outcome:
        started = self.clock.now()
        try:
            hits = await self._ask(query, settings)
        except (APIIntegrationError, EmbedderError) as exc:
            return Outcome(
                latency_ms=(self.clock.now() - started) * 1000,
                error=f"{type(exc).__name__}: {exc}",
            )
        latency_ms = (self.clock.now() - started) * 1000
        return Outcome(
            hits=tuple(
                Found(chunk_id, library, (title, *aliases))
                for chunk_id, library, title, aliases in zip(
                    hits["chunk_id"],
                    hits["library"],
                    hits["title"],
                    hits["aliases"],
                    strict=True,
                )
            ),
            latency_ms=round(latency_ms, 3),
            tokens=int(hits.attrs.get("tokens", 0)),
            usd=float(hits.attrs.get("usd", 0.0)),
        )

    def _record_of(
        self,
        experiment: Experiment,
        settings: Settings,
        given: Sequence[Given],
        prepared: Prepared,
    ) -> dict[str, Any]:
        """Return all that is needed to look at the experiment, or run it, again."""
        used = [each for each in given if query_id(each.query) in experiment.judged]
        catalogs = prepared.catalogs
        return {
            "state": "running",
            "runs_in": this_process(),
            "started_at": self.clock.wall().isoformat(),
            "ended_at": None,
            "contexter_nb": own_version(),
            "queries": dict(experiment.queries),
            "variants": {
                name: plain_settings(each, catalogs[name])
                for name, each in settings.items()
            },
            "metrics": list(experiment.metrics),
            "test": experiment.test,
            "seed": experiment.seed,
            "origin": origin_of(used),
            "judged": {
                key: [list(each) for each in judged]
                for key, judged in experiment.judged.items()
            },
            "catalog": {
                name: {
                    "embedder": each.embedder,
                    "dimension": each.dimension,
                    "chunking": each.chunking,
                    "optimized_chunks": each.optimized_chunks,
                    "states": prepared.states[name],
                    "chunk_tokens": prepared.settings[name]
                    .get("session", self)
                    .chunk_tokens,
                    "libraries": {
                        key: [one.version, one.chunks]
                        for key, one in each.libraries.items()
                    },
                }
                for name, each in catalogs.items()
            },
            "indexing": prepared.indexing,
            "runs": {},
        }


def book(budget: Budget, usd: float, *, done: bool) -> None:
    """Take what a search cost from the budget.

    Raises
    ------
    ContexterError
        All of it is spent, and it is not done.
    """
    budget.reserve(0.0)
    budget.settle(0.0, actual_usd=usd)
    if usd and not done and not budget.left_usd:
        raise _BudgetSpentError(
            f"The budget of {budget.usd} USD is spent, and the experiment is not done; "
            "the same call with a larger budget_usd goes on with it."
        )


def _check_depths(settings: Settings, cutoff: int) -> None:
    for name, each in settings.items():
        if each["limit"] < cutoff:
            raise InvalidArgumentError(
                f"The variant {name!r} has a limit of {each['limit']}, and a metric "
                f"looks at {cutoff} hits; raise the limit, or name other metrics."
            )


def _refuse_if_none_answered(experiment: Experiment, key: str) -> None:
    """Raise where the first query failed everywhere: so would all the others."""
    errors = [run[key].error for run in experiment.runs.values()]
    if all(errors):
        raise ContexterError(
            f"No variant could answer the first query; the first said: {errors[0]}"
        )


def _several(name: str, value: Any) -> list[Any]:
    if isinstance(value, (str, Mapping)):
        raise InvalidArgumentError(f"{name} is {value!r}; give numbers.")
    several = list(value) if isinstance(value, (Sequence, range)) else [value]
    if not several:
        raise InvalidArgumentError(f"{name} is empty; give at least one number.")
    return several
