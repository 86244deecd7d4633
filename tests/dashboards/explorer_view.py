"""A browser's part in a test: sends messages to a view and waits for their answer."""

from __future__ import annotations

import itertools
import threading
from typing import Any

PATIENCE_SECONDS = 20
_turns = itertools.count(1)


class Browser:
    """Speaks to an explorer's widget as the JavaScript does, from another thread.

    Parameters
    ----------
    explorer : Explorer
        Whose widget it is.
    """

    def __init__(self, explorer: Any, name: str = "view") -> None:
        self.widget = explorer.widget
        self.name = name
        self._changed = threading.Condition()
        parts = {"status", "marks", "points", "facets", "passage", "progress"}
        self.widget.observe(self._tell, parts & set(self.widget.trait_names()))

    def send(self, **message: Any) -> int:
        """Send a message from a thread of its own; return its number."""
        turn = next(_turns)
        content = {"view": self.name, "turn": turn, **message}
        thread = threading.Thread(
            target=self.widget._handle_custom_msg, args=(content, [])
        )
        thread.start()
        thread.join()
        return turn

    def ask(self, **changes: Any) -> int:
        """Send a search with some changes of the setting that is shown."""
        return self.send(do="search", setting={**self.widget.setting, **changes})

    def wait(self, satisfied: Any) -> None:
        """Wait until something holds of the widget."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: satisfied(self.widget), PATIENCE_SECONDS
            ), self.widget.get_state()

    def answered(self, turn: int, phase: str = "done") -> dict[str, Any]:
        """Wait until a message was answered; return the status."""
        self.wait(lambda w: w.status["turn"] >= turn and w.status["phase"] == phase)
        status: dict[str, Any] = self.widget.status
        return status

    def _tell(self, _: Any) -> None:
        with self._changed:
            self._changed.notify_all()
