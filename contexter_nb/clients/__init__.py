"""Clients of remote services, and the order of policies, written once.

May import `policies`, `transport` and `core`; imported by `retrieval` and above.
"""

from __future__ import annotations

__all__: list[str] = []
