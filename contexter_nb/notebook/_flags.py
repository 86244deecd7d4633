"""Arguments that are True or False: known by their defaults, checked in every verb."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from contexter_nb.core import InvalidArgumentError


def flags_of(function: Callable[..., object]) -> dict[str, int | None]:
    """Return the arguments whose default is True or False, and where each stands.

    Parameters
    ----------
    function : callable

    Returns
    -------
    dict of str to int or None
        The place among those given without a name, from 0; None for one that is given
        by its name only.

    Examples
    --------
    >>> flags_of(lambda query, exact=False, *, everything=False: None)
    {'exact': 1, 'everything': None}
    """
    found = inspect.signature(function).parameters.values()
    names = [each.name for each in found if each.name != "self"]
    return {
        each.name: None if each.kind is each.KEYWORD_ONLY else names.index(each.name)
        for each in found
        if isinstance(each.default, bool)
    }


def check_flags(
    flags: Mapping[str, int | None],
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> None:
    """Refuse what is neither True nor False: of "no" Python would make True.

    Parameters
    ----------
    flags : mapping
        As of `flags_of`.
    args : sequence
        Given without a name.
    kwargs : mapping
        Given by name.

    Raises
    ------
    InvalidArgumentError
        One of the flags is something else.

    Examples
    --------
    >>> try:
    ...     check_flags({"exact": 1}, ["query", "yes"], {})
    ... except InvalidArgumentError as refused:
    ...     print(refused)
    exact is 'yes'; give True or False.
    """
    __tracebackhide__ = True
    for name, place in flags.items():
        if name in kwargs:
            check_flag(name, kwargs[name])
        elif place is not None and place < len(args):
            check_flag(name, args[place])


def check_flag(name: str, value: object) -> None:
    """Refuse a value that is neither True nor False.

    Parameters
    ----------
    name : str
        Of the argument.
    value : object

    Raises
    ------
    InvalidArgumentError
        It is something else.
    """
    __tracebackhide__ = True
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidArgumentError(f"{name} is {value!r:.60}; give True or False.")
