"""What a person meets: the session and its verbs, cards, magics, the terminal.

May import `retrieval`, `frames`, `bridge` and `core`; imported by `dashboards`.
"""

from __future__ import annotations

from contexter_nb.notebook._accessor import ContexterAccessor
from contexter_nb.notebook._cards import Cards
from contexter_nb.notebook._collection import (
    Collection,
    can_rerank,
    may_stand_for_another,
)
from contexter_nb.notebook._feed import Feed
from contexter_nb.notebook._html import marked_runs, safe_url
from contexter_nb.notebook._magics import load_ipython_extension
from contexter_nb.notebook._session import AsyncSession, Session, connect
from contexter_nb.notebook._spelling import check_names
from contexter_nb.notebook._terminal import main

__all__ = [
    "AsyncSession",
    "can_rerank",
    "Cards",
    "check_names",
    "Collection",
    "connect",
    "ContexterAccessor",
    "Feed",
    "load_ipython_extension",
    "main",
    "marked_runs",
    "may_stand_for_another",
    "safe_url",
    "Session",
]
