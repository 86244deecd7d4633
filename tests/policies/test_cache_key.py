"""A key is the same for the same question, and for no other one."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import InvalidArgumentError, Secret
from contexter_nb.policies._cache_key import _MARKS, cache_key, cache_keys


class Colour(Enum):
    RED = "red"


DIFFERENT: list[tuple[Any, Any]] = [
    ({"q": "join"}, {"q": "joins"}),
    ({"q": 1}, {"q": "1"}),
    ({"q": 1}, {"q": True}),
    ({"q": 1}, {"q": 1.0}),
    ({"q": b"a"}, {"q": "a"}),
    ({"q": None}, {}),
    (["a", "b"], ["b", "a"]),
    (["ab"], ["a", "b"]),
    ({"headers": {"accept": "text/html"}}, {"headers": {"accept": "text/plain"}}),
]
ALIKE: list[tuple[Any, Any]] = [
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({"x": {"a": 1, "b": 2}}, {"x": {"b": 2, "a": 1}}),
    ((1, 2), [1, 2]),
    ({"s": {"b", "a", "c"}}, {"s": {"c", "b", "a"}}),
    (MappingProxyType({"a": 1}), {"a": 1}),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_parameters_have_another_key(one: Any, other: Any) -> None:
    """Values, their types and their order tell questions apart."""
    assert cache_key("s", "op", one) != cache_key("s", "op", other)


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_the_same_parameters_have_the_same_key(one: Any, other: Any) -> None:
    """The order of keys and sets and the kind of sequence or mapping do not matter."""
    assert cache_key("s", "op", one) == cache_key("s", "op", other)


def test_alice_never_gets_what_is_bobs() -> None:
    """Account, service, operation and version each make another key."""
    keys = {
        cache_key("s", "/me", {}, account="alice"),
        cache_key("s", "/me", {}, account="bob"),
        cache_key("s", "/me", {}),
        cache_key("t", "/me", {}, account="alice"),
        cache_key("s", "/you", {}, account="alice"),
        cache_key("s", "/me", {}, account="alice", version="v2"),
        # What is moved from one part to the next is another question, too.
        cache_key("s", "/me", {}, account="", version="alice"),
    }
    assert len(keys) == 7


@given(st.text(min_size=1), st.text(min_size=1))
def test_account_and_version_do_not_run_together(account: str, version: str) -> None:
    """No choice of names makes two accounts share a key."""
    one = cache_key("s", "op", {}, account=account, version=version)
    other = cache_key("s", "op", {}, account=account + version, version="")
    assert one != other


def test_a_key_begins_with_what_it_can_be_cleared_by() -> None:
    """Service and operation stand readable in front of 64 hexadecimal digits."""
    service, operation, digits = cache_key("voyage", "embed", {}).split("/")
    assert (service, operation, len(digits)) == ("voyage", "embed", 64)
    assert int(digits, 16) >= 0


@pytest.mark.parametrize(
    "value",
    [
        date(2026, 1, 1),
        datetime(2026, 1, 1, tzinfo=UTC),
        b"\x00\xff",
        bytearray(b"x"),
        Decimal("1.5"),
        Colour.RED,
        {1: "a", 2: "b"},
        float("inf"),
        [],
    ],
)
def test_what_a_request_may_hold_makes_a_key(value: Any) -> None:
    """Dates, bytes, decimals, enums and empty lists are no reason to fail."""
    assert cache_key("s", "op", {"p": value}) == cache_key("s", "op", {"p": value})


@pytest.mark.parametrize(
    "value", [object(), print, 2**70, "\ud800", Secret("pa-0123456789abcdef")]
)
def test_what_cannot_be_encoded_is_told_in_one_sentence(value: Any) -> None:
    """An object without a canonical form is an argument error that names the call."""
    with pytest.raises(InvalidArgumentError, match="voyage embed"):
        cache_key("voyage", "embed", {"p": value})


def test_a_circle_is_told_apart_from_a_long_list() -> None:
    """A list that holds itself is an argument error and no endless loop."""
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InvalidArgumentError):
        cache_key("s", "op", circle)


def test_no_credential_is_in_key_or_message() -> None:
    """Neither the key nor the refusal shows what was in the parameters."""
    secret = Secret("pa-0123456789abcdef")
    assert "0123456789" not in cache_key("s", "op", {"key": secret.reveal()})
    with pytest.raises(InvalidArgumentError) as caught:
        cache_key("s", "op", {"key": secret})
    assert "cdef" not in str(caught.value)


@pytest.mark.parametrize("service", ["", "a/b"])
def test_a_service_must_stand_alone_in_front(service: str) -> None:
    """A service that is empty or holds a slash could not be cleared by its prefix."""
    with pytest.raises(InvalidArgumentError, match="slash"):
        cache_key(service, "op", {})


@given(
    st.dictionaries(
        st.text(max_size=3), st.none() | st.booleans() | st.text(), max_size=4
    ),
    st.text(max_size=3),
    st.lists(st.text() | st.tuples(st.text(), st.text()), max_size=3),
)
def test_many_keys_are_those_of_one_by_one(
    params: dict[str, Any], name: str, values: list[Any]
) -> None:
    """Making them together changes none, or paid answers would be lost."""
    alone = [cache_key("s", "op", {**params, name: each}) for each in values]
    assert cache_keys("s", "op", params, name, values) == alone


@pytest.mark.parametrize("other", [_MARKS[0], [*_MARKS], {1: _MARKS[1]}])
@pytest.mark.parametrize("name", ["a", "z"])
def test_a_parameter_like_the_mark_changes_no_key(other: Any, name: str) -> None:
    """Where the place of the value cannot be told, keys are made one by one."""
    keys = cache_keys("s", "op", {"m": other}, name, ["x", {2: "y"}])
    assert keys[0] == cache_key("s", "op", {"m": other, name: "x"})
    assert keys[1] == cache_key("s", "op", {"m": other, name: {2: "y"}})


@pytest.mark.parametrize("value", ["\ud800", Secret("x"), object()])
def test_a_value_that_cannot_be_part_of_a_key_is_one_sentence(value: Any) -> None:
    """Among many values, too, the error is that of one."""
    with pytest.raises(InvalidArgumentError, match="cannot be part"):
        cache_keys("s", "op", {}, "text", ["fine", value])
