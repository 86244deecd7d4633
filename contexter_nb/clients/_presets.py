"""Clients with one policy put in place by name."""

from __future__ import annotations

from typing import Any

from contexter_nb.clients._client import APIClient
from contexter_nb.policies import APIMonitor, RateLimitConfig, TokenBucketRateLimiter


class RateLimitingAPIClient(APIClient):
    """An `APIClient` with a rate limit of its own.

    Parameters
    ----------
    service : str
    base_url : str
    rate_limit : RateLimitConfig
        By default 60 requests a minute.
    **options
        As of `APIClient`, without ``limiter``.
    """

    def __init__(
        self,
        service: str,
        base_url: str,
        *,
        rate_limit: RateLimitConfig | None = None,
        **options: Any,
    ) -> None:
        config = rate_limit or RateLimitConfig()
        limiter = TokenBucketRateLimiter(config, name=service, **_clock_of(options))
        super().__init__(service, base_url, limiter=limiter, **options)


class MonitoredAPIClient(APIClient):
    """An `APIClient` with a monitor of its own, apart from `api_monitor`.

    Parameters
    ----------
    service : str
    base_url : str
    monitor : APIMonitor, optional
        By default a new one.
    **options
        As of `APIClient`.
    """

    def __init__(
        self,
        service: str,
        base_url: str,
        *,
        monitor: APIMonitor | None = None,
        **options: Any,
    ) -> None:
        mine = monitor or APIMonitor(**_clock_of(options))
        super().__init__(service, base_url, monitor=mine, **options)


def _clock_of(options: dict[str, Any]) -> dict[str, Any]:
    clock = options.get("clock")
    return {} if clock is None else {"clock": clock}
