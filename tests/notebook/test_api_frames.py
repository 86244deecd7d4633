"""The frames about the API core, after real calls of a real service."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

import contexter_nb as cx
from contexter_nb.clients import APIClient
from contexter_nb.core import (
    APIRequest,
    CircuitOpenError,
    GraphQLError,
    InvalidArgumentError,
    NotFoundError,
    ServerError,
)
from contexter_nb.frames import KINDS
from contexter_nb.policies import (
    APICache,
    BreakerConfig,
    RateLimitConfig,
    RetryPolicy,
    TokenBucketRateLimiter,
)
from tests.world.faults import Ok, Status, fault_server_in_thread
from tests.world.graphql import graphql_server

FRAMES = ("requests", "metrics", "alerts", "limits", "cache_stats")
numbers = itertools.count()
PAGES = """
query Books($after: String) {
  books(first: 20, after: $after) {
    edges { node { title } }
    pageInfo { hasNextPage endCursor }
  }
}
"""


@pytest.fixture(scope="module")
def library() -> Iterator[Any]:
    """Give a GraphQL server."""
    with graphql_server() as server:
        yield server


@pytest.mark.parametrize("verb", FRAMES)
def test_the_columns_are_there_without_rows(session: Any, verb: str) -> None:
    """Each frame has its declared columns, whatever has happened in this process."""
    frame = getattr(session, verb)()
    assert tuple(frame.columns) == KINDS[verb].names


def test_the_frames_say_what_happened(session: Any) -> None:
    """A retry, a hit, a refusal and an open breaker are rows with their numbers."""
    service = f"demo-{next(numbers)}"
    with fault_server_in_thread(
        Status(503), Ok({"a": 1}), Status(404), Status(500)
    ) as server:
        client = APIClient(
            service,
            server.url,
            retry=RetryPolicy(base_seconds=0.001),
            cache=APICache(),
            limiter=TokenBucketRateLimiter(
                RateLimitConfig(requests_per_minute=6_000, burst_size=50), name=service
            ),
            breaker=BreakerConfig(minimum_calls=4, open_seconds=60),
        )
        face = cx.sync(client)
        good = APIRequest(endpoint="/good", operation="good", cache_ttl_seconds=60)
        assert face.execute_request(good).data == {"a": 1}
        assert face.execute_request(good).cached
        with pytest.raises(NotFoundError):
            face.execute_request(APIRequest(endpoint="/none", operation="none"))
        once = APIRequest(endpoint="/bad", operation="bad", max_attempts=1)
        for _ in range(2):
            with pytest.raises(ServerError):
                face.execute_request(once)
        with pytest.raises(CircuitOpenError):
            face.execute_request(once)
        requests = session.requests(service=service)
        metrics = session.metrics(service=service).set_index("operation")
        limits = session.limits().query("service == @service").set_index("kind")
        caches = session.cache_stats().query("cache == @service")
        face.close()
    assert requests["operation"].tolist() == ["bad"] * 3 + ["none", "good", "good"]
    first = requests.iloc[-1]
    assert (first["attempts"], first["status_code"], first["outcome"]) == (2, 200, "ok")
    assert [each.status_code for each in first["trace"].attempts] == [503, 200]
    assert first["backoff_ms"] < first["total_ms"]
    assert requests["cache_tier"].tolist()[-2] == "memory"
    assert requests["error"].tolist()[0] == "CircuitOpenError"
    assert metrics.loc["good", ["calls", "ok", "retries", "cache_hits"]].tolist() == [
        2,
        2,
        1,
        1,
    ]
    assert metrics.loc["bad", "error_rate"] == 1
    assert metrics.loc["none", "errors_by_category"] == {"not_found": 1}
    assert limits.loc["requests", "granted"] == 5
    assert limits.loc["breaker", "state"] == "open"
    assert limits.loc["breaker", "paused_seconds"] > 0
    assert caches[["tier", "hits", "misses"]].values.tolist() == [["memory", 1, 1]]
    assert session.limits().query("service == @service").empty  # it was closed


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda nb: nb.requests(limit=0), "limit is 0; give a whole number from 1"),
        (lambda nb: nb.metrics(window_seconds=-1), "window_seconds is -1"),
        (lambda nb: nb.metrics(window_seconds="all"), "window_seconds is 'all'"),
        (lambda nb: nb.graphql("nowhere", "{ a }"), "base_url is 'nowhere'"),
        (lambda nb: nb.graphql("http://x", "mutation { a }"), "execute_mutation"),
        (lambda nb: nb.graphql("http://x", "", max_pages=0), "max_pages is 0"),
    ],
)
def test_a_bad_argument_is_one_sentence(session: Any, call: Any, message: str) -> None:
    """What cannot be used is said before anything is sent."""
    with pytest.raises(InvalidArgumentError, match=message):
        call(session)


def test_pages_are_followed_into_one_frame(session: Any, library: Any) -> None:
    """All nodes of a connection are rows, whatever the size of a page."""
    frame = session.graphql(library.url, PAGES)
    assert len(frame) == 95
    assert frame.columns.tolist() == ["title", "error"]
    assert frame["error"].isna().all()
    assert (frame.attrs["pages"], frame.attrs["complete"]) == (5, True)
    some = session.graphql(library.url, PAGES, path="books", max_pages=2)
    assert (len(some), some.attrs["complete"]) == (40, False)


def test_an_error_without_data_is_raised(session: Any, library: Any) -> None:
    """Nothing came, so there is no frame to return."""
    with pytest.raises(GraphQLError, match="graphql answered"):
        session.graphql(library.url, "{ noSuchField }")


def test_the_key_of_a_graphql_service_is_shown_nowhere(
    session: Any, library: Any
) -> None:
    """Neither the frame nor the log of requests nor the session holds it."""
    planted = "planted-" + "Hd8Kq2Lz7Wm4Xc9V"
    frame = session.graphql(library.url, PAGES, api_key=planted, max_pages=1)
    shown = f"{frame!r} {frame.attrs} {session!r} {session.requests().to_csv()}"
    assert planted not in shown
