"""Services with knobs in a thread of this process, for as long as they are wanted."""

from __future__ import annotations

import atexit
import html
import re
import weakref
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Self

from contexter_nb.core import (
    Clock,
    InvalidArgumentError,
    SystemClock,
    did_you_mean,
)
from contexter_nb.sandbox._faults import Faults, Schedule
from contexter_nb.sandbox._http import Limits
from contexter_nb.sandbox._knobs import Knobs
from contexter_nb.sandbox._log import Log, RequestSeen
from contexter_nb.sandbox._server import HOST, Server
from contexter_nb.sandbox._service import Service
from contexter_nb.sandbox._thread import ServerThread

_NAME = re.compile(r"[a-z0-9-]{1,50}")


class Sandbox:
    """Services that run on 127.0.0.1, and can be made to fail; opened by `sandbox`.

    It ends with `close`, with its ``with`` block, when nobody holds it any more, and
    with the interpreter. Every method may be called from any thread.

    Parameters
    ----------
    services : sequence of Service
        Each with a name of its own.
    knobs : Knobs
        Of every service, to begin with.
    port : int, default 0
        0 for any that is free.
    clock : Clock, optional
        The machine's own where None; its `sleep` is awaited on the sandbox's loop.
    limits : Limits, optional
        What clients may use up; the defaults where None.

    Raises
    ------
    InvalidArgumentError
        A name is unfit or given twice, or the port cannot be used.

    Examples
    --------
    >>> from contexter_nb.sandbox import sandbox
    >>> with sandbox("catalog", error_rate=0.1) as box:
    ...     box.set(outage=True)
    ...     box.knobs["catalog"]
    Knobs(error_rate=0.1, outage=True)
    """

    def __init__(
        self,
        services: Sequence[Service],
        knobs: Knobs,
        *,
        port: int = 0,
        clock: Clock | None = None,
        limits: Limits | None = None,
    ) -> None:
        names = [each.name for each in services]
        _check_names(names)
        self._clock = clock or SystemClock()
        now = self._clock.now()
        self._faults = {each.name: Faults(knobs, now) for each in services}
        self._log = Log()
        server = Server(
            {each.name: each for each in services},
            self._faults,
            self._log,
            self._clock,
            limits or Limits(),
        )
        self._thread = ServerThread(server, port)
        # Nothing may be waited for while garbage is collected, hence no join there.
        weakref.finalize(self, self._thread.end).atexit = False
        _open.add(self)

    @property
    def url(self) -> str:
        """The address of the sandbox; it lists the services there."""
        return f"http://{HOST}:{self._thread.port}"

    @property
    def services(self) -> Mapping[str, str]:
        """The base URL of each service, by its name."""
        return MappingProxyType({name: f"{self.url}/{name}" for name in self._faults})

    @property
    def knobs(self) -> Mapping[str, Knobs]:
        """The knobs of each service as they are now, by its name."""
        now = self._clock.now()
        return MappingProxyType(
            {name: each.knobs(now) for name, each in self._faults.items()}
        )

    @property
    def closed(self) -> bool:
        """Whether it no longer serves."""
        return not self._thread.alive

    def set(self, service: str | None = None, /, **knobs: Any) -> None:
        """Turn some knobs; the others stay. It holds from the next request on.

        Parameters
        ----------
        service : str, optional
            Whose; of all where None.
        **knobs
            Values by the names of `Knobs`. To give `seed` starts its chance anew.

        Raises
        ------
        InvalidArgumentError
            There is no such service or knob, or a value is none for it.
        """
        Knobs().with_(**knobs)  # refused before one of several services is turned
        now = self._clock.now()
        for faults in self._of(service):
            faults.turn(knobs, now)

    def schedule(self, steps: Schedule, service: str | None = None) -> None:
        """Turn all knobs at times to come, in place of an earlier schedule.

        Parameters
        ----------
        steps : sequence of (float, Knobs)
            Seconds from now, and the knobs from then on; none at all cancels.
        service : str, optional
            Whose; of all where None.

        Raises
        ------
        InvalidArgumentError
            There is no such service, or a step is no such pair.

        Examples
        --------
        An outage of three seconds, in two seconds from now:

        >>> from contexter_nb.sandbox import sandbox
        >>> with sandbox("catalog") as box:
        ...     box.schedule([(2.0, Knobs(outage=True)), (5.0, Knobs())])
        """
        now = self._clock.now()
        for faults in self._of(service):
            faults.schedule(steps, now)

    def log(self) -> tuple[RequestSeen, ...]:
        """Return the last 10,000 requests, the oldest first.

        Returns
        -------
        tuple of RequestSeen
            A request is in it before its answer is sent.
        """
        return self._log.entries()

    def close(self) -> None:
        """Stop serving, break off open requests, free the port; again does nothing."""
        self._thread.end()
        self._thread.join()
        _open.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        where = "closed" if self.closed else self.url
        told = ", ".join(f"{name} {knobs!r}" for name, knobs in self.knobs.items())
        return f"<Sandbox {where}: {told}; {self._log.total} requests>"

    def _repr_html_(self) -> str:
        cells = [
            ("closed" if self.closed else url, repr(self.knobs[name]))
            for name, url in self.services.items()
        ]
        rows = "".join(
            '<tr><th scope="row" style="text-align:left;padding:2px 12px 2px 0">'
            f"{html.escape(name)}</th>"
            + "".join(
                f'<td style="text-align:left;padding:2px 12px 2px 0">'
                f"<code>{html.escape(each)}</code></td>"
                for each in shown
            )
            + "</tr>"
            for name, shown in zip(self._faults, cells, strict=True)
        )
        return (
            f"<div><strong>Sandbox</strong>, {self._log.total} requests"
            f'<table style="margin:4px 0 0 0;border:none">{rows}</table></div>'
        )

    def _of(self, service: str | None) -> list[Faults]:
        if service is None:
            return list(self._faults.values())
        if service not in self._faults:
            raise InvalidArgumentError(unknown_service(service, self._faults))
        return [self._faults[service]]


def _check_names(names: list[str]) -> None:
    if not names:
        raise InvalidArgumentError("A sandbox without a service; give one.")
    for name in names:
        if not _NAME.fullmatch(name):
            raise InvalidArgumentError(
                f"A service is called {name!r}; use small letters, digits and dashes."
            )
        if names.count(name) > 1:
            raise InvalidArgumentError(
                f"There are two services {name!r}; give each name once."
            )


def unknown_service(name: object, known: Iterable[str]) -> str:
    """Return the sentence for a service that does not exist."""
    return (
        f"There is no service {name!r}.{did_you_mean(str(name), known)} "
        f"The services are {', '.join(known)}."
    )


_open: weakref.WeakSet[Sandbox] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for each in list(_open):
        each.close()
