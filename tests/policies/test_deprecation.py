"""What a service announces by header is read in every form, and shown once."""

from __future__ import annotations

import asyncio
import threading
import warnings
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import Headers
from contexter_nb.policies._deprecation import (
    APIDeprecationWarning,
    DeprecationNotice,
    DeprecationWarner,
    read_deprecation,
)
from tests.loops import EPOCH, run

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
NOTICE = DeprecationNotice(deprecated_at=NEW_YEAR, successor="v2")


@pytest.mark.parametrize(
    ("value", "deprecated_at"),
    [
        ("@1767225600", NEW_YEAR),
        ("Thu, 01 Jan 2026 00:00:00 GMT", NEW_YEAR),
        ("2026-01-01", NEW_YEAR),
        ("true", None),
        ("?1", None),
        ("@99999999999999999999", None),
        ("@x", None),
        ("soon", None),
    ],
)
def test_a_deprecation_is_read_in_every_form(
    value: str, deprecated_at: datetime | None
) -> None:
    """What has no date that can be read is deprecated all the same."""
    notice = read_deprecation(Headers({"Deprecation": value}), EPOCH)
    assert notice is not None
    assert notice.deprecated_at == deprecated_at
    assert notice.is_deprecated(EPOCH)


@pytest.mark.parametrize(
    "headers", [{}, {"Deprecation": "false"}, {"Deprecation": "?0"}, {"Sunset": "soon"}]
)
def test_nothing_is_read_where_nothing_is_announced(headers: dict[str, str]) -> None:
    """Most answers announce nothing."""
    assert read_deprecation(Headers(headers), EPOCH) is None


def test_a_sunset_by_itself_is_an_announcement() -> None:
    """Its days are counted from the present."""
    headers = Headers({"Sunset": "Thu, 31 Dec 2026 12:00:00 GMT"})
    notice = read_deprecation(headers, EPOCH)
    assert notice is not None
    assert not notice.is_past_sunset(EPOCH)
    assert notice.sentence("search", "v1", EPOCH) == (
        "'search' v1 is deprecated and ends on 2026-12-31 (in 37 days); "
        "use what replaces it."
    )
    assert notice.is_past_sunset(datetime(2027, 1, 1, tzinfo=UTC))


def test_links_say_what_to_use_and_where_to_read_on() -> None:
    """By their relation; addresses that run code are left out."""
    headers = Headers(
        {
            "Deprecation": "@1767225600",
            "Link": '<https://h/v2>; rel="successor-version", '
            "<https://h/docs?a=1,2>; type=text/html; rel=deprecation, "
            '<javascript:alert(1)>; rel="sunset"',
        }
    )
    notice = read_deprecation(headers, EPOCH)
    assert notice is not None
    assert notice.successor == "https://h/v2"
    assert notice.documentation == "https://h/docs?a=1,2"
    assert notice.sentence("search", None, EPOCH) == (
        "'search' has been deprecated from 2026-01-01; use https://h/v2."
    )


def test_a_deprecation_to_come_is_told_as_such() -> None:
    """It is not in force yet."""
    before = datetime(2025, 12, 1, tzinfo=UTC)
    assert not NOTICE.is_deprecated(before)
    assert "will be deprecated from 2026-01-01" in NOTICE.sentence("a", "v1", before)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_no_header_makes_reading_fail(said: str, sunset: str, link: str) -> None:
    """Services write many things there."""
    headers = Headers({"Deprecation": said, "Sunset": sunset, "Link": link})
    notice = read_deprecation(headers, EPOCH)
    if notice is not None:
        assert notice.sentence("a", "v1", EPOCH).endswith(".")


def test_a_warning_is_shown_once_for_each_service_endpoint_and_version() -> None:
    """At the line that made the call, where a person can change it."""
    warner = DeprecationWarner()
    with pytest.warns(APIDeprecationWarning) as caught:
        for service in ("a", "b"):
            for version in ("v1", "v2", "v1"):
                for _ in range(3):
                    warner.warn(service, "search", version, NOTICE, EPOCH)
    assert len(caught) == 4
    assert {each.filename for each in caught} == {__file__}
    assert str(caught[0].message) == (
        "a: 'search' v1 has been deprecated from 2026-01-01; use v2."
    )


def test_it_names_the_callers_line_through_a_coroutine_of_ours() -> None:
    """The frames of asyncio and of this package are nobody's to change."""
    warner = DeprecationWarner()

    async def main() -> None:
        warner.warn("a", "search", "v1", NOTICE, EPOCH)

    with pytest.warns(APIDeprecationWarning) as caught:
        run(main())
    assert caught[0].filename == __file__


def test_a_warning_that_nobody_stands_behind_is_shown_all_the_same() -> None:
    """Straight from the loop there is no line of the user's to name."""
    warner = DeprecationWarner()

    loop = asyncio.new_event_loop()
    notice = DeprecationNotice(documentation="https://h/docs")
    loop.call_soon(warner.warn, "a", "search", "v1", notice, EPOCH)
    loop.call_soon(loop.stop)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        thread.join()
    loop.close()
    assert str(caught[0].message).endswith("See https://h/docs")
    assert [each.category for each in caught] == [APIDeprecationWarning]


def test_python_shows_it_by_default() -> None:
    """A plain DeprecationWarning would be hidden outside of `__main__`."""
    assert issubclass(APIDeprecationWarning, FutureWarning)
    assert not issubclass(APIDeprecationWarning, DeprecationWarning)


def test_what_was_shown_is_not_remembered_without_bound() -> None:
    """After a thousand the oldest may be shown again."""
    warner = DeprecationWarner()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert all(
            warner.warn("a", f"endpoint {each}", "v1", NOTICE, EPOCH)
            for each in range(1_001)
        )
        assert not warner.warn("a", "endpoint 1000", "v1", NOTICE, EPOCH)
        assert warner.warn("a", "endpoint 0", "v1", NOTICE, EPOCH)
