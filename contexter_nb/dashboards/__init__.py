"""Widgets over a session: the search explorer, live panels, and pictures that stay.

May import `notebook`, `frames`, `core` and what lies below; imported by nobody, except
that a session loads it when a widget is asked for. ipywidgets loads with the first
widget.
"""

from __future__ import annotations

from contexter_nb.dashboards._cache_dashboard import CacheDashboard
from contexter_nb.dashboards._explorer import Explorer
from contexter_nb.dashboards._judging import JudgingExplorer
from contexter_nb.dashboards._metrics_dashboard import MetricsDashboard

__all__ = [
    "CacheDashboard",
    "Explorer",
    "JudgingExplorer",
    "MetricsDashboard",
]
