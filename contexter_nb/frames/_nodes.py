"""Make a frame of nested records whose fields nobody declared."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

ERROR = "error"
MAX_DEPTH = 8
MAX_COLUMNS = 1_000
_EXACT = 2**53


def nodes_frame(
    nodes: Sequence[Any],
    errors: Sequence[str | None],
    attrs: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return records as rows, their nested fields as columns named by dotted paths.

    Parameters
    ----------
    nodes : sequence, n items
        Mappings; anything else becomes the column ``value``, None an empty row.
    errors : sequence of str or None, n items
        What went wrong with each.
    attrs : mapping, optional
        What the frame carries beside its rows.

    Returns
    -------
    pandas.DataFrame
        n rows in their order. A column for each field met, in order of appearance, with
        a dtype that can say what is missing; lists stay lists, and so do mappings 8
        levels deep, or all of them where there would be more than 1,000 columns. The
        last column, ``error`` (str; ``error_`` where the records have such a field), is
        missing where nothing went wrong.

    Raises
    ------
    ValueError
        There are not as many errors as nodes.

    Examples
    --------
    >>> nodes_frame([{"name": "a", "owner": {"id": 1}}], [None]).columns.tolist()
    ['name', 'owner.id', 'error']
    """
    rows = [dict(_fields(node)) for node in nodes]
    names = _names_of(rows)
    if len(names) > MAX_COLUMNS:
        rows = [dict(_fields(node, depth=MAX_DEPTH)) for node in nodes]
        names = _names_of(rows)
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    last = ERROR
    while last in columns:  # a field of that name is the service's own
        last += "_"
    said = [each for _, each in zip(rows, errors, strict=True)]
    columns[last] = pd.array(said, dtype="str")
    frame = pd.DataFrame(columns, index=range(len(rows)))
    frame.attrs.update(attrs or {})
    return frame


def _names_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return all fields, without those that hold only what is missing of an object."""
    found: dict[str, bool] = {}
    for row in rows:
        for name, value in row.items():
            found[name] = found.get(name, False) or value is not None
    above = {
        name[:at]
        for name in found
        for at, character in enumerate(name)
        if character == "."
    }
    return [name for name, filled in found.items() if filled or name not in above]


def _column(values: list[Any]) -> Any:
    """Return values with a dtype that also says what is missing, where one fits."""
    kinds = {type(value) for value in values if value is not None}
    for kind, dtype in ((bool, "boolean"), (int, "Int64"), (str, "str")):
        if kinds == {kind}:
            with contextlib.suppress(OverflowError, TypeError, UnicodeError):
                return pd.array(values, dtype=dtype)  # type: ignore[call-overload]
    if float in kinds and kinds <= {int, float} and _exact_as_floats(values):
        return pd.array(values, dtype="float64")
    return pd.Series(values, dtype=object)


def _exact_as_floats(values: list[Any]) -> bool:
    """Tell whether no whole number among them would become another one."""
    whole = [value for value in values if isinstance(value, int)]
    return all(-_EXACT <= value <= _EXACT for value in whole)


def _fields(node: Any, prefix: str = "", depth: int = 1) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            path = f"{prefix}.{name}" if prefix else str(name)
            if isinstance(value, Mapping) and value and depth < MAX_DEPTH:
                yield from _fields(value, path, depth + 1)
            else:
                yield path, value
    elif node is not None:
        yield "value", node
