"""A sentence of a documentation becomes what a person would ask."""

from __future__ import annotations

import pytest

from contexter_nb.retrieval._phrasing import ASK, MAX_WORDS, as_question


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        (
            "Return an iterator over the chunks",
            "how do I get an iterator over the chunks",
        ),
        ("Serializes obj to a stream", "how do I serialize obj to a stream"),
        ("Applies a function", "how do I apply a function"),
        ("Reshapes an array", "how do I reshape an array"),
        (
            "This method is commonly used to adjust the names",
            "how do I adjust the names",
        ),
        (
            "Return boolean whether a timestamp fits, else False",
            "how do I tell whether a timestamp fits",
        ),
        (
            "Whether this path is a socket",
            "how do I tell whether this path is a socket",
        ),
        (
            "Return true for each element if all are cased, false otherwise",
            "how do I get true for each element if all are cased",
        ),
        ("Index of intervals", "index of intervals"),
        ("Filter for warnings of a kind", "filter for warnings of a kind"),
        ("The imaginary part (of an array)", "imaginary part"),
        ("Draw samples (mean=0)", "how do I draw samples"),
        (
            "Return the truth value of (a > b) element-wise",
            "how do I get the truth value of (a > b) element-wise",
        ),
        (
            "read an array for the node (off of group",
            "how do I read an array for the node",
        ),
        ("JSON for machines", "JSON for machines"),
        ("DataFrame of counts", "DataFrame of counts"),
        ("Concatenation of drive and root, or", "concatenation of drive and root"),
        ("A boolean data type", "boolean data type"),
        ("", ""),
    ],
)
def test_orders_become_questions_and_things_stay_things(
    sentence: str, question: str
) -> None:
    """Who asks does not quote: articles, remarks and "otherwise" are left out."""
    assert as_question(sentence) == question


def test_a_long_sentence_ends_where_a_clause_does() -> None:
    """It is never cut within a clause; one that has no end is no question."""
    clause = "write a table to a file on the disk of this machine"
    long = f"{clause}, {'and once more ' * 5}, {'until all is done ' * 4}"
    asked = as_question(long)
    assert asked.startswith(f"{ASK}{clause}")
    assert len(asked.split()) <= MAX_WORDS
    assert asked.split()[-1] in ("machine", "more")
    assert as_question("write " + "word " * 40) == ""
