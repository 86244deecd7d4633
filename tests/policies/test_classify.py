"""Errors are sorted by what they are, not by what class they are exactly."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import json
import socket
import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexter_nb import core
from contexter_nb.core import (
    CircuitOpenError,
    ConnectionFailedError,
    EmbedderError,
    ErrorSeverity,
    GraphQLError,
    HTTPError,
    RateLimitedError,
    RateLimitExceededError,
    Secret,
    ServerError,
    TokenFetchError,
)
from contexter_nb.core import ErrorCategory as Category
from contexter_nb.policies._category import category_of, is_retryable, severity_of
from contexter_nb.policies._classify import ErrorClassifier
from tests.loops import EPOCH, FakeClock

STATUS = {
    301: Category.CONFIGURATION,
    400: Category.VALIDATION,
    401: Category.AUTHENTICATION,
    402: Category.QUOTA,
    403: Category.PERMISSION,
    404: Category.NOT_FOUND,
    405: Category.CLIENT_ERROR,
    408: Category.TIMEOUT,
    409: Category.CONFLICT,
    410: Category.NOT_FOUND,
    413: Category.TOO_LARGE,
    418: Category.CLIENT_ERROR,
    422: Category.VALIDATION,
    429: Category.RATE_LIMIT,
    451: Category.PERMISSION,
    500: Category.SERVER_ERROR,
    501: Category.SERVER_ERROR,
    502: Category.UNAVAILABLE,
    503: Category.UNAVAILABLE,
    504: Category.TIMEOUT,
    529: Category.UNAVAILABLE,
    599: Category.SERVER_ERROR,
}
KINDS: list[tuple[BaseException, Category]] = [
    (core.ConnectionFailedError(), Category.NETWORK),
    (core.ConnectionLostError(), Category.NETWORK),
    (core.TransportError(), Category.NETWORK),
    (core.RequestTimeoutError(), Category.TIMEOUT),
    (core.DeadlineExceededError(), Category.TIMEOUT),
    (core.PoolExhaustedError(), Category.LOCAL),
    (core.UnsendableRequestError(), Category.CONFIGURATION),
    (core.ResponseTooLargeError(), Category.TOO_LARGE),
    (core.CircuitOpenError(), Category.UNAVAILABLE),
    (core.RateLimitExceededError(), Category.RATE_LIMIT),
    (core.RateLimitedError(), Category.RATE_LIMIT),
    (core.AuthenticationError(), Category.AUTHENTICATION),
    (core.PermissionDeniedError(), Category.PERMISSION),
    (core.NotFoundError(), Category.NOT_FOUND),
    (core.ServerError(), Category.SERVER_ERROR),
    (core.HTTPError(), Category.CLIENT_ERROR),
    (core.DecodingError(), Category.DECODING),
    (core.TokenFetchError(), Category.AUTHENTICATION),
    (core.VersionError(), Category.CONFIGURATION),
    (core.ClientClosedError(), Category.LOCAL),
    (core.InvalidArgumentError(), Category.VALIDATION),
    (core.UnknownChunkError(), Category.VALIDATION),
    (core.IndexMismatchError(), Category.CONFIGURATION),
    (core.HomeError(), Category.LOCAL),
    (core.ContexterError(), Category.CLIENT_ERROR),
    (TimeoutError(), Category.TIMEOUT),
    (ConnectionResetError(), Category.NETWORK),
    (BrokenPipeError(), Category.NETWORK),
    (OSError(errno.ENETUNREACH, "no route"), Category.NETWORK),
    (OSError(errno.ENOSPC, "disk full"), Category.LOCAL),
    (PermissionError(), Category.LOCAL),
    (socket.gaierror(-2, "unknown"), Category.NETWORK),
    (ssl.SSLError(), Category.NETWORK),
    (MemoryError(), Category.LOCAL),
    (asyncio.CancelledError(), Category.CANCELLED),
    (concurrent.futures.CancelledError(), Category.CANCELLED),
    (KeyboardInterrupt(), Category.CANCELLED),
    (KeyError("x"), Category.UNKNOWN),
    (TypeError("x"), Category.UNKNOWN),
    (ValueError("x"), Category.UNKNOWN),
]


@pytest.mark.parametrize(("status", "category"), STATUS.items())
def test_a_status_has_its_category(status: int, category: Category) -> None:
    """Refused keys are not missing rights, and a service out of order is not a bug."""
    assert category_of(HTTPError("m", status_code=status)) is category


@given(st.integers(300, 599))
def test_no_status_is_unknown(status: int) -> None:
    """What has no entry of its own is told by its range."""
    category = category_of(HTTPError("m", status_code=status))
    assert category is not Category.UNKNOWN
    if status >= 500:
        assert category not in (Category.CLIENT_ERROR, Category.VALIDATION)


@pytest.mark.parametrize(
    ("error", "category"), KINDS, ids=[type(each).__name__ for each, _ in KINDS]
)
def test_each_class_has_its_category(error: BaseException, category: Category) -> None:
    """Ours and Python's own."""
    assert category_of(error) is category


@pytest.mark.parametrize(
    ("error", "category"), KINDS, ids=[type(each).__name__ for each, _ in KINDS]
)
def test_a_subclass_is_what_its_parent_is(
    error: BaseException, category: Category
) -> None:
    """A class that somebody derives is never missed."""
    kind = type(error)
    derived = type("Derived", (kind,), {})
    assert category_of(derived(*error.args)) is category


def test_every_class_of_our_tree_is_known() -> None:
    """None of our own errors counts as a bug."""
    for name in core.__all__:
        kind = getattr(core, name)
        if isinstance(kind, type) and issubclass(kind, core.ContexterError):
            assert category_of(kind("m")) is not Category.UNKNOWN


def raised_from(error: BaseException, cause: BaseException) -> BaseException:
    """Return an error with its cause."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "cause", "category"),
    [
        (EmbedderError(), RateLimitedError(status_code=429), Category.RATE_LIMIT),
        (EmbedderError(), HTTPError(status_code=401), Category.AUTHENTICATION),
        (EmbedderError(), ValueError(), Category.LOCAL),
        (TokenFetchError(), HTTPError(status_code=400), Category.AUTHENTICATION),
        (TokenFetchError(), ConnectionFailedError(), Category.NETWORK),
        (TokenFetchError(), ServerError(status_code=503), Category.UNAVAILABLE),
        (core.DecodingError(), ConnectionResetError(), Category.DECODING),
    ],
)
def test_a_wrapping_error_is_what_it_was_raised_from(
    error: BaseException, cause: BaseException, category: Category
) -> None:
    """An embedder or a token endpoint that cannot be reached is the network's fault."""
    assert category_of(raised_from(error, cause)) is category


def test_a_circle_of_causes_ends() -> None:
    """Errors that cause each other are sorted all the same."""
    one, two = EmbedderError("1"), EmbedderError("2")
    one.__cause__, two.__cause__ = two, one
    assert category_of(one) is Category.LOCAL
    assert ErrorClassifier().classify(one).category is Category.LOCAL


def test_a_group_is_as_bad_as_its_worst_member() -> None:
    """A bug among timeouts is a bug."""
    group = ExceptionGroup("several", [TimeoutError(), KeyError("x")])
    assert category_of(group) is Category.UNKNOWN
    group = ExceptionGroup("several", [TimeoutError(), TimeoutError()])
    assert category_of(group) is Category.TIMEOUT


@pytest.mark.parametrize(
    ("errors", "executed", "category"),
    [
        ([{"extensions": {"code": "THROTTLED"}}], False, Category.RATE_LIMIT),
        ([{"type": "RATE_LIMITED"}], False, Category.RATE_LIMIT),
        ([{"extensions": {"code": "UNAUTHENTICATED"}}], False, Category.AUTHENTICATION),
        ([{"extensions": {"code": "forbidden"}}], True, Category.PERMISSION),
        ([{"extensions": {"code": "BAD_USER_INPUT"}}], False, Category.VALIDATION),
        ([{"extensions": {"code": "NOT_FOUND"}}], True, Category.NOT_FOUND),
        (
            [{"extensions": {"code": "INTERNAL_SERVER_ERROR"}}],
            True,
            Category.SERVER_ERROR,
        ),
        (
            [
                {"extensions": {"code": "NOT_FOUND"}},
                {"extensions": {"code": "UNAUTHENTICATED"}},
            ],
            True,
            Category.AUTHENTICATION,
        ),
        ([{"message": "Unknown field"}], False, Category.VALIDATION),
        ([{"message": "A resolver failed"}], True, Category.SERVER_ERROR),
        (
            [{"extensions": None}, {"extensions": {"code": 5}}],
            True,
            Category.SERVER_ERROR,
        ),
        (["a text", None], False, Category.VALIDATION),
        ([], True, Category.SERVER_ERROR),
    ],
)
def test_errors_of_graphql_are_sorted_by_their_code(
    errors: list[Any], executed: bool, category: Category
) -> None:
    """And, where there is none that is known, by whether anything was executed."""
    assert category_of(GraphQLError("m", errors=errors, executed=executed)) is category


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (HTTPError(status_code=429), True),
        (HTTPError(status_code=503), True),
        (HTTPError(status_code=500), True),
        (HTTPError(status_code=408), True),
        (HTTPError(status_code=425), True),
        (HTTPError(status_code=501), False),
        (HTTPError(status_code=505), False),
        (HTTPError(status_code=404), False),
        (HTTPError(status_code=401), False),
        (core.ConnectionLostError(), True),
        (core.PoolExhaustedError(), False),
        (core.DecodingError(), False),
        (KeyError("x"), False),
        (asyncio.CancelledError(), False),
    ],
)
def test_what_may_help_to_send_again(error: BaseException, retryable: bool) -> None:
    """Not what was refused for good or is our own doing, and never a cancellation."""
    assert is_retryable(error) is retryable


def test_severity_follows_what_a_person_has_to_do() -> None:
    """A service out of order passes by itself; a key does not mend itself."""
    assert severity_of(Category.UNAVAILABLE) is ErrorSeverity.MEDIUM
    assert severity_of(Category.RATE_LIMIT) is ErrorSeverity.LOW
    assert severity_of(Category.CANCELLED) is ErrorSeverity.LOW
    assert severity_of(Category.AUTHENTICATION) is ErrorSeverity.HIGH
    assert severity_of(Category.UNKNOWN) is ErrorSeverity.CRITICAL


def test_every_category_has_words_and_advice() -> None:
    """None leaves a person alone."""
    from contexter_nb.policies._advice import advice_on, sentence_on

    for category in Category:
        for service in ("", "voyage"):
            said = sentence_on(category, service, "KeyError")
            assert said[0].isupper() or said.startswith("voyage")
            assert said.endswith(".")
            assert "{" not in said
        assert all(each.endswith(".") for each in advice_on(category))
        assert advice_on(category)


def test_an_error_is_explained_outside_of_any_except_clause() -> None:
    """What is known comes from the error itself, when and where it is asked for."""
    error = ServerError(
        "voyage failed.",
        status_code=503,
        service="voyage",
        operation="rerank",
        request_id="0123",
        retry_after_seconds=12.0,
    )
    context = ErrorClassifier(FakeClock()).classify(error)
    assert context.category is Category.UNAVAILABLE
    assert context.severity is ErrorSeverity.MEDIUM
    assert (context.service, context.operation) == ("voyage", "rerank")
    assert context.request_id == "0123"
    assert context.error_type == "ServerError"
    assert context.message == "voyage failed."
    assert context.user_message == "voyage is out of order for now."
    assert context.recovery_suggestions[0] == "Wait 12 s before the next call."
    assert context.retry_after_seconds == 12.0
    assert context.retryable
    assert context.status_code == 503
    assert context.occurred_at == EPOCH


def test_what_the_caller_knows_goes_before_what_the_error_says() -> None:
    """And it stands in for what an error of Python does not know."""
    classifier = ErrorClassifier(FakeClock())
    context = classifier.classify(
        TimeoutError(), service="voyage", operation="rerank", request_id="1"
    )
    assert (context.service, context.operation, context.request_id) == (
        "voyage",
        "rerank",
        "1",
    )
    assert context.user_message == "voyage took too long to answer."
    assert context.message == "TimeoutError"
    assert context.status_code is None


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (RateLimitedError(status_code=429, retry_after_seconds=7.0), 7.0),
        (RateLimitedError(status_code=429), None),
        (HTTPError(status_code=503, retry_after_seconds=0.0), 0.0),
        (HTTPError(status_code=503), None),
        (CircuitOpenError(retry_after_seconds=3.5), 3.5),
        (RateLimitExceededError(retry_after_seconds=float("nan")), None),
        (RateLimitExceededError(retry_after_seconds=float("inf")), None),
        (RateLimitExceededError(retry_after_seconds=-3.0), None),
        (TimeoutError(), None),
        (ServerError(status_code=500), None),
    ],
)
def test_the_time_to_wait_is_what_was_asked_for_or_nothing(
    error: BaseException, seconds: float | None
) -> None:
    """No time is made up by kind, and none that is no time is passed on."""
    context = ErrorClassifier().classify(error)
    assert context.retry_after_seconds == seconds
    told = any("Wait" in each for each in context.recovery_suggestions)
    assert told is (seconds is not None)


def test_the_message_is_scrubbed_and_bounded() -> None:
    """Neither the context nor its message holds a credential or a stack."""
    key = Secret("zzz-credential-zzz")
    error = ValueError(f"{key.reveal()} failed\nAuthorization: Bearer zzz {'x ' * 900}")
    context = ErrorClassifier().classify(error)
    assert "zzz" not in repr(context)
    assert "Traceback" not in repr(context)
    assert len(context.message) <= 500


def test_a_bug_is_shown_as_one() -> None:
    """Its class is named, and it is not called the service's fault."""
    context = ErrorClassifier().classify(KeyError("x"), service="voyage")
    assert context.user_message == "A bug: KeyError was not expected here."
    assert context.severity is ErrorSeverity.CRITICAL
    assert not context.retryable


def test_a_bad_certificate_is_not_tried_again() -> None:
    """It needs a person, and is told with what to look at."""
    error = raised_from(ConnectionFailedError("No."), ssl.SSLCertVerificationError())
    context = ErrorClassifier().classify(error)
    assert context.category is Category.NETWORK
    assert context.severity is ErrorSeverity.HIGH
    assert not context.retryable
    assert "certificate" in context.recovery_suggestions[0]


def test_a_bad_certificate_is_found_among_several_failures() -> None:
    """Where each address of a host was tried, the explanation agrees with the retry."""
    failures = [OSError("no"), ssl.SSLCertVerificationError()]
    tried = ExceptionGroup("all addresses", failures)
    context = ErrorClassifier().classify(
        raised_from(ConnectionFailedError("No."), tried)
    )
    assert not context.retryable
    assert "certificate" in context.recovery_suggestions[0]


def test_a_cause_that_was_put_away_explains_nothing() -> None:
    """What an error was raised ``from None`` of is not what it came of."""
    error = ConnectionFailedError("No.")
    error.__context__ = ssl.SSLCertVerificationError("of an earlier attempt")
    error.__suppress_context__ = True
    assert ErrorClassifier().classify(error).retryable


def test_a_host_that_cannot_be_looked_up_is_named_first() -> None:
    """A misspelt base URL is the likeliest cause."""
    error = raised_from(ConnectionFailedError("No."), socket.gaierror(-2, "unknown"))
    assert "spelling" in ErrorClassifier().classify(error).recovery_suggestions[0]


def test_an_error_that_cannot_be_written_is_named_by_its_class() -> None:
    """Explaining an error never raises another."""

    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    context = ErrorClassifier().classify(Broken())
    assert context.message == "Broken"
    json.dumps(context.recovery_suggestions)
