"""A breaker against a model of a few lines, through any history of calls."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
)

from contexter_nb.core import BreakerState
from contexter_nb.policies._breaker import BreakerConfig, CircuitBreaker, Permit

CONFIG = BreakerConfig(
    minimum_calls=4,
    window_seconds=10.0,
    failures_in_a_row=6,
    open_seconds=2.0,
    max_open_seconds=10.0,
    probe_seconds=7.0,
)


@dataclass
class Model:
    """What a breaker should be: every call of this life by its slice of time."""

    state: BreakerState = "closed"
    life: int = 0
    calls: list[tuple[int, bool]] = field(default_factory=list)
    row: int = 0
    open_until: float = 0.0
    open_for: float = 2.0
    probe: int | None = None
    probe_until: float = 0.0

    def admit(self, now: float, name: int) -> bool:
        if self.state == "closed":
            return True
        if now < self.open_until:
            return False
        if self.probe is not None and now < self.probe_until:
            return False
        self.state, self.probe, self.probe_until = "half_open", name, now + 7.0
        return True

    def report(self, name: int, life: int, outcome: str, now: float) -> None:
        if life != self.life:
            return
        if self.state == "closed" and outcome != "neutral":
            self.calls.append((math.floor(now), outcome == "failed"))
            self.row = self.row + 1 if outcome == "failed" else 0
            if outcome == "failed" and self.is_sick(now):
                self.open(now)
        elif self.state == "half_open" and name == self.probe:
            self.probe = None
            if outcome == "failed":
                self.open(now)
            elif outcome == "ok":
                self.__init__(life=self.life + 1)  # type: ignore[misc]

    def counted(self, now: float) -> list[bool]:
        return [failed for at, failed in self.calls if at > math.floor(now) - 10]

    def is_sick(self, now: float) -> bool:
        counted = self.counted(now)
        many = sum(counted) * 2 >= len(counted) or self.row >= 6
        return len(counted) >= 4 and many

    def open(self, now: float) -> None:
        self.state, self.life, self.row = "open", self.life + 1, 0
        self.open_until = now + self.open_for
        self.open_for = min(10.0, 2 * self.open_for)


class BreakerMachine(RuleBasedStateMachine):
    """Calls begin and end in any order, late, twice or never."""

    permits = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[BreakerState, BreakerState]] = []
        self.breaker = CircuitBreaker(
            CONFIG, on_change=lambda *both: self.told.append(both)
        )
        self.model = Model()
        self.now = 1_000.0
        self.names = 0

    @rule(seconds=st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 7.0, 9.75, 30.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(target=permits, count=st.integers(1, 4))
    def begin(self, count: int) -> object:
        begun = []
        for _ in range(count):
            self.names += 1
            permit = self.breaker.admit(self.now)
            assert (permit is not None) is self.model.admit(self.now, self.names)
            if permit is not None:
                assert permit.is_probe is (self.model.state == "half_open")
                begun.append((permit, self.names, self.model.life))
        return multiple(*begun)

    @rule(call=permits, outcome=st.sampled_from(["ok", "failed", "failed", "neutral"]))
    def end(self, call: tuple[Permit, int, int], outcome: str) -> None:
        permit, name, life = call
        self.breaker.report(permit, outcome, self.now)  # type: ignore[arg-type]
        self.model.report(name, life, outcome, self.now)

    @rule(outcomes=st.text("of", min_size=1, max_size=8))
    def make_whole_calls(self, outcomes: str) -> None:
        for letter in outcomes:
            self.names += 1
            permit = self.breaker.admit(self.now)
            if not self.model.admit(self.now, self.names):
                assert permit is None
                return
            assert permit is not None
            outcome = "ok" if letter == "o" else "failed"
            self.breaker.report(permit, outcome, self.now)  # type: ignore[arg-type]
            self.model.report(self.names, self.model.life, outcome, self.now)

    @invariant()
    def they_agree(self) -> None:
        model, now = self.model, self.now
        is_due = model.state == "open" and now >= model.open_until
        assert self.breaker.state(now) == ("half_open" if is_due else model.state)
        status = self.breaker.status(now)
        counted = model.counted(now)
        assert (status.calls, status.failures) == (len(counted), sum(counted))

    @invariant()
    def peeking_tells_what_would_be_admitted(self) -> None:
        model, now = self.model, self.now
        wait = self.breaker.peek(now)
        if model.state == "closed":
            assert wait == 0.0
        elif now < model.open_until:
            assert wait == pytest.approx(model.open_until - now)
        elif model.probe is not None and now < model.probe_until:
            assert 0 < wait <= 1.0
        else:
            assert wait == 0.0

    @invariant()
    def changes_are_a_chain(self) -> None:
        states = ["closed", *(after for _, after in self.told)]
        assert [before for before, _ in self.told] == states[:-1]
        assert states[-1] == self.model.state


BreakerMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None
)
TestBreaker = BreakerMachine.TestCase
