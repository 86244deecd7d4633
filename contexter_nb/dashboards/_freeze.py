"""A view as a picture that stays: a snapshot, a page, text; and putting it in place."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from contexter_nb.dashboards._explorer_setting import label
from contexter_nb.dashboards._explorer_state import State, shown, view_code
from contexter_nb.dashboards._hits_html import hits_html
from contexter_nb.dashboards._look import count, escape, milliseconds, stylesheet
from contexter_nb.dashboards._map_picture import map_image

_TEXT_HITS = 10
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def as_snapshot(state: State) -> str:
    """Return what is shown as one piece of HTML, without script."""
    return (
        f'<div class="cx cx-still">{stylesheet()}{stylesheet("still")}'
        f"{_heading(state)}{_problem(state)}"
        f'<div class="cx-sides">{_map(state)}{_lists(state)}</div></div>'
    )


def as_page(state: State) -> str:
    """Return the snapshot as a page of its own, which loads nothing."""
    query = state.answer.setting.query if state.answer else ""
    return page(query or "Documentation search", as_snapshot(state) + _cell(state))


def page(title: str, body: str) -> str:
    """Return a page that loads nothing.

    Parameters
    ----------
    title : str
        Text.
    body : str
        HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>"
        "<style>:root{color-scheme:light dark}body{margin:24px;font-family:system-ui,"
        "sans-serif}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def _heading(state: State) -> str:
    answer = state.answer
    if answer is None:
        told = {
            "empty": 'Nothing is indexed yet; begin with nb.index("pandas").',
            "loading": f"Searching for {state.setting.query!r} …",
        }.get(state.phase, "Ask the documentation: type a question.")
        return f"<p><strong>Documentation search</strong></p><p>{escape(told)}</p>"
    asked = answer.setting.query.strip() if not answer.setting.similar_to else ""
    facts = [
        f"{label(answer.setting, len(answer.hits))} in {milliseconds(answer.total_ms)}",
    ]
    if state.chart is not None:
        facts.append(f"{count(state.chart.chunks)} passages")
    return (
        f"<p><strong>{escape(asked or 'Passages alike')}</strong> "
        f"<small>{escape(' · '.join(facts))}</small></p>"
    )


def _problem(state: State) -> str:
    said = state.error or state.notice
    return f"<p><strong>Problem:</strong> {escape(said)}</p>" if said else ""


def _map(state: State) -> str:
    if state.chart is None or not state.places:
        return ""
    ids = [each["id"] for each in state.answer.hits] if state.answer else []
    drawing = map_image(state.chart, state.places, ids, state.selection)
    kept = f"{state.chart.explained:.0%}"
    among = "the hits and the question (diamond)" if "" in state.places else "the hits"
    told = (
        f"{count(len(state.chart.chunk_ids))} passages on their two main axes "
        f"({kept} of the variance), {among} among them."
    )
    return (
        f'<div class="cx-map-side"><div>{drawing}</div>'
        f"<p><small>{escape(told)}</small></p></div>"
    )


def _lists(state: State) -> str:
    hits: Mapping[str, Any] = shown(state)["hits"]
    if state.answer is None:
        return ""
    if not hits["now"]:
        return "<p>No hits. Loosen the filters, or ask in other words.</p>"
    sides = [(hits["label"], hits["now"])]
    if hits["pinned"] is not None:
        sides.append((f"pinned: {hits['pinned_label']}", hits["pinned"]))
    return "".join(
        f'<div class="cx-list-side"><p><small>{escape(name)}</small></p>'
        f"{hits_html(listed, state.judged)}</div>"
        for name, listed in sides
    )


def _cell(state: State) -> str:
    made_by = view_code(state)
    return f"<pre><code>{escape(made_by)}</code></pre>" if made_by else ""


def as_text(state: State) -> str:
    """Return what is shown for a terminal: the hits, and what to call next."""
    answer = state.answer
    if state.phase == "empty":
        return 'Search explorer: nothing is indexed; begin with nb.index("pandas").'
    if state.error:
        return f"Search explorer: {state.error}"
    if answer is None:
        return 'Search explorer. Ask by explorer.search("join two tables").'
    asked = "Passages alike" if answer.setting.similar_to else answer.setting.query
    lines = [f"{asked.strip()}  ({label(answer.setting, len(answer.hits))})"]
    for hit in answer.hits[:_TEXT_HITS]:
        facts = f"{hit['library']} {hit['version']}".strip()
        text = " ".join("".join(hit["text"]).split())
        short = textwrap.shorten(text, 72, placeholder=" …")
        lines.append(f"{hit['rank']:>3}. {''.join(hit['title'])}  ({facts})")
        lines += [f"     {short}"] * bool(short)
    if not answer.hits:
        lines.append("No hits.")
    elif len(answer.hits) > _TEXT_HITS:
        lines.append(f"and {len(answer.hits) - _TEXT_HITS} more in explorer.results")
    return "\n".join(lines)


class Displays:
    """Where a view was displayed, so that it can be replaced there."""

    def __init__(self) -> None:
        self._ids: list[str] = []

    def show(self, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Display a mime bundle under an id of its own."""
        from IPython.display import display

        self._ids.append(uuid4().hex)
        display(dict(data), raw=True, metadata=dict(metadata), display_id=self._ids[-1])

    def replace(self, html: str, text: str) -> None:
        """Put HTML in the place of everything displayed so far."""
        from IPython.display import update_display

        ids, self._ids = self._ids, []
        for each in ids:
            bundle = {"text/html": html, "text/plain": text}
            update_display(bundle, raw=True, display_id=each)
