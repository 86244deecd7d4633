"""How far the counting of tokens is off, learned from what the service bills."""

from __future__ import annotations

REMEMBERED = 32
TRUSTED_FROM = 3
# Below this a batch says little: what a text costs beside its words weighs too much.
MIN_TOKENS = 200
_MARGIN = 1.05
_LEAST, _MOST = 0.25, 16.0


class Calibration:
    """The ratio of billed to counted tokens, as high as it was lately.

    It begins at 1, so that the counting alone decides; after some answers batches are
    filled by what their tokens really are. The highest of the last answers counts, and
    5 % more, since a batch that is too large costs more than one that is not full.

    A race between threads loses an observation at worst.

    Examples
    --------
    >>> learned = Calibration()
    >>> for billed in (700, 800, 750):
    ...     learned.observe(counted=1_000, billed=billed)
    >>> round(learned.ratio, 2)
    0.84
    """

    __slots__ = ("_recent",)

    def __init__(self) -> None:
        self._recent: tuple[float, ...] = ()

    @property
    def ratio(self) -> float:
        """By what a count is to be multiplied; above 1 where the counting was short."""
        recent = self._recent
        if not recent:
            return 1.0
        highest = max(recent)
        if highest > 1.0:
            return min(highest * _MARGIN, _MOST)
        # A counting that was never short needs no margin of its own.
        if len(recent) < TRUSTED_FROM:
            return 1.0
        return min(max(highest * _MARGIN, _LEAST), 1.0)

    def observe(self, *, counted: int, billed: int) -> None:
        """Take in one answer.

        Parameters
        ----------
        counted : int
            Tokens of the batch by our counting.
        billed : int
            By the service; 0 or less says nothing.
        """
        if counted >= MIN_TOKENS and billed > 0:
            kept = self._recent[-(REMEMBERED - 1) :]
            self._recent = (*kept, billed / counted)
