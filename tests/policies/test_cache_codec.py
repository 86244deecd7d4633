"""Entries, records and their bytes: exact, and suspicious of what is read."""

from __future__ import annotations

import math
import pickle
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb.core import InvalidArgumentError
from contexter_nb.policies._cache_codec import decode, encode
from contexter_nb.policies._cache_entry import Entry, Record, record_of

RECORD = Record(b"value", 100.0, 160.0, ("a", "b"), 7, 0.5, 1.25)

numbers = st.floats(0, 1e12)
records = st.builds(
    lambda value, created, life, tags, tokens, usd, seconds: Record(
        value, created, created + life, tuple(tags), tokens, usd, seconds
    ),
    st.binary(max_size=200),
    numbers,
    numbers,
    st.lists(st.text(max_size=5), max_size=3),
    st.integers(0, 2**40),
    numbers,
    numbers,
)


@given(st.text(), records)
def test_a_record_is_read_as_it_was_written(key: str, record: Record) -> None:
    """Value, instants, tags and costs survive, whatever they are."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return
    assert decode(key, encode(key, record)) == record


@given(st.data())
def test_a_changed_byte_is_found_out(data: st.DataObject) -> None:
    """A record with one byte changed, added or taken is refused."""
    blob = bytearray(encode("key", RECORD))
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= data.draw(st.integers(1, 255))
    assert decode("key", bytes(blob)) is None
    assert decode("key", encode("key", RECORD)[:at]) is None
    assert decode("key", encode("key", RECORD) + b"x") is None


@given(st.binary(max_size=100))
def test_garbage_is_no_record(blob: bytes) -> None:
    """Any other bytes are refused, a pickle among them, and nothing is run."""
    assert decode("key", blob) is None
    assert decode("key", pickle.dumps({"value": blob})) is None


@pytest.mark.parametrize("blob", [None, "text", 5, b""])
def test_what_is_no_bytes_is_no_record(blob: Any) -> None:
    """A column of another type counts as damaged."""
    assert decode("key", blob) is None


def test_a_record_is_good_under_its_own_key_only() -> None:
    """An answer that was written under another key is refused."""
    assert decode("bob", encode("alice", RECORD)) is None


def forged(created: float, expires: float, tokens: int, tags: bytes = b"") -> bytes:
    """Return bytes with a right checksum, as an enemy would write them."""
    header = struct.pack("<ddddqI", created, expires, 0.0, 0.0, tokens, len(tags))
    crc = zlib.crc32(b"key" + header + tags)
    return struct.pack("<3sBBI", b"cxc", 1, 0, crc) + header + tags


@pytest.mark.parametrize(
    "blob",
    [
        forged(math.nan, 10.0, 0),
        forged(0.0, math.inf, 0),
        forged(10.0, 0.0, 0),
        forged(0.0, 10.0, -1),
        forged(0.0, 10.0, 0, b"\xc1"),
        forged(0.0, 10.0, 0, b"\x91\x01"),
    ],
)
def test_numbers_that_are_none_are_refused(blob: bytes) -> None:
    """A right checksum does not make an instant of nan, a negative cost or bad tags."""
    assert decode("key", forged(0.0, 10.0, 0)) is not None
    assert decode("key", blob) is None


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_a_time_to_live_varies_by_a_tenth(jitter: float) -> None:
    """Entries made together expire within 10 % round their time."""
    record = record_of(Entry(b"", 100.0), 1000.0, jitter)
    assert record.expires_at == pytest.approx(1090.0 + 20.0 * jitter)


def test_an_endless_time_to_live_has_an_end() -> None:
    """Infinity becomes ten years, which every tier can write."""
    record = record_of(Entry(b"", math.inf), 0.0, 0.5)
    assert record.expires_at == pytest.approx(10 * 365 * 86400)


@pytest.mark.parametrize(
    ("wall", "remaining"),
    [
        (100.0, 60.0),
        (159.0, 1.0),
        (160.0, 0.0),
        (200.0, -40.0),
        (0.0, 60.0),  # another machine's clock may be some minutes behind
        (-1000.0, 0.0),  # set back by far: how old it is cannot be known
    ],
)
def test_a_set_back_clock_gives_no_longer_life(wall: float, remaining: float) -> None:
    """What is left is never more than the whole time to live, and 0 from the future."""
    assert RECORD.remaining_seconds(wall) == pytest.approx(remaining)


@pytest.mark.parametrize("value", ["text", None, 5, {"a": 1}])
def test_an_entry_holds_bytes_only(value: Any) -> None:
    """An object that callers could change under each other is refused."""
    with pytest.raises(InvalidArgumentError, match="bytes"):
        Entry(value, 60)


def test_a_buffer_is_copied() -> None:
    """Changing a bytearray later changes no entry."""
    buffer = bytearray(b"abc")
    entry = Entry(buffer, 60)  # type: ignore[arg-type]
    buffer[0] = 0
    assert entry.value == b"abc"


@pytest.mark.parametrize(
    "fields", [{"ttl_seconds": math.nan}, {"tokens": -1}, {"usd": math.nan}]
)
def test_numbers_of_an_entry_are_numbers(fields: dict[str, Any]) -> None:
    """A time to live of nan and a negative cost are refused."""
    with pytest.raises(InvalidArgumentError):
        Entry(b"", **{"ttl_seconds": 60.0, **fields})
