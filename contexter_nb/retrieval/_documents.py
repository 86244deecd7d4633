"""The values that pass through the room: documents, their problems, chunks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from contexter_nb.core import InvalidArgumentError
from contexter_nb.retrieval._row_fields import FieldValue
from contexter_nb.retrieval._text import repair

DOCUMENT_DIGITS = 12
PLACE_DIGITS = 4
_ID_BYTES = 8
_CHUNK_ID = re.compile(r"[0-9a-fA-F]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One documented object, page or row, before it is cut into chunks.

    Attributes
    ----------
    library : str
        What it belongs to: a distribution, a standard library module, a folder.
    version : str
        The installed version, the Python version, or nothing.
    source : str
        ``installed``, ``stdlib``, ``folder`` or ``frame``.
    title : str
        An object's dotted public name, or a page's path.
    kind : str
        ``module class function method property attribute page`` or ``row``.
    text : str
        The documentation itself.
    markup : str
        How `text` is structured: ``docstring markdown rst html text``.
    aliases : tuple of str
        The object's other public names.
    signature : str
        A callable's parameters, in parentheses.
    url : str
        Where it can be read; http or https, or nothing.
    described : tuple of str
        What other documents say of this one (their "See Also" entries).
    mentions : int
        How many documents of the library name this one.
    fields : tuple of (str, str or int or float or bool)
        The other columns of a row, name and value.
    key : str
        What it is known by where titles are not its own; the title where empty.
    heading : str or None
        What of its title says something of it, and is embedded; None for all of it.
    """

    library: str
    version: str
    source: str
    title: str
    kind: str
    text: str
    markup: str = "docstring"
    aliases: tuple[str, ...] = ()
    signature: str = ""
    url: str = ""
    described: tuple[str, ...] = ()
    mentions: int = 0
    fields: tuple[tuple[str, FieldValue], ...] = ()
    key: str = ""
    heading: str | None = None


def repaired(document: Document) -> tuple[Document, list[str]]:
    """Return a document that can be stored, and a sentence for each repair of its text.

    Parameters
    ----------
    document : Document
        As its source gave it: any of its strings may hold what no store takes.
    """
    text, notes = repair(document.text)
    fit = replace(
        document,
        text=text,
        title=_fit(document.title),
        kind=_fit(document.kind),
        signature=_fit(document.signature),
        url=_fit(document.url),
        aliases=tuple(map(_fit, document.aliases)),
        described=tuple(map(_fit, document.described)),
    )
    return fit, notes


def _fit(text: str) -> str:
    return repair(text)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that could not be collected as it is, told and not dropped."""

    library: str
    version: str
    title: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What one source gave: documents, and a problem for each that it could not.

    Attributes
    ----------
    fingerprint : str
        Changes when the source does; empty where that cannot be told cheaply.
    complete : bool
        Whether all of it was read: only then may chunks not seen again be removed.
    kinds : dict of str to str
        Of the columns that rows have beside their text.
    """

    library: str
    version: str
    source: str
    documents: list[Document] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    fingerprint: str = ""
    complete: bool = True
    kinds: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A passage: what is embedded, stored, found and shown.

    Attributes
    ----------
    chunk_id : str
        16 hexadecimal digits, the first twelve of them those of the object (or of the
        section of a page), the others the place in it (0000 is its lead): the same
        passage keeps its id when its text changes.
    embedded_text : str
        What the embedder sees: the passage with its context (heading path, or what
        the object is) in front.
    lexical_text : str
        What the text search sees: with the words of the names.
    gist : str
        What the document is about in few words, for matching term by term.
    prior : float
        Factor on the fused score: how likely a document is sought at all.
    token_count : int
        Length of `embedded_text` by `count_tokens`, an estimate no model is asked for.
    content_hash : str
        Hash of all that is stored; tells whether a passage changed.
    fields : tuple of (str, str or int or float or bool)
        The other columns of a row, name and value.
    """

    chunk_id: str
    library: str
    document: str
    version: str
    source: str
    title: str
    kind: str
    section: str
    text: str
    embedded_text: str
    lexical_text: str
    gist: str
    aliases: tuple[str, ...]
    url: str
    prior: float
    token_count: int
    content_hash: str
    fields: tuple[tuple[str, FieldValue], ...] = ()


def point_id(chunk_id: str) -> int:
    """Return the number the engine knows a chunk by.

    Parameters
    ----------
    chunk_id : str
        16 hexadecimal digits.

    Raises
    ------
    InvalidArgumentError
        This is no chunk id.
    """
    if isinstance(chunk_id, str) and _CHUNK_ID.fullmatch(chunk_id):
        return int(chunk_id, 16)
    raise InvalidArgumentError(
        f"{chunk_id!r} is no chunk id; copy one from a frame's chunk_id column."
    )


def chunk_id_of(point: int) -> str:
    """Return the chunk id of one of the engine's points."""
    return f"{point:0{2 * _ID_BYTES}x}"


def document_of(point: int) -> int:
    """Return what all points of one object, or of one section of a page, share."""
    return point >> 4 * PLACE_DIGITS


def is_lead(point: int) -> bool:
    """Whether this is the passage that its object or section begins with.

    Parameters
    ----------
    point : int
        As of `point_id`.
    """
    return not point & (1 << 4 * PLACE_DIGITS) - 1
