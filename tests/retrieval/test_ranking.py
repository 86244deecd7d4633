"""From an engine's points to documents in one order."""

from __future__ import annotations

from itertools import permutations

from contexter_nb.retrieval._ranking import Ranking


def point(document: int, place: int = 0) -> int:
    """Return the engine's number of a passage."""
    return document << 16 | place


def test_equal_scores_come_in_one_order_whatever_the_engine_says() -> None:
    """Twins stand by their numbers, and so do the passages they show."""
    points = [
        (point(7), 0.5),
        (point(3), 0.5),
        (point(5), 0.9),
        (point(3, 2), 0.5),
        (point(9), 0.1),
    ]
    for mixed in permutations(points):
        ranking = Ranking()
        ranking.add("dense", mixed, depth=3)
        assert ranking.parts["dense"] == [5, 3, 7]
        assert ranking.best == {5: point(5), 3: point(3), 7: point(7)}


def test_scores_that_differ_in_their_last_digits_are_equal() -> None:
    """How an engine adds up single precision does not decide who comes first."""
    first, second = point(7), point(9)
    for scores in ((0.5000001, 0.5), (0.5, 0.5000001), (0.5, 0.5)):
        ranking = Ranking()
        ranking.add("dense", zip((first, second), scores, strict=True), depth=10)
        assert [each.key for each in ranking.of_part("dense")] == [7, 9]
    ranking = Ranking()
    ranking.add("dense", [(first, 0.5), (second, 0.5001)], depth=10)
    assert [each.key for each in ranking.of_part("dense")] == [9, 7]
