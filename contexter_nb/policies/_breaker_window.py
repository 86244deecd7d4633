"""Two counts over the last seconds, in slices of time: no list of instants is kept."""

from __future__ import annotations

from contexter_nb.core import InvalidArgumentError

SLICES = 10


class CountWindow:
    """Two counts over the current slice of time and the nine before it.

    What was added counts for at least nine tenths of the window, and never for longer
    than all of it. Memory and time of each call are constant. Not safe for several
    threads by itself.

    Parameters
    ----------
    window_seconds : float
        Above 0.

    Raises
    ------
    InvalidArgumentError
        The window is not a finite number above 0.

    Examples
    --------
    >>> window = CountWindow(10.0)
    >>> window.add(100.0, 1, 0)
    >>> window.add(105.0, 1, 1)
    >>> window.totals(109.9), window.totals(110.0), window.totals(115.0)
    ((2, 1), (1, 1), (0, 0))
    """

    __slots__ = ("_firsts", "_seconds", "_slice_seconds", "_tick", "_totals")

    def __init__(self, window_seconds: float) -> None:
        if not 0 < window_seconds < float("inf"):
            raise InvalidArgumentError(
                f"window_seconds is {window_seconds!r}; give seconds above 0."
            )
        self._slice_seconds = window_seconds / SLICES
        self._tick = 0
        self.clear()

    def add(self, now: float, first: int, second: int) -> None:
        """Add to both counts.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds; an earlier one than before counts as that.
        first, second : int
        """
        if now // self._slice_seconds > self._tick:
            self._turn(now)
        at = self._tick % SLICES
        self._firsts[at] += first
        self._seconds[at] += second
        self._totals[0] += first
        self._totals[1] += second

    def totals(self, now: float) -> tuple[int, int]:
        """Return both counts.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        if now // self._slice_seconds > self._tick:
            self._turn(now)
        return self._totals[0], self._totals[1]

    def clear(self) -> None:
        """Forget all that was added."""
        self._firsts = [0] * SLICES
        self._seconds = [0] * SLICES
        self._totals = [0, 0]

    def _turn(self, now: float) -> None:
        """Empty the slices that time has passed over."""
        tick = int(now // self._slice_seconds)
        for passed in range(max(self._tick, tick - SLICES) + 1, tick + 1):
            at = passed % SLICES
            self._totals[0] -= self._firsts[at]
            self._totals[1] -= self._seconds[at]
            self._firsts[at] = self._seconds[at] = 0
        self._tick = tick
