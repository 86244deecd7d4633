"""A misspelt argument is told as a person would tell it, with the near name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

from contexter_nb.core import did_you_mean

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def names_of(function: Callable[..., object]) -> tuple[str, ...]:
    """Return the names by which a function takes arguments.

    Parameters
    ----------
    function : callable

    Examples
    --------
    >>> names_of(lambda what, budget_usd=None: None)
    ('what', 'budget_usd')
    """
    found = inspect.signature(function).parameters
    return tuple(name for name in found if name != "self")


def check_names(called: str, given: Iterable[str], known: tuple[str, ...]) -> None:
    """Refuse an argument that does not exist.

    Parameters
    ----------
    called : str
        The function, as a person wrote it.
    given : iterable of str
    known : tuple of str

    Raises
    ------
    TypeError
        As Python has it, with what was meant.

    Examples
    --------
    >>> check_names("index", ["budget"], ("what", "budget_usd"))
    Traceback (most recent call last):
    ...
    TypeError: index() has no argument 'budget'. Did you mean 'budget_usd'?
    """
    __tracebackhide__ = True
    for name in given:
        if name not in known:
            meant = did_you_mean(name, known)
            told = meant or f" Its arguments are {', '.join(known)}."
            raise TypeError(f"{called}() has no argument {name!r}.{told}")


def spelt(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """Return a function that tells a misspelt argument from its own.

    Parameters
    ----------
    function : callable
    """
    known = names_of(function)

    @functools.wraps(function)
    def checked(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        __tracebackhide__ = True
        check_names(function.__name__, kwargs, known)
        return function(*args, **kwargs)

    return checked
