"""The explorer that judges a pool: what a person holds in a cell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from contexter_nb.bridge import default_bridge
from contexter_nb.core import InvalidArgumentError
from contexter_nb.dashboards._judging_desk import JudgingDesk
from contexter_nb.dashboards._judging_picture import as_page, as_snapshot, as_text
from contexter_nb.dashboards._judging_pool import Passage, as_indexed, passages_of
from contexter_nb.dashboards._judging_shown import variants_code
from contexter_nb.dashboards._judging_state import Judging, begun
from contexter_nb.dashboards._view import View
from contexter_nb.frames import KINDS, make_frame
from contexter_nb.notebook import Collection, Session, may_stand_for_another

if TYPE_CHECKING:
    import pandas as pd


class JudgingExplorer(View):
    """A view to judge a pool in, passage by passage: ``nb.explorer(judge=pool)``.

    One question and one of its passages at a time, without a rank, a score or the
    setting that found it. Keys 0 to 3 grade and go on, ``s`` or → skips, ``u`` or ←
    goes back, Backspace takes a grade back. Each grade is written at once by
    ``nb.judge``; what has one already is not asked again.

    Parameters
    ----------
    session : Session
        Who keeps the grades.
    pool : DataFrame
        As of ``nb.pool``, or any with query and chunk_id. It is gone through in its
        order, each question's passages together; where that order tells, shuffle it
        with ``.sample(frac=1)``.

    Raises
    ------
    InvalidArgumentError
        It is no such frame, or a passage without a text is not indexed.
    """

    def __init__(self, session: Session, pool: pd.DataFrame) -> None:
        super().__init__(session)
        passages = passages_of(pool)
        self._variants = pool.attrs.get("variants")
        state = default_bridge().run(_begin(session, passages, self._variants))
        state = replace(state, variants=variants_code(self._variants))
        self._desk: JudgingDesk = JudgingDesk(session, state, self._show, self.freeze)

    @property
    def unjudged(self) -> pd.DataFrame:
        """Return what has no grade yet, the skipped among it: the columns of a pool."""
        names = KINDS["pool"].names
        rows = [
            {name: getattr(each, name) for name in names}
            for each in self._desk.state.unjudged
        ]
        return make_frame("pool", rows, {"variants": self._variants})

    def _new_screen(self) -> Any:
        from contexter_nb.dashboards._judging_widget import JudgingScreen

        return JudgingScreen(self._desk.state, self._take)

    def _snapshot(self) -> str:
        return as_snapshot(self._desk.state)

    def _page(self) -> str:
        return as_page(self._desk.state)

    def __repr__(self) -> str:
        """Return how far the judging is, and the passage that is shown."""
        return as_text(self._desk.state)


async def _begin(
    session: Session, passages: list[Passage], variants: object
) -> Judging:
    """Return the state to begin with: texts as indexed, earlier grades recalled."""
    known = await session.aio.judgments()
    grades = {
        (query_id, chunk_id): int(grade)
        for query_id, chunk_id, grade in zip(
            known["query_id"], known["chunk_id"], known["grade"], strict=True
        )
    }
    collection = Collection(session)
    changed = await collection.changed(
        ((each.chunk_id, each.text) for each in passages),
        passages[0].query if passages else "",
    )
    whole = []
    for each in passages:
        if changed.get(each.chunk_id) is False:
            whole.append(replace(each, is_as_indexed=True))
        elif each.text and (
            each.chunk_id not in changed
            or may_stand_for_another(each.chunk_id, variants)
        ):
            whole.append(each)
        else:
            whole.append(await _looked_up(collection, each))
    return begun(whole, grades)


async def _looked_up(collection: Collection, passage: Passage) -> Passage:
    row = await collection.passage(passage.chunk_id, passage.query)
    if row is None:
        raise InvalidArgumentError(
            f"The frame to judge names chunk {passage.chunk_id}, which is not indexed; "
            "gather the passages anew with nb.pool(...)."
        )
    return as_indexed(passage, row)
