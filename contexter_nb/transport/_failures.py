"""The HTTP library's exceptions as errors of our tree, free of credentials."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

from contexter_nb.core import (
    APIIntegrationError,
    ConnectionFailedError,
    ConnectionLostError,
    DecodingError,
    PoolExhaustedError,
    RequestTimeoutError,
    TransportError,
    UnsendableRequestError,
    WireRequest,
    scrub,
    type_in_words,
    without_frames,
)
from contexter_nb.transport._unpack import UnpackError

# RFC 9110, 5.1 and 5.5, without the bytes beyond ASCII, which it calls obsolete.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")


def place(url: str) -> str:
    """Return host and path of a URL, without query, user and password."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an unusable URL"
    return f"{host}{port}{parts.path}"[:200]


def check_fields(headers: Mapping[str, str]) -> None:
    """Refuse header fields that cannot be sent, before a library shows their values.

    Parameters
    ----------
    headers : mapping
        Of a request.

    Raises
    ------
    UnsendableRequestError
        A name or a value holds what no header can carry; only the name is told.
    """
    fields: Iterable[tuple[str, object]] = headers.items()
    for name, value in fields:
        if not isinstance(value, str):
            kind = type_in_words(value)
            del value, fields, headers  # rich tracebacks show variables
            raise UnsendableRequestError(
                f"The header field {name[:100]!r} is {kind}; give text."
            )
        if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
            del value, fields, headers
            raise UnsendableRequestError(
                f"The header field {name[:100]!r} cannot be sent, since its name or "
                "value has a blank at an end, a control character or a letter outside "
                "ASCII; take that out."
            )


def failure(library: Any, error: BaseException, url: str) -> APIIntegrationError | None:
    """Return what an exception of the library is to us; None for a stranger.

    Parameters
    ----------
    library : module
        httpx or httpx2.
    error : BaseException
        As it was raised.
    url : str
        Named in the message without its query.
    """
    where = place(url)
    reason = scrub(str(error))[:200] or type(error).__name__
    if isinstance(error, library.PoolTimeout):
        return PoolExhaustedError(
            f"No connection to {where} was free in time; ask less at once, or allow "
            "more with max_concurrency."
        )
    if isinstance(error, library.ConnectTimeout):
        return RequestTimeoutError(
            f"{where} did not accept a connection in time; check the address and the "
            "network.",
            phase="connect",
        )
    if isinstance(error, library.TimeoutException):
        phase = "write" if isinstance(error, library.WriteTimeout) else "read"
        return RequestTimeoutError(
            f"{where} went silent ({phase}); try again, or allow more time with "
            "timeouts=Timeouts(...).",
            phase=phase,
        )
    if isinstance(error, (library.ConnectError, library.ProxyError)):
        return ConnectionFailedError(
            f"No connection to {where} ({reason}); check the address and the network."
        )
    if isinstance(error, (library.DecodingError, UnpackError)):
        return DecodingError(
            f"The answer of {where} cannot be unpacked ({reason}); the service or a "
            "proxy is at fault."
        )
    if isinstance(
        error,
        (library.LocalProtocolError, library.UnsupportedProtocol, library.InvalidURL),
    ):
        return UnsendableRequestError(
            f"The request to {where} cannot be sent ({reason}); mend its URL "
            "or headers."
        )
    if isinstance(error, (library.NetworkError, library.RemoteProtocolError)):
        return ConnectionLostError(
            f"The connection to {where} broke ({reason}); the service may have acted."
        )
    if isinstance(error, library.TransportError):
        return TransportError(f"{where} could not be asked ({reason}).")
    if isinstance(error, OSError):
        return ConnectionLostError(
            f"The connection to {where} broke ({reason}); the service may have acted."
        )
    return None


def raise_failure(library: Any, error: Exception, request: WireRequest) -> NoReturn:
    """Raise an exception of the library as an error of ours; a stranger as it is."""
    told = failure(library, error, request.url)
    if isinstance(error, library.RequestError):
        error.request = None  # it carries the credential
    without_frames(error)
    if told is None:
        raise error
    raise told from error
