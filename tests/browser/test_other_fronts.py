"""The widgets in Notebook 7 and in Voila, which have no JupyterLab round them."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab import (
    CHROMIUM_OPTIONS,
    ROOT,
    chromium_or_skip,
    wait_for,
    write_notebook,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PATIENCE_MS = 90_000
CELLS = (
    "import contexter_nb as cx\nnb = cx.connect()",
    'nb.explorer("shorten a text to a width")',
    "nb.cache_dashboard()",
    'nb.explorer(judge=nb.pool("shorten a text to a width"))',
)


def module_or_skip(name: str) -> None:
    """Skip where a front end is not installed, unless CI says that it must be."""
    if importlib.util.find_spec(name) is None:
        if os.environ.get("CONTEXTER_SKIP_IS_FAILURE"):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")


@contextlib.contextmanager
def serve(folder: Path, home: Path, *arguments: str) -> Iterator[str]:
    """Start a server with settings of its own; give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "CONTEXTER_HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "IPYTHONDIR": str(folder / "ipython"),
        "PYTHONPATH": str(ROOT),
    }
    server = subprocess.Popen(
        [sys.executable, "-m", *arguments, "--no-browser", f"--port={port}"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


@contextlib.contextmanager
def open_page(address: str) -> Iterator[Any]:
    """Open an address in a browser of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_or_skip(), args=CHROMIUM_OPTIONS
        )
        try:
            page = browser.new_page(viewport={"width": 1200, "height": 1000})
            page.goto(address, timeout=PATIENCE_MS)
            yield page
        finally:
            browser.close()


def use(page: Any) -> None:
    """Ask in the explorer, judge by a key; the panel beside them is in its place."""
    page.locator(".cx-explorer[data-phase=done]").wait_for(timeout=PATIENCE_MS)
    page.locator(".cx-query").fill("parse a json document")
    page.locator(".cx-title", has_text="json.load").first.wait_for(timeout=PATIENCE_MS)
    panel = page.locator(".cx-panel").first
    panel.wait_for(timeout=PATIENCE_MS)
    assert panel.bounding_box()["height"] > 200
    page.locator(".cx-judging .cx-passage").click(timeout=PATIENCE_MS)
    for key in "dd2":  # in a notebook, d twice would delete the cell
        page.keyboard.press(key)
    page.locator(".cx-judging .cx-tally", has_text="1 judged").wait_for()


def test_notebook_7_shows_and_searches(own_small_home: Path, tmp_path: Path) -> None:
    """Run All from the menu, a question typed, hits; a panel below."""
    chromium_or_skip()
    module_or_skip("notebook")
    write_notebook(tmp_path / "explore.ipynb", *CELLS)
    server = serve(
        tmp_path,
        own_small_home,
        "notebook",
        "--allow-root",
        "--ServerApp.token=",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={tmp_path}",
    )
    with server as address:
        wait_for(f"{address}/api")
        with open_page(f"{address}/notebooks/explore.ipynb") as page:
            page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(
                timeout=PATIENCE_MS
            )
            page.get_by_role("menuitem", name="Run").first.click()
            page.get_by_text("Run All Cells", exact=True).click()
            use(page)


def test_voila_shows_and_searches(own_small_home: Path, tmp_path: Path) -> None:
    """An application without cells, made of the same notebook."""
    chromium_or_skip()
    module_or_skip("voila")
    write_notebook(tmp_path / "explore.ipynb", *CELLS)
    server = serve(tmp_path, own_small_home, "voila", str(tmp_path / "explore.ipynb"))
    with server as address:
        wait_for(f"{address}/voila/static/voila.js")
        with open_page(address) as page:
            use(page)
