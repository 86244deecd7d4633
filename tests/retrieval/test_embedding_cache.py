"""Embeddings on disk: exact, private, shared by processes, and never the end of it."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from contexter_nb.core import HomeError
from contexter_nb.retrieval import EmbeddingCache

WRITER = """
import sys
from pathlib import Path
import numpy as np
from contexter_nb.retrieval import EmbeddingCache
cache = EmbeddingCache(Path(sys.argv[1]))
name, count = sys.argv[2], int(sys.argv[3])
for number in range(count):
    vectors = np.full((4, 8), number, np.float32)
    texts = [f"{name} {number} {at}" for at in range(4)]
    cache.set_many("model", "document", texts, vectors, [number] * 4)
cache.close()
"""
KILLED = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
database.execute("DELETE FROM embeddings")
database.execute("INSERT INTO embeddings VALUES (x'00', x'00')")
print("in the transaction", flush=True)
sys.stdin.read()
"""
# As files were before they had an application id.
UNMARKED = """
PRAGMA page_size=16384;
PRAGMA journal_mode=WAL;
CREATE TABLE embeddings (key BLOB NOT NULL UNIQUE, value BLOB NOT NULL);
"""
PASSER_BY = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("SELECT count(*) FROM embeddings").fetchone()
database.close()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the place of a cache that is not there yet."""
    return tmp_path / "embeddings.sqlite"


@contextlib.contextmanager
def opened(path: Path, **options: int) -> Iterator[EmbeddingCache]:
    """Open a cache and close it."""
    cache = EmbeddingCache(path, **options)
    try:
        yield cache
    finally:
        cache.close()


def vectors_of(count: int, dimension: int = 8) -> np.ndarray:
    """Return float32 rows of numbers that are not round."""
    return np.random.default_rng(7).normal(size=(count, dimension)).astype(np.float32)


def fill(path: Path, texts: list[str]) -> np.ndarray:
    """Keep a vector for each text, and return the vectors."""
    vectors = vectors_of(len(texts))
    with opened(path) as cache:
        cache.set_many("model", "document", texts, vectors, range(len(texts)))
    return vectors


def test_what_is_kept_comes_back_exactly(path: Path) -> None:
    """Every bit of a vector and its token count survive a new process's opening."""
    texts = ["a", "", "ünïcode", "\ud800", "a\x00b", "x" * 100_000]
    vectors = fill(path, texts)
    with opened(path) as cache:
        found = cache.get_many("model", "document", ["unknown", *texts])
        assert cache.size()[0] == len(texts)
    assert sorted(found) == list(range(1, len(texts) + 1))
    for at, vector in enumerate(vectors):
        np.testing.assert_array_equal(found[at + 1][0], vector)
        assert found[at + 1][0].dtype == np.float32
        assert found[at + 1][1] == at


@pytest.mark.parametrize(
    ("identity", "input_type", "text"),
    [("other", "document", "a"), ("model", "query", "a"), ("model", "document", "A")],
)
def test_nothing_else_is_found_for_it(
    path: Path, identity: str, input_type: str, text: str
) -> None:
    """A vector belongs to one embedder, one input type and one text."""
    fill(path, ["a"])
    with opened(path) as cache:
        assert cache.get_many(identity, input_type, [text]) == {}


def test_many_texts_are_looked_up_at_once(path: Path) -> None:
    """More texts than a statement has places are no limit, nor are repeats."""
    texts = [f"text {number}" for number in range(1_200)]
    fill(path, texts)
    with opened(path) as cache:
        assert len(cache.get_many("model", "document", texts + texts)) == 2_400


def test_many_known_texts_come_as_one_matrix(path: Path) -> None:
    """Repeats have the same row, unknown texts none, and each lookup is counted."""
    texts = [f"text {number}" for number in range(1_200)]
    vectors = fill(path, texts)
    with opened(path) as cache:
        asked = ["unknown", *texts, *reversed(texts), "unknown"]
        found = cache.get_matrix("model", "document", asked, 8)
        counts = cache.counts()
    assert found.known == [False, *[True] * 2_400, False]
    assert found.vectors.dtype == np.float32
    np.testing.assert_array_equal(found.vectors[1:1_201], vectors)
    np.testing.assert_array_equal(found.vectors[1_201:-1], vectors[::-1])
    assert found.token_counts == [0, *range(1_200), *reversed(range(1_200)), 0]
    assert (counts.lookups, counts.hits) == (2_402, 2_400)
    assert counts.saved_tokens == 2 * sum(range(1_200))


def test_a_vector_of_another_dimension_is_unknown(path: Path) -> None:
    """What an embedder of the same name left before it changed is not answered."""
    fill(path, ["a"])
    with opened(path) as cache:
        assert cache.get_matrix("model", "document", ["a"], 4).known == [False]
        assert cache.get_matrix("model", "document", [], 4).vectors.shape == (0, 4)


def test_a_text_kept_twice_has_its_last_vector(path: Path) -> None:
    """A later answer replaces an earlier one."""
    fill(path, ["a"])
    with opened(path) as cache:
        new = np.ones((1, 8), np.float32)
        cache.set_many("model", "document", ["a"], new, [9])
        vector, count = cache.get_many("model", "document", ["a"])[0]
        assert cache.size()[0] == 1
    np.testing.assert_array_equal(vector, new[0])
    assert count == 9


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    """Mode 0600, whatever the umask, for the journal beside it as well."""
    before = os.umask(0)
    try:
        with opened(path) as cache:
            cache.set_many("model", "document", ["a"], vectors_of(1), [1])
            modes = {
                each.name: stat.S_IMODE(each.stat().st_mode)
                for each in path.parent.iterdir()
            }
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}, modes


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE embeddings SET value = substr(value, 1, 20)",
        "UPDATE embeddings SET value = x''",
        "UPDATE embeddings SET value = x'00'",
        "UPDATE embeddings SET value = 'text'",
        "UPDATE embeddings SET value = 5",
        "UPDATE embeddings SET value = CAST(substr(value, 1, 39) || x'ff' AS BLOB)",
        "UPDATE embeddings SET value = CAST(x'ffff' AS TEXT)",
    ],
)
def test_a_damaged_row_counts_as_missing(path: Path, damage: str) -> None:
    """What cannot be trusted is not answered, and can be kept anew."""
    vectors = fill(path, ["a"])
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(damage)
        database.commit()
    with opened(path) as cache:
        assert cache.get_many("model", "document", ["a"]) == {}
        assert cache.get_matrix("model", "document", ["a"], 8).known == [False]
        cache.set_many("model", "document", ["a"], vectors, [1])
        assert list(cache.get_many("model", "document", ["a"])) == [0]


def test_a_row_whose_key_is_damaged_counts_as_missing(path: Path) -> None:
    """It is found by the key that SQLite's index has, and bears another."""
    fill(path, ["a", "b"])
    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = database.execute(
            "SELECT CAST(key || value AS BLOB) FROM embeddings"
        ).fetchall()
    raw = path.read_bytes()
    for (row,) in rows[:1]:
        assert raw.count(row) == 1
        raw = raw.replace(row, bytes([row[0] ^ 1]) + row[1:])
    path.write_bytes(raw)
    with opened(path) as cache:
        found = cache.get_matrix("model", "document", ["a", "b"], 8)
    assert found.known == [False, True]


def test_a_budget_below_an_empty_file_keeps_nothing(path: Path) -> None:
    """It is an end, not a wait without one."""
    with contextlib.closing(EmbeddingCache(path, max_bytes=1)) as cache:
        cache.set_many("model", "document", ["a"], np.ones((1, 8), np.float32), [1])
        assert cache.size()[0] == 0


@pytest.mark.parametrize("content", [b"no database" * 999, b"\x00" * 5_000])
def test_a_file_that_is_no_database_is_moved_aside(path: Path, content: bytes) -> None:
    """The cache starts anew, and what was there can still be looked at."""
    path.write_bytes(content)
    fill(path, ["a"])
    with opened(path) as cache:
        assert cache.size()[0] == 1
    assert path.with_suffix(".damaged").read_bytes() == content


def test_a_file_damaged_in_its_middle_is_moved_aside(path: Path) -> None:
    """A database whose pages are lost is no better than none."""
    texts = [f"text {number}" for number in range(5_000)]
    fill(path, texts)
    content = bytearray(path.read_bytes())
    for start in range(16_384, len(content), 16_384):
        content[start : start + 64] = b"\xff" * 64
    path.write_bytes(content)
    with opened(path) as cache:
        assert cache.get_many("model", "document", texts) == {}
    assert path.with_suffix(".damaged").read_bytes() == content


def test_a_file_from_before_it_was_marked_is_taken_over(path: Path) -> None:
    """What was paid for is found, and the file is told from others from now on."""
    vectors = fill(path, ["a", "b"])
    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT key, value FROM embeddings").fetchall()
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(UNMARKED)
        database.executemany("INSERT INTO embeddings VALUES (?, ?)", rows)
        database.commit()
    for _ in range(2):
        with opened(path) as cache:
            found = cache.get_many("model", "document", ["a", "b"])
            np.testing.assert_array_equal([found[0][0], found[1][0]], vectors)
    assert not list(path.parent.glob("*.damaged*"))
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA application_id").fetchone() != (0,)
        assert database.execute("PRAGMA user_version").fetchone() == (1,)


def test_the_database_of_another_program_is_not_written_into(path: Path) -> None:
    """It is kept as it was, also where a table of it has the name of ours."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE embeddings (id, segment)")
    content = path.read_bytes()
    fill(path, ["a"])
    assert path.with_suffix(".damaged").read_bytes() == content


def test_a_damaged_file_replaces_no_earlier_one(path: Path) -> None:
    """Each may be what somebody paid for."""
    for number in (b"1", b"2"):
        path.write_bytes(number * 5_000)
        fill(path, ["a"])
    kept = sorted(path.parent.glob("*.damaged*"))
    assert sorted(each.read_bytes()[:1] for each in kept) == [b"1", b"2"]


def test_a_file_deleted_under_an_open_cache_is_made_anew(path: Path) -> None:
    """What is kept afterwards goes into a file that others find."""
    with opened(path) as cache:
        cache.set_many("model", "document", ["a"], vectors_of(1), [1])
        for each in path.parent.glob("embeddings.sqlite*"):
            each.unlink()
        cache.set_many("model", "document", ["b"], vectors_of(1), [1])
        with opened(path) as other:
            assert list(other.get_many("model", "document", ["a", "b"])) == [1]


def test_two_caches_of_a_process_do_not_end_each_others_locks(path: Path) -> None:
    """Another process that opens and closes the file takes nothing away from them."""
    with opened(path) as one, opened(path) as other:
        for cache, text in ((one, "a"), (other, "b")):
            cache.set_many("model", "document", [text], vectors_of(1), [1])
        subprocess.run([sys.executable, "-c", PASSER_BY, str(path)], check=True)
        one.set_many("model", "document", ["c"], vectors_of(1), [1])
        count = "SELECT count(*) FROM embeddings"
        with contextlib.closing(sqlite3.connect(path)) as database:
            assert database.execute(count).fetchone() == (3,)


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """The message says what to do, not what SQLite thought."""
    with opened(tmp_path / "none" / "x.sqlite") as cache, pytest.raises(HomeError):
        cache.size()


@pytest.mark.parametrize("batch", [16, 128, 1024])
def test_the_oldest_go_when_it_grows_too_large(path: Path, batch: int) -> None:
    """After each write the file's used bytes are within the bound."""
    max_bytes = 1024**2
    with opened(path, max_bytes=max_bytes) as cache:
        for number in range(8 * 1024 // batch):
            texts = [f"{number} {at}" for at in range(batch)]
            cache.set_many(
                "model", "document", texts, vectors_of(batch, 256), [1] * batch
            )
            count, used = cache.size()
            assert used <= max_bytes
        assert count > 0 or batch == 1024
        newest = cache.get_many("model", "document", texts)
        assert len(newest) == batch or batch == 1024
        assert cache.get_many("model", "document", ["0 0"]) == {}


def test_two_processes_write_at_once(path: Path) -> None:
    """Neither waits for the other's end, and nothing of either is lost."""
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name, "100"])
        for name in ("one", "two")
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    with opened(path) as cache:
        assert cache.size()[0] == 800
        texts = [f"{n} {i} 3" for n in ("one", "two") for i in range(100)]
        found = cache.get_many("model", "document", texts)
        assert [found[at][1] for at in range(200)] == [*range(100), *range(100)]


def test_a_killed_writer_loses_its_open_transaction_only(path: Path) -> None:
    """After kill -9 all that was committed is there, and one can write at once."""
    fill(path, ["a", "b"])
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"in the transaction\n"
        writer.send_signal(signal.SIGKILL)
    with opened(path) as cache:
        assert sorted(cache.get_many("model", "document", ["a", "b"])) == [0, 1]
        cache.set_many("model", "document", ["c"], vectors_of(1), [1])
        assert cache.size()[0] == 3


def test_a_write_that_fails_leaves_nothing_open(path: Path) -> None:
    """After an error the next write works: the transaction was rolled back."""
    with opened(path) as cache:
        with pytest.raises(ValueError, match="zip"):
            cache.set_many("model", "document", ["a"], vectors_of(1), [])
        cache.set_many("model", "document", ["a"], vectors_of(1), [1])
        assert cache.size()[0] == 1


def test_a_closed_cache_opens_again(path: Path) -> None:
    """Closing gives the file back; a later call takes it anew."""
    with opened(path) as cache:
        cache.set_many("model", "document", ["a"], vectors_of(1), [1])
        cache.close()
        cache.close()
        assert cache.size()[0] == 1


def test_a_forked_child_reads_on_its_own_connection(path: Path) -> None:
    """A connection is never used across a fork; parent and child both go on."""
    with opened(path) as cache:
        cache.set_many("model", "document", ["a"], vectors_of(1), [1])
        child = os.fork()
        if not child:
            code = 1
            try:
                cache.set_many("model", "document", ["b"], vectors_of(1), [1])
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert cache.size()[0] == 2
