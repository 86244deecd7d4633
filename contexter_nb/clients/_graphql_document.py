"""What a GraphQL document would do, read without a schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from contexter_nb.core import InvalidArgumentError

Kind = Literal["query", "mutation", "subscription"]

_SILENT = re.compile(
    r'"""(?:\\"""|[^\\]|\\[^"])*?"""|"(?:\\.|[^"\\\n])*"|#[^\n\r]*|@\s*\w+', re.S
)
_TOKEN = re.compile(r"[{}()\[\]]|\$?[A-Za-z_]\w*")


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

    Parameters
    ----------
    document : str
        GraphQL source. Strings and comments do not count, fragments are passed over.

    Examples
    --------
    >>> operations_of("query Q($id: ID!) { node(id: $id) { name } }")[0].name
    'Q'
    """
    tokens = _TOKEN.findall(_SILENT.sub(" ", document))
    found: list[Operation] = []
    at = 0
    while at < len(tokens):
        word = tokens[at]
        if word == "{":
            found.append(Operation("query", None))
            at = _past(tokens, at)
        elif word in ("query", "mutation", "subscription"):
            operation, at = _operation(tokens, at)
            found.append(operation)
        elif word in "([":
            at = _past(tokens, at)
        elif word == "fragment":
            at = _past(tokens, _brace(tokens, at))
        else:
            at += 1
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
        There is none, or several and none or no such is named.
    """
    found = operations_of(document)
    if not found:
        raise InvalidArgumentError(
            "The GraphQL document has no operation; write one, as '{ me { name } }'."
        )
    if name is None:
        if len(found) > 1:
            names = ", ".join(str(each.name) for each in found)
            raise InvalidArgumentError(
                f"The GraphQL document has several operations ({names}); choose one "
                "with operation_name=...."
            )
        return found[0]
    for each in found:
        if each.name == name:
            return each
    names = ", ".join(str(each.name) for each in found)
    raise InvalidArgumentError(
        f"The GraphQL document has no operation {name!r}; it has {names}."
    )


def _operation(tokens: list[str], at: int) -> tuple[Operation, int]:
    kind: Kind = tokens[at]  # type: ignore[assignment]  # one of three, by the caller
    brace = _brace(tokens, at)
    head = tokens[at + 1 : brace]
    named = bool(head) and head[0][0] not in "$([{"
    variables = frozenset(each[1:] for each in head if each.startswith("$"))
    name = head[0] if named else None
    return Operation(kind, name, variables), _past(tokens, brace)


def _brace(tokens: list[str], at: int) -> int:
    """Return where the selection begins: the next brace outside of parentheses."""
    depth = 0
    for place in range(at + 1, len(tokens)):
        if tokens[place] == "(":
            depth += 1
        elif tokens[place] == ")":
            depth -= 1
        elif tokens[place] == "{" and depth <= 0:
            return place
    return len(tokens)


def _past(tokens: list[str], at: int) -> int:
    """Return the place after the bracket that closes the one at `at`."""
    depth = 0
    for place in range(at, len(tokens)):
        if tokens[place] in "{([":
            depth += 1
        elif tokens[place] in "})]":
            depth -= 1
            if depth == 0:
                return place + 1
    return len(tokens)
