"""Ids, payloads, filters and specifications of Qdrant: values in, values out."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from qdrant_client import models

from contexter_nb.clients._qdrant_filters import filter_of
from contexter_nb.clients._qdrant_ids import is_own_key, point_id_of
from contexter_nb.clients._qdrant_payload import checked_payload
from contexter_nb.clients._qdrant_points import Point, Sparse, ready
from contexter_nb.clients._qdrant_search import checked_search
from contexter_nb.clients._qdrant_spec import (
    CollectionSpec,
    CollectionState,
    check_fits,
)
from contexter_nb.clients._qdrant_version import ServerVersion
from contexter_nb.core import IndexMismatchError, InvalidArgumentError

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SOME_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        (0, 0),
        (2**64 - 1, 2**64 - 1),
        (np.int64(7), 7),
        (SOME_ID.upper(), SOME_ID),
        (SOME_ID.replace("-", ""), SOME_ID),
        (uuid.UUID(SOME_ID), SOME_ID),
    ],
)
def test_integers_and_uuids_are_ids_as_they_are(key: Any, kept: Any) -> None:
    """What Qdrant takes is not changed but in its spelling."""
    assert point_id_of(key) == kept
    assert not is_own_key(key)


def test_another_text_gives_one_uuid_in_every_process() -> None:
    """A key of the caller's is turned into the same id always, and another's is not."""
    made = point_id_of("pandas.DataFrame.merge")
    assert made == "ed3bf4e1-5b7e-5d22-8e0f-5bb9e0bd7c1b" or uuid.UUID(str(made))
    assert uuid.UUID(str(made)).version == 5
    assert made != point_id_of("pandas.DataFrame.merge ")
    assert is_own_key("pandas.DataFrame.merge")


@pytest.mark.parametrize("key", [-1, 2**64, True, 1.0, "", None, b"a", "\ud800"])
def test_what_no_id_can_be_is_refused_here(key: Any) -> None:
    """A negative, huge, empty or odd key is refused before anything is sent."""
    with pytest.raises(InvalidArgumentError, match="id"):
        point_id_of(key)


def test_numbers_of_numpy_dates_and_uuids_become_json() -> None:
    """A payload may hold what frames hold."""
    made = checked_payload(
        {
            "int": np.int32(3),
            "float": np.float32(0.5),
            "truth": np.bool_(True),
            "array": np.array([[1, 2]]),
            "at": NOON,
            "stamp": pd.Timestamp(NOON),
            "day": date(2026, 11, 24),
            "id": uuid.UUID(SOME_ID),
            "deep": {"list": [None, ("a",)]},
        }
    )
    assert made == {
        "int": 3,
        "float": 0.5,
        "truth": True,
        "array": [[1, 2]],
        "at": "2026-11-24T12:00:00+00:00",
        "stamp": "2026-11-24T12:00:00+00:00",
        "day": "2026-11-24",
        "id": SOME_ID,
        "deep": {"list": [None, ["a"]]},
    }
    assert type(made["int"]) is int
    assert type(made["truth"]) is bool


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 11, 24),  # noqa: DTZ001  # that is the mistake
        pd.NaT,
        float("nan"),
        np.float64("inf"),
        2**64,
        {1, 2},
        b"bytes",
        object(),
        "\ud800",
        {1: "key"},
    ],
)
def test_what_json_cannot_carry_is_refused_with_its_field(value: Any) -> None:
    """The message names the place; nothing is turned into something else in silence."""
    with pytest.raises(InvalidArgumentError, match=r"payload\['deep'\]\['field'\]"):
        checked_payload({"deep": {"field": value}})


def test_a_payload_that_holds_itself_ends() -> None:
    """A circle is refused, not followed."""
    circle: dict[str, Any] = {}
    circle["self"] = circle
    with pytest.raises(InvalidArgumentError, match="nested deeper"):
        checked_payload(circle)


FILTERS: list[tuple[Any, Any]] = [
    ({"a": "x"}, [{"key": "a", "match": {"value": "x"}}]),
    ({"a": np.int64(3)}, [{"key": "a", "match": {"value": 3}}]),
    ({"a": True}, [{"key": "a", "match": {"value": True}}]),
    ({"a": 0.5}, [{"key": "a", "range": {"gte": 0.5, "lte": 0.5}}]),
    ({"a": None}, [{"is_null": {"key": "a"}}]),
    ({"a": ["x", "y"]}, [{"key": "a", "match": {"any": ["x", "y"]}}]),
    ({"a": {"any": [1]}}, [{"key": "a", "match": {"any": [1]}}]),
    ({"a": []}, [{"has_id": []}]),
    ({"a": {"any": []}}, [{"has_id": []}]),
    ({"$or": []}, [{"has_id": []}]),
    ({"$ids": []}, [{"has_id": []}]),
    ({"$not": {}}, [{"has_id": []}]),
    (
        {"a": ["x", 1, None]},
        [
            {
                "should": [
                    {"key": "a", "match": {"any": ["x"]}},
                    {"key": "a", "match": {"any": [1]}},
                    {"is_null": {"key": "a"}},
                ]
            }
        ],
    ),
    ({"a": {"gte": 1, "lt": 9.5}}, [{"key": "a", "range": {"gte": 1, "lt": 9.5}}]),
    (
        {"a": {"gt": NOON, "lte": date(2026, 11, 25)}},
        [
            {
                "key": "a",
                "range": {
                    "gt": "2026-11-24T12:00:00+00:00",
                    "lte": "2026-11-25T00:00:00+00:00",
                },
            }
        ],
    ),
    ({"a": {"prefix": "pd."}}, [{"key": "a", "match": {"prefix": "pd."}}]),
    ({"a": {"text_any": "x y"}}, [{"key": "a", "match": {"text_any": "x y"}}]),
    ({"a": {"count": {"gte": 2}}}, [{"key": "a", "values_count": {"gte": 2}}]),
    ({"a": {"is_empty": True}}, [{"is_empty": {"key": "a"}}]),
    ({"a": {"is_null": False}}, [{"must_not": [{"is_null": {"key": "a"}}]}]),
    ({"a": {"not": "x"}}, [{"must_not": [{"key": "a", "match": {"value": "x"}}]}]),
    (
        {"a": {"nested": {"b": 1, "c": 2}}},
        [
            {
                "nested": {
                    "key": "a",
                    "filter": {
                        "must": [
                            {"key": "b", "match": {"value": 1}},
                            {"key": "c", "match": {"value": 2}},
                        ]
                    },
                }
            }
        ],
    ),
    (
        {"$or": [{"a": 1}, {"b": 2}]},
        [
            {
                "should": [
                    {"must": [{"key": "a", "match": {"value": 1}}]},
                    {"must": [{"key": "b", "match": {"value": 2}}]},
                ]
            }
        ],
    ),
]


@pytest.mark.parametrize(("where", "must"), FILTERS)
def test_a_mapping_becomes_the_filter_that_the_library_takes(
    where: Any, must: Any
) -> None:
    """Each sort of condition is written as the service's model wants it."""
    made = filter_of(where)
    assert made == {"must": must}
    models.Filter.model_validate(made)


def test_nothing_asked_is_no_filter() -> None:
    """An empty mapping matches everything, and so does an alternative that does."""
    assert filter_of(None) is None
    assert filter_of({}) is None
    assert filter_of({"$or": [{"a": 1}, {}]}) is None
    assert filter_of({"$and": []}) is None


@pytest.mark.parametrize("where", [each for each, _ in FILTERS])
def test_no_filter_holds_an_empty_should(where: Any) -> None:
    """An empty alternative would match everything on a server."""

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            assert value.get("should") != []
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(filter_of(where))


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("kind = 1", "give a mapping"),
        ({"a": {}}, "is empty"),
        ({"a": {"prefx": "x"}}, "prefix"),
        ({"$xor": []}, r"\$or"),
        ({"a": {"gte": "x"}}, "give a number"),
        ({"a": {"gte": 1, "lt": NOON}}, "mixes"),
        ({"a": {"gte": float("nan")}}, "finite"),
        ({"a": {"gt": NOON.replace(tzinfo=None)}}, "time zone"),
        ({"a": {"text": ""}}, "one text"),
        ({"a": {"is_null": 1}}, "True or False"),
        ({"a": {"count": {"gte": -1}}}, "whole numbers"),
        ({"a": {"nested": {}}}, "empty"),
        ({"a": [["x"]]}, "single values"),
        ({"a": object()}, "give a value"),
        ({"$ids": ["", 1]}, "empty text"),
        ({"": 1}, "named by texts"),
    ],
)
def test_a_filter_with_a_mistake_is_refused_with_a_way_out(
    where: Any, said: str
) -> None:
    """An unknown operator or a value of the wrong kind is found before it is sent."""
    with pytest.raises(InvalidArgumentError, match=said):
        filter_of(where)


def test_filters_that_go_round_in_circles_end() -> None:
    """A mapping within itself is refused."""
    circle: dict[str, Any] = {}
    circle["$not"] = circle
    with pytest.raises(InvalidArgumentError, match="too deep"):
        filter_of(circle)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dense": [1.0]}, "has 1 numbers"),
        ({"dense": [1.0, float("nan")]}, "not finite"),
        ({"dense": [1.0, "x"]}, "no number"),
        ({"dense": "ab"}, "list of numbers"),
        ({"dense": None}, "neither"),
        ({"sparse": ([1, 1], [1.0, 1.0])}, "each index once"),
        ({"sparse": ([1], [1.0, 2.0])}, "one value"),
        ({"sparse": ([-1], [1.0])}, "integers"),
        ({"payload": {"_key": 1}}, "_key"),
        ({"id": -1}, "give an integer"),
    ],
)
def test_a_point_that_cannot_be_stored_is_refused(
    changes: dict[str, Any], said: str
) -> None:
    """Vectors, id and payload are checked before they are sent."""
    given = {"id": 1, "dense": [1.0, 0.0], **changes}
    with pytest.raises(InvalidArgumentError, match=said):
        ready(Point(**given), 2)


def test_a_key_of_ones_own_stays_with_the_point() -> None:
    """The id does not show it, so the payload keeps it."""
    made = ready(Point(id="a.b", dense=np.array([1, 0], "f4"), payload={"x": 1}), 2)
    assert made.payload == {"x": 1, "_key": "a.b"}
    assert made.vector == {"dense": [1.0, 0.0]}
    assert ready(Point(id=3, dense=[1, 0]), 2).payload == {}


def spec(**changes: Any) -> CollectionSpec:
    """Return a specification, some of it changed."""
    return CollectionSpec(
        **{"name": "docs", "dimension": 8, "identity": "demo/8", **changes}
    )


def state(**changes: Any) -> CollectionState:
    """Return what `spec` wants, some of it changed."""
    return CollectionState(
        **{
            "name": "docs",
            "created": False,
            "dimension": 8,
            "distance": "cosine",
            "identity": "demo/8",
            "sparse": True,
            "status": "green",
            "points": 0,
            "payload_indexes": {},
            **changes,
        }
    )


def test_a_collection_is_written_as_the_service_wants_it() -> None:
    """On disk, quantized, sharded and replicated: all of it is in the request."""
    made = spec(on_disk=True, quantization="int8", shards=3, replication=2).creation()
    models.CreateCollection.model_validate(
        {("vectors" if key == "vectors" else key): made[key] for key in made}
    )
    assert made["vectors"]["dense"] == {
        "size": 8,
        "distance": "Cosine",
        "memory": "cold",
    }
    assert made["sparse_vectors"]["text"]["modifier"] == "idf"
    assert made["quantization_config"]["scalar"]["type"] == "int8"
    assert (made["shard_number"], made["replication_factor"]) == (3, 2)
    assert "sparse_vectors" not in spec(sparse=False).creation()
    assert spec(quantization="binary").creation()["quantization_config"] == {
        "binary": {"memory": "pinned"}
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dimension": 4}, "of 4 numbers, not 8"),
        ({"dimension": None, "distance": ""}, "no vectors named 'dense'"),
        ({"distance": "dot"}, "distance dot, not cosine"),
        ({"sparse": False}, "no sparse vectors"),
        ({"identity": "other/8"}, "'other/8', not 'demo/8'"),
        ({"identity": None}, "adopt=True"),
    ],
)
def test_a_collection_built_by_other_means_is_refused_with_the_way_out(
    changes: dict[str, Any], said: str
) -> None:
    """Vectors of two models never get into one collection."""
    with pytest.raises(IndexMismatchError, match=said) as caught:
        check_fits(spec(), state(**changes))
    assert "rebuild(alias, build)" in str(caught.value)
    check_fits(spec(), state())
    check_fits(spec(sparse=False), state(sparse=False))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ".."}, "named"),
        ({"name": "a/b"}, "named"),
        ({"dimension": 0}, "from 1"),
        ({"dimension": 10**6}, "at most"),
        ({"identity": " "}, "identity"),
        ({"distance": "cosin"}, "cosine"),
        ({"quantization": "int4"}, "int8"),
        ({"shards": 0}, "from 1"),
        ({"payload_indexes": {"a": "keywrd"}}, "keyword"),
    ],
)
def test_a_specification_with_a_mistake_is_refused(
    changes: dict[str, Any], said: str
) -> None:
    """A mistake is named before a request is made of it."""
    with pytest.raises(InvalidArgumentError, match=said):
        spec(**changes)


def test_only_indexes_that_are_missing_are_made() -> None:
    """An index of another kind is refused: it cannot be changed in place."""
    wanted = spec(payload_indexes={"a": "prefix", "b": "integer", "c": "tenant"})
    assert wanted.missing_indexes({"b": "integer"}) == {
        "a": {"type": "keyword", "prefix": True},
        "c": {"type": "keyword", "is_tenant": True},
    }
    with pytest.raises(IndexMismatchError, match="kind text"):
        wanted.missing_indexes({"b": "text"})


@pytest.mark.parametrize(
    ("server", "fits"),
    [
        ("1.20.1", True),
        ("1.19.0", True),
        ("1.18.2", False),
        ("2.20.0", False),
        ("", False),
    ],
)
def test_versions_go_together_up_to_one_minor_apart(server: str, fits: bool) -> None:
    """The library says so of itself."""
    assert ServerVersion(server=server, library="1.20.0").compatible is fits


def search(**changes: Any) -> Any:
    """Return a checked search, some of it changed."""
    given = {
        "dense": [1.0, 0.0],
        "sparse": ([1], [1.0]),
        "mode": "hybrid",
        "limit": 2,
        "rrf_k": 60,
        "weights": None,
        "candidates": None,
        "exact": False,
        "dimension": None,
    }
    return checked_search(**{**given, **changes})


def test_ranks_are_fused_by_the_formula_of_the_literature() -> None:
    """A score is the sum of weight / (k + rank), ranks from 1."""
    made = search(weights={"text": 3}).fuse([["a", "b"], ["b", "c"]])
    assert made == [
        ("b", pytest.approx(1 / 62 + 3 / 61)),
        ("c", pytest.approx(3 / 62)),
    ]


def test_the_service_is_told_the_k_of_its_own_formula() -> None:
    """It counts k less one, so it is told one more."""
    assert search(rrf_k=60).fused(models)["query"].rrf.k == 61
    prefetch = search().fused(models)["prefetch"]
    assert [each.limit for each in prefetch] == [50, 50]
    assert [each.limit for each in search(limit=40).fused(models)["prefetch"]] == [
        200
    ] * 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mode": "hybird"}, "hybrid"),
        ({"mode": "dense", "dense": None}, "lacks its vector"),
        ({"mode": "text", "sparse": None}, "sparse="),
        ({"limit": 0}, "from 1"),
        ({"limit": 10**6}, "10,000"),
        ({"limit": True}, "whole"),
        ({"rrf_k": 0}, "from 1"),
        ({"weights": {"title": 1}}, "'dense' and"),
        ({"weights": {"text": -1}}, "from 0"),
        ({"sparse": ([1],)}, "parts"),
    ],
)
def test_a_search_with_a_mistake_is_refused(changes: dict[str, Any], said: str) -> None:
    """A mistake is named before a request is made of it."""
    with pytest.raises(InvalidArgumentError, match=said):
        search(**changes)


def test_a_hybrid_search_takes_the_part_that_is_given() -> None:
    """Without words, meanings alone are searched, and the other way round."""
    assert list(search(sparse=None).parts) == ["dense"]
    assert search(dense=None).parts == {"text": Sparse((1,), (1.0,))}
