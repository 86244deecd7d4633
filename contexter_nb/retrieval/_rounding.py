"""Vectors rounded to fewer bits, so that it can be seen what that costs in quality."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contexter_nb.core import InvalidArgumentError, did_you_mean
from contexter_nb.retrieval._embedders import (
    Embedded,
    Embedder,
    InputType,
    Vectors,
    check_embedded,
)
from contexter_nb.retrieval._estimate import Pace, Packing

DTYPES = ("float", "int8", "binary")
_INT8_MOST = 127


def check_dtype(dtype: object) -> str:
    """Return what the numbers of a vector are rounded to.

    Parameters
    ----------
    dtype : str
        ``float`` (not at all), ``int8`` or ``binary`` (their signs alone).

    Raises
    ------
    InvalidArgumentError
        It is none of these.
    """
    if isinstance(dtype, str) and dtype in DTYPES:
        return dtype
    same = {"uint8": "int8", "ubinary": "binary"}
    other = same.get(dtype) if isinstance(dtype, str) else None
    hint = (
        f" {dtype} holds the same numbers as {other}, written otherwise."
        if other
        else did_you_mean(str(dtype), DTYPES)
    )
    raise InvalidArgumentError(
        f"dtype is {dtype!r}; give one of {', '.join(map(repr, DTYPES))}.{hint}"
    )


def signs_of(vectors: Vectors) -> Vectors:
    """Return rows of length 1 with 1 for each number above 0, and -1 for the others.

    Parameters
    ----------
    vectors : numpy.ndarray
        float32, shape (n, dimension).

    Examples
    --------
    >>> signs_of(np.array([[0.8, -0.6, 0.0, 2.0]], np.float32)).tolist()
    [[0.5, -0.5, -0.5, 0.5]]
    """
    signs = np.where(vectors > 0, 1.0, -1.0) / np.sqrt(max(1, vectors.shape[1]))
    found: Vectors = signs.astype(np.float32)
    return found


def rounded(vectors: Vectors, dtype: str) -> Vectors:
    """Return vectors as they are after their numbers were rounded.

    Parameters
    ----------
    vectors : numpy.ndarray
        float32, shape (n, dimension), rows of length 1 or 0.
    dtype : str
        ``float``, ``int8`` (255 steps, the largest number of each row is the last) or
        ``binary``.

    Returns
    -------
    numpy.ndarray
        float32, of the same shape, rows of length 1; a row of zeros stays.

    Examples
    --------
    >>> row = np.array([[0.6, 0.8]], np.float32)
    >>> rounded(row, "float").tolist() == row.tolist()
    True
    >>> [round(float(each), 3) for each in rounded(row, "binary")[0]]
    [0.707, 0.707]
    """
    if dtype == "float":
        return vectors
    some = np.abs(vectors).max(axis=1, keepdims=True, initial=0) > 0
    if dtype == "binary":
        signs: Vectors = signs_of(vectors) * some
        return signs
    most = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
    steps = np.divide(vectors, most, out=np.zeros_like(vectors), where=some)
    whole = np.rint(steps * _INT8_MOST)
    lengths = np.linalg.norm(whole, axis=1, keepdims=True)
    found: Vectors = np.divide(whole, lengths, out=np.zeros_like(vectors), where=some)
    return found


class RoundedEmbedder:
    """Another embedder's vectors, their numbers rounded here.

    What the other costs and how fast it is stays as it is. (Voyage AI rounds by
    itself: `VoyageEmbedder` asks it to.)

    Parameters
    ----------
    inner : Embedder
        Makes the vectors.
    dtype : str
        ``int8`` or ``binary``.

    Raises
    ------
    InvalidArgumentError
        It is neither.

    Examples
    --------
    >>> from contexter_nb.retrieval import StaticEmbedder
    >>> RoundedEmbedder(StaticEmbedder(), "binary").identity.rpartition("+")[2]
    'binary'
    """

    def __init__(self, inner: Embedder, dtype: str) -> None:
        self._inner = inner
        self._dtype = check_dtype(dtype)

    @property
    def identity(self) -> str:
        """Return the name that vectors are cached and indexed under."""
        return f"{self._inner.identity}+{self._dtype}"

    @property
    def inner(self) -> Embedder:
        """Return the embedder whose vectors are rounded."""
        return self._inner

    @property
    def dimension(self) -> int:
        """Return the length of a vector."""
        return self._inner.dimension

    @property
    def packing(self) -> Packing:
        """Return how texts are handed to it."""
        found: Packing = getattr(self._inner, "packing", Packing())
        return found

    @property
    def pace(self) -> Pace:
        """Return how fast it is."""
        found: Pace = getattr(self._inner, "pace", Pace())
        return found

    @property
    def usd_per_million_tokens(self) -> float | None:
        """Return the price: 0 for a model that runs here, None where it is unknown."""
        price: float | None = getattr(self._inner, "usd_per_million_tokens", None)
        return price

    def usd_at_most(self, texts: Sequence[str]) -> Sequence[float] | None:
        """Return the most that each text can cost; None where no price is known.

        Parameters
        ----------
        texts : sequence of str
            n texts.
        """
        asked = getattr(self._inner, "usd_at_most", None)
        found: Sequence[float] | None = asked(texts) if asked is not None else None
        return found

    async def embed(self, texts: Sequence[str], input_type: InputType) -> Embedded:
        """Embed texts, one row each, in their order, and round the rows.

        Parameters
        ----------
        texts : sequence of str
            n texts.
        input_type : str
            ``document`` or ``query``.

        Returns
        -------
        Embedded
            As of the other embedder, but for the rows.

        Raises
        ------
        EmbedderError
            A text cannot be embedded, or the other embedder answered nonsense.
        """
        found = check_embedded(
            await self._inner.embed(texts, input_type), len(texts), self._inner
        )
        return Embedded(
            vectors=rounded(found.vectors, self._dtype),
            token_counts=found.token_counts,
            usd=found.usd,
        )

    def __repr__(self) -> str:
        return f"<RoundedEmbedder {self.identity}>"
