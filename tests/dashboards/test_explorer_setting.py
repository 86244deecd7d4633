"""Settings: what a browser may say, the arguments they become, and their code."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from contexter_nb.dashboards._explorer_setting import (
    STEPS,
    USUAL_STEP,
    Setting,
    arguments,
    code,
    from_wire,
    label,
    split_where,
    to_wire,
    weights_at,
)

FULL = Setting(
    query="join tables",
    mode="dense",
    limit=20,
    picks={"library": ("numpy", "pandas"), "kind": ("function",)},
    fixed={"title": {"prefix": "pandas."}},
)


def test_the_usual_step_of_the_slider_is_how_searches_weigh() -> None:
    """Where the slider is not touched a search is told no weights, and they agree."""
    from contexter_nb.retrieval._ranking import PART_WEIGHTS

    assert weights_at(USUAL_STEP) is None
    assert PART_WEIGHTS["dense"] == USUAL_STEP / 10
    assert PART_WEIGHTS["text"] == (STEPS - USUAL_STEP) / 10


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_a_step_of_the_slider_survives_its_weights(step: int) -> None:
    """The slider stands where its weights say."""
    assert Setting(weights=weights_at(step)).step == step


def test_what_a_browser_shows_comes_back_unchanged() -> None:
    """A setting that goes to the browser and back is the same, also its fixed part."""
    assert from_wire(to_wire(FULL), FULL) == FULL


@pytest.mark.parametrize(
    "sent",
    [
        {"mode": "evil"},
        {"limit": 0},
        {"limit": 10**9},
        {"limit": True},
        {"limit": "10"},
        {"step": 99},
        {"step": "4"},
        {"picks": "pandas"},
        {"query": 3},
        {"query": None, "unknown": 1},
        {"similar_to": "../../x"},
        {},
    ],
)
def test_what_a_browser_says_wrongly_changes_nothing(sent: dict[str, Any]) -> None:
    """A part of a wrong type or out of range is passed over."""
    assert from_wire(sent, FULL) == FULL


def test_only_texts_of_known_columns_are_picked() -> None:
    """Other columns and other values never reach the filter."""
    sent = {"picks": {"library": ["b", 1, "a"], "text": ["x"], "kind": []}}
    assert from_wire(sent, Setting()).picks == {"library": ("a", "b")}


def test_a_very_long_question_is_cut() -> None:
    """What a search would refuse for its length is cut before."""
    assert len(from_wire({"query": "x" * 50_000}, Setting()).query) == 10_000


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (Setting(query=" x "), ("search", {"query": "x"})),
        (
            Setting(query="x", weights={"dense": 0.7, "text": 0.7}),
            ("search", {"query": "x", "weights": {"dense": 0.7, "text": 0.7}}),
        ),
        (
            Setting(query="x", mode="text", weights={"dense": 1.4, "text": 0.0}),
            ("search", {"query": "x", "mode": "text"}),
        ),
        (Setting(query="x", rerank=True), ("search", {"query": "x", "rerank": True})),
        (
            Setting(query="x", similar_to="ab", mode="dense", limit=5),
            ("similar", {"chunk_id": "ab", "limit": 5}),
        ),
    ],
)
def test_a_setting_becomes_a_verb(setting: Setting, expected: Any) -> None:
    """Defaults are left out, and what a mode does not use is not said."""
    assert arguments(setting) == expected


@pytest.mark.parametrize(
    "query",
    [
        "join",
        'it\'s "quoted"',
        "back\\slash",
        "tab\there",
        "two\nlines",
        "日本 \u2028 x",
        "größe 😀 \x7f \u202e",
        "\udc80 \ufeff",
    ],
)
def test_the_code_says_the_question_exactly(query: str) -> None:
    """The literal in the code evaluates to the question, whatever is in it."""
    call = ast.parse(code(Setting(query=query)), mode="eval").body
    assert isinstance(call, ast.Call)
    assert ast.literal_eval(call.args[0]) == query


def test_the_code_is_read_in_any_script() -> None:
    """Letters and signs stay as they were typed; what cannot be seen is a code."""
    assert code(Setting(query="größe 日本 😀")) == 'nb.search("größe 日本 😀")'
    assert code(Setting(query="a\u202eb\tc")) == r'nb.search("a\u202eb\tc")'


def test_long_code_is_broken_into_lines() -> None:
    """What does not fit in a line stands in several, each argument on its own."""
    text = code(FULL)
    assert text.startswith('nb.search(\n    "join tables",\n')
    assert max(map(len, text.splitlines())) < 120
    ast.parse(text)


def test_a_label_names_what_differs() -> None:
    """Mode, filters and how many were found are read in one line."""
    assert label(FULL, 9) == (
        'by meaning · numpy, pandas · function · {"title": {"prefix": "pandas."}} · '
        "9 hits"
    )


def test_a_filter_is_split_into_ticks_and_the_rest() -> None:
    """Values of a facet can be ticked off; anything else stays as it was written."""
    where = {"library": ["b", "a"], "kind": {"not": "module"}, "tokens": {"gte": 10}}
    picks, fixed = split_where(where)
    assert picks == {"library": ("a", "b")}
    assert fixed == {"kind": {"not": "module"}, "tokens": {"gte": 10}}
