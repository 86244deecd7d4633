"""The cache panel: pure transitions of what is asked, and HTML of what was read."""

from __future__ import annotations

import re

import pytest

from contexter_nb.dashboards import _cache_html as drawn
from contexter_nb.dashboards._cache_view import CacheSeen, CacheView, Clearing
from contexter_nb.policies import CachedEntry
from tests.dashboards.records import HOSTILE, tier


def entry(**changes: object) -> CachedEntry:
    """Return an entry of the memory tier."""
    made = {
        "key": "voyage/embeddings/" + "ab" * 32,
        "tier": "memory",
        "hits": 7,
        "bytes": 2_048,
        "age_seconds": 42.0,
        "expires_in_seconds": 600.0,
    }
    return CachedEntry(**{**made, **changes})  # type: ignore[arg-type]


def seen(*tiers: dict[str, object], **changes: object) -> CacheSeen:
    """Return what the panel reads."""
    made = {
        "view": CacheView(),
        "as_of": "2026-11-24 12:00:00 UTC",
        "caches": ("answers",),
        "tiers": tiers,
        "hottest": (("answers", entry()),),
        "coldest": (),
    }
    return CacheSeen(**{**made, **changes})  # type: ignore[arg-type]


def test_a_cache_was_asked_as_often_as_its_first_tier() -> None:
    """A miss in memory that the disk answers is one lookup and one answer."""
    found = drawn.sums_of(
        [
            tier(lookups=10, hits=4, misses=6, coalesced=1),
            tier(tier="disk", lookups=6, hits=3, misses=3, coalesced=0),
            tier(cache="embeddings", tier="disk", lookups=8, hits=2, coalesced=0),
        ]
    )
    assert (found.answered, found.lookups) == (8, 10)
    assert (found.found, found.texts) == (2, 8)


def test_rates_come_with_their_denominators() -> None:
    """A share never stands alone."""
    html = drawn.tiers_html(seen(tier(lookups=6, hits=4)))
    assert "66.7 % (4/6)" in html
    assert "4/6" in re.sub("<[^>]*>", " ", html)
    assert "2.0 KiB of 64 MiB" in html


def test_a_tier_that_fails_is_the_news() -> None:
    """What went wrong comes before what went well."""
    said, kind = drawn.verdict(seen(tier(), tier(tier="disk", errors=3)))
    assert said.startswith("The disk tier of answers failed 3 times")
    assert kind == "warn"
    assert drawn.verdict(seen(tier(lookups=0, hits=0)))[0] == (
        "Nothing was looked up yet."
    )


@pytest.mark.parametrize("part", ["picture", "entries_html", "tiers_html"])
def test_keys_tags_and_names_are_shown_and_do_nothing(part: str) -> None:
    """A key may hold anything; it stays text."""
    rows = (("answers", entry(key=HOSTILE, tags=(HOSTILE,))),)
    html = getattr(drawn, part)(seen(tier(cache=HOSTILE), hottest=rows))
    assert "<script" not in html
    assert "<img" not in html
    assert "\x1b" not in html


def test_a_key_that_holds_a_secret_shows_none() -> None:
    """Keys of one's own making are scrubbed like any message."""
    rows = (("answers", entry(key="x/api_key=sk-12345678901234567890")),)
    assert "sk-1234567890" not in drawn.entries_html(seen(tier(), hottest=rows))


def test_the_lists_keep_their_height() -> None:
    """Six rows, whether there are entries or not."""
    few = drawn.entries_html(seen(tier()))
    assert few.count("<tr") == 2 * (1 + drawn.ENTRIES_SHOWN)


def test_nothing_is_asked_without_a_prefix_or_a_tag() -> None:
    """An empty prefix would mean everything; that is a choice of its own."""
    view = CacheView()
    assert view.clearing() is None
    assert view.refuse().told == "Give the prefix of the entries to drop."
    assert view.choose(scope="everything").clearing() == Clearing(cache="answers")


def test_a_question_says_how_many_entries_would_go() -> None:
    """Or that nobody knows, or that there are none and nothing need be asked."""
    view = CacheView(text="voyage/")
    clearing = Clearing(cache="answers", prefix="voyage/")
    assert view.ask(clearing, 1).question() == (
        "Drop 1 entry that begins with 'voyage/' from answers?"
    )
    assert view.ask(clearing, None).question() == (
        "Drop all entries that begin with 'voyage/' from answers?"
    )
    none = view.ask(clearing, 0)
    assert (none.question(), none.told) == (
        "",
        "Nothing to drop: answers has no entries that begin with 'voyage/'.",
    )


def test_a_question_is_taken_back_when_something_else_is_chosen() -> None:
    """A yes is always a yes to what is on the screen."""
    view = CacheView(text="voyage/")
    clearing = Clearing(cache="answers", prefix="voyage/")
    assert view.ask(clearing, 3).choose(text="qdrant/").asked is None
    # The count came after the person had typed on.
    assert view.choose(text="qdrant/").ask(clearing, 3).asked is None


def test_what_was_dropped_is_told() -> None:
    """The number is what really went."""
    clearing = Clearing(cache="answers", tag="pandas")
    told = CacheView().dropped(clearing, 1_204).told
    assert told == "Dropped 1,204 entries with the tag 'pandas' from answers."
    assert CacheView().keep().told == "Nothing was dropped."
    html = drawn.question_html(CacheView(told=HOSTILE))
    assert "<script" not in html


def test_a_terminal_gets_a_line_for_each_tier() -> None:
    """Hits with denominators, bytes of the budget, and what was saved."""
    text = drawn.text(seen(tier(), tier(tier="disk")))
    assert len(text.splitlines()) == 3
    assert "66.7 % (4/6) hits, 3 entries, 2.0 KiB of 64.0 MiB" in text
