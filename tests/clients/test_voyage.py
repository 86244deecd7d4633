"""The Voyage client over real HTTP, against a strict service."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contexter_nb.clients._voyage import VoyageAIClient
from contexter_nb.core import (
    AuthenticationError,
    ClientClosedError,
    DeadlineExceededError,
    DecodingError,
    EmbedderError,
    HTTPError,
    InvalidArgumentError,
    PermissionDeniedError,
    RateLimitExceededError,
    ServerError,
)
from contexter_nb.policies import APICache, APIMonitor, RateLimitConfig, RetryPolicy
from contexter_nb.retrieval._voyage_embedder import VoyageEmbedder
from tests.clients.voyage_wire import KEY, VoyageWire, quarter, score, vector
from tests.loops import run_really
from tests.world.faults import (
    ByRequest,
    FaultServer,
    Hang,
    HTMLWith200,
    Ok,
    ResetInBody,
    Seen,
    Status,
    fault_server,
)

AT_ONCE = RetryPolicy(
    max_attempts=3, base_seconds=0, throttled_base_seconds=0, max_backoff_seconds=0
)


@asynccontextmanager
async def voyage(
    wire: VoyageWire,
    choose: Callable[[Seen], Any] | None = None,
    **options: Any,
) -> AsyncIterator[tuple[VoyageAIClient, FaultServer]]:
    """Yield a client and the service it asks; `choose` may answer in its place."""

    def play(seen: Seen) -> Any:
        chosen = choose(seen) if choose is not None else None
        return chosen if chosen is not None else wire.behave(seen)

    options.setdefault("tier", None)
    options.setdefault("count_tokens", lambda texts: [quarter(each) for each in texts])
    options.setdefault("monitor", APIMonitor(telemetry=False))
    options.setdefault("retry", AT_ONCE)
    options.setdefault("rng", random.Random(7))
    key = options.pop("key", KEY)
    async with fault_server(ByRequest(play)) as server:
        url = options.pop("base_url", f"{server.url}/v1")
        async with VoyageAIClient(key, base_url=url, **options) as client:
            yield client, server
        assert not server.failures


def texts_of(count: int, words: int = 5) -> list[str]:
    """Return different texts."""
    return [f"text {place} " + "word " * words for place in range(count)]


def expected(texts: list[str], input_type: str | None = None) -> np.ndarray:
    """Return the matrix that these texts have on the wire."""
    return np.stack([vector(each, 256, "float", input_type) for each in texts])


def test_embeddings_come_as_one_matrix_in_the_order_given() -> None:
    """Rows stand in the order of the texts, whatever batches they went in."""

    async def main() -> None:
        wire = VoyageWire()
        texts = texts_of(50)
        async with voyage(wire, max_batch_tokens=100) as (client, _):
            found = await client.generate_embeddings(
                texts, dimension=256, input_type="document"
            )
        assert found.vectors.dtype == np.float32
        assert np.array_equal(found.vectors, expected(texts, "document"))
        assert found.requests == len(wire.bodies) > 1
        assert found.total_tokens == wire.billed == sum(map(quarter, texts))
        assert found.token_counts == tuple(map(quarter, texts))
        assert found.usd == pytest.approx(wire.billed * 0.06 / 1e6)
        assert found.cached == (False,) * 50
        assert (found.model, found.dimension) == ("voyage-4", 256)

    run_really(main())


def test_no_texts_are_an_empty_matrix_and_no_request() -> None:
    """Nothing to embed is no error."""

    async def main() -> None:
        async with voyage(VoyageWire()) as (client, server):
            found = await client.generate_embeddings([])
            assert found.vectors.shape == (0, 1024)
            assert (found.requests, found.total_tokens, found.usd) == (0, 0, 0.0)
            nested = await client.generate_contextualized_embeddings([])
            assert nested.vectors == ()
            ranked = await client.rerank("query", [])
            assert ranked.ranking == ()
            assert server.requests == ()

    run_really(main())


def test_shuffled_rows_are_put_in_order() -> None:
    """An answer is read by its indexes."""

    async def main() -> None:
        texts = texts_of(20)
        wire = VoyageWire(twist=lambda rows: random.Random(7).sample(rows, len(rows)))
        async with voyage(wire) as (client, _):
            found = await client.generate_embeddings(texts, dimension=256)
        assert np.array_equal(found.vectors, expected(texts))

    run_really(main())


@pytest.mark.parametrize(
    "twist",
    [
        lambda rows: rows[:-1],
        lambda rows: [*rows, rows[0]],
        lambda rows: [{**each, "embedding": "AACAPw=="} for each in rows],
        lambda rows: "nothing",
    ],
    ids=["missing", "double", "short", "no list"],
)
def test_answer_that_lacks_vectors_is_an_error_and_not_kept(
    twist: Callable[[Any], Any],
) -> None:
    """Fewer or other vectors than texts never pass for an answer."""

    async def main() -> None:
        async with APICache() as cache:
            wire = VoyageWire(twist=twist)
            async with voyage(wire, cache=cache) as (client, _):
                with pytest.raises(DecodingError):
                    await client.generate_embeddings(texts_of(5), dimension=256)
            assert cache.stats()[0].entries == 0

    run_really(main())


def test_lists_in_place_of_base64_are_read() -> None:
    """A server that answers plain numbers gives the same matrix."""

    async def main() -> None:
        async with voyage(VoyageWire(as_lists=True)) as (client, _):
            found = await client.generate_embeddings(["a", "b"], dimension=256)
        assert np.allclose(found.vectors, expected(["a", "b"]))

    run_really(main())


@pytest.mark.parametrize(
    ("dtype", "kind", "width"),
    [
        ("int8", np.int8, 256),
        ("uint8", np.uint8, 256),
        ("binary", np.int8, 32),
        ("ubinary", np.uint8, 32),
    ],
)
def test_small_types_keep_their_numbers(dtype: Any, kind: Any, width: int) -> None:
    """Whole and packed numbers come as they were sent, at an eighth where packed."""

    async def main() -> None:
        async with voyage(VoyageWire(), cache=APICache()) as (client, _):
            for _ in range(2):  # the second time from the cache
                found = await client.generate_embeddings(
                    ["a", "b"], dimension=256, dtype=dtype
                )
                assert found.vectors.dtype == kind
                assert found.vectors.shape == (2, width)
                rows = [vector(text, 256, dtype) for text in ("a", "b")]
                assert np.array_equal(found.vectors, np.stack(rows))
            assert found.cached == (True, True)

    run_really(main())


def test_fixed_models_are_asked_without_dimension() -> None:
    """An old model answers its own dimension."""

    async def main() -> None:
        async with voyage(VoyageWire(), model="voyage-code-2") as (client, _):
            found = await client.generate_embeddings(["a"])
        assert found.vectors.shape == (1, 1536)

    run_really(main())


def test_unknown_model_takes_its_dimension_from_the_answer() -> None:
    """A model newer than the table works, and its price is unknown, not 0."""

    def choose(seen: Seen) -> Any:
        assert "output_dimension" not in seen.json()
        rows = [{"index": 0, "embedding": [0.0, 1.0, 0.0]}]
        return Ok({"data": rows, "usage": {"total_tokens": 3}})

    async def main() -> None:
        async with voyage(VoyageWire(), choose, model="voyage-9") as (client, _):
            found = await client.generate_embeddings(["a"])
        assert found.vectors.tolist() == [[0.0, 1.0, 0.0]]
        assert (found.dimension, found.usd) == (3, None)

    run_really(main())


def test_key_is_sent_as_a_bearer_and_shown_nowhere() -> None:
    """Every request carries the key; no display does."""

    async def main() -> None:
        async with voyage(VoyageWire()) as (client, server):
            await client.generate_embeddings(["a"], dimension=256)
            sent = [each.headers["authorization"] for each in server.requests]
            assert sent == [f"Bearer {KEY}"]
            shown = f"{client!r} {client.client!r} {vars(client)!r}"
            assert KEY not in shown

    run_really(main())


def test_half_of_the_texts_repeated_are_sent_once() -> None:
    """A repeated text is embedded once and stands in every place it was given."""

    async def main() -> None:
        wire = VoyageWire()
        once = texts_of(40)
        texts = [*once, *reversed(once)]
        async with voyage(wire, max_batch_tokens=60) as (client, _):
            found = await client.generate_embeddings(texts, dimension=256)
        assert sorted(wire.texts) == sorted(once)
        assert np.array_equal(found.vectors, expected(texts))
        assert found.token_counts == tuple(map(quarter, texts))
        assert found.total_tokens == sum(map(quarter, once))

    run_really(main())


def test_batches_keep_to_count_and_tokens_of_the_model() -> None:
    """No request has more than 1,000 texts or more tokens than its model takes."""

    async def main() -> None:
        wire = VoyageWire(batch_tokens=120_000)
        short = [f"t{place}" for place in range(2_500)]
        long = [f"{place} " + "x" * 79_990 for place in range(14)]
        async with voyage(wire, model="voyage-4-large", max_batch_tokens=10**9) as (
            client,
            _,
        ):
            await client.generate_embeddings(short + long, dimension=256)
        assert set(wire.statuses) == {200}
        assert max(len(body["input"]) for body in wire.bodies) == 1_000
        assert len(wire.bodies) == 5

    run_really(main())


def test_batches_are_under_way_together_within_the_bulkhead() -> None:
    """As many as there are connections, and no more."""

    async def main() -> None:
        gate = asyncio.Event()
        wire = VoyageWire()

        class Gated:
            def __init__(self, seen: Seen) -> None:
                self.seen = seen

            async def play(self, exchange: Any) -> None:
                await gate.wait()
                await wire.behave(self.seen).play(exchange)

        async with voyage(wire, Gated, max_batch_tokens=10, max_concurrency=4) as (
            client,
            server,
        ):
            job = asyncio.ensure_future(
                client.generate_embeddings(texts_of(12), dimension=256)
            )
            await server.wait_open(4)
            gate.set()
            await job
            assert server.max_open_requests == 4

    run_really(main())


def test_cached_texts_are_not_asked_for_again(tmp_path: Path) -> None:
    """Another process with the same file sends only what is new, at no cost."""

    async def main() -> None:
        wire = VoyageWire()
        texts = texts_of(30)
        file = tmp_path / "cache.sqlite"
        async with (
            APICache(path=file) as cache,
            voyage(wire, cache=cache) as (client, _),
        ):
            first = await client.generate_embeddings(texts[:20], dimension=256)
        monitor = APIMonitor(telemetry=False)
        async with (
            APICache(path=file) as cache,
            voyage(wire, cache=cache, monitor=monitor, key="pa-another-account0") as (
                client,
                _,
            ),
        ):
            wire.key = "pa-another-account0"
            again = await client.generate_embeddings(texts[:20], dimension=256)
            assert (again.requests, again.total_tokens, again.usd) == (0, 0, 0.0)
            assert again.cached == (True,) * 20
            assert again.token_counts == first.token_counts
            assert np.array_equal(again.vectors, first.vectors)
            more = await client.generate_embeddings(texts, dimension=256)
            assert more.cached == (True,) * 20 + (False,) * 10
            assert np.array_equal(more.vectors, expected(texts))
        assert sorted(wire.texts) == sorted(texts)
        saved = sum(each.saved_tokens for each in monitor.get_metrics())
        assert saved == 2 * first.total_tokens

    run_really(main())


def test_damaged_cache_entry_is_fetched_anew() -> None:
    """Bytes of another length in the cache are no vector."""

    async def main() -> None:
        from contexter_nb.clients._voyage_models import find_model
        from contexter_nb.clients._voyage_plan import EmbeddingPlan
        from contexter_nb.policies import Entry

        plan = EmbeddingPlan(
            model=find_model("voyage-4", "embedding"), asked_dimension=256
        )
        async with APICache() as cache:
            await cache.set(plan.key("a"), Entry(b"xxxx", 60))
            async with voyage(VoyageWire(), cache=cache) as (client, _):
                found = await client.generate_embeddings(["a"], dimension=256)
        assert found.cached == (False,)
        assert np.array_equal(found.vectors, expected(["a"]))

    run_really(main())


def test_failed_batch_leaves_the_finished_ones_in_the_cache() -> None:
    """What was paid for is kept, and a second call sends only the rest."""

    async def main() -> None:
        wire = VoyageWire()
        texts = texts_of(12)
        failing = True

        def choose(seen: Seen) -> Any:
            bad = failing and texts[7] in seen.json()["input"]
            return Status(400, body={"detail": "No."}) if bad else None

        async with (
            APICache() as cache,
            voyage(
                wire, choose, cache=cache, max_batch_tokens=20, max_concurrency=1
            ) as (client, _),
        ):
            with pytest.raises(HTTPError) as raised:
                await client.generate_embeddings(texts, dimension=256)
            notes = " ".join(raised.value.__notes__)
            assert "of 12 texts are in the cache" in notes
            sent = list(wire.texts)
            assert sent
            failing = False
            found = await client.generate_embeddings(texts, dimension=256)
        assert sorted(wire.texts) == sorted(texts)
        assert sum(found.cached) == len(sent)

    run_really(main())


def test_partial_call_gives_errors_by_position() -> None:
    """Empty texts and failed batches are NaN rows with their errors."""

    async def main() -> None:
        texts = texts_of(6)
        texts[2] = " "
        bad = texts[4]

        def choose(seen: Seen) -> Any:
            failing = bad in seen.json()["input"]
            return Status(400, body={"detail": "No."}) if failing else None

        async with voyage(VoyageWire(), choose, max_batch_tokens=5) as (client, _):
            found = await client.generate_embeddings(texts, dimension=256, partial=True)
        assert list(found.errors) == [2, 4]
        assert isinstance(found.errors[2], InvalidArgumentError)
        assert isinstance(found.errors[4], HTTPError)
        nan = np.isnan(found.vectors).all(axis=1)
        assert nan.tolist() == [False, False, True, False, True, False]
        assert found.token_counts[4] == 0

    run_really(main())


def test_partial_call_stops_where_all_would_fail() -> None:
    """A refused key is not shown to the service again for every batch."""

    async def main() -> None:
        async with voyage(
            VoyageWire(key="pa-the-right-one0"), max_batch_tokens=5, max_concurrency=1
        ) as (client, server):
            found = await client.generate_embeddings(
                texts_of(50), dimension=256, partial=True
            )
            assert len(found.errors) == 50
            assert all(
                isinstance(each, AuthenticationError) for each in found.errors.values()
            )
            assert len(server.requests) <= 5

    run_really(main())


def test_empty_texts_are_named_by_position_before_anything_is_sent() -> None:
    """One blank text would have its whole batch refused."""

    async def main() -> None:
        async with voyage(VoyageWire()) as (client, server):
            with pytest.raises(InvalidArgumentError, match=r"1, 3 \(empty or blank\)"):
                await client.generate_embeddings(["a", "", "b", " \n"])
            with pytest.raises(InvalidArgumentError, match="0 .*surrogate"):
                await client.generate_embeddings(["\ud800"])
            with pytest.raises(InvalidArgumentError, match="no text but NoneType"):
                await client.generate_embeddings(["a", None])  # type: ignore[list-item]
            with pytest.raises(InvalidArgumentError, match="give a list of texts"):
                await client.generate_embeddings("a")
            assert server.requests == ()

    run_really(main())


def test_batch_with_too_many_tokens_is_halved_and_sizes_learned() -> None:
    """Counted too low, texts still all come through, and fewer are tried at once."""

    async def main() -> None:
        wire = VoyageWire(batch_tokens=1_000)
        texts = texts_of(200, words=40)
        async with voyage(
            wire,
            max_batch_tokens=1_000,
            max_concurrency=1,
            count_tokens=lambda texts: [quarter(each) // 3 for each in texts],
        ) as (client, _):
            found = await client.generate_embeddings(texts, dimension=256)
            refused = wire.statuses.count(400)
            assert np.array_equal(found.vectors, expected(texts))
            # Five batches were under way when the first was refused.
            assert 0 < refused <= 5 * 3
            await client.generate_embeddings(
                [f"more {each}" for each in texts], dimension=256
            )
            assert wire.statuses.count(400) == refused

    run_really(main())


def test_text_too_long_by_itself_is_named_and_the_others_are_kept() -> None:
    """Halving ends at the one text, whose error names its position."""

    async def main() -> None:
        texts = texts_of(9)
        texts[5] = "x" * 4_100
        wire = VoyageWire(context_tokens=1_000)
        async with APICache() as cache, voyage(wire, cache=cache) as (client, _):
            with pytest.raises(HTTPError, match="^Text 5 has too many") as raised:
                await client.generate_embeddings(texts, dimension=256)
            assert raised.value.status_code == 400
            assert "8 of 9 texts are in the cache" in str(raised.value.__notes__)
            found = await client.generate_embeddings(texts, dimension=256, partial=True)
        assert list(found.errors) == [5]
        assert sum(found.cached) == 8

    run_really(main())


def test_truncation_is_what_the_caller_says() -> None:
    """False by default, so that no text loses its end unseen."""

    async def main() -> None:
        wire = VoyageWire(context_tokens=1_000)
        async with voyage(wire) as (client, _):
            found = await client.generate_embeddings(
                ["x" * 8_000], dimension=256, truncation=True
            )
            await client.generate_embeddings(["y"], dimension=256)
        assert [body["truncation"] for body in wire.bodies] == [True, False]
        assert found.total_tokens == 1_000

    run_really(main())


def test_text_above_the_rate_limit_is_an_error_by_name_and_not_a_loop() -> None:
    """What no wait lets through is refused at once, or cut where that is allowed."""

    async def main() -> None:
        wire = VoyageWire()
        texts = ["a", "x" * 14_000]
        async with voyage(wire, tier="free", count_tokens=None) as (client, server):
            with pytest.raises(InvalidArgumentError, match="Text 1 has about 3,922"):
                await client.generate_embeddings(texts, dimension=256)
            assert server.requests == ()
        async with voyage(wire, tier=None, count_tokens=None) as (client, server):
            await client.generate_embeddings(texts, dimension=256)

    run_really(main())


def test_free_tier_cuts_a_long_text_where_that_is_allowed() -> None:
    """With truncation=True a text is cut to what the account lets through."""

    async def main() -> None:
        wire = VoyageWire()
        async with voyage(wire, tier="free", count_tokens=None) as (client, _):
            found = await client.generate_embeddings(
                ["x" * 14_000], dimension=256, truncation=True
            )
        assert found.vectors.shape == (1, 256)
        assert 11_000 < len(wire.texts[0]) < 14_000

    run_really(main())


def test_account_without_a_card_is_told_so_and_not_tried_again() -> None:
    """Its 429 says that no waiting helps a larger tier, so there is one request."""

    async def main() -> None:
        wire = VoyageWire(
            requests_per_minute=0,
            limit_text="You have not yet added your payment method; 3 RPM and 10K TPM.",
        )
        async with voyage(wire, tier="tier 1") as (client, server):
            with pytest.raises(RateLimitExceededError, match="tier='free'"):
                await client.generate_embeddings(["a"], dimension=256)
            assert len(server.requests) == 1

    run_really(main())


def test_storm_of_429_is_waited_out() -> None:
    """Refusals without Retry-After are tried again."""

    async def main() -> None:
        wire = VoyageWire()

        def choose(seen: Seen) -> Any:
            return Status(429, body={"detail": "slow"}) if seen.number < 3 else None

        async with voyage(wire, choose) as (client, server):
            await client.generate_embeddings(["a"], dimension=256)
            assert len(server.requests) == 3

    run_really(main())


@pytest.mark.parametrize(
    "fault",
    [
        Status(500, body={"detail": "oops"}),
        Status(502, body=b"<html>bad gateway</html>", content_type="text/html"),
        Status(503),
        ResetInBody(),
    ],
    ids=["500", "502 page", "503", "reset"],
)
def test_faults_on_the_way_are_tried_again(fault: Any) -> None:
    """Embedding the same twice does no harm, so that any fault is repeated."""

    async def main() -> None:
        async with voyage(
            VoyageWire(), lambda seen: fault if seen.number == 1 else None
        ) as (client, server):
            found = await client.generate_embeddings(["a"], dimension=256)
            assert np.array_equal(found.vectors, expected(["a"]))
            assert len(server.requests) == 2

    run_really(main())


@pytest.mark.parametrize("status", [400, 422])
def test_refusal_of_the_request_is_not_repeated(status: int) -> None:
    """A bad field is as bad the second time; a list as detail is read, too."""

    async def main() -> None:
        detail = [{"loc": ["body", "input"], "msg": "field required"}]
        async with voyage(
            VoyageWire(), lambda seen: Status(status, body={"detail": detail})
        ) as (client, server):
            with pytest.raises(HTTPError, match="field required"):
                await client.generate_embeddings(["a", "b"], dimension=256)
            assert len(server.requests) == 1

    run_really(main())


def test_page_in_place_of_an_answer_is_a_decoding_error() -> None:
    """A proxy's page with status 200 is not taken for vectors."""

    async def main() -> None:
        async with voyage(VoyageWire(), lambda seen: HTMLWith200()) as (client, _):
            with pytest.raises(DecodingError, match="web page"):
                await client.generate_embeddings(["a"], dimension=256)

    run_really(main())


@pytest.mark.parametrize(
    ("key", "right"),
    [
        ("al-0123456789abcdef", "https://ai.mongodb.com/v1"),
        ("pa-0123456789abcdef", "https://api.voyageai.com/v1"),
    ],
)
def test_403_says_which_base_url_the_key_belongs_to(key: str, right: str) -> None:
    """A key at the other host is refused, and the error says where it belongs."""

    async def main() -> None:
        async with voyage(
            VoyageWire(), lambda seen: Status(403, body={"detail": "no"}), key=key
        ) as (client, server):
            with pytest.raises(PermissionDeniedError) as raised:
                await client.generate_embeddings(["a"], dimension=256)
            assert f"base_url='{right}'" in str(raised.value)
            assert raised.value.trace is not None
            assert key not in str(raised.value)
            assert len(server.requests) == 1

    run_really(main())


def test_cancelled_call_keeps_finished_batches_and_ends_the_rest() -> None:
    """What was answered is in the cache; what was on the wire is broken off."""

    async def main() -> None:
        wire = VoyageWire()
        texts = texts_of(6)

        def choose(seen: Seen) -> Any:
            return Hang() if seen.number > 3 else None

        kept = asyncio.Event()
        async with APICache() as cache:
            async with voyage(
                wire, choose, cache=cache, max_batch_tokens=5, max_concurrency=2
            ) as (client, server):
                job = asyncio.ensure_future(
                    client.generate_embeddings(
                        texts,
                        dimension=256,
                        on_batch=lambda told: kept.set() if told.done == 3 else None,
                    )
                )
                await kept.wait()
                await server.wait_open(2)
                job.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await job
                await server.wait_disconnect(2)
                found = client.client.get_metrics()
                assert found.in_use == found.waiting == 0
            async with voyage(wire, cache=cache) as (client, _):
                again = await client.generate_embeddings(texts, dimension=256)
        assert sum(again.cached) == 3
        assert sorted(wire.texts) == sorted(texts)

    run_really(main())


def test_deadline_of_the_whole_call_keeps_what_is_done() -> None:
    """The time is up for all batches together, and the error says what is kept."""

    async def main() -> None:
        async with (
            APICache() as cache,
            voyage(
                VoyageWire(),
                lambda seen: Hang() if seen.number > 2 else None,
                cache=cache,
                max_batch_tokens=5,
                max_concurrency=1,
            ) as (client, _),
        ):
            with pytest.raises(DeadlineExceededError) as raised:
                await client.generate_embeddings(
                    texts_of(4), dimension=256, deadline_seconds=0.3
                )
        assert "2 of 4 texts are in the cache" in str(raised.value.__notes__)

    run_really(main())


def test_progress_is_told_after_each_batch() -> None:
    """Texts done, tokens and money grow with every batch."""

    async def main() -> None:
        told: list[Any] = []
        async with voyage(VoyageWire(), max_batch_tokens=5) as (client, _):
            found = await client.generate_embeddings(
                texts_of(4), dimension=256, on_batch=told.append
            )
        assert [each.done for each in told] == [1, 2, 3, 4]
        assert told[-1].tokens == found.total_tokens
        assert told[-1].usd == found.usd
        assert {each.total for each in told} == {4}

    run_really(main())


def test_tokens_and_money_reach_the_monitor_and_the_limiter() -> None:
    """The bill of an answer settles what was paid to the limiter in advance."""

    async def main() -> None:
        monitor = APIMonitor(telemetry=False)
        config = RateLimitConfig(
            requests_per_minute=None, tokens_per_minute=600_000, burst_tokens=60_000
        )
        async with voyage(
            VoyageWire(),
            tier=config,
            monitor=monitor,
            count_tokens=lambda texts: [10_000 for _ in texts],
        ) as (client, _):
            found = await client.generate_embeddings(["word " * 400], dimension=256)
            status = client.client.get_metrics().limiter
        assert status is not None
        assert status.dimensions["tokens"].available > 58_000
        (told,) = monitor.get_metrics()
        assert (told.operation, told.tokens) == ("embeddings", found.total_tokens)
        assert told.usd == pytest.approx(found.usd)

    run_really(main())


def test_models_have_limits_of_their_own_within_a_tier() -> None:
    """What one model used up is not missing to another."""

    async def main() -> None:
        async with voyage(VoyageWire(), tier="tier 1") as (client, _):
            await client.generate_embeddings(["a"], dimension=256)
            await client.generate_embeddings(
                ["a"], dimension=256, model="voyage-4-lite"
            )
            limiter = client.client.limiter
            assert limiter is not None
            limits = {
                name: limiter.get_status(name).dimensions["tokens"].limit_per_minute
                for name in ("voyage-4", "voyage-4-lite")
            }
            granted = limiter.get_status("voyage-4-lite").granted
        assert limits == {"voyage-4": 8_000_000, "voyage-4-lite": 16_000_000}
        assert granted == 1

    run_really(main())


def test_health_is_asked_without_spending_tokens() -> None:
    """A GET that is told "no such method" means: there, and the key is taken."""

    async def main() -> None:
        wire = VoyageWire()
        async with voyage(wire, tier="free") as (client, server):
            found = await client.health_check()
            assert (found.healthy, found.service) == (True, "voyage")
            assert [each.method for each in server.requests] == ["GET"]
            status = client.client.get_metrics().limiter
            assert status is not None and status.granted == 0
            wire.key = "pa-revoked-meanwhile"
            found = await client.health_check()
            assert not found.healthy
            assert "401" in found.detail
        assert wire.billed == 0

    run_really(main())


def test_health_tells_a_sick_service_and_a_page() -> None:
    """Neither a 503 nor somebody else's page is the service."""

    async def main() -> None:
        for fault in (Status(503), HTMLWith200()):
            async with voyage(VoyageWire(), lambda seen, f=fault: f) as (client, _):
                assert not (await client.health_check()).healthy

    run_really(main())


def test_post_to_a_path_that_is_not_there_is_an_error() -> None:
    """Only the probe takes "no such path" for an answer."""

    async def main() -> None:
        async with voyage(VoyageWire()) as (client, server):
            wrong = VoyageAIClient(KEY, base_url=f"{server.url}/v2", tier=None)
            with pytest.raises(HTTPError) as raised:
                await wrong.generate_embeddings(["a"], dimension=256)
            assert raised.value.status_code == 404
            await wrong.close()

    run_really(main())


def test_rerank_orders_documents_and_cuts_to_top_k() -> None:
    """The best first, with their places among the documents given."""

    async def main() -> None:
        documents = ["zzz", "join tables", "a table", "keys"]
        wire = VoyageWire()
        async with voyage(wire) as (client, _):
            found = await client.rerank("table", documents, top_k=2)
        scores = [score("table", each) for each in documents]
        best = sorted(range(4), key=lambda place: -scores[place])[:2]
        assert [each.index for each in found.ranking] == best
        assert [each.relevance_score for each in found.ranking] == [
            scores[place] for place in best
        ]
        assert found.total_tokens == wire.billed
        assert found.usd == pytest.approx(wire.billed * 0.02 / 1e6)

    run_really(main())


def test_rerank_of_more_than_a_request_takes_is_put_together() -> None:
    """2,500 documents are ranked as one list."""

    async def main() -> None:
        documents = [f"{place} " + "t" * (place % 17) for place in range(2_500)]
        wire = VoyageWire()
        async with voyage(wire) as (client, _):
            found = await client.rerank("table", documents)
        assert found.requests == len(wire.bodies) == 3
        scores = [score("table", each) for each in documents]
        assert [each.index for each in found.ranking] == sorted(
            range(2_500), key=lambda place: (-scores[place], place)
        )

    run_really(main())


def test_rerank_is_cached_for_free() -> None:
    """The same question costs nothing the second time."""

    async def main() -> None:
        wire = VoyageWire()
        async with APICache() as cache, voyage(wire, cache=cache) as (client, _):
            first = await client.rerank("table", ["a", "b"])
            again = await client.rerank("table", ["a", "b"])
        assert again.ranking == first.ranking
        assert (again.cached, again.total_tokens, again.requests) == (True, 0, 0)
        assert len(wire.bodies) == 1

    run_really(main())


def test_rerank_refuses_what_the_service_would() -> None:
    """Empty documents are named by position, a top_k of 0 means nothing."""

    async def main() -> None:
        async with voyage(VoyageWire()) as (client, server):
            for query, documents, top_k in (
                ("", ["a"], None),
                ("q", ["a", " "], None),
                ("q", ["a"], 0),
            ):
                with pytest.raises(InvalidArgumentError):
                    await client.rerank(query, documents, top_k=top_k)
            assert server.requests == ()

    run_really(main())


def test_contextualized_documents_are_never_divided() -> None:
    """A document's chunks go in one request, in order, and come as one matrix."""

    async def main() -> None:
        documents = [
            [
                f"chunk {place}.{number} " + "word " * 10
                for number in range(place % 4 + 1)
            ]
            for place in range(20)
        ]
        wire = VoyageWire()
        async with (
            APICache() as cache,
            voyage(wire, cache=cache, max_batch_tokens=120) as (client, _),
        ):
            for _ in range(2):
                found = await client.generate_contextualized_embeddings(
                    [*documents, documents[3]], dimension=256, input_type="document"
                )
                for chunks, rows in zip(documents, found.vectors, strict=False):
                    assert np.array_equal(rows, expected(chunks, "document"))
                assert np.array_equal(found.vectors[20], found.vectors[3])
            assert found.cached == (True,) * 21
        sent = [group for body in wire.bodies for group in body["inputs"]]
        assert sorted(sent) == sorted(documents)
        assert len(wire.bodies) > 3

    run_really(main())


def test_contextualized_document_without_a_chunk_is_named() -> None:
    """Positions stand in the error, nothing is sent."""

    async def main() -> None:
        async with voyage(VoyageWire()) as (client, server):
            with pytest.raises(InvalidArgumentError, match=r"1 \(without a chunk\)"):
                await client.generate_contextualized_embeddings([["a"], []])
            with pytest.raises(InvalidArgumentError, match="document 0"):
                await client.generate_contextualized_embeddings(["a"])
            assert server.requests == ()

    run_really(main())


def test_models_are_listed_without_asking() -> None:
    """The service has no list, so that a table answers, with your own prices."""

    async def main() -> None:
        async with voyage(VoyageWire(), prices={"voyage-4": 1.0}) as (client, server):
            models = {each.name: each for each in client.get_models()}
            assert models["voyage-4"].usd_per_million_tokens == 1.0
            assert models["rerank-2.5-lite"].kind == "rerank"
            assert server.requests == ()

    run_really(main())


def test_embedder_gives_unit_rows_and_names_its_model() -> None:
    """The retrieval room asks by model and dimension, documents apart from queries."""

    async def main() -> None:
        async with voyage(VoyageWire()) as (client, _):
            embedder = VoyageEmbedder(client, dimension=256)
            assert embedder.identity == "voyage/voyage-4@256"
            documents = await embedder.embed(["a", "b"], "document")
            queries = await embedder.embed(["a"], "query")
            with pytest.raises(EmbedderError, match="0 .empty"):
                await embedder.embed([""], "document")
        assert np.allclose(np.linalg.norm(documents.vectors, axis=1), 1)
        assert not np.allclose(documents.vectors[0], queries.vectors[0])
        assert documents.token_counts == [1, 1]
        assert documents.usd > 0

    run_really(main())


def test_embedder_passes_on_what_no_smaller_batch_would_change() -> None:
    """A refused key or a sick service is not taken for a bad text."""

    async def main() -> None:
        async with voyage(VoyageWire(), lambda seen: Status(503)) as (client, _):
            with pytest.raises(ServerError):
                await VoyageEmbedder(client, dimension=256).embed(["a"], "document")

    run_really(main())


def test_unset_fields_are_left_out_of_the_request() -> None:
    """No JSON null and no field of another service's shape is sent."""

    async def main() -> None:
        async with voyage(VoyageWire()) as (client, server):
            await client.generate_embeddings(["a"], dimension=256)
            (seen,) = server.requests
        assert json.loads(seen.body) == {
            "input": ["a"],
            "model": "voyage-4",
            "encoding_format": "base64",
            "truncation": False,
            "output_dimension": 256,
        }

    run_really(main())


def test_cancelled_while_keeping_a_batch_keeps_it_first() -> None:
    """What was just answered is stored to its end before the cancellation goes on."""

    class Slow(APICache):
        def __init__(self) -> None:
            super().__init__()
            self.began, self.go = asyncio.Event(), asyncio.Event()

        async def set_many(self, entries: Any) -> None:
            self.began.set()
            await self.go.wait()
            await super().set_many(entries)

    async def main() -> None:
        cache = Slow()
        async with voyage(VoyageWire(), cache=cache) as (client, _):
            job = asyncio.ensure_future(
                client.generate_embeddings(["a", "b"], dimension=256)
            )
            await cache.began.wait()
            job.cancel()
            await asyncio.sleep(0)
            assert not job.done()
            cache.go.set()
            with pytest.raises(asyncio.CancelledError):
                await job
            found = await client.generate_embeddings(["a", "b"], dimension=256)
        assert found.cached == (True, True)

    run_really(main())


def test_error_in_the_callers_own_progress_ends_the_call() -> None:
    """A bug of the callback is raised as it is, and what was answered is kept."""

    async def main() -> None:
        def broken(told: Any) -> None:
            raise KeyError("mine")

        async with (
            APICache() as cache,
            voyage(VoyageWire(), cache=cache) as (
                client,
                _,
            ),
        ):
            with pytest.raises(KeyError, match="mine"):
                await client.generate_embeddings(["a"], dimension=256, on_batch=broken)
            found = await client.generate_embeddings(["a"], dimension=256)
        assert found.cached == (True,)

    run_really(main())


def test_limiter_pauses_and_closes_for_all_models() -> None:
    """A pause without a model and the end are everybody's."""

    async def main() -> None:
        async with voyage(VoyageWire(), tier="tier 1") as (client, _):
            await client.rerank("q", ["a"])
            limiter = client.client.limiter
            assert limiter is not None
            assert limiter.try_acquire({"tokens": 5}, key="rerank-2.5-lite") is not None
            limiter.pause(30, key="rerank-2.5-lite")
            assert limiter.get_status().paused_seconds == 0
            assert limiter.try_acquire(key="rerank-2.5-lite") is None
            assert limiter.try_acquire(key="voyage-4") is not None
            limiter.pause(20)
            assert limiter.try_acquire(key="voyage-4") is None
            await limiter.close()
            for key in ("voyage-4", "rerank-2.5-lite"):
                with pytest.raises(ClientClosedError):
                    await limiter.acquire(key=key)

    run_really(main())


def test_failed_rerank_request_raises_its_own_error() -> None:
    """Of several requests the first failure is raised, not a group of them."""

    async def main() -> None:
        async with voyage(
            VoyageWire(), lambda seen: Status(400, body={"detail": "No."})
        ) as (client, _):
            with pytest.raises(HTTPError, match="No"):
                await client.rerank("q", [f"d{place}" for place in range(1_500)])

    run_really(main())
