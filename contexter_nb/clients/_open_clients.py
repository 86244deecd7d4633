"""Which clients of this process are open: for the frames and the dashboards."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contexter_nb.clients._client import APIClient

_lock = threading.Lock()
_made: weakref.WeakSet[APIClient] = weakref.WeakSet()


def remember(client: APIClient) -> None:
    """Take note of a client, without keeping it alive."""
    with _lock:
        _made.add(client)


def open_clients() -> tuple[APIClient, ...]:
    """Return the clients of this process that are in use and not closed, by service.

    Returns
    -------
    tuple of APIClient
    """
    with _lock:
        found = [each for each in _made if not each.closed]
    return tuple(sorted(found, key=lambda each: (each.service, each.base_url)))
