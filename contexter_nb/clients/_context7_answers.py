"""What Context7 answers, as values: libraries, snippets, and outcomes of questions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from contexter_nb.core import APIIntegrationError, Trace

OutcomeStatus = Literal["ok", "empty", "pending", "failed"]
FormatType = Literal["txt", "json"]
_TICKS = re.compile(r"`+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A library that Context7 knows; what it does not know of it is None.

    Attributes
    ----------
    id : str
        ``/owner/name``.
    name, description : str
    versions : tuple of str
        Tags with documentation of their own.
    state : str
        ``finalized``, ``initial``, ``processing``, ``error`` or ``delete``.
    branch : str
        Which the id without a tag stands for.
    snippets, tokens, stars : int or None
        How many there are.
    trust_score : float or None
        From 0 to 10.
    benchmark_score : float or None
        From 0 to 100.
    updated_at : datetime or None
        Aware UTC; when it was last read.
    """

    id: str
    name: str
    description: str = ""
    versions: tuple[str, ...] = ()
    state: str = ""
    branch: str = ""
    snippets: int | None = None
    tokens: int | None = None
    stars: int | None = None
    trust_score: float | None = None
    benchmark_score: float | None = None
    updated_at: datetime | None = None

    @property
    def is_ready(self) -> bool:
        """Whether its documentation can be fetched; a missing state counts as such."""
        return self.state in ("finalized", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """A piece of documentation; text of a third party, to be treated as such.

    Attributes
    ----------
    kind : str
        ``code`` or ``info``.
    title : str
        The example's name, or the heading path.
    text : str
        What is said, Markdown.
    code : str
        The example itself; empty where there is none.
    language : str
        Of the code.
    url : str
        Where it stands; http or https, or nothing.
    tokens : int
        As the service counts, else estimated.
    """

    kind: Literal["code", "info"]
    title: str
    text: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    language: str = ""
    url: str = ""
    tokens: int = 0

    @property
    def markdown(self) -> str:
        """Its text, and its code in a fence that nothing in it can close."""
        if not self.code:
            return self.text
        longest = max(map(len, _TICKS.findall(self.code)), default=0)
        fence = "`" * max(3, longest + 1)
        language = re.sub(r"[^\w+#.-]", "", self.language)
        block = f"{fence}{language}\n{self.code}\n{fence}"
        return f"{self.text}\n\n{block}" if self.text else block


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentationOutcome:
    """What became of one context.

    Attributes
    ----------
    context : str
        What was asked, as it was sent.
    status : str
        ``ok``; ``empty`` where nothing is found; ``pending`` where the library is not
        ready yet; ``failed``, then `error` says why.
    library_id : str
        Whose documentation it is.
    redirected_from : str
        The id that was asked for, where the library has another one now; else empty.
    text : str
        The documentation, Markdown, of third parties.
    snippets : tuple of Snippet
        The same in pieces; empty where plain text was answered.
    error : APIIntegrationError or None
    detail : str
        What the service says to a ``pending`` or ``empty`` one.
    retry_after_seconds : float or None
        When to ask again for a ``pending`` one, where the service says so.
    token_budget : int or None
        This context's part of ``token_limit``; None without a limit.
    truncated : bool
        Whether something was cut off to keep to it.
    trace : Trace or None
        Of the last call made for it.
    """

    context: str
    status: OutcomeStatus
    library_id: str
    redirected_from: str = ""
    text: str = field(default="", repr=False)
    snippets: tuple[Snippet, ...] = field(default=(), repr=False)
    error: APIIntegrationError | None = None
    detail: str = ""
    retry_after_seconds: float | None = None
    token_budget: int | None = None
    truncated: bool = False
    trace: Trace | None = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the question was answered, be it by nothing."""
        return self.status in ("ok", "empty")
