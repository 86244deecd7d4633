"""What the API core counted, as records of the frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from contexter_nb.clients import APIClient
from contexter_nb.core import CallRecord
from contexter_nb.policies import Alert, APIMetrics, BreakerStatus, TierStats
from contexter_nb.retrieval import EmbeddingCounts

Record = dict[str, Any]

# Of an account's fingerprint, as of a commit's.
KEY_CHARS = 8


def request_record(call: CallRecord) -> Record:
    """Return a call as a row of ``requests``."""
    trace = call.trace
    return {
        "started_at": call.started_at.isoformat(),
        "service": call.service,
        "operation": call.operation,
        "method": call.method,
        "host": call.host,
        "outcome": call.outcome,
        "status_code": call.status_code,
        "category": str(call.category) if call.category else None,
        "error": call.error_type,
        "attempts": trace.sent,
        "refused": trace.refused,
        "total_ms": trace.total_seconds * 1000,
        "network_ms": trace.network_seconds * 1000,
        "limiter_wait_ms": trace.limiter_wait_seconds * 1000,
        "bulkhead_wait_ms": trace.bulkhead_wait_seconds * 1000,
        "backoff_ms": trace.backoff_seconds * 1000,
        "cache_tier": trace.cache_tier,
        "was_coalesced": trace.coalesced,
        "was_stale": trace.stale,
        "request_bytes": trace.request_bytes,
        "response_bytes": trace.response_bytes,
        "tokens": call.usage.tokens,
        "usd": call.usage.usd,
        "request_id": call.request_id,
        "trace": trace,
    }


def metrics_record(metrics: APIMetrics) -> Record:
    """Return an operation's counts as a row of ``metrics``."""
    return metrics.to_dict()


def alert_record(alert: Alert, first_calls: Mapping[str, datetime]) -> Record:
    """Return an alert as a row of ``alerts``, for a session with these first calls."""
    asked_at = first_calls.get(alert.service)
    own = asked_at is not None and (
        alert.closed_at is None or asked_at <= alert.closed_at
    )
    return {
        "service": alert.service,
        "kind": alert.kind,
        "state": "open" if alert.closed_at is None else "closed",
        "own": own,
        "value": alert.value,
        "threshold": alert.threshold,
        "message": alert.message,
        "opened_at": alert.opened_at.isoformat(),
        "closed_at": alert.closed_at.isoformat() if alert.closed_at else None,
    }


def limit_records(clients: Iterable[APIClient]) -> Iterator[Record]:
    """Yield the limits and breakers of some clients; a shared limiter once."""
    seen: set[int] = set()
    for client in clients:
        limiter = client.limiter
        if limiter is not None and id(limiter) not in seen:
            seen.add(id(limiter))
            for key in limiter.keys() or (None,):
                yield from _limiter_records(client, key)
        for breaker in client.breaker_statuses():
            yield _breaker_record(breaker)


def _limiter_records(client: APIClient, key: str | None) -> Iterator[Record]:
    assert client.limiter is not None
    status = client.limiter.get_status(key)
    state = "free"
    if status.paused_seconds > 0:
        state = "paused"
    elif status.waiting:
        state = "waiting"
    service, account, model = whose_limit(status.name, client.service)
    for name, dimension in status.dimensions.items():
        yield {
            "service": service,
            "kind": name,
            "key": account or key,
            "model": model,
            "state": state,
            "limit_per_minute": dimension.limit_per_minute,
            "burst": dimension.capacity,
            "available": dimension.available,
            "waiting": status.waiting,
            "waited_seconds": status.waited_seconds,
            "granted": status.granted,
            "refused": status.refused,
            "paused_seconds": status.paused_seconds,
            "store": status.shared,
        }


def whose_limit(name: str, service: str) -> tuple[str, str | None, str | None]:
    """Return the service, the account and the model that a limiter is named after.

    Parameters
    ----------
    name : str
        The limiter's. Behind a service's name stand the account's fingerprint and,
        where each model has a limit of its own, the model.
    service : str
        Of the client that goes by it.

    Examples
    --------
    >>> whose_limit("voyage 0123456789abcdef voyage-4", "voyage")
    ('voyage', '01234567', 'voyage-4')
    >>> whose_limit("paced", "paced"), whose_limit("", "catalog")
    (('paced', None, None), ('catalog', None, None))
    """
    if not name.startswith(f"{service} "):
        return name or service, None, None
    account, _, model = name.removeprefix(f"{service} ").partition(" ")
    return service, account[:KEY_CHARS], model or None


def _breaker_record(breaker: BreakerStatus) -> Record:
    return {
        "service": breaker.service,
        "kind": "breaker",
        "key": breaker.host,
        "state": breaker.state,
        "waiting": 0,
        "granted": breaker.calls,
        "refused": breaker.failures,
        "paused_seconds": breaker.retry_after_seconds,
        "store": "local",
    }


def embeddings_record(counts: EmbeddingCounts) -> Record:
    """Return the counts of the embeddings on disk as a row of ``cache_stats``."""
    return {
        "cache": "embeddings",
        "tier": "disk",
        "lookups": counts.lookups,
        "hits": counts.hits,
        "misses": counts.lookups - counts.hits,
        "hit_rate": counts.hits / counts.lookups if counts.lookups else None,
        "stale": 0,
        "expired": 0,
        "coalesced": 0,
        "evictions": counts.evictions,
        "errors": 0,
        "entries": counts.entries,
        "stored_bytes": counts.stored_bytes,
        "budget_bytes": counts.budget_bytes,
        "saved_seconds": 0.0,
        "saved_tokens": counts.saved_tokens,
        "saved_usd": 0.0,
    }


def tier_record(cache: str, tier: TierStats) -> Record:
    """Return a tier's counts as a row of ``cache_stats``."""
    lookups = tier.hits + tier.misses + tier.stale
    return {
        "cache": cache,
        "tier": tier.tier,
        "lookups": lookups,
        "hits": tier.hits,
        "misses": tier.misses,
        "hit_rate": tier.hits / lookups if lookups else None,
        "stale": tier.stale,
        "expired": tier.expired,
        "coalesced": tier.coalesced,
        "evictions": tier.evictions,
        "errors": tier.errors,
        "entries": tier.entries,
        "stored_bytes": tier.bytes,
        "budget_bytes": tier.budget_bytes,
        "saved_seconds": tier.saved_seconds,
        "saved_tokens": tier.saved_tokens,
        "saved_usd": tier.saved_usd,
    }
