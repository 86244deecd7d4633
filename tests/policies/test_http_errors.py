"""An error status becomes a typed error whose sentence says what, where, what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import (
    AuthenticationError,
    Headers,
    HTTPError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    Secret,
    ServerError,
    WireResponse,
)
from contexter_nb.policies._excerpt import excerpt
from contexter_nb.policies._http_errors import detail_of, error_from_response
from tests.loops import EPOCH

JSON = {"Content-Type": "application/json"}


def error_of(
    status: int,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    retry_after_seconds: float | None = None,
) -> HTTPError:
    """Return the error of an answer to ``voyage``'s ``rerank``."""
    return error_from_response(
        WireResponse(status, Headers(headers or {}), body),
        service="voyage",
        operation="rerank",
        request_id="0123",
        wall=EPOCH,
        retry_after_seconds=retry_after_seconds,
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, HTTPError),
        (400, HTTPError),
        (401, AuthenticationError),
        (402, HTTPError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, HTTPError),
        (410, NotFoundError),
        (429, RateLimitedError),
        (451, HTTPError),
        (500, ServerError),
        (503, ServerError),
        (529, ServerError),
        (599, ServerError),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[HTTPError]) -> None:
    """The status, the service, the operation and the request's id stay on the error."""
    error = error_of(status)
    assert type(error) is kind
    assert error.status_code == status
    assert (error.service, error.operation) == ("voyage", "rerank")
    assert error.request_id == "0123"


def test_the_sentence_says_what_where_and_what_to_do() -> None:
    """The service's own words stand in brackets, without their full stop."""
    error = error_of(401, b'{"detail": "Invalid key."}', JSON)
    assert str(error) == (
        "voyage answered 401 Unauthorized to 'rerank' (Invalid key); "
        "check the key or token."
    )


@given(st.integers(300, 599))
def test_every_status_makes_one_sentence(status: int) -> None:
    """Also those that nobody has registered."""
    said = str(error_of(status))
    assert said.startswith(f"voyage answered {status}")
    assert said.endswith(".")
    assert "\n" not in said


@pytest.mark.parametrize("status", [100, 200, 204, 299])
def test_a_status_that_is_no_error_makes_none(status: int) -> None:
    """Asking for its error is a mistake of the caller."""
    with pytest.raises(InvalidArgumentError, match=str(status)):
        error_of(status)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://login.example/in?token=zzz#zzz", "https://login.example/in"),
        ("https://me:zzz@login.example/in", "https://login.example/in"),
        ("/v2/rerank?key=zzz", "/v2/rerank"),
        ("", "nowhere"),
        ("https://[zzz", "nowhere"),
    ],
)
def test_a_redirect_not_followed_is_an_error_that_says_where_it_points(
    location: str, shown: str
) -> None:
    """Without query, fragment, user and password, in message and headers."""
    error = error_of(302, b"", {"Location": location})
    assert f"it points to {shown}, so check the base URL" in str(error)
    assert "zzz" not in str(error) + json.dumps(error.headers)


def test_a_wait_that_the_service_asks_for_is_told_with_its_end() -> None:
    """The seconds are on the error for a program, in the sentence for a person."""
    error = error_of(429, retry_after_seconds=90.0)
    assert error.retry_after_seconds == 90.0
    assert "wait 90 s, until 12:01:30 UTC" in str(error)
    assert error_of(503, retry_after_seconds=1.5).retry_after_seconds == 1.5


def test_no_wait_is_made_up_where_none_was_asked_for() -> None:
    """A limit without a time has no time."""
    error = error_of(429)
    assert error.retry_after_seconds is None
    assert "send less often" in str(error)
    assert "wait 1e+300 s" in str(error_of(503, retry_after_seconds=1e300))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"detail": "No such model."}, "No such model"),
        ({"message": "Too many"}, "Too many"),
        ({"error": "invalid_grant"}, "invalid_grant"),
        ({"error": "x", "error_description": "Code expired"}, "Code expired"),
        ({"error": {"message": "Too long", "code": 3}}, "Too long"),
        ({"error": {"code": 3}, "message": "Outer"}, "Outer"),
        ({"title": "Out of credit", "detail": "Balance is 3"}, "Balance is 3"),
        ({"type": "about:blank", "title": "Out of credit"}, "Out of credit"),
        ({"detail": [{"loc": ["body", 0], "msg": "empty"}]}, "body.0: empty"),
        ({"errors": [{"message": "one"}, {"message": "two"}]}, "one; two"),
        ({"status": {"error": "Wrong input"}, "time": 0.1}, "Wrong input"),
        ("just a text", "just a text"),
        ([{"message": "in a list"}], "in a list"),
        ({"status": "error"}, ""),
        ({"detail": None}, ""),
        ({"detail": 5}, ""),
        ([], ""),
        (None, ""),
    ],
)
def test_the_services_words_are_found_in_json_of_any_usual_shape(
    body: Any, said: str
) -> None:
    """FastAPI, OAuth, problem details, JSON:API, GraphQL, Qdrant and plain ones."""
    answer = WireResponse(400, Headers(JSON), json.dumps(body).encode())
    assert detail_of(answer) == said


@pytest.mark.parametrize(
    ("body", "media_type", "said"),
    [
        (b"Too many requests.\n", "text/plain", "Too many requests"),
        (b"<html><body>502</body></html>", "text/html", "a web page, as of a proxy"),
        (b"\n<!DOCTYPE html><p>", "application/json", "a web page, as of a proxy"),
        (b"\x89PNG\x00\x01", "image/png", ""),
        (b"{not json", "application/json", ""),
        (b"[" * 60_000, "application/json", ""),
        (b"", "", ""),
    ],
)
def test_bodies_that_are_no_json_are_told_in_few_words(
    body: bytes, media_type: str, said: str
) -> None:
    """A page, a picture, half a JSON and nesting without end are no second error."""
    answer = WireResponse(502, Headers({"Content-Type": media_type}), body)
    assert detail_of(answer) == said


@given(
    st.binary(max_size=300),
    st.sampled_from(["application/json", "text/html", "text/plain; charset=zzz", ""]),
    st.integers(300, 599),
)
def test_any_body_makes_a_bounded_error(
    body: bytes, media_type: str, status: int
) -> None:
    """Whatever was answered, there is an error, short and on one line."""
    error = error_of(status, body, {"Content-Type": media_type})
    assert len(str(error)) < 500
    assert len(error.body) <= 500
    assert str(error).isprintable()
    assert error.body.isprintable()


def test_a_body_of_a_megabyte_is_cut() -> None:
    """The beginning is enough to recognize it."""
    error = error_of(500, b"failed " * 150_000, {"Content-Type": "text/plain"})
    assert error.body.startswith("failed failed")
    assert len(error.body) == 500
    assert error.body.endswith("...")
    assert len(str(error)) < 400


def test_a_body_that_echoes_a_credential_is_scrubbed() -> None:
    """By value where we know it, by its name where not, in message, body, headers."""
    key = Secret("zzz-credential-zzz")
    body = json.dumps({"detail": f"key {key.reveal()} is wrong", "token": "zzz-other"})
    headers = {
        **JSON,
        "Set-Cookie": "zzz=1",
        "X-Echo": f"was {key.reveal()}",
        "X-Api-Key": "zzz",
        "X-Request-ID": "its-own-id",
    }
    error = error_of(401, body.encode(), headers)
    assert "zzz" not in str(error) + error.body + json.dumps(error.headers)
    assert error.headers["x-request-id"] == "its-own-id"


def test_a_credential_hidden_by_control_characters_is_scrubbed() -> None:
    """What nobody sees is taken out before looking, so that it cannot split a key."""
    key = Secret("zzz-credential-zzz")
    text = f"a zzz-\u202ecred\u200bential\x07-zzz b \x1b[31m {key}"
    assert "ential" not in excerpt(text)
    assert excerpt(text).isprintable()


def test_half_a_credential_at_the_cut_is_not_shown() -> None:
    """A text is cut between words, so that none is left that cannot be recognized."""
    key = Secret("zzz-credential-" + "z" * 40)
    for filler in range(4_050, 4_096):
        shown = excerpt("token=" + "y" * filler + " " + key.reveal(), 500)
        assert "zzz" not in shown


def test_the_headers_kept_are_bounded() -> None:
    """A service cannot make an error large by its header."""
    error = error_of(500, b"", {f"x-{number}": "v" * 9_000 for number in range(500)})
    assert len(error.headers) <= 64
    assert max(len(value) for value in error.headers.values()) <= 200
