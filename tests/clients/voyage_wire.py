"""Voyage's wire, played strictly: what the service would refuse is refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from contexter_nb.core import Headers, Timeouts, WireRequest, WireResponse
from tests.world.behaviours import Status
from tests.world.exchange import Seen

KEY = "pa-0123456789abcdef"
FIELDS = {
    "/embeddings": {
        "input",
        "model",
        "input_type",
        "truncation",
        "output_dimension",
        "output_dtype",
        "encoding_format",
    },
    "/rerank": {"query", "documents", "model", "top_k", "truncation"},
    "/contextualizedembeddings": {
        "inputs",
        "model",
        "input_type",
        "output_dimension",
        "output_dtype",
        "encoding_format",
    },
}
FIXED = {"voyage-law-2": 1024, "voyage-code-2": 1536, "voyage-finance-2": 1024}
KINDS = {"float": "<f4", "int8": "i1", "uint8": "u1", "binary": "i1", "ubinary": "u1"}


def vector(
    text: str, dimension: int, dtype: str = "float", input_type: str | None = None
) -> np.ndarray:
    """Return the vector that stands for a text on this wire."""
    seed = hashlib.blake2b(f"{input_type}|{text}".encode(), digest_size=8).digest()
    rng = np.random.default_rng(int.from_bytes(seed, "little"))
    if dtype == "float":
        row = rng.standard_normal(dimension)
        return (row / np.linalg.norm(row)).astype("<f4")
    if dtype in ("binary", "ubinary"):
        packed = rng.integers(0, 256, dimension // 8)
        return (packed - 128 if dtype == "binary" else packed).astype(KINDS[dtype])
    low = -128 if dtype == "int8" else 0
    return rng.integers(low, low + 256, dimension).astype(KINDS[dtype])


def quarter(text: str) -> int:
    """Return a token for each four characters, begun ones included."""
    return -(-len(text) // 4)


class Refused(Exception):
    def __init__(self, status: int, body: Any, fields: Sequence[Any] = ()) -> None:
        self.status, self.body, self.fields = status, body, tuple(fields)


@dataclass
class VoyageWire:
    """The service. `twist` may change the rows of an answer; `texts` are all sent.

    Limits in a minute are kept exactly, over any 60 s; a refusal has no Retry-After.
    """

    tokens_of: Callable[[str], int] = quarter
    key: str = KEY
    batch_tokens: int = 120_000
    context_tokens: int = 32_000
    requests_per_minute: float = float("inf")
    tokens_per_minute: float = float("inf")
    latency_seconds: float = 0.0
    twist: Callable[[list[dict[str, Any]]], Any] = lambda rows: rows
    as_lists: bool = False
    limit_text: str = "Rate limit reached."
    texts: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    billed: int = 0
    used: deque[tuple[float, int]] = field(default_factory=deque)
    at: list[float] = field(default_factory=list)

    def behave(self, seen: Seen) -> Status:
        """Answer a request of the fault server."""
        status, body = self.answer(
            seen.method, seen.path, seen.headers, seen.body, seen.at
        )
        return Status(status, body=json.dumps(body).encode())

    async def __call__(
        self, request: WireRequest, timeouts: Timeouts, max_bytes: int
    ) -> WireResponse:
        """Answer as a `Sender`, for virtual time."""
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        path = "/" + request.url.split("/", 3)[3]
        now = asyncio.get_running_loop().time()
        status, body = self.answer(
            request.method, path, request.headers, request.content, now
        )
        kind = Headers({"content-type": "application/json"})
        return WireResponse(status, kind, json.dumps(body).encode())

    def answer(
        self, method: str, path: str, headers: Headers, content: bytes, now: float
    ) -> tuple[int, Any]:
        try:
            status, body = 200, self._answer(method, path, headers, content, now)
        except Refused as refused:
            status, body = refused.status, refused.body
        self.statuses.append(status)
        self.at.append(now)
        return status, body

    def _answer(
        self, method: str, path: str, headers: Headers, content: bytes, now: float
    ) -> Any:
        if headers.get("authorization") != f"Bearer {self.key}":
            raise Refused(401, {"detail": "Provided API key is invalid."})
        endpoint = path.removeprefix("/v1")
        if endpoint not in FIELDS or not path.startswith("/v1/"):
            raise Refused(404, {"detail": "Not Found"})
        if method != "POST":
            raise Refused(405, {"detail": "Method Not Allowed"})
        body = json.loads(content)
        self.bodies.append(body)
        unknown = set(body) - FIELDS[endpoint]
        nulls = [name for name, value in body.items() if value is None]
        if unknown or nulls or headers.get("content-type") != "application/json":
            raise Refused(400, {"detail": f"Bad fields: {sorted(unknown)} {nulls}"})
        if endpoint == "/rerank":
            return self._rerank(body, now)
        return self._embed(endpoint, body, now)

    def _embed(self, endpoint: str, body: dict[str, Any], now: float) -> Any:
        nested = endpoint != "/embeddings"
        inputs = body["inputs" if nested else "input"]
        groups = inputs if nested else [[text] for text in inputs]
        texts = [text for group in groups for text in group]
        dimension, dtype = self._shape(body)
        if not 1 <= len(inputs) <= 1_000:
            raise Refused(400, {"detail": "The batch size limit is 1000."})
        if any(not isinstance(each, str) or not each.strip() for each in texts):
            raise Refused(400, {"detail": "Input cannot contain empty strings."})
        self._charge([self.tokens_of(each) for each in texts], body, now)
        self.texts += texts
        rows = [
            [
                {
                    "object": "embedding",
                    "index": place,
                    "embedding": self._encoded(text, dimension, dtype, body),
                }
                for place, text in enumerate(group)
            ]
            for group in groups
        ]
        if nested:
            data: Any = [
                {"object": "list", "index": place, "data": group}
                for place, group in enumerate(rows)
            ]
        else:
            data = [{**group[0], "index": place} for place, group in enumerate(rows)]
        return {
            "object": "list",
            "data": self.twist(data),
            "model": body["model"],
            "usage": {"total_tokens": self._last},
        }

    def _shape(self, body: dict[str, Any]) -> tuple[int, str]:
        dtype = body.get("output_dtype", "float")
        fixed = FIXED.get(body["model"])
        if body.get("encoding_format") != "base64" or dtype not in KINDS:
            raise Refused(400, {"detail": "encoding_format or output_dtype is wrong."})
        if fixed is not None:
            if "output_dimension" in body or dtype != "float":
                raise Refused(400, {"detail": "This model has one dimension and type."})
            return fixed, dtype
        if body.get("output_dimension", 0) not in (256, 512, 1024, 2048):
            raise Refused(400, {"detail": "output_dimension is missing or wrong."})
        return body["output_dimension"], dtype

    def _encoded(
        self, text: str, dimension: int, dtype: str, body: dict[str, Any]
    ) -> Any:
        row = vector(text, dimension, dtype, body.get("input_type"))
        return row.tolist() if self.as_lists else base64.b64encode(row).decode()

    def _charge(self, tokens: list[int], body: dict[str, Any], now: float) -> None:
        if body.get("truncation", True):
            tokens = [min(each, self.context_tokens) for each in tokens]
        elif max(tokens) > self.context_tokens:
            raise Refused(
                400,
                {
                    "detail": f"The example at index {tokens.index(max(tokens))} in "
                    "your batch has too many tokens and does not fit into the model's "
                    f"context window of {self.context_tokens} tokens."
                },
            )
        total = sum(tokens)
        if total > self.batch_tokens:
            raise Refused(
                400,
                {
                    "detail": f"Request to model '{body['model']}' failed. The max "
                    f"allowed tokens per submitted batch is {self.batch_tokens}. Your "
                    f"batch has {total} tokens after truncation. Please lower the "
                    "number of tokens in the batch.",
                    "error_code": "TOO_MANY_TOKENS_IN_BATCH",
                },
            )
        self._admit(total, now)

    def _admit(self, total: int, now: float) -> None:
        while self.used and self.used[0][0] <= now - 60:
            self.used.popleft()
        tokens = sum(each for _, each in self.used) + total
        if (
            len(self.used) + 1 > self.requests_per_minute
            or tokens > self.tokens_per_minute
        ):
            raise Refused(429, {"detail": self.limit_text})
        self.used.append((now, total))
        self.billed += total
        self._last = total

    def _rerank(self, body: dict[str, Any], now: float) -> Any:
        query, documents = body["query"], body["documents"]
        if not query.strip() or not all(each.strip() for each in documents):
            raise Refused(400, {"detail": "Input cannot contain empty strings."})
        if not 1 <= len(documents) <= 1_000:
            raise Refused(400, {"detail": "At most 1000 documents."})
        total = self.tokens_of(query) * len(documents) + sum(
            map(self.tokens_of, documents)
        )
        if total > 600_000:
            raise Refused(400, {"detail": "Too many tokens."})
        self._admit(total, now)
        rows = [
            {"index": place, "relevance_score": score(query, each)}
            for place, each in enumerate(documents)
        ]
        rows.sort(key=lambda row: -row["relevance_score"])
        return {
            "object": "list",
            "data": rows[: body.get("top_k")],
            "model": body["model"],
            "usage": {"total_tokens": total},
        }


def score(query: str, document: str) -> float:
    """Return how many letters of the query the document has, by its length."""
    return round(sum(each in document for each in query) / (1 + len(document)), 6)
