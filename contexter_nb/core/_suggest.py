"""Close names for a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return up to `limit` known names that look like `name`, best first.

    Examples
    --------
    >>> closest("pandsa", ["numpy", "pandas", "polars"])
    ['pandas']
    """
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.lower(), list(by_lower), n=limit, cutoff=0.6)
    return [by_lower[each] for each in found]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'pandas'?``, or nothing where no name is close.

    Examples
    --------
    >>> did_you_mean("hybird", ["hybrid", "dense", "text"])
    " Did you mean 'hybrid'?"
    """
    found = closest(name, known)
    if not found:
        return ""
    return " Did you mean " + " or ".join(repr(each) for each in found) + "?"
