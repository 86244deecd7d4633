"""What an error came of, and waiting for several answers at once."""

from __future__ import annotations

import asyncio

import pytest

from contexter_nb.core import causes_of, together


def test_causes_contexts_and_members_are_found_once() -> None:
    """However deep, in a group and in a ring; the error itself comes first."""
    top, middle, bottom = ValueError("top"), KeyError("middle"), OSError("bottom")
    other = TypeError("other")
    top.__cause__ = ExceptionGroup("all", [middle, other])
    middle.__context__ = bottom
    bottom.__cause__ = top
    found = list(causes_of(top))
    assert found[0] is top
    assert sorted(map(str, found)) == sorted(
        map(str, [top, top.__cause__, middle, other, bottom])
    )


def test_what_was_put_away_is_found_only_where_it_is_asked_for() -> None:
    """An error raised ``from None`` keeps its context, but did not come of it."""
    error, hidden = ValueError("told"), KeyError("put away")
    error.__context__ = hidden
    error.__suppress_context__ = True
    assert list(causes_of(error)) == [error]
    assert list(causes_of(error, suppressed=True)) == [error, hidden]


def test_answers_come_in_the_order_of_the_questions() -> None:
    """Whichever is there first; of no questions there are no answers."""

    async def main() -> None:
        later = asyncio.Event()

        async def first() -> str:
            await later.wait()
            return "first"

        async def second() -> str:
            later.set()
            return "second"

        assert await together([first(), second()]) == ["first", "second"]
        assert await together([]) == []

    asyncio.run(main())


def test_the_first_failure_ends_the_others_and_is_raised_as_it_is() -> None:
    """Not in a group, and only after the others have cleaned up."""
    ended: list[str] = []

    async def main() -> None:
        waiting = asyncio.Event()

        async def waits() -> None:
            try:
                waiting.set()
                await asyncio.get_running_loop().create_future()
            finally:
                await asyncio.sleep(0)
                ended.append("cleaned up")

        async def fails() -> None:
            await waiting.wait()
            raise KeyError("the first")

        with pytest.raises(KeyError, match="the first"):
            await together([waits(), fails()])
        assert ended == ["cleaned up"]

    asyncio.run(main())
