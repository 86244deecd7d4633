"""What a row of a table has beside its text: kept to filter by, and to be seen again.

A value is asked for by a label, its column's name and itself as one text, so that one
index of the engine serves every column of every table; bounds of numbers and instants
go by the value itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from contexter_nb.retrieval._text import repair

FieldValue = str | int | float | bool
# Of the columns that mean the same for every passage.
ROW_COLUMNS = ("text", "title", "url", "kind")
LABELS = "labels"
FIELDS = "fields"
TEXT, NUMBER, TRUTH, INSTANT, MIXED = "text", "number", "truth", "instant", "mixed"
MAX_FIELDS = 32
MAX_FIELD_CHARS = 256
_MAX_NAME_CHARS = 64
_BETWEEN = "\x1f"
# They would end the name in the engine's path.
_NOT_IN_NAMES = frozenset('"\\[]')
# From here on a float cannot tell neighbours apart, and the engine takes no more.
TOO_LARGE = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptColumns:
    """The columns of a table that are kept beside its text.

    Attributes
    ----------
    kinds : dict of str to str
        Name to ``text``, ``number``, ``truth``, ``instant``, or ``mixed`` for values of
        several kinds and numbers from 2 ** 53 on: these are only equal or not.
    left_out : dict of str to str
        Name to why it is not kept.
    """

    kinds: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def kept_columns(rows: Sequence[Mapping[Any, Any]]) -> KeptColumns:
    """Return which columns of a table are kept, and as what.

    Parameters
    ----------
    rows : sequence of mapping
        Column to value; None where it is missing.

    Returns
    -------
    KeptColumns
        At most 32, in the order of the table; a column without values is neither kept
        nor left out.

    Examples
    --------
    >>> found = kept_columns([{"text": "a", "prio": 3, "tags": ["x"]}])
    >>> found.kinds, found.left_out
    ({'prio': 'number'}, {'tags': 'it holds values of the type list'})
    """
    names = dict.fromkeys(name for row in rows for name in row)
    kinds: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for name in names:
        if name in ROW_COLUMNS:
            continue
        if not isinstance(name, str):
            left_out[str(name)] = "its name is no text"
            continue
        kind, why = _kind_of(row.get(name) for row in rows)
        if kind and not _is_fit(name):
            why = "its name is too long, or has a bracket, a quote or a line in it"
        if kind and not why and len(kinds) == MAX_FIELDS:
            why = f"{MAX_FIELDS} columns are kept"
        if why:
            left_out[name] = why
        elif kind:
            kinds[name] = kind
    return KeptColumns(kinds=kinds, left_out=left_out)


def _kind_of(values: Iterable[Any]) -> tuple[str, str]:
    """Return the kind of a column, or why it has none; without values neither."""
    kinds = set()
    for value in values:
        if value is None:
            continue
        if isinstance(value, bool):
            kinds.add(TRUTH)
        elif isinstance(value, int | float):
            kinds.add(NUMBER if _is_exact(value) else MIXED)
        elif isinstance(value, date):
            kinds.add(INSTANT)
        elif not isinstance(value, str):
            return "", f"it holds values of the type {type(value).__name__}"
        elif len(value) > MAX_FIELD_CHARS:
            return "", f"it holds texts of more than {MAX_FIELD_CHARS} characters"
        else:
            kinds.add(TEXT)
    if not kinds:
        return "", ""
    return (kinds.pop() if len(kinds) == 1 else MIXED), ""


def _is_fit(name: str) -> bool:
    return (
        0 < len(name) <= _MAX_NAME_CHARS
        and name.isprintable()
        and not _NOT_IN_NAMES & set(name)
    )


def fields_of(
    row: Mapping[str, Any], kinds: Mapping[str, str]
) -> tuple[tuple[str, FieldValue], ...]:
    """Return what is kept of a row, column by column; what is missing is left out.

    Parameters
    ----------
    row : mapping
    kinds : mapping of str to str
        As of `kept_columns`. Instants become ISO 8601 texts, and numbers that no JSON
        holds texts.

    Examples
    --------
    >>> fields_of({"day": date(2026, 1, 5), "n": None}, {"day": INSTANT, "n": NUMBER})
    (('day', '2026-01-05T00:00:00+00:00'),)
    """
    return tuple(
        (name, _plain(row[name], kind))
        for name, kind in kinds.items()
        if row.get(name) is not None
    )


def _plain(value: Any, kind: str) -> FieldValue:
    if kind == INSTANT:
        return instant_of(value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return repair(value)[0]
    number: float = value
    return number if _is_exact(number) else str(number)


def _is_exact(number: float) -> bool:
    return math.isfinite(number) and abs(number) < TOO_LARGE


def instant_of(value: date | str) -> datetime:
    """Return an instant in UTC; without a time zone it is taken for one of UTC.

    Parameters
    ----------
    value : datetime, date or str
        A text in the form of ISO 8601.

    Raises
    ------
    ValueError
        A text is in no such form.

    Examples
    --------
    >>> instant_of("2026-01-05T09:00:00+01:00").isoformat()
    '2026-01-05T08:00:00+00:00'
    """
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    # A plain one: a subclass, as pandas has it, writes itself in another form.
    plain = datetime.combine(
        date(value.year, value.month, value.day),
        time(value.hour, value.minute, value.second, value.microsecond),
        value.tzinfo or UTC,
    )
    return plain.replace(fold=value.fold).astimezone(UTC)


def label_of(name: str, value: FieldValue) -> str:
    """Return what a passage is found by that has this value in this column.

    Parameters
    ----------
    name : str
    value : str, int, float or bool
        Whole numbers are the same with and without a point.

    Examples
    --------
    >>> label_of("prio", 3.0) == label_of("prio", 3)
    True
    """
    if isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{begin_of(name)}{value}"


def path_of(name: str) -> str:
    """Return where the engine finds a column's values.

    Parameters
    ----------
    name : str

    Examples
    --------
    >>> path_of("prio"), path_of("my note")
    ('fields.prio', 'fields."my note"')
    """
    plain = name.isascii() and name.isidentifier()
    return f"{FIELDS}.{name}" if plain else f'{FIELDS}."{name}"'


def merged_kinds(several: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the kinds of the columns of several tables.

    Parameters
    ----------
    several : iterable of mapping
        Name to kind, a table each.

    Returns
    -------
    dict of str to str
        ``mixed`` where tables differ.

    Examples
    --------
    >>> merged_kinds([{"prio": "number"}, {"prio": "text", "team": "text"}])
    {'prio': 'mixed', 'team': 'text'}
    """
    found: dict[str, str] = {}
    for kinds in several:
        for name, kind in kinds.items():
            found[name] = kind if found.get(name, kind) == kind else MIXED
    return found


def value_in(label: str) -> str:
    """Return the value in a label, as a text.

    Parameters
    ----------
    label : str

    Examples
    --------
    >>> value_in(label_of("team", "blue"))
    'blue'
    """
    return label.partition(_BETWEEN)[2]


def begin_of(name: str) -> str:
    """Return what all labels of a column begin with.

    Parameters
    ----------
    name : str
    """
    return f"{name}{_BETWEEN}"
