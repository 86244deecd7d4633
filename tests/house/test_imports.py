"""Importing is light, and what is imported is declared."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.fixtures import ROOT

HEAVY = ["pandas", "numpy", "qdrant_edge", "IPython", "tqdm", "ipywidgets", "wordllama"]
PACKAGE = ROOT / "contexter_nb"


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after some code."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c"]
        + [f"{code}\nimport json, sys\nprint(json.dumps(list(sys.modules)))"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_importing_the_package_loads_nothing_heavy() -> None:
    """Neither frames nor arrays nor the engine nor widgets come with the import."""
    loaded = loaded_by("import contexter_nb; dir(contexter_nb)")
    assert loaded.intersection([*HEAVY, "asyncio", "matplotlib"]) == set()


@pytest.mark.parametrize("room", ["core", "retrieval", "bridge"])
def test_the_async_rooms_load_no_pandas_and_no_notebook(room: str) -> None:
    """What runs in a child process or a server needs no notebook."""
    loaded = loaded_by(f"import contexter_nb.{room}")
    assert loaded.intersection(["pandas", "IPython", "tqdm", "ipywidgets"]) == set()


def test_a_session_loads_no_widgets_before_it_needs_them(tmp_path: Path) -> None:
    """Opening and closing a session in a script loads neither IPython nor widgets."""
    loaded = loaded_by(
        "import contexter_nb as cx\n"
        f"with cx.connect(home={str(tmp_path)!r}) as nb: nb.contents()"
    )
    assert loaded.intersection(["IPython", "tqdm", "ipywidgets", "matplotlib"]) == set()


def test_dir_lists_the_names_before_they_are_loaded() -> None:
    """Completion knows the package's names without importing a room."""
    loaded_by(
        "import contexter_nb as cx\n"
        "assert set(cx.__all__) <= set(dir(cx)), dir(cx)\n"
        "assert 'connect' not in vars(cx)\n"
        "cx.connect\n"
        "assert 'connect' in vars(cx)"
    )


def imported_by(path: Path) -> set[str]:
    """Return the top-level name of every module that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def imported_at_once(path: Path) -> set[str]:
    """Return the modules that a file imports when it is itself imported."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def declared(*extras: str) -> set[str]:
    """Return the distributions that pyproject.toml declares, as PyPI writes them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    names = [re.match(r"[\w.-]+", line) for line in lines]
    return {re.sub(r"[-_.]+", "-", name[0]).lower() for name in names if name}


def test_every_import_is_declared() -> None:
    """Each third-party module that the package imports is in its dependencies.

    What is imported on use may be in an extra. IPython alone may be missing: it is
    imported by the extension that IPython loads.
    """
    owners = packages_distributions()
    extras = declared("httpx2", "jwt", "lab", "otel", "redis")
    missing = {}
    for path in PACKAGE.rglob("*.py"):
        at_once = imported_at_once(path)
        for name in imported_by(path):
            known = declared() if name in at_once else extras
            if name in sys.stdlib_module_names or name in ("contexter_nb", "IPython"):
                continue
            given = {re.sub(r"[-_.]+", "-", each).lower() for each in owners[name]}
            if not given & known:
                missing[name] = str(path.relative_to(ROOT))
    assert missing == {}


def test_every_test_import_is_declared() -> None:
    """What the tests import is in the dependencies or in the extra for tests."""
    owners = packages_distributions()
    known = declared("test", "lab", "bench")
    missing = {}
    for folder in ("notebook", "frames", "core", "house"):
        for path in (ROOT / "tests" / folder).rglob("*.py"):
            for name in imported_by(path):
                if name in sys.stdlib_module_names or name in ("contexter_nb", "tests"):
                    continue
                given = {re.sub(r"[-_.]+", "-", each).lower() for each in owners[name]}
                if not given & known:
                    missing[name] = str(path.relative_to(ROOT))
    assert missing == {}


def test_ipython_is_imported_only_where_ipython_runs() -> None:
    """No module imports IPython when it is itself imported."""
    eager = []
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(name.partition(".")[0] == "IPython" for name in names):
                eager.append(str(path.relative_to(ROOT)))
    assert eager == []


def test_an_alert_prints_nothing_by_itself() -> None:
    """A library's warnings go to who gives its log a handler, not under a cell."""
    script = (
        "import logging, contexter_nb\n"
        "logging.getLogger('contexter_nb.policies._monitor').warning('an alert')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
