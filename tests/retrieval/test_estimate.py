"""Estimates: tokens, requests, US dollars and seconds by hand-made sums."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import InvalidArgumentError
from contexter_nb.retrieval._estimate import (
    Estimate,
    Pace,
    Packing,
    estimate_embedding,
)


def estimated(token_counts: list[int], **changed: Any) -> Estimate:
    """Estimate with nothing cached, no limits and a price, but for what is said."""
    asked: dict[str, Any] = {
        "cached": [False] * len(token_counts),
        "packing": Packing(),
        "pace": Pace(),
        "price_per_million_usd": 0.06,
        "model": "voyage-4",
    }
    return estimate_embedding(token_counts, **{**asked, **changed})


def test_only_what_the_cache_lacks_is_paid_for() -> None:
    """Cached texts are counted, and cost neither tokens nor requests."""
    found = estimated([100, 200, 300], cached=[True, False, True])
    assert (found.texts, found.cached) == (3, 2)
    assert (found.tokens, found.requests) == (200, 1)
    assert found.usd == pytest.approx(200 * 0.06 / 1e6)


def test_nothing_to_embed_costs_nothing_and_takes_no_time() -> None:
    """All cached, or no texts: also where no price is known."""
    pace = Pace(requests_per_minute=3, latency_seconds=9)
    for found in (
        estimated([10, 10], cached=[True, True], pace=pace, price_per_million_usd=None),
        estimated([], pace=pace),
    ):
        assert (found.tokens, found.requests, found.usd) == (0, 0, 0.0)
        assert found.seconds == 0.0


def test_an_unknown_price_stays_unknown() -> None:
    """It is not shown as free, and the assumption says what to do."""
    found = estimated([10], price_per_million_usd=None, model="mine")
    assert found.usd is None
    assert "No price of mine is known" in found.assumption


def test_a_model_on_this_machine_is_free() -> None:
    """A price of 0 is known, and is another thing than none."""
    found = estimated([10], price_per_million_usd=0, model="static")
    assert found.usd == 0.0
    assert "costs nothing" in found.assumption


@pytest.mark.parametrize(
    ("token_counts", "packing", "requests"),
    [
        ([1] * 1000, Packing(), 1),
        ([1] * 1001, Packing(), 2),
        ([60_000, 60_000, 1], Packing(), 2),
        ([60_000, 60_001, 60_000], Packing(), 3),
        ([500_000, 1, 500_000], Packing(), 3),
        ([1] * 512, Packing(batch_texts=256), 2),
        ([1] * 10, Packing(max_texts=3), 4),
        ([10, 10, 10, 10], Packing(max_tokens=20, batch_texts=3), 3),
    ],
)
def test_texts_go_into_requests_by_count_and_by_tokens(
    token_counts: list[int], packing: Packing, requests: int
) -> None:
    """In their order, a text that is too long alone, no request over two batches."""
    assert estimated(token_counts, packing=packing).requests == requests


def test_cached_texts_leave_holes_in_their_batches() -> None:
    """A batch of which all is cached takes no request."""
    cached = [True] * 256 + [False] * 256 + [True] * 255 + [False]
    found = estimated([10] * 768, cached=cached, packing=Packing(batch_texts=256))
    assert found.requests == 2


@pytest.mark.parametrize(
    ("pace", "seconds"),
    [
        # 6 requests of 1,000 tokens each in all of these
        (Pace(latency_seconds=0.5), 3.0),
        (Pace(latency_seconds=0.5, concurrency=4), 1.0),
        (Pace(latency_seconds=0.5, concurrency=4, tokens_per_second=2000), 4.0),
        (Pace(requests_per_minute=3, latency_seconds=0.5), 100.5),
        (Pace(requests_per_minute=3, burst_requests=6, latency_seconds=0.5), 3.0),
        (Pace(tokens_per_minute=1000), 360.0),
        (Pace(tokens_per_minute=1000, burst_tokens=4000), 120.0),
        (Pace(tokens_per_minute=1000, requests_per_minute=0.5), 600.0),
    ],
)
def test_the_slowest_of_limits_and_latency_tells_the_seconds(
    pace: Pace, seconds: float
) -> None:
    """Requests a minute, tokens a minute, or rounds of requests: the longest."""
    found = estimated([1000] * 6, packing=Packing(max_texts=1), pace=pace)
    assert found.seconds == pytest.approx(seconds)


def test_batches_one_after_the_other_do_not_share_a_round() -> None:
    """Four at once do not help where each batch is one request and is waited for."""
    found = estimated(
        [10] * 1024,
        packing=Packing(batch_texts=256),
        pace=Pace(latency_seconds=1.0, concurrency=4),
    )
    assert (found.requests, found.seconds) == (4, 4.0)


def test_the_assumption_names_price_limits_and_speed() -> None:
    """Whoever reads the figures sees what they rest on."""
    found = estimated(
        [10],
        pace=Pace(
            requests_per_minute=3,
            tokens_per_minute=10_000,
            latency_seconds=0.5,
            concurrency=4,
            tokens_per_second=900,
        ),
    )
    assert found.assumption == (
        "voyage-4 at 0.06 USD per million tokens, its list price; free tokens are not "
        "taken off. Token counts are estimates. At most 1000 texts and 120000 tokens a "
        "request; 3 requests a minute and 10000 tokens a minute; 0.5 s a request, 4 at "
        "once, 900 tokens a second. No request is repeated."
    )
    assert "no rate limit" in estimated([10]).assumption


def test_marks_and_counts_that_do_not_belong_together_are_refused() -> None:
    """Rather than cut to the shorter one."""
    with pytest.raises(InvalidArgumentError, match="2 token counts and 1 marks"):
        estimated([1, 2], cached=[True])


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_texts": 0},
        {"max_tokens": 0},
        {"batch_texts": 0},
    ],
)
def test_a_packing_that_packs_nothing_is_refused(wrong: dict[str, int]) -> None:
    """At the beginning, by name."""
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        Packing(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests_per_minute": 0},
        {"tokens_per_minute": -1},
        {"tokens_per_second": 0},
        {"concurrency": 0},
        {"latency_seconds": -1},
        {"burst_tokens": float("nan")},
    ],
)
def test_a_pace_that_never_ends_is_refused(wrong: dict[str, Any]) -> None:
    """At the beginning, by name."""
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        Pace(**wrong)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=60),
    st.integers(1, 9),
    st.integers(1, 100),
)
def test_requests_lie_between_what_must_and_what_can_be(
    texts: list[tuple[int, bool]], max_texts: int, max_tokens: int
) -> None:
    """At least what the limits demand, at most one a text that is not cached."""
    counts = [count for count, _ in texts]
    cached = [known for _, known in texts]
    found = estimated(
        counts,
        cached=cached,
        packing=Packing(max_texts=max_texts, max_tokens=max_tokens),
    )
    missing = len(texts) - sum(cached)
    assert -(-missing // max_texts) <= found.requests <= missing
    assert found.tokens == sum(c for c, known in texts if not known)
    if max(counts, default=0) <= max_tokens:
        assert found.requests >= -(-found.tokens // max_tokens)
