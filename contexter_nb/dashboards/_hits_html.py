"""Hits as still HTML: escaped, without script, readable where styles are dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contexter_nb.dashboards._grades import grade_label
from contexter_nb.dashboards._look import escape

TEXT_CHARS = 700


def hits_html(hits: Sequence[Mapping[str, Any]], grades: Mapping[str, int]) -> str:
    """Return hits as an ordered list.

    Parameters
    ----------
    hits : sequence of mapping
        As `hit_values` makes them; with ``was`` where they are compared.
    grades : mapping of str to int
        Those that were given, by chunk id.
    """
    items = "".join(_item(each, grades.get(each["id"])) for each in hits)
    return f"<ol>{items}</ol>"


def _item(hit: Mapping[str, Any], grade: int | None) -> str:
    also = (
        f"<div><small>also {escape(hit['also'])}</small></div>" if hit["also"] else ""
    )
    notes = [_move(hit["was"], hit["rank"])] if "was" in hit else []
    if grade is not None:
        notes.append(f"judged {grade_label(grade)}")
    short = {**hit, "text": _shortened(hit["text"])}
    return (
        f"<li>{passage_html(short, notes, also)}"
        f"<div><small>{_scores(hit)}</small></div></li>"
    )


def passage_html(
    values: Mapping[str, Any], notes: Sequence[str] = (), beside: str = ""
) -> str:
    """Return a passage: title, library, version and kind, and its text.

    Parameters
    ----------
    values : mapping
        ``title url library version kind signature text``, as of a hit.
    notes : sequence of str
        What else is said of it.
    beside : str
        HTML between its head and its text.
    """
    named = f"{values['library']} {values['version']}".strip()
    facts = " · ".join(filter(None, (named, values["kind"])))
    tail = "".join(f" · <strong>{escape(note)}</strong>" for note in notes)
    return (
        f"<div><strong>{_title(values)}</strong> "
        f"<small>{escape(facts)}{tail}</small></div>{beside}"
        f"<pre>{_signature(values)}{runs_html(values['text'])}</pre>"
    )


def _signature(hit: Mapping[str, Any]) -> str:
    return f"{escape(hit['signature'])}\n\n" if hit["signature"] else ""


def _title(hit: Mapping[str, Any]) -> str:
    title = runs_html(hit["title"])
    if not hit["url"]:
        return title
    return (
        f'<a href="{escape(hit["url"])}" target="_blank" rel="noopener noreferrer">'
        f"{title}</a>"
    )


def runs_html(runs: Sequence[str]) -> str:
    """Return runs of text, every second one marked.

    Examples
    --------
    >>> runs_html(["<b>", "join", ""])
    '&lt;b&gt;<mark>join</mark>'
    """
    return "".join(
        f"<mark>{escape(run)}</mark>" if at % 2 else escape(run)
        for at, run in enumerate(runs)
    )


def _shortened(runs: Sequence[str]) -> list[str]:
    kept: list[str] = []
    left = TEXT_CHARS
    for run in runs:
        if len(run) > left:
            return [*kept, run[:left].rstrip() + " …"]
        kept.append(run)
        left -= len(run)
    return kept


def _scores(hit: Mapping[str, Any]) -> str:
    parts = [f"score {escape(hit['score'])}{_bar(hit['share'])}"]
    for name, rank, share in hit["parts"]:
        where = f"#{rank:,}" if rank is not None else "–"
        parts.append(f"{escape(name)} {where}{_bar(share)}")
    return " · ".join(parts)


def _bar(share: float) -> str:
    return (
        ' <span style="display:inline-block;width:48px;height:6px;background:#8883">'
        f'<span style="display:block;width:{48 * share:.0f}px;height:6px;'
        'background:#1565c0"></span></span>'
    )


def _move(was: int | None, rank: int) -> str:
    """Return how a rank changed.

    Examples
    --------
    >>> _move(5, 2), _move(2, 5), _move(None, 1), _move(1, 1)
    ('▲ 3', '▼ 3', 'new', '=')
    """
    if was is None:
        return "new"
    if was == rank:
        return "="
    return f"▲ {was - rank}" if was > rank else f"▼ {rank - was}"
