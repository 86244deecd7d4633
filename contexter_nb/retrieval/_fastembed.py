"""Models of the fastembed package as an embedder; it downloads a model once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from contexter_nb.core import EmbedderError, InvalidArgumentError, did_you_mean
from contexter_nb.retrieval._embedders import Embedded, InputType
from contexter_nb.retrieval._slices import in_thread

# Texts in one slice off the loop, which a cancel waits for.
_SLICE_TEXTS = 16
# No tokenizer is asked: letters of a word to a token, about.
_CHARS_A_TOKEN = 4


class FastEmbedder:
    """Embed in this process by a model of fastembed (ONNX).

    The first text downloads the model, once for all kernels.

    Parameters
    ----------
    model : str
        As fastembed names it, ``BAAI/bge-small-en-v1.5``.

    Raises
    ------
    InvalidArgumentError
        fastembed is not installed, or has no such model.
    """

    def __init__(self, model: str) -> None:
        try:
            self._library: Any = import_module("fastembed")
        except ImportError as exc:
            raise InvalidArgumentError(
                f"embedder is 'fastembed:{model}', and fastembed is not installed; "
                'run pip install "contexter_nb[fastembed]".'
            ) from exc
        listed = self._library.TextEmbedding.list_supported_models()
        dimensions = {each["model"]: int(each["dim"]) for each in listed}
        if model not in dimensions:
            raise InvalidArgumentError(
                f"fastembed has no model {model!r}."
                f"{did_you_mean(model, list(dimensions))} "
                "fastembed.TextEmbedding.list_supported_models() lists them."
            )
        self._name = model
        self._dimension = dimensions[model]
        self._lock = threading.Lock()
        self._model: Any = None

    @property
    def identity(self) -> str:
        """Return the name that vectors are cached and indexed under."""
        return f"fastembed/{self._name}@{self._dimension}"

    @property
    def dimension(self) -> int:
        """Return the length of a vector."""
        return self._dimension

    def usd_at_most(self, texts: Sequence[str]) -> list[float]:
        """Return 0 US dollars for each text: the model runs here.

        Parameters
        ----------
        texts : sequence of str
            n texts.
        """
        return [0.0] * len(texts)

    async def embed(self, texts: Sequence[str], input_type: InputType) -> Embedded:
        """Embed texts, one row each, in their order.

        Parameters
        ----------
        texts : sequence of str
            n texts.
        input_type : str
            ``document`` or ``query``: some models put different words before them.

        Returns
        -------
        Embedded
            n rows of length 1.

        Raises
        ------
        EmbedderError
            The model cannot be downloaded, or fails.
        """
        rows: list[Any] = []
        for start in range(0, len(texts), _SLICE_TEXTS):
            some = list(texts[start : start + _SLICE_TEXTS])
            rows += await in_thread(self._slice, some, input_type)
        vectors = np.asarray(rows, np.float32).reshape(len(texts), self._dimension)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        counts = [-(-len(text) // _CHARS_A_TOKEN) for text in texts]
        return Embedded(vectors=vectors, token_counts=counts)

    def _slice(self, texts: list[str], input_type: InputType) -> list[Any]:
        with self._lock:
            try:
                if self._model is None:
                    self._model = self._library.TextEmbedding(self._name)
                ask = self._model.query_embed
                if input_type == "document":
                    ask = self._model.passage_embed
                return list(ask(texts))
            except Exception as exc:  # of onnxruntime, of the hub, of the disk
                raise EmbedderError(
                    f"fastembed's {self._name} cannot embed "
                    f"({type(exc).__name__}: {str(exc)[:200]}); it downloads the model "
                    "at first use, so check the network, or use embedder='static'."
                ) from exc

    def __repr__(self) -> str:
        return f"<FastEmbedder {self.identity}>"
