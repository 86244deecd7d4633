"""Documentation from Context7: outcomes, moves, waits, quotas, versions."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from contexter_nb.clients._context7 import Context7Client
from contexter_nb.clients._context7_answers import DocumentationOutcome
from contexter_nb.core import (
    AuthenticationError,
    ClientClosedError,
    DecodingError,
    HTTPError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RateLimitExceededError,
    ServerError,
    VersionError,
)
from contexter_nb.policies import APICache, APIMonitor, RetryPolicy
from contexter_nb.transport import HTTPTransport
from tests.clients.context7_wire import (
    KEY,
    MARKUP,
    PAGE,
    TAGS,
    Context7Wire,
    library,
    refusal,
    snippets,
)
from tests.loops import VirtualClock, run, run_really
from tests.world.faults import HTMLWith200, Ok, Redirect, Seen, Status, fault_server

ID = "/acme/widgetlib"
libraries = pytest.mark.parametrize("library_name", ["httpx", "httpx2"])


def virtual(wire: Any, **options: Any) -> Context7Client:
    """Return a client in virtual time, with a monitor of its own and no chance."""
    clock = VirtualClock()
    options.setdefault("monitor", APIMonitor(clock=clock, telemetry=False))
    return Context7Client(transport=wire, clock=clock, rng=random.Random(7), **options)


def own(wire: Any, **options: Any) -> Context7Client:
    """Return a virtual client of a service of one's own, in the old layout."""
    return virtual(
        wire, base_url="https://docs.example.org/own", version="v1", **options
    )


def fetch(wire: Any, contexts: Any = "retry", id_: str = ID, **options: Any) -> Any:
    """Fetch in virtual time with a new client."""
    asked = {
        name: options.pop(name)
        for name in (
            "token_limit",
            "format_type",
            "version_tag",
            "on_errors",
            "deadline_seconds",
        )
        if name in options
    }

    async def main() -> tuple[DocumentationOutcome, ...]:
        return await virtual(wire, **options).fetch_documentation(
            id_, contexts, **asked
        )

    return run(main())


@libraries
@pytest.mark.parametrize("key", [None, KEY])
def test_both_versions_are_spoken_on_the_wire(
    library_name: str, key: str | None
) -> None:
    """A strict service of each layout finds nothing to complain of, key or no key."""

    async def main() -> None:
        wire = Context7Wire()
        async with fault_server(wire.behaviour) as server:
            for version, path in (("v2", "/api"), ("v1", "/own")):
                transport = HTTPTransport(library=library_name)
                async with Context7Client(
                    key,
                    base_url=server.url + path,
                    version=version,
                    transport=transport,
                    monitor=APIMonitor(),
                ) as client:
                    json, text = [
                        await client.fetch_documentation(
                            ID, ["retry & wait", "a=b#c"], format_type=kind
                        )
                        for kind in ("json", "txt")
                    ]
                    found = await client.list_libraries("widgetlib", topic="retry")
                    info = await client.get_library_info(f"{ID}@v3.1.0")
                    assert (await client.health_check()).healthy
                await transport.aclose()
                assert [each.status for each in (*json, *text)] == ["ok"] * 4
                assert [each.context for each in json] == ["retry & wait", "a=b#c"]
                assert json[1].snippets[0].title == "About a=b#c"
                assert (text[0].text, text[0].snippets) == (
                    f"retry & wait\n\n{MARKUP}",
                    (),
                )
                assert found == (info,)
                assert (info.id, info.versions) == (ID, TAGS)
        # The probe of health asks the base address, which need not exist.
        assert [each for each in wire.violations if "/v" in each] == []
        sent = {each.headers.get("authorization") for each in wire.asked}
        assert sent == {None if key is None else f"Bearer {KEY}"}

    run_really(main())


def test_the_live_address_is_the_default_and_names_the_version_once() -> None:
    """What is asked is the published address, with the kind always said."""
    seen: list[str] = []

    async def service(request: Any, timeouts: Any, max_bytes: int) -> Any:
        seen.append(request.url)
        return await Context7Wire()(request, timeouts, max_bytes)

    fetch(service, id_="/acme/widgetlib/v3.1.0")
    fetch(service, base_url="https://context7.com/api/v2")
    first, second = (each.partition("?") for each in seen)
    assert first[0] == second[0] == "https://context7.com/api/v2/context"
    assert "libraryId=%2Facme%2Fwidgetlib%2Fv3.1.0" in first[2]
    assert "type=json" in first[2]


def test_snippets_are_typed_and_markup_stays_text() -> None:
    """Titles, code, language, source and tokens, each in its field."""
    (outcome,) = fetch(Context7Wire())
    code, info = outcome.snippets
    assert (code.kind, code.title, code.language) == ("code", "About retry", "python")
    assert (code.text, code.code, code.tokens) == (MARKUP, "client.retry(3)", 61)
    assert code.url == f"{PAGE}#_snippet_0"
    assert (info.kind, info.title, info.text) == (
        "info",
        "Guide > Retries",
        "retry in words",
    )
    assert MARKUP in outcome.text
    assert "```python\nclient.retry(3)\n```" in outcome.text
    assert MARKUP not in repr(outcome)
    assert outcome.trace is not None
    assert len(outcome.trace.attempts) == 1


def test_an_example_in_two_languages_is_two_snippets() -> None:
    """A search for one language does not find the other's code."""
    body = snippets("x")
    body["codeSnippets"][0]["codeList"] += [
        {"language": "ts", "code": "client.retry(3);"},
        {"language": "python", "code": "more()"},
        {"language": "ts", "code": "  "},
        "nonsense",
    ]
    body["codeSnippets"][0]["codeId"] = "javascript:alert(1)"
    body["codeSnippets"].append({"codeTitle": "empty", "codeList": []})
    body["codeSnippets"].append({"codeTitle": "said", "codeDescription": "words"})
    (outcome,) = fetch(Context7Wire(on={"x": Status(200, (), body)}), "x")
    found = [(each.language, each.code, each.url) for each in outcome.snippets[:2]]
    assert found == [
        ("python", "client.retry(3)\n\nmore()", ""),
        ("ts", "client.retry(3);", ""),
    ]
    assert [each.title for each in outcome.snippets[2:]] == ["said", "Guide > Retries"]


@pytest.mark.parametrize(
    "answer",
    [
        Status(200, (), b"", "text/plain"),
        Status(200, (), b" \n", "text/plain"),
        Status(204),
        Status(200, (), {"codeSnippets": [], "infoSnippets": []}),
        Status(200, (), {"content": " "}),
        refusal(404, "no_snippets_found", "Nothing."),
        refusal(404, "no_documentation_found", "Nothing."),
    ],
)
def test_nothing_found_is_an_empty_outcome(answer: Status) -> None:
    """It is no error, whichever way the service says it, with a cache and without."""
    for cache in (None, APICache()):
        (outcome,) = fetch(Context7Wire(on={"retry": answer}), cache=cache)
        assert (outcome.status, outcome.ok, outcome.error) == ("empty", True, None)
        assert outcome.text == ""


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Status(200, (), {"error": "x"}), DecodingError),
        (Status(200, (), [1]), DecodingError),
        (Status(200, (), b"{", "application/json"), DecodingError),
        (Status(200, (), b"\xff\xfe", "application/octet-stream"), DecodingError),
        (Status(200, (), b"<!doctype html>", "text/html"), DecodingError),
        (refusal(400, "invalid_library_id"), HTTPError),
        (refusal(404, "library_not_found"), NotFoundError),
        (refusal(422, "no_code_found"), HTTPError),
        (refusal(500, "search_failed"), ServerError),
    ],
)
def test_one_failed_context_leaves_the_others(
    answer: Status, kind: type[Exception]
) -> None:
    """Its outcome has the typed error, and those beside it their documentation."""
    wire = Context7Wire(on={"bad": answer})
    first, bad, last = fetch(wire, ["one", "bad", "two"])
    assert [first.status, bad.status, last.status] == ["ok", "failed", "ok"]
    assert isinstance(bad.error, kind)
    assert (bad.ok, bad.error.service, bad.trace) == (
        False,
        "context7",
        bad.error.trace,
    )
    assert bad.trace is not None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(401, "invalid_api_key"), AuthenticationError),
        (refusal(402, "spending_limit_exceeded"), HTTPError),
        (refusal(403, "access_denied"), PermissionDeniedError),
        (
            refusal(429, "rate_limit_exceeded", headers=(("Retry-After", "86400"),)),
            RateLimitedError,
        ),
    ],
)
def test_refusals_of_key_and_quota_are_raised(
    answer: Status, kind: type[HTTPError]
) -> None:
    """They concern all questions; on request they are outcomes all the same."""
    wire = Context7Wire(on={"bad": answer})
    with pytest.raises(kind) as caught:
        fetch(wire, ["one", "bad"])
    assert caught.value.status_code == answer.code
    assert "api_key=..." in caught.value.__notes__[0]
    assert len(caught.value.__notes__) == 1
    with pytest.raises(kind) as caught:
        fetch(wire, ["one", "bad"], api_key=KEY)
    assert not hasattr(caught.value, "__notes__")
    one, bad = fetch(wire, ["one", "bad"], on_errors="keep")
    assert (one.status, bad.status) == ("ok", "failed")
    assert isinstance(bad.error, kind)


def test_a_mistake_here_is_never_an_outcome() -> None:
    """A bug in a transport reaches the caller as what it is."""

    async def broken(request: Any, timeouts: Any, max_bytes: int) -> Any:
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        fetch(broken, on_errors="keep")


def test_contexts_are_asked_at_once_within_a_bound() -> None:
    """Forty take five rounds of eight; one that comes twice is asked once."""
    wire = Context7Wire(delay_seconds=1.0)
    contexts = [f"c{at}" for at in range(40)]
    outcomes = fetch(wire, [*contexts, "c0"])
    assert [each.context for each in outcomes] == [*contexts, "c0"]
    assert (len(wire.asked), wire.max_in_use) == (40, 8)
    assert wire.at[-1] - wire.at[0] == pytest.approx(4.0)
    assert outcomes[-1] is outcomes[0]
    assert fetch(wire, []) == ()


def test_the_budget_is_shared_and_told() -> None:
    """Each of two contexts gets half; what does not fit is cut off and said."""
    first, second = fetch(Context7Wire(), ["a", "b"], token_limit=200)
    assert (first.token_budget, first.truncated) == (100, True)
    assert [each.tokens for each in second.snippets] == [61]
    (whole,) = fetch(Context7Wire(), "a", token_limit=200)
    assert (whole.token_budget, whole.truncated) == (200, False)
    with pytest.raises(InvalidArgumentError, match="token_limit is 0"):
        fetch(Context7Wire(), "a", token_limit=0)


def test_the_own_layout_is_told_the_budget() -> None:
    """Its endpoint takes one; without a limit none is sent."""
    wire = Context7Wire()

    async def main() -> None:
        client = own(wire)
        await client.fetch_documentation(ID, ["a", "b"], token_limit=300)
        await client.fetch_documentation(ID, "a")

    run(main())
    told = [each.json().get("token_limit") for each in wire.asked]
    assert told == [150, 150, None]
    assert {each.method for each in wire.asked} == {"POST"}


def test_a_question_that_only_reads_is_repeated_though_it_is_a_post() -> None:
    """An error of the server is tried again in both layouts."""
    for make in (virtual, own):
        failing = iter([refusal(503, "down"), refusal(503, "down")])
        wire = Context7Wire()

        def once(seen: Seen, failing: Any = failing) -> Status:
            return next(failing, whole())

        wire.on["a"] = once
        client = make(wire)
        (outcome,) = run(client.fetch_documentation(ID, "a"))
        assert (outcome.status, len(wire.asked)) == ("ok", 3)


def whole() -> Status:
    """Return a whole answer."""
    return Status(200, (), snippets("a"))


def moved(to: str, **headers: str) -> Status:
    """Return the answer of a library that has another id now."""
    pairs = tuple(headers.items())
    return refusal(301, "library_redirected", "Moved.", redirectUrl=to, headers=pairs)


@pytest.mark.parametrize("location", [{}, {"Location": "/elsewhere"}])
@pytest.mark.parametrize("cached", [False, True])
def test_a_library_that_moved_is_followed_once_and_that_is_said(
    location: dict[str, str], cached: bool
) -> None:
    """The new id stands in the body; a Location beside it is not followed."""
    wire = Context7Wire(on={"/old/name": moved(ID, **location)})
    cache = APICache() if cached else None
    (outcome,) = fetch(wire, id_="/old/name", cache=cache)
    assert (outcome.status, outcome.library_id) == ("ok", ID)
    assert outcome.redirected_from == "/old/name"
    assert [each.query["libraryId"] for each in wire.asked] == ["/old/name", ID]


def test_a_move_keeps_the_version_or_fails() -> None:
    """The tag asked for is asked for under the new id; no other comes silently."""
    wire = Context7Wire(on={"/old/name/v3.1.0": moved(ID)})
    (outcome,) = fetch(wire, id_="/old/name", version_tag="v3.1.0")
    assert (outcome.status, outcome.library_id) == ("ok", f"{ID}/v3.1.0")
    wire = Context7Wire(on={"/old/name/v3.1.0": moved(f"{ID}/v2.9.0")})
    (outcome,) = fetch(wire, id_="/old/name/v3.1.0")
    assert outcome.status == "failed"
    assert isinstance(outcome.error, NotFoundError)
    assert "another version" in str(outcome.error)
    assert len(wire.asked) == 1


def test_a_second_move_is_an_error_that_names_the_id() -> None:
    """There is no chain of moves without an end, nor one to what is no id."""
    wire = Context7Wire(on={"/a/a": moved("/b/b"), "/b/b": moved("/a/a")})
    (outcome,) = fetch(wire, id_="/a/a")
    assert "'/a/a'" in str(outcome.error)
    assert (outcome.status, len(wire.asked)) == ("failed", 2)
    wire = Context7Wire(on={"/a/a": moved("https://evil.example/")})
    (outcome,) = fetch(wire, id_="/a/a")
    assert isinstance(outcome.error, DecodingError)
    assert len(wire.asked) == 1


def test_an_ordinary_redirect_is_followed_as_ever() -> None:
    """Only a 301 that names a library is the client's to read."""

    async def main() -> None:
        paths = {
            "/api/v2/context": Redirect("/there", 301),
            "/there": Ok(snippets("retry")),
        }
        async with (
            fault_server(paths=paths) as server,
            Context7Client(
                base_url=f"{server.url}/api", monitor=APIMonitor()
            ) as client,
        ):
            (outcome,) = await client.fetch_documentation(ID, "retry")
            assert outcome.status == "ok"

    run_really(main())


@pytest.mark.parametrize("cached", [False, True])
def test_a_missing_tag_offers_those_there_are(cached: bool) -> None:
    """No cache cuts the list short for them, and nothing falls back on the branch."""
    tags = [f"v1.0.{at}" for at in range(200)] + ["v3.1.0-rc1"]
    listed = refusal(404, "tag_not_found", "No. Available tags: " + ", ".join(tags))
    wire = Context7Wire(on={f"{ID}/v3.1.0-rc2": listed})
    cache = APICache() if cached else None
    (outcome,) = fetch(wire, id_=f"{ID}/v3.1.0-rc2", cache=cache)
    assert outcome.status == "failed"
    assert isinstance(outcome.error, NotFoundError)
    said = str(outcome.error)
    assert "Did you mean 'v3.1.0-rc1'" in said
    assert "and 189 more" in said
    assert outcome.error.trace is not None
    assert len(wire.asked) == 1


def not_ready(count: int, *, after: str | None = "5") -> Any:
    """Return what is not ready for its first `count` questions."""
    left = iter(range(count))
    headers = () if after is None else (("Retry-After", after),)

    def answer(seen: Seen) -> Status:
        if next(left, None) is None:
            return Status(200, (), snippets("ready"))
        return refusal(202, "library_not_finalized", "Not yet.", headers=headers)

    return answer


def test_a_library_that_is_not_ready_is_waited_for() -> None:
    """By what the service asks; one context asks again, the others when it is."""
    wire = Context7Wire(on={ID: not_ready(5)})
    outcomes = fetch(wire, ["a", "b", "c"])
    assert [each.status for each in outcomes] == ["ok"] * 3
    assert len(wire.asked) == 3 + 2 + 1 + 2
    waits = [wire.at[3] - wire.at[2], wire.at[4] - wire.at[3]]
    assert all(5.0 <= each <= 5.5 for each in waits)


@pytest.mark.parametrize("cached", [False, True])
def test_one_that_never_gets_ready_is_pending_in_the_end(cached: bool) -> None:
    """The error body under 202 is no documentation, is not cached, and ends in time."""
    wire = Context7Wire(on={ID: not_ready(10_000, after=None)})
    cache = APICache() if cached else None
    (outcome,) = fetch(wire, deadline_seconds=60, cache=cache)
    assert (outcome.status, outcome.text, outcome.error) == ("pending", "", None)
    assert outcome.detail == "Not yet."
    waits = [
        later - sooner for sooner, later in zip(wire.at, wire.at[1:], strict=False)
    ]
    bounds = zip(waits, [2, 4, 8, 15, 15], strict=False)
    assert all(least <= wait <= 1.1 * least for wait, least in bounds)
    assert max(waits) <= 16.5
    assert wire.at[-1] - wire.at[0] < 60


def test_a_wait_past_the_deadline_is_not_begun() -> None:
    """The outcome says when to ask again."""
    wire = Context7Wire(on={ID: not_ready(9, after="3600")})
    (outcome,) = fetch(wire)
    assert (outcome.status, outcome.retry_after_seconds) == ("pending", 3600.0)
    assert len(wire.asked) == 1


@pytest.mark.parametrize(
    "headers",
    [
        (("Retry-After", "30"),),
        (
            ("Date", "Tue, 24 Nov 2026 12:00:00 GMT"),
            ("RateLimit-Limit", "60"),
            ("RateLimit-Remaining", "0"),
            ("RateLimit-Reset", "1795521630"),
        ),
    ],
)
def test_a_used_up_quota_makes_everybody_wait(
    headers: tuple[tuple[str, str], ...],
) -> None:
    """By Retry-After, or until the instant at which the quota begins anew."""
    refused = iter([refusal(429, "rate_limit_exceeded", headers=headers)])
    wire = Context7Wire()
    wire.on[ID] = lambda seen: next(refused, whole())

    async def main() -> None:
        client = virtual(wire)
        (first,) = await client.fetch_documentation(ID, "a")
        assert first.status == "ok"
        assert 30 <= wire.at[1] - wire.at[0] <= 33.1

    run(main())


def test_a_quota_of_a_day_is_not_slept_through() -> None:
    """The refusal comes at once; the next calls are held back for a bounded time."""
    wire = Context7Wire()
    day = (("Retry-After", "86400"),)
    wire.on[ID] = refusal(429, "rate_limit_exceeded", "Quota exceeded", headers=day)

    async def main() -> None:
        client = virtual(wire)
        started = asyncio.get_running_loop().time()
        with pytest.raises(RateLimitedError) as caught:
            await client.fetch_documentation(ID, "a")
        assert caught.value.retry_after_seconds == 86_400
        assert "Quota exceeded" in str(caught.value)
        with pytest.raises(RateLimitExceededError):
            await client.fetch_documentation(ID, "b", deadline_seconds=60)
        assert asyncio.get_running_loop().time() == started
        assert len(wire.asked) == 1
        paused = client.get_metrics().limiter
        assert paused is not None
        assert 0 < paused.paused_seconds <= 120

    run(main())


def test_answers_are_kept_for_a_new_client(tmp_path: Path) -> None:
    """For hours, on disk, by version, and not past their time."""

    async def main() -> None:
        wire = Context7Wire()
        async with fault_server(wire.behaviour) as server:
            for number in range(3):
                async with (
                    APICache(path=tmp_path / "cache.db") as cache,
                    Context7Client(
                        base_url=f"{server.url}/api", cache=cache, monitor=APIMonitor()
                    ) as client,
                ):
                    outcomes = await client.fetch_documentation(ID, ["a", "b"])
                    await client.list_libraries("widgetlib")
                    info = await client.get_library_info(ID)
                assert [each.status for each in outcomes] == ["ok", "ok"]
                assert info.id == ID
                tiers = {each.trace.cache_tier for each in outcomes if each.trace}
                assert tiers == {"disk" if number else None}
        # Asking for the one library is the same search as by its name.
        assert len(wire.asked) == 3

    run_really(main())


def test_a_kept_answer_ends_after_its_hours() -> None:
    """Six of them unless told otherwise; None keeps nothing."""

    async def asked(hours: float, **options: Any) -> int:
        wire = Context7Wire()
        clock = VirtualClock()
        client = virtual(wire, cache=APICache(clock=clock), **options)
        await client.fetch_documentation(ID, "a")
        await clock.sleep(hours * 3600)
        await client.fetch_documentation(ID, "a")
        return len(wire.asked)

    assert run(asked(5)) == 1
    assert run(asked(7)) == 2
    assert run(asked(0, cache_seconds=None)) == 2
    for wrong in (0, -1, float("inf")):
        with pytest.raises(InvalidArgumentError, match="cache_seconds"):
            Context7Client(cache_seconds=wrong)


def test_the_key_is_shown_nowhere() -> None:
    """Neither in the client, nor in errors, nor where the service sends it back."""
    wire = Context7Wire()
    wire.on["a"] = refusal(401, "invalid_api_key", f"Key {KEY} is not good.")
    client = virtual(wire, api_key=KEY)
    with pytest.raises(AuthenticationError) as caught:
        run(client.fetch_documentation(ID, "a"))
    shown = f"{client!r} {caught.value} {caught.value.body} {vars(client)} "
    shown += f"{client.client!r} {vars(client.client)}"
    assert KEY not in shown
    for wrong in ("", " ", "a b", "ctx7\nsk"):
        with pytest.raises(InvalidArgumentError):
            Context7Client(wrong)
    assert "anonymous" in repr(virtual(wire))


def test_a_credential_in_a_question_stays_here() -> None:
    """What looks like one is taken out of what is sent and of the outcome."""
    wire = Context7Wire()
    key = "abcdefgh" + "12345678"
    question = f"why does api_key={key} fail"
    (outcome,) = fetch(wire, question)
    assert key not in wire.asked[0].target
    assert key not in repr(outcome)
    assert outcome.status == "ok"


@pytest.mark.parametrize("wrong", ["", "  ", "x" * 501, None, 7, "a\ud800"])
def test_a_context_that_cannot_be_asked_is_refused(wrong: Any) -> None:
    """Before anything is sent."""
    wire = Context7Wire()
    with pytest.raises(InvalidArgumentError, match="context"):
        fetch(wire, ["good", wrong])
    assert wire.asked == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("format_type", "html"), ("on_errors", "ignore"), ("deadline_seconds", 0)],
)
def test_a_wrong_choice_is_refused(name: str, value: Any) -> None:
    """The sentence names the argument."""
    with pytest.raises(InvalidArgumentError, match=name):
        fetch(Context7Wire(), **{name: value})
    with pytest.raises(InvalidArgumentError, match="contexts"):
        fetch(Context7Wire(), ["x"] * 1_001)


@pytest.mark.parametrize("id_", ["/acme/x?y=1#z", "/acme/100%25", "/acme/a&b=c;d"])
def test_an_id_cannot_become_another_question(id_: str) -> None:
    """Its marks are quoted, in the query of one layout and the path of the other."""
    wire = Context7Wire(rows=[library(id_)])
    (outcome,) = fetch(wire, id_=id_)
    assert (outcome.status, wire.asked[0].query["libraryId"]) == ("ok", id_)
    assert run(own(wire).get_library_info(id_)).id == id_
    assert wire.asked[-1].target.startswith("/own/v1/libraries/acme/")
    assert wire.violations == []


@pytest.mark.parametrize("kind", ["txt", "json"])
def test_a_megabyte_of_text_comes_whole(kind: Any) -> None:
    """Nothing is cut without a limit, and a limit cuts at once."""

    async def main() -> None:
        text = (MARKUP + "\n\n") * 30_000
        body: Any = {"infoSnippets": [{"content": text}]} if kind == "json" else text
        sent = (
            Status(200, (), body)
            if kind == "json"
            else Status(200, (), text.encode(), "text/plain")
        )
        wire = Context7Wire(on={"big": sent})
        async with (
            fault_server(wire.behaviour) as server,
            Context7Client(
                base_url=f"{server.url}/api", monitor=APIMonitor()
            ) as client,
        ):
            (outcome,) = await client.fetch_documentation(ID, "big", format_type=kind)
            assert len(outcome.text) == len(text) > 1_000_000
            assert outcome.text == text
            (cut,) = await client.fetch_documentation(
                ID, "big", format_type="txt", token_limit=100
            )
            assert cut.truncated
            assert len(cut.text) <= 400

    run_really(main())


def test_a_page_of_a_proxy_is_no_documentation() -> None:
    """HTML with status 200 is a typed failure."""

    async def main() -> None:
        async with (
            fault_server(HTMLWith200()) as server,
            Context7Client(
                base_url=f"{server.url}/api", monitor=APIMonitor()
            ) as client,
        ):
            (outcome,) = await client.fetch_documentation(ID, "a", format_type="txt")
            assert isinstance(outcome.error, DecodingError)

    run_really(main())


def test_cancelling_leaves_nothing_behind() -> None:
    """All requests under way end with the call."""
    wire = Context7Wire(delay_seconds=100)

    async def main() -> None:
        client = virtual(wire)
        task = asyncio.create_task(client.fetch_documentation(ID, ["a", "b", "c"]))
        await asyncio.sleep(1)
        assert wire.in_use == 3
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (wire.in_use, wire.cancelled) == (0, 3)
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_a_refusal_cancels_the_questions_beside_it() -> None:
    """Nothing more is asked of a service that has refused the key."""
    wire = Context7Wire(on={"bad": refusal(401, "invalid_api_key")})

    async def slow(request: Any, timeouts: Any, max_bytes: int) -> Any:
        if "query=bad" not in request.url:
            await asyncio.sleep(50)
        return await wire(request, timeouts, max_bytes)

    async def main() -> None:
        with pytest.raises(AuthenticationError):
            await virtual(slow).fetch_documentation(ID, ["a", "bad", "b"])
        assert len(wire.asked) == 1
        assert asyncio.get_running_loop().time() < 1_001

    run(main())


def test_after_close_nothing_is_asked() -> None:
    """The error says what to do, and is raised rather than an outcome."""

    async def main() -> None:
        client = virtual(Context7Wire())
        await client.close()
        with pytest.raises(ClientClosedError, match="make a new one"):
            await client.fetch_documentation(ID, "a", on_errors="keep")
        assert "closed" in repr(client)

    run(main())


def test_a_service_that_is_down_does_not_pass_the_deadline() -> None:
    """Retries of all contexts share the one deadline."""

    async def hanging(request: Any, timeouts: Any, max_bytes: int) -> Any:
        await asyncio.sleep(10_000)

    async def main() -> None:
        started = asyncio.get_running_loop().time()
        outcomes = await virtual(hanging).fetch_documentation(
            ID, ["a", "b"], deadline_seconds=90
        )
        assert {each.status for each in outcomes} == {"failed"}
        assert asyncio.get_running_loop().time() - started <= 90.1

    run(main())


async def down(request: Any, timeouts: Any, max_bytes: int) -> Any:
    """Answer as a service that is away."""
    raise ServerError("no", status_code=503)


def test_health_is_asked_of_the_service_and_costs_no_quota() -> None:
    """A 404 of the bare address says that it is there; no connection says the rest."""
    assert run(virtual(Context7Wire()).health_check()).healthy
    assert not run(virtual(down).health_check()).healthy


def test_the_answer_that_health_waits_for_is_no_error() -> None:
    """The bare address has no page, and that says that the service is there."""
    monitor = APIMonitor()
    found = [
        run(virtual(each, monitor=monitor).health_check())
        for each in (Context7Wire(), down)
    ]
    assert [each.healthy for each in found] == [True, False]
    sick, well = monitor.requests()
    assert (well.outcome, well.status_code, well.error_type) == ("ok", 404, None)
    assert (sick.outcome, sick.error_type) == ("error", "ServerError")
    (metrics,) = monitor.get_metrics()
    assert (metrics.ok, metrics.errors) == (1, 1)


def test_calls_are_told_to_the_monitor_by_name() -> None:
    """One operation for each thing that can be asked."""

    async def main() -> None:
        client = virtual(Context7Wire())
        await client.fetch_documentation(ID, ["a", "b"])
        await client.get_library_info(ID)
        found = {each.operation: each.calls for each in client.get_metrics().operations}
        assert found == {"documentation": 2, "libraries": 1}

    run(main())


def test_retries_are_those_of_every_client() -> None:
    """One attempt where the caller wants one."""
    wire = Context7Wire(on={"a": refusal(500, "search_failed")})
    fetch(wire, "a", retry=RetryPolicy(max_attempts=1))
    assert len(wire.asked) == 1


def test_an_unknown_version_is_refused_at_once() -> None:
    """There are two; the old layout needs an address, as none is public."""
    with pytest.raises(VersionError, match="v3"):
        Context7Client(version="v3")
    with pytest.raises(InvalidArgumentError, match="give the base_url"):
        Context7Client(version="v1")
