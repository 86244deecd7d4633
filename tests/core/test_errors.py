"""The error tree: one root, one sentence, and the built-in class a person expects."""

from __future__ import annotations

import pickle

import pytest

from contexter_nb import core
from contexter_nb.core import ContexterError

ERRORS = [
    value
    for value in (getattr(core, name) for name in core.__all__)
    if isinstance(value, type) and issubclass(value, Exception)
]
BUILT_IN = {
    "BridgeError": RuntimeError,
    "HomeError": OSError,
    "InvalidArgumentError": ValueError,
    "SessionClosedError": RuntimeError,
    "UnknownChunkError": ValueError,
    "UnknownLibraryError": ValueError,
}


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_is_caught_by_the_root_and_by_its_built_in_class(
    error: type[ContexterError],
) -> None:
    """One except clause is enough, and the usual one works, too."""
    assert issubclass(error, ContexterError)
    assert issubclass(error, BUILT_IN.get(error.__name__, Exception))
    raised = error("It failed; try again.")
    assert str(raised) == "It failed; try again."


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_travels_between_processes(error: type[ContexterError]) -> None:
    """A child process can hand an error to its parent."""
    copied = pickle.loads(pickle.dumps(error("It failed; try again.")))
    assert type(copied) is error
    assert str(copied) == "It failed; try again."


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    """Every class is drawn once where the module begins, and no other is."""
    from contexter_nb.core import _errors

    drawn = [
        word.strip("│├└─ ")
        for line in (_errors.__doc__ or "").splitlines()
        for word in line.split("  ")[:1] + line.split("── ")[1:2]
        if "Error" in word
    ]
    names = {word.split()[0] for word in drawn}
    assert names == {error.__name__ for error in ERRORS}


def test_ipython_is_given_the_sentence_and_its_causes() -> None:
    """One line for the error and one for each cause, cut to a readable length."""
    try:
        try:
            raise FileNotFoundError("x" * 2_000)
        except FileNotFoundError as exc:
            raise core.HomeError("The home is gone.") from exc
    except core.HomeError as error:
        lines = error._render_traceback_()
    assert lines[0] == "HomeError: The home is gone."
    assert lines[1].startswith("  caused by FileNotFoundError: xxx")
    assert len(lines) == 2
    assert len(lines[1]) < 600


def test_causes_that_go_round_in_a_circle_are_named_once() -> None:
    """An error that is the cause of its own cause can still be shown."""
    one, two = core.SourceError("One."), core.SourceError("Two.")
    one.__cause__, two.__cause__ = two, None
    assert len(one._render_traceback_()) == 2
