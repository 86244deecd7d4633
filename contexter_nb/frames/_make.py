"""Make a frame of a declared kind from records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from contexter_nb.frames._columns import INSTANT, KINDS, OBJECT, STRING, TRUTH


def make_frame(
    kind: str,
    records: Sequence[Mapping[str, Any]],
    attrs: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return records as a frame whose columns and dtypes do not depend on them.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    records : sequence of mapping
        A value a column; a missing or None value becomes the column's missing value.
        Keys that are no column are passed over.
    attrs : mapping, optional
        What the frame carries beside its rows, in ``frame.attrs``; None for nothing.

    Returns
    -------
    pandas.DataFrame
        A row per record, in their order; the kind's columns, as `describe` lists them.

    Raises
    ------
    KeyError
        `kind` is none of `KINDS`.
    ValueError
        A value is missing in a column of truths or integers (`bool`, `int64`).

    Examples
    --------
    >>> make_frame("similarity", []).dtypes["cosine"].name
    'float64'
    """
    columns = {
        column.name: _array(
            [record.get(column.name) for record in records], column.dtype
        )
        for column in KINDS[kind].columns
    }
    frame = pd.DataFrame(columns, copy=False)
    frame.attrs.update(attrs or {})
    return frame


def _array(values: list[Any], dtype: str) -> Any:
    if dtype == OBJECT:
        array = np.empty(len(values), dtype=object)
        for at, value in enumerate(values):  # a slice would unpack tuples
            array[at] = value
        return array
    if dtype == STRING:
        return pd.array(values, dtype="str")
    if dtype == INSTANT:
        texts = pd.Series(values, dtype="str")
        instants = pd.to_datetime(texts, utc=True, format="ISO8601")
        return instants.dt.as_unit("us")
    if dtype == "Int64":
        return pd.array(values, dtype="Int64")
    if dtype == TRUTH and None in values:
        raise ValueError("a truth cannot be missing")
    return np.array([np.nan if value is None else value for value in values], dtype)


def describe() -> pd.DataFrame:
    """Return every column of every kind of frame: the reference table.

    Returns
    -------
    pandas.DataFrame
        A row per column: frame (the kind), column, dtype, meaning (with its unit),
        rows (what a row of that kind is); all str, none missing.

    Examples
    --------
    >>> describe().query("frame == 'similarity'")["column"].tolist()
    ['a', 'b', 'cosine']
    """
    rows = [
        (kind.name, column.name, column.dtype, column.meaning, kind.rows)
        for kind in KINDS.values()
        for column in kind.columns
    ]
    return pd.DataFrame(rows, columns=["frame", "column", "dtype", "meaning", "rows"])
