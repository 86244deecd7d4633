"""Loopback services with fault knobs, for tests, tutorials and Binder.

sandbox         starts services by name and gives a `Sandbox`
Sandbox         where they are, their knobs, schedule and log
Knobs           latency, limits, errors, resets, outages
Limits          what its clients may use up
RequestSeen     a line of the log
Service         what another service has to offer: `Request` in, `Reply` out
LibraryCatalog  the service ``catalog``, to practise on

May import `core` and `retrieval`.
"""

from __future__ import annotations

from contexter_nb.sandbox._catalog import LibraryCatalog
from contexter_nb.sandbox._http import Limits
from contexter_nb.sandbox._knobs import Knobs
from contexter_nb.sandbox._log import RequestSeen
from contexter_nb.sandbox._sandbox import Sandbox
from contexter_nb.sandbox._service import Reply, Request, Service
from contexter_nb.sandbox._start import sandbox

__all__ = [
    "Knobs",
    "LibraryCatalog",
    "Limits",
    "Reply",
    "Request",
    "RequestSeen",
    "sandbox",
    "Sandbox",
    "Service",
]
