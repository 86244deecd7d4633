"""Arithmetic on tokens, and what a token endpoint's answer means."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import Headers, InvalidArgumentError, Secret, WireResponse
from contexter_nb.policies._token import (
    is_alive,
    is_fresh,
    lifetime_seconds,
    token_of,
)
from contexter_nb.policies._token_request import Granted, Refused, TokenEndpoint

SECRET = Secret("s3cret-planted-0123456789")
ENDPOINT = TokenEndpoint("https://login.example.org/token", "reader", SECRET, "basic")
ACCESS = Secret("access-token-0001")


def answer(status: int, body: Any, kind: str = "application/json") -> WireResponse:
    """Return an answer of a token endpoint."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WireResponse(status, Headers({"content-type": kind}), content)


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        (300, 300.0),
        (299.5, 299.5),
        ("3600", 3600.0),
        (" 60 ", 60.0),
        (None, None),
        (0, None),
        (-5, None),
        ("soon", None),
        ("", None),
        (True, None),
        ([300], None),
        ("nan", None),
        ("inf", None),
        (10**400, None),
    ],
)
def test_a_life_is_read_in_every_form(stated: Any, seconds: float | None) -> None:
    """Texts of numbers count; nonsense counts as not stated and raises nothing."""
    assert lifetime_seconds(stated) == seconds


@pytest.mark.parametrize(
    ("life", "early"), [(10.0, 1.0), (300.0, 30.0), (600.0, 60.0), (86_400.0, 60.0)]
)
def test_a_token_is_renewed_a_tenth_of_its_life_early(
    life: float, early: float
) -> None:
    """And 60 seconds early at most, so a token of 5 minutes serves 270 seconds."""
    token = token_of(ACCESS, life, since=50.0)
    assert token.expires_at == pytest.approx(50.0 + life)
    assert token.refresh_at == pytest.approx(50.0 + life - early)
    assert is_fresh(token, 50.0 + life - early - 0.01)
    assert not is_fresh(token, 50.0 + life - early)
    assert is_alive(token, 50.0 + life - 0.01)
    assert not is_alive(token, 50.0 + life)


def test_a_token_without_a_stated_life_serves_until_it_is_refused() -> None:
    """No end is made up."""
    token = token_of(ACCESS, None, since=0.0)
    assert is_fresh(token, math.inf)
    assert is_alive(token, math.inf)


def test_a_grant_is_read_whole() -> None:
    """Access token, life as a text, refresh token."""
    fields = {
        "access_token": "access-token-0001",
        "token_type": "BEARER",
        "expires_in": "300",
        "refresh_token": "refresh-0001",
    }
    granted = ENDPOINT.read(answer(200, fields))
    assert granted == Granted(ACCESS, 300.0, Secret("refresh-0001"))


@pytest.mark.parametrize(
    ("response", "code", "said"),
    [
        (answer(200, b"<html>", "text/html"), "", "200 with text/html"),
        (answer(200, ["x"]), "", "200 with application/json"),
        (answer(200, b"[" * 100_000), "", "200 with"),
        (answer(200, b"\xff\xfe\xfa"), "", "200 with"),
        (answer(200, {}), "", "without a usable access_token"),
        (answer(200, {"access_token": 7}), "", "without a usable access_token"),
        (answer(200, {"access_token": "a\r\nb: c"}), "", "without a usable"),
        (answer(200, {"access_token": "x", "token_type": "mac"}), "", "the type mac"),
        (answer(200, {"error": "invalid_scope"}), "invalid_scope", "check scope"),
        (
            answer(400, {"error": "invalid_grant", "error_description": "used twice"}),
            "invalid_grant",
            "answered 400: invalid_grant (used twice)",
        ),
        (answer(401, {"error": "invalid_client"}), "invalid_client", "client_secret"),
        (answer(401, b""), "", "check client_id"),
        (answer(400, {"error": 7}), "", "answered 400; check token_url"),
        (answer(302, b""), "", "answered 302"),
        (answer(503, b"<html>", "text/html"), "", "answered 503; try again later"),
    ],
)
def test_a_refusal_is_one_clear_sentence(
    response: WireResponse, code: str, said: str
) -> None:
    """Whatever comes, nothing is raised, and the sentence says where and what."""
    refused = ENDPOINT.read(response)
    assert isinstance(refused, Refused)
    assert refused.code == code
    assert said in refused.sentence
    assert "login.example.org/token" in refused.sentence


def test_a_refusal_that_echoes_the_secret_is_scrubbed_and_cut() -> None:
    """Descriptions come from outside: no secret, no control characters, no flood."""
    echoed = f"bad client_secret {SECRET.reveal()}\r\n\x1b[31m" + "x" * 100_000
    fields = {"error": "invalid_client", "error_description": echoed}
    refused = ENDPOINT.read(answer(401, fields))
    assert isinstance(refused, Refused)
    assert SECRET.reveal() not in refused.sentence
    assert refused.sentence.isprintable()
    assert len(refused.sentence) < 500


@given(st.binary(max_size=60), st.sampled_from([200, 302, 400, 401, 500]))
def test_no_answer_breaks_the_reader(content: bytes, status: int) -> None:
    """Any bytes give a grant or a refusal."""
    assert isinstance(ENDPOINT.read(answer(status, content)), Granted | Refused)


def test_the_client_shows_its_secret_by_basic_authorization() -> None:
    """Id and secret are form-encoded first, so colons and plus signs survive."""
    endpoint = TokenEndpoint(
        "https://login.example.org/token", "a b:c", Secret("p+q:r/s%t"), "basic"
    )
    request = endpoint.request([("grant_type", "client_credentials"), ("scope", "a b")])
    # base64 of "a+b%3Ac:p%2Bq%3Ar%2Fs%25t"
    coded = "YStiJTNBYzpwJTJCcSUzQXIlMkZzJTI1dA=="
    assert request.headers["authorization"] == f"Basic {coded}"
    assert request.content == b"grant_type=client_credentials&scope=a+b"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"


def test_the_secret_goes_into_the_form_where_that_is_wanted() -> None:
    """By ``post``, and then in no header."""
    endpoint = TokenEndpoint("https://l.example.org/t", "reader", SECRET, "post")
    request = endpoint.request([("grant_type", "client_credentials")])
    assert b"&client_id=reader&client_secret=s3cret-planted-0123456789" in (
        request.content
    )
    assert "authorization" not in request.headers
    assert SECRET.reveal() not in repr(request)


def test_a_public_client_gives_its_id_only() -> None:
    """Without a secret the id stands in the form."""
    endpoint = TokenEndpoint("https://l.example.org/t", "reader", None, "basic")
    request = endpoint.request([("grant_type", "refresh_token")])
    assert request.content == b"grant_type=refresh_token&client_id=reader"
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    "url", ["https://l.example.org/t", "http://localhost:8/t", "http://[::1]/t"]
)
def test_token_urls_that_keep_the_secret_are_taken(url: str) -> None:
    """Encrypted, or on this machine."""
    assert TokenEndpoint(url, "reader", SECRET, "basic").url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.org/token",
        "http://127.0.0.1.example.org/token",
        "http://10.0.0.1/token",
        "https://reader:pw@login.example.org/token",
        "https://login.example.org/token#part",
        "ftp://login.example.org/token",
        "login.example.org/token",
        "https://[bad/token",
        "",
    ],
)
def test_token_urls_that_would_show_the_secret_are_refused(url: str) -> None:
    """Not encrypted, with a name in it, or no URL at all."""
    with pytest.raises(InvalidArgumentError, match="token_url"):
        TokenEndpoint(url, "reader", SECRET, "basic")


def test_an_empty_client_id_and_an_unknown_way_are_refused() -> None:
    """The sentence names the argument."""
    with pytest.raises(InvalidArgumentError, match="client_id is empty"):
        TokenEndpoint("https://l.example.org/t", "", SECRET, "basic")
    with pytest.raises(InvalidArgumentError, match="client_auth is 'jwt'"):
        TokenEndpoint("https://l.example.org/t", "a", SECRET, "jwt")  # type: ignore[arg-type]
