"""The state of a view and its transitions: pure, from state to state to what is shown.

A search goes ``loading`` and then ``done``, ``failed`` or ``cancelled``; ``blank`` is a
view that nothing was asked of, ``empty`` one of an empty index.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from contexter_nb.dashboards._explorer_history import History, gone, visited
from contexter_nb.dashboards._explorer_setting import Setting, code, label, to_wire
from contexter_nb.dashboards._hits import hit_values, overlap, with_moves
from contexter_nb.dashboards._map import Atlas

if TYPE_CHECKING:
    import pandas as pd

Asked = tuple[str, int]
NOBODY: Asked = ("", 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What a setting was answered with.

    Attributes
    ----------
    hits : list of dict
        The frame's rows as `hit_values` makes them.
    total_ms : float
        From the question to the frame.
    """

    setting: Setting
    frame: pd.DataFrame
    hits: Sequence[Mapping[str, Any]]
    total_ms: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """Everything a view shows.

    Attributes
    ----------
    asked : tuple of (str, int)
        Which view asked for `setting`, and its own number for that.
    error : str
        Why the search failed, in one sentence; empty where it did not.
    notice : str
        What else went wrong.
    answer : Answer or None
        The last good one; it stays while a later search runs or fails.
    pinned : Setting or None
        A way to search that is compared with; its question is that of `setting`.
    facets : mapping
        Column to value to number of passages.
    places : mapping
        Where things lie on the map: chunk ids, and "" for the question.
    judged : mapping of str to int
        Grades of passages for the question that is shown, by chunk id.
    """

    setting: Setting = field(default_factory=Setting)
    history: History = field(default_factory=History)
    phase: str = "blank"
    asked: Asked = NOBODY
    error: str = ""
    notice: str = ""
    answer: Answer | None = None
    pinned: Setting | None = None
    pinned_answer: Answer | None = None
    stamp: Hashable = None
    facets: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    chart: Atlas | None = None
    places: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    selection: tuple[str, ...] = ()
    judged: Mapping[str, int] = field(default_factory=dict)
    can_rerank: bool = False


def answer_of(setting: Setting, frame: pd.DataFrame, total_ms: float) -> Answer:
    """Return an answer with its hits as they are shown."""
    mode = "dense" if setting.similar_to else setting.mode
    return Answer(
        setting=setting,
        frame=frame,
        hits=hit_values(frame, setting.query, mode),
        total_ms=total_ms,
    )


def asking(state: State, setting: Setting, asked: Asked, *, typing: bool) -> State:
    """Return the state in which a setting is searched for."""
    return replace(
        state,
        setting=setting,
        asked=asked,
        history=visited(state.history, setting, typing=typing),
        phase="blank" if setting.is_blank else "loading",
        error="",
        notice="",
    )


def moving(state: State, steps: int, asked: Asked) -> State:
    """Return the state in which an earlier or later setting is searched for."""
    history = gone(state.history, steps)
    setting = history.now or state.setting
    return replace(asking(state, setting, asked, typing=False), history=history)


def answered(state: State, answer: Answer, pinned: Answer | None) -> State:
    """Return the state in which hits are there; what is selected stays if it is."""
    ids = {each["id"] for each in answer.hits}
    same = state.answer is not None and _question(state.answer.setting) == _question(
        answer.setting
    )
    return replace(
        state,
        phase="done",
        error="",
        answer=answer,
        pinned_answer=pinned,
        selection=tuple(each for each in state.selection if each in ids),
        judged=state.judged if same else {},
    )


def unanswered(state: State) -> State:
    """Return the state of a view that nothing is asked of any more."""
    return replace(
        state,
        phase="blank",
        answer=None,
        pinned_answer=None,
        selection=(),
        judged={},
        places={},
    )


def emptied(state: State) -> State:
    """Return the state of a view of an empty index."""
    blank = unanswered(state)
    return replace(blank, phase="empty", facets={}, chart=None, stamp=None)


def failed(state: State, sentence: str) -> State:
    """Return the state in which a search failed; the last hits stay, as such."""
    return replace(state, phase="failed", error=sentence)


def cancelled(state: State) -> State:
    """Return the state in which a search was given up."""
    return replace(state, phase="cancelled") if state.phase == "loading" else state


def pinning(state: State) -> State:
    """Return the state in which this way to search is kept to be compared with."""
    if state.answer is None:
        return state
    return replace(state, pinned=state.answer.setting, pinned_answer=state.answer)


def unpinned(state: State) -> State:
    """Return the state in which nothing is compared."""
    return replace(state, pinned=None, pinned_answer=None)


def pinned_question(state: State) -> Setting | None:
    """Return the pinned way to search with the question that is asked now."""
    if state.pinned is None:
        return None
    return replace(
        state.pinned,
        query=state.setting.query,
        similar_to=state.setting.similar_to,
    )


def selecting(state: State, chunk_id: str, *, adding: bool) -> State:
    """Return the state in which a hit is selected, or no more if it was."""
    shown = {each["id"] for each in state.answer.hits} if state.answer else set()
    if chunk_id not in shown:
        return replace(state, selection=())
    if not adding:
        return replace(state, selection=(chunk_id,))
    others = tuple(each for each in state.selection if each != chunk_id)
    chosen = others if chunk_id in state.selection else (*others, chunk_id)
    return replace(state, selection=chosen)


def judging(state: State, grades: Mapping[str, int | None]) -> State:
    """Return the state in which passages have other grades; None takes one away."""
    merged = {**state.judged, **grades}
    kept = {key: grade for key, grade in merged.items() if grade is not None}
    return replace(state, judged=kept)


def _question(setting: Setting) -> tuple[str, str]:
    return setting.query.strip(), setting.similar_to


def shown(state: State) -> dict[str, Any]:
    """Return what a browser is told, in parts that change apart from each other.

    Returns
    -------
    dict
        ``status setting hits facets points marks``, each of plain values.
    """
    answer, pinned = state.answer, state.pinned_answer
    hits = list(answer.hits) if answer else []
    others = list(pinned.hits) if pinned else []
    return {
        "setting": to_wire(state.setting),
        "status": _status(state, hits, others),
        "hits": {
            "of": _title(answer.setting) if answer else "",
            "label": label(answer.setting, len(hits)) if answer else "",
            "now": with_moves(hits, others) if pinned else hits,
            "pinned": with_moves(others, hits) if pinned else None,
            "pinned_label": label(state.pinned, len(others)) if state.pinned else "",
        },
        "facets": facet_rows(state),
        "points": {key: list(place) for key, place in state.places.items()},
        "marks": {"selection": list(state.selection), "judged": dict(state.judged)},
    }


def _status(
    state: State,
    hits: Sequence[Mapping[str, Any]],
    others: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    answer = state.answer
    attrs = answer.frame.attrs if answer else {}
    return {
        "phase": state.phase,
        "view": state.asked[0],
        "turn": state.asked[1],
        "error": state.error,
        "notice": state.notice,
        "ms": round(answer.total_ms, 1) if answer else None,
        "tokens": int(attrs.get("tokens") or 0),
        "usd": float(attrs.get("usd") or 0),
        "chunks": state.chart.chunks if state.chart else 0,
        "back": state.history.can_go_back,
        "forward": state.history.can_go_forward,
        "can_rerank": state.can_rerank,
        "can_judge": bool(answer and not answer.setting.similar_to),
        "code": view_code(state),
        "common": overlap(hits, others),
    }


def _title(setting: Setting) -> str:
    return setting.query.strip() if not setting.similar_to else "passages alike"


def view_code(state: State) -> str:
    """Return the cell that gives the hits that are shown, or nothing without any."""
    if state.answer is None:
        return ""
    own = code(state.answer.setting)
    if state.pinned_answer is None:
        return own
    return f"pinned = {code(state.pinned_answer.setting)}\nhits = {own}"


def facet_rows(state: State) -> dict[str, list[list[Any]]]:
    """Return for each column its values, numbers, ticks and places in the legend.

    Returns
    -------
    dict of str to list
        ``[value, passages, ticked, colour]``, ticked ones are always there; colour is
        the library's number on the map, None for others.
    """
    colours: dict[str, int] = {}
    if state.chart is not None:
        colours = {name: at for at, name in enumerate(state.chart.libraries)}
    rows = {}
    for column, counts in state.facets.items():
        ticked = state.setting.picks.get(column, ())
        missing = {value: 0 for value in ticked if value not in counts}
        rows[column] = [
            [value, count, value in ticked, colours.get(value)]
            if column == "library"
            else [value, count, value in ticked, None]
            for value, count in {**counts, **missing}.items()
        ]
    return rows
