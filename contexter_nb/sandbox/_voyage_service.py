"""Voyage's wire: embeddings, contextualized embeddings and reranking, on loopback."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime

from contexter_nb.core import Headers, Secret
from contexter_nb.sandbox._keys import dummy_key
from contexter_nb.sandbox._routes import Route, Routes
from contexter_nb.sandbox._service import Reply, Request
from contexter_nb.sandbox._voyage_answers import (
    contextualized_embeddings,
    embeddings,
    reranking,
)
from contexter_nb.sandbox._voyage_fields import RefusedError

_HOST_OF = {"pa-": "https://api.voyageai.com/v1", "al-": "https://ai.mongodb.com/v1"}
_GATEWAY = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}
_CARDLESS = (
    "You have not yet added your payment method in the billing page and have reduced "
    "rate limits of 3 RPM and 10K TPM. Add one to unlock the standard rate limits."
)
_CARDLESS_MESSAGE = "more than 3 requests a minute"
_CARDLESS_TOKENS = 10_000


class VoyageService:
    """Embeddings of the static model, with Voyage's limits and refusals.

    ====================================  =============================================
    ``POST /v1/embeddings``               any dimension and type; base64 or lists
    ``POST /v1/contextualizedembeddings`` also with automatic chunking
    ``POST /v1/rerank``                   by the cosine of the static model
    ====================================  =============================================

    Vectors depend on text, model, input type, dimension and type of numbers alone.
    Tokens are those of the static model's tokenizer. Multimodal embeddings, files and
    batches are not served.

    Parameters
    ----------
    api_key : Secret, optional
        What it demands; a dummy of its own where None. By its first letters the
        service is Voyage's host (``pa-``) or MongoDB's (``al-``), and refuses keys of
        the other one with 403.

    Source
    ------
    github.com/voyage-ai/voyageai-python 0.5.0 and mongodb.com/docs/voyageai, read
    2026-11-23. Which faults of a body are 400 and which 422 is not documented: here
    wrong types are 422, all else is 400.
    """

    base_path = "/v1"

    def __init__(self, api_key: Secret | None = None) -> None:
        self._api_key = api_key or dummy_key()
        routes = [
            Route("POST", "/v1/embeddings", embeddings),
            Route("POST", "/v1/contextualizedembeddings", contextualized_embeddings),
            Route("POST", "/v1/rerank", reranking),
        ]
        self._routes = Routes(routes, self.refuse)

    @property
    def name(self) -> str:
        """``voyage``."""
        return "voyage"

    async def answer(self, request: Request) -> Reply:
        """Answer one request.

        Parameters
        ----------
        request : Request

        Returns
        -------
        Reply

        Examples
        --------
        >>> from contexter_nb.bridge import run
        >>> asked = Request(method="POST", path="/v1/embeddings")
        >>> run(VoyageService().answer(asked)).status
        401
        """
        refused = self._unauthorized(request.bearer)
        if refused is not None:
            return refused
        try:
            return await self._routes.answer(request)
        except RefusedError as error:
            if error.status == 429:
                limit = request.knobs.tokens_per_minute or 0
                return self._limited(str(error.detail), limit <= _CARDLESS_TOKENS)
            return _error(error.status, error.detail, **error.more)

    def refuse(self, status: int, message: str) -> Reply:
        """Return an error in Voyage's form; a page of its gateway for 502 to 504.

        Parameters
        ----------
        status : int
        message : str

        Returns
        -------
        Reply
        """
        if status in _GATEWAY:
            page = f"<html><body><h1>{status} {_GATEWAY[status]}</h1></body></html>"
            fields = Headers({"Content-Type": "text/html"})
            return Reply(status=status, body=page.encode(), headers=fields)
        if status == 429:
            return self._limited(message, message == _CARDLESS_MESSAGE)
        return _error(status, {404: "Not Found"}.get(status, message))

    def limit_fields(
        self, limit_per_minute: float, retry_after_seconds: int, wall: datetime
    ) -> Mapping[str, str]:
        """Return the header fields of a 429: Voyage documents none.

        Parameters
        ----------
        limit_per_minute : float
        retry_after_seconds : int
        wall : datetime

        Returns
        -------
        mapping of str to str
            Empty.
        """
        return {}

    def _limited(self, message: str, cardless: bool) -> Reply:
        return _error(429, _CARDLESS if cardless else f"Rate limit reached: {message}.")

    def _unauthorized(self, given: str) -> Reply | None:
        wanted = self._api_key.reveal()
        if hmac.compare_digest(given.encode(), wanted.encode()):
            return None
        if not given:
            return _error(401, "No API key is provided; set one as a bearer token.")
        here = wanted[:3] if wanted[:3] in _HOST_OF else "pa-"
        if given[:3] in _HOST_OF and given[:3] != here:
            return _error(
                403,
                f"Keys that begin with {given[:3]} belong to {_HOST_OF[given[:3]]}.",
            )
        return _error(401, "Provided API key is invalid.")


def _error(status: int, detail: object, **more: str) -> Reply:
    return Reply.of({"detail": detail, **more}, status)
