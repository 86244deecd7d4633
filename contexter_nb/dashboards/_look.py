"""The look that all panels share: one set of colours, and numbers with their units.

A panel's outermost element has the class ``cx``, and `stylesheet` comes once with it.
Colours are tokens, ``var(--cx-ink)`` and so on, which follow Jupyter's theme; without
Jupyter they follow the browser's. Whatever is shown must read well without them, too:
GitHub and untrusted notebooks drop every style.
"""

from __future__ import annotations

import html
import math
import re
from datetime import datetime
from functools import cache
from importlib.resources import files

MISSING = "–"
TOKENS = (
    "--cx-ink",
    "--cx-muted",
    "--cx-paper",
    "--cx-raised",
    "--cx-line",
    "--cx-accent",
    "--cx-good",
    "--cx-warn",
    "--cx-bad",
    "--cx-mono",
    "--cx-sans",
    "--cx-radius",
)
# Controls but tab and line feed; what turns the direction of text around.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@cache
def stylesheet(name: str = "look") -> str:
    """Return a stylesheet of this room as a ``<style>`` element.

    Parameters
    ----------
    name : str, default "look"
        Its file in ``static``, without ``.css``.
    """
    sheet = files(__package__).joinpath("static", f"{name}.css")
    return f"<style>{sheet.read_text(encoding='utf-8')}</style>"


def escape(text: object) -> str:
    """Return text that shows as it is and does nothing, in content and attributes.

    Characters that cannot be seen, or turn text around, become the replacement
    character.

    Examples
    --------
    >>> escape('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(_UNSEEN.sub("\N{REPLACEMENT CHARACTER}", str(text)), quote=True)


def shortened(text: str, limit: int) -> str:
    """Return the beginning of a text, with an ellipsis where some was cut off.

    Examples
    --------
    >>> shortened("embeddings", 6), shortened("rerank", 6)
    ('embed…', 'rerank')
    """
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def clock_time(at: datetime) -> str:
    """Return the time of a day.

    Parameters
    ----------
    at : datetime

    Examples
    --------
    >>> clock_time(datetime(2026, 11, 29, 7, 5, 9))
    '07:05:09'
    """
    return at.strftime("%H:%M:%S")


def count(number: float | None) -> str:
    """Return a whole number with thousands separators.

    Examples
    --------
    >>> count(1234567), count(None)
    ('1,234,567', '–')
    """
    if number is None or not math.isfinite(number):
        return MISSING
    return f"{number:,.0f}"


def milliseconds(value: float | None) -> str:
    """Return a time in ms to three digits; from ten seconds on in seconds.

    Examples
    --------
    >>> milliseconds(0.4213), milliseconds(83.14), milliseconds(1234.5)
    ('0.42 ms', '83.1 ms', '1,234 ms')
    >>> milliseconds(61_000), milliseconds(None)
    ('61.0 s', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value >= 10_000:
        return seconds(value / 1000)
    return f"{value:,.{_decimals(value)}f} ms"


def number_ms(value: float | None) -> str:
    """Return a time in ms to three digits, for a column whose heading has the unit.

    Examples
    --------
    >>> number_ms(0.4213), number_ms(12_345.6), number_ms(None)
    ('0.42', '12,346', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:,.{_decimals(value)}f}"


def seconds(value: float | None) -> str:
    """Return a duration in the unit that a person would say.

    Examples
    --------
    >>> seconds(0), seconds(0.42), seconds(61), seconds(185), seconds(7_800)
    ('0 s', '0.42 s', '61.0 s', '3 min 5 s', '2 h 10 min')
    >>> seconds(200_000), seconds(None)
    ('2 d 7 h', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0 s"
    if abs(value) < 100:
        return f"{value:.{_decimals(value)}f} s"
    whole = round(value)
    for size, name, below, smaller in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if abs(whole) >= size:
            many, rest = divmod(abs(whole), size)
            sign = "-" if whole < 0 else ""
            return f"{sign}{many:,} {name} {rest // below} {smaller}"
    return f"{whole} s"


def usd(value: float | None) -> str:
    """Return US dollars: four decimals, two from a hundred on.

    Examples
    --------
    >>> usd(0), usd(0.01234), usd(1234.5), usd(0.0000002)
    ('0.0000 USD', '0.0123 USD', '1,234.50 USD', '<0.0001 USD')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if 0 < value < 0.00005:
        return "<0.0001 USD"
    return f"{value:,.{2 if value >= 100 else 4}f} USD"


def size(bytes_: float | None) -> str:
    """Return a number of bytes in binary units.

    Examples
    --------
    >>> size(512), size(1536), size(64 * 1024**2), size(None)
    ('512 B', '1.5 KiB', '64.0 MiB', '–')
    """
    if bytes_ is None or not math.isfinite(bytes_):
        return MISSING
    value, unit = float(bytes_), 0
    while value >= 1023.95 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:,.{1 if unit else 0}f} {_UNITS[unit]}"


def percent(part: float, whole: float) -> str:
    """Return a share in percent; nothing of nothing is missing.

    Examples
    --------
    >>> percent(1, 3), percent(0, 5), percent(999, 1000), percent(0, 0)
    ('33.3 %', '0 %', '99.9 %', '–')
    """
    if not whole:
        return MISSING
    share = 100 * part / whole
    if share in (0.0, 100.0):
        return f"{share:.0f} %"
    return f"{min(max(share, 0.1), 99.9):.1f} %"


def share(part: float, whole: float) -> str:
    """Return a share in percent with the numbers it was made of.

    Examples
    --------
    >>> share(5, 6), share(0, 0)
    ('83.3 % (5/6)', '– (0/0)')
    """
    return f"{percent(part, whole)} ({count(part)}/{count(whole)})"


def per_second(value: float | None) -> str:
    """Return how often something happens.

    Examples
    --------
    >>> per_second(12.3), per_second(0.04), per_second(0)
    ('12.3/s', '0.04/s', '0/s')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    return "0/s" if value == 0 else f"{value:,.{_decimals(value)}f}/s"


def _decimals(value: float) -> int:
    """Return how many decimals make three digits."""
    if abs(value) >= 99.95:
        return 0
    return 1 if abs(value) >= 9.995 else 2
