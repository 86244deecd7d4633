"""What indexing will cost and what was spent, as records of the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contexter_nb.policies import CostRow
    from contexter_nb.retrieval import Estimate

Record = dict[str, Any]


def estimate_record(
    estimate: Estimate, *, library: str, version: str, unchanged: int
) -> Record:
    """Return what indexing a library would take as a row of ``estimate``.

    `unchanged` passages are stored already, and are none of the estimate's texts.
    """
    return {
        "library": library,
        "version": version,
        "chunks": estimate.texts + unchanged,
        "unchanged": unchanged,
        "in_cache": estimate.cached,
        "embedded": estimate.texts - estimate.cached,
        "tokens": estimate.tokens,
        "requests": estimate.requests,
        "usd": estimate.usd,
        "seconds": round(estimate.seconds, 3),
        "assumption": estimate.assumption,
    }


def cost_record(row: CostRow) -> Record:
    """Return a day of one model as a row of ``costs``."""
    return {
        "day": row.day.isoformat(),
        "service": row.service,
        "model": row.model,
        "calls": row.calls,
        "tokens": row.tokens,
        "usd": row.usd,
        "saved_calls": row.saved_calls,
        "saved_tokens": row.saved_tokens,
        "saved_usd": row.saved_usd,
    }
