"""The pages of a connection are followed to their end, and not beyond."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from contexter_nb.clients import GraphQLClient, GraphQLPage
from contexter_nb.core import (
    DecodingError,
    GraphQLError,
    InvalidArgumentError,
    ServerError,
)
from contexter_nb.policies import APICache, APIMonitor, RetryPolicy
from contexter_nb.transport import HTTPTransport
from tests.clients.scripted import Scripted, ok, status
from tests.loops import run, run_really
from tests.world.faults import fault_server
from tests.world.graphql import BOOKS, GraphQLServer, cursor, graphql_server
from tests.world.graphql_faults import endless_pages

ALL_BOOKS = """query Books($after: String, $first: Int = 20) {
  books(first: $first, after: $after) {
    nodes { id title } pageInfo { hasNextPage endCursor }
  }
}"""
ONCE = RetryPolicy(max_attempts=1)
QUERY = "query Q($after: String) { all(after: $after) { nodes { id } } }"


@pytest.fixture(scope="module")
def books() -> Iterator[GraphQLServer]:
    """Give a real server of books to the whole module."""
    with graphql_server() as server:
        yield server


def scripted(*bodies: Any, **options: Any) -> tuple[GraphQLClient, Scripted]:
    """Return a client that gets these bodies, and what plays for it."""
    sender = Scripted(
        *(ok(each) if isinstance(each, dict) else each for each in bodies)
    )
    client = GraphQLClient(
        "https://api.example.org/graphql",
        transport=sender,
        monitor=None,
        retry=ONCE,
        **options,
    )
    return client, sender


def page(*ids: Any, end: Any = None, more: Any = None, **beside: Any) -> dict[str, Any]:
    """Return the body of a page; `more` None leaves pageInfo out."""
    connection: dict[str, Any] = {"nodes": [each and {"id": each} for each in ids]}
    if more is not None:
        connection["pageInfo"] = {"hasNextPage": more, "endCursor": end}
    return {"data": {"all": connection}, **beside}


async def pages_of(client: GraphQLClient, *args: Any, **more: Any) -> list[GraphQLPage]:
    """Return all pages."""
    return [each async for each in client.paginate(*args, **more)]


async def collect(found: list[GraphQLPage], pages: AsyncIterator[GraphQLPage]) -> None:
    """Add pages as they come, so that they are there when a later one fails."""
    async for each in pages:
        found.append(each)  # noqa: PERF401  # a comprehension would lose them


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize(("first", "pages"), [(20, 5), (95, 1), (94, 2), (1_000, 1)])
def test_all_items_come_once_and_in_order(
    books: GraphQLServer, first: int, pages: int, library: str
) -> None:
    """95 items arrive whatever the page size, and no page is asked for in vain."""

    async def main() -> None:
        transport = HTTPTransport(library=library)
        client = GraphQLClient(
            books.url, transport=transport, monitor=APIMonitor(telemetry=False)
        )
        before = books.counts.fields["books"]
        try:
            found = await pages_of(client, ALL_BOOKS, {"first": first})
        finally:
            await transport.aclose()
        assert [each.number for each in found] == list(range(1, pages + 1))
        ids = [node["id"] for each in found for node in each.nodes]
        assert ids == [f"book-{number}" for number in range(1, BOOKS + 1)]
        assert [each.has_next for each in found] == [True] * (pages - 1) + [False]
        assert books.counts.fields["books"] - before == pages

    run_really(main())


def test_edges_are_read_as_their_nodes(books: GraphQLServer) -> None:
    """A connection of edges gives nodes; it begins at the caller's own cursor."""
    query = """query ($cursor: String) { books(first: 4, after: $cursor) {
      edges { node { id } } pageInfo { hasNextPage endCursor } } }"""

    async def main() -> None:
        async with GraphQLClient(books.url, monitor=None) as client:
            variables = {"cursor": cursor(90)}
            found = await pages_of(client, query, variables, cursor_variable="cursor")
        assert [node["id"] for each in found for node in each.nodes] == [
            f"book-{number}" for number in range(91, 96)
        ]
        assert variables == {"cursor": cursor(90)}  # the caller's own stays

    run_really(main())


def test_breaking_off_asks_for_no_more(books: GraphQLServer) -> None:
    """Pages are fetched when they are asked for, and the client goes on working."""

    async def main() -> None:
        async with GraphQLClient(books.url, monitor=None) as client:
            before = books.counts.fields["books"]
            async for each in client.paginate(ALL_BOOKS):
                if each.number == 2:
                    break
            assert books.counts.fields["books"] - before == 2
            assert (await client.execute_query("{ hello }")).data

    run_really(main())


def test_errors_are_placed_at_their_nodes(books: GraphQLServer) -> None:
    """A node that came in part has its error; the others have none."""
    query = "{ books(first: 2) { nodes { id lost } pageInfo { hasNextPage } } broken }"

    async def main() -> None:
        async with GraphQLClient(books.url, monitor=None) as client:
            (found,) = await pages_of(client, query, path="books", max_pages=1)
        assert list(found.node_errors) == [0, 1]
        assert "book-1 has no such page (at books.nodes.0.lost)" in found.node_errors[0]
        assert found.unplaced_errors == ("the shelf fell over (at broken)",)
        assert len(found.errors) == 3

    run_really(main())


def test_no_more_than_max_pages_are_fetched() -> None:
    """The last page allowed says that there would be more; no cursor is needed then."""

    async def main() -> None:
        async with fault_server(endless_pages(same_cursor=False)) as server:
            async with GraphQLClient(server.url, monitor=None) as client:
                found = await pages_of(client, QUERY, max_pages=3)
            assert len(found) == len(server.requests) == 3
            assert found[-1].has_next
        client, _ = scripted(page("a", more=True))
        assert len(await pages_of(client, "{ all { id } }", max_pages=1)) == 1

    run_really(main())


def test_a_cursor_that_comes_twice_ends_it() -> None:
    """A service that goes round in circles is found out; its pages are kept."""

    async def main() -> None:
        async with fault_server(endless_pages(same_cursor=True)) as server:
            async with GraphQLClient(server.url, monitor=None) as client:
                found: list[GraphQLPage] = []
                with pytest.raises(DecodingError, match="cursor of page 2 twice"):
                    await collect(found, client.paginate(QUERY))
            assert len(found) == len(server.requests) == 2

    run_really(main())


def test_the_cursor_one_began_with_counts_too() -> None:
    """A service that gives back the cursor it was asked with is found out at once."""

    async def main() -> None:
        client, sender = scripted(page("a", end="begin", more=True))
        with pytest.raises(DecodingError, match="cursor of page 1 twice"):
            await pages_of(client, QUERY, {"after": "begin"})
        assert len(sender.requests) == 1

    run(main())


@pytest.mark.parametrize(
    ("body", "has_next"),
    [
        (page("a"), None),
        ({"data": {"all": {"nodes": [], "pageInfo": None}}}, None),
        ({"data": {"all": {"nodes": [], "pageInfo": {"endCursor": "x"}}}}, None),
        ({"data": {"all": {"edges": [None, {"node": None}, 7]}}}, None),
        ({"data": {"all": [1, 2]}}, False),
        ({"data": {"me": {"name": "x"}}}, False),
        (page("a", end=None, more=False), False),
    ],
)
def test_what_does_not_say_that_there_is_more_is_the_end(
    body: Any, has_next: bool | None
) -> None:
    """Without pageInfo one page is all that is known; a plain list is whole."""

    async def main() -> None:
        client, sender = scripted(body)
        (found,) = await pages_of(client, QUERY)
        assert found.has_next is has_next
        assert len(sender.requests) == 1

    run(main())


@pytest.mark.parametrize(
    ("query", "end"),
    [(QUERY, None), (QUERY, 7), ("query Q { all { nodes { id } } }", "x")],
)
def test_more_pages_that_cannot_be_asked_for_are_told(query: str, end: Any) -> None:
    """Without a cursor, or a variable for it, the page comes and then advice."""

    async def main() -> None:
        client, _ = scripted(page("a", end=end, more=True))
        found: list[GraphQLPage] = []
        with pytest.raises(InvalidArgumentError, match=r"add \(\$after: String\)"):
            await collect(found, client.paginate(query))
        assert len(found) == 1

    run(main())


@pytest.mark.parametrize(
    ("later", "error", "said"),
    [
        (status(503), ServerError, "503"),
        ({"errors": [{"message": "gone"}]}, GraphQLError, "gone"),
        (
            {"data": {"all": None}, "errors": [{"message": "lost", "path": ["all"]}]},
            GraphQLError,
            "lost",
        ),
        ({"data": None}, DecodingError, "page 2 of Q without the list"),
        ({"data": {"all": None}}, DecodingError, "page 2 of Q without the list"),
    ],
)
def test_a_later_page_that_fails_costs_no_earlier_one(
    later: Any, error: type[Exception], said: str
) -> None:
    """It raises, and never ends as if that were all; what was yielded is there."""

    async def main() -> None:
        client, _ = scripted(page("a", end="x", more=True), later)
        found: list[GraphQLPage] = []
        with pytest.raises(error, match=said):
            await collect(found, client.paginate(QUERY))
        assert [node["id"] for each in found for node in each.nodes] == ["a"]

    run(main())


def test_a_first_page_without_its_list_is_empty() -> None:
    """Where nothing came but an error, there is no node, and the error is told."""

    async def main() -> None:
        error = {"message": "lost", "path": ["all"]}
        client, _ = scripted({"data": {"all": None, "b": 1}, "errors": [error]})
        (found,) = await pages_of(client, QUERY, path="all")
        assert (found.nodes, found.has_next) == ((), None)
        assert found.unplaced_errors == ("lost (at all)",)

    run(main())


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("al", "has no 'al'; at that place there is: all, me"),
        ("all.nodes.id", "no 'all.nodes.id'"),
        ("me", "no list at 'me'"),
        ("", "give field names"),
        ("all.", "give field names"),
        (7, "give field names"),
        (["all", 1], "give field names"),
    ],
)
def test_a_path_that_leads_nowhere_is_told(path: Any, said: str) -> None:
    """The message says what there is at that place."""

    async def main() -> None:
        client, _ = scripted(
            {"data": {"all": {"nodes": [{"id": 1}]}, "me": {"name": "x"}}}
        )
        with pytest.raises(InvalidArgumentError, match=said):
            await pages_of(client, QUERY, path=path)

    run(main())


def test_several_lists_are_named() -> None:
    """Which of them is meant is asked, and not guessed."""

    async def main() -> None:
        body = {"data": {"a": [1], "b": {"c": {"nodes": [2]}}}}
        client, _ = scripted(body)
        with pytest.raises(InvalidArgumentError, match=r"path=\.\.\., of 'a', 'b\.c'"):
            await pages_of(client, QUERY)
        (found,) = await pages_of(client, QUERY, path="b.c")
        assert found.nodes == (2,)
        (found,) = await pages_of(client, QUERY, path=["a"])
        assert found.nodes == (1,)

    run(main())


@pytest.mark.parametrize(
    "path",
    [["all", 5, "x"], ["all", "nodes", 9], ["all", "nodes", -1], ["all", "nodes", True]]
    + [["all", "nodes"], ["all", "nodes", None, {}], None, "all", {}, []],
)
def test_an_error_that_concerns_no_node_is_kept(path: Any) -> None:
    """Whatever its path, no error is lost, and none is put to a wrong node."""

    async def main() -> None:
        body = page("a", errors=[{"message": "odd", "path": path}])
        client, _ = scripted(body)
        (found,) = await pages_of(client, QUERY)
        assert found.node_errors == {}
        assert len(found.unplaced_errors) == 1

    run(main())


def test_a_thousand_errors_of_one_node_are_told_in_short() -> None:
    """The text of a node's errors is bounded."""

    async def main() -> None:
        errors = [{"message": "x" * 400, "path": ["all", "nodes", 0]}] * 1_000
        client, _ = scripted(page("a", errors=errors))
        (found,) = await pages_of(client, QUERY)
        assert found.node_errors[0].endswith("and 995 more")
        assert len(found.node_errors[0]) < 1_600
        assert len(repr(found)) < 100

    run(main())


@pytest.mark.parametrize("pages", [0, -1, 1.5, True, "3", None])
def test_max_pages_is_checked(pages: Any) -> None:
    """A number of pages that is none is refused, and not taken for no pages."""

    async def main() -> None:
        client, sender = scripted(page("a"))
        with pytest.raises(InvalidArgumentError, match="max_pages is"):
            await pages_of(client, QUERY, max_pages=pages)
        assert sender.requests == []

    run(main())


@pytest.mark.parametrize(
    ("query", "variables", "said"),
    [
        (None, None, "is None; give its source"),
        (7, None, "is an int"),
        (QUERY, [1], "variables is a list"),
        ("mutation { a }", None, "send it with execute_mutation"),
    ],
)
def test_what_cannot_be_paged_is_refused(query: Any, variables: Any, said: str) -> None:
    """Arguments are checked before anything is sent."""

    async def main() -> None:
        client, sender = scripted(page("a"))
        with pytest.raises(InvalidArgumentError, match=said):
            await pages_of(client, query, variables)
        assert sender.requests == []

    run(main())


def test_pages_may_be_cached() -> None:
    """Each page has its own entry, so the second time costs no request."""

    async def main() -> None:
        async with APICache() as cache:
            client, sender = scripted(
                page("a", end="x", more=True), page("b", more=False), cache=cache
            )
            for _ in range(2):
                found = await pages_of(client, QUERY, cache_ttl_seconds=60)
                assert [each.nodes[0]["id"] for each in found] == ["a", "b"]
            assert len(sender.requests) == 2

    run(main())
