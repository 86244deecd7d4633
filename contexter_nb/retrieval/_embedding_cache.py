"""Embeddings on disk by content, so that none is computed or paid for twice."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contexter_nb.core import HomeError
from contexter_nb.retrieval._embedders import InputType, Vectors

DEFAULT_MAX_BYTES = 2 * 1024**3
_BUSY_SECONDS = 10.0
_LOOKUP_KEYS = 500
_HEADER = struct.Struct("<II")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS embeddings (
    key BLOB NOT NULL UNIQUE, value BLOB NOT NULL
);
"""


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
    no database is moved aside. The file's mode is 0600.

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
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._process = 0
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
        keys = [_key(identity, input_type, text) for text in texts]
        found: dict[bytes, tuple[Vectors, int]] = {}
        with self._open() as database:
            for start in range(0, len(keys), _LOOKUP_KEYS):
                some = keys[start : start + _LOOKUP_KEYS]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, value FROM embeddings WHERE key IN ({marks})"
                for key, value in database.execute(query, some):
                    decoded = _decode(value)
                    if decoded is not None:
                        found[key] = decoded
        known = {at: found[key] for at, key in enumerate(keys) if key in found}
        self._lookups += len(keys)
        self._hits += len(known)
        self._saved_tokens += sum(count for _, count in known.values())
        return known

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
        keys = [_key(identity, input_type, text) for text in texts]
        found: set[bytes] = set()
        with self._open() as database:
            for start in range(0, len(keys), _LOOKUP_KEYS):
                some = keys[start : start + _LOOKUP_KEYS]
                marks = ",".join("?" * len(some))
                query = f"SELECT key FROM embeddings WHERE key IN ({marks})"
                found.update(key for (key,) in database.execute(query, some))
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
            (_key(identity, input_type, text), _encode(vector, count))
            for text, vector, count in zip(texts, vectors, token_counts, strict=True)
        ]
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                database.executemany(
                    "INSERT OR REPLACE INTO embeddings VALUES (?, ?)", rows
                )
                self._evict(database)
                database.execute("COMMIT")
            except BaseException:
                database.execute("ROLLBACK")
                raise

    def _evict(self, database: sqlite3.Connection) -> None:
        while _bytes_used(database) > self._max_bytes:
            dropped = database.execute(
                "DELETE FROM embeddings WHERE rowid IN (SELECT rowid FROM embeddings "
                "ORDER BY rowid LIMIT (SELECT count(*) / 5 + 1 FROM embeddings))"
            )
            self._evictions += dropped.rowcount

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._database is None or self._process != os.getpid():
                self._database = self._connect()
                self._process = os.getpid()
            try:
                yield self._database
            except sqlite3.DatabaseError as exc:
                raise HomeError(
                    f"The embedding cache {self._path} cannot be used ({exc}); free "
                    "some space, or delete the file: it is made anew."
                ) from exc

    def _connect(self) -> sqlite3.Connection:
        try:
            return self._prepare()
        except (OSError, sqlite3.OperationalError) as exc:
            raise HomeError(
                f"The embedding cache {self._path} cannot be opened ({exc}); choose "
                "another home with connect(home=...)."
            ) from exc
        except sqlite3.DatabaseError:
            # Not a database: keep it for whoever wants to look, and start anew.
            os.replace(self._path, self._path.with_suffix(".damaged"))
            return self._prepare()

    def _prepare(self) -> sqlite3.Connection:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        os.close(descriptor)
        database = sqlite3.connect(
            self._path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        database.text_factory = bytes
        try:
            database.execute("PRAGMA page_size=16384")
            with contextlib.suppress(sqlite3.OperationalError):
                # Network folders refuse it; the default journal works there too.
                database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            database.executescript(_SCHEMA)
            database.execute("SELECT count(*) FROM embeddings LIMIT 1").fetchone()
        except BaseException:
            database.close()
            raise
        return database

    def size(self) -> tuple[int, int]:
        """Return how many vectors are kept, and the file's bytes in use."""
        with self._open() as database:
            (count,) = database.execute("SELECT count(*) FROM embeddings").fetchone()
            return int(count), _bytes_used(database)

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
        with self._lock:
            if self._database is not None and self._process == os.getpid():
                self._database.close()
            self._database = None


def _bytes_used(database: sqlite3.Connection) -> int:
    pages = _pragma(database, "page_count") - _pragma(database, "freelist_count")
    return _pragma(database, "page_size") * pages


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def _key(identity: str, input_type: InputType, text: str) -> bytes:
    content = "\0".join((identity, input_type, text)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=20).digest()


def _encode(vector: Vectors, token_count: int) -> bytes:
    payload = np.ascontiguousarray(vector, dtype="<f4").tobytes()
    return _HEADER.pack(zlib.crc32(payload), token_count) + payload


def _decode(value: object) -> tuple[Vectors, int] | None:
    if not isinstance(value, bytes) or len(value) < _HEADER.size:
        return None
    checksum, token_count = _HEADER.unpack_from(value)
    payload = value[_HEADER.size :]
    if zlib.crc32(payload) != checksum or len(payload) % 4:
        return None
    return np.frombuffer(payload, dtype="<f4"), token_count
