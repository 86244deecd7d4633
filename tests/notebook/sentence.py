"""What a message to a person must be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from contexter_nb.core import ContexterError

# A path or a list of columns may stand in it, an argument's whole content may not.
MAX_CHARS = 400


def refusal(act: Callable[[], object]) -> str:
    """Do what must be refused and return the message, which must be a sentence.

    It is one line that ends as a sentence does, it is no page, and neither a type of
    Python's nor a library's own error takes its place.
    """
    with pytest.raises(ContexterError) as refused:
        act()
    told = str(refused.value)
    assert told == told.strip()
    assert "\n" not in told
    assert told.endswith((".", "?", ")."))
    assert 20 < len(told) <= MAX_CHARS, told
    return told
