"""The judging of a pool and its transitions: pure, from state to state.

One passage is shown at a time; its place is its number in the pool. A passage is *open*
while it has no grade and was not skipped; a grade or a skip leads to the next open one,
and where none is left, to the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from contexter_nb.dashboards._explorer_state import NOBODY, Asked
from contexter_nb.dashboards._grades import grade_label
from contexter_nb.dashboards._hits import plain
from contexter_nb.dashboards._judging_pool import Passage

MAX_TRAIL = 1_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judging:
    """Where a person is in a pool.

    Attributes
    ----------
    at : int
        The place that is shown; the number of passages at the end.
    grades : mapping of int to int
        By place, as they are shown.
    kept : mapping of int to int
        By place, as they are on disk.
    skipped : frozenset of int
        Places that were passed over.
    writing : tuple of int
        Places whose grades are on their way to the disk.
    trail : tuple of int
        Places that were shown before, for the way back.
    last : str
        What was done last, for a person to see that it was right.
    notice : str
        What went wrong, in one sentence.
    asked : tuple of (str, int)
        Which view did something last, and its own number for that.
    variants : str
        What the pool was gathered by, as a cell says it; empty where that is not known.
    """

    passages: tuple[Passage, ...] = ()
    at: int = 0
    grades: Mapping[int, int] = field(default_factory=dict)
    kept: Mapping[int, int] = field(default_factory=dict)
    skipped: frozenset[int] = frozenset()
    writing: tuple[int, ...] = ()
    trail: tuple[int, ...] = ()
    last: str = ""
    notice: str = ""
    asked: Asked = NOBODY
    variants: str = ""

    @property
    def shown(self) -> Passage | None:
        """Return the passage that is shown; None at the end."""
        return self.passages[self.at] if self.at < len(self.passages) else None

    @property
    def unjudged(self) -> list[Passage]:
        """Return the passages without a grade, those that were skipped among them."""
        return [each for at, each in enumerate(self.passages) if at not in self.grades]


def begun(
    passages: Sequence[Passage], grades: Mapping[tuple[str, str], int]
) -> Judging:
    """Return the state at the first passage that has no grade yet.

    Parameters
    ----------
    grades : mapping
        Those that were given before, by query id and chunk id.
    """
    keys = ((each.query_id, each.chunk_id) for each in passages)
    known = {at: grades[key] for at, key in enumerate(keys) if key in grades}
    state = Judging(passages=tuple(passages), grades=known, kept=known)
    return replace(state, at=_next_open(state, 0))


def _next_open(state: Judging, start: int) -> int:
    """Return the first open place from one on, or before it; the end without any."""
    size = len(state.passages)
    places = (*range(start, size), *range(min(start, size)))
    done = state.grades.keys() | state.skipped
    return next((place for place in places if place not in done), size)


def _went(state: Judging, at: int) -> Judging:
    """Return the state at another place, from which a step back leads here."""
    if at == state.at:
        return state
    return replace(state, at=at, trail=(*state.trail, state.at)[-MAX_TRAIL:])


def acting(state: Judging, asked: Asked) -> Judging:
    """Return the state in which somebody does something; what went wrong is over."""
    return replace(state, asked=asked, notice="")


def noticed(state: Judging, sentence: str) -> Judging:
    """Return the state in which something went wrong."""
    return replace(state, notice=sentence)


def graded(state: Judging, place: int, grade: int) -> Judging:
    """Return the state in which a passage has a grade that is being written.

    It goes on from there, if the passage is the one that is shown.
    """
    name = plain(state.passages[place].name)
    state = replace(
        state,
        grades={**state.grades, place: grade},
        skipped=state.skipped - {place},
        writing=(*state.writing, place),
        last=f"{name}: {grade_label(grade)}",
    )
    return _went(state, _next_open(state, place + 1)) if state.at == place else state


def taken_back(state: Judging, place: int) -> Judging:
    """Return the state in which a passage has no grade any more; it stays in view."""
    name = plain(state.passages[place].name)
    return replace(
        state,
        grades=_without(state.grades, place),
        writing=(*state.writing, place),
        last=f"{name}: taken back",
    )


def skipped(state: Judging, place: int) -> Judging:
    """Return the state after a passage was passed over.

    One that has a grade, or was skipped before, was only looked at again: the next in
    the pool comes, whatever it has.
    """
    if place != state.at or state.shown is None:
        return state
    if place in state.grades or place in state.skipped:
        return _went(replace(state, last=""), place + 1)
    name = plain(state.passages[place].name)
    state = replace(state, skipped=state.skipped | {place}, last=f"{name}: skipped")
    return _went(state, _next_open(state, place + 1))


def back(state: Judging, place: object) -> Judging:
    """Return the state at the passage that was shown before a place.

    Where that is no longer shown, as when the same was asked twice, nothing moves.
    """
    if place != state.at:
        return state
    if state.trail:
        *before, at = state.trail
        return replace(state, at=at, trail=tuple(before), last="")
    return replace(state, at=max(state.at - 1, 0), last="")


def can_go_back(state: Judging) -> bool:
    """Whether there is a passage before this one."""
    return bool(state.trail) or state.at > 0


def revisiting(state: Judging) -> Judging:
    """Return the state in which what was skipped is open again, the first in view."""
    state = replace(state, skipped=frozenset(), last="")
    return _went(state, _next_open(state, 0))


def written(state: Judging, place: int, grade: int | None) -> Judging:
    """Return the state in which a grade is on disk; None where one was taken back."""
    kept = _without(state.kept, place)
    if grade is not None:
        kept[place] = grade
    return replace(state, kept=kept, writing=_one_less(state.writing, place))


def unwritten(state: Judging, place: int, sentence: str) -> Judging:
    """Return the state after a grade could not be written: the passage comes back.

    With the grade that it has on disk. Where another one of it is on its way, that one
    decides.
    """
    writing = _one_less(state.writing, place)
    if place in writing:
        return replace(state, writing=writing)
    grades = _without(state.grades, place)
    if place in state.kept:
        grades[place] = state.kept[place]
    name = plain(state.passages[place].name)
    told = f"The grade of {name} was not kept: {sentence}"
    # Of several the first one comes; the others are open, too, and follow.
    at = min(place, state.at) if state.notice else place
    state = replace(state, grades=grades, writing=writing, last="", notice=told)
    return _went(state, at)


def renewed(state: Judging, place: int, passage: Passage) -> Judging:
    """Return the state in which a passage says something else than it did."""
    passages = (*state.passages[:place], passage, *state.passages[place + 1 :])
    return replace(state, passages=passages)


def _without(grades: Mapping[int, int], place: int) -> dict[int, int]:
    return {at: grade for at, grade in grades.items() if at != place}


def _one_less(places: tuple[int, ...], place: int) -> tuple[int, ...]:
    left = list(places)
    left.remove(place)
    return tuple(left)
