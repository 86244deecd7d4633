"""The error tree.

ContexterError
├── InvalidArgumentError (ValueError)   an argument cannot be used as it is
│   ├── UnknownLibraryError             no such installed library, module or file
│   └── UnknownChunkError               no such chunk in the index
├── SourceError                         documentation could not be collected
├── EmbedderError                       a text could not be embedded
├── EmptyIndexError                     nothing is indexed yet
├── IndexMismatchError                  the index was built by other means
├── HomeError (OSError)                 the home folder cannot be used
├── BridgeError (RuntimeError)          a synchronous call was made where it cannot be
├── SessionClosedError (RuntimeError)   the session was closed
└── APIIntegrationError                 a call of a remote service failed
    ├── ClientClosedError (RuntimeError)    the client was closed
    ├── TransportError                      no whole answer came
    │   ├── ConnectionFailedError (ConnectionError)   nothing was sent
    │   ├── ConnectionLostError (ConnectionError)     it broke on the way
    │   ├── RequestTimeoutError (TimeoutError)        a phase took too long
    │   ├── PoolExhaustedError                        no connection was free here
    │   ├── UnsendableRequestError                    the request itself is unusable
    │   └── ResponseTooLargeError                     the answer passed the size limit
    ├── DeadlineExceededError (TimeoutError)   the call's whole time is up
    ├── CircuitOpenError                    not sent: the service failed too often
    ├── RateLimitExceededError              not now: a rate limit is used up
    │   └── RateLimitedError                the service said so (429; an HTTPError, too)
    ├── HTTPError                           the service answered with an error status
    │   ├── AuthenticationError             401: the key is missing or refused
    │   ├── PermissionDeniedError           403: the key may not do this
    │   ├── NotFoundError                   404, 410
    │   └── ServerError                     500 and above
    ├── DecodingError                       the answer is not what it says it is
    ├── TokenFetchError                     no access token could be had
    ├── VersionError                        the version does not offer this
    └── GraphQLError                        errors in a GraphQL answer
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contexter_nb.core._trace import Trace


class ContexterError(Exception):
    """Root of every error this package raises on purpose."""

    def _render_traceback_(self) -> list[str]:
        """Tell IPython to show one sentence and its cause, not library frames."""
        from contexter_nb.core._secret import scrub  # it imports this module

        lines = [f"{type(self).__name__}: {self}"]
        lines += [f"  {scrub(note)}" for note in getattr(self, "__notes__", ())]
        seen, cause = {id(self)}, self.__cause__
        while cause is not None and id(cause) not in seen:
            said = scrub(str(cause)[:5_000])[:500]
            lines.append(f"  caused by {type(cause).__name__}: {said}")
            seen.add(id(cause))
            cause = cause.__cause__
        return lines


class InvalidArgumentError(ContexterError, ValueError):
    """An argument cannot be used as it is; the message says what would do."""


class UnknownLibraryError(InvalidArgumentError):
    """No installed library, module, file or folder has this name."""


class UnknownChunkError(InvalidArgumentError):
    """No chunk with this id is in the index."""


class SourceError(ContexterError):
    """Documentation could not be collected from a source."""


class EmbedderError(ContexterError):
    """An embedder failed, or answered vectors of the wrong count or dimension."""


class EmptyIndexError(ContexterError):
    """Nothing is indexed yet, so there is nothing to search."""


class IndexMismatchError(ContexterError):
    """The index was built with another embedder, dimension or chunking."""


class HomeError(ContexterError, OSError):
    """The home folder cannot be created, read or written."""


class BridgeError(ContexterError, RuntimeError):
    """A synchronous call was made from a place where it would never return."""


class SessionClosedError(ContexterError, RuntimeError):
    """The session was closed; open a new one."""


class APIIntegrationError(ContexterError):
    """A call of a remote service failed.

    Parameters
    ----------
    message : str
        One sentence: what, where, what to do; free of credentials.
    service, operation : str
        Which one; empty where unknown.
    request_id : str
        The id sent with the call.
    trace : Trace, optional
        Attempts and waits up to here.
    """

    def __init__(
        self,
        message: str = "",
        *,
        service: str = "",
        operation: str = "",
        request_id: str = "",
        trace: Trace | None = None,
    ) -> None:
        super().__init__(message)
        self.service = service
        self.operation = operation
        self.request_id = request_id
        self.trace = trace


class ClientClosedError(APIIntegrationError, RuntimeError):
    """The client was closed; make a new one."""


class TransportError(APIIntegrationError):
    """No whole answer came."""


class ConnectionFailedError(TransportError, ConnectionError):
    """No connection was made, so nothing was sent."""


class ConnectionLostError(TransportError, ConnectionError):
    """The connection broke while sending or reading; the service may have acted."""


class RequestTimeoutError(TransportError, TimeoutError):
    """A phase took too long; in every phase but ``connect`` the service may have acted.

    Parameters
    ----------
    message : str
    phase : str
        ``connect``, ``write``, ``read`` or ``attempt``.
    **where
        As of `APIIntegrationError`.
    """

    def __init__(self, message: str = "", *, phase: str = "read", **where: Any) -> None:
        super().__init__(message, **where)
        self.phase = phase


class PoolExhaustedError(TransportError):
    """No connection of the pool was free in time: too much at once here."""


class UnsendableRequestError(TransportError):
    """The request cannot be sent: its URL, protocol or header is unusable."""


class ResponseTooLargeError(TransportError):
    """The answer is longer than the limit set."""


class DeadlineExceededError(APIIntegrationError, TimeoutError):
    """The time for the whole call, waits included, is up."""


class CircuitOpenError(APIIntegrationError):
    """Not sent: the service failed too often lately.

    Parameters
    ----------
    message : str
    retry_after_seconds : float
        When it will be tried again.
    **where
        As of `APIIntegrationError`.
    """

    def __init__(
        self, message: str = "", *, retry_after_seconds: float = 0.0, **where: Any
    ) -> None:
        super().__init__(message, **where)
        self.retry_after_seconds = retry_after_seconds


class RateLimitExceededError(APIIntegrationError):
    """A rate limit is used up for longer than the call may wait.

    Parameters
    ----------
    message : str
    retry_after_seconds : float, optional
        When there will be room; None where nobody said.
    **where
        As of `APIIntegrationError`.
    """

    def __init__(
        self,
        message: str = "",
        *,
        retry_after_seconds: float | None = None,
        **where: Any,
    ) -> None:
        super().__init__(message, **where)
        self.retry_after_seconds = retry_after_seconds


class HTTPError(APIIntegrationError):
    """The service answered with a status that is an error.

    Parameters
    ----------
    message : str
    status_code : int
    body : str
        The beginning of the answer, scrubbed, at most 500 characters.
    headers : mapping, optional
        Of the answer, without credentials.
    retry_after_seconds : float, optional
        What the service asked for.
    **where
        As of `APIIntegrationError`.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status_code: int = 0,
        body: str = "",
        headers: Mapping[str, str] | None = None,
        retry_after_seconds: float | None = None,
        **where: Any,
    ) -> None:
        super().__init__(message, **where)
        self.status_code = status_code
        self.body = body
        self.headers = dict(headers or {})
        self.retry_after_seconds = retry_after_seconds


class AuthenticationError(HTTPError):
    """The key or token is missing, expired or refused (401)."""


class PermissionDeniedError(HTTPError):
    """The key is known but may not do this (403)."""


class NotFoundError(HTTPError):
    """There is nothing of this name (404, 410)."""


class ServerError(HTTPError):
    """The service failed (500 and above)."""


class RateLimitedError(HTTPError, RateLimitExceededError):
    """The service said that its rate limit is used up (429)."""


class DecodingError(APIIntegrationError):
    """An answer is not what its content type says, or not what was asked for."""


class TokenFetchError(APIIntegrationError):
    """No access token could be had from the token endpoint."""


class VersionError(APIIntegrationError):
    """An endpoint or a version of it is not offered."""


class GraphQLError(APIIntegrationError):
    """A GraphQL service answered with errors.

    Parameters
    ----------
    message : str
    errors : sequence of mapping
        As the service sent them: message, path, locations, extensions.
    data : object
        What it answered all the same; None where nothing was executed or all is null.
    executed : bool
        Whether the answer had ``data``: then the operation ran, and a mutation may
        have changed something.
    **where
        As of `APIIntegrationError`.
    """

    def __init__(
        self,
        message: str = "",
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        data: Any = None,
        executed: bool = False,
        **where: Any,
    ) -> None:
        super().__init__(message, **where)
        self.errors = tuple(errors)
        self.data = data
        self.executed = executed
