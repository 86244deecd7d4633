"""What Voyage means by its refusals, and what is to be done then."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from contexter_nb.clients._voyage_auth import VoyageAIAuthHandler
from contexter_nb.core import (
    APIIntegrationError,
    APIRequest,
    Clock,
    ErrorCategory,
    HTTPError,
    PermissionDeniedError,
    RateLimitExceededError,
    WireResponse,
)
from contexter_nb.policies import category_of, error_from_response

# "The max allowed tokens per submitted batch is 120000. Your batch has 126899 tokens
# after truncation. Please lower the number of tokens in the batch."
_TOO_MANY = re.compile(
    r"too[_ ]many[_ ]tokens|max allowed tokens|lower the number of tokens|"
    r"context (?:length|window)",
    re.IGNORECASE,
)
_BATCH_HAS = re.compile(r"batch has (\d{1,9}) tokens", re.IGNORECASE)
# The 429 of an account without a card names its 3 RPM and 10K TPM: no waiting lets a
# larger batch through.
_CARDLESS = re.compile(rb"payment method|\b3 RPM\b", re.IGNORECASE)
_READ_BYTES = 4_096

# What every other batch would be answered, too.
FATAL = frozenset(
    {
        ErrorCategory.AUTHENTICATION,
        ErrorCategory.PERMISSION,
        ErrorCategory.QUOTA,
        ErrorCategory.NOT_FOUND,
        ErrorCategory.CONFIGURATION,
        ErrorCategory.LOCAL,
    }
)


def has_too_many_tokens(error: BaseException) -> bool:
    """Tell whether fewer texts in the request would do.

    Parameters
    ----------
    error : BaseException

    Examples
    --------
    >>> said = "Please lower the number of tokens in the batch."
    >>> has_too_many_tokens(HTTPError("", status_code=400, body=said))
    True
    >>> has_too_many_tokens(HTTPError("", status_code=400, body="No such model."))
    False
    """
    if category_of(error) is ErrorCategory.TOO_LARGE:
        return True
    if not isinstance(error, HTTPError) or error.status_code not in (400, 422):
        return False
    return _TOO_MANY.search(f"{error.body} {error}") is not None


def tokens_of_batch(error: BaseException) -> int:
    """Return how many tokens the service says a refused batch has; 0 where it does not.

    Parameters
    ----------
    error : BaseException
    """
    found = _BATCH_HAS.search(error.body) if isinstance(error, HTTPError) else None
    return int(found[1]) if found else 0


def is_fatal(error: BaseException) -> bool:
    """Tell whether every other batch would be answered the same.

    Parameters
    ----------
    error : BaseException
    """
    return category_of(error) in FATAL


def named(error: APIIntegrationError, noun: str, position: int) -> APIIntegrationError:
    """Return the error of one item that is too long by itself, by its position.

    Parameters
    ----------
    error : APIIntegrationError
        The service's refusal.
    noun : str
        ``Text`` or ``Document``.
    position : int
        Among those the caller gave, from 0.
    """
    if not isinstance(error, HTTPError):
        error.add_note(f"{noun} {position} is too long by itself.")
        return error
    advice = (
        "split it, or pass truncation=True to lose its end"
        if noun == "Text"
        else "split it into several documents"
    )
    again = HTTPError(
        f"{noun} {position} has too many tokens for the model by itself; {advice}.",
        status_code=error.status_code,
        body=error.body,
        headers=error.headers,
        service=error.service,
        operation=error.operation,
        request_id=error.request_id,
        trace=error.trace,
    )
    again.__cause__ = error
    return again


def wrong_host(
    error: PermissionDeniedError, auth: VoyageAIAuthHandler, base_url: str
) -> PermissionDeniedError:
    """Return a 403 that says where the key belongs.

    Parameters
    ----------
    error : PermissionDeniedError
    auth : VoyageAIAuthHandler
    base_url : str
        Where it was sent.
    """
    return PermissionDeniedError(
        f"voyage refused the key at {base_url} (403): {auth.advice(base_url)}.",
        status_code=error.status_code,
        body=error.body,
        headers=error.headers,
        service=error.service,
        operation=error.operation,
        request_id=error.request_id,
        trace=error.trace,
    )


def answers(cardless_is_known: bool) -> Callable[[WireResponse], bool]:
    """Return what tells an answer from an error; the rest is left to `inspector`.

    Parameters
    ----------
    cardless_is_known : bool
        Whether the client keeps to the limits of an account without a card anyway.
    """

    def is_answer(answer: WireResponse) -> bool:
        return (
            answer.is_success
            or _says_no_such_path(answer)
            or (not cardless_is_known and _says_cardless(answer))
        )

    return is_answer


def inspector(
    service: str, clock: Clock
) -> Callable[[APIRequest, WireResponse, Any], APIIntegrationError | None]:
    """Return what finds the error in an answer that `answers` let pass.

    A probe by GET that is told "no such method" has reached the service and was not
    refused, and costs nothing.

    Parameters
    ----------
    service : str
    clock : Clock
    """

    def inspect(
        request: APIRequest, answer: WireResponse, data: Any
    ) -> APIIntegrationError | None:
        if answer.is_success or (answer.status_code != 429 and request.method == "GET"):
            return None
        if answer.status_code == 429:
            return RateLimitExceededError(
                "voyage allows this account 3 requests and 10,000 tokens a minute, "
                "since it has no payment method; pass tier='free' to keep to that, or "
                "add a payment method in its dashboard.",
                service=service,
                operation=request.name,
            )
        return error_from_response(
            answer, service=service, operation=request.name, wall=clock.wall()
        )

    return inspect


def _says_no_such_path(answer: WireResponse) -> bool:
    kind = answer.headers.get("content-type", "")
    return answer.status_code in (404, 405) and kind.startswith("application/json")


def _says_cardless(answer: WireResponse) -> bool:
    return (
        answer.status_code == 429
        and _CARDLESS.search(answer.content[:_READ_BYTES]) is not None
    )
