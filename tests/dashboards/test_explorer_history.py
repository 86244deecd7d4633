"""History keeps what a person went through, not each letter they typed."""

from __future__ import annotations

from dataclasses import replace

from contexter_nb.dashboards._explorer_history import (
    MAX_ENTRIES,
    History,
    gone,
    visited,
)
from contexter_nb.dashboards._explorer_setting import Setting


def typed(*queries: str, typing: bool = True) -> History:
    """Return the history after some questions."""
    history = History()
    for query in queries:
        history = visited(history, Setting(query=query), typing=typing)
    return history


def questions(history: History) -> list[str]:
    """Return its questions in order."""
    return [each.query for each in history.entries]


def test_the_beginnings_of_a_question_are_not_kept() -> None:
    """Typing on, and deleting letters, replaces the entry."""
    assert questions(typed("jo", "join", "join two", "join")) == ["join"]


def test_another_question_is_kept_beside_the_first() -> None:
    """What does not begin alike is an entry of its own."""
    assert questions(typed("join", "drop", "dropna")) == ["join", "dropna"]


def test_a_question_that_was_sent_stays() -> None:
    """Without typing even a longer form of the same question is another entry."""
    assert questions(typed("join", "join two", typing=False)) == ["join", "join two"]


def test_a_change_of_mode_is_an_entry() -> None:
    """The same question asked otherwise can be gone back from."""
    history = typed("join")
    other = replace(history.entries[0], mode="text")
    assert len(visited(history, other, typing=True).entries) == 2


def test_back_and_forward_stop_at_the_ends() -> None:
    """Going too far stays at the first or the last."""
    history = typed("a", "b", "c", typing=False)
    first = gone(history, -9)
    assert (first.at, first.can_go_back, first.can_go_forward) == (0, False, True)
    assert gone(first, 9) == history
    assert gone(History(), -1) == History()


def test_asking_anew_forgets_what_lay_ahead() -> None:
    """After going back a new question takes the place of the later ones."""
    history = gone(typed("a", "b", "c", typing=False), -2)
    assert questions(visited(history, Setting(query="d"), typing=False)) == ["a", "d"]


def test_blank_and_repeated_questions_are_no_entries() -> None:
    """Clearing the question and asking the same again leave no trace."""
    assert questions(typed("a", "", "a", typing=False)) == ["a"]


def test_history_is_bounded() -> None:
    """Only the latest entries are kept."""
    history = typed(*(f"question {at}" for at in range(300)), typing=False)
    assert len(history.entries) == MAX_ENTRIES
    assert history.now == Setting(query="question 299")
