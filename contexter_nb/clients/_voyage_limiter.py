"""One rate limiter for all models of an account, each with a limit of its own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from math import inf

from contexter_nb.clients._voyage_models import VoyageModel
from contexter_nb.clients._voyage_tiers import (
    FREE,
    FREE_REQUESTS_PER_MINUTE,
    FREE_TOKENS_PER_MINUTE,
    checked_tier,
    is_shared_by_models,
    rate_limit,
)
from contexter_nb.core import Clock
from contexter_nb.policies import (
    Grant,
    LimiterStatus,
    LimitStore,
    TokenBucketRateLimiter,
)

# Where so few are let through, more under way would only wait and hold memory.
_SLOW_REQUESTS_PER_MINUTE = 60.0
_SLOW_WINDOW = 2
_AHEAD = 4


class VoyageLimiter(TokenBucketRateLimiter):
    """The limits of a tier: the key of a call is the name of its model.

    Parameters
    ----------
    tier : str
        ``free``, ``tier 1``, ``tier 2`` or ``tier 3``.
    model : VoyageModel
        The one that counts where no key is given.
    name : str
        For messages; limiters of the same name share a store's limit.
    clock : Clock, optional
    store : LimitStore, optional
        Shares the limits with other processes.

    Raises
    ------
    InvalidArgumentError
        There is no such tier.
    """

    def __init__(
        self,
        tier: str,
        model: VoyageModel,
        *,
        name: str = "voyage",
        clock: Clock | None = None,
        store: LimitStore | None = None,
    ) -> None:
        self.tier = checked_tier(tier)
        shared = is_shared_by_models(self.tier)
        super().__init__(
            rate_limit(self.tier, model),
            name=name if shared else f"{name} {model.name}",
            clock=clock,
            store=store,
        )
        self._account = name
        self._store = store
        self._given_clock = clock
        self._guard = threading.Lock()
        self._own = model.name
        self._others: dict[str, TokenBucketRateLimiter] = {}

    def limit_of(self, model: VoyageModel) -> TokenBucketRateLimiter:
        """Return the limiter that a model's calls go by, made where there is none yet.

        Parameters
        ----------
        model : VoyageModel
        """
        if model.name == self._own or is_shared_by_models(self.tier):
            return self
        with self._guard:
            if model.name not in self._others:
                self._others[model.name] = TokenBucketRateLimiter(
                    rate_limit(self.tier, model),
                    name=f"{self._account} {model.name}",
                    clock=self._given_clock,
                    store=self._store,
                )
            return self._others[model.name]

    async def acquire(
        self,
        cost: Mapping[str, float] | None = None,
        *,
        key: str | None = None,
        max_wait_seconds: float | None = None,
    ) -> Grant:
        """Wait until a call may be sent, as of `TokenBucketRateLimiter`.

        Parameters
        ----------
        cost : mapping of str to float, optional
        key : str, optional
            The model's name.
        max_wait_seconds : float, optional
        """
        other = self._others.get(key) if key is not None else None
        if other is not None:
            return await other.acquire(cost, max_wait_seconds=max_wait_seconds)
        return await super().acquire(cost, max_wait_seconds=max_wait_seconds)

    def try_acquire(
        self, cost: Mapping[str, float] | None = None, *, key: str | None = None
    ) -> Grant | None:
        """Return leave to send now, or None, as of `TokenBucketRateLimiter`.

        Parameters
        ----------
        cost : mapping of str to float, optional
        key : str, optional
            The model's name.
        """
        other = self._others.get(key) if key is not None else None
        return other.try_acquire(cost) if other else super().try_acquire(cost)

    def pause(self, seconds: float, *, key: str | None = None) -> None:
        """Let nobody through for some time.

        Parameters
        ----------
        seconds : float
        key : str, optional
            The model's name; all models without one.
        """
        if key is None:
            for each in tuple(self._others.values()):
                each.pause(seconds)
        other = self._others.get(key) if key is not None else None
        if other is not None:
            other.pause(seconds)
        else:
            super().pause(seconds)

    def get_status(self, key: str | None = None) -> LimiterStatus:
        """Return how things stand for a model.

        Parameters
        ----------
        key : str, optional
            Its name; the client's own model without one.
        """
        other = self._others.get(key) if key is not None else None
        if other is not None:
            return other.get_status()
        status = super().get_status()
        if self.tier != FREE:
            return status
        limits = {
            "requests": FREE_REQUESTS_PER_MINUTE,
            "tokens": FREE_TOKENS_PER_MINUTE,
        }
        told = {
            name: replace(each, limit_per_minute=limits[name])
            for name, each in status.dimensions.items()
        }
        return replace(status, dimensions=told)

    def keys(self) -> tuple[str, ...]:
        """Return the models that have a limit of their own; none where all share it."""
        if is_shared_by_models(self.tier):
            return ()
        return (self._own, *self._others)

    async def close(self) -> None:
        """Refuse newcomers and those who wait, for all models."""
        for each in tuple(self._others.values()):
            await each.close()
        await super().close()


def admitted_tokens(limiter: TokenBucketRateLimiter | None) -> float:
    """Return how many tokens a rate limit lets through at once.

    Parameters
    ----------
    limiter : TokenBucketRateLimiter or None
        None for no limit.
    """
    rates = limiter.config.rates() if limiter is not None else ()
    return min((each.capacity for each in rates if each.name == "tokens"), default=inf)


def window_of(limiter: TokenBucketRateLimiter | None, max_concurrency: int) -> int:
    """Return how many requests are worth having under way, those that wait included.

    Parameters
    ----------
    limiter : TokenBucketRateLimiter or None
        None for no limit.
    max_concurrency : int
        That are sent at once.
    """
    rates = limiter.config.rates() if limiter is not None else ()
    slowest = min(
        (each.per_second * 60 for each in rates if each.name == "requests"),
        default=inf,
    )
    if slowest < _SLOW_REQUESTS_PER_MINUTE:
        return _SLOW_WINDOW
    return max_concurrency + _AHEAD
