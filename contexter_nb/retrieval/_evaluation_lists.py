"""How alike two rankings are, without any judgment."""

from __future__ import annotations

from collections.abc import Sequence

RBO_PERSISTENCE = 0.9


def overlap_at(left: Sequence[str], right: Sequence[str], k: int) -> float:
    """Return which share of the first `k` of two rankings they have in common.

    Parameters
    ----------
    left, right : sequence of str
        Best first, each item once.
    k : int
        From 1 on. The longer of the two, cut at `k`, is the denominator.

    Returns
    -------
    float
        0 to 1; 1 where both are empty.

    Examples
    --------
    >>> overlap_at(["a", "b", "c"], ["b", "a", "d"], k=2)
    1.0
    """
    first, second = set(left[:k]), set(right[:k])
    size = max(len(first), len(second))
    return len(first & second) / size if size else 1.0


def rank_biased_overlap(
    left: Sequence[str], right: Sequence[str], persistence: float = RBO_PERSISTENCE
) -> float:
    """Return the extrapolated rank-biased overlap of two rankings.

    It weighs agreement at the top most, and assumes that the two go on below what is
    seen as they did above.

    Parameters
    ----------
    left, right : sequence of str
        Best first, each item once, of any lengths.
    persistence : float, default 0.9
        Above 0 and below 1: how likely a reader looks one rank further down; at 0.9 the
        first ten ranks have 86 % of the weight.

    Returns
    -------
    float
        0 (nothing in common) to 1 (equal); 1 where both are empty, 0 where one is.

    Source
    ------
    Webber, Moffat and Zobel, "A similarity measure for indefinite rankings", ACM TOIS
    28(4), 2010, equation 32.

    Examples
    --------
    >>> rank_biased_overlap(["a", "b"], ["a", "b"])
    1.0
    """
    short, long = sorted((left, right), key=len)
    if not short:
        return 0.0 if long else 1.0
    p, depth_short, depth_long = persistence, len(short), len(long)
    seen_short: set[str] = set()
    seen_long: set[str] = set()
    common = 0
    common_short = 0
    total = 0.0
    for depth in range(1, depth_long + 1):
        item = long[depth - 1]
        common += item in seen_short
        seen_long.add(item)
        if depth <= depth_short:
            other = short[depth - 1]
            common += other in seen_long
            seen_short.add(other)
            common_short = common
        total += common / depth * p**depth
        if depth > depth_short:
            unseen = common_short * (depth - depth_short) / (depth_short * depth)
            total += unseen * p**depth
    beyond = (common - common_short) / depth_long + common_short / depth_short
    # Equal rankings sum to 1 but for the last bit.
    return min(1.0, round((1 - p) / p * total + beyond * p**depth_long, 12))
