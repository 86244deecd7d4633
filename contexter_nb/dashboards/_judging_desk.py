"""What a judging view does, on the loop of the session's clients.

The desk owns the state and is the only one that changes it, always on that loop. A
grade shows at once and is written behind it, one after another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from contexter_nb.core import InvalidArgumentError
from contexter_nb.dashboards import _judging_state as states
from contexter_nb.dashboards._explorer_desk import sentence
from contexter_nb.dashboards._explorer_state import Asked
from contexter_nb.dashboards._grades import GRADES, GradeWriter
from contexter_nb.dashboards._judging_pool import as_indexed
from contexter_nb.dashboards._judging_state import Judging
from contexter_nb.notebook import Session

_CHANGED = "The passage has changed since it was shown; read it anew, and grade it."


class JudgingDesk:
    """The state of a judging view and what changes it.

    Parameters
    ----------
    session : Session
        Whose `judge` keeps the grades.
    state : Judging
        What the view begins with.
    show : callable
        Takes each new state; called on the loop.
    freeze : callable
        Replaces the view by a picture; called on the loop.
    """

    def __init__(
        self,
        session: Session,
        state: Judging,
        show: Callable[[Judging], None],
        freeze: Callable[[], None],
    ) -> None:
        self.state = state
        self._grades = GradeWriter(session)
        self._show = show
        self._freeze = freeze

    async def take(self, message: Mapping[str, Any]) -> None:
        """Do what a browser asks; what goes wrong is shown there."""
        view, turn = str(message.get("view", "")), message.get("turn")
        asked = (view, turn if isinstance(turn, int) else 0)
        try:
            await self._do(str(message.get("do")), message, asked)
        except asyncio.CancelledError:
            raise
        except Exception as exc:  # nobody else would see it
            state = states.acting(self.state, asked)
            self._become(states.noticed(state, sentence(exc)))

    async def refresh(self) -> None:
        """Show the state once more, to whoever has begun to look."""
        self._show(self.state)

    async def leave(self) -> None:
        """Wait for what is being written: a view that goes takes no grade with it."""
        await self._grades.settled()

    async def _do(self, what: str, message: Mapping[str, Any], asked: Asked) -> None:
        if what == "grade":
            await self.grade(message.get("place"), message.get("grade"), asked)
        elif what == "skip":
            place = self._place(message.get("place"))
            state = states.acting(self.state, asked)
            self._become(states.skipped(state, place))
        elif what == "back":
            place = message.get("place", self.state.at)
            self._become(states.back(states.acting(self.state, asked), place))
        elif what == "skipped":
            self._become(states.revisiting(states.acting(self.state, asked)))
        elif what == "freeze":
            self._freeze()
        elif what not in ("hello", "bye"):
            raise InvalidArgumentError(f"The view asks for {what!r}, which is unknown.")

    async def grade(self, place: object, grade: object, asked: Asked) -> None:
        """Give a passage a grade and go on; None takes it back."""
        at, given = self._place(place), _grade(grade)
        state = states.acting(self.state, asked)
        if given is None:
            self._become(states.taken_back(state, at))
        else:
            self._become(states.graded(state, at, given))
        passage = self.state.passages[at]
        text = passage.text if passage.is_as_indexed else None
        try:
            now = await self._grades.write(passage.query, passage.chunk_id, given, text)
        except Exception as exc:  # shown with its passage, and not beside it
            self._become(states.unwritten(self.state, at, sentence(exc)))
        else:
            if now is None:
                self._become(states.written(self.state, at, given))
            else:
                state = states.renewed(self.state, at, as_indexed(passage, now))
                self._become(states.unwritten(state, at, _CHANGED))

    def _place(self, place: object) -> int:
        known = isinstance(place, int) and not isinstance(place, bool)
        if not known or place not in range(len(self.state.passages)):
            raise InvalidArgumentError(f"The view names passage {place!r}, of none.")
        return int(str(place))

    def _become(self, state: Judging) -> None:
        self.state = state
        self._show(state)


def _grade(grade: object) -> int | None:
    if grade is None:
        return None
    if isinstance(grade, bool) or grade not in range(len(GRADES)):
        raise InvalidArgumentError(f"The view gives the grade {grade!r}; 0 to 3 are.")
    return int(str(grade))
