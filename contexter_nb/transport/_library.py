"""Which HTTP library is used: httpx2 where it is installed, httpx otherwise.

Both have one interface, and their classes do not mix: an object of one is refused by
the other. So a library is chosen once for each transport, and nothing of it leaves this
room.
"""

from __future__ import annotations

import ssl
import threading
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from contexter_nb.core import InvalidArgumentError

NAMES = ("httpx2", "httpx")

_lock = threading.Lock()
_contexts: dict[str, ssl.SSLContext] = {}


def http_library(name: str | None = None) -> Any:
    """Return the module of an HTTP library.

    Parameters
    ----------
    name : str, optional
        ``httpx`` or ``httpx2``; None takes httpx2 where it is installed.

    Raises
    ------
    InvalidArgumentError
        The name is another, or that library is not installed.

    Examples
    --------
    >>> http_library("httpx").__name__
    'httpx'
    """
    if name is None:
        name = "httpx2" if find_spec("httpx2") else "httpx"
    if name not in NAMES:
        raise InvalidArgumentError(f"library is {name!r}; use 'httpx' or 'httpx2'.")
    try:
        return import_module(name)
    except ImportError as exc:
        raise InvalidArgumentError(
            f"{name} is not installed; pip install 'contexter_nb[{name}]'."
        ) from exc


def shared_ssl_context(library: Any) -> ssl.SSLContext:
    """Return the one TLS context of a library's clients; making one takes 20 ms."""
    with _lock:
        found = _contexts.get(library.__name__)
        if found is None:
            found = _contexts[library.__name__] = library.create_ssl_context()
        return found
