"""The embedder and the index that a session's settings ask for."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from contexter_nb.core import InvalidArgumentError
from contexter_nb.notebook._remote import Remote
from contexter_nb.retrieval import (
    COLLECTION,
    EmbeddedIndex,
    Embedder,
    FastEmbedder,
    ServerIndex,
    StaticEmbedder,
    TermMatcher,
    VoyageEmbedder,
)

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def choose_embedder(remote: Remote) -> Embedder:
    """Return the embedder that the settings name.

    Parameters
    ----------
    remote : Remote
        Its client of Voyage AI is used where that is asked for; nothing is sent.

    Raises
    ------
    InvalidArgumentError
        A model or a dimension is unknown, a package is missing, or an object is no
        embedder.
    """
    wanted = remote.settings.embedder
    if not isinstance(wanted, str):
        return _checked(wanted)
    kind, _, model = wanted.partition(":")
    if kind == "voyage":
        name, at, dimension = model.partition("@")
        if at and not dimension.isdecimal():
            raise InvalidArgumentError(
                f"embedder is {wanted!r}; after the @ comes a dimension, as "
                "'voyage:voyage-4@512'."
            )
        return VoyageEmbedder(
            remote.voyage,
            model=name or None,
            dimension=int(dimension) if at else None,
        )
    return FastEmbedder(model) if kind == "fastembed" else StaticEmbedder()


def choose_index(
    remote: Remote, embedder: Embedder, home: Path
) -> EmbeddedIndex | ServerIndex:
    """Return the index that the settings name.

    The models that are named by a text have an index each, so that a key which comes
    and goes spoils none; objects share the keyless model's, which refuses what does not
    go together.

    Parameters
    ----------
    remote : Remote
    embedder : Embedder
    home : pathlib.Path
    """
    model = embedder if isinstance(embedder, StaticEmbedder) else StaticEmbedder()
    matcher = TermMatcher(model)
    suffix = ""
    if isinstance(embedder, VoyageEmbedder | FastEmbedder):
        suffix = "-" + _NOT_IN_NAMES.sub("-", embedder.identity).strip("-")
    if remote.settings.qdrant_url is None:
        return EmbeddedIndex(home / f"index{suffix}", embedder, matcher)
    return ServerIndex(
        remote.qdrant,
        embedder,
        matcher,
        collection=f"{COLLECTION}{suffix}",
        clock=remote.clock,
    )


def _checked(embedder: Embedder) -> Embedder:
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
