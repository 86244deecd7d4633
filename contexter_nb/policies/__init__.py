"""How calls behave: auth, cache, limits, retries, breakers, errors, metrics, versions.

Each is a pure core and a thin async shell. May import `core`; imported by `clients`.
"""

from __future__ import annotations

__all__: list[str] = []
