"""The key of a cached answer: who asked which service for what, in which version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from contexter_nb.core import InvalidArgumentError, type_in_words

KEY_SCHEMA = 1
# Two of one length, so that only their own place tells two contents apart.
_MARKS = ("the value goes here: 1", "the value goes here: 2")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    # The type alone: the value could be a credential.
    raise TypeError(f"{type_in_words(value)} has no canonical form")


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
    content = _content(service, operation, params, account, version)
    return f"{service}/{operation}/{_digest(content)}"


def cache_keys(
    service: str,
    operation: str,
    params: Mapping[str, object],
    name: str,
    values: Sequence[object],
) -> list[str]:
    """Return the keys that `cache_key` gives where only one parameter differs.

    Parameters
    ----------
    service : str
    operation : str
    params : mapping of str to object
        All others.
    name : str
        Of the parameter that differs.
    values : sequence
        What it is, in each of them.

    Returns
    -------
    list of str
        In the order of the values.

    Raises
    ------
    InvalidArgumentError
        As of `cache_key`.

    Examples
    --------
    >>> keys = cache_keys("voyage", "embed", {"model": "m"}, "text", ["a", "b"])
    >>> keys[1] == cache_key("voyage", "embed", {"model": "m", "text": "b"})
    True
    """
    try:
        (front, _, back), *others = (
            _content(service, operation, {**params, name: mark}, "", "").partition(
                _canonical.encode(mark)
            )
            for mark in _MARKS
        )
        if others == [(front, _canonical.encode(_MARKS[1]), back)]:
            start = f"{service}/{operation}/"
            encode = _canonical.encode
            return [start + _digest(front + encode(each) + back) for each in values]
    except (TypeError, ValueError, OverflowError, RecursionError):
        pass  # one that only the long way takes, or that it refuses in a sentence
    return [cache_key(service, operation, {**params, name: each}) for each in values]


def _content(
    service: str, operation: str, params: object, account: str, version: str
) -> bytes:
    if not service or "/" in service:
        raise InvalidArgumentError(
            f"The service {service!r} of a cache key is empty or holds a slash; give "
            "a plain name."
        )
    parts = (KEY_SCHEMA, service, operation, account, version, params)
    try:
        return _encoded(parts)
    except (TypeError, ValueError, OverflowError, RecursionError) as exc:
        raise InvalidArgumentError(
            f"The parameters of {service} {operation} cannot be part of a cache key "
            f"({type(exc).__name__}: {str(exc)[:200]}); give text, numbers, bytes, "
            "dates, lists and mappings."
        ) from exc


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=32).hexdigest()
