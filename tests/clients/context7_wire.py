"""Context7's two layouts, strict: what the contract does not allow is refused.

A responder for the fault server, and a `Sender` for virtual time:

    async with fault_server(Context7Wire().behaviour) as server: ...
    Context7Client(transport=Context7Wire())
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from contexter_nb.core import Headers, Timeouts, WireRequest, WireResponse
from tests.world.faults import ByRequest, Seen, Status

LIBRARY_ID = re.compile(r"^/[^/]+/[^/]+([/@][^/]+)?$")
KEY = "ctx7sk-" + "0123456789abcdef"
TAGS = ("v3.1.0", "v2.9.0")
MARKUP = "<script>alert(1)</script> & **bold**"
PAGE = "https://github.com/acme/widgetlib/blob/main/docs/retry.md"


def library(id_: str = "/acme/widgetlib", **changes: Any) -> dict[str, Any]:
    """Return a row of a search as the live service writes it."""
    row = {
        "id": id_,
        "title": "WidgetLib",
        "description": MARKUP,
        "branch": "main",
        "lastUpdateDate": "2026-10-01T00:00:00Z",
        "state": "finalized",
        "totalTokens": 81000,
        "totalSnippets": 412,
        "stars": -1,
        "trustScore": 7.4,
        "benchmarkScore": 81.2,
        "versions": list(TAGS),
    }
    return {**row, **changes}


def snippets(context: str) -> dict[str, Any]:
    """Return the documentation of a context as JSON."""
    return {
        "codeSnippets": [
            {
                "codeTitle": f"About {context}",
                "codeDescription": MARKUP,
                "codeLanguage": "python",
                "codeTokens": 61,
                "codeId": f"{PAGE}#_snippet_0",
                "pageTitle": "Retries",
                "codeList": [{"language": "python", "code": "client.retry(3)"}],
            }
        ],
        "infoSnippets": [
            {
                "pageId": PAGE,
                "breadcrumb": "Guide > Retries",
                "content": f"{context} in words",
                "contentTokens": 90,
            }
        ],
        "rules": {"global": [], "libraryOwn": []},
    }


def refusal(code: int, error: str, message: str = "", **more: Any) -> Status:
    """Return an error as the service writes it; `headers` are header fields."""
    headers = more.pop("headers", ())
    return Status(code, headers, {"error": error, "message": message, **more})


@dataclass
class Context7Wire:
    """The service; `on` gives a context or a library id another answer."""

    key_wanted: bool = False
    rows: list[dict[str, Any]] = field(default_factory=lambda: [library()])
    on: dict[str, Callable[[Seen], Status] | Status] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    asked: list[Seen] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    delay_seconds: float = 0.0
    in_use: int = 0
    max_in_use: int = 0
    cancelled: int = 0

    @property
    def behaviour(self) -> ByRequest:
        """What a fault server plays."""
        return ByRequest(self.reply)

    async def __call__(
        self, request: WireRequest, timeouts: Timeouts, max_bytes: int
    ) -> WireResponse:
        self.in_use += 1
        self.max_in_use = max(self.max_in_use, self.in_use)
        try:
            parts = urlsplit(request.url)
            now = asyncio.get_running_loop().time()
            self.at.append(now)
            await asyncio.sleep(self.delay_seconds)
            said = self.reply(
                Seen(
                    number=len(self.asked) + 1,
                    connection=1,
                    at=now,
                    method=request.method,
                    target=f"{parts.path}?{parts.query}",
                    headers=request.headers,
                    body=request.content,
                )
            )
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.in_use -= 1
        body = said.body
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = [("Content-Type", said.content_type or ""), *said.headers]
        return WireResponse(said.code, Headers(fields), content)

    def reply(self, seen: Seen) -> Status:
        """Answer one request."""
        self.asked.append(seen)
        said = seen.headers.get("authorization")
        if said is not None and said != f"Bearer {KEY}":
            return refusal(401, "invalid_api_key", "Invalid API key.")
        if self.key_wanted and said is None:
            return refusal(401, "invalid_api_key", "A key is needed.")
        routes = {
            ("GET", "/api/v2/context"): self._context,
            ("GET", "/api/v2/libs/search"): self._search,
            ("POST", "/own/v1/fetch"): self._fetch,
            ("GET", "/own/v1/libraries"): self._libraries,
        }
        route = routes.get((seen.method, seen.path))
        if route is not None:
            return route(seen)
        if seen.method == "GET" and seen.path.startswith("/own/v1/libraries/"):
            return self._library(seen)
        return self._violated(seen, "there is no such endpoint", 404, "not_found")

    def _context(self, seen: Seen) -> Status:
        asked = seen.query
        if set(asked) - {"libraryId", "query", "type", "fast"} or seen.body:
            return self._violated(seen, f"unknown fields {sorted(asked)}")
        kind = asked.get("type", "txt")
        if not 1 <= len(asked.get("query", "")) <= 500 or kind not in ("txt", "json"):
            return self._violated(seen, "query or type")
        return self._documentation(seen, asked["libraryId"], asked["query"], kind)

    def _fetch(self, seen: Seen) -> Status:
        body = seen.json()
        needed = {"library_id", "context", "format_type"}
        if not needed <= set(body) <= needed | {"token_limit"} or seen.query:
            return self._violated(seen, f"fields {sorted(body)}")
        if seen.headers.get("content-type") != "application/json":
            return self._violated(seen, "content type")
        kind = body["format_type"]
        return self._documentation(seen, body["library_id"], body["context"], kind)

    def _documentation(self, seen: Seen, id_: str, context: str, kind: str) -> Status:
        if not LIBRARY_ID.match(id_):
            return self._violated(seen, f"id {id_!r}", 400, "invalid_library_id")
        for name in (context, id_):
            if name in self.on:
                special = self.on[name]
                return special if isinstance(special, Status) else special(seen)
        base = "/".join(id_.split("@")[0].split("/")[:3])
        if base not in [row["id"] for row in self.rows]:
            return refusal(404, "library_not_found", f"Library {id_} not found.")
        tag = id_.removeprefix(base)[1:]
        if tag and tag not in TAGS:
            listed = ", ".join(TAGS)
            said = f"Tag '{tag}' not found for {base}. Available tags: {listed}"
            return refusal(404, "tag_not_found", said)
        if kind == "txt":
            text = f"{context}\n\n{MARKUP}".encode()
            return Status(200, (), text, "text/plain; charset=utf-8")
        return Status(200, (), snippets(context))

    def _search(self, seen: Seen) -> Status:
        asked = seen.query
        if set(asked) - {"libraryName", "query", "fast"}:
            return self._violated(seen, f"unknown fields {sorted(asked)}")
        if not all(
            1 <= len(asked.get(name, "")) <= 500 for name in ("libraryName", "query")
        ):
            return self._violated(seen, "libraryName and query are both required")
        if "search" in self.on:
            special = self.on["search"]
            return special if isinstance(special, Status) else special(seen)
        found = self._matching(asked["libraryName"])
        if not found:
            return refusal(404, "no_libraries_found", "Nothing is called so.")
        return Status(200, (), {"results": found, "searchFilterApplied": False})

    def _libraries(self, seen: Seen) -> Status:
        if set(seen.query) != {"query"}:
            return self._violated(seen, f"fields {sorted(seen.query)}")
        return Status(200, (), {"libraries": self._matching(seen.query["query"])})

    def _library(self, seen: Seen) -> Status:
        if seen.query:
            return self._violated(seen, "a query")
        id_ = unquote(seen.path.removeprefix("/own/v1/libraries"))
        if id_ in self.on:
            special = self.on[id_]
            return special if isinstance(special, Status) else special(seen)
        for row in self.rows:
            if row["id"] == id_:
                return Status(200, (), row)
        return refusal(404, "library_not_found", f"Library {id_} not found.")

    def _matching(self, name: str) -> list[dict[str, Any]]:
        wanted = name.lower()
        return [
            row
            for row in self.rows
            if wanted in row["id"].lower() or wanted in row["title"].lower()
        ]

    def _violated(
        self, seen: Seen, why: str, code: int = 400, error: str = "validation_error"
    ) -> Status:
        self.violations.append(f"{seen.method} {seen.target}: {why}")
        return refusal(code, error, why)
