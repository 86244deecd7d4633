"""One breaker for each service and host, bounded, and forgetting no outage."""

from __future__ import annotations

import threading

import pytest

from contexter_nb.core import BreakerChange, InvalidArgumentError
from contexter_nb.policies._breaker import BreakerConfig, CircuitBreaker
from contexter_nb.policies._breaker_registry import BreakerRegistry
from tests.loops import EPOCH, FakeClock

EASY = BreakerConfig(minimum_calls=1)


def fail(breaker: CircuitBreaker, now: float = 0.0) -> None:
    """Have a call fail."""
    permit = breaker.admit(now)
    assert permit is not None
    breaker.report(permit, "failed", now)


def test_each_service_on_each_host_has_its_own() -> None:
    """One that is down leaves the others alone; the same is found again."""
    breakers = BreakerRegistry(EASY)
    fail(breakers.get("voyage", "a"))
    assert breakers.get("voyage", "a").state(0.0) == "open"
    assert breakers.get("voyage", "b").state(0.0) == "closed"
    assert breakers.get("context7", "a").state(0.0) == "closed"
    assert breakers.get("voyage", "a") is breakers.get("voyage", "a")
    assert [
        (each.service, each.host, each.state) for each in breakers.statuses(0.0)
    ] == [
        ("context7", "a", "closed"),
        ("voyage", "a", "open"),
        ("voyage", "b", "closed"),
    ]


def test_there_are_never_too_many() -> None:
    """Ten thousand hosts leave the bound's number of breakers: the last ones asked."""
    breakers = BreakerRegistry(max_keys=3)
    for number in range(10_000):
        breakers.get("s", str(number))
    assert len(breakers.statuses(0.0)) == 3
    first = breakers.get("s", "9997")
    breakers.get("s", "new")
    assert breakers.get("s", "9997") is first
    assert {each.host for each in breakers.statuses(0.0)} == {"9997", "9999", "new"}


def test_one_that_is_not_closed_is_kept() -> None:
    """A flood of hosts does not make an outage forgotten, nor a half-open probe."""
    breakers = BreakerRegistry(EASY, max_keys=3)
    down = breakers.get("s", "down")
    fail(down)
    probed = breakers.get("s", "probed")
    fail(probed)
    assert probed.admit(6.0) is not None
    for number in range(100):
        breakers.get("s", str(number))
    assert breakers.get("s", "down") is down
    assert breakers.get("s", "probed") is probed
    assert len(breakers.statuses(0.0)) == 3


def test_where_all_are_open_the_oldest_goes() -> None:
    """The bound holds in the worst case, too."""
    breakers = BreakerRegistry(EASY, max_keys=2)
    for host in ("a", "b", "c"):
        fail(breakers.get("s", host))
    assert [each.host for each in breakers.statuses(0.0)] == ["b", "c"]


def test_an_empty_registry_is_no_missing_one() -> None:
    """A client that asks "if breakers" before the first call gets its breakers."""
    assert BreakerRegistry()


def test_changes_are_told_with_name_and_date() -> None:
    """The monitor hears which service on which host changed, and when."""
    changes: list[BreakerChange] = []
    clock = FakeClock()
    breakers = BreakerRegistry(EASY, on_change=changes.append, clock=clock)
    fail(breakers.get("voyage", "a"), clock.now())
    assert changes == [
        BreakerChange(
            service="voyage", host="a", before="closed", after="open", at=EPOCH
        )
    ]
    fail(BreakerRegistry(EASY).get("voyage", "a"))


def test_threads_that_ask_at_once_get_the_same() -> None:
    """No two breakers are made for one key."""
    breakers = BreakerRegistry()
    gate, got = threading.Barrier(8), list[CircuitBreaker]()

    def ask() -> None:
        gate.wait()
        got.extend(breakers.get("s", str(number)) for number in range(200))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(each) for each in got}) == 200


def test_a_registry_without_room_is_refused() -> None:
    """There must be room for one breaker at least."""
    with pytest.raises(InvalidArgumentError, match="max_keys"):
        BreakerRegistry(max_keys=0)
