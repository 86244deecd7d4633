"""A version is named once in every URL, announced ends are told, migration is safe."""

from __future__ import annotations

import asyncio
import itertools
import random
import warnings
from datetime import UTC, datetime
from typing import Any

import pytest

from contexter_nb.clients import VersionedAPIClient
from contexter_nb.core import (
    APIMethod,
    APIRequest,
    InvalidArgumentError,
    NotFoundError,
    ServerError,
    VersionError,
)
from contexter_nb.policies import (
    APIDeprecationWarning,
    APIMonitor,
    APIVersion,
    Lifetime,
    RetryPolicy,
    VersionedEndpoint,
)
from tests.clients.scripted import Later, Scripted, ok, status
from tests.loops import VirtualClock, run, run_really
from tests.world.faults import Ok, fault_server

ENDED = datetime(2026, 1, 1, tzinfo=UTC)
TO_END = datetime(2027, 1, 1, tzinfo=UTC)
ENDPOINTS = (
    VersionedEndpoint("models", {"v1": "models", "v2": "/models/list"}),
    VersionedEndpoint("library", {"v1": "/libraries/{id}", "v2": "/libraries/{id}"}),
    VersionedEndpoint("page", {"v1": "/{name}", "v2": "/{name}"}),
    VersionedEndpoint("docs", {"v2": "/docs/{owner}/{path}"}),
    VersionedEndpoint("spelled", {"v1": "/v1/spelled", "v2": "v2/spelled"}),
)


def client_of(
    *script: Any,
    base_url: str = "https://api.example.org",
    version: APIVersion | str = "v1",
    endpoints: Any = ENDPOINTS,
    **options: Any,
) -> tuple[VersionedAPIClient, Scripted]:
    """Return a client in virtual time, and the sender that plays for it."""
    sender = Scripted(*script)
    clock = VirtualClock()
    numbers = itertools.count(1)
    client = VersionedAPIClient(
        "demo",
        base_url,
        endpoints=endpoints,
        version=version,
        transport=sender,
        monitor=APIMonitor(clock=clock, telemetry=False),
        clock=clock,
        rng=random.Random(7),
        make_id=lambda: f"id-{next(numbers)}",
        **options,
    )
    return client, sender


def url_of(name: str, **more: Any) -> str:
    """Return the URL that a call of an endpoint is sent to."""
    call = {key: more.pop(key) for key in ("ids", "keep_slash") if key in more}
    asked = more.pop("asked", None)
    client, sender = client_of(**more)
    run(client.execute_endpoint(name, version=asked, **call))
    return sender.requests[0].url


@pytest.mark.parametrize(
    "base_url",
    [
        "https://api.example.org",
        "https://api.example.org/",
        "https://api.example.org/v1",
    ]
    + ["https://api.example.org/v1/", "https://api.example.org/v2"],
)
@pytest.mark.parametrize("version", ["v1", "v2", "2", APIVersion("1")])
def test_the_version_is_named_once(base_url: str, version: Any) -> None:
    """Whatever the base URL ends in, the path holds the version asked for, once."""
    spelled = f"v{str(version).removeprefix('v')}"
    path = "models" if spelled == "v1" else "models/list"
    assert (
        url_of("models", base_url=base_url, asked=version)
        == f"https://api.example.org/{spelled}/{path}"
    )


@pytest.mark.parametrize(
    ("base_url", "version", "expected"),
    [
        ("https://x.org/api", "v1", "https://x.org/api/v1/models"),
        ("https://x.org/api/v1", "v1", "https://x.org/api/v1/models"),
        ("https://x.org/api/v1", "1", "https://x.org/api/v1/models"),
        ("https://x.org/v1.0", "v1.0", "https://x.org/v1.0/models"),
    ],
)
def test_the_spelling_of_the_base_url_is_the_services(
    base_url: str, version: str, expected: str
) -> None:
    """A version that the base URL spells another way keeps that spelling."""
    endpoints = [VersionedEndpoint("models", {version: "/models"})]
    assert (
        url_of("models", base_url=base_url, version=version, endpoints=endpoints)
        == expected
    )


@pytest.mark.parametrize("name", ["v1", "v2", "2", "1", "2026-01-01"])
def test_an_id_that_looks_like_a_version_stays(name: str) -> None:
    """A value for a place is never taken for a version, nor dropped as one."""
    assert url_of("page", ids={"name": name}) == f"https://api.example.org/v1/{name}"


def test_a_path_may_name_its_own_version() -> None:
    """A template that begins with its version does not name it twice."""
    assert url_of("spelled") == "https://api.example.org/v1/spelled"
    assert url_of("spelled", asked="v2") == "https://api.example.org/v2/spelled"


@pytest.mark.parametrize(
    ("value", "quoted"),
    [("a?x=1#y", "a%3Fx%3D1%23y"), ("a/b", "a%2Fb"), ("ü ", "%C3%BC%20"), (7, "7")]
    + [("..%2f", "..%252f"), ("a\\b", "a%5Cb"), ("a\r\nb", "a%0D%0Ab")],
)
def test_ids_cannot_leave_their_place(value: Any, quoted: str) -> None:
    """A value is quoted, so that it is neither a query nor another path."""
    url = url_of("library", ids={"id": value})
    assert url == f"https://api.example.org/v1/libraries/{quoted}"


@pytest.mark.parametrize("value", ["", ".", "..", None, True, 1.5, ["a"]])
def test_ids_that_name_nothing_are_refused(value: Any) -> None:
    """An empty value, dots and other kinds are refused, and nothing is sent."""
    client, sender = client_of()
    with pytest.raises(InvalidArgumentError):
        run(client.execute_endpoint("library", ids={"id": value}))
    with pytest.raises(InvalidArgumentError, match="'id' is missing"):
        run(client.execute_endpoint("library"))
    assert sender.requests == []


def test_slashes_stay_where_they_are_meant() -> None:
    """A place whose value is a path keeps its slashes; the others do not."""
    ids = {"owner": "a/b", "path": "vercel/next.js"}
    url = url_of("docs", ids=ids, keep_slash=["path"], asked="v2")
    assert url == "https://api.example.org/v2/docs/a%2Fb/vercel/next.js"


def test_the_callers_request_is_left_as_it_was() -> None:
    """The same request can be sent any number of times, to the same place."""
    client, sender = client_of()
    request = APIRequest(method=APIMethod.POST, json_data={"a": 1})
    for _ in range(3):
        run(client.execute_endpoint("models", request=request))
    assert {each.url for each in sender.requests} == {
        "https://api.example.org/v1/models"
    }
    assert {each.method for each in sender.requests} == {"POST"}
    assert request.endpoint == ""


def test_a_request_that_names_an_endpoint_is_refused() -> None:
    """There is one place that says where an endpoint stands."""
    client, sender = client_of()
    with pytest.raises(InvalidArgumentError, match="leave it empty"):
        run(client.execute_endpoint("models", request=APIRequest(endpoint="/x")))
    assert sender.requests == []


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        ("model", None, "no endpoint 'model'; .* Did you mean 'models'"),
        ("docs", None, "'docs' is not in version v1, but in v2"),
        ("models", "v3", "not in version v3, but in v1, v2"),
    ],
)
def test_what_is_not_offered_is_told(name: str, version: Any, said: str) -> None:
    """The error says what there is, of which service, and suggests the nearest."""
    client, sender = client_of()
    with pytest.raises(VersionError, match=said) as raised:
        run(client.execute_endpoint(name, version=version))
    assert (raised.value.service, raised.value.operation) == ("demo", name)
    assert sender.requests == []


@pytest.mark.parametrize("version", ["latest", "", "v1/../v2", "v1?x", None, 1])
def test_a_version_that_is_none_is_refused(version: Any) -> None:
    """What is no version, latest among them, is refused when the client is made."""
    with pytest.raises(InvalidArgumentError, match="is no version"):
        client_of(version=version)


def test_without_a_version_in_the_path_paths_stand_as_they_are() -> None:
    """A service that takes the version elsewhere gets plain paths."""
    assert (
        url_of("models", base_url="https://x.org/api", version_in_path=False)
        == "https://x.org/api/models"
    )


def test_the_versions_are_listed() -> None:
    """The client says which version it uses and which there are, the oldest first."""
    client, _ = client_of(base_url="https://api.example.org/v1")
    assert str(client.api_version) == "v1"
    assert [str(each) for each in client.api_versions] == ["v1", "v2"]
    assert client.base_url == "https://api.example.org"


def test_the_operation_is_the_endpoints_name() -> None:
    """Metrics count by endpoint, whatever ids are in the path."""

    async def main() -> None:
        client, _ = client_of()
        await client.execute_endpoint("library", ids={"id": "a"})
        await client.execute_endpoint("library", ids={"id": "b"})
        await client.execute_endpoint(
            "models", request=APIRequest(operation="my models")
        )
        found = {each.operation: each.calls for each in client.get_metrics().operations}
        assert found == {"library": 2, "my models": 1}

    run(main())


# Announced ends


def lifetimes(**of: Lifetime) -> list[VersionedEndpoint]:
    """Return an endpoint in two versions, with what is announced of them."""
    return [VersionedEndpoint("models", {"v1": "/models", "v2": "/models"}, of)]


def caught(*calls: Any) -> list[warnings.WarningMessage]:
    """Return the warnings that calls raise under the filters of a plain Python."""

    async def main() -> None:
        for each in calls:
            await each

    with warnings.catch_warnings(record=True) as found:
        warnings.resetwarnings()
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        run(main())
    return list(found)


def test_an_announced_end_is_told_once_and_seen() -> None:
    """The warning is of a class that Python shows; each version has its own."""
    client, _ = client_of(
        endpoints=lifetimes(
            v1=Lifetime(deprecated=ENDED, sunset=TO_END, successor="v2"),
            v2=Lifetime(sunset=TO_END),
        )
    )
    found = caught(
        *(client.execute_endpoint("models") for _ in range(3)),
        client.execute_endpoint("models", version="v2"),
    )
    assert [each.category for each in found] == [APIDeprecationWarning] * 2
    assert not issubclass(APIDeprecationWarning, DeprecationWarning)
    said = str(found[0].message)
    assert said.startswith("demo: 'models' v1 has been deprecated from 2026-01-01")
    assert "2027-01-01" in said
    assert "use v2" in said


def test_an_end_said_by_the_answer_is_told_too() -> None:
    """Deprecation and Sunset fields are read, once for each endpoint and version."""
    client, _ = client_of(
        ok(
            deprecation="@1767225600",
            sunset="Fri, 01 Jan 2027 00:00:00 GMT",
            link='<https://example.org/v2>; rel="successor-version"',
        )
    )
    found = caught(*(client.execute_endpoint("models") for _ in range(3)))
    assert len(found) == 1
    assert "https://example.org/v2" in str(found[0].message)


def test_nothing_is_told_where_nothing_is_announced() -> None:
    """An endpoint without an announced end is silent, with no field or an odd one."""
    client, _ = client_of(ok(), ok(deprecation="false"), ok(sunset="soon"))
    assert caught(*(client.execute_endpoint("models") for _ in range(3))) == []


def test_past_its_end_an_endpoint_is_asked_unless_strict() -> None:
    """Ends are put off, so it warns; a strict client refuses and sends nothing."""
    ended = lifetimes(v1=Lifetime(sunset=ENDED))
    client, sender = client_of(endpoints=ended)
    assert len(caught(client.execute_endpoint("models"))) == 1
    assert len(sender.requests) == 1
    client, sender = client_of(endpoints=ended, strict=True)
    with pytest.raises(VersionError, match="was to end on 2026-01-01") as raised:
        run(client.execute_endpoint("models"))
    assert raised.value.service == "demo"
    assert sender.requests == []


# Migration


def test_migration_switches_the_version() -> None:
    """Calls from then on go to the new version; it returns the one before."""

    async def main() -> None:
        client, sender = client_of()
        assert str(await client.migrate_to_version("v2", probe="models")) == "v1"
        await client.execute_endpoint("models")
        assert str(client.api_version) == "v2"
        assert [each.url for each in sender.requests] == [
            "https://api.example.org/v2/models/list"
        ] * 2
        assert {each.method for each in sender.requests} == {"GET"}

    run(main())


@pytest.mark.parametrize(
    ("answer", "error"), [(status(404), NotFoundError), (status(503), ServerError)]
)
def test_a_probe_that_fails_keeps_the_version(answer: Any, error: Any) -> None:
    """Where the new version does not answer, nothing changes, and that is said."""

    async def main() -> None:
        client, sender = client_of(answer, retry=RetryPolicy(base_seconds=0.01))
        with pytest.raises(error) as raised:
            await client.migrate_to_version("v2", probe="models")
        assert str(client.api_version) == "v1"
        assert "demo stays with version v1." in raised.value.__notes__
        assert len(sender.requests) <= 2

    run(main())


def test_a_version_that_lacks_endpoints_is_refused() -> None:
    """What would be missing is named; it can be allowed on purpose."""

    async def main() -> None:
        client, sender = client_of(version="v2")
        with pytest.raises(VersionError, match="lacks docs"):
            await client.migrate_to_version("v1")
        with pytest.raises(VersionError, match="no version v9; there are v1, v2"):
            await client.migrate_to_version("v9")
        assert str(client.api_version) == "v2"
        await client.migrate_to_version("v1", allow_missing=True)
        assert str(client.api_version) == "v1"
        with pytest.raises(VersionError, match="not in version v1"):
            await client.execute_endpoint("docs", ids={"owner": "a", "path": "b"})
        assert sender.requests == []

    run(main())


def test_a_probe_that_is_unknown_keeps_the_version() -> None:
    """A probe that the new version does not have is an error, and nothing changes."""

    async def main() -> None:
        client, sender = client_of()
        with pytest.raises(VersionError, match="no endpoint 'health'"):
            await client.migrate_to_version("v2", probe="health")
        with pytest.raises(InvalidArgumentError, match="'id' is missing"):
            await client.migrate_to_version("v2", probe="library")
        assert str(client.api_version) == "v1"
        assert sender.requests == []

    run(main())


def test_a_cancelled_probe_keeps_the_version() -> None:
    """Migration that is given up half way has changed nothing."""

    async def main() -> None:
        client, _ = client_of(Later(60))
        moving = asyncio.ensure_future(client.migrate_to_version("v2", probe="models"))
        await asyncio.sleep(1)
        moving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await moving
        assert str(client.api_version) == "v1"

    run(main())


def test_calls_under_way_keep_their_version() -> None:
    """A switch between an attempt and its repetition does not change where it goes."""

    async def main() -> None:
        client, sender = client_of(
            Later(1, status(503)), Later(1, ok()), retry=RetryPolicy(base_seconds=5)
        )
        calls = [
            asyncio.ensure_future(client.execute_endpoint("library", ids={"id": "a"}))
            for _ in range(2)
        ]
        await asyncio.sleep(0.5)
        await client.migrate_to_version("v2")
        calls.append(
            asyncio.ensure_future(client.execute_endpoint("library", ids={"id": "b"}))
        )
        await asyncio.gather(*calls)
        urls = sorted(each.url for each in sender.requests)
        assert urls == [
            "https://api.example.org/v1/libraries/a",
            "https://api.example.org/v1/libraries/a",
            "https://api.example.org/v1/libraries/a",
            "https://api.example.org/v2/libraries/b",
        ]

    run(main())


def test_it_works_over_sockets() -> None:
    """With its own transport the request arrives where it should."""

    async def main() -> None:
        async with (
            fault_server(paths={"/v2/models/list": Ok([1])}) as server,
            VersionedAPIClient(
                "demo", f"{server.url}/v1", endpoints=ENDPOINTS, version="v1"
            ) as client,
        ):
            answer = await client.execute_endpoint("models", version="v2")
            assert answer.data == [1]
            assert "demo" in repr(client)

    run_really(main())
