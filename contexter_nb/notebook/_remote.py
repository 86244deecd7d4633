"""The remote services of a session: made on first use, closed with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from contexter_nb.core import InvalidArgumentError
from contexter_nb.notebook._settings import Settings
from contexter_nb.policies import (
    APICache,
    APIMonitor,
    LimitStore,
    RedisLimitStore,
    SQLiteLimitStore,
)

if TYPE_CHECKING:
    from contexter_nb.clients import Context7Client, QdrantAPIClient, VoyageAIClient


class Remote:
    """Voyage, Context7 and Qdrant under one cache, one monitor and shared limits.

    Parameters
    ----------
    settings : Settings
    folder : pathlib.Path
        The home; kernels on one machine share their limits there, machines by Redis.
    answers : APICache
    monitor : APIMonitor
    """

    def __init__(
        self, settings: Settings, folder: Path, answers: APICache, monitor: APIMonitor
    ) -> None:
        self.settings = settings
        self._folder = folder
        self._options: dict[str, Any] = {"cache": answers, "monitor": monitor}
        self._store: LimitStore | None = None
        self._voyage: VoyageAIClient | None = None
        self._context7: Context7Client | None = None
        self._qdrant: QdrantAPIClient | None = None

    @property
    def limit_store(self) -> LimitStore:
        """Where the limits are booked that all kernels share."""
        if self._store is None:
            redis_url = self.settings.redis_url
            self._store = (
                SQLiteLimitStore(self._folder / "limits.sqlite")
                if redis_url is None
                else RedisLimitStore(redis_url.reveal())
            )
        return self._store

    @property
    def voyage(self) -> VoyageAIClient:
        """The client of Voyage AI.

        Raises
        ------
        InvalidArgumentError
            There is no key.
        """
        if self._voyage is None:
            from contexter_nb.clients import VoyageAIClient

            if self.settings.voyage_api_key is None:
                raise InvalidArgumentError(
                    "Voyage AI needs a key; set VOYAGE_API_KEY or give "
                    "connect(voyage_api_key=...)."
                )
            self._voyage = VoyageAIClient(
                self.settings.voyage_api_key,
                base_url=self.settings.voyage_base_url,
                limit_store=self.limit_store,
                **self._options,
            )
        return self._voyage

    @property
    def context7(self) -> Context7Client:
        """The client of Context7; without a key it asks anonymously."""
        if self._context7 is None:
            from contexter_nb.clients import Context7Client

            self._context7 = Context7Client(
                self.settings.context7_api_key,
                base_url=self.settings.context7_base_url,
                **self._options,
            )
        return self._context7

    @property
    def qdrant(self) -> QdrantAPIClient:
        """The client of the Qdrant server or cluster.

        Raises
        ------
        InvalidArgumentError
            There is no URL.
        """
        if self._qdrant is None:
            from contexter_nb.clients import QdrantAPIClient

            if self.settings.qdrant_url is None:
                raise InvalidArgumentError(
                    "There is no Qdrant server; set QDRANT_URL or give "
                    "connect(qdrant_url=...)."
                )
            self._qdrant = QdrantAPIClient(
                self.settings.qdrant_url,
                api_key=self.settings.qdrant_api_key,
                monitor=self._options["monitor"],
            )
        return self._qdrant

    async def close(self) -> None:
        """Close what was made."""
        for client in (self._voyage, self._context7, self._qdrant):
            if client is not None:
                await client.close()
        if self._store is not None:
            await self._store.close()
