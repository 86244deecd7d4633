"""What a collection should be, what one is, and whether the two go together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

from contexter_nb.clients._qdrant_errors import checked_name
from contexter_nb.clients._qdrant_points import DENSE, TEXT
from contexter_nb.core import IndexMismatchError, InvalidArgumentError, did_you_mean

Distance = Literal["cosine", "dot", "euclid", "manhattan"]
Quantization = Literal["binary", "int8"]
# Under this name in the collection's own metadata, beside what others keep there.
METADATA = "contexter_nb"
_DISTANCES = {
    "cosine": "Cosine",
    "dot": "Dot",
    "euclid": "Euclid",
    "manhattan": "Manhattan",
}
# Kinds of payload indexes; two of them are keywords with an option.
_KEYWORDS = {"prefix": {"prefix": True}, "tenant": {"is_tenant": True}}
_PLAIN = ("bool", "datetime", "float", "geo", "integer", "keyword", "text", "uuid")
INDEX_KINDS = tuple(sorted((*_KEYWORDS, *_PLAIN)))
_MAX_DIMENSION = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSpec:
    """What a collection should be."""

    name: str
    dimension: int
    identity: str
    distance: str = "cosine"
    sparse: bool = True
    on_disk: bool = False
    quantization: str | None = None
    shards: int | None = None
    replication: int | None = None
    payload_indexes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checked_name(self.name)
        _whole("dimension", self.dimension, _MAX_DIMENSION)
        for name in ("shards", "replication"):
            if getattr(self, name) is not None:
                _whole(name, getattr(self, name), 1_000)
        if not isinstance(self.identity, str) or not self.identity.strip():
            raise InvalidArgumentError(
                "identity is empty; name what makes the vectors, as "
                "'voyage-3.5/1024/chunking-2'."
            )
        _known("distance", self.distance, tuple(_DISTANCES))
        if self.quantization is not None:
            _known("quantization", self.quantization, get_args(Quantization))
        for column, kind in self.payload_indexes.items():
            _known(f"payload_indexes[{column!r}]", kind, INDEX_KINDS)

    def creation(self) -> dict[str, Any]:
        """Return the arguments of the library's ``create_collection``, as JSON."""
        dense: dict[str, Any] = {
            "size": self.dimension,
            "distance": _DISTANCES[self.distance],
        }
        sparse: dict[str, Any] = {"modifier": "idf"}
        made: dict[str, Any] = {"vectors": {DENSE: dense}, "metadata": self.metadata()}
        if self.on_disk:
            dense["memory"] = "cold"
            sparse["index"] = {"memory": "cold"}
            made["payload"] = {"memory": "cold"}
        if self.sparse:
            made["sparse_vectors"] = {TEXT: sparse}
        if self.quantization is not None:
            made["quantization_config"] = self._quantized()
        if self.shards is not None:
            made["shard_number"] = self.shards
        if self.replication is not None:
            made["replication_factor"] = self.replication
        return made

    def metadata(self) -> dict[str, Any]:
        """Return what is kept with the collection, to know it again."""
        return {METADATA: {"identity": self.identity, "dimension": self.dimension}}

    def missing_indexes(self, present: Mapping[str, str]) -> dict[str, Any]:
        """Return the payload indexes to be made: field to schema, as JSON.

        Parameters
        ----------
        present : mapping
            Field to kind of the indexes there are.

        Raises
        ------
        IndexMismatchError
            A field has an index of another kind.
        """
        made: dict[str, Any] = {}
        for column, kind in self.payload_indexes.items():
            wanted = "keyword" if kind in _KEYWORDS else kind
            there = present.get(column)
            if there is None:
                options = _KEYWORDS.get(kind)
                made[column] = {"type": "keyword", **options} if options else wanted
            elif there != wanted:
                raise IndexMismatchError(
                    f"The field {column!r} of {self.name!r} has an index of kind "
                    f"{there}, and {wanted} is asked for; ask for {there}, or rebuild "
                    "the collection."
                )
        return made

    def _quantized(self) -> dict[str, Any]:
        # Small, and read at every search: worth its place in memory.
        if self.quantization == "binary":
            return {"binary": {"memory": "pinned"}}
        return {"scalar": {"type": "int8", "quantile": 0.99, "memory": "pinned"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionState:
    """What a collection is.

    Attributes
    ----------
    name : str
    created : bool
        Whether it was made just now.
    dimension : int or None
        None where it has no vector of our name.
    distance : str
        ``cosine``, ``dot``, ``euclid`` or ``manhattan``.
    identity : str or None
        What makes its vectors; None where nobody said.
    sparse : bool
        Whether it has the sparse vectors of BM25, weighted by rarity (IDF).
    status : str
        ``green``; ``yellow`` and ``grey`` while it optimizes, which is no failure;
        ``red`` where something is broken.
    points : int
        How many, approximately; `QdrantAPIClient.count` counts.
    payload_indexes : mapping of str to str
        Field to kind of index; empty in memory, which has none.
    """

    name: str
    created: bool
    dimension: int | None
    distance: str
    identity: str | None
    sparse: bool
    status: str
    points: int
    payload_indexes: Mapping[str, str]


def state_of(name: str, info: Any, *, created: bool = False) -> CollectionState:
    """Return what the service says of a collection.

    Parameters
    ----------
    name : str
    info : object
        The library's ``CollectionInfo``.
    created : bool
        Whether it was made just now.
    """
    params = info.config.params
    vectors = params.vectors if isinstance(params.vectors, dict) else {}
    dense = vectors.get(DENSE)
    sparse = (params.sparse_vectors or {}).get(TEXT)
    modifier = getattr(sparse, "modifier", None)
    kept = (info.config.metadata or {}).get(METADATA)
    identity = kept.get("identity") if isinstance(kept, dict) else None
    return CollectionState(
        name=name,
        created=created,
        dimension=dense.size if dense is not None else None,
        distance=_text(dense.distance).lower() if dense is not None else "",
        identity=identity if isinstance(identity, str) else None,
        sparse=sparse is not None and _text(modifier).lower() == "idf",
        status=_text(info.status),
        points=info.points_count or 0,
        payload_indexes=MappingProxyType(
            {
                column: _text(index.data_type)
                for column, index in (info.payload_schema or {}).items()
            }
        ),
    )


def check_fits(spec: CollectionSpec, state: CollectionState) -> None:
    """Refuse a collection that is not what it should be.

    Parameters
    ----------
    spec : CollectionSpec
    state : CollectionState

    Raises
    ------
    IndexMismatchError
        It was built by other means; the message says which, and the way out.
    """
    differences = []
    if state.dimension != spec.dimension:
        differences.append(
            f"dense vectors of {state.dimension} numbers, not {spec.dimension}"
            if state.dimension is not None
            else f"no vectors named {DENSE!r}"
        )
    elif state.distance != spec.distance:
        differences.append(f"the distance {state.distance}, not {spec.distance}")
    if spec.sparse and not state.sparse:
        differences.append(f"no sparse vectors named {TEXT!r} with the modifier IDF")
    if not differences and state.identity is None:
        raise IndexMismatchError(
            f"The collection {spec.name!r} does not say what made its vectors, so they "
            f"may not go with {spec.identity!r}; if you know that they do, say so once "
            "with adopt=True, else rebuild it: rebuild(alias, build) makes a new "
            "collection and switches."
        )
    if not differences and state.identity != spec.identity:
        differences.append(f"vectors of {state.identity!r}, not {spec.identity!r}")
    if differences:
        raise IndexMismatchError(
            f"The collection {spec.name!r} has {' and '.join(differences)}; use "
            "another name, or rebuild(alias, build), which makes a new collection and "
            "switches to it."
        )


def _text(value: Any) -> str:
    return str(getattr(value, "value", value) or "")


def _known(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidArgumentError(
            f"{name} is {value!r}; there are {', '.join(known)}."
            f"{did_you_mean(str(value), known)}"
        )


def _whole(name: str, value: Any, largest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgumentError(f"{name} is {value!r}; give a whole number from 1.")
    if value > largest:
        raise InvalidArgumentError(f"{name} is {value!r}; give at most {largest:,}.")
