"""Run files and qrels say what an experiment counts, under names any system takes."""

from __future__ import annotations

import ir_measures
import pytest

from contexter_nb.retrieval import Experiment, Found, Judged, Outcome
from contexter_nb.retrieval._run_files import run_tags, run_text, trec_files

APPLE, APPLE_2, PEAR, PLUM = "1e5000000001a000", "1e5000000001a001", "b" * 16, "c" * 16


def hit(chunk_id: str, *names: str) -> Found:
    """Return a hit of the library fruit."""
    return Found(chunk_id, "fruit", names)


def experiment(**runs: dict[str, Outcome]) -> Experiment:
    """Return an experiment on three questions, two of them with a relevant fruit."""
    return Experiment(
        queries={"q1": "red\tapple\n?", "q2": "soft", "q3": "nobody knows"},
        variants=tuple(runs),
        metrics=("RR",),
        judged={
            "q1": [
                Judged(APPLE, "fruit", "apple", 1),
                Judged(APPLE_2, "fruit", "apple", 3),
            ],
            "q2": [Judged(PEAR, "fruit", "pear", 2), Judged(PLUM, "fruit", "plum", 0)],
            "q3": [Judged(PLUM, "fruit", "plum", 0)],
        },
        runs=runs,
    )


def texts(made: Experiment) -> dict[str, str]:
    """Return the text of each file by its name."""
    return {each.name: each.text for each in trec_files(made)}


def test_files_hold_the_documents_and_queries_that_count() -> None:
    """Passages are folded into documents, twins stand for each other."""
    found = {
        "q1": Outcome(hits=(hit(PEAR), hit(APPLE_2), hit(APPLE))),
        "q2": Outcome(hits=(hit("d" * 16, "quince", "pear"), hit(PLUM))),
        "q3": Outcome(hits=(hit(PLUM),)),
    }
    files = texts(experiment(only=found))
    assert files["judgments.qrels"].splitlines() == [
        "q1 0 1e5000000001 3",
        "q2 0 bbbbbbbbbbbb 2",
        "q2 0 cccccccccccc 0",
    ]
    assert files["judgments.queries.tsv"] == "q1\tred apple ?\nq2\tsoft\n"
    assert files["only.run"].splitlines() == [
        "q1 Q0 bbbbbbbbbbbb 1 2 only",
        "q1 Q0 1e5000000001 2 1 only",
        "q2 Q0 bbbbbbbbbbbb 1 2 only",
        "q2 Q0 cccccccccccc 2 1 only",
    ]


def test_a_query_that_one_variant_did_not_answer_is_in_no_file() -> None:
    """Nor one that was never asked; what found nothing is counted apart."""
    found = Outcome(hits=(hit(APPLE),))
    made = experiment(
        a={"q1": Outcome(error="refused"), "q2": found},
        b={"q1": found, "q2": Outcome()},
    )
    files = {each.name: each for each in trec_files(made)}
    assert files["judgments.queries.tsv"].text == "q2\tsoft\n"
    assert {line.split()[0] for line in files["a.run"].text.splitlines()} == {"q2"}
    assert (files["b.run"].text, files["b.run"].empty) == ("", 1)
    assert (files["a.run"].lines, files["a.run"].empty) == (1, 0)


def test_an_experiment_that_was_stopped_at_once_is_empty_files() -> None:
    """No query was answered: there is a file of each kind, and nothing in it."""
    made = experiment(a={}, b={})
    assert set(texts(made).values()) == {""}
    made.runs.clear()
    assert set(texts(made).values()) == {""}


def test_scores_fall_so_that_no_tool_breaks_a_tie() -> None:
    """trec_eval sorts by score, and equal ones by name: there are none."""
    text = run_text({"q1": [f"d{number:02}" for number in range(40)]}, "tag")
    read = list(ir_measures.read_trec_run(text))
    scores = [each.score for each in read]
    assert scores == sorted(set(scores), reverse=True)
    assert [each.doc_id for each in read] == [f"d{number:02}" for number in range(40)]


@pytest.mark.parametrize(
    ("variants", "tags"),
    [
        (["more meaning", "more  meaning!"], ["more-meaning", "more-meaning-2"]),
        (["Words", "words", "WORDS"], ["Words", "words-2", "WORDS-3"]),
        (["../../up", "/root", "..", "."], ["up", "root", "variant", "variant-2"]),
        (["a\nb", "a\tb", "a b-2"], ["a-b", "a-b-2", "a-b-2-2"]),
        (["größer", "k=5, ef=8"], ["größer", "k-5-ef-8"]),
        (["<script>", "💡"], ["script", "variant"]),
        (["x" * 500], ["x" * 60]),
    ],
)
def test_a_variant_gets_a_name_that_a_file_can_have(
    variants: list[str], tags: list[str]
) -> None:
    """It leads to no other folder, has no white space, and is the only one."""
    assert run_tags(variants) == dict(zip(variants, tags, strict=True))
