"""Whose turn it is to fetch a key: among loops, kernels and machines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from contexter_nb.core import Clock, Random, Tier
from contexter_nb.policies._cache_disk import DiskTier
from contexter_nb.policies._cache_entry import Record
from contexter_nb.policies._cache_flight import LoopLeases
from contexter_nb.policies._cache_redis import RedisTier
from contexter_nb.policies._cache_rows import Claim

LEASE_SECONDS = 10.0
HELD_AT_MOST_SECONDS = 600.0
FIRST_POLL_SECONDS = 0.01
LAST_POLL_SECONDS = 0.25

Peek = Callable[[str], Record | None]


@dataclass(slots=True)
class Turn:
    """What waiting for one's turn gave: the turn, or a record that came meanwhile."""

    key: str
    holder: str
    record: Record | None = None
    tier: Tier = "memory"
    waited: bool = False
    held: list[Tier] = field(default_factory=list)
    disk_generation: int | None = None
    redis_generation: str | None = None
    heartbeat: asyncio.Task[None] | None = None


class Leases:
    """A lease ends by itself ten seconds after its holder died.

    They are taken in one order, so that nobody waits in a circle. Where a tier fails,
    its lease counts as taken: the worst is that two fetch the same.
    """

    def __init__(
        self,
        clock: Clock,
        rng: Random,
        new_id: Callable[[], str],
        disk: DiskTier | None,
        redis: RedisTier | None,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._new_id = new_id
        self._loops = LoopLeases()
        self._disk = disk
        self._redis = redis

    async def take(self, key: str, peek: Peek) -> Turn:
        """Wait for the turn; `peek` looks for a fresh record in memory."""
        turn = Turn(key, self._new_id())
        tiers: list[Tier] = ["memory"]
        tiers += ["disk"] if self._disk else []
        tiers += ["redis"] if self._redis else []
        try:
            for tier in tiers:
                await self._take_of(tier, turn, peek)
                if turn.record is not None:
                    break
        except BaseException:
            await self.give_back(turn)
            raise
        return turn

    async def _take_of(self, tier: Tier, turn: Turn, peek: Peek) -> None:
        pause = FIRST_POLL_SECONDS
        while True:
            # Noted first: a claim cut short by a cancellation may have been granted.
            turn.held.append(tier)
            claim = await self._claim(tier, turn, peek)
            if claim.granted:
                self._beat(tier, turn)
                return
            turn.held.remove(tier)
            if claim.record is not None:
                turn.record, turn.tier = claim.record, tier
                return
            turn.waited = True
            await self._clock.sleep(pause * (0.5 + self._rng.random()))
            pause = min(2 * pause, LAST_POLL_SECONDS)

    async def _claim(self, tier: Tier, turn: Turn, peek: Peek) -> Claim:
        key, holder, now = turn.key, turn.holder, self._clock.now()
        wall = self._clock.wall().timestamp()
        claim = Claim(True)
        if tier == "memory":
            record = peek(key)
            granted = record is None and self._loops.claim(key, holder)
            claim = Claim(granted, record)
        elif tier == "disk" and self._disk:
            claim = await self._disk.claim(key, holder, wall, now, LEASE_SECONDS)
            if isinstance(claim.generation, int):
                turn.disk_generation = claim.generation
        elif self._redis:
            claim = await self._redis.claim(key, holder, wall, now, LEASE_SECONDS)
            if isinstance(claim.generation, str):
                turn.redis_generation = claim.generation
        return claim

    def _beat(self, tier: Tier, turn: Turn) -> None:
        if tier != "memory" and turn.heartbeat is None:
            turn.heartbeat = asyncio.create_task(self._renew(turn))

    async def _renew(self, turn: Turn) -> None:
        every = LEASE_SECONDS / 3
        for _ in range(int(HELD_AT_MOST_SECONDS / every)):
            await self._clock.sleep(every)
            now, wall = self._clock.now(), self._clock.wall().timestamp()
            if self._disk and "disk" in turn.held:
                until = wall + LEASE_SECONDS
                await self._disk.renew(turn.key, turn.holder, until)
            if self._redis and "redis" in turn.held:
                await self._redis.renew(turn.key, turn.holder, now, LEASE_SECONDS)

    async def give_back(self, turn: Turn) -> None:
        """Give back what was taken, the last first."""
        if turn.heartbeat is not None:
            turn.heartbeat.cancel()
        if "memory" in turn.held:
            self._loops.release(turn.key, turn.holder)
        if self._disk and "disk" in turn.held:
            self._disk.release(turn.key, turn.holder)
        if self._redis and "redis" in turn.held:
            await self._redis.release(turn.key, turn.holder, self._clock.now())
