"""Widgets over a session, and pictures of them that stay.

May import `notebook`, `frames`, `core` and what lies below; imported by nobody, except
that a session loads it when a widget is asked for. ipywidgets loads with the first
widget.
"""

from __future__ import annotations

from contexter_nb.dashboards._explorer import Explorer

__all__ = ["Explorer"]
