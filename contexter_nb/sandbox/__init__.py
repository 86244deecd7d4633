"""Loopback services with fault knobs, for tests, tutorials and Binder.

sandbox          starts services by name and gives a `Sandbox`
Sandbox          where they are, their knobs, schedule and log
Knobs            latency, limits, errors, resets, outages
Limits           what its clients may use up
RequestSeen      a line of the log
Service          what another service has to offer: `Request` in, `Reply` out
LibraryCatalog   the service ``catalog``, to practise on
Context7Service  ``context7``: documentation of what is installed here, v1 and v2
GraphQLService   ``graphql``: the catalog's libraries as a graph
VoyageService    ``voyage``: embeddings and reranking by the static model

The room itself can be called: ``contexter_nb.sandbox()`` starts all services in a
process of their own. May import `core` and `retrieval`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from contexter_nb.sandbox._catalog import LibraryCatalog
from contexter_nb.sandbox._context7_service import Context7Service
from contexter_nb.sandbox._graphql_service import GraphQLService
from contexter_nb.sandbox._http import Limits
from contexter_nb.sandbox._knobs import Knobs
from contexter_nb.sandbox._log import RequestSeen
from contexter_nb.sandbox._sandbox import Sandbox
from contexter_nb.sandbox._service import Reply, Request, Service
from contexter_nb.sandbox._start import sandbox
from contexter_nb.sandbox._voyage_service import VoyageService

__all__ = [
    "Context7Service",
    "GraphQLService",
    "Knobs",
    "LibraryCatalog",
    "Limits",
    "Reply",
    "Request",
    "RequestSeen",
    "sandbox",
    "Sandbox",
    "Service",
    "VoyageService",
]


class _Room(ModuleType):
    """The room as a verb: ``cx.sandbox()`` and ``cx.sandbox.Knobs`` are one name."""

    def __call__(
        self, *services: str | Service, process: bool = True, **options: Any
    ) -> Sandbox:
        """Start services in a process of their own; otherwise as `sandbox`."""
        return sandbox(*services, process=process, **options)


sys.modules[__name__].__class__ = _Room
