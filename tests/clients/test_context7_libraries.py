"""Searching libraries, asking for one, and going over to another version."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from contexter_nb.clients._context7 import Context7Client
from contexter_nb.core import (
    DecodingError,
    HTTPError,
    InvalidArgumentError,
    NotFoundError,
    VersionError,
)
from contexter_nb.policies import APIMonitor, RetryPolicy
from tests.clients.context7_wire import MARKUP, TAGS, Context7Wire, library, refusal
from tests.loops import VirtualClock, run
from tests.world.faults import Seen, Status

ID = "/acme/widgetlib"


def client_of(wire: Any, version: str = "v2", **options: Any) -> Context7Client:
    """Return a client in virtual time; the old layout at an address of one's own."""
    clock = VirtualClock()
    base = "https://docs.example.org/own" if version == "v1" else None
    options.setdefault("base_url", base)
    return Context7Client(
        version=version,
        transport=wire,
        clock=clock,
        rng=random.Random(7),
        monitor=APIMonitor(clock=clock, telemetry=False),
        **options,
    )


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_library_is_told_with_all_that_is_known(version: str) -> None:
    """In fields with units and types; what is unknown is None."""
    (found,) = run(client_of(Context7Wire(), version).list_libraries("widgetlib"))
    assert (found.id, found.name, found.description) == (ID, "WidgetLib", MARKUP)
    assert (found.versions, found.state, found.branch) == (TAGS, "finalized", "main")
    assert (found.snippets, found.tokens, found.stars) == (412, 81_000, None)
    assert (found.trust_score, found.benchmark_score) == (7.4, 81.2)
    assert found.updated_at == datetime(2026, 10, 1, tzinfo=UTC)


def test_the_one_that_is_called_so_comes_first() -> None:
    """Before mirrors that the service ranks higher, and the ready one of namesakes."""
    rows = [
        library("/mirror/widgetlib-docs", title="WidgetLib mirror", trustScore=10),
        library("/other/widgetlib", state="processing"),
        library(ID),
        library("/z/widgetlib-z", title="z", stars=-1),
    ]
    client = client_of(Context7Wire(rows=rows))
    found = run(client.list_libraries("widgetlib"))
    assert [each.id for each in found] == [
        ID,
        "/other/widgetlib",
        "/mirror/widgetlib-docs",
        "/z/widgetlib-z",
    ]
    assert [each.is_ready for each in found] == [True, False, True, True]
    assert run(client_of(Context7Wire(rows=rows)).list_libraries(ID))[0].id == ID
    limited = run(client_of(Context7Wire(rows=rows)).list_libraries("widget", limit=2))
    assert len(limited) == 2


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_nothing_found_is_no_error(version: str) -> None:
    """Whether the service says so by 404 or by an empty list."""
    assert run(client_of(Context7Wire(), version).list_libraries("nothing")) == ()


@pytest.mark.parametrize("answer", [{"x": 1}, "words", None, {"results": 3}])
def test_a_search_that_answers_something_else_is_a_typed_error(answer: Any) -> None:
    """No KeyError, no silently empty list."""
    wire = Context7Wire(on={"search": Status(200, (), answer)})
    with pytest.raises(DecodingError, match="no list of libraries"):
        run(client_of(wire).list_libraries("widgetlib"))


def test_wrong_arguments_are_refused_before_anything_is_sent() -> None:
    """A limit of 0 is no wish for all."""
    wire = Context7Wire()
    for name, value in (("limit", 0), ("topic", ""), ("deadline_seconds", -1)):
        with pytest.raises(InvalidArgumentError, match=name):
            run(client_of(wire).list_libraries("x", **{name: value}))
    with pytest.raises(InvalidArgumentError, match="query"):
        run(client_of(wire).list_libraries("x" * 501))
    assert wire.asked == []


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_one_library_is_found_by_its_id(version: str) -> None:
    """With a tag of it, too; another's tag is refused with those there are."""
    assert run(client_of(Context7Wire(), version).get_library_info(ID)).id == ID
    tagged = run(client_of(Context7Wire(), version).get_library_info(f"{ID}/v3.1.0"))
    assert tagged.versions == TAGS
    with pytest.raises(NotFoundError, match=r"Did you mean 'v3.1.0'\?") as caught:
        run(client_of(Context7Wire(), version).get_library_info(f"{ID}/v3.1.1"))
    assert "there are v3.1.0, v2.9.0" in str(caught.value)


def test_a_namesake_is_not_taken_for_the_library() -> None:
    """The id decides, not the first hit; what was found is offered."""
    wire = Context7Wire(rows=[library("/mirror/widgetlib")])
    with pytest.raises(NotFoundError, match="Did you mean '/mirror/widgetlib'"):
        run(client_of(wire).get_library_info("/mirrors/widgetlib"))
    assert [each.query["libraryName"] for each in wire.asked] == [
        "widgetlib",
        "mirrors/widgetlib",
    ]


def test_an_unknown_library_of_the_old_layout_is_not_found() -> None:
    """Its endpoint says 404."""
    with pytest.raises(NotFoundError, match="library_not_found|not found"):
        run(client_of(Context7Wire(), "v1").get_library_info("/a/b"))


def test_a_library_that_moved_is_found_under_its_new_id() -> None:
    """Once; a move to a move is an error, and so is what is no library."""
    to = {"error": "library_redirected", "redirectUrl": ID}
    wire = Context7Wire(on={"/old/name": Status(301, (), to)})
    assert run(client_of(wire, "v1").get_library_info("/old/name")).id == ID
    wire.on[ID] = Status(301, (), {**to, "redirectUrl": "/c/c"})
    with pytest.raises(HTTPError, match="moved again, to '/c/c'"):
        run(client_of(wire, "v1").get_library_info("/old/name"))
    wire.on[ID] = Status(200, (), {"strange": 1})
    with pytest.raises(DecodingError, match="no library"):
        run(client_of(wire, "v1").get_library_info(ID))


def test_one_that_is_not_ready_is_no_library_yet() -> None:
    """An error body under a status of success is not read as one."""
    wire = Context7Wire()
    wire.on[ID] = refusal(202, "library_not_finalized", headers=(("Retry-After", "9"),))
    with pytest.raises(HTTPError, match="not ready") as caught:
        run(client_of(wire, "v1").get_library_info(ID))
    assert (caught.value.status_code, caught.value.retry_after_seconds) == (202, 9.0)


class Both(Context7Wire):
    """Both layouts below one address."""

    def reply(self, seen: Seen) -> Status:
        path = seen.target.replace("/one/v1", "/own/v1").replace("/one/v2", "/api/v2")
        return super().reply(
            Seen(
                number=seen.number,
                connection=1,
                at=seen.at,
                method=seen.method,
                target=path,
                headers=seen.headers,
                body=seen.body,
            )
        )


def test_a_migration_asks_the_service_first() -> None:
    """Then every call goes to the other version, and the way back is open."""
    wire = Both()

    async def main() -> None:
        client = client_of(wire, base_url="https://docs.example.org/one")
        assert str(await client.migrate_to_version("v1")) == "v2"
        await client.fetch_documentation(ID, "a")
        assert str(await client.migrate_to_version("v2")) == "v1"
        await client.fetch_documentation(ID, "a")

    run(main())
    assert [(each.method, each.path) for each in wire.asked] == [
        ("GET", "/own/v1/libraries"),
        ("POST", "/own/v1/fetch"),
        ("GET", "/api/v2/libs/search"),
        ("GET", "/api/v2/context"),
    ]
    assert wire.violations == []


def test_a_version_that_is_not_there_is_not_taken() -> None:
    """The live service has no v1; the client stays as it is and says so."""
    wire = Context7Wire()

    async def main() -> None:
        client = client_of(wire, retry=RetryPolicy(max_attempts=1))
        with pytest.raises(NotFoundError) as caught:
            await client.migrate_to_version("v1")
        assert "stays with version v2" in caught.value.__notes__[-1]
        with pytest.raises(VersionError):
            await client.migrate_to_version("v9")
        assert str(client.api_version) == "v2"
        (outcome,) = await client.fetch_documentation(ID, "a")
        assert outcome.status == "ok"

    run(main())


def test_a_call_under_way_keeps_its_version() -> None:
    """A migration meanwhile does not part the contexts of one call."""
    wire = Both(delay_seconds=1.0)

    async def main() -> None:
        client = client_of(
            wire, base_url="https://docs.example.org/one", max_concurrency=1
        )
        call = asyncio.create_task(client.fetch_documentation(ID, ["a", "b", "c"]))
        await asyncio.sleep(0.5)
        await client.migrate_to_version("v1")
        await call
        assert str(client.api_version) == "v1"

    run(main())
    paths = [each.path for each in wire.asked if "libraries" not in each.path]
    assert paths == ["/api/v2/context"] * 3
