"""Authorize with a fixed credential: an API key, or a name and a password."""

from __future__ import annotations

import base64
import re

from contexter_nb.core import (
    AuthFlow,
    InvalidArgumentError,
    Secret,
    Sender,
    SendRequest,
    Token,
    TokenFetchError,
    WireRequest,
)
from contexter_nb.policies._fingerprint import fingerprint_of

_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_CREDENTIAL_FIELDS = frozenset(
    {"accept", "connection", "content-length", "content-type", "host", "user-agent"}
)


class _FixedAuthHandler:
    """What handlers have in common whose credential never changes."""

    def flow(self, request: WireRequest) -> AuthFlow:
        """Yield the one step: send the request with the credential.

        Parameters
        ----------
        request : WireRequest
            Without authorization; it is not changed.
        """
        yield SendRequest(self._authorized(request))

    def _authorized(self, request: WireRequest) -> WireRequest:
        raise NotImplementedError

    async def token(self, newer_than: Token | None = None) -> Token:
        """Refuse: a fixed credential has no tokens, and its flow asks for none.

        Parameters
        ----------
        newer_than : Token, optional
            Ignored.

        Raises
        ------
        TokenFetchError
            Always.
        """
        raise TokenFetchError(
            f"{type(self).__name__} has a fixed credential and no tokens; "
            "where it is refused, give another one."
        )

    def bind(self, send: Sender) -> None:
        """Do nothing: there is no token endpoint to ask.

        Parameters
        ----------
        send : Sender
            Ignored.
        """


class APIKeyAuthHandler(_FixedAuthHandler):
    """Send an API key with every request.

    Parameters
    ----------
    key : str or Secret
    header : str, default "Authorization"
        The header field that holds it.
    scheme : str or None, default "Bearer"
        What stands before the key; None for the key alone, as ``X-API-Key`` wants it.

    Raises
    ------
    InvalidArgumentError
        The key is no key, or the header field cannot hold one.

    Examples
    --------
    >>> APIKeyAuthHandler("pa-0123456789abcdef")
    APIKeyAuthHandler(Secret('***cdef'), header='authorization', scheme='Bearer')
    """

    def __init__(
        self,
        key: str | Secret,
        *,
        header: str = "Authorization",
        scheme: str | None = "Bearer",
    ) -> None:
        try:
            self._key = Secret.of(key)
        finally:
            del key  # an error shows this frame
        self._header = _field_name(header)
        if scheme is not None and not _FIELD_NAME.fullmatch(scheme):
            raise InvalidArgumentError(
                f"The scheme {scheme!r} is no word; give 'Bearer', say, or None to "
                "send the key alone."
            )
        self._scheme = scheme

    def _authorized(self, request: WireRequest) -> WireRequest:
        start = f"{self._scheme} " if self._scheme else ""
        return request.with_headers({self._header: start + self._key.reveal()})

    def fingerprint(self) -> str:
        """Return a hash that tells accounts apart, 16 hexadecimal digits."""
        return fingerprint_of("key", self._key)

    def __repr__(self) -> str:
        return (
            f"APIKeyAuthHandler({self._key!r}, header={self._header!r}, "
            f"scheme={self._scheme!r})"
        )


class BasicAuthHandler(_FixedAuthHandler):
    """Send a name and a password with every request.

    Parameters
    ----------
    username : str
        Without a colon.
    password : str or Secret
        A `str` may hold blanks and any letters; they are sent as UTF-8.

    Raises
    ------
    InvalidArgumentError
        The name holds a colon, or one of both a control character.

    Examples
    --------
    >>> BasicAuthHandler("reader", "correct horse")
    BasicAuthHandler('reader')

    Source: RFC 7617, section 2.
    """

    def __init__(self, username: str, password: str | Secret) -> None:
        problem = _basic_problem(username, password)
        if problem is None:
            self._username = username
            self._pair = _basic_pair(username, password)
        del password  # an error from here on shows this frame
        if problem is not None:
            raise InvalidArgumentError(problem)

    def _authorized(self, request: WireRequest) -> WireRequest:
        return request.with_headers({"authorization": f"Basic {self._pair.reveal()}"})

    def fingerprint(self) -> str:
        """Return a hash that tells accounts apart, 16 hexadecimal digits."""
        return fingerprint_of("basic", self._pair)

    def __repr__(self) -> str:
        return f"BasicAuthHandler({self._username!r})"


def _field_name(header: str) -> str:
    name = header.lower()
    if not _FIELD_NAME.fullmatch(name) or name in _NO_CREDENTIAL_FIELDS:
        raise InvalidArgumentError(
            f"The header field {header!r} cannot hold a key; give 'Authorization' or "
            "'X-API-Key', say."
        )
    return name


def _basic_problem(username: str, password: str | Secret) -> str | None:
    if ":" in username or not username.isprintable():
        return (
            "The name holds a colon or a control character, which Basic "
            "authorization cannot carry; give another name."
        )
    if isinstance(password, str) and not password.isprintable():
        return "The password holds a control character; copy it again."
    return None


def _basic_pair(username: str, password: str | Secret) -> Secret:
    plain = password.reveal() if isinstance(password, Secret) else password
    return Secret(base64.b64encode(f"{username}:{plain}".encode()).decode())
