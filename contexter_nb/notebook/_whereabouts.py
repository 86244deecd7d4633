"""Where what answers is: in this process, on this machine, or elsewhere."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

EMBEDDED, LOCAL, REMOTE = "embedded", "local server", "remote"


def mode_of(url: str) -> str:
    """Return whether an address is on this machine.

    Examples
    --------
    >>> mode_of("http://127.0.0.1:6333"), mode_of("https://api.voyageai.com/v1")
    ('local server', 'remote')
    """
    if url == ":memory:":
        return EMBEDDED
    host = urlsplit(url).hostname or ""
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost" or host.endswith(".localhost")
    return LOCAL if local else REMOTE
