"""The pure parts of the Voyage client."""

from __future__ import annotations

import base64

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from contexter_nb.clients._voyage_auth import ATLAS_URL, VOYAGE_URL, VoyageAIAuthHandler
from contexter_nb.clients._voyage_calibration import Calibration
from contexter_nb.clients._voyage_decode import read_documents, read_vectors
from contexter_nb.clients._voyage_models import find_model, voyage_models
from contexter_nb.clients._voyage_packing import BatchPacker, pack, shares
from contexter_nb.clients._voyage_plan import EmbeddingPlan
from contexter_nb.clients._voyage_rerank import rerank_parts
from contexter_nb.clients._voyage_tiers import checked_tier, rate_limit
from contexter_nb.clients._voyage_tokens import count_tokens, cut_to_tokens
from contexter_nb.core import DecodingError, InvalidArgumentError
from contexter_nb.retrieval import StaticEmbedder

sizes = st.lists(st.integers(0, 50), max_size=60)


@given(sizes, st.integers(1, 8), st.integers(1, 60))
def test_packing_keeps_order_and_limits_and_loses_nothing(
    tokens: list[int], most: int, limit: int
) -> None:
    """Batches hold every position once, in order, and only a lone one is too large."""
    batches = pack(tokens, max_items=most, max_tokens=limit)
    assert [place for batch in batches for place in batch] == list(range(len(tokens)))
    for batch in batches:
        assert 1 <= len(batch) <= most
        assert len(batch) == 1 or sum(tokens[place] for place in batch) <= limit


@given(sizes, st.integers(1, 60))
def test_packing_is_greedy_when_it_could_hold_more(
    tokens: list[int], limit: int
) -> None:
    """The first item of a batch did not fit into the one before."""
    batches = pack(tokens, max_items=1_000, max_tokens=limit)
    for before, after in zip(batches, batches[1:], strict=False):
        assert sum(tokens[place] for place in (*before, after[0])) > limit


def test_packing_bounds_units_where_items_have_several() -> None:
    """Documents are not put together beyond the chunks a request may hold."""
    packer: BatchPacker[str] = BatchPacker(10, 1_000, max_units=5)
    items = ("a", 3), ("b", 2), ("c", 1)
    given_back = [packer.add(name, 1, units) for name, units in items]
    assert given_back == [None, None, ["a", "b"]]
    assert packer.flush() == ["c"]


@given(st.integers(0, 10**7), st.lists(st.integers(1, 10**5), min_size=1, max_size=50))
def test_shares_of_a_bill_add_up_to_it(total: int, weights: list[int]) -> None:
    """Each text's share is its proportion, to a token, and nothing is left over."""
    parts = shares(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - total * weight / sum(weights)) <= 1


PLAIN = [
    "Join two tables on a key column, and keep the rows that have no partner.",
    "def merge(left, right, how='inner', on=None):\n    return left.join(right)\n",
    "The quick brown fox jumps over the lazy dog. " * 40,
    "| name | 2024 | 2025 |\n|---|---:|---:|\n| north | 1,204.5 | 1,377.25 |\n",
    "A consulta deve ser decidida pela comissão até ao fim do mês de março.",
    "表を結合する方法と、キーのない行の扱い。",
    "Zwei Tabellen über eine gemeinsame Spalte verknüpfen.",
]


def test_count_is_not_below_a_real_tokenizer_of_small_vocabulary() -> None:
    """Prose, code, tables and other languages are counted too high, not too low."""
    real = [len(each) for each in StaticEmbedder().tokens(PLAIN)]
    assert all(
        ours >= theirs for ours, theirs in zip(count_tokens(PLAIN), real, strict=True)
    )


def test_count_stays_near_for_english_prose() -> None:
    """Batches of prose are filled to more than 60 % of what they may hold."""
    real = [len(each) for each in StaticEmbedder().tokens(PLAIN[2:3])]
    assert count_tokens(PLAIN[2:3])[0] * 0.6 < real[0]


@given(st.lists(st.text(max_size=40), max_size=20))
def test_count_of_texts_does_not_depend_on_their_neighbours(texts: list[str]) -> None:
    """Counting together is counting one by one."""
    assert count_tokens(texts) == [count_tokens([each])[0] for each in texts]


@given(st.text(max_size=200), st.integers(3, 60))
def test_cut_is_the_longest_beginning_that_fits(text: str, most: int) -> None:
    """What is left fits, and one more character would not."""
    cut = cut_to_tokens(text, most)
    assert text.startswith(cut)
    assert count_tokens([cut])[0] <= most
    if cut != text:
        assert count_tokens([text[: len(cut) + 1]])[0] > most


def test_calibration_trusts_a_low_bill_only_after_some_answers() -> None:
    """Two answers do not make batches larger; one that was short makes them smaller."""
    learned = Calibration()
    learned.observe(counted=1_000, billed=500)
    learned.observe(counted=1_000, billed=500)
    assert learned.ratio == 1.0
    learned.observe(counted=1_000, billed=600)
    assert learned.ratio == pytest.approx(0.63)
    learned.observe(counted=1_000, billed=1_500)
    assert learned.ratio == pytest.approx(1.575)


def test_calibration_ignores_small_and_unbilled_batches() -> None:
    """A query of three words says nothing about documents."""
    learned = Calibration()
    for _ in range(5):
        learned.observe(counted=20, billed=1)
        learned.observe(counted=1_000, billed=0)
    assert learned.ratio == 1.0


def encoded(row: list[float]) -> str:
    """Return a row as base64."""
    return base64.b64encode(np.asarray(row, "<f4")).decode()


def answer(*rows: tuple[int, object], tokens: object = 5) -> dict[str, object]:
    """Return an answer with these rows."""
    data = [{"index": index, "embedding": row} for index, row in rows]
    return {"data": data, "usage": {"total_tokens": tokens}}


def test_rows_are_put_in_the_order_of_their_index() -> None:
    """The order of the answer's rows is nobody's promise."""
    data = answer((1, encoded([3, 4])), (0, encoded([1, 2])))
    found = read_vectors(data, count=2, dimension=2, dtype="float")
    assert found.cells == [
        np.array([1, 2], "<f4").tobytes(),
        np.array([3, 4], "<f4").tobytes(),
    ]
    assert (found.tokens, found.dimension) == (5, 2)


def test_plain_numbers_do_for_base64() -> None:
    """A server that ignores encoding_format is read all the same."""
    found = read_vectors(answer((0, [1, 2.5])), count=1, dimension=None, dtype="float")
    assert found.cells == [np.array([1, 2.5], "<f4").tobytes()]


@pytest.mark.parametrize(
    "data",
    [
        answer((0, encoded([1, 2]))),
        answer((0, encoded([1, 2])), (0, encoded([1, 2]))),
        answer((0, encoded([1, 2])), (2, encoded([1, 2]))),
        answer((0, encoded([1, 2])), (-1, encoded([1, 2]))),
        answer((0, encoded([1, 2])), (1, encoded([1, 2])), (2, encoded([1, 2]))),
        answer((0, encoded([1, 2])), (1, encoded([1]))),
        answer((0, encoded([1, 2])), (1, encoded([1, float("nan")]))),
        answer((0, encoded([1, 2])), (1, "not base64!")),
        answer((0, encoded([1, 2])), (1, None)),
        answer((0, encoded([1, 2])), (1, encoded([1, 2])), tokens="many"),
        {"data": [{"embedding": encoded([1, 2])}, {"embedding": encoded([1, 2])}]},
        {"detail": "hello"},
        [],
        None,
        "text",
    ],
)
def test_answer_that_is_not_what_was_asked_for_is_an_error(
    data: object,
) -> None:
    """Missing, double, foreign, short and unreadable rows never become vectors."""
    with pytest.raises(DecodingError):
        read_vectors(data, count=2, dimension=2, dtype="float")


def test_whole_numbers_are_checked_where_they_come_as_a_list() -> None:
    """An int8 of 300 would wrap round unseen."""
    with pytest.raises(DecodingError, match="int8"):
        read_vectors(answer((0, [1, 300])), count=1, dimension=2, dtype="int8")


def test_missing_chunk_of_a_document_is_a_decoding_error() -> None:
    """Documents of an answer are checked down to their chunks."""
    rows = [{"index": 0, "embedding": encoded([1, 2])}]
    data = {"data": [{"index": 0, "data": rows}]}
    with pytest.raises(DecodingError, match="row 1"):
        read_documents(data, counts=[2], dimension=2, dtype="float")


def test_dimension_is_always_sent_for_flexible_models_and_never_for_fixed() -> None:
    """The default of a flexible model is the service's choice, a fixed one refuses."""
    flexible = EmbeddingPlan(model=find_model("voyage-4", "embedding"))
    fixed = EmbeddingPlan(model=find_model("voyage-law-2", "embedding"))
    assert b'"output_dimension":1024' in flexible.body(["a"])
    assert b"output_dimension" not in fixed.body(["a"])
    assert b"null" not in flexible.body(["a"])


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("voyage-4", {"asked_dimension": 300}),
        ("voyage-4", {"asked_dimension": True}),
        ("voyage-law-2", {"asked_dimension": 512}),
        ("voyage-law-2", {"dtype": "int8"}),
        ("voyage-4", {"dtype": "float16"}),
        ("voyage-4", {"input_type": "passage"}),
    ],
)
def test_what_a_model_does_not_offer_is_refused_before_it_is_sent(
    model: str, options: dict[str, object]
) -> None:
    """Dimensions, types and input types are checked against the model."""
    with pytest.raises(InvalidArgumentError):
        EmbeddingPlan(model=find_model(model, "embedding"), **options)  # type: ignore[arg-type]


def test_wrong_input_type_is_named_in_a_fixed_order() -> None:
    """The sentence is the same in every process."""
    with pytest.raises(InvalidArgumentError, match="'query', 'document' or None"):
        EmbeddingPlan(
            model=find_model("voyage-4", "embedding"),
            input_type="passage",  # type: ignore[arg-type]
        )


def test_keys_differ_in_everything_that_changes_a_vector() -> None:
    """Model, dimension, type, input type, truncation and text are in the key."""
    base = {"model": find_model("voyage-4", "embedding")}
    plans = [
        EmbeddingPlan(**base),
        EmbeddingPlan(model=find_model("voyage-4-lite", "embedding")),
        EmbeddingPlan(**base, asked_dimension=256),
        EmbeddingPlan(**base, dtype="int8"),
        EmbeddingPlan(**base, input_type="query"),
        EmbeddingPlan(**base, truncation=True),
    ]
    keys = {plan.key("a") for plan in plans} | {plans[0].key("b")}
    assert len(keys) == len(plans) + 1
    assert all(key.startswith("voyage/embeddings/") for key in keys)


def test_model_of_another_kind_is_refused_with_its_own_verb() -> None:
    """A reranker does not embed."""
    with pytest.raises(InvalidArgumentError, match=r"rerank\(\.\.\.\)"):
        find_model("rerank-2.5", "embedding")


def test_every_model_of_the_table_says_where_it_was_read() -> None:
    """Limits without a source cannot be checked."""
    models = voyage_models()
    assert all(each.source.startswith("https://") and each.read_on for each in models)
    assert all(each.usd_per_million_tokens for each in models)
    assert {each.batch_tokens for each in models if each.kind == "embedding"} == {
        120_000,
        320_000,
        1_000_000,
    }


@pytest.mark.parametrize(
    ("key", "url"), [("pa-0123456789", VOYAGE_URL), ("al-0123456789", ATLAS_URL)]
)
def test_host_follows_the_kind_of_the_key(key: str, url: str) -> None:
    """Keys of the two dashboards belong to two hosts."""
    assert VoyageAIAuthHandler(key).base_url == url


def test_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key is a sentence that names the variable."""
    monkeypatch.setenv("VOYAGE_API_KEY", "al-0123456789")
    assert VoyageAIAuthHandler().base_url == ATLAS_URL
    monkeypatch.delenv("VOYAGE_API_KEY")
    with pytest.raises(InvalidArgumentError, match="VOYAGE_API_KEY"):
        VoyageAIAuthHandler()


@pytest.mark.parametrize("tier", ["free", "tier 1", "tier 2", "tier 3"])
@pytest.mark.parametrize("model", voyage_models(), ids=lambda each: each.name)
def test_tier_lets_through_nine_tenths_of_its_quota_and_a_whole_batch(
    tier: str, model: object
) -> None:
    """A limit leaves 10 % at most, and no batch is larger than what passes at once."""
    config = rate_limit(tier, model)  # type: ignore[arg-type]
    quotas = {"requests": 3.0, "tokens": 10_000.0}
    for rate in config.rates():
        quota = quotas[rate.name] if tier == "free" else rate.limit_per_minute
        assert 0.9 * quota - 1 <= rate.per_second * 60 <= quota
    if tier != "free":
        assert config.burst_tokens is not None
        assert config.burst_tokens >= 120_000


def test_unknown_tier_is_refused_with_those_there_are() -> None:
    """A slip gets a suggestion."""
    with pytest.raises(InvalidArgumentError, match="tier 1"):
        checked_tier("teir 1")


def test_rerank_counts_the_query_once_for_each_document() -> None:
    """A long query with many documents passes the limit by itself."""
    model = find_model("rerank-2.5", "rerank")
    parts = rerank_parts(model, 1_000, [100] * 1_000, truncation=True)
    assert [len(part.positions) for part in parts] == [181] * 5 + [95]
    assert max(part.tokens for part in parts) <= 200_000


@pytest.mark.parametrize(
    ("key", "where", "said"),
    [
        ("xx-0123456789", VOYAGE_URL, "a key that begins with 'pa-' belongs to"),
        ("al-0123456789", ATLAS_URL, "eu.ai.mongodb.com"),
        ("pa-0123456789", VOYAGE_URL, "allow this machine's address"),
        ("pa-0123456789", ATLAS_URL, f"base_url={VOYAGE_URL!r}"),
    ],
)
def test_advice_for_a_refused_key_fits_key_and_host(
    key: str, where: str, said: str
) -> None:
    """At the right host it is the geography or the address that is wrong."""
    assert said in VoyageAIAuthHandler(key).advice(where)


def test_document_that_no_rerank_request_takes_is_named() -> None:
    """Without truncation a document above the limit is an error, not a request."""
    model = find_model("rerank-2.5", "rerank")
    with pytest.raises(InvalidArgumentError, match="Document 1 has"):
        rerank_parts(model, 10, [5, 300_000], truncation=False)


def test_empty_limits_of_a_batch_are_refused() -> None:
    """A batch that holds nothing would never end."""
    with pytest.raises(InvalidArgumentError, match="0 items"):
        BatchPacker(0, 10)
