"""A budget for indexing: never passed, all of it used, and nothing paid for twice."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import contexter_nb as cx
from contexter_nb.clients import usd_of
from contexter_nb.core import EmbedderError, SystemClock
from contexter_nb.retrieval import (
    Budget,
    EmbeddedIndex,
    EmbeddingCache,
    IndexingTools,
    index_sources,
)
from contexter_nb.sandbox import sandbox
from tests.loops import run_really
from tests.notebook.sentence import refusal
from tests.retrieval.embedder import CountingEmbedder, ListSource, note
from tests.retrieval.test_index import MATCHER
from tests.sandbox.billing import BilledVoyage


@dataclass
class Bench:
    """A service with its bill, and how to open a session on it."""

    service: BilledVoyage
    options: dict[str, str]

    def open(self, home: Path, **options: Any) -> Any:
        """Open a session."""
        return cx.connect(home=home, **{**self.options, **options})

    @property
    def usd(self) -> float:
        """What was billed so far, by the list price."""
        return usd_of("voyage-4", self.service.tokens) or 0.0


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a service that nobody owes anything yet."""
    service = BilledVoyage()
    with sandbox(service) as box:
        told = {name.lower(): value for name, value in box.environment().items()}
        yield Bench(service, told)


def rows(count: int, name: str = "rows") -> pd.DataFrame:
    """Return a table of many different texts."""
    table = pd.DataFrame(
        {"text": [f"row {at} of {name} says {at * 7919 % 1009}" for at in range(count)]}
    )
    table.attrs["name"] = name
    return table


def whole_usd(bench: Bench, home: Path, *tables: pd.DataFrame) -> float:
    """Return what indexing some tables costs, and forget it."""
    with bench.open(home / "measured") as nb:
        nb.index(list(tables))
    cost = bench.usd
    bench.service.tokens = 0
    bench.service.texts.clear()
    return cost


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_it_stops_before_the_budget_is_passed(
    bench: Bench, tmp_path: Path, share: float
) -> None:
    """What the service billed is within it, and most of the money was used."""
    cost = whole_usd(bench, tmp_path, rows(300))
    budget = share * cost
    with bench.open(tmp_path / "home") as nb:
        report = nb.index(rows(300), budget_usd=budget).iloc[0]
        assert 0.7 * budget < bench.usd <= budget
        assert report["usd"] == pytest.approx(bench.usd)
        assert report["new"] == report["embedded"] == len(bench.service.texts) < 300
        told = re.match(r"stopped at the budget of ([0-9.]+) USD: ", report["error"])
        assert told is not None, report["error"]
        # It is said to two digits.
        assert float(told[1]) == pytest.approx(budget, rel=0.05)
        assert nb.contents()["state"].tolist() == ["incomplete"]
        assert nb.contents()["chunks"].tolist() == [report["new"]]
        assert len(nb.search("row", mode="text"))
        # The same call with more money goes on, and pays for the rest alone.
        done = nb.index(rows(300), budget_usd=2 * cost).iloc[0]
        assert pd.isna(done["error"])
        assert done["new"] == 300 - report["new"] == done["embedded"]
        assert nb.contents()["state"].tolist() == ["current"]
        assert nb.index(rows(300), budget_usd=0)["unchanged"].tolist() == [300]
    assert max(bench.service.texts.values()) == 1
    assert bench.usd == pytest.approx(cost, rel=0.01)


def test_no_money_sends_nothing(bench: Bench, tmp_path: Path) -> None:
    """Not even one text; what was paid for before is free, and is stored."""
    with bench.open(tmp_path) as nb:
        report = nb.index(rows(5), budget_usd=0).iloc[0]
        assert report["error"].startswith("stopped at the budget of 0 USD: 0 USD spent")
        assert (report["new"], report["chunks"], report["usd"]) == (0, 0, 0.0)
        assert bench.service.tokens == 0
        assert nb.contents().empty
        nb.index(rows(5))
        nb.remove("rows")
        before = bench.service.tokens
        again = nb.index(rows(6), budget_usd=0).iloc[0]
        assert (again["new"], again["embedded"]) == (5, 0)
        assert "the next may cost" in again["error"]
        assert bench.service.tokens == before


def test_one_budget_is_for_all_libraries_of_a_call(
    bench: Bench, tmp_path: Path
) -> None:
    """The first takes what it needs; each of the others has a row that says why."""
    tables = [rows(60, name) for name in ("one", "two", "three")]
    cost = whole_usd(bench, tmp_path, *tables)
    with bench.open(tmp_path / "home") as nb:
        report = nb.index(tables, budget_usd=cost / 2).set_index("library")
        assert bench.usd <= cost / 2
        assert report["usd"].sum() == pytest.approx(bench.usd)
        assert report.loc["one", "new"] == 60
        assert pd.isna(report.loc["one", "error"])
        assert 0 < report.loc["two", "new"] < 60
        assert report.loc[["two", "three"], "error"].str.startswith("stopped").all()
        assert report.loc["three", "new"] < 5  # short ones, for what is left
        finished = nb.index(tables, budget_usd=cost).set_index("library")
        assert finished["error"].isna().all()
        assert nb.contents()["chunks"].tolist() == [60, 60, 60]
    assert max(bench.service.texts.values()) == 1


def test_the_keyless_model_needs_no_money(tmp_path: Path) -> None:
    """A budget of nothing indexes everything."""
    with cx.connect(home=tmp_path) as nb:
        report = nb.index(rows(30), budget_usd=0).iloc[0]
        assert (report["new"], report["usd"]) == (30, 0.0)
        assert pd.isna(report["error"])


@pytest.mark.parametrize("budget", [-1, math.nan, math.inf])
def test_a_budget_that_is_none_is_refused(tmp_path: Path, budget: float) -> None:
    """Before anything is read."""
    with cx.connect(home=tmp_path) as nb:
        told = refusal(lambda: nb.index("no-such-library", budget_usd=budget))
        assert told.startswith("The budget is ")


def test_an_embedder_without_a_price_is_refused_before_anything_is_read(
    tmp_path: Path,
) -> None:
    """It says what would do; without a budget the embedder works."""
    embedder = CountingEmbedder()
    with cx.connect(home=tmp_path, embedder=embedder) as nb:
        told = refusal(lambda: nb.index("no-such-library", budget_usd=1))
        assert "'counting' has no known price" in told
        assert "usd_at_most" in told
        assert not embedder.texts
        assert nb.index(rows(3))["new"].tolist() == [3]


class Priced(CountingEmbedder):
    """Costs half a dollar a text, and says so."""

    def usd_at_most(self, texts: Sequence[str]) -> list[float]:
        return [0.5] * len(texts)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Give what a job needs beside its embedder."""
    cache = EmbeddingCache(tmp_path / "embeddings.sqlite")
    yield {
        "cache": cache,
        "clock": SystemClock(),
        "notify": print,
        "progress": lambda _: None,
    }
    cache.close()


def tools_of(tmp_path: Path, embedder: Priced, **told: Any) -> IndexingTools:
    """Return what a job works with."""
    index = EmbeddedIndex(tmp_path / "index", embedder, MATCHER)
    return IndexingTools(index=index, embedder=embedder, **told)


SOURCE = ListSource([note(f"note {at}", f"Word {at}.") for at in range(10)])


@pytest.mark.parametrize("way", ["cancelled", "failed"])
def test_what_was_under_way_at_the_end_counts_as_spent(
    tmp_path: Path, home: dict[str, Any], way: str
) -> None:
    """Nothing stays set aside, so that the next job on the budget is not held up."""
    embedder = Priced(blocks_at_call=0 if way == "cancelled" else None)
    if way == "failed":
        embedder.refused = ("Word",)
    budget = Budget(20.0)
    tools = tools_of(tmp_path, embedder, budget=budget, **home)

    async def main() -> None:
        async def job() -> None:
            async for _ in index_sources([SOURCE], tools):
                pass

        task = asyncio.create_task(job())
        if way == "cancelled":
            await embedder.blocked.wait()
            assert budget.left_usd == 15.0
            task.cancel()
        with suppress(asyncio.CancelledError, EmbedderError):
            await task
        assert budget.left_usd == 20.0 - budget.spent_usd
        assert budget.spent_usd == (5.0 if way == "cancelled" else 0.0)
        embedder.blocks_at_call, embedder.refused = None, ()
        reports = [each async for each in index_sources([SOURCE], tools)]
        assert [each.new for each in reports] == [10]
        assert budget.spent_usd == (10.0 if way == "cancelled" else 5.0)

    run_really(main())
    tools.index.close()


def test_a_text_that_is_refused_costs_its_row_and_no_money(
    tmp_path: Path, home: dict[str, Any]
) -> None:
    """The others are stored, and the budget pays for those alone."""
    embedder = Priced(refused=["Word 3."])
    budget = Budget(5.0)
    tools = tools_of(tmp_path, embedder, budget=budget, **home)

    async def main() -> None:
        (report,) = [each async for each in index_sources([SOURCE], tools)]
        assert (report.new, report.failed, report.stopped) == (9, 1, None)
        assert budget.spent_usd == report.usd == 4.5

    run_really(main())
    tools.index.close()
