"""The one static model that the services of a process share."""

from __future__ import annotations

from functools import lru_cache

from contexter_nb.retrieval import StaticEmbedder


@lru_cache(maxsize=1)
def static_model() -> StaticEmbedder:
    """Return the model; its 32 MB are read at the first use."""
    return StaticEmbedder()
