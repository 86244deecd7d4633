"""What Voyage's models are: their dimensions and limits, where and when read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType
from typing import Literal

from contexter_nb.clients._prices import price_per_million_usd
from contexter_nb.core import InvalidArgumentError

ModelKind = Literal["embedding", "contextualized", "multimodal", "rerank"]
Dtype = Literal["float", "int8", "uint8", "binary", "ubinary"]

DTYPES: tuple[Dtype, ...] = ("float", "int8", "uint8", "binary", "ubinary")
MAX_TEXTS = 1_000
MAX_CHUNKS = 16_000
RERANK_TOKENS = 600_000
# The documentation advises it for a short wait, and it is a tenth of a minute's limit.
RERANK_BATCH_TOKENS = 200_000
REQUESTS_PER_MINUTE = 2_000

_SOURCE = "https://www.mongodb.com/docs/voyageai/models/text-embeddings"
_CONTEXT_SOURCE = (
    "https://www.mongodb.com/docs/voyageai/models/contextualized-chunk-embeddings/"
)
_RERANK_SOURCE = "https://docs.voyageai.com/docs/reranker"
_MULTIMODAL_SOURCE = "https://docs.voyageai.com"
# Of a contextualized request: one page allows 120,000 tokens, another 32,000 where the
# caller chunks; so much is right by both.
CONTEXT_BATCH_TOKENS = 32_000
_READ_ON = date(2026, 11, 23)
_FLEXIBLE = (1024, 256, 512, 2048)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoyageModel:
    """One model and its limits.

    Attributes
    ----------
    name : str
        As it goes in a request.
    kind : str
        ``embedding``, ``contextualized``, ``multimodal`` or ``rerank``.
    dimensions : tuple of int
        Those that can be asked for, the default first; one alone is fixed; none for a
        reranker, and where they are not known.
    dtypes : tuple of str
        Of the numbers.
    context_tokens : int
        Of one text (of query and document together for a reranker).
    batch_tokens : int
        Of all texts of a request.
    batch_texts : int
        Texts of a request.
    query_tokens : int
        Of a reranker's query; 0 for the others.
    tokens_per_minute : int
        At tier 1.
    usd_per_million_tokens : float or None
        None where no price is known.
    source : str
        Where this was read; empty of a model that is not in the table.
    read_on : date or None
        When.
    """

    name: str
    kind: ModelKind = "embedding"
    dimensions: tuple[int, ...] = _FLEXIBLE
    dtypes: tuple[Dtype, ...] = DTYPES
    context_tokens: int = 32_000
    batch_tokens: int = 120_000
    batch_texts: int = MAX_TEXTS
    query_tokens: int = 0
    tokens_per_minute: int = 3_000_000
    usd_per_million_tokens: float | None = None
    source: str = _SOURCE
    read_on: date | None = _READ_ON

    @property
    def is_known(self) -> bool:
        """Whether it is in the table."""
        return self.read_on is not None

    @property
    def has_flexible_dimension(self) -> bool:
        """Whether a dimension can be asked for."""
        return len(self.dimensions) != 1


def _model(
    name: str, tokens_per_minute: int, batch_tokens: int = 120_000
) -> VoyageModel:
    return VoyageModel(
        name=name, tokens_per_minute=tokens_per_minute, batch_tokens=batch_tokens
    )


def _fixed(name: str, dimension: int, context_tokens: int) -> VoyageModel:
    return VoyageModel(
        name=name,
        dimensions=(dimension,),
        dtypes=("float",),
        context_tokens=context_tokens,
    )


def _context(name: str) -> VoyageModel:
    return VoyageModel(
        name=name,
        kind="contextualized",
        batch_tokens=CONTEXT_BATCH_TOKENS,
        source=_CONTEXT_SOURCE,
    )


def _multimodal(name: str) -> VoyageModel:
    return VoyageModel(
        name=name,
        kind="multimodal",
        batch_tokens=320_000,
        tokens_per_minute=2_000_000,
        source=_MULTIMODAL_SOURCE,
    )


def _reranker(
    name: str, tokens_per_minute: int, query_tokens: int, context_tokens: int
) -> VoyageModel:
    return VoyageModel(
        name=name,
        kind="rerank",
        dimensions=(),
        dtypes=(),
        context_tokens=context_tokens,
        batch_tokens=RERANK_TOKENS,
        query_tokens=query_tokens,
        tokens_per_minute=tokens_per_minute,
        source=_RERANK_SOURCE,
    )


_TABLE: Mapping[str, VoyageModel] = MappingProxyType(
    {
        each.name: each
        for each in (
            _model("voyage-4-large", 3_000_000),
            _model("voyage-4", 8_000_000, 320_000),
            _model("voyage-4-lite", 16_000_000, 1_000_000),
            _model("voyage-code-4", 3_000_000, 320_000),
            _model("voyage-3.5", 8_000_000, 320_000),
            _model("voyage-3.5-lite", 16_000_000, 1_000_000),
            _model("voyage-3-large", 3_000_000),
            _model("voyage-code-3", 3_000_000),
            _fixed("voyage-finance-2", 1024, 32_000),
            _fixed("voyage-law-2", 1024, 16_000),
            _fixed("voyage-code-2", 1536, 16_000),
            _context("voyage-context-4"),
            _context("voyage-context-3"),
            _multimodal("voyage-multimodal-3.5"),
            _reranker("rerank-3", 2_000_000, 8_000, 32_000),
            _reranker("rerank-3-lite", 4_000_000, 8_000, 32_000),
            _reranker("rerank-2.5", 2_000_000, 8_000, 32_000),
            _reranker("rerank-2.5-lite", 4_000_000, 8_000, 32_000),
            _reranker("rerank-2", 2_000_000, 4_000, 16_000),
            _reranker("rerank-2-lite", 4_000_000, 2_000, 8_000),
        )
    }
)

_VERBS: Mapping[ModelKind, str] = {
    "embedding": "generate_embeddings",
    "contextualized": "generate_contextualized_embeddings",
    "rerank": "rerank",
}


def voyage_models(
    prices: Mapping[str, float] | None = None,
) -> tuple[VoyageModel, ...]:
    """Return every model of the table, with its price.

    Parameters
    ----------
    prices : mapping of str to float, optional
        Your own, in US dollars per million tokens.

    Examples
    --------
    >>> [each.name for each in voyage_models()][:2]
    ['voyage-4-large', 'voyage-4']
    """
    return tuple(_priced(each, prices) for each in _TABLE.values())


def find_model(name: str, kind: ModelKind) -> VoyageModel:
    """Return a model by its name.

    A name that is not in the table is let through, since models appear faster than
    tables: it gets the smallest limits, and the service says whether it exists.

    Parameters
    ----------
    name : str
    kind : str
        What is to be done with it.

    Raises
    ------
    InvalidArgumentError
        The name is empty, or the model does something else.

    Examples
    --------
    >>> find_model("voyage-4", "embedding").batch_tokens
    320000
    >>> find_model("voyage-9", "embedding").batch_tokens
    120000
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidArgumentError(f"model is {name!r}; give a name, as 'voyage-4'.")
    found = _TABLE.get(name)
    if found is None:
        return _unknown(name, kind)
    if found.kind != kind:
        verb = _VERBS.get(found.kind)
        usual = next(each.name for each in _TABLE.values() if each.kind == kind)
        use = f"use it with {verb}(...), or give" if verb else "give"
        raise InvalidArgumentError(
            f"The model {name!r} is of kind {found.kind!r} and cannot do this; {use} "
            f"one as {usual!r}."
        )
    return found


def _unknown(name: str, kind: ModelKind) -> VoyageModel:
    if kind == "rerank":
        return _reranker_like(name)
    return VoyageModel(name=name, kind=kind, dimensions=(), source="", read_on=None)


def _reranker_like(name: str) -> VoyageModel:
    return VoyageModel(
        name=name,
        kind="rerank",
        dimensions=(),
        dtypes=(),
        batch_tokens=RERANK_TOKENS,
        query_tokens=2_000,
        tokens_per_minute=2_000_000,
        source="",
        read_on=None,
    )


def _priced(model: VoyageModel, prices: Mapping[str, float] | None) -> VoyageModel:
    usd = price_per_million_usd(model.name, prices)
    return replace(model, usd_per_million_tokens=usd)
