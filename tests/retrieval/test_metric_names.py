"""Metrics by name: what ir-measures reads, on every version of Python."""

from __future__ import annotations

import ast
import warnings

import ir_measures
import pytest

from contexter_nb.core import InvalidArgumentError
from contexter_nb.retrieval import parse_metrics
from contexter_nb.retrieval._metric_names import measure_of

NAMES = [
    "nDCG@10",
    "AP",
    "AP(rel=2)@100",
    "P(rel=2)@5",
    "RR(rel=2)",
    "nDCG(dcg='exp-log2')@20",
    "Judged@10",
    "SetF(beta=2.0)",
    "ERR@20",
    "RBP(p=0.9)",
    "nDCG(gains={0: 0, 1: 1, 2: 5})@10",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_read_as_ir_measures_reads_it(name: str) -> None:
    """The same measure, with the same parameters."""
    with warnings.catch_warnings():
        # Its own reader is deprecated from Python 3.12 on; here it is the standard.
        warnings.simplefilter("ignore", DeprecationWarning)
        if not hasattr(ast, "Num"):
            pytest.skip("ir-measures cannot read names on this version of Python")
        expected = ir_measures.parse_measure(name)
    assert measure_of(ir_measures, name) == expected


@pytest.mark.parametrize(
    "name",
    ["", "nDCG@", "nope@10", "AP(2)", "AP(**x)", "nDCG@ten", "a; b", "AP@-1", "(" * 500]
    + ["RBP@open('x')", "__import__('os')", "nDCG.x", "SetP@3"],
)
def test_what_is_no_metric_is_refused(name: str) -> None:
    """In one sentence, and nothing of it is run."""
    with pytest.raises(InvalidArgumentError, match="There is no metric|cannot be"):
        parse_metrics([name])
