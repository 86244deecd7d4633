"""What has to be awaited before a bridge may end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from contexter_nb.bridge._bridge import Closer
from contexter_nb.bridge._coroutine import as_coroutine
from contexter_nb.bridge._wait import until_done
from contexter_nb.core import BridgeError


class Closers:
    """A stack of async callables, each awaited once, whatever the others do."""

    def __init__(self) -> None:
        self._waiting: list[Closer] = []
        self._failed: list[BaseException] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, closer: Closer) -> Callable[[], None]:
        """Put `closer` on the stack; return what takes it off."""
        self._waiting.append(closer)

        def remove() -> None:
            with contextlib.suppress(ValueError):  # it ran, or was removed before
                self._waiting.remove(closer)

        return remove

    async def run(self, grace_seconds: float) -> None:
        """Await all, the latest first, each for `grace_seconds` at most."""
        while self._waiting:
            closer = self._waiting.pop()
            try:
                await _bounded(closer, grace_seconds)
            except Exception as error:
                self._failed.append(error)

    def raise_failure(self) -> None:
        """Raise the first failure, once, after everything was closed."""
        failed, self._failed = self._failed, []
        if failed:
            count = f"{len(failed)} of its closers" if len(failed) > 1 else "a closer"
            raise BridgeError(
                f"The bridge is closed, but {count} failed: "
                f"{type(failed[0]).__name__}: {failed[0]}"
            ) from failed[0]


async def _bounded(closer: Closer, seconds: float) -> None:
    task = asyncio.ensure_future(as_coroutine(closer()))
    if not await until_done(task, seconds):
        task.cancel()
        await until_done(task, seconds)
        raise TimeoutError(f"it took more than {seconds:g} s")
    task.result()
