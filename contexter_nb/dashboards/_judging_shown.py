"""What is seen of a judging: plain values for a browser, and sentences for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contexter_nb.dashboards._explorer_setting import MODES, literal
from contexter_nb.dashboards._grades import GRADES
from contexter_nb.dashboards._hits import plain, split_signature, web_url
from contexter_nb.dashboards._judging_pool import Passage
from contexter_nb.dashboards._judging_state import Judging, can_go_back
from contexter_nb.notebook import marked_runs

TEXT_CHARS = 100_000
NOTHING_LEFT = (
    "Every passage of the pool has a grade. nb.pool(..., depth=20) would look deeper."
)
_WIDTH = 88


def counts(state: Judging) -> list[int]:
    """Return how many passages have each grade, from 0 on."""
    given = list(state.grades.values())
    return [given.count(grade) for grade in range(len(GRADES))]


def position(state: Judging) -> str:
    """Return where a person is, as "7 of 42 · question 2 of 5"."""
    size, questions = len(state.passages), _questions(state)
    if state.shown is None:
        return f"{size:,} of {size:,}" if size else "Nothing to judge"
    number = questions.index(state.shown.query_id) + 1
    return f"{state.at + 1:,} of {size:,} · question {number:,} of {len(questions):,}"


def tally(state: Judging) -> str:
    """Return what was done so far, as "5 judged, 1 skipped"."""
    done = f"{len(state.grades):,} judged"
    return f"{done}, {len(state.skipped):,} skipped" if state.skipped else done


def ending(state: Judging) -> str:
    """Return what the end of a pool is headed with."""
    if not state.passages:
        return "Everything is judged"
    left = len(state.passages) - len(state.grades)
    if not left:
        return f"All {len(state.passages):,} passages are judged"
    return f"{len(state.grades):,} of {len(state.passages):,} passages are judged"


def next_cell(state: Judging) -> str:
    """Return the cell that measures search settings by what was judged."""
    queries = list(
        dict.fromkeys(
            each.query for at, each in enumerate(state.passages) if at in state.grades
        )
    )
    variants = state.variants or literal(MODES)
    if not queries:
        return f"nb.experiment(nb.judgments(), {variants})"
    line = f"nb.experiment({literal(queries)}, {variants})"
    if len(line) <= _WIDTH and "\n" not in line:
        return line
    listed = "".join(f"    {literal(each)},\n" for each in queries)
    cell = f"questions = [\n{listed}]\n"
    last = f"nb.experiment(questions, {variants})"
    if len(last) <= _WIDTH and "\n" not in last:
        return cell + last
    return f"{cell}variants = {variants}\nnb.experiment(questions, variants)"


def variants_code(variants: object) -> str:
    """Return the variants that a pool was gathered by, as they stand in a cell.

    Parameters
    ----------
    variants : object
        What the frame carries: name to settings; nothing, or what no cell can hold,
        gives an empty text.

    Examples
    --------
    >>> variants_code({"text": {"mode": "text"}, "dense": {"mode": "dense"}})
    '["text", "dense"]'
    >>> print(variants_code({"short": {"chunk_tokens": 80}}))
    {
        "short": {"chunk_tokens": 80},
    }
    """
    if not isinstance(variants, Mapping) or not variants:
        return ""
    if any("session" in each for each in variants.values()):
        return ""
    if all(each == {"mode": name} for name, each in variants.items()):
        return literal(list(variants))
    rows = "".join(
        f"    {literal(name)}: {literal(each)},\n" for name, each in variants.items()
    )
    return f"{{\n{rows}}}"


def _questions(state: Judging) -> list[str]:
    return list(dict.fromkeys(each.query_id for each in state.passages))


def shown(state: Judging) -> dict[str, Any]:
    """Return what a browser is told, in parts that change apart from each other.

    Nothing that tells which setting found a passage, or where, is among it.

    Returns
    -------
    dict
        ``passage`` (empty at the end) and ``progress``, of plain values.
    """
    return {"passage": _shown_passage(state), "progress": _progress(state)}


def _shown_passage(state: Judging) -> dict[str, Any]:
    passage = state.shown
    if passage is None:
        return {}
    before = state.passages[state.trail[-1]] if _came_from_one(state) else passage
    return {
        "place": state.at,
        "query": plain(passage.query),
        "is_new": before.query_id != passage.query_id,
        "grade": state.grades.get(state.at),
        "was_skipped": state.at in state.skipped,
        **passage_values(passage),
    }


def _came_from_one(state: Judging) -> bool:
    return bool(state.trail) and state.trail[-1] < len(state.passages)


def passage_values(passage: Passage) -> dict[str, Any]:
    """Return a passage as a browser takes it: title and text in runs, as of hits."""
    text = plain(passage.text)
    if len(text) > TEXT_CHARS:
        text = f"{text[:TEXT_CHARS]} … (the first {TEXT_CHARS:,} characters)"
    signature, text = split_signature(text)
    return {
        "title": marked_runs(plain(passage.name), passage.query),
        "url": web_url(passage.url),
        "library": plain(passage.library),
        "version": plain(passage.version),
        "kind": plain(passage.kind),
        "signature": signature,
        "text": marked_runs(text, passage.query),
    }


def _progress(state: Judging) -> dict[str, Any]:
    over = state.shown is None
    return {
        "view": state.asked[0],
        "turn": state.asked[1],
        "notice": state.notice,
        "last": state.last,
        "over": over,
        "of": len(state.passages),
        "judged": len(state.grades),
        "skipped": len(state.skipped),
        "writing": len(state.writing),
        "back": can_go_back(state),
        "position": position(state),
        "tally": tally(state),
        "counts": counts(state),
        "ending": ending(state) if over else "",
        "note": "" if state.passages else NOTHING_LEFT,
        "code": next_cell(state) if over else "",
    }
