"""Something to be done on an event loop before it is closed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

LoopEnd = AsyncGenerator[None]


async def at_loop_end(close: Callable[[], Awaitable[None]]) -> LoopEnd:
    """Have something closed when the running loop ends, or earlier by ``aclose()``.

    The one thing that a loop does for others before it is closed is to close the
    generators begun on it: `asyncio.run` and `asyncio.Runner` see to that.

    Parameters
    ----------
    close : callable
        Takes nothing and returns an awaitable; called once, on this loop.

    Returns
    -------
    async generator
        To be kept until then.

    Examples
    --------
    >>> import asyncio
    >>> async def close():
    ...     print("closed")
    >>> async def main():
    ...     main.kept = await at_loop_end(close)
    ...     print("done")
    >>> asyncio.run(main())
    done
    closed
    """

    async def until_then() -> LoopEnd:
        try:
            yield
        finally:
            await close()

    end = until_then()
    await anext(end)
    return end
