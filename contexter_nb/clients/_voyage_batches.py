"""Batches on their way: several at once, each kept as soon as it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from contexter_nb.clients._voyage_errors import has_too_many_tokens, is_fatal, named
from contexter_nb.clients._voyage_packing import BatchPacker
from contexter_nb.clients._voyage_plan import Payload
from contexter_nb.core import APIIntegrationError, ContexterError
from contexter_nb.policies import run_split

Answer = TypeVar("Answer")


class Item(msgspec.Struct, eq=False, gc=False):
    """One text, or one document, however often it was given.

    Attributes
    ----------
    positions : list of int
        Where it stands among those given.
    payload : str or tuple of str
        What is sent.
    tokens : int
        By our counting.
    key : str
        Of the cache; empty without one.
    """

    payload: Payload
    positions: list[int] = msgspec.field(default_factory=list)
    tokens: int = 0
    key: str = ""

    @property
    def vectors(self) -> int:
        """How many vectors it becomes."""
        return 1 if isinstance(self.payload, str) else len(self.payload)


class BatchJob:
    """Send items in batches, a bounded number of them at once.

    Leaving it, by an error or a cancellation too, ends what is still on its way; what
    was answered has been kept before.

    Parameters
    ----------
    send : callable
        Takes items; returns an awaitable that keeps their answer and is done then.
    failed : callable
        Takes an item and its error, and whether it was sent at all.
    packer : BatchPacker
    window : int
        Batches under way at once, those that wait for the rate limit included.
    keep_going : bool
        Whether a batch that fails leaves the others to be sent.
    noun : str
        What an item is called in messages.
    """

    def __init__(
        self,
        *,
        send: Callable[[Sequence[Item]], Awaitable[None]],
        failed: Callable[[Item, ContexterError, bool], None],
        packer: BatchPacker[Item],
        window: int,
        keep_going: bool,
        noun: str = "Text",
    ) -> None:
        self._send = send
        self._failed = failed
        self._packer = packer
        self._window = window
        self._keep_going = keep_going
        self._noun = noun
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped_by: ContexterError | None = None

    async def add(self, item: Item) -> None:
        """Take an item; waits while too many batches are under way.

        Parameters
        ----------
        item : Item

        Raises
        ------
        ContexterError
            What an earlier batch failed with, unless it is to keep going.
        """
        full = self._packer.add(item, item.tokens, item.vectors)
        if full:
            await self._launch(full)

    async def finish(self) -> None:
        """Send the rest, and wait until all are answered.

        Raises
        ------
        ContexterError
            What a batch failed with, unless it is to keep going.
        """
        rest = self._packer.flush()
        if rest:
            await self._launch(rest)
        while self._tasks:
            await self._some_end()
        self._raise_unless_going()

    async def __aenter__(self) -> Self:
        """Return the job."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End what is still on its way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _launch(self, batch: list[Item]) -> None:
        while len(self._tasks) >= self._window:
            await self._some_end()
        if self._stopped_by is not None:
            for item in batch:
                self._failed(item, self._stopped_by, False)
            await self._all_end()
            self._raise_unless_going()
            return
        self._tasks.add(asyncio.create_task(self._run(batch)))

    async def _all_end(self) -> None:
        """Let those finish that are under way: they are paid for, or soon."""
        while self._tasks:
            await self._some_end()

    async def _some_end(self) -> None:
        done, self._tasks = await asyncio.wait(
            self._tasks, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()

    def _raise_unless_going(self) -> None:
        if self._stopped_by is not None and not self._keep_going:
            raise self._stopped_by

    async def _run(self, batch: list[Item]) -> None:
        async def call(part: Sequence[Item]) -> Sequence[bool]:
            await self._send(part)
            return [True] * len(part)

        try:
            outcomes = await run_split(batch, call, too_large=has_too_many_tokens)
        except APIIntegrationError as exc:
            self._note(exc)
            for item in batch:
                self._failed(item, exc, True)
            return
        for outcome in outcomes:
            item, error = batch[outcome.index], outcome.error
            if isinstance(error, APIIntegrationError):
                if has_too_many_tokens(error):
                    error = named(error, self._noun, item.positions[0])
                self._note(error)
                self._failed(item, error, outcome.sent)
            elif error is not None:
                raise error

    def _note(self, error: ContexterError) -> None:
        stops = not self._keep_going or is_fatal(error)
        if stops and self._stopped_by is None:
            self._stopped_by = error


async def unbroken(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Do something to its end, also where it is cancelled meanwhile.

    Parameters
    ----------
    work : coroutine
        Short: a cancellation waits for it.

    Returns
    -------
    object
        What it returned.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()
        raise
