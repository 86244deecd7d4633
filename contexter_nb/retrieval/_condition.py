"""One checked condition of a filter, whoever will keep to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

Scalar = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One checked condition on one column.

    Attributes
    ----------
    any_of : tuple
        The column is one of these; empty for another sort of condition.
    negated : bool
        The condition must not hold.
    prefix : str
        The column starts with this.
    bounds : tuple of (str, float)
        ``gt gte lt lte`` and their limits.
    instants : tuple of (str, datetime)
        The same of a time, aware.
    asked : str
        The column as it was asked for, where it is one of a table.
    """

    column: str
    any_of: tuple[Scalar, ...] = ()
    negated: bool = False
    prefix: str = ""
    bounds: tuple[tuple[str, float], ...] = ()
    instants: tuple[tuple[str, datetime], ...] = ()
    asked: str = ""
