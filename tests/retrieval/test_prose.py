"""Only plain sentences are taken from a documentation's passage."""

from __future__ import annotations

import pytest

from contexter_nb.retrieval._prose import sentences


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("shorten(text, width)", []),
        ("add(x1, x2, /[, out])\n--\n\nAdd arguments.", ["Add arguments"]),
        (
            "Pickle (serialize) an object. Then more.",
            ["Pickle (serialize) an object", "Then more"],
        ),
        (
            "Return it, e.g. text\nfor a file.\n\nMore.",
            ["Return it, e.g. text for a file", "More"],
        ),
        (
            "writer : path-like, or a writer\n    File path.\n\nWrite it.",
            ["Write it"],
        ),
        (".. versionadded:: 1.2\n\n- an item\n\n1. first\n\n>>> a()\n\nYes.", ["Yes"]),
        ("Write a table.\n\nParameters\n----------\nsep : str", ["Write a table"]),
        ("Write a table.\n\nReturns:\n  Nothing. At all.", ["Write a table"]),
        (
            ":mod:`json` shows what :class:`~pickle.Pickler <x>` users *know*.",
            ["json shows what pickle.Pickler users know"],
        ),
        (
            "[*Discouraged*] Fits in ``self.width`` of 'text', as `.XAxis` does [1]_.",
            ["Fits in width of text, as XAxis does"],
        ),
        ("Keep group_keys of __init__.", ["Keep group_keys of init"]),
        ("See `the page <https://a.example/b>`__ for more.", ["See the page for more"]),
        ("( " * 20_000 + "\n\nRead. " + "word " * 20_000, ["Read"]),
        ("", []),
    ],
)
def test_marks_signatures_lists_and_headings_are_left_out(
    text: str, found: list[str]
) -> None:
    """Each sentence is on one line and has no full stop."""
    assert sentences(text, 9) == found


def test_no_more_than_were_asked_for() -> None:
    """The first come first."""
    assert sentences("One. Two. Three.\n\nFour.", 2) == ["One", "Two"]
