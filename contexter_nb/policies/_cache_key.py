"""The key of a cached answer: who asked which service for what, in which version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from contexter_nb.core import InvalidArgumentError

KEY_SCHEMA = 1


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    # The type alone: the value could be a credential.
    raise TypeError(f"a {type(value).__name__} has no canonical form")


_canonical = msgspec.msgpack.Encoder(order="sorted", enc_hook=_plain)


def _encoded(value: object) -> bytes:
    try:
        return _canonical.encode(value)
    except TypeError:
        # The encoder sorts text keys only; numbers as keys are sorted here.
        return _canonical.encode(_with_text_keys(value))


def _with_text_keys(value: object) -> object:
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: _with_text_keys(each) for key, each in value.items()}
        pairs = [(_encoded(key), _with_text_keys(each)) for key, each in value.items()]
        return {"\0pairs": sorted(pairs, key=lambda pair: pair[0])}
    if isinstance(value, (list, tuple)):
        return [_with_text_keys(each) for each in value]
    return value


def cache_key(
    service: str,
    operation: str,
    params: object,
    *,
    account: str = "",
    version: str = "",
) -> str:
    """Return the name under which an answer is cached.

    Everything that may change the answer belongs in `params` (headers such as Accept,
    the body, the URL's query), `account` or `version`. The order of dictionary keys and
    of sets does not matter; lists and tuples are equal, and so are a date and its ISO
    text, as they are on the wire.

    Parameters
    ----------
    service : str
        Stands readable in front, so that ``clear(prefix="voyage/")`` works; no slash.
    operation : str
        Stands readable behind it.
    params : object
        Numbers, text, bytes, dates, enums, lists, mappings, dataclasses, nested.
    account : str, optional
        The fingerprint of the credential (`AuthHandler.fingerprint`), never the
        credential; empty where all accounts get the same answer.
    version : str, optional
        Of the service's interface.

    Returns
    -------
    str
        ``service/operation/`` and 64 hexadecimal digits (blake2b).

    Raises
    ------
    InvalidArgumentError
        The service is empty or holds a slash, or something in `params` has no
        canonical form: a function, an array, a `Secret`.

    Examples
    --------
    >>> key = cache_key("context7", "search", {"query": "join", "limit": 5})
    >>> key == cache_key("context7", "search", {"limit": 5, "query": "join"})
    True
    >>> key[:16]
    'context7/search/'
    """
    if not service or "/" in service:
        raise InvalidArgumentError(
            f"The service {service!r} of a cache key is empty or holds a slash; give "
            "a plain name."
        )
    parts = (KEY_SCHEMA, service, operation, account, version, params)
    try:
        content = _encoded(parts)
    except (TypeError, ValueError, OverflowError, RecursionError) as exc:
        raise InvalidArgumentError(
            f"The parameters of {service} {operation} cannot be part of a cache key "
            f"({type(exc).__name__}: {str(exc)[:200]}); give text, numbers, bytes, "
            "dates, lists and mappings."
        ) from exc
    return (
        f"{service}/{operation}/{hashlib.blake2b(content, digest_size=32).hexdigest()}"
    )
