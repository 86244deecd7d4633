"""What a caller asks of a service, and what they get."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from contexter_nb.core._errors import InvalidArgumentError
from contexter_nb.core._form import encode_form
from contexter_nb.core._headers import Headers
from contexter_nb.core._secret import without_frames
from contexter_nb.core._trace import Trace
from contexter_nb.core._type_words import type_in_words
from contexter_nb.core._wire import Timeouts

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
IDEMPOTENT_METHODS = SAFE_METHODS | {"PUT", "DELETE"}


class APIMethod(StrEnum):
    """HTTP methods."""

    GET = "GET"
    HEAD = "HEAD"
    OPTIONS = "OPTIONS"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class Missing:
    """The type of `MISSING`: no value at all, where None is one."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"  # there is one of it, in every process


MISSING = Missing()


@dataclass(frozen=True, slots=True, kw_only=True)
class APIRequest:
    """One request to a service; nothing of it, nor of the caller's, is ever changed.

    Attributes
    ----------
    method : APIMethod or str
    endpoint : str
        Path below the client's base URL, as ``/embeddings``; never a whole URL.
    params : mapping, optional
        Query parameters; a list gives one of a name several times; None leaves one out.
    headers : mapping, optional
        Header fields set over the client's own.
    json_data : object, optional
        The body as JSON; ``{}``, ``[]`` and None are bodies, `MISSING` is none.
    content : bytes, optional
        The body as bytes, in place of `json_data`.
    data : mapping, optional
        The body as a form: text, numbers and lists of them by name.
    files : mapping, optional
        Files of a form, by field: bytes, ``(file name, bytes)`` or ``(file name,
        bytes, content type)``, or a list of these; `data` has the other fields.
    operation : str
        A short name for metrics, ``embeddings`` say; the endpoint where empty.
    idempotent : bool, optional
        Whether sending it twice does no more than once. None: by the method; declare
        a POST that only reads.
    idempotency_key : str, optional
        Sent as ``Idempotency-Key`` with every attempt; makes any request repeatable.
    timeouts : Timeouts, optional
        Those of the client where None.
    deadline_seconds : float, optional
        For the whole call, waits included; the client's where None.
    max_attempts : int, optional
        The client's where None; 1 for no retry.
    cost : mapping
        What it takes of each dimension of the rate limit beside one request:
        ``{"tokens": 1200}``.
    limit_key : str, optional
        Whose limit, where limits are per key.
    cache_ttl_seconds : float, optional
        How long its answer may be cached; None: not at all.
    cache_tags : tuple of str
        By which cached answers are cleared.
    cache_shared : bool
        Whether the answer is the same for every account, so that the account is no
        part of its key.
    """

    method: APIMethod | str = APIMethod.GET
    endpoint: str = ""
    params: Mapping[str, Any] | None = field(default=None, repr=False)
    headers: Mapping[str, str] | None = None
    json_data: Any = field(default=MISSING, repr=False)
    content: bytes | None = field(default=None, repr=False)
    data: Mapping[str, Any] | None = field(default=None, repr=False)
    files: Mapping[str, Any] | None = field(default=None, repr=False)
    operation: str = ""
    idempotent: bool | None = None
    idempotency_key: str | None = None
    timeouts: Timeouts | None = None
    deadline_seconds: float | None = None
    max_attempts: int | None = None
    cost: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    limit_key: str | None = None
    cache_ttl_seconds: float | None = None
    cache_tags: tuple[str, ...] = ()
    cache_shared: bool = False

    def __post_init__(self) -> None:
        self._check()
        set_ = object.__setattr__
        set_(self, "method", APIMethod(self.method.upper()))
        set_(self, "cache_tags", tuple(self.cache_tags))
        for name in ("params", "cost", "data"):
            value = getattr(self, name)
            if value is not None:
                set_(self, name, MappingProxyType(_own(value)))
        if self.files is not None:
            # A tuple is one file, so that a list stays one.
            own = {
                name: list(value) if isinstance(value, list) else value
                for name, value in self.files.items()
            }
            set_(self, "files", MappingProxyType(own))
        if self.headers is not None:
            set_(self, "headers", Headers(self.headers))

    def _check(self) -> None:
        methods = ", ".join(APIMethod)
        if not isinstance(self.method, str) or self.method.upper() not in list(
            APIMethod
        ):
            raise InvalidArgumentError(f"method is {self.method!r}; use {methods}.")
        path = self.endpoint.partition("?")[0] if isinstance(self.endpoint, str) else ""
        if "://" in path or path.startswith("//"):
            raise InvalidArgumentError(
                f"endpoint is {self.endpoint[:100]!r}; give the path below the "
                "client's base URL, not a whole URL."
            )
        bodies = (
            self.json_data is not MISSING,
            self.content is not None,
            self.data is not None or self.files is not None,
        )
        if sum(bodies) > 1:
            raise InvalidArgumentError(
                "Give json_data or content, not both, or data and files alone."
            )
        self._check_kinds()
        if self.files is not None and "content-type" in Headers(self.headers or {}):
            raise InvalidArgumentError(
                "headers has a Content-Type, and a form with files has its own; leave "
                "it out."
            )
        for name in ("deadline_seconds", "cache_ttl_seconds"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int | float) and value > 0):
                raise InvalidArgumentError(
                    f"{name} is {value!r}; give seconds above 0, or None."
                )
        if self.max_attempts is not None and not (
            isinstance(self.max_attempts, int) and self.max_attempts >= 1
        ):
            raise InvalidArgumentError(
                f"max_attempts is {self.max_attempts!r}; give a whole number from 1."
            )

    def _check_kinds(self) -> None:
        """Refuse what would fail far from here, or travel as another thing."""
        wanted = {
            "endpoint": (str, "a path"),
            "params": (Mapping | None, "a mapping"),
            "headers": (Mapping | None, "a mapping"),
            "content": (bytes | None, "bytes"),
            "data": (Mapping | None, "a mapping"),
            "files": (Mapping | None, "a mapping"),
            "timeouts": (Timeouts | None, "Timeouts"),
            "cost": (Mapping, "a mapping"),
        }
        for name, (kind, words) in wanted.items():
            if not isinstance(getattr(self, name), kind):
                given = type_in_words(getattr(self, name))
                raise InvalidArgumentError(f"{name} is {given}; give {words}.")
        tags: object = self.cache_tags
        if isinstance(tags, str):
            raise InvalidArgumentError("cache_tags is one text; give a tuple of texts.")
        key = self.idempotency_key
        if key is not None and not (
            key.isascii() and key.isprintable() and key.strip()
        ):
            raise InvalidArgumentError(
                "idempotency_key is empty or holds what no header can carry; give "
                "printable ASCII, or None."
            )
        for name, amount in self.cost.items():
            if not 0 <= amount < float("inf"):
                raise InvalidArgumentError(
                    f"cost of {name!r} is {amount!r}; give a finite number from 0."
                )

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent again after it may have reached the service."""
        if self.idempotent is not None:
            return self.idempotent or self.idempotency_key is not None
        return self.idempotency_key is not None or self.method in IDEMPOTENT_METHODS

    @property
    def name(self) -> str:
        """The operation's name, or the endpoint."""
        return self.operation or self.endpoint.partition("?")[0] or "/"

    def with_(self, **changes: Any) -> APIRequest:
        """Return the request with some fields changed.

        Parameters
        ----------
        **changes
            Fields by name.
        """
        return replace(self, **changes)

    def body(self) -> bytes:
        """Return the bytes of the body, empty where there is none.

        Raises
        ------
        InvalidArgumentError
            `json_data` holds what JSON cannot express, or a form what no form can.
        """
        return self.encoded()[1]

    def encoded(self) -> tuple[str | None, bytes]:
        """Return the body with its content type, None where the body says none.

        Raises
        ------
        InvalidArgumentError
            As of `body`.
        """
        if self.content is not None:
            return None, self.content
        if self.data is not None or self.files is not None:
            return encode_form(self.data, self.files)
        if self.json_data is MISSING:
            return None, b""
        return "application/json", self._json()

    def _json(self) -> bytes:
        try:
            text = json.dumps(
                self.json_data,
                ensure_ascii=False,
                allow_nan=False,
                separators=(",", ":"),
            )
            return text.encode("utf-8")
        except (TypeError, ValueError, RecursionError) as exc:
            raise InvalidArgumentError(
                f"json_data of {self.name!r} cannot be written as JSON ({exc}); give "
                "dicts, lists, texts, finite numbers, True, False and None."
            ) from without_frames(exc)  # json's frames hold the data


def _own(values: Mapping[str, Any]) -> dict[str, Any]:
    """Copy a mapping, and the lists in it, so that the caller may change theirs."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in values.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class APIResponse:
    """A service's answer; each caller gets one of their own.

    Attributes
    ----------
    status_code : int
    headers : Headers
    content : bytes
        The body.
    data : object
        The body decoded by its content type: JSON as Python values, text as str,
        anything else as bytes, nothing as None. A copy of the caller's own.
    request_id : str
        Sent as ``X-Request-ID``.
    server_request_id : str or None
        The service's own id, where it gave one.
    trace : Trace
    service, operation : str
    """

    status_code: int
    headers: Headers
    content: bytes = field(repr=False)
    data: Any = field(repr=False)
    request_id: str
    service: str
    operation: str
    trace: Trace
    server_request_id: str | None = None

    @property
    def cached(self) -> bool:
        """Whether a cache answered."""
        return self.trace.cache_tier is not None

    @property
    def response_time_ms(self) -> float:
        """From the call to its answer, waits included, in milliseconds."""
        return self.trace.total_seconds * 1000
