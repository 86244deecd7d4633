"""Grades: their words, and a writer that keeps them in the order they were given."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from contexter_nb.notebook import Collection

if TYPE_CHECKING:
    from contexter_nb.notebook import Session

GRADES = ("not relevant", "touches on it", "helps", "just what was sought")


def grade_label(grade: int) -> str:
    """Return a grade with its word.

    Examples
    --------
    >>> grade_label(2)
    '2, helps'
    """
    word = GRADES[grade] if 0 <= grade < len(GRADES) else ""
    return f"{grade}, {word}" if word else str(grade)


class GradeWriter:
    """Writes grades one after another: of two for one passage, the later one stays.

    Parameters
    ----------
    session : Session
        Whose `judge` keeps them.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._turn = asyncio.Lock()  # fair: who asks first writes first
        self._under_way: list[tuple[str, str, int | None]] = []
        self._ended = 0

    async def write(
        self, query: str, chunk_id: str, grade: int | None, text: str | None = None
    ) -> dict[str, Any] | None:
        """Keep a grade; None takes one back. What this has returned is on disk.

        Parameters
        ----------
        text : str, optional
            What was read: a passage that no longer says it is not judged.

        Returns
        -------
        dict or None
            The passage as it is now, where it was not judged.

        Raises
        ------
        ContexterError
            It cannot be kept; as of `judge`.
        """
        own = (query.strip(), chunk_id, grade)
        self._under_way.append(own)
        try:
            async with self._turn:
                if grade is not None and text is not None:
                    collection = Collection(self._session)
                    return await collection.judge_as_read(query, chunk_id, grade, text)
                await self._session.aio.judge(query, chunk_id, grade)
                return None
        finally:
            self._under_way.remove(own)
            self._ended += 1

    async def settled(self) -> None:
        """Wait until what was given so far is written."""
        async with self._turn:
            pass

    async def recall(self, query: str) -> dict[str, int]:
        """Return a question's grades by chunk id, with those still being written."""
        while True:
            ended = self._ended
            kept = await self._session.aio.judgments(query)
            if ended == self._ended:  # else it may have been read too early
                break
        grades = dict(zip(kept["chunk_id"], map(int, kept["grade"]), strict=True))
        for asked, chunk_id, grade in self._under_way:
            if asked == query.strip():
                grades.pop(chunk_id, None)
                if grade is not None:
                    grades[chunk_id] = grade
        return grades
