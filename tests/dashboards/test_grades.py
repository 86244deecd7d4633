"""Grades on their way to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contexter_nb import connect
from contexter_nb.bridge import default_bridge
from contexter_nb.core import UnknownChunkError
from contexter_nb.dashboards._grades import GradeWriter, grade_label

QUESTION = "shorten a text to a width"


@pytest.fixture(scope="module")
def judge(own_small_home: Path) -> Iterator[Any]:
    """Give one session on a small index to all tests here, which judge in it."""
    with connect(home=own_small_home) as opened:
        yield opened


def test_of_two_grades_at_once_the_later_stays(judge: Any) -> None:
    """Twenty grades of one passage, given without waiting, end with the last."""
    chunk = judge.search(QUESTION, limit=1)["chunk_id"].iloc[0]
    writer = GradeWriter(judge)

    async def hasty() -> dict[str, int]:
        writes = [writer.write(QUESTION, chunk, at % 4) for at in range(20)]
        under_way = asyncio.gather(*writes)
        await asyncio.sleep(0)
        seen = await writer.recall(QUESTION)
        await under_way
        return seen

    assert default_bridge().run(hasty()) == {chunk: 3}
    assert judge.judgments(QUESTION)["grade"].tolist() == [3]


def test_a_grade_taken_back_is_recalled_as_none(judge: Any) -> None:
    """Also while it is still being written."""
    chunk = judge.search("dump to a file", limit=1)["chunk_id"].iloc[0]
    judge.judge("dump to a file", chunk, 2)
    writer = GradeWriter(judge)

    async def back() -> dict[str, int]:
        writing = asyncio.ensure_future(writer.write("dump to a file", chunk, None))
        await asyncio.sleep(0)
        seen = await writer.recall("dump to a file ")
        await writing
        return seen

    assert default_bridge().run(back()) == {}


def test_a_failed_write_lets_the_next_one_through(judge: Any) -> None:
    """What cannot be kept is told to its giver only."""
    chunk = judge.search(QUESTION, limit=1)["chunk_id"].iloc[0]
    writer = GradeWriter(judge)

    async def both() -> list[Any]:
        return await asyncio.gather(
            writer.write(QUESTION, "f" * 16, 1),
            writer.write(QUESTION, chunk, 1),
            return_exceptions=True,
        )

    failed, kept = default_bridge().run(both())
    assert isinstance(failed, UnknownChunkError)
    assert kept is None


def test_an_unknown_grade_is_a_number_alone() -> None:
    """A file may have had grades that have no word here."""
    assert grade_label(3) == "3, just what was sought"
    assert grade_label(4) == "4"
