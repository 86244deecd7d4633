"""Tokens signed here, checked with PyJWT as a service would."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from contexter_nb.core import (
    InvalidArgumentError,
    Secret,
    SystemClock,
    WireRequest,
    WireResponse,
    scrub,
)
from contexter_nb.policies._auth_drive import drive_flow
from contexter_nb.policies._jwt import JWTAuthHandler
from tests.loops import FakeClock, run

SHARED = "planted-shared-secret-of-many-bytes-" + "0123456789abcdef" * 3
AUDIENCE = "https://api.example.org"
REQUEST = WireRequest("GET", AUDIENCE + "/v1")


def pem_pair(private: Any) -> tuple[str, str]:
    """Return the private and the public half as PEM texts."""
    return (
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
        private.public_key()
        .public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo,
        )
        .decode(),
    )


RSA = pem_pair(rsa.generate_private_key(65537, 2048))
EC = pem_pair(ec.generate_private_key(ec.SECP256R1()))
ED = pem_pair(ed25519.Ed25519PrivateKey.generate())


def handler_of(
    key: str | Secret = SHARED, algorithm: str = "HS256", **others: Any
) -> JWTAuthHandler:
    """Return a handler with issuer and audience, and a clock that stands."""
    settings: dict[str, Any] = {
        "issuer": "notebook",
        "audience": AUDIENCE,
        "clock": FakeClock(),
    }
    return JWTAuthHandler(key, algorithm=algorithm, **(settings | others))


def claims_of(text: str, key: str = SHARED, algorithm: str = "HS256") -> dict[str, Any]:
    """Return the claims of a token whose signature and audience are right."""
    past: Any = {"verify_exp": False, "verify_iat": False}
    claims: dict[str, Any] = jwt.decode(
        text, key, [algorithm], audience=AUDIENCE, options=past
    )
    return claims


@pytest.mark.parametrize(
    ("algorithm", "private", "public"),
    [
        ("HS256", SHARED, SHARED),
        ("HS384", SHARED, SHARED),
        ("HS512", SHARED, SHARED),
        ("RS256", *RSA),
        ("PS256", *RSA),
        ("ES256", *EC),
        ("EdDSA", *ED),
    ],
)
def test_a_service_can_verify_the_token(
    algorithm: str, private: str, public: str
) -> None:
    """Signature, issuer, audience, subject, times, id and key id are all there."""
    handler = handler_of(
        private,
        algorithm,
        key_id="key-1",
        make_id=lambda: "id-1",
        extra_claims={"roles": ["reader"]},
    )
    text = run(handler.token()).access.reveal()
    issued = int(FakeClock().wall().timestamp()) - 5
    assert claims_of(text, public, algorithm) == {
        "iss": "notebook",
        "sub": "notebook",
        "aud": AUDIENCE,
        "iat": issued,
        "exp": issued + 300,
        "jti": "id-1",
        "roles": ["reader"],
    }
    assert jwt.get_unverified_header(text) == {
        "alg": algorithm,
        "kid": "key-1",
        "typ": "JWT",
    }


def test_subject_and_several_audiences_are_ones_own() -> None:
    """The subject need not be the issuer."""
    handler = handler_of(
        subject="reader-7", audience=["https://b.example.org", AUDIENCE]
    )
    claims = claims_of(run(handler.token()).access.reveal())
    assert claims["sub"] == "reader-7"
    assert claims["aud"] == ["https://b.example.org", AUDIENCE]


def test_a_strict_service_takes_the_token_from_a_clock_three_seconds_ahead() -> None:
    """The time of issue lies a little in the past, and the whole life is as stated."""
    clock = SystemClock()
    ahead = FakeClock()
    ahead.wall_step_seconds = (clock.wall() - ahead.wall()).total_seconds() + 3.0
    text = run(handler_of(clock=ahead).token()).access.reveal()
    claims = jwt.decode(
        text, SHARED, ["HS256"], audience=AUDIENCE, options={"require": ["exp", "iat"]}
    )
    assert claims["exp"] - claims["iat"] == 300


@pytest.mark.parametrize("life", [30.0, 120.0, 300.0])
def test_a_short_life_does_not_sign_per_call(life: float) -> None:
    """A token of seconds or minutes serves nine tenths of its life."""
    clock = FakeClock()
    handler = handler_of(lifetime_seconds=life, clock=clock)
    first = run(handler.token())
    clock.instant += 0.89 * (life - 5.0)
    assert run(handler.token()) is first
    clock.instant += 0.02 * (life - 5.0)
    second = run(handler.token())
    assert second.access != first.access


def test_a_step_of_the_wall_clock_does_not_end_a_token() -> None:
    """Its age is counted on the monotonic clock."""
    clock = FakeClock()
    handler = handler_of(clock=clock)
    first = run(handler.token())
    clock.wall_step_seconds = 86_400.0
    assert run(handler.token()) is first


def test_a_refused_token_is_signed_anew_once_for_all_who_were_refused() -> None:
    """Fifty late refusals of one token make one new token."""
    numbers = itertools.count(1)
    handler = handler_of(make_id=lambda: f"id-{next(numbers)}")
    old = run(handler.token())
    newer = [run(handler.token(newer_than=old)) for _ in range(50)]
    assert len(set(map(id, newer))) == 1
    assert claims_of(newer[0].access.reveal())["jti"] == "id-2"


def test_a_401_is_met_with_a_newly_signed_token() -> None:
    """One redo, with another signature."""
    handler = handler_of()
    seen: list[str] = []

    async def send(request: WireRequest) -> WireResponse:
        seen.append(request.headers["authorization"])
        return WireResponse(401 if len(seen) == 1 else 200)

    answer, again = run(drive_flow(handler, REQUEST, send))
    assert (answer.status_code, again, len(set(seen))) == (200, True, 2)


@pytest.mark.parametrize(
    ("algorithm", "bytes_needed"), [("HS256", 32), ("HS384", 48), ("HS512", 64)]
)
def test_a_shared_secret_is_at_least_as_long_as_the_hash(
    algorithm: str, bytes_needed: int
) -> None:
    """One byte less is refused."""
    handler_of("k" * bytes_needed, algorithm)
    with pytest.raises(InvalidArgumentError, match=f"{bytes_needed} bytes"):
        handler_of("k" * (bytes_needed - 1), algorithm)


@pytest.mark.parametrize("algorithm", ["none", "HS1", "hs256", "", "ES256K"])
def test_an_unknown_algorithm_is_refused(algorithm: str) -> None:
    """The sentence names those that can be had."""
    with pytest.raises(InvalidArgumentError, match="give one of HS256"):
        handler_of(algorithm=algorithm)


def test_the_algorithm_has_no_default() -> None:
    """Nobody signs with HS256 without having said so."""
    with pytest.raises(TypeError, match="algorithm"):
        JWTAuthHandler(SHARED, issuer="a", audience="b")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("key", "algorithm", "said"),
    [
        (RSA[0], "HS256", "this is a PEM key"),
        (RSA[1], "HS256", "this is a PEM key"),
        (RSA[1], "RS256", "this is the public one"),
        (EC[1], "ES256", "this is the public one"),
        (EC[0], "RS256", "cannot sign RS256"),
        (RSA[0], "ES256", "cannot sign ES256"),
        (EC[0], "ES384", "cannot sign ES384"),
        (SHARED, "RS256", "cannot sign RS256"),
        ("", "HS256", "empty"),
        (None, "HS256", "no text"),
        ("has blanks " * 6, "HS256", "blank"),
        (pem_pair(rsa.generate_private_key(65537, 1024))[0], "RS256", "1024 bits"),
    ],
)
def test_a_key_that_does_not_fit_is_refused(
    key: Any, algorithm: str, said: str
) -> None:
    """Another kind, the public half, a PEM as a shared secret, or a weak one."""
    with pytest.raises(InvalidArgumentError, match=said):
        handler_of(key, algorithm)


@pytest.mark.parametrize("life", [0.0, -1.0, 29.9, 86_401.0, float("nan")])
def test_a_life_out_of_bounds_is_refused(life: float) -> None:
    """From half a minute to a day."""
    with pytest.raises(InvalidArgumentError, match="lifetime_seconds"):
        handler_of(lifetime_seconds=life)


@pytest.mark.parametrize(
    "claims", [{"exp": 1}, {"x": object()}, {"x": float("nan")}, {"x": b"bytes"}]
)
def test_extra_claims_are_json_and_leave_ours_alone(claims: dict[str, Any]) -> None:
    """What the handler sets cannot be overridden."""
    with pytest.raises(InvalidArgumentError, match="extra_claims"):
        handler_of(extra_claims=claims)


@pytest.mark.parametrize("empty", [{"issuer": ""}, {"audience": ""}, {"audience": []}])
def test_issuer_and_audience_are_not_empty(empty: dict[str, Any]) -> None:
    """A token for anybody is refused."""
    with pytest.raises(InvalidArgumentError, match="issuer or audience"):
        handler_of(**empty)


def test_without_pyjwt_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says what to install."""
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(InvalidArgumentError, match=r'"contexter_nb\[jwt\]"'):
        handler_of()


def test_without_cryptography_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PyJWT alone knows HS algorithms only."""

    def absent(name: str) -> Any:
        raise NotImplementedError(name)

    monkeypatch.setattr(jwt, "get_algorithm_by_name", absent)
    with pytest.raises(InvalidArgumentError, match=r'"contexter_nb\[jwt\]"'):
        handler_of(RSA[0], "RS256")


def test_a_key_that_loads_and_cannot_sign_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A handler is made only where one signature has succeeded."""

    def fail(*_: Any, **__: Any) -> str:
        raise jwt.InvalidKeyError("curve")

    monkeypatch.setattr(jwt, "encode", fail)
    with pytest.raises(InvalidArgumentError, match="cannot sign ES256"):
        handler_of(EC[0], "ES256")


def test_a_key_id_is_a_text() -> None:
    """A number is named as the slip it is."""
    with pytest.raises(InvalidArgumentError, match="key_id is 7"):
        handler_of(key_id=7)


def test_importing_the_handler_does_not_import_pyjwt() -> None:
    """The library is loaded by the first handler, not before."""
    import subprocess

    code = (
        "import sys, contexter_nb.policies._jwt; "
        "sys.exit('jwt' in sys.modules or 'cryptography' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_repr_holds_the_key_or_a_token() -> None:
    """Neither the handler, nor its variables, nor a text with the token in it."""
    for key, algorithm in [(SHARED, "HS256"), RSA[:1] + ("RS256",)]:
        handler = handler_of(key, algorithm)
        text = run(handler.token()).access.reveal()
        shown = f"{handler!r} {vars(handler)!r} {handler._signer!r}"
        body = "".join(key.splitlines()[1:-1]) or key
        assert key not in shown and body not in shown and text not in shown
        assert text not in scrub(f"sent {text} to the service")


def test_fingerprints_follow_key_and_claims() -> None:
    """Another key or another subject is another account; a new token is not."""
    handler = handler_of()
    before = handler.fingerprint()
    run(handler.token())
    assert handler.fingerprint() == before == handler_of().fingerprint()
    assert handler_of(subject="other").fingerprint() != before
    assert handler_of(SHARED + "x").fingerprint() != before
    assert SHARED not in before
