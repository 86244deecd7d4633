"""A misspelt or missing argument is told as a person would tell it, by its name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Container, Iterable, Mapping, Sized
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


def needed_by(function: Callable[..., object]) -> dict[str, int]:
    """Return the arguments without a default, and the place of each, from 0.

    Parameters
    ----------
    function : callable

    Examples
    --------
    >>> needed_by(lambda experiment_id, folder, name=None: None)
    {'experiment_id': 0, 'folder': 1}
    """
    found = inspect.signature(function).parameters.values()
    own = [each for each in found if each.name != "self"]
    return {
        each.name: place
        for place, each in enumerate(own)
        if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
    }


def check_needed(
    called: str, args: Sized, given: Container[str], needed: Mapping[str, int]
) -> None:
    """Refuse a call that lacks an argument.

    Parameters
    ----------
    called : str
        The function, as a person wrote it.
    args : sized
        Given without a name.
    given : container of str
        Given by name.
    needed : mapping of str to int
        As of `needed_by`.

    Raises
    ------
    TypeError
        As Python has it, without the class that the function is written in.

    Examples
    --------
    >>> check_needed("explain", ["a question"], {}, {"query": 0, "chunk_id": 1})
    Traceback (most recent call last):
    ...
    TypeError: explain() needs chunk_id. It is called as explain(query, chunk_id).
    """
    __tracebackhide__ = True
    lacking = [
        name
        for name, place in needed.items()
        if place >= len(args) and name not in given
    ]
    if lacking:
        raise TypeError(
            f"{called}() needs {' and '.join(lacking)}. It is called as "
            f"{called}({', '.join(needed)})."
        )


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
