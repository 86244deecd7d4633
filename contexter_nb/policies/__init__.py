"""How calls behave: auth, cache, limits, retries, breakers, errors, metrics, versions.

Each is a pure core and a thin async shell. May import `core`; imported by `clients`.
"""

from __future__ import annotations

from contexter_nb.policies._alerts import DEFAULT_RULES, Alert, AlertRule
from contexter_nb.policies._api_key import APIKeyAuthHandler, BasicAuthHandler
from contexter_nb.policies._api_version import APIVersion, join_version
from contexter_nb.policies._auth_drive import drive_flow
from contexter_nb.policies._breaker import (
    BreakerConfig,
    BreakerStatus,
    CircuitBreaker,
    Permit,
)
from contexter_nb.policies._breaker_outcome import breaker_outcome
from contexter_nb.policies._breaker_registry import BreakerRegistry
from contexter_nb.policies._bucket import Rate
from contexter_nb.policies._bulkhead import Bulkhead
from contexter_nb.policies._cache import APICache
from contexter_nb.policies._cache_entry import Entry, Fetched, Found
from contexter_nb.policies._cache_key import cache_key, cache_keys
from contexter_nb.policies._cache_stats import CachedEntry, TierStats
from contexter_nb.policies._category import category_of
from contexter_nb.policies._classify import ErrorClassifier
from contexter_nb.policies._decode import decode_body, is_large
from contexter_nb.policies._deprecation import (
    APIDeprecationWarning,
    DeprecationNotice,
    DeprecationWarner,
    read_deprecation,
)
from contexter_nb.policies._endpoint import Lifetime, VersionedEndpoint
from contexter_nb.policies._http_errors import error_from_response
from contexter_nb.policies._jwt import JWTAuthHandler
from contexter_nb.policies._ledger import CostLedger, CostRow
from contexter_nb.policies._limit import TokenBucketRateLimiter
from contexter_nb.policies._limit_config import RateLimitConfig
from contexter_nb.policies._limit_grant import DimensionStatus, Grant, LimiterStatus
from contexter_nb.policies._limit_redis import RedisLimitStore
from contexter_nb.policies._limit_sqlite import SQLiteLimitStore
from contexter_nb.policies._limit_store import Booking, LimitStore, StoreAwayError
from contexter_nb.policies._metrics import APIMetrics, TimelinePoint
from contexter_nb.policies._monitor import APIMonitor, api_monitor
from contexter_nb.policies._oauth2 import OAuth2AuthHandler
from contexter_nb.policies._recovery import ErrorRecoveryManager
from contexter_nb.policies._recovery_plan import (
    RecoveryAction,
    RecoveryPlan,
    plan_recovery,
)
from contexter_nb.policies._retry import RetryDecision, RetryPolicy, decide_retry
from contexter_nb.policies._retry_after import retry_after_seconds
from contexter_nb.policies._retry_budget import RetryBudget
from contexter_nb.policies._split import SplitOutcome, run_split
from contexter_nb.policies._versions import ResolvedEndpoint, VersionTable

__all__ = [
    "Alert",
    "AlertRule",
    "api_monitor",
    "APICache",
    "APIDeprecationWarning",
    "APIKeyAuthHandler",
    "APIMetrics",
    "APIMonitor",
    "APIVersion",
    "BasicAuthHandler",
    "Booking",
    "breaker_outcome",
    "BreakerConfig",
    "BreakerRegistry",
    "BreakerStatus",
    "Bulkhead",
    "cache_key",
    "cache_keys",
    "CachedEntry",
    "category_of",
    "CircuitBreaker",
    "CostLedger",
    "CostRow",
    "decide_retry",
    "decode_body",
    "DEFAULT_RULES",
    "DeprecationNotice",
    "DeprecationWarner",
    "DimensionStatus",
    "drive_flow",
    "Entry",
    "error_from_response",
    "ErrorClassifier",
    "ErrorRecoveryManager",
    "Fetched",
    "Found",
    "Grant",
    "is_large",
    "join_version",
    "JWTAuthHandler",
    "Lifetime",
    "LimiterStatus",
    "LimitStore",
    "OAuth2AuthHandler",
    "Permit",
    "plan_recovery",
    "Rate",
    "RateLimitConfig",
    "read_deprecation",
    "RecoveryAction",
    "RecoveryPlan",
    "RedisLimitStore",
    "ResolvedEndpoint",
    "retry_after_seconds",
    "RetryBudget",
    "RetryDecision",
    "RetryPolicy",
    "run_split",
    "SplitOutcome",
    "SQLiteLimitStore",
    "StoreAwayError",
    "TierStats",
    "TimelinePoint",
    "TokenBucketRateLimiter",
    "VersionedEndpoint",
    "VersionTable",
]
