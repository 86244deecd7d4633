"""Fixtures of all tests: a home of their own, real kernels, a small index."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from jupyter_client import KernelManager

ROOT = Path(__file__).resolve().parents[1]
# Variables that would lead a session to services which cost, or hold, something.
_ACCOUNTS = ("VOYAGE_", "CONTEXT7_", "QDRANT_", "REDIS_URL")


class Ran(NamedTuple):
    """What one cell did; `status` is "lost" where the kernel never answered."""

    status: str
    stdout: str
    error: str


@dataclass
class _Cell:
    status: str | None = None
    idle: bool = False
    stdout: str = ""
    error: str = ""
    traceback: list[str] = field(default_factory=list)


@dataclass
class Kernel:
    """A kernel and its client; cells can be sent without waiting for them."""

    km: Any
    kc: Any
    _cells: dict[str, _Cell] = field(default_factory=dict)

    def run_cell(self, code: str, timeout: float = 20) -> Ran:
        """Run one cell to its end."""
        return self.collect(self.send(code), timeout)

    def queue_cells(self, cells: Sequence[str], timeout: float = 20) -> list[Ran]:
        """Send all cells before the first has run, as Run All does."""
        sent = [self.send(code) for code in cells]
        return [self.collect(message_id, timeout) for message_id in sent]

    def send(self, code: str, subshell_id: str | None = None) -> str:
        """Send one cell and return its message id at once."""
        content = {"code": code, "silent": False, "store_history": True}
        message = self.kc.session.msg(
            "execute_request",
            {**content, "user_expressions": {}, "allow_stdin": False},
        )
        if subshell_id:
            message["header"]["subshell_id"] = subshell_id
        self.kc.shell_channel.send(message)
        message_id = message["header"]["msg_id"]
        self._cells[message_id] = _Cell()
        return str(message_id)

    def collect(self, message_id: str, timeout: float = 20) -> Ran:
        """Wait until a sent cell has answered and gone idle."""
        cell = self._cells[message_id]
        self._read_until(lambda: cell.idle and cell.status is not None, timeout)
        return Ran(cell.status or "lost", cell.stdout, cell.error)

    def wait_for_output(self, message_id: str, text: str, timeout: float = 20) -> None:
        """Wait until a cell, which may still run, has printed `text`."""
        cell = self._cells[message_id]
        if not self._read_until(lambda: text in cell.stdout, timeout):
            raise AssertionError(f"{text!r} was not printed, only {cell.stdout!r}")

    def traceback_of(self, message_id: str) -> list[str]:
        """Return what a front end prints below a cell that failed."""
        return self._cells[message_id].traceback

    def interrupt(self) -> None:
        """Do what the stop button does."""
        self.km.interrupt_kernel()

    def open_subshell(self) -> str:
        """Start a second shell thread, as JupyterLab does for widgets."""
        request = self.kc.session.msg("create_subshell_request")
        self.kc.control_channel.send(request)
        reply = self.kc.control_channel.get_msg(timeout=20)
        return str(reply["content"]["subshell_id"])

    def _read_until(self, satisfied: Any, timeout: float) -> bool:
        end = time.monotonic() + timeout
        while not satisfied():
            if time.monotonic() > end:
                return False
            with contextlib.suppress(queue.Empty):
                self._file(self.kc.iopub_channel.get_msg(timeout=0.02))
            with contextlib.suppress(queue.Empty):
                while self.kc.shell_channel.msg_ready():
                    self._file(self.kc.shell_channel.get_msg(timeout=0))
        return True

    def _file(self, message: dict[str, Any]) -> None:
        cell = self._cells.get(message["parent_header"].get("msg_id", ""))
        if cell is None:
            return
        kind, content = message["msg_type"], message["content"]
        if kind == "execute_reply":
            cell.status = content["status"]
        elif kind == "stream" and content["name"] == "stdout":
            cell.stdout += content["text"]
        elif kind == "error":
            cell.error = f"{content['ename']}: {content['evalue']}"
            cell.traceback = content["traceback"]
        elif kind == "status" and content["execution_state"] == "idle":
            cell.idle = True


@contextlib.contextmanager
def start_kernel(home: Path) -> Iterator[Kernel]:
    """Start a kernel of this interpreter with an IPython profile of its own."""
    km = KernelManager(kernel_name="python3")
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "IPYTHONDIR": str(home),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    km.start_kernel(env=environment, stderr=sys.__stderr__)
    kc = km.client()
    try:
        kc.start_channels()
        kc.wait_for_ready(timeout=60)
        yield Kernel(km, kc)
    finally:
        kc.stop_channels()
        km.shutdown_kernel(now=True)
        km.cleanup_resources()


def pytest_configure(config: pytest.Config) -> None:
    """Keep tests, doctests and notebooks off the person's own home and accounts."""
    folder = tempfile.TemporaryDirectory(prefix="contexter-tests-")
    before = os.environ.get("CONTEXTER_HOME")
    accounts: dict[str, str] = {}
    if config.option.markexpr != "live":
        for name in [each for each in os.environ if each.startswith(_ACCOUNTS)]:
            accounts[name] = os.environ.pop(name)
    os.environ["CONTEXTER_HOME"] = folder.name

    def restore() -> None:
        os.environ.pop("CONTEXTER_HOME")
        if before is not None:
            os.environ["CONTEXTER_HOME"] = before
        os.environ.update(accounts)
        folder.cleanup()

    config.add_cleanup(restore)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Any]:
    """Give a session with an empty home."""
    from contexter_nb import connect

    with connect(home=tmp_path / "home") as opened:
        yield opened


@pytest.fixture(scope="session")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a home with textwrap, json and httpx indexed; tests only read it."""
    from contexter_nb import connect

    home = tmp_path_factory.mktemp("small")
    with connect(home=home) as opened:
        opened.index(["textwrap", "json", "httpx"])
    return home


@pytest.fixture(scope="module")
def own_small_home(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the tests of a file a copy of the small home, to write into."""
    home = tmp_path_factory.mktemp("own") / "home"
    shutil.copytree(small_home, home)
    return home


@pytest.fixture
def small_session(small_home: Path) -> Iterator[Any]:
    """Give a session on the shared small index."""
    from contexter_nb import connect

    with connect(home=small_home) as opened:
        yield opened


@pytest.fixture(scope="session")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Give a kernel with `run`, `default_bridge` and `asyncio` imported."""
    with start_kernel(tmp_path_factory.mktemp("ipython")) as started:
        ran = started.run_cell(
            "import asyncio, threading\n"
            "from contexter_nb.bridge import default_bridge, run, sync\n"
        )
        assert ran == ("ok", "", "")
        yield started


@pytest.fixture(scope="session")
def nested_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Give another kernel, whose asyncio the nested bridge has patched."""
    with start_kernel(tmp_path_factory.mktemp("ipython")) as started:
        ran = started.run_cell(
            "import asyncio, threading\n"
            "from contexter_nb.bridge import default_bridge, get_bridge\n"
            "nested = get_bridge('nested')\n"
            "run = nested.run\n"
            "run(asyncio.sleep(0))\n"
        )
        assert ran == ("ok", "", "")
        yield started
