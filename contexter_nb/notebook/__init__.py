"""What a person meets: the session and its verbs, cards, magics, the terminal.

May import `retrieval`, `frames`, `bridge` and `core`; imported by `dashboards`.
"""

from __future__ import annotations

from contexter_nb.notebook._accessor import ContexterAccessor
from contexter_nb.notebook._cards import Cards
from contexter_nb.notebook._feed import Feed
from contexter_nb.notebook._magics import load_ipython_extension
from contexter_nb.notebook._session import AsyncSession, Session, connect
from contexter_nb.notebook._terminal import main

__all__ = [
    "AsyncSession",
    "Cards",
    "connect",
    "ContexterAccessor",
    "Feed",
    "load_ipython_extension",
    "main",
    "Session",
]
