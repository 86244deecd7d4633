"""Real questions with graded answers, and settings that win, tie and lose on them."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from tests.fixtures import ROOT

MODULES = ["collections", "csv", "functools", "httpx", "itertools", "json"]
MODULES += ["pathlib", "re", "shutil", "statistics", "textwrap"]
# The last finds nothing for most questions: ties at zero, and losses.
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "more meaning": {"weights": {"dense": 1.0}},
    "meaning only": {"mode": "dense"},
    "words only": {"mode": "text"},
    "words of re": {"mode": "text", "where": {"library": "re"}},
}


def judged_questions(nb: Any) -> pd.DataFrame:
    """Return questions of practitioners, their answers, and neighbours of these.

    Parameters
    ----------
    nb : Session
        With `MODULES` indexed.

    Returns
    -------
    pandas.DataFrame
        query, chunk_id, grade; up to three answers (3 to 1) and two neighbours (0).
    """
    rows = []
    questions = ROOT / "tests" / "quality" / "questions.jsonl"
    for line in questions.read_text(encoding="utf-8").splitlines():
        asked = json.loads(line)
        if asked["library"] not in MODULES:
            continue
        where = {"title": asked["relevant"], "library": asked["library"]}
        answers = nb.search(asked["question"], 3, where=where)["chunk_id"].tolist()
        near = nb.similar(answers[0], limit=2)["chunk_id"].tolist() if answers else []
        graded = [*answers, *(each for each in near if each not in answers)]
        for chunk, grade in zip(graded, (3, 2, 1, 0, 0), strict=False):
            rows.append((asked["question"], chunk, grade))
    return pd.DataFrame(rows, columns=["query", "chunk_id", "grade"])
