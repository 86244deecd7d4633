"""The only room that imports an HTTP library.

May import `core`; imported by `clients`.
"""

from __future__ import annotations

from contexter_nb.transport._as_transport import as_httpx_transport
from contexter_nb.transport._http import HTTPTransport
from contexter_nb.transport._httpx_auth import httpx_auth
from contexter_nb.transport._library import http_library

__all__ = ["as_httpx_transport", "http_library", "HTTPTransport", "httpx_auth"]
