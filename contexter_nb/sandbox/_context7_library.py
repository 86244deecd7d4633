"""One installed library's documentation as snippets, and those that fit a question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from contexter_nb.core import Clock
from contexter_nb.retrieval import (
    Chunk,
    Document,
    chunk_document,
    in_thread,
    library_source,
)
from contexter_nb.sandbox._static import static_model

ANSWER_TOKENS = 5_000
_RULE = "-" * 32
_SLICE_DOCUMENTS = 100
_SLICE_CHUNKS = 256
# How much a question's words in a title weigh beside the vectors' cosine.
_TITLE_SHARE = 0.3
_WORD = re.compile(r"[a-z0-9]+")
_FENCE = re.compile(r"^(`{3,})([\w+#.-]*)[^\n`]*\n(.*?)^\1[ \t]*$", re.DOTALL | re.M)
_BLANKS = re.compile(r"\n{3,}")
_PROMPT = re.compile(r"^[ \t]*(>>>|\.\.\.)(?: (.*))?$")

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """A passage; an example where it has code, else information."""

    title: str
    page: str
    section: str
    text: str
    code: str
    language: str
    url: str
    tokens: int

    def told(self) -> dict[str, Any]:
        """Return it as the service tells it."""
        if not self.code:
            return {
                "pageId": self.url,
                "breadcrumb": self.title,
                "content": self.text,
                "contentTokens": self.tokens,
            }
        return {
            "codeTitle": self.title,
            "codeDescription": self.text,
            "codeLanguage": self.language,
            "codeTokens": self.tokens,
            "codeId": self.url,
            "pageTitle": self.page,
            "codeList": [{"language": self.language, "code": self.code}],
        }

    def markdown(self) -> str:
        """Return it as text."""
        parts = [f"### {self.title}", f"Source: {self.url}", self.text]
        if self.code:
            parts.append(f"```{self.language}\n{self.code}\n```")
        return "\n\n".join(part for part in parts if part)


class Documentation:
    """The snippets of a library, each with its vector."""

    def __init__(self, snippets: Sequence[Snippet], vectors: Vectors) -> None:
        self.snippets = snippets
        self._vectors = vectors
        self._titles = [set(_WORD.findall(each.title.lower())) for each in snippets]

    @property
    def tokens(self) -> int:
        """How many tokens all of them have."""
        return sum(each.tokens for each in self.snippets)

    def best(self, query: str, budget: int = ANSWER_TOKENS) -> list[Snippet]:
        """Return the snippets nearest to a question that fit into so many tokens."""
        if not self.snippets:
            return []
        asked = static_model().embed_now([query]).vectors[0]
        words = set(_WORD.findall(query.lower()))
        shared = [len(words & each) / max(1, len(words)) for each in self._titles]
        scores = self._vectors @ asked + _TITLE_SHARE * np.array(shared, np.float32)
        found = []
        for at in np.argsort(-scores, kind="stable"):
            snippet = self.snippets[int(at)]
            if scores[at] <= 0 or snippet.tokens > budget:
                break
            budget -= snippet.tokens
            found.append(snippet)
        return found


def as_json(snippets: Sequence[Snippet]) -> dict[str, Any]:
    """Return snippets as the service's JSON."""
    return {
        "codeSnippets": [each.told() for each in snippets if each.code],
        "infoSnippets": [each.told() for each in snippets if not each.code],
    }


def as_text(snippets: Sequence[Snippet]) -> str:
    """Return snippets as the service's text."""
    return f"\n\n{_RULE}\n\n".join(each.markdown() for each in snippets)


async def read_library(library: str, clock: Clock) -> Documentation:
    """Read an installed library in a child process, and cut it into snippets."""
    source = await in_thread(library_source, library, clock)
    collected = await source.collect()
    documents = collected.documents
    chunks: list[Chunk] = []
    for start in range(0, len(documents), _SLICE_DOCUMENTS):
        chunks += await in_thread(_chunks, documents[start : start + _SLICE_DOCUMENTS])
    parts = [
        await in_thread(_vectors, chunks[start : start + _SLICE_CHUNKS])
        for start in range(0, len(chunks), _SLICE_CHUNKS)
    ]
    snippets = await in_thread(_snippets, chunks)
    empty = np.empty((0, static_model().dimension), np.float32)
    return Documentation(snippets, np.concatenate([empty, *parts]))


def _chunks(documents: Sequence[Document]) -> list[Chunk]:
    return [chunk for each in documents for chunk in chunk_document(each)]


def _vectors(chunks: Sequence[Chunk]) -> Vectors:
    return static_model().embed_now([each.embedded_text for each in chunks]).vectors


def _snippets(chunks: Sequence[Chunk]) -> list[Snippet]:
    return [_snippet(chunk, at) for at, chunk in enumerate(chunks)]


def _snippet(chunk: Chunk, place: int) -> Snippet:
    text, code, language = split_code(chunk.text)
    page = chunk.url or f"https://pypi.org/project/{chunk.library}/"
    return Snippet(
        title=chunk.title,
        page=chunk.title.partition(" › ")[0],
        section=chunk.section,
        text=text,
        code=code,
        language=language,
        url=f"{page}#_snippet_{place}" if code and "#" not in page else page,
        tokens=max(1, chunk.token_count),
    )


def split_code(text: str) -> tuple[str, str, str]:
    r"""Return a passage's prose, its code and the code's language.

    Examples
    --------
    >>> split_code("Add.\n\n>>> 1 + 1\n2\n\nMore.")
    ('Add.\n\nMore.', '1 + 1', 'python')
    """
    fenced = _FENCE.search(text)
    if fenced:
        rest = text[: fenced.start()] + text[fenced.end() :]
        session = list(_prompted(fenced[3]))
        code = "\n".join(session) if session else fenced[3].rstrip("\n")
        return _BLANKS.sub("\n\n", rest).strip(), code, fenced[2] or "text"
    prose: list[str] = []
    statements: list[str] = []
    for paragraph in text.split("\n\n"):
        lines = list(_prompted(paragraph))
        if lines:
            statements += lines
        else:
            prose.append(paragraph)
    language = "python" if statements else ""
    return "\n\n".join(prose).strip(), "\n".join(statements), language


def _prompted(paragraph: str) -> Iterator[str]:
    """Yield the statements of an interactive session."""
    for line in paragraph.splitlines():
        found = _PROMPT.match(line)
        if found:
            yield found[2] or ""
