"""The judging of a pool as a value: where a grade, a skip and a step back lead."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

import pytest

from contexter_nb.core import InvalidArgumentError
from contexter_nb.dashboards import _judging_shown as seen
from contexter_nb.dashboards import _judging_state as states
from contexter_nb.dashboards._judging_pool import Passage, passages_of
from contexter_nb.dashboards._judging_shown import shown
from contexter_nb.dashboards._judging_state import Judging, begun
from contexter_nb.retrieval import query_id

CHUNK = "0123456789abcde"
SECRETS = ("rank", "score", "mode", "variant", "dense_rank", "text_rank", "share")


def passage(at: int, query: str = "join tables", **fields: Any) -> Passage:
    """Return a passage whose chunk id ends in its number."""
    values = {"title": f"title {at}", "text": f"text {at}", **fields}
    return Passage(
        query=query, query_id=query_id(query), chunk_id=f"{CHUNK}{at:x}", **values
    )


def pool(*sizes: int) -> Judging:
    """Return the beginning of a pool with so many passages for each question."""
    passages = [
        passage(sum(sizes[:number]) + at, f"question {number}")
        for number, size in enumerate(sizes)
        for at in range(size)
    ]
    return begun(passages, {})


def back(state: Judging) -> Judging:
    """Return the state after a step back from what is shown."""
    return states.back(state, state.at)


def done(state: Judging, place: int, grade: int) -> Judging:
    """Return the state after a grade was given and written."""
    return states.written(states.graded(state, place, grade), place, grade)


def test_a_grade_goes_on_to_the_next_passage() -> None:
    """It shows at once, and counts as written only when it is."""
    state = states.graded(pool(3), 0, 2)
    assert (state.at, state.grades, state.kept) == (1, {0: 2}, {})
    assert shown(state)["progress"]["writing"] == 1
    assert shown(state)["progress"]["last"] == "title 0: 2, helps"
    state = states.written(state, 0, 2)
    assert (state.kept, state.writing) == ({0: 2}, ())


def test_what_was_judged_before_is_not_asked_again() -> None:
    """A pool is taken up at its first open passage, with earlier grades in place."""
    key = (query_id("join tables"), f"{CHUNK}0")
    state = begun([passage(0), passage(1), passage(2)], {key: 3})
    assert state.at == 1
    assert seen.counts(state) == [0, 0, 0, 1]
    assert [each.title for each in state.unjudged] == ["title 1", "title 2"]


def test_back_shows_the_passage_before_with_its_grade() -> None:
    """Another grade replaces it and leads to where the person was."""
    state = states.skipped(done(done(pool(5), 0, 0), 1, 1), 2)
    state = back(back(state))
    assert state.at == 1
    assert shown(state)["passage"]["grade"] == 1
    state = done(state, 1, 3)
    assert (state.at, state.grades[1]) == (3, 3)
    assert back(state).at == 1


def test_the_next_of_a_judged_passage_is_its_neighbour() -> None:
    """Who went back may look at each passage again, and skips none of them by that."""
    state = done(done(done(pool(5), 0, 0), 1, 1), 2, 2)
    state = back(back(back(state)))
    for at in (1, 2, 3):
        state = states.skipped(state, state.at)
        assert state.at == at
    assert state.skipped == frozenset()


def test_a_grade_taken_back_leaves_the_passage_open_and_in_view() -> None:
    """It is asked again at the end, before the end."""
    state = back(done(pool(3), 0, 2))
    state = states.written(states.taken_back(state, 0), 0, None)
    assert (state.at, state.grades, state.kept) == (0, {}, {})
    state = back(replace(state, at=2, trail=(1,)))
    state = done(done(state, 1, 1), 2, 1)
    assert state.at == 0
    assert not shown(state)["progress"]["over"]


def test_the_end_counts_and_offers_what_was_skipped() -> None:
    """What was skipped can be gone through, and ends there again."""
    state = states.skipped(done(states.skipped(pool(2, 1), 0), 1, 3), 2)
    told = shown(state)
    assert told["passage"] == {}
    assert told["progress"]["counts"] == [0, 0, 0, 1]
    assert told["progress"]["ending"] == "1 of 3 passages are judged"
    assert told["progress"]["skipped"] == 2
    state = states.revisiting(state)
    assert (state.at, state.skipped) == (0, frozenset())
    state = done(state, 0, 0)
    assert state.at == 2
    state = done(state, 2, 1)
    assert shown(state)["progress"]["ending"] == "All 3 passages are judged"
    assert back(state).at == 2


def test_a_step_back_that_was_asked_twice_is_one() -> None:
    """A busy kernel hears the second one late, when another passage is shown."""
    state = done(done(pool(4), 0, 1), 1, 1)
    state = states.back(state, 2)
    assert state.at == 1
    assert states.back(state, 2) is state


def test_back_at_the_beginning_stays() -> None:
    """There is nothing before the first passage, and the view says so."""
    assert shown(pool(2))["progress"]["back"] is False
    assert back(pool(2)).at == 0


def test_back_reaches_what_was_judged_on_another_day() -> None:
    """A pool that is taken up in its middle can be gone back in."""
    keys = {(query_id("join tables"), f"{CHUNK}{at}"): 1 for at in (0, 1)}
    state = begun([passage(at) for at in range(3)], keys)
    assert shown(state)["progress"]["back"] is True
    assert back(state).at == 1


def test_a_skip_of_what_is_no_longer_shown_moves_nothing() -> None:
    """Another view of it went on in the meantime."""
    state = done(pool(3), 0, 2)
    assert states.skipped(state, 0) is state


def test_a_grade_of_what_is_no_longer_shown_counts_and_moves_nothing() -> None:
    """Whoever gave it had read the passage."""
    state = done(done(pool(4), 0, 2), 0, 1)
    assert (state.at, state.grades) == (1, {0: 1})


def test_a_failed_write_brings_the_passage_back() -> None:
    """With the grade that it had, and with what went wrong."""
    state = states.graded(done(pool(3), 0, 2), 1, 3)
    state = states.unwritten(state, 1, "The disk is full.")
    assert (state.at, state.grades, state.writing) == (1, {0: 2}, ())
    assert state.notice == "The grade of title 1 was not kept: The disk is full."
    changed = states.graded(back(state), 0, 0)
    assert states.unwritten(changed, 0, "No.").grades == {0: 2}


def test_of_several_failed_writes_the_first_comes_first() -> None:
    """The others are open and follow it."""
    state = pool(4)
    for place in range(3):
        state = states.graded(state, place, 1)
    for place in range(3):
        state = states.unwritten(state, place, "The disk is full.")
    assert (state.at, state.grades) == (0, {})
    assert done(state, 0, 1).at == 1


def test_of_two_grades_on_their_way_the_later_decides() -> None:
    """A first one that fails takes nothing from the second, which is written."""
    state = states.graded(states.graded(pool(2), 0, 1), 0, 3)
    state = states.unwritten(state, 0, "Busy.")
    assert (state.at, state.grades, state.notice) == (1, {0: 3}, "")
    assert states.written(state, 0, 3).kept == {0: 3}


def test_an_action_ends_the_notice() -> None:
    """What went wrong is not said for ever."""
    assert states.acting(states.noticed(pool(1), "No."), ("view", 1)).notice == ""


def test_the_position_names_passage_and_question() -> None:
    """Both by their number among how many there are."""
    state = done(done(pool(2, 3), 0, 0), 1, 0)
    assert seen.position(state) == "3 of 5 · question 2 of 2"
    assert seen.tally(states.skipped(state, 2)) == "2 judged, 1 skipped"
    assert seen.tally(state) == "2 judged"


def test_a_new_question_is_told_where_it_begins() -> None:
    """Not with its second passage, and not where nothing was shown before."""
    state = pool(1, 2)
    told = [shown(state)["passage"]["is_new"]]
    for at in (0, 1):
        state = done(state, at, 1)
        told.append(shown(state)["passage"]["is_new"])
    assert told == [False, True, False]


def test_a_browser_is_told_nothing_of_how_a_passage_was_found() -> None:
    """The frame of a search has ranks and scores; none of them comes through."""
    import pandas as pd

    frame = pd.DataFrame(
        {
            "query": ["join"],
            "chunk_id": [f"{CHUNK}0"],
            "title": ["merge"],
            "text": ["Join two tables."],
            **{name: ["telltale"] for name in SECRETS},
        }
    )
    told = shown(begun(passages_of(frame), {}))
    assert "telltale" not in str(told)
    assert not set(SECRETS) & {*told["passage"], *told["progress"]}


def test_the_whole_text_is_shown_with_the_words_of_the_question() -> None:
    """As in the hits: a signature apart, every second run a match."""
    text = f"merge(a, b)\n\n{'Joins tables. ' * 2_000}"
    told = shown(begun([passage(0, text=text)], {}))["passage"]
    assert told["signature"] == "merge(a, b)"
    assert "".join(told["text"]) == "Joins tables. " * 2_000
    assert set(told["text"][1::2]) == {"Joins", "tables"}


def test_an_absurd_text_is_cut_and_says_so() -> None:
    """A passage of a megabyte does not travel to the browser."""
    told = shown(begun([passage(0, text="x" * 1_000_000)], {}))["passage"]
    text = "".join(told["text"])
    assert len(text) < 100_100
    assert text.endswith("(the first 100,000 characters)")


def test_unseen_characters_are_seen_and_only_pages_are_linked() -> None:
    """What turns text around, and what would run, comes through nowhere."""
    odd = dict.fromkeys(("title", "text", "kind", "library", "version"), "a\u202eb\x00")
    state = begun([passage(0, "a\u202eb", url="javascript:alert(1)", **odd)], {})
    assert "\u202e" not in str(shown(state)["passage"])
    assert shown(state)["passage"]["url"] == ""
    assert "\u202e" not in shown(states.graded(state, 0, 1))["progress"]["last"]


def test_a_passage_without_a_title_goes_by_its_id() -> None:
    """It has a name in the view and in what is said of it."""
    state = begun([passage(0, title="")], {})
    assert shown(state)["passage"]["title"] == [f"{CHUNK}0"]


def test_the_next_cell_asks_the_questions_that_were_judged() -> None:
    """Those alone, each once, in any script, in lines that can be read."""
    state = begun([passage(0, "größe"), passage(1, "größe"), passage(2, "b")], {})
    assert seen.next_cell(state).startswith("nb.experiment(nb.judgments(), ")
    state = done(done(state, 0, 1), 1, 2)
    assert seen.next_cell(state) == (
        'nb.experiment(["größe"], ["hybrid", "dense", "text"])'
    )
    many = pool(*[1] * 12)
    for at in range(12):
        many = done(many, at, 1)
    cell = ast.parse(seen.next_cell(many))
    assert [type(each).__name__ for each in cell.body] == ["Assign", "Expr"]
    assert max(map(len, seen.next_cell(many).splitlines())) < 88


def test_the_next_cell_tries_what_the_pool_was_gathered_by() -> None:
    """Its variants stand there as they were given, in lines that can be read."""
    variants = {"words": {"mode": "text"}, "short": {"chunk_tokens": 80, "limit": 20}}
    code = seen.variants_code(variants)
    state = replace(begun([passage(0, "a")], {}), variants=code)
    namespace: dict[str, object] = {"nb": Recorder()}
    exec(seen.next_cell(done(state, 0, 1)), namespace)
    assert Recorder.asked == (["a"], variants)
    assert seen.variants_code({"here": {"session": "x"}}) == ""
    assert seen.variants_code(None) == ""


class Recorder:
    """Takes what a cell asks for."""

    asked: tuple[object, ...] = ()

    def experiment(self, *asked: object) -> None:
        type(self).asked = asked


def test_an_empty_pool_is_judged() -> None:
    """It is over at once, and nothing is asked."""
    told = shown(begun([], {}))["progress"]
    assert told["over"] is True
    assert told["ending"] == "Everything is judged"


def frame(**columns: list[Any]) -> Any:
    """Return a frame."""
    import pandas as pd

    return pd.DataFrame(columns)


def test_questions_are_put_together_and_passages_asked_once() -> None:
    """In the order in which each came first; white space makes no new question."""
    rows = frame(
        query=["a b", "c", "a  b ", "a b"],
        chunk_id=[f"{CHUNK}{at}" for at in (0, 0, 1, 0)],
    )
    found = passages_of(rows)
    assert [(each.query, each.chunk_id[-1]) for each in found] == [
        ("a b", "0"),
        ("a  b", "1"),
        ("c", "0"),
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "judge is NoneType; give the frame of nb.pool"),
        ([("a", "b")], "judge is list; give the frame"),
        (frame(query=["a"]), "has no column chunk_id; it needs"),
        (frame(query=["a"], chunkid=["b"]), "Did you mean 'chunkid'"),
        (frame(query=[" "], chunk_id=["0" * 16]), "Row 0 of the frame .* no question"),
        (frame(query=[None], chunk_id=["0" * 16]), "Row 0 of the frame .* no question"),
        (frame(query=["a"], chunk_id=["zz"]), "In row 0 .*'zz' is no chunk id"),
        (frame(query=["a"], chunk_id=[7]), "In row 0 .*7 is no chunk id"),
        (frame(query=["a" * 10_001], chunk_id=["0" * 16]), "10,001 characters"),
    ],
)
def test_a_frame_that_cannot_be_judged_is_told_in_one_sentence(
    given: Any, told: str
) -> None:
    """What it is, where, and what would do."""
    with pytest.raises(InvalidArgumentError, match=told) as caught:
        passages_of(given)
    assert "\n" not in str(caught.value)


def test_a_column_that_is_there_twice_is_told() -> None:
    """Which of both is meant nobody knows."""
    import pandas as pd

    twice = pd.DataFrame([["a", "b", "0" * 16]], columns=["query", "query", "chunk_id"])
    with pytest.raises(InvalidArgumentError, match="more than one column query"):
        passages_of(twice)
