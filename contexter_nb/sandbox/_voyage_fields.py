"""Voyage's request bodies, field by field: what it would refuse is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

DTYPES = ("float", "int8", "uint8", "binary", "ubinary")


class RefusedError(Exception):
    """A request that is answered with an error; `detail` is a text or a list."""

    def __init__(self, status: int, detail: object, **more: str) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.more = more


class Fields:
    """A body whose fields are taken one by one; null counts as absent."""

    def __init__(self, body: object, known: Sequence[str]) -> None:
        if not isinstance(body, dict):
            raise _malformed(["body"], "the body is no object")
        self._body: Mapping[str, Any] = body
        for name in body:
            if name not in known:
                raise RefusedError(
                    400,
                    f"Argument '{name[:100]}' is not supported. Supported arguments "
                    f"are {', '.join(known)}.",
                )

    def required(self, name: str) -> Any:
        """Return a field that has to be there."""
        value = self._body.get(name)
        if value is None:
            raise RefusedError(400, f"Argument '{name}' is required.")
        return value

    def model(self, known: Mapping[str, Any]) -> str:
        """Return the name of a model that can do this."""
        name = self.required("model")
        if not isinstance(name, str):
            raise _malformed(["body", "model"], "is no text")
        if name not in known:
            raise RefusedError(
                400,
                f"Model {name[:100]} is not supported. Supported models are "
                f"{', '.join(known)}.",
            )
        return name

    def flag(self, name: str, default: bool) -> bool:
        """Return a boolean."""
        value = self._body.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise _malformed(["body", name], "is no boolean")
        return value

    def whole(self, name: str, low: int) -> int | None:
        """Return a whole number from `low` on, or None."""
        value = self._body.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise _malformed(["body", name], "is no whole number")
        if value < low:
            raise RefusedError(400, f"Argument '{name}' must be at least {low}.")
        return value

    def one_of(self, name: str, allowed: Sequence[str]) -> str | None:
        """Return one of a few words, or None."""
        value = self._body.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise _malformed(["body", name], "is no text")
        if value not in allowed:
            raise RefusedError(
                400,
                f"Value '{value[:100]}' of argument '{name}' is not supported; "
                f"supported are {', '.join(allowed)}.",
            )
        return value

    def dimension(self, dimensions: Sequence[int], model: str) -> int:
        """Return the dimension asked for, else the model's own."""
        asked = self.whole("output_dimension", 1)
        if asked is None:
            return dimensions[0]
        if len(dimensions) == 1:
            raise RefusedError(
                400, f"Argument 'output_dimension' is not supported by model {model}."
            )
        if asked not in dimensions:
            raise RefusedError(
                400,
                f"The output_dimension {asked} is not supported by model {model}; "
                f"supported are {', '.join(map(str, sorted(dimensions)))}.",
            )
        return asked

    def dtype(self, dimensions: Sequence[int], model: str) -> str:
        """Return the type of the numbers; older models know floats only."""
        asked = self.one_of("output_dtype", DTYPES) or "float"
        if asked != "float" and len(dimensions) == 1:
            raise RefusedError(
                400, f"The output_dtype {asked} is not supported by model {model}."
            )
        return asked


def texts_of(value: object, name: str, most: int) -> list[str]:
    """Return a list of texts, none of them blank."""
    if not isinstance(value, list):
        raise _malformed(["body", name], "is no list")
    for at, text in enumerate(value):
        if not isinstance(text, str):
            raise _malformed(["body", name, at], "is no text")
    if len(value) > most:
        raise RefusedError(
            400, f"The list '{name}' has {len(value)} entries; at most {most} may come."
        )
    if not value or any(not text.strip() for text in value):
        raise RefusedError(
            400, f"Argument '{name}' cannot hold empty strings or lists."
        )
    return value


def check_batch(
    model: str, limit: int, total: int, spend: Callable[[int], float]
) -> None:
    """Refuse what is too much for one request, or for this minute."""
    if total > limit:
        raise RefusedError(
            400,
            f"Request to model '{model}' failed. The max allowed tokens per submitted "
            f"batch is {limit}. Your batch has {total} tokens after truncation. Please "
            "lower the number of tokens in the batch.",
            error_code="TOO_MANY_TOKENS_IN_BATCH",
        )
    if spend(total) > 0:
        raise RefusedError(429, "more tokens a minute than the limit")


def fitted(
    counts: Sequence[int], most: int, model: str, *, truncation: bool
) -> list[int]:
    """Return the tokens of each text that count, or refuse one that is too long."""
    for at, count in enumerate(counts):
        if count > most and not truncation:
            raise RefusedError(
                400,
                f"Request to model '{model}' failed. The example at index {at} in your "
                "batch has too many tokens and does not fit into the model's context "
                f"window of {most} tokens. Please lower the number of tokens in the "
                "listed example(s) or use truncation.",
            )
    return [min(count, most) for count in counts]


def _malformed(place: Sequence[str | int], message: str) -> RefusedError:
    told = {"loc": list(place), "msg": message, "type": "value_error"}
    return RefusedError(422, [told])
