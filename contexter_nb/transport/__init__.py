"""The only room that imports an HTTP library.

May import `core`; imported by `clients`.
"""

from __future__ import annotations

__all__: list[str] = []
