"""Pieces of HTML that panels are made of; each reads well without its styles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contexter_nb.dashboards._look import escape


@dataclass(frozen=True, slots=True)
class Head:
    """A column of a table.

    Attributes
    ----------
    label : str
    width : float
        Of the column, relative to the others: columns never move.
    kind : str
        ``number``, ``text``, or ``extra`` and ``extra number``, which a narrow page
        leaves out.
    note : str
        What the numbers mean, shown by hovering.
    """

    label: str
    width: float
    kind: str = "number"
    note: str = ""


def table(
    caption: str,
    heads: Sequence[Head],
    rows: Iterable[Sequence[str]],
    *,
    empty: str = "",
    classes: str = "",
    marks: Sequence[str] = (),
) -> str:
    """Return a table with columns of fixed widths.

    Parameters
    ----------
    caption : str
        For those who hear it.
    heads : sequence of Head
    rows : iterable of sequence of str
        HTML, one cell for each head; the first is the row's own heading.
    empty : str
        Text in place of rows, where there are none.
    classes : str
        More classes of the table.
    marks : sequence of str
        Classes of the rows, as many as there are marked rows.
    """
    kinds = [_classes(each.kind) for each in heads]
    whole = sum(each.width for each in heads)
    columns = "".join(
        f'<col{kind} style="width:{100 * each.width / whole:.1f}%">'
        for each, kind in zip(heads, kinds, strict=True)
    )
    header = "".join(
        f'<th scope="col"{kind}{_title(each.note)}>{escape(each.label)}</th>'
        for each, kind in zip(heads, kinds, strict=True)
    )
    body = []
    for at, row in enumerate(rows):
        mark = f' class="{marks[at]}"' if at < len(marks) and marks[at] else ""
        cells = "".join(
            f"<td{kind}>{cell}</td>"
            for cell, kind in zip(row[1:], kinds[1:], strict=True)
        )
        body.append(f'<tr{mark}><th scope="row"{kinds[0]}>{row[0]}</th>{cells}</tr>')
    if not body and empty:
        body = [
            f'<tr><td class="cx-empty" colspan="{len(heads)}">{escape(empty)}</td></tr>'
        ]
    return (
        f'<div class="cx-scroll"><table class="cx-table {classes}">'
        f"<caption>{escape(caption)}</caption><colgroup>{columns}</colgroup>"
        f"<thead><tr>{header}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
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
    return (
        f'<span class="cx-bar" role="img" aria-label="{escape(label)}" '
        f'title="{escape(label)}">{drawn}</span>'
    )


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
    """Return a text that is cut off where its column ends; hovering shows it all.

    Parameters
    ----------
    text : object
    """
    shown = escape(str(text)[:200])
    return f'<span class="cx-cut" title="{shown}">{shown}</span>'


def _classes(kind: str) -> str:
    return f' class="{" ".join(f"cx-{each}" for each in kind.split())}"' if kind else ""


def _title(note: str) -> str:
    return f' title="{escape(note)}"' if note else ""
