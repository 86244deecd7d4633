"""Voyage's wire as the sandbox plays it, with a bill that a test can read."""

from __future__ import annotations

import json
from collections import Counter

from contexter_nb.sandbox import Reply, Request, VoyageService


class BilledVoyage(VoyageService):
    """Sums up what it was paid for.

    Attributes
    ----------
    tokens : int
        That its answers said were used.
    texts : Counter of str
        How often each text was embedded, by the answers that were given.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tokens = 0
        self.texts: Counter[str] = Counter()

    async def answer(self, request: Request) -> Reply:
        """Answer, and bill it."""
        reply = await super().answer(request)
        if reply.status == 200:
            self.tokens += json.loads(reply.body)["usage"]["total_tokens"]
            if request.path.endswith("/embeddings"):
                self.texts.update(request.json()["input"])
        return reply
