"""The judging of a pool as a picture that stays, and as text."""

from __future__ import annotations

import textwrap

from contexter_nb.dashboards._freeze import page
from contexter_nb.dashboards._grades import GRADES, grade_label
from contexter_nb.dashboards._hits_html import passage_html
from contexter_nb.dashboards._judging_shown import (
    NOTHING_LEFT,
    counts,
    ending,
    next_cell,
    passage_values,
    position,
    tally,
)
from contexter_nb.dashboards._judging_state import Judging
from contexter_nb.dashboards._look import count, escape, stylesheet


def as_snapshot(state: Judging) -> str:
    """Return what is shown as one piece of HTML, without script."""
    facts = f"{position(state)} · {tally(state)}" if state.passages else ""
    problem = (
        f"<p><strong>Problem:</strong> {escape(state.notice)}</p>"
        if state.notice
        else ""
    )
    return (
        f'<div class="cx cx-still">{stylesheet()}{stylesheet("still")}'
        f"<p><strong>Judging</strong> <small>{escape(facts)}</small></p>"
        f"{problem}{_passage(state) or _end(state)}</div>"
    )


def as_page(state: Judging) -> str:
    """Return the snapshot as a page of its own, which loads nothing."""
    return page(f"Judging: {position(state)}", as_snapshot(state))


def _passage(state: Judging) -> str:
    passage = state.shown
    if passage is None:
        return ""
    grade = state.grades.get(state.at)
    notes = [] if grade is None else [f"judged {grade_label(grade)}"]
    notes += ["skipped"] * (state.at in state.skipped)
    return (
        f'<p class="cx-asked"><strong>{escape(passage.query)}</strong></p>'
        f'<div class="cx-one">{passage_html(passage_values(passage), notes)}</div>'
    )


def _end(state: Judging) -> str:
    rows = "".join(
        f"<li>{escape(grade_label(grade))}: {count(number)}</li>"
        for grade, number in reversed(list(enumerate(counts(state))))
    )
    if state.skipped:
        rows += f"<li>skipped: {count(len(state.skipped))}</li>"
    listed = f"<ul>{rows}</ul>" if state.passages else f"<p>{escape(NOTHING_LEFT)}</p>"
    return (
        f"<p><strong>{escape(ending(state))}</strong></p>{listed}"
        f"<p>Measure by them:</p><pre><code>{escape(next_cell(state))}</code></pre>"
    )


def as_text(state: Judging) -> str:
    """Return what is shown for a terminal: the progress, the passage, what to call."""
    passage = state.shown
    if not state.passages:
        return f"Judging: {ending(state).lower()}. {NOTHING_LEFT}"
    if passage is None:
        given = ", ".join(
            f"{number:,} of grade {grade}"
            for grade, number in zip(range(len(GRADES)), counts(state), strict=True)
        )
        told = f"Judging: {ending(state)} ({given}"
        told += f"; {len(state.skipped):,} skipped)" if state.skipped else ")"
        return f"{told}\nMeasure by them:\n{next_cell(state)}"
    values = passage_values(passage)
    facts = f"{values['library']} {values['version']}".strip()
    short = textwrap.shorten("".join(values["text"]), 72, placeholder=" …")
    return "\n".join(
        [
            f"Judging: {position(state)} · {tally(state)}",
            f"{passage.query}",
            f"  {''.join(values['title'])}  ({facts})",
            *[f"  {short}"] * bool(short),
            "Grade it in the view, or by nb.judge; explorer.unjudged is what is left.",
        ]
    )
