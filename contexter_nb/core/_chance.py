"""The only door to chance: everything else takes a Random or a maker of ids."""

from __future__ import annotations

import uuid
from random import Random

__all__ = ["new_id", "new_random", "Random"]


def new_random() -> Random:
    """Return a generator of its own, seeded by the machine."""
    return Random()


def new_id() -> str:
    """Return 32 hexadecimal digits that nobody had before (uuid4)."""
    return uuid.uuid4().hex
