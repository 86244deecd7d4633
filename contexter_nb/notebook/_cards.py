"""Hits as cards: static, escaped HTML that also reads well without its styles."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contexter_nb.notebook._html import (
    FAINT,
    INK,
    LINE,
    SHADE,
    escape,
    link,
    marked,
    stems,
)

if TYPE_CHECKING:
    import pandas as pd

MAX_CARDS = 100
_TEXT_CHARS = 700
_ALIASES_SHOWN = 4
_FIELDS_SHOWN = 8
_FIELD_CHARS = 60
_MISSING = "–"


class Cards:
    """The hits of a search as cards.

    Made by ``frame.contexter.cards()``. Displays as HTML in a notebook and as text in
    a terminal; holds no script and loads nothing.

    Parameters
    ----------
    hits : pandas.DataFrame
        The columns of a search, best first; its ``attrs["query"]``, where there is
        one, is shown above and marked in the texts.
    limit : int, default 10
        How many cards at most; never more than 100.
    """

    def __init__(self, hits: pd.DataFrame, limit: int = 10) -> None:
        self._query = str(hits.attrs.get("query") or "")
        self._left_out = max(0, len(hits) - min(limit, MAX_CARDS))
        self._records: list[dict[Any, Any]] = hits.head(min(limit, MAX_CARDS)).to_dict(
            "records"
        )

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """Return the cards as one piece of HTML."""
        wanted = stems(re.findall(r"\w+", self._query))
        cards = "".join(_card(record, wanted) for record in self._records)
        if not self._records:
            cards = f'<p style="color:{FAINT}">No hits.</p>'
        return (
            f'<div role="list" style="max-width:60em;color:{INK}">'
            f"{self._heading()}{cards}{self._more()}</div>"
        )

    def _heading(self) -> str:
        if not self._query:
            return ""
        return (
            f'<p style="color:{FAINT};margin:0 0 6px 0">'
            f"Hits for <strong>{escape(self._query)}</strong></p>"
        )

    def _more(self) -> str:
        if not self._left_out:
            return ""
        return f'<p style="color:{FAINT}">{self._left_out:,} more not shown.</p>'

    def __repr__(self) -> str:
        """Return the cards as text."""
        heading = f"Hits for {self._query!r}\n" if self._query else ""
        blocks = [_block(record) for record in self._records] or ["No hits."]
        return heading + "\n\n".join(blocks)


def _card(record: Mapping[str, Any], wanted: set[str]) -> str:
    text = shortened(str(record["text"]))
    version = f"{record['library']} {record['version']}".strip()
    facts = f"{version} · {record['kind']}"
    title = link(str(record["url"]), str(record["title"]))
    ranks = (
        f"score {record['score']:.3f} · by meaning {_rank(record['dense_rank'])} · "
        f"by words {_rank(record['text_rank'])}"
    )
    return (
        f'<div role="listitem" style="border:1px solid {LINE};border-radius:6px;'
        f'padding:8px 12px;margin:0 0 8px 0">'
        f'<div><span style="color:{FAINT}">{escape(record["rank"])}.</span> '
        f"<strong>{title}</strong> "
        f'<span style="color:{FAINT}">{escape(facts)}</span></div>'
        f"{_also(record['aliases'])}{_own(record.get('fields'))}"
        f'<pre style="white-space:pre-wrap;overflow-wrap:anywhere;margin:6px 0;'
        f"padding:6px 8px;background:{SHADE};color:inherit;border-radius:4px;"
        "font-family:var(--jp-code-font-family, monospace);"
        f'font-size:90%">{marked(text, wanted)}</pre>'
        f'<div style="color:{FAINT};font-size:85%">{escape(ranks)}</div></div>'
    )


def _also(aliases: object) -> str:
    names = [str(each) for each in aliases] if isinstance(aliases, tuple) else []
    if not names:
        return ""
    more = len(names) - _ALIASES_SHOWN
    shown = ", ".join(names[:_ALIASES_SHOWN]) + (
        f" and {more} more" if more > 0 else ""
    )
    return f'<div style="color:{FAINT};font-size:85%">also {escape(shown)}</div>'


def _own(fields: object) -> str:
    """Return the columns of a table's row; nothing of what is no row."""
    told = _told(fields)
    return f'<div style="color:{FAINT};font-size:85%">{escape(told)}</div>' * bool(told)


def _told(fields: object) -> str:
    own = fields if isinstance(fields, Mapping) else {}
    shown = [
        f"{name} {str(value)[:_FIELD_CHARS]}"
        for name, value in list(own.items())[:_FIELDS_SHOWN]
    ]
    more = len(own) - len(shown)
    return " · ".join([*shown, f"{more} more"] if more else shown)


def _rank(value: object) -> str:
    return f"#{value:,}" if isinstance(value, int) else _MISSING


def shortened(text: str, limit: int = _TEXT_CHARS) -> str:
    """Return the beginning of a passage, cut at a line where that loses little."""
    if len(text) <= limit:
        return text
    head = text[:limit]
    line_end = head.rfind("\n")
    return (head[:line_end] if line_end > limit // 2 else head).rstrip() + " …"


def _block(record: Mapping[str, Any]) -> str:
    version = f"{record['library']} {record['version']}".strip()
    head = f"{record['rank']}. {record['title']}  ({version}, {record['kind']})"
    body = textwrap.indent(shortened(str(record["text"]), 300), "   ")
    told = _told(record.get("fields"))
    return "\n".join([head, *([f"   {told}"] if told else []), body])
