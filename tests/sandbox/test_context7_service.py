"""The sandbox's Context7 tells of installed libraries, in both of its layouts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from contexter_nb.sandbox import Sandbox, sandbox
from contexter_nb.sandbox._context7_library import split_code
from contexter_nb.sandbox._context7_shelf import parsed
from tests.loops import FakeClock, run_really

SMALL = "/python/textwrap"
TIMEOUT = 60


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Give a sandbox with Context7."""
    with sandbox("context7") as opened:
        yield opened


def get(box: Sandbox, path: str, **params: Any) -> httpx.Response:
    """Ask without a key."""
    url = box.services["context7"] + path
    return httpx.get(url, params=params, timeout=TIMEOUT)


def context(box: Sandbox, library: str, query: str, **more: Any) -> httpx.Response:
    """Ask for documentation in the live layout."""
    return get(box, "/v2/context", libraryId=library, query=query, **more)


def fetch(box: Sandbox, **body: Any) -> httpx.Response:
    """Ask for documentation in the design's layout."""
    asked = {"library_id": SMALL, "context": "shorten a text", **body}
    url = box.services["context7"] + "/v1/fetch"
    return httpx.post(url, json=asked, timeout=TIMEOUT)


def said(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of an answer that is no documentation."""
    body = answer.json()
    assert {"error", "message"} <= set(body) <= {"error", "message", "redirectUrl"}
    assert body["message"]
    return answer.status_code, body["error"]


def test_a_question_is_answered_from_the_installed_library(box: Sandbox) -> None:
    """As text where no type is asked for, the best first, each with its source."""
    answer = context(box, SMALL, "shorten a text to a width")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    first, *_ = answer.text.split("-" * 32)
    assert first.startswith("### textwrap.shorten")
    assert "Source: https://docs.python.org/" in first
    assert "```python" in answer.text and ">>>" not in first


def test_json_has_snippets_of_both_kinds(box: Sandbox) -> None:
    """Examples with their code, and information, in the vendor's fields."""
    answer = context(box, SMALL, "remove common leading whitespace", type="json")
    body = answer.json()
    assert set(body) == {"codeSnippets", "infoSnippets"}
    example, info = body["codeSnippets"][0], body["infoSnippets"][0]
    assert set(example) == {
        "codeTitle",
        "codeDescription",
        "codeLanguage",
        "codeTokens",
        "codeId",
        "pageTitle",
        "codeList",
    }
    assert [each["language"] for each in example["codeList"]] == ["python"]
    assert set(info) == {"pageId", "breadcrumb", "content", "contentTokens"}
    tokens = [each["codeTokens"] for each in body["codeSnippets"]]
    tokens += [each["contentTokens"] for each in body["infoSnippets"]]
    assert all(each >= 1 for each in tokens) and sum(tokens) <= 5_000


def test_the_same_question_has_the_same_answer(box: Sandbox) -> None:
    """In another sandbox, too, which reads the library anew."""
    with sandbox("context7") as other:
        texts = [context(each, SMALL, "indent lines").text for each in (box, other)]
    assert texts[0] == texts[1] != ""


def test_a_search_puts_the_exact_name_first(box: Sandbox) -> None:
    """What is not known is -1 before the library is read, and counted after it."""
    path = "/v2/libs/search"
    body = get(box, path, libraryName="textwrap", query="wrap").json()
    assert body["searchFilterApplied"] is False
    found = body["results"][0]
    assert found["id"] == SMALL and found["title"] == "textwrap"
    context(box, SMALL, "wrap")
    read = get(box, path, libraryName="textwrap", query="wrap").json()["results"][0]
    assert read["state"] == "finalized"
    assert read["totalSnippets"] > 3 and read["totalTokens"] > 100
    unread = get(box, path, libraryName="numpy", query="sum").json()["results"][0]
    assert (unread["id"], unread["state"]) == ("/pypi/numpy", "initial")
    assert unread["versions"] == [f"v{version('numpy')}"]
    assert (unread["totalSnippets"], unread["stars"]) == (-1, -1)
    for row in (read, unread):
        assert datetime.fromisoformat(row["lastUpdateDate"]).tzinfo is not None


def test_a_search_finds_misspelt_names_and_no_nonsense(box: Sandbox) -> None:
    """Nothing found is a 404 with its own code."""
    path = "/v2/libs/search"
    ids = [
        each["id"]
        for each in get(box, path, libraryName="pandsa", query="x").json()["results"]
    ]
    assert ids[0] == "/pypi/pandas" and len(ids) <= 10
    nothing = get(box, path, libraryName="qqqqqqqqq", query="x")
    assert said(nothing) == (404, "no_libraries_found")


@pytest.mark.parametrize(
    ("library", "target"),
    [
        ("/pypi/jwt", "/pypi/pyjwt"),
        ("/pypi/PyJWT", "/pypi/pyjwt"),
        ("/pypi/qdrant_client", "/pypi/qdrant-client"),
        ("/PyPI/numpy", "/pypi/numpy"),
    ],
)
def test_another_name_of_a_library_is_redirected(
    box: Sandbox, library: str, target: str
) -> None:
    """The body names the id, no header does; a tag goes along."""
    answer = context(box, library, "decode")
    assert said(answer) == (301, "library_redirected")
    assert answer.json()["redirectUrl"] == target
    assert "location" not in answer.headers
    tagged = context(box, f"{library}@v1", "decode")
    assert tagged.json()["redirectUrl"] == f"{target}/v1"


def test_the_installed_version_is_the_one_there_is(box: Sandbox) -> None:
    """Its tag is taken in both spellings; another one is told which there are."""
    own = version("h11")
    for tag in (f"/v{own}", f"@v{own}", f"/{own}"):
        assert context(box, f"/pypi/h11{tag}", "connection").status_code == 200
    missing = context(box, "/pypi/h11/v99.0", "connection")
    assert said(missing) == (404, "tag_not_found")
    assert missing.json()["message"].endswith(f"Available tags: v{own}")


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("/v2/context", {"libraryId": SMALL}, 400, "validation_error"),
        ("/v2/context", {"libraryId": SMALL, "query": " "}, 400, "validation_error"),
        (
            "/v2/context",
            {"libraryId": SMALL, "query": "x" * 501},
            400,
            "validation_error",
        ),
        ("/v2/context", {"query": "x"}, 400, "validation_error"),
        (
            "/v2/context",
            {"libraryId": SMALL, "query": "x", "type": "xml"},
            400,
            "validation_error",
        ),
        (
            "/v2/context",
            {"libraryId": SMALL, "query": "x", "fast": "1"},
            400,
            "validation_error",
        ),
        (
            "/v2/context",
            {"libraryId": "pandas", "query": "x"},
            400,
            "invalid_library_id",
        ),
        ("/v2/context", {"libraryId": "/a/b/c/d", "query": "x"}, 400, None),
        ("/v2/context", {"libraryId": "/a/b", "query": "x"}, 404, "library_not_found"),
        ("/v2/libs/search", {"libraryName": "numpy"}, 400, "validation_error"),
        ("/v2/libs/search", {"query": "numpy"}, 400, "validation_error"),
        (
            "/v2/libs/search",
            {"libraryName": "x" * 501, "query": "x"},
            400,
            "validation_error",
        ),
        ("/v2/docs", {}, 404, "not_found"),
        ("/v1/libraries/%2Fa%2Fb", {}, 404, "library_not_found"),
        ("/v1/libraries/a", {}, 400, "invalid_library_id"),
        ("/v1/fetch", {}, 405, "method_not_allowed"),
        ("/v1/libraries", {"query": "qqqqqqqqq"}, 200, None),
    ],
)
def test_what_context7_refuses_is_refused(
    box: Sandbox, path: str, params: dict[str, str], status: int, code: str | None
) -> None:
    """Each with the vendor's code and a message."""
    answer = get(box, path, **params)
    assert answer.status_code == status
    if code is not None:
        assert said(answer) == (status, code)


def test_the_designs_layout_answers_the_same(box: Sandbox) -> None:
    """In text and JSON, and within a limit of tokens."""
    text = fetch(box)
    assert text.text == context(box, SMALL, "shorten a text").text
    asked = {"format_type": "json", "token_limit": 200}
    body = fetch(box, **asked).json()
    snippets = body["codeSnippets"] + body["infoSnippets"]
    tokens = [each.get("codeTokens") or each["contentTokens"] for each in snippets]
    assert 0 < sum(tokens) <= 200
    assert said(fetch(box, library_id="/pypi/jwt")) == (301, "library_redirected")


@pytest.mark.parametrize(
    "body",
    [
        {"library_id": None},
        {"context": ""},
        {"context": 7},
        {"context": "x" * 501},
        {"format_type": "xml"},
        {"format_type": ["txt"]},
        {"token_limit": 0},
        {"token_limit": "9"},
        {"token_limit": True},
        {"tokens": 9},
    ],
)
def test_a_body_of_another_shape_is_refused(box: Sandbox, body: dict[str, Any]) -> None:
    """Unknown fields, too."""
    assert said(fetch(box, **body)) == (400, "validation_error")


def test_a_body_that_is_no_json_is_refused(box: Sandbox) -> None:
    """Nor is a list an object."""
    url = box.services["context7"] + "/v1/fetch"
    for content in (b"", b"{", b"[]", b"\xff"):
        answer = httpx.post(url, content=content)
        assert said(answer) == (400, "validation_error")


def test_the_designs_layout_lists_and_shows_libraries(box: Sandbox) -> None:
    """All of them, those of a name, or one by its id, however that is quoted."""
    everything = get(box, "/v1/libraries").json()["libraries"]
    ids = [each["id"] for each in everything]
    assert len(ids) == len(set(ids)) > 50
    assert {SMALL, "/pypi/numpy"} <= set(ids)
    some = get(box, "/v1/libraries", query="numpy").json()["libraries"]
    assert some[0]["id"] == "/pypi/numpy"
    for written in (quote(SMALL, safe=""), SMALL.removeprefix("/")):
        assert get(box, f"/v1/libraries/{written}").json()["id"] == SMALL
    for tag in ("/v9", "@v9"):
        assert said(get(box, f"/v1/libraries{SMALL}{tag}")) == (404, "tag_not_found")


def test_a_library_can_be_pending_at_first() -> None:
    """202 with an error in its body, until it has been read."""
    with sandbox("context7", pending=True) as box:
        first = context(box, "/python/shlex", "split")
        assert said(first) == (202, "library_not_finalized")
        until = time.monotonic() + 30
        while (answer := context(box, "/python/shlex", "split")).status_code == 202:
            assert time.monotonic() < until
        assert answer.status_code == 200 and "### shlex.split" in answer.text


def test_many_who_ask_at_first_wait_for_one_reading(box: Sandbox) -> None:
    """Twenty at once get the same, and one who leaves spoils nothing."""
    url = box.services["context7"] + "/v2/context"
    params = {"libraryId": "/python/fnmatch", "query": "filter names"}

    async def main() -> set[str]:
        async with httpx.AsyncClient(timeout=TIMEOUT) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get(url, params=params, timeout=0.02)
            asking = (client.get(url, params=params) for _ in range(20))
            return {each.text for each in await asyncio.gather(*asking)}

    (text,) = run_really(main())
    assert "### fnmatch.filter" in text


def test_keys_are_taken_as_bearer_tokens_only(box: Sandbox) -> None:
    """None is anonymous; a wrong one is refused; other fields are not looked at."""
    assert box.api_key is not None
    key = box.api_key.reveal()
    url = box.services["context7"] + "/v2/libs/search?libraryName=numpy&query=x"
    answers = [
        httpx.get(url, headers=headers)
        for headers in (
            {},
            {"Authorization": f"Bearer {key}"},
            {"CONTEXT7_API_KEY": "ctx7sk-wrong"},
            {"Authorization": "Bearer ctx7sk-wrong"},
        )
    ]
    assert [each.status_code for each in answers] == [200, 200, 200, 401]
    assert said(answers[3]) == (401, "invalid_api_key")
    shown = repr(box.log()) + repr(box) + box._repr_html_()
    assert key not in shown and "ctx7sk-wrong" not in shown


def test_anonymous_requests_have_a_quota_of_their_own() -> None:
    """429 tells when and how many; a key goes on."""
    clock = FakeClock()
    with sandbox("context7", clock=clock, anonymous_requests_per_minute=2) as box:
        key = {"Authorization": f"Bearer {box.environment()['CONTEXT7_API_KEY']}"}
        url = box.services["context7"] + "/v2/libs/search?libraryName=numpy&query=x"
        answers = [httpx.get(url) for _ in range(3)]
        answers += [httpx.get(url, headers=key) for _ in range(3)]
        refused = answers[2]
        clock.instant += int(refused.headers["retry-after"])
        answers.append(httpx.get(url))
    assert [each.status_code for each in answers] == [200, 200, 429, 200, 200, 200, 200]
    assert said(refused) == (429, "rate_limit_exceeded")
    told = {name: refused.headers[name] for name in ("ratelimit-limit", "retry-after")}
    assert told == {"ratelimit-limit": "2", "retry-after": "30"}
    assert refused.headers["ratelimit-remaining"] == "0"
    reset = int(refused.headers["ratelimit-reset"])
    wall = int(FakeClock().wall().timestamp())
    assert reset == wall + 30


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (402, "spending_limit_exceeded"),
        (403, "access_denied"),
        (409, "duplicate"),
        (422, "library_too_large"),
        (429, "rate_limit_exceeded"),
        (500, "internal_server_error"),
        (503, "search_failed"),
        (504, "internal_server_error"),
    ],
)
def test_any_error_can_be_asked_for(status: int, code: str) -> None:
    """With the code that the vendor documents for its status."""
    with sandbox("context7", error_rate=1.0, error_status=status) as box:
        assert said(context(box, SMALL, "x")) == (status, code)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No code.", ("No code.", "", "")),
        ("A.\n\n>>> a\n1\n... b\n\nB.", ("A.\n\nB.", "a\nb", "python")),
        ("A.\n```toml\nx = 1\n```\nB.", ("A.\n\nB.", "x = 1", "toml")),
        ("```\n>>> a\n```", ("", "a", "text")),
        ("````md\n```\nx\n```\n````", ("", "```\nx\n```", "md")),
        ("```python\nnever closed", ("```python\nnever closed", "", "")),
        ("", ("", "", "")),
    ],
)
def test_code_is_told_from_prose(text: str, expected: tuple[str, str, str]) -> None:
    """Sessions lose their prompts and results, fences their marks."""
    assert split_code(text) == expected


@pytest.mark.parametrize(
    ("text", "base", "tag"),
    [
        ("/a/b", "/a/b", ""),
        ("/a/b/c", "/a/b", "c"),
        ("/a/b@c", "/a/b", "c"),
        ("a/b", None, ""),
        ("/a", None, ""),
        ("/a/b/", None, ""),
        ("//b", None, ""),
    ],
)
def test_ids_are_taken_apart(text: str, base: str | None, tag: str) -> None:
    """Owner, name and perhaps a tag."""
    found = parsed(text)
    if base is None:
        assert found is None
    else:
        assert found is not None and (found.base, found.tag) == (base, tag)
