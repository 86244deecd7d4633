"""What a service of the sandbox is: a request goes in, a reply comes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from contexter_nb.core import Headers
from contexter_nb.sandbox._knobs import Knobs

LimitFields = Callable[[float, int, datetime], Mapping[str, str]]


def _unlimited(tokens: int) -> float:
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as a service sees it.

    Attributes
    ----------
    method : str
        In upper case.
    path : str
        Below the service's own address, with its leading slash, as it was sent:
        percent-encoded.
    query : mapping of str to str
        The last of a name counts.
    headers : Headers
    body : bytes
        Empty where there is none.
    knobs : Knobs
        Of the service, as they are now.
    take_tokens : callable
        Takes so many tokens of the key's minute: 0, or the seconds until there are so
        many, infinite where there never are.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Headers = field(default_factory=Headers)
    body: bytes = field(default=b"", repr=False)
    knobs: Knobs = field(default=Knobs(), repr=False)
    take_tokens: Callable[[int], float] = field(
        default=_unlimited, repr=False, compare=False
    )

    @property
    def bearer(self) -> str:
        """The credential sent as ``Authorization: Bearer``, or empty."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        return value.strip() if scheme.lower() == "bearer" else ""

    @property
    def key(self) -> str:
        """The credential sent as ``Authorization: Bearer`` or ``X-Api-Key``, or empty.

        Source: the scheme's name is compared case-blind (RFC 9110, section 11.1).
        """
        return self.bearer or self.headers.get("x-api-key", "").strip()

    def json(self) -> Any:
        """Return the body decoded.

        Raises
        ------
        ValueError
            It is no JSON, or not in UTF-8.
        """
        try:
            return json.loads(self.body.decode("utf-8"))
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a service answers.

    Attributes
    ----------
    status : int
    body : bytes
    headers : Headers
        Without Content-Length and Date, which are added.

    Examples
    --------
    >>> Reply.of({"name": "pandas"}).body
    b'{"name":"pandas"}'
    """

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    headers: Headers = field(default_factory=Headers)

    @classmethod
    def of(cls, value: Any, status: int = 200) -> Reply:
        """Return a reply with a value as JSON.

        Parameters
        ----------
        value : object
            Dicts, lists, texts, finite numbers, booleans, None.
        status : int, default 200

        Returns
        -------
        Reply
        """
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        fields = Headers({"Content-Type": "application/json"})
        return cls(status=status, body=text.encode("utf-8"), headers=fields)

    def with_headers(self, fields: Mapping[str, str]) -> Reply:
        """Return the reply with some header fields set.

        Parameters
        ----------
        fields : mapping of str to str
            Set over those of the same name.

        Returns
        -------
        Reply
        """
        return replace(self, headers=self.headers.with_fields(fields))


@runtime_checkable
class Service(Protocol):
    """A service: pure logic, no sockets, no faults of its own making.

    It is as strict as the real one: 404 for an unknown path, 405 for another method,
    400 for a body that is no JSON, 401 without the key that it demands.

    It may also have a `base_path` (``/v1``), which its address in the sandbox then ends
    in, and ``limit_fields(limit_per_minute, retry_after_seconds, wall)``, the header
    fields of a 429; without it they are Retry-After.
    """

    @property
    def name(self) -> str:
        """The first part of its paths in the sandbox: letters, digits and dashes."""

    async def answer(self, request: Request) -> Reply:
        """Answer one request.

        Parameters
        ----------
        request : Request

        Returns
        -------
        Reply
        """

    def refuse(self, status: int, message: str) -> Reply:
        """Put an error that the sandbox makes (429, 503, ...) into the service's form.

        Parameters
        ----------
        status : int
        message : str
            A short sentence.

        Returns
        -------
        Reply
        """


def base_path_of(service: Service) -> str:
    """Return what the address of a service ends in after its name.

    >>> from contexter_nb.sandbox import LibraryCatalog
    >>> base_path_of(LibraryCatalog())
    ''
    """
    return str(getattr(service, "base_path", ""))


def limit_fields_of(
    service: Service, limit_per_minute: float, retry_after_seconds: int, wall: datetime
) -> Mapping[str, str]:
    """Return the header fields of a service's 429."""
    told: LimitFields | None = getattr(service, "limit_fields", None)
    if told is None:
        return {"Retry-After": str(retry_after_seconds)}
    return told(limit_per_minute, retry_after_seconds, wall)
