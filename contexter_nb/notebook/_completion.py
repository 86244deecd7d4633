"""Completion inside ``where={...}``: columns, operators, and what a column holds."""

from __future__ import annotations

import re
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from contexter_nb.retrieval import FILTER_COLUMNS

# What a text column is known to hold, by its name; asked when somebody completes.
Values = Callable[[str], Sequence[str]]

# In place of a column: those of tables.
OWN_COLUMNS = ""

_OPENED = re.compile(r"""\bwhere\s*=\s*\{|\.remove\(\s*(?:where\s*=\s*)?\{""")
_KEY = re.compile(r"""(?:^|,)\s*(["'])(\w*)$""")
_OPERATOR = re.compile(r"""(["'])(\w+)\1\s*:\s*\{(?:[^{}]*,)?\s*(["'])(\w*)$""")
_VALUE = re.compile(
    r"""(["'])(\w+)\1\s*:\s*(?:\[[^\]]*|\{\s*["']not["']\s*:\s*\[?[^\]}]*)?"""
    r"""(["'])([^"'{}\[\]]*)$"""
)
_INNER = re.compile(r"""\{[^{}]*\}|\[[^\[\]]*\]""")
_KINDS = ("attribute", "class", "function", "method", "module", "page", "property")
_SOURCES = ("context7", "folder", "frame", "installed", "stdlib")
_MARK = "contexter_nb.where"


class Completion(NamedTuple):
    """What is typed of a word, and the words it may become."""

    fragment: str
    words: tuple[str, ...]


def complete(before: str, values: Values) -> Completion | None:
    """Return what may stand at the end of some code; None where it is no filter.

    Parameters
    ----------
    before : str
        The code before the cursor.
    values : callable
        A column's name to what it holds; nothing to the columns of tables.

    Examples
    --------
    >>> complete('nb.search("join", where={"lib', lambda column: ()).words
    ('library',)
    """
    opened = [each.end() for each in _OPENED.finditer(before)]
    if not opened:
        return None
    tail = before[opened[-1] :]
    # What is closed already is out of the way.
    outer = _INNER.sub("", tail)
    if "}" in outer:
        return None
    if found := _OPERATOR.search(tail):
        known = ("gt", "gte", "lt", "lte", "not", "prefix")
        return _starting(found[4], known)
    if found := _VALUE.search(tail):
        return _starting(found[4], _held(found[2], values))
    if "[" not in outer and "{" not in outer and (found := _KEY.search(outer)):
        return _starting(found[2], (*FILTER_COLUMNS, *values(OWN_COLUMNS)))
    return None


def _starting(fragment: str, words: Sequence[str]) -> Completion:
    return Completion(
        fragment, tuple(each for each in words if each.startswith(fragment))
    )


def _held(column: str, values: Values) -> Sequence[str]:
    fixed = {"kind": _KINDS, "source": _SOURCES}
    return fixed.get(column) or values(column)


def install(session: Any, libraries: Callable[[], Mapping[str, Any]]) -> None:
    """Have the running IPython complete filters, of this session from now on.

    Outside of IPython nothing is done.

    Parameters
    ----------
    session : object
        Completion ends with it.
    libraries : callable
        What is indexed, by name; asks nobody.
    """
    shell = _shell()
    completer: Any = getattr(shell, "Completer", None)
    if not hasattr(completer, "custom_matchers"):
        return
    alive = weakref.ref(session)

    def values(column: str) -> Sequence[str]:
        if column not in ("library", OWN_COLUMNS) or alive() is None:
            return ()
        try:
            if column == OWN_COLUMNS:
                return sorted(
                    {key for each in libraries().values() for key in each.kinds}
                )
            return sorted(libraries())
        except Exception:  # completion is silent: what is wrong shows in the cell
            return ()

    others = [each for each in completer.custom_matchers if not _is_ours(each)]
    completer.custom_matchers = [*others, _matcher(values)]


def _is_ours(matcher: Any) -> bool:
    return getattr(matcher, "matcher_identifier", "") == _MARK


def _shell() -> Any:
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def _matcher(values: Values) -> Any:
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher(identifier=_MARK, priority=1000)
    def where_matcher(context: Any) -> Any:
        lines = context.full_text.split("\n")[: context.cursor_line + 1]
        lines[-1] = lines[-1][: context.cursor_position]
        found = complete("\n".join(lines), values)
        if found is None:
            return {"completions": []}
        return {
            "completions": [
                SimpleCompletion(each, type="param") for each in found.words
            ],
            "matched_fragment": found.fragment,
            "suppress": bool(found.words),
        }

    return where_matcher
