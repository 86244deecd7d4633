"""Which real services there are to ask: by the environment, as a session reads it."""

from __future__ import annotations

import os

import pytest

# Where a person may keep what is dear to them.
STORES = ("QDRANT_URL", "QDRANT_API_KEY", "REDIS_URL")


def need(*variables: str) -> str:
    """Return the value of the first of some variables that is set, or skip."""
    for name in variables:
        if value := os.environ.get(name, "").strip():
            return value
    pytest.skip(f"set {' or '.join(variables)} to ask the real service")
