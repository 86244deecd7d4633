"""Items that are too much at once are sent in halves, and come back in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from contexter_nb.core import DecodingError, ErrorCategory
from contexter_nb.policies._category import category_of

T = TypeVar("T")
R = TypeVar("R")

# A size refused twice, of different items, is a limit and no chance.
REFUSALS_OF_A_LIMIT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitOutcome(Generic[R]):
    """What became of one item.

    Attributes
    ----------
    index : int
        Its place among the items given, from 0.
    value : object or None
        Its result; None where there is an error.
    error : Exception or None
        Why there is none.
    sent : bool
        Whether it was sent at all; not, where the sending was ended before its turn.
    """

    index: int
    value: R | None = None
    error: Exception | None = None
    sent: bool = True


async def run_split(
    items: Sequence[T],
    call: Callable[[Sequence[T]], Awaitable[Sequence[R]]],
    *,
    too_large: Callable[[BaseException], bool] | None = None,
) -> list[SplitOutcome[R]]:
    """Send items together, and what is too large in halves, down to single ones.

    Parts are sent one after another. A size that was refused for two different parts
    is not tried a third time.

    Parameters
    ----------
    items : sequence, n items
    call : callable
        Takes some of the items and returns one result for each, in their order.
    too_large : callable, optional
        Takes an error; whether fewer items would do. By default whether its category
        is `ErrorCategory.TOO_LARGE`.

    Returns
    -------
    list of SplitOutcome, n items
        In the order of `items`. An item too large by itself has the error, with a note
        that names its place; the others go on. After any other error nothing more is
        sent: its items have it, and so has the rest, as not sent.

    Raises
    ------
    Exception
        What `call` raised, where no item has an outcome yet and fewer items would not
        do; and at any time where it is a bug (`ErrorCategory.UNKNOWN`).
    DecodingError
        `call` returned another number of results than it was given items.

    Examples
    --------
    >>> from contexter_nb.bridge import run
    >>> from contexter_nb.core import HTTPError
    >>> async def lengths(texts):
    ...     if len(texts) > 2:
    ...         raise HTTPError("Too large.", status_code=413)
    ...     return [len(text) for text in texts]
    >>> [each.value for each in run(run_split(["a", "bb", "ccc", "d"], lengths))]
    [1, 2, 3, 1]
    """
    fits_not = too_large or _is_too_large
    outcomes: list[SplitOutcome[R]] = []
    waiting = [(0, len(items))] if items else []
    refused: Counter[int] = Counter()
    while waiting:
        start, end = waiting.pop()
        if end - start > 1 and end - start >= _limit(refused):
            waiting += _halves(start, end)
            continue
        part = items[start:end]
        try:
            results = await call(part)
        except Exception as exc:
            if fits_not(exc) and len(part) > 1:
                refused[len(part)] += 1
                waiting += _halves(start, end)
                continue
            if not fits_not(exc) and _must_be_raised(exc, outcomes):
                raise
            if fits_not(exc):
                exc.add_note(f"Item {start} is too large by itself.")
            outcomes += _failed(exc, range(start, end))
            if not fits_not(exc):
                outcomes += _failed(exc, range(end, len(items)), sent=False)
                return outcomes
        else:
            outcomes += _done(results, start, end)
    return outcomes


def _is_too_large(error: BaseException) -> bool:
    return category_of(error) is ErrorCategory.TOO_LARGE


def _must_be_raised(error: Exception, outcomes: list[SplitOutcome[R]]) -> bool:
    return not outcomes or category_of(error) is ErrorCategory.UNKNOWN


def _limit(refused: Counter[int]) -> float:
    """Return the smallest size that was refused often enough."""
    often = [size for size, times in refused.items() if times >= REFUSALS_OF_A_LIMIT]
    return min(often, default=float("inf"))


def _halves(start: int, end: int) -> list[tuple[int, int]]:
    """Return both halves, the one that comes next last."""
    middle = (start + end + 1) // 2
    return [(middle, end), (start, middle)]


def _failed(
    error: Exception, indexes: range, *, sent: bool = True
) -> list[SplitOutcome[R]]:
    return [SplitOutcome(index=each, error=error, sent=sent) for each in indexes]


def _done(results: Sequence[R], start: int, end: int) -> list[SplitOutcome[R]]:
    if len(results) != end - start:
        raise DecodingError(
            f"{end - start} items were sent and {len(results)} results came back; "
            "none can be told from another, so check the service."
        )
    return [
        SplitOutcome(index=start + place, value=result)
        for place, result in enumerate(results)
    ]
