"""Clients of remote services, and the order of policies, written once.

May import `policies`, `transport` and `core`; imported by `retrieval` and above.
"""

from __future__ import annotations

from contexter_nb.clients._client import APIClient
from contexter_nb.clients._client_metrics import ClientMetrics
from contexter_nb.clients._context7 import Context7Client
from contexter_nb.clients._context7_answers import (
    DocumentationOutcome,
    Library,
    Snippet,
)
from contexter_nb.clients._context7_auth import Context7AuthHandler
from contexter_nb.clients._graphql import GraphQLClient
from contexter_nb.clients._graphql_answer import GraphQLPage, GraphQLResult
from contexter_nb.clients._health import HealthCheck
from contexter_nb.clients._open_clients import open_clients
from contexter_nb.clients._pipeline import Knowledge
from contexter_nb.clients._presets import MonitoredAPIClient, RateLimitingAPIClient
from contexter_nb.clients._prices import Price, price_per_million_usd, prices, usd_of
from contexter_nb.clients._versioned import VersionedAPIClient
from contexter_nb.clients._voyage import VoyageAIClient
from contexter_nb.clients._voyage_auth import VoyageAIAuthHandler
from contexter_nb.clients._voyage_models import VoyageModel
from contexter_nb.clients._voyage_results import (
    ContextualizedResult,
    EmbeddingProgress,
    EmbeddingResult,
    Ranked,
    RerankResult,
)

__all__ = [
    "APIClient",
    "ClientMetrics",
    "Context7AuthHandler",
    "Context7Client",
    "ContextualizedResult",
    "DocumentationOutcome",
    "EmbeddingProgress",
    "EmbeddingResult",
    "GraphQLClient",
    "GraphQLPage",
    "GraphQLResult",
    "HealthCheck",
    "Knowledge",
    "Library",
    "MonitoredAPIClient",
    "open_clients",
    "Price",
    "price_per_million_usd",
    "prices",
    "Ranked",
    "RateLimitingAPIClient",
    "RerankResult",
    "Snippet",
    "usd_of",
    "VersionedAPIClient",
    "VoyageAIAuthHandler",
    "VoyageAIClient",
    "VoyageModel",
]
