"""Checked conditions as the filter that the client of a Qdrant server takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from contexter_nb.retrieval._condition import Condition
from contexter_nb.retrieval._documents import point_id


def server_where(
    conditions: Sequence[Condition], without_ids: Sequence[int] = ()
) -> dict[str, Any] | None:
    """Return the filter, or None where everything matches.

    Parameters
    ----------
    conditions : sequence of Condition
        All must hold.
    without_ids : sequence of int
        Points that must not be found.

    Examples
    --------
    >>> server_where([Condition(column="library", any_of=("pandas",))])
    {'$and': [{'library': ['pandas']}]}
    """
    all_of = [_one(each) for each in conditions]
    if without_ids:
        all_of.append({"$not": {"$ids": list(without_ids)}})
    return {"$and": all_of} if all_of else None


def _one(condition: Condition) -> dict[str, Any]:
    column, wanted = condition.column, list(condition.any_of)
    if column == "chunk_id":
        ids = {"$ids": [point_id(str(each)) for each in wanted]}
        return {"$not": ids} if condition.negated else ids
    if condition.prefix:
        return {column: {"prefix": condition.prefix}}
    if condition.instants:
        return {column: dict(condition.instants)}
    if condition.bounds:
        return {column: dict(condition.bounds)}
    return {column: {"not": wanted} if condition.negated else wanted}
