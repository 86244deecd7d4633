"""The keyless embedder: a static word model that ships in a wheel."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np

from contexter_nb.core import EmbedderError, InvalidArgumentError
from contexter_nb.retrieval._embedders import Embedded, InputType, Vectors
from contexter_nb.retrieval._estimate import Pace, Packing
from contexter_nb.retrieval._slices import in_thread

if TYPE_CHECKING:
    from tokenizers import Tokenizer

DIMENSION = 256
# The model was trained so that the first numbers of a vector are one by themselves
# (https://github.com/dleemiller/WordLlama, read 2026-11-28).
DIMENSIONS = (64, 128, 256)
_NAME = "l2_supercat"
_WEIGHTS = Path("weights", "l2_supercat_256.safetensors")
_TOKENIZER = Path("tokenizers", "l2_supercat_tokenizer_config.json")
# Past this a text's mean hardly moves, and a 10 MB line would cost seconds.
MAX_CHARS = 20_000
_SLICE_TEXTS = 512
# For estimates alone: 40,000 short texts a second (design.md, section 6).
_TOKENS_A_SECOND = 500_000.0


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class _Model:
    """What is read of the wheel: 33 MB in memory."""

    tokenizer: Tokenizer
    table: Vectors


# Once a process, for as long as any embedder is there.
_models: WeakValueDictionary[str, _Model] = WeakValueDictionary()
_reading = threading.Lock()


class StaticEmbedder:
    """Mean of static token vectors (wordllama l2_supercat, up to 256 dimensions).

    Needs no key, no server and no download: the weights lie in the `wordllama`
    wheel. They are read from there directly, because importing `wordllama` sets up the
    root logger and pulls in an HTTP client (read in its source, 0.4.0, 2026-11-23).

    Parameters
    ----------
    dimension : int, default 256
        Or 64 or 128: the first so many numbers of a vector.

    Raises
    ------
    InvalidArgumentError
        The dimension is another one.

    Examples
    --------
    >>> import asyncio
    >>> model = StaticEmbedder()
    >>> answer = asyncio.run(model.embed(["join two tables"], "query"))
    >>> answer.vectors.shape, answer.vectors.dtype.name
    ((1, 256), 'float32')
    """

    def __init__(self, dimension: int = DIMENSION) -> None:
        if dimension not in DIMENSIONS:
            raise InvalidArgumentError(
                f"The static model has no vectors of {dimension!r} dimensions; give "
                f"{' or '.join(map(str, DIMENSIONS))}."
            )
        self._dimension = dimension
        self._model: _Model | None = None

    @cached_property
    def identity(self) -> str:
        """Return the model's name, which carries the version of its wheel."""
        version = metadata.version("wordllama")
        return f"wordllama-l2_supercat-{self._dimension}@{version}"

    @property
    def dimension(self) -> int:
        """Return the length of a vector."""
        return self._dimension

    @property
    def packing(self) -> Packing:
        """Return how texts are handed to it."""
        return Packing(max_texts=256, max_tokens=10_000_000)

    @property
    def pace(self) -> Pace:
        """Return how fast it is, about, on one core."""
        return Pace(tokens_per_second=_TOKENS_A_SECOND)

    @property
    def usd_per_million_tokens(self) -> float:
        """Return 0: it runs here."""
        return 0.0

    def usd_at_most(self, texts: Sequence[str]) -> list[float]:
        """Return 0 US dollars for each text: the model runs here.

        Parameters
        ----------
        texts : sequence of str
            n texts.
        """
        return [0.0] * len(texts)

    async def embed(self, texts: Sequence[str], input_type: InputType) -> Embedded:
        """Embed texts in slices off the loop, so that a cancel is soon heard.

        Parameters
        ----------
        texts : sequence of str
            n texts; of each the first 20,000 characters count.
        input_type : str
            Makes no difference to this model.

        Returns
        -------
        Embedded
            n rows, free of cost; a text without a token gives a row of zeros.

        Raises
        ------
        EmbedderError
            The `wordllama` wheel is missing or cannot be read.
        """
        if len(texts) == 1:
            # A query takes microseconds: not worth a change of threads.
            return self.embed_now(texts) if self._model else await self._sliced(texts)
        return await self._sliced(texts)

    async def _sliced(self, texts: Sequence[str]) -> Embedded:
        parts = [
            await in_thread(self.embed_now, texts[start : start + _SLICE_TEXTS])
            for start in range(0, len(texts), _SLICE_TEXTS)
        ]
        return Embedded(
            vectors=np.concatenate([part.vectors for part in parts])
            if parts
            else np.empty((0, self._dimension), np.float32),
            token_counts=[count for part in parts for count in part.token_counts],
        )

    def embed_now(self, texts: Sequence[str]) -> Embedded:
        """Embed texts in the calling thread.

        Parameters
        ----------
        texts : sequence of str
            As for `embed`, all in one slice.

        Returns
        -------
        Embedded
            As from `embed`.

        Raises
        ------
        EmbedderError
            The `wordllama` wheel is missing or cannot be read.
        """
        ids = self.tokens(texts)
        counts = [len(each) for each in ids]
        vectors = np.zeros((len(texts), self._dimension), np.float32)
        for row, tokens in enumerate(ids):
            if tokens:
                vectors[row] = self.table[tokens].sum(axis=0)[: self._dimension]
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return Embedded(vectors=vectors, token_counts=counts)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, each a row of `table`.

        Parameters
        ----------
        texts : sequence of str
            n texts; of each the first 20,000 characters count.

        Returns
        -------
        list of list of int
            n lists in reading order, with repeats; empty where a text has no token.

        Raises
        ------
        EmbedderError
            The `wordllama` wheel is missing or cannot be read.
        """
        encoded = self._load().tokenizer.encode_batch_fast(
            [_valid(text[:MAX_CHARS]) for text in texts], add_special_tokens=False
        )
        return [each.ids for each in encoded]

    def token_spans(self, text: str) -> list[tuple[int, int, int]]:
        """Return each token of a text: its id, and where it starts and ends.

        Parameters
        ----------
        text : str
            Its first 20,000 characters count.

        Returns
        -------
        list of (int, int, int)
            Token id, position of its first character, position after its last.

        Raises
        ------
        EmbedderError
            The `wordllama` wheel is missing or cannot be read.
        """
        valid = _valid(text[:MAX_CHARS])
        encoded = self._load().tokenizer.encode(valid, add_special_tokens=False)
        return [
            (token, start, end)
            for token, (start, end) in zip(encoded.ids, encoded.offsets, strict=True)
        ]

    @property
    def table(self) -> Vectors:
        """Return the vector of each token: float32, shape (32000, 256)."""
        return self._load().table

    def _load(self) -> _Model:
        if self._model is None:
            with _reading:
                found = _models.get(_NAME)
                if found is None:
                    found = _models[_NAME] = _read_model()
                self._model = found
        return self._model


def _valid(text: str) -> str:
    """Return text the tokenizer takes: a lone surrogate becomes a question mark."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _read_model() -> _Model:
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    found = util.find_spec("wordllama")
    if found is None or not found.submodule_search_locations:
        raise EmbedderError(
            "The keyless model is missing: install it with `pip install wordllama`."
        )
    folder = Path(found.submodule_search_locations[0])
    try:
        tokenizer = Tokenizer.from_file(str(folder / _TOKENIZER))
        table = load_file(folder / _WEIGHTS)["embedding.weight"].astype(np.float32)
    except Exception as exc:
        raise EmbedderError(
            f"The keyless model in {folder} cannot be read; reinstall it with "
            "`pip install --force-reinstall wordllama`."
        ) from exc
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return _Model(tokenizer, np.ascontiguousarray(table))
