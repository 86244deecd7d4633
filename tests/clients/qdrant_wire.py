"""Qdrant's REST wire, played strictly: what a server would refuse is refused.

Bodies are parsed by the models of qdrant_client, which allow no unknown field; points
are kept by its local mode. What only a server has (indexes, limits, keys, statuses) is
here.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError
from qdrant_client import QdrantClient, models

from tests.world.behaviours import Status
from tests.world.exchange import Seen

KEY = "qd-0123456789abcdef"
JSON = (("content-type", "application/json"),)
_COLLECTION = r"/collections/(?P<name>[^/]+)"


class Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text


@dataclass
class QdrantWire:
    """The server. `asked` names each call; `bodies` are those of each name.

    Attributes
    ----------
    max_body_bytes : int
        A longer one is refused with `too_large_status`.
    knows_rrf_k : bool
        Whether it can be told the constant of the fusion.
    keeps_metadata : bool
        Whether it keeps what a collection says of itself.
    finishes : bool
        Whether it applies writes while the client waits.
    """

    key: str | None = field(default=KEY, repr=False)
    version: str = "1.19.0"
    max_body_bytes: int = 32 * 2**20
    too_large_status: int = 400
    knows_rrf_k: bool = True
    keeps_metadata: bool = True
    finishes: bool = True
    ready: bool = True
    asked: list[str] = field(default_factory=list)
    bodies: dict[str, list[Any]] = field(default_factory=dict)
    schema: dict[str, dict[str, Any]] = field(default_factory=dict)
    queries: list[dict[str, str]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.points = QdrantClient(":memory:")

    def behave(self, seen: Seen) -> Status:
        """Answer a request of the fault server."""
        if seen.path == "/readyz":
            code, text = (200, "all shards are ready") if self.ready else (503, "not")
            return Status(code, body=text.encode(), content_type="text/plain")
        if seen.path == "/":
            root = {"title": "qdrant", "version": self.version, "commit": "0" * 40}
            return Status(200, body=root)
        if self.key is not None and seen.headers.get("api-key") != self.key:
            text = b"Must provide an API key or an Authorization bearer token"
            return Status(401, body=text, content_type="text/plain")
        try:
            result = self._result(seen)
        except Refused as refused:
            return self._error(refused.status, refused.text)
        except ValidationError as exc:
            return self._error(400, f"Format error in JSON body: {exc.errors()[0]}")
        except ValueError as exc:
            text = str(exc)
            return self._error(404 if "not found" in text else 400, text)
        return Status(200, body={"result": result, "status": "ok", "time": 0.001})

    def _error(self, status: int, text: str) -> Status:
        return Status(status, body={"status": {"error": text}, "time": 0.0})

    def _result(self, seen: Seen) -> Any:
        self.sizes.append(len(seen.body))
        if len(seen.body) > self.max_body_bytes:
            raise Refused(
                self.too_large_status,
                f"Payload error: JSON payload ({len(seen.body)} bytes) is larger than "
                f"allowed (limit: {self.max_body_bytes} bytes).",
            )
        if seen.body and seen.headers.get("content-type") != "application/json":
            raise Refused(415, "content type")
        for method, pattern, call in self._routes():
            found = re.fullmatch(pattern, seen.path)
            if found and method == seen.method:
                name = call.__name__.strip("_")
                self.asked.append(name)
                body = json.loads(seen.body) if seen.body else None
                self.bodies.setdefault(name, []).append(body)
                self.queries.append(seen.query)
                return call(seen.body, **found.groupdict())
        raise Refused(404, f"no {seen.method} {seen.path}")

    def _routes(self) -> list[tuple[str, str, Callable[..., Any]]]:
        points = f"{_COLLECTION}/points"
        return [
            ("GET", "/collections", self._list),
            ("GET", "/aliases", self._aliases),
            ("POST", "/collections/aliases", self._switch),
            ("GET", f"{_COLLECTION}/exists", self._exists),
            ("GET", _COLLECTION, self._info),
            ("PUT", _COLLECTION, self._create),
            ("PATCH", _COLLECTION, self._update),
            ("DELETE", _COLLECTION, self._drop),
            ("PUT", f"{_COLLECTION}/index", self._index),
            ("PUT", points, self._upsert),
            ("POST", points, self._retrieve),
            ("POST", f"{points}/query", self._query),
            ("POST", f"{points}/query/batch", self._batch),
            ("POST", f"{points}/scroll", self._scroll),
            ("POST", f"{points}/count", self._count),
            ("POST", f"{points}/delete", self._delete),
            ("POST", f"{_COLLECTION}/facet", self._facet),
        ]

    def _real(self, name: str) -> str:
        found = {a.alias_name: a.collection_name for a in self._all_aliases()}
        return found.get(name, name)

    def _all_aliases(self) -> Any:
        return self.points.get_aliases().aliases

    def _list(self, body: bytes) -> Any:
        return _plain(self.points.get_collections())

    def _aliases(self, body: bytes) -> Any:
        return _plain(self.points.get_aliases())

    def _switch(self, body: bytes) -> Any:
        asked = models.ChangeAliasesOperation.model_validate_json(body)
        return self.points.update_collection_aliases(asked.actions)

    def _exists(self, body: bytes, name: str) -> Any:
        return {"exists": self.points.collection_exists(name)}

    def _info(self, body: bytes, name: str) -> Any:
        info = _plain(self.points.get_collection(name))
        info["payload_schema"] = self.schema.get(self._real(name), {})
        if not self.keeps_metadata:
            info["config"].pop("metadata", None)
        return info

    def _create(self, body: bytes, name: str) -> Any:
        asked = models.CreateCollection.model_validate_json(body)
        if self.points.collection_exists(name):
            raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
        self.points.create_collection(
            name,
            vectors_config=asked.vectors,
            sparse_vectors_config=asked.sparse_vectors,
            metadata=asked.metadata,
        )
        self.schema[name] = {}
        return True

    def _update(self, body: bytes, name: str) -> Any:
        asked = models.UpdateCollection.model_validate_json(body)
        return self.points.update_collection(name, metadata=asked.metadata)

    def _drop(self, body: bytes, name: str) -> Any:
        there = self.points.collection_exists(name)
        self.schema.pop(name, None)
        return there and self.points.delete_collection(name)

    def _index(self, body: bytes, name: str) -> Any:
        asked = models.CreateFieldIndex.model_validate_json(body)
        given = asked.field_schema
        kind = getattr(given, "type", given)
        made: dict[str, Any] = {"data_type": str(getattr(kind, "value", kind))}
        if hasattr(given, "type"):
            made["params"] = _plain(given)
        self.schema[self._real(name)][asked.field_name] = {**made, "points": 0}
        return self._done()

    def _upsert(self, body: bytes, name: str) -> Any:
        asked = models.PointsList.model_validate_json(body)
        for point in asked.points:
            if isinstance(point.id, str):
                uuid.UUID(point.id)
        self.points.upsert(name, asked.points)
        return self._done()

    def _done(self) -> Any:
        waits = self.queries[-1].get("wait") == "true"
        if not waits:
            return {"operation_id": 1, "status": "acknowledged"}
        status = "completed" if self.finishes else "wait_timeout"
        return {"operation_id": 1, "status": status}

    def _retrieve(self, body: bytes, name: str) -> Any:
        asked = models.PointRequest.model_validate_json(body)
        return _plain(
            self.points.retrieve(
                name,
                asked.ids,
                with_payload=_chosen(asked.with_payload, False),
                with_vectors=_chosen(asked.with_vector, False),
            )
        )

    def _query(self, body: bytes, name: str) -> Any:
        return self._queried(models.QueryRequest.model_validate_json(body), name)

    def _batch(self, body: bytes, name: str) -> Any:
        asked = models.QueryRequestBatch.model_validate_json(body)
        return [self._queried(each, name) for each in asked.searches]

    def _queried(self, asked: Any, name: str) -> Any:
        if isinstance(asked.query, models.RrfQuery) and not self.knows_rrf_k:
            raise Refused(400, "Format error: data did not match any variant")
        query = asked.query
        if isinstance(query, models.NearestQuery):
            query = query.nearest
        found = self.points.query_points(
            name,
            query=query,
            using=asked.using,
            prefetch=asked.prefetch,
            query_filter=asked.filter,
            limit=asked.limit or 10,
            with_payload=_chosen(asked.with_payload, False),
        )
        return _plain(found)

    def _scroll(self, body: bytes, name: str) -> Any:
        asked = models.ScrollRequest.model_validate_json(body)
        records, following = self.points.scroll(
            name,
            scroll_filter=asked.filter,
            limit=asked.limit or 10,
            offset=asked.offset,
            with_payload=_chosen(asked.with_payload, True),
            with_vectors=_chosen(asked.with_vector, False),
        )
        return {"points": _plain(records), "next_page_offset": following}

    def _count(self, body: bytes, name: str) -> Any:
        asked = models.CountRequest.model_validate_json(body)
        return _plain(self.points.count(name, asked.filter))

    def _delete(self, body: bytes, name: str) -> Any:
        kinds = models.PointIdsList | models.FilterSelector
        asked: Any = TypeAdapter(kinds).validate_json(body)
        self.points.delete(name, asked)
        return self._done()

    def _facet(self, body: bytes, name: str) -> Any:
        asked = models.FacetRequest.model_validate_json(body)
        if asked.key not in self.schema[self._real(name)]:
            raise Refused(400, f"No appropriate index for faceting: `{asked.key}`")
        found = self.points.facet(
            name, asked.key, facet_filter=asked.filter, limit=asked.limit or 10
        )
        return _plain(found)


def _plain(value: Any) -> Any:
    """Return models as the JSON that a server sends."""
    adapter: Any = TypeAdapter(Any)
    return adapter.dump_python(value, mode="json", exclude_none=True)


def _chosen(value: Any, default: Any) -> Any:
    return default if value is None else value
