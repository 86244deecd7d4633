"""Voyage's models as an embedder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from contexter_nb.core import (
    EmbedderError,
    HTTPError,
    InvalidArgumentError,
    did_you_mean,
)
from contexter_nb.retrieval._embedders import Embedded, InputType, Vectors
from contexter_nb.retrieval._estimate import Pace, Packing
from contexter_nb.retrieval._rounding import check_dtype, signs_of

if TYPE_CHECKING:
    from contexter_nb.clients import Dtype, VoyageAIClient

# What each is asked for as: the unsigned bits need no offset taken off.
_ASKED_DTYPES: dict[str, Dtype] = {
    "float": "float",
    "int8": "int8",
    "binary": "ubinary",
}

# Of these one text may be the cause, and halves of the batch may do.
_OF_A_TEXT = frozenset({400, 413, 422})
_MOST_BATCH_TOKENS = 2_000_000
_MOST_ADDED_TOKENS = 32
# As the client packs by default; and how long a request takes, for estimates alone.
_A_REQUEST = 120_000
_CONCURRENCY = 16
_USUAL_SECONDS = 1.0


class VoyageEmbedder:
    """Embed by a `VoyageAIClient`, whose cache, limits and account count.

    Parameters
    ----------
    client : VoyageAIClient
        Not closed with the embedder.
    model : str, optional
        By default the client's.
    dimension : int, optional
        None takes the model's default.
    dtype : str, default "float"
        What the service rounds a vector's numbers to: ``float``, ``int8`` or
        ``binary`` (their signs alone).

    Raises
    ------
    InvalidArgumentError
        The model is not known and no dimension is given, or it does not offer this one.
    """

    def __init__(
        self,
        client: VoyageAIClient,
        *,
        model: str | None = None,
        dimension: int | None = None,
        dtype: str = "float",
    ) -> None:
        self._client = client
        self._model = model or client.model
        self._dimension = self._checked(dimension)
        self._dtype: Dtype = _ASKED_DTYPES[check_dtype(dtype)]
        self._rounding = "" if dtype == "float" else f"+{dtype}"

    def _checked(self, dimension: int | None) -> int:
        known = {
            each.name: each.dimensions
            for each in self._client.get_models()
            if each.dimensions
        }
        offered = known.get(self._model)
        if offered is None and dimension is None:
            raise InvalidArgumentError(
                f"No embedding model {self._model!r} of Voyage AI is known."
                f"{did_you_mean(self._model, known)} If it is new, name its dimension, "
                f"too, as in 'voyage:{self._model}@1024'."
            )
        if dimension is not None and offered is not None and dimension not in offered:
            raise InvalidArgumentError(
                f"{self._model} has no vectors of {dimension} dimensions; give "
                f"{' or '.join(map(str, offered))}."
            )
        return dimension if dimension is not None else (offered or (0,))[0]

    @property
    def identity(self) -> str:
        """Return the name that vectors are cached and indexed under."""
        return f"voyage/{self._model}@{self._dimension}{self._rounding}"

    @property
    def dimension(self) -> int:
        """Return the length of a vector."""
        return self._dimension

    @property
    def client(self) -> VoyageAIClient:
        """Return the client that embeds."""
        return self._client

    @property
    def model(self) -> str:
        """Return the name of the model."""
        return self._model

    @property
    def batch_tokens(self) -> int:
        """Return what half a minute of the rate limit lets through, at most."""
        limit = self._client.limit_of(self._model)
        a_minute = limit.tokens_per_minute if limit is not None else None
        if a_minute is None:
            return _MOST_BATCH_TOKENS
        return int(max(1_000, min(a_minute / 2, _MOST_BATCH_TOKENS)))

    async def kept(self, texts: Sequence[str], input_type: InputType) -> list[bool]:
        """Tell which texts are in the client's cache.

        Parameters
        ----------
        texts : sequence of str
            n texts.
        input_type : str
            ``document`` or ``query``.

        Returns
        -------
        list of bool
            n answers.
        """
        return await self._client.is_cached(
            texts,
            model=self._model,
            input_type=input_type,
            dimension=self._dimension,
            dtype=self._dtype,
        )

    @property
    def packing(self) -> Packing:
        """Return how texts go into requests."""
        most = min(_A_REQUEST, self.batch_tokens)
        limit = self._client.limit_of(self._model)
        if limit is not None and limit.burst_tokens is not None:
            # What never passes at once is not packed into one request.
            most = min(most, int(limit.burst_tokens))
        return Packing(max_texts=1000, max_tokens=max(1, most))

    @property
    def pace(self) -> Pace:
        """Return how fast requests go: the rate limit, and a usual answer's time."""
        limit = self._client.limit_of(self._model)
        if limit is None:
            return Pace(latency_seconds=_USUAL_SECONDS, concurrency=_CONCURRENCY)
        # What passes at once is taken off the rate; this is what goes on for good.
        rates = {each.name: each for each in limit.rates()}
        requests, tokens = rates.get("requests"), rates.get("tokens")
        return Pace(
            requests_per_minute=requests.per_second * 60 if requests else None,
            tokens_per_minute=tokens.per_second * 60 if tokens else None,
            burst_requests=requests.capacity if requests else 1.0,
            burst_tokens=tokens.capacity if tokens else 0.0,
            latency_seconds=_USUAL_SECONDS,
            concurrency=_CONCURRENCY,
        )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return about how many tokens each text has, rather too many than too few.

        Parameters
        ----------
        texts : sequence of str
            n texts.
        """
        return self._client.count_tokens(texts)

    @property
    def usd_per_million_tokens(self) -> float | None:
        """Return the model's list price; None where it is not known."""
        return self._client.price_per_million_usd(self._model)

    def usd_at_most(self, texts: Sequence[str]) -> list[float] | None:
        """Return the most that each text can cost, or None where no price is known.

        Parameters
        ----------
        texts : sequence of str
            n texts; a byte of UTF-8 is a token at most.
        """
        price = self.usd_per_million_tokens
        if price is None:
            return None
        # A mark at each end of a text, and what stands before a document or a query.
        return [
            (len(text.encode("utf-8", "replace")) + _MOST_ADDED_TOKENS) * price / 1e6
            for text in texts
        ]

    async def embed(self, texts: Sequence[str], input_type: InputType) -> Embedded:
        """Embed texts, one row each, in their order; none loses its end unseen.

        Parameters
        ----------
        texts : sequence of str
            n texts.
        input_type : str
            ``document`` or ``query``.

        Returns
        -------
        Embedded
            n rows of length 1, and what they cost (0 where the price is not known).

        Raises
        ------
        EmbedderError
            A text cannot be embedded: it is empty, say, or too long.
        APIIntegrationError
            The service could not be asked at all; fewer texts would not help.
        """
        try:
            found = await self._client.generate_embeddings(
                texts,
                model=self._model,
                input_type=input_type,
                dimension=self._dimension,
                dtype=self._dtype,
            )
        except InvalidArgumentError as exc:
            raise EmbedderError(str(exc)) from exc
        except HTTPError as exc:
            if exc.status_code not in _OF_A_TEXT:
                raise
            raise EmbedderError(str(exc)) from exc
        return Embedded(
            vectors=_normalised(_numbers(found.vectors, self._dtype)),
            token_counts=list(found.token_counts),
            usd=found.usd or 0.0,
            cached=list(found.cached),
        )

    def __repr__(self) -> str:
        return f"<VoyageEmbedder {self.identity}>"


def _numbers(vectors: Any, dtype: Dtype) -> Vectors:
    """Return what the service answered as numbers, a row for each text."""
    if dtype == "ubinary":
        return signs_of(np.unpackbits(vectors, axis=1).astype(np.float32))
    return np.asarray(vectors, np.float32)


def _normalised(vectors: Vectors) -> Vectors:
    """Return rows of length 1; one of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return vectors
