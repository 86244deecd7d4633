"""Every kind of frame is declared once, described, and made true to that."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pandas as pd
import pytest

from contexter_nb.frames import KINDS, describe, kind_of, make_frame

SAMPLES = {
    "str": ["a", "ü<b>", None],
    "int64": [1, -2, 2**40],
    "float64": [0.5, float("inf"), None],
    "Int64": [1, None, 2**40],
    "bool": [True, False, True],
    "datetime64[us, UTC]": ["2026-11-23T10:00:00+00:00", "1999-01-01T00:00:00Z", None],
    "object": [("a",), (), ("b", "c")],
}


@pytest.mark.parametrize("name", KINDS)
def test_dtypes_do_not_depend_on_the_rows(name: str) -> None:
    """A frame has the declared columns and dtypes with rows, and without any."""
    kind = KINDS[name]
    rows = [
        {column.name: SAMPLES[column.dtype][at] for column in kind.columns}
        for at in range(3)
    ]
    declared = [(column.name, column.dtype) for column in kind.columns]
    for records in (rows, rows[:1], []):
        frame = make_frame(name, records)
        assert [(key, str(value)) for key, value in frame.dtypes.items()] == declared
        assert len(frame) == len(records)


@pytest.mark.parametrize("name", KINDS)
def test_columns_are_named_and_explained(name: str) -> None:
    """Names are snake case and unique; each column and each kind says what it is."""
    kind = KINDS[name]
    assert kind.name == name
    assert kind.rows
    assert len(set(kind.names)) == len(kind.names)
    for column in kind.columns:
        assert column.name == column.name.lower()
        assert column.name.isidentifier()
        assert column.meaning
        assert column.dtype in SAMPLES


@pytest.mark.parametrize("name", KINDS)
def test_a_part_of_a_count_stands_right_below_it(name: str) -> None:
    """The words "of these" follow the line that says what these are."""
    before = ""
    for column in KINDS[name].columns:
        if column.meaning.startswith("of these"):
            assert before == "int64", column.name
        before = column.dtype


def test_the_meaning_of_retries_says_what_is_counted() -> None:
    """Attempts are sent, refused, or a call's first; retries are of the sent ones."""
    table = describe().query("frame == 'metrics'").set_index("column")
    assert table.loc["retries", "meaning"] == "requests sent after a call's first one"
    assert table.loc["attempts", "meaning"] == "requests sent, retries among them"


def test_one_name_means_one_thing_in_all_frames() -> None:
    """A column of one name has one dtype wherever it occurs."""
    table = describe()
    dtypes = table.groupby("column")["dtype"].nunique()
    # A rank may be missing where a passage is explained, not where it is a hit.
    assert dtypes[dtypes > 1].index.tolist() == ["rank"]


def test_describe_has_one_row_per_column() -> None:
    """The reference table lists every column of every kind, in order."""
    table = describe()
    expected = [
        (kind.name, column.name, column.dtype)
        for kind in KINDS.values()
        for column in kind.columns
    ]
    assert list(table.columns) == ["frame", "column", "dtype", "meaning", "rows"]
    listed = table[["frame", "column", "dtype"]].itertuples(index=False, name=None)
    assert list(listed) == expected
    assert table["meaning"].str.len().gt(0).all()


def test_kind_of_knows_each_kind_by_its_columns() -> None:
    """Exactly these columns in this order are a kind; anything else is none."""
    for name, kind in KINDS.items():
        assert kind_of(kind.names) == name
        assert kind_of(make_frame(name, []).columns) == name
        assert kind_of(kind.names[:-1]) is None
        assert kind_of(reversed(kind.names)) is None
        assert kind_of([*kind.names, "more"]) is None
    assert kind_of([]) is None


def test_values_arrive_as_they_are() -> None:
    """Tuples stay tuples, arrays arrays, instants aware; None becomes missing."""
    vector = np.array([1.0, 0.0], np.float32)
    record = {"text": "a", "tokens": 1, "cached": True, "embedding": vector}
    embedded = make_frame("embed", [record])
    assert embedded.loc[0, "embedding"] is vector
    hit = make_frame("search", [{"rank": 1, "aliases": ("a", "b"), "text_rank": None}])
    assert hit.loc[0, "aliases"] == ("a", "b")
    assert hit.loc[0, "text_rank"] is pd.NA
    assert pd.isna(hit.loc[0, "url"])
    told = {"documents": 1, "chunks": 1, "tokens": 1}
    rows = [{**told, "indexed_at": "2026-11-23T10:00:00+00:00"}, told]
    listed = make_frame("contents", rows)
    assert listed.loc[0, "indexed_at"] == pd.Timestamp("2026-11-23T10:00", tz="UTC")
    assert listed.loc[1, "indexed_at"] is pd.NaT


@pytest.mark.parametrize(
    ("kind", "column"), [("status", "healthy"), ("search", "rank")]
)
def test_a_value_that_cannot_be_missing_is_never_made_up(
    kind: str, column: str
) -> None:
    """No count and no truth stands for None: the record is refused."""
    with pytest.raises((ValueError, TypeError)):
        make_frame(kind, [{column: None}])


def test_columns_that_are_not_declared_are_left_out() -> None:
    """A record may know more than the frame shows."""
    frame = make_frame("similarity", [{"a": "x", "b": "y", "cosine": 1, "c": 2}])
    assert list(frame.columns) == ["a", "b", "cosine"]


def test_attrs_are_the_frames_own() -> None:
    """What a frame carries is not what another one carries."""
    attrs = {"query": "a"}
    frame = make_frame("search", [], attrs)
    frame.attrs["query"] = "b"
    assert attrs == {"query": "a"}
    assert make_frame("search", []).attrs == {}


def test_an_unknown_kind_is_a_key_error() -> None:
    """A kind that is not declared cannot be made."""
    with pytest.raises(KeyError):
        make_frame("serach", [])


def test_declarations_cannot_be_changed() -> None:
    """Kinds and columns are frozen."""
    with pytest.raises(FrozenInstanceError):
        KINDS["search"].name = "other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        KINDS["search"].columns[0].dtype = "object"  # type: ignore[misc]
