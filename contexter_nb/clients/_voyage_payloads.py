"""What a caller gives to be embedded: checked, and each of it once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from contexter_nb.clients._voyage_batches import Item
from contexter_nb.clients._voyage_plan import Payload, text_problem
from contexter_nb.core import InvalidArgumentError


def listed(given: Any, name: str) -> list[Any]:
    """Return a sequence as a list; one text alone is a slip that would go far.

    Parameters
    ----------
    given : object
    name : str
        For the message.

    Raises
    ------
    InvalidArgumentError
        It is one text, or nothing that can be gone through.

    Examples
    --------
    >>> listed(("a", "b"), "texts")
    ['a', 'b']
    """
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InvalidArgumentError(
            f"{name} is {type(given).__name__}; give a list of texts."
        )
    return list(given)


def document_problem(chunks: Sequence[object]) -> str | None:
    """Return why a document cannot be embedded, or None where it can.

    Parameters
    ----------
    chunks : sequence of str

    Examples
    --------
    >>> document_problem(["text", ""])
    'chunk 1 is empty or blank'
    """
    if not chunks:
        return "without a chunk"
    found = [
        f"chunk {place} is {problem}"
        for place, chunk in enumerate(chunks)
        if (problem := text_problem(chunk)) is not None
    ]
    return found[0] if found else None


def distinct(payloads: Sequence[Payload], problems: Mapping[int, str]) -> list[Item]:
    """Return each text or document once, with all places where it stands.

    Parameters
    ----------
    payloads : sequence of str or of tuple of str
    problems : mapping of int to str
        By place; what has one is left out.

    Examples
    --------
    >>> [(each.payload, each.positions) for each in distinct(["a", "b", "a"], {})]
    [('a', [0, 2]), ('b', [1])]
    """
    items: dict[Payload, Item] = {}
    for place, payload in enumerate(payloads):
        if place in problems:
            continue
        item = items.get(payload)
        if item is None:
            item = items[payload] = Item(payload)
        item.positions.append(place)
    return list(items.values())
