"""What the clients of all services have over the one client underneath."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from contexter_nb.clients._client import APIClient
    from contexter_nb.clients._client_metrics import ClientMetrics


class ServiceClient:
    """A client of one service, open until it is closed or its block is left."""

    _client: APIClient

    @property
    def client(self) -> APIClient:
        """The client underneath, with its metrics."""
        return self._client

    def get_metrics(self, window_seconds: float | None = 300) -> ClientMetrics:
        """Return what this client can say about itself now.

        Parameters
        ----------
        window_seconds : float, optional
            Of which last seconds; None for all since the start.
        """
        return self._client.get_metrics(window_seconds)

    async def close(self) -> None:
        """Close the connections; calls after it are refused."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()
