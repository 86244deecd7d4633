"""What a token endpoint is asked, and what its answer means (RFC 6749)."""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote_plus, urlsplit

from contexter_nb.core import (
    Headers,
    InvalidArgumentError,
    Secret,
    WireRequest,
    WireResponse,
    scrub,
)
from contexter_nb.policies._token import lifetime_seconds

ClientAuth = Literal["basic", "post"]
SHOWN_CHARS = 200


@dataclass(frozen=True, slots=True)
class Granted:
    """A token endpoint's yes."""

    access: Secret
    life_seconds: float | None
    refresh_token: Secret | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A token endpoint's no: the error code, where it gave one, and a sentence."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Where tokens come from, and how the client shows who it is there."""

    url: str
    client_id: str
    client_secret: Secret | None
    client_auth: ClientAuth

    def __post_init__(self) -> None:
        _check_url(self.url)
        if not self.client_id:
            raise InvalidArgumentError("client_id is empty; give the client's id.")
        if self.client_auth not in ("basic", "post"):
            raise InvalidArgumentError(
                f"client_auth is {self.client_auth!r}; give 'basic' or 'post'."
            )

    @property
    def place(self) -> str:
        """Its host and path, for messages."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}{parts.path}"

    def request(self, fields: Iterable[tuple[str, str | Secret]]) -> WireRequest:
        """Return the request for a token, with the client's own authorization.

        Parameters
        ----------
        fields : iterable of pairs
            Of the form, in order.

        Source: RFC 6749, sections 2.3.1, 3.2.1 and 4.4.2.
        """
        # No variable of this frame ever holds what a secret reveals.
        headers = Headers(
            {
                "accept": "application/json",
                "content-type": "application/x-www-form-urlencoded",
            }
        )
        if self.client_secret is None:
            fields = [*fields, ("client_id", self.client_id)]
        elif self.client_auth == "post":
            fields = [
                *fields,
                ("client_id", self.client_id),
                ("client_secret", self.client_secret),
            ]
        else:
            headers = headers.with_fields(
                {"authorization": _basic(self.client_id, self.client_secret)}
            )
        return WireRequest("POST", self.url, headers, _form(fields))

    def read(self, response: WireResponse) -> Granted | Refused:
        """Return what an answer means; raises nothing, whatever came.

        Parameters
        ----------
        response : WireResponse

        Source: RFC 6749, sections 5.1, 5.2 and 7.1.
        """
        fields = _fields(response)
        if not response.is_success:
            return self._refused(response, fields)
        if fields is None:
            kind = response.headers.get("content-type", "no content type")
            return Refused(
                "",
                f"The token endpoint {self.place} answered {response.status_code} "
                f"with {_shown(kind)} in place of a JSON token; check token_url.",
            )
        kind = fields.get("token_type", "Bearer")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            return Refused(
                "",
                f"The token endpoint {self.place} issues tokens of the type "
                f"{_shown(str(kind))}; only Bearer is understood.",
            )
        access = _secret(fields.get("access_token"))
        if access is None:
            if "error" in fields:
                return self._refused(response, fields)
            return Refused(
                "",
                f"The token endpoint {self.place} answered without a usable "
                "access_token; check scope and grant with the service.",
            )
        life = lifetime_seconds(fields.get("expires_in"))
        return Granted(access, life, _secret(fields.get("refresh_token")))

    def _refused(
        self, response: WireResponse, fields: dict[str, Any] | None
    ) -> Refused:
        code = _text(fields, "error")
        said = f": {_shown(code)}" if code else ""
        description = _text(fields, "error_description")
        if description:
            said += f" ({_shown(description)})"
        return Refused(
            code,
            f"The token endpoint {self.place} answered {response.status_code}{said}; "
            f"{_advice(code, response.status_code)}.",
        )


def _advice(code: str, status: int) -> str:
    if code in ("invalid_client", "unauthorized_client") or status == 401:
        return "check client_id, client_secret and client_auth"
    if code == "invalid_scope":
        return "check scope"
    if code == "invalid_grant":
        return "the refresh token is used up or revoked, so sign in again"
    if status >= 500 or status == 429:
        return "try again later"
    return "check token_url and what is asked for"


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        named = bool(parts.username or parts.password)
    except ValueError as exc:
        raise InvalidArgumentError(
            "token_url is no URL; give 'https://host/path'."
        ) from exc
    if not host or named or parts.fragment or parts.scheme not in ("http", "https"):
        raise InvalidArgumentError(
            "token_url must be 'https://host/path', without a name, a password or a "
            "fragment in it."
        )
    if parts.scheme == "http" and not _is_loopback(host):
        raise InvalidArgumentError(
            f"token_url is not encrypted and would show the client secret to the "
            f"network; use https for {host}."
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _basic(client_id: str, client_secret: Secret) -> str:
    return "Basic " + base64.b64encode(
        f"{quote_plus(client_id)}:{quote_plus(client_secret.reveal())}".encode()
    ).decode("ascii")


def _form(fields: Iterable[tuple[str, str | Secret]]) -> bytes:
    return "&".join(f"{name}={_quoted(value)}" for name, value in fields).encode()


def _quoted(value: str | Secret) -> str:
    return quote_plus(value.reveal() if isinstance(value, Secret) else value)


def _fields(response: WireResponse) -> dict[str, Any] | None:
    try:
        found = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _text(fields: dict[str, Any] | None, name: str) -> str:
    found = (fields or {}).get(name)
    return found if isinstance(found, str) else ""


def _secret(value: Any) -> Secret | None:
    try:
        return Secret(value)
    except InvalidArgumentError:
        return None


def _shown(text: str) -> str:
    printable = "".join(each if each.isprintable() else " " for each in text)
    return scrub(printable)[:SHOWN_CHARS]
