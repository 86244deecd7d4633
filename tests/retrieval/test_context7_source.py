"""Documents from Context7: a page for each snippet, a problem for each failed topic."""

from __future__ import annotations

import random
from typing import Any

import pytest

from contexter_nb.clients._context7 import Context7Client
from contexter_nb.core import AuthenticationError, InvalidArgumentError
from contexter_nb.policies import APIMonitor
from contexter_nb.retrieval import Collected, Source, chunk_document
from contexter_nb.retrieval._context7_source import DEFAULT_TOPICS, Context7Source
from tests.clients.context7_wire import PAGE, Context7Wire, refusal, snippets
from tests.loops import VirtualClock, run
from tests.world.faults import Status

ID = "/acme/widgetlib"


def collect(wire: Any, topics: Any = ("retry",), id_: str = ID) -> Collected:
    """Collect in virtual time."""
    clock = VirtualClock()

    async def main() -> Collected:
        client = Context7Client(
            transport=wire,
            clock=clock,
            rng=random.Random(7),
            monitor=APIMonitor(clock=clock, telemetry=False),
        )
        source: Source = Context7Source(client, id_, topics)
        assert source.fingerprint() == ""
        return await source.collect()

    return run(main())


def test_each_snippet_is_a_page() -> None:
    """With its source, its code, and the path of its page in the title."""
    collected = collect(Context7Wire())
    code, info = collected.documents
    assert (info.title, code.title) == (
        "docs/retry.md › Guide > Retries",
        "docs/retry.md › About retry",
    )
    assert code.text.endswith("```python\nclient.retry(3)\n```")
    assert (code.url, code.kind, code.source) == (
        f"{PAGE}#_snippet_0",
        "page",
        "context7",
    )
    assert (collected.library, collected.version, collected.problems) == (ID, "", [])


@pytest.mark.parametrize("id_", [f"{ID}/v3.1.0", f"{ID}@v3.1.0"])
def test_the_version_is_the_tag_and_never_a_guess(id_: str) -> None:
    """Without a tag it is a branch, whose version nobody told."""
    collected = collect(Context7Wire(), id_=id_)
    assert (collected.library, collected.version) == (ID, "v3.1.0")
    assert {each.version for each in collected.documents} == {"v3.1.0"}


def test_what_was_collected_stays_when_other_topics_follow() -> None:
    """A few topics are never a whole library, so nothing not seen again is removed."""
    assert not collect(Context7Wire()).complete


def test_a_failed_topic_is_a_problem_and_not_the_end() -> None:
    """So are one without an answer and one whose quota is used up."""
    wire = Context7Wire(
        on={
            "broken": refusal(500, "search_failed", "It failed."),
            "nothing": refusal(404, "no_snippets_found"),
            "quota": refusal(402, "spending_limit_exceeded", "Spent."),
        }
    )
    collected = collect(wire, ["retry", "broken", "nothing", "quota"])
    assert len(collected.documents) == 2
    told = {each.title: each.error for each in collected.problems}
    assert sorted(told) == ["broken", "nothing", "quota"]
    assert "It failed" in told["broken"]
    assert told["nothing"] == "nothing is found"
    assert "Spent" in told["quota"]


def test_where_no_topic_is_answered_the_reason_is_raised() -> None:
    """An index of nothing would hide that the key is refused, or the id wrong."""
    wire = Context7Wire(key_wanted=True)
    with pytest.raises(AuthenticationError):
        collect(wire, ["a", "b"])
    with pytest.raises(InvalidArgumentError):
        collect(wire, id_="acme")


def test_a_library_that_is_not_ready_is_a_problem() -> None:
    """Told with what to do."""
    wire = Context7Wire(on={ID: refusal(202, "x", headers=(("Retry-After", "7200"),))})
    collected = collect(wire)
    assert collected.documents == []
    assert "index it again later" in collected.problems[0].error


def test_a_library_that_moved_is_told() -> None:
    """The documents are there, and the new id stands among the problems."""
    to = {"error": "library_redirected", "redirectUrl": ID}
    wire = Context7Wire(on={"/old/name": Status(301, (), to)})
    collected = collect(wire, id_="/old/name")
    assert len(collected.documents) == 2
    assert collected.problems[0].error == f"is found under {ID} now"


def test_the_same_snippets_have_the_same_ids_in_any_order() -> None:
    """Whichever topic brings them and however often; namesakes are told apart."""
    one, two = snippets("x"), snippets("x")
    two["codeSnippets"][0] |= {"codeId": f"{PAGE}#_snippet_12", "codeDescription": "12"}
    two["codeSnippets"].append(
        {**two["codeSnippets"][0], "codeId": f"{PAGE}#_snippet_3"}
    )
    wire = Context7Wire(on={"a": Status(200, (), one), "b": Status(200, (), two)})
    first, second = collect(wire, ["a", "b"]), collect(wire, ["b", "a", "a"])
    assert [(each.title, each.url.removeprefix(PAGE)) for each in first.documents] == [
        ("docs/retry.md › About x", "#_snippet_0"),
        ("docs/retry.md › Guide > Retries", ""),
        ("docs/retry.md › About x (2)", "#_snippet_3"),
        ("docs/retry.md › About x (3)", "#_snippet_12"),
    ]
    assert first.documents == second.documents
    ids = [chunk.chunk_id for each in first.documents for chunk in chunk_document(each)]
    assert len(set(ids)) == len(ids) == 4


def test_plain_text_is_one_document_a_topic() -> None:
    """A service that answers text to who asked for JSON gives pages, too."""
    wire = Context7Wire(on={ID: Status(200, (), b"# Head\nwords", "text/plain")})
    (document,) = collect(wire, "retry").documents
    assert (document.title, document.text) == ("retry", "# Head\nwords")


def test_without_topics_the_general_ones_are_asked() -> None:
    """A library can be indexed by its id alone."""
    wire = Context7Wire()
    collected = collect(wire, ())
    assert [each.query["query"] for each in wire.asked] == list(DEFAULT_TOPICS)
    assert len(collected.documents) == 2 * len(DEFAULT_TOPICS)


@pytest.mark.parametrize(
    ("url", "title"),
    [
        ("https://example.org/guide/retry/", "guide/retry › T"),
        ("https://gitlab.com/a/b/-/blob/main/x.md", "x.md › T"),
        ("https://example.org", "example.org › T"),
        ("https://[broken", "T"),
        ("ftp://x/y", "T"),
    ],
)
def test_a_page_is_named_by_its_path(url: str, title: str) -> None:
    """Without the host's folders for a branch; an unusable address names nothing."""
    body = {"infoSnippets": [{"pageId": url, "breadcrumb": "T", "content": "w"}]}
    (document,) = collect(Context7Wire(on={ID: Status(200, (), body)})).documents
    assert document.title == title
