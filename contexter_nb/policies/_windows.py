"""The last ten minutes and the last hour, in slots that fall out as time goes on."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from contexter_nb.policies._labels import Labels
from contexter_nb.policies._tally import Tally

SLOT_SECONDS = 10.0
SLOTS = 60
COARSE_SECONDS = 120.0
COARSE_SLOTS = 30
LONGEST_SECONDS = COARSE_SECONDS * COARSE_SLOTS
MAX_MERGED_WINDOWS = 8

Tallies = dict[Labels, Tally]


class Slot(NamedTuple):
    """What was counted from one instant on."""

    starts: float
    tallies: Tallies


class Windows:
    """Tallies of the last 10 minutes (10 s slots), the last hour (2 min), and of all.

    A call touches the open slot only. When that slot's time is up, it is merged once
    into the coarse slot and the totals around it. Time that runs backwards counts as
    standing still.

    Parameters
    ----------
    now : float
        The instant it begins, monotonic seconds.

    Attributes
    ----------
    open : dict of Labels to Tally
        Of the open slot; valid while ``now < open_until``.
    open_until : float
        When `roll` must be called.
    rolled : int
        How often a slot was closed.
    """

    def __init__(self, now: float) -> None:
        self._started = now
        self._totals: Tallies = {}
        self._fine: deque[Slot] = deque()
        self._coarse: deque[Slot] = deque()
        self._merged: dict[float, tuple[int, float, Tallies]] = {}
        self.rolled = 0
        self._open_slot(now)

    def _open_slot(self, now: float) -> None:
        self.open: Tallies = {}
        self._opened = math.floor(now / SLOT_SECONDS) * SLOT_SECONDS
        self.open_until = self._opened + SLOT_SECONDS

    def roll(self, now: float) -> None:
        """Close the open slot where its time is up, and drop what is too old.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        if now < self.open_until:
            return
        self.rolled += 1
        if self.open:
            self._close_slot()
        self._open_slot(now)
        while self._fine and self._fine[0].starts < self._opened - SLOT_SECONDS * SLOTS:
            self._fine.popleft()
        oldest = self._opened - LONGEST_SECONDS - COARSE_SECONDS
        while self._coarse and self._coarse[0].starts <= oldest:
            self._coarse.popleft()

    def _close_slot(self) -> None:
        starts = math.floor(self._opened / COARSE_SECONDS) * COARSE_SECONDS
        if not self._coarse or self._coarse[-1].starts != starts:
            if self._coarse:
                for tally in self._coarse[-1].tallies.values():
                    tally.pack()
            self._coarse.append(Slot(starts, {}))
        merge(self._coarse[-1].tallies, self.open)
        merge(self._totals, self.open)
        for tally in self.open.values():
            tally.pack()
        self._fine.append(Slot(self._opened, self.open))

    def slots(self, now: float, window_seconds: float) -> Iterator[Slot]:
        """Yield the slots that a window touches, the oldest first.

        Parameters
        ----------
        now : float
        window_seconds : float
            At most an hour; beyond ten minutes the slots are the coarse ones.
        """
        self.roll(now)
        since = now - window_seconds
        fine = window_seconds <= SLOT_SECONDS * SLOTS
        width = SLOT_SECONDS if fine else COARSE_SECONDS
        for slot in self._fine if fine else self._coarse:
            if slot.starts + width > since:
                yield slot
        if self.open:
            yield Slot(self._opened, self.open)

    def within(self, now: float, window_seconds: float | None) -> Tallies:
        """Return merged tallies of a window, or of all time.

        Parameters
        ----------
        now : float
        window_seconds : float or None
            Rounded up to whole slots; None since the start.
        """
        found: Tallies = {}
        if window_seconds is None:
            self.roll(now)
            merge(found, self._totals)
            merge(found, self.open)
            return found
        merge(found, self._closed_within(now, window_seconds))
        merge(found, self.open)
        return found

    def _closed_within(self, now: float, window_seconds: float) -> Tallies:
        """Return merged tallies of the closed slots, merged anew once a slot only."""
        slots = list(self.slots(now, window_seconds))
        if self.open:
            slots.pop()
        first = slots[0].starts if slots else math.inf
        known = self._merged.get(window_seconds)
        if known is not None and known[:2] == (self.rolled, first):
            return known[2]
        found: Tallies = {}
        for slot in slots:
            merge(found, slot.tallies)
        if len(self._merged) >= MAX_MERGED_WINDOWS:
            self._merged.clear()
        self._merged[window_seconds] = self.rolled, first, found
        return found

    def services(self) -> tuple[str, ...]:
        """Return the services that were counted since the start, by name."""
        found = {labels.service for labels in self._totals}
        # Labels of a slot that is open may be plain tuples.
        return tuple(sorted(found | {labels[0] for labels in self.open}))

    def covered_seconds(self, now: float, window_seconds: float | None) -> float:
        """Return how long the time is that `within` speaks of.

        Parameters
        ----------
        now : float
        window_seconds : float or None
        """
        since = self._started
        if window_seconds is not None:
            fine = window_seconds <= SLOT_SECONDS * SLOTS
            width = SLOT_SECONDS if fine else COARSE_SECONDS
            first = math.floor((now - window_seconds) / width) * width
            since = max(since, first)
        return max(0.0, now - since)


def merge(
    into: Tallies,
    tallies: Tallies,
    labels_of: Callable[[Labels], Labels] = lambda labels: labels,
) -> None:
    """Merge tallies into others, label by label.

    Parameters
    ----------
    into : dict of Labels to Tally
        Changed in place.
    tallies : dict of Labels to Tally
        Left as it is.
    labels_of : callable
        Maps the labels of the one to those of the other.
    """
    for labels, tally in tallies.items():
        wanted = labels_of(labels)
        found = into.get(wanted)
        if found is None:
            found = into[wanted] = Tally()
        found.merge(tally)
