"""How a record is written to disk and to Redis, and read as if by an enemy."""

from __future__ import annotations

import functools
import math
import struct
import zlib

import msgspec

from contexter_nb.policies._cache_entry import Record

FORMAT = 1
RAW = 0
_MAGIC = b"cxc"
_FRONT = struct.Struct("<3sBBI")  # magic, format, codec, crc32 of key and all the rest
_HEADER = struct.Struct("<ddddqI")
_WHOLE = struct.Struct(_FRONT.format + _HEADER.format[1:])
_START = _WHOLE.size


def encode(key: str, record: Record) -> bytes:
    """Return a record as bytes that say which format, codec and key they are of."""
    tags = msgspec.msgpack.encode(record.tags) if record.tags else b""
    header = _HEADER.pack(
        record.created_at,
        record.expires_at,
        record.usd,
        record.seconds,
        record.tokens,
        len(tags),
    )
    rest = b"".join((header, tags, record.value))
    return _FRONT.pack(_MAGIC, FORMAT, RAW, _checksum(key, rest)) + rest


def decode(key: str, blob: object) -> Record | None:
    """Return the record, or None for bytes damaged, foreign or of another key.

    The checksum finds accidents, not malice: whoever can write here can give wrong
    bytes, but never run code or make a number that is none.
    """
    if not isinstance(blob, bytes) or len(blob) < _START:
        return None
    magic, form, codec, checksum, created, expires, usd, seconds, tokens, length = (
        _WHOLE.unpack_from(blob)
    )
    if (magic, form, codec) != (_MAGIC, FORMAT, RAW):
        return None
    tags = blob[_START : _START + length]
    if len(tags) != length:
        return None
    if checksum != _checksum(key, memoryview(blob)[_FRONT.size :]):
        return None
    # With an infinity or a nan among them the sum is not finite either.
    if not math.isfinite(created + expires + usd + seconds):
        return None
    if tokens < 0 or expires < created:
        return None
    value = blob[_START + length :]
    try:
        names = _tags(tags) if tags else ()
    except msgspec.DecodeError:
        return None
    return Record(value, created, expires, names, tokens, usd, seconds)


@functools.lru_cache(maxsize=256)
def _tags(packed: bytes) -> tuple[str, ...]:
    # Thousands of entries have the same ones, and share them in memory, too.
    return tuple(msgspec.msgpack.decode(packed, type=list[str]))


def _checksum(key: str, rest: bytes | memoryview) -> int:
    # Over the key, too: an answer that got under another key is found out.
    return zlib.crc32(rest, zlib.crc32(key.encode("utf-8", "surrogatepass")))
