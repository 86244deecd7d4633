"""A version of an API: read from what people write, compared, put into a URL once."""

from __future__ import annotations

import re
from datetime import date
from functools import total_ordering
from urllib.parse import urlsplit

from contexter_nb.core import InvalidArgumentError, VersionError

_NUMBERS = re.compile(r"v?(\d{1,4}(?:\.\d{1,4}){0,2})", re.ASCII | re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@total_ordering
class APIVersion:
    """A version such as ``v1``, ``2``, ``v2.1`` or ``2026-01-01``.

    Versions are equal where their numbers are, with or without ``v``; dates are later
    than numbers, as a service that changes over to dates does not change back.

    Parameters
    ----------
    text : str
        As the service writes it in its paths; `str` gives it back.

    Raises
    ------
    InvalidArgumentError
        It is no version. ``latest`` is none: what it means changes unseen.

    Examples
    --------
    >>> APIVersion("v2") == APIVersion("2") < APIVersion("v2.1") < APIVersion("v10")
    True
    >>> str(APIVersion("2026-01-01"))
    '2026-01-01'
    """

    __slots__ = ("_key", "_text")

    def __init__(self, text: str) -> None:
        stripped = text.strip() if isinstance(text, str) else ""
        key = _key_of(stripped)
        if key is None:
            raise InvalidArgumentError(
                f"{str(text)[:40]!r} is no version; give one as 'v1', '2', 'v2.1' or "
                "'2026-01-01'."
            )
        self._text = stripped
        self._key = key

    @classmethod
    def of(cls, value: APIVersion | str) -> APIVersion:
        """Return `value` as a version.

        Parameters
        ----------
        value : APIVersion or str
        """
        return value if isinstance(value, APIVersion) else cls(value)

    @property
    def is_date(self) -> bool:
        """Whether it is a day rather than numbers."""
        return self._key[0]

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"APIVersion({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, APIVersion) else False

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, APIVersion):
            return NotImplemented
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _key_of(text: str) -> tuple[bool, tuple[int, ...]] | None:
    if _DATE.fullmatch(text):
        try:
            day = date.fromisoformat(text)
        except ValueError:
            return None
        return True, (day.year, day.month, day.day)
    found = _NUMBERS.fullmatch(text)
    if not found:
        return None
    return False, tuple(int(each) for each in found[1].split("."))


def join_version(base_url: str, version: APIVersion | str | None, path: str) -> str:
    """Return a URL that names the version once, wherever it is named already.

    Parameters
    ----------
    base_url : str
        With or without a version or a slash at its end; a version there gives way.
    version : APIVersion, str or None
        None where the URL names none, as with a version in a header.
    path : str
        Below the version; with or without a slash or this version at its start.

    Raises
    ------
    InvalidArgumentError
        The base URL has no scheme and host, or has a query or a fragment.
    VersionError
        `path` begins with another version.

    Examples
    --------
    >>> join_version("https://api.example.com/v1", "v1", "/embeddings")
    'https://api.example.com/v1/embeddings'
    >>> join_version("https://api.example.com/", "v2", "v2/libraries")
    'https://api.example.com/v2/libraries'
    """
    parts = urlsplit(base_url)
    if not (parts.scheme and parts.netloc) or parts.query or parts.fragment:
        raise InvalidArgumentError(
            f"base_url is {_shown(base_url)!r}; give scheme, host and path only, as "
            "'https://api.example.com/v1'."
        )
    below = path.lstrip("/")
    base = base_url.rstrip("/")
    if version is None:
        return f"{base}/{below}".rstrip("/")
    wanted = APIVersion.of(version)
    segments = parts.path.rstrip("/").split("/")
    named = _version_in(segments[-1], wanted)
    if named is not None:
        base = base.rpartition("/")[0]
    segment = segments[-1] if named == wanted else str(wanted)
    first, _, rest = below.partition("/")
    in_path = _version_in(first, wanted)
    if in_path is not None and in_path != wanted:
        raise VersionError(
            f"The path {path[:100]!r} names version {first}, where {wanted} is asked "
            "for; give the path without a version."
        )
    below = below if in_path is None else rest
    return f"{base}/{segment}/{below}".rstrip("/")


def _shown(url: str) -> str:
    return url.partition("?")[0].rpartition("@")[2][:100]


def _version_in(segment: str, wanted: APIVersion) -> APIVersion | None:
    """Return the version that a path segment is, if it is one of the wanted's kind.

    A bare number or another day may be anything, so it is one only where it is meant.
    """
    if _key_of(segment) is None:
        return None
    found = APIVersion(segment)
    looks_so = segment[0] in "vV" or (found.is_date and wanted.is_date)
    if segment == str(wanted) or (looks_so and found.is_date == wanted.is_date):
        return found
    return None
