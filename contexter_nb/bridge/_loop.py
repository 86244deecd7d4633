"""A loop that a bridge made, and so has to end."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor


class OwnLoop:
    """A new event loop with an executor that can be shut down without asyncio.

    asyncio's way to end its default executor has no time limit on Python 3.11, and
    starts a thread, which an interpreter that exits refuses on 3.12.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._executor = ThreadPoolExecutor(thread_name_prefix="contexter-worker")
        self.loop.set_default_executor(self._executor)

    def close(self) -> None:
        """Wait for the functions that run in the executor, and close the loop."""
        self._executor.shutdown(cancel_futures=True)
        self.loop.close()
