"""A limit shared by machines: bookings in a Redis server, by its own clock."""

from __future__ import annotations

from math import inf
from typing import Any

from contexter_nb.core import InvalidArgumentError
from contexter_nb.policies._bucket import Amounts, Rates
from contexter_nb.policies._limit_store import (
    MAX_AHEAD_SECONDS,
    Booking,
    StoreAwayError,
)
from contexter_nb.policies._redis_clients import RedisClients

# The booking of `Bucket.book`, on the server: one round trip, nothing in between.
# Numbers travel as %.17g, since Lua's own text of a number loses microseconds.
_COMMON = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local function text(x) return string.format('%.17g', x) end
local function stored(field, default)
  return tonumber(redis.call('HGET', KEYS[1], field) or '') or default
end
local at, number = stored('at', now), stored('number', 0)
local paused = stored('paused', 0)
local ahead = tonumber(ARGV[1])
if at - now > ahead then at = now end
if paused - now > ahead then paused = 0 end
"""
_BOOK = (
    _COMMON
    + """
local count, longest = tonumber(ARGV[2]), tonumber(ARGV[3])
local elapsed = math.max(0, now - at)
at = at + elapsed
local start = math.max(at, paused)
local names, caps, rates, costs, before = {}, {}, {}, {}, {}
for i = 1, count do
  local base = 4 + (i - 1) * 6
  names[i], caps[i] = ARGV[base], tonumber(ARGV[base + 1])
  rates[i], costs[i] = tonumber(ARGV[base + 2]), tonumber(ARGV[base + 4])
  local least = -math.max(tonumber(ARGV[base + 3]), caps[i])
  local level = stored('level:' .. names[i], caps[i]) + elapsed * rates[i]
  level = math.min(caps[i], level)
  level = math.max(least, math.min(caps[i], level - tonumber(ARGV[base + 5])))
  before[i] = level
  if costs[i] > 0 then
    local missing = math.min(costs[i], caps[i]) - level
    start = math.max(start, at + missing / rates[i])
  end
end
local booked = longest < 0 or start - now <= longest + 1e-6
local wait, after, full = start - now, {}, now
if booked then number = number + 1 else start = at end
redis.call('HSET', KEYS[1], 'at', text(start), 'number', number, 'paused', text(paused))
for i = 1, count do
  after[i] = before[i]
  if booked then
    after[i] = math.min(caps[i], before[i] + (start - at) * rates[i]) - costs[i]
  end
  full = math.max(full, start + (caps[i] - after[i]) / rates[i])
  redis.call('HSET', KEYS[1], 'level:' .. names[i], text(after[i]))
end
redis.call('PEXPIRE', KEYS[1], math.ceil((math.max(full, paused) - now) * 1000) + 60000)
local answer = {booked and 1 or 0, number, text(wait), text(at)}
for i = 1, count do answer[4 + i] = text(before[i]) end
for i = 1, count do answer[4 + count + i] = text(after[i]) end
return answer
"""
)
_GIVE_BACK = (
    _COMMON
    + """
local mine, count = tonumber(ARGV[2]) == number, tonumber(ARGV[3])
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for i = 1, count do
  local base = 5 + (i - 1) * 4
  local field, cap = 'level:' .. ARGV[base], tonumber(ARGV[base + 1])
  local level = math.min(cap, stored(field, cap) + tonumber(ARGV[base + 2]))
  if mine then level = tonumber(ARGV[base + 3]) end
  redis.call('HSET', KEYS[1], field, text(level))
end
if mine then at = tonumber(ARGV[4]) end
redis.call('HSET', KEYS[1], 'at', text(at), 'number', number + 1)
return 1
"""
)
_PAUSE = (
    _COMMON
    + """
paused = math.max(paused, now + math.min(tonumber(ARGV[2]), ahead))
redis.call('HSET', KEYS[1], 'paused', text(paused))
local left = math.ceil((paused - now) * 1000) + 60000
redis.call('PEXPIRE', KEYS[1], math.max(left, redis.call('PTTL', KEYS[1])))
return 1
"""
)


class RedisLimitStore:
    """Share limits between machines by a Redis server, version 5 or later.

    The server's clock decides. What is stored expires once it equals a new bucket.
    Nothing is tried twice, since the first try may have booked.

    Parameters
    ----------
    url_or_client : str or redis.asyncio.Redis
        A URL makes a client for each event loop. A client that is given is used as it
        is, from its own loop, and not closed.
    prefix : str
        Of the names of what is stored.
    timeout_seconds : float, default 1
        To connect and to answer, of clients made from a URL.

    Raises
    ------
    InvalidArgumentError
        The URL is no Redis URL, or redis is not installed.
    """

    def __init__(
        self,
        url_or_client: Any,
        *,
        prefix: str = "contexter:limit:",
        timeout_seconds: float = 1.0,
    ) -> None:
        try:
            import redis.asyncio
        except ImportError as exc:
            raise InvalidArgumentError(
                "A limit shared by Redis needs its client; run "
                'pip install "contexter_nb[redis]".'
            ) from exc
        self._redis = redis
        self._prefix = prefix
        self._timeout_seconds = timeout_seconds
        self._url: str | None = None
        self._client: Any = None
        self._clients = RedisClients(self._made)
        if isinstance(url_or_client, str):
            try:
                redis.asyncio.ConnectionPool.from_url(url_or_client)
            except ValueError:
                # Without a cause: its message may hold the password of the URL.
                raise InvalidArgumentError(
                    "This is no Redis URL; give redis://host:6379/0, rediss:// or "
                    "unix://."
                ) from None
            self._url = url_or_client
        else:
            self._client = url_or_client

    async def book(
        self,
        line: str,
        rates: Rates,
        cost: Amounts,
        *,
        owed: Amounts,
        max_wait_seconds: float,
    ) -> Booking:
        """Book the earliest instant at which all of `cost` can be paid.

        Parameters
        ----------
        line : str
        rates : tuple of Rate
        cost, owed : tuple of float
        max_wait_seconds : float

        Raises
        ------
        StoreAwayError
            The server cannot be reached, or refuses.
        """
        longest = -1.0 if max_wait_seconds == inf else max_wait_seconds
        arguments: list[str | float] = [MAX_AHEAD_SECONDS, len(rates), longest]
        for at, rate in enumerate(rates):
            arguments += [
                rate.name,
                rate.capacity,
                rate.per_second,
                rate.limit_per_minute,
                cost[at],
                owed[at],
            ]
        answer = await self._run(_BOOK, line, arguments)
        numbers = tuple(map(float, answer[2:]))
        wait_seconds, at_before = numbers[:2]
        before, after = numbers[2 : 2 + len(rates)], numbers[2 + len(rates) :]
        return Booking(
            max(0.0, wait_seconds),
            bool(answer[0]),
            after,
            int(answer[1]),
            cost,
            before,
            at_before,
        )

    async def give_back(self, line: str, rates: Rates, booking: Booking) -> None:
        """Undo a booking that is not used.

        Parameters
        ----------
        line : str
        rates : tuple of Rate
        booking : Booking

        Raises
        ------
        StoreAwayError
            The server cannot be reached, or refuses.
        """
        arguments: list[str | float] = [
            MAX_AHEAD_SECONDS,
            booking.number,
            len(rates),
            booking.at_before,
        ]
        for at, rate in enumerate(rates):
            arguments += [
                rate.name,
                rate.capacity,
                booking.cost[at],
                booking.levels_before[at],
            ]
        await self._run(_GIVE_BACK, line, arguments)

    async def pause(self, line: str, seconds: float) -> None:
        """Book nothing before some time has passed; the longest pause wins.

        Parameters
        ----------
        line : str
        seconds : float

        Raises
        ------
        StoreAwayError
            The server cannot be reached, or refuses.
        """
        await self._run(_PAUSE, line, [MAX_AHEAD_SECONDS, seconds])

    async def close(self) -> None:
        """Close the running loop's connections; a later call opens them again."""
        try:
            await self._clients.close()
        except (OSError, self._redis.exceptions.RedisError) as exc:
            raise self._away(exc) from None

    async def _run(self, script: str, line: str, arguments: list[str | float]) -> Any:
        texts = [x if isinstance(x, str) else repr(x) for x in arguments]
        try:
            client = self._client
            if client is None:
                client = await self._clients.of_loop()
            run = client.register_script(script)
            return await run(keys=[self._prefix + line], args=texts)
        except (OSError, self._redis.exceptions.RedisError) as exc:
            raise self._away(exc) from None

    def _away(self, error: Exception) -> StoreAwayError:
        # Without its text and without a cause: both may hold the URL's password.
        return StoreAwayError(
            f"The Redis server of shared limits cannot be used ({type(error).__name__})"
            "; see that it runs and that its URL is right."
        )

    def _made(self) -> Any:
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        return self._redis.asyncio.Redis.from_url(
            self._url or "",
            socket_timeout=self._timeout_seconds,
            socket_connect_timeout=self._timeout_seconds,
            retry=Retry(NoBackoff(), 0),
        )

    def __repr__(self) -> str:
        return "<RedisLimitStore>"
