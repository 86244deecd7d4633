"""A small GraphQL schema of books, with all that goes wrong in the large ones."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ariadne import MutationType, ObjectType, QueryType, make_executable_schema
from graphql import GraphQLError, GraphQLSchema

BOOKS = 95
_TYPES = """
type Query {
  hello(name: String = "world"): String!
  node(id: ID!): Book
  books(first: Int = 20, after: String): BookConnection!
  "Null, with an error of its own; what stands beside it is answered."
  broken: String
  "An error that makes the whole of data null."
  brokenHard: String!
  "An error with extensions.code."
  refused(code: String!, retryAfterSeconds: Float): String
  "Answers after a while."
  slow(seconds: Float!): String!
  "What the request said in a header field."
  header(name: String!): String
}
type Mutation {
  add(amount: Int = 1): Int!
  "Counts, and then fails: the effect is there, the data is null."
  addAndFail: Int!
}
type Book { id: ID!, title: String!, pages: Int!, lost: String }
type BookConnection { edges: [BookEdge!]!, nodes: [Book!]!, pageInfo: PageInfo!
  totalCount: Int! }
type BookEdge { cursor: String!, node: Book! }
type PageInfo { endCursor: String, hasNextPage: Boolean!, hasPreviousPage: Boolean!
  startCursor: String }
"""


@dataclass
class Counts:
    """What a server has executed: each field of Query and Mutation by its name."""

    fields: Counter[str] = field(default_factory=Counter)
    total: int = 0

    @property
    def mutations(self) -> int:
        """Mutations executed, whether or not their answers arrived."""
        return self.fields["add"] + self.fields["addAndFail"]


def book(number: int) -> dict[str, Any]:
    """Return the book of a number from 1 on."""
    return {"id": f"book-{number}", "title": f"Volume {number}", "pages": 10 * number}


def cursor(number: int) -> str:
    """Return the opaque cursor of a book."""
    return base64.b64encode(f"after:{number}".encode()).decode()


def _page(first: int, after: str | None) -> dict[str, Any]:
    start = 0
    if after:
        try:
            start = int(base64.b64decode(after).decode().removeprefix("after:"))
        except ValueError as error:
            raise GraphQLError(
                "after is no cursor", extensions={"code": "BAD_USER_INPUT"}
            ) from error
    numbers = range(start + 1, min(BOOKS, start + first) + 1)
    edges = [{"cursor": cursor(each), "node": book(each)} for each in numbers]
    return {
        "edges": edges,
        "nodes": [each["node"] for each in edges],
        "totalCount": BOOKS,
        "pageInfo": {
            "endCursor": edges[-1]["cursor"] if edges else None,
            "startCursor": edges[0]["cursor"] if edges else None,
            "hasNextPage": start + first < BOOKS,
            "hasPreviousPage": start > 0,
        },
    }


_query = QueryType()
_mutation = MutationType()
_book = ObjectType("Book")


def _counted(info: Any) -> Counts:
    counts: Counts = info.context["counts"]
    counts.fields[info.field_name] += 1
    return counts


@_query.field("hello")
def _hello(_: Any, info: Any, name: str) -> str:
    _counted(info)
    return f"Hello, {name}!"


@_query.field("node")
def _node(_: Any, info: Any, id: str) -> dict[str, Any] | None:
    _counted(info)
    number = id.removeprefix("book-")
    known = number.isdecimal() and 1 <= int(number) <= BOOKS
    return book(int(number)) if known else None


@_query.field("books")
def _books(
    _: Any, info: Any, first: int = 20, after: str | None = None
) -> dict[str, Any]:
    _counted(info)
    return _page(first, after)


@_query.field("broken")
@_query.field("brokenHard")
def _broken(_: Any, info: Any) -> str:
    _counted(info)
    raise GraphQLError("the shelf fell over", extensions={"code": "DOWNSTREAM"})


@_query.field("refused")
def _refused(
    _: Any, info: Any, code: str, retryAfterSeconds: float | None = None
) -> str:
    _counted(info)
    more = {} if retryAfterSeconds is None else {"retryAfter": retryAfterSeconds}
    raise GraphQLError("not now", extensions={"code": code, **more})


@_query.field("slow")
async def _slow(_: Any, info: Any, seconds: float) -> str:
    _counted(info)
    await asyncio.sleep(seconds)
    return "at last"


@_query.field("header")
def _header(_: Any, info: Any, name: str) -> str | None:
    _counted(info)
    given: str | None = info.context["headers"].get(name)
    return given


@_mutation.field("add")
def _add(_: Any, info: Any, amount: int) -> int:
    counts = _counted(info)
    counts.total += amount
    return counts.total


@_mutation.field("addAndFail")
def _add_and_fail(_: Any, info: Any) -> int:
    _counted(info).total += 1
    raise GraphQLError("added, but the answer is lost")


@_book.field("lost")
def _lost(parent: Any, _: Any) -> str:
    raise GraphQLError(f"{parent['id']} has no such page")


def make_schema() -> GraphQLSchema:
    """Return the schema, its resolvers bound; they count in ``context["counts"]``."""
    return make_executable_schema(_TYPES, _query, _mutation, _book)
