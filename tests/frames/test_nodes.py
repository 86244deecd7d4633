"""Nested records whose fields nobody declared become a frame."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexter_nb.frames import nodes_frame


def frame_of(*nodes: Any) -> pd.DataFrame:
    """Return the frame of nodes without errors."""
    return nodes_frame(nodes, [None] * len(nodes))


def test_nested_fields_are_columns_by_dotted_paths() -> None:
    """Columns come in the order in which fields are met; lists stay lists."""
    frame = frame_of(
        {"id": 1, "owner": {"login": "a", "plan": {"name": "x"}}, "tags": ["p", "q"]},
        {"id": 2, "more": True},
    )
    assert frame.columns.tolist() == [
        "id",
        "owner.login",
        "owner.plan.name",
        "tags",
        "more",
        "error",
    ]
    assert frame["tags"].tolist() == [["p", "q"], None]
    assert isinstance(frame.index, pd.RangeIndex)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], "Int64"),
        ([1, None], "Int64"),
        ([True, None], "boolean"),
        (["a", None], "str"),
        ([1.5, None], "float64"),
        ([1, 2.5], "float64"),
        ([1, "a"], "object"),
        ([True, 1], "object"),
        ([None, None], "object"),
        ([[1], None], "object"),
        ([2**70, 1], "object"),
        ([2**60 + 1, 1.5], "object"),
        ([10**400, 1.5], "object"),
    ],
)
def test_a_column_has_the_dtype_that_fits(values: list[Any], dtype: str) -> None:
    """Whole numbers stay whole beside what is missing; what fits nothing is kept."""
    column = frame_of(*({"x": each} for each in values))["x"]
    assert str(column.dtype) == dtype
    kept = [None if each is None else each for each in values]
    found = [
        None if not isinstance(each, list) and pd.isna(each) else each
        for each in column
    ]
    assert found == kept


def test_an_object_that_is_null_is_no_column_of_its_own() -> None:
    """Beside the fields of an object there is no empty column of its name."""
    frame = frame_of({"owner": None}, {"owner": {"id": 1}}, {"owner": None})
    assert frame.columns.tolist() == ["owner.id", "error"]
    assert frame["owner.id"].isna().tolist() == [True, False, True]
    assert frame_of({"owner": None}).columns.tolist() == ["owner", "error"]
    mixed = frame_of({"owner": "text"}, {"owner": {"id": 1}})
    assert mixed.columns.tolist() == ["owner", "owner.id", "error"]


def test_errors_stand_beside_their_rows() -> None:
    """The last column says what went wrong, and is missing where nothing did."""
    frame = nodes_frame([{"a": 1}, None, {"a": 3}], [None, "gone", "late"])
    assert frame["error"].isna().tolist() == [True, False, False]
    assert frame["error"].tolist()[1:] == ["gone", "late"]
    assert frame["a"].isna().tolist() == [False, True, False]
    assert str(frame["error"].dtype) == "str"


@pytest.mark.parametrize(
    ("fields", "last"),
    [({}, "error"), ({"error": 1}, "error_"), ({"error": 1, "error_": 2}, "error__")],
)
def test_a_field_called_error_is_kept(fields: dict[str, int], last: str) -> None:
    """The service's own field keeps its name and its values."""
    frame = nodes_frame([fields], ["broken"])
    assert frame.columns.tolist() == [*fields, last]
    assert frame[last].tolist() == ["broken"]
    assert [frame[name].iloc[0] for name in fields] == list(fields.values())


def test_what_is_no_record_is_a_value() -> None:
    """Plain values become the column value, None an empty row; no row is lost."""
    frame = frame_of(1, None, "a", [2], {"x": 1})
    assert frame.columns.tolist() == ["value", "x", "error"]
    assert len(frame) == 5


@pytest.mark.parametrize("nodes", [(), (None,), ({},), (None, {}, None)])
def test_rows_are_counted_even_without_fields(nodes: tuple[Any, ...]) -> None:
    """A row per node, whether or not it has any field."""
    frame = frame_of(*nodes)
    assert frame.shape == (len(nodes), 1)
    assert str(frame["error"].dtype) == "str"


def test_the_frame_carries_what_it_is_given() -> None:
    """attrs are those given, and not the caller's own object."""  # noqa: D403
    mine = {"pages": 2}
    frame = nodes_frame([], [], mine)
    assert frame.attrs == mine
    frame.attrs["pages"] = 3
    assert mine == {"pages": 2}


def test_there_must_be_as_many_errors_as_nodes() -> None:
    """A wrong count is a mistake of the program, and is told."""
    with pytest.raises(ValueError, match="zip"):
        nodes_frame([{}], [])


def test_a_scalar_full_of_keys_makes_no_million_columns() -> None:
    """Past a thousand columns nested mappings stay what they are."""
    nodes = [
        {"id": at, "json": {f"key-{at}-{one}": one for one in range(50)}}
        for at in range(50)
    ]
    frame = frame_of(*nodes)
    assert frame.columns.tolist() == ["id", "json", "error"]
    assert frame["json"].iloc[7] == nodes[7]["json"]


def test_depth_is_bounded() -> None:
    """What is nested deeper than eight levels stays a mapping, whatever its depth."""
    deep: Any = "bottom"
    for _ in range(900):
        deep = {"a": deep}
    frame = frame_of(deep)
    assert frame.columns.tolist() == [".".join("a" * 8), "error"]


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "a.b", "error", "value"]), inner)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150)
@given(st.lists(_JSON, max_size=5))
def test_any_json_becomes_a_frame(nodes: list[Any]) -> None:
    """Whatever JSON holds, there is a row for each, errors last, names unique."""
    said = [str(at) if at % 2 else None for at in range(len(nodes))]
    frame = nodes_frame(nodes, said)
    assert len(frame) == len(nodes)
    assert frame.columns.is_unique
    last = frame.columns[-1]
    assert [None if pd.isna(each) else each for each in frame[last]] == said
    for node, (_, row) in zip(nodes, frame.iterrows(), strict=True):
        if isinstance(node, dict) and isinstance(node.get("b"), bool):
            assert row["b"] == node["b"]


def test_hostile_words_show_as_words() -> None:
    """In HTML, markup of values and of field names is text; CSV and JSON hold it."""
    evil = "<img src=x onerror=alert(1)>"
    frame = nodes_frame([{"a": evil, evil: [evil]}], [evil])
    shown = frame.to_html() + str(frame._repr_html_())
    assert "<img" not in shown
    assert "&lt;img" in shown
    read = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    assert read["a"].tolist() == [evil]
    assert json.loads(frame.to_json(orient="records"))[0]["error"] == evil


def test_missing_values_survive_a_round_trip() -> None:
    """JSON of a frame has null where something is missing."""
    frame = frame_of({"n": 1, "t": "a", "b": True}, {"n": None, "x": {"y": 1.5}})
    found = json.loads(frame.to_json(orient="records"))
    assert found[1] == {"n": None, "t": None, "b": None, "x.y": 1.5, "error": None}
    assert np.isnan(frame["x.y"].iloc[0])
