"""What an embedder is: texts in, float32 rows out, with its tokens and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from contexter_nb.core import EmbedderError

InputType = Literal["document", "query"]
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The answer of an embedder.

    Attributes
    ----------
    vectors : numpy.ndarray
        float32, shape (n texts, dimension), rows of length 1 (or 0 for a text with
        no token).
    token_counts : list of int
        Tokens of each text, as the embedder counts (or bills) them.
    usd : float
        What it cost.
    cached : list of bool or None
        Of an embedder that keeps vectors itself: whether each came from there.
    """

    vectors: Vectors
    token_counts: list[int]
    usd: float = 0.0
    cached: list[bool] | None = None


@runtime_checkable
class Embedder(Protocol):
    """The small protocol behind the keyless model and the remote services.

    `identity` names model, revision and dimension: vectors of different identities
    are never compared, cached or indexed together.
    """

    @property
    def identity(self) -> str:
        """Return the name that vectors are cached and indexed under."""

    @property
    def dimension(self) -> int:
        """Return the length of a vector."""

    async def embed(self, texts: Sequence[str], input_type: InputType) -> Embedded:
        """Embed texts, one row each, in their order.

        Parameters
        ----------
        texts : sequence of str
            n texts, as a rule those that the cache lacks.
        input_type : str
            ``"document"`` for what is stored, ``"query"`` for what is asked.

        Returns
        -------
        Embedded
            `vectors` of shape (n, dimension) and n `token_counts`.

        Raises
        ------
        EmbedderError
            A text cannot be embedded; indexing then halves its batch until only the
            texts that fail are left out.
        """


@runtime_checkable
class KeepingEmbedder(Embedder, Protocol):
    """An embedder that keeps vectors itself, each as soon as it has come.

    Beside it nothing else is kept. It is given many texts at a time, since it knows
    best how to divide them and how many may be under way at once.
    """

    @property
    def batch_tokens(self) -> int:
        """Return about how many tokens it should be given at a time."""

    async def kept(self, texts: Sequence[str], input_type: InputType) -> list[bool]:
        """Tell which texts it would not have to embed.

        Parameters
        ----------
        texts : sequence of str, n texts
        input_type : str

        Returns
        -------
        list of bool, n answers
        """


def check_embedded(embedded: Embedded, count: int, embedder: Embedder) -> Embedded:
    """Return `embedded`, or raise where it is not one good row a text.

    Raises
    ------
    EmbedderError
        The count or the dimension is wrong, or a number is not finite.
    """
    if not isinstance(embedded, Embedded):
        raise EmbedderError(
            f"The embedder {embedder.identity!r} answered {type(embedded).__name__}; "
            "it must answer contexter_nb.retrieval.Embedded."
        )
    expected = (count, embedder.dimension)
    if embedded.vectors.shape != expected:
        raise EmbedderError(
            f"The embedder {embedder.identity!r} answered vectors of shape "
            f"{embedded.vectors.shape} where {expected} was due; check its model and "
            "dimension."
        )
    if len(embedded.token_counts) != count:
        raise EmbedderError(
            f"The embedder {embedder.identity!r} answered {len(embedded.token_counts)} "
            f"token counts for {count} texts."
        )
    if not np.isfinite(embedded.vectors).all():
        raise EmbedderError(
            f"The embedder {embedder.identity!r} answered numbers that are not finite."
        )
    return embedded
