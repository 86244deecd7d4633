"""A session shows what the API core did, and asks any GraphQL service for a frame."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import contexter_nb as cx
from contexter_nb.clients import APIClient, open_clients
from contexter_nb.core import (
    APIIntegrationError,
    APIRequest,
    CircuitOpenError,
    GraphQLError,
    InvalidArgumentError,
    NotFoundError,
    ServerError,
)
from contexter_nb.frames import KINDS
from contexter_nb.notebook import Cards
from contexter_nb.policies import (
    APICache,
    BreakerConfig,
    RateLimitConfig,
    RetryPolicy,
    TokenBucketRateLimiter,
)
from contexter_nb.sandbox import Sandbox, sandbox
from tests.dashboards.records import call, failure
from tests.fixtures import ROOT
from tests.notebook.frame import assert_kind
from tests.notebook.markup import read
from tests.notebook.sentence import refusal
from tests.world.faults import (
    ByRequest,
    FaultServer,
    Ok,
    Seen,
    Sequence,
    Status,
    fault_server_in_thread,
)
from tests.world.graphql import BOOKS, GraphQLServer, graphql_server
from tests.world.graphql_faults import endless_pages

TABLES = ("requests", "metrics", "alerts", "limits", "cache_stats")
QUICK = RetryPolicy(base_seconds=0.001, throttled_base_seconds=0.001)
_KEY = "-".join(["made", "up", "0123456789", "abcdef"])
_numbers = itertools.count(1)
ALL_BOOKS = """query Books($after: String) {
  books(first: 20, after: $after) {
    nodes { id title pages } pageInfo { hasNextPage endCursor }
  }
}"""
QUERY = "query Q($after: String) { all(after: $after) { nodes { id } } }"


@pytest.fixture(scope="module")
def nb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give one session to the whole module."""
    with cx.connect(home=tmp_path_factory.mktemp("home")) as opened:
        yield opened


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Give a sandbox with the catalog."""
    with sandbox("catalog") as opened:
        yield opened


@pytest.fixture(scope="module")
def books() -> Iterator[GraphQLServer]:
    """Give a real GraphQL server of books."""
    with graphql_server() as server:
        yield server


def named() -> str:
    """Return a service name of its own, since all share the process's monitor."""
    return f"verbs-{next(_numbers)}"


def client_of(url: str, **options: Any) -> tuple[str, Any]:
    """Return a name and a synchronous client of that name, told to the monitor."""
    name = named()
    options.setdefault("retry", QUICK)
    return name, cx.sync(APIClient(name, url, **options))


def rows_of(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the rows of a service."""
    return frame[frame["service"] == name].reset_index(drop=True)


# What the API core did


@pytest.mark.parametrize("verb", TABLES)
def test_columns_are_fixed_without_any_rows(nb: Any, verb: str) -> None:
    """Before anything happened, a table has all its columns with their dtypes."""
    of_nobody = {"service": "nobody"} if verb in ("requests", "metrics") else {}
    frame = getattr(nb, verb)(**of_nobody)
    assert_kind(frame, verb)
    if of_nobody:
        assert frame.empty


def test_a_call_is_a_row(nb: Any, box: Sandbox) -> None:
    """What was asked, where, how it ended, and where the time went, in ms."""
    name, client = client_of(box.services["catalog"] + "/v1")
    with client:
        client.execute_request(APIRequest(endpoint="/libraries", operation="list"))
        with pytest.raises(NotFoundError):
            client.execute_request(APIRequest(endpoint="/libraries/nothing"))
    frame = nb.requests(service=name)
    assert_kind(frame, "requests")
    assert frame["operation"].tolist() == ["/libraries/nothing", "list"]
    assert frame["outcome"].tolist() == ["error", "ok"]
    assert frame["status_code"].tolist() == [404, 200]
    assert frame["error"].tolist()[0] == "NotFoundError"
    assert frame["category"].tolist()[0] == "not_found"
    assert frame["error"].isna().tolist() == [False, True]
    assert frame["host"].tolist() == [box.url.removeprefix("http://")] * 2
    first = frame.iloc[1]
    assert 0 < first["network_ms"] <= first["total_ms"] < 60_000
    assert first["response_bytes"] > 100
    assert first["attempts"] == len(first["trace"].attempts) == 1
    assert abs(pd.Timestamp.now("UTC") - first["started_at"]) < pd.Timedelta("1h")
    assert frame["request_id"].is_unique


def test_retries_are_seen_with_their_waits(nb: Any, box: Sandbox) -> None:
    """A job that fails twice is three attempts and two waits, in one row."""
    name, client = client_of(
        box.services["catalog"] + "/v1", retry=RetryPolicy(base_seconds=0.05)
    )
    with client:
        client.execute_request(APIRequest(endpoint=f"/unstable/{name}"))
    (row,) = nb.requests(service=name).to_dict("records")
    assert (row["attempts"], row["outcome"]) == (3, "ok")
    waits = [each.backoff_seconds for each in row["trace"].attempts]
    assert row["backoff_ms"] == pytest.approx(1_000 * sum(waits))
    assert row["total_ms"] >= row["backoff_ms"] + row["network_ms"] - 1
    (counted,) = nb.metrics(service=name).to_dict("records")
    assert (counted["calls"], counted["ok"], counted["errors"]) == (1, 1, 0)
    assert (counted["attempts"], counted["retries"]) == (3, 2)
    assert counted["backoff_seconds"] == pytest.approx(sum(waits), abs=1e-6)
    assert counted["p50_ms"] == pytest.approx(row["total_ms"], rel=0.1)


def test_errors_are_counted_by_their_kind(nb: Any) -> None:
    """Each operation has a row: calls, errors by category, the share of errors."""
    with fault_server_in_thread(Status(503), Ok({}), Status(404), Ok({})) as server:
        name, client = client_of(server.url, retry=RetryPolicy(max_attempts=1))
        with client:
            for error in (ServerError, None, NotFoundError, None):
                request = APIRequest(endpoint="/a", operation="ask")
                if error is None:
                    client.execute_request(request)
                else:
                    with pytest.raises(error):
                        client.execute_request(request)
    frame = nb.metrics(service=name)
    assert_kind(frame, "metrics")
    (row,) = frame.to_dict("records")
    assert (row["service"], row["operation"], row["calls"]) == (name, "ask", 4)
    assert row["error_rate"] == pytest.approx(0.5)
    assert row["errors_by_category"] == {"unavailable": 1, "not_found": 1}
    assert nb.metrics(window_seconds=60, service=name)["calls"].tolist() == [4]


def test_a_pause_that_the_service_asked_for_is_seen(nb: Any) -> None:
    """After 429 the limit is paused for all, which the table says in seconds."""
    refused = Status(429, (("Retry-After", "30"),), {"error": "too much"})
    limiter = TokenBucketRateLimiter(
        RateLimitConfig(requests_per_minute=600, tokens_per_minute=6_000)
    )
    with fault_server_in_thread(Ok({}), refused) as server:
        name, client = client_of(
            server.url, limiter=limiter, retry=RetryPolicy(max_attempts=1)
        )
        with client:
            client.execute_request(APIRequest(cost={"tokens": 100}))
            before = nb.limits()
            with pytest.raises(APIIntegrationError):
                client.execute_request(APIRequest())
            after = nb.limits()
    assert_kind(after, "limits")
    one = rows_of(before, name)
    assert one["kind"].tolist() == ["requests", "tokens", "breaker"]
    assert one["state"].tolist() == ["free", "free", "closed"]
    assert one["limit_per_minute"].tolist()[:2] == [600, 6_000]
    assert one["limit_per_minute"].isna().tolist() == [False, False, True]
    assert one["granted"].tolist() == [1, 1, 1]
    assert (one["available"] <= one["burst"]).tolist()[:2] == [True, True]
    two = rows_of(after, name)
    assert two["state"].tolist() == ["paused", "paused", "closed"]
    assert 25 < two["paused_seconds"].iloc[0] <= 30
    (row,) = nb.requests(limit=1, service=name).to_dict("records")
    assert (row["category"], row["status_code"]) == ("rate_limit", 429)


def test_waiting_for_a_limit_is_told_in_its_unit(nb: Any, box: Sandbox) -> None:
    """ms in the row of a call, seconds in the sums."""  # noqa: D403
    limiter = TokenBucketRateLimiter(
        RateLimitConfig(requests_per_minute=600, burst_size=1)
    )
    name, client = client_of(box.services["catalog"] + "/v1", limiter=limiter)
    with client:
        for _ in range(3):
            client.execute_request(APIRequest(endpoint="/libraries", operation="list"))
        waited = rows_of(nb.limits(), name)["waited_seconds"].iloc[0]
    in_rows = nb.requests(service=name)["limiter_wait_ms"].sum()
    in_sums = nb.metrics(service=name)["limiter_wait_seconds"].sum()
    assert 0.05 < in_sums < 10
    assert in_rows == pytest.approx(1_000 * in_sums, rel=0.01)
    assert waited == pytest.approx(in_sums, rel=0.2)


def test_an_open_breaker_is_seen_and_raises_an_alert(nb: Any) -> None:
    """Its host, its state, its failures, and when it will be tried again."""
    with fault_server_in_thread(Status(500)) as server:
        name, client = client_of(
            server.url,
            retry=RetryPolicy(max_attempts=1),
            breaker=BreakerConfig(minimum_calls=3),
        )
        with client:
            for _ in range(3):
                with pytest.raises(ServerError):
                    client.execute_request(APIRequest())
            with pytest.raises(CircuitOpenError):
                client.execute_request(APIRequest())
            (row,) = rows_of(nb.limits(), name).to_dict("records")
            alerts = nb.alerts()
    assert (row["kind"], row["state"]) == ("breaker", "open")
    assert row["key"] == server.url.removeprefix("http://")
    assert row["paused_seconds"] > 0
    assert row["refused"] == 3
    assert_kind(alerts, "alerts")
    (alert,) = rows_of(alerts, name).to_dict("records")
    assert (alert["kind"], alert["state"]) == ("breaker_open", "open")
    assert alert["message"].endswith(".")
    assert pd.isna(alert["closed_at"])
    (refused,) = nb.requests(limit=1, service=name).to_dict("records")
    assert refused["error"] == "CircuitOpenError"
    assert pd.isna(refused["status_code"])
    assert refused["network_ms"] == 0


def test_open_alerts_come_first(nb: Any) -> None:
    """Whatever their times, what is open stands above what is over."""
    states = nb.alerts()["state"].tolist()
    assert states == sorted(states, reverse=True)


def test_an_alert_says_whether_it_is_of_this_session(nb: Any, tmp_path: Path) -> None:
    """The kernel is watched as a whole; a new session is not told that it was wrong."""
    service = f"sick-{next(_numbers)}"
    wall = nb._verbs.clock.wall()
    with cx.connect(home=tmp_path) as later:
        for number in range(40):
            made = failure(number, service=service, started_at=wall)
            nb._verbs.remote.booking.record(made)
        (mine,) = rows_of(nb.alerts(), service).to_dict("records")
        (others,) = rows_of(later.alerts(), service).to_dict("records")
        assert (mine["own"], others["own"]) == (True, False)
        assert mine["message"] == others["message"]
        later._verbs.remote.booking.record(call(service=service, started_at=wall))
        assert rows_of(later.alerts(), service)["own"].tolist() == [True]


def test_cache_hits_are_counted_with_their_lookups(nb: Any, box: Sandbox) -> None:
    """A row per tier of each cache in use; a hit costs no attempt and saves time."""
    cache = APICache()
    name, client = client_of(box.services["catalog"] + "/v1", cache=cache)
    with client:
        for _ in range(4):
            client.execute_request(
                APIRequest(endpoint="/libraries", cache_ttl_seconds=60)
            )
        frame = nb.cache_stats()
    assert_kind(frame, "cache_stats")
    assert frame["cache"].iloc[0] == "answers"
    assert frame["cache"].iloc[-1] == "embeddings"
    (row,) = frame[frame["cache"] == name].to_dict("records")
    assert (row["tier"], row["hits"], row["entries"]) == ("memory", 3, 1)
    assert row["lookups"] == row["hits"] + row["misses"] + row["stale"]
    assert row["hit_rate"] == pytest.approx(row["hits"] / row["lookups"])
    assert 0 < row["stored_bytes"] <= row["budget_bytes"]
    assert row["saved_seconds"] > 0
    calls = nb.requests(service=name)
    assert calls["attempts"].tolist() == [0, 0, 0, 1]
    assert calls["cache_tier"].tolist()[:3] == ["memory"] * 3
    assert calls["cache_tier"].isna().tolist() == [False, False, False, True]
    (counted,) = nb.metrics(service=name).to_dict("records")
    assert (counted["calls"], counted["cache_hits"], counted["attempts"]) == (4, 3, 1)


def test_only_one_service_is_shown_where_it_is_named(nb: Any, box: Sandbox) -> None:
    """The filter is by the exact name; the limit counts after it."""
    name, client = client_of(box.services["catalog"] + "/v1")
    other, second = client_of(box.services["catalog"] + "/v1")
    with client, second:
        for each in (client, second, client, second):
            each.execute_request(APIRequest(endpoint="/libraries"))
    assert nb.requests(service=name)["service"].tolist() == [name] * 2
    assert nb.requests(limit=1, service=other)["service"].tolist() == [other]
    assert nb.metrics(service=name)["service"].tolist() == [name]
    assert nb.requests(limit=3)["service"].tolist() == [other, name, other]


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("requests", {"limit": 0}),
        ("requests", {"limit": -1}),
        ("requests", {"limit": 1.5}),
        ("requests", {"limit": True}),
        ("requests", {"limit": "10"}),
        ("requests", {"service": 7}),
        ("requests", {"service": ["a"]}),
        ("metrics", {"window_seconds": 0}),
        ("metrics", {"window_seconds": -1}),
        ("metrics", {"window_seconds": 3_601}),
        ("metrics", {"window_seconds": float("nan")}),
        ("metrics", {"window_seconds": "60"}),
        ("metrics", {"window_seconds": True}),
        ("metrics", {"service": 7}),
    ],
)
def test_arguments_are_refused_in_a_sentence(
    nb: Any, verb: str, arguments: dict[str, Any]
) -> None:
    """What cannot be meant is told, with what would do."""
    told = refusal(lambda: getattr(nb, verb)(**arguments))
    assert told.startswith(next(iter(arguments)))


@pytest.mark.parametrize("verb", TABLES)
def test_tables_can_be_written_and_read(nb: Any, box: Sandbox, verb: str) -> None:
    """CSV and JSON hold every row, and JSON holds numbers as numbers."""
    limiter = TokenBucketRateLimiter(RateLimitConfig(requests_per_minute=6_000))
    name, client = client_of(
        box.services["catalog"] + "/v1", limiter=limiter, cache=APICache()
    )
    with client:
        client.execute_request(APIRequest(endpoint="/libraries", cache_ttl_seconds=9))
        with pytest.raises(NotFoundError):
            client.execute_request(APIRequest(endpoint="/nothing"))
        frame = getattr(nb, verb)()
    column = "cache" if verb == "cache_stats" else "service"
    assert verb == "alerts" or name in frame[column].tolist()
    records = json.loads(frame.to_json(orient="records", date_format="iso"))
    assert len(records) == len(frame)
    assert [each[column] for each in records] == frame[column].tolist()
    back = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    assert back.columns.tolist() == list(KINDS[verb].names)
    assert len(back) == len(frame)
    assert frame.to_html()


def test_the_log_is_bounded(nb: Any) -> None:
    """A thousand calls are kept at most, however many are asked for."""
    with fault_server_in_thread(Ok({})) as server:
        name, client = client_of(server.url)
        with client:
            for _ in range(20):
                client.execute_request(APIRequest())
    assert len(nb.requests(limit=5, service=name)) == 5
    assert len(nb.requests(limit=1_000_000)) <= 1_000


def test_the_coroutines_say_the_same(nb: Any, box: Sandbox) -> None:
    """Plain or awaited: the same rows."""
    name, client = client_of(box.services["catalog"] + "/v1")
    with client:
        client.execute_request(APIRequest(endpoint="/libraries"))
    plain = nb.requests(service=name)
    awaited = asyncio.run(nb.aio.requests(service=name))
    pd.testing.assert_frame_equal(plain, awaited)


NESTED_SCRIPT = """
import sys
import contexter_nb as cx
home, url, query, *tables = sys.argv[1:]
with cx.connect(home=home, bridge="nested") as nb:
    for verb in tables:
        getattr(nb, verb)()
    print(nb.graphql(url, query).to_json(orient="split"))
"""


def test_the_nested_bridge_says_the_same(
    tmp_path: Path, nb: Any, books: GraphQLServer
) -> None:
    """Over the other bridge, which patches a whole process: the same rows."""
    done = subprocess.run(
        [sys.executable, "-c", NESTED_SCRIPT, str(tmp_path), books.url, ALL_BOOKS]
        + list(TABLES),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    expected = nb.graphql(books.url, ALL_BOOKS).to_json(orient="split")
    assert done.stdout.strip() == expected


# Any GraphQL service as a frame


def paging(*steps: Any) -> Any:
    """Return a server on a thread that plays these answers, one a request."""
    return fault_server_in_thread(
        default=Sequence(
            [Ok(each) if isinstance(each, dict) else each for each in steps]
        )
    )


def page(*ids: str, end: str | None = None, **beside: Any) -> dict[str, Any]:
    """Return the body of a page, the last one without an end."""
    info = {"hasNextPage": end is not None, "endCursor": end}
    nodes = [{"id": each} for each in ids]
    return {"data": {"all": {"nodes": nodes, "pageInfo": info}}, **beside}


def test_all_pages_are_one_frame(nb: Any, books: GraphQLServer) -> None:
    """The only list is found, its pages are followed, fields are columns."""
    frame = nb.graphql(books.url, ALL_BOOKS)
    assert frame.columns.tolist() == ["id", "title", "pages", "error"]
    assert frame["id"].tolist() == [f"book-{at}" for at in range(1, BOOKS + 1)]
    assert str(frame["pages"].dtype) == "Int64"
    assert frame["error"].isna().all()
    assert frame.attrs == {
        "url": books.url,
        "pages": 5,
        "complete": True,
        "errors": (),
    }
    same = asyncio.run(nb.aio.graphql(books.url, ALL_BOOKS, path="books"))
    pd.testing.assert_frame_equal(frame, same)


def test_an_answer_without_a_list_is_one_row(nb: Any, books: GraphQLServer) -> None:
    """Nested fields are columns by dotted paths."""
    query = 'query N($id: ID!) { node(id: $id) { id title } hello(name: "you") }'
    frame = nb.graphql(books.url, query, {"id": "book-7"})
    assert frame.to_dict("records")[0] | {"error": None} == {
        "node.id": "book-7",
        "node.title": "Volume 7",
        "hello": "Hello, you!",
        "error": None,
    }


def test_errors_stand_in_the_rows_they_concern(nb: Any, books: GraphQLServer) -> None:
    """By the path of each error; what concerns no row is in attrs."""
    query = """query Q { books(first: 3) { nodes { id lost } pageInfo { hasNextPage } }
      broken }"""
    frame = nb.graphql(books.url, query, path="books", max_pages=1)
    assert frame["error"].str.contains("has no such page").all()
    assert frame.attrs["errors"] == ("the shelf fell over (at broken)",)
    assert frame.attrs["complete"] is False


def test_pages_end_where_they_are_told_to(nb: Any) -> None:
    """With max_pages, attrs say that there would be more."""
    with fault_server_in_thread(endless_pages(same_cursor=False)) as server:
        frame = nb.graphql(server.url, QUERY, max_pages=3)
    assert len(frame) == len(server.requests) == 3
    assert (frame.attrs["pages"], frame.attrs["complete"]) == (3, False)


def test_it_says_where_completeness_is_unknown(nb: Any) -> None:
    """A connection without pageInfo may have more, and nobody knows."""
    with paging({"data": {"all": {"nodes": [{"id": 1}]}}}) as server:
        frame = nb.graphql(server.url, QUERY)
    assert frame.attrs["complete"] is None


@pytest.mark.parametrize(
    "later",
    [
        Status(404),
        {"errors": [{"message": "gone"}]},
        {"data": {"all": None}, "errors": [{"message": "gone"}]},
        page("b", end="x"),
    ],
)
def test_a_later_page_that_fails_costs_no_row(nb: Any, later: Any) -> None:
    """Rows that came are given, and attrs say what happened and that it is not all."""
    with paging(page("a", end="x"), later) as server:
        frame = nb.graphql(server.url, QUERY)
    assert frame["id"].iloc[0] == "a"
    assert frame.attrs["complete"] is False
    assert frame.attrs["failure"].split(":")[0] in (
        "NotFoundError",
        "GraphQLError",
        "DecodingError",
    )


@pytest.mark.parametrize(
    ("answer", "error"),
    [(Status(404), NotFoundError), ({"errors": [{"message": "no"}]}, GraphQLError)],
)
def test_a_first_page_that_fails_is_an_error(nb: Any, answer: Any, error: Any) -> None:
    """Where nothing came, there is no frame to take for an empty one."""
    with paging(answer) as server, pytest.raises(error):
        nb.graphql(server.url, QUERY)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"query": "{ a"}, "not closed"),
        ({"query": "mutation { a }"}, "execute_mutation"),
        ({"query": 7}, "give its source"),
        ({"variables": [1]}, "variables is a list"),
        ({"path": 7}, "path is an int"),
        ({"path": "nothing"}, "there is: a, b"),
        ({"path": None}, "several lists; choose one"),
        ({"url": 7}, "url is an int"),
        ({"url": None}, "url is None"),
        ({"url": "ftp://x.org"}, "base_url is"),
        ({"url": "https://me:secret-of-mine@x.org/graphql"}, "a user or a password"),
        ({"max_pages": 0}, "max_pages is 0"),
        ({"cache_seconds": 0}, "cache_seconds is 0"),
        ({"cache_seconds": "1"}, "cache_seconds is '1'"),
        ({"api_key": ""}, "key"),
        ({"api_key": 7}, "key"),
    ],
)
def test_what_cannot_be_asked_is_told_in_a_sentence(
    nb: Any, arguments: dict[str, Any], said: str
) -> None:
    """Each argument that cannot be used is named, and a password is not shown."""
    with paging({"data": {"a": [1], "b": {"nodes": [2]}}}) as server:
        asked = {"url": server.url, "query": QUERY, **arguments}
        told = refusal(lambda: nb.graphql(**asked))
    assert said in told
    assert "secret-of-mine" not in told


def test_a_key_is_sent_and_shown_nowhere(nb: Any) -> None:
    """It is on the wire, and in no repr, table, frame, message or traceback."""

    def echo(seen: Seen) -> Any:
        said = seen.headers["authorization"]
        if "b" in seen.json()["query"]:
            return Status(500, body={"error": f"no access with {said}"})
        return Ok({"data": {"a": 1}, "errors": [{"message": f"no {said}"}]})

    with fault_server_in_thread(ByRequest(echo)) as server:
        frame = nb.graphql(server.url, "{ a }", api_key=_KEY)
        with pytest.raises(ServerError) as raised:
            nb.graphql(server.url, "{ b }", api_key=_KEY)
        assert server.requests[0].headers["authorization"] == f"Bearer {_KEY}"
    shown = [
        repr(nb),
        nb._repr_html_(),
        repr(nb.aio),
        repr(open_clients()),
        frame.to_csv(),
        repr(frame.attrs),
        str(raised.value),
        "".join(raised.value._render_traceback_()),
        nb.requests().to_csv(),
        nb.requests().to_json(date_format="iso"),
        repr(nb.requests()["trace"].tolist()),
        nb.metrics().to_csv(),
        nb.limits().to_csv(),
        nb.cache_stats().to_csv(),
    ]
    assert not [each for each in shown if _KEY in each]


def test_one_client_serves_one_service_and_account(
    nb: Any, books: GraphQLServer
) -> None:
    """The same is used again; another key is another client; old ones are closed."""

    def count() -> int:
        return sum(each.service == "graphql" for each in open_clients())

    nb.graphql(books.url, "{ hello }")
    before = count()
    for _ in range(3):
        nb.graphql(books.url, "{ hello }")
    assert count() == before
    nb.graphql(books.url, "{ hello }", api_key=_KEY)
    assert count() == before + 1
    for number in range(25):
        nb.graphql(f"{books.url}?n={number}", "{ hello }")
    assert count() <= 20
    assert nb.graphql(books.url, "{ hello }").shape == (1, 2)


def test_a_client_in_use_outlives_its_place(tmp_path: Path) -> None:
    """A long call goes on, though twenty other services were asked meanwhile."""
    with graphql_server() as slow, cx.connect(home=tmp_path) as other:

        async def main() -> pd.DataFrame:
            long = asyncio.ensure_future(
                other.aio.graphql(slow.url, "{ slow(seconds: 1.0) }")
            )
            await asyncio.gather(
                *(
                    other.aio.graphql(f"{slow.url}?n={number}", "{ hello }")
                    for number in range(25)
                )
            )
            return await long

        assert asyncio.run(main())["slow"].tolist() == ["at last"]


def test_pages_come_from_the_cache_where_that_is_asked(nb: Any) -> None:
    """The second time costs no request; failures are not kept."""
    with paging(page("a", end="x"), page("b"), page("c")) as server:
        first = nb.graphql(server.url, QUERY, cache_seconds=60)
        second = nb.graphql(server.url, QUERY, cache_seconds=60)
        assert len(server.requests) == 2
        pd.testing.assert_frame_equal(first, second)
        assert nb.graphql(server.url, QUERY)["id"].tolist() == ["c"]


def test_hostile_words_are_shown_as_words(nb: Any) -> None:
    """Markup in values, errors and field names does nothing in HTML, nor in cards."""
    evil = '<script>alert(1)</script><img src=x onerror="a()">'
    body = {
        "data": {"all": [{"id": evil, evil: {"x": evil}, "list": [evil]}]},
        "errors": [{"message": evil, "path": ["all", 0, evil]}],
    }
    with paging(body) as server:
        frame = nb.graphql(server.url, "{ all { id } }")
    shown = frame.to_html() + str(frame._repr_html_())
    assert "<script" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;" in shown
    hits = pd.DataFrame(
        {
            "rank": [1],
            "score": [0.5],
            "library": frame["id"],
            "version": [evil],
            "title": frame["id"],
            "aliases": [(evil,)],
            "kind": [evil],
            "text": frame["error"],
            "dense_rank": [1],
            "text_rank": [1],
            "url": [f"javascript:{evil}"],
            "chunk_id": [evil],
        }
    )
    assert "<script>" in read(Cards(hits).to_html()).text


def test_many_errors_are_told_in_short(nb: Any) -> None:
    """attrs hold a hundred of them at most."""  # noqa: D403
    errors = [{"message": f"error {at}"} for at in range(5_000)]
    with paging({"data": {"all": [{"id": 1}]}, "errors": errors}) as server:
        frame = nb.graphql(server.url, "{ all { id } }")
    assert len(frame.attrs["errors"]) == 100


def test_calls_of_graphql_are_in_the_log(nb: Any, books: GraphQLServer) -> None:
    """By the operation's name, with the kind that the errors say."""
    nb.graphql(books.url, "query Greeting { hello }")
    with pytest.raises(GraphQLError):
        nb.graphql(books.url, "query Hard { brokenHard }")
    calls = nb.requests(limit=2, service="graphql")
    assert calls["operation"].tolist() == ["Hard", "Greeting"]
    assert calls["outcome"].tolist() == ["error", "ok"]
    assert calls["status_code"].tolist() == [400, 200]
    assert calls["category"].tolist()[0] == "server_error"


def test_a_mistake_needs_no_service(nb: Any) -> None:
    """A document that cannot be sent opens no connection."""
    with paging(Ok({})) as server:
        assert isinstance(server, FaultServer)
        with pytest.raises(InvalidArgumentError):
            nb.graphql(server.url, "subscription { a }")
        assert server.requests == ()
