"""Header fields: any case, never changed, silent about credentials."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import Headers, WireRequest, WireResponse

names = st.text("abcXYZ-", min_size=1, max_size=8)
fields = st.dictionaries(names, st.text("abc 123", max_size=8), max_size=6)


@given(names, st.text("abc", max_size=5))
def test_a_field_is_found_in_any_case(name: str, value: str) -> None:
    """Reading, asking and comparing do not tell upper from lower case."""
    headers = Headers({name: value})
    for spelling in (name, name.upper(), name.lower(), name.title()):
        assert headers[spelling] == value
        assert spelling in headers
        assert headers == {spelling: value}
        assert headers == Headers({spelling: value})


def test_what_is_no_header_is_unequal_and_not_contained() -> None:
    """Other kinds of keys and values are no error."""
    headers = Headers({"A": "1"})
    assert headers != {1: "1"}
    assert headers != "a: 1"
    assert 1 not in headers
    assert headers.get("missing") is None
    with pytest.raises(KeyError):
        headers["missing"]
    with pytest.raises(TypeError):
        hash(headers)


def test_several_fields_of_one_name_are_joined() -> None:
    """As HTTP allows: by a comma, in their order."""
    headers = Headers([("Link", "<a>"), ("X", "1"), ("LINK", "<b>")])
    assert headers["link"] == "<a>, <b>"
    assert list(headers) == ["link", "x"]
    assert len(headers) == 2


@given(fields, fields)
def test_setting_fields_makes_new_headers(
    old: dict[str, str], new: dict[str, str]
) -> None:
    """The old ones stay as they were, and the new ones win."""
    headers = Headers(old)
    before = dict(headers)
    changed = headers.with_fields(new)
    assert dict(headers) == before
    last = {name.lower(): value for name, value in new.items()}
    assert dict(changed) == {**before, **last}


def test_the_mapping_they_were_made_of_can_change() -> None:
    """They keep a copy."""
    given = {"A": "1"}
    headers = Headers(given)
    given["A"] = "2"
    given["B"] = "3"
    assert dict(headers) == {"a": "1"}
    assert dict(Headers(headers)) == {"a": "1"}


def test_credentials_are_hidden_and_can_still_be_sent() -> None:
    """The display and `shown` hide them, by name and within a URL; reading does not."""
    headers = Headers(
        {
            "Authorization": "Bearer abcdefgh",
            "X-Api-Key": "zzz",
            "Location": "https://host/?token=zzz",
            "Accept": "text/plain",
        }
    )
    assert headers.shown() == {
        "authorization": "***",
        "x-api-key": "***",
        "location": "https://host/?token=***",
        "accept": "text/plain",
    }
    assert "zzz" not in repr(headers)
    assert headers["authorization"] == "Bearer abcdefgh"


def test_requests_and_answers_show_neither_credentials_nor_bodies() -> None:
    """What goes over the wire can be printed."""
    request = WireRequest("POST", "https://host/", content=b"body of mine")
    request = request.with_headers({"Authorization": "Bearer abcdefgh"})
    answer = WireResponse(200, Headers({"Set-Cookie": "a=b"}), b"body of theirs")
    assert "abcdefgh" not in repr(request)
    assert "body" not in repr(request) + repr(answer)
    assert "a=b" not in repr(answer)
    assert request.headers["authorization"] == "Bearer abcdefgh"


@pytest.mark.parametrize(
    ("status", "success"), [(199, False), (200, True), (299, True), (300, False)]
)
def test_success_is_two_hundred_and_something(status: int, success: bool) -> None:
    """A redirect that nobody followed is no success."""
    assert WireResponse(status).is_success is success
