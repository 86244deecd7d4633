"""Slices of blocking work, which a cancel waits out."""

from __future__ import annotations

import asyncio
import threading

import pytest

from contexter_nb.retrieval import in_thread


def test_in_thread_returns_the_answer_and_raises_the_error() -> None:
    """Work in a thread ends like a call."""
    assert asyncio.run(in_thread(divmod, 7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(divmod, 1, 0))


@pytest.mark.parametrize("fails", [False, True])
def test_a_cancel_waits_for_the_slice_under_way(fails: bool) -> None:
    """Whoever cleans up after a cancel finds no thread that still writes."""
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(20)
        ended.set()
        if fails:
            raise ValueError("nobody is there to hear it")

    async def main() -> None:
        task = asyncio.create_task(in_thread(work))
        await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(main())
