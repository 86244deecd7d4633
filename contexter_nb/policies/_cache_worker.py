"""One daemon thread that does one job after the other, and ends when told."""

from __future__ import annotations

import logging
import queue
import threading
import weakref
from collections.abc import Callable

EXIT_SECONDS = 5.0
Job = Callable[[], None]
_log = logging.getLogger(__name__)


class Worker:
    """Runs jobs in the order given; the thread starts with the first.

    At the exit of the interpreter, or when nobody holds the worker any more, the jobs
    given so far are done, for at most a few seconds.

    Parameters
    ----------
    name : str
        Of the thread.
    at_end : callable
        Done last, on the thread.
    """

    def __init__(self, name: str, at_end: Job) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=_work, args=(self._jobs, at_end), name=name, daemon=True
        )
        self._lock = threading.Lock()
        self._stop: Callable[[], object] | None = None

    def submit(self, job: Job) -> None:
        """Do a job after those before it; what one raises is told, and ends nothing."""
        with self._lock:
            if self._stop is None:
                self._thread.start()
                self._stop = weakref.finalize(self, _end, self._jobs, self._thread)
            self._jobs.put(job)

    def stop(self) -> None:
        """Do what was given, end the thread and wait for that."""
        with self._lock:
            if self._stop is not None:
                self._stop()


def _work(jobs: queue.SimpleQueue[Job | None], at_end: Job) -> None:
    while (job := jobs.get()) is not None:
        try:
            job()
        except Exception:
            _log.exception("What %s had to do failed.", threading.current_thread().name)
        del job  # a job holds its answer, and the loop it is for
    at_end()


def _end(jobs: queue.SimpleQueue[Job | None], thread: threading.Thread) -> None:
    jobs.put(None)
    if thread is not threading.current_thread():
        thread.join(EXIT_SECONDS)
