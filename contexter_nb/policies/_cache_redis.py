"""The third tier: Redis, shared by machines; slow, away or full of garbage at times."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from contexter_nb.core import InvalidArgumentError, Secret, Tier
from contexter_nb.policies._cache_codec import decode, encode
from contexter_nb.policies._cache_entry import Record
from contexter_nb.policies._cache_rows import Claim
from contexter_nb.policies._cache_stats import Tally
from contexter_nb.policies._redis_clients import RedisClients

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

REPLY_SECONDS = 0.5
CALL_SECONDS = 2.0
PAUSE_SECONDS = 5.0
CHECK_EVERY_SECONDS = 1.0
_PART = 500
_SCAN_KEYS = 1000
_MEASURED_KEYS = 100_000
_RELEASE = (
    "if redis.call('get', KEYS[1]) == ARGV[1] then "
    "return redis.call('del', KEYS[1]) end return 0"
)
_RENEW = (
    "if redis.call('get', KEYS[1]) == ARGV[1] then "
    "return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
)


class RedisTier:
    """Keys begin with a namespace and its generation; clearing all begins another.

    Parameters
    ----------
    url : Secret
        ``redis://`` or ``rediss://``, with password where there is one.
    namespace : str
        What our keys begin with.
    stale_seconds : float
        How long an expired entry is kept.
    new_id : callable
        Makes generations.
    """

    tier: Tier = "redis"

    def __init__(
        self,
        url: Secret,
        namespace: str,
        stale_seconds: float,
        new_id: Callable[[], str],
    ) -> None:
        try:
            import redis.asyncio  # noqa: F401
            from redis.exceptions import RedisError, ResponseError
        except ImportError as exc:
            raise InvalidArgumentError(
                "A Redis cache needs the redis package; install it with "
                'pip install "contexter_nb[redis]".'
            ) from exc
        self.tally = Tally("redis")
        self._failures = (RedisError, OSError, TimeoutError)
        self._refusal = ResponseError
        self._url = url
        self._namespace = namespace
        self._stale_seconds = stale_seconds
        self._new_id = new_id
        self._clients = RedisClients(self._made)
        self._pause_until = 0.0
        self._generation: str | None = None
        self._checked_at = -CHECK_EVERY_SECONDS
        self._clear_owed = False
        self._made()  # raises where the URL is none

    async def get_many(
        self, keys: Sequence[str], wall: float, now: float
    ) -> dict[str, Record] | None:
        """Return what is kept of the keys, fresh or not; None where it is away."""

        async def work(client: Redis) -> dict[str, Record]:
            generation = await self._current(client, now)
            found: dict[str, Record] = {}
            garbage: list[str] = []
            for start in range(0, len(keys), _PART):
                some = keys[start : start + _PART]
                names = [self._name(generation, key) for key in some]
                for key, name, blob in zip(
                    some, names, await client.mget(names), strict=True
                ):
                    record = decode(key, blob)
                    if record is not None:
                        found[key] = record
                    elif blob is not None:
                        garbage.append(name)
            if garbage:
                self.tally.add("errors", len(garbage))
                await client.unlink(*garbage)
            return found

        return await self._call(now, work)

    async def set_many(
        self,
        records: Mapping[str, Record],
        wall: float,
        now: float,
        generation: str | None = None,
    ) -> None:
        """Keep records, unless something was dropped since `generation`."""

        async def work(client: Redis) -> None:
            if generation not in (None, await self._mark(client, now)):
                return
            under = await self._current(client, now)
            items = list(records.items())
            for start in range(0, len(items), _PART):
                pipe = client.pipeline(transaction=False)
                for key, record in items[start : start + _PART]:
                    self._put(pipe, under, key, record, wall)
                await pipe.execute()
            self.tally.add("sets", len(items))

        await self._call(now, work)

    def _put(
        self, pipe: Any, generation: str, key: str, record: Record, wall: float
    ) -> None:
        left = record.expires_at - wall + self._stale_seconds
        if left <= 0:
            return
        name, milliseconds = self._name(generation, key), max(1, int(left * 1000))
        pipe.set(name, encode(key, record), px=milliseconds)
        for tag in record.tags:
            of_tag = self._name(generation, tag, "tag")
            pipe.sadd(of_tag, name)
            # Both are needed: the first works where it has no end yet.
            pipe.pexpire(of_tag, milliseconds, nx=True)
            pipe.pexpire(of_tag, milliseconds, gt=True)

    async def delete(self, key: str, now: float) -> None:
        """Drop a key; where Redis is away, all of ours is dropped when it is back."""

        async def work(client: Redis) -> bool:
            await client.unlink(self._name(await self._current(client, now), key))
            await self._tell(client)
            return True

        if not await self._call(now, work):
            self._clear_owed = True

    async def clear(self, tag: str | None, prefix: str | None, now: float) -> set[str]:
        """Drop what has the tag and the prefix, and return the keys dropped by name.

        Everything is dropped by beginning a generation, without naming the keys; so it
        is, too, when Redis comes back from having been away.
        """

        async def work(client: Redis) -> set[str]:
            if tag is None and not prefix:
                await self._begin(client, now)
                return set()
            generation = await self._current(client, now)
            names = await self._chosen(client, generation, tag, prefix)
            await self._tell(client)
            for start in range(0, len(names), _PART):
                await client.unlink(*names[start : start + _PART])
            front = len(self._name(generation, ""))
            return {name.decode("utf-8", "replace")[front:] for name in names}

        done = await self._call(now, work, bounded=False)
        if done is None:
            self._clear_owed = True
        return done or set()

    async def _chosen(
        self, client: Redis, generation: str, tag: str | None, prefix: str | None
    ) -> list[bytes]:
        front = self._name(generation, prefix or "")
        if tag is None:
            match = _literal(front) + "*"
            return [n async for n in client.scan_iter(match, count=_SCAN_KEYS)]
        of_tag = self._name(generation, tag, "tag")
        members = client.sscan_iter(of_tag, count=_SCAN_KEYS)
        found = [name async for name in members if name.startswith(front.encode())]
        if not prefix:
            await client.unlink(of_tag)
        return found

    async def generation(self, now: float) -> str | None:
        """Return what changes whenever anything is dropped; None where it is away."""

        async def work(client: Redis) -> str:
            return await self._mark(client, now)

        return await self._call(now, work)

    async def claim(
        self, key: str, holder: str, wall: float, now: float, lease_seconds: float
    ) -> Claim:
        """Ask for the lease of a key; where Redis is away, it is granted."""

        async def work(client: Redis) -> Claim:
            generation = await self._current(client, now)
            pipe = client.pipeline(transaction=False)
            milliseconds = int(lease_seconds * 1000)
            lease = self._name(generation, key, "lease")
            pipe.set(lease, holder, nx=True, px=milliseconds)
            pipe.mget([self._name(generation, key)])
            taken, (blob,) = await pipe.execute()
            record = decode(key, blob)
            if record is not None and record.remaining_seconds(wall) > 0:
                if taken:
                    await client.eval(_RELEASE, 1, lease, holder)
                return Claim(False, record)
            return Claim(bool(taken), generation=await self._mark(client, now))

        return await self._call(now, work) or Claim(True)

    async def renew(
        self, key: str, holder: str, now: float, lease_seconds: float
    ) -> None:
        """Hold a lease for longer."""
        milliseconds = int(lease_seconds * 1000)
        await self._script(_RENEW, key, now, holder, milliseconds)

    async def release(self, key: str, holder: str, now: float) -> None:
        """Give a lease back."""
        await self._script(_RELEASE, key, now, holder)

    async def _script(self, script: str, key: str, now: float, *values: Any) -> None:
        async def work(client: Redis) -> None:
            lease = self._name(await self._current(client, now), key, "lease")
            await client.eval(script, 1, lease, *values)

        await self._call(now, work)

    async def measure(self, now: float) -> None:
        """Count our entries and their bytes, up to 100,000 of them."""

        async def work(client: Redis) -> None:
            match = _literal(self._name(await self._current(client, now), "")) + "*"
            names: list[bytes] = []
            async for name in client.scan_iter(match, count=_SCAN_KEYS):
                names.append(name)
                if len(names) >= _MEASURED_KEYS:
                    break
            size = 0
            for start in range(0, len(names), _PART):
                pipe = client.pipeline(transaction=False)
                for name in names[start : start + _PART]:
                    pipe.strlen(name)
                size += sum(await pipe.execute())
            self.tally.keeps(len(names), size)

        await self._call(now, work, bounded=False)

    async def close(self) -> None:
        """Close the connections of this loop; those of others end with their loops."""
        await self._clients.close()

    def _name(self, generation: str, key: str, kind: str = "entry") -> str:
        return f"{self._namespace}:{generation}:{kind}:{key}"

    async def _current(self, client: Redis, now: float) -> str:
        """Return the generation, read again where it was read a second ago."""
        if self._clear_owed:
            return await self._begin(client, now)
        known = self._generation
        if known is None or not 0 <= now - self._checked_at < CHECK_EVERY_SECONDS:
            await self._mark(client, now)
            known = self._generation
        return known or await self._begin(client, now)

    async def _mark(self, client: Redis, now: float) -> str:
        """Return generation and last change, read now."""
        pipe = client.pipeline(transaction=False)
        # Chance, not a count: one that Redis lost must not come again.
        pipe.set(self._of_all("generation"), self._new_id(), nx=True)
        pipe.mget([self._of_all("generation"), self._of_all("change")])
        _, (raw, change) = await pipe.execute()
        if raw is None or self._clear_owed:  # None: of another type, so not ours
            raw = (await self._begin(client, now)).encode()
        known = self._know(raw.decode("utf-8", "replace"), now)
        return f"{known}/{(change or b'').decode('utf-8', 'replace')}"

    async def _begin(self, client: Redis, now: float) -> str:
        fresh = self._new_id()
        await client.set(self._of_all("generation"), fresh)
        self._clear_owed = False
        return self._know(fresh, now)

    async def _tell(self, client: Redis) -> None:
        """Have other processes notice that something was dropped."""
        await client.set(self._of_all("change"), self._new_id())

    def _of_all(self, what: str) -> str:
        return f"{self._namespace}:{what}"

    def _know(self, generation: str, now: float) -> str:
        self._generation, self._checked_at = generation, now
        return generation

    async def _call(
        self,
        now: float,
        work: Callable[[Redis], Awaitable[T]],
        *,
        bounded: bool = True,
    ) -> T | None:
        """Return what `work` gives; None where Redis is away or refuses."""
        if now < self._pause_until <= now + PAUSE_SECONDS:
            return None
        try:
            async with asyncio.timeout(CALL_SECONDS if bounded else None):
                return await work(await self._clients.of_loop())
        except self._failures as error:
            self.tally.add("errors")
            self._generation = None
            if not isinstance(error, self._refusal):
                self._pause_until = now + PAUSE_SECONDS
            return None

    def _made(self) -> Redis:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        retry = Retry(NoBackoff(), 1)
        try:
            return Redis.from_url(
                self._url.reveal(),
                socket_timeout=REPLY_SECONDS,
                socket_connect_timeout=REPLY_SECONDS,
                retry=retry,  # at once: a connection kept from before a restart is dead
            )
        except ValueError:
            # Not chained: the cause may quote the URL with its password.
            raise InvalidArgumentError(
                "The Redis URL cannot be used; give redis://host:port/0 or "
                "rediss://..., with user:password@ where there is one."
            ) from None


def _literal(text: str) -> str:
    """Return a pattern of SCAN that matches just this text."""
    return "".join(f"\\{each}" if each in "*?[]^\\-" else each for each in text)
