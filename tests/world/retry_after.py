"""Every form in which services send Retry-After, well formed and not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """A header's value, and the seconds it asks for; None where it says nothing usable.

    Seconds below 0 are what a date in the past, or a broken service, comes to.
    """

    name: str
    value: str
    seconds: float | None

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The field as a behaviour takes it."""
        return (("Retry-After", self.value),)


def retry_after_forms(now: datetime, seconds: int = 3) -> tuple[RetryAfter, ...]:
    """Return all forms; the dates are `seconds` after `now` (aware UTC)."""
    now = now.replace(microsecond=0)
    soon = now + timedelta(seconds=seconds)
    imf = format_datetime(soon, usegmt=True)
    rfc850 = soon.strftime("%A, %d-%b-%y %H:%M:%S GMT")
    asctime = soon.strftime("%a %b ") + f"{soon.day:2d}" + soon.strftime(" %H:%M:%S %Y")
    past = format_datetime(now - timedelta(hours=1), usegmt=True)
    offset = imf.replace("GMT", "+0000")
    return (
        RetryAfter("seconds", str(seconds), float(seconds)),
        RetryAfter("zero", "0", 0.0),
        RetryAfter("padded", f"  {seconds}  ", float(seconds)),
        RetryAfter("fraction", "1.5", 1.5),
        RetryAfter("negative", "-3", -3.0),
        RetryAfter("a day", "86400", 86_400.0),
        RetryAfter("beyond all bounds", "9" * 400, None),
        RetryAfter("date", imf, float(seconds)),
        RetryAfter("date of RFC 850", rfc850, float(seconds)),
        RetryAfter("date of asctime", asctime, float(seconds)),
        RetryAfter("date with an offset", offset, float(seconds)),
        RetryAfter("date in the past", past, -3_600.0),
        RetryAfter("date that is none", "Tue, 31 Feb 2026 25:61:00 GMT", None),
        RetryAfter("not a number", "nan", None),
        RetryAfter("infinity", "inf", None),
        RetryAfter("words", "soon", None),
        RetryAfter("with its unit", "3s", None),
        RetryAfter("empty", "", None),
        RetryAfter("digits of another script", "３".encode().decode("latin-1"), None),
    )
