"""A real JupyterLab and a real Chromium, started for a test on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_CONFIG = """
from jupyterlab.galata import configure_jupyter_server
configure_jupyter_server(c)
c.ServerApp.root_dir = {root!r}
c.ServerApp.allow_root = True
c.ServerApp.ip = "127.0.0.1"
"""
# Resolves with what code prints in the kernel of the notebook that is shown.
EXECUTE = """async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({code, store_history: false});
  let told = "";
  future.onIOPub = (message) => {
    if (message.header.msg_type === "stream") told += message.content.text;
    if (message.header.msg_type === "error") told += "ERROR " + message.content.evalue;
  };
  await future.done;
  return told;
}"""


def chromium_or_skip() -> str:
    """Return Chromium's path; skip where there is none, unless CI says that it must be.

    `.ci/run` installs it first and sets CONTEXTER_SKIP_IS_FAILURE.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        reason = "no Chromium on this machine (Debian: apt-get install chromium)"
        if os.environ.get("CONTEXTER_SKIP_IS_FAILURE"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@contextlib.contextmanager
def start_lab(folder: Path, notebooks: Path, theme: str) -> Iterator[str]:
    """Serve `notebooks` in a JupyterLab with settings of its own; yield its address."""
    settings = folder / "config" / "lab" / "user-settings" / "@jupyterlab"
    for name, values in {
        "apputils-extension/notification": {"fetchNews": "false"},
        "apputils-extension/themes": {"theme": theme},
        # Else a cell that is scrolled away is not in the page.
        "notebook-extension/tracker": {"windowingMode": "none"},
    }.items():
        path = settings / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    config = folder / "lab_config.py"
    config.write_text(_CONFIG.format(root=str(notebooks)))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "IPYTHONDIR": str(folder / "ipython"),
        "PYTHONPATH": str(ROOT),
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser"]
        + [f"--port={port}", f"--config={config}"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/api")
        yield address
    finally:
        server.terminate()
        server.wait(timeout=20)


def wait_for(url: str) -> None:
    """Wait until an address answers; a minute at most."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError(f"{url} did not answer")


@contextlib.contextmanager
def open_notebook(address: str, name: str, width: int = 1400) -> Iterator[Any]:
    """Open a notebook and wait until its kernel is idle; yield the page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_or_skip(), args=CHROMIUM_OPTIONS
        )
        try:
            yield visit(browser, address, name, width)
        finally:
            browser.close()


def visit(browser: Any, address: str, name: str, width: int = 1400) -> Any:
    """Open a notebook in a browser that runs and wait until its kernel is idle."""
    page = browser.new_page(viewport={"width": width, "height": 1100})
    page.goto(f"{address}/lab/tree/{name}?reset")
    page.wait_for_selector("#jupyterlab-splash", state="detached", timeout=60_000)
    page.wait_for_function(
        "window.jupyterapp?.shell.currentWidget?.sessionContext"
        "?.session?.kernel?.status=='idle'",
        timeout=60_000,
    )
    return page


def run_all(page: Any, timeout_ms: int = 180_000) -> list[int | None]:
    """Press Run All, wait until every code cell ran, return their counts."""
    page.evaluate(
        "(()=>{window.jupyterapp.commands.execute('notebook:run-all-cells')})()"
    )
    cells = (
        "[...window.jupyterapp.shell.currentWidget.content.model.cells]"
        ".filter(cell => cell.type == 'code')"
    )
    page.wait_for_function(
        f"{cells}.every(cell => cell.executionState == 'idle' "
        "&& cell.executionCount != null)",
        timeout=timeout_ms,
    )
    counts: list[int | None] = page.evaluate(f"{cells}.map(c => c.executionCount)")
    return counts


def write_notebook(path: Path, *sources: str) -> None:
    """Write a notebook of some code cells."""
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{at}",
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        for at, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(notebook), encoding="utf-8")


def execute(page: Any, code: str) -> str:
    """Run code in the page's kernel and return what it prints, and its error."""
    return str(page.evaluate(EXECUTE, code)).strip()
