"""The catalog answers as a careful service would, and refuses in its own form."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from contexter_nb.sandbox import LibraryCatalog, Reply, Request
from contexter_nb.sandbox._routes import match


def asked(
    target: str,
    method: str = "GET",
    body: bytes = b"",
    catalog: LibraryCatalog | None = None,
) -> Reply:
    """Return the catalog's reply, without a server."""
    path, _, query = target.partition("?")
    pairs = dict(each.split("=") for each in query.split("&") if each)
    request = Request(method=method, path=path, query=pairs, body=body)
    with asyncio.Runner() as runner:
        return runner.run((catalog or LibraryCatalog()).answer(request))


def data(reply: Reply) -> Any:
    """Return a reply's JSON."""
    assert reply.headers["content-type"] == "application/json"
    return json.loads(reply.body)


def test_the_pages_have_every_library_once() -> None:
    """Ten a page, the last one shorter, none after it."""
    first = data(asked("/v1/libraries"))
    pages = [
        data(asked(f"/v1/libraries?page={page}"))
        for page in range(1, first["pages"] + 1)
    ]
    names = [item["name"] for page in pages for item in page["items"]]
    assert pages[0] == first
    assert len(names) == len(set(names)) == first["total"]
    assert [len(page["items"]) for page in pages] == [10, 10, 10, 10, 4]
    assert data(asked("/v1/libraries?page=6"))["items"] == []


def test_a_library_is_found_by_its_name() -> None:
    """One that is misspelt is 404, with a hint."""
    assert data(asked("/v1/libraries/pandas"))["name"] == "pandas"
    missing = asked("/v1/libraries/pandsa")
    assert missing.status == 404
    assert "Did you mean 'pandas'" in data(missing)["error"]["message"]


def test_a_search_gives_the_best_first() -> None:
    """Libraries that share more words come before those that share fewer."""
    body = json.dumps({"query": "Fast data FRAMES", "limit": 3}).encode()
    items = data(asked("/v1/search", "POST", body))["items"]
    assert [item["name"] for item in items] == ["polars", "dask", "pandas"]
    assert [item["score"] for item in items] == [1.0, 0.6667, 0.6667]
    nothing = asked("/v1/search", "POST", b'{"query": "?!"}')
    assert data(nothing)["items"] == []


def test_a_job_fails_at_first() -> None:
    """Twice unless told otherwise, each job by itself; then it is done."""
    catalog = LibraryCatalog()
    codes = [asked("/v1/unstable/a", catalog=catalog).status for _ in range(3)]
    assert codes == [503, 503, 200]
    assert asked("/v1/unstable/b?failures=0", catalog=catalog).status == 200
    assert asked("/v1/unstable/a", catalog=catalog).status == 503


def test_jobs_that_are_never_finished_are_forgotten() -> None:
    """A thousand are remembered, the oldest goes first."""
    catalog = LibraryCatalog()
    for number in range(1_001):
        asked(f"/v1/unstable/{number}?failures=1", catalog=catalog)
    assert asked("/v1/unstable/1000?failures=1", catalog=catalog).status == 200
    assert asked("/v1/unstable/0?failures=1", catalog=catalog).status == 503


@pytest.mark.parametrize(
    ("target", "method", "body", "status"),
    [
        ("/", "GET", b"", 404),
        ("/v1/libraries/", "GET", b"", 404),
        ("/v1/libraries/a/b", "GET", b"", 404),
        ("/V1/libraries", "GET", b"", 404),
        ("/v1/libraries", "DELETE", b"", 405),
        ("/v1/search", "GET", b"", 405),
        ("/v1/libraries?page=0", "GET", b"", 400),
        ("/v1/libraries?page=-1", "GET", b"", 400),
        ("/v1/libraries?page=²", "GET", b"", 400),
        ("/v1/unstable/a?failures=101", "GET", b"", 400),
        ("/v1/search", "POST", b"", 400),
        ("/v1/search", "POST", b"{", 400),
        ("/v1/search", "POST", b"\xff", 400),
        ("/v1/search", "POST", b"[" * 100_000, 400),
        ("/v1/search", "POST", b"[]", 422),
        ("/v1/search", "POST", b'{"query": 1}', 422),
        ("/v1/search", "POST", b'{"query": "a", "limit": 0}', 422),
        ("/v1/search", "POST", b'{"query": "a", "limit": true}', 422),
    ],
)
def test_what_is_wrong_is_refused(
    target: str, method: str, body: bytes, status: int
) -> None:
    """The status says how, the body says it in the catalog's form."""
    reply = asked(target, method, body)
    assert reply.status == status
    assert data(reply)["error"]["status"] == status
    assert ("allow" in reply.headers) == (status == 405)


def test_head_is_allowed_where_get_is() -> None:
    """It is answered by the same handler."""
    assert asked("/v1/libraries", "HEAD").status == 200


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("/a/{x}", "/a/b%2Fc", {"x": "b/c"}),
        ("/a/{x}", "/a/", None),
        ("/a/{x}", "/b/c", None),
        ("/a", "/a/", None),
        ("/{x}/{y}", "/1/2", {"x": "1", "y": "2"}),
    ],
)
def test_paths_match_part_by_part(
    pattern: str, path: str, found: dict[str, str] | None
) -> None:
    """A slash that is encoded is no slash, and nothing is no part."""
    assert match(pattern, path) == found
