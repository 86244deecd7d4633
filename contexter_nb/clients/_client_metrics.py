"""All that one client can say about itself, at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from contexter_nb.policies import APIMetrics, BreakerStatus, LimiterStatus, TierStats


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMetrics:
    """Metrics of one client.

    Attributes
    ----------
    operations : tuple of APIMetrics
        One for each operation, of the last minutes.
    limiter : LimiterStatus or None
        None where the client has no rate limit.
    breakers : tuple of BreakerStatus
        One for each host.
    cache : tuple of TierStats
        One for each tier; empty without a cache.
    in_use, waiting : int
        Requests on their way, and waiting for a free connection, on this loop.
    """

    service: str
    operations: tuple[APIMetrics, ...]
    limiter: LimiterStatus | None
    breakers: tuple[BreakerStatus, ...]
    cache: tuple[TierStats, ...]
    in_use: int
    waiting: int


@runtime_checkable
class MetricsSource(Protocol):
    """A monitor that can say what it was told."""

    def get_metrics(
        self, *, window_seconds: float | None, service: str | None
    ) -> tuple[APIMetrics, ...]:
        """Return the metrics of each operation.

        Parameters
        ----------
        window_seconds : float or None
            Of which last seconds; None for all.
        service : str or None
            Only this one's.
        """
