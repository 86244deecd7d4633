"""How long an access token serves: pure arithmetic on seconds."""

from __future__ import annotations

import math
from typing import Any

from contexter_nb.core import Secret, Token

EARLY_SECONDS = 60.0
EARLY_SHARE = 0.1


def lifetime_seconds(expires_in: Any) -> float | None:
    """Return a token's life as its service states it, or None where it does not.

    Parameters
    ----------
    expires_in : object
        A number or a text of one. Whatever else, and what is not above 0, counts as
        not stated: the token is then used until it is refused.

    Examples
    --------
    >>> lifetime_seconds("300"), lifetime_seconds(-1), lifetime_seconds("soon")
    (300.0, None, None)

    Source: RFC 6749, section 5.1 (``expires_in`` is recommended, not required).
    """
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float | str):
        return None
    try:
        seconds = float(expires_in)
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds < math.inf else None


def token_of(
    access: Secret,
    life_seconds: float | None,
    since: float,
    refresh_token: Secret | None = None,
) -> Token:
    """Return a token that is renewed the tenth of its life before its end, or 60 s.

    Whichever is shorter, so that a token of a few minutes is not fetched per call.

    Parameters
    ----------
    access : Secret
    life_seconds : float or None
        None where it does not end.
    since : float
        The monotonic instant it was asked for, seconds.
    refresh_token : Secret, optional

    Examples
    --------
    >>> token = token_of(Secret("opaque-access-token"), 300.0, since=1000.0)
    >>> token.refresh_at, token.expires_at
    (1270.0, 1300.0)
    """
    if life_seconds is None:
        return Token(access, refresh_token=refresh_token)
    ends = since + life_seconds
    early = min(EARLY_SECONDS, EARLY_SHARE * life_seconds)
    return Token(access, ends, ends - early, refresh_token)


def is_refused(token: Token, refused: Token | None) -> bool:
    """Tell whether a token is the one that was refused.

    Parameters
    ----------
    token : Token
    refused : Token or None
        Compared by its text: a service may hand out the same one twice.
    """
    return refused is not None and token.access == refused.access


def is_fresh(token: Token, now: float) -> bool:
    """Tell whether a token need not be renewed yet.

    Parameters
    ----------
    token : Token
    now : float
        A monotonic instant, seconds.
    """
    return token.refresh_at is None or now < token.refresh_at


def is_alive(token: Token, now: float) -> bool:
    """Tell whether a token has not ended yet.

    Parameters
    ----------
    token : Token
    now : float
        A monotonic instant, seconds.
    """
    return token.expires_at is None or now < token.expires_at
