"""The sandbox's Voyage answers and refuses as the real one does, over real HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from contexter_nb.core import Headers
from contexter_nb.sandbox import Request, Sandbox, VoyageService, sandbox
from tests.loops import FakeClock, run_really

TEXTS = ["join two tables on a key", "wait and try again", "a cat sleeps"]
BATCH = "max allowed tokens per submitted batch is"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Give a sandbox with Voyage."""
    with sandbox("voyage") as opened:
        yield opened


@pytest.fixture(scope="module")
def client(box: Sandbox) -> Iterator[httpx.Client]:
    """Give a client that has the key."""
    with client_of(box) as opened:
        yield opened


def client_of(box: Sandbox, **headers: str) -> httpx.Client:
    """Return a client of a sandbox's Voyage, with its key unless told otherwise."""
    assert box.api_key is not None
    key = {"Authorization": f"Bearer {box.api_key.reveal()}"}
    return httpx.Client(
        base_url=box.services["voyage"], headers={**key, **headers}, timeout=60
    )


def embed(client: httpx.Client, texts: Any = None, **body: Any) -> httpx.Response:
    """Ask for embeddings."""
    asked = {"input": TEXTS if texts is None else texts, "model": "voyage-4", **body}
    return client.post("/embeddings", json=asked)


def vectors(answer: httpx.Response, dtype: str = "<f4") -> np.ndarray[Any, Any]:
    """Return the rows of an answer, from base64 or lists."""
    assert answer.status_code == 200, answer.text
    rows = [each["embedding"] for each in answer.json()["data"]]
    if isinstance(rows[0], str):
        return np.stack([np.frombuffer(base64.b64decode(row), dtype) for row in rows])
    return np.array(rows)


def test_an_answer_has_the_shape_of_voyages(client: httpx.Client) -> None:
    """Rows carry their index, usage has the total alone, vectors have length 1."""
    answer = embed(client)
    body = answer.json()
    assert list(body) == ["object", "data", "model", "usage"]
    assert [(each["object"], each["index"]) for each in body["data"]] == [
        ("embedding", 0),
        ("embedding", 1),
        ("embedding", 2),
    ]
    assert list(body["usage"]) == ["total_tokens"]
    assert 10 < body["usage"]["total_tokens"] < 30
    found = vectors(answer)
    assert found.shape == (3, 1024)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_vectors_mean_something(client: httpx.Client) -> None:
    """A question is nearest to the text that answers it."""
    documents = vectors(embed(client, input_type="document"))
    question = vectors(embed(client, "merge tables by key", input_type="query"))[0]
    assert int(np.argmax(documents @ question)) == 0


def test_the_same_text_has_the_same_vector_always(client: httpx.Client) -> None:
    """Neither its neighbours nor the sandbox make a difference."""
    together = vectors(embed(client, encoding_format="base64"))
    alone = vectors(embed(client, TEXTS[1], encoding_format="base64"))[0]
    with sandbox("voyage") as other, client_of(other) as elsewhere:
        again = vectors(embed(elsewhere, encoding_format="base64"))
    assert alone.tobytes() == together[1].tobytes()
    assert again.tobytes() == together.tobytes()


@pytest.mark.parametrize("dimension", [256, 512, 1024, 2048])
def test_a_short_vector_begins_a_long_one(client: httpx.Client, dimension: int) -> None:
    """Each dimension keeps the cosines, and its first 256 numbers are the short one."""
    short = vectors(embed(client, output_dimension=256))
    long = vectors(embed(client, output_dimension=dimension))
    assert long.shape == (3, dimension)
    assert long @ long.T == pytest.approx(short @ short.T, abs=1e-5)
    head = long[:, :256] / np.linalg.norm(long[:, :256], axis=1, keepdims=True)
    assert head == pytest.approx(short, abs=1e-5)


def test_models_of_one_generation_share_a_space(client: httpx.Client) -> None:
    """Those of the fourth can be compared, an older one cannot."""
    new = vectors(embed(client, model="voyage-4"))
    large = vectors(embed(client, model="voyage-4-large"))
    old = vectors(embed(client, model="voyage-3.5"))
    assert (new * large).sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    assert np.abs((new * old).sum(axis=1)).max() < 0.3


def test_the_input_type_moves_a_vector_a_little(client: httpx.Client) -> None:
    """Query, document and none differ, by a few degrees."""
    kinds = [
        vectors(embed(client, **kind))
        for kind in ({}, {"input_type": "query"}, {"input_type": "document"})
    ]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        cosines = (kinds[one] * kinds[other]).sum(axis=1)
        assert (cosines > 0.98).all() and (cosines < 0.99999).all()


@pytest.mark.parametrize(
    ("dtype", "numpy_type", "width"),
    [
        ("float", "<f4", 512),
        ("int8", "i1", 512),
        ("uint8", "u1", 512),
        ("binary", "i1", 64),
        ("ubinary", "u1", 64),
    ],
)
def test_base64_and_lists_say_the_same(
    client: httpx.Client, dtype: str, numpy_type: str, width: int
) -> None:
    """Each type of number has its width and its bytes."""
    body = {"output_dtype": dtype, "output_dimension": 512}
    listed = vectors(embed(client, **body))
    packed = vectors(embed(client, **body, encoding_format="base64"), numpy_type)
    assert packed.shape == (3, width)
    assert listed == pytest.approx(packed.astype(np.float64), abs=1e-6)


def test_numbers_of_all_types_belong_together(client: httpx.Client) -> None:
    """uint8 is int8 plus 128, binary is ubinary less 128, and bits are signs."""
    by_type = {
        dtype: vectors(embed(client, output_dtype=dtype, output_dimension=256))
        for dtype in ("float", "int8", "uint8", "binary", "ubinary")
    }
    assert (by_type["uint8"] == by_type["int8"] + 128).all()
    assert (by_type["binary"] == by_type["ubinary"] - 128).all()
    bits = np.unpackbits(by_type["ubinary"].astype(np.uint8), axis=1)
    assert (bits == (by_type["float"] > 0)).all()
    small, exact = by_type["int8"], by_type["float"]
    cosines = (small * exact).sum(axis=1) / np.linalg.norm(small, axis=1)
    assert (cosines > 0.999).all()
    assert np.abs(small).max() > 60


def test_nulls_count_as_absent(client: httpx.Client) -> None:
    """The vendor's own client sends them for what is not set."""
    names = ("input_type", "output_dimension", "output_dtype", "encoding_format")
    told = embed(client, **dict.fromkeys((*names, "truncation")))
    assert told.json() == embed(client).json()


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"input": ["a", ""]}, 400, "cannot hold empty strings"),
        ({"input": ["a", " \n"]}, 400, "cannot hold empty strings"),
        ({"input": ""}, 400, "cannot hold empty strings"),
        ({"input": []}, 400, "cannot hold empty strings or lists"),
        ({"input": None}, 400, "'input' is required"),
        ({"input": ["a"] * 1_001}, 400, "1001 entries; at most 1000"),
        ({"model": None}, 400, "'model' is required"),
        ({"model": "voyage-9"}, 400, "Model voyage-9 is not supported"),
        ({"model": "rerank-3"}, 400, "is not supported"),
        ({"dimensions": 256}, 400, "'dimensions' is not supported"),
        ({"output_dimension": 300}, 400, "output_dimension 300 is not supported"),
        ({"output_dimension": 0}, 400, "at least 1"),
        ({"encoding_format": "float"}, 400, "'float' of argument 'encoding_format'"),
        ({"input_type": "passage"}, 400, "supported are query, document"),
        ({"output_dtype": "float16"}, 400, "supported are float, int8"),
        ({"model": "voyage-law-2", "output_dimension": 1024}, 400, "not supported by"),
        ({"model": "voyage-law-2", "output_dtype": "int8"}, 400, "not supported by"),
        ({"input": 7}, 422, "is no list"),
        ({"input": ["a", 7]}, 422, "is no text"),
        ({"input": {"a": "b"}}, 422, "is no list"),
        ({"model": 4}, 422, "is no text"),
        ({"truncation": "yes"}, 422, "is no boolean"),
        ({"output_dimension": "256"}, 422, "is no whole number"),
        ({"output_dimension": True}, 422, "is no whole number"),
        ({"input_type": ["query"]}, 422, "is no text"),
    ],
)
def test_a_body_that_voyage_refuses_is_refused(
    client: httpx.Client, body: dict[str, Any], status: int, said: str
) -> None:
    """Wrong values are 400 with a sentence, wrong types 422 with a list of places."""
    answer = embed(client, **body)
    detail = answer.json()["detail"]
    assert answer.status_code == status
    if status == 422:
        (one,) = detail
        assert set(one) == {"loc", "msg", "type"} and one["loc"][0] == "body"
        assert said in one["msg"]
    else:
        assert said in detail


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"\xff", 400), (b"[" * 99_999, 400), (b"[]", 422)],
)
def test_a_body_that_is_no_object_is_refused(
    client: httpx.Client, body: bytes, status: int
) -> None:
    """What cannot be parsed is 400."""
    answer = client.post("/embeddings", content=body)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_old_models_have_their_one_dimension(client: httpx.Client) -> None:
    """It is not asked for, and differs from model to model."""
    for model, dimension in (("voyage-law-2", 1024), ("voyage-code-2", 1536)):
        assert vectors(embed(client, model=model)).shape == (3, dimension)


@pytest.mark.parametrize(
    ("model", "limit"),
    [("voyage-4-large", 120_000), ("voyage-4", 320_000), ("voyage-4-lite", 1_000_000)],
)
def test_a_batch_of_too_many_tokens_is_refused(
    client: httpx.Client, model: str, limit: int
) -> None:
    """The answer says limit and total in Voyage's own words, with its code."""
    text = " ".join(["word"] * 25_000)  # of one token each
    fits = [text] * (limit // 25_000)
    answer = embed(client, fits, model=model, encoding_format="base64")
    total = answer.json()["usage"]["total_tokens"]
    assert limit - 30_000 < total <= limit
    refused = embed(client, [*fits, text, text], model=model)
    assert refused.status_code == 400
    body = refused.json()
    assert f"Request to model '{model}' failed. The {BATCH} {limit}." in body["detail"]
    assert f"Your batch has {total // len(fits) * (len(fits) + 2)}" in body["detail"]
    assert "Please lower the number of tokens in the batch." in body["detail"]
    assert body["error_code"] == "TOO_MANY_TOKENS_IN_BATCH"


def test_a_long_text_is_cut_unless_that_is_forbidden(client: httpx.Client) -> None:
    """By default what lies beyond 32,000 tokens neither counts nor matters."""
    long, longer = "tables " * 40_000, "tables " * 40_000 + "cat " * 20_000
    answers = [embed(client, each, output_dimension=256) for each in (long, longer)]
    assert [each.json()["usage"]["total_tokens"] for each in answers] == [32_000] * 2
    assert answers[0].json() == answers[1].json()
    refused = embed(client, ["short", long], truncation=False)
    assert refused.status_code == 400
    assert "The example at index 1 in your batch" in refused.json()["detail"]
    assert "window of 32000 tokens" in refused.json()["detail"]


def test_reranking_puts_the_nearest_first(client: httpx.Client) -> None:
    """Scores fall from at most 1 to at least 0; documents come only when asked for."""
    asked = {"query": "how to merge tables", "documents": TEXTS, "model": "rerank-2.5"}
    body = client.post("/rerank", json=asked).json()
    assert body["object"] == "list" and body["model"] == "rerank-2.5"
    assert body["data"][0]["index"] == 0
    scores = [each["relevance_score"] for each in body["data"]]
    assert scores == sorted(scores, reverse=True)
    assert 1 >= scores[0] > scores[-1] >= 0
    assert all(set(each) == {"index", "relevance_score"} for each in body["data"])
    told = client.post("/rerank", json={**asked, "top_k": 1, "return_documents": True})
    assert [each["document"] for each in told.json()["data"]] == [TEXTS[0]]


def test_reranking_counts_the_query_for_each_document(client: httpx.Client) -> None:
    """Its tokens times the documents, and the documents' own."""
    asked = {"query": "tables", "documents": ["one cat"], "model": "rerank-3"}
    one = client.post("/rerank", json=asked).json()["usage"]["total_tokens"]
    two = client.post("/rerank", json={**asked, "documents": ["one cat"] * 2})
    assert two.json()["usage"]["total_tokens"] == 2 * one


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"documents": []}, 400, "cannot hold empty"),
        ({"documents": ["a"] * 1_001}, 400, "at most 1000"),
        ({"documents": "a"}, 422, "is no list"),
        ({"query": ""}, 400, "cannot hold empty"),
        ({"query": ["a"]}, 422, "is no text"),
        ({"top_k": 0}, 400, "at least 1"),
        ({"top_k": 1.5}, 422, "is no whole number"),
        ({"model": "voyage-4"}, 400, "is not supported"),
        ({"input_type": "query"}, 400, "'input_type' is not supported"),
        ({"query": "q " * 9_000, "truncation": False}, 400, "window of 8000 tokens"),
        ({"documents": ["d " * 33_000], "truncation": False}, 400, "context window"),
        ({"query": "q " * 7_000, "documents": ["a"] * 90}, 400, f"{BATCH} 600000"),
    ],
)
def test_what_cannot_be_reranked_is_refused(
    client: httpx.Client, body: dict[str, Any], status: int, said: str
) -> None:
    """The three rules about tokens are among them."""
    asked = {"query": "a", "documents": ["b"], "model": "rerank-3", **body}
    answer = client.post("/rerank", json=asked)
    assert (answer.status_code, said in answer.text) == (status, True), answer.text


def chunked(client: httpx.Client, inputs: Any, **body: Any) -> httpx.Response:
    """Ask for contextualized embeddings."""
    asked = {"inputs": inputs, "model": "voyage-context-4", **body}
    return client.post("/contextualizedembeddings", json=asked)


def test_a_chunk_has_its_documents_colour(client: httpx.Client) -> None:
    """Beside other chunks it has another vector than alone; documents keep apart."""
    body = chunked(client, [TEXTS[:2], TEXTS[:1]], input_type="document").json()
    assert [each["index"] for each in body["data"]] == [0, 1]
    assert [len(each["data"]) for each in body["data"]] == [2, 1]
    rows = [row for each in body["data"] for row in each["data"]]
    assert [row["index"] for row in rows] == [0, 1, 0]
    first, _, alone = (np.array(row["embedding"]) for row in rows)
    assert 0.8 < float(first @ alone) < 0.999
    again = chunked(client, [TEXTS[:1]], input_type="document").json()
    assert again["data"][0]["data"][0]["embedding"] == pytest.approx(alone, abs=1e-6)


def test_documents_are_cut_by_the_service_when_asked(client: httpx.Client) -> None:
    """The texts come back with the vectors; with overlap there are more of them."""
    text = "one two three four five six seven eight nine ten"
    more = {"enable_auto_chunking": True, "input_type": "document", "chunk_size": 4}
    body = chunked(client, [text], **more).json()
    assert body["chunker_version"]
    pieces = [row["text"] for row in body["data"][0]["data"]]
    assert " ".join(pieces) == text
    overlapping = chunked(client, [text], **more, chunk_overlap=2).json()
    assert len(overlapping["data"][0]["data"]) > len(pieces)


@pytest.mark.parametrize(
    ("inputs", "body", "said"),
    [
        ([], {}, "must hold 1 to 1000"),
        ([["a"]] * 1_001, {}, "must hold 1 to 1000"),
        ([["a"], []], {}, "cannot hold empty"),
        ([["a", ""]], {}, "cannot hold empty"),
        (["a"], {"input_type": "document"}, "A flat list"),
        ([["a", "b"]], {"input_type": "query"}, "one text here"),
        (["a"], {"enable_auto_chunking": True}, "needs input_type 'document'"),
        ([["a"]], {"chunk_size": 4, "chunk_overlap": 4}, None),
        (["a"], {"chunk_overlap": 4, "auto": True}, "needs a 'chunk_size'"),
        (["a"], {"chunk_size": 4, "chunk_overlap": 4, "auto": True}, "that is larger"),
        ([["w " * 33_000]], {}, "window of 32000 tokens"),
        ([["w " * 30_000]] * 5, {}, f"{BATCH} 120000"),
        ([["a"] * 9_000] * 2, {}, "at most 16000"),
    ],
)
def test_what_cannot_be_contextualized_is_refused(
    client: httpx.Client, inputs: Any, body: dict[str, Any], said: str | None
) -> None:
    """Limits are those of documents and chunks; sizes matter only when cutting."""
    if body.pop("auto", False):
        body |= {"enable_auto_chunking": True, "input_type": "document"}
    answer = chunked(client, inputs, **body)
    assert answer.status_code == (400 if said else 200), answer.text[:300]
    assert said is None or said in answer.json()["detail"]


def test_a_key_is_demanded(box: Sandbox) -> None:
    """None, another or one in the wrong field is 401; one of the other host is 403."""
    key = box.api_key.reveal() if box.api_key else ""
    assert key.startswith("pa-")
    url = box.services["voyage"] + "/embeddings"
    tried = [
        {},
        {"Authorization": f"Bearer {key}x"},
        {"Authorization": f"Basic {key}"},
        {"X-Api-Key": key},
        {"Authorization": "Bearer al-of-the-other-host"},
        {"Authorization": f"bearer {key}"},
    ]
    body = {"input": "a", "model": "voyage-4"}
    answers = [httpx.post(url, headers=each, json=body) for each in tried]
    assert [each.status_code for each in answers] == [401, 401, 401, 401, 403, 200]
    assert answers[1].json() == {"detail": "Provided API key is invalid."}
    assert "ai.mongodb.com" in answers[4].json()["detail"]


def test_the_service_is_mongodbs_where_its_key_is() -> None:
    """With a key of Atlas, those of Voyage's dashboard are at the wrong host."""
    with sandbox("voyage", api_key="al-" + "demo") as box:
        with client_of(box) as client:
            assert embed(client).is_success
        with client_of(box, Authorization="Bearer pa-of-voyage") as client:
            answer = embed(client)
    assert answer.status_code == 403
    assert "api.voyageai.com" in answer.json()["detail"]


def test_unknown_paths_and_methods_are_refused(client: httpx.Client) -> None:
    """There is no list of models, and embeddings are not fetched by GET."""
    assert client.get("/models").json() == {"detail": "Not Found"}
    assert client.get("/models").status_code == 404
    assert client.get("/embeddings").status_code == 405
    assert client.get("/embeddings").headers["allow"] == "POST"
    assert client.post("/v1/embeddings", json={}).status_code == 404


def test_requests_are_limited_for_each_key() -> None:
    """The fourth in a minute gets the free plan's 429, with no Retry-After."""
    clock = FakeClock()
    with (
        sandbox("voyage", clock=clock, requests_per_minute=3) as box,
        client_of(box) as client,
        client_of(box, Authorization="Bearer pa-another") as stranger,
    ):
        answers = [embed(client, "a") for _ in range(4)]
        assert embed(stranger, "a").status_code == 401  # its minute is untouched
        clock.instant += 20.1
        after = embed(client, "a")
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert "reduced rate limits of 3 RPM and 10K TPM" in answers[3].json()["detail"]
    assert "retry-after" not in answers[3].headers
    assert after.status_code == 200


def test_tokens_are_limited_for_each_key() -> None:
    """A minute's tokens run out, and come back with time."""
    clock = FakeClock()
    text = " ".join(["word"] * 30_000)
    with (
        sandbox("voyage", clock=clock, tokens_per_minute=60_000) as box,
        client_of(box) as client,
    ):
        codes = [embed(client, text).status_code for _ in range(2)]
        refused = embed(client, text)
        clock.instant += 31
        codes.append(embed(client, text).status_code)
        # More than a minute's worth never passes, whatever the wait.
        clock.instant += 3_600
        codes.append(embed(client, [text] * 3).status_code)
    assert codes == [200, 200, 200, 429]
    assert refused.status_code == 429
    said = refused.json()["detail"]
    assert "tokens a minute" in said and "payment" not in said
    assert "retry-after" not in refused.headers


def test_the_free_plan_is_named_where_tokens_are_its_own() -> None:
    """Ten thousand tokens a minute tell a client that waiting will not do."""
    with sandbox("voyage", tokens_per_minute=10_000) as box, client_of(box) as client:
        refused = embed(client, "word " * 12_000)
    assert refused.status_code == 429
    assert "payment method" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("status", "media"),
    [
        (400, "json"),
        (401, "json"),
        (403, "json"),
        (422, "json"),
        (429, "json"),
        (500, "json"),
        (502, "html"),
        (503, "html"),
        (504, "html"),
    ],
)
def test_any_error_can_be_asked_for(status: int, media: str) -> None:
    """In the service's form; what a gateway says is no JSON."""
    knobs = {"error_rate": 1.0, "error_status": status}
    with sandbox("voyage", **knobs) as box, client_of(box) as client:
        answer = embed(client)
    assert answer.status_code == status
    assert media in answer.headers["content-type"]
    if media == "json":
        assert list(answer.json()) == ["detail"]


def test_hashes_stand_for_vectors_in_load_tests(client: httpx.Client) -> None:
    """They depend on the text alone, need no model, and keep every other rule."""
    with sandbox("voyage", vectors="hash") as box, client_of(box) as fast:
        first, again = embed(fast), embed(fast)
        turned = embed(fast, TEXTS[:1], output_dimension=2048, output_dtype="int8")
        refused = embed(fast, ["x" * 1_000] * 1_000)
    assert first.json() == again.json()
    found = vectors(first)
    assert found.shape == (3, 1024)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert np.abs((found @ found.T)[np.triu_indices(3, 1)]).max() < 0.3
    assert vectors(turned).shape == (1, 2048)
    assert refused.status_code == 200
    assert (found != vectors(embed(client))).any()


def test_twenty_clients_at_once_get_their_own_vectors(box: Sandbox) -> None:
    """Nothing is mixed up, and latency is waited for once by all."""
    assert box.api_key is not None
    headers = {"Authorization": f"Bearer {box.api_key.reveal()}"}

    async def main() -> list[np.ndarray[Any, Any]]:
        async with httpx.AsyncClient(headers=headers, timeout=60) as client:

            async def ask(number: int) -> np.ndarray[Any, Any]:
                url = box.services["voyage"] + "/embeddings"
                body = {"input": f"text number {number}", "model": "voyage-4"}
                return vectors(await client.post(url, json=body))[0]

            return await asyncio.gather(*(ask(number) for number in range(20)))

    together = run_really(main())
    with client_of(box) as client:
        for number, vector in enumerate(together):
            alone = vectors(embed(client, f"text number {number}"))[0]
            assert vector == pytest.approx(alone, abs=1e-6)


def test_a_large_request_does_not_hold_up_small_ones() -> None:
    """While 800,000 tokens are embedded, another is answered."""

    def asked(texts: list[str]) -> Request:
        body = json.dumps({"input": texts, "model": "voyage-4-lite"}).encode()
        with sandbox("voyage") as box:
            key = box.environment()["VOYAGE_API_KEY"]
        headers = Headers({"Authorization": f"Bearer {key}"})
        return Request(method="POST", path="/v1/embeddings", headers=headers, body=body)

    async def main() -> None:
        service = VoyageService()
        large = asyncio.create_task(service.answer(asked(["word " * 3_000] * 260)))
        await asyncio.sleep(0)
        assert (await service.answer(asked(["a"]))).status == 200
        assert not large.done()
        assert (await large).status == 200

    run_really(main())


def test_the_log_has_no_key(box: Sandbox, client: httpx.Client) -> None:
    """Neither the right nor a wrong one, nor what was embedded."""
    embed(client, "a private thought")
    with client_of(box, Authorization="Bearer pa-a-wrong-key") as other:
        embed(other)
    shown = repr(box.log()) + repr(box) + box._repr_html_()
    assert box.api_key is not None
    for secret in (box.api_key.reveal(), "wrong-key", "private thought"):
        assert secret not in shown
    assert "Bearer" not in shown


def test_the_environment_leads_there(box: Sandbox) -> None:
    """The address ends as the vendor's does, and comes with the key."""
    told = box.environment()
    assert told["VOYAGE_BASE_URL"] == box.services["voyage"] == f"{box.url}/voyage/v1"
    key = {"Authorization": f"Bearer {told['VOYAGE_API_KEY']}"}
    url = told["VOYAGE_BASE_URL"] + "/embeddings"
    body = {"input": "a", "model": "voyage-4"}
    assert httpx.post(url, json=body, headers=key).is_success
    assert set(told) == {"VOYAGE_API_KEY", "VOYAGE_BASE_URL"}
