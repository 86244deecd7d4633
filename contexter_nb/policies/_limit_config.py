"""What a rate limiter is told: the limits, and what one call costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite

from contexter_nb.core import InvalidArgumentError, did_you_mean
from contexter_nb.policies._bucket import Amounts, Rate, Rates

DIMENSIONS = ("requests", "tokens")
DEFAULT_BURST_SHARE = 0.1
DEFAULT_BURST_REQUESTS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitConfig:
    """The limits of a service.

    A full bucket is admitted at once and refills by (limit - burst) / 60 a second, so
    that no window of 60 s passes the limit. Below 2 requests a minute, one is admitted
    at a time, 60 s apart or more.

    Parameters
    ----------
    requests_per_minute : float or None, default 60
        None for no limit.
    tokens_per_minute : float or None
        None for no limit.
    burst_size : float or None
        Requests admitted at once, from 1 on and below the limit; None for a tenth of
        it, from 1 to 10.
    burst_tokens : float or None
        Tokens admitted at once, above 0 and below the limit: the largest cost of one
        call. None for a tenth of the limit.
    per_key_limit : bool, default False
        Whether each key has the limits for itself; every call must name its key then.
    max_keys : int, default 1000
        How many keys are remembered; from 1 on.
    max_wait_seconds : float or None
        How long a call may wait; None for as long as it takes.

    Raises
    ------
    InvalidArgumentError
        A value is out of its range.

    Examples
    --------
    >>> RateLimitConfig(requests_per_minute=60, burst_size=6).rates()[0].per_second
    0.9
    """

    requests_per_minute: float | None = 60
    tokens_per_minute: float | None = None
    burst_size: float | None = None
    burst_tokens: float | None = None
    per_key_limit: bool = False
    max_keys: int = 1000
    max_wait_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and value > 0):
                raise InvalidArgumentError(
                    f"{name} is {value!r}; give a number above 0, or None for no limit."
                )
        _check_burst("burst_size", self.burst_size, self.requests_per_minute, 1)
        _check_burst("burst_tokens", self.burst_tokens, self.tokens_per_minute, 0)
        keys = self.max_keys
        if not isinstance(keys, int) or isinstance(keys, bool) or keys < 1:
            raise InvalidArgumentError(
                f"max_keys is {keys!r}; give a whole number from 1 on."
            )
        check_wait("max_wait_seconds", self.max_wait_seconds)

    def rates(self) -> Rates:
        """Return the dimensions that are limited, requests first."""
        found = []
        limit = self.requests_per_minute
        if limit is not None:
            burst = self.burst_size
            if burst is None:
                usual = limit * DEFAULT_BURST_SHARE
                burst = max(1.0, min(DEFAULT_BURST_REQUESTS, usual))
            least = min(limit, 1.0) if burst == 1 else 0.0
            per_minute = max(limit - burst, least)
            found.append(Rate("requests", limit, burst, per_minute / 60))
        limit = self.tokens_per_minute
        if limit is not None:
            burst = self.burst_tokens
            if burst is None:
                burst = limit * DEFAULT_BURST_SHARE
            found.append(Rate("tokens", limit, burst, (limit - burst) / 60))
        return tuple(found)


def _is_number(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and isfinite(value)
    )


def _check_burst(
    name: str, burst: float | None, limit: float | None, least: float
) -> None:
    if burst is None:
        return
    if limit is None:
        raise InvalidArgumentError(
            f"{name} is {burst!r} but there is no limit a minute; set that too."
        )
    single = least == 1 and burst == 1
    enough = _is_number(burst) and burst > 0 and burst >= least
    if not enough or (burst >= limit and not single):
        raise InvalidArgumentError(
            f"{name} is {burst!r}; give a number from {least} on and below the limit "
            f"of {limit:g} a minute."
            if least
            else f"{name} is {burst!r}; give a number above 0 and below the limit "
            f"of {limit:g} a minute."
        )


def check_wait(name: str, seconds: float | None) -> float:
    """Return the seconds a call may wait, without end for None.

    Parameters
    ----------
    name : str
        Of the argument, for the message.
    seconds : float or None
        0 or more.

    Raises
    ------
    InvalidArgumentError
        It is negative or no number.
    """
    if seconds is None or seconds == inf:
        return inf
    if not _is_number(seconds) or seconds < 0:
        raise InvalidArgumentError(
            f"{name} is {seconds!r}; give seconds from 0 on, or None for no bound."
        )
    return seconds


def read_amounts(
    rates: Rates, amounts: Mapping[str, float], default: Amounts
) -> Amounts:
    """Return a mapping by dimension as a tuple in the order of `rates`.

    Parameters
    ----------
    rates : tuple of Rate
        Dimensions that are not limited are left out.
    amounts : mapping of str to float
        ``requests``, ``tokens`` or both; 0 or more.
    default : tuple of float
        What counts for a dimension that is not given.

    Raises
    ------
    InvalidArgumentError
        A dimension is unknown, or an amount is negative or no number.
    """
    for name, amount in amounts.items():
        if name not in DIMENSIONS:
            raise InvalidArgumentError(
                f"There is no dimension {name!r}; give requests, tokens or both."
                f"{did_you_mean(str(name), DIMENSIONS)}"
            )
        if not _is_number(amount) or amount < 0:
            raise InvalidArgumentError(
                f"The amount of {name} is {amount!r}; give a number from 0 on."
            )
    return tuple(
        float(amounts.get(rate.name, usual))
        for rate, usual in zip(rates, default, strict=True)
    )


def check_cost(rates: Rates, cost: Amounts) -> None:
    """Refuse a cost that no wait makes possible.

    Parameters
    ----------
    rates : tuple of Rate
    cost : tuple of float

    Raises
    ------
    InvalidArgumentError
        The cost passes the capacity.
    """
    for rate, amount in zip(rates, cost, strict=True):
        if amount > rate.capacity:
            option = "burst_size" if rate.name == "requests" else "burst_tokens"
            raise InvalidArgumentError(
                f"A call of {amount:g} {rate.name} can never be admitted: at most "
                f"{rate.capacity:g} are at once; send smaller parts or raise {option}."
            )
