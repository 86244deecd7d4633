"""Make a frame of nested records whose fields nobody declared."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

ERROR = "error"


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
        the dtype that pandas finds; lists stay lists. The last column, ``error`` (str),
        is missing where nothing went wrong.

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
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: _column([row.get(name) for row in rows]) for name in names}
    frame = pd.DataFrame(columns, index=range(len(rows)))
    said = pd.array([each for _, each in zip(rows, errors, strict=True)], dtype="str")
    # A field of that name is the service's own.
    frame[ERROR if ERROR not in names else f"{ERROR}_"] = said
    frame.attrs.update(attrs or {})
    return frame


def _column(values: list[Any]) -> Any:
    """Return values with a dtype that also says what is missing, where one fits."""
    kinds = {type(value) for value in values if value is not None}
    for kind, dtype in ((bool, "boolean"), (int, "Int64"), (str, "str")):
        if kinds == {kind}:
            with contextlib.suppress(OverflowError):
                return pd.array(values, dtype=dtype)  # type: ignore[call-overload]
    if kinds and kinds <= {int, float}:
        return pd.array(values, dtype="float64")
    return pd.Series(values, dtype=object)


def _fields(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            path = f"{prefix}.{name}" if prefix else str(name)
            if isinstance(value, Mapping) and value:
                yield from _fields(value, path)
            else:
                yield path, value
    elif node is not None:
        yield "value", node
