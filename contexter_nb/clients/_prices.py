"""What a million tokens cost, by model: where that was read, and when."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from contexter_nb.core import InvalidArgumentError

TOKENS_PER_PRICE = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """The list price of one model.

    Attributes
    ----------
    model : str
        The name as it goes in a request.
    usd_per_million_tokens : float
        US dollars for 1,000,000 tokens. Free tokens, the discount of batch files
        and the surcharge of regional hosts are not in it.
    source : str
        The page it was read on; ``caller`` where the caller set it.
    read_on : date or None
        When; None where the caller set it.
    free_tokens : int
        How many an account is given before it is charged; 0 where none is known.
    """

    model: str
    usd_per_million_tokens: float
    source: str
    read_on: date | None
    free_tokens: int = 0


def _listed(
    usd: float, free_millions: int, source: str, read_on: date, models: str
) -> list[Price]:
    free_tokens = free_millions * TOKENS_PER_PRICE
    return [Price(name, usd, source, read_on, free_tokens) for name in models.split()]


_VOYAGE = "https://docs.voyageai.com/docs/pricing"
_VOYAGE_OLDER = "https://docs.voyageai.com/pricing"
_RERANK_2 = "https://www.getmaxim.ai/bifrost/model-library/provider/voyage"
_READ_ON = date(2026, 11, 23)
_READ_LATER = date(2026, 11, 24)

_TABLE: Mapping[str, Price] = MappingProxyType(
    {
        price.model: price
        for usd, free_millions, source, read_on, models in (
            (0.12, 200, _VOYAGE, _READ_ON, "voyage-4-large voyage-code-4"),
            (0.12, 200, _VOYAGE, _READ_ON, "voyage-context-4 voyage-multimodal-3.5"),
            (0.06, 200, _VOYAGE, _READ_ON, "voyage-4 voyage-3.5"),
            (0.02, 200, _VOYAGE, _READ_ON, "voyage-4-lite voyage-3.5-lite"),
            (0.18, 200, _VOYAGE, _READ_ON, "voyage-3-large voyage-code-3"),
            (0.18, 200, _VOYAGE, _READ_ON, "voyage-context-3"),
            (0.12, 50, _VOYAGE, _READ_ON, "voyage-finance-2 voyage-law-2"),
            (0.12, 50, _VOYAGE, _READ_ON, "voyage-code-2"),
            (0.05, 200, _VOYAGE, _READ_ON, "rerank-3 rerank-2.5"),
            (0.02, 200, _VOYAGE, _READ_ON, "rerank-3-lite rerank-2.5-lite"),
            (0.06, 200, _VOYAGE_OLDER, _READ_LATER, "voyage-3"),
            (0.02, 200, _VOYAGE_OLDER, _READ_LATER, "voyage-3-lite"),
            (0.12, 50, _VOYAGE_OLDER, _READ_LATER, "voyage-multilingual-2"),
            # No page of the vendor's own was found for these two.
            (0.05, 0, _RERANK_2, _READ_LATER, "rerank-2"),
            (0.02, 0, _RERANK_2, _READ_LATER, "rerank-2-lite"),
        )
        for price in _listed(usd, free_millions, source, read_on, models)
    }
)


def prices(overrides: Mapping[str, float] | None = None) -> tuple[Price, ...]:
    """Every price known, sorted by model.

    Parameters
    ----------
    overrides : mapping of str to float, optional
        Your own prices, in USD per million tokens: a contract's, or those of a
        model that is not listed. They win over the table.

    Returns
    -------
    tuple of Price

    Raises
    ------
    InvalidArgumentError
        When an override is negative, infinite or not a number.

    Examples
    --------
    >>> [price.model for price in prices()][:2]
    ['rerank-2', 'rerank-2-lite']
    >>> prices({"my-model": 0.5})[0]
    Price(model='my-model', usd_per_million_tokens=0.5, source='caller', ...)

    Source
    ------
    Each price names its own, nearly all of
    https://docs.voyageai.com/docs/pricing, read 2026-11-23.
    """
    own = {model: _own(model, usd) for model, usd in (overrides or {}).items()}
    table = {**_TABLE, **own}
    return tuple(table[model] for model in sorted(table))


def price_per_million_usd(
    model: str, overrides: Mapping[str, float] | None = None
) -> float | None:
    """Say what a million tokens of a model cost, or that it is not known.

    Parameters
    ----------
    model : str
        The name as it goes in a request.
    overrides : mapping of str to float, optional
        Your own prices, in USD per million tokens; they win over the table.

    Returns
    -------
    float or None
        US dollars; None where no price is known, which is not the same as free.

    Raises
    ------
    InvalidArgumentError
        When the model's override is negative, infinite or not a number.

    Examples
    --------
    >>> price_per_million_usd("voyage-4")
    0.06
    >>> price_per_million_usd("voyage-99") is None
    True
    """
    if overrides is not None and model in overrides:
        return _own(model, overrides[model]).usd_per_million_tokens
    price = _TABLE.get(model)
    return None if price is None else price.usd_per_million_tokens


def usd_of(
    model: str, tokens: int, overrides: Mapping[str, float] | None = None
) -> float | None:
    """Price some tokens of a model, or say that its price is not known.

    Parameters
    ----------
    model : str
        The name as it goes in a request.
    tokens : int
        How many, 0 or more.
    overrides : mapping of str to float, optional
        Your own prices, in USD per million tokens; they win over the table.

    Returns
    -------
    float or None
        US dollars; None where no price is known, which is not the same as free.

    Raises
    ------
    InvalidArgumentError
        When the model's override is negative, infinite or not a number.

    Examples
    --------
    >>> usd_of("voyage-4", 500_000)
    0.03
    >>> usd_of("my-model", 500_000, {"my-model": 0.5})
    0.25
    """
    price = price_per_million_usd(model, overrides)
    return None if price is None else tokens * price / TOKENS_PER_PRICE


def _own(model: str, usd: float) -> Price:
    """Return a caller's price, checked."""
    if not math.isfinite(usd) or usd < 0:
        raise InvalidArgumentError(
            f"The price of {model!r} must be 0 or more USD per million tokens, "
            f"not {usd!r}."
        )
    return Price(model, float(usd), "caller", None)
