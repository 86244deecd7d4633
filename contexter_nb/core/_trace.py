"""What happened on the way to an answer: attempts, waits, cache, bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tier = Literal["memory", "disk", "redis"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request sent, or refused before it was sent.

    Attributes
    ----------
    number : int
        From 1.
    started_seconds : float
        Since the call began.
    limiter_wait_seconds, bulkhead_wait_seconds : float
        Waited for the rate limit and for a free connection.
    network_seconds : float
        From sending to the last byte of the answer.
    status_code : int or None
        None where no whole answer came.
    error_type : str or None
        The class of what went wrong.
    backoff_seconds : float
        Waited after it, before the next.
    request_bytes, response_bytes : int
        Length of the bodies, bytes.
    sent : bool
        Whether it was tried on the network; not where a breaker, a limit or a full
        pool refused it, or it was cancelled while it waited.
    """

    number: int
    started_seconds: float
    limiter_wait_seconds: float = 0.0
    bulkhead_wait_seconds: float = 0.0
    network_seconds: float = 0.0
    status_code: int | None = None
    error_type: str | None = None
    backoff_seconds: float = 0.0
    request_bytes: int = 0
    response_bytes: int = 0
    sent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The whole way of one call.

    Attributes
    ----------
    attempts : tuple of Attempt
        In order; empty where the cache answered.
    cache_tier : str or None
        ``memory``, ``disk`` or ``redis`` where a cache answered.
    cache_asked : bool
        Whether a cache was looked into.
    coalesced : bool
        Whether another call for the same was under way and its answer was taken.
    stale : bool
        Whether a cached answer past its time was given, since the service failed.
    reauthorized : bool
        Whether an answer 401 was met with a newer credential.
    total_seconds : float
        From the call to its answer, waits included.
    """

    attempts: tuple[Attempt, ...] = ()
    cache_tier: Tier | None = None
    cache_asked: bool = False
    coalesced: bool = False
    stale: bool = False
    reauthorized: bool = False
    total_seconds: float = 0.0

    @property
    def sent(self) -> int:
        """How many attempts were sent."""
        return sum([each.sent for each in self.attempts])

    @property
    def refused(self) -> int:
        """How many were refused, or given up, before they were sent."""
        return len(self.attempts) - self.sent

    @property
    def retries(self) -> int:
        """How many attempts were sent after the first."""
        return max(0, self.sent - 1)

    @property
    def limiter_wait_seconds(self) -> float:
        """Waited for rate limits, in all attempts."""
        return sum(each.limiter_wait_seconds for each in self.attempts)

    @property
    def bulkhead_wait_seconds(self) -> float:
        """Waited for a free connection, in all attempts."""
        return sum(each.bulkhead_wait_seconds for each in self.attempts)

    @property
    def backoff_seconds(self) -> float:
        """Waited between attempts."""
        return sum(each.backoff_seconds for each in self.attempts)

    @property
    def waited_seconds(self) -> float:
        """Waited in all: limits, connections, and between attempts."""
        return (
            self.limiter_wait_seconds
            + self.bulkhead_wait_seconds
            + self.backoff_seconds
        )

    @property
    def network_seconds(self) -> float:
        """Spent on the network, in all attempts."""
        return sum(each.network_seconds for each in self.attempts)

    @property
    def request_bytes(self) -> int:
        """Length of all bodies sent, bytes."""
        return sum(each.request_bytes for each in self.attempts)

    @property
    def response_bytes(self) -> int:
        """Length of all bodies received, bytes."""
        return sum(each.response_bytes for each in self.attempts)

    @property
    def last_status_code(self) -> int | None:
        """The status of the last whole answer, or None."""
        codes = [each.status_code for each in self.attempts if each.status_code]
        return codes[-1] if codes else None
