"""Close names for a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return up to `limit` known names that look like `name`, best first.

    Parameters
    ----------
    name : str
        The misspelt one; upper and lower case count as equal.
    known : iterable of str
        What it may have meant. Of two that differ in case only, the last counts.
    limit : int, default 3
        From 1 on.

    Returns
    -------
    list of str
        As spelt in `known`; empty where none has a similarity of 0.6 or more
        (`difflib.get_close_matches`).

    Raises
    ------
    ValueError
        `limit` is below 1.

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

    Parameters
    ----------
    name : str
        The misspelt one.
    known : iterable of str
        What it may have meant; up to three of them are offered.

    Returns
    -------
    str
        To be appended to a message: it begins with a space, unless it is empty.

    Examples
    --------
    >>> did_you_mean("hybird", ["hybrid", "dense", "text"])
    " Did you mean 'hybrid'?"
    """
    found = closest(name, known)
    if not found:
        return ""
    return " Did you mean " + " or ".join(repr(each) for each in found) + "?"
