"""The GraphQL servers of the tests: one real, one to the letter of the draft."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.world.faults import FaultServer, fault_server_in_thread
from tests.world.graphql import BOOKS, GraphQLServer, graphql_server
from tests.world.graphql_faults import (
    GRAPHQL_FAULTS,
    GRAPHQL_JSON,
    DraftGraphQL,
    endless_pages,
)
from tests.world.schema import Counts

PAGE = """query Page($first: Int, $after: String) {
  books(first: $first, after: $after) {
    edges { node { id } } pageInfo { endCursor hasNextPage } } }"""


@pytest.fixture(scope="module")
def real() -> Iterator[GraphQLServer]:
    """Give the real server."""
    with graphql_server() as server:
        yield server


def asked(url: str, query: str, *, accept: str = "*/*", **more: Any) -> httpx.Response:
    """Post a query."""
    body = {"query": query, **more}
    return httpx.post(url, json=body, headers={"Accept": accept}, timeout=10)


def data_of(url: str, query: str, **variables: Any) -> Any:
    """Return the data of a query that has no errors."""
    answer = asked(url, query, variables=variables)
    assert "errors" not in answer.json(), answer.text
    return answer.json()["data"]


def test_a_node_is_found_by_its_id(real: GraphQLServer) -> None:
    """A known id gives its book, another gives null."""
    query = "query One($id: ID!) { node(id: $id) { title pages } }"
    assert data_of(real.url, query, id="book-7") == {
        "node": {"title": "Volume 7", "pages": 70}
    }
    assert data_of(real.url, query, id="book-96") == {"node": None}


@pytest.mark.parametrize("first", [1, 20, 94, 95, 96])
def test_following_the_pages_gives_every_book_once(
    real: GraphQLServer, first: int
) -> None:
    """95 books come in order, whatever the size of a page."""
    found: list[str] = []
    after, pages = None, 0
    while True:
        books = data_of(real.url, PAGE, first=first, after=after)["books"]
        found += [edge["node"]["id"] for edge in books["edges"]]
        pages += 1
        if not books["pageInfo"]["hasNextPage"]:
            break
        after = books["pageInfo"]["endCursor"]
        if first == 1 and pages == 3:
            break
    expected = [f"book-{number}" for number in range(1, BOOKS + 1)]
    assert found == (expected[:3] if first == 1 else expected)


def test_a_field_that_fails_leaves_the_others(real: GraphQLServer) -> None:
    """Data is partial, with one error that has a path and a code."""
    answer = asked(real.url, "{ hello broken }")
    body = answer.json()
    assert answer.status_code == 200
    assert body["data"] == {"hello": "Hello, world!", "broken": None}
    (error,) = body["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["broken"], "DOWNSTREAM")


def test_a_field_that_must_not_fail_takes_all_data_with_it(real: GraphQLServer) -> None:
    """Data is null, and it was executed."""
    body = asked(real.url, "{ hello brokenHard }").json()
    assert body["data"] is None and body["errors"]


@pytest.mark.parametrize("code", ["THROTTLED", "UNAUTHENTICATED"])
def test_a_refusal_has_a_code(real: GraphQLServer, code: str) -> None:
    """The status is 200; only extensions.code tells what happened."""
    query = f'{{ refused(code: "{code}", retryAfterSeconds: 1.5) }}'
    answer = asked(real.url, query)
    assert answer.status_code == 200
    extensions = answer.json()["errors"][0]["extensions"]
    assert (extensions["code"], extensions["retryAfter"]) == (code, 1.5)


def test_mutations_are_counted(real: GraphQLServer) -> None:
    """One that fails after its effect counts, too; a query does not."""
    before = real.mutations
    assert data_of(real.url, "mutation { add(amount: 5) }")["add"] >= 5
    assert asked(real.url, "mutation { addAndFail }").json()["data"] is None
    asked(real.url, "{ hello }")
    assert real.mutations == before + 2


def test_a_slow_field_passes_a_short_timeout(real: GraphQLServer) -> None:
    """The client gives up; the server is not held up by it."""
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(real.url, json={"query": "{ slow(seconds: 30) }"}, timeout=0.2)
    assert data_of(real.url, "{ slow(seconds: 0.0) }") == {"slow": "at last"}


def test_header_fields_reach_the_resolvers(real: GraphQLServer) -> None:
    """What a client sends beside the query can be asked back."""
    query = '{ header(name: "x-request-id") }'
    answer = httpx.post(
        real.url, json={"query": query}, headers={"X-Request-ID": "r-1"}
    )
    assert answer.json()["data"]["header"] == "r-1"


def test_the_real_server_does_not_speak_the_draft(real: GraphQLServer) -> None:
    """JSON only, 400 for what does not validate: hence the second server."""
    answer = asked(real.url, "{ hello broken }", accept=GRAPHQL_JSON)
    assert answer.headers["content-type"].startswith("application/json")
    assert asked(real.url, "{ nothing }").status_code == 400


def test_the_real_server_leaves_no_thread() -> None:
    """Its port and its thread are gone after the block, slow fields or not."""
    before = threading.active_count()
    with graphql_server() as server, pytest.raises(httpx.ReadTimeout):
        httpx.post(server.url, json={"query": "{ slow(seconds: 99) }"}, timeout=0.2)
    with pytest.raises(httpx.ConnectError):
        asked(server.url, "{ hello }")
    assert threading.active_count() == before


@pytest.fixture(scope="module")
def counts() -> Counts:
    """Give the counters of the draft's server."""
    return Counts()


@pytest.fixture(scope="module")
def draft(counts: Counts) -> Iterator[FaultServer]:
    """Give the draft's server, the one of before it, and every fault."""
    odd = {f"/{at}": each for at, each in enumerate(GRAPHQL_FAULTS.values())}
    paths = {
        "/graphql": DraftGraphQL(counts),
        "/legacy": DraftGraphQL(counts, legacy=True),
        "/endless": endless_pages(same_cursor=False),
        "/stuck": endless_pages(same_cursor=True),
        **odd,
    }
    with fault_server_in_thread(paths=paths) as server:
        yield server


@pytest.mark.parametrize(
    ("query", "code", "has_data"),
    [
        ("{ hello }", 200, True),
        ("{ hello broken }", 294, True),
        ("{ brokenHard }", 294, True),
        ("{ hello", 400, False),
        ("{ nothing }", 422, False),
        ("query A { hello } query B { hello }", 422, False),
        ("query V($id: ID!) { node(id: $id) { id } }", 422, False),
    ],
)
@pytest.mark.parametrize("accept", [GRAPHQL_JSON, "application/json"])
def test_the_draft_says_by_its_status_what_happened(
    draft: FaultServer, accept: str, query: str, code: int, has_data: bool
) -> None:
    """294 with errors, 422 and 400 not executed; 294 in the new media type only."""
    answer = asked(f"{draft.url}/graphql", query, accept=accept)
    expected = 200 if code == 294 and accept != GRAPHQL_JSON else code
    assert answer.status_code == expected
    assert answer.headers["content-type"] == f"{accept}; charset=utf-8"
    assert ("data" in answer.json()) == has_data


def test_a_server_of_before_the_draft_says_200_to_everything(
    draft: FaultServer,
) -> None:
    """What did not parse has errors, no data, and the status of success."""
    answer = asked(f"{draft.url}/legacy", "{ hello", accept=GRAPHQL_JSON)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert list(answer.json()) == ["errors"]


@pytest.mark.parametrize(
    ("method", "options", "code"),
    [
        ("GET", {"params": {"query": "{ hello }"}}, 200),
        ("GET", {"params": {"query": "mutation { add }"}}, 405),
        ("PUT", {"json": {"query": "{ hello }"}}, 405),
        ("POST", {"content": b"{ hello }"}, 415),
        ("POST", {"json": [{"query": "{ hello }"}]}, 422),
        ("POST", {"json": {"query": "{ hello }", "id": 1}}, 422),
        ("POST", {"json": {"query": "{ hello }"}, "headers": {"Accept": "a/b"}}, 406),
    ],
)
def test_the_draft_refuses_what_it_must(
    draft: FaultServer, counts: Counts, method: str, options: Any, code: int
) -> None:
    """A mutation by GET above all, which is not executed."""
    before = counts.mutations
    answer = httpx.request(method, f"{draft.url}/graphql", **options)
    assert answer.status_code == code
    assert counts.mutations == before


def test_a_mutation_by_post_is_counted(draft: FaultServer, counts: Counts) -> None:
    """Its effect is there also where its data is null."""
    before = counts.mutations
    answer = asked(f"{draft.url}/graphql", "mutation { addAndFail }")
    assert answer.json()["data"] is None
    assert counts.mutations == before + 1


@pytest.mark.parametrize("name", GRAPHQL_FAULTS)
def test_each_fault_reaches_the_client(draft: FaultServer, name: str) -> None:
    """None of them is what a GraphQL client hopes for, all of them are HTTP."""
    at = list(GRAPHQL_FAULTS).index(name)
    answer = asked(f"{draft.url}/{at}", "{ hello }")
    told = GRAPHQL_FAULTS[name]
    assert answer.status_code == getattr(told, "code", 200)
    body = getattr(told, "body", None)
    if body is not None and not isinstance(body, bytes):
        assert answer.json() == body


def test_pages_may_have_no_end(draft: FaultServer) -> None:
    """One list repeats its cursor, the other always has a new one."""
    ends: dict[str, set[str]] = {}
    for path in ("stuck", "endless"):
        for _ in range(3):
            page = asked(f"{draft.url}/{path}", PAGE).json()["data"]["books"]
            assert page["pageInfo"]["hasNextPage"] is True
            ends.setdefault(path, set()).add(page["pageInfo"]["endCursor"])
    assert (len(ends["stuck"]), len(ends["endless"])) == (1, 3)
