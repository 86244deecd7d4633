"""Whether a service answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """What a probe found out.

    Attributes
    ----------
    healthy : bool
        Whether the service answered as it should.
    latency_ms : float
        From sending to the whole answer.
    detail : str
        One line for a person.
    checked_at : datetime
        Aware UTC.
    """

    service: str
    healthy: bool
    latency_ms: float
    detail: str
    checked_at: datetime
