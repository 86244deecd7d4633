"""Voyage's wire at 100 ms: ours against the SDK and what is built on it.

The service runs in a process of its own and takes 100 ms for each request. All get the
same 10,000 texts of 500 tokens; the peers get them in batches of 240, so that each
request has the 120,000 tokens that all of Voyage's models take. Their tokenizer is
replaced by the right count, since it would be fetched from the network.

Each competitor runs in a process of its own, its imports not counted. The cached rows
are from texts to a float32 matrix, with the opening of the cache, without its closing
(in which hits are written). The peers pin versions that exclude each other:
``CONTEXTER_BENCH_PYTHON`` names the interpreter that has them, by default this one. A
peer that is not installed has no row.
"""

from __future__ import annotations

import base64
import json
import os
import random
import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from contexter_nb.clients._voyage_decode import matrix_of, read_vectors
from contexter_nb.clients._voyage_tokens import count_tokens, cut_to_tokens

ROUNDS = 5
WORDS = """
join merge table column index frame value array series group window query document
vector search retry limit cache token batch request answer error client server header
stream socket thread process kernel notebook widget
"""
TEXTS = 10_000

SERVICE = """
import asyncio, base64, functools, json, msgspec, numpy as np

ROWS = [
    json.dumps({"object": "embedding", "index": at,
                "embedding": base64.b64encode(row.tobytes()).decode()}).encode()
    for at, row in enumerate(
        np.random.default_rng(7).standard_normal((1000, 1024)).astype("<f4"))
]

class Asked(msgspec.Struct):
    input: list[str]

@functools.cache
def answer(count):
    body = (b'{"object":"list","data":[' + b",".join(ROWS[:count])
            + b'],"model":"voyage-4-large","usage":{"total_tokens":%d}}'
            % (count * 500))
    return (b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\n"
            b"content-length: %d\\r\\n\\r\\n" % len(body)) + body

class Service(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.parts, self.missing = transport, [], 0

    def data_received(self, data):
        self.parts.append(data)
        self.missing -= len(data)
        if self.missing > 0:
            return
        whole = b"".join(self.parts)
        head, found, body = whole.partition(b"\\r\\n\\r\\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\\r\\n")[0])
        self.parts, self.missing = [whole], length - len(body)
        if self.missing > 0:
            return
        self.parts = []
        count = len(msgspec.json.decode(body, type=Asked).input)
        loop = asyncio.get_running_loop()
        loop.call_later(0.1, self.transport.write, answer(count))

async def main():
    answer(240), answer(160), answer(1)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Service, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""

# What every competitor begins with: its arguments, and how it says what it took.
PRELUDE = """
import asyncio, json, sys, time
url, folder, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
KEY = "pa-0123456789abcdef"
MODEL = "voyage-4-large"
texts = json.load(open(folder + "/texts.json"))
batches = [texts[at:at + 240] for at in range(0, len(texts), 240)]
class Fixed:
    def tokenize(self, texts, model=None):
        return [range(500) for _ in texts]
def say(work):
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        assert work() == len(texts)
        took.append(time.perf_counter() - started)
    print(json.dumps(took))
def say_matrix(work):
    started = time.perf_counter()
    took = []
    matrix = work(lambda: took.append(time.perf_counter() - started))
    assert matrix.shape == (len(texts), 1024) and matrix.dtype == "float32"
    print(json.dumps(took))
"""

OURS = """
from contexter_nb.clients._voyage import VoyageAIClient
from contexter_nb.policies import APICache, APIMonitor
async def embed():
    client = VoyageAIClient(
        KEY, base_url=url, model=MODEL, tier=None, monitor=APIMonitor()
    )
    async with client:
        found = await client.generate_embeddings(texts, input_type="document")
        assert found.requests == 42, found.requests
        return len(found.vectors)
say(lambda: asyncio.run(embed()))
"""

SDK = """
import voyageai
client = voyageai.Client(api_key=KEY, base_url=url)
def work():
    rows = []
    for batch in batches:
        rows += client.embed(batch, model=MODEL, input_type="document").embeddings
    return len(rows)
say(work)
"""

GATHER = """
import voyageai
async def work():
    client = voyageai.AsyncClient(api_key=KEY, base_url=url)
    answers = await asyncio.gather(*(
        client.embed(batch, model=MODEL, input_type="document") for batch in batches
    ))
    return sum(len(each.embeddings) for each in answers)
say(lambda: asyncio.run(work()))
"""

LANGCHAIN = """
from langchain_voyageai import VoyageAIEmbeddings
model = VoyageAIEmbeddings(api_key=KEY, base_url=url, model=MODEL, batch_size=240)
model._client.tokenize = Fixed().tokenize
say(lambda: len(model.embed_documents(texts)))
"""

LLAMA_INDEX = """
import voyageai
from llama_index.embeddings.voyageai import VoyageEmbedding
model = VoyageEmbedding(model_name=MODEL, voyage_api_key=KEY, embed_batch_size=240)
model._client = voyageai.Client(api_key=KEY, base_url=url)
model._client.tokenize = Fixed().tokenize
say(lambda: len(model.get_text_embedding_batch(texts)))
"""

OURS_CACHED = """
import numpy
from pathlib import Path
from contexter_nb.transport import HTTPTransport
HTTPTransport()  # imports the HTTP library
from contexter_nb.clients._voyage import VoyageAIClient
from contexter_nb.policies import APICache, APIMonitor
async def embed(done):
    cache = APICache(path=Path(folder) / "ours.sqlite", max_memory_bytes=0)
    client = VoyageAIClient(
        KEY, base_url=url, model=MODEL, tier=None, monitor=APIMonitor(), cache=cache
    )
    async with cache, client:
        found = await client.generate_embeddings(texts, input_type="document")
        done()
        return found.vectors
say_matrix(lambda done: asyncio.run(embed(done)))
"""

SESSION_CACHED = """
from pathlib import Path
import numpy
from contexter_nb.retrieval import Embedded, EmbeddingCache, embed_cached
from contexter_nb.clients import VoyageAIClient
from contexter_nb.transport import HTTPTransport
HTTPTransport()
class Voyage:
    identity, dimension = MODEL, 1024
    async def embed(self, texts, input_type):
        async with VoyageAIClient(KEY, base_url=url, model=MODEL, tier=None) as client:
            found = await client.generate_embeddings(texts, input_type=input_type)
        return Embedded(
            vectors=found.vectors, token_counts=list(found.token_counts)
        )
async def embed(done):
    cache = EmbeddingCache(Path(folder) / "session.sqlite")
    try:
        found = await embed_cached(texts, "document", Voyage(), cache)
        done()
        return found.vectors
    finally:
        cache.close()
say_matrix(lambda done: asyncio.run(embed(done)))
"""

LANGCHAIN_CACHED = """
import warnings
warnings.simplefilter("ignore")
import numpy
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_classic.storage import LocalFileStore
from langchain_voyageai import VoyageAIEmbeddings
model = VoyageAIEmbeddings(api_key=KEY, base_url=url, model=MODEL, batch_size=240)
model._client.tokenize = Fixed().tokenize
cached = CacheBackedEmbeddings.from_bytes_store(
    model, LocalFileStore(folder + "/langchain"), namespace=MODEL,
    key_encoder="blake2b",
)
def work(done):
    matrix = numpy.array(cached.embed_documents(texts), dtype="float32")
    done()
    return matrix
say_matrix(work)
"""


def rows(folder: Path) -> Iterator[str]:
    """Yield the tables.

    Parameters
    ----------
    folder : pathlib.Path
        For texts and caches.
    """
    (folder / "texts.json").write_text(json.dumps(_texts()))
    with subprocess.Popen(
        [sys.executable, "-c", SERVICE], stdout=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        try:
            url = f"http://127.0.0.1:{int(service.stdout.readline())}/v1"
            yield from _sent(url, folder)
            yield ""
            yield from _cached(url, folder)
        finally:
            service.kill()
    yield ""
    yield from _decoded()


def _sent(url: str, folder: Path) -> Iterator[str]:
    yield f"| {TEXTS:,} texts of 500 tokens, 100 ms | seconds | texts/s | ours is |"
    yield "|---|---:|---:|---:|"
    peers = os.environ.get("CONTEXTER_BENCH_PYTHON", sys.executable)
    ours = 0.0
    for name, python, script in (
        ("contexter_nb, no quota", sys.executable, OURS),
        ("voyageai, batch by batch", peers, SDK),
        ("voyageai, all in one gather", peers, GATHER),
        ("langchain-voyageai", peers, LANGCHAIN),
        ("llama-index-embeddings-voyageai", peers, LLAMA_INDEX),
    ):
        took = _seconds(python, script, url, folder)
        if took is not None:
            ours = ours or took
            yield f"| {name} | {took:.2f} | {TEXTS / took:,.0f} | {took / ours:.1f}x |"


def _cached(url: str, folder: Path) -> Iterator[str]:
    yield "| the same again, cached, in a new process | seconds | the last takes |"
    yield "|---|---:|---:|"
    peers = os.environ.get("CONTEXTER_BENCH_PYTHON", sys.executable)
    competitors = [
        (name, python, script)
        for name, python, script in (
            ("contexter_nb, embed_cached of a session", sys.executable, SESSION_CACHED),
            ("contexter_nb, client's disk tier", sys.executable, OURS_CACHED),
            ("LangChain CacheBackedEmbeddings, file store", peers, LANGCHAIN_CACHED),
        )
        if _seconds(python, script, url, folder, rounds=1) is not None
    ]
    took: dict[str, list[float]] = {}
    for _ in range(ROUNDS):  # in turns, so that a busy machine is busy for all
        for name, python, script in competitors:
            seconds = _seconds(python, script, url, folder, rounds=1)
            assert seconds is not None
            took.setdefault(name, []).append(seconds)
    medians = {name: statistics.median(each) for name, each in took.items()}
    last = list(medians.values())[-1]
    for name, median in medians.items():
        yield f"| {name} | {median:.3f} | {last / median:.1f}x |"


def _decoded() -> Iterator[str]:
    yield "| decode of 1,000 x 1,024 | ms |"
    yield "|---|---:|"
    matrix = np.random.default_rng(7).standard_normal((1_000, 1_024)).astype("<f4")
    packed = _answer([base64.b64encode(row.tobytes()).decode() for row in matrix])
    plain = _answer(matrix.astype(float).tolist())

    def ours() -> Any:
        data = msgspec.json.decode(packed)
        found = read_vectors(data, count=1_000, dimension=1_024, dtype="float")
        return matrix_of(found.cells, "float", 1_024)

    def theirs() -> Any:
        return np.array([row["embedding"] for row in json.loads(plain)["data"]])

    assert np.array_equal(ours(), matrix)
    yield f"| base64, ours | {_best_ms(ours):.1f} |"
    yield f"| JSON floats, json.loads and np.array | {_best_ms(theirs):.1f} |"


def _answer(values: list[Any]) -> bytes:
    data = [{"index": at, "embedding": each} for at, each in enumerate(values)]
    return json.dumps({"data": data, "usage": {"total_tokens": 1}}).encode()


def _best_ms(work: Callable[[], Any]) -> float:
    took = []
    for _ in range(10):
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return statistics.median(took) * 1_000


def _seconds(
    python: str, script: str, url: str, folder: Path, rounds: int = ROUNDS
) -> float | None:
    """Return the median of a competitor's rounds; None where it is not installed."""
    done = subprocess.run(
        [python, "-c", PRELUDE + textwrap.dedent(script), url, folder, str(rounds)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "ModuleNotFoundError" in done.stderr:
        return None
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    return statistics.median(json.loads(done.stdout.splitlines()[-1]))


def _texts() -> list[str]:
    """Return different texts of words, each counted as 500 tokens."""
    rng = random.Random(7)
    words = WORDS.split()
    found = []
    for place in range(TEXTS):
        text = f"{place} " + " ".join(rng.choice(words) for _ in range(330))
        found.append(cut_to_tokens(text, 500))
    assert max(count_tokens(found)) <= 500
    return found
