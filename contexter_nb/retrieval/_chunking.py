"""Documents to chunks: by structure, within a token budget, with stable ids."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence

from contexter_nb.retrieval._documents import (
    DOCUMENT_DIGITS,
    PLACE_DIGITS,
    Chunk,
    Document,
)
from contexter_nb.retrieval._sections import (
    FENCE,
    HeadingPath,
    Section,
    closes_fence,
    sections_of,
)
from contexter_nb.retrieval._text import count_tokens, name_words, token_starts

# Part of the index's identity: raise it when the same text would be cut or embedded
# differently.
CHUNKING_VERSION = 1
BUDGET_TOKENS = 320
LEAST_BUDGET_TOKENS = 32
MOST_BUDGET_TOKENS = 4_000
# No more characters than this to a token: an endless word is cut by length.
_TOKEN_CHARS = 32
_SUMMARY_CHARS = 300
_DESCRIBED_CHARS = 800
_OPENING_CHARS = 400
_GIST_CHARS = 1_000
_PRIOR_MENTIONS = 0.1
_PRIOR_NESTED = 0.2
_PRIOR_KINDS = {"attribute": 0.9, "module": 0.75, "property": 0.9}
_CALL = re.compile(r"[\w.]+\(.*\)")
_WORD = re.compile(r"\w+")
_BLANK_LINES = re.compile(r"\n[ \t]*\n")


def chunk_document(
    document: Document, budget_tokens: int = BUDGET_TOKENS
) -> list[Chunk]:
    r"""Cut one document into chunks.

    Parameters
    ----------
    document : Document
        What to cut.
    budget_tokens : int, default 320
        A chunk's text holds at most this many tokens (by `count_tokens`); a code
        block that is longer is cut at line ends.

    Returns
    -------
    list of Chunk
        In reading order; empty where the document is blank.

    Examples
    --------
    >>> page = Document(
    ...     library="guide", version="", source="folder", title="a.md", kind="page",
    ...     text="# Install\nUse pip.", markup="markdown",
    ... )
    >>> [chunk.title for chunk in chunk_document(page)]
    ['a.md › Install']
    """
    chunks: list[Chunk] = []
    seen: dict[str, int] = {}
    sections = sections_of(document.text, document.markup)
    describe: _Describer
    if document.markup == "docstring":
        describe = _Object(document, sections)
        sections = _merge_small(document, sections, budget_tokens)
    else:
        describe = _Page(document)
    for section in sections:
        for body in _split(section.body, budget_tokens):
            heading = " › ".join(section.path)
            position = seen[heading] = seen.get(heading, -1) + 1
            lead = not chunks
            chunks.append(describe.chunk(section.path, body, position, lead))
    return chunks


def cut_or_problem(
    document: Document, budget_tokens: int = BUDGET_TOKENS
) -> list[Chunk] | str:
    """Cut one document into chunks, or say in words why it cannot be.

    Parameters
    ----------
    document : Document
        A notebook that is no notebook, say, must not stop the others.
    budget_tokens : int, default 320
        As of `chunk_document`.
    """
    try:
        return chunk_document(document, budget_tokens)
    except Exception as exc:
        return f"cannot be cut into passages: {exc!r}"[:500]


def summary_of(text: str) -> str:
    r"""Return the first paragraph of prose, past a signature that it may open on.

    Examples
    --------
    >>> summary_of("dot(a, b)\n\nDot product of\ntwo arrays.\n\nMore.")
    'Dot product of two arrays.'
    """
    paragraphs = [each for each in _BLANK_LINES.split(text.strip()) if each.strip()]
    if len(paragraphs) > 1 and _CALL.match(paragraphs[0]):
        paragraphs = paragraphs[1:]
    return " ".join(paragraphs[0].split())[:_SUMMARY_CHARS] if paragraphs else ""


def prior_of(document: Document) -> float:
    """Return how much more likely than others a document is what a person seeks.

    Often mentioned objects are; deeply nested ones, properties and whole modules are
    less. The factors were set on the tuning half of the judged questions
    (tests/quality).
    """
    depth = document.title.count(".") if document.markup == "docstring" else 0
    nested = 1 - min(0.8, _PRIOR_NESTED * max(0, depth - 2))
    mentioned = 1 + _PRIOR_MENTIONS * math.log1p(document.mentions)
    return round(mentioned * nested * _PRIOR_KINDS.get(document.kind, 1.0), 4)


def _merge_small(
    document: Document, sections: list[Section], budget_tokens: int
) -> list[Section]:
    """Put an object's signature first, and short sections of it together."""
    if document.signature:
        call = document.title.rpartition(".")[2] + document.signature
        lead = sections[0] if sections and not sections[0].path else Section((), "")
        rest = sections[1:] if sections and not sections[0].path else sections
        sections = [Section((), f"{call}\n\n{lead.body}".rstrip()), *rest]
    merged: list[Section] = []
    for section in sections:
        body = section.body
        if section.path:
            body = f"{section.path[0]}\n{'-' * len(section.path[0])}\n{body}"
        last = merged[-1] if merged else None
        if (
            last is not None
            and last.path
            and count_tokens(last.body) + count_tokens(body) <= budget_tokens
        ):
            merged[-1] = Section(last.path, f"{last.body}\n\n{body}")
        else:
            merged.append(Section(section.path, body))
    return merged


def _split(body: str, budget_tokens: int) -> Iterator[str]:
    """Yield `body` in pieces within the budget, broken between blocks."""
    if _size(body) <= budget_tokens:
        yield body
        return
    piece: list[str] = []
    size = 0
    for block in _blocks(body):
        length = _size(block)
        if piece and size + length > budget_tokens:
            yield "\n\n".join(piece)
            piece, size = [], 0
        if length > budget_tokens:
            yield from _split_lines(block, budget_tokens)
            continue
        piece.append(block)
        size += length
    if piece:
        yield "\n\n".join(piece)


def _blocks(body: str) -> Iterator[str]:
    """Yield paragraphs, with a fenced code block always whole."""
    held: list[str] = []
    fence = ""
    for paragraph in _BLANK_LINES.split(body):
        for line in paragraph.split("\n"):
            opened = FENCE.match(line)
            if opened and not fence:
                fence = opened["fence"]
            elif fence and closes_fence(line, fence):
                fence = ""
        held.append(paragraph)
        if not fence:
            if any(each.strip() for each in held):
                yield "\n\n".join(held)
            held = []
    if any(each.strip() for each in held):
        yield "\n\n".join(held)


def _split_lines(block: str, budget_tokens: int) -> Iterator[str]:
    lines: list[str] = []
    size = 0
    for line in block.split("\n"):
        for part in _split_words(line, budget_tokens):
            length = _size(part)
            if lines and size + length > budget_tokens:
                if any(each.strip() for each in lines):
                    yield "\n".join(lines)
                lines, size = [], 0
            lines.append(part)
            size += length
    if any(each.strip() for each in lines):
        yield "\n".join(lines)


def _split_words(line: str, budget_tokens: int) -> Iterator[str]:
    # A token is at most as long as its characters: short lines need no counting.
    if len(line) <= budget_tokens:
        yield line
        return
    # One endless word has one token; it is cut by length as well.
    limit = budget_tokens * _TOKEN_CHARS
    starts = token_starts(line)
    begin = 0
    for end in (*starts[budget_tokens::budget_tokens], len(line)):
        for at in range(begin, end, limit):
            yield line[at : min(at + limit, end)]
        begin = end


def _size(text: str) -> int:
    """Return what a text takes of the budget: its tokens, or its length if more."""
    return max(count_tokens(text), -(-len(text) // _TOKEN_CHARS))


class _Describer:
    """Makes the chunks of one document: what each of the three searches sees."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.prior = prior_of(document)
        self._places: dict[str, set[int]] = {}

    def title(self, path: HeadingPath) -> str:
        raise NotImplementedError

    def unit(self, path: HeadingPath) -> tuple[str, ...]:
        """Return the key of what one hit stands for."""
        document = self.document
        return (document.library, document.source, document.key or document.title)

    def embedded(self, path: HeadingPath, body: str, lead: bool) -> str:
        raise NotImplementedError

    def lexical(self, path: HeadingPath, body: str, lead: bool) -> str:
        raise NotImplementedError

    def gist(self, path: HeadingPath, body: str) -> str:
        raise NotImplementedError

    def chunk(self, path: HeadingPath, body: str, position: int, lead: bool) -> Chunk:
        document = self.document
        section = " › ".join(path)
        digits = _digits(self.unit(path))
        taken = self._places.setdefault(digits, set())
        place = _free_place(section, position, taken)
        taken.add(place)
        parts = {
            "library": document.library,
            "document": document.key or document.title,
            "version": document.version,
            "source": document.source,
            "title": self.title(path),
            "kind": document.kind,
            "section": section,
            "text": body,
            "embedded_text": self.embedded(path, body, lead),
            "lexical_text": self.lexical(path, body, lead),
            "gist": self.gist(path, body),
            "url": document.url,
        }
        # No part holds a NUL: `repair` took them out.
        stored = "\0".join((*parts.values(), *document.aliases, str(self.prior)))
        if document.fields:
            stored += f"\0{json.dumps(document.fields)}"
        return Chunk(
            **parts,
            chunk_id=f"{digits}{place:0{PLACE_DIGITS}x}",
            aliases=document.aliases,
            prior=self.prior,
            fields=document.fields,
            token_count=count_tokens(parts["embedded_text"]),
            content_hash=hashlib.blake2b(stored.encode(), digest_size=16).hexdigest(),
        )


class _Object(_Describer):
    """A documented Python object: its summary is the context of each of its parts."""

    def __init__(self, document: Document, sections: Sequence[Section]) -> None:
        super().__init__(document)
        lead = sections[0].body if sections else ""
        self.summary = summary_of(lead)
        own = _folded(self.summary)
        told = [each for each in document.described if _folded(each) not in own]
        self.described = " ".join(told)[:_DESCRIBED_CHARS]
        self.lead = lead
        self.words = name_words(".".join(document.title.split(".")[-2:]))

    def title(self, path: HeadingPath) -> str:
        return self.document.title

    def embedded(self, path: HeadingPath, body: str, lead: bool) -> str:
        # Without the name: its words are the text search's, and shift a short mean.
        if lead:
            opening = self.lead[:_OPENING_CHARS]
            return f"{self.summary} {self.described} {opening}".strip()
        return f"{self.summary} {body}".strip()

    def lexical(self, path: HeadingPath, body: str, lead: bool) -> str:
        name = f"{self.document.title} {self.words}."
        if lead:
            return f"{name} {self.summary} {self.summary} {self.described} {body}"
        return f"{name} {body}"

    def gist(self, path: HeadingPath, body: str) -> str:
        return f"{self.words} {self.described} {self.lead[:_GIST_CHARS]}"


class _Page(_Describer):
    """A page or a row: each of its sections may be a hit, in its heading path."""

    def unit(self, path: HeadingPath) -> tuple[str, ...]:
        return (*super().unit(path), *path)

    def title(self, path: HeadingPath) -> str:
        return " › ".join((self.document.title, *path))

    def context(self, path: HeadingPath) -> str:
        """Return what of the titles says something."""
        heading = self.document.heading
        if heading is None:
            return self.title(path)
        return " › ".join((heading, *path) if heading else path)

    def embedded(self, path: HeadingPath, body: str, lead: bool) -> str:
        return f"{self.context(path)}\n{body}".lstrip("\n")

    def lexical(self, path: HeadingPath, body: str, lead: bool) -> str:
        # Whole, so that it is found by its title, and costs nothing where that changes.
        return f"{self.title(path)}\n{body}"

    def gist(self, path: HeadingPath, body: str) -> str:
        return f"{self.context(path)} {body[:_GIST_CHARS]}".lstrip(" ")


def _folded(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))


def _digits(key: Sequence[str]) -> str:
    """Return the part of a chunk id that all passages of one unit share."""
    text = json.dumps(list(key))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()[:DOCUMENT_DIGITS]


def _free_place(section: str, position: int, taken: set[int]) -> int:
    """Return a passage's place in its unit: 0 for the first, else stable by hash."""
    if not taken:
        return 0
    places = 16**PLACE_DIGITS
    key = json.dumps([section, position])
    digest = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
    place: int = int(digest, 16) % places
    while place in taken:
        place = (place + 1) % places
    return place
