"""Questions made of the corpus do not give their answer away."""

from __future__ import annotations

import random

import pytest

from contexter_nb.retrieval._known_items import known_item_query, shuffled


@pytest.mark.parametrize(
    ("text", "names", "query"),
    [
        (
            "dedent(text)\n\nRemove any common leading whitespace. More of it.",
            ["textwrap.dedent"],
            "Remove any common leading whitespace",
        ),
        (
            "Return what `json.dumps` returns, e.g. text for a file.\nAnd so on.",
            ["json.dumps", "json.dump"],
            "Return what it returns, e.g. text for a file",
        ),
        (
            "Client(x=1)\n\nA Client is closed after use, always.",
            ["httpx.Client"],
            "A it is closed after use, always",
        ),
        (
            ":mod:`json` exposes what :class:`~pickle.Pickler <x>` users know well.",
            ["json"],
            "it exposes what pickle.Pickler users know well",
        ),
        ("shorten(text)", ["textwrap.shorten"], None),
        ("", ["a.b"], None),
    ],
)
def test_a_question_is_the_first_sentence_without_the_name(
    text: str, names: list[str], query: str | None
) -> None:
    """The signature is passed over, names are hidden, and too little is nothing."""
    assert known_item_query(text, names) == query


def test_a_longer_name_is_hidden_before_its_part() -> None:
    """No half of a dotted name is left over."""
    text = "Calls pandas.DataFrame.merge or merge on both the given tables."
    asked = known_item_query(text, ["pandas.DataFrame.merge"])
    assert asked == "Calls it or it on both the given tables"


def test_a_seed_gives_the_same_order_whatever_came_first() -> None:
    """The order depends on the items and the seed only."""
    items = [f"item{number}" for number in range(30)]
    first = shuffled(items, random.Random(3))
    assert first == shuffled(items[::-1], random.Random(3))
    assert sorted(first) == sorted(items)
    assert first != shuffled(items, random.Random(4))
