"""An experiment as the files that TREC's tools read: qrels, queries, a run each."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from contexter_nb.retrieval._evaluation import document_grades
from contexter_nb.retrieval._evaluation_qrels import (
    QrelsLine,
    qrels_text,
    queries_path,
    queries_text,
)
from contexter_nb.retrieval._experiment_results import (
    Experiment,
    counted_queries,
    ranked_documents,
)

QRELS_NAME = "judgments.qrels"
RUN_ENDING = ".run"
_MAX_NAME = 60  # characters, of up to four bytes: file systems take 255 bytes
_UNSAFE = re.compile(r"[^\w.+-]+")


class TrecFile(NamedTuple):
    """One file.

    Attributes
    ----------
    variant : str or None
        Whose run it is; None for qrels and queries.
    lines : int
    empty : int
        Of a run: queries that found nothing, which the format cannot say.
    """

    name: str
    text: str
    lines: int
    variant: str | None = None
    empty: int = 0


def run_text(ranked: Mapping[str, Sequence[str]], tag: str) -> str:
    r"""Return rankings as a run file, which trec_eval and its kin read.

    Parameters
    ----------
    ranked : mapping of str to sequence of str
        Query id to documents, best first.
    tag : str
        Name of the run, without white space.

    Returns
    -------
    str
        Lines of query id, Q0, document, rank, score, tag. The score counts down to 1:
        trec_eval sorts by it, and breaks ties by its own rule, so there are none.

    Examples
    --------
    >>> run_text({"q1": ["b", "a"]}, "words")
    'q1 Q0 b 1 2 words\nq1 Q0 a 2 1 words\n'
    """
    return "".join(
        f"{key} Q0 {document} {rank} {len(documents) - rank + 1} {tag}\n"
        for key, documents in ranked.items()
        for rank, document in enumerate(documents, start=1)
    )


def run_tags(variants: Iterable[str]) -> dict[str, str]:
    """Return a name for each variant that a file and a column of a run can have.

    Parameters
    ----------
    variants : iterable of str
        Any names, each once.

    Returns
    -------
    dict of str to str
        By variant; no two are alike, even where case does not count.

    Examples
    --------
    >>> run_tags(["more meaning", "a/b", "A b"])
    {'more meaning': 'more-meaning', 'a/b': 'a-b', 'A b': 'A-b-2'}
    """
    tags: dict[str, str] = {}
    taken: set[str] = set()
    for variant in variants:
        plain = unicodedata.normalize("NFC", variant)
        stem = _UNSAFE.sub("-", plain)[:_MAX_NAME].strip("-.") or "variant"
        tag, number = stem, 1
        while tag.casefold() in taken:
            number += 1
            tag = f"{stem}-{number}"
        taken.add(tag.casefold())
        tags[variant] = tag
    return tags


def trec_files(experiment: Experiment) -> list[TrecFile]:
    """Return the files of an experiment, from which its figures follow.

    Documents are what the experiment counts by (`document_key`), and queries are those
    that its means are over, so that every tool that reads the files finds the very
    values of its tables. Where nothing relevant was judged, qrels are empty.

    Parameters
    ----------
    experiment : Experiment

    Returns
    -------
    list of TrecFile
        Qrels, queries, and a run for each variant.
    """
    counted = counted_queries(experiment)
    lines = [
        QrelsLine(key, document, grade)
        for key in (counted.keys if counted.judged else ())
        for document, grade in document_grades(experiment.judged[key]).items()
    ]
    queries = {key: experiment.queries[key] for key in counted.keys}
    return [
        TrecFile(QRELS_NAME, qrels_text(lines), len(lines)),
        TrecFile(
            queries_path(Path(QRELS_NAME)).name, queries_text(queries), len(queries)
        ),
        *(
            _run_file(variant, tag, ranked_documents(experiment, variant, counted))
            for variant, tag in run_tags(experiment.variants).items()
        ),
    ]


def _run_file(variant: str, tag: str, ranked: Mapping[str, Sequence[str]]) -> TrecFile:
    return TrecFile(
        name=f"{tag}{RUN_ENDING}",
        text=run_text(ranked, tag),
        lines=sum(map(len, ranked.values())),
        variant=variant,
        empty=sum(not documents for documents in ranked.values()),
    )
