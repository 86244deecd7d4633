"""What the API core did, as records: for whoever looks once a second."""

from __future__ import annotations

from collections.abc import Awaitable
from concurrent.futures import Future
from typing import Any, TypeVar

from contexter_nb.bridge import default_bridge
from contexter_nb.clients import open_clients
from contexter_nb.core import CallRecord, Clock
from contexter_nb.notebook._api_records import limit_records
from contexter_nb.notebook._verbs import Verbs
from contexter_nb.policies import (
    Alert,
    APICache,
    APIMetrics,
    CachedEntry,
    TimelinePoint,
)

# A chart of a young session shows its few seconds wide, in steps, so that it is not
# drawn at another scale every second.
_CHART_SECONDS = (60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0)
T = TypeVar("T")


class Feed:
    """The numbers of a session, without frames: a tenth of the time, and no copies.

    Parameters
    ----------
    verbs : Verbs
        Of the session.
    """

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    @property
    def closed(self) -> bool:
        """Whether the session is closed."""
        return self._verbs.closed

    @property
    def clock(self) -> Clock:
        """The session's clock."""
        return self._verbs.clock

    @staticmethod
    def submit(work: Awaitable[T]) -> Future[T]:
        """Begin a coroutine on the loop thread and return at once.

        In a loop of its own whatever the session's bridge: the kernel's own loop
        stands still while a cell is busy.

        Parameters
        ----------
        work : coroutine
        """
        return default_bridge().submit(work)

    @staticmethod
    def run(work: Awaitable[T], timeout_seconds: float | None = None) -> T:
        """Run a coroutine on the loop thread and wait for it.

        Parameters
        ----------
        work : coroutine
        timeout_seconds : float, optional
            None waits as long as it takes.
        """
        return default_bridge().run(work, timeout_seconds)

    def services(self) -> list[str]:
        """Return the services that were asked, or can be, by name."""
        asked = set(self._verbs.monitor.services())
        return sorted(asked | {each.service for each in open_clients()})

    def metrics(
        self, window_seconds: float | None, service: str | None
    ) -> tuple[APIMetrics, ...]:
        """Return the metrics of each operation.

        Parameters
        ----------
        window_seconds : float or None
            At most 3,600; None for all since the kernel began.
        service : str or None
            This one only.
        """
        monitor = self._verbs.monitor
        return monitor.get_metrics(window_seconds=window_seconds, service=service)

    def summary(
        self, window_seconds: float | None, service: str | None
    ) -> dict[str, Any]:
        """Return totals, as `APIMonitor.get_summary`.

        Parameters
        ----------
        window_seconds : float or None
            At most 3,600; None for all since the kernel began.
        service : str or None
            This one only.
        """
        return self._verbs.monitor.get_summary(window_seconds, service=service)

    def timeline(
        self, window_seconds: float | None, service: str | None
    ) -> tuple[TimelinePoint, ...]:
        """Return a window in buckets, the oldest first; the last hour for None.

        While the kernel is younger, less than the window: some time of which most has
        been seen.

        Parameters
        ----------
        window_seconds : float or None
            At most 3,600.
        service : str or None
            This one only.
        """
        monitor = self._verbs.monitor
        return monitor.timeline(
            window_seconds=chart_seconds(window_seconds, monitor.observed_seconds),
            service=service,
        )

    def requests(self, service: str | None) -> tuple[CallRecord, ...]:
        """Return the latest calls that are kept, the newest first.

        Parameters
        ----------
        service : str or None
            This one only.
        """
        return self._verbs.monitor.requests(service=service)

    def alerts(self) -> tuple[Alert, ...]:
        """Return the open alerts, then the closed, each the latest first."""
        return self._verbs.monitor.alerts()

    def limits(self) -> list[dict[str, Any]]:
        """Return how limits and breakers stand, as rows of the frame ``limits``."""
        return list(limit_records(open_clients()))

    def caches(self) -> dict[str, APICache]:
        """Return the caches of answers by name: this session's, then the clients'."""
        return self._verbs.caches()

    async def tiers(self) -> list[dict[str, Any]]:
        """Return the counts of each tier, as rows of the frame ``cache_stats``.

        Sizes are looked up now. The embeddings on disk come last.
        """
        return await self._verbs.tier_rows()

    async def entries(self, order: Any, limit: int) -> list[tuple[str, CachedEntry]]:
        """Return the entries of all caches with the most or the fewest hits.

        Parameters
        ----------
        order : str
            ``"hot"`` or ``"cold"``.
        limit : int
            How many at most.

        Returns
        -------
        list of (str, CachedEntry)
            The cache's name, and the entry, ordered by hits.
        """
        found = [
            (name, entry)
            for name, cache in self.caches().items()
            for entry in await cache.entries(order=order, limit=limit)
        ]
        found.sort(key=lambda each: each[1].hits, reverse=order == "hot")
        return found[:limit]

    async def matching(
        self, name: str, tag: str | None, prefix: str | None
    ) -> int | None:
        """Return how many entries `clear` would drop; None where nobody knows.

        Parameters
        ----------
        name : str
            Of the cache.
        tag, prefix : str or None
            As of `APICache.clear`.
        """
        cache = self.caches().get(name)
        return 0 if cache is None else await cache.matching(tag=tag, prefix=prefix)

    async def clear(self, name: str, tag: str | None, prefix: str | None) -> int:
        """Drop entries of a cache and return how many.

        Parameters
        ----------
        name : str
            Of the cache.
        tag, prefix : str or None
            As of `APICache.clear`.

        Raises
        ------
        HomeError
            The file could not be cleared.
        """
        cache = self.caches().get(name)
        return 0 if cache is None else await cache.clear(tag=tag, prefix=prefix)


def chart_seconds(window_seconds: float | None, observed_seconds: float) -> float:
    """Return how much time a chart shows.

    Parameters
    ----------
    window_seconds : float or None
        That was asked for; None for all.
    observed_seconds : float
        How long there has been something to see.

    Returns
    -------
    float
        At most the window and an hour.

    Examples
    --------
    >>> chart_seconds(300, 20), chart_seconds(300, 4_000), chart_seconds(None, 700)
    (60.0, 300, 1200.0)
    """
    longest = _CHART_SECONDS[-1]
    enough = next(
        (each for each in _CHART_SECONDS if each >= observed_seconds), longest
    )
    return min(longest if window_seconds is None else window_seconds, enough)
