"""Judging a pool without a browser: its frames, its messages, its pictures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contexter_nb import connect
from contexter_nb.bridge import default_bridge
from contexter_nb.core import InvalidArgumentError, SessionClosedError
from tests.dashboards.explorer_view import Browser
from tests.dashboards.test_freeze import PROBES, TAGS, Reader

pytest.importorskip("anywidget")
FRUIT = {"library": "fruit"}
QUESTIONS = ["shorten a text to a width", "dump an object to a file"]


@pytest.fixture
def nb(small_home: Path, tmp_path: Path) -> Iterator[Any]:
    """Give a session on a small index of its own, without judgments."""
    shutil.copytree(small_home, tmp_path / "home")
    with connect(home=tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def pool(nb: Any) -> Any:
    """Give what three settings found for two questions."""
    return nb.pool(QUESTIONS, depth=3)


@pytest.fixture
def judging(nb: Any, pool: Any) -> Iterator[Any]:
    """Give a view that judges it."""
    opened = nb.explorer(judge=pool)
    yield opened
    opened.close()


def grade(browser: Browser, value: int | None) -> None:
    """Grade what is shown and wait until it is written."""
    place = browser.widget.passage["place"]
    turn = browser.send(do="grade", place=place, grade=value)
    browser.wait(lambda w: w.progress["turn"] >= turn and not w.progress["writing"])


def test_a_grade_is_on_disk_and_the_next_passage_in_view(
    nb: Any, pool: Any, judging: Any
) -> None:
    """What the view has written another session on the same home can read."""
    browser = Browser(judging)
    assert browser.widget.passage["query"] == QUESTIONS[0]
    grade(browser, 3)
    assert browser.widget.passage["place"] == 1
    with connect(home=nb._verbs.home) as other:
        row = other.judgments().iloc[0]
    assert (row["query"], row["grade"]) == (QUESTIONS[0], 3)
    assert row["chunk_id"] == pool["chunk_id"].iloc[0]
    assert row["origin"] == "person"
    assert judging.judgments.equals(nb.judgments())


def test_a_pool_goes_from_the_first_passage_to_the_end(pool: Any, judging: Any) -> None:
    """Every passage is asked once, in the order of the pool, and has its grade then."""
    browser = Browser(judging)
    for at in range(len(pool)):
        assert browser.widget.progress["over"] is False
        grade(browser, at % 4)
    assert browser.widget.progress["over"] is True
    given = judging.judgments
    assert given["chunk_id"].tolist() == pool["chunk_id"].tolist()
    assert given["grade"].tolist() == [at % 4 for at in range(len(pool))]
    assert judging.unjudged.empty


def test_what_is_left_is_a_pool(nb: Any, pool: Any, judging: Any) -> None:
    """With its columns and rows, the skipped ones too, and it can be judged again."""
    browser = Browser(judging)
    grade(browser, 1)
    turn = browser.send(do="skip", place=1)
    browser.wait(lambda w: w.progress["turn"] >= turn)
    left = judging.unjudged
    assert left.equals(pool.iloc[1:].reset_index(drop=True))
    again = nb.explorer(judge=left)
    assert again.widget.passage["title"] == browser_title(left, 0)


def browser_title(frame: Any, at: int) -> list[str]:
    """Return the title of a row as the browser has it."""
    from contexter_nb.notebook import marked_runs

    row = frame.iloc[at]
    return marked_runs(row["title"], row["query"])


def test_judging_is_taken_up_where_it_was_left(
    nb: Any, pool: Any, judging: Any
) -> None:
    """By a new pool, which leaves out what was judged, and by the old one, too."""
    browser = Browser(judging)
    grade(browser, 2)
    grade(browser, 0)
    assert len(nb.pool(QUESTIONS, depth=3)) == len(pool) - 2
    again = nb.explorer(judge=pool)
    assert again.widget.passage["place"] == 2
    assert again.widget.progress["tally"] == "2 judged"
    again.close()


def test_a_grade_can_be_changed_and_taken_back(judging: Any) -> None:
    """Back shows it; what is taken back is no judgment any more."""
    browser = Browser(judging)
    grade(browser, 2)
    browser.send(do="back")
    browser.wait(lambda w: w.passage["grade"] == 2)
    grade(browser, 1)
    assert judging.judgments["grade"].tolist() == [1]
    browser.send(do="back")
    browser.wait(lambda w: w.passage["grade"] == 1)
    grade(browser, None)
    assert browser.widget.passage["grade"] is None
    assert browser.widget.passage["place"] == 0
    assert judging.judgments.empty


def test_keys_that_fall_faster_than_the_disk_are_all_kept(
    pool: Any, judging: Any
) -> None:
    """Messages sent without waiting are written in their order."""
    browser = Browser(judging)
    for at in range(len(pool)):
        browser.send(do="grade", place=at, grade=0)
        turn = browser.send(do="grade", place=at, grade=3)
    browser.wait(lambda w: w.progress["turn"] >= turn and not w.progress["writing"])
    assert judging.judgments["grade"].tolist() == [3] * len(pool)


def test_closing_waits_for_the_last_grade(nb: Any, pool: Any) -> None:
    """A view that is closed at once after a key takes no grade with it."""
    judging = nb.explorer(judge=pool)
    Browser(judging).send(do="grade", place=0, grade=2)
    judging.close()
    assert nb.judgments()["grade"].tolist() == [2]


def test_a_write_that_fails_is_told_and_brings_the_passage_back(
    nb: Any, judging: Any
) -> None:
    """The file cannot be opened: the view says so, and goes on when it can."""
    browser = Browser(judging)
    blocked = nb._verbs.home / "judgments.sqlite"
    blocked.mkdir()
    first = browser.widget.passage
    browser.send(do="grade", place=0, grade=2)
    browser.wait(lambda w: w.progress["notice"])
    notice = browser.widget.progress["notice"]
    assert "was not kept: The judgments in" in notice
    assert browser.widget.passage == first
    assert browser.widget.progress["judged"] == 0
    assert "Problem:" in judging._repr_mimebundle_()[0]["text/html"]
    blocked.rmdir()
    grade(browser, 2)
    assert browser.widget.progress["notice"] == ""
    assert judging.judgments["grade"].tolist() == [2]


def test_a_passage_that_is_gone_can_be_skipped(nb: Any, pool: Any) -> None:
    """Its grade is refused by name, and the pool goes on."""
    judging = nb.explorer(judge=pool)
    browser = Browser(judging)
    nb.remove({"library": pool["library"].iloc[0]})
    browser.send(do="grade", place=0, grade=1)
    browser.wait(lambda w: "is in the index" in w.progress["notice"])
    browser.send(do="skip", place=0)
    browser.wait(lambda w: w.passage["place"] == 1)


def rewritten(nb: Any, text: str) -> None:
    """Index a table of one row anew, under the same id."""
    import pandas as pd

    nb.index(pd.DataFrame({"title": ["apple"], "text": [text]}), name="fruit")


def test_a_passage_that_changed_under_the_view_is_read_anew(nb: Any) -> None:
    """A grade of what is no longer there is not kept, and the new text comes."""
    rewritten(nb, "An apple is a red fruit.")
    judging = nb.explorer(judge=nb.pool("a red fruit", {"a": {"where": FRUIT}}))
    browser = Browser(judging)
    rewritten(nb, "An apple is a maker of computers.")
    browser.send(do="grade", place=0, grade=3)
    browser.wait(lambda w: "has changed since it was shown" in w.progress["notice"])
    assert "computers" in "".join(browser.widget.passage["text"])
    assert browser.widget.passage["grade"] is None
    assert nb.judgments().empty
    grade(browser, 0)
    kept = nb.judgments()
    assert kept[["grade", "changed"]].values.tolist() == [[0, False]]


def test_an_old_pool_shows_passages_as_they_are_now(nb: Any) -> None:
    """What was gathered before the index changed is not judged by its old text."""
    rewritten(nb, "An apple is a red fruit.")
    pool = nb.pool("a red fruit", {"a": {"where": FRUIT}})
    rewritten(nb, "An apple is a maker of computers.")
    judging = nb.explorer(judge=pool)
    assert judging.unjudged["text"].tolist() == ["An apple is a maker of computers."]


def test_a_passage_of_a_variants_own_index_is_shown_as_it_was_found(nb: Any) -> None:
    """It goes by the id of its document's first passage, and keeps its own text."""
    import pandas as pd

    text = "\n\n".join(f"Paragraph {at} is about a fruit. " * 9 for at in range(9))
    nb.index(pd.DataFrame({"title": ["long"], "text": [text]}), name="fruit")
    short = {"short": {"chunk_tokens": 64, "where": FRUIT}}
    pool = nb.pool("paragraph 7", short)
    judging = nb.explorer(judge=pool)
    assert judging.unjudged.equals(pool)
    grade(Browser(judging), 2)
    assert nb.judgments()["chunk_id"].tolist() == pool["chunk_id"].tolist()


@pytest.mark.parametrize(
    "message",
    [
        {"do": "grade", "place": 99, "grade": 1},
        {"do": "grade", "place": "0", "grade": 1},
        {"do": "grade", "place": True, "grade": 1},
        {"do": "grade", "place": 0, "grade": 4},
        {"do": "grade", "place": 0, "grade": "1"},
        {"do": "grade", "place": 0, "grade": True},
        {"do": "skip"},
        {"do": "explode"},
    ],
)
def test_what_a_browser_says_wrongly_is_told_and_grades_nothing(
    nb: Any, judging: Any, message: dict[str, Any]
) -> None:
    """The view goes on."""
    browser = Browser(judging)
    turn = browser.send(**message)
    browser.wait(lambda w: w.progress["turn"] >= turn and w.progress["notice"])
    assert nb.judgments().empty
    assert browser.widget.passage["place"] == 0


def test_a_frame_of_questions_and_ids_is_enough(nb: Any, pool: Any) -> None:
    """Title, text and the rest are looked up in the index."""
    bare = pool[["query", "chunk_id"]].copy()
    assert nb.explorer(judge=bare).unjudged.equals(pool)


def test_a_search_can_be_judged_without_its_ranks(nb: Any) -> None:
    """Hits with their question are a frame to judge; how they were found is left."""
    hits = nb.search(QUESTIONS[0], limit=3).assign(query=QUESTIONS[0])
    judging = nb.explorer(judge=hits)
    assert len(judging.unjudged) == 3
    assert "rank" not in judging.unjudged
    assert not {"rank", "score", "parts"} & set(judging.widget.passage)


def test_a_passage_that_nobody_knows_is_told(nb: Any) -> None:
    """Before anything is judged, by its id."""
    import pandas as pd

    frame = pd.DataFrame({"query": ["a"], "chunk_id": ["f" * 16]})
    with pytest.raises(InvalidArgumentError, match="ffff, which is not indexed"):
        nb.explorer(judge=frame)


def test_other_arguments_beside_a_pool_are_refused(nb: Any, pool: Any) -> None:
    """Its questions and passages are there already."""
    for given in ({"query": "a"}, {"mode": "text"}, {"limit": 5}, {"rerank": True}):
        with pytest.raises(InvalidArgumentError, match="leave the other arguments"):
            nb.explorer(judge=pool, **given)


def test_a_closed_session_judges_nothing(nb: Any, pool: Any) -> None:
    """Opened before, the view says so at the first grade; after, it does not open."""
    judging = nb.explorer(judge=pool)
    nb.close()
    with pytest.raises(SessionClosedError):
        nb.explorer(judge=pool)
    browser = Browser(judging)
    browser.send(do="grade", place=0, grade=1)
    browser.wait(lambda w: "closed" in w.progress["notice"])


def test_an_empty_pool_says_that_everything_is_judged(nb: Any, pool: Any) -> None:
    """In the view, in the picture and as text, with what to do next."""
    judging = nb.explorer(judge=pool.head(0))
    assert judging.widget.progress["over"] is True
    told = Reader(judging.to_html()).text
    for text in (told, repr(judging)):
        assert "everything is judged" in text.lower()
    assert "nb.experiment(nb.judgments()" in told


def test_the_cell_at_the_end_runs(nb: Any, judging: Any, pool: Any) -> None:
    """What the end screen gives measures by the grades that were just given."""
    pytest.importorskip("ir_measures")
    browser = Browser(judging)
    for at in range(len(pool)):
        grade(browser, at % 4)
    names: dict[str, Any] = {"nb": nb}
    code = browser.widget.progress["code"].replace("nb.exp", "found = nb.exp")
    exec(code, names)
    assert set(names["found"]["variant"]) == {"hybrid", "dense", "text"}
    assert names["found"]["queries"].iloc[0] == len(QUESTIONS)


def test_pictures_and_text_say_how_far_it_is(judging: Any, pool: Any) -> None:
    """The progress and the passage, and no control."""
    browser = Browser(judging)
    grade(browser, 2)
    browser.send(do="back")
    browser.wait(lambda w: w.passage["grade"] == 2)
    html = judging._repr_mimebundle_()[0]["text/html"]
    text = Reader(html).text
    where = f"1 of {len(pool)} · question 1 of 2 · 1 judged"
    for told in (text, repr(judging)):
        assert where in told
        assert pool["title"].iloc[0] in told
        assert QUESTIONS[0] in told
    assert "judged 2, helps" in text
    assert not Reader(html).tags & {"button", "input", "script"}
    assert len(repr(judging).splitlines()) <= 6


def test_the_picture_of_the_end_counts(judging: Any, pool: Any, tmp_path: Path) -> None:
    """How many of each grade, how many skipped, and the next cell."""
    browser = Browser(judging)
    grade(browser, 3)
    for place in range(1, len(pool)):
        browser.send(do="skip", place=place)
    browser.wait(lambda w: w.progress["over"])
    page = judging.to_html(tmp_path / "judged.html")
    assert (tmp_path / "judged.html").read_text(encoding="utf-8") == page
    for text in (Reader(page).text, repr(judging)):
        assert f"1 of {len(pool)} passages are judged" in text
        assert f'nb.experiment(["{QUESTIONS[0]}"]' in text
    assert f"skipped: {len(pool) - 1}" in Reader(page).text
    assert f"{len(pool) - 1} skipped" in repr(judging)


def test_hostile_passages_are_text(tmp_path: Path) -> None:
    """No tag, handler or link of a passage or a question comes through."""
    import pandas as pd

    table = pd.DataFrame(
        {
            "title": PROBES,
            "text": [f"{probe} passage" for probe in PROBES],
            "url": ["javascript:alert(1)"] * len(PROBES),
            "kind": PROBES,
        }
    )
    with connect(home=tmp_path) as nb:
        nb.index(table, name=PROBES[1])
        judging = nb.explorer(judge=nb.pool(f"{PROBES[0]} passage"))
        for html in (judging._repr_mimebundle_()[0]["text/html"], judging.to_html()):
            seen = Reader(html)
            assert seen.tags <= TAGS
            names = {name for name, _ in seen.attributes}
            assert not {name for name in names if name.startswith("on")}
            assert not names & {"href", "src"}
            assert PROBES[0] in seen.text


def test_a_key_sends_little(judging: Any) -> None:
    """A grade sends one passage and the progress; a step of writing, no passage."""
    browser = Browser(judging)
    sent: list[dict[str, Any]] = []
    default_bridge().run(judging._desk.refresh())
    judging.widget._send = lambda msg, buffers=None: sent.append(msg)
    grade(browser, 1)
    assert [set(each["state"]) for each in sent] == [
        {"passage", "progress"},
        {"progress"},
    ]
