"""Which embedder and which index a session uses, by what it was told."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from urllib.parse import urlsplit

from contexter_nb.core import InvalidArgumentError, did_you_mean
from contexter_nb.notebook._remote import Remote
from contexter_nb.retrieval import (
    EmbeddedIndex,
    Embedder,
    FastEmbedEmbedder,
    ServerIndex,
    StaticEmbedder,
    TermMatcher,
    VoyageEmbedder,
)

KINDS = ("static", "voyage", "fastembed")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9.]+")


def choose_embedder(chosen: str | Embedder | None, remote: Remote) -> Embedder:
    """Return the embedder that a person asked for, or the best there is a key for.

    Parameters
    ----------
    chosen : str, Embedder or None
        ``static``, ``voyage``, ``voyage:<model>``, ``fastembed:<model>`` or an object.
    remote : Remote

    Raises
    ------
    InvalidArgumentError
        It is none of these, or what it needs is missing.
    """
    if chosen is None:
        keyed = remote.settings.voyage_api_key is not None
        return VoyageEmbedder(remote.voyage) if keyed else StaticEmbedder()
    if isinstance(chosen, str):
        return _named(chosen, remote)
    return _checked(chosen)


def _named(chosen: str, remote: Remote) -> Embedder:
    kind, _, model = chosen.partition(":")
    if kind == "static" and not model:
        return StaticEmbedder()
    if kind == "voyage":
        return VoyageEmbedder(remote.voyage, model=model or None)
    if kind == "fastembed" and model:
        return FastEmbedEmbedder(model)
    raise InvalidArgumentError(
        f'embedder is {chosen!r}; use "static", "voyage", "voyage:<model>" or '
        '"fastembed:<model>", or give an object with identity, dimension and an async '
        f"embed(texts, input_type).{did_you_mean(kind, KINDS)}"
    )


def _checked(embedder: object) -> Embedder:
    """Return an object that has what an embedder needs."""
    if isinstance(embedder, type):
        raise InvalidArgumentError(
            f"embedder is the class {embedder.__name__}; give an object, as "
            f"{embedder.__name__}()."
        )
    if not isinstance(embedder, Embedder):
        raise InvalidArgumentError(
            f"embedder is {type(embedder).__name__}; it needs identity, dimension and "
            "an async embed(texts, input_type)."
        )
    if not inspect.iscoroutinefunction(embedder.embed):
        raise InvalidArgumentError(
            f"{type(embedder).__name__}.embed must be a coroutine function (async def)."
        )
    if not isinstance(embedder.dimension, int) or embedder.dimension < 1:
        raise InvalidArgumentError(
            f"{type(embedder).__name__}.dimension is {embedder.dimension!r}; "
            "it must be a whole number from 1 on."
        )
    return embedder


def choose_index(
    embedder: Embedder, remote: Remote, folder: Path
) -> EmbeddedIndex | ServerIndex:
    """Return the index: on the Qdrant server where there is one, else in the home.

    A remote embedder has an index of its own beside the keyless one, so that a key that
    comes and goes spoils neither.

    Parameters
    ----------
    embedder : Embedder
    remote : Remote
    folder : pathlib.Path
        The home.
    """
    model = embedder if isinstance(embedder, StaticEmbedder) else StaticEmbedder()
    matcher = TermMatcher(model)
    url = remote.settings.qdrant_url
    if url is not None:
        place = urlsplit(url).netloc.rpartition("@")[2]
        return ServerIndex(remote.qdrant, embedder, matcher, place)
    name = "index"
    if isinstance(embedder, (VoyageEmbedder, FastEmbedEmbedder)):
        name += f"-{_NOT_IN_NAMES.sub('-', embedder.identity.lower()).strip('-')}"
    return EmbeddedIndex(folder / name, embedder, matcher)
