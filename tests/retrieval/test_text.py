"""Text as it may be stored: repaired, counted, and names cut into words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexter_nb.retrieval import repair
from contexter_nb.retrieval._text import MAX_DOCUMENT_CHARS, count_tokens, name_words


@pytest.mark.parametrize(
    ("text", "repaired", "notes"),
    [
        ("plain", "plain", []),
        ("", "", []),
        ("tab\tand\nline", "tab\tand\nline", []),
        ("a\r\nb\rc", "a\nb\nc", []),
        ("a\x00b", "ab", ["1 control character removed"]),
        ("\x1b[31mred\x07", "[31mred", ["2 control characters removed"]),
        ("\ufeffa\u2028b", "ab", ["2 control characters removed"]),
        ("\ud800", "\ufffd", ["1 lone surrogate replaced"]),
        ("\udfff\ud800x", "\ufffd\ufffdx", ["2 lone surrogates replaced"]),
        ("\U0001f40d", "\U0001f40d", []),
    ],
)
def test_repair_tells_each_repair(text: str, repaired: str, notes: list[str]) -> None:
    """What cannot be stored is replaced or removed, and each kind is counted."""
    assert repair(text) == (repaired, notes)


def test_repair_cuts_what_is_too_long() -> None:
    """Of ten million characters the first 200,000 are kept, and that is told."""
    text, notes = repair("x" * 10_000_000)
    assert len(text) == MAX_DOCUMENT_CHARS
    assert notes == [
        "10,000,000 characters are too many; only the first 200,000 are kept"
    ]


@settings(deadline=None)
@given(st.text(st.characters(), max_size=200))
def test_repaired_text_can_be_stored(text: str) -> None:
    """Repaired text is valid UTF-8, and repairing it again changes nothing."""
    repaired, _ = repair(text)
    repaired.encode()
    assert repair(repaired) == (repaired, [])


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("  \n", 0), ("one", 1), ("df.merge(right)", 6), ("été naïve", 2)],
)
def test_count_tokens_counts_words_and_marks(text: str, count: int) -> None:
    """Each word is one token and so is each mark."""
    assert count_tokens(text) == count


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pandas.DataFrame.drop_duplicates", "pandas Data Frame drop duplicates"),
        ("http.HTTPStatus", "http HTTP Status"),
        ("np.float64", "np float64"),
        ("__init__", "init"),
        ("", ""),
    ],
)
def test_name_words_splits_at_humps_dots_and_underscores(name: str, words: str) -> None:
    """A dotted name falls into the words that people would search by."""
    assert name_words(name) == words
