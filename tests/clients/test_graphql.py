"""Any GraphQL service is asked rightly, whatever it answers, over real sockets."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from contexter_nb.clients import GraphQLClient
from contexter_nb.core import (
    APIIntegrationError,
    AuthenticationError,
    ClientClosedError,
    ConnectionLostError,
    DecodingError,
    ErrorCategory,
    GraphQLError,
    Headers,
    HTTPError,
    InvalidArgumentError,
    NotFoundError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
    Timeouts,
    WireResponse,
)
from contexter_nb.policies import (
    APICache,
    APIKeyAuthHandler,
    APIMonitor,
    RateLimitConfig,
    RetryPolicy,
    TokenBucketRateLimiter,
    category_of,
)
from contexter_nb.transport import HTTPTransport
from tests.clients.scripted import Scripted, ok, status
from tests.loops import VirtualClock, run, run_really
from tests.world.faults import (
    Behaviour,
    ByRequest,
    CloseBefore,
    Hang,
    HTMLWith200,
    Ok,
    Redirect,
    ResetInBody,
    Seen,
    Status,
    closed_port,
    fault_server,
)
from tests.world.graphql import GraphQLServer, graphql_server
from tests.world.graphql_faults import GRAPHQL_FAULTS, GRAPHQL_JSON, DraftGraphQL
from tests.world.schema import Counts

QUICK = RetryPolicy(base_seconds=0.001, throttled_base_seconds=0.001)
ADD = "mutation { add }"
libraries = pytest.mark.parametrize("library", ["httpx", "httpx2"])
_KEY = "-".join(["made", "up", "0123456789", "abcdef"])


@pytest.fixture(scope="module")
def books() -> Iterator[GraphQLServer]:
    """Give a real server of books to the whole module."""
    with graphql_server() as server:
        yield server


def client_of(url: str, library: str = "httpx", **options: Any) -> GraphQLClient:
    """Return a client over sockets with a monitor of its own."""
    options.setdefault("monitor", APIMonitor(telemetry=False))
    options.setdefault("retry", QUICK)
    transport = HTTPTransport(library=library)
    _transports.append(transport)
    return GraphQLClient(url, transport=transport, **options)


_transports: list[HTTPTransport] = []


def run_to_its_end(main: Coroutine[Any, Any, None]) -> None:
    """Run a test and close the connections that it opened."""

    async def whole() -> None:
        try:
            await main
        finally:
            while _transports:
                await _transports.pop().aclose()

    run_really(whole())


def scripted(*script: Any, **options: Any) -> tuple[GraphQLClient, Scripted]:
    """Return a client in virtual time, and the sender that plays for it."""
    sender = Scripted(*script)
    clock = VirtualClock()
    numbers = itertools.count(1)
    options.setdefault("monitor", APIMonitor(clock=clock, telemetry=False))
    client = GraphQLClient(
        "https://api.example.org/graphql",
        transport=sender,
        clock=clock,
        rng=random.Random(7),
        make_id=lambda: f"id-{next(numbers)}",
        **options,
    )
    return client, sender


def throttled(*, executed: bool = False, **extensions: Any) -> dict[str, Any]:
    """Return the body of an answer that says that a limit is used up."""
    said = {"message": "slow down", "extensions": {"code": "THROTTLED", **extensions}}
    return {"errors": [said], **({"data": None} if executed else {})}


@libraries
def test_a_query_is_answered_by_a_real_server(
    books: GraphQLServer, library: str
) -> None:
    """Data arrives, by either HTTP library, and the trace tells of one attempt."""

    async def main() -> None:
        client = client_of(books.url, library)
        result = await client.execute_query(
            "query Hi($name: String!) { hello(name: $name) }", {"name": "Ü"}
        )
        assert result.data == {"hello": "Hello, Ü!"}
        assert (result.errors, result.partial) == ((), False)
        assert result.response.operation == "Hi"
        assert len(result.response.trace.attempts) == 1

    run_to_its_end(main())


def test_only_the_keys_of_the_draft_are_sent_and_none_is_null() -> None:
    """The body has the set ones of query, operationName, variables, extensions."""

    async def main() -> None:
        client, sender = scripted(ok({"data": {"a": 1}}))
        document = "query A { a } query B { b }"
        await client.execute_query("{ a }")
        await client.execute_query("{ a }", {}, extensions={})
        await client.execute_query(
            document, {"x": None}, operation_name="B", extensions={"trace": True}
        )
        bodies = [json.loads(each.content) for each in sender.requests]
        assert bodies[:2] == [{"query": "{ a }"}] * 2
        assert bodies[2] == {
            "query": document,
            "operationName": "B",
            "variables": {"x": None},
            "extensions": {"trace": True},
        }

    run(main())


def test_both_media_types_are_accepted_the_new_one_first() -> None:
    """Accept names GraphQL's own media type and JSON; a caller's own one is kept."""

    async def main() -> None:
        client, sender = scripted(ok({"data": {"a": 1}}))
        await client.execute_query("{ a }")
        (request,) = sender.requests
        accept = "application/graphql-response+json, application/json;q=0.9"
        assert request.headers["accept"] == accept
        assert request.headers["content-type"] == "application/json"
        assert request.method == "POST"
        client, sender = scripted(ok({"data": {}}), headers={"accept": "text/json"})
        await client.execute_query("{ a }")
        assert sender.requests[0].headers["accept"] == "text/json"

    run(main())


@libraries
@pytest.mark.parametrize("legacy", [False, True])
def test_partial_data_is_kept_beside_its_errors(library: str, legacy: bool) -> None:
    """With 294 as with 200, what could be answered is there, and so is the error."""

    async def main() -> None:
        async with fault_server(DraftGraphQL(legacy=legacy)) as server:
            client = client_of(server.url, library)
            result = await client.execute_query("{ hello broken }")
            assert result.data == {"hello": "Hello, world!", "broken": None}
            assert result.partial
            assert result.errors[0]["path"] == ["broken"]
            assert result.response.status_code == (200 if legacy else 294)
            with pytest.raises(GraphQLError, match="the shelf fell over") as raised:
                await client.execute_query("{ hello broken }", on_errors="raise")
            assert raised.value.data == result.data
            assert raised.value.executed
            assert raised.value.request_id
            assert raised.value.trace is not None

    run_to_its_end(main())


@pytest.mark.parametrize(
    ("query", "variables", "code", "executed"),
    [
        ("{ nothing }", None, 422, False),
        ("query Q($id: ID!) { node(id: $id) { id } }", {"id": [1]}, 422, False),
        ("{ hello(name: ) }", None, 400, False),
        ("{ brokenHard }", None, 294, True),
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_a_refusal_says_what_the_service_said(
    query: str, variables: Any, code: int, executed: bool, legacy: bool
) -> None:
    """Errors without data are GraphQLError, whatever the status, and sent once."""

    async def main() -> None:
        async with fault_server(DraftGraphQL(legacy=legacy)) as server:
            client = client_of(server.url)
            with pytest.raises(GraphQLError) as raised:
                await client.execute_query(query, variables)
            assert raised.value.executed is executed
            assert raised.value.data is None
            assert raised.value.errors[0]["message"].rstrip(".") in str(raised.value)
            assert (raised.value.service, len(server.requests)) == ("graphql", 1)
            (call,) = client.client.monitor.requests()  # type: ignore[union-attr]
            assert call.status_code == (200 if legacy else code)
            assert (call.outcome, call.error_type) == ("error", "GraphQLError")

    run_to_its_end(main())


def test_an_older_server_refuses_with_400_in_plain_json(books: GraphQLServer) -> None:
    """Plain JSON with status 400 that lists errors is GraphQL's answer, too."""

    async def main() -> None:
        client = client_of(books.url)
        with pytest.raises(
            GraphQLError, match="Cannot query field 'nothing'"
        ) as raised:
            await client.execute_query("{ nothing }")
        assert not raised.value.executed
        assert category_of(raised.value) is ErrorCategory.VALIDATION

    run_to_its_end(main())


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("a page of a gateway", ServerError, "502"),
        ("a page with 200", DecodingError, "web page"),
        ("errors of a proxy", ServerError, "upstream is away"),
        ("throttled with 429", RateLimitedError, "429"),
        ("unauthenticated with 401", AuthenticationError, "check the key"),
        ("errors with data of null", GraphQLError, "it went wrong"),
        ("errors with data of null and 200", GraphQLError, "it went wrong"),
        ("errors that are a text", DecodingError, "does not speak GraphQL"),
        ("errors that are texts", GraphQLError, "it went wrong"),
        ("neither data nor errors", DecodingError, "no GraphQL answer"),
        ("an empty object", DecodingError, "no GraphQL answer"),
        ("an empty body", DecodingError, "no GraphQL answer"),
        ("a list", DecodingError, "no GraphQL answer"),
        ("a number", DecodingError, "no GraphQL answer"),
        ("cut JSON", DecodingError, "not what it says"),
        ("an unknown persisted document", GraphQLError, "it went wrong"),
        ("a login page", HTTPError, "points to /login"),
    ],
)
@libraries
def test_every_odd_answer_is_a_typed_error_in_one_sentence(
    name: str, error: type[APIIntegrationError], said: str, library: str
) -> None:
    """What gateways and odd services answer becomes the error that it means."""

    async def main() -> None:
        async with fault_server(GRAPHQL_FAULTS[name]) as server:
            client = client_of(
                server.url, library, retry=RetryPolicy(max_attempts=1), breaker=None
            )
            with pytest.raises(error, match=said) as raised:
                await client.execute_query("query Named { a }")
            assert "\n" not in str(raised.value)
            assert "Named" in str(raised.value)
            assert raised.value.service == "graphql"
            assert raised.value.request_id

    run_to_its_end(main())


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("errors of null", {"a": 1}),
        ("no errors in the list of errors", {}),
        ("data without a type", {"a": 1}),
        ("data of null without errors", None),
    ],
)
def test_harmless_oddities_are_answers(name: str, data: Any) -> None:
    """Null or empty errors, and a missing content type, are no failure."""

    async def main() -> None:
        async with fault_server(GRAPHQL_FAULTS[name]) as server:
            result = await client_of(server.url).execute_query("{ a }")
            assert (result.data, result.errors) == (data, ())

    run_to_its_end(main())


def test_a_list_of_errors_that_is_empty_without_data_is_no_answer() -> None:
    """Neither data nor an error: nothing can be made of it."""

    async def main() -> None:
        client, _ = scripted(ok({"errors": []}))
        with pytest.raises(DecodingError, match="neither data nor an error"):
            await client.execute_query("{ a }")

    run(main())


@pytest.mark.parametrize(
    "body",
    [{"errors": [{"message": "x"}]}, {"errors": [{"status": "404", "title": "no"}]}],
)
def test_plain_json_of_another_status_is_a_proxys(body: Any) -> None:
    """A 404 in plain JSON is about the URL and not about the document."""

    async def main() -> None:
        client, _ = scripted(status(404, body))
        with pytest.raises(NotFoundError, match="check the name and the base URL"):
            await client.execute_query("{ a }")

    run(main())


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"errors": "x"}', b"[" * 100_000])
def test_a_refusal_that_is_no_graphql_is_an_http_error(content: bytes) -> None:
    """Status 400 with another body than a list of errors keeps its status."""

    async def main() -> None:
        fields = Headers({"Content-Type": GRAPHQL_JSON})
        client, sender = scripted(WireResponse(400, fields, content))
        with pytest.raises(HTTPError, match="400") as raised:
            await client.execute_query("{ a }")
        assert (raised.value.status_code, len(sender.requests)) == (400, 1)

    run(main())


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("UNAUTHENTICATED", ErrorCategory.AUTHENTICATION),
        ("FORBIDDEN", ErrorCategory.PERMISSION),
        ("INTERNAL_SERVER_ERROR", ErrorCategory.SERVER_ERROR),
        ("BAD_USER_INPUT", ErrorCategory.VALIDATION),
    ],
)
def test_a_code_in_the_errors_says_which_kind_it_is(
    books: GraphQLServer, code: str, category: ErrorCategory
) -> None:
    """What extensions.code says counts in the category, and in the metrics."""

    async def main() -> None:
        monitor = APIMonitor(telemetry=False)
        client = client_of(books.url, monitor=monitor)
        query = "query R($code: String!) { refused(code: $code) hello }"
        result = await client.execute_query(query, {"code": code})
        assert result.errors[0]["extensions"]["code"] == code
        with pytest.raises(GraphQLError) as raised:
            await client.execute_query(query, {"code": code}, on_errors="raise")
        assert category_of(raised.value) is category

    run_to_its_end(main())


def test_refused_credentials_are_counted_as_such() -> None:
    """UNAUTHENTICATED with status 200 is an error of authentication in the metrics."""

    async def main() -> None:
        monitor = APIMonitor(telemetry=False)
        async with fault_server(GRAPHQL_FAULTS["unauthenticated with 200"]) as server:
            client = client_of(server.url, monitor=monitor)
            with pytest.raises(GraphQLError):
                await client.execute_query("{ a }")
            assert len(server.requests) == 1
        (metrics,) = monitor.get_metrics(service="graphql")
        assert metrics.errors == 1
        assert metrics.to_dict()["errors_by_category"] == {"authentication": 1}

    run_to_its_end(main())


# What may be sent again


def changing(counts: Counts, then: Behaviour) -> Behaviour:
    """Return a service that executes what it is told, and then behaves badly."""
    draft = DraftGraphQL(counts)

    class Executing:
        async def play(self, exchange: Any) -> None:
            await draft._answer(exchange.seen)
            await then.play(exchange)

    return Executing()


LOSSES: dict[str, tuple[Behaviour, type[APIIntegrationError]]] = {
    "closed": (CloseBefore(), ConnectionLostError),
    "cut": (ResetInBody(), ConnectionLostError),
    "silent": (Hang(), RequestTimeoutError),
    "unavailable": (Status(503), ServerError),
}


@pytest.mark.parametrize("loss", LOSSES)
@libraries
def test_a_mutation_is_never_executed_twice(loss: str, library: str) -> None:
    """A mutation whose answer was lost is not sent again: it may have been executed."""

    async def main() -> None:
        counts = Counts()
        bad, error = LOSSES[loss]
        plan = changing(counts, bad)
        async with fault_server(plan, DraftGraphQL(counts)) as server:
            client = client_of(server.url, library, timeouts=Timeouts(read_seconds=0.3))
            with pytest.raises(error):
                await client.execute_mutation(ADD)
            assert (counts.mutations, len(server.requests)) == (1, 1)

    run_to_its_end(main())


@pytest.mark.parametrize("loss", LOSSES)
def test_a_mutation_with_an_idempotency_key_is_sent_again(loss: str) -> None:
    """The same key goes with every attempt, by which the service knows it again."""

    async def main() -> None:
        counts = Counts()
        async with fault_server(
            changing(counts, LOSSES[loss][0]), DraftGraphQL(counts)
        ) as server:
            client = client_of(server.url, timeouts=Timeouts(read_seconds=0.3))
            result = await client.execute_mutation(ADD, idempotency_key="order-7")
            assert result.data == {"add": 2}
            keys = [each.headers["idempotency-key"] for each in server.requests]
            assert keys == ["order-7", "order-7"]

    run_to_its_end(main())


@pytest.mark.parametrize("loss", LOSSES)
def test_a_query_is_sent_again_though_it_is_a_post(loss: str) -> None:
    """A query only reads, so a lost answer is asked for again."""

    async def main() -> None:
        async with fault_server(LOSSES[loss][0], DraftGraphQL()) as server:
            client = client_of(server.url, timeouts=Timeouts(read_seconds=0.3))
            result = await client.execute_query("{ hello }")
            assert result.data == {"hello": "Hello, world!"}
            assert len(server.requests) == 2

    run_to_its_end(main())


def test_a_mutation_is_tried_again_where_nothing_was_sent() -> None:
    """Where no connection was made, nothing can have been executed."""

    async def main() -> None:
        with closed_port() as port:
            client = client_of(f"http://127.0.0.1:{port}/graphql")
            with pytest.raises(APIIntegrationError) as raised:
                await client.execute_mutation(ADD)
        assert raised.value.trace is not None
        assert len(raised.value.trace.attempts) == RetryPolicy().max_attempts

    run_to_its_end(main())


@pytest.mark.parametrize("legacy", [False, True])
def test_a_mutation_that_failed_after_its_effect_says_so(legacy: bool) -> None:
    """Data of null means that it was executed; it is told, and never sent again."""

    async def main() -> None:
        counts = Counts()
        async with fault_server(DraftGraphQL(counts, legacy=legacy)) as server:
            client = client_of(server.url)
            with pytest.raises(GraphQLError, match="may have changed") as raised:
                await client.execute_mutation("mutation { addAndFail }")
            assert raised.value.executed
            assert (counts.mutations, len(server.requests)) == (1, 1)
            with pytest.raises(GraphQLError) as refused:
                await client.execute_mutation("mutation { addNothing }")
            assert not refused.value.executed
            assert "changed" not in str(refused.value)

    run_to_its_end(main())


def test_a_redirected_mutation_is_not_followed() -> None:
    """A redirect may make a GET of it or send it twice, so it is an error."""

    async def main() -> None:
        async with fault_server(
            paths={"/a": Redirect("/b", 307), "/b": DraftGraphQL()}
        ) as server:
            client = client_of(f"{server.url}/a")
            with pytest.raises(HTTPError, match="307"):
                await client.execute_mutation(ADD)
            result = await client.execute_query("{ hello }")
            assert result.data == {"hello": "Hello, world!"}

    run_to_its_end(main())


# Limits said in the answer


def limiter_of(clock: VirtualClock | None = None) -> TokenBucketRateLimiter:
    """Return a limit that would not be felt."""
    config = RateLimitConfig(requests_per_minute=6_000, burst_size=100)
    return TokenBucketRateLimiter(config, clock=clock or VirtualClock())


@pytest.mark.parametrize(
    "code", ["THROTTLED", "RATE_LIMITED", "rate-limited", "TOO_MANY_REQUESTS"]
)
def test_a_throttled_query_waits_and_is_asked_again(code: str) -> None:
    """A limit that is said with status 200 is retried after the wait it asks for."""

    async def main() -> None:
        said = throttled(retryAfter=5)
        said["errors"][0]["extensions"]["code"] = code
        limiter = limiter_of()
        client, sender = scripted(ok(said), ok({"data": {"a": 1}}), limiter=limiter)
        result = await client.execute_query("{ a }")
        assert result.data == {"a": 1}
        assert 5 <= sender.waits[0] <= 5.6

    run(main())


def test_a_throttled_query_makes_everybody_wait() -> None:
    """The limiter is paused for all who share it, as with status 429."""

    async def main() -> None:
        limiter = limiter_of()
        client, sender = scripted(
            ok(throttled(executed=True, retryAfter=5)),
            ok({"data": {"a": 1}}),
            limiter=limiter,
        )
        first = asyncio.ensure_future(client.execute_query("{ a }"))
        await asyncio.sleep(0.5)
        assert limiter.get_status().paused_seconds == pytest.approx(4.5, abs=0.1)
        await asyncio.gather(first, client.execute_query("{ a }"))
        assert sender.at[1] - sender.at[0] >= 5
        assert sender.at[2] - sender.at[0] >= 5

    run(main())


def test_the_wait_may_stand_in_the_header() -> None:
    """Retry-After counts where the error itself says nothing."""

    async def main() -> None:
        client, sender = scripted(
            ok(throttled(), retry_after="3"), ok({"data": {"a": 1}})
        )
        await client.execute_query("{ a }")
        assert 3 <= sender.waits[0] <= 3.4

    run(main())


@pytest.mark.parametrize(
    "wait", [True, -1, "soon", None, 10**400, [], {}], ids=lambda wait: str(wait)[:6]
)
def test_a_wait_that_is_none_is_passed_over(wait: Any) -> None:
    """Where the wait is no number of seconds, the wait is one of our own choice."""

    async def main() -> None:
        body = throttled(retryAfter=wait)
        client, sender = scripted(ok(body), ok({"data": {"a": 1}}))
        try:
            await client.execute_query("{ a }")
        except DecodingError:
            assert wait == 10**400  # a number that no decoder has to take
        else:
            assert sender.waits[0] <= 5

    run(main())


def test_limits_used_up_for_good_are_told() -> None:
    """After the last attempt it is RateLimitedError, with the wait asked for."""

    async def main() -> None:
        client, sender = scripted(
            ok(throttled(retryAfter=1)), retry=RetryPolicy(max_attempts=3)
        )
        with pytest.raises(RateLimitedError, match="slow down") as raised:
            await client.execute_query("query Q { a }")
        assert len(sender.requests) == 3
        assert raised.value.retry_after_seconds == 1
        assert category_of(raised.value) is ErrorCategory.RATE_LIMIT

    run(main())


def test_a_throttled_mutation_is_sent_again_only_if_it_was_not_executed() -> None:
    """Without data nothing was executed; with data of null something may have been."""

    async def main() -> None:
        limiter = limiter_of()
        client, sender = scripted(
            ok(throttled(executed=True)), ok({"data": {"add": 1}}), limiter=limiter
        )
        with pytest.raises(GraphQLError, match="may have changed"):
            await client.execute_mutation(ADD)
        assert len(sender.requests) == 1
        client, sender = scripted(ok(throttled()), ok({"data": {"add": 1}}))
        assert (await client.execute_mutation(ADD)).data == {"add": 1}
        assert len(sender.requests) == 2

    run(main())


def test_throttled_parts_beside_data_are_partial_data() -> None:
    """Where some data came, the call is not repeated."""

    async def main() -> None:
        body = {**throttled(), "data": {"a": 1, "b": None}}
        client, sender = scripted(ok(body))
        assert (await client.execute_query("{ a b }")).partial
        assert len(sender.requests) == 1

    run(main())


# Persisted documents, GET, arguments


def test_a_persisted_document_goes_by_its_id() -> None:
    """The id takes the place of the query; both or none are refused."""

    async def main() -> None:
        client, sender = scripted(ok({"data": {"a": 1}}))
        document_id = "sha256:" + "0" * 64
        await client.execute_query(document_id=document_id, variables={"x": 1})
        await client.execute_mutation(document_id=document_id, operation_name="M")
        bodies = [json.loads(each.content) for each in sender.requests]
        assert bodies == [
            {"documentId": document_id, "variables": {"x": 1}},
            {"documentId": document_id, "operationName": "M"},
        ]
        with pytest.raises(InvalidArgumentError, match="one of them"):
            await client.execute_query("{ a }", document_id=document_id)
        with pytest.raises(InvalidArgumentError, match="one of them"):
            await client.execute_query()

    run(main())


def test_the_document_is_sent_as_it_is() -> None:
    """Not a character of it changes, so that its hash stays what it was."""

    async def main() -> None:
        document = "# Ü\n query  Q\r\n{\ta,,, }  "
        client, sender = scripted(ok({"data": {"a": 1}}))
        await client.execute_query(document)
        assert json.loads(sender.requests[0].content)["query"] == document

    run(main())


@libraries
def test_a_short_query_may_go_by_get(books: GraphQLServer, library: str) -> None:
    """Variables are JSON in the URL; a query too long for a URL goes by POST."""

    async def main() -> None:
        client = client_of(books.url, library)
        query = "query Q($name: String) { hello(name: $name) }"
        before = len(books.requests)
        for name in ("a&b=ü", "x" * 3_000, "ü" * 500):
            result = await client.execute_query(query, {"name": name}, use_get=True)
            assert result.data == {"hello": f"Hello, {name}!"}
        methods = [method for method, _ in books.requests[before:]]
        assert methods == ["GET", "POST", "POST"]

    run_to_its_end(main())


def test_a_mutation_never_goes_by_get() -> None:
    """There is no way to send one by GET, and as a query it is refused unsent."""

    async def main() -> None:
        client, sender = scripted(ok({"data": {"add": 1}}))
        with pytest.raises(InvalidArgumentError, match="execute_mutation"):
            await client.execute_query(ADD, use_get=True)
        await client.execute_mutation(ADD)
        assert [each.method for each in sender.requests] == ["POST"]

    run(main())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("mutation { a }",), "send it with execute_mutation"),
        (("subscription { a }",), "not answered over plain HTTP"),
        (("",), "is empty"),
        ((7,), "is an int"),
        (("{ a }", [1]), "variables is a list"),
        (("{ a }", {"x": {1}}), "cannot be written as JSON"),
        (("{ a }", {"x": float("nan")}), "cannot be written as JSON"),
    ],
)
@pytest.mark.parametrize("use_get", [False, True])
def test_what_cannot_be_sent_is_refused_before_it_is(
    arguments: Any, said: str, use_get: bool
) -> None:
    """Arguments are checked here, in one sentence, and nothing is sent."""

    async def main() -> None:
        client, sender = scripted()
        with pytest.raises(InvalidArgumentError, match=said):
            await client.execute_query(*arguments, use_get=use_get)
        assert sender.requests == []

    run(main())


def test_other_arguments_are_checked_too() -> None:
    """A query sent as a mutation, odd options: one sentence each, nothing sent."""

    async def main() -> None:
        client, sender = scripted()
        with pytest.raises(InvalidArgumentError, match="send it with execute_query"):
            await client.execute_mutation("{ a }")
        with pytest.raises(InvalidArgumentError, match="use 'keep' or 'raise'"):
            await client.execute_query("{ a }", on_errors="ignore")  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentError, match="extensions is a list"):
            await client.execute_query("{ a }", extensions=[])  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentError, match="operation_name is an int"):
            await client.execute_query("{ a }", operation_name=1)  # type: ignore[arg-type]
        assert sender.requests == []

    run(main())


@pytest.mark.parametrize(
    ("given", "asked", "shown"),
    [
        ("/graphql", "/graphql", "/graphql"),
        ("/api/graphql/", "/api/graphql/", "/api/graphql/"),
        ("/graphql?api-version=1", "/graphql?api-version=1", "/graphql"),
        ("/?tenant=a", "/?tenant=a", ""),
        ("", "/", ""),
    ],
)
def test_the_url_is_asked_as_it_was_given(given: str, asked: str, shown: str) -> None:
    """A slash or a query at its end is part of the address; a query is not shown."""

    async def main() -> None:
        async with fault_server(Ok({"data": {"a": 1}})) as server:
            client = client_of(f"{server.url}{given}")
            await client.execute_query("{ a }")
            await client.execute_query("{ a }", use_get=True)
            await client.health_check()
            targets = [each.target for each in server.requests]
            assert targets[0] == targets[2]
            assert targets[0] in (asked, asked.replace("/?", "?"))
            assert targets[1].startswith(targets[0])
            assert client.url == f"{server.url}{shown}"
            assert "tenant" not in repr(client)

    run_to_its_end(main())


# Cache, health, secrets


def test_a_cached_query_is_sent_once() -> None:
    """Queries read, so their answers may be kept; each caller gets a copy."""

    async def main() -> None:
        async with APICache() as cache:
            client, sender = scripted(ok({"data": {"a": [1]}}), cache=cache)
            first = await client.execute_query("{ a }", cache_ttl_seconds=60)
            assert first.data is not None
            first.data["a"].append(2)
            second = await client.execute_query("{ a }", cache_ttl_seconds=60)
            assert second.data == {"a": [1]}
            assert second.response.cached
            await client.execute_query("{ a }", {"x": 1}, cache_ttl_seconds=60)
            await client.execute_query("{ a }")
            assert len(sender.requests) == 3

    run(main())


@pytest.mark.parametrize(
    "bad",
    [
        {"errors": [{"message": "down"}]},
        {"data": None, "errors": [{"message": "down"}]},
        {"data": {"a": None}, "errors": [{"message": "down", "path": ["a"]}]},
    ],
)
def test_an_answer_with_errors_is_not_kept(bad: Any) -> None:
    """What failed once is asked for again, and does not fail for an hour."""

    async def main() -> None:
        async with APICache() as cache:
            client, sender = scripted(ok(bad), ok({"data": {"a": 1}}), cache=cache)
            try:
                result = await client.execute_query("{ a }", cache_ttl_seconds=3_600)
                assert result.partial
            except GraphQLError:
                assert bad.get("data") is None
            again = await client.execute_query("{ a }", cache_ttl_seconds=3_600)
            assert again.data == {"a": 1}
            assert len(sender.requests) == 2
            kept = await client.execute_query("{ a }", cache_ttl_seconds=3_600)
            assert kept.response.cached

    run(main())


def test_health_is_what_the_service_says() -> None:
    """It is asked for a type's name; a refusal in words is not healthy."""

    async def main() -> None:
        async with fault_server(DraftGraphQL()) as server:
            client = client_of(server.url)
            assert (await client.health_check()).healthy
            assert server.requests[0].json() == {"query": "{ __typename }"}
            for behaviour in (
                GRAPHQL_FAULTS["unauthenticated with 200"],
                HTMLWith200(),
                Status(503),
            ):
                server.script(behaviour)
                found = await client.health_check()
                assert not found.healthy
                assert found.detail

    run_to_its_end(main())


def test_a_closed_client_says_so() -> None:
    """After its block a client is refused, and its metrics can still be read."""

    async def main() -> None:
        client, _ = scripted(ok({"data": {"a": 1}}))
        async with client as same:
            assert same is client
            await client.execute_query("query Q { a }")
        assert client.client.closed
        assert "closed" in repr(client)
        with pytest.raises(ClientClosedError):
            await client.execute_query("{ a }")
        (operation,) = client.get_metrics().operations
        assert (operation.operation, operation.calls) == ("Q", 1)

    run(main())


def test_a_credential_is_shown_nowhere(books: GraphQLServer) -> None:
    """A service that echoes the key leaks it into no message, repr or traceback."""

    def echo(seen: Seen) -> Behaviour:
        said = seen.headers["authorization"]
        error = {"message": f"no access with {said}\n\x1b[31m", "path": ["a", said]}
        body = {"data": {"b": said}, "errors": [error]}
        if seen.json()["query"] == "{ a }":
            del body["data"]
        return Status(200, body=body, content_type=GRAPHQL_JSON)

    async def main() -> None:
        async with fault_server(ByRequest(echo)) as server:
            client = client_of(server.url, auth=APIKeyAuthHandler(_KEY))
            with pytest.raises(GraphQLError) as raised:
                await client.execute_query("{ a }")
            result = await client.execute_query("{ b }")
            shown = [
                str(raised.value),
                repr(raised.value),
                "\n".join(raised.value._render_traceback_()),
                repr(result),
                repr(client),
                repr(client.client.monitor.requests()),  # type: ignore[union-attr]
            ]
            assert not [each for each in shown if _KEY in each]
            assert "\x1b" not in str(raised.value)
            assert result.data is not None
            assert _KEY in result.data["b"]  # what was answered is the caller's

    run_to_its_end(main())


def test_long_and_many_errors_are_told_in_short() -> None:
    """A megabyte of words and a thousand errors still make one sentence."""

    async def main() -> None:
        errors = [
            {"message": "word " * 200_000, "path": ["x" * 10_000] * 1_000}
        ] * 1_000
        client, _ = scripted(ok({"errors": errors[:1] + [{"message": "x"}] * 999}))
        with pytest.raises(GraphQLError, match=r"and 999 more") as raised:
            await client.execute_query("{ a }")
        assert len(str(raised.value)) < 500
        assert len(raised.value.errors) == 1_000

    run(main())


def test_one_client_is_used_from_many_calls_at_once(books: GraphQLServer) -> None:
    """Answers go to those who asked."""

    async def main() -> None:
        client = client_of(books.url)
        results = await asyncio.gather(
            *(
                client.execute_query(
                    "query Q($name: String) { hello(name: $name) }", {"name": str(at)}
                )
                for at in range(30)
            )
        )
        said = [each.data["hello"] for each in results if each.data]
        assert said == [f"Hello, {at}!" for at in range(30)]

    run_to_its_end(main())


def test_ok_is_whatever_the_fault_server_says() -> None:
    """A status 294 with errors and data is an answer, and no HTTP error."""

    async def main() -> None:
        async with fault_server(
            Ok({"data": {"a": 1}}, content_type=GRAPHQL_JSON + "; charset=utf-8")
        ) as server:
            result = await client_of(server.url).execute_query("{ a }")
            assert result.data == {"a": 1}

    run_to_its_end(main())
