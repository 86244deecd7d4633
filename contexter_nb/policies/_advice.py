"""What a person is told of each kind of error, and what they may do about it."""

from __future__ import annotations

from contexter_nb.core import ErrorCategory

Category = ErrorCategory

SENTENCES = {
    Category.NETWORK: "{service} could not be reached.",
    Category.TIMEOUT: "{service} took too long to answer.",
    Category.RATE_LIMIT: "The rate limit of {service} is used up for now.",
    Category.AUTHENTICATION: "{service} does not accept the key or token.",
    Category.PERMISSION: "This key may not do that at {service}.",
    Category.NOT_FOUND: "{service} has nothing of this name.",
    Category.VALIDATION: "{service} cannot use what it was given.",
    Category.QUOTA: "The account at {service} has nothing left to spend.",
    Category.CONFLICT: "What was to be changed at {service} has changed meanwhile.",
    Category.TOO_LARGE: "That is more at once than goes through {service}.",
    Category.CLIENT_ERROR: "{service} refused the request.",
    Category.SERVER_ERROR: "{service} failed by itself.",
    Category.UNAVAILABLE: "{service} is out of order for now.",
    Category.DECODING: "{service} answered something that cannot be read.",
    Category.CONFIGURATION: "The settings for {service} do not fit.",
    Category.LOCAL: "Something here was in the way; {service} is not at fault.",
    Category.CANCELLED: "The call was cancelled.",
    Category.UNKNOWN: "A bug: {error} was not expected here.",
}

ADVICE: dict[ErrorCategory, tuple[str, ...]] = {
    Category.NETWORK: (
        "Check the connection to the network, a proxy and the base URL.",
        "Try again; what is cached can be used meanwhile.",
    ),
    Category.TIMEOUT: (
        "Try again, or ask for less at once.",
        "Allow more time (Timeouts, deadline_seconds).",
    ),
    Category.RATE_LIMIT: (
        "Send less often: set the limits of your plan (RateLimitConfig).",
        "Put more into one request.",
    ),
    Category.AUTHENTICATION: (
        "Check the key: whether it is complete, of this service, and not expired.",
        "Make a new key and set it anew.",
    ),
    Category.PERMISSION: ("Give the key the right to do this, or use another key.",),
    Category.NOT_FOUND: ("Check the name, its spelling and the base URL.",),
    Category.VALIDATION: ("Mend the arguments that the message names.",),
    Category.QUOTA: ("Check the plan and the balance of the account.",),
    Category.CONFLICT: ("Read the present state, then make the change again.",),
    Category.TOO_LARGE: ("Send less at once: smaller batches, shorter texts.",),
    Category.CLIENT_ERROR: ("Check the request against the service's documentation.",),
    Category.SERVER_ERROR: (
        "Try again later.",
        "If it stays, tell the service its request id.",
    ),
    Category.UNAVAILABLE: ("Try again later; what is cached can be used meanwhile.",),
    Category.DECODING: (
        "Check the base URL and whether a proxy or a login page answers in its place.",
    ),
    Category.CONFIGURATION: ("Check the base URL, the version and the settings.",),
    Category.LOCAL: (
        "Look at the message: files, memory, or too much at once on this machine.",
    ),
    Category.CANCELLED: ("Run it again if that was not meant.",),
    Category.UNKNOWN: ("Report it with the traceback.",),
}

CERTIFICATE = (
    "The certificate was not accepted: check this machine's date, and name the "
    "certificate authority of your proxy (SSL_CERT_FILE)."
)
UNKNOWN_HOST = "The host's name could not be looked up: check its spelling, and DNS."


def sentence_on(category: ErrorCategory, service: str, error_type: str) -> str:
    """Return one sentence for a person.

    Parameters
    ----------
    category : ErrorCategory
    service : str
        Its name; empty where unknown.
    error_type : str
        The error's class, named where the category is unknown.

    Examples
    --------
    >>> sentence_on(ErrorCategory.TIMEOUT, "", "TimeoutError")
    'The service took too long to answer.'
    """
    name = service or "the service"
    said = SENTENCES[category].format(service=name, error=error_type)
    return said if service and said.startswith(service) else said[0].upper() + said[1:]


def advice_on(
    category: ErrorCategory,
    *,
    retry_after_seconds: float | None = None,
    bad_certificate: bool = False,
    unknown_host: bool = False,
) -> tuple[str, ...]:
    """Return what may be done, the best first.

    Parameters
    ----------
    category : ErrorCategory
    retry_after_seconds : float, optional
        How long the service asks to wait.
    bad_certificate, unknown_host : bool, default False
        What is known of the cause.

    Returns
    -------
    tuple of str
        One at least.
    """
    first: tuple[str, ...] = ()
    if bad_certificate:
        return (CERTIFICATE,)
    if unknown_host:
        first = (UNKNOWN_HOST,)
    elif retry_after_seconds is not None:
        first = (f"Wait {retry_after_seconds:.3g} s before the next call.",)
    return first + ADVICE[category]
