"""Pieces of HTML that panels are made of; each reads well without its styles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from contexter_nb.dashboards._look import escape

SHORT_CHARS = 10
MAX_CHARS = 200
_JOINT = re.compile(r"([_./,:-]+)(?=\w)")


@dataclass(frozen=True, slots=True)
class Head:
    """A column of a table.

    Attributes
    ----------
    label : str
    width_pixels : int
        Columns never move. 0 for a text that is given what the others leave, an equal
        part with its like.
    kind : str
        ``number`` or ``text``.
    note : str
        What the numbers mean, shown by hovering.
    from_pixels : int
        The width of the panel from which on there is room for it.
    """

    label: str
    width_pixels: int
    kind: str = "number"
    note: str = ""
    from_pixels: int = 0


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one table.

    Their look is in the stylesheet, which is sent once: cells, which are sent at every
    beat, carry nothing.

    Attributes
    ----------
    name : str
        Of the table, for its class.
    heads : tuple of Head
    """

    name: str
    heads: tuple[Head, ...]

    def style(self) -> str:
        """Return the rules of these columns as CSS."""
        table = f".cx-panel .cx-of-{self.name}"
        rules = []
        for at, each in enumerate(self.heads, start=1):
            cell = f"{table} tr > :nth-child({at})"
            column = f"{table} col:nth-child({at})"
            if each.width_pixels:
                rules.append(f"{column}{{width:{each.width_pixels}px}}")
            if each.kind == "text":
                rules.append(f"{cell}{{text-align:left}}")
            if each.from_pixels:
                rules.append(
                    f"@container (max-width: {each.from_pixels - 0.1:.1f}px)"
                    f"{{{cell},{column}{{display:none}}}}"
                )
        return "".join(rules)

    def table(
        self,
        caption: str,
        rows: Sequence[Sequence[str]],
        *,
        empty: str = "",
        classes: str = "",
        marked: Sequence[bool] = (),
    ) -> str:
        """Return a table with columns of fixed widths.

        Parameters
        ----------
        caption : str
            For those who hear it.
        rows : sequence of sequence of str
            HTML, one cell for each column; the first is the row's own heading.
        empty : str
            Text in place of rows, where there are none.
        classes : str
            More classes of the table.
        marked : sequence of bool
            Which rows are chosen; those beyond its end are not.
        """
        header = "".join(
            f'<th scope="col"{_title(each.note)}>{escape(each.label)}</th>'
            for each in self.heads
        )
        body = "".join(
            f"<tr{' class=cx-chosen' if at < len(marked) and marked[at] else ''}>"
            f'<th scope="row">{row[0]}</th><td>{"</td><td>".join(row[1:])}</td></tr>'
            for at, row in enumerate(rows)
        )
        if not body and empty:
            body = f'<tr><td colspan="{len(self.heads)}">{escape(empty)}</td></tr>'
        names = f"cx-table cx-of-{self.name} {classes}".strip()
        return (
            f'<div class="cx-scroll"><table class="{names}">'
            f"<caption>{escape(caption)}</caption>"
            f"<colgroup>{'<col>' * len(self.heads)}</colgroup>"
            f"<thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>"
        )


def heading(text: str, note: str = "") -> str:
    """Return the heading of a part, with a note beside it.

    Parameters
    ----------
    text, note : str
    """
    beside = f' <small class="cx-muted">{escape(note)}</small>' if note else ""
    return f'<h4 class="cx-heading">{escape(text)}{beside}</h4>'


def tile(label: str, value: str, note: str, kind: str = "") -> str:
    """Return one number that is meant to be seen from afar.

    Parameters
    ----------
    label, value, note : str
    kind : str
        ``good``, ``warn`` or ``bad``.
    """
    mark = f" cx-{kind}" if kind else ""
    return (
        f'<p class="cx-tile{mark}"><span class="cx-label">{escape(label)}</span> '
        f'<strong class="cx-value">{escape(value)}</strong> '
        f'<span class="cx-note" title="{escape(note)}">{escape(note)}</span></p>'
    )


def tiles(*made: str) -> str:
    """Return tiles side by side.

    Parameters
    ----------
    *made : str
        As of `tile`.
    """
    return f'<div class="cx-tiles">{"".join(made)}</div>'


def bar(parts: Sequence[tuple[float, str]], label: str) -> str:
    """Return shares of one as a bar; without styles only the label shows.

    Parameters
    ----------
    parts : sequence of (float, str)
        Shares from 0 to 1, and their kinds: ``accent``, ``good``, ``warn``, ``bad``,
        ``muted`` or ``gap``.
    label : str
        What it says, for those who hear it.
    """
    drawn = "".join(
        f'<i class="cx-{kind}" style="width:{min(share, 1.0) * 100:.1f}%"></i>'
        for share, kind in parts
        if share > 0.001
    )
    return f'<span class="cx-bar" role="img" title="{escape(label)}">{drawn}</span>'


def pill(text: str, kind: str) -> str:
    """Return a state, by its word and by a colour.

    Parameters
    ----------
    text : str
    kind : str
        ``good``, ``warn``, ``bad`` or ``muted``.
    """
    return f'<span class="cx-pill cx-{kind}">{escape(text)}</span>'


def cut(text: object) -> str:
    """Return a text that its column may cut off; hovering a longer one shows it all.

    Parameters
    ----------
    text : object
    """
    return _hovered(text, escape(str(text)[:MAX_CHARS]))


def named(text: object) -> str:
    """Return a name that may go on in a second line, at its joints if it can.

    Parameters
    ----------
    text : object
    """
    shown = _JOINT.sub(r"\1<wbr>", escape(str(text)[:MAX_CHARS]))
    return _hovered(text, shown)


def _hovered(text: object, shown: str) -> str:
    whole = str(text)[:MAX_CHARS]
    if len(whole) <= SHORT_CHARS:
        return shown
    return f'<span title="{escape(whole)}">{shown}</span>'


def _title(note: str) -> str:
    return f' title="{escape(note)}"' if note else ""
