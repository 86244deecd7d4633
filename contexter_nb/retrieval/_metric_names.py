"""A metric by its name in the notation of ir-measures: ``nDCG@10``, ``AP(rel=2)@100``.

ir-measures reads it by parts of `ast` that are deprecated from Python 3.12 on and gone
in 3.14 (read in its source, 0.4.3, 2026-11-28).
"""

from __future__ import annotations

import ast
from types import ModuleType
from typing import Any


def measure_of(library: ModuleType, name: str) -> Any:
    """Return a measure of ir-measures.

    Parameters
    ----------
    library : module
        ir_measures itself.
    name : str
        A measure, its parameters by name, its cutoff after an ``@``.

    Raises
    ------
    ValueError
        It is written otherwise, or a value is none.
    KeyError
        There is no measure of this name.
    TypeError
        The measure takes no cutoff.

    Examples
    --------
    >>> import ir_measures
    >>> measure_of(ir_measures, "AP(rel=2)@100") == ir_measures.AP(rel=2) @ 100
    True
    """
    try:
        node = ast.parse(name, mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as exc:
        raise ValueError("it is no name of a measure") from exc
    given: dict[str, Any] = {}
    cutoff = None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        cutoff, node = ast.literal_eval(node.right), node.left
    if isinstance(node, ast.Call):
        if node.args or any(each.arg is None for each in node.keywords):
            raise ValueError("parameters are given by their names")
        given = {str(each.arg): ast.literal_eval(each.value) for each in node.keywords}
        node = node.func
    if not isinstance(node, ast.Name):
        raise ValueError("it is no name of a measure")
    kind = library.measures.registry[node.id]
    if cutoff is not None:
        if kind.AT_PARAM is None:
            raise TypeError(f"{node.id} takes no cutoff")
        if not isinstance(cutoff, int) or cutoff < 1:
            raise ValueError(f"the cutoff is {cutoff!r}")
        given[kind.AT_PARAM] = cutoff
    return kind(**given)
