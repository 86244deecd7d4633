"""The text that Prometheus reads, read back by a strict parser."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest

from contexter_nb.core import Attempt, BreakerChange, Trace, Usage
from contexter_nb.policies._monitor import APIMonitor
from contexter_nb.policies._prometheus import (
    DURATION_BOUNDS_SECONDS,
    ModelCharges,
    RequestDurations,
    attributes,
)
from tests.loops import EPOCH, FakeClock
from tests.policies.calls import OK, cached, failed, ok

DURATION = "http_client_request_duration_seconds"
LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Samples:
    """Return every sample of an exposition; anything outside the format fails."""
    assert text.endswith("\n")
    samples: Samples = {}
    typed: dict[str, str] = {}
    for line in text[:-1].split("\n"):
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in typed, f"{name} is typed twice"
            typed[name] = kind
            continue
        if line.startswith("# HELP "):
            continue
        found = LINE.match(line)
        assert found is not None, line
        name, inside, value = found.groups()
        labels, at = [], 0
        while at < len(inside or ""):
            label = LABEL.match(inside, at)
            assert label is not None, line
            plain = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), label[2])
            labels.append((label[1], plain))
            at = label.end()
        assert len(dict(labels)) == len(labels)
        family = re.sub("_(bucket|sum|count)$", "", name) if DURATION in name else name
        assert family in typed, line
        assert (name, frozenset(labels)) not in samples, f"twice: {line}"
        samples[name, frozenset(labels)] = float(value)
    return samples


def valued(samples: Samples, name: str, **labels: str) -> float:
    """Return the sum of the samples of a name that have these labels."""
    wanted = set(labels.items())
    found = [v for (n, have), v in samples.items() if n == name and wanted <= have]
    assert found, (name, labels)
    return sum(found)


def test_every_request_on_the_wire_is_in_its_bucket() -> None:
    """Buckets count what is at most their bound, and the last one counts all."""
    monitor = APIMonitor(clock=FakeClock())
    chance = random.Random(7)
    times = [0.005, 0.0050001, 10.0, 11.0, *(chance.expovariate(1) for _ in range(300))]
    for seconds in times:
        monitor.record(ok(seconds))
    samples = parsed(monitor.prometheus_text())
    for bound in DURATION_BOUNDS_SECONDS:
        held = valued(samples, f"{DURATION}_bucket", le=repr(bound))
        assert held == sum(each <= bound for each in times)
    assert valued(samples, f"{DURATION}_bucket", le="+Inf") == len(times)
    assert valued(samples, f"{DURATION}_count") == len(times)
    assert valued(samples, f"{DURATION}_sum") == pytest.approx(sum(times))


def test_each_attempt_is_counted_with_its_own_status() -> None:
    """A call that was sent twice is two requests; what was never sent is none."""
    attempts = (
        Attempt(
            number=1,
            started_seconds=0.0,
            network_seconds=0.1,
            status_code=503,
            error_type="ServerError",
            backoff_seconds=0.5,
        ),
        Attempt(number=2, started_seconds=0.6, error_type="CircuitOpenError"),
        Attempt(
            number=3,
            started_seconds=0.7,
            network_seconds=0.2,
            error_type="ConnectionLostError",
        ),
        Attempt(number=4, started_seconds=0.9, network_seconds=0.3, status_code=200),
    )
    monitor = APIMonitor(clock=FakeClock())
    monitor.record(replace(OK, trace=Trace(attempts=attempts, total_seconds=1.2)))
    samples = parsed(monitor.prometheus_text())
    count = f"{DURATION}_count"
    assert valued(samples, count) == 3
    assert valued(samples, count, error_type="503") == 1
    assert valued(samples, count, error_type="ConnectionLostError") == 1
    assert valued(samples, count, http_response_status_code="200") == 1
    assert valued(samples, "contexter_nb_retries_total", service="voyage") == 3
    assert valued(samples, "contexter_nb_backoff_seconds_total") == 0.5


def test_charges_are_told_by_model() -> None:
    """Each model has a sample; what names none stays without, and the sum is right."""
    monitor = APIMonitor(clock=FakeClock())
    monitor.record(ok(usage=Usage(100, 0.1, "large")))
    monitor.record(ok(usage=Usage(20, 0.2, "lite")))
    monitor.record(ok(usage=Usage(3, 0.3)))
    monitor.record(cached("disk", saved=Usage(7, 0.7, "lite")))
    samples = parsed(monitor.prometheus_text())
    tokens = "contexter_nb_tokens_total"
    assert valued(samples, tokens, model="large") == 100
    assert valued(samples, tokens, model="lite") == 20
    assert valued(samples, tokens) == 123
    assert valued(samples, "contexter_nb_usd_total") == pytest.approx(0.6)
    assert valued(samples, "contexter_nb_saved_tokens_total", model="lite") == 7


def test_models_are_bounded() -> None:
    """Thousands of names make no more series than are allowed, and lose nothing."""
    charges = ModelCharges(max_series=3)
    for number in range(1_000):
        charges.add("s", "o", ok(usage=Usage(1, 0.0, f"model-{number}")))
    names = ("service", "s"), ("operation", "o")
    samples = charges.split("tokens", {names: 1_000})
    assert len(samples) == 4
    assert sum(amount for _, amount in samples) == 1_000


def test_our_own_counters_are_told() -> None:
    """Calls, errors, cache hits by tier, tokens and dollars are there by name."""
    monitor = APIMonitor(clock=FakeClock())
    monitor.record(ok(usage=Usage(120, 0.25)))
    monitor.record(failed())
    monitor.record(cached("disk", saved=Usage(120, 0.25)))
    samples = parsed(monitor.prometheus_text())
    assert valued(samples, "contexter_nb_calls_total", outcome="ok") == 2
    assert valued(samples, "contexter_nb_calls_total", outcome="error") == 1
    assert valued(samples, "contexter_nb_errors_total", category="server_error") == 1
    assert valued(samples, "contexter_nb_cache_hits_total", tier="disk") == 1
    assert valued(samples, "contexter_nb_tokens_total") == 120
    assert valued(samples, "contexter_nb_usd_total") == 0.25
    assert valued(samples, "contexter_nb_saved_tokens_total") == 120


def test_a_breaker_is_in_one_state() -> None:
    """Of the three states of a breaker one is 1 and the others are 0."""
    monitor = APIMonitor(clock=FakeClock())
    monitor.breaker_changed(
        BreakerChange(
            service="voyage", host="a:81", before="closed", after="open", at=EPOCH
        )
    )
    samples = parsed(monitor.prometheus_text())
    states = {
        state: valued(samples, "contexter_nb_breaker_state", state=state)
        for state in ("closed", "half_open", "open")
    }
    assert states == {"closed": 0.0, "half_open": 0.0, "open": 1.0}


def test_any_name_can_be_a_label() -> None:
    """Quotes, backslashes and line ends in a name are escaped, not obeyed."""
    name = 'a"b\\c\nd\\n} 1\nfake_total 7'
    monitor = APIMonitor(clock=FakeClock())
    monitor.record(ok(service=name, host=name))
    samples = parsed(monitor.prometheus_text())
    assert valued(samples, "contexter_nb_calls_total", service=name) == 1
    assert valued(samples, f"{DURATION}_count", server_address=name) == 1
    assert not [key for key in samples if key[0] == "fake_total"]


def test_an_unused_monitor_tells_valid_text() -> None:
    """Without a call there are families and no samples."""
    assert parsed(APIMonitor(clock=FakeClock()).prometheus_text()) == {}


def test_the_number_of_series_is_bounded() -> None:
    """Ten thousand hosts, methods and errors make a thousand series and a few more."""
    durations = RequestDurations()
    for at in range(10_000):
        call = ok(host=f"host{at}", method=f"METHOD{at % 50}")
        durations.add(call)
    counts = [
        line for line in durations.lines() if line.startswith(f"{DURATION}_count")
    ]
    assert len(counts) <= 1_001
    assert sum(float(line.rpartition(" ")[2]) for line in counts) == 10_000
    assert 'http_request_method="_OTHER"' in counts[0]


def test_the_library_of_prometheus_reads_the_same() -> None:
    """Its own parser finds the samples that ours finds."""
    parser = pytest.importorskip("prometheus_client.parser")
    monitor = APIMonitor(clock=FakeClock())
    for at in range(50):
        monitor.record(ok(0.01 * at, host='h"\\\n:8080'))
        monitor.record(failed(status_code=None, error_type="ConnectionLostError"))
    monitor.record(cached())
    text = monitor.prometheus_text()
    theirs: Samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert theirs == parsed(text)


@pytest.mark.parametrize(
    ("host", "address", "port"),
    [
        ("api.voyageai.com", "api.voyageai.com", None),
        ("localhost:8080", "localhost", 8080),
        ("[::1]:8080", "[::1]", 8080),
        ("[::1]", "[::1]", None),
        ("host:", "host:", None),
    ],
)
def test_a_port_is_told_apart_from_its_host(
    host: str, address: str, port: int | None
) -> None:
    """The port is a label of its own, where there is one."""
    found = attributes("GET", host, 200, None)
    assert (found["server.address"], found.get("server.port")) == (address, port)
    assert "error.type" not in found
