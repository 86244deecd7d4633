"""What askers say, led to what documentation says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contexter_nb.retrieval._synonyms import expanded_spans, expansions


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("Get rid of a folder", {"remove", "drop", "delete", "directory"}),
        ("fill empty cells", {"fillna", "NaN"}),
        ("how many rows", {"shape", "len"}),
        ("SPREADSHEETS", {"excel"}),
    ],
)
def test_a_question_leads_to_the_words_of_documentation(
    query: str, terms: set[str]
) -> None:
    """Phrases are known in any case, with articles and endings between."""
    assert terms <= set(expansions(query))


@pytest.mark.parametrize(
    "query", ["", "the", "pandas.DataFrame.drop", "drop_duplicates"]
)
def test_names_do_not_expand(query: str) -> None:
    """Who writes an exact name means that name."""
    assert expansions(query) == {}


def test_a_word_of_the_query_is_not_added() -> None:
    """What the query says already needs no synonym."""
    assert "delete" not in expansions("remove or delete a file")


@settings(deadline=None)
@given(st.text(max_size=80))
def test_spans_lie_in_the_query(query: str) -> None:
    """Whatever is typed, each expanded phrase is a place in it, with weights to 1."""
    for start, end, terms in expanded_spans(query):
        assert 0 <= start < end <= len(query.lower())
        assert all(0 < weight <= 1 for weight in terms.values())
