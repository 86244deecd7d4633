"""The columns of a table beside its text: what is kept, and how it is asked for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contexter_nb.core import InvalidArgumentError
from contexter_nb.retrieval import Condition, parse_where
from contexter_nb.retrieval._row_fields import (
    MAX_FIELDS,
    fields_of,
    instant_of,
    kept_columns,
    label_of,
    merged_kinds,
    value_in,
)

KINDS = {
    "team": "text",
    "prio": "number",
    "open": "truth",
    "day": "instant",
    "both": "mixed",
    "tokens": "number",
}
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", None, "b"], "text"),
        ([1, 2.5, None], "number"),
        ([True, False], "truth"),
        ([True, 1], "mixed"),
        ([date(2026, 1, 1), datetime(2026, 1, 1, 9, tzinfo=UTC)], "instant"),
        (["a", 1, True], "mixed"),
        ([2**60], "mixed"),
        ([1, float("inf")], "mixed"),
        ([None, None], None),
        ([["a"]], None),
        (["x" * 257], None),
        ([b"x"], None),
    ],
)
def test_a_column_has_a_kind(values: list[Any], kind: str | None) -> None:
    """That of all its values; texts where they differ, none for what is no value."""
    found = kept_columns([{"text": "t", "a": value} for value in values])
    assert found.kinds == ({} if kind is None else {"a": kind})
    assert bool(found.left_out) == (kind is None and values != [None, None])


@pytest.mark.parametrize("name", ["", "a" * 65, 'a"b', "a[0]", "a\nb", 7])
def test_a_name_that_no_filter_could_hold_is_left_out(name: object) -> None:
    """It is said, and no reason to fail."""
    found = kept_columns([{"text": "t", name: 1}])
    assert (found.kinds, len(found.left_out)) == ({}, 1)


def test_columns_are_bounded() -> None:
    """The first ones of the table are kept."""
    found = kept_columns([{f"c{at}": at for at in range(MAX_FIELDS + 3)}])
    assert list(found.kinds) == [f"c{at}" for at in range(MAX_FIELDS)]
    assert len(found.left_out) == 3


def test_values_are_kept_as_json_has_them() -> None:
    """Instants as texts of UTC, too large numbers as texts, nothing for what lacks."""
    row = {
        "day": pd.Timestamp("2026-01-01 01:00", tz="Europe/Berlin"),
        "both": True,
        "n": 1.5,
        "large": 2**60,
        "none": None,
    }
    kinds = {"day": "instant", "n": "number", "none": "text"}
    kinds |= {"both": "mixed", "large": "mixed"}
    assert dict(fields_of(row, kinds)) == {
        "day": "2026-01-01T00:00:00+00:00",
        "both": True,
        "n": 1.5,
        "large": str(2**60),
    }


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-01",
        "2026-01-01T01:00:00+01:00",
        date(2026, 1, 1),
        datetime(2026, 1, 1),  # noqa: DTZ001  # what is meant is UTC
        datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
        pd.Timestamp("2026-01-01"),
    ],
)
def test_an_instant_is_one_however_it_is_written(value: Any) -> None:
    """Without a zone it is of UTC."""
    assert instant_of(value) == NEW_YEAR
    (condition,) = parse_where({"day": {"gte": value}}, KINDS)
    assert condition.instants == (("gte", NEW_YEAR),)
    (equal,) = parse_where({"day": value}, KINDS)
    assert equal.any_of == (label_of("day", NEW_YEAR.isoformat()),)


@pytest.mark.parametrize(
    ("where", "any_of"),
    [
        ({"team": "blue"}, [("team", "blue")]),
        ({"team": ["blue", "red"]}, [("team", "blue"), ("team", "red")]),
        ({"prio": 3.0}, [("prio", 3)]),
        ({"prio": np.int64(3)}, [("prio", 3)]),
        ({"prio": np.array([1, 2])}, [("prio", 1), ("prio", 2)]),
        ({"prio": 0.5}, [("prio", 0.5)]),
        ({"open": np.True_}, [("open", True)]),
        ({"both": 1}, [("both", 1)]),
        ({"both": 2**60}, [("both", str(2**60))]),
        ({"fields.team": "blue"}, [("team", "blue")]),
        ({"fields.tokens": 7}, [("tokens", 7)]),
    ],
)
def test_a_value_is_asked_for_by_its_label(
    where: dict[str, Any], any_of: list[tuple[str, Any]]
) -> None:
    """Whatever its kind, so that one index of the engine serves all columns."""
    (condition,) = parse_where(where, KINDS)
    assert condition.column == "labels"
    assert condition.any_of == tuple(label_of(*each) for each in any_of)


def test_a_column_of_every_passage_comes_before_one_of_a_table() -> None:
    """A table's own is asked for with its prefix."""
    (condition,) = parse_where({"tokens": 7}, KINDS)
    assert condition == Condition(column="tokens", any_of=(7,))


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"tema": "x"}, "unknown column 'tema'; there are"),
        ({"tema": "x"}, "Did you mean 'team'"),
        ({"team": 3}, "this column is a text"),
        ({"team": {"gte": 3}}, "and its operators are not, prefix"),
        ({"team": {"prefix": ""}}, "has the prefix ''"),
        ({"team": []}, "empty list"),
        ({"team": {}}, "is empty; use one of not, prefix"),
        ({"team": None}, "holds None"),
        ({"prio": "3"}, "this column is a number"),
        ({"prio": True}, "this column is a number"),
        ({"prio": float("nan")}, "this column is a number"),
        ({"prio": {"lt": 10**400}}, "this column is a number"),
        ({"prio": {"prefix": "3"}}, "not, gt, gte, lt, lte"),
        ({"open": "yes"}, "this column is True or False"),
        ({"day": "yesterday"}, "this column is an instant"),
        ({"day": 3}, "this column is an instant"),
        ({"both": ["x", None]}, "holds None"),
    ],
)
def test_what_a_column_cannot_be_is_refused(where: dict[str, Any], said: str) -> None:
    """In a sentence that names the column and what would do."""
    with pytest.raises(InvalidArgumentError) as refused:
        parse_where(where, KINDS)
    assert said in str(refused.value)


def test_of_very_many_columns_some_are_named() -> None:
    """A sentence stays one."""
    with pytest.raises(InvalidArgumentError, match="and 80 more"):
        parse_where({"x": 1}, {f"column {at}": "text" for at in range(100)})


def test_kinds_of_several_tables_are_put_together() -> None:
    """Where they differ anything may be asked for."""
    assert merged_kinds([{"a": "text"}, {}, {"a": "text", "b": "number"}]) == {
        "a": "text",
        "b": "number",
    }
    assert merged_kinds([{"a": "text"}, {"a": "number"}, {"a": "text"}]) == {
        "a": "mixed"
    }


def test_a_label_gives_its_value_back() -> None:
    """As a text, for messages."""
    assert value_in(label_of("open", False)) == "false"
    assert value_in(label_of("prio", 2.0)) == "2"
