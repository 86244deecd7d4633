"""Embeddings on disk by content, so that none is computed or paid for twice."""

from __future__ import annotations

import hashlib
import sqlite3
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from contexter_nb.core import HomeError, SQLiteFile, SQLiteFormat, immediate
from contexter_nb.retrieval._embedders import InputType, Vectors

T = TypeVar("T")

DEFAULT_MAX_BYTES = 2 * 1024**3
_BUSY_SECONDS = 10.0
_LOOKUP_KEYS = 500
_HEADER = struct.Struct("<II")
_FORMAT = SQLiteFormat(
    what="The embedding cache",
    application_id=0x6378656D,  # "cxem"
    schema="CREATE TABLE embeddings (key BLOB NOT NULL UNIQUE, value BLOB NOT NULL)",
    unmarked="SELECT key, value FROM embeddings LIMIT 0",
    new_pragmas={"page_size": 16384},
    pragmas={"synchronous": "NORMAL"},
    text_factory=bytes,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEmbeddings:
    """What a cache knows of some texts, as one matrix.

    Attributes
    ----------
    vectors : numpy.ndarray
        float32, shape (n texts, dimension); the rows of unknown texts are not set.
    token_counts : list of int
        Of each text; 0 where it is unknown.
    known : list of bool
        Whether a text was found.
    """

    vectors: Vectors
    token_counts: list[int]
    known: list[bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingCounts:
    """What a cache of embeddings did and holds.

    Attributes
    ----------
    lookups, hits : int
        Texts asked for, and those of them that were there.
    evictions : int
        Vectors dropped for want of room.
    saved_tokens : int
        Length of the texts found, in tokens.
    entries, stored_bytes, budget_bytes : int
        Vectors kept, bytes in use, bytes at most; of all kernels on one home.
    """

    lookups: int
    hits: int
    evictions: int
    saved_tokens: int
    entries: int
    stored_bytes: int
    budget_bytes: int


class EmbeddingCache:
    """Vectors and token counts by (embedder, input type, text), in one SQLite file.

    Several processes may read and write it at once, and one killed while writing
    loses only its open transaction. A damaged row counts as missing; a file that is
    damaged or no database of ours is moved aside. The file's mode is 0600.

    Parameters
    ----------
    path : pathlib.Path
        The file; its folder must exist.
    max_bytes : int, default 2 GiB
        Where `set_many` ends above this size, it drops the oldest fifth of the entries.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = EmbeddingCache(Path(folder, "embeddings.sqlite"))
    ...     vectors = np.array([[0.6, 0.8]], np.float32)
    ...     cache.set_many("a-model", "query", ["join"], vectors, [1])
    ...     found = cache.get_many("a-model", "query", ["merge", "join"])
    ...     cache.close()
    >>> list(found)
    [1]
    """

    def __init__(self, path: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._file = SQLiteFile(
            path,
            _FORMAT,
            busy_seconds=_BUSY_SECONDS,
            aside=path.with_suffix(".damaged").name,
            makes_folder=False,
        )
        self._lookups = 0
        self._hits = 0
        self._evictions = 0
        self._saved_tokens = 0

    def get_many(
        self, identity: str, input_type: InputType, texts: Sequence[str]
    ) -> dict[int, tuple[Vectors, int]]:
        """Return vector and token count of each position in `texts` that is known.

        Parameters
        ----------
        identity : str
            The embedder's.
        input_type : str
            ``"document"`` or ``"query"``; the two are kept apart.
        texts : sequence of str
            Any number; compared by content, character for character.

        Returns
        -------
        dict of int to (numpy.ndarray, int)
            Position to a read-only float32 vector of shape (dimension,) and its tokens.
            Positions that are not known or are damaged on disk have no key.

        Raises
        ------
        HomeError
            The file cannot be opened or read.
        """
        keys = _keys(identity, input_type, texts)
        found: dict[bytes, tuple[Vectors, int]] = {}

        def take(key: bytes, payload: memoryview, token_count: int) -> None:
            found[key] = np.frombuffer(bytes(payload), dtype="<f4"), token_count

        self._read(keys, take)
        known = {at: found[key] for at, key in enumerate(keys) if key in found}
        self._count(len(keys), [count for _, count in known.values()])
        return known

    def get_matrix(
        self,
        identity: str,
        input_type: InputType,
        texts: Sequence[str],
        dimension: int,
    ) -> KnownEmbeddings:
        """Return what is known of many texts, copied once, into one matrix.

        Parameters
        ----------
        identity : str
            The embedder's.
        input_type : str
            ``"document"`` or ``"query"``; the two are kept apart.
        texts : sequence of str
            n texts, compared by content.
        dimension : int
            Of a vector; one of another length counts as unknown.

        Returns
        -------
        KnownEmbeddings
            n rows, in the order of `texts`.

        Raises
        ------
        HomeError
            The file cannot be opened or read.
        """
        keys = _keys(identity, input_type, texts)
        first: dict[bytes, int] = {}
        repeats = [
            (at, before)
            for at, key in enumerate(keys)
            if (before := first.setdefault(key, at)) != at
        ]
        vectors = np.empty((len(keys), dimension), "<f4")
        token_counts, known = [0] * len(keys), [False] * len(keys)
        cells, size = vectors.view(np.uint8).reshape(-1).data, dimension * 4

        def take(key: bytes, payload: memoryview, token_count: int) -> None:
            # A damaged row may come with a key that was not asked for.
            at = first.get(key, -1)
            if at >= 0 and len(payload) == size:
                cells[at * size : (at + 1) * size] = payload
                token_counts[at], known[at] = token_count, True

        self._read(list(first), take)
        for at, before in repeats:
            token_counts[at], known[at] = token_counts[before], known[before]
            vectors[at] = vectors[before]
        found = [
            count for count, there in zip(token_counts, known, strict=True) if there
        ]
        self._count(len(keys), found)
        return KnownEmbeddings(
            vectors=vectors.astype(np.float32, copy=False),
            token_counts=token_counts,
            known=known,
        )

    def _read(
        self, keys: Sequence[bytes], take: Callable[[bytes, memoryview, int], None]
    ) -> None:
        """Hand on key, vector and token count of what is there and whole."""

        def work(database: sqlite3.Connection) -> None:
            for start in range(0, len(keys), _LOOKUP_KEYS):
                some = keys[start : start + _LOOKUP_KEYS]
                marks = ",".join("?" * len(some))
                # By row number, so that each page is read once.
                query = (
                    "SELECT key, value FROM embeddings WHERE rowid IN "
                    f"(SELECT rowid FROM embeddings WHERE key IN ({marks}))"
                )
                for key, value in database.execute(query, some):
                    decoded = _decode(value)
                    if decoded is not None:
                        take(key, *decoded)

        self._use(work)

    def _count(self, lookups: int, token_counts: Sequence[int]) -> None:
        self._lookups += lookups
        self._hits += len(token_counts)
        self._saved_tokens += sum(token_counts)

    def holds(
        self, identity: str, input_type: InputType, texts: Sequence[str]
    ) -> list[bool]:
        """Tell which texts are kept; counts as no lookup.

        Parameters
        ----------
        identity : str
            The embedder's.
        input_type : str
            ``"document"`` or ``"query"``.
        texts : sequence of str
            n texts.

        Returns
        -------
        list of bool
            n answers.

        Raises
        ------
        HomeError
            The file cannot be opened or read.
        """
        keys = _keys(identity, input_type, texts)
        found: set[bytes] = set()

        def work(database: sqlite3.Connection) -> None:
            for start in range(0, len(keys), _LOOKUP_KEYS):
                some = keys[start : start + _LOOKUP_KEYS]
                marks = ",".join("?" * len(some))
                query = f"SELECT key FROM embeddings WHERE key IN ({marks})"
                found.update(key for (key,) in database.execute(query, some))

        self._use(work)
        return [key in found for key in keys]

    def set_many(
        self,
        identity: str,
        input_type: InputType,
        texts: Sequence[str],
        vectors: Vectors,
        token_counts: Sequence[int],
    ) -> None:
        """Keep one vector and token count a text, in one transaction.

        Parameters
        ----------
        identity : str
            The embedder's.
        input_type : str
            ``"document"`` or ``"query"``.
        texts : sequence of str
            n texts; what was kept for them is replaced.
        vectors : numpy.ndarray
            Shape (n, dimension); kept as float32.
        token_counts : sequence of int
            n counts.

        Raises
        ------
        ValueError
            The three differ in length.
        HomeError
            The file cannot be opened or written.
        """
        rows = [
            (key, _encode(vector, count))
            for key, vector, count in zip(
                _keys(identity, input_type, texts), vectors, token_counts, strict=True
            )
        ]

        def work(database: sqlite3.Connection) -> None:
            with immediate(database):
                database.executemany(
                    "INSERT OR REPLACE INTO embeddings VALUES (?, ?)", rows
                )
                self._evict(database)

        self._use(work)

    def _evict(self, database: sqlite3.Connection) -> None:
        while _bytes_used(database) > self._max_bytes:
            dropped = database.execute(
                "DELETE FROM embeddings WHERE rowid IN (SELECT rowid FROM embeddings "
                "ORDER BY rowid LIMIT (SELECT count(*) / 5 + 1 FROM embeddings))"
            )
            if not dropped.rowcount:  # an empty file has a size, too
                return
            self._evictions += dropped.rowcount

    def _use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        opened = False

        def noted(database: sqlite3.Connection) -> T:
            nonlocal opened
            opened = True
            return work(database)

        try:
            return self._file.use(noted)
        except (OSError, sqlite3.Error) as exc:
            failed, remedy = (
                ("used", "free some space, or delete the file: it is made anew")
                if opened
                else ("opened", "choose another home with connect(home=...)")
            )
            raise HomeError(
                f"The embedding cache {self._path} cannot be {failed} ({exc}); "
                f"{remedy}."
            ) from exc

    def size(self) -> tuple[int, int]:
        """Return how many vectors are kept, and the file's bytes in use."""

        def work(database: sqlite3.Connection) -> tuple[int, int]:
            (count,) = database.execute("SELECT count(*) FROM embeddings").fetchone()
            return int(count), _bytes_used(database)

        return self._use(work)

    def counts(self) -> EmbeddingCounts:
        """Return what was asked and found since this object was made, and its size.

        Raises
        ------
        HomeError
            The file cannot be opened or read.
        """
        entries, stored_bytes = self.size()
        return EmbeddingCounts(
            lookups=self._lookups,
            hits=self._hits,
            evictions=self._evictions,
            saved_tokens=self._saved_tokens,
            entries=entries,
            stored_bytes=stored_bytes,
            budget_bytes=self._max_bytes,
        )

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        self._file.close()


def _bytes_used(database: sqlite3.Connection) -> int:
    pages = _pragma(database, "page_count") - _pragma(database, "freelist_count")
    return _pragma(database, "page_size") * pages


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def _keys(identity: str, input_type: InputType, texts: Sequence[str]) -> list[bytes]:
    front = f"{identity}\0{input_type}\0".encode("utf-8", "surrogatepass")
    return [
        hashlib.blake2b(
            front + text.encode("utf-8", "surrogatepass"), digest_size=20
        ).digest()
        for text in texts
    ]


def _encode(vector: Vectors, token_count: int) -> bytes:
    payload = np.ascontiguousarray(vector, dtype="<f4").tobytes()
    return _HEADER.pack(zlib.crc32(payload), token_count) + payload


def _decode(value: object) -> tuple[memoryview, int] | None:
    if not isinstance(value, bytes) or len(value) < _HEADER.size:
        return None
    checksum, token_count = _HEADER.unpack_from(value)
    payload = memoryview(value)[_HEADER.size :]
    if zlib.crc32(payload) != checksum or len(payload) % 4:
        return None
    return payload, token_count
