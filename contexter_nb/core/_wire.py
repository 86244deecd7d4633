"""What goes over the wire and what comes back, free of any HTTP library."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from contexter_nb.core._errors import InvalidArgumentError
from contexter_nb.core._headers import Headers

DEFAULT_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long each phase of one attempt may take, in seconds; None for no bound.

    Attributes
    ----------
    connect_seconds : float or None
        To get a connection, with TLS.
    read_seconds : float or None
        Between two pieces of the answer.
    write_seconds : float or None
        Between two pieces of what is sent.
    pool_seconds : float or None
        To get a free connection of the pool.
    attempt_seconds : float or None
        The whole attempt, so that a slow drip ends, too.
    """

    connect_seconds: float | None = 5.0
    read_seconds: float | None = 30.0
    write_seconds: float | None = 30.0
    pool_seconds: float | None = 10.0
    attempt_seconds: float | None = 60.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidArgumentError(
                    f"{name} is {value!r}; give seconds above 0, or None for no bound."
                )


@dataclass(frozen=True, slots=True, repr=False)
class WireRequest:
    """One HTTP request, complete but for what authorization adds."""

    method: str
    url: str
    headers: Headers = field(default_factory=Headers)
    content: bytes = field(default=b"", repr=False)

    def with_headers(self, fields: dict[str, str]) -> WireRequest:
        """Return the request with some header fields set.

        Parameters
        ----------
        fields : dict of str to str
            Set over those of the same name.
        """
        return replace(self, headers=self.headers.with_fields(fields))

    def __repr__(self) -> str:
        # A query may hold a key.
        url = self.url.partition("?")[0]
        return f"WireRequest({self.method!r}, {url!r}, {self.headers!r})"


@dataclass(frozen=True, slots=True)
class WireResponse:
    """One HTTP answer, its body read to the end."""

    status_code: int
    headers: Headers = field(default_factory=Headers)
    content: bytes = field(default=b"", repr=False)
    http_version: str = "HTTP/1.1"

    @property
    def is_success(self) -> bool:
        """Whether the status is 200 to 299."""
        return 200 <= self.status_code <= 299


class Sender(Protocol):
    """Sends one request and reads the whole answer, or raises a TransportError."""

    async def __call__(
        self, request: WireRequest, timeouts: Timeouts, max_bytes: int
    ) -> WireResponse:
        """Send it.

        Parameters
        ----------
        request : WireRequest
        timeouts : Timeouts
        max_bytes : int
            A longer body is not read to its end.
        """
