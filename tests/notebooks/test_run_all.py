"""Every tutorial as Run All sends it: all cells queued before the first has run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fixtures import ROOT, start_kernel

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_run_all_loses_no_cell_of_a_tutorial(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every queued cell answers, in order and without an error."""
    monkeypatch.setenv("CONTEXTER_HOME", str(tmp_path / "home"))
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    with start_kernel(tmp_path / "ipython") as kernel:
        ran = kernel.queue_cells(sources, timeout=180)
    assert [each.status for each in ran] == ["ok"] * len(sources), [
        (source, each.error)
        for source, each in zip(sources, ran, strict=True)
        if each.status != "ok"
    ]
