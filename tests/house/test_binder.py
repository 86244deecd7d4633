"""Binder builds from three files; repo2docker ignores pyproject.toml beside them."""

from __future__ import annotations

import json
import os
import re
import tomllib
from typing import Any

import pytest

from tests.fixtures import ROOT

FOLDER = ROOT / "binder"


def test_the_runtime_is_one_that_the_project_takes() -> None:
    """Without it Binder takes Python 3.10, which is too old."""
    named = re.fullmatch(r"python-3\.(\d+)\n", (FOLDER / "runtime.txt").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert named is not None
    assert f"Programming Language :: Python :: 3.{named[1]}" in project["classifiers"]


def test_the_requirements_install_the_project_and_an_extra_that_is_there() -> None:
    """The project itself, with what the tutorials need."""
    (line,) = (FOLDER / "requirements.txt").read_text().splitlines()
    found = re.fullmatch(r"\.\[(\w+)\]", line)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert found is not None
    assert found[1] in project["optional-dependencies"]


# What a tutorial says, and the package that it then needs.
NEEDS = {
    "qdrant_url=": "qdrant-client",
    "import matplotlib": "matplotlib",
    "import ipywidgets": "ipywidgets",
    "_dashboard()": "ipywidgets",
    "nb.explorer(": "anywidget",
    "nb.experiment(": "ir-measures",
}


@pytest.mark.parametrize(("said", "package"), NEEDS.items())
def test_the_tutorials_find_what_they_need(said: str, package: str) -> None:
    """The extra that Binder and the README's first command install holds it."""
    sources = "".join(
        "".join(cell["source"])
        for path in (ROOT / "notebooks").glob("*.ipynb")
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    )
    assert said in sources
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=]", each)[0] for each in _of(project, "lab")}
    assert package in names


def _of(project: dict[str, Any], extra: str) -> list[str]:
    found: list[str] = project["optional-dependencies"][extra]
    return found


def test_what_is_run_after_the_build_can_be_run() -> None:
    """It may be executed, and stops at the first fault."""
    script = FOLDER / "postBuild"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()
