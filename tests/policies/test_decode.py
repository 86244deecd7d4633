"""A body is decoded by what its content type says; what it is not is a typed error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import DecodingError, Headers
from contexter_nb.policies._decode import decode_body, is_large

PAGE = b"\n<!doctype html><html><title>Sign in</title></html>"


def decoded(
    content: bytes, content_type: str | None = "application/json", **options: Any
) -> Any:
    """Decode a body of a content type."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    return decode_body(
        content, Headers(headers), service="s", operation="o", request_id="1", **options
    )


@pytest.mark.parametrize(
    "value", [{}, [], [1, 2], None, 0, 1.5, "text", True, {"a": {"b": [None]}}]
)
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "APPLICATION/JSON; charset=utf-8",
        "application/problem+json",
        "application/graphql-response+json; charset=utf-8",
        "text/json",
    ],
)
def test_json_is_any_value(value: Any, content_type: str) -> None:
    """Not only an object: lists, null, numbers and texts are answers, too."""
    assert decoded(json.dumps(value).encode(), content_type) == value


@given(st.text(st.characters(codec="utf-8")))
def test_text_comes_back_as_it_was(text: str) -> None:
    """In UTF-8 where nothing is said; a byte order mark is not part of it."""
    expected = None if not text else text.removeprefix("\ufeff")
    assert decoded(text.encode(), "text/plain") == expected


def test_text_has_the_charset_it_says() -> None:
    """Quotes round its name are allowed."""
    assert decoded("é".encode("latin-1"), 'text/plain; charset="ISO-8859-1"') == "é"
    markdown = "text/markdown; variant=GFM; charset=utf-16"
    assert decoded("é".encode("utf-16"), markdown) == "é"


def test_plain_text_is_an_answer_where_data_was_asked_for() -> None:
    """A service that answers documentation as text is understood, even about HTML."""
    assert decoded(b"# Title", "text/plain", expect_json=True) == "# Title"
    assert decoded(PAGE, "text/plain", expect_json=True) == PAGE.decode()


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_nothing_is_none(content_type: str | None) -> None:
    """As with status 204."""
    assert decoded(b"", content_type) is None


@pytest.mark.parametrize(
    "content_type",
    ["application/octet-stream", "image/png", "application/x-ndjson", None],
)
def test_anything_else_is_bytes(content_type: str | None) -> None:
    """What is not declared to be text or JSON is handed on untouched."""
    assert decoded(b'{"a": 1}\n', content_type) == b'{"a": 1}\n'


def test_json_without_a_content_type_is_recognized_where_it_was_asked_for() -> None:
    """And what is none stays bytes."""
    assert decoded(b'{"a": 1}', None, expect_json=True) == {"a": 1}
    assert decoded(b"\x89PNG", None, expect_json=True) == b"\x89PNG"


def test_a_byte_order_mark_before_json_is_skipped() -> None:
    """Some services put one there, and parsers may ignore it."""
    assert decoded(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"Not found",
        b'{"a": 1} and more',
        b'{"a": NaN}',
        b'"\xff\xfe"',
        b"\xff\xfe{\x00}\x00",
        b'"\\ud800"',
        b'{"a": 1e999}',
        b"[" * 100_000 + b"]" * 100_000,
        b" ",
        b"\x00",
    ],
)
def test_what_is_no_json_by_declaration_of_json_is_a_decoding_error(
    content: bytes,
) -> None:
    """Typed, with its cause, with the place, with the beginning, and bounded."""
    with pytest.raises(DecodingError) as caught:
        decoded(content)
    error = caught.value
    assert (error.service, error.operation, error.request_id) == ("s", "o", "1")
    assert error.__cause__ is not None
    assert "The answer of s o (application/json," in str(error)
    assert len(str(error)) < 1_000
    assert str(error).isprintable()


@pytest.mark.parametrize(
    ("content_type", "expect_json"),
    [
        ("text/html", True),
        ("text/html; charset=utf-8", True),
        (None, True),
        ("application/json", True),
        ("application/json", False),
    ],
)
def test_a_page_where_data_was_asked_for_is_named_as_such(
    content_type: str | None, expect_json: bool
) -> None:
    """The sign-in page of a proxy comes with status 200, too."""
    with pytest.raises(DecodingError, match="web page where data was expected"):
        decoded(PAGE, content_type, expect_json=expect_json)


def test_a_page_is_text_where_nobody_asked_for_data() -> None:
    """Documentation may be HTML."""
    assert decoded(PAGE, "text/html") == PAGE.decode()


@pytest.mark.parametrize("charset", ["utf-8", "no-such-charset", "hex"])
def test_text_that_is_not_in_its_charset_is_a_decoding_error(charset: str) -> None:
    """Rather than a text with holes, or an error of Python's own."""
    with pytest.raises(DecodingError, match="not what it says"):
        decoded(b"caf\xe9", f"text/plain; charset={charset}")


def test_the_beginning_shown_gives_no_credential_away() -> None:
    """It is scrubbed as any text of a service."""
    with pytest.raises(DecodingError) as caught:
        decoded(b'token="zzz-credential" is not json')
    assert "zzz" not in str(caught.value)


def test_a_body_is_large_from_64_kib_on() -> None:
    """From there on decoding belongs into a thread."""
    assert not is_large(b"x" * (64 * 1024 - 1))
    assert is_large(b"x" * 64 * 1024)
