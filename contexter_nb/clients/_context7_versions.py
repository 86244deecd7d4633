"""What is asked where: the layouts of Context7's two versions.

``v2`` is the live interface. ``v1`` is the layout of the original design (design.md,
section 3), which no public address serves: for a service of one's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contexter_nb.clients._context7_answers import FormatType
from contexter_nb.clients._context7_id import LibraryId
from contexter_nb.core import APIMethod, APIRequest
from contexter_nb.policies import APIVersion, VersionedEndpoint

LIVE_BASE_URL = "https://context7.com/api"
V1 = APIVersion("v1")
V2 = APIVersion("v2")
DOCUMENTATION = "documentation"
LIBRARIES = "libraries"
LIBRARY = "library"

# Source: github.com/upstash/context7, docs/openapi.json, read 2026-11-23.
ENDPOINTS = (
    VersionedEndpoint(DOCUMENTATION, {V1: "/fetch", V2: "/context"}),
    VersionedEndpoint(LIBRARIES, {V1: "/libraries", V2: "/libs/search"}),
    # The live interface has no endpoint for one library: it is searched for.
    VersionedEndpoint(LIBRARY, {V1: "/libraries/{id}", V2: "/libs/search"}),
)


def documentation_request(
    version: APIVersion,
    library: LibraryId,
    context: str,
    format_type: FormatType,
    budget: int | None,
) -> APIRequest:
    """Return the question for documentation.

    Parameters
    ----------
    version : APIVersion
    library : LibraryId
    context : str
    format_type : str
        Always sent: the live service's own default is text.
    budget : int or None
        In tokens; only ``v1`` can be told.
    """
    if version == V2:
        params = {"libraryId": str(library), "query": context, "type": format_type}
        return APIRequest(params=params)
    body: dict[str, Any] = {
        "library_id": str(library),
        "context": context,
        "format_type": format_type,
    }
    if budget is not None:
        body["token_limit"] = budget
    return APIRequest(method=APIMethod.POST, json_data=body, idempotent=True)


def search_request(version: APIVersion, name: str, topic: str) -> APIRequest:
    """Return the question for libraries by name.

    Parameters
    ----------
    version : APIVersion
    name : str
    topic : str
        What it is wanted for, by which the live service ranks.
    """
    params: Mapping[str, str] = {"query": name}
    if version == V2:
        params = {"libraryName": name, "query": topic}
    return APIRequest(params=params)
