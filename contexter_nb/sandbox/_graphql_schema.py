"""The graph of the sandbox's libraries, and all that goes wrong in larger ones."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from contexter_nb.core import InvalidArgumentError

MAX_PAGE = 100
SCHEMA = """
type Query {
  "One of them, or null."
  library(name: String!): Library
  "All of them in the order of their names, in pages of at most 100."
  libraries(first: Int = 10, after: String): LibraryConnection!
  "Always null, with an error; what stands beside it is answered."
  broken: String
  "Always an error that makes the whole of data null."
  brokenHard: String!
  "Refused with extensions.code RATE_LIMITED, under status 200."
  limited: String
}
type Mutation {
  "Give a library a star; returns how many it has. Each call counts."
  star(name: String!): Int!
  "Give a star, and fail afterwards: the effect is there, the data is null."
  starAndFail(name: String!): Int!
}
"A Python library of the sandbox's catalog."
type Library { id: ID! name: String! summary: String! stars: Int! }
type LibraryConnection {
  edges: [LibraryEdge!]!
  nodes: [Library!]!
  pageInfo: PageInfo!
  totalCount: Int!
}
type LibraryEdge { cursor: String! node: Library! }
type PageInfo {
  endCursor: String
  hasNextPage: Boolean!
  hasPreviousPage: Boolean!
  startCursor: String
}
"""


def graphql_core() -> ModuleType:
    """Return the `graphql` module.

    Raises
    ------
    InvalidArgumentError
        It is not installed.
    """
    try:
        import graphql
    except ImportError as error:
        raise InvalidArgumentError(
            "The sandbox's GraphQL service needs graphql-core; install it with "
            '`pip install "contexter_nb[lab]"`.'
        ) from error
    return graphql


class Library:
    """One library as the graph shows it; `graphql-core` reads its attributes."""

    def __init__(self, name: str, summary: str, stars: Counter[str]) -> None:
        self.id = f"library-{name}"
        self.name = name
        self.summary = summary
        self._stars = stars

    def stars(self, _: Any) -> int:
        """Return how many stars it has."""
        return self._stars[self.name]


class Graph:
    """The roots of queries and mutations; a method is a field.

    Parameters
    ----------
    summaries : mapping of str to str
        Of each library by its name.
    error : type
        `graphql.GraphQLError`.
    """

    def __init__(self, summaries: Mapping[str, str], error: Any) -> None:
        self._error = error
        self._stars: Counter[str] = Counter()
        self._libraries = {
            name: Library(name, summaries[name], self._stars)
            for name in sorted(summaries)
        }

    def library(self, _: Any, name: str) -> Library | None:
        """Return one of them."""
        return self._libraries.get(name)

    def libraries(
        self, _: Any, first: int = 10, after: str | None = None
    ) -> dict[str, Any]:
        """Return a page of them."""
        if not 1 <= first <= MAX_PAGE:
            raise self._input_error(f"first is not from 1 to {MAX_PAGE}")
        start = 0 if after is None else self._place(after)
        nodes = list(self._libraries.values())
        shown = nodes[start : start + first]
        edges = [
            {"cursor": cursor_of(at), "node": node}
            for at, node in enumerate(shown, start + 1)
        ]
        return {
            "edges": edges,
            "nodes": shown,
            "totalCount": len(nodes),
            "pageInfo": {
                "startCursor": edges[0]["cursor"] if edges else None,
                "endCursor": edges[-1]["cursor"] if edges else None,
                "hasNextPage": start + len(shown) < len(nodes),
                "hasPreviousPage": start > 0,
            },
        }

    def broken(self, _: Any) -> str:
        """Fail."""
        raise self._error("the shelf fell over", extensions={"code": "DOWNSTREAM"})

    brokenHard = broken

    def limited(self, _: Any) -> str:
        """Fail as services do that tell their limits in the answer."""
        raise self._error("too many points used", extensions={"code": "RATE_LIMITED"})

    def star(self, _: Any, name: str) -> int:
        """Give a star."""
        if name not in self._libraries:
            raise self._input_error(f"no library is called {name[:100]!r}")
        self._stars[name] += 1
        return self._stars[name]

    def starAndFail(self, _: Any, name: str) -> int:
        """Give a star, and fail."""
        self.star(_, name)
        raise self._error("the star is given, but the answer is lost")

    def _place(self, cursor: str) -> int:
        try:
            told = base64.b64decode(cursor, validate=True).decode("ascii")
        except (binascii.Error, ValueError) as error:
            raise self._input_error("after is no cursor of this list") from error
        place = told.removeprefix("after:")
        if place == told or not (place.isascii() and place.isdecimal()):
            raise self._input_error("after is no cursor of this list")
        return int(place[:9])

    def _input_error(self, message: str) -> Exception:
        made: Exception = self._error(message, extensions={"code": "BAD_USER_INPUT"})
        return made


def cursor_of(place: int) -> str:
    """Return the opaque cursor behind so many libraries.

    >>> cursor_of(10)
    'YWZ0ZXI6MTA='
    """
    return base64.b64encode(f"after:{place}".encode()).decode()
