"""What a service announces of an endpoint's end, and the one warning it is worth."""

from __future__ import annotations

import re
import sys
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import FrameType

from contexter_nb.core import Headers
from contexter_nb.policies._api_version import APIVersion
from contexter_nb.policies._excerpt import excerpt

SHOWN_AT_MOST = 1_000
_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_REL = re.compile(r""";\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))""", re.IGNORECASE)
_OURS = ("contexter_nb", "asyncio", "concurrent", "threading")


class APIDeprecationWarning(FutureWarning):
    """A service announces the end of an endpoint in use; shown by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeprecationNotice:
    """What is announced.

    Attributes
    ----------
    deprecated_at : datetime or None
        From when on it should not be used; None where no date was given.
    sunset_at : datetime or None
        From when on it may answer no more.
    successor : str
        What to use in its place: a URL, or a name.
    documentation : str
        Where to read on; empty where nothing was said.
    """

    deprecated_at: datetime | None = None
    sunset_at: datetime | None = None
    successor: str = ""
    documentation: str = ""

    def is_deprecated(self, wall: datetime) -> bool:
        """Tell whether the time has come; it has, where no date was given.

        Parameters
        ----------
        wall : datetime
            Aware; the present.
        """
        return self.deprecated_at is None or self.deprecated_at <= wall

    def is_past_sunset(self, wall: datetime) -> bool:
        """Tell whether the announced end is past.

        Parameters
        ----------
        wall : datetime
            Aware; the present.
        """
        return self.sunset_at is not None and self.sunset_at <= wall

    def sentence(
        self, endpoint: str, version: APIVersion | str | None, wall: datetime
    ) -> str:
        """Return the announcement in one sentence.

        Parameters
        ----------
        endpoint : str
        version : APIVersion, str or None
        wall : datetime
            Aware; the present.

        Examples
        --------
        >>> notice = DeprecationNotice(sunset_at=datetime(2026, 12, 31, tzinfo=UTC))
        >>> notice.sentence("search", "v1", datetime(2026, 12, 1, tzinfo=UTC))
        "'search' v1 is deprecated and ends on 2026-12-31 (in 30 days); use what \
replaces it."
        """
        name = f"{endpoint!r} {version}" if version else repr(endpoint)
        return f"{name} {self._when(wall)}; use {self.successor or 'what replaces it'}."

    def _when(self, wall: datetime) -> str:
        begins = self.deprecated_at
        said = "is deprecated"
        if begins is not None:
            tense = "has been" if begins <= wall else "will be"
            said = f"{tense} deprecated from {begins:%Y-%m-%d}"
        ends = self.sunset_at
        if ends is None:
            return said
        if ends <= wall:
            return f"{said} and was to end on {ends:%Y-%m-%d}"
        return f"{said} and ends on {ends:%Y-%m-%d} (in {(ends - wall).days} days)"


def read_deprecation(headers: Headers, wall: datetime) -> DeprecationNotice | None:
    """Return what an answer's header announces of the endpoint's end, or None.

    Parameters
    ----------
    headers : Headers
        ``Deprecation`` as a date (``@1767225600``), an older HTTP-date or ``true``;
        ``Sunset``; ``Link`` with the relations deprecation, sunset, successor-version.
    wall : datetime
        Aware; the present.

    Returns
    -------
    DeprecationNotice or None
        None where there is neither field, or what is there says no.

    Examples
    --------
    >>> notice = read_deprecation(
    ...     Headers({"Deprecation": "@1767225600"}), datetime(2026, 11, 24, tzinfo=UTC)
    ... )
    >>> notice.deprecated_at.year
    2026

    Source
    ------
    RFC 9745 (Deprecation: a structured date), its drafts up to 2 (HTTP-date, ``true``),
    RFC 8594 (Sunset: an HTTP-date), RFC 8288 (Link), RFC 5829 (successor-version).
    """
    said = headers.get("deprecation", "").strip()
    sunset = _instant(headers.get("sunset", ""))
    if said.lower() in ("", "false", "?0"):
        said = ""
    if not said and sunset is None:
        return None
    links = dict(_links(headers.get("link", "")))
    return DeprecationNotice(
        deprecated_at=_instant(said) if said else None,
        sunset_at=sunset,
        successor=links.get("successor-version", ""),
        documentation=links.get("deprecation") or links.get("sunset", ""),
    )


def _instant(text: str) -> datetime | None:
    """Return the instant that a header names in any of its forms, or None."""
    stripped = text.strip()
    try:
        if stripped.startswith("@"):
            return datetime.fromtimestamp(int(stripped[1:16]), UTC)
        try:
            found = parsedate_to_datetime(stripped)
        except ValueError:
            found = datetime.fromisoformat(stripped)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found
    except (ValueError, OverflowError, OSError, TypeError):
        return None


def _links(text: str) -> Iterator[tuple[str, str]]:
    """Yield relation and target of each link that a person may follow."""
    for target, rest in _LINK.findall(text[:8_192]):
        scheme = target.partition(":")[0].lower() if ":" in target else ""
        if scheme in ("", "http", "https"):
            for quoted, bare in _REL.findall(rest):
                for relation in (quoted or bare).lower().split():
                    yield relation, excerpt(target, 300)


class DeprecationWarner:
    """Warn of an endpoint's end once for each service, endpoint and version.

    May be used from several threads. After 1,000 it forgets the oldest.

    Examples
    --------
    >>> warner = DeprecationWarner()
    >>> wall = datetime(2026, 11, 24, tzinfo=UTC)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     for _ in range(3):
    ...         warner.warn("voyage", "rerank", "v1", DeprecationNotice(), wall)
    True
    False
    False
    >>> len(caught)
    1
    """

    def __init__(self) -> None:
        self._shown: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def warn(
        self,
        service: str,
        endpoint: str,
        version: APIVersion | str | None,
        notice: DeprecationNotice,
        wall: datetime,
    ) -> bool:
        """Show a warning where the caller's own code stands, unless it was shown.

        Parameters
        ----------
        service, endpoint : str
        version : APIVersion, str or None
        notice : DeprecationNotice
        wall : datetime
            Aware; the present.

        Returns
        -------
        bool
            Whether it was shown now.
        """
        key = (service, endpoint, str(version))
        with self._lock:
            if key in self._shown:
                return False
            self._shown[key] = None
            if len(self._shown) > SHOWN_AT_MOST:
                self._shown.popitem(last=False)
        said = notice.sentence(endpoint, version, wall)
        if notice.documentation:
            said = f"{said} See {notice.documentation}"
        warnings.warn(
            f"{service}: {said}",
            APIDeprecationWarning,
            stacklevel=caller_stacklevel(),
        )
        return True


def caller_stacklevel() -> int:
    """Return the `stacklevel` at which `warnings.warn` names the user's own line.

    To be given to `warnings.warn` by the function that calls this; frames of this
    package and of asyncio are passed over. 1 where there are no others, as in a task.
    """
    level = 1
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] not in _OURS:
            return level
        frame = frame.f_back
        level += 1
    return 1
