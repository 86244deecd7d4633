"""A session whose monitor is its own, and panels over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contexter_nb.policies import APIMonitor

pytest.importorskip("ipywidgets")


@pytest.fixture
def nb(tmp_path: Path) -> Iterator[Any]:
    """Give a session with an empty home and a monitor that nobody else tells."""
    from contexter_nb import connect

    with connect(home=tmp_path / "home") as opened:
        opened._verbs.monitor = APIMonitor(telemetry=False)
        yield opened
