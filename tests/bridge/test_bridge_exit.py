"""How interpreters end which have used a bridge, and what importing one costs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CALL = """
import asyncio
from contexter_nb.bridge import {opened}
async def say():
    await asyncio.to_thread(int)
    print("said")
bridge.run(say())
"""
THREAD = "default_bridge; bridge = default_bridge()"
NESTED = "get_bridge; bridge = get_bridge('nested')"
OWN = "LoopThread; bridge = LoopThread()"

LEFT_RUNNING = """
import asyncio, threading
from contexter_nb.bridge import default_bridge
begun = threading.Event()
async def left():
    try:
        begun.set()
        await asyncio.sleep(60)
    finally:
        print("cleaned")
async def close():
    print("closer")
default_bridge().submit(left())
default_bridge().add_closer(close)
begun.wait()
"""

INTERRUPTED = """
import asyncio, os, signal
from contexter_nb.bridge import run
async def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    try:
        await asyncio.sleep(60)
    finally:
        print("cleaned")
try:
    run(interrupt())
except KeyboardInterrupt:
    print("interrupted")
"""


def run_script(script: str) -> tuple[int, str, list[str]]:
    """Run a script in development mode; return code, stderr, words printed."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr, done.stdout.split()


@pytest.mark.parametrize("opened", [THREAD, OWN, NESTED])
def test_a_script_that_never_closes_exits_clean(opened: str) -> None:
    """In development mode nothing is said of an unclosed loop, thread or task."""
    assert run_script(CALL.format(opened=opened)) == (0, "", ["said"])


def test_a_task_left_running_is_cancelled_at_exit() -> None:
    """The task cleans up, then the closers run, and the exit is prompt."""
    begin = time.monotonic()
    assert run_script(LEFT_RUNNING) == (0, "", ["cleaned", "closer"])
    assert time.monotonic() - begin < 30


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_real_signal_cancels_the_coroutine() -> None:
    """SIGINT raises in the caller once the coroutine has cleaned up."""
    assert run_script(INTERRUPTED) == (0, "", ["cleaned", "interrupted"])


def test_the_import_is_light() -> None:
    """The room loads no array, frame, HTTP, notebook or patching library."""
    script = """
import sys
import contexter_nb.bridge
heavy = {"IPython", "httpx", "ipywidgets", "nest_asyncio2", "numpy", "pandas"}
print(*heavy & set(sys.modules))
"""
    assert run_script(script) == (0, "", [])
