"""The statements of the disk tier: functions of an open database and given instants."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from contexter_nb.core import damaged, immediate
from contexter_nb.policies._cache_codec import decode, encode
from contexter_nb.policies._cache_entry import Record
from contexter_nb.policies._cache_stats import CachedEntry, Order

OVERHEAD_BYTES = 120  # a row's share of the indexes
LOOKUP_KEYS = 500
USED_EVERY_SECONDS = 3600.0
_EVICT_ROWS = 256
_EVICT_TO = 0.9
_LAST = "\U0010ffff"
_PUT = (
    "INSERT INTO entries (key, bytes, expires_at, value) "
    "VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET bytes = excluded.bytes, "
    "expires_at = excluded.expires_at, value = excluded.value"
)
_PUT_USE = (
    "INSERT INTO uses (id, used_at) SELECT id, ? FROM entries WHERE key = ? "
    "ON CONFLICT (id) DO UPDATE SET used_at = excluded.used_at"
)


@dataclass(frozen=True, slots=True)
class Total:
    """What a file holds, and how often something was cleared in it."""

    entries: int
    bytes: int
    generation: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What asking for the lease of a key gave.

    `granted`, else a fresh `record`, else another holds it.
    """

    granted: bool
    record: Record | None = None
    generation: int | str | None = None


def total(database: sqlite3.Connection) -> Total:
    """Return the running total; without one nothing here can be kept in bounds."""
    row = database.execute("SELECT entries, bytes, generation FROM total").fetchone()
    if row is None or not all(isinstance(each, int) for each in row):
        raise damaged("the running total is damaged")
    return Total(*row)


def read(
    database: sqlite3.Connection, keys: Sequence[str]
) -> tuple[dict[str, Record], dict[str, int], int]:
    """Return the records of the keys, their rows, and how many damaged were dropped."""
    found: dict[str, Record] = {}
    numbers: dict[str, int] = {}
    damaged: list[str] = []
    for some, marks in _parts(keys):
        # By row number, so that each page is read once.
        query = (
            "SELECT id, key, value FROM entries WHERE id IN "
            f"(SELECT id FROM entries WHERE key IN ({marks}))"
        )
        for number, key, blob in database.execute(query, some):
            record = decode(key, blob)
            if record is None:
                damaged.append(key)
            else:
                found[key] = record
                numbers[key] = number
    if damaged:
        remove(database, damaged)
    return found, numbers, len(damaged)


def _parts(keys: Sequence[str]) -> Iterator[tuple[Sequence[str], str]]:
    """Yield keys in parts that a statement has places for, and these places."""
    for start in range(0, len(keys), LOOKUP_KEYS):
        some = keys[start : start + LOOKUP_KEYS]
        yield some, ",".join("?" * len(some))


def write(
    database: sqlite3.Connection,
    records: Mapping[str, tuple[Record, int | None]],
    wall: float,
    max_bytes: int,
) -> tuple[int, Total]:
    """Keep records in one transaction; return how many others had to go.

    A record comes with the generation it was fetched in: what was fetched before
    something was cleared is not kept after it.
    """
    rows, marks = [], []
    for key, (record, _) in records.items():
        blob = encode(key, record)
        size = len(blob) + len(key) + OVERHEAD_BYTES
        rows.append((key, size, record.expires_at, blob))
        marks += [(tag, key) for tag in set(record.tags)]
    with immediate(database):
        generation = total(database).generation
        late = {
            key
            for key, (_, since) in records.items()
            if since is not None and since != generation
        }
        rows = [row for row in rows if row[0] not in late and row[1] <= max_bytes]
        database.executemany(
            "DELETE FROM tags WHERE key = ?", [row[:1] for row in rows]
        )
        database.executemany(_PUT, rows)
        database.executemany(_PUT_USE, [(wall, row[0]) for row in rows])
        kept = {row[0] for row in rows}
        database.executemany(
            "INSERT OR IGNORE INTO tags (tag, key) VALUES (?, ?)",
            [mark for mark in marks if mark[1] in kept],
        )
        evicted = _evict(database, max_bytes)
        return evicted, total(database)


def _evict(database: sqlite3.Connection, max_bytes: int) -> int:
    held = total(database).bytes
    if held <= max_bytes:
        return 0
    evicted = 0
    while held > max_bytes * _EVICT_TO:
        going = []
        oldest = (
            "SELECT entries.id, bytes FROM uses CROSS JOIN entries USING (id) "
            "ORDER BY used_at, uses.id LIMIT ?"
        )
        for number, size in database.execute(oldest, (_EVICT_ROWS,)).fetchall():
            going.append((number,))
            held -= size
            if held <= max_bytes * _EVICT_TO:
                break
        if not going:
            break
        database.executemany("DELETE FROM entries WHERE id = ?", going)
        evicted += len(going)
    return evicted


def purge(database: sqlite3.Connection, before: float, wall: float) -> int:
    """Drop what expired before an instant, and leases that ended."""
    with immediate(database):
        database.execute("DELETE FROM leases WHERE until <= ?", (wall,))
        gone = database.execute("DELETE FROM entries WHERE expires_at < ?", (before,))
        return gone.rowcount


def touch(database: sqlite3.Connection, hits: Mapping[int, int], wall: float) -> None:
    """Add hits to rows; when one was used last is written at most once an hour.

    A number whose row was dropped meanwhile is passed over; a new row that took it has
    a hit too many.
    """
    old = wall - USED_EVERY_SECONDS
    with immediate(database):
        database.executemany(
            "UPDATE uses SET hits = hits + ? WHERE id = ?",
            [(count, number) for number, count in hits.items()],
        )
        # A row from the future is one of a clock that was set back since.
        database.executemany(
            "UPDATE uses SET used_at = ? WHERE id = ? "
            "AND (used_at <= ? OR used_at > ?)",
            [(wall, number, old, wall) for number in hits],
        )


def remove(database: sqlite3.Connection, keys: Iterable[str]) -> None:
    """Drop rows."""
    with immediate(database):
        database.executemany("DELETE FROM entries WHERE key = ?", [(k,) for k in keys])


def delete(database: sqlite3.Connection, key: str) -> Total:
    """Drop a row and begin a generation, so that other processes notice."""
    with immediate(database):
        database.execute("DELETE FROM entries WHERE key = ?", (key,))
        database.execute("UPDATE total SET generation = generation + 1")
        return total(database)


def _chosen(tag: str | None, prefix: str | None) -> tuple[str, list[str]]:
    """Return the condition for what has the tag and begins with the prefix."""
    where, values = ["1"], []
    if tag is not None:
        where.append("key IN (SELECT key FROM tags WHERE tag = ?)")
        values.append(tag)
    if prefix:
        where.append("key >= ? AND key < ?")
        values += [prefix, prefix + _LAST]
    return " AND ".join(where), values


def matching(
    database: sqlite3.Connection, tag: str | None, prefix: str | None
) -> set[str]:
    """Return the keys that `clear` would drop."""
    where, values = _chosen(tag, prefix)
    found = database.execute(f"SELECT key FROM entries WHERE {where}", values)
    return {row[0] for row in found.fetchall()}


def clear(
    database: sqlite3.Connection, tag: str | None, prefix: str | None
) -> tuple[set[str], Total]:
    """Drop what has the tag and begins with the prefix; begin a generation."""
    where, values = _chosen(tag, prefix)
    with immediate(database):
        statement = f"DELETE FROM entries WHERE {where} RETURNING key"
        gone = {row[0] for row in database.execute(statement, values).fetchall()}
        database.execute("UPDATE total SET generation = generation + 1")
        after = total(database)
    # Give the room back to the machine, as far as readers let us.
    # (A script, since a statement would be stepped once and free one page.)
    database.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")
    return gone, after


def claim(
    database: sqlite3.Connection,
    key: str,
    holder: str,
    wall: float,
    lease_seconds: float,
) -> Claim:
    """Take the lease of a key, unless there is a fresh record or a living holder."""
    if _held_by_other(database, key, wall, lease_seconds) and not _fresh(
        database, key, wall
    ):
        return Claim(False)  # told without the lock that writers wait for
    with immediate(database):
        record = _fresh(database, key, wall)
        if record is not None:
            return Claim(False, record)
        if _held_by_other(database, key, wall, lease_seconds):
            return Claim(False)
        database.execute(
            "INSERT OR REPLACE INTO leases VALUES (?, ?, ?)",
            (key, holder, wall + lease_seconds),
        )
        return Claim(True, generation=total(database).generation)


def _held_by_other(
    database: sqlite3.Connection, key: str, wall: float, lease_seconds: float
) -> bool:
    query = "SELECT until FROM leases WHERE key = ?"
    row = database.execute(query, (key,)).fetchone()
    # One that ends too late was taken before the clock was set back.
    return row is not None and wall < row[0] <= wall + 2 * lease_seconds


def _fresh(database: sqlite3.Connection, key: str, wall: float) -> Record | None:
    query = "SELECT value FROM entries WHERE key = ?"
    row = database.execute(query, (key,)).fetchone()
    record = decode(key, row[0]) if row else None
    return record if record and record.remaining_seconds(wall) > 0 else None


def renew(database: sqlite3.Connection, key: str, holder: str, until: float) -> None:
    """Hold a lease for longer."""
    with immediate(database):
        database.execute(
            "UPDATE leases SET until = ? WHERE key = ? AND holder = ?",
            (until, key, holder),
        )


def release(database: sqlite3.Connection, key: str, holder: str) -> None:
    """Give a lease back."""
    with immediate(database):
        database.execute(
            "DELETE FROM leases WHERE key = ? AND holder = ?", (key, holder)
        )


def listing(
    database: sqlite3.Connection, order: Order, limit: int, wall: float
) -> list[CachedEntry]:
    """Return the entries with the most or the fewest hits."""
    way = "DESC" if order == "hot" else "ASC"
    query = (
        "SELECT key, hits, bytes, value FROM uses JOIN entries USING (id) "
        f"ORDER BY hits {way}, used_at {way}, id {way} LIMIT ?"
    )
    found = []
    for key, hits, size, blob in database.execute(query, (limit,)).fetchall():
        record = decode(key, blob)
        if record is not None:
            found.append(
                CachedEntry(
                    key=key,
                    tier="disk",
                    hits=hits,
                    bytes=size,
                    age_seconds=record.age_seconds(wall),
                    expires_in_seconds=record.remaining_seconds(wall),
                    tags=record.tags,
                )
            )
    return found
