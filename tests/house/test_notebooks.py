"""Notebooks are committed as they ran: counted, with outputs, and nothing private."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import ROOT

NOTEBOOKS = sorted(
    path
    for path in (ROOT / "notebooks").rglob("*.ipynb")
    if ".ipynb_checkpoints" not in path.parts
)
WIDGET = "application/vnd.jupyter.widget-view+json"
PATH = re.compile(
    r"(?<![\w.~<{:/])/(?:" + "|".join(["home", "Users", "root", "work", "tmp"]) + r")/"
    r"|[A-Z]:\\+Users\\"
)


def faults(notebook: dict[str, Any]) -> list[str]:
    """Return what keeps a notebook from being committed."""
    found = []
    code = [
        cell
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and "".join(cell["source"]).strip()
    ]
    counts = [cell["execution_count"] for cell in code]
    if counts != list(range(1, len(code) + 1)):
        found.append(f"execution counts are {counts}")
    outputs = [output for cell in code for output in cell["outputs"]]
    if not outputs:
        found.append("it has no outputs")
    if "widgets" in notebook["metadata"]:
        found.append("its metadata keeps widgets")
    if any(WIDGET in output.get("data", {}) for output in outputs):
        found.append("an output is a widget's view")
    if any("<svg" in _html(output) for output in outputs):
        found.append("an output has inline SVG, which GitHub drops")
    for cell in code:
        may_fail = "raises-exception" in cell["metadata"].get("tags", [])
        failed = any(each["output_type"] == "error" for each in cell["outputs"])
        if failed and not may_fail:
            found.append(f"cell {cell['execution_count']} failed")
    if PATH.search(json.dumps(notebook)):
        found.append("it holds an absolute path")
    return found


def _html(output: dict[str, Any]) -> str:
    return "".join(output.get("data", {}).get("text/html", ""))


def cell(count: int | None, *outputs: dict[str, Any], source: str = "1") -> Any:
    """Return a code cell."""
    return {
        "cell_type": "code",
        "source": [source],
        "execution_count": count,
        "outputs": list(outputs),
        "metadata": {},
    }


RESULT = {"output_type": "execute_result", "data": {"text/plain": ["1"]}}
VIEW = {"output_type": "display_data", "data": {WIDGET: {}, "text/plain": ["x"]}}
DRAWN = {"output_type": "display_data", "data": {"text/html": ["<p>", "<svg>"]}}
ERROR = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}


@pytest.mark.parametrize(
    ("cells", "metadata", "fault"),
    [
        ([cell(1, RESULT), cell(2)], {}, None),
        ([cell(1, RESULT), cell(3)], {}, "execution counts are [1, 3]"),
        ([cell(None, RESULT)], {}, "execution counts are [None]"),
        ([cell(1), cell(2)], {}, "it has no outputs"),
        ([cell(1, RESULT)], {"widgets": {}}, "its metadata keeps widgets"),
        ([cell(1, VIEW)], {}, "an output is a widget's view"),
        ([cell(1, DRAWN)], {}, "an output has inline SVG, which GitHub drops"),
        ([cell(1, ERROR)], {}, "cell 1 failed"),
        (
            [cell(1, RESULT, source="open('/" + "tmp/x')")],
            {},
            "it holds an absolute path",
        ),
    ],
)
def test_a_fault_would_be_found(
    cells: list[Any], metadata: dict[str, Any], fault: str | None
) -> None:
    """What the next test looks for it also sees."""
    assert faults({"cells": cells, "metadata": metadata}) == ([fault] if fault else [])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_committed_as_it_ran(path: Path) -> None:
    """Counts run from 1 to n, outputs are there, and nothing of the machine is."""
    assert faults(json.loads(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_named_by_number_and_topic(path: Path) -> None:
    """Names are NN_topic, so that they are listed in reading order."""
    assert re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", path.name)
