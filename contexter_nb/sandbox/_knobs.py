"""What a service of the sandbox is told to do wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from contexter_nb.core import InvalidArgumentError, did_you_mean

_MAX_SECONDS = 3_600.0
_RATES = ("error_rate", "reset_rate")
_DURATIONS = ("latency_seconds", "jitter_seconds")
_LIMITS = (
    "requests_per_minute",
    "anonymous_requests_per_minute",
    "tokens_per_minute",
)
_SWITCHES = ("outage", "pending")
_VECTORS = ("model", "hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """How a service behaves; the defaults are those of one that never fails.

    Attributes
    ----------
    latency_seconds : float
        Before every answer, 0 to 3600.
    jitter_seconds : float
        Up to so much more, drawn evenly, 0 to 3600.
    requests_per_minute : float or None
        Above it, 429 with an honest Retry-After in whole seconds: a request sent so
        much later passes, unless another was first. None for no limit.
        Each key has a minute of its own.
    burst : int or None
        How many of them may come at once after a rest; None for a whole minute's.
    anonymous_requests_per_minute : float or None
        The same for those without a key, all together; None for no limit.
    tokens_per_minute : float or None
        Above it, 429 from services that count tokens; each key has its own.
    error_rate : float
        Share of the requests that get `error_status`, 0 to 1.
    error_status : int
        400 to 599; each service words it in its own form.
    reset_rate : float
        Share of the requests whose connection is broken off unanswered, 0 to 1.
    outage : bool
        Every request gets 503.
    pending : bool
        Context7 answers 202 while it first reads a library; otherwise it lets wait.
    vectors : str
        Voyage's: ``"model"`` gives those of the static model, ``"hash"`` random ones
        that depend on the text alone and cost next to nothing, for load tests.
    seed : int
        Of the chance behind jitter, errors and resets: the same seed and the same
        order of requests give the same faults.

    Raises
    ------
    InvalidArgumentError
        A value is out of its range or of another type.

    Examples
    --------
    >>> Knobs(error_rate=0.2).with_(outage=True)
    Knobs(error_rate=0.2, outage=True)
    """

    latency_seconds: float = 0.0
    jitter_seconds: float = 0.0
    requests_per_minute: float | None = None
    burst: int | None = None
    anonymous_requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    error_rate: float = 0.0
    error_status: int = 503
    reset_rate: float = 0.0
    outage: bool = False
    pending: bool = False
    vectors: Literal["model", "hash"] = "model"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in _RATES:
            _check_number(name, getattr(self, name), 0.0, 1.0, "a share from 0 to 1")
        for name in _DURATIONS:
            value = getattr(self, name)
            _check_number(name, value, 0.0, _MAX_SECONDS, "seconds from 0 to 3600")
        for name in _LIMITS:
            _check_limit(name, getattr(self, name))
        if self.burst is not None and not (_is_whole(self.burst) and self.burst >= 1):
            raise InvalidArgumentError(
                f"burst is {self.burst!r}; give a whole number from 1 on, or None "
                "for a minute's requests."
            )
        for name in _SWITCHES:
            _check_switch(name, getattr(self, name))
        status = self.error_status
        if not (_is_whole(status) and 400 <= status <= 599):
            raise InvalidArgumentError(
                f"error_status is {status!r}; give a whole number from 400 to 599."
            )
        if self.vectors not in _VECTORS:
            raise InvalidArgumentError(
                f"vectors is {self.vectors!r}; give 'model' or 'hash'."
            )
        if not _is_whole(self.seed):
            raise InvalidArgumentError(f"seed is {self.seed!r}; give a whole number.")

    def with_(self, **changes: Any) -> Knobs:
        """Return the knobs with some of them turned.

        Parameters
        ----------
        **changes
            Values by the names of the attributes.

        Returns
        -------
        Knobs

        Raises
        ------
        InvalidArgumentError
            No knob has that name, or a value is none for it.
        """
        known = [each.name for each in fields(self)]
        for name in changes:
            if name not in known:
                raise InvalidArgumentError(
                    f"There is no knob {name!r}.{did_you_mean(name, known)} "
                    f"The knobs are {', '.join(known)}."
                )
        return replace(self, **changes)

    def turned(self) -> dict[str, Any]:
        """Return the values that are not the defaults, by name."""
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if getattr(self, each.name) != each.default
        }

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.turned().items())
        return f"Knobs({shown})"


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_number(
    name: str, value: object, low: float, high: float, wanted: str
) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidArgumentError(f"{name} is {value!r}; give {wanted}.")
    if not low <= value <= high:
        raise InvalidArgumentError(f"{name} is {value!r}; give {wanted}.")


def _check_limit(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, int | float) and not isinstance(value, bool):
        fits = 0 < value < math.inf
    else:
        fits = False
    if not fits:
        raise InvalidArgumentError(
            f"{name} is {value!r}; give a number above 0, or None for no limit."
        )


def _check_switch(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InvalidArgumentError(f"{name} is {value!r}; give True or False.")
