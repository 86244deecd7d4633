"""The verbs of a cell, written once, as coroutines that answer frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from contexter_nb.core import Clock
from contexter_nb.frames import make_frame
from contexter_nb.notebook._index_verbs import IndexVerbs
from contexter_nb.notebook._probes import probes
from contexter_nb.notebook._remote import Remote
from contexter_nb.notebook._run_verbs import RunVerbs
from contexter_nb.notebook._search_verbs import SearchVerbs
from contexter_nb.retrieval import (
    BUDGET_TOKENS,
    EmbeddedIndex,
    Embedder,
    EmbeddingCache,
    IndexedLibrary,
    ServerIndex,
    ask,
    in_thread,
)

if TYPE_CHECKING:
    import pandas as pd


class Verbs(IndexVerbs, SearchVerbs, RunVerbs):
    """What a session does. Every verb runs on the bridge's loop.

    Parameters
    ----------
    home : pathlib.Path
        Where index and embeddings lie.
    remote : Remote
        What is reached over the network, closed with the session.
    notify : callable
        Told what a person should know while they wait.
    chunk_tokens : int, default 320
        How long a passage is at most.
    """

    def __init__(
        self,
        *,
        home: Path,
        index: EmbeddedIndex | ServerIndex,
        embedder: Embedder,
        cache: EmbeddingCache,
        remote: Remote,
        clock: Clock,
        notify: Callable[[str], None],
        chunk_tokens: int = BUDGET_TOKENS,
    ) -> None:
        super().__init__(
            index=index,
            embedder=embedder,
            cache=cache,
            remote=remote,
            clock=clock,
            chunk_tokens=chunk_tokens,
        )
        self.home = home
        self.notify = notify

    @property
    def index_place(self) -> str:
        """Return the server that the index is on; nothing where it lies in the home."""
        index = self.index_store
        return index.place if isinstance(index, ServerIndex) else ""

    def indexed_libraries(self) -> Mapping[str, IndexedLibrary]:
        """Return what is indexed, as far as it is known here; asks nobody."""
        catalog = None if self.closed else self.index_store.known_catalog()
        return catalog.libraries if catalog is not None else {}

    async def status(self) -> pd.DataFrame:
        """Show what answers the verbs, and whether it does.

        Costs nothing: the keyless model embeds one word, the index is opened, and what
        is remote is asked whether it is well, which no service charges.

        Returns
        -------
        pandas.DataFrame
            A row per service: service (str), mode (str: embedded, local server or
            remote), healthy (bool), latency_ms (float64), detail (str). Redis and
            Context7 have a row where they are set.

        Examples
        --------
        >>> import contexter_nb as cx
        >>> with cx.connect() as nb:
        ...     nb.status()["service"].tolist()
        ['embedder', 'index', 'cache', 'answers']
        """
        self._open()
        rows = await asyncio.gather(*(probe.row(self.clock) for probe in probes(self)))
        return make_frame("status", list(rows))

    async def close(self) -> pd.DataFrame:
        """Let go of the index and the cache; the session cannot be used afterwards.

        Returns
        -------
        pandas.DataFrame
            The columns of `status`, each service closed. A second call does nothing.
        """
        self.closed = True
        await self._close_variants()
        await ask(self.index_store.close)
        await in_thread(self.cache.close)
        await in_thread(self._close_judgments)
        await self._close_clients()
        rows = [
            {
                "service": probe.service,
                "mode": "closed",
                "healthy": False,
                "latency_ms": None,
                "detail": "closed",
            }
            for probe in probes(self)
        ]
        return make_frame("status", rows)
