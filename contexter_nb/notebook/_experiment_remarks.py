"""What to know of an experiment before its figures are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from contexter_nb.retrieval import Experiment


def unjudged_remark(experiment: Experiment, asked: Sequence[str] | None) -> str | None:
    """Return how many questions cannot be measured; None where all can.

    Parameters
    ----------
    experiment : Experiment
        Before it is run.
    asked : sequence of str or None
        The metrics that were asked for; None for those that there are.
    """
    total = len(experiment.queries)
    measured = sum(
        any(each.grade > 0 for each in passages)
        for passages in experiment.judged.values()
    )
    if measured == total or (not measured and not asked):
        return None
    if not measured:
        return (
            "Nobody has judged what answers these questions, so "
            f"{', '.join(asked or ())} cannot be told; how alike the hits are is shown "
            "instead. nb.pool(...) gathers what to judge."
        )
    return (
        f"Relevant passages are judged for {measured:,} of {total:,} questions; the "
        "others count for no metric."
    )


def changed_remark(changed: int) -> str | None:
    """Return how many judgments may not be right any more; None where all are.

    Parameters
    ----------
    changed : int
        Judgments of passages that say something else now.

    Examples
    --------
    >>> changed_remark(0) is None, changed_remark(2)[:26]
    (True, '2 judgments are of passage')
    """
    if not changed:
        return None
    said = (
        "1 judgment is of a passage that says something else now and counts all the "
        "same; nb.judgments() has it as changed."
    )
    if changed == 1:
        return said
    return (
        f"{changed:,} judgments are of passages that say something else now and count "
        "all the same; nb.judgments() has them as changed."
    )


def lacking_remarks(libraries: Mapping[str, Iterable[str]]) -> list[str]:
    """Return which variants do not hold what the first one holds.

    Parameters
    ----------
    libraries : mapping of str to iterable of str
        By variant, what its index holds; the first is the baseline.

    Examples
    --------
    >>> lacking_remarks({"here": ["json", "re"], "there": ["re"]})
    ["The index of the variant 'there' lacks json: answers in it count as not found."]
    """
    held = [(name, set(own)) for name, own in libraries.items()]
    remarks = []
    for name, own in held[1:]:
        lacking = sorted(held[0][1] - own)
        if lacking:
            remarks.append(
                f"The index of the variant {name!r} lacks {', '.join(lacking)}: "
                "answers in it count as not found."
            )
    return remarks
