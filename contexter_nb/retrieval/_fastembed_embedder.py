"""Local ONNX models by the fastembed library, which downloads each once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from contexter_nb.core import EmbedderError, InvalidArgumentError
from contexter_nb.retrieval._embedders import Embedded, InputType
from contexter_nb.retrieval._slices import in_thread

_BATCH = 16


class FastEmbedEmbedder:
    """An embedder that runs a model of fastembed on this machine.

    Parameters
    ----------
    model : str
        As fastembed names it, ``BAAI/bge-small-en-v1.5``; downloaded at the first use.

    Raises
    ------
    InvalidArgumentError
        fastembed is not installed, or knows no such model.
    """

    def __init__(self, model: str) -> None:
        try:
            from fastembed import TextEmbedding
        except ImportError as exc:
            raise InvalidArgumentError(
                "fastembed is not installed; pip install 'contexter_nb[fastembed]'."
            ) from exc
        known = {each["model"]: each for each in TextEmbedding.list_supported_models()}
        if model not in known:
            raise InvalidArgumentError(
                f"fastembed has no model {model!r}; TextEmbedding."
                "list_supported_models() lists those it has."
            )
        self._name = model
        self._dimension = int(known[model]["dim"])

    @property
    def identity(self) -> str:
        """Return the name that vectors are cached and indexed under."""
        return f"fastembed/{self._name}@{self._dimension}"

    @property
    def dimension(self) -> int:
        """Return the length of a vector."""
        return self._dimension

    @cached_property
    def _model(self) -> Any:
        from fastembed import TextEmbedding

        return TextEmbedding(self._name)

    async def embed(self, texts: Sequence[str], input_type: InputType) -> Embedded:
        """Embed texts on this machine, in slices of 16.

        Parameters
        ----------
        texts : sequence of str
        input_type : str

        Raises
        ------
        EmbedderError
            The model cannot be had or fails.
        """
        rows: list[Any] = []
        for start in range(0, len(texts), _BATCH):
            try:
                rows += await in_thread(
                    self._some, texts[start : start + _BATCH], input_type
                )
            except Exception as exc:
                raise EmbedderError(
                    f"fastembed's model {self._name!r} failed ({exc}); check that it "
                    "could be downloaded."
                ) from exc
        vectors = np.array(rows, np.float32).reshape(len(texts), self._dimension)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.where(lengths > 0, lengths, 1)
        # The library tells no counts: about four characters make a token.
        return Embedded(
            vectors=vectors, token_counts=[len(text) // 4 + 1 for text in texts]
        )

    def _some(self, texts: Sequence[str], input_type: InputType) -> list[Any]:
        embed = self._model.query_embed if input_type == "query" else self._model.embed
        return list(embed(list(texts)))
