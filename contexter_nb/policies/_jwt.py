"""Authorize with tokens signed here: JSON Web Tokens."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contexter_nb.core import (
    AuthFlow,
    Clock,
    InvalidArgumentError,
    Secret,
    Sender,
    SystemClock,
    Token,
    WireRequest,
    new_id,
)
from contexter_nb.policies._bearer_flow import bearer_flow
from contexter_nb.policies._fingerprint import fingerprint_of
from contexter_nb.policies._signing import Signer
from contexter_nb.policies._token import is_fresh, is_refused, token_of

MIN_LIFETIME_SECONDS = 30.0
MAX_LIFETIME_SECONDS = 86_400.0
SKEW_SECONDS = 5.0
_OWN_CLAIMS = frozenset({"iss", "sub", "aud", "iat", "nbf", "exp", "jti"})


class JWTAuthHandler:
    """Send a JSON Web Token, signed with a key of one's own, with every request.

    One token serves until the last tenth of its life (60 s at most). One that the
    service refuses with 401 is replaced by a newly signed one and the request is sent
    once more.

    Parameters
    ----------
    key : str or Secret
        For HS algorithms a shared secret, at least as long as the hash: 32, 48 or 64
        bytes. For the others a private key as PEM text, not encrypted.
    algorithm : str
        HS256, HS384, HS512; RS256, RS384, RS512, PS256, PS384, PS512 (RSA of 2,048
        bits or more); ES256, ES384, ES512; EdDSA.
    issuer : str
        The claim ``iss``: who signs.
    audience : str or sequence of str
        The claim ``aud``: for which service.
    subject : str, optional
        The claim ``sub``; None takes the issuer.
    lifetime_seconds : float, default 300
        From ``iat`` to ``exp``, 30 to 86,400, rounded up to whole seconds. The time
        of issue is put 5 s back, for services whose clock is behind.
    key_id : str, optional
        ``kid`` in the header, for services that know several keys.
    extra_claims : mapping, optional
        JSON values; not iss, sub, aud, iat, nbf, exp and jti.
    clock : Clock, optional
    make_id : callable, optional
        Returns a new ``jti`` each time.

    Raises
    ------
    InvalidArgumentError
        PyJWT is not installed, the key does not fit the algorithm or is too weak, or
        another argument cannot be used.

    Examples
    --------
    >>> JWTAuthHandler(
    ...     "a-shared-secret-of-32-bytes-or-more",
    ...     algorithm="HS256",
    ...     issuer="notebook",
    ...     audience="https://api.example.org",
    ... )
    JWTAuthHandler(algorithm='HS256', issuer='notebook')

    Source: RFC 7519, section 4.1; RFC 7518, sections 3.2 and 3.3 (length of keys).
    """

    def __init__(
        self,
        key: str | Secret,
        *,
        algorithm: str,
        issuer: str,
        audience: str | Sequence[str],
        subject: str | None = None,
        lifetime_seconds: float = 300.0,
        key_id: str | None = None,
        extra_claims: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        make_id: Callable[[], str] = new_id,
    ) -> None:
        made = Signer.of(key, algorithm, key_id)
        del key  # an error from here on shows this frame
        if isinstance(made, str):
            raise InvalidArgumentError(made)
        self._signer = made
        self._lifetime = _checked_lifetime(lifetime_seconds)
        self._claims = {
            **_checked_claims(extra_claims or {}),
            "iss": issuer,
            "sub": subject or issuer,
            "aud": audience if isinstance(audience, str) else list(audience),
        }
        if not issuer or not audience:
            raise InvalidArgumentError(
                "issuer or audience is empty; say who signs and for which service."
            )
        self._clock = clock or SystemClock()
        self._make_id = make_id
        self._lock = threading.Lock()
        self._current: Token | None = None
        self._fingerprint = fingerprint_of(
            "jwt", made.key_digest, json.dumps(self._claims, sort_keys=True)
        )

    def flow(self, request: WireRequest) -> AuthFlow:
        """Yield the steps: a token, the request, and both once more after a 401.

        Parameters
        ----------
        request : WireRequest
            Without authorization; it is not changed.
        """
        return bearer_flow(request)

    async def token(self, newer_than: Token | None = None) -> Token:
        """Return the current token, or sign one where it is old or was refused.

        Parameters
        ----------
        newer_than : Token, optional
            The one that was refused. The current one is returned where it is
            another already.
        """
        token = self._usable(newer_than)
        if token is not None:
            return token
        signed = self._signed()
        # Threads may have signed at once; the first one's token serves all of them.
        with self._lock:
            self._current = self._usable(newer_than) or signed
            return self._current

    def bind(self, send: Sender) -> None:
        """Do nothing: tokens are signed here, and no endpoint is asked.

        Parameters
        ----------
        send : Sender
            Ignored.
        """

    def fingerprint(self) -> str:
        """Return a hash that tells accounts apart, 16 hexadecimal digits."""
        return self._fingerprint

    def __repr__(self) -> str:
        return (
            f"JWTAuthHandler(algorithm={self._signer.algorithm!r}, "
            f"issuer={self._claims['iss']!r})"
        )

    def _usable(self, refused: Token | None) -> Token | None:
        token = self._current
        if token is None or is_refused(token, refused):
            return None
        return token if is_fresh(token, self._clock.now()) else None

    def _signed(self) -> Token:
        since = self._clock.now()
        # Services (those on PyJWT, say) refuse a token issued in their future; so it
        # is dated back, and has no nbf.
        issued = int(self._clock.wall().timestamp() - SKEW_SECONDS)
        access = self._signer.sign(
            {
                **self._claims,
                "iat": issued,
                "exp": issued + self._lifetime,
                "jti": self._make_id(),
            }
        )
        return token_of(access, self._lifetime - SKEW_SECONDS, since)


def _checked_lifetime(seconds: float) -> int:
    if not MIN_LIFETIME_SECONDS <= seconds <= MAX_LIFETIME_SECONDS:
        raise InvalidArgumentError(
            f"lifetime_seconds is {seconds!r}; give "
            f"{MIN_LIFETIME_SECONDS:g} to {MAX_LIFETIME_SECONDS:g}."
        )
    return math.ceil(seconds)


def _checked_claims(claims: Mapping[str, Any]) -> dict[str, Any]:
    taken = sorted(_OWN_CLAIMS & set(claims))
    if taken:
        raise InvalidArgumentError(
            f"extra_claims hold {', '.join(taken)}, which the handler sets itself; "
            "leave them out."
        )
    try:
        copied: dict[str, Any] = json.loads(json.dumps(dict(claims), allow_nan=False))
    except (TypeError, ValueError) as exc:
        raise InvalidArgumentError(
            f"extra_claims are no JSON: {exc}; give texts, numbers, lists and dicts."
        ) from exc
    return copied
