"""A short hash that tells accounts apart."""

from __future__ import annotations

import hashlib

from contexter_nb.core import Secret


def fingerprint_of(kind: str, *parts: str | Secret | None) -> str:
    """Return 16 hexadecimal digits of a credential and what goes with it.

    Parameters
    ----------
    kind : str
        Of the handler, so that one key used in two ways gives two accounts.
    *parts : str, Secret or None
        In order; None differs from empty.

    Examples
    --------
    >>> fingerprint_of("key", "a", "bc") == fingerprint_of("key", "ab", "c")
    False
    """
    # No key: one that is in the source of an open package hides nothing. What hides
    # is the chance in the credential; 64 bits tell accounts apart and are too few to
    # confirm a guess of a weak one beyond doubt.
    hashed = hashlib.blake2b(digest_size=8, person=b"contexter_nb.acc")
    for part in (kind, *parts):
        hashed.update(_framed(part))
    return hashed.hexdigest()


def _framed(part: str | Secret | None) -> bytes:
    if part is None:
        return b"-"
    if isinstance(part, Secret):
        return _framed(part.reveal())
    return b"%d:%s" % (len(part.encode()), part.encode())
