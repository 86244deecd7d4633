"""The cache panel: widgets that show what the pure parts make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from contexter_nb.dashboards import _cache_html as drawn
from contexter_nb.dashboards._cache_view import SCOPES, CacheSeen, CacheView
from contexter_nb.dashboards._markup import heading
from contexter_nb.dashboards._panel import Panel
from contexter_nb.dashboards._refresher import Reading
from contexter_nb.notebook import Feed

# Listing entries sorts them all: not at every beat.
ENTRIES_EVERY_BEATS = 5


class CacheDashboard(Panel):
    """What the caches hold, how often they helped and what they saved, live.

    Made by ``nb.cache_dashboard()``; shows itself as the last line of a cell. Entries
    can be dropped by tag or prefix, after a question that says how many they are.

    Parameters
    ----------
    feed : Feed
        The session's.

    Raises
    ------
    InvalidArgumentError
        ipywidgets is not installed.
    SessionClosedError
        The session is closed.

    Examples
    --------
    >>> import contexter_nb as cx
    >>> with cx.connect() as nb:
    ...     panel = nb.cache_dashboard()
    ...     panel.close()
    >>> panel.closed
    True
    """

    title = "Caches"
    verb = "cache_dashboard"

    def __init__(self, feed: Feed) -> None:
        self._listed: tuple[Any, Any] | None = None
        super().__init__(feed, CacheView())

    def _parts(self) -> Iterable[Any]:
        self._verdict = self._html("")
        self._totals = self._html("")
        self._tiers = self._html("")
        self._entries = self._html("")
        title = self._html(f'<h3 class="cx-title">{self.title}</h3>')
        return (
            self._row(title, self._status, self._pause_button, kind="cx-top"),
            self._verdict,
            self._totals,
            self._tiers,
            self._entries,
            self._html(heading("Clear", "asks before anything is dropped")),
            self._row(*self._clearing(), kind="cx-clear"),
            self._row(*self._answering(), kind="cx-clear"),
        )

    def _clearing(self) -> Iterable[Any]:
        widgets = self._widgets
        self._cache = widgets.Dropdown(options=["answers"], description="From")
        self._cache.observe(self._guarded(self._choose_cache), "value")
        self._scope = widgets.Dropdown(
            options=[
                ("entries that begin with", "prefix"),
                ("entries with the tag", "tag"),
                ("everything", "everything"),
            ],
            value="prefix",
            description="drop",
        )
        self._scope.observe(self._guarded(self._choose_scope), "value")
        self._which = widgets.Text(
            placeholder="voyage/", description="", continuous_update=False
        )
        self._which.tooltip = "The prefix or the tag"
        self._which.observe(self._guarded(self._choose_text), "value")
        self._clear_button = widgets.Button(
            description="Clear…", tooltip="Say how many entries that are, and ask"
        )
        self._clear_button.on_click(self._guarded(self._ask))
        return self._cache, self._scope, self._which, self._clear_button

    def _answering(self) -> Iterable[Any]:
        self._question = self._html("", "cx-grow")
        self._drop_button = self._widgets.Button(
            description="Drop them", tooltip="Drop these entries for good"
        )
        self._drop_button.add_class("cx-danger")
        self._drop_button.on_click(self._guarded(self._drop))
        self._keep_button = self._widgets.Button(
            description="Keep them", tooltip="Drop nothing"
        )
        self._keep_button.on_click(self._guarded(self._keep))
        return self._question, self._drop_button, self._keep_button

    async def _read(self, reading: Reading) -> CacheSeen:
        feed = self._feed
        if self._listed is None or reading.number % ENTRIES_EVERY_BEATS == 0:
            shown = drawn.ENTRIES_SHOWN
            self._listed = (
                await reading.once_awaited(feed.entries, "hot", shown),
                await reading.once_awaited(feed.entries, "cold", shown),
            )
        hottest, coldest = self._listed
        return CacheSeen(
            view=self._view,
            as_of=feed.clock.wall().strftime("%Y-%m-%d %H:%M:%S UTC"),
            caches=tuple(reading.once(feed.caches)),
            tiers=tuple(await reading.once_awaited(feed.tiers)),
            hottest=tuple(hottest),
            coldest=tuple(coldest),
        )

    def _draw(self) -> None:
        seen: CacheSeen = self._seen
        # The view as it is now: reading may have taken longer than a click.
        view: CacheView = self._view
        self._verdict.value = drawn.verdict_html(seen)
        self._totals.value = drawn.tiles_html(seen)
        self._tiers.value = drawn.tiers_html(seen)
        self._entries.value = drawn.entries_html(seen)
        self._question.value = drawn.question_html(view)
        asked = "visible" if view.asked is not None else "hidden"
        self._drop_button.layout.visibility = asked
        self._keep_button.layout.visibility = asked
        closed = self._feed.closed
        for control in (self._cache, self._scope, self._clear_button):
            control.disabled = closed
        self._which.disabled = closed or view.scope == "everything"
        self._drop_button.disabled = self._keep_button.disabled = closed
        if list(self._cache.options) != list(seen.caches):
            with self._cache.hold_trait_notifications():
                self._cache.options = list(seen.caches)
                self._cache.value = view.cache if view.cache in seen.caches else None

    def _column_style(self) -> str:
        return drawn.style()

    def _picture(self) -> str:
        return drawn.picture(self._seen)

    def _text(self) -> str:
        return drawn.text(self._seen)

    def _choose_cache(self, event: Any) -> None:
        self._choose(lambda view: view.choose(cache=event["new"] or ""))

    def _choose_scope(self, event: Any) -> None:
        assert event["new"] in SCOPES
        self._choose(lambda view: view.choose(scope=event["new"]))

    def _choose_text(self, event: Any) -> None:
        self._choose(lambda view: view.choose(text=event["new"]))

    def _ask(self, event: Any) -> None:
        view: CacheView = self._view
        clearing = view.clearing()
        if clearing is None:
            self._choose(lambda view: view.refuse())
            return

        async def ask() -> None:
            would_drop = await self._feed.matching(
                clearing.cache, clearing.tag, clearing.prefix
            )
            self._choose(lambda view: view.ask(clearing, would_drop))

        self._begin(ask())

    def _drop(self, event: Any) -> None:
        view: CacheView = self._view
        clearing = view.asked
        if clearing is None:
            return

        async def drop() -> None:
            many = await self._feed.clear(clearing.cache, clearing.tag, clearing.prefix)
            self._choose(lambda view: view.dropped(clearing, many))

        self._begin(drop())

    def _keep(self, event: Any) -> None:
        self._choose(lambda view: view.keep())
