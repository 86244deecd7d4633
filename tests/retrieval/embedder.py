"""Embedders and sources that tests can count and break."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from contexter_nb.core import EmbedderError
from contexter_nb.retrieval import Collected, Document, Embedded, Problem


class CountingEmbedder:
    """Bags of hashed words, with a list of every text that was ever asked for.

    Parameters
    ----------
    refused : sequence of str
        A batch with a text that contains one of these fails as a whole.
    blocks_at_call : int or None
        From this call on (from 0) nothing is answered until `go` is set.
    """

    def __init__(
        self,
        refused: Sequence[str] = (),
        blocks_at_call: int | None = None,
        identity: str = "counting",
        dimension: int = 16,
    ) -> None:
        self.texts: list[str] = []
        self.calls = 0
        self.refused = tuple(refused)
        self.blocks_at_call = blocks_at_call
        self.blocked = asyncio.Event()
        self.go = asyncio.Event()
        self.identity = identity
        self.dimension = dimension

    async def embed(self, texts: Sequence[str], input_type: str) -> Embedded:
        if self.blocks_at_call is not None and self.calls >= self.blocks_at_call:
            self.blocked.set()
            await self.go.wait()
        self.calls += 1
        for text in texts:
            if any(each in text for each in self.refused):
                raise EmbedderError("the service does not like a text")
        self.texts += texts
        return Embedded(
            vectors=np.stack([self.vector(text) for text in texts]),
            token_counts=[len(text.split()) for text in texts],
            usd=0.5 * len(texts),
        )

    def vector(self, text: str) -> np.ndarray:
        vector = np.full(self.dimension, 1e-3, np.float32)
        for word in re.findall(r"\w+", text.lower()):
            digest = hashlib.blake2b(word.encode()).digest()
            vector[digest[0] % self.dimension] += 1 if digest[1] % 2 else -1
        return vector / max(float(np.linalg.norm(vector)), 1e-6)


@dataclass
class ListSource:
    """Documents that a test holds in its hands."""

    documents: list[Document] = field(default_factory=list)
    library: str = "notes"
    version: str = "1"
    print_of: str = ""
    problems: list[Problem] = field(default_factory=list)
    complete: bool = True
    collected: int = 0

    def fingerprint(self) -> str:
        return self.print_of

    async def collect(self) -> Collected:
        self.collected += 1
        return Collected(
            library=self.library,
            version=self.version,
            source="frame",
            documents=list(self.documents),
            problems=list(self.problems),
            fingerprint=self.print_of,
            complete=self.complete,
        )


def note(title: str, text: str, library: str = "notes", **fields: object) -> Document:
    """Return a page of one section."""
    told = {"version": "1", "source": "frame", "kind": "page", "markup": "text"}
    return Document(title=title, text=text, library=library, **{**told, **fields})
