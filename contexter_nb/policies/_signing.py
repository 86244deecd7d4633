"""A signing key that fits its algorithm, is strong enough, and shows itself nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from contexter_nb.core import InvalidArgumentError, Secret
from contexter_nb.policies._fingerprint import fingerprint_of

# Of keys for HMAC: at least the length of the hash (RFC 7518, section 3.2).
_HMAC_MIN_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
_PEM_ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
_RSA_MIN_BITS = 2048  # RFC 7518, section 3.3
_ABSENT = (
    'Signing tokens needs PyJWT and cryptography; pip install "contexter_nb[jwt]".'
)


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """Signs claims with one key.

    Attributes
    ----------
    algorithm : str
    key_digest : str
        A hash of the key, for fingerprints.
    """

    algorithm: str
    key_digest: str
    _key: Any = field(repr=False)
    _header: dict[str, str]

    @classmethod
    def of(cls, key: str | Secret, algorithm: str, key_id: str | None) -> Self | str:
        """Return a signer, or a sentence that says why it cannot be.

        It is returned, not raised: the frames of an error would show the key.

        Parameters
        ----------
        key : str or Secret
        algorithm : str
        key_id : str or None
        """
        problem = _problem(algorithm, key_id)
        if problem is not None:
            return problem
        plain = key.reveal() if isinstance(key, Secret) else key
        if not isinstance(plain, str) or not plain.strip():
            return "The signing key is no text or empty; give the key itself."
        prepared = (
            _shared(plain, algorithm)
            if algorithm in _HMAC_MIN_BYTES
            else _private(plain, algorithm)
        )
        if isinstance(prepared, str):
            return prepared
        header = {} if key_id is None else {"kid": key_id}
        made = cls(algorithm, fingerprint_of("key", plain), prepared, header)
        return made if made._works() else _wrong_key(algorithm)

    def sign(self, claims: Mapping[str, Any]) -> Secret:
        """Return the signed token.

        Parameters
        ----------
        claims : mapping
            JSON values.
        """
        return Secret(self._encoded(claims))

    def _encoded(self, claims: Mapping[str, Any]) -> str:
        import jwt

        # In one expression: a variable of this frame would show in a rich traceback.
        return jwt.encode(
            dict(claims),
            self._key.reveal() if isinstance(self._key, Secret) else self._key,
            algorithm=self.algorithm,
            headers=self._header,
        )

    def _works(self) -> bool:
        try:
            self._encoded({})
        except Exception:  # of the key's kind: the caller gets a sentence for it
            return False
        return True


def _problem(algorithm: str, key_id: object) -> str | None:
    if key_id is not None and not isinstance(key_id, str):
        return f"key_id is {key_id!r}; give a text."
    if algorithm not in _HMAC_MIN_BYTES and algorithm not in _PEM_ALGORITHMS:
        known = ", ".join((*_HMAC_MIN_BYTES, *_PEM_ALGORITHMS))
        return f"algorithm is {algorithm!r}; give one of {known}."
    try:
        import jwt  # noqa: F401
    except ImportError:
        return _ABSENT
    return None


def _shared(plain: str, algorithm: str) -> Secret | str:
    if "-----BEGIN" in plain:
        return (
            f"{algorithm} signs with a shared secret, and this is a PEM key; give "
            "RS256, ES256 or EdDSA as the algorithm."
        )
    try:
        secret = Secret(plain)
    except InvalidArgumentError as exc:
        return str(exc)
    least = _HMAC_MIN_BYTES[algorithm]
    if len(secret.reveal()) < least:
        return (
            f"The key is shorter than the {least} bytes that {algorithm} needs; take "
            "a longer one made by chance."
        )
    return secret


def _private(plain: str, algorithm: str) -> Any:
    """Return the key as an object of cryptography, whose repr says nothing of it."""
    import jwt

    try:
        loaded = jwt.get_algorithm_by_name(algorithm).prepare_key(plain)
    except NotImplementedError:
        return _ABSENT
    except Exception:  # of whatever class the parser takes; the sentence says enough
        return _wrong_key(algorithm)
    if hasattr(loaded, "public_bytes"):
        return f"{algorithm} signs with the private key, and this is the public one."
    if algorithm[:2] in ("RS", "PS") and loaded.key_size < _RSA_MIN_BITS:
        return (
            f"The RSA key has {loaded.key_size} bits, fewer than {_RSA_MIN_BITS}; "
            "make a longer one."
        )
    return loaded


def _wrong_key(algorithm: str) -> str:
    return (
        f"The key cannot sign {algorithm}; give a private key of that kind as PEM "
        "text, not encrypted."
    )
