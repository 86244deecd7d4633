"""Several questions about one library: asked together, an outcome each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from contexter_nb.clients._context7_answers import DocumentationOutcome, FormatType
from contexter_nb.clients._context7_budget import cut
from contexter_nb.clients._context7_decode import documentation_of
from contexter_nb.clients._context7_errors import (
    NOTHING_FOUND,
    TagNotFoundError,
    code_of,
    is_fatal,
    moved_on,
    moved_to,
    tag_missing,
)
from contexter_nb.clients._context7_id import LibraryId
from contexter_nb.clients._context7_versions import (
    DOCUMENTATION,
    documentation_request,
)
from contexter_nb.clients._versioned import VersionedAPIClient
from contexter_nb.core import (
    APIIntegrationError,
    APIResponse,
    ClientClosedError,
    Clock,
    Random,
    VersionError,
    scrub,
    together,
)
from contexter_nb.policies import APIVersion, retry_after_seconds

FIRST_POLL_SECONDS = 2.0
LONGEST_POLL_SECONDS = 15.0
# Wrong use of the client rather than a fault of one question.
_OURS = (ClientClosedError, VersionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What all contexts of one call have in common.

    Attributes
    ----------
    version : APIVersion
        Taken once, so that a migration meanwhile does not part them.
    budget : int or None
        Tokens for each context.
    deadline : float
        A monotonic instant, seconds.
    cache_seconds : float or None
    keeps_errors : bool
        Whether refusals of the key and the quota are outcomes, too.
    """

    library: LibraryId
    version: APIVersion
    format_type: FormatType
    budget: int | None
    deadline: float
    cache_seconds: float | None
    keeps_errors: bool


@dataclass(frozen=True, slots=True)
class DocumentationFetch:
    """Asks one question for several contexts."""

    client: VersionedAPIClient
    question: Question
    clock: Clock
    rng: Random

    async def outcomes(
        self, contexts: Sequence[str]
    ) -> dict[str, DocumentationOutcome]:
        """Return the outcome of each context; one that comes twice is asked once.

        While a library is not ready, only one context is asked again, for all.

        Raises
        ------
        APIIntegrationError
            The key or the quota is refused; the other questions are cancelled.
        """
        found = await self._asked(dict.fromkeys(contexts))
        polls = 0
        while pending := [each for each in found.values() if each.status == "pending"]:
            wait = self._poll_seconds(pending[0], polls)
            if wait >= self.question.deadline - self.clock.now():
                break
            await self.clock.sleep(wait)
            polls += 1
            first, *others = [each.context for each in pending]
            found |= await self._asked([first])
            if found[first].status != "pending":
                found |= await self._asked(others)
        return found

    async def _asked(self, contexts: Iterable[str]) -> dict[str, DocumentationOutcome]:
        outcomes = await together([self._outcome(each) for each in contexts])
        return {each.context: each for each in outcomes}

    def _poll_seconds(self, pending: DocumentationOutcome, polls: int) -> float:
        asked = pending.retry_after_seconds
        wait = asked or min(LONGEST_POLL_SECONDS, FIRST_POLL_SECONDS * 2.0**polls)
        return wait * (1 + 0.1 * self.rng.random())

    async def _outcome(self, context: str) -> DocumentationOutcome:
        library = self.question.library
        try:
            return await self._answered(context)
        except TagNotFoundError as exc:
            failure: APIIntegrationError = tag_missing(exc, library, exc.tags)
            failure.__cause__ = exc
        except APIIntegrationError as exc:
            if isinstance(exc, _OURS):
                raise
            if is_fatal(exc) and not self.question.keeps_errors:
                raise
            if code_of(exc) in NOTHING_FOUND:
                return self._made(context, "empty", library, detail=str(exc))
            failure = exc
        return self._made(
            context, "failed", library, error=failure, trace=failure.trace
        )

    async def _answered(self, context: str) -> DocumentationOutcome:
        library = self.question.library
        response = await self._sent(library, context)
        moved: dict[str, Any] = {}
        if response.status_code == 301:
            moved = {"redirected_from": str(library)}
            library = moved_to(library, response)
            response = await self._sent(library, context)
            if response.status_code == 301:
                raise moved_on(library, response)
        if response.status_code == 202:
            return self._made(
                context,
                "pending",
                library,
                detail=_said(response),
                retry_after_seconds=retry_after_seconds(
                    response.headers, self.clock.wall()
                ),
                trace=response.trace,
                **moved,
            )
        return self._documentation(context, library, response, moved)

    def _documentation(
        self,
        context: str,
        library: LibraryId,
        response: APIResponse,
        moved: dict[str, Any],
    ) -> DocumentationOutcome:
        whole, pieces = documentation_of(response)
        text, snippets, truncated = cut(whole, pieces, self.question.budget)
        return self._made(
            context,
            "ok" if whole else "empty",
            library,
            text=text,
            snippets=snippets,
            truncated=truncated,
            trace=response.trace,
            **moved,
        )

    def _made(
        self, context: str, status: Any, library: LibraryId, **fields: Any
    ) -> DocumentationOutcome:
        return DocumentationOutcome(
            context=context,
            status=status,
            library_id=str(library),
            token_budget=self.question.budget,
            **fields,
        )

    async def _sent(self, library: LibraryId, context: str) -> APIResponse:
        asked = self.question
        request = documentation_request(
            asked.version, library, context, asked.format_type, asked.budget
        )
        remaining = asked.deadline - self.clock.now()
        return await self.client.execute_endpoint(
            DOCUMENTATION,
            version=asked.version,
            request=request.with_(
                deadline_seconds=max(0.001, remaining),
                cache_ttl_seconds=asked.cache_seconds,
                cache_tags=("context7", str(library.base)),
            ),
        )


def _said(response: APIResponse) -> str:
    data = response.data
    said = data.get("message") if isinstance(data, dict) else data
    return scrub(said)[:500] if isinstance(said, str) else ""
