"""How many retries a service is asked to bear: a share of the calls it gets."""

from __future__ import annotations

import threading

from contexter_nb.core import InvalidArgumentError
from contexter_nb.policies._breaker_window import CountWindow


class RetryBudget:
    """Retries allowed within a window: a share of its calls, and a reserve.

    While every call fails, a service gets at most ``1 + ratio`` times the calls, and
    the reserve; without a budget it would get `max_attempts` times as many. Safe to
    share between threads and event loops; what is decided depends on `now` alone.

    Parameters
    ----------
    ratio : float, default 0.2
        Retries for each call.
    min_retries_per_second : float, default 2.0
        The reserve, so that rare calls are retried, too. With the window of 10 s it
        comes to 20 retries: more than a client's 16 connections that break together.
    window_seconds : float, default 10.0
        How long a call counts, to a tenth of it.

    Raises
    ------
    InvalidArgumentError
        A number is negative or not finite, or the window is 0.

    Examples
    --------
    >>> budget = RetryBudget(ratio=0.5, min_retries_per_second=0)
    >>> budget.deposit(now=0.0)
    >>> budget.deposit(now=0.1)
    >>> budget.withdraw(now=0.2), budget.withdraw(now=0.2)
    (True, False)

    Source
    ------
    The idea is that of Finagle: twitter.github.io/finagle/guide/Clients.html.
    """

    def __init__(
        self,
        *,
        ratio: float = 0.2,
        min_retries_per_second: float = 2.0,
        window_seconds: float = 10.0,
    ) -> None:
        for name, value in (
            ("ratio", ratio),
            ("min_retries_per_second", min_retries_per_second),
        ):
            if not 0 <= value < float("inf"):
                raise InvalidArgumentError(f"{name} is {value!r}; give 0 or more.")
        self._window = CountWindow(window_seconds)
        self._ratio = ratio
        self._reserve = min_retries_per_second * window_seconds
        self._lock = threading.Lock()

    def deposit(self, now: float) -> None:
        """Count a call, when its first attempt is made.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        with self._lock:
            self._window.add(now, 1, 0)

    def withdraw(self, now: float) -> bool:
        """Take one retry; False where there is none left.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        with self._lock:
            # A hair below 1: five calls at a ratio of 0.2 are one retry.
            if self._left(now) < 1.0 - 1e-9:
                return False
            self._window.add(now, 0, 1)
            return True

    def balance(self, now: float) -> float:
        """Return how many retries are left, 0 or more.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        with self._lock:
            return max(0.0, self._left(now))

    def _left(self, now: float) -> float:
        calls, retries = self._window.totals(now)
        return self._reserve + self._ratio * calls - retries
