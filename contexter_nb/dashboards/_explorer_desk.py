"""What a view asks of its session, on the loop of the session's clients.

The desk owns a view's state and is the only one that changes it, always on that loop:
messages may come from any thread, each becomes a coroutine there. A search that is
superseded is cancelled, down to the request on the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from contexter_nb.core import (
    Clock,
    ContexterError,
    EmptyIndexError,
    InvalidArgumentError,
    SystemClock,
)
from contexter_nb.dashboards import _explorer_state as states
from contexter_nb.dashboards._explorer_setting import Setting, arguments, from_wire
from contexter_nb.dashboards._explorer_state import NOBODY, Answer, Asked, State
from contexter_nb.dashboards._grades import GradeWriter
from contexter_nb.dashboards._map import SAMPLE, Atlas, atlas, placed
from contexter_nb.notebook import Collection, Session, can_rerank

if TYPE_CHECKING:
    pass

_charts: WeakKeyDictionary[Session, tuple[Hashable, Atlas]] = WeakKeyDictionary()


class Desk:
    """The state of one view and what changes it.

    Parameters
    ----------
    session : Session
        Who answers.
    setting : Setting
        What the view begins with.
    show : callable
        Takes each new state; called on the loop.
    freeze : callable
        Replaces the view by a picture; called on the loop.
    """

    def __init__(
        self,
        session: Session,
        setting: Setting,
        show: Callable[[State], None],
        freeze: Callable[[], None],
    ) -> None:
        self.session = session
        self.state = State(setting=setting, can_rerank=can_rerank(session))
        self._grades = GradeWriter(session)
        self._collection = Collection(session)
        self._clock: Clock = SystemClock()
        self._show = show
        self._freeze = freeze
        self._views: set[str] = set()
        self._searching: asyncio.Task[Any] | None = None
        self._charting: asyncio.Task[Atlas] | None = None
        self._counted: tuple[Hashable, Any] | None = None

    async def take(self, message: Mapping[str, Any]) -> None:
        """Do what a browser asks; what goes wrong is shown there."""
        try:
            await self._do(str(message.get("do")), message)
        except asyncio.CancelledError:
            raise
        except Exception as exc:  # nobody else would see it
            if sentence(exc) != self.state.error:
                self.report(sentence(exc))

    async def refresh(self) -> None:
        """Show the state once more, to whoever has begun to look."""
        self._show(self.state)

    def report(self, notice: str) -> None:
        """Show what went wrong beside a search."""
        self._become(replace(self.state, notice=notice))

    async def _do(self, what: str, message: Mapping[str, Any]) -> None:
        view, turn = str(message.get("view", "")), message.get("turn")
        asked = (view, turn if isinstance(turn, int) else 0)
        if what in ("search", "move", "again"):
            await self._do_search(what, message, asked)
        elif what in ("pin", "unpin", "select"):
            self._become(self._chosen(what, message))
        elif what == "judge":
            grade = message.get("grade")
            given = grade if isinstance(grade, int) else None
            await self.judge(str(message.get("id", "")), given)
        elif what == "freeze":
            self._freeze()
        elif what == "hello":
            self._views.add(view)
        elif what in ("cancel", "bye"):
            self._views.discard(view if what == "bye" else "")
            if what == "cancel" or not self._views:
                self._cancel(asked)
        else:
            raise InvalidArgumentError(f"The view asks for {what!r}, which is unknown.")

    async def _do_search(
        self, what: str, message: Mapping[str, Any], asked: Asked
    ) -> None:
        if what == "move":
            await self.move(int(message.get("steps") or 0), asked)
        else:
            setting = from_wire(_mapping(message.get("setting")), self.state.setting)
            await self.search(setting, asked, typing=bool(message.get("typing")))

    def _chosen(self, what: str, message: Mapping[str, Any]) -> State:
        if what == "pin":
            return states.pinning(self.state)
        if what == "unpin":
            return states.unpinned(self.state)
        chunk_id, adding = str(message.get("id", "")), bool(message.get("adding"))
        return states.selecting(self.state, chunk_id, adding=adding)

    async def search(
        self, setting: Setting, asked: Asked = NOBODY, *, typing: bool = False
    ) -> None:
        """Answer a setting; the one that is being answered is given up.

        Parameters
        ----------
        typing : bool
            The person is in the middle of a question.
        """
        await self._search(states.asking(self.state, setting, asked, typing=typing))

    async def move(self, steps: int, asked: Asked = NOBODY) -> None:
        """Answer an earlier (negative) or later setting of the history again."""
        await self._search(states.moving(self.state, steps, asked))

    async def _search(self, state: State) -> None:
        if self._searching is not None:
            self._searching.cancel()
        own = self._searching = asyncio.current_task()
        self._become(state)
        try:
            await self._answer(state.setting)
            await self._look_around(state.setting)
        except EmptyIndexError:
            self._become(states.emptied(self.state))
        except Exception as exc:
            if self.state.phase == "loading":
                self._become(states.failed(self.state, sentence(exc)))
            raise
        finally:
            if self._searching is own:
                self._searching = None

    async def _answer(self, setting: Setting) -> None:
        pinned = states.pinned_question(self.state)
        if setting.is_blank:
            self._become(states.unanswered(self.state))
        elif pinned is None:
            answer = await self._ask(setting)
            self._become(states.answered(self.state, answer, None))
        else:
            answer, other = await asyncio.gather(self._ask(setting), self._ask(pinned))
            self._become(states.answered(self.state, answer, other))

    async def _ask(self, setting: Setting) -> Answer:
        verb, given = arguments(setting)
        started = self._clock.now()
        frame = await getattr(self.session.aio, verb)(**given)
        total_ms = (self._clock.now() - started) * 1000
        return states.answer_of(setting, frame, total_ms)

    async def _look_around(self, setting: Setting) -> None:
        """Bring filters, grades and map up to date; the hits are there already."""
        stamp = await self._collection.stamp()
        if stamp is None:
            raise EmptyIndexError("Nothing is indexed yet.")
        if self._counted != (stamp, setting.where):
            facets = await self._collection.facets(setting.where)
            self._counted = (stamp, setting.where)
            self._become(replace(self.state, facets=facets, stamp=stamp))
        await self._recall_grades(setting)
        chart = await self._chart(stamp)
        places = await self._places(setting, chart)
        self._become(replace(self.state, chart=chart, places=places))

    async def _chart(self, stamp: Hashable) -> Atlas:
        """Return the map of the collection; drawn once, by whoever comes first."""
        known = _charts.get(self.session)
        if known is not None and known[0] == stamp:
            return known[1]
        if self._charting is None or self._charting.done():
            self._charting = asyncio.ensure_future(self._draw(stamp))
        # Typing goes on while a map is drawn; it must not begin anew each time.
        return await asyncio.shield(self._charting)

    async def _draw(self, stamp: Hashable) -> Atlas:
        survey = await self._collection.survey(SAMPLE)
        chart = await asyncio.to_thread(
            atlas,
            vectors=survey.vectors,
            chunk_ids=survey.chunk_ids,
            titles=survey.titles,
            libraries=survey.libraries,
            chunks=survey.chunks,
        )
        _charts[self.session] = (stamp, chart)
        return chart

    async def _places(
        self, setting: Setting, chart: Atlas
    ) -> dict[str, tuple[float, float]]:
        state = self.state
        both = (state.answer, state.pinned_answer)
        ids = [each["id"] for answer in both if answer for each in answer.hits]
        vectors = await self._collection.vectors(list(dict.fromkeys(ids)))
        # Text mode embeds nothing, and a place on the map is not worth a request.
        if not setting.is_blank and not setting.similar_to and setting.mode != "text":
            vectors = {"": await self._collection.embedded(setting.query), **vectors}
        return {
            key: (round(float(place[0]), 4), round(float(place[1]), 4))
            for key, vector in vectors.items()
            for place in placed(chart, vector)
        }

    async def leave(self) -> None:
        """Give up what is under way: nobody looks any more."""
        self._cancel()

    def _cancel(self, asked: Asked = NOBODY) -> None:
        if self._searching is not None:
            self._searching.cancel()
            self._searching = None
        self._become(replace(states.cancelled(self.state), asked=asked))

    async def judge(self, chunk_id: str, grade: int | None) -> None:
        """Keep how good a hit is for the question that is shown; None takes it back."""
        answer = self.state.answer
        if answer is None or answer.setting.similar_to:
            return
        if chunk_id not in {each["id"] for each in answer.hits}:
            return
        query = answer.setting.query.strip()
        before = self.state.judged.get(chunk_id)
        self._become(states.judging(self.state, {chunk_id: grade}))
        try:
            await self._grades.write(query, chunk_id, grade)
        except Exception:
            if self.state.setting.query.strip() == query:
                self._become(states.judging(self.state, {chunk_id: before}))
            raise

    async def _recall_grades(self, setting: Setting) -> None:
        """Show the grades that were given for this question, also on other days."""
        if setting.is_blank or setting.similar_to:
            return
        judged = await self._grades.recall(setting.query)
        if judged != dict(self.state.judged):
            self._become(replace(self.state, judged=judged))

    def _become(self, state: State) -> None:
        self.state = state
        self._show(state)


def sentence(exc: BaseException) -> str:
    """Return an error as a person reads it: ours as they are, others by name."""
    said = " ".join(str(exc).split())[:500]
    if isinstance(exc, ContexterError) and said:
        return said
    return f"{type(exc).__name__}: {said}" if said else type(exc).__name__


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
