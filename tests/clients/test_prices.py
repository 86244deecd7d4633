"""Prices: each with its source and date, the caller's first, and no silent zero."""

from __future__ import annotations

import dataclasses
import math
from datetime import date

import pytest

from contexter_nb.clients import _prices
from contexter_nb.clients._prices import Price, price_per_million_usd, prices, usd_of
from contexter_nb.core import InvalidArgumentError


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("voyage-4-large", 0.12),
        ("voyage-4", 0.06),
        ("voyage-4-lite", 0.02),
        ("voyage-code-4", 0.12),
        ("voyage-context-4", 0.12),
        ("voyage-context-3", 0.18),
        ("voyage-multimodal-3.5", 0.12),
        ("voyage-3.5", 0.06),
        ("voyage-3.5-lite", 0.02),
        ("voyage-3-large", 0.18),
        ("voyage-code-3", 0.18),
        ("voyage-finance-2", 0.12),
        ("rerank-3", 0.05),
        ("rerank-3-lite", 0.02),
        ("rerank-2.5", 0.05),
        ("rerank-2.5-lite", 0.02),
    ],
)
def test_a_listed_model_has_its_list_price(model: str, usd: float) -> None:
    """A million tokens cost what the vendor's page says."""
    assert price_per_million_usd(model) == usd
    assert usd_of(model, 1_000_000) == usd


def test_every_price_names_its_page_and_the_day_it_was_read() -> None:
    """Nobody has to guess how old a figure is."""
    for price in prices():
        assert price.source.startswith("https://"), price
        assert price.read_on is not None and price.read_on >= date(2026, 11, 23)
        assert price.usd_per_million_tokens > 0


def test_prices_come_sorted_and_once_a_model() -> None:
    """A table that can be shown as it is."""
    models = [price.model for price in prices()]
    assert models == sorted(set(models))


def test_free_tokens_are_told_but_not_taken_off() -> None:
    """Newer models give 200 million, older domain models 50 million."""
    free = {price.model: price.free_tokens for price in prices()}
    assert free["voyage-4"] == 200_000_000
    assert free["voyage-law-2"] == 50_000_000
    assert usd_of("voyage-4", 10) == pytest.approx(6e-7)


def test_a_price_cannot_be_changed() -> None:
    """Neither a value nor the table behind it."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        prices()[0].model = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        _prices._TABLE["x"] = prices()[0]  # type: ignore[index]


def test_an_unknown_model_has_no_price_rather_than_none_to_pay() -> None:
    """What is not known is not free, however few the tokens."""
    assert price_per_million_usd("voyage-99") is None
    assert usd_of("voyage-99", 0) is None
    assert usd_of("", 5) is None


def test_a_callers_price_wins_over_the_table() -> None:
    """For a contract's price, and for a model that is not listed."""
    mine = {"voyage-4": 0.05, "my-model": 0.0}
    assert price_per_million_usd("voyage-4", mine) == 0.05
    assert usd_of("my-model", 1_000_000, mine) == 0.0
    assert price_per_million_usd("voyage-4-lite", mine) == 0.02
    assert Price("voyage-4", 0.05, "caller", None) in prices(mine)
    assert len(prices(mine)) == len(prices()) + 1
    assert price_per_million_usd("voyage-4") == 0.06


@pytest.mark.parametrize("usd", [-0.01, math.inf, math.nan])
def test_a_price_that_cannot_be_is_refused(usd: float) -> None:
    """Told by name, before anything is booked with it."""
    with pytest.raises(InvalidArgumentError, match="my-model"):
        usd_of("my-model", 1, {"my-model": usd})
    with pytest.raises(InvalidArgumentError, match="my-model"):
        prices({"my-model": usd})


def test_every_list_price_is_a_whole_number_of_nano_dollars_a_token() -> None:
    """So that a ledger of whole nano-dollars adds up without rounding."""
    for price in prices():
        usd = usd_of(price.model, 1)
        assert usd is not None
        assert round(usd * 1e9, 6) == round(usd * 1e9)
