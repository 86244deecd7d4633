"""`where`: a mapping a person writes, checked, and Qdrant's filter made of it.

Pure: the filter is the JSON that the service takes, so it can be read and compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from contexter_nb.clients._qdrant_ids import point_id_of
from contexter_nb.clients._qdrant_payload import iso_of, scalar_of
from contexter_nb.core import InvalidArgumentError, did_you_mean, type_in_words

Where = Mapping[str, Any]
JSONObject = dict[str, Any]

MAX_DEPTH = 16
BOUNDS = ("gt", "gte", "lt", "lte")
TEXTS = ("phrase", "prefix", "substring", "text", "text_any")
OPERATORS = (*BOUNDS, *TEXTS, "any", "count", "is_empty", "is_null", "nested", "not")
GROUPS = ("$and", "$ids", "$not", "$or")
# No point has an id out of none: true of nothing, on a server and in memory.
NOTHING: JSONObject = {"has_id": []}
_LISTS = (list, tuple, set, frozenset)


def filter_of(where: Where | None) -> JSONObject | None:
    """Return Qdrant's filter of a mapping, or None where everything matches.

    Parameters
    ----------
    where : mapping or None
        All of its entries must hold. A field's name (``author.name`` reaches into an
        object) stands before what is wanted of it:

        ========================================  ===================================
        ``"pandas"``, ``3``, ``True``             equal
        ``0.5``, a datetime or a date             equal, as a number or an instant
        ``["a", "b"]``, ``{"any": [...]}``        any of these; ``[]`` matches nothing
        ``None``, ``{"is_null": True}``           the field is null
        ``{"is_empty": True}``                    missing, null or an empty list
        ``{"gte": 1, "lt": 9}``                   numbers, aware datetimes, dates
        ``{"prefix": "pandas."}``                 begins with; ``substring`` holds
        ``{"text": "merge frames"}``              all words; ``text_any``, ``phrase``
        ``{"count": {"gte": 2}}``                 how many values the list has
        ``{"nested": where}``                     of one object of a list of objects
        ``{"not": any of the above}``             the opposite
        ========================================  ===================================

        ``"$or": [where, ...]``, ``"$and": [where, ...]``, ``"$not": where`` and
        ``"$ids": [key, ...]`` stand in place of a field.

    Returns
    -------
    dict or None
        As JSON; an empty ``should`` is never in it.

    Raises
    ------
    InvalidArgumentError
        An operator is unknown, or a value cannot be compared with.

    Examples
    --------
    >>> filter_of({"library": "pandas", "tokens": {"lt": 200}})["must"][1]
    {'key': 'tokens', 'range': {'lt': 200}}
    >>> filter_of({"library": []})
    {'must': [{'has_id': []}]}

    Source
    ------
    qdrant.tech/documentation/concepts/filtering, read 2026-11-23.
    """
    if where is None:
        return None
    return _filter(where, "where", 0)


def _filter(where: object, path: str, depth: int) -> JSONObject | None:
    if not isinstance(where, Mapping):
        raise InvalidArgumentError(
            f"{path} is {type_in_words(where)}; give a mapping of field to value, "
            'as where={"library": "pandas"}.'
        )
    if depth > MAX_DEPTH:
        raise InvalidArgumentError(f"{path[:200]} is too deep; write it flatter.")
    must: list[JSONObject] = []
    for name, wanted in where.items():
        if not isinstance(name, str) or not name:
            raise InvalidArgumentError(
                f"{path} names the field {name!r}; fields are named by texts."
            )
        here = f"{path}[{name!r}]"
        if name.startswith("$"):
            must += _group(name, wanted, here, depth)
        else:
            must += _wanted(name, wanted, here, depth)
    return {"must": must} if must else None


def _group(name: str, wanted: Any, path: str, depth: int) -> list[JSONObject]:
    if name == "$ids":
        return [{"has_id": [point_id_of(each) for each in _listed(wanted, path)]}]
    if name == "$not":
        return [_opposite(_filter(wanted, path, depth + 1))]
    if name not in ("$and", "$or"):
        raise InvalidArgumentError(
            f"{path} is no group; there are {', '.join(GROUPS)}."
            f"{did_you_mean(name, GROUPS)}"
        )
    made = [
        _filter(each, f"{path}[{i}]", depth + 1)
        for i, each in enumerate(_listed(wanted, path))
    ]
    parts = [each for each in made if each is not None]
    if name == "$and":
        return list(parts)
    if len(parts) < len(made):
        return []  # one part matches everything
    return [_either(parts)]


def _wanted(key: str, wanted: Any, path: str, depth: int) -> list[JSONObject]:
    if not isinstance(wanted, Mapping):
        return [_equal(key, wanted, path)]
    if not wanted:
        raise InvalidArgumentError(
            f"{path} is empty; use one of {', '.join(OPERATORS)}."
        )
    made = []
    bounds = {name: value for name, value in wanted.items() if name in BOUNDS}
    if bounds:
        made.append({"key": key, "range": _range(bounds, path)})
    for operator, value in wanted.items():
        if operator not in BOUNDS:
            made.append(_operated(key, operator, value, path, depth))
    return made


def _operated(
    key: str, operator: object, value: Any, path: str, depth: int
) -> JSONObject:
    here = f"{path}[{operator!r}]"
    if operator in TEXTS:
        if not isinstance(value, str) or not value:
            raise InvalidArgumentError(f"{here} is {value!r}; give one text.")
        return {"key": key, "match": {str(operator): value}}
    if operator == "any":
        return _any(key, _listed(value, here), here)
    if operator == "not":
        return _opposite({"must": _wanted(key, value, here, depth + 1)})
    if operator == "count":
        return {"key": key, "values_count": _counts(value, here)}
    if operator == "nested":
        inner = _filter(value, here, depth + 1)
        if inner is None:
            raise InvalidArgumentError(f"{here} is empty; say what must hold.")
        return {"nested": {"key": key, "filter": inner}}
    if operator in ("is_null", "is_empty"):
        if not isinstance(value, bool):
            raise InvalidArgumentError(f"{here} is {value!r}; give True or False.")
        asked: JSONObject = {str(operator): {"key": key}}
        return asked if value else _opposite({"must": [asked]})
    raise InvalidArgumentError(
        f"{path} has an unknown operator {operator!r}; there are "
        f"{', '.join(OPERATORS)}.{did_you_mean(str(operator), OPERATORS)}"
    )


def _equal(key: str, wanted: Any, path: str) -> JSONObject:
    wanted = scalar_of(wanted)
    if isinstance(wanted, _LISTS) or hasattr(wanted, "tolist"):
        return _any(key, _listed(wanted, path), path)
    if wanted is None:
        return {"is_null": {"key": key}}
    if isinstance(wanted, UUID):
        wanted = str(wanted)
    if isinstance(wanted, (bool, int, str)):
        return {"key": key, "match": {"value": wanted}}
    if isinstance(wanted, (float, date)):
        return {"key": key, "range": _range({"gte": wanted, "lte": wanted}, path)}
    raise InvalidArgumentError(
        f"{path} is {type_in_words(wanted)}; give a value, a list of values, or a "
        "mapping with an operator."
    )


def _any(key: str, values: list[Any], path: str) -> JSONObject:
    """Return that a field is one of these, kinds that cannot stand together apart."""
    texts: list[str] = []
    numbers: list[int] = []
    others: list[JSONObject] = []
    for i, each in enumerate(values):
        value = scalar_of(each)
        if isinstance(value, _LISTS):
            raise InvalidArgumentError(f"{path}[{i}] is a list; give single values.")
        if isinstance(value, (str, UUID)):
            texts.append(str(value))
        elif isinstance(value, int) and not isinstance(value, bool):
            numbers.append(value)
        else:
            others.append(_equal(key, value, f"{path}[{i}]"))
    parts = [{"key": key, "match": {"any": each}} for each in (texts, numbers) if each]
    return _either(parts + others)


def _either(parts: list[JSONObject]) -> JSONObject:
    if not parts:
        return dict(NOTHING)
    return parts[0] if len(parts) == 1 else {"should": parts}


def _opposite(condition: JSONObject | None) -> JSONObject:
    """Return the opposite; of None, which matches everything, what matches nothing."""
    if condition is None:
        return dict(NOTHING)
    parts = condition["must"]
    return {"must_not": parts if len(parts) == 1 else [condition]}


def _range(bounds: Mapping[str, Any], path: str) -> JSONObject:
    made: JSONObject = {}
    kinds = set()
    for name, each in bounds.items():
        value = scalar_of(each)
        where = f"{path}[{name!r}]"
        if isinstance(value, date):
            made[name] = _instant(value, where)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if not abs(value) < float("inf"):
                raise InvalidArgumentError(f"{where} is {value}; give a finite number.")
            made[name] = value
        else:
            raise InvalidArgumentError(
                f"{where} is {value!r}; give a number, an aware datetime or a date."
            )
        kinds.add(isinstance(value, date))
    if len(kinds) > 1:
        raise InvalidArgumentError(f"{path} mixes numbers and dates; give one kind.")
    return made


def _instant(value: date, where: str) -> str:
    text = iso_of(value, where)
    return text if isinstance(value, datetime) else f"{text}T00:00:00+00:00"


def _counts(value: Any, path: str) -> JSONObject:
    if not isinstance(value, Mapping) or not value or set(value) - set(BOUNDS):
        raise InvalidArgumentError(
            f"{path} is {value!r}; give bounds, as {{'gte': 2}}."
        )
    for each in value.values():
        if isinstance(each, bool) or not isinstance(each, int) or each < 0:
            raise InvalidArgumentError(f"{path} is {value!r}; count in whole numbers.")
    return dict(value)


def _listed(value: Any, path: str) -> list[Any]:
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        value = value.tolist()
    if not isinstance(value, _LISTS):
        raise InvalidArgumentError(f"{path} is {value!r}; give a list.")
    ordered = isinstance(value, (list, tuple))
    return list(value) if ordered else sorted(value, key=repr)
