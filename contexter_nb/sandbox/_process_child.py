"""What runs in the sandbox's own process: the services, and ears for its parent."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from contexter_nb.core import ContexterError
from contexter_nb.sandbox._knobs import Knobs
from contexter_nb.sandbox._start import started

_LOOK_SECONDS = 1.0


def main() -> None:
    """Serve until the standard input ends, or the parent is another one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = _own_output()
    lines = (line for line in sys.stdin.buffer if line.strip())
    orders = json.loads(next(lines))
    threading.Thread(target=_watch, args=(orders["parent"],), daemon=True).start()
    try:
        running = started(
            orders["services"],
            Knobs().with_(**orders["knobs"]),
            api_key=orders["api_key"],
            port=orders["port"],
        )
    except ContexterError as error:
        _say(answers, {"error": str(error)})
        return
    _say(answers, {"port": running.port, "paths": dict(running.paths)})
    _silence(2)
    for line in lines:
        try:
            message = json.loads(line)
        except ValueError:
            continue  # cut off by an interrupt; what follows is whole again
        if message["do"] == "end":
            break
        _say(answers, {**_answer(running, message), "id": message["id"]})
    running.close()
    os._exit(0)  # a thread that still embeds is not waited for


def _answer(running: Any, message: Mapping[str, Any]) -> dict[str, Any]:
    if message["do"] == "turn":
        running.turn(message["names"], message["knobs"])
    elif message["do"] == "schedule":
        steps = [(after, Knobs().with_(**told)) for after, told in message["steps"]]
        running.schedule(message["names"], steps)
    elif message["do"] == "show":
        entries, total = running.since(message["total"])
        knobs = {name: each.turned() for name, each in running.knobs().items()}
        log = [{**asdict(each), "at": each.at.isoformat()} for each in entries]
        return {"knobs": knobs, "log": log, "total": total}
    return {}


def _watch(parent: int) -> None:
    """End with the parent: one it forked may hold the pipe open."""
    while os.getppid() == parent:
        threading.Event().wait(_LOOK_SECONDS)
    os._exit(0)


def _own_output() -> int:
    """Take the standard output for the answers; what prints prints nowhere."""
    answers = os.dup(1)
    _silence(1)
    return answers


def _silence(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _say(answers: int, message: Mapping[str, Any]) -> None:
    view = memoryview(json.dumps(message).encode() + b"\n")
    try:
        while view:
            view = view[os.write(answers, view) :]
    except BrokenPipeError:
        os._exit(0)
