"""What is asked of Voyage's embeddings: checked once, then a body and a cache key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from contexter_nb.clients._voyage_decode import (
    Answered,
    read_documents,
    read_vectors,
    row_bytes,
)
from contexter_nb.clients._voyage_models import DTYPES, Dtype, VoyageModel
from contexter_nb.core import InvalidArgumentError
from contexter_nb.policies import cache_keys

InputType = Literal["query", "document"]
INPUT_TYPES: tuple[InputType, ...] = ("query", "document")
SHOWN_POSITIONS = 10

Payload = str | tuple[str, ...]
"""A text, or the chunks of a document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingPlan:
    """How texts are to be embedded.

    Parameters
    ----------
    model : VoyageModel
    input_type : str or None
        ``query``, ``document``, or None for neither.
    asked_dimension : int or None
        None takes the model's default.
    dtype : str
    truncation : bool

    Raises
    ------
    InvalidArgumentError
        The model does not offer this.
    """

    model: VoyageModel
    input_type: InputType | None = None
    asked_dimension: int | None = None
    dtype: Dtype = "float"
    truncation: bool = False

    def __post_init__(self) -> None:
        if self.input_type is not None and self.input_type not in INPUT_TYPES:
            raise InvalidArgumentError(
                f"input_type is {self.input_type!r}; give 'query', 'document' or None."
            )
        offered = self.model.dtypes if self.model.is_known else DTYPES
        if self.dtype not in offered:
            raise InvalidArgumentError(
                f"dtype is {self.dtype!r}, and {self.model.name} offers "
                f"{', '.join(offered)}; give one of these."
            )
        self._check_dimension()

    def _check_dimension(self) -> None:
        asked, offered = self.asked_dimension, self.model.dimensions
        if asked is None:
            return
        if not isinstance(asked, int) or isinstance(asked, bool) or asked < 1:
            raise InvalidArgumentError(
                f"dimension is {asked!r}; give a whole number from 1 on, or None."
            )
        if self.model.is_known and asked not in offered:
            numbers = ", ".join(str(each) for each in sorted(offered))
            raise InvalidArgumentError(
                f"dimension is {asked}, and {self.model.name} offers {numbers}; give "
                "one of these, or None."
            )

    @property
    def dimension(self) -> int | None:
        """The length of a vector; None of an unknown model that was asked for none."""
        if self.asked_dimension is not None:
            return self.asked_dimension
        return self.model.dimensions[0] if self.model.dimensions else None

    @property
    def is_nested(self) -> bool:
        """Whether documents with chunks are embedded, and not texts."""
        return self.model.kind == "contextualized"

    @property
    def noun(self) -> str:
        """What one item is called in messages."""
        return "Document" if self.is_nested else "Text"

    @property
    def endpoint(self) -> str:
        """The path below the base URL."""
        return "/contextualizedembeddings" if self.is_nested else "/embeddings"

    def body(self, payloads: Sequence[Payload]) -> bytes:
        """Return the JSON of a request; a field that is not set is left out.

        Parameters
        ----------
        payloads : sequence of str or tuple of str
        """
        fields: dict[str, Any] = {
            "inputs" if self.is_nested else "input": payloads,
            "model": self.model.name,
            "encoding_format": "base64",
        }
        if self.input_type is not None:
            fields["input_type"] = self.input_type
        if not self.is_nested:
            fields["truncation"] = self.truncation
        if self.model.has_flexible_dimension and self.dimension is not None:
            # The default is the service's choice and may change; so it is always sent.
            fields["output_dimension"] = self.dimension
        if self.dtype != "float":
            fields["output_dtype"] = self.dtype
        return msgspec.json.encode(fields)

    def key(self, payload: Payload) -> str:
        """Return under which name a text's vector is cached, for every account.

        Parameters
        ----------
        payload : str or tuple of str
        """
        return self.keys([payload])[0]

    def keys(self, payloads: Sequence[Payload]) -> list[str]:
        """Return the names of many, made together.

        Parameters
        ----------
        payloads : sequence of str or tuple of str
        """
        params = {
            "model": self.model.name,
            "dimension": self.dimension,
            "dtype": self.dtype,
            "input_type": self.input_type,
            "truncation": self.truncation,
        }
        return cache_keys("voyage", self.operation, params, "text", payloads)

    @property
    def operation(self) -> str:
        """The name in metrics and cache keys."""
        return "contextualized" if self.is_nested else "embeddings"

    def read(self, data: Any, payloads: Sequence[Payload]) -> Answered:
        """Return the vectors of an answer, in the order of the question.

        Parameters
        ----------
        data : object
            The decoded body.
        payloads : sequence of str or tuple of str
            What was sent.

        Raises
        ------
        DecodingError
            The answer is not what was asked for.
        """
        if not self.is_nested:
            return read_vectors(
                data,
                count=len(payloads),
                dimension=self.dimension,
                dtype=self.dtype,
            )
        return read_documents(
            data,
            counts=[len(each) for each in payloads],
            dimension=self.dimension,
            dtype=self.dtype,
        )

    @property
    def vector_bytes(self) -> int | None:
        """The length of one vector; None where the dimension is not known."""
        if self.dimension is None:
            return None
        return row_bytes(self.dimension, self.dtype)


def text_problem(text: object) -> str | None:
    """Return why Voyage would refuse a whole batch for this text, or None.

    Parameters
    ----------
    text : object

    Examples
    --------
    >>> text_problem("a"), text_problem(" "), text_problem(None)
    (None, 'empty or blank', 'no text but NoneType')
    """
    if not isinstance(text, str):
        return f"no text but {type(text).__name__}"
    if not text or text.isspace():
        return "empty or blank"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "not valid Unicode (a lone surrogate)"
    return None


def problems_sentence(noun: str, problems: dict[int, str]) -> str:
    """Return one sentence that names items by their positions.

    Parameters
    ----------
    noun : str
    problems : dict of int to str
        By position.

    Examples
    --------
    >>> problems_sentence("Text", {2: "empty or blank", 5: "empty or blank"})
    'Texts that cannot be embedded, by position from 0: 2, 5 (empty or blank); \
leave them out, or pass partial=True.'
    """
    by_reason: dict[str, list[int]] = {}
    for position, reason in problems.items():
        by_reason.setdefault(reason, []).append(position)
    parts = []
    for reason, positions in by_reason.items():
        shown = ", ".join(str(each) for each in positions[:SHOWN_POSITIONS])
        more = len(positions) - SHOWN_POSITIONS
        rest = f" and {more:,} more" if more > 0 else ""
        parts.append(f"{shown}{rest} ({reason})")
    return (
        f"{noun}s that cannot be embedded, by position from 0: {'; '.join(parts)}; "
        "leave them out, or pass partial=True."
    )
