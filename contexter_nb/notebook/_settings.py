"""What a session is to use: its arguments, else the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from contexter_nb.core import InvalidArgumentError, Secret, did_you_mean, type_in_words
from contexter_nb.notebook._arguments import check_chunk_tokens
from contexter_nb.retrieval import BUDGET_TOKENS, Embedder

# Argument to the variable of the environment that stands for it.
VARIABLES = {
    "voyage_api_key": "VOYAGE_API_KEY",
    "voyage_base_url": "VOYAGE_BASE_URL",
    "voyage_tier": "VOYAGE_TIER",
    "context7_api_key": "CONTEXT7_API_KEY",
    "context7_base_url": "CONTEXT7_BASE_URL",
    "qdrant_url": "QDRANT_URL",
    "qdrant_api_key": "QDRANT_API_KEY",
    "redis_url": "REDIS_URL",
}
MEMORY = ":memory:"
_SCHEMES = {
    "voyage_base_url": ("http", "https"),
    "context7_base_url": ("http", "https"),
    "qdrant_url": ("http", "https"),
}
_TIERS = ("free", "tier 1", "tier 2", "tier 3")
_KINDS = (
    "static",
    "static@<dimension>",
    "voyage",
    "voyage:<model>",
    "fastembed:<model>",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Addresses and keys; keys, and a URL that may hold a password, are secrets.

    Attributes
    ----------
    embedder : str or Embedder
        ``static[@<dimension>]``, ``voyage``, ``voyage:<model>[@<dimension>]``,
        ``fastembed:<model>`` or an object.
    chunk_tokens : int
        How long a passage is at most.
    """

    embedder: str | Embedder = "static"
    voyage_api_key: Secret | None = None
    voyage_base_url: str | None = None
    voyage_tier: str | None = None
    context7_api_key: Secret | None = None
    context7_base_url: str | None = None
    qdrant_url: str | None = None
    qdrant_api_key: Secret | None = None
    redis_url: Secret | None = None
    chunk_tokens: int = BUDGET_TOKENS
    # Which of them came from the environment, for messages.
    inherited: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def uses_context7(self) -> bool:
        """Whether Context7 is asked without being named."""
        return self.context7_api_key is not None or self.context7_base_url is not None

    @classmethod
    def read(
        cls, arguments: Mapping[str, Any], environment: Mapping[str, str]
    ) -> Settings:
        """Return settings; an argument wins over the environment.

        Parameters
        ----------
        arguments : mapping
            Of `connect`; None where one was not given.
        environment : mapping of str to str
            An empty variable counts as none.

        Raises
        ------
        InvalidArgumentError
            A value cannot be used; the message names the argument or the variable, and
            shows no key.
        """
        found: dict[str, Any] = {}
        inherited = set()
        for name, variable in VARIABLES.items():
            value = arguments.get(name)
            if value is None:
                value = environment.get(variable, "").strip() or None
                if value is not None:
                    inherited.add(name)
            if value is not None:
                called = variable if name in inherited else name
                found[name] = _checked(name, called, value)
        embedder = arguments.get("embedder")
        if embedder is None:
            embedder = "voyage" if "voyage_api_key" in found else "static"
        if isinstance(embedder, str):
            check_embedder(embedder, has_key="voyage_api_key" in found)
        given = arguments.get("chunk_tokens")
        if given is not None:
            found["chunk_tokens"] = check_chunk_tokens(given)
        return cls(embedder=embedder, inherited=frozenset(inherited), **found)


def _checked(name: str, called: str, value: Any) -> Any:
    if name in ("voyage_api_key", "context7_api_key", "qdrant_api_key", "redis_url"):
        if not isinstance(value, str | Secret):
            raise InvalidArgumentError(
                f"{called} is {type_in_words(value)}; give a text."
            )
        return Secret.of(value)
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{called} is {type_in_words(value)}; give a text.")
    if name == "qdrant_url" and value == MEMORY:
        return value
    if name in _SCHEMES:
        return _checked_url(called, value, _SCHEMES[name])
    return _checked_tier(called, value)


def _checked_url(called: str, value: str, schemes: tuple[str, ...]) -> str:
    try:
        parts = urlsplit(value)
        fits = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:  # of the brackets, or of the port
        fits = False
    if not fits:
        # The value is not shown: it may be a key in the wrong place.
        raise InvalidArgumentError(
            f"{called} is no address; give one that begins with "
            f"{' or '.join(f'{each}://' for each in schemes)}, as "
            "https://host.example:6333."
        )
    if parts.password is not None or parts.username is not None:
        raise InvalidArgumentError(
            f"{called} holds a user name or a password; give the key by its own "
            "argument, so that it is shown nowhere."
        )
    return value


def _checked_tier(called: str, value: str) -> str:
    tier = " ".join(value.lower().split())
    if tier not in _TIERS:
        raise InvalidArgumentError(
            f"{called} is no tier; give 'free' (an account without a payment method), "
            f"'tier 1', 'tier 2' or 'tier 3'.{did_you_mean(tier, _TIERS)}"
        )
    return tier


def check_embedder(embedder: str, *, has_key: bool) -> None:
    """Refuse the name of an embedder that there is none of.

    Parameters
    ----------
    embedder : str
        As of `connect`.
    has_key : bool
        Whether there is a key of Voyage AI.

    Raises
    ------
    InvalidArgumentError
        It is unknown, names no model where it must, or lacks its key.
    """
    kind, colon, model = embedder.partition(":")
    static = kind.partition("@")[0] == "static"
    voyage = kind.partition("@")[0] == "voyage"
    known = static or voyage or kind == "fastembed"
    if not known or (static and colon) or (colon and not model):
        # One that is no word is not shown: it may be a key in the wrong place.
        shown = repr(embedder) if kind.isalpha() else "none that there is"
        raise InvalidArgumentError(
            f"embedder is {shown}; use one of {', '.join(map(repr, _KINDS))}, or "
            "give an object with identity, dimension and an async embed(texts, "
            f"input_type).{did_you_mean(kind, ['static', 'voyage', 'fastembed'])}"
        )
    if kind == "fastembed" and not colon:
        raise InvalidArgumentError(
            "embedder is 'fastembed'; name its model, as "
            "'fastembed:BAAI/bge-small-en-v1.5'."
        )
    if voyage and not has_key:
        raise InvalidArgumentError(
            f"embedder is {embedder!r}, and there is no key: set VOYAGE_API_KEY, pass "
            "voyage_api_key=..., or practise without one on cx.sandbox()."
        )
