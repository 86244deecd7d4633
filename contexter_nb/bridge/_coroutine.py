"""What may cross a bridge, and what to tell a person who passed something else."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
from collections.abc import AsyncIterable, Awaitable, Coroutine
from typing import Any, TypeVar

from contexter_nb.core import InvalidArgumentError

T = TypeVar("T")


def as_coroutine(value: Awaitable[T]) -> Coroutine[Any, Any, T]:
    """Return `value` as a coroutine that any loop can start.

    Raises
    ------
    InvalidArgumentError
        If `value` is not awaitable, or belongs to the loop that made it.
    """
    if isinstance(value, Coroutine):
        return value
    if isinstance(value, Awaitable) and not asyncio.isfuture(value):
        return _awaited(value)
    raise InvalidArgumentError(_advice(value))


async def _awaited(value: Awaitable[T]) -> T:
    return await value


def _advice(value: object) -> str:
    # Only type and function names: a value may hold a secret or be very long.
    kind = type(value).__name__
    if asyncio.isfuture(value):
        return (
            f"a {kind} belongs to the event loop that made it; "
            "pass the coroutine itself, or await it there"
        )
    if isinstance(value, concurrent.futures.Future):
        return f"a {kind} has its own way to wait: call its .result()"
    if isinstance(value, AsyncIterable):
        return (
            f"{kind} gives many values, and a coroutine gives one; collect them in "
            "a coroutine ([x async for x in ...]), or call the method on sync(client)"
        )
    if inspect.isroutine(value):
        name = getattr(value, "__name__", kind)
        what = "coroutine function" if _is_async(value) else "function"
        return f"{name} is the {what} itself; call it, as in run({name}(...))"
    return (
        f"expected a coroutine, got a finished value of type {kind}; "
        "it can be used as it is, without run()"
    )


def _is_async(value: object) -> bool:
    return inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value)
