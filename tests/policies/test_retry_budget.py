"""How many retries a service has to bear, whatever fails."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contexter_nb.core import InvalidArgumentError
from contexter_nb.policies._retry_budget import RetryBudget

SLICE = 1.0
WINDOW = 10.0


class BudgetMachine(RuleBasedStateMachine):
    """The budget against a list of everything that happened."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = RetryBudget(ratio=0.25, min_retries_per_second=0.3)
        self.now = 1_000.0
        self.calls: list[float] = []
        self.retries: list[float] = []

    def recent(self, instants: list[float]) -> int:
        """Count what happened in this slice of time and the nine before."""
        first = math.floor(self.now / SLICE) - 9
        return sum(math.floor(at / SLICE) >= first for at in instants)

    def left(self) -> float:
        return 3.0 + 0.25 * self.recent(self.calls) - self.recent(self.retries)

    @rule(seconds=st.sampled_from([0.0, 0.125, 0.5, 1.0, 3.0, 9.875, 10.0, 11.0, 1e6]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(count=st.integers(1, 30))
    def call(self, count: int) -> None:
        for _ in range(count):
            self.budget.deposit(self.now)
        self.calls += [self.now] * count

    @rule(count=st.integers(1, 10))
    def retry(self, count: int) -> None:
        for _ in range(count):
            expected = self.left() >= 1
            assert self.budget.withdraw(self.now) is expected
            self.retries += [self.now] * expected

    @invariant()
    def the_balance_is_exact(self) -> None:
        assert self.budget.balance(self.now) == pytest.approx(max(0.0, self.left()))


BudgetMachine.TestCase.settings = settings(max_examples=100, deadline=None)
TestBudget = BudgetMachine.TestCase


def test_an_outage_does_not_multiply_the_load() -> None:
    """Of 15 calls a second that all fail, a fifth is retried, and not each 3 times."""
    budget = RetryBudget()
    retries = 0
    for number in range(15 * 60):
        now = 1_000.0 + number / 15
        budget.deposit(now)
        retries += sum(budget.withdraw(now) for _ in range(3))
    per_second = (retries - 20) / 60
    assert per_second <= 0.2 * 15 + 2.0
    assert retries < 0.35 * 900 < 3 * 900


def test_a_rare_call_is_retried_from_the_reserve() -> None:
    """One call after an hour of silence may use all its attempts."""
    budget = RetryBudget()
    for hour in range(5):
        now = hour * 3600.0
        budget.deposit(now)
        assert [budget.withdraw(now + at) for at in range(3)] == [True] * 3


def test_all_connections_may_break_at_once() -> None:
    """The reserve lets each of 16 calls on broken connections try again."""
    budget = RetryBudget()
    for _ in range(16):
        budget.deposit(0.0)
    assert all(budget.withdraw(0.1) for _ in range(16))


@pytest.mark.parametrize(("ratio", "calls", "retries"), [(0.2, 35, 7), (0.29, 100, 29)])
def test_a_share_is_not_lost_to_rounding(
    ratio: float, calls: int, retries: int
) -> None:
    """0.29 of 100 calls is 29 retries, though binary fractions make it a hair less."""
    budget = RetryBudget(ratio=ratio, min_retries_per_second=0)
    for _ in range(calls):
        budget.deposit(0.0)
    assert sum(budget.withdraw(0.0) for _ in range(calls)) == retries


def test_a_step_back_in_time_gives_nothing_away() -> None:
    """An earlier instant than the last counts as the last."""
    budget = RetryBudget(ratio=0.0, min_retries_per_second=0.1)
    assert budget.withdraw(1_000.0)
    assert not budget.withdraw(10.0)
    assert not budget.withdraw(1_000.5)


def test_threads_share_a_budget_exactly() -> None:
    """Eight threads get no retry more than one would."""
    budget = RetryBudget(ratio=0.0, min_retries_per_second=50)
    gate = threading.Barrier(8)
    got: list[int] = []

    def take() -> None:
        gate.wait()
        got.append(sum(budget.withdraw(1.0) for _ in range(200)))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(got) == 500


@pytest.mark.parametrize(
    "options",
    [
        {"ratio": -0.1},
        {"ratio": math.nan},
        {"min_retries_per_second": -1},
        {"min_retries_per_second": math.inf},
        {"window_seconds": 0},
        {"window_seconds": math.inf},
    ],
    ids=str,
)
def test_a_budget_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    """A wrong number is told when the budget is made, by its name."""
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        RetryBudget(**options)
