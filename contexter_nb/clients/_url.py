"""Where a client's requests go: a checked base URL, and endpoints below it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from contexter_nb.core import InvalidArgumentError, scrub, type_in_words

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class BaseURL:
    """A service's address: scheme, host, perhaps a port and a path."""

    url: str
    origin: str
    host: str

    @classmethod
    def parse(cls, text: str) -> BaseURL:
        """Return a checked base URL.

        Parameters
        ----------
        text : str
            ``https://api.example.org/v1``; no query, no user, no password.

        Raises
        ------
        InvalidArgumentError
            It is no such URL.
        """
        parts = _split(text)
        if parts is None:
            del text  # it may hold a password, and rich tracebacks show variables
            raise InvalidArgumentError(
                "base_url is no URL; give one as 'https://api.example.org/v1'."
            )
        if parts.username or parts.password:
            del text, parts
            raise InvalidArgumentError(
                "base_url holds a user or a password; give them with auth=..., where "
                "they are kept out of sight."
            )
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise InvalidArgumentError(
                f"base_url is {scrub(str(text))[:100]!r}; give one as "
                "'https://api.example.org/v1'."
            )
        if parts.query or parts.fragment:
            raise InvalidArgumentError(
                "base_url has a query or a fragment; give queries with params=...."
            )
        url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        return cls(url, origin_of(url), _host(parts.scheme, parts.hostname, parts.port))

    def below(self, endpoint: str, params: Mapping[str, Any] | None = None) -> str:
        """Return the URL of an endpoint, which cannot leave this base.

        Parameters
        ----------
        endpoint : str
            With or without a slash before it.
        params : mapping, optional
            A list gives one of a name several times, None leaves one out, truths are
            written ``true`` and ``false``.

        Raises
        ------
        InvalidArgumentError
            The endpoint has a part ``.`` or ``..``, a backslash or a ``#``, or a
            parameter has no written form.
        """
        path = endpoint.lstrip("/")
        _check_path(path)
        url = f"{self.url}/{path}" if path else self.url
        query = urlencode(list(_pairs(params))) if params else ""
        if not query:
            return url
        return f"{url}{'&' if '?' in path else '?'}{query}"


def origin_of(url: str) -> str:
    """Return scheme, host and port: what credentials are bound to.

    Examples
    --------
    >>> origin_of("https://Example.org/v1?x=1")
    'https://example.org:443'
    """
    parts = urlsplit(url)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


def host_of(url: str) -> str:
    """Return the host as it is shown, with a port that is not the scheme's own.

    Examples
    --------
    >>> host_of("http://127.0.0.1:8080/x"), host_of("https://example.org:443/")
    ('127.0.0.1:8080', 'example.org')
    """
    parts = urlsplit(url)
    return _host(parts.scheme, parts.hostname or "", parts.port)


def redirected(url: str, location: str) -> str | None:
    """Return where a redirect leads, or None where that is another origin."""
    try:
        target = urljoin(url, location)
        return target if origin_of(target) == origin_of(url) else None
    except ValueError:
        return None


def _split(text: object) -> SplitResult | None:
    """Return the parts of a URL whose port is one, else None."""
    try:
        parts = urlsplit(str(text).strip())
        return parts if parts.port is None or parts.port > 0 else None
    except ValueError:
        return None


def _host(scheme: str, hostname: str, port: int | None) -> str:
    if port is None or port == DEFAULT_PORTS.get(scheme):
        return hostname.lower()
    return f"{hostname.lower()}:{port}"


def _pairs(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        several = isinstance(value, Iterable) and not isinstance(
            value, (str, bytes, Mapping)
        )
        for each in value if several else (value,):
            if each is not None:
                yield str(name), _written(str(name), each)


def _written(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (bytes, bytearray, Mapping)):
        kind = type_in_words(value)
        del value  # rich tracebacks show variables
        raise InvalidArgumentError(
            f"The parameter {name[:100]!r} is {kind}, or holds one, which has no "
            "form in a URL; give text, numbers, or a list of them."
        )
    return str(value)


def _check_path(path: str) -> None:
    """Refuse what would lead out of the base URL, or never be sent."""
    if "." not in path and "%" not in path and "#" not in path and "\\" not in path:
        return
    segments = path.partition("?")[0].lower().replace("%2e", ".").split("/")
    if "#" in path or "\\" in path or "." in segments or ".." in segments:
        raise InvalidArgumentError(
            f"endpoint is {path.partition('?')[0][:100]!r}; give a path without '.', "
            "'..', a backslash or a '#' ('%23' where it is part of a name)."
        )
