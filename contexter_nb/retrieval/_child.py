"""Run the inspection in a child process: bounded in time, killed when not wanted."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from contexter_nb.core import Clock, SourceError
from contexter_nb.retrieval._slices import in_thread

MODULE_SECONDS = 30.0
TOTAL_SECONDS = 600.0
_GRACE_SECONDS = 15.0
_SLICE_SECONDS = 0.1
_READ_BYTES = 1 << 20
_MAX_LINE_BYTES = 16 << 20
_SCRIPT = Path(__file__).with_name("_inspection.py")

Message = dict[str, Any]


class ChildStopped(Exception):
    """The child ended before it was done.

    Attributes
    ----------
    importing : str
        The module it was importing last.
    reason : str
        What happened to it.
    """

    def __init__(self, importing: str, reason: str) -> None:
        super().__init__(f"{reason} while importing {importing}")
        self.importing = importing
        self.reason = reason


async def inspect_modules(
    modules: Sequence[str],
    skip: Sequence[str],
    clock: Clock,
    module_seconds: float = MODULE_SECONDS,
    total_seconds: float = TOTAL_SECONDS,
) -> AsyncIterator[Message]:
    """Yield what a child that imports `modules` says of them.

    Raises
    ------
    ChildStopped
        It crashed, was silent for longer than a module may take, or took too long
        altogether.
    SourceError
        It could not be started.
    """
    request = {
        "modules": list(modules),
        "skip": list(skip),
        "path": _absolute_path(),
        "module_seconds": module_seconds,
    }
    with tempfile.TemporaryDirectory(
        prefix="contexter-", ignore_cleanup_errors=True
    ) as folder:
        child = _Child(json.dumps(request), folder)
        try:
            async for message in _listen(child, clock, module_seconds, total_seconds):
                yield message
        finally:
            child.kill()


def _absolute_path() -> list[str]:
    """Return where this process imports from, to a child in another folder."""
    return [os.path.abspath(entry) for entry in sys.path]


async def _listen(
    child: _Child, clock: Clock, module_seconds: float, total_seconds: float
) -> AsyncIterator[Message]:
    importing = "it"
    heard = clock.now()
    ends = heard + total_seconds
    while True:
        lines = await in_thread(child.lines)
        now = clock.now()
        if lines:
            heard = now
        for line in lines:
            message: Message = json.loads(line)
            if message["type"] == "done":
                return
            if message["type"] == "importing":
                importing = str(message["name"])
            yield message
        if child.ended and not lines:
            raise ChildStopped(importing, child.describe_end())
        if now - heard > module_seconds + _GRACE_SECONDS:
            raise ChildStopped(
                importing, f"did not answer for {now - heard:.0f} s and was stopped"
            )
        if now > ends:
            raise ChildStopped(
                importing, f"took longer than {total_seconds:.0f} s and was stopped"
            )


class _Child:
    """The process, its output read by a thread so that nobody waits on a pipe."""

    def __init__(self, request: str, folder: str) -> None:
        environment = os.environ | {
            "MPLBACKEND": "Agg",
            "PYTHONHASHSEED": "0",
            "PYTHONWARNINGS": "ignore",
        }
        environment.pop("PYTHONSTARTUP", None)
        try:
            self._process = subprocess.Popen(
                [sys.executable, str(_SCRIPT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as exc:
            raise SourceError(
                f"No process could be started with {sys.executable!r} to read the "
                "documentation in."
            ) from exc
        self._received: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._rest = b""
        self.ended = False
        self._reader = threading.Thread(
            target=self._read, name="contexter-inspection", daemon=True
        )
        self._reader.start()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            # Left open: the child ends when this end is gone.
            self._process.stdin.write(request.encode() + b"\n")
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while True:
            try:
                data = os.read(descriptor, _READ_BYTES)
            except OSError:
                data = b""
            self._received.put(data)
            if not data:
                return

    def lines(self) -> list[bytes]:
        """Return the whole lines that came within a slice of time."""
        if self.ended:
            return []
        try:
            data = self._received.get(timeout=_SLICE_SECONDS)
        except queue.Empty:
            return []
        if not data:
            self.ended = True
            return []
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            raise SourceError("A package's documentation is too large to be read.")
        return whole

    def describe_end(self) -> str:
        """Return how the process ended."""
        code = self._process.wait()
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"crashed ({signal.Signals(-code).name})"
        return f"ended the process (exit code {code})"

    def kill(self) -> None:
        """End the process and all it started."""
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        self._reader.join(timeout=1)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
