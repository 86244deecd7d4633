"""What a GraphQL document would do, read without a schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from contexter_nb.core import InvalidArgumentError, type_in_words

Kind = Literal["query", "mutation", "subscription"]

_KINDS: dict[str, Kind] = {
    "query": "query",
    "mutation": "mutation",
    "subscription": "subscription",
}
_PAIRS = {"(": ")", "[": "]", "{": "}"}
_NAMES_SHOWN = 10
# Possessive throughout: no text makes it look at a character twice.
_TOKEN = re.compile(
    r'(?P<block>"""(?:[^"\\]|\\"""|\\|"(?!""))*+(?P<block_end>""")?)'
    r'|(?P<string>"(?:[^"\\\n\r]|\\[^\n\r])*+(?P<string_end>")?)'
    r"|(?P<comment>\#[^\n\r]*+)"
    r"|(?P<bracket>[{}()\[\]])"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*+)"
    r"|(?P<mark>[$:@])"
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a document.

    Attributes
    ----------
    name : str or None
        None where it has none.
    variables : frozenset of str
        Names of the variables it declares, without the dollar sign.
    """

    kind: Kind
    name: str | None
    variables: frozenset[str] = frozenset()


def operations_of(document: str) -> tuple[Operation, ...]:
    """Return the operations of a document, in order.

    Whether the document is right is for the service to say; here it is read as far as
    is needed to know what would be done, in time that grows with its length.

    Parameters
    ----------
    document : str
        GraphQL source. Strings and comments do not count, fragments are passed over.

    Raises
    ------
    InvalidArgumentError
        A string or a bracket is not closed, or something stands outside of operations
        and fragments.

    Examples
    --------
    >>> operations_of("query Q($id: ID!) { node(id: $id) { name } }")[0].name
    'Q'

    Source
    ------
    GraphQL specification, September 2025, sections 2.1 (source text), 2.3 (operations)
    and 2.9.4 (strings), read 2026-11-23.
    """
    tokens = _tokens(document)
    closing = _closing(tokens)
    found: list[Operation] = []
    at = 0
    while at < len(tokens):
        word = tokens[at]
        if word == "{":
            found.append(Operation("query", None))
            at = closing[at] + 1
            continue
        if word not in _KINDS and word != "fragment":
            raise InvalidArgumentError(
                f"The GraphQL document has {word[:40]!r} where a query, a mutation or "
                "a fragment begins; send operations only."
            )
        brace = _selection(tokens, closing, at)
        if word in _KINDS:
            found.append(_operation(tokens[at:brace]))
        at = closing[brace] + 1
    return tuple(found)


def chosen_operation(document: str, name: str | None) -> Operation:
    """Return the operation that a service would execute.

    Parameters
    ----------
    document : str
        GraphQL source.
    name : str or None
        Which, where there are several.

    Raises
    ------
    InvalidArgumentError
        There is none, or several and none or no such is named; or as of
        `operations_of`.
    """
    found = operations_of(document)
    if not found:
        raise InvalidArgumentError(
            "The GraphQL document has no operation; write one, as '{ me { name } }'."
        )
    if name is None:
        if len(found) > 1:
            raise InvalidArgumentError(
                f"The GraphQL document has several operations ({_listed(found)}); "
                "choose one with operation_name=...."
            )
        return found[0]
    named = [each for each in found if each.name == name]
    if len(named) > 1:
        raise InvalidArgumentError(
            f"The GraphQL document has {str(name)[:40]!r} {len(named)} times; name "
            "each operation once."
        )
    if not named:
        raise InvalidArgumentError(
            f"The GraphQL document has no operation {str(name)[:40]!r}; it has "
            f"{_listed(found)}."
        )
    return named[0]


def _listed(found: tuple[Operation, ...]) -> str:
    names = [(each.name or "one without a name")[:40] for each in found]
    more = len(names) - _NAMES_SHOWN
    shown = ", ".join(names[:_NAMES_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


def _tokens(document: str) -> list[str]:
    """Return brackets, names, ``$``, ``:`` and ``@``; nothing of strings, comments."""
    if not isinstance(document, str):
        raise InvalidArgumentError(
            f"The GraphQL document is {type_in_words(document)}; give its source."
        )
    found = []
    for match in _TOKEN.finditer(document):
        kind = match.lastgroup
        if kind in ("bracket", "name", "mark"):
            found.append(match[0])
        elif kind in ("block", "string") and match[f"{kind}_end"] is None:
            line = document.count("\n", 0, match.start()) + 1
            raise InvalidArgumentError(
                f"The GraphQL document has a string in line {line} that is not closed."
            )
    return found


def _closing(tokens: list[str]) -> dict[int, int]:
    """Return where the bracket at each place is closed."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for place, token in enumerate(tokens):
        if token in _PAIRS:
            opened.append(place)
        elif token in _PAIRS.values():
            if not opened or _PAIRS[tokens[opened[-1]]] != token:
                raise InvalidArgumentError(
                    f"The GraphQL document has a {token!r} that closes nothing."
                )
            found[opened.pop()] = place
    if opened:
        raise InvalidArgumentError(
            f"The GraphQL document has a {tokens[opened[-1]]!r} that is not closed."
        )
    return found


def _selection(tokens: list[str], closing: dict[int, int], at: int) -> int:
    """Return where the braces of the definition at a place begin."""
    place = at + 1
    while place < len(tokens) and tokens[place] != "{":
        place = closing.get(place, place) + 1
    if place >= len(tokens):
        raise InvalidArgumentError(
            f"The GraphQL document has a {tokens[at]} without braces; write one, as "
            "'{ me { name } }'."
        )
    return place


def _operation(head: list[str]) -> Operation:
    """Return what stands before the braces: ``query Name($a: Int) @directive``."""
    rest = head[1:]
    name = rest[0] if rest and (rest[0][0].isalpha() or rest[0][0] == "_") else None
    inner = rest if name is None else rest[1:]
    return Operation(_KINDS[head[0]], name, frozenset(_declared(inner)))


def _declared(tokens: list[str]) -> Iterator[str]:
    """Yield the variables that the parentheses at the beginning declare."""
    if not tokens or tokens[0] != "(":
        return
    depth = 0
    for place, token in enumerate(tokens):
        depth += (token in _PAIRS) - (token in _PAIRS.values())
        if depth == 0:
            return
        if token == "$" and depth == 1 and tokens[place + 2 : place + 3] == [":"]:
            yield tokens[place + 1]
