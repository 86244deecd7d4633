"""What Voyage's answers are given as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from contexter_nb.core import ContexterError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingResult:
    """Vectors and what they cost.

    Attributes
    ----------
    vectors : numpy.ndarray
        Shape (n texts, dimension), float32, int8 or uint8, one row a text in the order
        given; of ``binary`` and ``ubinary`` a byte holds 8 dimensions.
    token_counts : tuple of int
        Of each text its share of what its batch was billed, also of one that came from
        the cache; 0 where there is an error.
    total_tokens : int
        Billed for this call.
    usd : float or None
        By the price table; None where the model's price is not known.
    cached : tuple of bool
        Whether a text's vector came from the cache.
    model : str
    dimension : int
    requests : int
        Sent for this call, those that were too large and split included.
    errors : mapping of int to ContexterError
        By position, with ``partial=True``; such a row is NaN (0 for whole numbers).
    """

    vectors: npt.NDArray[Any] = field(repr=False)
    token_counts: tuple[int, ...] = field(repr=False)
    total_tokens: int
    usd: float | None
    cached: tuple[bool, ...] = field(repr=False)
    model: str
    dimension: int
    requests: int
    errors: Mapping[int, ContexterError] = field(
        default_factory=lambda: MappingProxyType({})
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextualizedResult:
    """Vectors of chunks that know the document they stand in.

    Attributes
    ----------
    vectors : tuple of numpy.ndarray
        For each document one of shape (n chunks, dimension).
    token_counts : tuple of int
        Of each document its share of what its batch was billed.
    total_tokens : int
        Billed for this call.
    usd : float or None
        None where the model's price is not known.
    cached : tuple of bool
        Whether a document came from the cache.
    model : str
    dimension : int
    requests : int
    """

    vectors: tuple[npt.NDArray[np.generic], ...] = field(repr=False)
    token_counts: tuple[int, ...] = field(repr=False)
    total_tokens: int
    usd: float | None
    cached: tuple[bool, ...] = field(repr=False)
    model: str
    dimension: int
    requests: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """One document in its place.

    Attributes
    ----------
    index : int
        Its place among the documents given.
    relevance_score : float
        Higher is better; of one model only comparable with itself.
    """

    index: int
    relevance_score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankResult:
    """Documents by relevance, the best first.

    Attributes
    ----------
    ranking : tuple of Ranked
        At most `top_k`.
    total_tokens : int
        Billed for this call; 0 where the cache answered.
    usd : float or None
        None where the model's price is not known.
    cached : bool
        Whether the cache answered all of it.
    model : str
    requests : int
        Sent for this call.
    """

    ranking: tuple[Ranked, ...]
    total_tokens: int
    usd: float | None
    cached: bool
    model: str
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingProgress:
    """How far a job is, told after each batch.

    Attributes
    ----------
    done, cached, failed, total : int
        Texts: with a vector, of these from the cache, with an error, and all.
    tokens : int
        Billed so far.
    usd : float or None
    requests : int
    """

    done: int
    cached: int
    failed: int
    total: int
    tokens: int
    usd: float | None
    requests: int
