"""What a server's collection says of itself: its identity, and a note a library."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from contexter_nb.clients import CollectionState, Point
from contexter_nb.core import IndexMismatchError
from contexter_nb.retrieval._catalog import FORMAT, Catalog, IndexedLibrary
from contexter_nb.retrieval._chunking import CHUNKING_VERSION
from contexter_nb.retrieval._embedders import Embedder

# Notes lie among the passages, without vectors, so that no search finds them.
NOTES = {"record": "library"}
_BETWEEN = " | "
_FIELDS = {each.name for each in dataclasses.fields(IndexedLibrary)}
# What notes of before have not.
_ADDED = {"kinds"}


def identity_of(embedder: Embedder) -> str:
    """Return what is kept with a collection, to know what its vectors were made by.

    Parameters
    ----------
    embedder : Embedder
    """
    parts = (embedder.identity, embedder.dimension, CHUNKING_VERSION, FORMAT)
    return _BETWEEN.join(map(str, parts))


def catalog_of(
    state: CollectionState, notes: Iterable[Mapping[str, Any]], place: str
) -> Catalog:
    """Return a collection's catalog.

    Parameters
    ----------
    state : CollectionState
    notes : iterable of mapping
        The payloads of its notes; one that is none of ours is passed over.
    place : str
        Where it is, for the message.

    Raises
    ------
    IndexMismatchError
        The collection was made by something else.
    """
    made_by = _made_by(state)
    if made_by is None:
        raise IndexMismatchError(
            f"The collection {place} was not made by contexter_nb's index, so what is "
            "in it cannot be told; rename it, or use another server."
        )
    identity, dimension, chunking, layout = made_by
    return Catalog(
        embedder=identity,
        dimension=dimension,
        chunking=chunking,
        format=layout,
        libraries={
            entry.library: entry for entry in map(_entry, notes) if entry is not None
        },
    )


def embedder_of(state: CollectionState) -> str | None:
    """Return the identity of the embedder that a collection was made with.

    Parameters
    ----------
    state : CollectionState

    Returns
    -------
    str or None
        None for a collection that no index of ours made.
    """
    made_by = _made_by(state)
    return None if made_by is None else made_by[0]


def _made_by(state: CollectionState) -> tuple[str, int, int, int] | None:
    try:
        identity, *numbers = (state.identity or "").rsplit(_BETWEEN, 3)
        dimension, chunking, layout = map(int, numbers)
    except ValueError:
        return None
    return identity, dimension, chunking, layout


def _entry(note: Mapping[str, Any]) -> IndexedLibrary | None:
    kept = note.get("entry")
    if not isinstance(kept, Mapping) or not kept.keys() >= _FIELDS - _ADDED:
        return None
    return IndexedLibrary(**{name: kept[name] for name in _FIELDS if name in kept})


def note_key(library: str) -> str:
    """Return the key of a library's note."""
    return f"library/{library}"


def note_of(entry: IndexedLibrary) -> Point:
    """Return a library's entry as a point."""
    return Point(
        id=note_key(entry.library),
        payload={**NOTES, "entry": dataclasses.asdict(entry)},
        is_note=True,
    )
