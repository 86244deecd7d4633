"""Services in a process of their own, led by lines of JSON over its pipes.

A cell that computes holds up no answer there, and a test of timing measures the client
alone. The process ends when its standard input does: with the sandbox, and with the
process that started it, however that ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contexter_nb.core import (
    ClientClosedError,
    Clock,
    InvalidArgumentError,
    Secret,
    SystemClock,
    scrub,
)
from contexter_nb.sandbox._faults import Schedule
from contexter_nb.sandbox._knobs import Knobs
from contexter_nb.sandbox._log import MAX_ENTRIES, RequestSeen

START_SECONDS = 30.0
ANSWER_SECONDS = 10.0
END_SECONDS = 3.0
_READ_BYTES = 1 << 16
# The child imports from where this process does, and hears of it before it imports.
_BEGIN = """
import json, sys
sys.path[:] = json.loads(next(line for line in sys.stdin.buffer if line.strip()))
from contexter_nb.sandbox._process_child import main
main()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What the process is to serve; passed by its pipe, where nobody else reads."""

    services: tuple[str, ...]
    knobs: Knobs
    port: int = 0
    api_key: Secret | None = None

    def told(self, parent: int) -> dict[str, Any]:
        """Return them as they are written, the key in the clear."""
        return {
            "services": self.services,
            "knobs": self.knobs.turned(),
            "port": self.port,
            "api_key": None if self.api_key is None else self.api_key.reveal(),
            "parent": parent,
        }


class InProcess:
    """Services in a child process; the `Running` of a sandbox.

    After a fork, the child of this process sees it as closed and leaves it alone.
    """

    def __init__(self, orders: Orders, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._rest = b""
        self._asked = 0
        self._ended = False
        self._entries: deque[RequestSeen] = deque(maxlen=MAX_ENTRIES)
        self._total = 0
        self._knobs = dict.fromkeys(orders.services, orders.knobs)
        with tempfile.TemporaryFile() as told:
            self._process = _started(told)
            try:
                begun = self._begin(orders)
            except BaseException:
                self.end()
                raise
            if begun is None or "error" in begun:
                self.end()
                said = (begun or {}).get("error") or _last_line(told)
                raise InvalidArgumentError(
                    said or "The sandbox's process did not start; try process=False."
                )
        self.port: int = begun["port"]
        self.paths: Mapping[str, str] = begun["paths"]

    @property
    def alive(self) -> bool:
        """Whether it serves, as seen from this process."""
        return self._mine and not self._ended and self._process.poll() is None

    @property
    def _mine(self) -> bool:
        return self._owner == os.getpid()

    def knobs(self) -> dict[str, Knobs]:
        """Return the knobs as they are now, or were at the end."""
        with self._lock:
            self._refresh()
        return dict(self._knobs)

    def turn(self, names: Sequence[str], changes: Mapping[str, Any]) -> None:
        """Turn some knobs of some services."""
        self._tell({"do": "turn", "names": list(names), "knobs": dict(changes)})

    def schedule(self, names: Sequence[str], steps: Schedule) -> None:
        """Turn all knobs of some services at times to come."""
        told = [[seconds, knobs.turned()] for seconds, knobs in steps]
        self._tell({"do": "schedule", "names": list(names), "steps": told})

    def log(self) -> tuple[RequestSeen, ...]:
        """Return the last requests, the oldest first."""
        with self._lock:
            self._refresh()
            return tuple(self._entries)

    def total(self) -> int:
        """Return how many requests there were."""
        with self._lock:
            self._refresh()
            return self._total

    def end(self) -> None:
        """Kill the process; it holds nothing that would have to be put in order."""
        self._ended = True
        if not self._mine:
            return
        with contextlib.suppress(OSError):
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)  # no zombie is left; it takes milliseconds
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def close(self) -> None:
        """Keep the log, end the process and wait until it has ended."""
        if not self._mine:
            self._ended = True
            return
        with self._lock:
            if self._ended:
                return
            self._refresh()
            with contextlib.suppress(OSError):
                self._write({"do": "end"})
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(END_SECONDS)
            self.end()

    def _begin(self, orders: Orders) -> dict[str, Any] | None:
        """Return where the child serves, or why it does not; None where it died."""
        try:
            self._write([os.path.abspath(entry) for entry in sys.path])
            self._write(orders.told(self._owner))
            return self._read(START_SECONDS)
        except OSError:
            return None

    def _refresh(self) -> None:
        """Fetch the knobs and the new lines of the log; what is known stays."""
        answer = self._ask({"do": "show", "total": self._total}) if self.alive else None
        if answer is None:
            return
        self._total = answer["total"]
        self._entries.extend(_entry(each) for each in answer["log"])
        self._knobs = {
            name: Knobs().with_(**turned) for name, turned in answer["knobs"].items()
        }

    def _tell(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            if self._ended or not self._mine:
                return  # as a sandbox that is closed
            if self._ask(message) is None:
                raise ClientClosedError(
                    "The sandbox's process has ended unasked; start another sandbox.",
                    service="sandbox",
                )

    def _ask(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a message, or None where the process has ended."""
        self._asked += 1
        asked = self._asked
        try:
            self._write({**message, "id": asked})
            while True:
                answer = self._read(ANSWER_SECONDS)
                # An interrupted cell may have left an earlier answer unread.
                if answer is None or answer.get("id") == asked:
                    return answer
        except OSError:
            return None

    def _write(self, message: object) -> None:
        assert self._process.stdin is not None
        # The empty line ends a message that an interrupt has cut off.
        line = b"\n" + json.dumps(message).encode() + b"\n"
        view = memoryview(line)
        while view:
            view = view[os.write(self._process.stdin.fileno(), view) :]

    def _read(self, seconds: float) -> dict[str, Any] | None:
        """Return the next line, or None where there is none in time."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        until = self._clock.now() + seconds
        while b"\n" not in self._rest:
            left = until - self._clock.now()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                return None
            data = os.read(pipe, _READ_BYTES)
            if not data:
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _started(told: Any) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-c", _BEGIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            bufsize=0,
            # An interrupt of the kernel is not for the sandbox.
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(
            f"No process could be started with {sys.executable!r} ({error}); pass "
            "process=False to run the sandbox in a thread."
        ) from error


def _last_line(told: Any) -> str:
    """Return in a sentence why the process died, by the last line it printed."""
    told.seek(0)
    lines = told.read(1 << 20).decode("utf-8", "replace").strip().splitlines()
    if not lines:
        return ""
    return (
        f"The sandbox's process did not start ({scrub(lines[-1])[:300]}); pass "
        "process=False to run it in a thread."
    )


def _entry(told: Mapping[str, Any]) -> RequestSeen:
    return RequestSeen(**{**told, "at": datetime.fromisoformat(told["at"])})
