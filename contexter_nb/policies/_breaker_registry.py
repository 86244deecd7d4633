"""One circuit breaker for each service and host, and never too many of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from contexter_nb.core import (
    BreakerChange,
    BreakerState,
    Clock,
    InvalidArgumentError,
    SystemClock,
)
from contexter_nb.policies._breaker import BreakerConfig, BreakerStatus, CircuitBreaker


class BreakerRegistry:
    """Circuit breakers by service and host, made when first asked for.

    Safe to share between threads and event loops.

    Parameters
    ----------
    config : BreakerConfig, optional
        Of all of them.
    max_keys : int, default 1000
        When there are more, the one not asked for the longest is dropped; one that is
        not closed only where all are so, since a new one would forget the outage.
    on_change : callable, optional
        Told every `BreakerChange`. Must not raise.
    clock : Clock, optional
        Dates the changes.

    Raises
    ------
    InvalidArgumentError
        `max_keys` is below 1.

    Examples
    --------
    >>> breakers = BreakerRegistry(BreakerConfig(minimum_calls=1))
    >>> breaker = breakers.get("voyage", "api.voyageai.com")
    >>> breaker.report(breaker.admit(now=0.0), "failed", now=0.0)
    >>> [(each.service, each.state) for each in breakers.statuses(now=0.0)]
    [('voyage', 'open')]
    """

    def __init__(
        self,
        config: BreakerConfig | None = None,
        *,
        max_keys: int = 1000,
        on_change: Callable[[BreakerChange], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if max_keys < 1:
            raise InvalidArgumentError(f"max_keys is {max_keys!r}; give 1 or more.")
        self.config = config or BreakerConfig()
        self._max_keys = max_keys
        self._on_change = on_change
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._breakers: OrderedDict[tuple[str, str], CircuitBreaker] = OrderedDict()

    def get(self, service: str, host: str) -> CircuitBreaker:
        """Return the breaker of a service on a host.

        Parameters
        ----------
        service, host : str
            ``voyage`` and ``api.voyageai.com``, say.
        """
        key = (service, host)
        with self._lock:
            found = self._breakers.get(key)
            if found is None:
                if len(self._breakers) >= self._max_keys:
                    self._drop_one()
                found = self._breakers[key] = self._make(service, host)
            else:
                self._breakers.move_to_end(key)
            return found

    def statuses(self, now: float) -> tuple[BreakerStatus, ...]:
        """Return the status of each, ordered by service and host.

        Parameters
        ----------
        now : float
            A monotonic instant, seconds.
        """
        with self._lock:
            breakers = sorted(self._breakers.items())
        return tuple(breaker.status(now) for _, breaker in breakers)

    def _drop_one(self) -> None:
        oldest = next(iter(self._breakers))
        closed = (key for key, each in self._breakers.items() if each.is_closed)
        del self._breakers[next(closed, oldest)]

    def _make(self, service: str, host: str) -> CircuitBreaker:
        def tell(before: BreakerState, after: BreakerState) -> None:
            if self._on_change is not None:
                self._on_change(
                    BreakerChange(
                        service=service,
                        host=host,
                        before=before,
                        after=after,
                        at=self._clock.wall(),
                    )
                )

        return CircuitBreaker(self.config, service=service, host=host, on_change=tell)
