"""Sandboxes by the names of their services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from contexter_nb.core import Clock, InvalidArgumentError, Secret
from contexter_nb.sandbox._catalog import LibraryCatalog
from contexter_nb.sandbox._knobs import Knobs
from contexter_nb.sandbox._sandbox import Sandbox, unknown_service
from contexter_nb.sandbox._service import Service

# A name and a key make a service, so that another process can make it, too.
SERVICES: Mapping[str, Callable[[Secret | None], Service]] = MappingProxyType(
    {"catalog": LibraryCatalog}
)


def sandbox(
    *services: str | Service,
    api_key: str | Secret | None = None,
    port: int = 0,
    clock: Clock | None = None,
    **knobs: Any,
) -> Sandbox:
    """Start services on this machine that behave like remote ones, faults included.

    Parameters
    ----------
    *services : str or Service
        ``"catalog"``, or objects with the protocol; all by name where none is given.
    api_key : str or Secret, optional
        What the services demand as a key; nothing where None.
    port : int, default 0
        Of 127.0.0.1; 0 for any that is free.
    clock : Clock, optional
        The machine's own where None.
    **knobs
        `Knobs` by name: ``latency_seconds=0.1``, ``error_rate=0.2``.

    Returns
    -------
    Sandbox
        Running; a context manager.

    Raises
    ------
    InvalidArgumentError
        There is no such service or knob, a value is none for it, a name is given
        twice, or the port cannot be used.

    Examples
    --------
    >>> import httpx
    >>> with sandbox("catalog", outage=True) as box:
    ...     answer = httpx.get(box.services["catalog"] + "/v1/libraries/pandas")
    >>> answer.status_code, box.log()[0].path
    (503, '/v1/libraries/pandas')
    """
    secret = None if api_key is None else Secret.of(api_key)
    wanted: list[Service] = []
    for each in services or tuple(SERVICES):
        if isinstance(each, str):
            if each not in SERVICES:
                raise InvalidArgumentError(unknown_service(each, SERVICES))
            wanted.append(SERVICES[each](secret))
        elif isinstance(each, Service):
            wanted.append(each)
        else:
            raise InvalidArgumentError(
                f"{type(each).__name__} is no service; give one of "
                f"{', '.join(SERVICES)}, or an object with name, answer and refuse."
            )
    return Sandbox(wanted, Knobs().with_(**knobs), port=port, clock=clock)
