"""The error tree: one root, one sentence, and the built-in class a person expects."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from contexter_nb import core
from contexter_nb.core import Attempt, ContexterError, Trace

ERRORS = [
    value
    for value in (getattr(core, name) for name in core.__all__)
    if isinstance(value, type) and issubclass(value, Exception)
]
BUILT_IN = {
    "BridgeError": RuntimeError,
    "ClientClosedError": RuntimeError,
    "ConnectionFailedError": ConnectionError,
    "ConnectionLostError": ConnectionError,
    "DeadlineExceededError": TimeoutError,
    "HomeError": OSError,
    "InvalidArgumentError": ValueError,
    "RequestTimeoutError": TimeoutError,
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
    one.__cause__, two.__cause__ = two, one
    lines = one._render_traceback_()
    assert lines == ["SourceError: One.", "  caused by SourceError: Two."]


def test_notes_are_shown_and_causes_are_scrubbed() -> None:
    """What was tried is said, and a library's message gives no credential away."""
    error = core.ServerError("It failed.")
    error.add_note("Tried: another answer.")
    error.__cause__ = ValueError("Authorization: Bearer abcdefgh12345678")
    assert error._render_traceback_() == [
        "ServerError: It failed.",
        "  Tried: another answer.",
        "  caused by ValueError: Authorization: ***",
    ]


REMOTE = [error for error in ERRORS if issubclass(error, core.APIIntegrationError)]
WHERE: dict[str, Any] = {
    "service": "voyage",
    "operation": "embeddings",
    "request_id": "0123",
    "trace": Trace(
        attempts=(Attempt(number=1, started_seconds=0.0, status_code=503),),
        total_seconds=2.5,
    ),
}
HTTP: dict[str, Any] = {
    "status_code": 503,
    "body": "out of order",
    "headers": {"server": "x"},
    "retry_after_seconds": 2.5,
}
OWN: dict[type[Exception], dict[str, Any]] = {
    core.RequestTimeoutError: {"phase": "connect"},
    core.CircuitOpenError: {"retry_after_seconds": 3.0},
    core.RateLimitExceededError: {"retry_after_seconds": 4.0},
    core.GraphQLError: {
        "errors": ({"message": "m"},),
        "data": {"a": None},
        "executed": True,
    },
    **{error: HTTP for error in REMOTE if issubclass(error, core.HTTPError)},
}


@pytest.mark.parametrize("error", REMOTE)
def test_an_error_of_a_service_keeps_its_fields_between_processes(
    error: type[core.APIIntegrationError],
) -> None:
    """Where it was, what was tried and what the service said travel with it."""
    fields = {**WHERE, **OWN.get(error, {})}
    raised = error("It failed; try again.", **fields)
    for each in (raised, pickle.loads(pickle.dumps(raised)), copy.copy(raised)):
        assert type(each) is error
        assert str(each) == "It failed; try again."
        assert {name: getattr(each, name) for name in fields} == fields


@pytest.mark.parametrize("error", REMOTE)
def test_an_error_of_a_service_needs_no_more_than_its_sentence(
    error: type[core.APIIntegrationError],
) -> None:
    """Every field has a value where nothing was said."""
    raised = error("It failed.")
    assert (raised.service, raised.operation, raised.request_id) == ("", "", "")
    assert raised.trace is None
    assert error.__doc__


def test_a_refused_rate_is_caught_as_what_it_is_by_both_its_names() -> None:
    """A 429 is an HTTP error and a used up rate limit, with the fields of both."""
    error = core.RateLimitedError(
        "Too often.", status_code=429, retry_after_seconds=7.0, service="voyage"
    )
    assert isinstance(error, core.HTTPError)
    assert isinstance(error, core.RateLimitExceededError)
    assert (error.status_code, error.retry_after_seconds) == (429, 7.0)
    assert error.service == "voyage"
    order = core.RateLimitedError.__mro__
    assert order.index(core.HTTPError) < order.index(core.RateLimitExceededError)
    assert order.index(core.RateLimitExceededError) < order.index(
        core.APIIntegrationError
    )


def test_what_a_service_answered_is_the_errors_own() -> None:
    """Changing the mapping it was given does not change the error."""
    headers = {"server": "x"}
    error = core.HTTPError("It failed.", status_code=500, headers=headers)
    headers["server"] = "y"
    assert error.headers == {"server": "x"}


def test_answers_of_an_error_are_apart_from_those_that_never_came() -> None:
    """One clause catches all that broke on the way, another all that was answered."""
    for error in REMOTE:
        on_the_way = issubclass(error, core.TransportError)
        answered = issubclass(error, core.HTTPError)
        assert not (on_the_way and answered)
    assert issubclass(core.AuthenticationError, core.HTTPError)
    assert not issubclass(core.DeadlineExceededError, core.TransportError)
    assert not issubclass(core.CircuitOpenError, core.TransportError)
