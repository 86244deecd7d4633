"""How long a service asks to be left alone, in every form in which it may say so."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from contexter_nb.core import Headers

# float() would take "1_000", "infinity" and digits of other scripts, too.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DATES = [
    re.compile(form, re.ASCII)
    for form in (
        rf"[A-Z][a-z]{{2}}, (?P<day>\d\d) (?P<month>{_MONTH}) (?P<year>\d{{4}}) "
        rf"{_TIME} (?:GMT|UTC)",
        rf"[A-Z][a-z]+, (?P<day>\d\d)-(?P<month>{_MONTH})-(?P<year>\d\d) "
        rf"{_TIME} (?:GMT|UTC)",
        rf"[A-Z][a-z]{{2}} (?P<month>{_MONTH}) (?P<day>[ \d]\d) {_TIME} "
        r"(?P<year>\d{4})",
    )
]
# The smallest number that can only be an instant: as a span it would be 31 years.
_EPOCH_FROM_SECONDS = 1e9


def retry_after_seconds(headers: Mapping[str, str], wall: datetime) -> float | None:
    """Return how long to wait before asking again, or None where nobody said.

    The first that can be understood counts: ``Retry-After-Ms``; ``Retry-After`` as
    seconds, whole or not, or as a date; ``X-RateLimit-Reset-After`` in seconds; and
    ``X-RateLimit-Reset`` as seconds since 1970, if ``X-RateLimit-Remaining`` is 0. An
    instant is compared with the answer's own ``Date`` (plus its ``Age``), so that it
    does not matter whether the two clocks agree.

    Parameters
    ----------
    headers : mapping
        Of the answer; names in any case.
    wall : datetime
        The aware time here, taken where the answer has no ``Date``.

    Returns
    -------
    float or None
        Finite seconds of 0 or more; a negative wait and an instant gone by are 0.

    Examples
    --------
    >>> now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    >>> retry_after_seconds({"Retry-After": "1.5"}, now)
    1.5
    >>> retry_after_seconds({"Retry-After": "Tue, 24 Nov 2026 12:00:30 GMT"}, now)
    30.0
    >>> retry_after_seconds({"Retry-After": "soon"}, now) is None
    True

    Source
    ------
    RFC 9110, sections 5.6.7 (dates) and 10.2.3 (Retry-After); RFC 9111, section 4.2.3
    (Age). The reset fields: docs.github.com/rest/using-the-rest-api/
    rate-limits-for-the-rest-api and discord.com/developers/docs/topics/rate-limits.
    """
    fields = headers if isinstance(headers, Headers) else Headers(headers)
    milliseconds = _number(fields.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    asked = fields.get("retry-after")
    if asked is not None:
        seconds = _seconds(asked, fields, wall)
        if seconds is not None:
            return seconds
    return _reset_seconds(fields, wall)


def http_date(text: str, wall: datetime) -> datetime | None:
    """Return the instant that an HTTP date names, or None where it is none.

    Parameters
    ----------
    text : str
        In any of the three forms that a recipient must understand.
    wall : datetime
        The aware time here: the century of a year of two digits goes by it.

    Returns
    -------
    datetime or None
        Aware UTC.

    Examples
    --------
    >>> now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    >>> http_date("Sunday, 06-Nov-94 08:49:37 GMT", now)
    datetime.datetime(1994, 11, 6, 8, 49, 37, tzinfo=datetime.timezone.utc)

    Source
    ------
    RFC 9110, section 5.6.7.
    """
    stripped = text.strip()
    found = next((hit for form in _DATES if (hit := form.fullmatch(stripped))), None)
    if found is None:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        year += wall.year // 100 * 100
        # More than 50 years ahead means the past, and the turn of a century is near.
        year += -100 if year > wall.year + 50 else 100 if year <= wall.year - 50 else 0
    second = int(found["second"])
    try:
        instant = datetime(
            year,
            _MONTH.split("|").index(found["month"]) + 1,
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            min(second, 59),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    if second > 60:
        return None
    return instant + timedelta(seconds=second - min(second, 59))  # a leap second


def _number(text: str | None) -> float | None:
    """Return the number, the largest of several fields; None for anything else."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    largest = max(float(part) for part in parts)
    return largest if math.isfinite(largest) else None


def _seconds(asked: str, fields: Headers, wall: datetime) -> float | None:
    seconds = _number(asked)
    if seconds is None:
        instant = http_date(asked, wall)
        if instant is None:
            return None
        seconds = (instant - _service_time(fields, wall)).total_seconds()
    return max(0.0, seconds)


def _service_time(fields: Headers, wall: datetime) -> datetime:
    """Return the service's time when the answer was received."""
    date = http_date(fields.get("date", ""), wall)
    if date is None:
        return wall
    age = _number(fields.get("age")) or 0.0
    return date + timedelta(seconds=min(max(0.0, age), _EPOCH_FROM_SECONDS))


def _reset_seconds(fields: Headers, wall: datetime) -> float | None:
    after = _number(fields.get("x-ratelimit-reset-after"))
    if after is not None:
        return max(0.0, after)
    if _number(fields.get("x-ratelimit-remaining")) != 0.0:
        return None
    instant = _number(fields.get("x-ratelimit-reset"))
    # Some services send a span here, others milliseconds: only what is clear counts.
    if instant is None or not _EPOCH_FROM_SECONDS <= instant < 1e11:
        return None
    return max(0.0, instant - _service_time(fields, wall).timestamp())
