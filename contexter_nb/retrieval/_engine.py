"""The embedded engine's side of the index: schema, points, one open shard."""

from __future__ import annotations

import contextlib
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from contexter_nb.core import HomeError
from contexter_nb.retrieval._documents import Chunk, point_id
from contexter_nb.retrieval._embedders import Vectors
from contexter_nb.retrieval._row_fields import FIELDS, LABELS, label_of

DENSE, TEXT = "dense", "text"
_SHARD = "shard"
KEYWORDS = ("kind", "library", "section", "source", "version")
PREFIXES = ("title", LABELS)
_AVERAGE_TOKENS = 100.0
_MAX_LINES = 40
_PAGE = 10_000

Payload = dict[str, Any]


def bm25() -> edge.Bm25:
    """Return the text model: same parameters here and on a Qdrant server."""
    return edge.Bm25(edge.Bm25Config(avg_len=_AVERAGE_TOKENS))


def create_shard(folder: Path, dimension: int) -> None:
    """Make an empty shard in a generation's folder."""
    config = edge.EdgeConfig(
        vectors={DENSE: edge.EdgeVectorParams(dimension, edge.Distance.Cosine)},
        sparse_vectors={TEXT: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        wal_enabled=False,
    )
    (folder / _SHARD).mkdir(mode=0o700)
    shard = edge.EdgeShard.create(str(folder / _SHARD), config)
    for column in KEYWORDS:
        shard.update(
            edge.UpdateOperation.create_field_index(
                column, edge.PayloadSchemaType.Keyword
            )
        )
    for column in PREFIXES:
        shard.update(
            edge.UpdateOperation.create_field_index(
                column, edge.KeywordIndexParams(prefix=True)
            )
        )
    shard.update(
        edge.UpdateOperation.create_field_index(
            "tokens", edge.PayloadSchemaType.Integer
        )
    )
    shard.flush()
    shard.close()


def load_shard(folder: Path) -> edge.EdgeShard:
    """Open a generation's shard.

    Raises
    ------
    HomeError
        The files are damaged or the folder cannot be written (opening a shard
        rewrites its configuration file).
    """
    with panics_told(folder.parent):
        try:
            return edge.EdgeShard.load(str(folder / _SHARD))
        except Exception as exc:
            raise HomeError(
                f"The index in {folder.parent} cannot be opened; check that the folder "
                "is writable, or delete it and index again (embeddings are kept)."
            ) from exc


@contextlib.contextmanager
def panics_told(folder: Path) -> Iterator[None]:
    """Say in a sentence that files are damaged where the engine gave up on them.

    Its panic is no Exception, so that nobody else would catch it.

    Parameters
    ----------
    folder : pathlib.Path
        The index's.

    Raises
    ------
    HomeError
        The engine panicked.
    """
    try:
        yield
    except BaseException as exc:
        if type(exc).__name__ != "PanicException":
            raise
        raise HomeError(
            f"The index in {folder} is damaged: nb.remove(everything=True), then index "
            "again (embeddings are kept)."
        ) from exc


def line_hashes(text: str) -> list[int]:
    """Return what two passages are compared by: a hash for each of their lines."""
    lines = map(str.strip, text.split("\n"))
    hashes = {zlib.crc32(line.encode()) for line in lines if len(line) > 3}
    return sorted(hashes)[:_MAX_LINES]


def payload_of(chunk: Chunk, terms: str) -> Payload:
    """Return what is stored beside a chunk's vectors, here and on a server."""
    labels = [label_of(name, value) for name, value in chunk.fields]
    own = {FIELDS: dict(chunk.fields), LABELS: labels} if labels else {}
    return {
        **own,
        "library": chunk.library,
        "document": chunk.document,
        "version": chunk.version,
        "source": chunk.source,
        "title": chunk.title,
        "aliases": list(chunk.aliases),
        "kind": chunk.kind,
        "section": chunk.section,
        "text": chunk.text,
        "url": chunk.url,
        "tokens": chunk.token_count,
        "prior": chunk.prior,
        "terms": terms,
        "lines": line_hashes(chunk.text),
        "content_hash": chunk.content_hash,
    }


def points(
    chunks: Sequence[Chunk],
    vectors: Vectors,
    terms: Sequence[str],
    model: edge.Bm25,
) -> list[edge.Point]:
    """Return the engine's points of some chunks."""
    return [
        edge.Point(
            point_id(chunk.chunk_id),
            {
                DENSE: vector.tolist(),
                TEXT: model.embed_document(chunk.lexical_text),
            },
            payload_of(chunk, gist),
        )
        for chunk, vector, gist in zip(chunks, vectors, terms, strict=True)
    ]


def scroll(
    shard: edge.EdgeShard,
    condition: edge.Filter | None,
    columns: list[str],
) -> Iterator[tuple[int, Payload]]:
    """Yield number and payload columns of every matching point."""
    offset: Any = None
    while True:
        records, offset = shard.scroll(
            edge.ScrollRequest(
                limit=_PAGE,
                offset=offset,
                filter=condition,
                with_payload=columns,
                with_vector=False,
            )
        )
        for record in records:
            yield int(record.id), record.payload or {}
        if offset is None:
            return


class OpenShard:
    """A shard that is closed when nobody searches it any more."""

    def __init__(self, folder: Path) -> None:
        self.shard = load_shard(folder)
        self._users = 0
        self._retired = False
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def use(self) -> Iterator[edge.EdgeShard]:
        """Keep the shard open for the time of a search."""
        with self._lock:
            self._users += 1
        try:
            yield self.shard
        finally:
            with self._lock:
                self._users -= 1
                last = self._retired and not self._users
            if last:
                self.shard.close()

    def retire(self) -> None:
        """Close the shard as soon as its last search has ended."""
        with self._lock:
            if self._retired:
                return
            self._retired = True
            idle = not self._users
        if idle:
            self.shard.close()
