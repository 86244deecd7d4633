"""Services with knobs in a thread or a process, for as long as they are wanted."""

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
    Secret,
    SystemClock,
    did_you_mean,
)
from contexter_nb.sandbox._faults import Schedule, checked_steps
from contexter_nb.sandbox._http import Limits
from contexter_nb.sandbox._keys import key_of
from contexter_nb.sandbox._knobs import Knobs
from contexter_nb.sandbox._log import RequestSeen
from contexter_nb.sandbox._process import InProcess, Orders
from contexter_nb.sandbox._running import Running
from contexter_nb.sandbox._server import HOST
from contexter_nb.sandbox._service import Service
from contexter_nb.sandbox._thread import InThread

_NAME = re.compile(r"[a-z0-9-]{1,50}")


class Sandbox:
    """Services that run on 127.0.0.1, and can be made to fail; opened by `sandbox`.

    They run in a thread of this process, or by `in_process` in one of their own. It
    ends with `close`, with its ``with`` block, when nobody holds it any more, and
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
    api_key : Secret, optional
        What they were made to demand; `api_key` tells it.

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
        api_key: Secret | None = None,
    ) -> None:
        _check_names([each.name for each in services])
        running = InThread(services, knobs, port, clock or SystemClock(), limits)
        self._hold(running, api_key or key_of(running.paths))

    @classmethod
    def in_process(
        cls,
        services: Sequence[str],
        knobs: Knobs,
        *,
        api_key: Secret | None = None,
        port: int = 0,
    ) -> Self:
        """Start services by their names in a process of their own.

        Parameters
        ----------
        services : sequence of str
            Names that `sandbox` knows.
        knobs : Knobs
            Of every service, to begin with.
        api_key : Secret, optional
            What all of them demand as a key; None leaves it to each.
        port : int, default 0
            0 for any that is free.

        Returns
        -------
        Sandbox
            Its process ends with it, and with this one, however that ends.

        Raises
        ------
        InvalidArgumentError
            A name is given twice, the port cannot be used, or no process could be
            started.
        """
        _check_names(list(services))
        box = cls.__new__(cls)
        orders = Orders(
            services=tuple(services), knobs=knobs, port=port, api_key=api_key
        )
        box._hold(InProcess(orders), api_key or key_of(services))
        return box

    def _hold(self, running: Running, api_key: Secret | None) -> None:
        self._running = running
        self._api_key = api_key
        # Nothing may be waited for while garbage is collected, hence no close there.
        weakref.finalize(self, running.end).atexit = False
        _open.add(self)

    @property
    def url(self) -> str:
        """The address of the sandbox; it lists the services there."""
        return f"http://{HOST}:{self._running.port}"

    @property
    def services(self) -> Mapping[str, str]:
        """The base URL of each service, by its name."""
        paths = self._running.paths
        return MappingProxyType(
            {name: f"{self.url}/{name}{base}" for name, base in paths.items()}
        )

    @property
    def knobs(self) -> Mapping[str, Knobs]:
        """The knobs of each service as they are now, by its name."""
        return MappingProxyType(self._running.knobs())

    @property
    def api_key(self) -> Secret | None:
        """The key that the services take; None where none of them demands one."""
        return self._api_key

    def arguments(self) -> dict[str, Any]:
        """Return the arguments that lead `connect` here, without the environment.

        Returns
        -------
        dict of str to str or Secret
            Addresses and the key of the services that `connect` has arguments for.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.sandbox("voyage") as box, cx.connect(**box.arguments()) as nb:
        ...     nb.status().loc[0, "mode"]
        'local server'
        """
        told: dict[str, Any] = {}
        for name in ("voyage", "context7"):
            if name in self.services:
                told[f"{name}_base_url"] = self.services[name]
                if self._api_key is not None:
                    told[f"{name}_api_key"] = self._api_key
        return told

    def environment(self) -> dict[str, str]:
        """Return the environment variables that lead `connect` here, for a process.

        Returns
        -------
        dict of str to str
            As `arguments`, by the names of variables, and the key to be read.

        Examples
        --------
        >>> from contexter_nb.sandbox import sandbox
        >>> with sandbox("voyage") as box:
        ...     sorted(box.environment())
        ['VOYAGE_API_KEY', 'VOYAGE_BASE_URL']
        """
        return {
            name.upper(): value.reveal() if isinstance(value, Secret) else value
            for name, value in self.arguments().items()
        }

    @property
    def closed(self) -> bool:
        """Whether it no longer serves."""
        return not self._running.alive

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
        ClientClosedError
            Its process has ended unasked.
        """
        Knobs().with_(**knobs)  # refused before one of several services is turned
        self._running.turn(self._of(service), knobs)

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
        self._running.schedule(self._of(service), checked_steps(steps))

    def log(self) -> tuple[RequestSeen, ...]:
        """Return the last 10,000 requests, the oldest first.

        Returns
        -------
        tuple of RequestSeen
            A request is in it before its answer is sent.
        """
        return self._running.log()

    def close(self) -> None:
        """Stop serving, break off open requests, free the port; again does nothing."""
        self._running.close()
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
        told = ", ".join(
            f"{name} {knobs!r}" if knobs.turned() else name
            for name, knobs in self.knobs.items()
        )
        return f"<Sandbox {where}: {told}; {self._running.total()} requests>"

    def _repr_html_(self) -> str:
        knobs, closed = self.knobs, self.closed
        cells = [
            ("closed" if closed else url, repr(knobs[name]))
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
            for name, shown in zip(self.services, cells, strict=True)
        )
        return (
            f"<div><strong>Sandbox</strong>, {self._running.total()} requests"
            f'<table style="margin:4px 0 0 0;border:none">{rows}</table></div>'
        )

    def _of(self, service: str | None) -> list[str]:
        names = list(self._running.paths)
        if service is None:
            return names
        if service not in names:
            raise InvalidArgumentError(unknown_service(service, names))
        return [service]


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
