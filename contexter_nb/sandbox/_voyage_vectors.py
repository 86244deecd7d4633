"""Texts to vectors as Voyage would give them: any dimension, any number, any prompt."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from contexter_nb.retrieval import in_thread
from contexter_nb.sandbox._static import static_model

__all__ = ["in_thread"]  # with what is heavy, so that nothing else loads it

Vectors = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
WIDTH = 256
# The static model reads so much of a text, hence longer ones in pieces.
_PIECE_CHARS = 20_000
# A prompt moves a vector by some five degrees, as the real one's first words do.
_PROMPT_SHARE = 0.1
# A chunk's document colours it: alone, it has another vector.
_DOCUMENT_SHARE = 0.3
_CHARS_PER_TOKEN = 5
_PROMPTS = {
    "query": "Represent the query for retrieving supporting documents:",
    "document": "Represent the document for retrieval:",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Texts as tokens.

    Attributes
    ----------
    counts : list of int
        Tokens of each.
    ids : list of numpy.ndarray
        The tokens themselves; empty where vectors are hashes.
    """

    counts: list[int]
    ids: list[Ids]


def read(texts: Sequence[str], kind: str) -> Read:
    """Return the tokens of texts; only counted, by length, for ``hash``."""
    if kind == "hash":
        counts = [-(-len(text) // _CHARS_PER_TOKEN) for text in texts]
        return Read(counts=counts, ids=[])
    pieces = [_pieces(text) for text in texts]
    flat = iter(static_model().tokens([piece for each in pieces for _, piece in each]))
    ids = [
        np.array([token for _ in each for token in next(flat)], np.int64)
        for each in pieces
    ]
    return Read(counts=[len(each) for each in ids], ids=ids)


def base(texts: Sequence[str], read: Read, counts: Sequence[int]) -> Vectors:
    """Return vectors of length 1, shape (n, 256), of the first `counts` tokens."""
    if not read.ids:
        return np.stack([_hashed(text) for text in texts])
    table = static_model().table
    summed = [
        table[ids[:count]].sum(axis=0) if count else _hashed(text)
        for text, ids, count in zip(texts, read.ids, counts, strict=True)
    ]
    return _unit(np.stack(summed))


def prompted(vectors: Vectors, input_type: str | None) -> Vectors:
    """Return vectors as if a prompt for `input_type` stood before the texts."""
    if input_type is None:
        return vectors
    prompt = static_model().embed_now([_PROMPTS[input_type]]).vectors[0]
    moved: Vectors = vectors + np.float32(_PROMPT_SHARE) * prompt
    return _unit(moved)


def spans(text: str) -> list[tuple[int, int]]:
    """Return where each token of a text starts and ends."""
    return [
        (at + start, at + end)
        for at, piece in _pieces(text)
        for _, start, end in static_model().token_spans(piece)
    ]


def in_contexts(
    vectors: Vectors, counts: Sequence[int], sizes: Sequence[int]
) -> Vectors:
    """Return the vectors of chunks, each coloured by its own document."""
    parts = []
    start = 0
    for size in sizes:
        of = slice(start, start + size)
        parts.append(_in_context(vectors[of], counts[of]))
        start += size
    return np.concatenate(parts)


def _in_context(vectors: Vectors, counts: Sequence[int]) -> Vectors:
    weights = np.array(counts, np.float32)[:, None] / max(1, sum(counts))
    summed: Vectors = np.sum(vectors * weights, axis=0, keepdims=True, dtype=np.float32)
    document = _unit(summed)
    coloured: Vectors = vectors + np.float32(_DOCUMENT_SHARE) * document
    return _unit(coloured)


def widened(vectors: Vectors, dimension: int, space: str) -> Vectors:
    """Return vectors of another dimension with the same cosines among them.

    They are copies side by side, with signs that depend on the space. So the first 256
    numbers of a longer one, brought to length 1, are those of the short one, as of
    Voyage's own; and vectors of different spaces have nothing to do with each other.
    """
    wide: Vectors = np.tile(vectors, (1, dimension // WIDTH)) * _signs(dimension, space)
    return _unit(wide)


def quantized(vectors: Vectors, dtype: str) -> npt.NDArray[Any]:
    """Return vectors as numbers of a type, little-endian; binary ones packed."""
    if dtype == "float":
        return vectors.astype("<f4", copy=False)
    if dtype in ("binary", "ubinary"):
        bits: npt.NDArray[Any] = np.packbits(vectors > 0, axis=1)
        return bits if dtype == "ubinary" else (bits ^ 0x80).view(np.int8)
    # A unit vector's numbers are about 1 / sqrt(dimension); four of those fill a byte.
    scale = 32.0 * math.sqrt(vectors.shape[1])
    whole: npt.NDArray[Any] = np.clip(np.rint(vectors * scale), -128, 127).astype(
        np.int8
    )
    return whole if dtype == "int8" else whole.view(np.uint8) ^ 0x80


def written(rows: npt.NDArray[Any], encoding: str | None) -> list[Any]:
    """Return each row as JSON carries it: base64 of its bytes, or a list."""
    if encoding == "base64":
        return [base64.b64encode(row.tobytes()).decode("ascii") for row in rows]
    listed: list[Any] = rows.tolist()
    return listed


def _pieces(text: str) -> list[tuple[int, str]]:
    """Return a text in pieces that the model reads whole, each with its place."""
    pieces = []
    start = 0
    while len(text) - start > _PIECE_CHARS:
        end = start + _PIECE_CHARS
        blank = text.rfind(" ", start + 1, end)
        pieces.append((start, text[start : end if blank < 0 else blank]))
        start = end if blank < 0 else blank + 1
    return [*pieces, (start, text[start:])]


def _hashed(text: str) -> Vectors:
    """Return a direction that depends on a text alone."""
    seed = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
    drawn = np.frombuffer(hashlib.shake_128(seed).digest(WIDTH), np.uint8)
    direction: Vectors = drawn.astype(np.float32) - np.float32(127.5)
    unit: Vectors = _unit(direction[None])[0]
    return unit


@lru_cache(maxsize=64)
def _signs(dimension: int, space: str) -> Vectors:
    drawn = hashlib.shake_128(space.encode()).digest(dimension // 8)
    bits = np.unpackbits(np.frombuffer(drawn, np.uint8))
    signs: Vectors = bits.astype(np.float32) * np.float32(2) - np.float32(1)
    return signs


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled = np.zeros_like(vectors)
    np.divide(vectors, lengths, out=scaled, where=lengths > 0)
    return scaled
