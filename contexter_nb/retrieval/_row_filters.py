"""What is wanted of a table's own column, checked by its kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime

import numpy as np

from contexter_nb.core import InvalidArgumentError, did_you_mean
from contexter_nb.retrieval._condition import Condition
from contexter_nb.retrieval._row_fields import (
    INSTANT,
    LABELS,
    MIXED,
    NUMBER,
    TEXT,
    TOO_LARGE,
    TRUTH,
    FieldValue,
    instant_of,
    label_of,
    path_of,
)

_RANGES = ("gt", "gte", "lt", "lte")
_OPERATORS = {
    TEXT: ("not", "prefix"),
    NUMBER: ("not", *_RANGES),
    TRUTH: ("not",),
    INSTANT: ("not", *_RANGES),
    MIXED: ("not",),
}
_WORDS = {
    TEXT: "a text",
    NUMBER: "a number",
    TRUTH: "True or False",
    INSTANT: "an instant: a datetime, a date, or a text as '2026-01-31'",
    MIXED: "a text, a number, or True or False",
}


def row_conditions(name: str, kind: str, wanted: object) -> list[Condition]:
    """Return the conditions on one column.

    Parameters
    ----------
    name : str
    kind : str
        As of `kept_columns`.
    wanted : object
        A value, a list of values, or a mapping of operators to values.

    Raises
    ------
    InvalidArgumentError
        An operator is not one of this kind's, or a value is of another kind.

    Examples
    --------
    >>> row_conditions("prio", "number", {"gte": 3})[0].bounds
    (('gte', 3.0),)
    """
    if not isinstance(wanted, Mapping):
        return [_any_of(name, kind, wanted)]
    known = _OPERATORS[kind]
    if not wanted:
        raise InvalidArgumentError(
            f"where[{name!r}] is empty; use one of {', '.join(known)}."
        )
    conditions: list[Condition] = []
    limits: dict[str, FieldValue] = {}
    for operator, value in wanted.items():
        if operator not in known:
            raise InvalidArgumentError(
                f"where[{name!r}] has an unknown operator {operator!r}; this column is "
                f"{_WORDS[kind]}, and its operators are {', '.join(known)}."
                f"{did_you_mean(str(operator), known)}"
            )
        if operator == "not":
            conditions.append(_any_of(name, kind, value, negated=True))
        elif operator == "prefix":
            conditions.append(_beginning(name, value))
        else:
            limits[operator] = _value(name, kind, value)
    return [*conditions, *_within(name, kind, limits)]


def _beginning(name: str, value: object) -> Condition:
    if not isinstance(value, str) or not value:
        raise InvalidArgumentError(
            f"where[{name!r}] has the prefix {value!r}; give one text."
        )
    return Condition(column=LABELS, prefix=label_of(name, value), asked=name)


def _within(
    name: str, kind: str, limits: Mapping[str, FieldValue]
) -> Iterable[Condition]:
    if limits and kind == INSTANT:
        instants = [(key, instant_of(str(each))) for key, each in limits.items()]
        yield Condition(column=path_of(name), instants=tuple(instants), asked=name)
    elif limits:
        bounds = [(key, float(each)) for key, each in limits.items()]
        yield Condition(column=path_of(name), bounds=tuple(bounds), asked=name)


def _any_of(name: str, kind: str, wanted: object, negated: bool = False) -> Condition:
    several = isinstance(wanted, list | tuple | set | frozenset | np.ndarray)
    values: Iterable[object] = wanted if several else [wanted]  # type: ignore[assignment]  # it is one of these
    labels = tuple(label_of(name, _value(name, kind, each)) for each in values)
    if not labels:
        raise InvalidArgumentError(
            f"where[{name!r}] is an empty list, which nothing matches; leave the "
            "column out to allow any value."
        )
    return Condition(column=LABELS, any_of=labels, negated=negated, asked=name)


def _value(name: str, kind: str, value: object) -> FieldValue:
    """Return a value as it was kept."""
    if isinstance(value, np.generic):
        value = value.item()
    if kind == INSTANT and isinstance(value, str | date | datetime):
        try:
            return instant_of(value).isoformat()
        except ValueError:
            pass
    elif isinstance(value, bool):
        if kind in (TRUTH, MIXED):
            return value
    elif isinstance(value, int | float):
        if kind == MIXED or (kind == NUMBER and abs(value) < TOO_LARGE):
            return value
    elif isinstance(value, str) and kind in (TEXT, MIXED):
        return value
    raise InvalidArgumentError(
        f"where[{name!r}] holds {repr(value)[:40]}; this column is {_WORDS[kind]}."
    )
