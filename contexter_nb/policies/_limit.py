"""The rate limiter: whoever must wait does so in line, and nobody is let down."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

from contexter_nb.core import Clock, InvalidArgumentError, SystemClock
from contexter_nb.policies._bucket import Amounts
from contexter_nb.policies._limit_config import (
    RateLimitConfig,
    check_cost,
    check_wait,
    read_amounts,
)
from contexter_nb.policies._limit_grant import Grant, LimiterStatus, describe
from contexter_nb.policies._limit_local import LocalLimit
from contexter_nb.policies._limit_shared import SharedLimit
from contexter_nb.policies._limit_store import LimitStore

MAX_PAUSE_SECONDS = 3600.0


class TokenBucketRateLimiter:
    """Let calls through at the rate a service allows, in the order they came.

    All dimensions of a call are paid at once or not at all, so a heavy call is neither
    starved nor overtaken. May be used from several event loops and threads at once.

    Parameters
    ----------
    config : RateLimitConfig
    name : str
        For messages; limiters of the same name share a store's limit.
    clock : Clock
    store : LimitStore, optional
        Shares the limit with other processes. While it is away, each keeps to its part.
    expected_processes : int, default 2
        How many parts the limit has then; from 1 on.
    retry_store_seconds : float, default 5
        When a store that was away is tried again.

    Raises
    ------
    InvalidArgumentError
        `expected_processes` is below 1, or `retry_store_seconds` negative.

    Examples
    --------
    >>> from contexter_nb.bridge import run
    >>> async def main():
    ...     limiter = TokenBucketRateLimiter(
    ...         RateLimitConfig(requests_per_minute=600, tokens_per_minute=90_000)
    ...     )
    ...     grant = await limiter.acquire({"tokens": 1_000})
    ...     grant.settle({"tokens": 900})
    ...     return limiter.get_status().granted
    >>> run(main())
    1
    """

    def __init__(
        self,
        config: RateLimitConfig | None = None,
        *,
        name: str = "",
        clock: Clock | None = None,
        store: LimitStore | None = None,
        expected_processes: int = 2,
        retry_store_seconds: float = 5.0,
    ) -> None:
        config = RateLimitConfig() if config is None else config
        if not expected_processes >= 1:
            raise InvalidArgumentError(
                f"expected_processes is {expected_processes!r}; give a whole number "
                "from 1 on."
            )
        check_wait("retry_store_seconds", retry_store_seconds)
        self.config = config
        self.name = name
        self._clock = SystemClock() if clock is None else clock
        self._rates = config.rates()
        self._usual = tuple(float(rate.name == "requests") for rate in self._rates)
        self._per_key = config.per_key_limit
        self._max_wait_seconds = check_wait("", config.max_wait_seconds)
        self._local = LocalLimit(self._rates, config.max_keys, name, self._clock)
        self._shared = (
            None
            if store is None
            else SharedLimit(
                self._rates,
                config.max_keys,
                name,
                self._clock,
                store,
                expected_processes,
                retry_store_seconds,
            )
        )

    async def acquire(
        self,
        cost: Mapping[str, float] | None = None,
        *,
        key: str | None = None,
        max_wait_seconds: float | None = None,
    ) -> Grant:
        """Wait until a call may be sent.

        A wait that is cancelled pays nothing and delays nobody.

        Parameters
        ----------
        cost : mapping of str to float, optional
            What the call takes of ``requests`` (1 unless given) and ``tokens`` (0).
        key : str, optional
            Whose limit; needed with `per_key_limit`, without a meaning otherwise.
        max_wait_seconds : float, optional
            How long it may wait; the configured bound holds, too.

        Returns
        -------
        Grant
            With the seconds waited; to be given back where nothing is sent, and settled
            where the true cost is known later.

        Raises
        ------
        RateLimitExceededError
            It would wait longer than it may: at once, with nothing paid. With a store
            this is known only when it has answered; then within the time allowed.
        InvalidArgumentError
            The cost passes the burst, a dimension is unknown, or the key is missing.
        ClientClosedError
            The limiter was closed, also while waiting.
        """
        amounts = self._usual if cost is None else self._amounts(cost)
        key = self._checked(key) if self._per_key else None
        if self._shared is None:
            grant = self._local.take(amounts, key)
            if grant is not None:
                return grant
        longest = self._max_wait_seconds
        if max_wait_seconds is not None:
            longest = min(longest, check_wait("max_wait_seconds", max_wait_seconds))
        if self._shared is not None:
            return await self._shared.wait(amounts, key, longest)
        return await self._local.wait(amounts, key, longest)

    def try_acquire(
        self, cost: Mapping[str, float] | None = None, *, key: str | None = None
    ) -> Grant | None:
        """Return leave to send now, or None: nobody who waits is overtaken.

        Parameters
        ----------
        cost : mapping of str to float, optional
            As of `acquire`.
        key : str, optional
            As of `acquire`.

        Raises
        ------
        InvalidArgumentError
            As of `acquire`; or the limit is shared by a store, which can only be asked
            with `acquire`.
        ClientClosedError
            The limiter was closed.
        """
        amounts = self._usual if cost is None else self._amounts(cost)
        if self._shared is not None:
            raise InvalidArgumentError(
                "A shared limit cannot be asked without waiting for its store; "
                "use acquire(max_wait_seconds=0)."
            )
        return self._local.take(amounts, self._checked(key))

    def pause(self, seconds: float, *, key: str | None = None) -> None:
        """Let nobody through for some time, as a service asked (429, Retry-After).

        Parameters
        ----------
        seconds : float
            From now; the longest pause wins, an hour at most. Nothing for 0 or less.
        key : str, optional
            Whose calls; those of all keys where it is not given.

        Raises
        ------
        InvalidArgumentError
            `seconds` is no number.
        """
        if not isinstance(seconds, int | float) or isnan(seconds):
            raise InvalidArgumentError(f"A pause is {seconds!r}; give seconds.")
        if seconds > 0:
            limit = self._shared or self._local
            key = key if self._per_key else None
            limit.pause(
                min(seconds, MAX_PAUSE_SECONDS),
                key,
                all_keys=self._per_key and key is None,
            )

    def get_status(self, key: str | None = None) -> LimiterStatus:
        """Return how things stand now.

        Parameters
        ----------
        key : str, optional
            Whose limit; all keys together where it is not given. One that is not known
            has a new bucket and is not made by asking.
        """
        key = key if self._per_key else None
        now = self._clock.now()
        if self._shared is None:
            return self._local_status(key, now)
        return self._shared_status(self._shared, key, now)

    def _local_status(self, key: str | None, now: float) -> LimiterStatus:
        keyed = self._local.keyed
        with self._local.guard:
            bucket = keyed.bucket(key, now)
            if self._per_key and key is None:
                lines = [*keyed.lines.values(), keyed.gone]
            else:
                lines = [keyed.lines[key]] if key in keyed.lines else []
            return LimiterStatus(
                name=self.name,
                key=key,
                dimensions=describe(bucket),
                waiting=sum(len(line.waiters) for line in lines),
                granted=sum(line.granted for line in lines),
                refused=sum(line.refused for line in lines),
                waited_seconds=sum(line.waited_seconds for line in lines),
                paused_seconds=max(0.0, bucket.paused_until - now),
                keys=len(self.keys()),
            )

    def _shared_status(
        self, shared: SharedLimit, key: str | None, now: float
    ) -> LimiterStatus:
        with shared.guard:
            bucket, paused_until = shared.view(key, now)
            if self._per_key and key is None:
                lines = [*shared.lines.values(), shared.gone]
            else:
                lines = [shared.lines[key]] if key in shared.lines else []
            return LimiterStatus(
                name=self.name,
                key=key,
                dimensions=describe(bucket),
                waiting=sum(line.waiting() for line in lines),
                granted=sum(line.granted for line in lines),
                refused=sum(line.refused for line in lines),
                waited_seconds=sum(line.waited_seconds for line in lines),
                paused_seconds=max(0.0, paused_until - now),
                keys=len(self.keys()),
                shared="away" if shared.away else "reached",
                store_failures=shared.failures,
                local_grants=sum(line.local_grants for line in lines),
            )

    def keys(self) -> tuple[str, ...]:
        """Return the keys that are remembered, the longest unused first."""
        if self._shared is not None:
            with self._shared.guard:
                return tuple(key for key in self._shared.lines if key is not None)
        with self._local.guard:
            return tuple(key for key in self._local.keyed.lines if key is not None)

    async def close(self) -> None:
        """Refuse newcomers and those who wait; let go of the store.

        A store that other limiters use, too, opens again with their next call.
        """
        self._local.close()
        if self._shared is not None:
            await self._shared.close()

    def _amounts(self, cost: Mapping[str, float]) -> Amounts:
        amounts = read_amounts(self._rates, cost, self._usual)
        check_cost(self._rates, amounts)
        return amounts

    def _checked(self, key: str | None) -> str | None:
        if not self._per_key:
            return None
        if not isinstance(key, str) or not key:
            raise InvalidArgumentError(
                "This limiter has a limit a key, and the call names none; give key=."
            )
        return key

    def __repr__(self) -> str:
        return f"<TokenBucketRateLimiter {self.name or 'without a name'}>"
