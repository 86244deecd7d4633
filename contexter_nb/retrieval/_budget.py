"""Money that may be spent: asked before anything is sent, never passed."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from contexter_nb.core import InvalidArgumentError

# Whole numbers, so that a budget of exactly what is needed is enough: a token at a
# price of 0.0005 USD per million is 500 of these.
_PICO = 1_000_000_000_000


@runtime_checkable
class PricedEmbedder(Protocol):
    """An embedder that can say beforehand what a text may cost."""

    def usd_at_most(self, texts: Sequence[str]) -> Sequence[float] | None:
        """Return the most that each text can cost.

        Parameters
        ----------
        texts : sequence of str, n texts

        Returns
        -------
        sequence of float, n amounts, or None
            US dollars; zeros for a model that runs here. None where no price is known,
            also for no texts.
        """


def usd_at_most(embedder: object, texts: Sequence[str]) -> Sequence[float]:
    """Return the most that each text can cost with an embedder.

    Parameters
    ----------
    embedder : object
        Asked where it is a `PricedEmbedder`.
    texts : sequence of str, n texts
        None of them, to learn whether there is a price at all.

    Returns
    -------
    sequence of float, n amounts
        US dollars.

    Raises
    ------
    InvalidArgumentError
        The embedder does not know what it costs, so that no budget can be kept.
    """
    found = (
        embedder.usd_at_most(texts) if isinstance(embedder, PricedEmbedder) else None
    )
    if found is None:
        name = getattr(embedder, "identity", type(embedder).__name__)
        raise InvalidArgumentError(
            f"The embedder {name!r} has no known price, so no budget can be kept; give "
            "its price with prices={...}, its method usd_at_most, or no budget_usd."
        )
    return found


class Budget:
    """US dollars that a job may spend, from any number of threads.

    Ask before each batch with the most it can cost; say afterwards what it did cost.
    What was spent passes the budget only where a batch cost more than was said.

    Parameters
    ----------
    usd : float or None
        From 0 on; None for no bound.

    Raises
    ------
    InvalidArgumentError
        The amount is negative or not a number.

    Examples
    --------
    >>> budget = Budget(0.10)
    >>> budget.reserve(0.08)
    True
    >>> budget.settle(0.08, actual_usd=0.05)
    >>> budget.reserve(0.06), budget.exhausted
    (False, True)
    >>> budget.stopped
    'stopped at the budget of 0.1 USD: 0.05 USD spent, the next may cost 0.06 USD'
    """

    def __init__(self, usd: float | None) -> None:
        number = isinstance(usd, int | float) and not isinstance(usd, bool)
        if usd is not None and not (number and 0 <= usd < math.inf):
            raise InvalidArgumentError(
                f"The budget is {usd!r}; give US dollars from 0 on, or None for no "
                "bound."
            )
        self._usd = usd
        self._bound = math.inf if usd is None else _pico(usd)
        self._lock = threading.Lock()
        self._spent = 0
        self._reserved = 0
        self._under_way = 0
        self._stopped: str | None = None

    def reserve(self, usd: float) -> bool:
        """Set money aside for a batch, and say whether it may be sent.

        Parameters
        ----------
        usd : float
            The most it can cost, from 0 on.

        Raises
        ------
        InvalidArgumentError
            The amount is negative or not a number.
        """
        return self.reserve_first([usd]) == 1

    def reserve_first(self, usd_each: Sequence[float]) -> int:
        """Set money aside for as many texts as it lasts for, beginning with the first.

        Parameters
        ----------
        usd_each : sequence of float, n texts
            The most that each can cost, from 0 on.

        Returns
        -------
        int
            How many of them may be sent, 0 to n. Below n, the budget is exhausted;
            unless it is 0, `settle` is due when they were sent.

        Raises
        ------
        InvalidArgumentError
            An amount is negative or not a number; then nothing is set aside.
        """
        amounts = [_checked(each) for each in usd_each]
        with self._lock:
            left = self._bound - self._spent - self._reserved
            taken = count = 0
            for amount in amounts:
                # What is free goes on when the money has come to an end.
                if amount and taken + amount > left:
                    self._stop(amount)
                    break
                taken += amount
                count += 1
            self._reserved += taken
            self._under_way += count > 0
            return count

    def settle(self, reserved_usd: float, *, actual_usd: float) -> None:
        """Say what a batch cost; what was set aside for it and not spent is free again.

        Parameters
        ----------
        reserved_usd : float
            What was reserved for it, from 0 on: the sum, after `reserve_first`.
        actual_usd : float
            What it cost, from 0 on: 0 where it was not sent.

        Raises
        ------
        InvalidArgumentError
            An amount is negative or not a number.
        """
        reserved, actual = _checked(reserved_usd), _checked(actual_usd)
        with self._lock:
            self._under_way = max(0, self._under_way - 1)
            # The sum of many may be rounded otherwise than they were one by one.
            left = self._reserved - reserved if self._under_way else 0
            self._reserved = max(0, left)
            self._spent += actual

    @property
    def usd(self) -> float | None:
        """Return what may be spent; None without a bound."""
        return self._usd

    @property
    def spent_usd(self) -> float:
        """Return what was spent."""
        with self._lock:
            return self._spent / _PICO

    @property
    def left_usd(self) -> float:
        """Return what is neither spent nor set aside; infinite without a bound."""
        with self._lock:
            return max(0, self._bound - self._spent - self._reserved) / _PICO

    @property
    def exhausted(self) -> bool:
        """Return whether something was refused."""
        return self._stopped is not None

    @property
    def stopped(self) -> str | None:
        """Return what was refused last, in a sentence; None where nothing was."""
        return self._stopped

    def _stop(self, amount: int) -> None:
        under_way = f" and {self._shown(self._reserved)} under way"
        self._stopped = (
            f"stopped at the budget of {_plain(self._usd or 0.0)} USD: "
            f"{self._shown(self._spent)} spent"
            f"{under_way if self._reserved else ''}, "
            f"the next may cost {self._shown(amount)}"
        )

    def _shown(self, pico: int) -> str:
        return f"{_plain(pico / _PICO)} USD"


def _plain(usd: float) -> str:
    """Return dollars as a person writes them, two digits or more.

    >>> _plain(0.1), _plain(6.882e-05), _plain(12.3456)
    ('0.1', '0.000069', '12.3456')
    """
    return f"{usd:.{_digits_after_point(usd)}f}".rstrip("0").rstrip(".") or "0"


def _digits_after_point(usd: float) -> int:
    if usd <= 0:
        return 0
    return min(12, max(6, 1 - math.floor(math.log10(usd))))


def _checked(usd: float) -> int:
    if not 0 <= usd < math.inf:
        raise InvalidArgumentError(f"An amount is {usd!r}; give US dollars from 0 on.")
    return _pico(usd)


def _pico(usd: float) -> int:
    return round(usd * _PICO)
