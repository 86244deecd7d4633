"""Voyage's keys: how they are sent, and to which host they belong."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from contexter_nb.core import InvalidArgumentError, Secret
from contexter_nb.policies import APIKeyAuthHandler

VOYAGE_URL = "https://api.voyageai.com/v1"
ATLAS_URL = "https://ai.mongodb.com/v1"
GEOGRAPHY_URLS = ("https://eu.ai.mongodb.com/v1", "https://us.ai.mongodb.com/v1")
KEY_VARIABLE = "VOYAGE_API_KEY"
_BY_PREFIX = {"pa-": VOYAGE_URL, "al-": ATLAS_URL}


class VoyageAIAuthHandler(APIKeyAuthHandler):
    """Send a Voyage key as a bearer token, and know where it belongs.

    Keys of Voyage's own dashboard begin with ``pa-``, those of MongoDB Atlas with
    ``al-``; each kind is refused (403) by the other's host.

    Parameters
    ----------
    key : str or Secret, optional
        None takes the environment's ``VOYAGE_API_KEY``.

    Raises
    ------
    InvalidArgumentError
        There is no key, or it is none.

    Examples
    --------
    >>> VoyageAIAuthHandler("al-0123456789abcdef").base_url
    'https://ai.mongodb.com/v1'
    >>> VoyageAIAuthHandler("pa-0123456789abcdef")
    VoyageAIAuthHandler(Secret('***cdef'))

    Source
    ------
    The hosts: mongodb.com/docs/voyageai/geographies, read 2026-11-23.
    """

    def __init__(self, key: str | Secret | None = None) -> None:
        secret = _secret_of(key)
        del key  # an error from here on shows this frame
        super().__init__(secret)
        self._prefix = next(
            (each for each in _BY_PREFIX if secret.reveal().startswith(each)), ""
        )

    @property
    def base_url(self) -> str:
        """Where a key of this kind belongs; Voyage's own where its kind is unknown."""
        return _BY_PREFIX.get(self._prefix, VOYAGE_URL)

    def advice(self, base_url: str) -> str:
        """Return what to do where the service refuses this key with 403.

        Parameters
        ----------
        base_url : str
            Where it was sent.

        Examples
        --------
        >>> key = VoyageAIAuthHandler("al-0123456789abcdef")
        >>> key.advice("https://api.voyageai.com/v1")
        "a key that begins with 'al-' belongs to https://ai.mongodb.com/v1, so pass \
base_url='https://ai.mongodb.com/v1', or one of https://eu.ai.mongodb.com/v1 and \
https://us.ai.mongodb.com/v1 where its project is bound to a geography"
        """
        here = urlsplit(base_url).hostname
        geography = (
            f"one of {' and '.join(GEOGRAPHY_URLS)} where its project is bound to a "
            "geography"
        )
        if not self._prefix:
            return (
                f"a key that begins with 'pa-' belongs to {VOYAGE_URL} and one with "
                f"'al-' to {ATLAS_URL}; pass the right one as base_url"
            )
        whose = f"a key that begins with {self._prefix!r} belongs to {self.base_url}"
        if here != urlsplit(self.base_url).hostname:
            also = f", or {geography}" if self._prefix == "al-" else ""
            return f"{whose}, so pass base_url={self.base_url!r}{also}"
        if self._prefix == "al-":
            return f"pass as base_url {geography}, or allow this machine's address"
        return "allow this machine's address in the dashboard, or make a new key"

    def __repr__(self) -> str:
        return f"VoyageAIAuthHandler({self._key!r})"


def _secret_of(key: str | Secret | None) -> Secret:
    found = os.environ.get(KEY_VARIABLE) if key is None else key
    del key
    if not found:
        raise InvalidArgumentError(
            f"There is no key for Voyage; pass api_key=..., or set {KEY_VARIABLE} in "
            "the environment."
        )
    return Secret.of(found)
