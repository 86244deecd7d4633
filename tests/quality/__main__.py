"""``python -m tests.quality``: hit@1, hit@5, hit@10 and MRR on judged questions.

Indexes what the questions ask about (once, into ``--home``), asks every question and
prints a table. Weights were set on the ``tune`` questions; nothing was set by the
``test`` and ``blind`` ones.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import contexter_nb as cx

QUESTIONS = Path(__file__).with_name("questions.jsonl")
LIBRARIES = ("pandas", "numpy", "matplotlib", "httpx", "ipywidgets", "qdrant-client")


@dataclass(frozen=True)
class Question:
    """One judged question; any of `relevant` is a right answer."""

    question: str
    library: str
    relevant: frozenset[str]
    group: str


def load() -> list[Question]:
    """Read the questions; their group is tune, test or blind."""
    found = []
    for line in QUESTIONS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        group = "blind" if row["set"] == "blind" else row["split"]
        relevant = frozenset(row["relevant"])
        found.append(Question(row["question"], row["library"], relevant, group))
    return found


def rank_of_answer(hits: Any, relevant: frozenset[str]) -> int | None:
    """Return the rank of the first right answer among the hits."""
    for hit in hits.itertuples():
        if relevant & {hit.title, *hit.aliases}:
            return int(hit.rank)
    return None


def measure(nb: cx.Session, questions: list[Question], mode: str) -> list[float]:
    """Return hit@1, hit@5, hit@10 and MRR at 10."""
    ranks = [
        rank_of_answer(nb.search(each.question, mode=mode), each.relevant)
        for each in questions
    ]
    found = [rank for rank in ranks if rank is not None]
    shares = [sum(rank <= k for rank in found) / len(ranks) for k in (1, 5, 10)]
    return [*shares, sum(1 / rank for rank in found) / len(ranks)]


def table(nb: cx.Session, questions: list[Question]) -> Iterator[str]:
    """Yield the table's lines."""
    yield f"{'questions':<12}{'n':>5}  {'mode':<8}{'hit@1':>8}{'hit@5':>8}" + (
        f"{'hit@10':>8}{'MRR':>8}"
    )
    groups = [*dict.fromkeys(each.group for each in questions), "test+blind"]
    for group in groups:
        some = [each for each in questions if each.group in group.split("+")]
        for mode in ("hybrid", "dense", "text"):
            figures = "".join(f"{each:8.3f}" for each in measure(nb, some, mode))
            yield f"{group:<12}{len(some):>5}  {mode:<8}{figures}"


def main() -> None:
    """Index, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", help="folder of the index (a temporary one)")
    parser.add_argument("--misses", action="store_true", help="list tune misses")
    options = parser.parse_args()
    questions = load()
    modules = sorted({each.library for each in questions} - set(LIBRARIES))
    with (
        tempfile.TemporaryDirectory() as folder,
        cx.connect(home=options.home or folder) as nb,
    ):
        nb.index([*LIBRARIES, *modules])
        print(f"{int(nb.contents()['chunks'].sum()):,} passages")
        for line in table(nb, questions):
            print(line, flush=True)
        if options.misses:
            for each in questions:
                hits = nb.search(each.question, limit=5)
                if each.group == "tune" and not rank_of_answer(hits, each.relevant):
                    print(each.question, "->", sorted(each.relevant)[:3])


if __name__ == "__main__":
    main()
