"""The cache panel as HTML and text: pure functions of what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contexter_nb.core import scrub
from contexter_nb.dashboards._cache_view import CacheSeen, CacheView
from contexter_nb.dashboards._look import (
    MISSING,
    count,
    escape,
    percent,
    seconds,
    share,
    size,
    usd,
)
from contexter_nb.dashboards._markup import (
    Columns,
    Head,
    bar,
    cut,
    heading,
    pill,
    tile,
    tiles,
)

if TYPE_CHECKING:
    from contexter_nb.policies import CachedEntry

ENTRIES_SHOWN = 6
MAX_TIERS = 15
_DIGEST_SHOWN = 8
_EMBEDDINGS = "embeddings"

_TIERS = Columns(
    "tiers",
    (
        Head("Cache", 0, "text"),
        Head("Tier", 70, "text"),
        Head("Hit rate", 120, "text", "hits as a share of the lookups that came here"),
        Head("of lookups", 124, "number", "hits of lookups", 880),
        Head("Misses", 66, from_pixels=1000),
        Head("Shared", 62, "number", "answers of another call under way", 1080),
        Head(
            "Old",
            46,
            "number",
            "given past their time, since fetching failed",
            1290,
        ),
        Head("Entries", 74, from_pixels=560),
        Head("Full", 70, "text", "bytes held of those it may hold", 1160),
        Head("Held", 150, "text", "bytes of the budget"),
        Head("Evicted", 66, "number", "dropped for want of room", 930),
        Head("Faults", 60, "number", "locked, full, away, or damaged", 1240),
        Head("Saved", 84, "number", "time on the network", 560),
        Head("Tokens", 88, "number", "saved", 600),
        Head("USD", 68, "number", "saved", 750),
    ),
)
_ENTRIES = Columns(
    "entries",
    (
        Head("Key", 0, "text"),
        Head("Cache", 84, "text", from_pixels=560),
        Head("Tier", 68, "text"),
        Head("Hits", 58),
        Head("Size", 84),
        Head("Age", 66),
        Head("Left", 62, "number", "until it is past its time"),
    ),
)


def style() -> str:
    """Return the rules of this panel's columns as CSS."""
    return _TIERS.style() + _ENTRIES.style()


@dataclass(frozen=True, slots=True)
class Sums:
    """All caches of answers together, and the embeddings.

    Attributes
    ----------
    lookups, answered : int
        Asked of the caches of answers, and answered without a request.
    shared : int
        Of the answered, those that took the answer of a call under way.
    texts, found : int
        Embeddings asked for, and those that were there.
    saved_seconds, saved_tokens, saved_usd : float, int, float
    stored_bytes, evictions, errors : int
    """

    lookups: int
    answered: int
    shared: int
    texts: int
    found: int
    saved_seconds: float
    saved_tokens: int
    saved_usd: float
    stored_bytes: int
    evictions: int
    errors: int


def sums_of(tiers: Sequence[Mapping[str, Any]]) -> Sums:
    """Return the totals of some tiers.

    A lookup goes from tier to tier: a cache was asked as often as its first one.

    Parameters
    ----------
    tiers : sequence of mapping
        Rows of the frame ``cache_stats``.
    """
    answers = [each for each in tiers if each["cache"] != _EMBEDDINGS]
    embeddings = [each for each in tiers if each["cache"] == _EMBEDDINGS]
    asked: dict[str, int] = {}
    for each in answers:
        asked[each["cache"]] = max(asked.get(each["cache"], 0), each["lookups"])
    shared = sum(each["coalesced"] for each in answers)
    return Sums(
        lookups=sum(asked.values()),
        answered=shared + sum(each["hits"] + each["stale"] for each in answers),
        shared=shared,
        texts=sum(each["lookups"] for each in embeddings),
        found=sum(each["hits"] for each in embeddings),
        saved_seconds=sum(each["saved_seconds"] for each in tiers),
        saved_tokens=sum(each["saved_tokens"] for each in tiers),
        saved_usd=sum(each["saved_usd"] for each in tiers),
        stored_bytes=sum(each["stored_bytes"] for each in tiers),
        evictions=sum(each["evictions"] for each in tiers),
        errors=sum(each["errors"] for each in tiers),
    )


def verdict(seen: CacheSeen) -> tuple[str, str]:
    """Return one sentence on how the caches do, and its kind.

    Parameters
    ----------
    seen : CacheSeen
    """
    found = sums_of(seen.tiers)
    failed = [each for each in seen.tiers if each["errors"]]
    if failed:
        worst = max(failed, key=lambda each: each["errors"])
        return (
            f"The {worst['tier']} tier of {worst['cache']} failed "
            f"{count(worst['errors'])} times (locked, full, away or damaged); "
            "lookups went on without it.",
            "warn",
        )
    if not found.lookups and not found.texts:
        return "Nothing was looked up yet.", "muted"
    parts = []
    if found.lookups:
        parts.append(
            f"{count(found.answered)} of {count(found.lookups)} lookups needed no "
            "request"
        )
    if found.texts:
        parts.append(
            f"{count(found.found)} of {count(found.texts)} texts needed no embedding"
        )
    return f"{', and '.join(parts)}.", "good"


def verdict_html(seen: CacheSeen) -> str:
    """Return the sentence on how the caches do, with a sign for its kind.

    Parameters
    ----------
    seen : CacheSeen
    """
    said, kind = verdict(seen)
    sign = {"good": "✓", "warn": "▲"}.get(kind, "·")
    return f'<p class="cx-verdict cx-{kind}"><b>{sign}</b> {escape(said)}</p>'


def tiles_html(seen: CacheSeen) -> str:
    """Return the totals of all caches.

    Parameters
    ----------
    seen : CacheSeen
    """
    found = sums_of(seen.tiers)
    return tiles(
        tile(
            "No request needed",
            percent(found.answered, found.lookups),
            f"{count(found.answered)}/{count(found.lookups)} lookups, "
            f"{count(found.shared)} of them shared",
        ),
        tile(
            "Embeddings found",
            percent(found.found, found.texts),
            f"{count(found.found)}/{count(found.texts)} texts",
        ),
        tile("Saved time", seconds(found.saved_seconds), "on the network"),
        tile("Saved tokens", count(found.saved_tokens), "not sent again"),
        tile(
            "Saved, USD", usd(found.saved_usd).removesuffix(" USD"), "not charged again"
        ),
        tile(
            "Held",
            size(found.stored_bytes),
            f"{count(found.evictions)} evicted for want of room",
        ),
    )


def tiers_html(seen: CacheSeen) -> str:
    """Return the table of tiers.

    Parameters
    ----------
    seen : CacheSeen
    """
    left_out = len(seen.tiers) - MAX_TIERS
    note = (
        f"{count(left_out)} more not shown"
        if left_out > 0
        else "counts of this kernel; sizes of all that share them"
    )
    shown = (
        [*seen.tiers[: MAX_TIERS - 1], *seen.tiers[-1:]]
        if left_out > 0
        else (seen.tiers)
    )
    return heading("Tiers", note) + _TIERS.table(
        "What each tier holds and how it helped",
        [_tier(each) for each in shown],
    )


def _tier(row: Mapping[str, Any]) -> list[str]:
    hits, lookups = row["hits"], row["lookups"]
    rate = MISSING
    if lookups:
        drawn = bar([(hits / lookups, "good")], share(hits, lookups))
        rate = f"{drawn} {percent(hits, lookups)}"
    budget, held = row["budget_bytes"], row["stored_bytes"]
    full = f"{size(held)} of {size(budget).replace('.0 ', ' ')}"
    filled = MISSING
    if budget:
        kind = "bad" if held > 0.95 * budget else "accent"
        filled = bar([(held / budget, kind)], full)
    errors = row["errors"]
    return [
        cut(row["cache"]),
        cut(row["tier"]),
        rate,
        f"{count(hits)}/{count(lookups)}",
        count(row["misses"]),
        count(row["coalesced"]),
        count(row["stale"]),
        count(row["entries"]),
        filled,
        full if budget else size(held),
        count(row["evictions"]),
        f'<b class="cx-bad">{count(errors)}</b>' if errors else "0",
        seconds(row["saved_seconds"]) if row["saved_seconds"] else MISSING,
        count(row["saved_tokens"]) if row["saved_tokens"] else MISSING,
        usd(row["saved_usd"]).removesuffix(" USD") if row["saved_usd"] else MISSING,
    ]


def entries_html(seen: CacheSeen, *, printed: bool = False) -> str:
    """Return the hottest and the coldest entries side by side.

    Parameters
    ----------
    seen : CacheSeen
    printed : bool, default False
        Without rows that are there only to keep the height.
    """
    both = [
        ("Hottest entries", "most hits", seen.hottest),
        ("Coldest entries", "fewest hits", seen.coldest),
    ]
    shown = "".join(
        f"<div>{heading(title, note)}{_listed(title, rows, printed)}</div>"
        for title, note, rows in both
    )
    return f'<div class="cx-pair cx-even">{shown}</div>'


def _listed(title: str, found: Sequence[tuple[str, CachedEntry]], printed: bool) -> str:
    rows = [_entry(name, each) for name, each in found[:ENTRIES_SHOWN]]
    none = '<span class="cx-muted">No entries.</span>'
    if not printed:
        rest = [""] * (len(_ENTRIES.heads) - 1)
        rows = rows or [[none, *rest]]
        rows += [["&nbsp;", *rest]] * (ENTRIES_SHOWN - len(rows))
    return _ENTRIES.table(title, rows, empty="No entries.", classes="cx-small")


def _entry(name: str, entry: CachedEntry) -> list[str]:
    left = entry.expires_in_seconds
    tags = f" (tags: {', '.join(entry.tags)})" if entry.tags else ""
    key = scrub(f"{short_key(entry.key)}{tags}")
    return [
        cut(key),
        cut(name),
        escape(entry.tier),
        count(entry.hits),
        size(entry.bytes),
        _about(entry.age_seconds),
        _about(left) if left > 0 else pill("over", "muted"),
    ]


def _about(value: float) -> str:
    """Return a duration in steps, so that it is not news at every beat."""
    if value < 60:
        return f"{value // 5 * 5:.0f} s"
    if value < 5_400:
        return f"{value / 60:.0f} min"
    return f"{value / 3_600:.0f} h" if value < 172_800 else f"{value / 86_400:,.0f} d"


def short_key(key: str) -> str:
    """Return a key whose digest is cut to what tells it from others.

    Examples
    --------
    >>> short_key("voyage/embeddings/" + "0123456789abcdef" * 4)
    'voyage/embeddings/01234567…'
    """
    head, slash, digest = key.rpartition("/")
    if len(digest) > 2 * _DIGEST_SHOWN:
        digest = f"{digest[:_DIGEST_SHOWN]}…"
    return f"{head}{slash}{digest}"


def question_html(view: CacheView) -> str:
    """Return what is asked or told about clearing, always one line high.

    Parameters
    ----------
    view : CacheView
    """
    if view.asked is not None:
        said = scrub(view.question())
        return f'<p class="cx-question" role="alert"><b>{escape(said)}</b></p>'
    said = escape(scrub(view.told)) or "&nbsp;"
    return f'<p class="cx-question cx-muted" role="status">{said}</p>'


def picture(seen: CacheSeen) -> str:
    """Return the whole panel as it is, without script, kernel or need of a style.

    Parameters
    ----------
    seen : CacheSeen
    """
    return (
        f'<h3 class="cx-title">Caches</h3><p class="cx-muted">as of {seen.as_of}</p>'
        f"{verdict_html(seen)}{tiles_html(seen)}{tiers_html(seen)}"
        f"{entries_html(seen, printed=True)}"
    )


def text(seen: CacheSeen) -> str:
    """Return the panel for a terminal.

    Parameters
    ----------
    seen : CacheSeen
    """
    lines = [f"Caches: {verdict(seen)[0]}"]
    for row in seen.tiers[:MAX_TIERS]:
        budget = f" of {size(row['budget_bytes'])}" if row["budget_bytes"] else ""
        name = f"{row['cache']} {row['tier']}"
        lines.append(
            f"  {name:24} {share(row['hits'], row['lookups']):>22} hits, "
            f"{count(row['entries'])} entries, {size(row['stored_bytes'])}{budget}, "
            f"saved {seconds(row['saved_seconds'])}, "
            f"{count(row['saved_tokens'])} tokens, {usd(row['saved_usd'])}"
        )
    return "\n".join(lines)
