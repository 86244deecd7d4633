"""The tables and charts of the panels at the widths that a notebook may have.

In JupyterLab a window of 900 pixels leaves 470 for a panel beside the file browser.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from contexter_nb.core import Usage
from contexter_nb.dashboards import _cache_html, _metrics_html
from contexter_nb.dashboards._cache_view import CacheSeen, CacheView
from contexter_nb.dashboards._look import stylesheet
from contexter_nb.dashboards._metrics_view import MetricsView, key_of
from contexter_nb.dashboards._requests_html import log_html, trace_html
from contexter_nb.policies import CachedEntry
from tests.browser.lab import CHROMIUM_OPTIONS, chromium_or_skip
from tests.dashboards.records import call, failure, limit, seen, tier

pytestmark = pytest.mark.browser

WIDTHS = (460, 700, 900, 1300)


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """Give a page of a browser."""
    path = chromium_or_skip()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=CHROMIUM_OPTIONS
        )
        yield browser.new_page()
        browser.close()


def show(page: Any, body: str, style: str, width: int) -> None:
    """Show a panel's body as wide as told."""
    page.set_viewport_size({"width": width, "height": 900})
    page.set_content(
        "<body style='margin:0'><div class='cx cx-panel'>"
        f"{stylesheet()}{stylesheet('panels')}<style>{style}</style>{body}</div></body>"
    )


def metrics_body() -> str:
    """Return a live metrics panel with large numbers and long names."""
    operations = [
        ("voyage", "embeddings"),
        ("context7", "fetch_documentation"),
        ("graphql.example.org", "execute_query"),
    ]
    calls = []
    for at in range(60):
        service, operation = operations[at % 3]
        named = {"service": service, "operation": operation}
        made = call(at, usage=Usage(123_456, 1.2345), **named)
        calls.append(failure(at, **named) if at % 7 == 0 else made)
    tokens = limit(
        kind="tokens",
        key="3f9a1c2b",
        model="voyage-context-4",
        limit_per_minute=8_000_000,
        burst=8_000_000,
        available=7_654_321,
        granted=2_345_678,
        waited_seconds=185,
    )
    breaker = limit(
        service="graphql.example.org",
        kind="breaker",
        key="graphql.example.org",
        state="open",
        paused_seconds=21.4,
        granted=40,
        refused=22,
    )
    found = seen(*calls, limits=(limit(state="waiting"), tokens, breaker))
    found = replace(found, view=MetricsView(selected=key_of(found.calls[3])))
    parts = (
        _metrics_html.tiles_html,
        _metrics_html.charts_html,
        _metrics_html.operations_html,
        _metrics_html.limits_html,
        log_html,
        trace_html,
    )
    return "".join(part(found) for part in parts)


def cache_body() -> str:
    """Return a cache panel with large numbers."""
    entry = CachedEntry(
        key="voyage/embeddings/" + "0123456789abcdef" * 4,
        tier="memory",
        hits=1_234,
        bytes=20_480,
        age_seconds=4_000.0,
        expires_in_seconds=90_000.0,
    )
    disk = tier(
        tier="disk",
        lookups=134_000,
        hits=120_000,
        entries=123_456,
        stored_bytes=800 * 1024**2,
        budget_bytes=1024**3,
        saved_seconds=7_800.0,
        saved_tokens=1_234_567,
        saved_usd=123.45,
    )
    found = CacheSeen(
        view=CacheView(),
        as_of="12:00:00",
        caches=("voyage",),
        tiers=(tier(), disk),
        hottest=(("voyage", entry),),
        coldest=(("voyage", entry),),
    )
    return (
        _cache_html.tiles_html(found)
        + _cache_html.tiers_html(found)
        + _cache_html.entries_html(found)
    )


BODIES = {
    "metrics": (metrics_body, _metrics_html.style),
    "caches": (cache_body, _cache_html.style),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("panel", BODIES)
def test_no_number_and_no_heading_is_cut(page: Any, panel: str, width: int) -> None:
    """Columns go before digits and units do; only names end in an ellipsis."""
    body, style = BODIES[panel]
    show(page, body(), style(), width)
    cut = page.evaluate(
        """() => [...document.querySelectorAll('th, td, .cx-tile .cx-value')]
        .filter(each => each.offsetParent && each.scrollWidth > each.clientWidth + 1)
        .filter(each => each.closest('thead') || each.matches('.cx-value')
            || getComputedStyle(each).textAlign === 'right')
        .map(each => each.innerText)"""
    )
    assert cut == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("panel", BODIES)
def test_no_table_is_wider_than_its_panel(page: Any, panel: str, width: int) -> None:
    """Nothing has to be scrolled sideways."""
    body, style = BODIES[panel]
    show(page, body(), style(), width)
    wide = page.evaluate(
        """() => [...document.querySelectorAll('.cx-scroll')]
        .filter(each => each.scrollWidth > each.clientWidth + 1)
        .map(each => each.firstChild.className)"""
    )
    assert wide == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_words_in_a_picture_are_as_large_as_in_the_panel(
    page: Any, width: int
) -> None:
    """Charts of a picture are images: nobody needs a glass, and nothing shouts."""
    body = f"<div class='cx cx-panel cx-static'>{_metrics_html.picture(seen())}</div>"
    show(page, body, _metrics_html.style(), width)
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('.cx-charts img')].map(each =>
        11 * each.getBoundingClientRect().width / Number(each.getAttribute('width')))"""
    )
    assert len(sizes) == 4
    assert all(8 < pixels < 16 for pixels in sizes), sizes


@pytest.mark.parametrize("width", WIDTHS)
def test_the_words_of_a_chart_keep_apart(page: Any, width: int) -> None:
    """A title and a maximum never run into each other, nor do the times below."""
    show(page, metrics_body(), _metrics_html.style(), width)
    touching = page.evaluate(
        """() => {
            const found = [];
            for (const chart of document.querySelectorAll('svg[role=img]')) {
                const texts = [...chart.querySelectorAll('text')];
                const boxes = texts.map(each => each.getBoundingClientRect());
                boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b, j) => {
                    const apart = a.right + 8 <= b.left || b.right + 8 <= a.left
                        || a.bottom <= b.top + 2 || b.bottom <= a.top + 2;
                    if (!apart) found.push(
                        texts[i].textContent + '|' + texts[i + 1 + j].textContent);
                }));
            }
            return found;
        }"""
    )
    assert touching == []
