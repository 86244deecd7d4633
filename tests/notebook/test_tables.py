"""A person's own table: its columns are filtered by, seen again, and its rows kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from contexter_nb import connect
from contexter_nb.notebook import Session
from tests.notebook.frame import assert_kind
from tests.notebook.sentence import refusal


def tickets() -> pd.DataFrame:
    """Return what a help desk has."""
    table = pd.DataFrame(
        {
            "text": [
                "The invoice was printed twice.",
                "The invoice has the wrong address.",
                "The screen stays dark after the update.",
                "The update does not start.",
            ],
            "product": pd.Categorical(["billing", "billing", "desk", "desk"]),
            "prio": [3, 1, 2, None],
            "open": [True, False, True, True],
            "created": pd.to_datetime(
                ["2026-01-05", "2026-02-05", "2026-03-05T12:00", None], format="ISO8601"
            ),
            "tokens": [7, 8, 9, 10],
            "tags": [["a"], [], ["b"], ["a", "b"]],
            "my note": ["x", "y", "x", None],
            "größe.x": [1, 2, 3, 4],
        },
        index=pd.Index(["T1", "T2", "T3", "T4"], name="ticket"),
    )
    table.attrs["name"] = "tickets"
    return table


@pytest.fixture(scope="module", params=["embedded", ":memory:"])
def desk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Session]:
    """Give a session on a table and a library, on both kinds of an index."""
    more = {} if request.param == "embedded" else {"qdrant_url": request.param}
    with connect(home=tmp_path_factory.mktemp("home"), embedder="static", **more) as nb:
        nb.index([tickets(), "textwrap"])
        yield nb


def found(nb: Session, where: dict[str, Any]) -> set[str]:
    """Return the tickets that a filter leaves."""
    hits = nb.search("the invoice and the update", where=where, limit=20)
    return {each["ticket"] for each in hits["fields"] if each}


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ({"product": "billing"}, {"T1", "T2"}),
        ({"product": ["billing", "desk"]}, {"T1", "T2", "T3", "T4"}),
        ({"product": {"not": "billing"}}, {"T3", "T4"}),
        ({"product": {"prefix": "bil"}}, {"T1", "T2"}),
        ({"prio": 3}, {"T1"}),
        ({"prio": {"gte": 2}}, {"T1", "T3"}),
        ({"prio": {"gt": 1, "lt": 3}}, {"T3"}),
        ({"prio": {"not": [3, 1]}}, {"T3", "T4"}),
        ({"open": False}, {"T2"}),
        ({"open": True, "prio": {"lte": 2}}, {"T3"}),
        ({"created": "2026-02-05"}, {"T2"}),
        ({"created": {"gte": "2026-02-01"}}, {"T2", "T3"}),
        ({"created": {"gt": pd.Timestamp("2026-03-05"), "lte": "2026-04-01"}}, {"T3"}),
        ({"ticket": "T4"}, {"T4"}),
        ({"größe.x": {"gt": 2}}, {"T3", "T4"}),
        ({"my note": "x"}, {"T1", "T3"}),
        ({"fields.tokens": {"gte": 9}}, {"T3", "T4"}),
        ({"library": "tickets", "prio": 1}, {"T2"}),
    ],
)
def test_rows_are_filtered_by_their_columns(
    desk: Session, where: dict[str, Any], left: set[str]
) -> None:
    """Texts, numbers, truths and times, with the operators of their kind."""
    assert found(desk, where) == left


def test_hits_have_the_columns_of_their_row(desk: Session) -> None:
    """As JSON has them; what is no row has none."""
    hits = desk.search("invoice printed twice", where={"prio": 3})
    assert_kind(hits, "search")
    assert hits["fields"].tolist() == [
        {
            "ticket": "T1",
            "product": "billing",
            "prio": 3.0,
            "open": True,
            "created": "2026-01-05T00:00:00+00:00",
            "tokens": 7,
            "my note": "x",
            "größe.x": 1,
        }
    ]
    others = desk.search("wrap a paragraph", where={"library": "textwrap"}, limit=3)
    assert others["fields"].tolist() == [{}, {}, {}]
    near = desk.similar(hits["chunk_id"][0], limit=1, where={"product": "billing"})
    assert near["fields"][0]["ticket"] == "T2"


def test_passages_show_their_columns_before_they_are_indexed(desk: Session) -> None:
    """And so does `docs`."""
    passages = desk.docs(tickets())
    assert_kind(passages, "docs")
    assert [each["ticket"] for each in passages["fields"]] == ["T1", "T2", "T3", "T4"]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"prodct": "billing"}, "Did you mean 'product'"),
        ({"product": "biling"}, "names the product 'biling', which no passage has"),
        ({"product": "biling"}, "Did you mean 'billing'"),
        ({"product": {"prefix": "x"}}, "with which no product begins"),
        ({"prio": 7}, "names the prio '7', which no passage has"),
    ],
)
def test_what_no_row_has_is_no_empty_answer(
    desk: Session, where: dict[str, Any], said: str
) -> None:
    """A slip is told, with what may have been meant."""
    assert said in refusal(lambda: desk.search("invoice", where=where))


def test_what_is_there_but_not_together_finds_nothing(desk: Session) -> None:
    """That is no slip."""
    assert found(desk, {"product": "billing", "prio": 2}) == set()


def test_experiments_and_variants_filter_by_columns(desk: Session) -> None:
    """Also in an index of their own."""
    hits = desk.compare(
        "invoice",
        {
            "billing": {"where": {"product": "billing"}},
            "short": {"filters": {"product": "billing"}, "chunk_tokens": 64},
        },
    )
    assert hits["variant"].tolist() == ["billing"] * 2 + ["short"] * 2
    assert "In the variant 'b'" in refusal(
        lambda: desk.compare("invoice", {"a": {}, "b": {"where": {"prodct": "x"}}})
    )


def test_rows_are_removed_by_their_columns(tmp_path: Path) -> None:
    """And only they."""
    with connect(home=tmp_path) as nb:
        nb.index(tickets())
        assert nb.remove({"open": False})["chunks"].tolist() == [3]
        assert found(nb, {"product": ["billing", "desk"]}) == {"T1", "T3", "T4"}


def test_what_cannot_be_kept_is_told(tmp_path: Path) -> None:
    """Lists are no values to filter by; the rest of the table is indexed."""
    told: list[str] = []
    with connect(home=tmp_path) as nb:
        nb.aio._verbs.notify = told.append
        nb.index(tickets())
        assert told == [
            "The column 'tags' is not kept for filters: it holds values of the type "
            "list."
        ]


def test_a_change_of_a_column_embeds_nothing(tmp_path: Path) -> None:
    """The row is stored anew, its vector is kept."""
    table = tickets()
    with connect(home=tmp_path) as nb:
        nb.index(table)
        table.loc["T1", "prio"] = 2
        report = nb.index(table).iloc[0]
        assert (report["new"], report["unchanged"], report["embedded"]) == (1, 3, 0)
        assert found(nb, {"prio": 2}) == {"T1", "T3"}


def test_a_judgment_stays_with_its_row(tmp_path: Path) -> None:
    """Whatever is taken out before it, in whatever order: by its index or its text."""
    for table in (tickets(), tickets().reset_index(drop=True)):
        with connect(home=tmp_path / str(table.index.name)) as nb:
            nb.index(table, name="t")
            hit = nb.search("screen dark", limit=1)
            nb.judge("black screen", hit["chunk_id"][0], 3)
            report = nb.index(table.iloc[[3, 2]], name="t").iloc[0]
            assert (report["embedded"], report["removed"]) == (0, 2)
            judged = nb.judgments()
            assert judged["indexed"].tolist() == [True]
            assert nb.search("screen dark", limit=1)["text"][0] == hit["text"][0]


def test_a_column_id_is_what_rows_are_known_by(tmp_path: Path) -> None:
    """Where it is given for each row, and no two have the same."""
    table = pd.DataFrame({"id": [7, 8], "text": ["an apple", "a pear"]})
    with connect(home=tmp_path) as nb:
        nb.index(table)
        before = nb.search("apple", limit=2).set_index("chunk_id")["fields"]
        table["text"] = ["a plum", "a quince"]
        nb.index(table)
        after = nb.search("plum", limit=2).set_index("chunk_id")["fields"]
        assert before.to_dict() == after.to_dict()
        table["id"] = [7, 7]
        assert nb.index(table)["new"].tolist() == [2]


def test_an_empty_name_is_refused(tmp_path: Path) -> None:
    """It would take the place of a table that has none."""
    with connect(home=tmp_path) as nb:
        assert "name is empty" in refusal(lambda: nb.index(tickets(), name=" "))


def test_an_experiment_says_that_a_judged_passage_has_changed(tmp_path: Path) -> None:
    """Before its figures are read; unchanged ones are not talked about."""
    told: list[str] = []
    table = tickets()
    with connect(home=tmp_path) as nb:
        nb.index(table.drop(columns="tags"))
        nb.judge("dark", nb.search("screen dark", limit=1)["chunk_id"][0], 3)
        nb.aio._verbs.notify = told.append
        nb.experiment(["dark"], ["text", "hybrid"])
        assert not [each for each in told if "judgment" in each]
        table.loc["T3", "text"] = "The screen is black, dark and cold."
        nb.index(table.drop(columns="tags"))
        nb.experiment(["dark"], ["text", "hybrid"], resume=False)
        said = [each for each in told if "judgment" in each]
        assert len(said) == 1
        assert said[0].startswith("1 judgment is of a passage that says something else")


def test_rows_without_titles_become_known_items(tmp_path: Path) -> None:
    """They are found by what they are called all the same."""
    table = pd.DataFrame(
        {
            "text": [
                "The invoice was printed twice and nobody could say why it was so.",
                "The screen stays dark after the update of the operating system.",
            ]
        }
    )
    for name, more in {"plain": {}, "titled": {"title": "a ticket"}}.items():
        with connect(home=tmp_path / name) as nb:
            nb.index(table.assign(**more))
            assert len(nb.known_items(2)) == 2


def test_cards_show_the_columns_of_a_row_and_do_nothing(tmp_path: Path) -> None:
    """Escaped, as all that comes from elsewhere; of many columns some."""
    hostile = "<img src=x onerror=alert(1)>"
    table = pd.DataFrame({"text": ["A note."], "team": [hostile], hostile: [3]})
    many = table.assign(**{f"c{at}": at for at in range(20)})
    with connect(home=tmp_path) as nb:
        nb.index(many)
        cards = nb.search("note", limit=1).contexter.cards()
        assert "<img" not in cards.to_html()
        assert "&lt;img src=x onerror=alert(1)&gt; 3 · c0 0" in cards.to_html()
        assert "14 more" in cards.to_html()
        assert f"team {hostile}" in repr(cards)
