"""Many points to a service: in batches, several at once, split where too large."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple

from contexter_nb.clients._qdrant_errors import is_too_large
from contexter_nb.clients._qdrant_ids import Key, PointId
from contexter_nb.clients._qdrant_points import DENSE, Point, Ready, ready
from contexter_nb.core import (
    APIIntegrationError,
    AuthenticationError,
    CircuitOpenError,
    ClientClosedError,
    Clock,
    ConnectionFailedError,
    ContexterError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitExceededError,
    type_in_words,
)
from contexter_nb.policies import run_split

# After these the next batch would fare no better.
_FOR_ALL = (
    AuthenticationError,
    CircuitOpenError,
    ClientClosedError,
    ConnectionFailedError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitExceededError,
)

Points = Iterable[Point] | AsyncIterable[Point]


class FailedPoint(NamedTuple):
    """A point that is not stored, and why."""

    id: Key
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class UpsertResult:
    """What became of many points.

    Attributes
    ----------
    upserted : int
        Stored; found by searches from now on.
    pending : int
        Taken by the service, and not searchable yet: with ``wait=False``, or where it
        did not finish while we waited.
    failed : tuple of FailedPoint
        Not stored, in no certain order: the key as it was given, and the error. After
        a break of the connection they may be stored all the same; to upsert them again
        does no harm.
    batches : int
        Requests that were answered, the halves of what was too large included.
    seconds : float
        From the first point to the last answer.
    stopped_by : Exception or None
        Why the rest of the points was not even read; None where all were.
    """

    upserted: int
    pending: int
    failed: tuple[FailedPoint, ...]
    batches: int
    seconds: float
    stopped_by: Exception | None = None

    @property
    def complete(self) -> bool:
        """Whether every point was taken."""
        return not self.failed and self.stopped_by is None

    def raise_for_failures(self) -> None:
        """Raise the first error, where there is one.

        Raises
        ------
        ContexterError
            With a note that says how many points it stands for.
        """
        error = self.stopped_by or (self.failed[0].error if self.failed else None)
        if error is not None:
            error.add_note(
                f"{self.upserted + self.pending} points were taken, "
                f"{len(self.failed)} were not."
            )
            raise error


class Upsert:
    """One run: reads points, and keeps up to `max_parallel` batches on their way.

    Parameters
    ----------
    send : callable
        Takes checked points; returns whether they can be searched now.
    max_parallel : int
    batch_points : int
        Becomes less where the service refuses so many.
    dimension : int or None
        Of the collection; None takes that of the first dense vector.
    clock : Clock
    """

    def __init__(
        self,
        send: Callable[[list[Ready]], Awaitable[bool]],
        *,
        max_parallel: int,
        batch_points: int,
        dimension: int | None,
        clock: Clock,
    ) -> None:
        self._send = send
        self._max_parallel = max_parallel
        self._batch_points = batch_points
        self._dimension = dimension
        self._clock = clock
        self._under_way: dict[asyncio.Task[None], set[PointId]] = {}
        self._upserted = self._pending = self._batches = 0
        self._failed: list[FailedPoint] = []
        self._stopped_by: Exception | None = None

    async def run(self, points: Points) -> UpsertResult:
        """Store points.

        Parameters
        ----------
        points : iterable or async iterable of Point

        Raises
        ------
        APIIntegrationError
            Nothing was stored, since the service cannot be used.
        """
        started = self._clock.now()
        try:
            async with aclosing(self._all_batches(points)) as batches:
                async for batch in batches:
                    await self._make_room({each.id for each in batch})
                    if self._stopped_by is not None:
                        self._fail(batch, self._stopped_by)
                        break
                    self._start(batch)
            while self._under_way:
                await self._one_ends()
        finally:
            await self._cancel()
        if self._stopped_by is not None and not self._upserted + self._pending:
            raise self._stopped_by
        return UpsertResult(
            upserted=self._upserted,
            pending=self._pending,
            failed=tuple(self._failed),
            batches=self._batches,
            seconds=self._clock.now() - started,
            stopped_by=self._stopped_by,
        )

    async def _all_batches(self, points: Points) -> AsyncGenerator[list[Ready], None]:
        """Yield checked points together, no id twice in one batch."""
        batch: dict[PointId, Ready] = {}
        async for point in _each(points):
            try:
                checked = ready(point, self._dimension)
            except InvalidArgumentError as exc:
                self._failed.append(FailedPoint(getattr(point, "id", ""), exc))
                continue
            if self._dimension is None and DENSE in checked.vector:
                self._dimension = len(checked.vector[DENSE])
            if checked.id in batch or len(batch) >= self._batch_points:
                yield list(batch.values())
                batch = {}
            batch[checked.id] = checked
        if batch:
            yield list(batch.values())

    async def _make_room(self, ids: set[PointId]) -> None:
        """Wait for a place; and for a batch with one of these ids, so the last wins."""
        while len(self._under_way) >= self._max_parallel or any(
            not ids.isdisjoint(sent) for sent in self._under_way.values()
        ):
            await self._one_ends()

    def _start(self, batch: list[Ready]) -> None:
        task = asyncio.get_running_loop().create_task(self._sent(batch))
        self._under_way[task] = {each.id for each in batch}

    async def _one_ends(self) -> None:
        done, _ = await asyncio.wait(self._under_way, return_when="FIRST_COMPLETED")
        for task in done:
            del self._under_way[task]
            task.result()

    async def _cancel(self) -> None:
        tasks = list(self._under_way)
        self._under_way.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _sent(self, batch: list[Ready]) -> None:
        # What was put together before the service refused so many goes in parts.
        while batch:
            part, batch = batch[: self._batch_points], batch[self._batch_points :]
            try:
                outcomes = await run_split(part, self._taken, too_large=is_too_large)
            except ContexterError as exc:
                self._fail(part, exc)
            else:
                for outcome in outcomes:
                    if outcome.error is not None:
                        self._fail([part[outcome.index]], outcome.error)
            if self._stopped_by is not None:
                self._fail(batch, self._stopped_by)
                return

    async def _taken(self, part: Sequence[Ready]) -> list[bool]:
        try:
            searchable = await self._send(list(part))
        except APIIntegrationError as exc:
            if is_too_large(exc):
                self._batch_points = max(1, min(self._batch_points, len(part) // 2))
            raise
        self._batches += 1
        if searchable:
            self._upserted += len(part)
        else:
            self._pending += len(part)
        return [searchable] * len(part)

    def _fail(self, batch: list[Ready], error: Exception) -> None:
        self._failed += [FailedPoint(each.key, error) for each in batch]
        if isinstance(error, _FOR_ALL) and self._stopped_by is None:
            self._stopped_by = error


async def _each(points: Points) -> AsyncIterator[Point]:
    if isinstance(points, AsyncIterable):
        async for point in points:
            yield point
    elif isinstance(points, Iterable):
        for point in points:
            yield point
    else:
        raise InvalidArgumentError(
            f"points is {type_in_words(points)}; give an iterable of Point."
        )
