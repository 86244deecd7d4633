"""Blocking work in short slices off the loop, which a cancel waits out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


async def in_thread(
    work: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs
) -> Answer:
    """Run `work` in a thread; when cancelled, first let the slice under way end.

    A thread cannot be stopped, and whoever cleans up after a cancel must not do so
    under a slice that still writes. So keep each slice well below a second.

    Parameters
    ----------
    work : callable
        Plain, blocking; it sees the caller's context variables.
    *args, **kwargs
        Passed on to `work`.

    Returns
    -------
    object
        What `work` returned; what it raised is raised here, unless this was cancelled.

    Examples
    --------
    >>> asyncio.run(in_thread(pow, 2, 10))
    1024
    """
    future = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                continue
        if not future.cancelled():
            future.exception()
        raise
