"""The sandbox's GraphQL service keeps to the draft of GraphQL over HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from contexter_nb.clients import GraphQLClient
from contexter_nb.core import GraphQLError, InvalidArgumentError
from contexter_nb.sandbox import GraphQLService, Sandbox, sandbox
from tests.loops import run_really

NEW = "application/graphql-response+json"
OLD = "application/json"
BOTH = f"{NEW}, {OLD};q=0.9"
PAGES = """
query Pages($first: Int, $after: String) {
  libraries(first: $first, after: $after) {
    nodes { name } pageInfo { hasNextPage endCursor }
  }
}
"""


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Give a sandbox with GraphQL."""
    with sandbox("graphql") as opened:
        yield opened


def ask(box: Sandbox, query: Any, accept: str = BOTH, **more: Any) -> httpx.Response:
    """Ask by POST."""
    return httpx.post(
        box.services["graphql"],
        json={"query": query, **more},
        headers={"Accept": accept},
    )


def test_a_query_is_answered(box: Sandbox) -> None:
    """With the newer media type, where it is accepted."""
    answer = ask(box, '{ library(name: "pandas") { id name summary stars } }')
    assert answer.status_code == 200
    assert answer.headers["content-type"] == NEW
    library = answer.json()["data"]["library"]
    assert (library["id"], library["name"]) == ("library-pandas", "pandas")
    assert ask(box, '{ library(name: "pandsa") { id } }').json() == {
        "data": {"library": None}
    }


def test_the_schema_tells_itself(box: Sandbox) -> None:
    """Introspection and the property agree on its types."""
    told = ask(box, "{ __schema { types { name } } }").json()
    names = {each["name"] for each in told["data"]["__schema"]["types"]}
    schema = GraphQLService().schema
    for name in ("Library", "LibraryConnection", "LibraryEdge", "PageInfo"):
        assert name in names and f"type {name} {{" in schema


def test_pages_have_every_library_once(box: Sandbox) -> None:
    """Cursors lead from page to page, and the last one says so."""
    query = (
        "query($after: String) { libraries(first: 7, after: $after) { totalCount "
        "edges { cursor node { name } } nodes { name } "
        "pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }"
    )
    names: list[str] = []
    after, pages = None, 0
    while True:
        found = ask(box, query, variables={"after": after}).json()["data"]["libraries"]
        own = [edge["node"]["name"] for edge in found["edges"]]
        info = found["pageInfo"]
        assert own == [node["name"] for node in found["nodes"]]
        assert info["startCursor"] == found["edges"][0]["cursor"]
        assert info["endCursor"] == found["edges"][-1]["cursor"]
        assert info["hasPreviousPage"] is (pages > 0)
        names += own
        pages += 1
        after = info["endCursor"]
        if not info["hasNextPage"]:
            break
    assert names == sorted(set(names))
    assert (len(names), pages) == (found["totalCount"], 7)


def test_data_and_errors_come_side_by_side(box: Sandbox) -> None:
    """294 in the newer media type, 200 in the older one; the body is the same."""
    query = '{ library(name: "rich") { name } broken }'
    new, old = ask(box, query), ask(box, query, OLD)
    assert (new.status_code, old.status_code) == (294, 200)
    assert old.headers["content-type"] == OLD
    assert new.json() == old.json()
    assert new.json()["data"] == {"library": {"name": "rich"}, "broken": None}
    (error,) = new.json()["errors"]
    assert error["path"] == ["broken"] and error["extensions"]["code"] == "DOWNSTREAM"


def test_an_error_of_a_field_that_cannot_be_null_takes_all(box: Sandbox) -> None:
    """The key `data` is there, and null: something was executed."""
    answer = ask(box, "{ brokenHard }")
    assert answer.status_code == 294
    assert answer.json()["data"] is None and answer.json()["errors"]


def test_a_limit_can_be_told_within_the_answer(box: Sandbox) -> None:
    """As some services do, with a status that says nothing of it."""
    answer = ask(box, "{ limited }", OLD)
    assert answer.status_code == 200
    assert answer.json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED"}


def test_a_mutation_counts(box: Sandbox) -> None:
    """Each one, also the one whose answer is lost."""
    star = 'mutation { star(name: "polars") }'
    assert ask(box, star).json() == {"data": {"star": 1}}
    lost = ask(box, 'mutation { starAndFail(name: "polars") }')
    assert lost.json()["data"] is None
    assert ask(box, star).json() == {"data": {"star": 3}}
    told = ask(box, '{ library(name: "polars") { stars } }').json()
    assert told["data"]["library"]["stars"] == 3
    assert "no library is called" in ask(box, 'mutation { star(name: "x") }').text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"query": "{ library(name: "}, 400),
        ({"query": "{ nothing }"}, 422),
        ({"query": "{ libraries(first: 1e9) { totalCount } }"}, 422),
        ({"query": "query A { broken } query B { broken }"}, 422),
        ({"query": "query A { broken }", "operationName": "B"}, 422),
        ({"query": "query($n: String!) { library(name: $n) { id } }"}, 422),
        (
            {
                "query": "query($n: String!) { library(name: $n) { id } }",
                "variables": {"n": 7},
            },
            422,
        ),
        ({"query": "{ " + "broken " * 3_000 + "}"}, 400),
    ],
)
def test_what_is_not_executed_has_no_data(
    box: Sandbox, body: dict[str, Any], status: int
) -> None:
    """A client of the older media type gets 200 for it."""
    for accept, expected in ((BOTH, status), (OLD, 200)):
        answer = httpx.post(
            box.services["graphql"], json=body, headers={"Accept": accept}
        )
        assert answer.status_code == expected, answer.text
        assert list(answer.json()) == ["errors"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[]", 422),
        (b'[{"query": "{ broken }"}]', 422),
        (b"{}", 422),
        (b'{"query": null}', 422),
        (b'{"query": 7}', 422),
        (b'{"query": ""}', 422),
        (b'{"query": "{broken}", "variables": []}', 422),
        (b'{"query": "{broken}", "operationName": 7}', 422),
        (b'{"query": "{broken}", "extensions": 7}', 422),
        (b'{"query": "{broken}", "documentId": "sha256:1"}', 422),
    ],
)
def test_a_request_of_another_shape_is_refused(
    box: Sandbox, body: bytes, status: int
) -> None:
    """Whatever is accepted, and in GraphQL's form."""
    for accept in (BOTH, OLD):
        answer = httpx.post(
            box.services["graphql"],
            content=body,
            headers={"Accept": accept, "Content-Type": OLD},
        )
        assert answer.status_code == status
        assert list(answer.json()) == ["errors"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, OLD),
        ("*/*", OLD),
        (NEW, NEW),
        (OLD, OLD),
        (f"{OLD}, {NEW};q=0.5", OLD),
        ("application/*", NEW),
        (f"text/html, {OLD};q=0.1", OLD),
        ("text/html", None),
        (f"{OLD};q=0", None),
    ],
)
def test_the_media_type_is_the_one_accepted(
    box: Sandbox, accept: str | None, expected: str | None
) -> None:
    """406 where there is none; who says nothing is of before the draft."""
    with httpx.Client() as client:
        client.headers.pop("accept")
        headers = {} if accept is None else {"Accept": accept}
        answer = client.post(
            box.services["graphql"], json={"query": "{ broken }"}, headers=headers
        )
    if expected is None:
        assert answer.status_code == 406
    else:
        assert answer.headers["content-type"] == expected


def test_another_media_type_is_refused(box: Sandbox) -> None:
    """A body that is not announced as JSON is 415; with a charset it is fine."""
    url, body = box.services["graphql"], b'{"query": "{ limited }"}'
    codes = [
        httpx.post(url, content=body, headers={"Content-Type": kind}).status_code
        for kind in ("text/plain", "application/graphql", f"{OLD}; charset=utf-8")
    ]
    assert codes == [415, 415, 200]
    assert httpx.post(url, content=body).status_code == 415


def test_queries_may_come_by_get_and_mutations_may_not(box: Sandbox) -> None:
    """Variables are JSON there; an empty parameter counts as absent."""
    url = box.services["graphql"]
    params = {
        "query": "query($n: String!) { library(name: $n) { name } }",
        "variables": json.dumps({"n": "rich"}),
        "operationName": "",
    }
    found = httpx.get(url, params=params)
    assert found.json() == {"data": {"library": {"name": "rich"}}}
    bad = httpx.get(url, params={**params, "variables": "{"})
    assert bad.status_code == 400
    refused = httpx.get(url, params={"query": 'mutation { star(name: "rich") }'})
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    told = ask(box, '{ library(name: "rich") { stars } }').json()
    assert told["data"]["library"]["stars"] == 0
    assert httpx.put(url).headers["allow"] == "GET, POST"
    assert httpx.get(f"{url}/other").status_code == 404


def test_pages_have_limits(box: Sandbox) -> None:
    """A page of none, one too large, or a cursor made up is an error of the field."""
    for arguments in ("first: 0", "first: 101", 'after: "x"', 'after: "YWZ0ZXI6LTE="'):
        answer = ask(box, f"{{ libraries({arguments}) {{ totalCount }} }}")
        assert answer.status_code == 294
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize(("knobs", "status"), [({"outage": True}, 503), ({}, 401)])
def test_errors_of_the_sandbox_are_in_graphqls_form(
    knobs: dict[str, Any], status: int
) -> None:
    """A key that is demanded and missing is one of them."""
    with sandbox("graphql", api_key="demo-key-9876", **knobs) as box:
        answer = ask(box, "{ broken }")
    assert answer.status_code == status
    assert list(answer.json()) == ["errors"]
    assert answer.headers["content-type"] == NEW


def test_the_client_understands_it(box: Sandbox) -> None:
    """Partial data is kept, pages are followed, refusals are errors."""

    async def main() -> None:
        async with GraphQLClient(box.services["graphql"]) as client:
            partial = await client.execute_query("{ broken limited }")
            assert partial.data == {"broken": None, "limited": None}
            assert len(partial.errors) == 2
            with pytest.raises(GraphQLError):
                await client.execute_query("{ nothing }")
            given = await client.execute_mutation('mutation { star(name: "tqdm") }')
            assert given.data == {"star": 1}

    run_really(main())


def test_without_graphql_core_a_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is asked for only where the service is."""
    monkeypatch.setitem(sys.modules, "graphql", None)
    with pytest.raises(InvalidArgumentError, match="graphql-core; install") as caught:
        sandbox("graphql")
    assert "\n" not in str(caught.value)
