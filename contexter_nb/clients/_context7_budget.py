"""Documentation cut to a number of tokens, at a place where it makes sense."""

from __future__ import annotations

from contexter_nb.clients._context7_answers import Snippet
from contexter_nb.clients._context7_decode import (
    BYTES_PER_TOKEN,
    estimated_tokens,
    rendered,
)
from contexter_nb.core import InvalidArgumentError


def budget_of(token_limit: int | None, contexts: int) -> int | None:
    """Return each context's part of a limit.

    Parameters
    ----------
    token_limit : int or None
        For all of them; None for no limit. 0 is not taken for None.
    contexts : int
        How many share it.

    Raises
    ------
    InvalidArgumentError
        Nothing would be left for each.

    Examples
    --------
    >>> budget_of(10_000, 3)
    3333
    """
    if token_limit is None:
        return None
    is_count = isinstance(token_limit, int) and not isinstance(token_limit, bool)
    if not is_count or token_limit < max(1, contexts):
        raise InvalidArgumentError(
            f"token_limit is {token_limit!r}, to be shared by {contexts} contexts; "
            f"give a whole number from {max(1, contexts)}, or None for no limit."
        )
    return token_limit // max(1, contexts)


def cut(
    text: str, snippets: tuple[Snippet, ...], budget: int | None
) -> tuple[str, tuple[Snippet, ...], bool]:
    """Return what fits, whole snippets or whole paragraphs, and whether some did not.

    Parameters
    ----------
    text : str
    snippets : tuple of Snippet
        Empty where there is only the text.
    budget : int or None
        In tokens.
    """
    if budget is None:
        return text, snippets, False
    if not snippets:
        shorter = _cut_text(text, budget)
        return shorter, (), shorter != text
    kept: list[Snippet] = []
    left = budget
    for snippet in snippets:
        # Those further down are less to the point, but a small one may still fit.
        if snippet.tokens <= left:
            kept.append(snippet)
            left -= snippet.tokens
    if len(kept) == len(snippets):
        return text, snippets, False
    return "\n\n".join(map(rendered, kept)), tuple(kept), True


def _cut_text(text: str, budget: int) -> str:
    if estimated_tokens(text) <= budget:
        return text
    start = text.encode("utf-8", "replace")[: budget * BYTES_PER_TOKEN]
    shorter = start.decode("utf-8", "ignore")
    for end in ("\n\n", "\n", " "):
        at = shorter.rfind(end)
        if at > len(shorter) // 2:
            return shorter[:at]
    return shorter
