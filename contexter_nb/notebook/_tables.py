"""A table a person has, as rows that can be indexed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contexter_nb.core import InvalidArgumentError
from contexter_nb.retrieval import ROW_COLUMNS, RowsSource, repair

if TYPE_CHECKING:
    import pandas as pd

UNNAMED_TABLE = "table"
_TEXT_COLUMNS = ("text", "content", "body", "passage", "document")


def is_frame(what: object) -> bool:
    """Whether something is a DataFrame; pandas is not imported for it."""
    return type(what).__name__ == "DataFrame" and hasattr(what, "columns")


def rows_source(frame: Any, name: str | None) -> RowsSource:
    """Return the source of a table's rows.

    Parameters
    ----------
    frame : pandas.DataFrame
    name : str or None
        What it is to be called.

    Raises
    ------
    InvalidArgumentError
        It has no text column, or its columns are layered or not unique.
    """
    table: pd.DataFrame = frame
    if table.columns.nlevels > 1 or not table.columns.is_unique:
        raise InvalidArgumentError(
            "The table's columns are layered or not unique; give it one text column."
        )
    text = next((each for each in _TEXT_COLUMNS if each in table.columns), None)
    if text is None:
        raise InvalidArgumentError(
            f"The table has no text column (one of {', '.join(_TEXT_COLUMNS)}); its "
            f"columns are {', '.join(map(str, table.columns)) or 'none'}; rename one "
            "with .rename(columns=...)."
        )
    rows = []
    there = table.astype(object).where(table.notna(), None)
    for record in there.to_dict("records"):
        row = {str(key): value for key, value in record.items()}
        row["text"] = row.pop(str(text))
        for key in ROW_COLUMNS:
            if row.get(key) is not None:
                row[key] = str(row[key])
        rows.append(row)
    library, _ = repair(name or str(table.attrs.get("name") or UNNAMED_TABLE))
    return RowsSource(rows=rows, library=library, keys=_keys(table, rows))


def _keys(table: pd.DataFrame, rows: list[dict[str, Any]]) -> list[str] | None:
    """Return what rows are known by: a column ``id``, or an index that says something.

    An index that only counts is none: it counts anew when rows are taken out.
    """
    if "id" in table.columns:
        keys = [row["id"] for row in rows]
    elif table.index.name is not None or table.index.inferred_type == "string":
        keys = table.index.tolist()
        name = str(table.index.name or "")
        if name and rows and name not in rows[0]:
            for row, key in zip(rows, keys, strict=True):
                row[name] = key
    else:
        return None
    known = [str(each) for each in keys]
    return known if len(set(known)) == len(known) and None not in keys else None
