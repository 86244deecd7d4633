"""Sandboxes by the names of their services."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from contexter_nb.core import Clock, InvalidArgumentError, Secret, SystemClock
from contexter_nb.sandbox._catalog import LibraryCatalog
from contexter_nb.sandbox._context7_service import Context7Service
from contexter_nb.sandbox._graphql_service import GraphQLService
from contexter_nb.sandbox._knobs import Knobs
from contexter_nb.sandbox._sandbox import Sandbox, unknown_service
from contexter_nb.sandbox._service import Service
from contexter_nb.sandbox._thread import InThread
from contexter_nb.sandbox._voyage_service import VoyageService

# A name and a key make a service, so that another process can make it, too.
SERVICES: Mapping[str, Callable[[Secret | None], Service]] = MappingProxyType(
    {
        "catalog": LibraryCatalog,
        "context7": Context7Service,
        "graphql": GraphQLService,
        "voyage": VoyageService,
    }
)


def sandbox(
    *services: str | Service,
    api_key: str | Secret | None = None,
    process: bool = False,
    port: int = 0,
    clock: Clock | None = None,
    **knobs: Any,
) -> Sandbox:
    """Start services on this machine that behave like remote ones, faults included.

    Parameters
    ----------
    *services : str or Service
        ``"catalog"``, ``"context7"``, ``"graphql"``, ``"voyage"``, or objects with the
        protocol; where none is given all by name, ``"graphql"`` if `graphql-core` is
        installed.
    api_key : str or Secret, optional
        What the services demand as a key. Where None, Voyage demands a dummy and
        Context7 takes it, the sandbox's `api_key`, and the others demand nothing.
    process : bool, default False
        Whether they run in a process of their own rather than in a thread of this one.
        Called by its room, as in ``cx.sandbox()``, the default is True.
    port : int, default 0
        Of 127.0.0.1; 0 for any that is free.
    clock : Clock, optional
        The machine's own where None; of a thread only.
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
        twice, the port cannot be used, or what was given cannot go to a process.

    Examples
    --------
    >>> import httpx
    >>> with sandbox("catalog", outage=True) as box:
    ...     answer = httpx.get(box.services["catalog"] + "/v1/libraries/pandas")
    >>> answer.status_code, box.log()[0].path
    (503, '/v1/libraries/pandas')
    """
    secret = None if api_key is None else Secret.of(api_key)
    del api_key  # an error from here on shows this frame
    turned = Knobs().with_(**knobs)
    wanted = services or _installed()
    for each in wanted:
        if isinstance(each, str) and each not in SERVICES:
            raise InvalidArgumentError(unknown_service(each, SERVICES))
        if not isinstance(each, str | Service):
            raise InvalidArgumentError(
                f"{type(each).__name__} is no service; give one of "
                f"{', '.join(SERVICES)}, or an object with name, answer and refuse."
            )
    if not process:
        made = [
            SERVICES[each](secret) if isinstance(each, str) else each for each in wanted
        ]
        return Sandbox(made, turned, port=port, clock=clock, api_key=secret)
    names = [each for each in wanted if isinstance(each, str)]
    if len(names) < len(wanted) or clock is not None:
        raise InvalidArgumentError(
            "A clock, or a service that is an object, cannot go to another process; "
            "pass process=False."
        )
    return Sandbox.in_process(names, turned, api_key=secret, port=port)


def started(
    names: Sequence[str], knobs: Knobs, *, api_key: str | None, port: int
) -> InThread:
    """Return services that run in a thread of this process, for another one."""
    secret = None if api_key is None else Secret(api_key)
    made = [SERVICES[name](secret) for name in names]
    return InThread(made, knobs, port, SystemClock(), None)


def _installed() -> tuple[str, ...]:
    """Return the names of the services that have what they need."""
    has_graphql = find_spec("graphql") is not None
    return tuple(name for name in SERVICES if has_graphql or name != "graphql")
