"""Versions are read, compared and put into a URL once; a table never changes."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import InvalidArgumentError, VersionError
from contexter_nb.policies._api_version import APIVersion, join_version
from contexter_nb.policies._endpoint import Lifetime, VersionedEndpoint, path_for
from contexter_nb.policies._versions import VersionTable
from tests.loops import EPOCH

V1, V2 = APIVersion("v1"), APIVersion("v2")
LIBRARY = VersionedEndpoint("library", {"v1": "/libraries/{id}", "v2": "libs/{id}"})
SEARCH = VersionedEndpoint("search", {"v2": "/libs/search"})
FETCH = VersionedEndpoint("fetch", {"v1": "/fetch"})
TABLE = VersionTable([LIBRARY, SEARCH, FETCH], default="v1")


@pytest.mark.parametrize(
    "text", ["v1", "2", "v2.1", "V3", "v1.2.3", "2026-01-01", " v1 ", "0"]
)
def test_a_version_is_written_as_the_service_writes_it(text: str) -> None:
    """What goes into the path is what came out of the documentation."""
    assert str(APIVersion(text)) == text.strip()
    assert APIVersion.of(text) == APIVersion(text)


@pytest.mark.parametrize(
    "text",
    ["latest", "", "v", "version1", "v1/..", "2026-13-01", "v1.2.3.4", "v٣", None, 2.1],
)
def test_what_is_no_version_is_refused(text: Any) -> None:
    """`latest` among it, for it means another one every year."""
    with pytest.raises(InvalidArgumentError, match="is no version"):
        APIVersion(text)


def test_versions_are_ordered_by_number_and_day() -> None:
    """Ten comes after two, and days after numbers."""
    ordered = ["v1", "v2", "v2.1", "v10", "2025-12-31", "2026-01-01"]
    versions = [APIVersion(each) for each in ordered]
    assert sorted([*versions[3:], *versions[:3]]) == versions
    assert [each.is_date for each in versions] == [False] * 4 + [True] * 2
    assert APIVersion("v2") == APIVersion("2") == APIVersion("V2")
    assert len({APIVersion("v2"), APIVersion("2")}) == 1
    assert APIVersion("v2") != "v2"
    with pytest.raises(TypeError):
        _ = APIVersion("v2") < "v3"  # type: ignore[operator]


@pytest.mark.parametrize(
    ("base", "version", "path", "url"),
    [
        ("https://h", "v1", "/x", "https://h/v1/x"),
        ("https://h/", "v1", "x", "https://h/v1/x"),
        ("https://h/v1", "v1", "/x", "https://h/v1/x"),
        ("https://h/v1/", "v1", "x/y?q=1", "https://h/v1/x/y?q=1"),
        ("https://h/api", "v2", "/x", "https://h/api/v2/x"),
        ("https://h/api/v1", "v2", "/x", "https://h/api/v2/x"),
        ("https://h/v1", "v1", "/v1/x", "https://h/v1/x"),
        ("https://h", "v1", "v1", "https://h/v1"),
        ("https://h/v2", "2", "/x", "https://h/v2/x"),
        ("https://h/2", "2", "/x", "https://h/2/x"),
        ("https://h/2", "v1", "/x", "https://h/2/v1/x"),
        ("https://h/2026-01-01", "2026-02-01", "/x", "https://h/2026-02-01/x"),
        ("https://h/v1", None, "/x", "https://h/v1/x"),
        ("https://h/v1/proxy", "v2", "/x", "https://h/v1/proxy/v2/x"),
        ("https://h", "v1", "/2/x", "https://h/v1/2/x"),
        ("https://h", "v1", "/2026-01-01/x", "https://h/v1/2026-01-01/x"),
        ("https://h", "v1", "", "https://h/v1"),
    ],
)
def test_a_url_names_the_version_once(
    base: str, version: str | None, path: str, url: str
) -> None:
    """Whether the base URL or the path has it already, and wherever slashes are."""
    assert join_version(base, version, path) == url


@given(
    st.sampled_from(["https://h", "https://h/", "https://h/v1", "https://h/a/v2/"]),
    st.sampled_from(["v1", "v2"]),
    st.sampled_from(["x", "/x", "/x/y"]),
)
def test_joining_twice_is_joining_once(base: str, version: str, path: str) -> None:
    """Sending again does not add the version again."""
    once = join_version(base, version, path)
    again = join_version(base, version, f"/{version}/{path.lstrip('/')}")
    assert again == once
    assert urlsplit(once).path.split("/").count(version) == 1


def test_a_path_of_another_version_is_refused() -> None:
    """Which of the two is meant cannot be known."""
    with pytest.raises(VersionError, match="names version v2, where v1"):
        join_version("https://h", "v1", "/v2/x")


@pytest.mark.parametrize(
    "base", ["h/v1", "/v1", "https://h?key=zzz", "https://h/#a", ""]
)
def test_a_base_url_is_scheme_host_and_path(base: str) -> None:
    """And the refusal does not show a query, which may be a key."""
    with pytest.raises(
        InvalidArgumentError, match="give scheme, host and path"
    ) as caught:
        join_version(base, "v1", "/x")
    assert "zzz" not in str(caught.value)


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_an_id_is_one_segment_whatever_it_holds(library: str) -> None:
    """Neither a query nor a fragment nor another path can be made of it."""
    if library in (".", ".."):
        return
    path = path_for(LIBRARY, "v1", id=library)
    parts = urlsplit("https://h" + path)
    assert (parts.query, parts.fragment) == ("", "")
    assert path.count("/") == 2
    assert unquote(path.rpartition("/")[2]) == library


def test_slashes_of_an_id_are_kept_on_purpose_only() -> None:
    """For services whose ids are paths."""
    assert path_for(LIBRARY, V2, id="vercel/next.js") == "/libs/vercel%2Fnext.js"
    kept = path_for(LIBRARY, V2, id="/vercel/next?.js", keep_slash={"id"})
    assert kept == "/libs/vercel/next%3F.js"
    assert path_for(LIBRARY, V2, id=7) == "/libs/7"


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ({}, "'id' is missing"),
        ({"id": "x", "other": "y"}, "'other' is no place"),
        ({"idd": "x"}, "Did you mean 'id'"),
        ({"id": ""}, "is empty or leads to another path"),
        ({"id": ".."}, "is empty or leads to another path"),
        ({"id": "a/../b", "keep_slash": ["id"]}, "leads to another path"),
        ({"id": "a//b", "keep_slash": ["id"]}, "leads to another path"),
        ({"id": None}, "id is None"),
        ({"id": True}, "id is a bool"),
        ({"id": "\ud800"}, "half a character"),
    ],
)
def test_an_id_that_makes_no_path_is_refused(ids: dict[str, Any], said: str) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidArgumentError, match=said):
        path_for(LIBRARY, "v1", **ids)


def test_an_endpoint_is_found_in_the_version_asked_for() -> None:
    """Its own path there, not the default's; templates are filled in."""
    assert TABLE.resolve("library").path(id="x") == "/libraries/x"
    assert TABLE.resolve("library", "v2").path(id="x") == "/libs/x"
    assert TABLE.resolve("search", V2).version == V2
    assert TABLE.versions == (V1, V2)
    assert LIBRARY.versions == (V1, V2)


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        ("serach", "v2", "Did you mean 'search'"),
        ("search", None, "'search' is not in version v1, but in v2"),
        ("search", "v3", "'search' is not in version v3, but in v2"),
    ],
)
def test_an_endpoint_that_is_not_offered_is_an_error_that_says_what_is(
    name: str, version: str | None, said: str
) -> None:
    """With close names, and with the versions that have it."""
    with pytest.raises(VersionError, match=said):
        TABLE.resolve(name, version)


def test_migration_tells_what_would_be_missing_before_it_is_made() -> None:
    """What the present version lacks anyway is not missed."""
    assert TABLE.check_migration("v2") == ("fetch",)
    assert TABLE.with_version("v2", allow_missing=True).check_migration("v1") == (
        "search",
    )
    assert TABLE.check_migration("v1") == ()
    with pytest.raises(VersionError, match="Version v2 lacks fetch"):
        TABLE.with_version("v2")
    with pytest.raises(VersionError, match="no version v3; there are v1, v2"):
        TABLE.check_migration("v3")


def test_changing_the_version_makes_another_table() -> None:
    """Calls under way keep the one they began with."""
    other = TABLE.with_version("v2", allow_missing=True)
    assert (TABLE.version, other.version) == (V1, V2)
    assert other.resolve("library").path(id="x") == "/libs/x"
    with pytest.raises(FrozenInstanceError):
        TABLE.default = "v2"  # type: ignore[misc]
    paths = {"v1": "/a"}
    endpoint = VersionedEndpoint("a", paths)
    paths["v1"] = "/b"
    assert path_for(endpoint, "v1") == "/a"


@pytest.mark.parametrize(
    "make",
    [
        lambda: VersionTable([], default="v1"),
        lambda: VersionTable([FETCH, FETCH], default="v1"),
        lambda: VersionTable([FETCH], default="v2"),
        lambda: VersionedEndpoint("", {"v1": "/x"}),
        lambda: VersionedEndpoint("x", {}),
        lambda: VersionedEndpoint("x", {"latest": "/x"}),
        lambda: VersionedEndpoint("x", {"v1": "/x"}, {"v2": Lifetime()}),
        lambda: Lifetime(sunset=datetime(2026, 1, 1)),  # noqa: DTZ001 - that is it
    ],
)
def test_a_table_that_contradicts_itself_is_refused(make: Any) -> None:
    """Where it is written, not where it is used."""
    with pytest.raises((InvalidArgumentError, VersionError)):
        make()


@pytest.mark.parametrize(
    ("sunset_days", "strict", "told", "refused"),
    [
        (30, False, True, False),
        (30, True, True, False),
        (-1, False, True, False),
        (-1, True, False, True),
    ],
)
def test_an_endpoint_past_its_end_is_refused_only_where_one_is_strict(
    sunset_days: int, strict: bool, told: bool, refused: bool
) -> None:
    """An announced end is a plan that services put off, so it is a warning first."""
    life = Lifetime(sunset=EPOCH + timedelta(days=sunset_days), successor="v2")
    endpoint = VersionedEndpoint("fetch", {"v1": "/fetch"}, {"v1": life})
    resolved = VersionTable([endpoint], default="v1").resolve("fetch")
    if refused:
        with pytest.raises(VersionError, match="was to end on 2026-11-23; use v2"):
            resolved.notice(EPOCH, strict=strict)
    else:
        assert (resolved.notice(EPOCH, strict=strict) is not None) is told


def test_nothing_is_announced_before_its_time_or_where_nothing_is() -> None:
    """A deprecation of next year is no news yet."""
    life = Lifetime(deprecated=datetime(2027, 1, 1, tzinfo=UTC))
    endpoint = VersionedEndpoint("a", {"v1": "/a", "v2": "/a"}, {"v1": life})
    table = VersionTable([endpoint, FETCH], default="v1")
    assert table.resolve("a").notice(EPOCH) is None
    assert table.resolve("a").notice(EPOCH + timedelta(days=100)) is not None
    assert table.resolve("a", "v2").notice(EPOCH) is None
    assert table.resolve("fetch").notice(EPOCH) is None
