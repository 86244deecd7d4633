"""By which proxy a URL is reached: as said, or as the environment says."""

from __future__ import annotations

import functools
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


class Proxies:
    """The way to each host.

    Parameters
    ----------
    proxy : str or None
        For every host, whatever the environment says.
    trust_env : bool
        Whether ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` (and on
        Windows and macOS the system's settings) count; read once, here.
    """

    def __init__(self, proxy: str | None, *, trust_env: bool) -> None:
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
        return None if address is None or proxy_bypass(netloc) else address

    def __repr__(self) -> str:
        return "<Proxies>"  # an address may hold a password


def _with_scheme(address: str) -> str:
    return address if "://" in address else f"http://{address}"
