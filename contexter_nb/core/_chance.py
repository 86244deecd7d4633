"""The only door to chance: everything else takes a random.Random or a maker of ids."""

from __future__ import annotations

import random
import uuid


def new_random() -> random.Random:
    """Return a generator of its own, seeded by the machine."""
    return random.Random()


def new_id() -> str:
    """Return 32 hexadecimal digits that nobody had before (uuid4)."""
    return uuid.uuid4().hex
