"""The monitor: every call once, by its outcome, from any thread, in bounded memory."""

from __future__ import annotations

import gc
import json
import logging
import os
import random
import sys
import threading
import tracemalloc
import types
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contexter_nb.core import (
    BreakerChange,
    CallRecord,
    ErrorCategory,
    InvalidArgumentError,
    Monitor,
    Trace,
    Usage,
)
from contexter_nb.policies._metrics import APIMetrics
from contexter_nb.policies._monitor import APIMonitor, api_monitor
from tests.loops import EPOCH, FakeClock
from tests.policies.calls import OK, cached, cancelled, failed, ok


def monitored(*calls: CallRecord, **options: Any) -> tuple[APIMonitor, FakeClock]:
    """Return a monitor that was told some calls, and its clock."""
    clock = FakeClock()
    monitor = APIMonitor(clock=clock, **options)
    for call in calls:
        monitor.record(call)
    return monitor, clock


def only(monitor: APIMonitor, **options: Any) -> APIMetrics:
    """Return the metrics of the one operation there is."""
    (metrics,) = monitor.get_metrics(**options)
    return metrics


def test_it_is_what_a_client_tells() -> None:
    """The default monitor has the methods of the protocol."""
    told: Monitor = api_monitor
    assert callable(told.record)
    assert callable(told.breaker_changed)


def test_outcomes_are_kept_apart() -> None:
    """A cancelled call is neither a success nor an error, and is in no error rate."""
    metrics = only(monitored(ok(), ok(), ok(), failed(), cancelled())[0])
    assert (metrics.calls, metrics.ok, metrics.errors, metrics.cancelled) == (
        5,
        3,
        1,
        1,
    )
    assert metrics.error_rate == 0.25
    assert metrics.errors_by_type == {"ServerError": 1}


def test_only_cancelled_calls_have_no_error_rate() -> None:
    """Of nothing that ended by itself there is no rate."""
    assert only(monitored(cancelled())[0]).error_rate is None


def test_errors_keep_their_type_and_category() -> None:
    """A timeout is told apart from a refused key."""
    monitor, _ = monitored(
        failed("RequestTimeoutError", ErrorCategory.TIMEOUT, None),
        failed("RequestTimeoutError", ErrorCategory.TIMEOUT, None),
        failed("AuthenticationError", ErrorCategory.AUTHENTICATION, 401),
    )
    metrics = only(monitor)
    assert metrics.errors_by_type == {
        "RequestTimeoutError": 2,
        "AuthenticationError": 1,
    }
    assert metrics.errors_by_category == {"timeout": 2, "authentication": 1}


def test_operations_of_a_service_are_kept_apart() -> None:
    """Metrics are by service and operation, sorted, and may be asked by service."""
    monitor, _ = monitored(
        ok(service="voyage", operation="rerank"),
        ok(service="voyage", operation="embeddings"),
        ok(service="qdrant", operation="search"),
    )
    named = [(each.service, each.operation) for each in monitor.get_metrics()]
    assert named == [
        ("qdrant", "search"),
        ("voyage", "embeddings"),
        ("voyage", "rerank"),
    ]
    assert len(monitor.get_metrics(service="voyage")) == 2
    assert monitor.get_metrics(service="nobody") == ()


def test_cache_hits_are_calls_and_leave_the_network_times_alone() -> None:
    """A thousand hits are counted, and the network is as slow as it was."""
    monitor, _ = monitored(*[ok(0.4)] * 10, *[cached()] * 500, *[cached("disk")] * 500)
    metrics = only(monitor)
    assert metrics.calls == 1_010
    assert metrics.cache_hits == 1_000
    assert metrics.p50_ms == pytest.approx(0.1, rel=0.02)
    assert metrics.network_p50_ms == pytest.approx(400, rel=0.02)


def test_failed_limited_and_cancelled_calls_are_no_cache_misses() -> None:
    """Only what succeeded over the network missed the cache."""
    limited = failed("RateLimitExceededError", ErrorCategory.RATE_LIMIT, None)
    monitor, _ = monitored(
        cached(), cached(), cached(), ok(), failed(), limited, cancelled()
    )
    metrics = only(monitor)
    assert (metrics.cache_hits, metrics.cache_lookups) == (3, 4)
    assert metrics.cache_hit_rate == 0.75


def test_what_is_never_cached_has_no_misses() -> None:
    """Calls of an operation that no cache ever answered are no lookups."""
    monitor, _ = monitored(*[ok(operation="upsert")] * 100, cached(operation="search"))
    by_operation = {each.operation: each for each in monitor.get_metrics()}
    assert by_operation["upsert"].cache_lookups == 0
    assert by_operation["upsert"].cache_hit_rate is None
    assert by_operation["search"].cache_hit_rate == 1.0


def test_stale_and_coalesced_answers_are_no_hits() -> None:
    """What came from another call or past its time is counted as just that."""
    stale = Trace(
        attempts=OK.trace.attempts, cache_tier="disk", stale=True, total_seconds=0.3
    )
    shared = Trace(coalesced=True, total_seconds=0.2)
    metrics = only(monitored(cached(), ok(trace=stale), ok(trace=shared))[0])
    assert (metrics.cache_hits, metrics.stale, metrics.coalesced) == (1, 1, 1)
    assert metrics.cache_lookups == 2


def test_a_limit_met_before_any_attempt_counts_and_a_failed_answer_is_no_hit() -> None:
    """A call refused at the door met a limit; a cached failure served nobody."""
    refused = failed(
        "RateLimitExceededError", ErrorCategory.RATE_LIMIT, None, trace=Trace()
    )
    unusable = failed(
        "DecodingError", ErrorCategory.DECODING, None, trace=Trace(cache_tier="disk")
    )
    metrics = only(monitored(refused, unusable)[0])
    assert metrics.limited == 1
    assert metrics.attempts == 0
    assert metrics.cache_hits == metrics.cache_lookups == 0


def test_waiting_and_network_are_told_apart() -> None:
    """Each wait has its own sum; the call's time holds all of them."""
    first = replace(
        OK.trace.attempts[0],
        limiter_wait_seconds=1.0,
        bulkhead_wait_seconds=0.5,
        network_seconds=0.2,
        backoff_seconds=2.0,
        status_code=503,
        request_bytes=10,
        response_bytes=20,
    )
    second = replace(first, number=2, backoff_seconds=0.0, status_code=200)
    trace = Trace(attempts=(first, second), total_seconds=5.4)
    metrics = only(monitored(ok(trace=trace))[0])
    assert (metrics.attempts, metrics.retries) == (2, 1)
    assert metrics.limiter_wait_seconds == 2.0
    assert metrics.bulkhead_wait_seconds == 1.0
    assert metrics.backoff_seconds == 2.0
    assert metrics.network_p50_ms == pytest.approx(400)
    assert metrics.p50_ms == pytest.approx(5_400)
    assert (metrics.request_bytes, metrics.response_bytes) == (20, 40)


def test_charges_and_savings_are_summed() -> None:
    """Tokens and dollars are charged by the service or saved by the cache."""
    monitor, _ = monitored(
        ok(usage=Usage(100, 0.5)),
        cached(saved=Usage(100, 0.5), saved_seconds=0.4),
        cached(saved=Usage(50, 0.25), saved_seconds=0.2),
    )
    metrics = only(monitor)
    assert (metrics.tokens, metrics.usd) == (100, 0.5)
    assert (metrics.saved_tokens, metrics.saved_usd) == (150, 0.75)
    assert metrics.saved_seconds == pytest.approx(0.6)


def test_the_percentiles_of_1_to_100_ms_are_right() -> None:
    """The median of 1 to 100 ms is 50 ms, and the longest is 100 ms exactly."""
    metrics = only(monitored(*(ok(each / 1000) for each in range(1, 101)))[0])
    found = (metrics.p50_ms, metrics.p95_ms, metrics.p99_ms)
    assert found == pytest.approx((50, 95, 99), rel=0.0105)
    assert metrics.max_ms == pytest.approx(100)
    assert metrics.mean_ms == pytest.approx(50.5)


def test_a_window_forgets_and_the_total_does_not() -> None:
    """After six minutes a call is in no window of five, and for ever in the total."""
    monitor, clock = monitored(failed())
    clock.instant += 360
    monitor.record(ok())
    assert (only(monitor).calls, only(monitor).errors) == (1, 0)
    assert only(monitor, window_seconds=3_600).calls == 2
    clock.instant += 86_400
    assert monitor.get_metrics() == ()
    assert monitor.get_metrics(window_seconds=3_600) == ()
    assert only(monitor, window_seconds=None).calls == 2


def test_the_rate_is_over_the_time_there_was() -> None:
    """Sixty calls in the first minute are one a second in any window."""
    monitor, clock = monitored()
    for _ in range(60):
        monitor.record(ok())
        clock.instant += 1
    assert only(monitor, window_seconds=300).calls_per_second == 1.0
    assert only(monitor, window_seconds=None).calls_per_second == 1.0
    assert monitor.observed_seconds == 60.0


@pytest.mark.parametrize("window_seconds", [0, -1, 3_601, float("nan")])
def test_a_window_that_is_not_kept_is_refused(window_seconds: float) -> None:
    """More than an hour is not silently less."""
    monitor, _ = monitored()
    for ask in (
        lambda: monitor.get_metrics(window_seconds=window_seconds),
        lambda: monitor.get_summary(window_seconds),
        lambda: monitor.timeline(window_seconds=window_seconds),
    ):
        with pytest.raises(InvalidArgumentError, match="not kept"):
            ask()


def test_all_that_is_answered_is_json() -> None:
    """Neither an unused monitor nor a used one has an infinite number anywhere."""
    monitor, _ = monitored()
    assert json.loads(json.dumps(monitor.get_summary(), allow_nan=False))["calls"] == 0
    for call in (ok(), failed(), cancelled(), cached()):
        monitor.record(call)
        json.dumps(monitor.get_summary(), allow_nan=False)
        for each in monitor.get_metrics():
            json.dumps(each.to_dict(), allow_nan=False)
    monitor, _ = monitored(cancelled())
    json.dumps([each.to_dict() for each in monitor.get_metrics()], allow_nan=False)


def test_the_summary_is_over_all_services() -> None:
    """Totals, percentiles, alerts and breakers, of everything there is."""
    monitor, _ = monitored(*[ok(0.1, service="qdrant")] * 90, *[failed()] * 30)
    monitor.breaker_changed(
        BreakerChange(
            service="voyage", host="a", before="closed", after="open", at=EPOCH
        )
    )
    summary = monitor.get_summary()
    assert summary["calls"] == 120
    assert summary["error_rate"] == 0.25
    assert summary["services"] == ["qdrant", "voyage"]
    assert summary["p50_ms"] == pytest.approx(100, rel=0.0105)
    assert summary["open_breakers"] == ["voyage a"]
    assert len(summary["active_alerts"]) == 2


def test_the_latest_calls_are_kept_whole_and_bounded() -> None:
    """The newest comes first; beyond the bound the oldest are gone."""
    monitor, _ = monitored(
        *(ok(request_id=str(at), service="ab"[at % 2]) for at in range(50)),
        max_requests=10,
    )
    assert [each.request_id for each in monitor.requests(3)] == ["49", "48", "47"]
    assert len(monitor.requests()) == 10
    assert [each.request_id for each in monitor.requests(2, service="a")] == [
        "48",
        "46",
    ]
    assert monitor.requests(0) == ()
    assert monitored(ok(), max_requests=0)[0].requests() == ()


def test_a_timeline_has_no_gaps() -> None:
    """Each bucket has its calls, errors, tokens and time; idle ones have zeros."""
    monitor, clock = monitored()
    for count, idle in ((3, 20), (0, 20), (5, 5)):
        for _ in range(count):
            monitor.record(ok(0.1, usage=Usage(10, 0.5)))
        monitor.record(failed())
        clock.instant += idle
    points = monitor.timeline(bucket_seconds=10, window_seconds=60)
    assert [each.calls for each in points] == [0, 0, 4, 0, 1, 0, 6]
    assert [each.errors for each in points] == [0, 0, 1, 0, 1, 0, 1]
    assert [each.tokens for each in points] == [0, 0, 30, 0, 0, 0, 50]
    assert points[3].p95_ms is None
    assert points[2].p95_ms == pytest.approx(200, rel=0.02)
    assert points[2].started_at == EPOCH
    gaps = {
        after.started_at - before.started_at
        for before, after in zip(points, points[1:], strict=False)
    }
    assert gaps == {timedelta(seconds=10)}


@pytest.mark.parametrize("window_seconds", [30, 300, 600, 601, 3_600])
@pytest.mark.parametrize("bucket_seconds", [1, 10, 25])
def test_a_timeline_counts_what_the_window_counts(
    window_seconds: float, bucket_seconds: float
) -> None:
    """Whatever the buckets, their sum is the window's, and there are at most 62."""
    monitor, clock = monitored()
    chance = random.Random(7)
    for _ in range(500):
        clock.instant += chance.expovariate(0.1)
        monitor.record(ok(service=chance.choice("ab")))
    points = monitor.timeline(
        bucket_seconds=bucket_seconds, window_seconds=window_seconds, service="a"
    )
    (metrics,) = monitor.get_metrics(window_seconds=window_seconds, service="a")
    assert sum(each.calls for each in points) == metrics.calls
    assert len(points) <= 62


@pytest.mark.parametrize("bucket_seconds", [0, -1, 301])
def test_buckets_that_do_not_fit_are_refused(bucket_seconds: float) -> None:
    """A bucket is a part of the window."""
    with pytest.raises(InvalidArgumentError, match="Buckets"):
        monitored()[0].timeline(bucket_seconds=bucket_seconds)


def test_a_wall_clock_set_back_changes_no_count() -> None:
    """Windows go by the monotonic clock."""
    monitor, clock = monitored(*[ok()] * 5)
    clock.wall_step_seconds = -86_400
    clock.instant += 30
    for _ in range(5):
        monitor.record(ok())
    assert only(monitor, window_seconds=60).calls == 10
    clock.wall_step_seconds = +86_400
    assert only(monitor, window_seconds=60).calls == 10
    assert only(monitor, window_seconds=60).calls_per_second == pytest.approx(10 / 30)


def test_hostile_names_stay_within_bounds() -> None:
    """Names made up for ever are pooled; nothing is lost and nothing grows."""
    monitor, clock = monitored(max_operations=20)
    for at in range(5_000):
        clock.instant += 0.01
        monitor.record(ok(service=f"s{at}", operation=f"o{at}", host=f"h{at}"))
        monitor.record(failed(f"Error{at}", service=f"s{at % 7}", operation=f"o{at}"))
        monitor.breaker_changed(
            BreakerChange(
                service=f"s{at}", host="h", before="closed", after="open", at=EPOCH
            )
        )
        clock.instant += 1e-6
    found = monitor.get_metrics(window_seconds=None)
    assert len(found) <= 20 + 20 + 1
    assert sum(each.calls for each in found) == 10_000
    assert sum(each.errors for each in found) == 5_000
    assert max(len(each.errors_by_type) for each in found) <= 65
    assert len(monitor.breakers()) == 500


def held_bytes(root: object) -> int:
    """Return the size of an object and of all that it refers to but code."""
    code = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
    seen: set[int] = set()
    waiting, found = [root], 0
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, code):
            continue
        seen.add(id(each))
        found += sys.getsizeof(each)
        waiting += gc.get_referents(each)
    return found


def test_a_million_calls_take_the_memory_of_a_few() -> None:
    """Once the windows are full, two hundred thousand calls more add nothing."""
    monitor, clock = monitored(max_requests=100)
    chance = random.Random(7)
    calls = [
        *(ok(chance.expovariate(3), operation=f"o{at % 5}") for at in range(500)),
        *(failed() for _ in range(20)),
        *(cached() for _ in range(50)),
    ]
    held = []
    for many in (100_000, 200_000):
        for at in range(many):
            clock.instant += 0.12  # 100,000 calls take more than three hours
            monitor.record(calls[at % len(calls)])
        held.append(held_bytes(monitor))
    assert held[1] == pytest.approx(held[0], rel=0.05)
    assert held[1] < 3 * 1024 * 1024


def test_a_call_leaves_nothing_behind_elsewhere() -> None:
    """Nothing is kept outside the monitor either: it goes, and all of it goes."""
    tracemalloc.start()
    try:
        monitor, clock = monitored()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(5_000):
            clock.instant += 1
            monitor.record(ok())
        full, _ = tracemalloc.get_traced_memory()
        del monitor
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert full - before > 64 * 1024
    assert after - before < 16 * 1024


def test_threads_at_once_lose_nothing() -> None:
    """Eight threads record while another reads, and every call is counted."""
    monitor, clock = monitored()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    done = threading.Event()
    failures: list[BaseException] = []

    def work(many: int) -> None:
        for at in range(many):
            clock.instant += 0.01
            monitor.record(failed() if at % 10 == 0 else ok())

    def look() -> None:
        try:
            while not done.is_set():
                monitor.get_summary()
                monitor.prometheus_text()
                monitor.timeline()
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(2_000,)) for _ in range(8)]
    reader = threading.Thread(target=look)
    try:
        for each in [reader, *threads]:
            each.start()
        for each in threads:
            each.join()
    finally:
        done.set()
        reader.join()
        sys.setswitchinterval(before)
    assert failures == []
    metrics = only(monitor, window_seconds=None)
    assert (metrics.calls, metrics.errors, metrics.attempts) == (16_000, 1_600, 16_000)


def test_a_listener_hears_every_call_until_it_is_taken_off() -> None:
    """A bound method is known again by its name."""
    heard: list[CallRecord] = []
    monitor, _ = monitored()
    monitor.add_listener(heard.append)
    monitor.record(ok())
    monitor.reset()
    monitor.record(failed())
    monitor.remove_listener(heard.append)
    monitor.remove_listener(heard.append)
    monitor.record(ok())
    assert [each.outcome for each in heard] == ["ok", "error"]


def test_a_listener_that_fails_is_taken_off(caplog: pytest.LogCaptureFixture) -> None:
    """It breaks no call, is told of in the log once, and the others still hear."""
    heard: list[CallRecord] = []
    monitor, _ = monitored()

    def broken(call: CallRecord) -> None:
        raise ValueError("a widget that is gone")

    monitor.add_listener(broken)
    monitor.add_listener(heard.append)
    with caplog.at_level(logging.WARNING):
        monitor.record(ok())
        monitor.record(ok())
    assert len(heard) == 2
    assert len(caplog.records) == 1
    assert only(monitor).calls == 2


def test_a_listener_may_ask_the_monitor() -> None:
    """A dashboard that reads the metrics at every call waits for nobody."""
    monitor, _ = monitored()
    seen: list[int] = []
    monitor.add_listener(lambda call: seen.append(only(monitor).calls))
    monitor.record(ok())
    monitor.record(ok())
    assert seen == [1, 2]


@pytest.mark.parametrize("tell", ["record", "breaker_changed"])
def test_what_cannot_be_counted_breaks_no_call(
    tell: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Something that is no record is logged once and never raised."""
    monitor, _ = monitored()
    told: Callable[[Any], None] = getattr(monitor, tell)
    for _ in range(3):
        told(None)
    assert len(caplog.records) == 1
    monitor.record(ok())
    assert only(monitor).calls == 1


def test_reset_forgets_everything_but_the_listeners() -> None:
    """Counts, calls, alerts, breakers and exports begin anew."""
    monitor, _ = monitored(*[failed()] * 30)
    monitor.breaker_changed(
        BreakerChange(service="v", host="a", before="closed", after="open", at=EPOCH)
    )
    assert len(monitor.alerts()) == 2
    monitor.reset()
    assert monitor.get_metrics(window_seconds=None) == ()
    assert monitor.requests() == monitor.alerts() == monitor.breakers() == ()
    assert "{" not in monitor.prometheus_text()


@pytest.mark.parametrize("options", [{"max_requests": -1}, {"max_operations": 0}])
def test_bounds_that_cannot_be_are_refused(options: dict[str, int]) -> None:
    """A monitor keeps 0 requests or more, and 1 operation or more."""
    with pytest.raises(InvalidArgumentError, match="monitor"):
        APIMonitor(**options)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_can_record_though_the_lock_was_held() -> None:
    """A fork while another thread records leaves no lock taken for ever."""
    monitor, _ = monitored()
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with monitor._lock:
            held.set()
            go_on.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    child = os.fork()
    if child == 0:
        worker = threading.Thread(target=monitor.record, args=(ok(),), daemon=True)
        worker.start()
        worker.join(5)
        os._exit(1 if worker.is_alive() else 0)
    go_on.set()
    holder.join()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_repr_tells_how_much_there_is() -> None:
    """It names counts, and neither calls nor hosts."""
    assert repr(monitored(ok(), ok())[0]) == "<APIMonitor: 2 latest calls, 0 breakers>"
