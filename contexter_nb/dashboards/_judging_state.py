"""The judging of a pool and its transitions: pure, from state to state to what is seen.

One passage is shown at a time; its place is its number in the pool. A passage is *open*
while it has no grade and was not skipped; a grade or a skip leads to the next open one,
and where none is left, to the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from contexter_nb.dashboards._explorer_setting import MODES, literal
from contexter_nb.dashboards._explorer_state import NOBODY, Asked
from contexter_nb.dashboards._grades import GRADES, grade_label
from contexter_nb.dashboards._hits import plain, split_signature, web_url
from contexter_nb.dashboards._judging_pool import Passage
from contexter_nb.notebook import marked_runs

TEXT_CHARS = 100_000
MAX_TRAIL = 1_000
NOTHING_LEFT = (
    "Every passage of the pool has a grade. nb.pool(..., depth=20) would look deeper."
)
_WIDTH = 88


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


def back(state: Judging) -> Judging:
    """Return the state at the passage that was shown before this one."""
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


def _without(grades: Mapping[int, int], place: int) -> dict[int, int]:
    return {at: grade for at, grade in grades.items() if at != place}


def _one_less(places: tuple[int, ...], place: int) -> tuple[int, ...]:
    left = list(places)
    left.remove(place)
    return tuple(left)


def counts(state: Judging) -> list[int]:
    """Return how many passages have each grade, from 0 on."""
    given = list(state.grades.values())
    return [given.count(grade) for grade in range(len(GRADES))]


def position(state: Judging) -> str:
    """Return where a person is, as "7 of 42 · question 2 of 5"."""
    size, questions = len(state.passages), _questions(state)
    if state.shown is None:
        return f"{size:,} of {size:,}" if size else "Nothing to judge"
    number = questions.index(state.shown.query_id) + 1
    return f"{state.at + 1:,} of {size:,} · question {number:,} of {len(questions):,}"


def tally(state: Judging) -> str:
    """Return what was done so far, as "5 judged, 1 skipped"."""
    done = f"{len(state.grades):,} judged"
    return f"{done}, {len(state.skipped):,} skipped" if state.skipped else done


def ending(state: Judging) -> str:
    """Return what the end of a pool is headed with."""
    if not state.passages:
        return "Everything is judged"
    left = len(state.passages) - len(state.grades)
    if not left:
        return f"All {len(state.passages):,} passages are judged"
    return f"{len(state.grades):,} of {len(state.passages):,} passages are judged"


def next_cell(state: Judging) -> str:
    """Return the cell that measures search settings by what was judged."""
    queries = list(
        dict.fromkeys(
            each.query for at, each in enumerate(state.passages) if at in state.grades
        )
    )
    modes = literal(MODES)
    if not queries:
        return f"nb.experiment(nb.judgments(), {modes})"
    line = f"nb.experiment({literal(queries)}, {modes})"
    if len(line) <= _WIDTH:
        return line
    listed = "".join(f"    {literal(each)},\n" for each in queries)
    return f"questions = [\n{listed}]\nnb.experiment(questions, {modes})"


def _questions(state: Judging) -> list[str]:
    return list(dict.fromkeys(each.query_id for each in state.passages))


def shown(state: Judging) -> dict[str, Any]:
    """Return what a browser is told, in parts that change apart from each other.

    Nothing that tells which setting found a passage, or where, is among it.

    Returns
    -------
    dict
        ``passage`` (empty at the end) and ``progress``, of plain values.
    """
    return {"passage": _shown_passage(state), "progress": _progress(state)}


def _shown_passage(state: Judging) -> dict[str, Any]:
    passage = state.shown
    if passage is None:
        return {}
    before = state.passages[state.trail[-1]] if _came_from_one(state) else passage
    return {
        "place": state.at,
        "query": plain(passage.query),
        "is_new": before.query_id != passage.query_id,
        "grade": state.grades.get(state.at),
        "was_skipped": state.at in state.skipped,
        **passage_values(passage),
    }


def _came_from_one(state: Judging) -> bool:
    return bool(state.trail) and state.trail[-1] < len(state.passages)


def passage_values(passage: Passage) -> dict[str, Any]:
    """Return a passage as a browser takes it: title and text in runs, as of hits."""
    text = plain(passage.text)
    if len(text) > TEXT_CHARS:
        text = f"{text[:TEXT_CHARS]} … (the first {TEXT_CHARS:,} characters)"
    signature, text = split_signature(text)
    return {
        "title": marked_runs(plain(passage.name), passage.query),
        "url": web_url(passage.url),
        "library": plain(passage.library),
        "version": plain(passage.version),
        "kind": plain(passage.kind),
        "signature": signature,
        "text": marked_runs(text, passage.query),
    }


def _progress(state: Judging) -> dict[str, Any]:
    over = state.shown is None
    return {
        "view": state.asked[0],
        "turn": state.asked[1],
        "notice": state.notice,
        "last": state.last,
        "over": over,
        "of": len(state.passages),
        "judged": len(state.grades),
        "skipped": len(state.skipped),
        "writing": len(state.writing),
        "back": can_go_back(state),
        "position": position(state),
        "tally": tally(state),
        "counts": counts(state),
        "ending": ending(state) if over else "",
        "note": "" if state.passages else NOTHING_LEFT,
        "code": next_cell(state) if over else "",
    }
