"""The next generation of an index in the making."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import qdrant_edge as edge

from contexter_nb.core import HomeError
from contexter_nb.retrieval._catalog import Catalog, IndexedLibrary
from contexter_nb.retrieval._condition import Condition
from contexter_nb.retrieval._documents import Chunk, chunk_id_of, point_id
from contexter_nb.retrieval._embedders import Embedder, Vectors
from contexter_nb.retrieval._engine import (
    bm25,
    create_shard,
    load_shard,
    panics_told,
    points,
    scroll,
)
from contexter_nb.retrieval._filters import engine_filter
from contexter_nb.retrieval._generations import Staging
from contexter_nb.retrieval._term_match import TermMatcher

_UPSERT_POINTS = 500
# Far more than so many points take.
ROOM_BYTES = 64 * 1024**2

# Chunk id to the reason why it was not stored.
Refused = dict[str, str]


class IndexWriter:
    """The next generation in the making. Used by one thread at a time.

    Made by `EmbeddedIndex.writing`; nobody sees what it writes before `publish`.
    """

    def __init__(
        self,
        embedder: Embedder,
        matcher: TermMatcher,
        folder: Path,
        staging: Staging,
    ) -> None:
        self._embedder = embedder
        self._matcher = matcher
        self._index_folder = folder
        self._staging = staging
        self._shard: edge.EdgeShard | None = None
        self._bm25 = bm25()
        self.catalog = Catalog.of(embedder)

    def warm_up(self) -> None:
        """Load what storing needs, so that the first batch does not wait for it."""
        self._matcher.encode([])

    def open(self) -> None:
        """Begin with a copy of what is published.

        Raises
        ------
        IndexMismatchError
            That was made with another embedder or chunking.
        """
        self.close()
        published = self._staging.published()
        if published is not None:
            catalog = Catalog.load(published)
            catalog.check(self._embedder, self._index_folder)
            self.catalog = catalog
        with self._writing():
            folder = self._staging.open()
            if published is None:
                create_shard(folder, self._embedder.dimension)
        self._shard = load_shard(folder)

    def open_empty(self) -> None:
        """Begin with nothing, whatever is published."""
        self.close()
        self.catalog = Catalog.of(self._embedder)
        with self._writing():
            folder = self._staging.open_empty()
            create_shard(folder, self._embedder.dimension)
        self._shard = load_shard(folder)

    def reload(self) -> None:
        """Open the working copy again after another process worked on it."""
        self.close()
        self._shard = load_shard(self.folder)

    @property
    def shard(self) -> edge.EdgeShard:
        """Return the shard that is written."""
        if self._shard is None:
            self.open()
        assert self._shard is not None
        return self._shard

    @property
    def folder(self) -> Path:
        """Return the folder that is worked in."""
        assert self._staging.path is not None
        return self._staging.path

    def stored(self, library: str) -> dict[str, str]:
        """Return the content hash of each stored chunk of a library.

        Parameters
        ----------
        library : str
            Its name in the catalog.

        Returns
        -------
        dict of str to str
            Chunk id to content hash; empty for a library that is not stored.
        """
        return content_hashes(self.shard, library)

    def upsert(self, chunks: Sequence[Chunk], vectors: Vectors) -> Refused:
        """Store chunks with their vectors.

        Parameters
        ----------
        chunks : sequence of Chunk
            n passages; one stored under the same id is replaced.
        vectors : numpy.ndarray
            float32, shape (n, dimension), in the order of `chunks`.

        Returns
        -------
        dict of str to str
            Empty: here all are stored, or an error is raised. (A server may refuse
            some; their ids, and why.)
        """
        terms = self._matcher.encode([chunk.gist for chunk in chunks])
        for start in range(0, len(chunks), _UPSERT_POINTS):
            part = slice(start, start + _UPSERT_POINTS)
            made = points(chunks[part], vectors[part], terms[part], self._bm25)
            with self._writing():
                self.shard.update(edge.UpdateOperation.upsert_points(made))
        return {}

    def delete(self, chunk_ids: Sequence[str]) -> None:
        """Remove chunks by id.

        Parameters
        ----------
        chunk_ids : sequence of str
            16 hexadecimal digits each; where there are none, nothing is done.

        Raises
        ------
        InvalidArgumentError
            One has not the form of a chunk id; then none is removed.
        """
        if chunk_ids:
            numbers: list[edge.PointId] = [point_id(each) for each in chunk_ids]
            with self._writing():
                self.shard.update(edge.UpdateOperation.delete_points(numbers))

    def matching(self, conditions: Sequence[Condition]) -> list[tuple[str, str]]:
        """Return id and library of every chunk that matches.

        Parameters
        ----------
        conditions : sequence of Condition
            All must hold; without any, every chunk matches.

        Returns
        -------
        list of (str, str)
            Chunk id and library.
        """
        return [
            (chunk_id_of(number), str(payload["library"]))
            for number, payload in scroll(
                self.shard, engine_filter(conditions), ["library"]
            )
        ]

    def remaining(self, library: IndexedLibrary) -> IndexedLibrary:
        """Return a library's catalog entry counted anew from what is stored.

        Parameters
        ----------
        library : IndexedLibrary
            Its entry; only the name is read, the counts may be wrong.

        Returns
        -------
        IndexedLibrary
            `documents`, `chunks` and `tokens` as stored, `fingerprint` empty, the rest
            as given.
        """
        condition = engine_filter(
            [Condition(column="library", any_of=(library.library,))]
        )
        stored = list(scroll(self.shard, condition, ["document", "tokens"]))
        return dataclasses.replace(
            library,
            documents=len({payload["document"] for _, payload in stored}),
            chunks=len(stored),
            tokens=sum(int(payload.get("tokens", 0)) for _, payload in stored),
            fingerprint="",
        )

    def publish(self) -> int:
        """Make what was written visible to all; the writer then starts a new copy."""
        with self._writing():
            self.shard.flush()
            self.close()
            self.catalog.save(self.folder)
            return self._staging.publish()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Say in a sentence what the disk refuses; the engine has no error of its own.

        It writes into the holes of files it has mapped: where there is no room for that
        left, the system ends the process. So some is asked for before.

        Raises
        ------
        HomeError
            The folder cannot be written.
        """
        try:
            _check_room(self._index_folder)
            with panics_told(self._index_folder):
                yield
        except Exception as exc:
            if type(exc) is not Exception and not isinstance(exc, OSError):
                raise
            why = str(exc).rpartition(": ")[2] or type(exc).__name__
            if isinstance(exc, OSError) and exc.strerror:
                why = exc.strerror
            raise HomeError(
                f"The index in {self._index_folder} cannot be written ({why}); free "
                "some space, or choose another home with connect(home=...). What was "
                "published stays, and the same call goes on from there."
            ) from exc

    def close(self) -> None:
        """Close the shard, keep the folder."""
        if self._shard is not None:
            self._shard.close()
            self._shard = None


def _check_room(folder: Path) -> None:
    try:
        free_bytes = shutil.disk_usage(folder).free
    except OSError:  # whoever writes there will say why
        return
    if free_bytes < ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def content_hashes(shard: edge.EdgeShard, library: str) -> dict[str, str]:
    """Return the content hash of each stored chunk of a library, by chunk id."""
    condition = engine_filter([Condition(column="library", any_of=(library,))])
    return {
        chunk_id_of(number): str(payload.get("content_hash", ""))
        for number, payload in scroll(shard, condition, ["content_hash"])
    }
