"""What holds the services of a sandbox: a thread here, or a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from contexter_nb.sandbox._faults import Schedule
from contexter_nb.sandbox._knobs import Knobs
from contexter_nb.sandbox._log import RequestSeen


class Running(Protocol):
    """Services that run; callable from any thread."""

    port: int
    paths: Mapping[str, str]  # what the address of each service ends in, by its name

    @property
    def alive(self) -> bool:
        """Whether it serves, as seen from this process."""

    def knobs(self) -> dict[str, Knobs]:
        """Return the knobs as they are now, or were at the end."""

    def turn(self, names: Sequence[str], changes: Mapping[str, Any]) -> None:
        """Turn some knobs of some services."""

    def schedule(self, names: Sequence[str], steps: Schedule) -> None:
        """Turn all knobs of some services at times to come."""

    def log(self) -> tuple[RequestSeen, ...]:
        """Return the last requests, the oldest first."""

    def total(self) -> int:
        """Return how many requests there were."""

    def end(self) -> None:
        """End it without waiting, as while garbage is collected."""

    def close(self) -> None:
        """End it and wait until it has ended."""
