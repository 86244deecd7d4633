"""The embedder and the index that a session's settings ask for."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path

from contexter_nb.clients import voyage_models
from contexter_nb.core import Clock, InvalidArgumentError, did_you_mean
from contexter_nb.notebook._remote import Remote
from contexter_nb.notebook._settings import check_embedder
from contexter_nb.notebook._whereabouts import LOCAL, mode_of
from contexter_nb.retrieval import (
    BUDGET_TOKENS,
    COLLECTION,
    EmbeddedIndex,
    Embedder,
    FastEmbedder,
    RoundedEmbedder,
    ServerIndex,
    StaticEmbedder,
    TermMatcher,
    VoyageEmbedder,
    delete_collections,
    delete_indexes,
)

VARIANTS = "variants"
_ON_SERVER = f"{COLLECTION}-variant-"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
# No more digits than Python makes a number of.
_TOKENS_IN_NAME = re.compile(r"-([0-9]{1,9})-tokens-[0-9a-f]{12}$")


def choose_embedder(
    remote: Remote,
    wanted: str | Embedder | None = None,
    *,
    model: str | None = None,
    dimension: int | None = None,
    dtype: str = "float",
) -> Embedder:
    """Return the embedder that is wanted, by default the one the settings name.

    Parameters
    ----------
    remote : Remote
        Its client of Voyage AI is used where that is asked for; nothing is sent.
    wanted : str or Embedder, optional
        As of `connect`.
    model : str, optional
        Another model of the same kind; one of Voyage AI by its name alone.
    dimension : int, optional
        Another length of its vectors, where the model offers it.
    dtype : str, default "float"
        What their numbers are rounded to.

    Raises
    ------
    InvalidArgumentError
        A model or a dimension is unknown, a package or a key is missing, or an object
        is no embedder.
    """
    if wanted is None:
        wanted = remote.settings.embedder
    if isinstance(wanted, str):
        has_key = remote.settings.voyage_api_key is not None
        check_embedder(wanted, has_key=has_key)
    kind, named, length = _read(wanted)
    if model is not None:
        kind, named, length = _kind_of(model, kind), model, None
    if dimension is not None:
        length = dimension
    if kind == "voyage":
        return VoyageEmbedder(
            remote.voyage, model=named or None, dimension=length, dtype=dtype
        )
    plain = _plain(kind, named, length, wanted)
    return plain if dtype == "float" else RoundedEmbedder(plain, dtype)


def _plain(
    kind: str, model: str, dimension: int | None, wanted: str | Embedder
) -> Embedder:
    """Return an embedder that runs here."""
    if kind == "static":
        return StaticEmbedder() if dimension is None else StaticEmbedder(dimension)
    found = FastEmbedder(model) if kind == "fastembed" else _checked(wanted)
    if dimension not in (None, found.dimension):
        raise InvalidArgumentError(
            f"{found.identity} has vectors of {found.dimension} dimensions and no "
            "others; leave dimension out."
        )
    return found


def _read(wanted: str | Embedder) -> tuple[str, str, int | None]:
    """Return kind, model and dimension of an embedder as `connect` takes it."""
    if not isinstance(wanted, str):
        return "object", "", None
    kind, _, model = wanted.partition(":")
    if kind == "fastembed":
        return kind, model, None
    kind, at, dimension = wanted.partition("@")
    kind, _, model = kind.partition(":")
    if at and not dimension.isdecimal():
        raise InvalidArgumentError(
            f"embedder is {wanted!r}; after the @ comes a dimension, as "
            "'voyage:voyage-4@512' or 'static@128'."
        )
    return kind, model, int(dimension) if at else None


def _kind_of(model: str, kind: str) -> str:
    """Return whose model this is, for an embedder of this kind."""
    known = [each.name for each in voyage_models() if each.kind == "embedding"]
    if model in known or kind == "voyage":
        return "voyage"
    if kind == "fastembed" or "/" in model:
        return "fastembed"
    raise InvalidArgumentError(
        f"No embedding model {model!r} is known; give one of Voyage AI, as "
        f"{known[0]!r}, or one of fastembed, as 'BAAI/bge-small-en-v1.5'."
        f"{did_you_mean(model, known)}"
    )


def choose_index(
    remote: Remote,
    embedder: Embedder,
    home: Path,
    chunk_tokens: int = BUDGET_TOKENS,
) -> EmbeddedIndex | ServerIndex:
    """Return the index that the settings name.

    The models that are named by a text have an index each, so that a key which comes
    and goes spoils none; objects share the keyless model's, which refuses what does not
    go together. What a service on this machine embedded (a sandbox, most likely) has
    one of its own, too: it goes by the name of the real model. And so has every size of
    passages.

    Parameters
    ----------
    remote : Remote
    embedder : Embedder
    home : pathlib.Path
    chunk_tokens : int, default 320
    """
    suffix = ""
    if isinstance(embedder, VoyageEmbedder | FastEmbedder) or (
        isinstance(embedder, StaticEmbedder)
        and embedder.dimension != StaticEmbedder().dimension
    ):
        suffix = "-" + _NOT_IN_NAMES.sub("-", embedder.identity).strip("-")
    if isinstance(embedder, VoyageEmbedder) and _is_local(embedder):
        suffix += "-local"
    if chunk_tokens != BUDGET_TOKENS:
        suffix += f"-{chunk_tokens}-tokens"
    matcher = TermMatcher(
        embedder if isinstance(embedder, StaticEmbedder) else StaticEmbedder()
    )
    return _index(
        remote, embedder, matcher, home / f"index{suffix}", f"{COLLECTION}{suffix}"
    )


def variant_index(
    base: EmbeddedIndex | ServerIndex,
    remote: Remote,
    embedder: Embedder,
    home: Path,
    chunk_tokens: int,
) -> EmbeddedIndex | ServerIndex:
    """Return the index of a variant: what another one holds, made in another way.

    Parameters
    ----------
    base : EmbeddedIndex or ServerIndex
        Whose documents it holds; they are of one kind.
    remote : Remote
    embedder : Embedder
    home : pathlib.Path
        It lies in the folder ``variants`` there, unless it is on a server.
    chunk_tokens : int
    """
    local = isinstance(embedder, VoyageEmbedder) and _is_local(embedder)
    name = _variant_name(index_name(base), embedder.identity, chunk_tokens, local)
    return _index(
        remote, embedder, base.matcher, home / VARIANTS / name, f"{_ON_SERVER}{name}"
    )


async def delete_variants(
    base: EmbeddedIndex | ServerIndex,
    home: Path,
    clock: Clock,
    notify: Callable[[str], None],
) -> None:
    """Delete the indexes of variants, whichever kernel made them.

    In the home all of them go. On a server, which others may use as well, only those
    whose name and whose metadata both say that they were made of this very index.

    Parameters
    ----------
    base : EmbeddedIndex or ServerIndex
        What they were made of.
    home : pathlib.Path
    clock : Clock
        For the waits.
    notify : callable
        Told for whom this waits.

    Raises
    ------
    HomeError
        One in the home cannot be written.
    APIIntegrationError
        The server cannot be asked, or refuses.
    """
    await delete_indexes(home / VARIANTS, clock, notify)
    if isinstance(base, ServerIndex):
        own = base.collection

        def is_own(name: str, embedder: str) -> bool:
            found = _TOKENS_IN_NAME.search(name)
            return found is not None and name in {
                _ON_SERVER + _variant_name(own, embedder, int(found[1]), local)
                for local in (False, True)
            }

        await delete_collections(base.client, _ON_SERVER, is_own)


def _variant_name(base: str, embedder: str, chunk_tokens: int, local: bool) -> str:
    """Return a name that no variant of another index has."""
    made_by = json.dumps([base, embedder, chunk_tokens, local])
    digest = hashlib.blake2b(made_by.encode(), digest_size=6).hexdigest()
    name = _NOT_IN_NAMES.sub("-", embedder).strip("-")[:60]
    return f"{name}-{chunk_tokens}-tokens-{digest}"


def index_name(index: EmbeddedIndex | ServerIndex) -> str:
    """Return what an index is called: its folder's or its collection's name."""
    if isinstance(index, ServerIndex):
        return index.collection
    return index.folder.name


def index_place(index: EmbeddedIndex | ServerIndex) -> str:
    """Return a name for an index that no other one known to a home has.

    Collections of one name on two servers are two.
    """
    if not isinstance(index, ServerIndex):
        return index_name(index)
    digest = hashlib.blake2b(index.place.encode(), digest_size=6).hexdigest()
    return f"{index_name(index)}-{digest}"


def _index(
    remote: Remote,
    embedder: Embedder,
    matcher: TermMatcher,
    folder: Path,
    collection: str,
) -> EmbeddedIndex | ServerIndex:
    if remote.settings.qdrant_url is None:
        return EmbeddedIndex(folder, embedder, matcher)
    return ServerIndex(
        remote.qdrant, embedder, matcher, collection=collection, clock=remote.clock
    )


def _is_local(embedder: VoyageEmbedder) -> bool:
    return mode_of(embedder.client.client.base_url) == LOCAL


def _checked(embedder: object) -> Embedder:
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
