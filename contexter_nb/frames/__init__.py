"""Records to DataFrames: every column of every answer is declared here, once.

May import `core`; imported by `notebook` and `dashboards`. `describe()` is the table of
all kinds.
"""

from __future__ import annotations

from contexter_nb.frames._columns import KINDS, Column, Kind, kind_of
from contexter_nb.frames._make import describe, make_frame
from contexter_nb.frames._nodes import nodes_frame

__all__ = [
    "Column",
    "describe",
    "Kind",
    "kind_of",
    "KINDS",
    "make_frame",
    "nodes_frame",
]
