"""What the monitor is told: frozen values, every quantity with its unit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from contexter_nb.core._severity import ErrorCategory
from contexter_nb.core._trace import Trace

Outcome = Literal["ok", "error", "cancelled"]
BreakerState = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call was charged.

    Attributes
    ----------
    tokens : int
    usd : float
        US dollars, by the price table; free tiers are not taken off.
    model : str
        By whose price; empty where there is none.
    """

    tokens: int = 0
    usd: float = 0.0
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call, told once when it ends, however it ends.

    Attributes
    ----------
    service, operation : str
        ``voyage`` and ``embeddings``, say: short names, never a URL.
    method, host : str
        ``POST`` and ``api.voyageai.com``; the port is added where it is not the
        scheme's own.
    request_id : str
        The id sent as ``X-Request-ID``.
    started_at : datetime
        Aware UTC.
    outcome : str
        ``ok``, ``error`` or ``cancelled``.
    status_code : int or None
        Of the last whole answer.
    error_type : str or None
        The class of the error raised.
    category : ErrorCategory or None
        None where nothing went wrong.
    trace : Trace
        Its ``total_seconds`` is the call's duration.
    usage : Usage
        Charged by the service for this call; nothing where a cache answered.
    saved : Usage
        What a cached answer had cost when it was fetched.
    saved_seconds : float
        Time on the network that a cached answer saved.
    """

    service: str
    operation: str
    method: str
    host: str
    request_id: str
    started_at: datetime
    outcome: Outcome
    trace: Trace
    status_code: int | None = None
    error_type: str | None = None
    category: ErrorCategory | None = None
    usage: Usage = Usage()
    saved: Usage = Usage()
    saved_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChange:
    """A circuit breaker went from one state into another.

    Attributes
    ----------
    at : datetime
        Aware UTC.
    """

    service: str
    host: str
    before: BreakerState
    after: BreakerState
    at: datetime


class Monitor(Protocol):
    """Whoever wants to be told; must not raise and must not wait."""

    def record(self, call: CallRecord) -> None:
        """Take note of a call.

        Parameters
        ----------
        call : CallRecord
        """

    def breaker_changed(self, change: BreakerChange) -> None:
        """Take note of a breaker's new state.

        Parameters
        ----------
        change : BreakerChange
        """
