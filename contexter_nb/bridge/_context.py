"""An async context manager, entered and left by one task of its own."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

from contexter_nb.bridge._bridge import Bridge

Raised = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class OwnedContext:
    """Hold `manager` open between two synchronous calls.

    `asyncio.timeout`, task groups and anyio's cancel scopes must be left by the task
    that entered them, while each synchronous call is a task of its own.
    """

    def __init__(
        self, manager: AbstractAsyncContextManager[Any, Any], bridge: Bridge
    ) -> None:
        self._manager = manager
        self._bridge = bridge
        self._owner: asyncio.Task[bool] | None = None
        self._leave: asyncio.Future[Raised] | None = None

    def enter(self) -> Any:
        """Return what `manager` gives."""
        return self._bridge.run(self._enter())

    def leave(self, raised: Raised) -> bool:
        """Leave `manager` with what the block raised; return whether to drop it."""
        return self._bridge.run(self._exit(raised))

    async def _enter(self) -> Any:
        loop = asyncio.get_running_loop()
        entered: asyncio.Future[Any] = loop.create_future()
        self._leave = loop.create_future()
        self._owner = owner = loop.create_task(self._own(entered, self._leave))
        try:
            await asyncio.wait([entered, owner], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            owner.cancel()
            await asyncio.wait([owner])
            raise
        return entered.result() if entered.done() else await owner

    async def _own(
        self, entered: asyncio.Future[Any], leave: asyncio.Future[Raised]
    ) -> bool:
        entered.set_result(await self._manager.__aenter__())
        try:
            raised = await leave
        except asyncio.CancelledError:
            if not await self._manager.__aexit__(*sys.exc_info()):
                raise
            return False
        return bool(await self._manager.__aexit__(*raised))

    async def _exit(self, raised: Raised) -> bool:
        assert self._owner is not None and self._leave is not None
        if not self._leave.done():
            self._leave.set_result(raised)
        return await self._owner
