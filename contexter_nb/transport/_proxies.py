"""By which proxy a URL is reached: as said, or as the environment says."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from contexter_nb.core import InvalidArgumentError

_SCHEMES = ("http", "https", "socks5", "socks5h")


class Proxies:
    """The way to each host.

    Parameters
    ----------
    proxy : str or None
        For every host, whatever the environment says.
    trust_env : bool
        Whether ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` (and on
        Windows and macOS the system's settings) count; read once, here.

    Raises
    ------
    InvalidArgumentError
        `proxy` is no address of a proxy.
    """

    def __init__(self, proxy: str | None, *, trust_env: bool) -> None:
        problem = None if proxy is None else _problem(proxy)
        if problem is not None:
            del proxy  # it may hold a password, and rich tracebacks show variables
            raise InvalidArgumentError(problem)
        self._proxy = proxy
        found = getproxies() if trust_env and proxy is None else {}
        self._by_scheme = {
            scheme: _with_scheme(address)
            for scheme, address in found.items()
            if scheme in ("http", "https", "all") and address
        }
        self._of_origin = functools.lru_cache(maxsize=256)(self._found)

    def of(self, url: str) -> str | None:
        """Return the proxy for a URL, None for the direct way.

        Parameters
        ----------
        url : str
            Absolute.
        """
        if not self._by_scheme:
            return self._proxy
        parts = urlsplit(url)
        return self._of_origin(parts.scheme, parts.netloc.rpartition("@")[2])

    def _found(self, scheme: str, netloc: str) -> str | None:
        address = self._by_scheme.get(scheme) or self._by_scheme.get("all")
        if address is None or proxy_bypass(netloc):
            return None
        problem = _problem(address)
        if problem is not None:
            del address
            raise InvalidArgumentError(f"{problem} (of the environment)")
        return address

    def __repr__(self) -> str:
        return "<Proxies>"  # an address may hold a password


def _problem(address: str) -> str | None:
    """Return what is wrong with the address of a proxy, without showing it."""
    try:
        parts = urlsplit(address)
        usable = parts.scheme in _SCHEMES and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return "proxy is no address of a proxy; give one as 'http://host:port'."
    if parts.scheme.startswith("socks") and not find_spec("socksio"):
        return "proxy is a SOCKS proxy, which needs the socksio package; install it."
    return None


def _with_scheme(address: str) -> str:
    return address if "://" in address else f"http://{address}"
