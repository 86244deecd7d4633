"""Term by term matching with the keyless model's tokens."""

from __future__ import annotations

import numpy as np
import pytest

from contexter_nb.retrieval import StaticEmbedder, TermMatcher
from contexter_nb.retrieval._term_match import MAX_TERMS, _cosines


@pytest.fixture(scope="module")
def matcher() -> TermMatcher:
    """Give a matcher on the keyless model."""
    return TermMatcher(StaticEmbedder())


def test_a_gist_with_all_the_terms_scores_one(matcher: TermMatcher) -> None:
    """The score runs from 0, no token near, to 1, all are there."""
    encoded = matcher.encode(["drop missing values", "zzz", ""])
    scores = matcher.scores("missing values", encoded)
    assert scores.dtype == np.float32
    assert scores[0] == pytest.approx(1, abs=1e-5)
    assert 0 <= scores[1] < 0.5
    assert scores[2] == 0


def test_a_near_word_counts_for_more_than_a_far_one(matcher: TermMatcher) -> None:
    """Matching is by meaning: to remove is nearer to delete than to paint."""
    near, far = matcher.scores("remove", matcher.encode(["delete", "paint"]))
    assert near > far


@pytest.mark.parametrize("query", ["", "   ", "\n"])
def test_a_query_without_a_token_scores_nothing(
    matcher: TermMatcher, query: str
) -> None:
    """Without terms nothing is matched, and nothing fails."""
    assert matcher.scores(query, matcher.encode(["a table"])).tolist() == [0]


def test_no_gists_give_no_scores(matcher: TermMatcher) -> None:
    """An empty list of candidates is fine."""
    assert matcher.scores("a", []).shape == (0,)
    assert matcher.encode([]) == []


def test_encoding_keeps_order_and_repeats(matcher: TermMatcher) -> None:
    """Equal gists are encoded once and answered each in its place."""
    first, second, third = matcher.encode(["join", "merge", "join"])
    assert first == third != second


def test_encoding_is_bounded(matcher: TermMatcher) -> None:
    """A gist of any length is stored in a few hundred characters."""
    (encoded,) = matcher.encode([" ".join(map(str, range(10_000)))])
    assert len(encoded) <= MAX_TERMS * 2 * 4 / 3 + 4


def test_scores_do_not_depend_on_the_other_gists(matcher: TermMatcher) -> None:
    """A gist scores the same alone and among others, also among empty ones."""
    gists = ["", "join tables", "", "sort values", "plot a line", ""]
    encoded = matcher.encode(gists)
    together = matcher.scores("sort a table", encoded)
    alone = [matcher.scores("sort a table", [each])[0] for each in encoded]
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 15, 40, 5_000])
def test_products_in_steps_are_the_products(rows: int) -> None:
    """Whatever fits into a step, also where one row alone is more."""
    numbers = np.random.default_rng(0)
    left = numbers.standard_normal((rows, 64)).astype(np.float32)
    right = numbers.standard_normal((333, 64)).astype(np.float32)
    np.testing.assert_allclose(_cosines(left, right), left @ right.T, atol=1e-4)
