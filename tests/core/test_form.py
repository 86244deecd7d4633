"""Forms and files as bytes: read back whole, the same each time, nothing injected."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import MISSING, APIRequest, InvalidArgumentError

NAMES = st.text('ab"\r\n;=é', min_size=1, max_size=5)


def parts_of(request: APIRequest) -> list[Message[str, str]]:
    """Return the parts of a form as a parser of mail reads them."""
    kind, body = request.encoded()
    whole = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    assert whole.is_multipart() and not whole.defects
    return [each for each in whole.walk() if each is not whole]


def post(**fields: Any) -> APIRequest:
    """Return a request with a body."""
    return APIRequest(method="POST", endpoint="files", **fields)


def test_a_form_is_url_encoded() -> None:
    """Lists repeat a name, None is left out, and truth is written as JSON does."""
    fields = {"q": "a&b é", "n": [1, 2.5], "none": None, "yes": True}
    assert post(data=fields).encoded() == (
        "application/x-www-form-urlencoded",
        b"q=a%26b+%C3%A9&n=1&n=2.5&yes=true",
    )
    assert post(data={}).encoded()[1] == b""


def test_files_and_fields_are_parts() -> None:
    """A name, a file name, a content type and any bytes arrive as they were."""
    content = bytes(range(256)) + b"\r\n--x--\r\n"
    request = post(
        data={"purpose": "batch"},
        files={"file": ("a.json", content), "more": [b"1", ("b", b"2", "x/y")]},
    )
    purpose, file, first, second = parts_of(request)
    assert purpose.get_param("name", header="content-disposition") == "purpose"
    assert purpose.get_payload(decode=True) == b"batch"
    assert (file.get_filename(), file.get_content_type()) == (
        "a.json",
        "application/json",
    )
    assert content in request.body()
    assert first.get_content_type() == "application/octet-stream"
    assert (second.get_filename(), second.get_content_type()) == ("b", "x/y")


@given(st.dictionaries(NAMES, st.tuples(NAMES, st.binary(max_size=60)), min_size=1))
def test_no_name_and_no_file_breaks_out_of_its_part(files: dict[str, Any]) -> None:
    """Quotes and line ends in names make no header, content no boundary."""
    request = post(files=files)
    kind, body = request.encoded()
    assert kind is not None
    boundary = kind.partition("boundary=")[2].encode()
    assert body.count(b"--" + boundary) == len(files) + 1
    heads = [part.partition(b"\r\n\r\n")[0] for part in body.split(boundary)[1:-1]]
    assert all(head.count(b"\r\n") == 2 for head in heads)


def test_the_same_form_is_the_same_bytes() -> None:
    """A retry and the key of the cache need that; another form has another boundary."""
    one, other = post(files={"f": b"1"}), post(files={"f": b"2"})
    assert one.encoded() == post(files={"f": b"1"}).encoded()
    assert one.encoded()[0] != other.encoded()[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"data": {}, "json_data": None},
        {"files": {}, "content": b""},
        {"data": [("a", 1)]},
        {"files": {"f": b""}, "headers": {"content-type": "text/plain"}},
    ],
)
def test_two_bodies_are_refused(fields: dict[str, Any]) -> None:
    """What cannot be meant is said when the request is made."""
    with pytest.raises(InvalidArgumentError):
        post(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"data": {"a": b"1"}},
        {"data": {"a": [{}]}},
        {"files": {"f": "text"}},
        {"files": {"f": ("a", "text")}},
        {"files": {"f": ("a",)}},
        {"files": {"f": ("a", b"", "x/y\r\nX-Evil: 1")}},
        {"files": {"f": ("a", b"", "x/y", "more")}},
    ],
)
def test_what_no_form_can_carry_is_one_sentence(fields: dict[str, Any]) -> None:
    """A file object, say, could not be sent again."""
    with pytest.raises(InvalidArgumentError, match="give"):
        post(**fields).body()


def test_a_request_without_a_form_is_as_before() -> None:
    """No body has no content type, and JSON has its own."""
    assert post().encoded() == (None, b"")
    assert post(content=b"x").encoded() == (None, b"x")
    assert post(json_data={}).encoded() == ("application/json", b"{}")
    assert post().json_data is MISSING
