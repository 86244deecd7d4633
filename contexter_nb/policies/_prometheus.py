"""Metrics as Prometheus reads them, without its library.

Source: text exposition format 0.0.4,
https://prometheus.io/docs/instrumenting/exposition_formats/; names, attributes and
buckets: OpenTelemetry semantic conventions, HTTP client metrics,
https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ (read 2026-11-24).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from contexter_nb.core import Attempt, BreakerChange, CallRecord
from contexter_nb.policies._labels import MAX_NAME_CHARS, OTHER
from contexter_nb.policies._windows import Tallies

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DURATION_BOUNDS_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0),
)
MAX_SERIES = 1000
_METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
)
_DURATION = "http_client_request_duration_seconds"

Names = tuple[tuple[str, str], ...]
Sample = tuple[Names, float]
_Key = tuple[str, str, int | None, str | None]


class RequestDurations:
    """How long the requests on the wire took, in the buckets that Prometheus expects.

    Attempts are counted, each with its own status: that is what the name means
    elsewhere, too. Those that were never sent are not.

    Parameters
    ----------
    max_series : int
        Later combinations of method, host, status and error are counted as ``other``.
    """

    def __init__(self, max_series: int = MAX_SERIES) -> None:
        self._max_series = max_series
        self._sizes: dict[_Key, list[int]] = {}
        self._sums: dict[_Key, float] = {}

    def add(self, call: CallRecord) -> None:
        """Count the attempts of a call that used the network.

        Parameters
        ----------
        call : CallRecord
        """
        for each in call.trace.attempts:
            seconds = each.network_seconds
            if seconds or each.status_code is not None:
                key = call.method, call.host, each.status_code, each.error_type
                if key not in self._sizes:
                    key = self._admit(call, each)
                self._sizes[key][bisect_left(DURATION_BOUNDS_SECONDS, seconds)] += 1
                self._sums[key] += seconds

    def _admit(self, call: CallRecord, attempt: Attempt) -> _Key:
        host, error_type = call.host[:MAX_NAME_CHARS], attempt.error_type
        method = call.method if call.method in _METHODS else "_OTHER"
        if error_type is not None:
            error_type = error_type[:MAX_NAME_CHARS]
        key: _Key = (method, host, attempt.status_code, error_type)
        if len(self._sizes) >= self._max_series and key not in self._sizes:
            key = (method, OTHER, None, OTHER)
        if key not in self._sizes:
            self._sizes[key] = [0] * (len(DURATION_BOUNDS_SECONDS) + 1)
            self._sums[key] = 0.0
        return key

    def lines(self) -> Iterator[str]:
        """Yield the lines of the histogram."""
        yield f"# HELP {_DURATION} Duration of HTTP client requests."
        yield f"# TYPE {_DURATION} histogram"
        bounds = [*(repr(bound) for bound in DURATION_BOUNDS_SECONDS), "+Inf"]
        for names, (sizes, total) in self._series().items():
            for bound, size in zip(bounds, accumulate(sizes), strict=True):
                yield _line(f"{_DURATION}_bucket", (*names, ("le", bound)), size)
            yield _line(f"{_DURATION}_sum", names, total)
            yield _line(f"{_DURATION}_count", names, sum(sizes))

    def _series(self) -> dict[Names, tuple[list[int], float]]:
        # Two error types of one status have the same labels.
        found: dict[Names, tuple[list[int], float]] = {}
        for key, sizes in self._sizes.items():
            method, host, status, error_type = key
            names = tuple(
                (name.replace(".", "_"), str(value))
                for name, value in attributes(method, host, status, error_type).items()
            )
            before, total = found.get(names, ([0] * len(sizes), 0.0))
            added = [a + b for a, b in zip(before, sizes, strict=True)]
            found[names] = added, total + self._sums[key]
        return found


class ModelCharges:
    """What the calls that say their model were charged, and saved, by model.

    Parameters
    ----------
    max_series : int
        Later combinations of service, operation and model are counted as ``other``.
    """

    def __init__(self, max_series: int = MAX_SERIES) -> None:
        self._max_series = max_series
        self._sums: dict[tuple[str, str, str], dict[str, float]] = {}

    def add(self, service: str, operation: str, call: CallRecord) -> None:
        """Add a call's charges and savings.

        Parameters
        ----------
        service, operation : str
            Under which it is counted.
        call : CallRecord
        """
        for front, usage in (("", call.usage), ("saved_", call.saved)):
            if not usage.model:
                continue
            key = service, operation, usage.model[:MAX_NAME_CHARS]
            if key not in self._sums and len(self._sums) >= self._max_series:
                key = service, operation, OTHER
            sums = self._sums.setdefault(key, {})
            for name, amount in (("tokens", usage.tokens), ("usd", usage.usd)):
                sums[front + name] = sums.get(front + name, 0) + amount

    def split(self, name: str, samples: Mapping[Names, float]) -> list[Sample]:
        """Return the samples of a family by model; what has none stays without.

        Parameters
        ----------
        name : str
            ``tokens``, ``usd``, ``saved_tokens`` or ``saved_usd``.
        samples : mapping
            By service and operation, all models together.
        """
        found: list[Sample] = []
        rest = dict(samples)
        for (service, operation, model), sums in self._sums.items():
            names: Names = (("service", service), ("operation", operation))
            amount = sums.get(name, 0)
            if amount and names in rest:
                found.append(((*names, ("model", model)), amount))
                rest[names] -= amount
        by_model = {each[0][:2] for each in found}
        # What sums of floats leave over is no charge.
        found += [
            (names, left)
            for names, left in rest.items()
            if names not in by_model or left > 1e-9
        ]
        return found


def attributes(
    method: str, host: str, status_code: int | None, error_type: str | None
) -> dict[str, str | int]:
    """Return what the semantic conventions say of one request.

    Parameters
    ----------
    method, host : str
        ``POST``; ``api.voyageai.com``, or ``localhost:8080``.
    status_code : int or None
    error_type : str or None
        The class of what went wrong; a status of 400 or more stands for itself.

    Examples
    --------
    >>> attributes("GET", "localhost:8080", 503, "ServerError")["error.type"]
    '503'
    """
    address, colon, port = host.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or address.endswith(":"):
        address, port = host, ""
    found: dict[str, str | int] = {
        "http.request.method": method,
        "server.address": address,
    }
    if port:
        found["server.port"] = int(port)
    if status_code is not None:
        found["http.response.status_code"] = status_code
    if status_code is not None and status_code >= 400:
        found["error.type"] = str(status_code)
    elif error_type is not None:
        found["error.type"] = error_type
    return found


def exposition(
    tallies: Tallies,
    durations: RequestDurations,
    charges: ModelCharges,
    breakers: Iterable[BreakerChange],
) -> str:
    r"""Return all metrics as text.

    Parameters
    ----------
    tallies : dict of Labels to Tally
        Since the start.
    durations : RequestDurations
    charges : ModelCharges
    breakers : iterable of BreakerChange
        The latest of each.
    """
    lines = list(durations.lines())
    for name, (help_text, samples) in _counters(tallies, charges).items():
        lines += _family(f"contexter_nb_{name}_total", "counter", help_text, samples)
    states = [
        (
            (
                ("service", each.service),
                ("server_address", each.host),
                ("state", state),
            ),
            float(each.after == state),
        )
        for each in breakers
        for state in ("closed", "half_open", "open")
    ]
    told = "1 for the state that a circuit breaker is in."
    lines += _family("contexter_nb_breaker_state", "gauge", told, states)
    return "\n".join(lines) + "\n"


_SUMMED = {
    "attempts": "Requests sent.",
    "refused": "Requests refused before they were sent, by an open breaker, say.",
    "retries": "Requests sent after a call's first.",
    "limited": "Calls that met a rate limit.",
    "limiter_wait_seconds": "Waited for rate limits.",
    "bulkhead_wait_seconds": "Waited for a free connection.",
    "backoff_seconds": "Waited between attempts.",
    "coalesced": "Answers taken from another call under way.",
    "stale": "Answers from the cache past their time.",
    "request_bytes": "Length of the bodies sent.",
    "response_bytes": "Length of the bodies received.",
    "tokens": "Charged by the service.",
    "usd": "Charged by the service, US dollars.",
    "saved_tokens": "What cached answers had cost.",
    "saved_usd": "What cached answers had cost, US dollars.",
    "saved_seconds": "Time on the network that cached answers saved.",
}


def _counters(
    tallies: Tallies, charges: ModelCharges
) -> Mapping[str, tuple[str, list[Sample]]]:
    calls: dict[Names, float] = {}
    errors: dict[Names, float] = {}
    hits: dict[Names, float] = {}
    sums: dict[str, dict[Names, float]] = {name: {} for name in _SUMMED}
    for labels, tally in tallies.items():
        names = ("service", labels.service), ("operation", labels.operation)
        _add(calls, (*names, ("outcome", labels.outcome)), tally.calls)
        if labels.outcome == "error":
            why = (
                ("category", str(labels.category or "unknown")),
                ("error_type", labels.error_type or "unknown"),
            )
            _add(errors, (*names, *why), tally.calls)
        for tier in ("memory", "disk", "redis"):
            many = getattr(tally, f"{tier}_hits")
            if many:
                _add(hits, (*names, ("tier", tier)), many)
        for name, samples in sums.items():
            _add(samples, names, getattr(tally, name))
    families = {
        "calls": ("Calls that ended, by how they ended.", list(calls.items())),
        "errors": ("Calls that failed, by why.", list(errors.items())),
        "cache_hits": ("Calls that a cache answered.", list(hits.items())),
    }
    for name, help_text in _SUMMED.items():
        families[name] = help_text, charges.split(name, sums[name])
    return families


def _add(samples: dict[Names, float], names: Names, value: float) -> None:
    samples[names] = samples.get(names, 0) + value


def _family(
    name: str, kind: str, help_text: str, samples: Iterable[Sample]
) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} {kind}"
    for names, value in samples:
        yield _line(name, names, value)


def _line(name: str, names: Names, value: float) -> str:
    pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in names)
    return f"{name}{{{pairs}}} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
