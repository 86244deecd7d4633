"""What several processes that share a limit ask: when a call may be sent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from contexter_nb.core import ContexterError
from contexter_nb.policies._bucket import Amounts, Rates

MAX_AHEAD_SECONDS = 3600.0
"""A stored instant further ahead comes from another boot or clock and is not kept."""


class StoreAwayError(ContexterError):
    """A store of shared limits cannot be used now; limiters go on without it."""


@dataclass(frozen=True, slots=True)
class Booking:
    """The answer of a store.

    Attributes
    ----------
    wait_seconds : float
        How long to wait before sending.
    booked : bool
        False where that is longer than allowed: nothing was paid.
    levels : tuple of float
        What is left then, in the order of the rates.
    number : int
        Counts the bookings of the line.
    cost : tuple of float
        What was paid.
    levels_before : tuple of float
        What was left before it, at `at_before`.
    at_before : float
        An instant of the store's clock, seconds.
    """

    wait_seconds: float
    booked: bool
    levels: Amounts
    number: int
    cost: Amounts
    levels_before: Amounts
    at_before: float


class LimitStore(Protocol):
    """Books instants for several processes; safe to use from several loops at once.

    A store that cannot be used raises `StoreAwayError` or an OSError, soon.
    """

    async def book(
        self,
        line: str,
        rates: Rates,
        cost: Amounts,
        *,
        owed: Amounts,
        max_wait_seconds: float,
    ) -> Booking:
        """Book the earliest instant at which all of `cost` can be paid.

        Parameters
        ----------
        line : str
            Who shares; of `line_id`.
        rates : tuple of Rate
        cost : tuple of float
        owed : tuple of float
            Paid first, without a wait: what earlier calls used beyond their cost, or
            below it where negative.
        max_wait_seconds : float
            Where it would take longer, nothing is booked.
        """

    async def give_back(self, line: str, rates: Rates, booking: Booking) -> None:
        """Undo a booking that is not used.

        Where nobody booked after it, all is as before; otherwise its cost is credited,
        but no later booking moves forward.

        Parameters
        ----------
        line : str
        rates : tuple of Rate
        booking : Booking
        """

    async def pause(self, line: str, seconds: float) -> None:
        """Book nothing before some time has passed; the longest pause wins.

        Parameters
        ----------
        line : str
        seconds : float
        """

    async def close(self) -> None:
        """Let go of files and connections; a later call opens them again."""


def line_id(name: str, key: str | None) -> str:
    """Return the id of a limiter's key in a store: a hash, since a key may be private.

    Parameters
    ----------
    name : str
        Of the limiter.
    key : str or None
        None where all share one limit.
    """
    content = repr((name, key)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=16).hexdigest()
