"""Loopback services with fault knobs, for tests, tutorials and Binder.

May import `core` and `retrieval`.
"""

from __future__ import annotations

__all__: list[str] = []
