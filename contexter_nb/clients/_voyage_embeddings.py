"""One call for embeddings: cache first, then batches, each kept at once."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from math import ceil, inf
from typing import Any

from contexter_nb.clients._prices import usd_of
from contexter_nb.clients._voyage_batches import BatchJob, Item, unbroken
from contexter_nb.clients._voyage_calibration import Calibration
from contexter_nb.clients._voyage_collect import Collection
from contexter_nb.clients._voyage_decode import Answered
from contexter_nb.clients._voyage_errors import has_too_many_tokens, tokens_of_batch
from contexter_nb.clients._voyage_models import MAX_CHUNKS
from contexter_nb.clients._voyage_packing import BatchPacker, shares
from contexter_nb.clients._voyage_plan import EmbeddingPlan, Payload
from contexter_nb.clients._voyage_results import EmbeddingProgress
from contexter_nb.clients._voyage_tokens import cut_to_tokens
from contexter_nb.core import (
    APIIntegrationError,
    APIMethod,
    APIRequest,
    APIResponse,
    CircuitOpenError,
    Clock,
    ContexterError,
    InvalidArgumentError,
    Tier,
    Timeouts,
)
from contexter_nb.policies import APICache, Entry, Found

# A vector never changes; a year is for the space of what nobody asks for again.
TTL_SECONDS = 365 * 86400.0
# Waiting for the rate limit is what a long job does. Each attempt is bounded by its
# own time, and their number by the retry policy.
JOB_DEADLINE_SECONDS = 24 * 3600.0
SLICE_TEXTS = 1_000
# A breaker that lets one call through to try says so by a wait as short as this.
_PROBE_SECONDS = 1.0
_PROBE_WAITS = 10
SLICE_CHARS = 2_000_000

Ask = Callable[[APIRequest], Awaitable[APIResponse]]
Kept = Mapping[str, Found]
CountTokens = Callable[[Sequence[str]], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Saved:
    """What the answers of a tier of the cache had cost."""

    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0

    def plus(self, hits: Sequence[Found]) -> Saved:
        """Return the sum with more answers."""
        return Saved(
            self.tokens + sum(hit.tokens for hit in hits),
            self.usd + sum(hit.usd for hit in hits),
            self.seconds + sum(hit.seconds for hit in hits),
        )


class EmbeddingCall:
    """The course of one call.

    Parameters
    ----------
    plan : EmbeddingPlan
    items : sequence of Item
        Each once.
    collection : Collection
        Where everything goes.
    ask : callable
        Sends a request by the client.
    cache : APICache or None
    count_tokens : callable
    calibration : Calibration
        Of the model.
    batch_tokens : float
        Of one request, billed.
    admitted_tokens : float
        What the rate limit lets through at once.
    window : int
        Batches under way at once.
    clock : Clock
    timeouts : Timeouts or None
    deadline_seconds : float or None
        Of one request; None takes the client's own.
    partial : bool
    on_batch : callable or None
    prices : mapping of str to float or None
    """

    def __init__(
        self,
        *,
        plan: EmbeddingPlan,
        items: Sequence[Item],
        collection: Collection,
        ask: Ask,
        cache: APICache | None,
        count_tokens: CountTokens,
        calibration: Calibration,
        batch_tokens: float,
        admitted_tokens: float,
        window: int,
        clock: Clock,
        timeouts: Timeouts | None,
        deadline_seconds: float | None,
        partial: bool,
        on_batch: Callable[[EmbeddingProgress], None] | None,
        prices: Any,
    ) -> None:
        self.plan = plan
        self.items = items
        self.found = collection
        self.saved: dict[Tier, Saved] = {}
        self._ask = ask
        self._cache = cache
        self._count = count_tokens
        self._calibration = calibration
        self._batch_tokens = batch_tokens
        self._admitted = admitted_tokens
        self._window = window
        self._clock = clock
        self._timeouts = timeouts
        self._deadline_seconds = deadline_seconds
        self._partial = partial
        self._on_batch = on_batch
        self._prices = prices

    async def run(self) -> None:
        """Embed everything that the cache lacks.

        Raises
        ------
        ContexterError
            What the first batch that failed did so with, unless this is partial.
        """
        packer: BatchPacker[Item] = BatchPacker(
            self.plan.model.batch_texts,
            max(1.0, self._batch_tokens),
            MAX_CHUNKS if self.plan.is_nested else inf,
        )
        async with BatchJob(
            send=self._send,
            failed=lambda item, error, sent: self.found.fail(item, error),
            packer=packer,
            window=self._window,
            keep_going=self._partial,
            noun=self.plan.noun,
        ) as job:
            async for part, kept in self._looked_up():
                for item in await self._countable(self._take(part, kept)):
                    packer.max_tokens = max(
                        1.0, self._batch_tokens / self._calibration.ratio
                    )
                    await job.add(item)
                # Counting and hashing keep the loop busy; others get their turn.
                await self._clock.sleep(0)
            await job.finish()

    async def _looked_up(self) -> AsyncIterator[tuple[Sequence[Item], Kept]]:
        """Yield the items in parts with what the cache has, read one part ahead."""
        ahead: asyncio.Task[tuple[Sequence[Item], Kept]] | None = None
        try:
            for part in _slices(self.items):
                found = ahead
                ahead = asyncio.create_task(self._look_up(part))
                if found is not None:
                    yield await found
            if ahead is not None:
                yield await ahead
        finally:
            if ahead is not None:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)

    async def _look_up(self, items: Sequence[Item]) -> tuple[Sequence[Item], Kept]:
        if self._cache is None:
            return items, {}
        keys = self.plan.keys([item.payload for item in items])
        for item, key in zip(items, keys, strict=True):
            item.key = key
        return items, await self._cache.get_many(keys)

    async def _countable(self, items: Sequence[Item]) -> list[Item]:
        """Count tokens; leave out, or refuse, what could never be sent."""
        countable, shortened = [], []
        for item, count in zip(items, self._counts(items), strict=True):
            item.tokens = count
            if self.plan.truncation:
                # The service cuts there, so that no more is billed.
                item.tokens = min(count, self.plan.model.context_tokens)
            if item.tokens * self._ratio <= self._admitted:
                countable.append(item)
            elif self._shortened(item):
                shortened.append(item)
            else:
                self._refuse(item)
        if shortened:
            # What is sent is another text now, which may have been sent before.
            countable += self._take(*await self._look_up(shortened))
        return countable

    def _counts(self, items: Sequence[Item]) -> list[int]:
        if not self.plan.is_nested:
            return list(self._count([_text(item.payload) for item in items]))
        return [sum(self._count(item.payload)) for item in items]

    @property
    def _ratio(self) -> float:
        return min(1.0, self._calibration.ratio)

    def _shortened(self, item: Item) -> bool:
        """Cut a text to what the rate limit lets through, where that is allowed."""
        if not self.plan.truncation:
            return False
        allowed = int(self._admitted)
        item.payload = cut_to_tokens(_text(item.payload), allowed)
        item.tokens = min(item.tokens, allowed)
        return bool(item.payload.strip())

    def _refuse(self, item: Item) -> None:
        also = "" if self.plan.is_nested else ", or truncation=True to lose its end"
        error = InvalidArgumentError(
            f"{self.plan.noun} {item.positions[0]} has about {item.tokens:,} tokens, "
            f"and the rate limit lets {self._admitted:,.0f} through at once, so that "
            f"it could never be sent; split it, or pass another tier{also}."
        )
        if not self._partial:
            raise error
        self.found.fail(item, error)

    def _take(self, items: Sequence[Item], kept: Kept) -> list[Item]:
        """Take from the cache what is there, and return the rest."""
        missing: list[Item] = []
        there: list[Item] = []
        hits: list[Found] = []
        size = self.plan.vector_bytes
        for item in items:
            hit = kept.get(item.key)
            if hit is None or not _fits(hit.value, item, size):
                missing.append(item)
            else:
                there.append(item)
                hits.append(hit)
        if hits:
            self._put(there, hits)
        return missing

    def _put(self, items: Sequence[Item], hits: Sequence[Found]) -> None:
        for tier in {hit.tier for hit in hits}:
            own = [hit for hit in hits if hit.tier == tier]
            self.saved[tier] = self.saved.get(tier, Saved()).plus(own)
        cells = [hit.value for hit in hits]
        dimension = self.found.dimension or self._dimension_of(cells[0], items[0])
        counts = [hit.tokens for hit in hits]
        self.found.put(items, cells, counts, dimension, cached=True)
        self._tell()

    def _dimension_of(self, cell: bytes, item: Item) -> int:
        """Return the dimension that cached vectors of an unknown model have."""
        bits = {"float": 32, "binary": 1, "ubinary": 1}.get(self.plan.dtype, 8)
        return len(cell) * 8 // item.vectors // bits

    async def _send(self, items: Sequence[Item]) -> None:
        """Send a batch, keep what it brought, and put it in its place."""
        counted = sum(item.tokens for item in items)
        payloads = [item.payload for item in items]
        self.found.requests += 1
        started = self._clock.now()
        try:
            response = await self._asked(self._request(payloads, counted))
        except APIIntegrationError as exc:
            if has_too_many_tokens(exc) and len(items) > 1:
                billed = tokens_of_batch(exc)
                self._calibration.observe(counted=counted, billed=billed)
            raise
        seconds = self._clock.now() - started
        answered = self.plan.read(response.data, payloads)
        self._calibration.observe(counted=counted, billed=answered.tokens)
        weights = [max(1, item.tokens) for item in items]
        counts = shares(answered.tokens, weights)
        self.found.tokens += answered.tokens
        if self._cache is not None:
            await unbroken(self._keep(self._cache, items, answered, counts, seconds))
        # After it is kept: what is told as done is in the cache.
        self.found.put(items, answered.cells, counts, answered.dimension, cached=False)
        self._tell()

    async def _asked(self, request: APIRequest) -> APIResponse:
        """Send a request; while another batch tries out the service, wait for that."""
        for _ in range(_PROBE_WAITS):
            try:
                return await self._ask(request)
            except CircuitOpenError as exc:
                wait = exc.retry_after_seconds
                if wait is None or wait > _PROBE_SECONDS:
                    raise
            await self._clock.sleep(wait)
        return await self._ask(request)

    def _request(self, payloads: Sequence[Payload], counted: int) -> APIRequest:
        ratio = self._calibration.ratio
        cost = min(self._admitted, ceil(counted * ratio))
        return APIRequest(
            method=APIMethod.POST,
            endpoint=self.plan.endpoint,
            content=self.plan.body(payloads),
            headers={"Content-Type": "application/json"},
            operation=self.plan.operation,
            idempotent=True,
            cost={"tokens": cost},
            limit_key=self.plan.model.name,
            timeouts=self._timeouts,
            deadline_seconds=self._deadline_seconds,
        )

    async def _keep(
        self,
        cache: APICache,
        items: Sequence[Item],
        answered: Answered,
        counts: Sequence[int],
        seconds: float,
    ) -> None:
        name = self.plan.model.name
        entries = {
            item.key: Entry(
                cell,
                TTL_SECONDS,
                tags=("voyage", name),
                tokens=count,
                usd=usd_of(name, count, self._prices) or 0.0,
                seconds=seconds / len(items),
            )
            for item, cell, count in zip(items, answered.cells, counts, strict=True)
        }
        await cache.set_many(entries)
        await cache.written()

    def _tell(self) -> None:
        if self._on_batch is not None:
            found = self.found
            self._on_batch(
                EmbeddingProgress(
                    done=found.done,
                    cached=found.hits,
                    failed=len(found.errors),
                    total=found.total,
                    tokens=found.tokens,
                    usd=usd_of(self.plan.model.name, found.tokens, self._prices),
                    requests=found.requests,
                )
            )

    def note(self, error: ContexterError) -> None:
        """Say on an error what is done all the same.

        Parameters
        ----------
        error : ContexterError
        """
        found = self.found
        if not found.done:
            return
        where = (
            "are in the cache, so that the same call sends only the rest"
            if self._cache is not None
            else "are lost, since this client has no cache"
        )
        noun = self.plan.noun.lower()
        error.add_note(f"{found.done:,} of {found.total:,} {noun}s {where}.")


def _fits(value: bytes, item: Item, vector_bytes: int | None) -> bool:
    """Tell whether cached bytes have the length that an item's vectors have."""
    if vector_bytes is None:
        return len(value) > 0
    return len(value) == item.vectors * vector_bytes


def _text(payload: Payload) -> str:
    assert isinstance(payload, str)
    return payload


def _slices(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield items in parts that are looked at in some milliseconds."""
    start = chars = 0
    for place, item in enumerate(items):
        length = _chars(item.payload)
        if place > start and (
            place - start >= SLICE_TEXTS or chars + length > SLICE_CHARS
        ):
            yield items[start:place]
            start, chars = place, 0
        chars += length
    if items:
        yield items[start:]


def _chars(payload: Payload) -> int:
    return len(payload) if isinstance(payload, str) else sum(map(len, payload))
