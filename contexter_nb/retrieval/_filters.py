"""`where`: a mapping a person writes, checked, and the engine's filter made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import qdrant_edge as edge

from contexter_nb.core import InvalidArgumentError, did_you_mean
from contexter_nb.retrieval._condition import Condition, Scalar
from contexter_nb.retrieval._documents import point_id
from contexter_nb.retrieval._row_fields import FIELDS, TOO_LARGE
from contexter_nb.retrieval._row_filters import row_conditions

Where = Mapping[str, object]

TEXT_COLUMNS = ("chunk_id", "kind", "library", "section", "source", "title", "version")
NUMBER_COLUMNS = ("tokens",)
FILTER_COLUMNS = tuple(sorted(TEXT_COLUMNS + NUMBER_COLUMNS))
_SHOWN_NAMES = 20
_RANGES = ("gt", "gte", "lt", "lte")


def parse_where(
    where: Where | None, kinds: Mapping[str, str] | None = None
) -> list[Condition]:
    """Check a filter and return its conditions, all of which must hold.

    Parameters
    ----------
    where : mapping or None
        Column to a value, a list of values (any of them), or a mapping:
        ``{"not": value or list}``, ``{"prefix": "pandas.DataFrame."}`` for text,
        ``{"gte": 10, "lt": 200}`` for numbers, and for instants of tables.
    kinds : mapping of str to str, optional
        The columns of tables that may be asked for, too, and their kinds. One that is
        called as one of the others is asked for as ``fields.tokens``.

    Raises
    ------
    InvalidArgumentError
        A column or an operator is unknown, or a value has the wrong type.

    Examples
    --------
    >>> parse_where({"kind": {"not": "module"}})[0].negated
    True
    """
    if where is None:
        return []
    if not isinstance(where, Mapping):
        raise InvalidArgumentError(
            f"where is {type(where).__name__}; give a mapping of column to value, as "
            'where={"library": "pandas"}.'
        )
    conditions: list[Condition] = []
    for column, wanted in where.items():
        if column not in FILTER_COLUMNS:
            name = _own_name(column, kinds or {})
            conditions += row_conditions(name, (kinds or {})[name], wanted)
            continue
        if isinstance(wanted, Mapping):
            conditions += _operators(column, wanted)
        else:
            conditions.append(Condition(column=column, any_of=_values(column, wanted)))
    return conditions


def _own_name(column: object, kinds: Mapping[str, str]) -> str:
    """Return the name of a table's column, or refuse one that nothing has."""
    name = str(column)
    if name not in kinds:
        name = name.removeprefix(f"{FIELDS}.")
    if isinstance(column, str) and name in kinds:
        return name
    known = [*FILTER_COLUMNS, *sorted(set(kinds) - set(FILTER_COLUMNS))]
    shown = known[: len(FILTER_COLUMNS) + _SHOWN_NAMES]
    more = f" and {len(known) - len(shown)} more" if len(known) > len(shown) else ""
    raise InvalidArgumentError(
        f"where names an unknown column {column!r}; there are {', '.join(shown)}{more}."
        f"{did_you_mean(str(column), known)}"
    )


def _operators(column: str, wanted: Mapping[object, object]) -> list[Condition]:
    conditions = []
    bounds = []
    known: tuple[str, ...] = ("not", *_RANGES)
    if column in TEXT_COLUMNS:
        known = ("not", "prefix") if column != "chunk_id" else ("not",)
    if not wanted:
        raise InvalidArgumentError(
            f"where[{column!r}] is empty; use one of {', '.join(known)}."
        )
    for operator, value in wanted.items():
        if operator not in known:
            raise InvalidArgumentError(
                f"where[{column!r}] has an unknown operator {operator!r}; there are "
                f"{', '.join(known)}.{did_you_mean(str(operator), known)}"
            )
        if operator == "not":
            conditions.append(
                Condition(column=column, any_of=_values(column, value), negated=True)
            )
        elif operator == "prefix":
            if not isinstance(value, str) or not value:
                raise InvalidArgumentError(
                    f"where[{column!r}] has the prefix {value!r}; give one text."
                )
            conditions.append(Condition(column=column, prefix=value))
        else:
            bounds.append((str(operator), float(_number(column, value))))
    if bounds:
        conditions.append(Condition(column=column, bounds=tuple(bounds)))
    return conditions


def _values(column: str, wanted: object) -> tuple[Scalar, ...]:
    if isinstance(wanted, (str, int, float, np.number)):
        values: Sequence[object] = [wanted]
    elif isinstance(wanted, (list, tuple, set, frozenset)):
        values = list(wanted)
    else:
        raise InvalidArgumentError(
            f"where[{column!r}] is {type(wanted).__name__}; give a value, a list of "
            "values, or a mapping with an operator."
        )
    if not values:
        raise InvalidArgumentError(
            f"where[{column!r}] is an empty list, which nothing matches; leave the "
            "column out to allow any value."
        )
    if column in NUMBER_COLUMNS:
        return tuple(int(_number(column, value)) for value in values)
    for value in values:
        if not isinstance(value, str):
            raise InvalidArgumentError(
                f"where[{column!r}] holds {value!r}; this column is text."
            )
    return tuple(str(value) for value in values)


def _number(column: str, value: Any) -> float | int:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not abs(value) < TOO_LARGE:
        raise InvalidArgumentError(
            f"where[{column!r}] holds {repr(value)[:40]}; this column is a number."
        )
    return int(value) if isinstance(value, (int, np.integer)) else float(value)


def engine_filter(
    conditions: Sequence[Condition], without_ids: Sequence[int] = ()
) -> edge.Filter | None:
    """Return the engine's filter, or None where everything matches."""
    must: list[edge.ConditionType] = []
    must_not: list[edge.ConditionType] = []
    for each in conditions:
        (must_not if each.negated else must).append(_engine_condition(each))
    if without_ids:
        must_not.append(edge.HasIdCondition(set(without_ids)))
    if not must and not must_not:
        return None
    return edge.Filter(must=must or None, must_not=must_not or None)


def _engine_condition(condition: Condition) -> edge.ConditionType:
    key = condition.column
    if key == "chunk_id":
        return edge.HasIdCondition({point_id(str(each)) for each in condition.any_of})
    if condition.prefix:
        return edge.FieldCondition(key, match=edge.MatchPrefix(condition.prefix))
    if condition.instants:
        limits = {name: each.isoformat() for name, each in condition.instants}
        return edge.FieldCondition(key, range=edge.RangeDateTime(**limits))
    if condition.bounds:
        return edge.FieldCondition(key, range=edge.RangeFloat(**dict(condition.bounds)))
    return edge.FieldCondition(key, match=edge.MatchAny(list(condition.any_of)))  # type: ignore[arg-type]  # all of one type
