"""What runs on this machine alone: search, indexing, the import.

Search from question to DataFrame against the engine alone and against qdrant-client's
local mode, indexing the installed pandas cold and again.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import contexter_nb as cx

SIZES = (2_000, 20_000, 50_000)
QUESTIONS = (
    "join two tables on a key column",
    "remove rows with missing values",
    "moving average over a window",
    "solve a system of linear equations",
    "read a csv file from a url",
    "draw a histogram of a column",
    "convert strings to timestamps",
    "run a command and capture its output",
)
ROUNDS = 5


def median_ms(work: Callable[[str], object]) -> float:
    """Return the median time of one call over all questions and rounds."""
    times = []
    for question in QUESTIONS:
        work(question)
    for _ in range(ROUNDS):
        for question in QUESTIONS:
            started = time.perf_counter()
            work(question)
            times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def filler(count: int, passages: list[str]) -> Any:
    """Return a table of `count` distinct texts made of real passages."""
    import pandas as pd

    chance = np.random.default_rng(7)
    words = [text.split() for text in passages if len(text.split()) > 40]
    rows = []
    for at in range(count):
        source = words[at % len(words)]
        start = int(chance.integers(0, len(source) - 30))
        take = int(chance.integers(30, 120))
        rows.append(f"{' '.join(source[start : start + take])} case {at}")
    return pd.DataFrame({"text": rows, "title": [f"passage {i}" for i in range(count)]})


def search_rows(folder: Path) -> Iterator[str]:
    """Yield a line a size: ours, the engine's own time, qdrant-client local."""
    yield (
        f"{'search, hybrid, limit 10':<28}{'ours ms':>9}{'engine ms':>11}"
        f"{'ours/engine':>13}{'client ms':>11}{'client/ours':>13}"
    )
    with cx.connect(home=folder / "docs") as nb:
        passages = nb.docs(["pandas", "numpy"])["text"].tolist()
    for size in SIZES:
        with cx.connect(home=folder / f"home{size}") as nb:
            nb.index(filler(size, passages), name="filler")
            index = nb.aio._verbs.index_store
            embedder = nb.aio._verbs.embedder
            embedded = {q: embedder.embed_now([q]).vectors[0] for q in QUESTIONS}
            engine = _engine(index, embedded)
            client = _client(index, embedded)
            ours_ms = median_ms(nb.search)
            engine_ms = median_ms(engine)
            client_ms = median_ms(client)
            yield (
                f"{size:>17,} passages{ours_ms:>11.2f}{engine_ms:>11.2f}"
                f"{ours_ms / engine_ms:>13.2f}{client_ms:>11.2f}"
                f"{client_ms / ours_ms:>13.2f}"
            )


def _engine(index: Any, embedded: dict[str, Any]) -> Callable[[str], object]:
    """Return the engine's own fused query: what a person would call directly."""
    import qdrant_edge as edge

    from contexter_nb.retrieval._engine import bm25

    model = bm25()
    shard = index._current().shard.shard

    def work(question: str) -> object:
        dense = edge.Query.Nearest(embedded[question].tolist(), "dense")
        text = edge.Query.Nearest(model.embed_query(question), "text")
        return shard.query(
            edge.QueryRequest(
                prefetches=[
                    edge.Prefetch(query=dense, limit=300),
                    edge.Prefetch(query=text, limit=300),
                ],
                query=edge.Fusion.Rrf(20),
                limit=10,
                with_payload=True,
            )
        )

    return work


def _client(index: Any, embedded: dict[str, Any]) -> Callable[[str], object]:
    """Return the same query in qdrant-client's local mode on the same points."""
    import qdrant_edge as edge
    from qdrant_client import QdrantClient, models

    from contexter_nb.retrieval._engine import bm25

    model = bm25()
    shard = index._current().shard.shard
    warnings.simplefilter("ignore")
    client = QdrantClient(":memory:")
    client.create_collection(
        "c",
        vectors_config={"dense": models.VectorParams(size=256, distance="Cosine")},
        sparse_vectors_config={
            "text": models.SparseVectorParams(modifier=models.Modifier.IDF)
        },
    )
    offset = None
    while True:
        records, offset = shard.scroll(
            edge.ScrollRequest(
                limit=2_000, offset=offset, with_payload=True, with_vector=True
            )
        )
        client.upsert(
            "c",
            [
                models.PointStruct(
                    id=record.id,
                    vector={
                        "dense": record.vector["dense"],
                        "text": _sparse(record.vector["text"]),
                    },
                    payload=record.payload,
                )
                for record in records
            ],
        )
        if offset is None:
            break

    def work(question: str) -> object:
        dense = embedded[question].tolist()
        text = _sparse(model.embed_query(question))
        return client.query_points(
            "c",
            prefetch=[
                models.Prefetch(query=dense, using="dense", limit=300),
                models.Prefetch(query=text, using="text", limit=300),
            ],
            query=models.RrfQuery(rrf=models.Rrf(k=20)),
            limit=10,
        )

    return work


def _sparse(vector: Any) -> Any:
    from qdrant_client import models

    return models.SparseVector(indices=list(vector.indices), values=list(vector.values))


def index_rows(folder: Path) -> Iterator[str]:
    """Yield the times of indexing pandas: cold, again, and after a lost index."""
    code = (
        "import sys, time; started = time.perf_counter(); import contexter_nb as cx\n"
        "nb = cx.connect(home=sys.argv[1]); nb.index('pandas'); nb.close()\n"
        "print(time.perf_counter() - started)"
    )

    def timed(home: Path) -> float:
        answer = subprocess.run(
            [sys.executable, "-c", code, str(home)],
            capture_output=True,
            text=True,
            check=True,
        )
        return float(answer.stdout.split()[-1])

    importing = subprocess.run(
        [
            sys.executable,
            "-c",
            "import time; started = time.perf_counter(); import pandas\n"
            "print(time.perf_counter() - started)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    pandas_s = float(importing.stdout)
    cold = statistics.median(timed(folder / f"cold{at}") for at in range(3))
    again = statistics.median(timed(folder / "cold0") for _ in range(3))
    yield "index the installed pandas, in a new process each"
    yield f"  cold                      {cold:7.2f} s   {cold / pandas_s:6.1f} x import"
    yield f"  again, unchanged          {again:7.2f} s   {cold / again:6.1f} x faster"
    yield f"  (import pandas alone      {pandas_s:7.2f} s)"


def import_rows(folder: Path) -> Iterator[str]:
    """Yield the time of the import over a bare interpreter's start."""

    def timed(code: str) -> float:
        times = []
        for _ in range(7):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - started)
        return statistics.median(times)

    bare = timed("pass")
    ours = timed("import contexter_nb")
    pandas_s = timed("import pandas")
    yield f"import contexter_nb         {ours - bare:7.3f} s over a bare interpreter"
    yield f"  (import pandas            {pandas_s - bare:7.3f} s)"
