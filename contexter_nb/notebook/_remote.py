"""The remote services of a session: clients made at their first use, shared stores."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from contexter_nb.clients import Context7Client, QdrantAPIClient, VoyageAIClient
from contexter_nb.core import Clock, InvalidArgumentError
from contexter_nb.notebook._booking import BookingMonitor
from contexter_nb.notebook._ledgers import hold_ledger, release_ledger
from contexter_nb.notebook._settings import MEMORY, Settings
from contexter_nb.policies import (
    APICache,
    APIMonitor,
    CostLedger,
    LimitStore,
    RedisLimitStore,
    SQLiteLimitStore,
)

# Vectors were paid for: they have a file, and a budget, of their own.
VECTORS_BYTES = 4 * 1024**3
_PING_SECONDS = 2.0
_VECTORS_MEMORY_BYTES = 16 * 1024 * 1024


class Remote:
    """What a session reaches over the network, and what its clients share.

    Nothing is made or sent before it is needed.

    Parameters
    ----------
    settings : Settings
    home : pathlib.Path
        Where caches, limits and costs lie.
    monitor : APIMonitor
    clock : Clock

    Attributes
    ----------
    first_calls : dict of str to datetime
        When each service was asked by a client of this session for the first time.
    """

    def __init__(
        self, settings: Settings, *, home: Path, monitor: APIMonitor, clock: Clock
    ) -> None:
        self.settings = settings
        self.monitor = monitor
        self.clock = clock
        self.answers = APICache(
            path=home / "answers.sqlite", redis_url=settings.redis_url
        )
        self.vectors = APICache(
            path=home / "vectors.sqlite",
            max_disk_bytes=VECTORS_BYTES,
            max_memory_bytes=_VECTORS_MEMORY_BYTES,
            redis_url=settings.redis_url,
            namespace="contexter-vectors",
        )
        self._costs_path = home / "costs.sqlite"
        self._ledger: CostLedger | None = None
        self._limits_path = home / "limits.sqlite"
        self._closed = False
        self.first_calls: dict[str, datetime] = {}
        self._limit_store: LimitStore | None = None
        self._voyage: VoyageAIClient | None = None
        self._context7: Context7Client | None = None
        self._qdrant: QdrantAPIClient | None = None

    @property
    def ledger(self) -> CostLedger:
        """Return what books the calls of this home; it begins when it is asked for.

        All sessions on one home in this process share it.
        """
        if self._ledger is None:
            self._ledger = hold_ledger(self._costs_path)
        return self._ledger

    @property
    def booking(self) -> BookingMonitor:
        """Return what clients tell of their calls, so that they are booked here."""
        return BookingMonitor(self.monitor, self.ledger, self.first_calls)

    @property
    def limit_store(self) -> LimitStore:
        """Return what the kernels on one home, or all at one Redis, share limits by."""
        if self._limit_store is None:
            url = self.settings.redis_url
            self._limit_store = (
                RedisLimitStore(url.reveal(), prefix="contexter:limit:")
                if url is not None
                else SQLiteLimitStore(self._limits_path, clock=self.clock)
            )
        return self._limit_store

    @property
    def voyage(self) -> VoyageAIClient:
        """Return the client of Voyage AI.

        Raises
        ------
        InvalidArgumentError
            There is no key.
        """
        settings = self.settings
        if settings.voyage_api_key is None:
            raise InvalidArgumentError(
                "This needs Voyage AI, and there is no key: set VOYAGE_API_KEY, pass "
                "connect(voyage_api_key=...), or practise without one on cx.sandbox()."
            )
        if self._voyage is None:
            options: dict[str, Any] = {}
            if settings.voyage_tier is not None:
                options["tier"] = settings.voyage_tier
            self._voyage = VoyageAIClient(
                settings.voyage_api_key,
                base_url=settings.voyage_base_url,
                limit_store=self.limit_store,
                cache=self.vectors,
                monitor=self.booking,
                **options,
            )
        return self._voyage

    @property
    def context7(self) -> Context7Client:
        """Return the client of Context7; without a key it asks anonymously."""
        settings = self.settings
        if self._context7 is None:
            self._context7 = Context7Client(
                settings.context7_api_key,
                base_url=settings.context7_base_url,
                cache=self.answers,
                monitor=self.booking,
            )
        return self._context7

    @property
    def qdrant(self) -> QdrantAPIClient:
        """Return the client of the Qdrant server that the settings name."""
        settings = self.settings
        if self._qdrant is None:
            if settings.qdrant_url == MEMORY:
                self._qdrant = QdrantAPIClient(location=MEMORY, monitor=self.booking)
            else:
                self._qdrant = QdrantAPIClient(
                    settings.qdrant_url,
                    api_key=settings.qdrant_api_key,
                    monitor=self.booking,
                )
        return self._qdrant

    @property
    def redis_place(self) -> str:
        """Return host and port of the Redis that is set, or its socket; else nothing.

        Neither the user nor the password of its address is in it.
        """
        url = self.settings.redis_url
        if url is None:
            return ""
        parts = urlsplit(url.reveal())
        return parts.netloc.rpartition("@")[2] or parts.path

    async def ping_redis(self) -> str | None:
        """Return why Redis does not answer, in a sentence; None where it does."""
        url = self.settings.redis_url
        if url is None:
            return "No Redis is set; pass connect(redis_url=...)."
        from redis.asyncio import Redis
        from redis.exceptions import RedisError

        client = Redis.from_url(
            url.reveal(),
            socket_timeout=_PING_SECONDS,
            socket_connect_timeout=_PING_SECONDS,
        )
        try:
            await client.ping()
        except (RedisError, OSError, TimeoutError) as exc:
            # The error may quote the address with its password.
            return (
                f"Redis does not answer ({type(exc).__name__}); work goes on without "
                "it, each machine by itself. Check REDIS_URL, or start the server."
            )
        finally:
            await client.aclose()
        return None

    async def close(self) -> None:
        """Close what was opened; the monitor has other users. Again does nothing."""
        if self._closed:
            return
        self._closed = True
        for client in (self._voyage, self._context7, self._qdrant):
            if client is not None:
                await client.close()
        await self.answers.close()
        await self.vectors.close()
        if self._limit_store is not None:
            await self._limit_store.close()
        if self._ledger is not None:
            release_ledger(self._ledger)
