"""A view's transitions: what stays, what goes, and what a browser is told of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from contexter_nb.dashboards import _explorer_state as states
from contexter_nb.dashboards._explorer_setting import Setting
from contexter_nb.dashboards._explorer_state import Answer, State, answer_of, shown
from contexter_nb.frames import make_frame

JOIN = Setting(query="join", limit=3)
VIEW = ("view", 7)


def answer(setting: Setting, ids: str) -> Answer:
    """Return an answer whose hits are called by single letters."""
    rows = [
        {
            "rank": rank,
            "score": 1 / rank,
            "library": "pandas",
            "version": "3.1",
            "title": name,
            "aliases": (),
            "kind": "function",
            "text": f"text of {name}",
            "dense_rank": rank,
            "url": "",
            "chunk_id": name,
        }
        for rank, name in enumerate(ids, start=1)
    ]
    return answer_of(setting, make_frame("search", rows, {"tokens": 2}), 4.0)


def done(
    setting: Setting = JOIN, ids: str = "abc", state: State | None = None
) -> State:
    """Return the state after an answered search."""
    asked = states.asking(state or State(), setting, VIEW, typing=False)
    return states.answered(asked, answer(setting, ids), None)


def test_asking_shows_whom_it_answers_and_keeps_the_hits() -> None:
    """While a search runs the last hits are still there, and errors are gone."""
    failed = states.failed(done(), "no network")
    state = states.asking(failed, replace(JOIN, mode="text"), VIEW, typing=False)
    told = shown(state)
    assert told["status"]["phase"] == "loading"
    assert (told["status"]["view"], told["status"]["turn"]) == VIEW
    assert told["status"]["error"] == ""
    assert [hit["id"] for hit in told["hits"]["now"]] == ["a", "b", "c"]


def test_a_blank_question_asks_nothing() -> None:
    """Clearing the question is not a search, and leaves no hits."""
    state = states.asking(done(), Setting(), VIEW, typing=True)
    assert state.phase == "blank"
    assert shown(states.unanswered(state))["hits"]["now"] == []


def test_a_failure_keeps_the_hits_and_their_code() -> None:
    """What is shown after a failure is what was found before, and says so."""
    asked = states.asking(done(), Setting(query="drop"), VIEW, typing=False)
    told = shown(states.failed(asked, "no network"))
    assert told["status"]["error"] == "no network"
    assert told["hits"]["of"] == "join"
    assert told["status"]["code"] == 'nb.search("join", limit=3)'
    assert told["setting"]["query"] == "drop"


def test_cancelling_ends_only_what_runs() -> None:
    """A view that is done stays done."""
    assert states.cancelled(done()).phase == "done"
    running = states.asking(done(), Setting(query="x"), VIEW, typing=False)
    assert states.cancelled(running).phase == "cancelled"


def test_a_selection_lasts_as_long_as_its_hits() -> None:
    """What is no longer among the hits is no longer selected."""
    state = states.selecting(done(), "a", adding=False)
    state = states.selecting(state, "c", adding=True)
    assert state.selection == ("a", "c")
    assert done(Setting(query="other"), "cd", state).selection == ("c",)


def test_adding_twice_takes_away_and_plain_picks_replace() -> None:
    """A second click with Ctrl deselects; a click without it selects this one only."""
    state = states.selecting(done(), "a", adding=True)
    assert states.selecting(state, "a", adding=True).selection == ()
    assert states.selecting(state, "b", adding=False).selection == ("b",)
    assert states.selecting(state, "unknown", adding=False).selection == ()


def test_grades_belong_to_a_question() -> None:
    """Another mode keeps the grades, another question does not, None takes one back."""
    state = states.judging(done(), {"a": 1, "b": 0})
    assert done(replace(JOIN, mode="text"), "ab", state).judged == {"a": 1, "b": 0}
    assert done(Setting(query="drop"), "ab", state).judged == {}
    assert states.judging(state, {"a": None}).judged == {"b": 0}


def test_a_pinned_way_follows_the_question() -> None:
    """What is pinned is how one searches, not what for."""
    state = states.pinning(done(replace(JOIN, mode="dense")))
    state = states.asking(state, Setting(query="drop"), VIEW, typing=False)
    assert states.pinned_question(state) == Setting(query="drop", mode="dense", limit=3)
    assert states.pinned_question(states.unpinned(state)) is None
    assert states.pinning(State()).pinned is None


def test_two_settings_are_shown_with_moves() -> None:
    """Each list says where a hit stands in the other; the status counts both."""
    state = states.pinning(done())
    now = replace(JOIN, mode="text")
    state = states.asking(state, now, VIEW, typing=False)
    pinned = state.pinned_answer
    told = shown(states.answered(state, answer(now, "cda"), pinned))
    assert [hit["was"] for hit in told["hits"]["now"]] == [3, None, 1]
    assert [hit["was"] for hit in told["hits"]["pinned"]] == [3, None, 1]
    assert told["status"]["common"] == 2
    assert told["status"]["code"].splitlines() == [
        'pinned = nb.search("join", limit=3)',
        'hits = nb.search("join", limit=3, mode="text")',
    ]


def test_a_ticked_value_without_passages_stays_to_be_unticked() -> None:
    """A filter that excludes everything can be taken back."""
    setting = replace(JOIN, picks={"kind": ("class",)})
    state = replace(State(setting=setting), facets={"kind": {"method": 3}})
    assert states.facet_rows(state) == {
        "kind": [["method", 3, False, None], ["class", 0, True, None]]
    }


def test_the_head_counts_what_was_found() -> None:
    """A search for ten that found three is headed by three, on both sides."""
    state = states.pinning(done(replace(JOIN, limit=10)))
    state = states.answered(state, answer(replace(JOIN, limit=10), "a"), state.answer)
    told = shown(state)["hits"]
    assert told["label"] == "hybrid · 1 hit"
    assert told["pinned_label"] == "hybrid · 3 hits"


def test_going_back_asks_the_earlier_setting() -> None:
    """Back shows the first question, and forward is possible then."""
    state = done(Setting(query="drop"), "d", done())
    back = states.moving(state, -1, VIEW)
    assert (back.setting, back.phase) == (JOIN, "loading")
    assert shown(back)["status"]["forward"] is True


def test_an_emptied_index_shows_nothing_of_before() -> None:
    """Hits, filters and map of a collection that is gone are gone, too."""
    told: dict[str, Any] = shown(states.emptied(done()))
    assert told["status"]["phase"] == "empty"
    assert (told["hits"]["now"], told["facets"], told["points"]) == ([], {}, {})
