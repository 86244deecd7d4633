"""What embedding some texts will take, before any of it is paid for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from contexter_nb.core import InvalidArgumentError

_TOKENS_PER_PRICE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How texts go into requests.

    Parameters
    ----------
    max_texts, max_tokens : int
        Of one request, from 1 on. A text beyond the tokens goes alone.
    batch_texts : int or None
        How many texts the embedder is handed at a time, cached ones among them; a
        request never holds texts of two such batches, and they go one after the other.
        None for all at once.

    Raises
    ------
    InvalidArgumentError
        A number is below 1.
    """

    max_texts: int = 1000
    max_tokens: int = 120_000
    batch_texts: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_texts", "max_tokens", "batch_texts"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidArgumentError(f"{name} is {value!r}; give 1 or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast requests go.

    Parameters
    ----------
    requests_per_minute, tokens_per_minute : float or None
        What the rate limit lets through for good; None for no limit.
    burst_requests, burst_tokens : float
        What it lets through at once, at the beginning.
    latency_seconds : float
        From a request to its answer.
    concurrency : int
        Requests under way at once, from 1 on.
    tokens_per_second : float or None
        What the model itself embeds; None where the latency says it all.

    Raises
    ------
    InvalidArgumentError
        A rate or the concurrency is not above 0, or another number is negative.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    burst_requests: float = 1.0
    burst_tokens: float = 0.0
    latency_seconds: float = 0.0
    concurrency: int = 1
    tokens_per_second: float | None = None

    def __post_init__(self) -> None:
        for name in (
            "requests_per_minute",
            "tokens_per_minute",
            "tokens_per_second",
            "concurrency",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidArgumentError(f"{name} is {value!r}; give more than 0.")
        for name in ("burst_requests", "burst_tokens", "latency_seconds"):
            value = getattr(self, name)
            if not value >= 0:
                raise InvalidArgumentError(f"{name} is {value!r}; give 0 or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What embedding some texts will take.

    Attributes
    ----------
    texts, cached : int
        Texts in all, and those of them that the cache holds already.
    tokens : int
        Of the texts that are not cached.
    requests : int
        How many it takes, without any that must be repeated.
    usd : float or None
        US dollars; None where no price is known, which is not the same as free.
    seconds : float
        Time of the embedding alone, waits for rate limits included.
    assumption : str
        What the figures rest on, in sentences.
    """

    texts: int
    tokens: int
    cached: int
    requests: int
    usd: float | None
    seconds: float
    assumption: str


def estimate_embedding(
    token_counts: Sequence[int],
    cached: Sequence[bool],
    *,
    packing: Packing,
    pace: Pace,
    price_per_million_usd: float | None,
    model: str,
) -> Estimate:
    """Estimate tokens, requests, US dollars and seconds of embedding texts.

    Parameters
    ----------
    token_counts : sequence of int, n texts
        In the order in which they will be embedded.
    cached : sequence of bool, n texts
        Whether the cache holds each. A text that comes twice is cached the second time.
    packing : Packing
        How texts go into requests.
    pace : Pace
        How fast requests go.
    price_per_million_usd : float or None
        US dollars for 1,000,000 tokens: 0 for a model that runs here, None where the
        price is not known.
    model : str
        Named in the assumption.

    Returns
    -------
    Estimate
        `seconds` is the longest of three: requests by the limit of requests, tokens by
        the limit of tokens, and the rounds of requests that one after the other take.

    Raises
    ------
    InvalidArgumentError
        The two sequences differ in length.

    Examples
    --------
    >>> found = estimate_embedding(
    ...     [300] * 1000,
    ...     [False] * 900 + [True] * 100,
    ...     packing=Packing(max_texts=1000, max_tokens=120_000),
    ...     pace=Pace(requests_per_minute=3, latency_seconds=1.0),
    ...     price_per_million_usd=0.06,
    ...     model="voyage-4",
    ... )
    >>> found.tokens, found.requests, round(found.usd, 4), found.seconds
    (270000, 3, 0.0162, 41.0)
    """
    if len(token_counts) != len(cached):
        raise InvalidArgumentError(
            f"{len(token_counts)} token counts and {len(cached)} marks of the cache do "
            "not belong together; give one of each for every text."
        )
    batches = list(_requests_by_batch(token_counts, cached, packing))
    missing = [
        count for count, known in zip(token_counts, cached, strict=True) if not known
    ]
    tokens, requests = sum(missing), sum(batches)
    usd = None
    if price_per_million_usd is not None:
        usd = tokens * price_per_million_usd / _TOKENS_PER_PRICE
    elif not tokens:
        usd = 0.0
    return Estimate(
        texts=len(token_counts),
        tokens=tokens,
        cached=len(token_counts) - len(missing),
        requests=requests,
        usd=usd,
        seconds=_seconds(tokens, batches, pace),
        assumption=_assumption(model, price_per_million_usd, packing, pace),
    )


def _requests_by_batch(
    token_counts: Sequence[int], cached: Sequence[bool], packing: Packing
) -> Iterator[int]:
    """Yield how many requests each batch handed to the embedder takes."""
    size = packing.batch_texts or max(1, len(token_counts))
    for start in range(0, len(token_counts), size):
        part = slice(start, start + size)
        yield _packed(
            [
                count
                for count, known in zip(token_counts[part], cached[part], strict=True)
                if not known
            ],
            packing,
        )


def _packed(token_counts: Sequence[int], packing: Packing) -> int:
    """Return into how many requests texts go, in their order."""
    requests = texts = tokens = 0
    for count in token_counts:
        if (
            not requests
            or texts >= packing.max_texts
            or tokens + count > packing.max_tokens
        ):
            requests += 1
            texts = tokens = 0
        texts += 1
        tokens += count
    return requests


def _seconds(tokens: int, batches: Sequence[int], pace: Pace) -> float:
    requests = sum(batches)
    if not requests:
        return 0.0
    # The last request still has to be answered after the limit let it through.
    waits = max(
        _wait(requests - pace.burst_requests, pace.requests_per_minute),
        _wait(tokens - pace.burst_tokens, pace.tokens_per_minute),
    )
    rounds = sum(math.ceil(each / pace.concurrency) for each in batches)
    work = tokens / pace.tokens_per_second if pace.tokens_per_second else 0.0
    return max(waits + pace.latency_seconds, rounds * pace.latency_seconds + work)


def _wait(amount: float, per_minute: float | None) -> float:
    return max(0.0, amount) * 60 / per_minute if per_minute else 0.0


def _assumption(model: str, price: float | None, packing: Packing, pace: Pace) -> str:
    if price is None:
        cost = f"No price of {model} is known; pass one with prices={{...}}"
    elif price == 0:
        cost = f"{model} runs on this machine and costs nothing"
    else:
        cost = (
            f"{model} at {price:g} USD per million tokens, its list price; free tokens "
            "are not taken off"
        )
    limits = [
        f"{value:g} {what} a minute"
        for what, value in (
            ("requests", pace.requests_per_minute),
            ("tokens", pace.tokens_per_minute),
        )
        if value is not None
    ]
    size = (
        f"at most {packing.max_texts} texts and {packing.max_tokens} tokens a request"
    )
    speed = f"{pace.latency_seconds:g} s a request, {pace.concurrency} at once"
    if pace.tokens_per_second is not None:
        speed += f", {pace.tokens_per_second:g} tokens a second"
    return (
        f"{cost}. Token counts are estimates. {size[0].upper()}{size[1:]}; "
        f"{' and '.join(limits) or 'no rate limit'}; {speed}. "
        "No request is repeated."
    )
