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
from contexter_nb.clients._qdrant import QdrantAPIClient
from contexter_nb.clients._qdrant_points import (
    FacetCount,
    Point,
    ScoredPoint,
    Sparse,
    StoredPoint,
)
from contexter_nb.clients._qdrant_rebuild import Rebuilt
from contexter_nb.clients._qdrant_spec import CollectionState
from contexter_nb.clients._qdrant_upsert import FailedPoint, UpsertResult
from contexter_nb.clients._qdrant_version import ServerVersion
from contexter_nb.clients._versioned import VersionedAPIClient
from contexter_nb.clients._voyage import DEFAULT_RERANKER, VoyageAIClient
from contexter_nb.clients._voyage_auth import VoyageAIAuthHandler
from contexter_nb.clients._voyage_models import Dtype, VoyageModel, voyage_models
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
    "CollectionState",
    "Context7AuthHandler",
    "Context7Client",
    "ContextualizedResult",
    "DEFAULT_RERANKER",
    "DocumentationOutcome",
    "Dtype",
    "EmbeddingProgress",
    "EmbeddingResult",
    "FacetCount",
    "FailedPoint",
    "GraphQLClient",
    "GraphQLPage",
    "GraphQLResult",
    "HealthCheck",
    "Knowledge",
    "Library",
    "MonitoredAPIClient",
    "open_clients",
    "Point",
    "Price",
    "price_per_million_usd",
    "prices",
    "QdrantAPIClient",
    "Ranked",
    "RateLimitingAPIClient",
    "Rebuilt",
    "RerankResult",
    "ScoredPoint",
    "ServerVersion",
    "Snippet",
    "Sparse",
    "StoredPoint",
    "UpsertResult",
    "usd_of",
    "VersionedAPIClient",
    "voyage_models",
    "VoyageAIAuthHandler",
    "VoyageAIClient",
    "VoyageModel",
]
