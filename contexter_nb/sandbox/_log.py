"""What a sandbox was asked, without anything that is secret."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from contexter_nb.core import is_sensitive, new_id, scrub

MAX_ENTRIES = 10_000
_MAX_PATH_CHARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSeen:
    """One request in the log of a sandbox.

    Attributes
    ----------
    at : datetime
        When it had arrived, aware UTC.
    service : str
        Empty where no service has the path.
    method : str
    path : str
        Below the service's address, with its query; credentials hidden, at most 500
        characters.
    status : int or None
        None where no answer was given: dropped, or the client had left.
    key : str
        Eight characters that tell keys apart within one sandbox and give nothing away;
        empty where none was sent.
    """

    at: datetime
    service: str
    method: str
    path: str
    status: int | None
    key: str = ""


class Log:
    """The last requests, the oldest first, and how many there were in all."""

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._lock = threading.Lock()
        self._entries: deque[RequestSeen] = deque(maxlen=max_entries)
        self._salt = new_id().encode()
        self.total = 0

    def add(self, entry: RequestSeen) -> None:
        """Note a request; the oldest goes where there are too many."""
        with self._lock:
            self._entries.append(entry)
            self.total += 1

    def entries(self) -> tuple[RequestSeen, ...]:
        """Return what is kept; callable from any thread."""
        return self.since(0)[0]

    def since(self, total: int) -> tuple[tuple[RequestSeen, ...], int]:
        """Return what is kept of those after the first `total`, and how many came."""
        with self._lock:
            kept = tuple(self._entries)
            added = self.total - total
            return (kept[-added:] if added else ()), self.total

    def fingerprint(self, key: str) -> str:
        """Return what stands for a key in this log."""
        if not key:
            return ""
        return hmac.new(self._salt, key.encode(), hashlib.sha256).hexdigest()[:8]


def shown_path(path: str, query: str) -> str:
    """Return a path and its query as they may be shown.

    >>> shown_path("/v1/libraries", "page=2&api_key=abcdefgh")
    '/v1/libraries?page=2&api_key=***'
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    hidden = [(name, "***" if is_sensitive(name) else value) for name, value in pairs]
    whole = path + ("?" + urlencode(hidden, safe="*") if hidden else "")
    return scrub(whole)[:_MAX_PATH_CHARS]
