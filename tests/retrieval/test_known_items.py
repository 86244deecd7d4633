"""Questions made of the corpus do not give their answer away."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.retrieval._known_items import known_item_query, shuffled


@pytest.mark.parametrize(
    ("text", "names", "query"),
    [
        (
            "dedent(text)\n\nRemove any common leading whitespace. More of it.",
            ["textwrap.dedent"],
            "how do I remove any common leading whitespace",
        ),
        (
            "Append values to the end of an array.",
            ["numpy.append"],
            "values to the end of an array",
        ),
        (
            "Draw samples from an exponential distribution over a range.",
            ["numpy.random.exponential"],
            "how do I draw samples from a distribution over a range",
        ),
        ("Draw samples from a zipf distribution.", ["numpy.random.zipf"], None),
        ("Subclass with the following properties.", ["a.b"], None),
        (
            "Fill a paragraph.\n\nReformat the single paragraph to fit in lines.",
            ["textwrap.fill"],
            "how do I reformat the single paragraph to fit in lines",
        ),
        (
            "Shift index by desired number of increments.\n\n"
            "This method is for shifting the values of an index.",
            ["pandas.Index.shift"],
            "index by desired number of increments",
        ),
        (
            "Get the value of a key or a default value.",
            ["dict.get"],
            "value of a key or a default value",
        ),
        ("Return the name of the Series.", ["pandas.Series.name"], None),
        ("A Client is closed after use, always.", ["httpx.Client"], None),
        ("Calls pandas.merge or merge on both tables.", ["pandas.merge"], None),
        ("Scalar method identical to ndarray.all and others.", ["numpy.x"], None),
        ("New in version 3.9 of the Python language.", ["a.b"], None),
        (
            "The red apple keeps all winter in a cellar.",
            ["Fruit › Red apple"],
            None,
        ),
        ("shorten(text)", ["textwrap.shorten"], None),
        ("", ["a.b"], None),
    ],
)
def test_a_question_is_a_first_sentence_that_does_without_the_name(
    text: str, names: list[str], query: str | None
) -> None:
    """Another sentence is better than a hole; what falls apart is no question."""
    assert known_item_query(text, names) == query


def test_a_later_sentence_about_a_detail_is_no_question() -> None:
    """What the value is, or what this does not do, does not tell what is sought."""
    for later in (
        "The value is an integer from 0 to 6.",
        "It is always one of the given values.",
        "This is the day on which the fiscal year ends.",
    ):
        text = f"Return the weekday used.\n\n{later}"
        assert known_item_query(text, ["offsets.weekday"]) is None


WORDS = st.lists(
    st.sampled_from(
        ["Return", "the", "a", "an", "merge", "merged", "merging", "DataFrame.merge"]
        + ["of", "to", "values,", "with", "(merge)", "pandas.merge()", "`merge`"]
        + ["get", "how", "do", "I", "whether", "all.", "See", "merge-join"]
    ),
    max_size=30,
).map(" ".join)


@given(text=WORDS | st.text(), name=st.sampled_from(["a.merge", "b.get", "how", "I"]))
def test_no_question_holds_the_name_it_asks_for(text: str, name: str) -> None:
    """Neither by itself, nor in code, nor by the words of a question."""
    query = known_item_query(text, [name, "pandas.DataFrame.merge"])
    words = set(re.split(r"\W+", (query or "").lower()))
    assert not words & {name.rpartition(".")[2].lower(), "merge", "merged", "merging"}
    assert query is None or 4 <= len(query.split()) <= 27


def test_a_seed_gives_the_same_order_whatever_came_first() -> None:
    """The order depends on the items and the seed only."""
    items = [f"item{number}" for number in range(30)]
    first = shuffled(items, random.Random(3))
    assert first == shuffled(items[::-1], random.Random(3))
    assert sorted(first) == sorted(items)
    assert first != shuffled(items, random.Random(4))
