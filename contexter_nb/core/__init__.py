"""Values and errors that every other room may use; imports nothing of ours."""

from __future__ import annotations

from contexter_nb.core._clock import Clock, SystemClock
from contexter_nb.core._errors import (
    BridgeError,
    ContexterError,
    EmbedderError,
    EmptyIndexError,
    HomeError,
    IndexMismatchError,
    InvalidArgumentError,
    SessionClosedError,
    SourceError,
    UnknownChunkError,
    UnknownLibraryError,
)
from contexter_nb.core._suggest import closest, did_you_mean

__all__ = [
    "BridgeError",
    "Clock",
    "closest",
    "ContexterError",
    "did_you_mean",
    "EmbedderError",
    "EmptyIndexError",
    "HomeError",
    "IndexMismatchError",
    "InvalidArgumentError",
    "SessionClosedError",
    "SourceError",
    "SystemClock",
    "UnknownChunkError",
    "UnknownLibraryError",
]
