"""How authorization is written: as a generator of steps that somebody else takes."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from contexter_nb.core._secret import Secret
from contexter_nb.core._wire import Sender, WireRequest, WireResponse


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and when it ends.

    Attributes
    ----------
    expires_at : float or None
        A monotonic instant, seconds; None where it does not end.
    refresh_at : float or None
        From when on a newer one is fetched.
    """

    access: Secret
    expires_at: float | None = None
    refresh_at: float | None = None
    refresh_token: Secret | None = None
    scheme: str = "Bearer"


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Step: send this request; the generator goes on with its `WireResponse`."""

    request: WireRequest


@dataclass(frozen=True, slots=True)
class GetToken:
    """Step: get a token; the generator goes on with a `Token`.

    Attributes
    ----------
    newer_than : Token or None
        The one the service refused: another is wanted, unless it was replaced since.
    """

    newer_than: Token | None = None


AuthStep = SendRequest | GetToken
AuthFlow = Generator[AuthStep, WireResponse | Token, None]


@runtime_checkable
class AuthHandler(Protocol):
    """A way to authorize requests.

    `flow` decides; it yields steps and never waits, locks or sends by itself. The last
    `SendRequest` it yields has the answer that counts.
    """

    def flow(self, request: WireRequest) -> AuthFlow:
        """Yield the steps that authorize and send one request.

        Parameters
        ----------
        request : WireRequest
            Without authorization.
        """

    async def token(self, newer_than: Token | None = None) -> Token:
        """Return a token for a `GetToken` step; one fetch serves all who wait.

        Parameters
        ----------
        newer_than : Token, optional
            The one that was refused.
        """

    def bind(self, send: Sender) -> None:
        """Take what a token endpoint is asked with, unless there is one already.

        Parameters
        ----------
        send : Sender
        """

    def fingerprint(self) -> str:
        """Return a keyed hash that tells accounts apart and gives nothing away."""
