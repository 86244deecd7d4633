"""A line a key, for a bounded number of keys, without forgetting what was used."""

from __future__ import annotations

from collections import OrderedDict
from math import inf

from contexter_nb.policies._bucket import Bucket, Rates
from contexter_nb.policies._limit_line import Line

_LOOKED_AT = 8


class KeyedLines:
    """Lines by key, the longest unused dropped; the caller holds a lock.

    A full bucket nobody waits for equals a new one, so nothing is lost with it. Where
    none of the longest unused is full, the first goes nevertheless, and keys made
    later begin with what was left in it, refilled since: no key ever passes its limit
    by being forgotten. Keys that wait or are paused stay.

    Parameters
    ----------
    rates : tuple of Rate
    max_keys : int
    """

    def __init__(self, rates: Rates, max_keys: int) -> None:
        self._rates = rates
        self._max_keys = max_keys
        self._dropped: Bucket | None = None
        self.lines: OrderedDict[str | None, Line] = OrderedDict()
        self.paused_until = -inf
        self.gone = Line(Bucket((), 0.0))
        """Carries the counts of lines that were dropped."""

    def get(self, key: str | None, now: float) -> Line:
        """Return a key's line, made if there is none.

        Parameters
        ----------
        key : str or None
        now : float
            A monotonic instant, seconds.
        """
        line = self.lines.get(key)
        if line is None:
            if len(self.lines) >= self._max_keys:
                self._make_room(now)
            line = self.lines[key] = Line(self.unused(now))
        else:
            self.lines.move_to_end(key)
        return line

    def bucket(self, key: str | None, now: float) -> Bucket:
        """Return a copy of a key's bucket as it is now, and make nothing.

        Parameters
        ----------
        key : str or None
        now : float
            A monotonic instant, seconds.
        """
        line = self.lines.get(key)
        if line is None:
            return self.unused(now)
        bucket = line.bucket.copy()
        bucket.refill(now)
        return bucket

    def unused(self, now: float) -> Bucket:
        """Return the bucket a new key begins with.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        if self._dropped is None:
            return Bucket(self._rates, now, paused_until=self.paused_until)
        self._dropped.refill(now)
        return Bucket(self._rates, now, self._dropped.levels, self.paused_until)

    def _make_room(self, now: float) -> None:
        keys = [key for key, _ in zip(self.lines, range(_LOOKED_AT), strict=False)]
        idle = [key for key in keys if self.lines[key].is_idle(now)]
        if not idle:
            for key in keys:
                self.lines.move_to_end(key)
            return
        for key in idle:
            if self.lines[key].bucket.full_at() <= now:
                self._drop(key)
                return
        bucket = self._drop(idle[0]).bucket
        bucket.refill(now)
        levels = zip(bucket.levels, self.unused(now).levels, strict=True)
        self._dropped = Bucket(self._rates, now, [min(both) for both in levels])

    def _drop(self, key: str | None) -> Line:
        line = self.lines.pop(key)
        self.gone.granted += line.granted
        self.gone.refused += line.refused
        self.gone.waited_seconds += line.waited_seconds
        return line

    def pause(
        self, key: str | None, until: float, now: float, *, all_keys: bool
    ) -> None:
        """Pause a key, or all of them and those to come.

        Parameters
        ----------
        key : str or None
        until, now : float
            Monotonic instants, seconds.
        all_keys : bool
        """
        if not all_keys:
            self.get(key, now).pause(until, now)
            return
        self.paused_until = max(self.paused_until, until)
        for line in self.lines.values():
            line.pause(until, now)
