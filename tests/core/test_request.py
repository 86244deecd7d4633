"""A request is checked when it is made, and is nobody's to change afterwards."""

from __future__ import annotations

import copy
import json
import math
import pickle
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import (
    MISSING,
    APIMethod,
    APIRequest,
    APIResponse,
    Attempt,
    Headers,
    InvalidArgumentError,
    Timeouts,
    Trace,
)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values)
def test_any_json_value_is_a_body(value: Any) -> None:
    """What is written is read back the same, whatever its kind."""
    assert json.loads(APIRequest(json_data=value).body()) == value


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({}, b"{}"),
        ([], b"[]"),
        (None, b"null"),
        (0, b"0"),
        ("", b'""'),
        (False, b"false"),
    ],
)
def test_an_empty_value_is_a_body_all_the_same(value: Any, body: bytes) -> None:
    """Nothing is left out for being empty or false."""
    assert APIRequest(method="POST", json_data=value).body() == body


def test_no_value_is_no_body() -> None:
    """Only what was not given at all is sent as nothing."""
    assert APIRequest().body() == b""
    assert APIRequest(json_data=MISSING).body() == b""
    assert APIRequest(content=b"raw").body() == b"raw"
    assert APIRequest(content=b"").body() == b""


def test_there_is_one_missing() -> None:
    """Copies and other processes have the same, so that asking by `is` works."""
    assert copy.deepcopy(MISSING) is MISSING
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING
    assert not MISSING
    assert repr(MISSING) == "MISSING"


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        [math.inf],
        {"day": date(2026, 11, 24)},
        {1, 2},
        b"bytes",
        "\ud800",
        object(),
        {(1, 2): 3},
    ],
)
def test_what_json_cannot_express_is_refused_in_a_sentence(value: Any) -> None:
    """The error names the operation and what would do, and keeps its cause."""
    request = APIRequest(method="POST", operation="embed", json_data=value)
    with pytest.raises(
        InvalidArgumentError, match="'embed' cannot be written"
    ) as caught:
        request.body()
    assert "finite numbers" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_value_that_holds_itself_is_refused() -> None:
    """A circle, and a depth that Python cannot walk, are errors of the same kind."""
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InvalidArgumentError):
        APIRequest(json_data=circle).body()
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    try:
        with pytest.raises(InvalidArgumentError):
            APIRequest(json_data=deep).body()
    finally:
        while deep:
            deep = deep.pop()


def test_the_callers_mappings_may_change_afterwards() -> None:
    """Parameters (lists in them, too), headers and costs are copied."""
    params: dict[str, Any] = {"tags": ["a"], "q": "x"}
    headers, cost, tags = {"X-A": "1"}, {"tokens": 3.0}, ["docs"]
    request = APIRequest(params=params, headers=headers, cost=cost, cache_tags=tags)  # type: ignore[arg-type]
    params["tags"].append("b")
    params["key"] = headers["Authorization"] = "secret"
    cost["tokens"] = 9.0
    tags.append("more")
    assert dict(request.params or {}) == {"tags": ("a",), "q": "x"}
    assert request.headers == {"x-a": "1"}
    assert request.cost == {"tokens": 3.0}
    assert request.cache_tags == ("docs",)


def test_nothing_of_a_request_can_be_set() -> None:
    """Neither its fields nor what is in its mappings; `with_` makes another."""
    request = APIRequest(params={"a": 1}, headers={"A": "1"})
    with pytest.raises(AttributeError):
        request.endpoint = "/v1/v1"  # type: ignore[misc]
    with pytest.raises(TypeError):
        request.params["a"] = 2  # type: ignore[index]
    with pytest.raises(TypeError):
        request.headers["A"] = "2"  # type: ignore[index]
    other = request.with_(endpoint="/x", method="post")
    assert (request.endpoint, other.endpoint) == ("", "/x")
    assert other.method is APIMethod.POST
    assert other.params == {"a": 1}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"method": "FETCH"}, "method is 'FETCH'; use GET"),
        ({"method": 5}, "method is 5"),
        ({"endpoint": "https://other.example/x"}, "not a whole URL"),
        ({"endpoint": "//other.example/x"}, "not a whole URL"),
        ({"endpoint": None}, "endpoint is None; give a path"),
        ({"params": "a=1"}, "params is a str; give a mapping"),
        ({"headers": [("a", "b")]}, "headers is a list; give a mapping"),
        ({"content": "text"}, "content is a str; give bytes"),
        ({"timeouts": 5}, "timeouts is an int; give Timeouts"),
        ({"cost": {"tokens": -1}}, "cost of 'tokens' is -1"),
        ({"cost": {"tokens": math.nan}}, "cost of 'tokens' is nan"),
        ({"cache_tags": "docs"}, "cache_tags is one text"),
        ({"deadline_seconds": 0}, "deadline_seconds is 0"),
        ({"deadline_seconds": math.nan}, "deadline_seconds is nan"),
        ({"deadline_seconds": "9"}, "deadline_seconds is '9'"),
        ({"cache_ttl_seconds": -1}, "cache_ttl_seconds is -1"),
        ({"max_attempts": 0}, "max_attempts is 0"),
        ({"max_attempts": 1.5}, "max_attempts is 1.5"),
        ({"idempotency_key": ""}, "idempotency_key is empty"),
        ({"idempotency_key": "a\r\nb: c"}, "idempotency_key is empty or holds"),
        ({"json_data": None, "content": b""}, "Give json_data or content, not both"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(
    fields: dict[str, Any], said: str
) -> None:
    """Where the request is made, in one sentence that names the argument."""
    with pytest.raises(InvalidArgumentError, match=said.replace("(", "\\(")):
        APIRequest(**fields)


@pytest.mark.parametrize(
    ("fields", "repeatable"),
    [
        ({"method": "GET"}, True),
        ({"method": "HEAD"}, True),
        ({"method": "PUT"}, True),
        ({"method": "DELETE"}, True),
        ({"method": "POST"}, False),
        ({"method": "PATCH"}, False),
        ({"method": "POST", "idempotent": True}, True),
        ({"method": "POST", "idempotency_key": "k-1"}, True),
        ({"method": "GET", "idempotent": False}, False),
        ({"method": "POST", "idempotent": False, "idempotency_key": "k-1"}, True),
    ],
)
def test_what_may_be_sent_twice(fields: dict[str, Any], repeatable: bool) -> None:
    """By the method, unless the caller knows better or gives a key."""
    assert APIRequest(**fields).is_repeatable is repeatable


def test_a_request_is_named_by_its_operation_or_its_path() -> None:
    """A query is no part of a name."""
    assert APIRequest(operation="search", endpoint="/x").name == "search"
    assert APIRequest(endpoint="/libs?q=a").name == "/libs"
    assert APIRequest().name == "/"


def test_a_request_shows_no_parameters_headers_or_body_that_are_secret() -> None:
    """It may be printed in a notebook."""
    shown = repr(
        APIRequest(
            method="POST",
            params={"api_key": "zzz-1"},
            headers={"Authorization": "Bearer zzz-2"},
            json_data={"password": "zzz-3"},
        )
    )
    assert "zzz" not in shown
    assert "POST" in shown


@pytest.mark.parametrize("field", list(Timeouts.__dataclass_fields__))
@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_a_timeout_that_is_none_is_written_as_none(field: str, seconds: float) -> None:
    """No phase may take no time; without a bound it is None."""
    with pytest.raises(InvalidArgumentError, match=field):
        Timeouts(**{field: seconds})
    assert getattr(Timeouts(**{field: None}), field) is None


def test_each_phase_has_its_own_bound() -> None:
    """Connecting is given less time than reading."""
    default = Timeouts()
    assert default.connect_seconds is not None
    assert default.read_seconds is not None
    assert default.connect_seconds < default.read_seconds


def test_an_answer_says_where_it_comes_from_and_what_it_took() -> None:
    """Its time counts the waits; a cache's answer is marked."""
    trace = Trace(
        attempts=(Attempt(number=1, started_seconds=0.0),), total_seconds=1.25
    )
    answer = APIResponse(
        status_code=200,
        headers=Headers({"Set-Cookie": "zzz"}),
        content=b"zzz",
        data="zzz",
        request_id="1",
        service="s",
        operation="o",
        trace=trace,
    )
    assert answer.response_time_ms == pytest.approx(1_250)
    assert not answer.cached
    assert "zzz" not in repr(answer)
