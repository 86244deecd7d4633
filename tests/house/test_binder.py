"""Binder builds from three files; repo2docker ignores pyproject.toml beside them."""

from __future__ import annotations

import os
import re
import tomllib

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


def test_what_is_run_after_the_build_can_be_run() -> None:
    """It may be executed, and stops at the first fault."""
    script = FOLDER / "postBuild"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()
