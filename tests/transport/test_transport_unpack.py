"""A packed body comes in pieces of any length and is unpacked all the same."""

from __future__ import annotations

import gzip
import zlib

import pytest

from contexter_nb.transport._unpack import Unpacker, UnpackError

WORDS = b"the same words, " * 20
_raw = zlib.compressobj(wbits=-zlib.MAX_WBITS)
BODIES = {
    "gzip": ("gzip", gzip.compress(WORDS)),
    "two members": ("gzip", gzip.compress(WORDS[:100]) + gzip.compress(WORDS[100:])),
    "padded": ("gzip", gzip.compress(WORDS) + b"\0" * 9),
    "zlib": ("deflate", zlib.compress(WORDS)),
    "bare deflate": ("deflate", _raw.compress(WORDS) + _raw.flush()),
}


def unpacked(encoding: str, pieces: list[bytes]) -> bytes:
    """Return what an unpacker makes of the pieces."""
    unpacker = Unpacker(encoding)
    found = [each for piece in pieces for each in unpacker.feed(piece)]
    return b"".join([*found, unpacker.end()])


@pytest.mark.parametrize("name", BODIES)
def test_it_does_not_matter_where_the_pieces_are_cut(name: str) -> None:
    """Two pieces cut anywhere, and pieces of one byte, give the same words."""
    encoding, body = BODIES[name]
    for at in range(len(body) + 1):
        assert unpacked(encoding, [body[:at], body[at:]]) == WORDS, at
    assert unpacked(encoding, [body[at : at + 1] for at in range(len(body))]) == WORDS


@pytest.mark.parametrize("name", ["gzip", "zlib", "bare deflate"])
def test_a_body_that_was_cut_is_noticed_wherever_it_was(name: str) -> None:
    """A part of the words is never given for the whole."""
    encoding, body = BODIES[name]
    for at in range(1, len(body)):
        with pytest.raises(UnpackError):
            unpacked(encoding, [body[:at]])


def test_no_body_at_all_is_none() -> None:
    """As of HEAD, or of status 204."""
    assert unpacked("gzip", []) == b""


def test_pieces_are_of_bounded_length() -> None:
    """A bomb comes out a quarter of a megabyte at a time."""
    bomb = gzip.compress(bytes(5_000_000))
    pieces = list(Unpacker("gzip").feed(bomb))
    assert max(len(each) for each in pieces) <= 256 * 1024
    assert sum(len(each) for each in pieces) == 5_000_000
