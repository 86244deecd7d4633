"""Several answers waited for at once; the first failure ends the others."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def together(asked: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Wait for several coroutines at once and return what they returned.

    Where one fails, the others are cancelled and waited for, and its error is raised:
    as it is, not in a group.

    Parameters
    ----------
    asked : iterable of coroutine

    Returns
    -------
    list
        In the order in which they were given.

    Examples
    --------
    >>> async def double(number):
    ...     return 2 * number
    >>> asyncio.run(together(double(number) for number in (1, 2)))
    [2, 4]
    """
    tasks: list[asyncio.Task[T]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(each) for each in asked]
    except BaseExceptionGroup as exc:
        raise exc.exceptions[0] from None
    return [each.result() for each in tasks]
