"""`where` as people write it: what each form means and what each mistake says."""

from __future__ import annotations

from typing import Any

import pytest

from contexter_nb.core import InvalidArgumentError
from contexter_nb.retrieval import FILTER_COLUMNS, Condition, parse_where
from contexter_nb.retrieval._documents import chunk_id_of, point_id
from contexter_nb.retrieval._filters import engine_filter


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (None, []),
        ({}, []),
        ({"kind": "class"}, [Condition(column="kind", any_of=("class",))]),
        ({"kind": ["a", "b"]}, [Condition(column="kind", any_of=("a", "b"))]),
        ({"kind": ("a",)}, [Condition(column="kind", any_of=("a",))]),
        ({"kind": {"a"}}, [Condition(column="kind", any_of=("a",))]),
        ({"kind": frozenset("a")}, [Condition(column="kind", any_of=("a",))]),
        ({"tokens": 5}, [Condition(column="tokens", any_of=(5,))]),
        ({"tokens": [5, 6.0]}, [Condition(column="tokens", any_of=(5, 6))]),
        (
            {"kind": {"not": "module"}},
            [Condition(column="kind", any_of=("module",), negated=True)],
        ),
        (
            {"kind": {"not": ["a", "b"]}},
            [Condition(column="kind", any_of=("a", "b"), negated=True)],
        ),
        (
            {"tokens": {"not": 5}},
            [Condition(column="tokens", any_of=(5,), negated=True)],
        ),
        (
            {"title": {"prefix": "pandas."}},
            [Condition(column="title", prefix="pandas.")],
        ),
        (
            {"tokens": {"gte": 10, "lt": 200}},
            [Condition(column="tokens", bounds=(("gte", 10.0), ("lt", 200.0)))],
        ),
        (
            {"tokens": {"gt": 1, "lte": 2, "not": 3}},
            [
                Condition(column="tokens", any_of=(3,), negated=True),
                Condition(column="tokens", bounds=(("gt", 1.0), ("lte", 2.0))),
            ],
        ),
        (
            {"title": {"prefix": "a", "not": "ab"}},
            [
                Condition(column="title", prefix="a"),
                Condition(column="title", any_of=("ab",), negated=True),
            ],
        ),
        (
            {"kind": "class", "library": "json"},
            [
                Condition(column="kind", any_of=("class",)),
                Condition(column="library", any_of=("json",)),
            ],
        ),
    ],
)
def test_where_becomes_conditions(where: Any, expected: list[Condition]) -> None:
    """A value, a list and each operator have one meaning."""
    assert parse_where(where) == expected


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("pandas", "where is str; give a mapping"),
        ([("kind", "class")], "where is list; give a mapping"),
        ({"libary": "x"}, "Did you mean 'library'?"),
        ({5: "x"}, "unknown column 5"),
        ({"zzz": "x"}, ", ".join(FILTER_COLUMNS)),
        ({"kind": {}}, "where['kind'] is empty; use one of not, prefix."),
        ({"tokens": {}}, "where['tokens'] is empty; use one of not, gt, gte, lt, lte."),
        ({"kind": {"prefx": "a"}}, "Did you mean 'prefix'?"),
        ({"kind": {"gte": 5}}, " not, prefix."),
        ({"tokens": {"prefix": "5"}}, " not, gt, gte, lt, lte."),
        ({"chunk_id": {"prefix": "0"}}, "unknown operator 'prefix'"),
        ({"kind": []}, "where['kind'] is an empty list, which nothing matches"),
        ({"kind": {"not": []}}, "where['kind'] is an empty list"),
        ({"kind": None}, "where['kind'] is NoneType; give a value, a list"),
        ({"kind": {"not": {"not": "a"}}}, "where['kind'] is dict"),
        ({"kind": 5}, "where['kind'] holds 5; this column is text."),
        ({"kind": ["a", None]}, "where['kind'] holds None; this column is text."),
        ({"tokens": "5"}, "where['tokens'] holds '5'; this column is a number."),
        ({"tokens": True}, "where['tokens'] holds True; this column is a number."),
        ({"tokens": {"gt": "5"}}, "where['tokens'] holds '5'; this column is a number"),
        ({"tokens": {"gt": [5]}}, "where['tokens'] holds [5]; this column is a number"),
        (
            {"title": {"prefix": ["a", "b"]}},
            "has the prefix ['a', 'b']; give one text.",
        ),
        ({"title": {"prefix": ""}}, "where['title'] has the prefix ''; give one text."),
        ({"title": {"prefix": 5}}, "where['title'] has the prefix 5; give one text."),
        ({"tokens": float("nan")}, "where['tokens'] holds nan"),
        ({"tokens": float("inf")}, "where['tokens'] holds inf"),
    ],
)
def test_a_mistake_in_where_is_one_sentence(where: Any, says: str) -> None:
    """The message names the column and what would do."""
    with pytest.raises(InvalidArgumentError) as caught:
        parse_where(where)
    assert says in str(caught.value)


def test_no_condition_is_no_filter() -> None:
    """Where everything matches the engine gets no filter at all."""
    assert engine_filter([]) is None
    assert engine_filter([], without_ids=[5]) is not None


@pytest.mark.parametrize(
    "wrong",
    ["", "5", "pandas.merge", "-123456789abcdef", "+123456789abcdef", "1_2" * 5 + "1"],
)
def test_what_is_no_chunk_id_is_refused(wrong: str) -> None:
    """A chunk id is 16 hexadecimal digits and nothing that Python reads as such."""
    with pytest.raises(InvalidArgumentError, match="is no chunk id; copy one"):
        engine_filter(parse_where({"chunk_id": wrong}))


@pytest.mark.parametrize("number", [0, 1, 2**63, 2**64 - 1])
def test_a_chunk_id_and_its_number_are_the_same(number: int) -> None:
    """An id is 16 digits long whatever its number."""
    assert len(chunk_id_of(number)) == 16
    assert point_id(chunk_id_of(number)) == number
