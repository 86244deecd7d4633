"""Documents from Context7: what a library's documentation says to some topics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from contexter_nb.retrieval._documents import Collected, Document, Problem

if TYPE_CHECKING:
    from contexter_nb.clients import Context7Client, DocumentationOutcome, Snippet

DEFAULT_TOPICS = (
    "getting started",
    "installation",
    "guide",
    "API reference",
    "configuration",
    "examples",
    "error handling",
)
_ON_A_BRANCH = re.compile(r"^/[^/]+/[^/]+/(?:-/)?(?:blob|raw|tree|src)/[^/]+/")
_TAG = re.compile(r"^(/[^/]+/[^/@][^/@]*)[/@]([^/]+)$")


@dataclass(frozen=True, slots=True)
class Context7Source:
    """What Context7 answers about a library.

    It is never the whole of a library, so passages of earlier topics stay where others
    are collected later. Answers come from the client's cache for hours.

    Attributes
    ----------
    client : Context7Client
        Stays open.
    library_id : str
        ``/owner/name`` or ``/owner/name/tag``.
    topics : str or sequence of str
        What is asked; general ones where none is given.
    """

    client: Context7Client
    library_id: str
    topics: str | Sequence[str] = ()

    def __post_init__(self) -> None:
        topics = (self.topics,) if isinstance(self.topics, str) else tuple(self.topics)
        object.__setattr__(self, "topics", topics or DEFAULT_TOPICS)

    @property
    def library(self) -> str:
        """The library's id without a tag."""
        found = _TAG.match(self.library_id)
        return found[1] if found else self.library_id

    @property
    def version(self) -> str:
        """The tag; nothing for the branch that Context7 follows."""
        found = _TAG.match(self.library_id)
        return found[2] if found else ""

    def fingerprint(self) -> str:
        """Return nothing: what the service holds cannot be told without asking."""
        return ""

    async def collect(self) -> Collected:
        """Ask for all topics; one that fails becomes a problem.

        Raises
        ------
        APIIntegrationError
            No topic could be answered at all, since the key is refused, say.
        """
        outcomes = await self.client.fetch_documentation(
            self.library_id, self.topics, on_errors="keep"
        )
        errors = [each.error for each in outcomes if each.error is not None]
        if len(errors) == len(outcomes):
            raise errors[0]
        documents = list(self._documents(outcomes))
        problems = [
            self._problem(each.context, _said(each))
            for each in outcomes
            if each.status != "ok"
        ]
        moved = {each.library_id for each in outcomes if each.redirected_from}
        problems += [
            self._problem(self.library_id, f"is found under {each} now")
            for each in sorted(moved)
        ]
        return Collected(
            library=self.library,
            version=self.version,
            source="context7",
            documents=documents,
            problems=problems,
            complete=False,
        )

    def _documents(
        self, outcomes: Iterable[DocumentationOutcome]
    ) -> Iterator[Document]:
        """Yield a document for each snippet, whichever topics brought it."""
        snippets: dict[Snippet, None] = {}
        for outcome in outcomes:
            snippets |= dict.fromkeys(outcome.snippets)
            if outcome.text and not outcome.snippets:
                yield self._document(outcome.context, outcome.text, "")
        taken: dict[str, int] = {}
        # Sorted, so that a title does not depend on the order of the answers.
        for snippet in sorted(snippets, key=_place):
            title = _title(snippet)
            taken[title] = number = taken.get(title, 0) + 1
            if number > 1:
                title = f"{title} ({number})"
            yield self._document(title, snippet.markdown, snippet.url)

    def _document(self, title: str, text: str, url: str) -> Document:
        return Document(
            library=self.library,
            version=self.version,
            source="context7",
            title=title,
            kind="page",
            text=text,
            markup="markdown",
            url=url,
        )

    def _problem(self, title: str, error: str) -> Problem:
        return Problem(
            library=self.library, version=self.version, title=title, error=error
        )


def _said(outcome: DocumentationOutcome) -> str:
    if outcome.error is not None:
        return str(outcome.error)
    if outcome.status == "pending":
        return "the library is not ready yet; index it again later"
    return "nothing is found"


def _place(snippet: Snippet) -> tuple[str, int, str, str]:
    page, _, number = snippet.url.partition("#_snippet_")
    at = int(number) if number.isdecimal() and len(number) < 9 else 0
    return (page, at, snippet.title, snippet.text + snippet.code)


def _title(snippet: Snippet) -> str:
    """Return a page's path and the snippet's title, as a file's sections are named."""
    name = " ".join(snippet.title.split())
    return " › ".join(filter(None, [_page(snippet.url), name])) or "untitled"


def _page(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    path = _ON_A_BRANCH.sub("", parts.path)
    return path.strip("/") or parts.netloc
