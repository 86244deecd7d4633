"""Every form in which a service may say when to come back, and every wrong one."""

from __future__ import annotations

import locale
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import Headers
from contexter_nb.policies._retry_after import http_date, retry_after_seconds

WALL = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
IN_30_SECONDS = "Tue, 24 Nov 2026 12:00:30 GMT"


def asked(**fields: str) -> float | None:
    """Return what headers ask for; underscores stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return retry_after_seconds(named, WALL)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("1", 1.0),
        (" 7 ", 7.0),
        ("+3", 3.0),
        ("1.5", 1.5),
        (".25", 0.25),
        ("2.", 2.0),
        ("86400", 86_400.0),
        ("-3", 0.0),
        ("-0.5", 0.0),
        ("2, 5", 5.0),
        (IN_30_SECONDS, 30.0),
        ("Tuesday, 24-Nov-26 12:00:30 GMT", 30.0),
        ("Tue Nov 24 12:00:30 2026", 30.0),
        ("Tue Dec  1 12:00:00 2026", 7 * 86_400.0),
        ("Tue, 24 Nov 2026 12:00:30 UTC", 30.0),
        ("Tue, 24 Nov 2026 11:00:00 GMT", 0.0),
        ("Thu, 31 Dec 2026 23:59:60 GMT", 37 * 86_400 + 12 * 3600.0),
    ],
)
def test_what_is_meant_is_understood(value: str, seconds: float) -> None:
    """Whole and broken seconds and the three date forms count; the past is 0."""
    assert asked(retry_after=value) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "nan",
        "inf",
        "-inf",
        "infinity",
        "1e3",
        "1_000",
        "0x10",
        "9" * 400,
        "1 2",
        "5 s",
        "٣",
        "60, soon",
        "Tue, 24 Nov 2026 12:00:30 +0100",
        "Tue, 24 Nov 2026 25:00:00 GMT",
        "Tue, 31 Feb 2026 12:00:00 GMT",
        "Tue, 24 Nov 2026 12:00:99 GMT",
        "Tue, 24 Nov 0000 12:00:00 GMT",
        "Tue, ٢٤ Nov 2026 12:00:30 GMT",
        "2026-11-24T12:00:30Z",
        "Di, 24 Nov 2026",
    ],
)
def test_nonsense_says_nothing(value: str) -> None:
    """What is no finite number and no date is as if it had not been sent."""
    assert asked(retry_after=value) is None


def test_no_header_says_nothing() -> None:
    """Without a header there is no number to sleep by: the own backoff decides."""
    assert retry_after_seconds({}, WALL) is None


@pytest.mark.parametrize("headers", [dict, Headers])
def test_names_count_in_any_case(headers: type) -> None:
    """A plain dict and our own Headers, in any spelling, say the same."""
    assert retry_after_seconds(headers({"ReTry-AFTER": "4"}), WALL) == 4.0


def test_milliseconds_come_first() -> None:
    """The finer header counts, and where it is nonsense the other one does."""
    assert asked(retry_after_ms="250", retry_after="1") == 0.25
    assert asked(retry_after_ms="-250") == 0.0
    assert asked(retry_after_ms="soon", retry_after="1") == 1.0
    assert asked(retry_after_ms="nan") is None


@pytest.mark.parametrize("skew_hours", [-26, -1, 0, 1, 26])
def test_the_clocks_need_not_agree(skew_hours: int) -> None:
    """A date is compared with the answer's own, so a wrong clock here is no matter."""
    headers = {"Retry-After": IN_30_SECONDS, "Date": "Tue, 24 Nov 2026 12:00:00 GMT"}
    wall = WALL + timedelta(hours=skew_hours)
    assert retry_after_seconds(headers, wall) == 30.0


def test_an_answer_from_a_cache_has_aged() -> None:
    """The age that a cache adds has passed of the wait already."""
    date = "Tue, 24 Nov 2026 11:59:40 GMT"
    assert asked(retry_after=IN_30_SECONDS, date=date, age="20") == 30.0
    assert asked(retry_after=IN_30_SECONDS, date=date, age="old") == 50.0
    assert asked(retry_after=IN_30_SECONDS, date=date, age="9" * 30) == 0.0
    assert asked(retry_after=IN_30_SECONDS, date="yesterday") == 30.0


@pytest.mark.parametrize(
    ("wall_year", "year", "meant"),
    [
        (2026, "94", 1994),
        (2026, "26", 2026),
        (2026, "76", 2076),
        (2026, "77", 1977),
        (2099, "01", 2101),
        (2099, "49", 2149),
        (2001, "99", 1999),
    ],
)
def test_a_year_of_two_digits_is_at_most_50_years_ahead(
    wall_year: int, year: str, meant: int
) -> None:
    """More than 50 years ahead means the most recent past year of these digits."""
    found = http_date(f"Sunday, 06-Nov-{year} 08:49:37 GMT", WALL.replace(wall_year))
    assert found == datetime(meant, 11, 6, 8, 49, 37, tzinfo=UTC)


def test_dates_are_english_in_every_locale() -> None:
    """The names of months do not depend on the machine's language."""
    before = locale.setlocale(locale.LC_TIME)
    try:
        locale.setlocale(locale.LC_TIME, "C.UTF-8")
        assert asked(retry_after="Tue, 01 Dec 2026 12:00:00 GMT") == 7 * 86_400.0
        assert asked(retry_after="Die, 01 Dez 2026 12:00:00 GMT") is None
    finally:
        locale.setlocale(locale.LC_TIME, before)


def test_a_span_until_the_reset_counts_where_nothing_else_is_said() -> None:
    """X-RateLimit-Reset-After is seconds, and Retry-After counts for more."""
    assert asked(x_ratelimit_reset_after="2.5") == 2.5
    assert asked(x_ratelimit_reset_after="2.5", retry_after="4") == 4.0
    assert asked(x_ratelimit_reset_after="soon") is None


def test_an_instant_of_reset_counts_only_where_it_is_clear() -> None:
    """A reset is no wait while something remains; a small number may be anything."""
    instant = str(int(WALL.timestamp()) + 90)
    assert asked(x_ratelimit_reset=instant, x_ratelimit_remaining="0") == 90.0
    assert asked(x_ratelimit_reset=instant, x_ratelimit_remaining="3") is None
    assert asked(x_ratelimit_reset=instant) is None
    assert asked(x_ratelimit_reset="90", x_ratelimit_remaining="0") is None
    milliseconds = instant + "000"
    assert asked(x_ratelimit_reset=milliseconds, x_ratelimit_remaining="0") is None
    skewed = retry_after_seconds(
        {
            "X-RateLimit-Reset": instant,
            "X-RateLimit-Remaining": "0",
            "Date": "Tue, 24 Nov 2026 12:01:00 GMT",
        },
        WALL,
    )
    assert skewed == 30.0


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "retry-after",
                "retry-after-ms",
                "date",
                "age",
                "x-ratelimit-reset",
                "x-ratelimit-reset-after",
                "x-ratelimit-remaining",
            ]
        ),
        st.one_of(
            st.text("0123456789+-.,:;eE_ \n\x00infaTueNovGMT٣²", max_size=40),
            st.integers().map(str),
            st.floats().map(str),
            st.datetimes().map(lambda at: f"{at:%a, %d %b %Y %H:%M:%S} GMT"),
            st.datetimes().map(lambda at: f"{at:%A, %d-%b-%y %H:%M:%S} GMT"),
        ),
    )
)
def test_whatever_is_sent_the_wait_is_none_or_finite(headers: dict[str, str]) -> None:
    """No header raises, and no wait is negative, endless or not a number."""
    seconds = retry_after_seconds(headers, WALL)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))


@given(st.integers(-1_500_000_000, 1_500_000_000))
def test_a_date_is_read_as_it_is_written(offset_seconds: int) -> None:
    """All three forms give the instant back to the second."""
    instant = WALL + timedelta(seconds=offset_seconds)
    for form in (
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        f"%a %b {instant.day:>2} %H:%M:%S %Y",
    ):
        assert http_date(instant.strftime(form), WALL) == instant
