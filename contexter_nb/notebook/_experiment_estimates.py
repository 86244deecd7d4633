"""What an experiment would take, told before any of it is paid for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from contexter_nb.clients import DEFAULT_RERANKER
from contexter_nb.core import InvalidArgumentError
from contexter_nb.frames import make_frame
from contexter_nb.notebook._experiment_arguments import (
    Settings,
    check_queries,
    check_variants,
)
from contexter_nb.notebook._judgment_verbs import JudgmentVerbs
from contexter_nb.notebook._money_verbs import (
    check_reranker,
    reranked_from,
    reranked_text,
)
from contexter_nb.notebook._variant_verbs import VariantVerbs, index_costs
from contexter_nb.retrieval import Catalog, ask, estimate_texts, estimate_tokens

if TYPE_CHECKING:
    import pandas as pd

LIMIT = 10
MODES_IN_TURN = ("hybrid", "dense", "text")

# So many tell how long passages are, in some milliseconds each.
_SAMPLED_QUERIES = 20
_INDEX, _QUESTIONS, _RERANKING = "index", "questions", "reranking"


class EstimateVerbs(JudgmentVerbs):
    """The part of a session's verbs that says what an experiment would take."""

    async def estimate_experiment(
        self, queries: Any, variants: Any = MODES_IN_TURN
    ) -> pd.DataFrame:
        """Show what an experiment would take; nothing is embedded, nothing is asked.

        Parameters
        ----------
        queries, variants
            As of `experiment`.

        Returns
        -------
        pandas.DataFrame
            Up to three rows a variant: variant, part (``index``: of its own, where it
            has one; ``questions``: embedding them; ``reranking``), texts, tokens,
            requests, usd and seconds (float64, missing where nobody can tell),
            assumption. What two variants need is counted for the first of them.

        Raises
        ------
        InvalidArgumentError
            A query or a setting cannot be used.
        EmptyIndexError
            Nothing is indexed.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     report = nb.index("textwrap")
        ...     variants = {"as it is": {}, "short": {"chunk_tokens": 64}}
        ...     found = nb.estimate_experiment(["shorten a text"], variants)
        >>> found["part"].tolist()
        ['questions', 'index']
        """
        self._open()
        asked = check_queries(queries)
        settings = check_variants(variants, self._offered(), LIMIT)
        own = await self._check_variants(settings)
        rows = await self._cost_records(asked, settings, own)
        return make_frame("estimate_experiment", rows)

    async def _cost_records(
        self,
        asked: Mapping[str, str],
        settings: Settings,
        own: Mapping[str, VariantVerbs],
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        made: set[int] = set()
        embedding: set[str] = set()
        for name, each in settings.items():
            session: VariantVerbs = own.get(name) or each.get("session") or self
            if name in own and id(session) not in made:
                made.add(id(session))
                rows.append({"variant": name, **await self._index_record(session)})
            identity = session.embedder.identity
            if each.get("mode") != "text" and identity not in embedding:
                embedding.add(identity)
                found = await estimate_texts(
                    list(asked.values()), "query", session.embedder, session.cache
                )
                rows.append(
                    {
                        "variant": name,
                        "part": _QUESTIONS,
                        "texts": found.texts - found.cached,
                        "tokens": found.tokens,
                        "requests": found.requests,
                        "usd": found.usd,
                        "seconds": round(found.seconds, 3),
                        "assumption": found.assumption,
                    }
                )
            if check_reranker(each.get("rerank")) is not None:
                rows.append(
                    {
                        "variant": name,
                        **await self._reranking_record(asked, each, session),
                    }
                )
        return rows

    async def _usd_per_1000(
        self, asked: Mapping[str, str], settings: Settings
    ) -> dict[str, float | None]:
        """Return what 1,000 such questions cost each variant where nothing is kept.

        What an experiment has spent does not tell: what one variant has embedded is
        free for the next, and for the next run.
        """
        found: dict[str, float | None] = {}
        for name, each in settings.items():
            session: VariantVerbs = each.get("session", self)
            parts: list[float | None] = []
            if each.get("mode") != "text":
                tokens = sum(
                    await estimate_tokens(list(asked.values()), session.embedder)
                )
                price = getattr(session.embedder, "usd_per_million_tokens", None)
                parts.append(None if price is None else tokens * price / 1e6)
            if check_reranker(each.get("rerank")) is not None:
                record = await self._reranking_record(asked, each, session)
                parts.append(record["usd"])
            known = [part for part in parts if part is not None]
            found[name] = (
                sum(known) / len(asked) * 1000 if len(known) == len(parts) else None
            )
        return found

    async def _index_record(self, variant: VariantVerbs) -> dict[str, Any]:
        estimates = await self._estimate_index(variant)
        told = {each.estimate.assumption: None for each in estimates}
        costs = index_costs(estimates)
        return {
            "part": _INDEX,
            **costs,
            "seconds": round(costs["seconds"], 3),
            "assumption": " ".join(told),
        }

    async def _reranking_record(
        self,
        asked: Mapping[str, str],
        settings: Mapping[str, Any],
        session: VariantVerbs,
    ) -> dict[str, Any]:
        """Return what reranking takes, where nothing of it is kept."""
        base = session.variant_of or session
        catalog: Catalog | None = await ask(base.index_store.catalog)
        chunks = catalog.chunks if catalog else 0
        tokens = (
            sum(each.tokens for each in catalog.libraries.values()) if catalog else 0
        )
        client = session.remote.voyage
        wanted = check_reranker(settings.get("rerank"))
        model = wanted if isinstance(wanted, str) else DEFAULT_RERANKER
        passages = min(reranked_from(int(settings["limit"])), chunks)
        where = settings.get("where")
        mean = await self._hit_tokens(list(asked.values()), passages, where, base)
        if mean is None:
            mean = tokens / chunks if chunks else 0.0
        if session.chunk_tokens > base.chunk_tokens:
            # How much longer they are is not known before: as long as can be.
            mean *= session.chunk_tokens / base.chunk_tokens
        lengths = client.count_tokens(list(asked.values()))
        total = round(sum(passages * (mean + each) for each in lengths))
        price = client.price_per_million_usd(model)
        return {
            "part": _RERANKING,
            "texts": passages * len(asked),
            "tokens": total,
            "requests": len(asked),
            "usd": None if price is None else total * price / 1e6,
            "seconds": None,
            "assumption": f"{model} reads {passages} passages of {mean:.0f} tokens for "
            "each question; what it has read before is free.",
        }

    @staticmethod
    async def _hit_tokens(
        queries: Sequence[str], passages: int, where: Any, base: VariantVerbs
    ) -> float | None:
        """Return how long the passages are that some questions find by words.

        What is found is longer than most, and is counted by whoever charges for it.
        """
        lengths: list[int] = []
        for query in queries[:_SAMPLED_QUERIES] if passages else ():
            hits = await base.search(query, passages, "text", where)
            texts = map(reranked_text, hits["title"], hits["text"])
            lengths += base.remote.voyage.count_tokens(list(texts))
        return sum(lengths) / len(lengths) if lengths else None


def is_free(sessions: Sequence[VariantVerbs], settings: Settings) -> bool:
    """Whether an experiment costs nothing, whatever it takes.

    Parameters
    ----------
    sessions : sequence of VariantVerbs
        Who answers.
    settings : mapping
    """
    reranked = any(
        check_reranker(each.get("rerank")) is not None for each in settings.values()
    )
    prices = [
        getattr(each.embedder, "usd_per_million_tokens", None) for each in sessions
    ]
    return not reranked and all(price == 0 for price in prices)


def check_affordable(rows: list[dict[str, Any]], budget_usd: float | None) -> float:
    """Return what an experiment will cost, or refuse what the budget does not cover.

    Parameters
    ----------
    rows : list of dict
        Of ``estimate_experiment``.
    budget_usd : float or None

    Raises
    ------
    InvalidArgumentError
        It would cost more, or nobody can tell.
    """
    usd = sum(row["usd"] or 0.0 for row in rows)
    if budget_usd is None:
        return usd
    unknown = [row["variant"] for row in rows if row["usd"] is None]
    if unknown:
        raise InvalidArgumentError(
            f"What the variant {unknown[0]!r} costs is not known, so no budget can be "
            "kept; leave budget_usd out, or give its embedder a price."
        )
    if usd > budget_usd:
        raise InvalidArgumentError(
            f"This would cost about {usd:.6f} USD, and the budget is {budget_usd} USD; "
            "nb.estimate_experiment(...) says for what. Nothing was paid."
        )
    return usd
