"""One way to ask an index, whether it answers in this process or over the network."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from contexter_nb.retrieval._slices import in_thread


async def ask(method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Await a coroutine function; run a plain, blocking one in a thread.

    Parameters
    ----------
    method : callable
        Of an `EmbeddedIndex` or a `ServerIndex`, or of what writes them.
    *args, **kwargs
        Passed on to it.

    Returns
    -------
    object
        What it returned; what it raised is raised here.

    Examples
    --------
    >>> import asyncio
    >>> asyncio.run(ask(pow, 2, 10))
    1024
    """
    if inspect.iscoroutinefunction(method):
        return await method(*args, **kwargs)
    return await in_thread(method, *args, **kwargs)
