"""Metrics told to OpenTelemetry, where the program has set it up.

Nothing is imported here: a program that has a meter provider has imported
``opentelemetry.metrics`` itself. There are no spans: the monitor is told of a call when
it is over, so that a span made here could not be the parent of those that an
instrumented HTTP library made meanwhile.

Source: OpenTelemetry semantic conventions, HTTP client metrics,
https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ (read 2026-11-24).
"""

from __future__ import annotations

import os
import sys
from typing import Any

from contexter_nb.core import CallRecord
from contexter_nb.policies._prometheus import DURATION_BOUNDS_SECONDS, attributes

_SCOPE = "contexter_nb"


def configured_provider() -> Any:
    """Return the meter provider that the program has set, or None."""
    metrics = sys.modules.get("opentelemetry.metrics")
    # While another thread imports it, the module is there without its names.
    get_meter_provider = getattr(metrics, "get_meter_provider", None)
    if get_meter_provider is None:
        return None
    provider = get_meter_provider()
    # The API's own stand-ins record nothing; there is no public test for the proxy.
    if type(provider).__name__ in ("_ProxyMeterProvider", "NoOpMeterProvider"):
        return None
    return provider


def requests_counted_elsewhere() -> bool:
    """Tell whether an instrumented httpx counts requests under the same name."""
    if "opentelemetry.instrumentation.httpx" not in sys.modules:
        return False
    chosen = os.environ.get("OTEL_SEMCONV_STABILITY_OPT_IN", "").split(",")
    return any(each.strip() in ("http", "http/dup") for each in chosen)


class Telemetry:
    """Instruments of one meter provider.

    Parameters
    ----------
    provider : opentelemetry.metrics.MeterProvider
    count_requests : bool
        Whether ``http.client.request.duration`` is recorded here.
    """

    def __init__(self, provider: Any, *, count_requests: bool = True) -> None:
        meter = provider.get_meter(_SCOPE)
        self.provider = provider
        self._durations: Any = None
        if count_requests:
            self._durations = meter.create_histogram(
                "http.client.request.duration",
                unit="s",
                description="Duration of HTTP client requests.",
                explicit_bucket_boundaries_advisory=DURATION_BOUNDS_SECONDS,
            )
        self._calls = meter.create_histogram(
            "contexter_nb.call.duration",
            unit="s",
            description="Duration of calls, waits and attempts included.",
            explicit_bucket_boundaries_advisory=DURATION_BOUNDS_SECONDS,
        )
        self._retries = meter.create_counter(
            "contexter_nb.retry.attempts", unit="{attempt}"
        )
        self._waits = meter.create_counter("contexter_nb.limiter.wait", unit="s")
        self._hits = meter.create_counter("contexter_nb.cache.hits", unit="{call}")
        self._tokens = meter.create_counter("contexter_nb.tokens", unit="{token}")

    def record(self, call: CallRecord) -> None:
        """Tell of one call and of its attempts that used the network.

        Parameters
        ----------
        call : CallRecord
        """
        trace = call.trace
        named = {
            "contexter_nb.service": call.service,
            "contexter_nb.operation": call.operation,
        }
        ended = {**named, "contexter_nb.outcome": str(call.outcome)}
        if call.error_type is not None:
            ended["error.type"] = call.error_type
        self._calls.record(trace.total_seconds, ended)
        if self._durations is not None:
            self._record_requests(call)
        if trace.retries:
            self._retries.add(trace.retries, named)
        waited_seconds = trace.limiter_wait_seconds
        if waited_seconds:
            self._waits.add(waited_seconds, named)
        if trace.cache_tier is not None and not trace.stale:
            self._hits.add(1, {**named, "contexter_nb.cache.tier": trace.cache_tier})
        if call.usage.tokens:
            self._tokens.add(call.usage.tokens, named)

    def _record_requests(self, call: CallRecord) -> None:
        for each in call.trace.attempts:
            if each.network_seconds or each.status_code is not None:
                self._durations.record(
                    each.network_seconds,
                    attributes(
                        call.method, call.host, each.status_code, each.error_type
                    ),
                )
