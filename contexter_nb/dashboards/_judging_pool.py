"""What is to be judged: the rows of a frame, checked, each passage once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from contexter_nb.core import InvalidArgumentError, did_you_mean
from contexter_nb.dashboards._explorer_setting import MAX_QUERY_CHARS
from contexter_nb.retrieval import point_id, query_id

NEEDED = ("query", "chunk_id")
SHOWN = ("title", "library", "version", "kind", "text", "url")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A passage and the question it is judged for.

    Attributes
    ----------
    query_id : str
        The same for questions that differ in white space only.
    is_as_indexed : bool
        Whether the text is that of the index, when it was looked at last.
    """

    query: str
    query_id: str
    chunk_id: str
    title: str = ""
    library: str = ""
    version: str = ""
    kind: str = ""
    text: str = ""
    url: str = ""
    is_as_indexed: bool = False

    @property
    def name(self) -> str:
        """Return what to call it by."""
        return self.title or self.chunk_id


def passages_of(frame: Any) -> list[Passage]:
    """Return the passages of a frame, each question's together, in their order.

    Parameters
    ----------
    frame : DataFrame
        As `pool` answers it, or any with query and chunk_id; nothing else of it but
        title, library, version, kind, text and url is looked at: ranks and scores
        would tell.

    Raises
    ------
    InvalidArgumentError
        It is no frame, lacks a column, or a row has no question or no chunk id.
    """
    if type(frame).__name__ != "DataFrame" or not hasattr(frame, "columns"):
        raise InvalidArgumentError(
            f"judge is {type(frame).__name__}; give the frame of nb.pool(...), or any "
            "with query and chunk_id."
        )
    columns = [str(each) for each in frame.columns]
    for name in NEEDED:
        if columns.count(name) != 1:
            told = "no" if name not in columns else "more than one"
            raise InvalidArgumentError(
                f"The frame to judge has {told} column {name}; it needs query and "
                "chunk_id, as nb.pool(...) has them."
                f"{did_you_mean(name, columns) if told == 'no' else ''}"
            )
    rows = frame.loc[:, ~frame.columns.duplicated()].to_dict("records")
    questions: dict[str, dict[str, Passage]] = {}
    for at, row in enumerate(rows):
        found = _passage(at, row)
        questions.setdefault(found.query_id, {}).setdefault(found.chunk_id, found)
    return [each for found in questions.values() for each in found.values()]


def as_indexed(passage: Passage, row: Mapping[str, Any]) -> Passage:
    """Return a passage as a row of a search has it now."""
    now = {name: str(row[name]) for name in SHOWN}
    return replace(passage, is_as_indexed=True, **now)


def _passage(at: int, row: Mapping[Any, Any]) -> Passage:
    query, chunk_id = row["query"], row["chunk_id"]
    if not isinstance(query, str) or not query.strip():
        raise InvalidArgumentError(f"Row {at} of the frame to judge has no question.")
    if len(query) > MAX_QUERY_CHARS:
        raise InvalidArgumentError(
            f"The question in row {at} of the frame to judge has {len(query):,} "
            f"characters; at most {MAX_QUERY_CHARS:,} can be judged for."
        )
    try:
        point_id(chunk_id)
    except InvalidArgumentError as exc:
        raise InvalidArgumentError(f"In row {at} of the frame to judge, {exc}") from exc
    texts = {name: row[name] for name in SHOWN if isinstance(row.get(name), str)}
    return Passage(
        query=query.strip(),
        query_id=query_id(query),
        chunk_id=chunk_id.lower(),
        **texts,
    )
