"""A budget: asked before, settled after, exact, from many threads, never passed."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import InvalidArgumentError
from contexter_nb.retrieval._budget import Budget, usd_at_most


def test_a_batch_that_does_not_fit_is_refused_and_told() -> None:
    """What is left is untouched, and one sentence says why it stopped."""
    budget = Budget(1.0)
    assert budget.reserve(0.7)
    assert not budget.exhausted
    assert budget.stopped is None
    budget.settle(0.7, actual_usd=0.6)
    assert not budget.reserve(0.5)
    assert budget.exhausted
    assert budget.spent_usd == 0.6
    assert budget.left_usd == pytest.approx(0.4)
    assert budget.stopped == (
        "stopped at the budget of 1 USD: 0.6 USD spent, the next may cost 0.5 USD"
    )


def test_what_was_set_aside_and_not_spent_is_free_again() -> None:
    """The actual cost counts, and a batch that was not sent costs nothing."""
    budget = Budget(1.0)
    for _ in range(50):
        assert budget.reserve(0.9)
        budget.settle(0.9, actual_usd=0.0)
    assert budget.left_usd == 1.0


def test_what_is_under_way_counts_as_spent() -> None:
    """Two batches at once cannot spend the same money."""
    budget = Budget(1.0)
    assert budget.reserve(0.6)
    assert not budget.reserve(0.6)
    assert budget.stopped is not None and "0.6 USD under way" in budget.stopped
    assert budget.spent_usd == 0.0


def test_a_budget_of_exactly_the_cost_is_enough() -> None:
    """A sum of floats is not: ten times 0.1 is not 1.0 there."""
    budget = Budget(1.0)
    for _ in range(10):
        assert budget.reserve(0.1)
        budget.settle(0.1, actual_usd=0.1)
    assert budget.left_usd == 0.0
    assert not budget.exhausted
    assert not budget.reserve(1e-9)


def test_as_many_texts_as_it_lasts_for() -> None:
    """The first ones that fit together are taken, none behind one that does not."""
    budget = Budget(1.0)
    assert budget.reserve_first([0.4, 0.4, 0.4, 0.1]) == 2
    assert budget.exhausted
    budget.settle(0.8, actual_usd=0.2)
    assert budget.reserve_first([0.4, 0.4]) == 2
    budget.settle(0.8, actual_usd=0.8)
    assert budget.left_usd == 0.0
    assert budget.reserve_first([0.4]) == 0
    assert budget.reserve_first([]) == 0


def test_what_is_free_goes_on_when_nothing_is_left() -> None:
    """A budget of nothing still lets through what costs nothing, and only that."""
    budget = Budget(0)
    assert budget.reserve_first([0.0, 0.0]) == 2
    assert not budget.exhausted
    assert budget.reserve_first([0.0, 0.001, 0.0]) == 1
    assert budget.exhausted


def test_without_a_bound_nothing_is_refused_and_all_is_counted() -> None:
    """None is no bound, not zero."""
    budget = Budget(None)
    assert budget.usd is None
    assert budget.reserve_first([1e6] * 3) == 3
    budget.settle(3e6, actual_usd=2.5e6)
    assert budget.spent_usd == 2.5e6
    assert budget.left_usd == math.inf
    assert budget.stopped is None


def test_a_batch_that_cost_more_than_was_said_ends_the_job() -> None:
    """It is booked as it was; nothing is left, and the next is refused."""
    budget = Budget(0.1)
    assert budget.reserve(0.1)
    budget.settle(0.1, actual_usd=0.3)
    assert budget.spent_usd == 0.3
    assert budget.left_usd == 0.0
    assert not budget.reserve(0.01)


@pytest.mark.parametrize("usd", [-1.0, math.nan, math.inf])
def test_an_amount_that_cannot_be_is_refused(usd: float) -> None:
    """Before it does anything to the sums."""
    with pytest.raises(InvalidArgumentError):
        Budget(usd)
    budget = Budget(1.0)
    with pytest.raises(InvalidArgumentError):
        budget.reserve_first([0.1, usd])
    with pytest.raises(InvalidArgumentError):
        budget.settle(0.1, actual_usd=usd)
    assert budget.left_usd == 1.0


@given(
    st.integers(0, 10_000),
    st.lists(
        st.tuples(st.lists(st.integers(0, 500), max_size=20), st.floats(0, 1)),
        max_size=30,
    ),
)
def test_it_is_never_passed(cents: int, batches: list[tuple[list[int], float]]) -> None:
    """Whatever comes, where no batch costs more than was said for it."""
    budget = Budget(cents / 100)
    for each, share in batches:
        asked = [cent / 100 for cent in each]
        count = budget.reserve_first(asked)
        if count:
            reserved = sum(asked[:count])
            budget.settle(reserved, actual_usd=reserved * share)
        assert budget.spent_usd <= cents / 100 + 1e-9
        assert (count < len(each)) <= budget.exhausted


def test_threads_together_spend_no_more_than_there_is() -> None:
    """Eight of them, in every order: exactly a hundred batches of a hundred fit."""
    budget = Budget(1.0)
    sent: list[int] = []
    ready = threading.Barrier(8)

    def work(seed: int) -> None:
        chance = random.Random(seed)
        ready.wait()
        for _ in range(200):
            if budget.reserve(0.01):
                cost = 0.01 if chance.random() < 0.5 else 0.0
                budget.settle(0.01, actual_usd=cost)
                sent.append(round(cost * 100))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sent) == round(budget.spent_usd * 100) <= 100
    assert budget.left_usd == pytest.approx(1.0 - budget.spent_usd)


class Priced:
    """An embedder that costs a cent a letter, or nobody knows what."""

    identity = "priced"

    def __init__(self, *, known: bool) -> None:
        self.known = known

    def usd_at_most(self, texts: Sequence[str]) -> Sequence[float] | None:
        """Return a price of each text."""
        return [len(text) / 100 for text in texts] if self.known else None


def test_an_embedder_tells_what_texts_may_cost() -> None:
    """Asked for none, it tells that it has a price."""
    assert usd_at_most(Priced(known=True), ["ab", "c"]) == [0.02, 0.01]
    assert usd_at_most(Priced(known=True), []) == []


@pytest.mark.parametrize("embedder", [Priced(known=False), object()])
def test_without_a_price_no_budget_is_kept(embedder: object) -> None:
    """Told before anything is sent, with what to do."""
    with pytest.raises(InvalidArgumentError, match=r"prices=\{...\}"):
        usd_at_most(embedder, [])


@pytest.mark.parametrize("usd", ["1", True, [1]])
def test_a_budget_that_is_no_number_is_refused(usd: object) -> None:
    """In the sentence that says what to give."""
    with pytest.raises(InvalidArgumentError, match="give US dollars from 0 on"):
        Budget(usd)  # type: ignore[arg-type]
