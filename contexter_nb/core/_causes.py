"""What an error came of: its causes, however deep, in groups and in rings."""

from __future__ import annotations

from collections.abc import Iterator


def causes_of(
    error: BaseException, *, suppressed: bool = False
) -> Iterator[BaseException]:
    """Yield an error and all that it came of, each once.

    Parameters
    ----------
    error : BaseException
        Comes first.
    suppressed : bool, default False
        Whether what an error was raised ``from None`` of is among them.

    Returns
    -------
    iterator of BaseException
        Causes, contexts and the members of groups, in no promised order.

    Examples
    --------
    >>> try:
    ...     try:
    ...         {}["key"]
    ...     except KeyError as error:
    ...         raise ValueError("no such name") from error
    ... except ValueError as error:
    ...     [type(each).__name__ for each in causes_of(error)]
    ['ValueError', 'KeyError']
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting.append(each.__cause__)
        if suppressed or not each.__suppress_context__:
            waiting.append(each.__context__)
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
