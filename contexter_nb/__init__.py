"""Documentation search for notebooks: ask the libraries you have installed.

>>> import contexter_nb as cx
>>> with cx.connect() as nb:
...     report = nb.index("textwrap")
...     hits = nb.search("shorten a text to a width")

Rooms, each a package of its own: `core` (values and errors), `retrieval` (sources,
chunks, embedders, index), `frames` (columns of every answer), `bridge` (sync over
async), `notebook` (the session) and `dashboards` (live panels). Importing this module
is light: pandas, the engine, the model and ipywidgets load on first use.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contexter_nb import sandbox
    from contexter_nb.bridge import run, sync
    from contexter_nb.core import ContexterError
    from contexter_nb.notebook import (
        AsyncSession,
        Cards,
        Session,
        connect,
        load_ipython_extension,
    )

# Alerts and warnings are shown by who asks (`Session.alerts`, or a handler of one's
# own), and not printed under a cell by Python's last resort.
logging.getLogger("contexter_nb").addHandler(logging.NullHandler())

_ROOM_OF = {
    "AsyncSession": "notebook",
    "Cards": "notebook",
    "connect": "notebook",
    "ContexterError": "core",
    "load_ipython_extension": "notebook",
    "run": "bridge",
    "Session": "notebook",
    "sync": "bridge",
}

__all__ = [
    "AsyncSession",
    "Cards",
    "connect",
    "ContexterError",
    "load_ipython_extension",
    "run",
    "sandbox",
    "Session",
    "sync",
]


_ROOMS = frozenset(
    [
        "bridge",
        "clients",
        "core",
        "dashboards",
        "frames",
        "notebook",
        "policies",
        "retrieval",
        "transport",
    ]
)


def __getattr__(name: str) -> Any:
    """Load a public name from its room on first use."""
    if name == "__version__":
        from importlib.metadata import version

        return version("contexter_nb")
    if name == "sandbox" or name in _ROOMS:  # the first is a verb, too
        return import_module(f"{__name__}.{name}")
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{room}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, also those not loaded yet."""
    return sorted({*globals(), *__all__})
