"""A Qdrant and a Redis that are there already; what is made is taken away again."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

import contexter_nb as cx
from contexter_nb.bridge import run
from contexter_nb.clients import QdrantAPIClient
from contexter_nb.core import SystemClock
from contexter_nb.policies import APICache, Entry
from contexter_nb.retrieval import (
    EmbeddingCache,
    IndexingTools,
    RowsSource,
    ServerIndex,
    StaticEmbedder,
    TermMatcher,
    index_sources,
    parse_where,
)
from tests.live.settings import need

pytestmark = pytest.mark.live


def test_a_server_of_qdrant_is_indexed_and_searched(tmp_path: Path) -> None:
    """In a collection of its own, which is dropped at the end."""
    url, key = need("QDRANT_URL"), os.environ.get("QDRANT_API_KEY") or None
    name = f"contexter-live-{uuid.uuid4().hex[:12]}"
    model = StaticEmbedder()
    texts = ["An apple keeps all winter.", "A pear is soft.", "Plums are dried."]

    async def main() -> None:
        cache = EmbeddingCache(tmp_path / "embeddings.sqlite")
        async with QdrantAPIClient(url, api_key=key) as client:
            index = ServerIndex(client, model, TermMatcher(model), collection=name)
            tools = IndexingTools(
                index=index,
                embedder=model,
                cache=cache,
                clock=SystemClock(),
                notify=print,
                progress=lambda _: None,
            )
            source = RowsSource([{"text": text} for text in texts], "fruit")
            try:
                (report,) = [each async for each in index_sources([source], tools)]
                assert report.new == 3
                query = "dried plums"
                vector = model.embed_now([query]).vectors[0]
                for mode in ("hybrid", "dense", "text"):
                    hits = await index.search(query, vector, mode=mode)
                    assert hits[0].payload["text"] == texts[2]
                where = parse_where({"library": "fruit", "tokens": {"gte": 1}})
                assert len(await index.similar(hits[0].chunk_id, 5, where)) == 2
                assert await index.facets("library", where) == {"fruit": 3}
                catalog = await index.catalog()
                assert catalog is not None
                assert catalog.chunks == 3
            finally:
                await client.drop_collection(name)
        cache.close()

    run(main())


def test_a_redis_is_well_and_keeps_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one machine put there another finds, under a name of its own."""
    url = need("REDIS_URL")
    monkeypatch.delenv("QDRANT_URL", raising=False)
    space = f"contexter-live-{uuid.uuid4().hex[:12]}"
    with cx.connect(home=tmp_path, redis_url=url, embedder="static") as nb:
        told = nb.status().set_index("service").loc["redis"]
    assert told["healthy"], told["detail"]

    async def main() -> None:
        one = APICache(redis_url=url, namespace=space)
        other = APICache(redis_url=url, namespace=space)
        try:
            await one.set("key", Entry(b"value", 60.0, tags=("live",)))
            found = await other.get("key")
            assert found is not None
            assert found.value == b"value"
        finally:
            await one.clear(tag="live")
            await one.close()
            await other.close()

    run(main())
