"""What indexing will cost and what was spent, as records of the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contexter_nb.policies import CostRow
    from contexter_nb.retrieval import SourceEstimate

Record = dict[str, Any]


def estimate_records(found: SourceEstimate) -> list[Record]:
    """Return what indexing a library would take as rows of ``estimate``."""
    estimate = found.estimate
    numbers = {
        "chunks": estimate.texts + found.unchanged,
        "unchanged": found.unchanged,
        "in_cache": estimate.cached,
        "embedded": estimate.texts - estimate.cached,
        "tokens": estimate.tokens,
        "requests": estimate.requests,
        "usd": estimate.usd,
        "seconds": round(estimate.seconds, 3),
    }
    who = {"library": found.library, "version": found.version}
    return [
        {**who, **numbers, "assumption": estimate.assumption},
        *(
            {
                **who,
                **dict.fromkeys(numbers, 0),
                "document": each.title,
                "assumption": "",
                "error": each.error,
            }
            for each in found.problems
        ),
    ]


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
